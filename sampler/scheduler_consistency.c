/* Schedulers of models distilled into few steps. LCMScheduler: every step goes to the image and noise is put back.
 * Paper: Luo et al., "Latent Consistency Models", 2023. TCDScheduler: a step goes to a level below the next one, and
 * noise is put back up to that; with eta 0, diffusers' default, to the next one itself. Paper: Zheng et al.,
 * "Trajectory Consistency Distillation", 2024. Reference: diffusers schedulers/scheduling_lcm.py and
 * scheduling_tcd.py. */
#include <math.h>
#include <stdlib.h>

#include "sampler/scheduler_solver.h"

static ss_status scheduler_consistency_parse(const json_t *json, const char *where, diffusion_config *g,
                                             ss_error *err) {
    const diffusion_defaults by_default = {
        .spacing = SPACING_LEADING, .beta_start = 0.00085, .beta_end = 0.012, .scaled_linear = 1};
    SS_TRY(diffusion_parse(json, where, &by_default, g, err));
    SS_TRY(diffusion_parse_zero_snr(json, where, g, err));
    SS_TRY(diffusion_expect_flag(json, where, "clip_sample", 0, 0, err));
    SS_TRY(diffusion_expect_flag(json, where, "thresholding", 0, 0, err));
    SS_TRY(json_get_int_or(json, "original_inference_steps", where, 50, &g->original_steps, err));
    SS_TRY(json_get_double_or(json, "timestep_scaling", where, 10, &g->timestep_scaling, err));
    SS_TRY(json_get_double_or(json, "eta", where, 0, &g->eta, err));
    if (g->original_steps < 1 || g->original_steps > g->train_timesteps)
        return error_set(err, SS_ERR_INPUT, where, "original_inference_steps is %lld; expected 1 to %lld",
                         (long long)g->original_steps, (long long)g->train_timesteps);
    if (!(g->eta >= 0 && g->eta <= 1)) return error_set(err, SS_ERR_INPUT, where, "eta is not in [0, 1]");
    if (g->zero_snr && g->predicts != PREDICTS_V)
        return error_set(err, SS_ERR_INPUT, where,
                         "rescale_betas_zero_snr is true and prediction_type epsilon; expected v_prediction with it");
    return SS_OK;
}

static ss_status scheduler_consistency_check(const scheduler *g, int steps, ss_error *err) {
    if (steps <= g->diffusion.original_steps) return SS_OK;
    return error_set(err, SS_ERR_INPUT, NULL, "steps is %d; expected at most %lld, original_inference_steps", steps,
                     (long long)g->diffusion.original_steps);
}

/* Evenly among the steps of the distillation, from the end. */
static int64_t timestep_at(const diffusion_config *g, int steps, int i) {
    int64_t stride = g->train_timesteps / g->original_steps;
    int64_t back = (int64_t)floor(i * ((double)g->original_steps / steps));
    return (g->original_steps - back) * stride - 1;
}

static level level_of_share(float alpha_bar) {
    double a = (double)alpha_bar;
    return (level){sqrt((1 - a) / a), sqrt(a), sqrt(1 - a)};
}

typedef void plan_one(const diffusion_config *g, const float *alpha_bar, int64_t t, int64_t next, schedule_call *k);

static ss_status scheduler_consistency_fill_with(const diffusion_config *g, int steps, plan_one *plan, schedule *out,
                                                 ss_error *err) {
    float *alpha_bar;
    SS_TRY(diffusion_alpha_bar(g, &alpha_bar, err));
    for (int i = 0; i < steps; i++) {
        int64_t t = timestep_at(g, steps, i);
        plan(g, alpha_bar, t, i + 1 < steps ? timestep_at(g, steps, i + 1) : -1, &out->call[i]);
        out->call[i].timestep = (float)t;
        out->call[i].sigma = diffusion_sigma(alpha_bar[t]);
    }
    free(alpha_bar);
    return SS_OK;
}

/* ---- LCM ---- */

static ss_status lcm_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    return scheduler_consistency_parse(json, where, &out->diffusion, err);
}

/* image = c_skip x + c_out (the image that the output predicts), sigma_data 1/2. next < 0: the last step. */
static void lcm_plan(const diffusion_config *g, const float *alpha_bar, int64_t t, int64_t next, schedule_call *k) {
    double scaled = (double)t * g->timestep_scaling, variance = scaled * scaled + 0.25;
    double c_skip = 0.25 / variance, c_out = scaled / sqrt(variance), keep = 1;
    mix picture = picture_of(g, level_of_share(alpha_bar[t]));
    if (next >= 0) {
        level there = level_of_share(alpha_bar[next]);
        keep = there.alpha;
        k->noise = (float)there.sigma;
        k->draws = 1;
    }
    k->latents = (float)(keep * (c_skip + c_out * picture.latents));
    k->weight[0] = (float)(keep * c_out * picture.output);
}

static ss_status lcm_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    return scheduler_consistency_fill_with(&s->diffusion, steps, lcm_plan, out, err);
}

const scheduler_row SCHEDULER_LCM = {
    .about = {"LCMScheduler", "latent consistency models: a few steps, fresh noise after each", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 1,
    .parse = lcm_parse,
    .check = scheduler_consistency_check,
    .fill = lcm_fill,
};

/* ---- TCD ---- */

static ss_status tcd_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    return scheduler_consistency_parse(json, where, &out->diffusion, err);
}

static void tcd_plan(const diffusion_config *g, const float *alpha_bar, int64_t t, int64_t next, schedule_call *k) {
    int64_t end = next < 0 ? 0 : next, s = (int64_t)floor((1 - g->eta) * (double)end);
    level here = level_of_share(alpha_bar[t]), there = level_of_share(alpha_bar[s]);
    mix picture = picture_of(g, here), noise = noise_of(g, here);
    double ratio = next < 0 || g->eta == 0 ? 1 : (double)alpha_bar[end] / (double)alpha_bar[s], keep = sqrt(ratio);
    k->latents = (float)(keep * (there.alpha * picture.latents + there.sigma * noise.latents));
    k->weight[0] = (float)(keep * (there.alpha * picture.output + there.sigma * noise.output));
    k->draws = next >= 0 && g->eta > 0;
    k->noise = k->draws ? (float)sqrt(1 - ratio) : 0;
}

static ss_status tcd_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    return scheduler_consistency_fill_with(&s->diffusion, steps, tcd_plan, out, err);
}

const scheduler_row SCHEDULER_TCD = {
    .about = {"TCDScheduler", "trajectory consistency models: a few steps", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 1,
    .parse = tcd_parse,
    .check = scheduler_consistency_check,
    .fill = tcd_fill,
};
