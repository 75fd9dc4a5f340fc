/* DEISMultistepScheduler: exponential integrator over the noise, whose past values are extrapolated by a polynomial in
 * log rho, rho = noise over image. Paper: Zhang & Chen, "Fast Sampling of Diffusion Models with Exponential
 * Integrator", 2023 (log-rho DEIS). Reference: diffusers schedulers/scheduling_deis_multistep.py. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/scheduler_solver.h"

enum { MEMORY = 3 };

static ss_status parse_words(const json_t *json, const char *where, ss_error *err) {
    static const struct {
        const char *key, *own, *others[4]; /* of other classes, for which diffusers takes its own */
    } words[] = {{"algorithm_type", "deis", {"dpmsolver", "dpmsolver++"}},
                 {"solver_type", "logrho", {"midpoint", "heun", "bh1", "bh2"}}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *found;
        SS_TRY(json_get_text_or(json, words[i].key, where, words[i].own, &found, err));
        int known = strcmp(found, words[i].own) == 0;
        for (int j = 0; j < 4 && words[i].others[j]; j++) known |= strcmp(found, words[i].others[j]) == 0;
        if (!known)
            return error_set(err, SS_ERR_INPUT, where, "%s is '%s'; expected %s", words[i].key, found, words[i].own);
    }
    return SS_OK;
}

static ss_status deis_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    const diffusion_defaults by_default = {.spacing = SPACING_LINSPACE, .may_flow = 1};
    diffusion_config *g = &out->diffusion;
    int64_t order;
    SS_TRY(diffusion_parse(json, where, &by_default, g, err));
    SS_TRY(diffusion_parse_levels(json, where, g, err));
    SS_TRY(parse_words(json, where, err));
    SS_TRY(diffusion_expect_flag(json, where, "thresholding", 0, 0, err));
    SS_TRY(diffusion_expect_flag(json, where, "use_dynamic_shifting", 0, 0, err));
    SS_TRY(json_get_int_or(json, "solver_order", where, 2, &order, err));
    if (order < 1 || order > MEMORY)
        return error_set(err, SS_ERR_INPUT, where, "solver_order is %lld; expected 1, 2 or 3", (long long)order);
    if (g->flow_sigmas && g->levels)
        return error_set(err, SS_ERR_INPUT, where,
                         "use_flow_sigmas is true together with karras, exponential or beta sigmas; expected one of "
                         "them");
    g->order = (int)order;
    g->final = g->levels || g->flow_sigmas ? FINAL_AGAIN : FINAL_SIGMA_MIN;
    return json_get_bool_or(json, "lower_order_final", where, 1, &g->lower_order_final, err);
}

static ss_status deis_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_DPM_SOLVER, err);
}

/* Integrals over rho of Lagrange's polynomials in log rho: antiderivatives at t of the one that is 1 at b. */
static double antiderivative_2(double t, double b, double c) { return t * (log(t / c) - 1) / log(b / c); }

static double antiderivative_3(double t, double b, double c, double d) {
    double x = log(t), y = log(c), z = log(d);
    return t * (y * (z - x + 1) - z * x + z + x * x - 2 * x + 2) / (log(b / c) * log(b / d));
}

static double weight_3(double t, double s, double b, double c, double d) {
    return antiderivative_3(t, b, c, d) - antiderivative_3(s, b, c, d);
}

static void scheduler_deis_plan_call(const diffusion_config *g, const float *sigma, int i, int order,
                                     schedule_call *k) {
    level s = level_of(g, sigma[i]), t = level_of(g, sigma[i + 1]);
    int m0 = i % MEMORY, m1 = (i + 2) % MEMORY, m2 = (i + 1) % MEMORY;
    double a = t.ratio, b = s.ratio;
    k->output = m0;
    call_keeps(k, noise_of(g, s));
    k->latents = (float)(t.alpha / s.alpha);
    if (order == 1) {
        k->weight[m0] = (float)(t.alpha * (a - b));
        return;
    }
    double c = level_of(g, sigma[i - 1]).ratio;
    if (order == 2) {
        k->weight[m0] = (float)(t.alpha * (antiderivative_2(a, b, c) - antiderivative_2(b, b, c)));
        k->weight[m1] = (float)(t.alpha * (antiderivative_2(a, c, b) - antiderivative_2(b, c, b)));
        return;
    }
    double d = level_of(g, sigma[i - 2]).ratio;
    k->weight[m0] = (float)(t.alpha * weight_3(a, b, b, c, d));
    k->weight[m1] = (float)(t.alpha * weight_3(a, b, c, d, b));
    k->weight[m2] = (float)(t.alpha * weight_3(a, b, d, b, c));
}

static ss_status deis_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *sigma = calloc(2 * (size_t)steps + 1, sizeof *sigma), *timestep = sigma + steps + 1;
    if (!sigma) return error_no_memory(err, "schedule", (2 * (size_t)steps + 1) * sizeof *sigma);
    ss_status status = diffusion_sigmas(g, steps, SPACE_AS_DPM_SOLVER, timestep, sigma, err);
    for (int i = 0; status == SS_OK && i < steps; i++) {
        scheduler_deis_plan_call(g, sigma, i, solver_order_at(g, steps, i), &out->call[i]);
        out->call[i].timestep = timestep[i];
        out->call[i].sigma = sigma[i];
    }
    free(sigma);
    return status;
}

const scheduler_row SCHEDULER_DEIS = {
    .about = {"DEISMultistepScheduler", "exponential integrator, extrapolated in log rho", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = MEMORY,
    .parse = deis_parse,
    .check = deis_check,
    .fill = deis_fill,
};
