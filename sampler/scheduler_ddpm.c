/* DDPMScheduler: the posterior of training, with its noise. Paper: Ho et al., "Denoising Diffusion Probabilistic
 * Models", 2020, equations 6, 7 and 15. Reference: diffusers schedulers/scheduling_ddpm.py. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/scheduler_solver.h"

static ss_status parse_variance(const json_t *json, const char *where, diffusion_config *g, ss_error *err) {
    static const struct {
        const char *name;
        double power;
        int large;
    } known[] = {{"fixed_small", 0.5, 0}, {"fixed_small_log", 0.5, 0}, {"fixed_large", 0.5, 1}};
    const char *found;
    SS_TRY(json_get_text_or(json, "variance_type", where, "fixed_small", &found, err));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(found, known[i].name) == 0) {
            g->variance_power = known[i].power;
            g->variance_large = known[i].large;
            return SS_OK;
        }
    return error_set(err, SS_ERR_INPUT, where,
                     "variance_type is '%s'; expected fixed_small, fixed_small_log or fixed_large", found);
}

static ss_status ddpm_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    diffusion_config *g = &out->diffusion;
    SS_TRY(diffusion_parse(json, where, &(diffusion_defaults){.spacing = SPACING_LEADING}, g, err));
    SS_TRY(diffusion_parse_zero_snr(json, where, g, err));
    SS_TRY(diffusion_expect_flag(json, where, "clip_sample", 1, 0, err));
    SS_TRY(diffusion_expect_flag(json, where, "thresholding", 0, 0, err));
    if (g->zero_snr && g->predicts != PREDICTS_V)
        return error_set(err, SS_ERR_INPUT, where,
                         "rescale_betas_zero_snr is true and prediction_type epsilon; expected v_prediction with it");
    return parse_variance(json, where, g, err);
}

static ss_status ddpm_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_DDIM, err);
}

/* From share a of the image to a_next: the mean of the posterior, and its noise. */
static void scheduler_ddpm_plan_call(const diffusion_config *g, double a, double a_next, schedule_call *k) {
    double alpha = a / a_next, beta = 1 - alpha, variance = g->variance_large ? beta : (1 - a_next) / (1 - a) * beta;
    double of_picture = sqrt(a_next) * beta / (1 - a), of_latents = sqrt(alpha) * (1 - a_next) / (1 - a);
    mix picture = picture_of(g, (level){sqrt((1 - a) / a), sqrt(a), sqrt(1 - a)});
    k->latents = (float)(of_latents + of_picture * picture.latents);
    k->weight[0] = (float)(of_picture * picture.output);
    k->draws = k->timestep > 0;
    k->noise = k->draws ? (float)pow(fmax(variance, 1e-20), g->variance_power) : 0;
}

static ss_status ddpm_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *alpha_bar;
    SS_TRY(diffusion_alpha_bar(g, &alpha_bar, err));
    double *timestep = malloc((size_t)steps * sizeof *timestep);
    if (timestep) diffusion_timesteps(g, steps, SPACE_AS_DDIM, timestep);
    for (int i = 0; timestep && i < steps; i++) {
        int64_t t = (int64_t)timestep[i];
        out->call[i].timestep = (float)t;
        out->call[i].sigma = diffusion_sigma(alpha_bar[t]);
        scheduler_ddpm_plan_call(g, (double)alpha_bar[t],
                                 i + 1 < steps ? (double)alpha_bar[(int64_t)timestep[i + 1]] : 1, &out->call[i]);
    }
    free(alpha_bar);
    free(timestep);
    return timestep ? SS_OK : error_no_memory(err, "schedule", (size_t)steps * sizeof *timestep);
}

const scheduler_row SCHEDULER_DDPM = {
    .about = {"DDPMScheduler", "the posterior of training, with fresh noise", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 1,
    .parse = ddpm_parse,
    .check = ddpm_check,
    .fill = ddpm_fill,
};
