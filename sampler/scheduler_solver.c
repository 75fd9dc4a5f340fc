/* See scheduler_solver.h. Reference: diffusers schedulers/scheduling_dpmsolver_multistep.py. */
#include "sampler/scheduler_solver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_STEPS = 15 }; /* below that lower_order_final has a meaning */

level level_of(const diffusion_config *g, float sigma) {
    double s = (double)sigma, alpha = g->flow_sigmas ? 1 - s : 1 / sqrt(s * s + 1);
    if (g->predicts == PREDICTS_EDM_EPSILON || g->predicts == PREDICTS_EDM_V) return (level){s, 1, s};
    return g->flow_sigmas ? (level){s / alpha, alpha, s} : (level){s, alpha, s * alpha};
}

double level_lambda(level a) { return -log(a.ratio); }

mix picture_of(const diffusion_config *g, level a) {
    prediction p = g->predicts;
    if (p == PREDICTS_FLOW) return (mix){1, -a.sigma};
    if (p == PREDICTS_EDM_EPSILON || p == PREDICTS_EDM_V) { /* Karras et al. 2022, table 1: c_skip and c_out */
        double data = g->sigma_data, variance = a.sigma * a.sigma + data * data,
               c_out = a.sigma * data / sqrt(variance);
        return (mix){data * data / variance, p == PREDICTS_EDM_V ? -c_out : c_out};
    }
    if (p == PREDICTS_V) return (mix){a.alpha, -a.sigma};
    return (mix){1 / a.alpha, -a.ratio};
}

mix noise_of(const diffusion_config *g, level a) {
    mix picture = picture_of(g, a);
    if (g->predicts == PREDICTS_EPSILON) return (mix){0, 1};
    if (g->predicts == PREDICTS_V) return (mix){a.sigma, a.alpha};
    return (mix){(1 - a.alpha * picture.latents) / a.sigma, -a.alpha * picture.output / a.sigma};
}

mix scaled_picture_of(prediction p, double sigma) {
    double variance = sigma * sigma + 1;
    return p == PREDICTS_V ? (mix){1 / variance, -sigma / sqrt(variance)} : (mix){1, -sigma};
}

mix scaled_noise_of(prediction p, double sigma) {
    double variance = sigma * sigma + 1;
    return p == PREDICTS_V ? (mix){sigma / variance, 1 / sqrt(variance)} : (mix){0, 1};
}

void call_keeps(schedule_call *k, mix m) {
    k->of_latents = (float)m.latents;
    k->of_output = (float)m.output;
}

/* With h the step in lambda, exp(-h) = t.ratio / s.ratio. exp(-h) - 1 over h tends to -1 as the step vanishes, as the
 * last one of karras to sigma_min does: D1 has no part in it then. */
solver_terms solver_step(solver_algorithm algorithm, level s, level t) {
    double shrink = t.ratio / s.ratio, decay = shrink - 1, h = log(s.ratio / t.ratio), twice = 1 - shrink * shrink;
    double growth = 1 / shrink - 1;
    int moves = h > 0, ends = isinf(h);
    solver_terms m = {0};
    switch (algorithm) {
    case DPM_SOLVER_PP:
        m.latents = t.sigma / s.sigma;
        m.d0 = -t.alpha * decay;
        m.midpoint = 0.5 * m.d0;
        m.heun = moves ? t.alpha * (decay / h + 1) : 0;
        m.second = !moves ? 0 : ends ? 0.5 * t.alpha : -t.alpha * ((decay + h) / (h * h) - 0.5);
        break;
    case DPM_SOLVER_PP_SDE:
        m.latents = t.sigma / s.sigma * shrink;
        m.d0 = t.alpha * twice;
        m.midpoint = 0.5 * m.d0;
        m.heun = moves ? t.alpha * (twice / (-2 * h) + 1) : 0;
        m.second = !moves ? 0 : ends ? -0.5 * t.alpha : t.alpha * ((twice - 2 * h) / (4 * h * h) - 0.5);
        m.noise = t.sigma * sqrt(fmax(twice, 0));
        break;
    case DPM_SOLVER:
    case DPM_SOLVER_SDE: {
        double weight = algorithm == DPM_SOLVER_SDE ? 2 : 1;
        m.latents = t.alpha / s.alpha;
        m.d0 = -weight * t.sigma * growth;
        m.midpoint = 0.5 * m.d0;
        m.heun = moves ? -weight * t.sigma * (growth / h - 1) : 0;
        m.second = moves ? -t.sigma * ((growth - h) / (h * h) - 0.5) : 0;
        m.noise = algorithm == DPM_SOLVER_SDE ? t.sigma * sqrt(fmax(1 / (shrink * shrink) - 1, 0)) : 0;
    }
    }
    return m;
}

int solver_order_at(const diffusion_config *g, int steps, int i) {
    int few = g->lower_order_final && steps < FEW_STEPS, order = i + 1 < g->order ? i + 1 : g->order;
    if (i == steps - 1 && (g->euler_at_final || few || g->final == FINAL_ZERO)) return 1;
    return i == steps - 2 && few && order > 2 ? 2 : order;
}

void solver_multistep(const diffusion_config *g, const level *a, int i, int order, int memory, schedule_call *k) {
    const level *s = a + i;
    int m0 = i % memory, m1 = (i + memory - 1) % memory, m2 = (i + memory - 2) % memory;
    solver_terms f = solver_step(g->algorithm, s[0], s[1]);
    k->output = m0;
    call_keeps(k,
               g->algorithm == DPM_SOLVER || g->algorithm == DPM_SOLVER_SDE ? noise_of(g, s[0]) : picture_of(g, s[0]));
    k->latents = (float)f.latents;
    k->draws = g->algorithm == DPM_SOLVER_PP_SDE || g->algorithm == DPM_SOLVER_SDE;
    k->noise = (float)f.noise;
    k->weight[m0] = (float)f.d0;
    if (order < 2) return;
    double h = log(s[0].ratio / s[1].ratio), slope = h / log(s[-1].ratio / s[0].ratio); /* 1 / r0 */
    if (!(h > 0)) slope = 0;
    if (order == 2) {
        double first = g->heun ? f.heun : f.midpoint;
        k->weight[m0] = (float)(f.d0 + first * slope);
        k->weight[m1] = (float)(-first * slope);
        return;
    }
    double r0 = 1 / slope, before = h / log(s[-2].ratio / s[-1].ratio), r1 = 1 / before;
    /* D1_0 = slope (m0 - m1), D1_1 = before (m1 - m2); D1 = D1_0 + r0 / (r0 + r1) (D1_0 - D1_1), D2 = (D1_0 - D1_1) /
     * (r0 + r1) */
    double of_first = f.heun * (1 + r0 / (r0 + r1)) + f.second / (r0 + r1);
    double of_second = -f.heun * r0 / (r0 + r1) - f.second / (r0 + r1);
    if (!(h > 0)) of_first = of_second = slope = before = 0;
    k->weight[m0] = (float)(f.d0 + of_first * slope);
    k->weight[m1] = (float)(-of_first * slope + of_second * before);
    k->weight[m2] = (float)(-of_second * before);
}

ss_status solver_parse(const json_t *json, const char *where, int lower_order_final, diffusion_config *out,
                       ss_error *err) {
    static const char *const others[] = {"midpoint", "logrho", "bh1", "bh2"}; /* of other classes: midpoint here */
    const char *type;
    int64_t order;
    SS_TRY(json_get_int_or(json, "solver_order", where, 2, &order, err));
    if (order < 1 || order > 3)
        return error_set(err, SS_ERR_INPUT, where, "solver_order is %lld; expected 1, 2 or 3", (long long)order);
    out->order = (int)order;
    SS_TRY(json_get_text_or(json, "solver_type", where, "midpoint", &type, err));
    out->heun = strcmp(type, "heun") == 0;
    int known = out->heun;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) known |= strcmp(type, others[i]) == 0;
    if (!known) return error_set(err, SS_ERR_INPUT, where, "solver_type is '%s'; expected midpoint or heun", type);
    SS_TRY(json_get_bool_or(json, "lower_order_final", where, lower_order_final, &out->lower_order_final, err));
    return json_get_bool_or(json, "euler_at_final", where, 0, &out->euler_at_final, err);
}

ss_status solver_fill(const diffusion_config *g, int steps, spacing_rule rule, solver_plan *plan, schedule *out,
                      ss_error *err) {
    size_t size = 2 * (size_t)steps + 1;
    float *sigma = calloc(size, sizeof *sigma), *timestep = sigma ? sigma + steps + 1 : NULL;
    level *a = calloc((size_t)steps + 1, sizeof *a);
    ss_status status = sigma && a ? diffusion_sigmas(g, steps, rule, timestep, sigma, err)
                                  : error_no_memory(err, "schedule", size * sizeof *sigma);
    if (status == SS_OK) {
        for (int i = 0; i <= steps; i++) a[i] = level_of(g, sigma[i]);
        plan(g, a, steps, out);
        for (int i = 0; i < steps; i++) {
            out->call[i].timestep = timestep[i];
            out->call[i].sigma = sigma[i];
        }
    }
    free(sigma);
    free(a);
    return status;
}
