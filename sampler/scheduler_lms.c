/* LMSDiscreteScheduler: a linear multistep rule over the last four slopes, exact for slopes that are polynomials in
 * sigma. Latents as Euler's. Reference: diffusers schedulers/scheduling_lms_discrete.py. */
#include <math.h>
#include <stdlib.h>

#include "sampler/scheduler_solver.h"

enum { ORDER = 4 };

static ss_status lms_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    const diffusion_defaults by_default = {.spacing = SPACING_LINSPACE};
    SS_TRY(diffusion_parse(json, where, &by_default, &out->diffusion, err));
    return diffusion_parse_levels(json, where, &out->diffusion, err);
}

static ss_status lms_check(const scheduler *g, int steps, ss_error *err) {
    return diffusion_check_steps(&g->diffusion, steps, SPACE_AS_EULER, err);
}

/* Lagrange's polynomial of the slope `back` calls ago, among the last `order`, at tau. */
static double lagrange(const float *sigma, int i, int order, int back, double tau) {
    double product = 1;
    for (int j = 0; j < order; j++)
        if (j != back) product *= (tau - (double)sigma[i - j]) / ((double)sigma[i - back] - (double)sigma[i - j]);
    return product;
}

/* Its integral over the step: Gauss's rule of two points is exact up to the third degree. */
static double integral(const float *sigma, int i, int order, int back) {
    double from = (double)sigma[i], to = (double)sigma[i + 1], middle = (from + to) / 2, half = (to - from) / 2;
    double point = half / sqrt(3.0);
    return half * (lagrange(sigma, i, order, back, middle - point) + lagrange(sigma, i, order, back, middle + point));
}

static void scheduler_lms_plan_call(const diffusion_config *g, const float *sigma, int i, schedule_call *k) {
    double here = (double)sigma[i];
    int order = i + 1 < ORDER ? i + 1 : ORDER;
    k->sigma = sigma[i];
    k->input_scale = (float)(1 / sqrt(here * here + 1));
    k->output = i % ORDER;
    call_keeps(k, scaled_noise_of(g->predicts, here));
    for (int back = 0; back < order; back++) k->weight[(i - back) % ORDER] = (float)integral(sigma, i, order, back);
}

static ss_status lms_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    (void)image_tokens;
    const diffusion_config *g = &s->diffusion;
    float *sigma = calloc(2 * (size_t)steps + 1, sizeof *sigma), *timestep = sigma + steps + 1, most = 0;
    if (!sigma) return error_no_memory(err, "schedule", (2 * (size_t)steps + 1) * sizeof *sigma);
    ss_status status = diffusion_sigmas(g, steps, SPACE_AS_EULER, timestep, sigma, err);
    for (int i = 0; status == SS_OK && i < steps; i++) {
        scheduler_lms_plan_call(g, sigma, i, &out->call[i]);
        out->call[i].timestep = timestep[i];
        if (sigma[i] > most) most = sigma[i];
    }
    free(sigma);
    out->initial_scale = g->spacing == SPACING_LEADING ? (float)sqrt((double)most * (double)most + 1) : most;
    return status;
}

const scheduler_row SCHEDULER_LMS = {
    .about = {"LMSDiscreteScheduler", "linear multistep over four slopes", NULL},
    .family = SCHEDULER_DIFFUSION,
    .slots = ORDER,
    .parse = lms_parse,
    .check = lms_check,
    .fill = lms_fill,
};
