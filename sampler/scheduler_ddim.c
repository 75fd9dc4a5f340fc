/* DDIMScheduler with eta 0, the deterministic one. Paper: Song et al., "Denoising Diffusion Implicit Models", 2021,
 * equation 12. Reference: diffusers schedulers/scheduling_ddim.py. */
#include <math.h>
#include <stdlib.h>

#include "sampler/scheduler_row.h"

static ss_status ddim_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    diffusion_config *g = &out->diffusion;
    SS_TRY(diffusion_parse(json, where, &(diffusion_defaults){.spacing = SPACING_LEADING}, g, err));
    SS_TRY(diffusion_parse_zero_snr(json, where, g, err));
    SS_TRY(diffusion_expect_flag(json, where, "clip_sample", 1, 0, err));
    SS_TRY(diffusion_expect_flag(json, where, "thresholding", 0, 0, err));
    SS_TRY(json_get_bool_or(json, "set_alpha_to_one", where, 1, &g->alpha_to_one, err));
    if (g->zero_snr && g->predicts != PREDICTS_V) /* the first step would divide by zero */
        return error_set(err, SS_ERR_INPUT, where,
                         "rescale_betas_zero_snr is true and prediction_type epsilon; expected v_prediction with it");
    return SS_OK;
}

static ss_status ddim_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_DDIM, err);
}

/* x' = sqrt(a') image + sqrt(1 - a') noise, both as the output predicts them. */
static void scheduler_ddim_plan_call(int v_prediction, double a, double a_next, schedule_call *k) {
    double keep = sqrt(a), rest = sqrt(1 - a), keep_next = sqrt(a_next), rest_next = sqrt(1 - a_next);
    if (v_prediction) {
        k->latents = (float)(keep_next * keep + rest_next * rest);
        k->weight[0] = (float)(rest_next * keep - keep_next * rest);
    } else {
        k->latents = (float)(keep_next / keep);
        k->weight[0] = (float)(rest_next - keep_next * rest / keep);
    }
}

static ss_status ddim_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *alpha_bar;
    SS_TRY(diffusion_alpha_bar(g, &alpha_bar, err));
    double *timestep = malloc((size_t)steps * sizeof *timestep);
    int64_t stride = g->train_timesteps / steps;
    if (timestep) diffusion_timesteps(g, steps, SPACE_AS_DDIM, timestep);
    for (int i = 0; timestep && i < steps; i++) {
        int64_t t = (int64_t)timestep[i], next = t - stride; /* for every spacing, as the reference */
        float a_next = next >= 0 ? alpha_bar[next] : g->alpha_to_one ? 1 : alpha_bar[0];
        scheduler_ddim_plan_call(g->predicts == PREDICTS_V, (double)alpha_bar[t], (double)a_next, &out->call[i]);
        out->call[i].timestep = (float)t;
        out->call[i].sigma = diffusion_sigma(alpha_bar[t]);
    }
    free(alpha_bar);
    free(timestep);
    return timestep ? SS_OK : error_no_memory(err, "schedule", (size_t)steps * sizeof *timestep);
}

const scheduler_row SCHEDULER_DDIM = {
    .about = {"DDIMScheduler", "DDIM without added noise", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 1,
    .parse = ddim_parse,
    .check = ddim_check,
    .fill = ddim_fill,
};
