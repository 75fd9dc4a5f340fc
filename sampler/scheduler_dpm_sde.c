/* DPMSolverSDEScheduler, DPM++ SDE of k-diffusion: a step to the middle (on a scale of logarithms), then the whole step
 * with the network's output there; both are ancestral, with increments of one Brownian path. Two calls a step, but for
 * the last one. Latents as Euler's. Reference: diffusers schedulers/scheduling_dpmsolver_sde.py. */
#include <math.h>
#include <stdlib.h>

#include "sampler/scheduler_solver.h"

enum { OUTPUT, START, SLOTS };

static ss_status sde_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    const diffusion_defaults by_default = {.spacing = SPACING_LINSPACE, .beta_start = 0.00085, .beta_end = 0.012};
    diffusion_config *g = &out->diffusion;
    SS_TRY(diffusion_parse(json, where, &by_default, g, err));
    SS_TRY(diffusion_parse_levels(json, where, g, err));
    SS_TRY(json_get_int_or(json, "noise_sampler_seed", where, -1, &g->noise_seed, err));
    if (g->noise_seed >= -1) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "noise_sampler_seed is %lld; expected null or a number from 0",
                     (long long)g->noise_seed);
}

static ss_status sde_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_EULER, err);
}

static int sde_calls(int steps) { return 2 * steps - 1; }

/* To `to` from `from`, at which the latents were that the image is mixed with: x' = down / from x + (1 - down / from)
 * image + up z. */
static void plan_move(double from, double to, mix picture, int from_start, schedule_call *k) {
    double up = fmin(to, sqrt(fmax(to * to * (from * from - to * to) / (from * from), 0)));
    double shrink = sqrt(to * to - up * up) / from;
    k->output = OUTPUT;
    call_keeps(k, picture);
    k->latents = from_start ? 0 : (float)shrink;
    k->weight[START] = from_start ? (float)shrink : 0;
    k->weight[OUTPUT] = (float)(1 - shrink);
    k->noise = (float)up;
    k->draws = DRAWS_PATH;
}

/* diffusers evaluates the path at exp(log(sigma)) in float32; a difference of 1e-6 there gives another path. */
static float by_log(float log_sigma) { return (float)exp((double)log_sigma); }

static void scheduler_dpm_sde_plan_step(const diffusion_config *g, int i, float here, float next, schedule *out) {
    schedule_call *k = &out->call[2 * i], *again = k + 1;
    mix picture = scaled_picture_of(g->predicts, (double)here);
    k->step = i;
    k->sigma = here;
    if (next == 0) { /* to the image */
        k->output = OUTPUT;
        call_keeps(k, picture);
        k->latents = 0;
        k->weight[OUTPUT] = 1;
        return;
    }
    float t = -(float)log((double)here), t_next = -(float)log((double)next), t_middle = t + (t_next - t) * 0.5f;
    float middle = by_log(-t_middle);
    k->saved = START;
    k->path_from = again->path_from = (double)by_log(-t);
    k->path_to = (double)middle;
    plan_move((double)here, (double)middle, picture, 0, k);
    again->step = i;
    again->sigma = middle;
    again->path_to = (double)by_log(-t_next);
    plan_move((double)here, (double)next, scaled_picture_of(g->predicts, (double)middle), 1, again);
}

static ss_status sde_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *sigma = calloc(2 * (size_t)steps + 1, sizeof *sigma), *timestep = sigma + steps + 1, *alpha_bar = NULL;
    if (!sigma) return error_no_memory(err, "schedule", (2 * (size_t)steps + 1) * sizeof *sigma);
    ss_status status = diffusion_sigmas(g, steps, SPACE_AS_EULER, timestep, sigma, err);
    if (status == SS_OK) status = diffusion_alpha_bar(g, &alpha_bar, err);
    float most = sigma[0], least = sigma[0];
    for (int i = 0; status == SS_OK && i < steps; i++) {
        scheduler_dpm_sde_plan_step(g, i, sigma[i], sigma[i + 1], out);
        out->call[2 * i].timestep = timestep[i];
        if (i + 1 < steps)
            out->call[2 * i + 1].timestep =
                (float)timestep_of(alpha_bar, g->train_timesteps, sqrt((double)sigma[i] * (double)sigma[i + 1]));
        if (sigma[i] > most) most = sigma[i];
        if (sigma[i] < least) least = sigma[i];
    }
    for (int call = 0; status == SS_OK && call < out->calls; call++) {
        schedule_call *k = &out->call[call];
        k->input_scale = (float)(1 / sqrt((double)k->sigma * (double)k->sigma + 1));
    }
    out->path_low = (double)least;
    out->path_high = (double)most;
    out->path_seed = g->noise_seed;
    out->initial_scale = g->spacing == SPACING_LEADING ? (float)sqrt((double)most * (double)most + 1) : most;
    free(alpha_bar);
    free(sigma);
    return status;
}

const scheduler_row SCHEDULER_DPM_SOLVER_SDE = {
    .about = {"DPMSolverSDEScheduler", "DPM++ SDE: noise of one Brownian path, two calls a step", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = SLOTS,
    .parse = sde_parse,
    .check = sde_check,
    .calls = sde_calls,
    .fill = sde_fill,
};
