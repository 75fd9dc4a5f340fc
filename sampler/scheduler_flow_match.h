/* The noise schedule of rectified flows (FlowMatchEulerDiscreteScheduler): sigmas from 1 (noise) to 0, one Euler step
 * between neighbours. Reference: diffusers schedulers/scheduling_flow_match_euler_discrete.py. */
#ifndef SAMPLER_SCHEDULER_FLOW_MATCH_H
#define SAMPLER_SCHEDULER_FLOW_MATCH_H

#include "base/error.h"
#include "io/json.h"
#include "sampler/scheduler_diffusion.h"

typedef struct flow_match_config {
    int64_t train_timesteps;
    double shift;
    int dynamic_shifting; /* shift by the number of image tokens instead */
    int linear_shift;     /* time_shift_type "linear" rather than "exponential" */
    double base_shift, max_shift;
    int64_t base_tokens, max_tokens; /* base_image_seq_len, max_image_seq_len */
    double shift_terminal;           /* 0 = none */
    level_rule levels;               /* use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas */
    int stochastic;                  /* stochastic_sampling: fresh noise in every step */
} flow_match_config;

/* Read scheduler_config.json. `where` names the file in errors. */
ss_status flow_match_parse(const json_t *json, const char *where, flow_match_config *out, ss_error *err);

/* The shift alone, as FlowMatchHeunDiscreteScheduler has it. */
ss_status flow_match_parse_plain(const json_t *json, const char *where, flow_match_config *out, ss_error *err);

/* sigma[0 .. steps] (the last is 0) and timestep[0 .. steps - 1], in float32 as diffusers has them after set_timesteps.
 * image_tokens counts for dynamic shifting alone (the pipeline's calculate_shift). */
void flow_match_schedule(const flow_match_config *g, int steps, int64_t image_tokens, float *sigma, float *timestep);

#endif
