/* DPMSolverMultistepScheduler: DPM-Solver and DPM-Solver++ of up to the third order, multistep, with fresh noise (SDE)
 * or without. Paper: Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models",
 * 2022, algorithm 2. DPMSolverSinglestepScheduler: the same orders, each group of steps from its own start. Reference:
 * diffusers schedulers/scheduling_dpmsolver_multistep.py and scheduling_dpmsolver_singlestep.py. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/scheduler_solver.h"

/* Refuse settings that select another solver. */
static ss_status scheduler_dpm_solver_refuse_others(const json_t *json, const char *where, ss_error *err) {
    static const char *const flags[] = {"use_lu_lambdas", "use_dynamic_shifting", "thresholding"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        SS_TRY(diffusion_expect_flag(json, where, flags[i], 0, 0, err));
    SS_TRY(diffusion_expect_none(json, where, "variance_type", err));
    return diffusion_expect_none(json, where, "lambda_min_clipped", err); /* -Infinity reads as null */
}

static ss_status parse_algorithm(const json_t *json, const char *where, diffusion_config *g, ss_error *err) {
    static const struct {
        const char *name;
        solver_algorithm algorithm;
    } known[] = {{"dpmsolver++", DPM_SOLVER_PP},
                 {"sde-dpmsolver++", DPM_SOLVER_PP_SDE},
                 {"dpmsolver", DPM_SOLVER},
                 {"sde-dpmsolver", DPM_SOLVER_SDE},
                 {"deis", DPM_SOLVER_PP}}; /* another class's: diffusers takes dpmsolver++ then */
    const char *found;
    size_t i = 0;
    SS_TRY(json_get_text_or(json, "algorithm_type", where, "dpmsolver++", &found, err));
    while (i < sizeof known / sizeof known[0] && strcmp(found, known[i].name) != 0) i++;
    if (i == sizeof known / sizeof known[0])
        return error_set(err, SS_ERR_INPUT, where,
                         "algorithm_type is '%s'; expected dpmsolver++, sde-dpmsolver++, dpmsolver or sde-dpmsolver",
                         found);
    g->algorithm = known[i].algorithm;
    int older = g->algorithm == DPM_SOLVER || g->algorithm == DPM_SOLVER_SDE;
    if ((older || strcmp(found, "deis") == 0) && g->final == FINAL_ZERO)
        return error_set(err, SS_ERR_INPUT, where,
                         "algorithm_type is '%s' and final_sigmas_type zero; expected sigma_min with it", found);
    if (older && g->predicts == PREDICTS_FLOW)
        return error_set(err, SS_ERR_INPUT, where,
                         "algorithm_type is '%s' and prediction_type flow_prediction; expected dpmsolver++ or "
                         "sde-dpmsolver++ with it",
                         found);
    if (g->algorithm == DPM_SOLVER_SDE && g->order > 2)
        return error_set(err, SS_ERR_INPUT, where, "solver_order is %d; expected 1 or 2 with algorithm_type '%s'",
                         g->order, found);
    return SS_OK;
}

static ss_status parse_solver(const json_t *json, const char *where, int lower_order_final, diffusion_config *g,
                              ss_error *err) {
    const diffusion_defaults by_default = {.spacing = SPACING_LINSPACE, .may_flow = 1};
    SS_TRY(diffusion_parse(json, where, &by_default, g, err));
    SS_TRY(diffusion_parse_levels(json, where, g, err));
    SS_TRY(diffusion_parse_final(json, where, g, err));
    if (g->flow_sigmas && g->levels)
        return error_set(err, SS_ERR_INPUT, where,
                         "use_flow_sigmas is true together with karras, exponential or beta sigmas; expected one of "
                         "them");
    SS_TRY(scheduler_dpm_solver_refuse_others(json, where, err));
    SS_TRY(solver_parse(json, where, lower_order_final, g, err));
    return parse_algorithm(json, where, g, err);
}

static ss_status solver_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_DPM_SOLVER, err);
}

/* ---- multistep ---- */

static ss_status multi_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    SS_TRY(parse_solver(json, where, 1, &out->diffusion, err));
    return diffusion_parse_zero_snr(json, where, &out->diffusion, err);
}

static void plan_multistep(const diffusion_config *g, const level *a, int steps, schedule *out) {
    out->slots = g->order > 2 ? 3 : 2;
    for (int i = 0; i < steps; i++) solver_multistep(g, a, i, solver_order_at(g, steps, i), out->slots, &out->call[i]);
}

static ss_status multi_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    return solver_fill(&s->diffusion, steps, SPACE_AS_DPM_SOLVER, plan_multistep, out, err);
}

const scheduler_row SCHEDULER_DPM_SOLVER = {
    .about = {"DPMSolverMultistepScheduler", "DPM-Solver++ 2M, its SDE, and its kin", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 2,
    .parse = multi_parse,
    .check = solver_check,
    .fill = multi_fill,
};

/* ---- single step ---- */

enum { START = 3 }; /* the slot of the latents from which a group of steps begins */

static ss_status single_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    diffusion_config *g = &out->diffusion;
    SS_TRY(parse_solver(json, where, 0, g, err));
    g->spacing = SPACING_LINSPACE; /* the class supports no other */
    g->steps_offset = 0;
    if (g->algorithm == DPM_SOLVER_SDE)
        return error_set(err, SS_ERR_INPUT, where,
                         "algorithm_type is 'sde-dpmsolver'; expected dpmsolver++, sde-dpmsolver++ or dpmsolver");
    return SS_OK;
}

/* get_order_list: groups of 1, 2, .. order, the last ones shorter where that is asked for, or cannot be helped. */
static int order_in_groups(const diffusion_config *g, int steps, int i) {
    int lower = g->lower_order_final || steps % g->order != 0 || g->final == FINAL_ZERO, whole = steps / g->order;
    if (i == steps - 1 && g->final == FINAL_ZERO) return 1;
    if (lower && g->order == 3 && steps % 3 == 0 && i >= 3 * (whole - 1)) return i - 3 * (whole - 1) == 1 ? 2 : 1;
    if (lower && g->order == 2 && steps % 2 == 0 && i >= 2 * (whole - 1)) return 1;
    return i % g->order + 1;
}

/* A step of the group that began `order` calls ago, at level a[i + 1 - order], from its start; the value there is the
 * first of the group, and the differences are from it. */
static void plan_in_group(const diffusion_config *g, const level *a, int i, int order, schedule_call *k) {
    const level s = a[i + 1 - order], t = a[i + 1];
    solver_terms f = solver_step(g->algorithm, s, t);
    int m0 = i % 3, m1 = (i + 2) % 3, m2 = (i + 1) % 3; /* this call's, the last one's, the one before */
    double h = log(s.ratio / t.ratio);
    k->output = m0;
    call_keeps(k, g->algorithm == DPM_SOLVER ? noise_of(g, a[i]) : picture_of(g, a[i]));
    k->noise = (float)f.noise;
    k->draws = g->algorithm == DPM_SOLVER_PP_SDE;
    k->latents = order == 1 ? (float)f.latents : 0;
    if (order == 1) {
        k->saved = START;
        k->weight[m0] = (float)f.d0;
        return;
    }
    k->weight[START] = (float)f.latents;
    double r0 = log(s.ratio / a[i].ratio) / h;
    if (order == 2) {
        double first = (g->heun ? f.heun : f.midpoint) / r0;
        k->weight[m0] = (float)first;
        k->weight[m1] = (float)(f.d0 - first);
        return;
    }
    /* D1_0 = (m1 - m2) / r1, D1_1 = (m0 - m2) / r0; heun: D1 = (r0 D1_0 - r1 D1_1) / (r0 - r1), D2 = 2 (D1_1 - D1_0) /
     * (r0 - r1) */
    double r1 = log(s.ratio / a[i - 1].ratio) / h, of_first = 0, of_second = f.heun;
    if (g->heun) {
        of_first = (f.heun * r0 - 2 * f.second) / (r0 - r1);
        of_second = (2 * f.second - f.heun * r1) / (r0 - r1);
    }
    k->weight[m0] = (float)(of_second / r0);
    k->weight[m1] = (float)(of_first / r1);
    k->weight[m2] = (float)(f.d0 - of_first / r1 - of_second / r0);
}

static void plan_singlestep(const diffusion_config *g, const level *a, int steps, schedule *out) {
    for (int i = 0; i < steps; i++) {
        int order = order_in_groups(g, steps, i);
        plan_in_group(g, a, i, order <= i ? order : i + 1, &out->call[i]);
    }
}

static ss_status single_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    return solver_fill(&s->diffusion, steps, SPACE_AS_DPM_SOLVER, plan_singlestep, out, err);
}

const scheduler_row SCHEDULER_DPM_SOLVER_SINGLE = {
    .about = {"DPMSolverSinglestepScheduler", "DPM-Solver++ in groups of steps (2S, 3S)", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = 4,
    .parse = single_parse,
    .check = solver_check,
    .fill = single_fill,
};
