/* UniPCMultistepScheduler: predictor and corrector of up to the third order; the corrector makes the last step again
 * once the network has seen where it led. Paper: Zhao et al., "UniPC: A Unified Predictor-Corrector Framework for Fast
 * Sampling of Diffusion Models", 2023, algorithms 5 to 8. Reference: diffusers
 * schedulers/scheduling_unipc_multistep.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/scheduler_solver.h"

enum { MEMORY = 4, LAST = MEMORY, SLOTS, MAX_ORDER = 3 }; /* outputs, and the latents of the last call, corrected */

static ss_status scheduler_unipc_refuse_others(const json_t *json, const char *where, ss_error *err) {
    static const char *const none[] = {"sigma_min", "sigma_max", "shift_terminal", "solver_p"};
    json_t *list = json_object_get(json, "disable_corrector");
    SS_TRY(diffusion_expect_flag(json, where, "thresholding", 0, 0, err));
    SS_TRY(diffusion_expect_flag(json, where, "use_dynamic_shifting", 0, 0, err));
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) SS_TRY(diffusion_expect_none(json, where, none[i], err));
    if (!list || (json_is_array(list) && json_array_size(list) == 0)) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "disable_corrector is not empty; expected []");
}

static ss_status parse_type(const json_t *json, const char *where, diffusion_config *g, ss_error *err) {
    static const char *const others[] = {"bh2", "midpoint", "heun", "logrho"}; /* of other classes: bh2 here */
    const char *found;
    SS_TRY(json_get_text_or(json, "solver_type", where, "bh2", &found, err));
    g->bh1 = strcmp(found, "bh1") == 0;
    int known = g->bh1;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) known |= strcmp(found, others[i]) == 0;
    if (known) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "solver_type is '%s'; expected bh1 or bh2", found);
}

static ss_status unipc_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    const diffusion_defaults by_default = {.spacing = SPACING_LINSPACE, .may_flow = 1};
    diffusion_config *g = &out->diffusion;
    int64_t order;
    SS_TRY(diffusion_parse(json, where, &by_default, g, err));
    SS_TRY(diffusion_parse_levels(json, where, g, err));
    SS_TRY(diffusion_parse_final(json, where, g, err));
    SS_TRY(diffusion_parse_zero_snr(json, where, g, err));
    SS_TRY(scheduler_unipc_refuse_others(json, where, err));
    SS_TRY(parse_type(json, where, g, err));
    SS_TRY(json_get_int_or(json, "solver_order", where, 2, &order, err));
    SS_TRY(json_get_bool_or(json, "predict_x0", where, 1, &g->predict_x0, err));
    SS_TRY(json_get_bool_or(json, "lower_order_final", where, 1, &g->lower_order_final, err));
    if (order < 1 || order > MAX_ORDER)
        return error_set(err, SS_ERR_INPUT, where, "solver_order is %lld; expected 1, 2 or 3", (long long)order);
    g->order = (int)order;
    if (g->flow_sigmas && (g->levels == LEVELS_EXPONENTIAL || g->levels == LEVELS_BETA))
        return error_set(err, SS_ERR_INPUT, where,
                         "use_flow_sigmas is true together with exponential or beta sigmas; expected one of them");
    if (g->final == FINAL_ZERO && (g->bh1 || !g->predict_x0 || !g->lower_order_final))
        return error_set(err, SS_ERR_INPUT, where,
                         "final_sigmas_type is zero with %s, which diffusers divides by zero; expected sigma_min",
                         g->bh1           ? "solver_type bh1"
                         : !g->predict_x0 ? "predict_x0 false"
                                          : "lower_order_final false");
    if (!g->predict_x0 && g->flow_sigmas)
        return error_set(err, SS_ERR_INPUT, where,
                         "predict_x0 is false and use_flow_sigmas true; expected predict_x0 true with it");
    if (g->final == FINAL_SIGMA_MIN && (g->levels || g->flow_sigmas)) g->final = FINAL_AGAIN;
    return SS_OK;
}

static ss_status unipc_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_UNIPC, err);
}

/* Solve a small system by elimination with pivots: a [n, n + 1] with the right side as its last column. */
static void solve(double a[MAX_ORDER][MAX_ORDER + 1], int n, double *out) {
    for (int i = 0; i < n; i++) {
        int pivot = i;
        for (int j = i + 1; j < n; j++)
            if (fabs(a[j][i]) > fabs(a[pivot][i])) pivot = j;
        for (int c = 0; c <= n; c++) {
            double swap = a[i][c];
            a[i][c] = a[pivot][c];
            a[pivot][c] = swap;
        }
        for (int j = i + 1; j < n; j++) {
            double factor = a[j][i] / a[i][i];
            for (int c = i; c <= n; c++) a[j][c] -= factor * a[i][c];
        }
    }
    for (int i = n - 1; i >= 0; i--) {
        out[i] = a[i][n];
        for (int j = i + 1; j < n; j++) out[i] -= a[i][j] * out[j];
        out[i] /= a[i][i];
    }
}

/* A step from level a[s] to a[s + 1] of so many points, r their distances in steps (the last of a corrector is 1):
 * x' = latents x + of_first m0 + sum of of_point (m - m0). */
typedef struct unipc_step {
    double latents, of_first, of_point[MAX_ORDER];
} unipc_step;

static unipc_step scheduler_unipc_plan_step(const diffusion_config *g, level s, level t, const double *r, int points) {
    unipc_step u = {0};
    double h = level_lambda(t) - level_lambda(s), hh = g->predict_x0 ? -h : h, phi = expm1(hh);
    double scale = g->predict_x0 ? t.alpha : t.sigma, b_h = g->bh1 ? hh : phi, rho[MAX_ORDER] = {0.5};
    double right[MAX_ORDER], phi_k = phi / hh - 1, factorial = 1, a[MAX_ORDER][MAX_ORDER + 1];
    u.latents = g->predict_x0 ? t.sigma / s.sigma : t.alpha / s.alpha;
    u.of_first = -scale * phi;
    for (int i = 0; i < points; i++) {
        right[i] = phi_k * factorial / b_h;
        factorial *= i + 2;
        phi_k = phi_k / hh - 1 / factorial;
    }
    for (int i = 0; i < points; i++) {
        for (int j = 0; j < points; j++) a[i][j] = pow(r[j], i);
        a[i][points] = right[i];
    }
    if (points > 1) solve(a, points, rho); /* of one point, diffusers takes 1/2 */
    for (int i = 0; i < points; i++) u.of_point[i] = -scale * b_h * rho[i] / r[i];
    return u;
}

/* Distances of the outputs before level s, in steps from s to t. */
static int distances(const level *a, int s, int order, double *r) {
    double h = level_lambda(a[s + 1]) - level_lambda(a[s]);
    for (int i = 1; i < order; i++) r[i - 1] = (level_lambda(a[s - i]) - level_lambda(a[s])) / h;
    return order - 1;
}

/* Slot of the output that call i made. */
static int scheduler_unipc_slot_of(int i) { return i % MEMORY; }

/* The last step again, from the latents in LAST, which this call's output corrects; the result is kept there. */
static void plan_corrector(const diffusion_config *g, const level *a, int i, int order, schedule_call *k) {
    double r[MAX_ORDER];
    int s = i - 1, points = distances(a, s, order, r);
    r[points++] = 1;
    unipc_step u = scheduler_unipc_plan_step(g, a[s], a[i], r, points);
    double first = u.of_first;
    for (int j = 0; j < points; j++) {
        int at = scheduler_unipc_slot_of(j == points - 1 ? i : s - 1 - j);
        k->saved_weight[at] = (float)u.of_point[j];
        first -= u.of_point[j];
    }
    k->saved_weight[scheduler_unipc_slot_of(s)] = (float)first;
    k->saved_weight[LAST] = (float)u.latents;
    k->saved_latents = 0;
}

static void plan_predictor(const diffusion_config *g, const level *a, int i, int order, schedule_call *k) {
    double r[MAX_ORDER];
    int points = distances(a, i, order, r);
    unipc_step u = scheduler_unipc_plan_step(g, a[i], a[i + 1], r, points);
    double first = u.of_first;
    for (int j = 0; j < points; j++) {
        k->weight[scheduler_unipc_slot_of(i - 1 - j)] = (float)u.of_point[j];
        first -= u.of_point[j];
    }
    k->weight[scheduler_unipc_slot_of(i)] = (float)first;
    k->weight[LAST] = (float)u.latents;
    k->latents = 0;
}

static void scheduler_unipc_plan_calls(const diffusion_config *g, const level *a, int steps, schedule *out) {
    for (int i = 0, last_order = 0; i < steps; i++) {
        schedule_call *k = &out->call[i];
        int order = g->order;
        if (g->lower_order_final && steps - i < order) order = steps - i;
        if (i + 1 < order) order = i + 1;
        k->output = scheduler_unipc_slot_of(i);
        k->saved = LAST;
        call_keeps(k, g->predict_x0 ? picture_of(g, a[i]) : noise_of(g, a[i]));
        if (i > 0) plan_corrector(g, a, i, last_order, k);
        plan_predictor(g, a, i, order, k);
        last_order = order;
    }
}

static ss_status unipc_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    return solver_fill(&s->diffusion, steps, SPACE_AS_UNIPC, scheduler_unipc_plan_calls, out, err);
}

const scheduler_row SCHEDULER_UNIPC = {
    .about = {"UniPCMultistepScheduler", "predictor and corrector of one family", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = SLOTS,
    .parse = unipc_parse,
    .check = unipc_check,
    .fill = unipc_fill,
};
