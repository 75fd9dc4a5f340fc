/* PNDMScheduler without its Runge-Kutta start (skip_prk_steps), Stable Diffusion 1's own: a linear multistep rule over
 * the last four outputs. Paper: Liu et al., "Pseudo Numerical Methods for Diffusion Models on Manifolds", 2022,
 * equations 9 and 12. Reference: diffusers schedulers/scheduling_pndm.py. */
#include <math.h>
#include <stdlib.h>

#include "sampler/scheduler_row.h"

enum { MEMORY = 4, SAVED = MEMORY, SLOTS };

static ss_status pndm_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    SS_TRY(diffusion_parse(json, where, &(diffusion_defaults){.spacing = SPACING_LEADING}, &out->diffusion, err));
    SS_TRY(diffusion_expect_flag(json, where, "skip_prk_steps", 0, 1, err));
    return json_get_bool_or(json, "set_alpha_to_one", where, 0, &out->diffusion.alpha_to_one, err);
}

static ss_status pndm_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_DDIM, err);
}

/* The first step is made twice, the second time with the mean of both outputs. */
static int pndm_calls(int steps) { return steps > 1 ? steps + 1 : 1; }

/* Equation 9: x' = latents x + noise e, from share a of the image to a_next. */
static void plan_transfer(int v_prediction, double a, double a_next, double *latents, double *noise) {
    double rest = 1 - a, rest_next = 1 - a_next;
    *latents = sqrt(a_next / a);
    *noise = -(a_next - a) / (a * sqrt(rest_next) + sqrt(a * rest * a_next));
    if (!v_prediction) return;
    *latents += *noise * sqrt(rest); /* e = sqrt(a) v + sqrt(1 - a) x */
    *noise *= sqrt(a);
}

/* Weights of the outputs so far, the newest first (Adams-Bashforth). */
static const double MIX[MEMORY][MEMORY] = {
    {1}, {3.0 / 2, -1.0 / 2}, {23.0 / 12, -16.0 / 12, 5.0 / 12}, {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24}};

/* Call 0 saves x; call 1 restores it, and its own output is dropped. Of the others, in order, the m-th is in slot m %
 * 4. */
static void plan_memory(int call, double latents, double noise, schedule_call *k) {
    k->latents = (float)latents;
    if (call == 0) k->saved = SAVED;
    if (call == 1) {
        k->output = 1;
        k->latents = 0;
        k->weight[SAVED] = (float)latents;
        k->weight[0] = k->weight[1] = (float)(0.5 * noise);
        return;
    }
    int m = call == 0 ? 0 : call - 1, have = m < MEMORY ? m + 1 : MEMORY;
    k->output = m % MEMORY;
    for (int i = 0; i < have; i++) k->weight[(m - i) % MEMORY] = (float)(noise * MIX[have - 1][i]);
}

static void scheduler_pndm_plan_calls(const diffusion_config *g, const float *alpha_bar, const double *timestep,
                                      int steps, schedule *out) {
    int64_t stride = g->train_timesteps / steps; /* at most the gap between the first two timesteps */
    for (int i = 0; i < out->calls; i++) {
        schedule_call *k = &out->call[i];
        /* Timesteps run 0, 1, 1, 2, ...: that of the second step is there twice. */
        k->step = i > 0 ? i - 1 : 0;
        int64_t told = (int64_t)timestep[i > 1 ? i - 1 : i], from = i == 1 ? told + stride : told, to = from - stride;
        float a_next = to >= 0 ? alpha_bar[to] : g->alpha_to_one ? 1 : alpha_bar[0];
        double latents, noise;
        plan_transfer(g->predicts == PREDICTS_V, (double)alpha_bar[from], (double)a_next, &latents, &noise);
        plan_memory(i, latents, noise, k);
        k->timestep = (float)told;
        k->sigma = diffusion_sigma(alpha_bar[told]);
    }
}

static ss_status pndm_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *alpha_bar;
    SS_TRY(diffusion_alpha_bar(g, &alpha_bar, err));
    double *timestep = malloc((size_t)steps * sizeof *timestep);
    if (timestep) {
        diffusion_timesteps(g, steps, SPACE_AS_DDIM, timestep);
        scheduler_pndm_plan_calls(g, alpha_bar, timestep, steps, out);
    }
    free(alpha_bar);
    free(timestep);
    return timestep ? SS_OK : error_no_memory(err, "schedule", (size_t)steps * sizeof *timestep);
}

const scheduler_row SCHEDULER_PNDM = {
    .about = {"PNDMScheduler", "pseudo linear multistep; Stable Diffusion 1's own", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = SLOTS,
    .parse = pndm_parse,
    .check = pndm_check,
    .calls = pndm_calls,
    .fill = pndm_fill,
};
