/* EulerDiscreteScheduler: an Euler step of the probability-flow equation from one noise level to the next, latents
 * scaled as x = image + sigma noise. SDXL's own. Reference: diffusers schedulers/scheduling_euler_discrete.py. Without
 * its optional noise (s_churn 0, which pipelines leave at that). EulerAncestralDiscreteScheduler: steps further down
 * than the next level, and fresh noise up to it. Reference: scheduling_euler_ancestral_discrete.py. */
#include <math.h>
#include <stdlib.h>

#include "sampler/scheduler_solver.h"

static ss_status scheduler_euler_euler_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    diffusion_config *g = &out->diffusion;
    int unused;
    SS_TRY(diffusion_parse(json, where, &(diffusion_defaults){.spacing = SPACING_LINSPACE}, g, err));
    SS_TRY(diffusion_parse_levels(json, where, g, err));
    SS_TRY(diffusion_parse_final(json, where, g, err));
    SS_TRY(diffusion_parse_zero_snr(json, where, g, err));
    SS_TRY(diffusion_parse_word(json, where, "interpolation_type", "linear", "linear", NULL, &unused, err));
    SS_TRY(diffusion_parse_word(json, where, "timestep_type", "discrete", "discrete", NULL, &unused, err));
    SS_TRY(diffusion_expect_none(json, where, "sigma_min", err));
    return diffusion_expect_none(json, where, "sigma_max", err);
}

static ss_status euler_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_EULER, err);
}

/* epsilon: the derivative of x by sigma is the noise itself. v: it is (x - image) / sigma with image = x / (sigma^2 +
 * 1) - sigma v / sqrt(sigma^2 + 1), which is linear in x and v. */
static void scheduler_euler_plan_call(const diffusion_config *g, float here, float next, schedule_call *k) {
    double sigma = (double)here, variance = sigma * sigma + 1, dt = (double)(next - here);
    k->sigma = here;
    k->input_scale = (float)(1 / sqrt(variance));
    k->latents = (float)(g->predicts == PREDICTS_V ? 1 + dt * sigma / variance : 1);
    k->weight[0] = (float)(g->predicts == PREDICTS_V ? dt / sqrt(variance) : dt);
}

/* To sigma_down, with noise of sigma_up: together they are the next level. */
static void plan_ancestral_call(const diffusion_config *g, float here, float next, schedule_call *k) {
    double from = (double)here, to = (double)next;
    double up = sqrt(fmax(to * to * (from * from - to * to) / (from * from), 0)), down = sqrt(to * to - up * up);
    mix noise = scaled_noise_of(g->predicts, from);
    k->sigma = here;
    k->input_scale = (float)(1 / sqrt(from * from + 1));
    k->latents = (float)(1 + (down - from) * noise.latents);
    k->weight[0] = (float)((down - from) * noise.output);
    k->noise = (float)up;
    k->draws = 1;
}

typedef void plan_one(const diffusion_config *g, float here, float next, schedule_call *k);

static ss_status scheduler_euler_fill_with(const diffusion_config *g, int steps, plan_one *plan, schedule *out,
                                           ss_error *err) {
    float *sigma = calloc(2 * (size_t)steps + 1, sizeof *sigma), *timestep = sigma + steps + 1;
    if (!sigma) return error_no_memory(err, "schedule", (2 * (size_t)steps + 1) * sizeof *sigma);
    ss_status status = diffusion_sigmas(g, steps, SPACE_AS_EULER, timestep, sigma, err);
    float most = sigma[0];
    for (int i = 0; status == SS_OK && i < steps; i++) {
        plan(g, sigma[i], sigma[i + 1], &out->call[i]);
        out->call[i].timestep = timestep[i];
        if (sigma[i + 1] > most) most = sigma[i + 1];
    }
    free(sigma);
    out->initial_scale = g->spacing == SPACING_LEADING ? (float)sqrt((double)most * (double)most + 1) : most;
    return status;
}

static ss_status scheduler_euler_euler_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out,
                                            ss_error *err) {
    (void)image_tokens;
    return scheduler_euler_fill_with(&s->diffusion, steps, scheduler_euler_plan_call, out, err);
}

const scheduler_row SCHEDULER_EULER = {
    .about = {"EulerDiscreteScheduler", "Euler steps between noise levels; SDXL's own", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 1,
    .parse = scheduler_euler_euler_parse,
    .check = euler_check,
    .fill = scheduler_euler_euler_fill,
};

/* ---- ancestral ---- */

static ss_status ancestral_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    diffusion_config *g = &out->diffusion;
    SS_TRY(diffusion_parse(json, where, &(diffusion_defaults){.spacing = SPACING_LINSPACE}, g, err));
    return diffusion_parse_zero_snr(json, where, g, err);
}

static ss_status ancestral_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    return scheduler_euler_fill_with(&s->diffusion, steps, plan_ancestral_call, out, err);
}

const scheduler_row SCHEDULER_EULER_ANCESTRAL = {
    .about = {"EulerAncestralDiscreteScheduler", "Euler steps with fresh noise; SDXL-Turbo's own", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 1,
    .parse = ancestral_parse,
    .check = euler_check,
    .fill = ancestral_fill,
};
