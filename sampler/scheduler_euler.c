/* EulerDiscreteScheduler: an Euler step of the probability-flow equation from one noise level to the next, latents
 * scaled as x = picture + sigma noise. SDXL's own. Reference: diffusers schedulers/scheduling_euler_discrete.py.
 * Without its optional noise (s_churn 0, which pipelines leave at that). */
#include <math.h>
#include <stdlib.h>

#include "sampler/scheduler_row.h"

static ss_status euler_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    diffusion_config *g = &out->diffusion;
    int unused;
    SS_TRY(diffusion_parse(json, where, SPACING_LINSPACE, g, err));
    SS_TRY(diffusion_parse_sigmas(json, where, g, err));
    SS_TRY(diffusion_parse_zero_snr(json, where, g, err));
    SS_TRY(diffusion_parse_word(json, where, "interpolation_type", "linear", "linear", NULL, &unused, err));
    SS_TRY(diffusion_parse_word(json, where, "timestep_type", "discrete", "discrete", NULL, &unused, err));
    SS_TRY(diffusion_expect_none(json, where, "sigma_min", err));
    return diffusion_expect_none(json, where, "sigma_max", err);
}

static ss_status euler_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_EULER, err);
}

/* epsilon: the derivative of x by sigma is the noise itself. v: it is (x - picture) / sigma with picture =
 * x / (sigma^2 + 1) - sigma v / sqrt(sigma^2 + 1), which is linear in x and v. */
static void plan_call(const diffusion_config *g, float here, float next, schedule_call *k) {
    double sigma = (double)here, variance = sigma * sigma + 1, dt = (double)(next - here);
    k->sigma = here;
    k->input_scale = (float)(1 / sqrt(variance));
    k->latents = (float)(g->v_prediction ? 1 + dt * sigma / variance : 1);
    k->weight[0] = (float)(g->v_prediction ? dt / sqrt(variance) : dt);
}

static ss_status euler_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *level = calloc(2 * (size_t)steps + 1, sizeof *level), *timestep = level + steps + 1;
    if (!level) return error_no_memory(err, "schedule", (2 * (size_t)steps + 1) * sizeof *level);
    ss_status status = diffusion_sigmas(g, steps, SPACE_AS_EULER, timestep, level, err);
    float most = level[0];
    for (int i = 0; status == SS_OK && i < steps; i++) {
        plan_call(g, level[i], level[i + 1], &out->call[i]);
        out->call[i].timestep = timestep[i];
        if (level[i + 1] > most) most = level[i + 1];
    }
    free(level);
    out->initial_scale = g->spacing == SPACING_LEADING ? (float)sqrt((double)most * (double)most + 1) : most;
    return status;
}

const scheduler_row SCHEDULER_EULER = {
    .about = {"EulerDiscreteScheduler", "Euler steps between noise levels; SDXL's own", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 1,
    .parse = euler_parse,
    .check = euler_check,
    .fill = euler_fill,
};
