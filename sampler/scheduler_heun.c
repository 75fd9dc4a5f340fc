/* Heun's rule: a step with the slope at its beginning, then again with the mean of the slopes at both ends. Two calls
 * of the network a step, but for the last one, which ends without noise. HeunDiscreteScheduler for diffusions, latents
 * as Euler's; FlowMatchHeunDiscreteScheduler for flows. Reference: diffusers schedulers/scheduling_heun_discrete.py and
 * scheduling_flow_match_heun_discrete.py. */
#include <math.h>
#include <stdlib.h>

#include "sampler/scheduler_solver.h"

enum { FIRST_SLOPE, SECOND_SLOPE, START, SLOTS };

static int heun_calls(int steps) { return 2 * steps - 1; }

/* The calls of step i, given what the slope is at its beginning and at its end. */
static void scheduler_heun_plan_step(schedule *out, int i, float here, float next, mix slope, mix slope_there) {
    schedule_call *k = &out->call[2 * i], *again = k + 1;
    float dt = next - here;
    k->step = i;
    k->sigma = here;
    k->output = FIRST_SLOPE;
    k->saved = START;
    call_keeps(k, slope);
    k->weight[FIRST_SLOPE] = dt;
    if (2 * i + 1 == out->calls) return;
    again->step = i;
    again->sigma = next;
    again->output = SECOND_SLOPE;
    call_keeps(again, slope_there);
    again->latents = 0;
    again->weight[START] = 1;
    again->weight[FIRST_SLOPE] = again->weight[SECOND_SLOPE] = dt / 2;
}

/* ---- diffusions ---- */

static ss_status heun_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    const diffusion_defaults by_default = {.spacing = SPACING_LINSPACE, .beta_start = 0.00085, .beta_end = 0.012};
    SS_TRY(diffusion_parse(json, where, &by_default, &out->diffusion, err));
    SS_TRY(diffusion_parse_levels(json, where, &out->diffusion, err));
    return diffusion_expect_flag(json, where, "clip_sample", 0, 0, err);
}

static ss_status heun_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_EULER, err);
}

static ss_status heun_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *sigma = calloc(2 * (size_t)steps + 1, sizeof *sigma), *timestep = sigma + steps + 1;
    if (!sigma) return error_no_memory(err, "schedule", (2 * (size_t)steps + 1) * sizeof *sigma);
    ss_status status = diffusion_sigmas(g, steps, SPACE_AS_EULER, timestep, sigma, err);
    float most = sigma[0];
    for (int i = 0; status == SS_OK && i < steps; i++) {
        scheduler_heun_plan_step(out, i, sigma[i], sigma[i + 1], scaled_noise_of(g->predicts, (double)sigma[i]),
                                 scaled_noise_of(g->predicts, (double)sigma[i + 1]));
        if (sigma[i] > most) most = sigma[i];
    }
    for (int call = 0; status == SS_OK && call < out->calls; call++) {
        schedule_call *k = &out->call[call];
        k->timestep = timestep[(call + 1) / 2];
        k->input_scale = (float)(1 / sqrt((double)k->sigma * (double)k->sigma + 1));
    }
    free(sigma);
    out->initial_scale = g->spacing == SPACING_LEADING ? (float)sqrt((double)most * (double)most + 1) : most;
    return status;
}

const scheduler_row SCHEDULER_HEUN = {
    .about = {"HeunDiscreteScheduler", "Heun's rule: two calls a step", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = SLOTS,
    .parse = heun_parse,
    .check = heun_check,
    .calls = heun_calls,
    .fill = heun_fill,
};

/* ---- flows ---- */

static ss_status scheduler_heun_flow_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    return flow_match_parse_plain(json, where, &out->flow, err);
}

static ss_status scheduler_heun_flow_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out,
                                          ss_error *err) {
    float *sigma = calloc(2 * (size_t)steps + 1, sizeof *sigma), *timestep = sigma + steps + 1;
    const mix itself = {0, 1};
    if (!sigma) return error_no_memory(err, "schedule", (2 * (size_t)steps + 1) * sizeof *sigma);
    flow_match_schedule(&s->flow, steps, image_tokens, sigma, timestep);
    for (int i = 0; i < steps; i++) scheduler_heun_plan_step(out, i, sigma[i], sigma[i + 1], itself, itself);
    for (int call = 0; call < out->calls; call++) out->call[call].timestep = timestep[(call + 1) / 2];
    free(sigma);
    return SS_OK;
}

const scheduler_row SCHEDULER_FLOW_MATCH_HEUN = {
    .about = {"FlowMatchHeunDiscreteScheduler", "Heun's rule along a rectified flow: two calls a step", NULL},
    .family = SCHEDULER_FLOW,
    .slots = SLOTS,
    .parse = scheduler_heun_flow_parse,
    .calls = heun_calls,
    .fill = scheduler_heun_flow_fill,
};
