/* DPMSolverMultistepScheduler: DPM-Solver++ of the first and second order, multistep (2M). Paper: Lu et al.,
 * "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models", 2022, algorithm 2. Reference:
 * diffusers schedulers/scheduling_dpmsolver_multistep.py. */
#include <math.h>
#include <stdlib.h>

#include "sampler/scheduler_row.h"

enum { FEW_STEPS = 15 }; /* below that lower_order_final has a meaning */

/* Refuse what makes another solver of it. */
static ss_status refuse_others(const json_t *json, const char *where, ss_error *err) {
    static const char *const flags[] = {"use_lu_lambdas", "use_flow_sigmas", "use_dynamic_shifting", "thresholding"};
    int unused;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        SS_TRY(diffusion_expect_flag(json, where, flags[i], 0, 0, err));
    SS_TRY(diffusion_parse_word(json, where, "algorithm_type", "dpmsolver++", "dpmsolver++", NULL, &unused, err));
    SS_TRY(diffusion_expect_none(json, where, "variance_type", err));
    return diffusion_expect_none(json, where, "lambda_min_clipped", err); /* -Infinity reads as null */
}

static ss_status dpm_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    diffusion_config *g = &out->diffusion;
    int64_t order;
    SS_TRY(diffusion_parse(json, where, SPACING_LINSPACE, g, err));
    SS_TRY(diffusion_parse_sigmas(json, where, g, err));
    SS_TRY(diffusion_parse_zero_snr(json, where, g, err));
    SS_TRY(refuse_others(json, where, err));
    SS_TRY(json_get_int_or(json, "solver_order", where, 2, &order, err));
    if (order != 1 && order != 2)
        return error_set(err, SS_ERR_INPUT, where, "solver_order is %lld; expected 1 or 2", (long long)order);
    g->order = (int)order;
    SS_TRY(diffusion_parse_word(json, where, "solver_type", "midpoint", "midpoint", "heun", &g->heun, err));
    SS_TRY(json_get_bool_or(json, "lower_order_final", where, 1, &g->lower_order_final, err));
    return json_get_bool_or(json, "euler_at_final", where, 0, &g->euler_at_final, err);
}

static ss_status dpm_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_DPM_SOLVER, err);
}

/* Noise level as the solver sees it: x = alpha picture + sigma noise, alpha^2 + sigma^2 = 1. */
typedef struct level {
    double ratio, alpha, sigma; /* ratio = sigma / alpha */
} level;

static level level_of(float ratio) {
    double r = (double)ratio, alpha = 1 / sqrt(r * r + 1);
    return (level){r, alpha, r * alpha};
}

/* Slots remember pictures: that of this call in `now`, that of the last one in the other. With h = log(s / t) the step
 * in half log-SNR from ratio s to ratio t, exp(-h) = t / s. */
static void plan_call(const diffusion_config *g, int order, const float *ratio, int i, schedule_call *k) {
    level s = level_of(ratio[i]), t = level_of(ratio[i + 1]);
    int now = i % 2;
    k->output = now;
    k->of_latents = (float)(g->v_prediction ? s.alpha : 1 / s.alpha);
    k->of_output = (float)(g->v_prediction ? -s.sigma : -s.ratio);
    k->latents = (float)(t.sigma / s.sigma);
    double decay = t.ratio / s.ratio - 1, first = -t.alpha * decay;
    k->weight[now] = (float)first;
    if (order < 2) return;
    double h = log(s.ratio / t.ratio), slope = h / log((double)ratio[i - 1] / s.ratio); /* 1 / r0 */
    /* exp(-h) - 1 over h tends to -1 as the step vanishes, as the last one of karras to sigma_min does */
    double second = g->heun ? (h > 0 ? t.alpha * (decay / h + 1) : 0) : 0.5 * first;
    k->weight[now] = (float)(first + second * slope);
    k->weight[!now] = (float)(-second * slope);
}

static ss_status dpm_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *ratio = calloc(2 * (size_t)steps + 1, sizeof *ratio), *timestep = ratio + steps + 1;
    if (!ratio) return error_no_memory(err, "schedule", (2 * (size_t)steps + 1) * sizeof *ratio);
    ss_status status = diffusion_sigmas(g, steps, SPACE_AS_DPM_SOLVER, timestep, ratio, err);
    for (int i = 0; status == SS_OK && i < steps; i++) {
        int lower_at_end =
            i == steps - 1 && (g->euler_at_final || (g->lower_order_final && steps < FEW_STEPS) || !g->final_sigma_min);
        plan_call(g, i == 0 || lower_at_end ? 1 : g->order, ratio, i, &out->call[i]);
        out->call[i].timestep = timestep[i];
        out->call[i].sigma = ratio[i];
    }
    free(ratio);
    return status;
}

const scheduler_row SCHEDULER_DPM_SOLVER = {
    .about = {"DPMSolverMultistepScheduler", "DPM-Solver++ 2M", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 2,
    .parse = dpm_parse,
    .check = dpm_check,
    .fill = dpm_fill,
};
