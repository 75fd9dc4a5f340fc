/* What solvers share that integrate exactly over half the log of the signal-to-noise ratio (lambda): noise levels, the
 * image and noise that a network's output predicts, and the terms of a step. Private to the schedulers. Papers: Lu et
 * al., "DPM-Solver" and "DPM-Solver++", 2022. */
#ifndef SAMPLER_SCHEDULER_SOLVER_H
#define SAMPLER_SCHEDULER_SOLVER_H

#include "sampler/scheduler_row.h"

/* x = alpha image + sigma noise; ratio = sigma / alpha. */
typedef struct level {
    double ratio, alpha, sigma;
} level;

/* Of an entry of diffusion_sigmas: alpha^2 + sigma^2 = 1, or of a flow alpha + sigma = 1. */
level level_of(const diffusion_config *g, float sigma);
double level_lambda(level a); /* log(alpha / sigma) */

/* Something linear in the latents and in the network's output. */
typedef struct mix {
    double latents, output;
} mix;
mix picture_of(const diffusion_config *g, level a);
mix noise_of(const diffusion_config *g, level a);

/* The same where x = image + sigma noise (Euler and its kin), and the derivative of x by sigma, which is the noise. */
mix scaled_picture_of(prediction p, double sigma);
mix scaled_noise_of(prediction p, double sigma);

/* Keep the mix in the slot of the output. */
void call_keeps(schedule_call *k, mix m);

/* A step from s to t: latents x + d0 D0 + first D1 (of the second order: midpoint, heun) - or, of the third, + heun D1
 * + second D2 - + noise z, where D0, D1 and D2 are value and differences of what the solver integrates. */
typedef struct solver_terms {
    double latents, d0, midpoint, heun, second, noise;
} solver_terms;
solver_terms solver_step(solver_algorithm algorithm, level s, level t);

/* DPMSolverMultistepScheduler's coefficients for call i of the ratios at hand, of order 1, 2 or 3: `a` are the levels
 * [i + 2]. Slots of the last `memory` calls go round. */
void solver_multistep(const diffusion_config *g, const level *a, int i, int order, int memory, schedule_call *k);

/* A row's coefficients, call by call: `a` are the levels [steps + 1]. */
typedef void solver_plan(const diffusion_config *g, const level *a, int steps, schedule *out);

/* The levels spaced by the rule, the coefficients of `plan`, and the timestep of each call. */
ss_status solver_fill(const diffusion_config *g, int steps, spacing_rule rule, solver_plan *plan, schedule *out,
                      ss_error *err);

/* Whether the order of call i must fall, so that the last steps are stable; the order that it may have. */
int solver_order_at(const diffusion_config *g, int steps, int i);

/* solver_order, solver_type, lower_order_final, euler_at_final of DPMSolver and its kin. */
ss_status solver_parse(const json_t *json, const char *where, int lower_order_final, diffusion_config *out,
                       ss_error *err);

#endif
