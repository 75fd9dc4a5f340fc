/* Schedulers of models that were trained in EDM's form (Playground v2.5): the network sees x / sqrt(sigma^2 +
 * sigma_data^2) and log(sigma) / 4, and its output is mixed with x. Paper: Karras et al., "Elucidating the Design Space
 * of Diffusion-Based Generative Models", 2022, table 1. EDMEulerScheduler, without its optional noise (s_churn 0);
 * EDMDPMSolverMultistepScheduler. Reference: diffusers schedulers/scheduling_edm_euler.py and
 * scheduling_edm_dpmsolver_multistep.py. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/scheduler_solver.h"

static ss_status scheduler_edm_parse(const json_t *json, const char *where, diffusion_config *g, ss_error *err) {
    int exponential, v;
    SS_TRY(json_get_double_or(json, "sigma_min", where, 0.002, &g->sigma_min, err));
    SS_TRY(json_get_double_or(json, "sigma_max", where, 80, &g->sigma_max, err));
    SS_TRY(json_get_double_or(json, "sigma_data", where, 0.5, &g->sigma_data, err));
    SS_TRY(json_get_double_or(json, "rho", where, 7, &g->rho, err));
    if (!(g->sigma_min > 0 && g->sigma_min < g->sigma_max && g->sigma_data > 0 && g->rho > 0))
        return error_set(err, SS_ERR_INPUT, where,
                         "sigma_min, sigma_max, sigma_data and rho: expected positive numbers, sigma_min below "
                         "sigma_max");
    SS_TRY(diffusion_parse_word(json, where, "sigma_schedule", "karras", "karras", "exponential", &exponential, err));
    SS_TRY(diffusion_parse_word(json, where, "prediction_type", "epsilon", "epsilon", "v_prediction", &v, err));
    g->levels = exponential ? LEVELS_EXPONENTIAL : LEVELS_KARRAS;
    g->predicts = v ? PREDICTS_EDM_V : PREDICTS_EDM_EPSILON;
    g->train_timesteps = 1000; /* what it is does not matter */
    return diffusion_parse_final(json, where, g, err);
}

/* sigma [steps + 1]; `single` as the solver's, whose ramp is in float32. */
static void fill_levels(const diffusion_config *g, int steps, int single, float *sigma) {
    double a = pow(g->sigma_max, 1 / g->rho), b = pow(g->sigma_min, 1 / g->rho);
    for (int i = 0; i < steps; i++) {
        double stride = steps > 1 ? 1.0 / (steps - 1) : 0, ramp = steps > 1 && i == steps - 1 ? 1 : i * stride;
        if (g->levels == LEVELS_EXPONENTIAL) {
            float from = (float)log(g->sigma_min), to = (float)log(g->sigma_max),
                  step = (to - from) / (float)(steps - 1);
            int back = steps - 1 - i;
            float at = steps < 2 ? from : back < steps / 2 ? from + step * (float)back : to - step * (float)i;
            sigma[i] = (float)exp((double)at);
        } else if (single) {
            float s = (float)stride, r = i < steps / 2 || steps < 2 ? s * (float)i : 1 - s * (float)(steps - 1 - i);
            sigma[i] = (float)pow((double)((float)a + r * (float)(b - a)), g->rho);
        } else {
            sigma[i] = (float)pow(a + ramp * (b - a), g->rho);
        }
    }
    sigma[steps] = g->final == FINAL_ZERO ? 0 : single ? (float)g->sigma_min : sigma[steps - 1];
}

/* The timestep that the network gets at every level. */
static void fill_inputs(const diffusion_config *g, int steps, const float *sigma, schedule *out) {
    for (int i = 0; i < steps; i++) {
        schedule_call *k = &out->call[i];
        double s = (double)sigma[i];
        k->sigma = sigma[i];
        k->timestep = 0.25f * (float)log(s);
        k->input_scale = (float)(1 / sqrt(s * s + g->sigma_data * g->sigma_data));
    }
    out->initial_scale = (float)sqrt(g->sigma_max * g->sigma_max + 1);
}

/* ---- Euler ---- */

static ss_status scheduler_edm_euler_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    return scheduler_edm_parse(json, where, &out->diffusion, err);
}

/* The derivative of x by sigma is (x - image) / sigma. */
static ss_status scheduler_edm_euler_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out,
                                          ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *sigma = calloc((size_t)steps + 1, sizeof *sigma);
    if (!sigma) return error_no_memory(err, "schedule", ((size_t)steps + 1) * sizeof *sigma);
    fill_levels(g, steps, 0, sigma);
    fill_inputs(g, steps, sigma, out);
    for (int i = 0; i < steps; i++) {
        mix picture = picture_of(g, level_of(g, sigma[i]));
        double part = ((double)sigma[i + 1] - (double)sigma[i]) / (double)sigma[i];
        out->call[i].latents = (float)(1 + part * (1 - picture.latents));
        out->call[i].weight[0] = (float)(-part * picture.output);
    }
    free(sigma);
    return SS_OK;
}

const scheduler_row SCHEDULER_EDM_EULER = {
    .about = {"EDMEulerScheduler", "Euler steps for models in EDM's form", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 1,
    .parse = scheduler_edm_euler_parse,
    .fill = scheduler_edm_euler_fill,
};

/* ---- DPM-Solver++ ---- */

static ss_status solver_edm_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    diffusion_config *g = &out->diffusion;
    int sde;
    SS_TRY(scheduler_edm_parse(json, where, g, err));
    SS_TRY(solver_parse(json, where, 1, g, err));
    SS_TRY(diffusion_expect_flag(json, where, "thresholding", 0, 0, err));
    SS_TRY(diffusion_parse_word(json, where, "algorithm_type", "dpmsolver++", "dpmsolver++", "sde-dpmsolver++", &sde,
                                err));
    g->algorithm = sde ? DPM_SOLVER_PP_SDE : DPM_SOLVER_PP;
    if (sde && g->order > 2)
        return error_set(err, SS_ERR_INPUT, where, "solver_order is %d; expected 1 or 2 with sde-dpmsolver++",
                         g->order);
    return SS_OK;
}

static ss_status solver_edm_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *sigma = calloc((size_t)steps + 1, sizeof *sigma);
    level *a = calloc((size_t)steps + 1, sizeof *a);
    ss_status status = sigma && a ? SS_OK : error_no_memory(err, "schedule", ((size_t)steps + 1) * sizeof *a);
    if (status == SS_OK) {
        fill_levels(g, steps, 1, sigma);
        fill_inputs(g, steps, sigma, out);
        out->slots = g->order > 2 ? 3 : 2;
        for (int i = 0; i <= steps; i++) a[i] = level_of(g, sigma[i]);
        for (int i = 0; i < steps; i++)
            solver_multistep(g, a, i, solver_order_at(g, steps, i), out->slots, &out->call[i]);
    }
    free(sigma);
    free(a);
    return status;
}

const scheduler_row SCHEDULER_EDM_DPM_SOLVER = {
    .about = {"EDMDPMSolverMultistepScheduler", "DPM-Solver++ 2M for models in EDM's form; Playground v2.5's own",
              NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 2,
    .parse = solver_edm_parse,
    .fill = solver_edm_fill,
};
