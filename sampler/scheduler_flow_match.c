/* The schedule of scheduler_flow_match.h. Types follow the reference step by step, for its timesteps are inputs of the
 * network: float32 for the range of sigmas, float64 (numpy) up to the shift, float32 from there on. */
#include "sampler/scheduler_flow_match.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "sampler/scheduler_row.h"

static ss_status refuse_flags(const json_t *json, const char *where, ss_error *err) {
    int set;
    SS_TRY(json_get_bool_or(json, "invert_sigmas", where, 0, &set, err));
    if (!set) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "invert_sigmas is true; expected false, as SD3 has it");
}

/* What every scheduler of flows has. */
static ss_status parse_shift(const json_t *json, const char *where, flow_match_config *out, ss_error *err) {
    SS_TRY(json_get_int_or(json, "num_train_timesteps", where, 1000, &out->train_timesteps, err));
    SS_TRY(json_get_double_or(json, "shift", where, 1.0, &out->shift, err));
    if (out->train_timesteps < 1 || out->train_timesteps > 1000000)
        return error_set(err, SS_ERR_INPUT, where, "num_train_timesteps is %lld; expected 1 to 1000000",
                         (long long)out->train_timesteps);
    if (!(out->shift > 0))
        return error_set(err, SS_ERR_INPUT, where, "shift is not a positive number; expected one, as 3.0");
    return SS_OK;
}

ss_status flow_match_parse_plain(const json_t *json, const char *where, flow_match_config *out, ss_error *err) {
    *out = (flow_match_config){0};
    return parse_shift(json, where, out, err);
}

ss_status flow_match_parse(const json_t *json, const char *where, flow_match_config *out, ss_error *err) {
    static const char class_name[] = "FlowMatchEulerDiscreteScheduler";
    const char *found, *type;
    SS_TRY(json_get_text_or(json, "_class_name", where, class_name, &found, err));
    if (strcmp(found, class_name) != 0)
        return error_set(err, SS_ERR_INPUT, where, "_class_name is '%s'; expected %s", found, class_name);
    SS_TRY(refuse_flags(json, where, err));
    SS_TRY(parse_shift(json, where, out, err));
    SS_TRY(levels_parse(json, where, &out->levels, err));
    SS_TRY(json_get_bool_or(json, "stochastic_sampling", where, 0, &out->stochastic, err));
    SS_TRY(json_get_bool_or(json, "use_dynamic_shifting", where, 0, &out->dynamic_shifting, err));
    SS_TRY(json_get_double_or(json, "base_shift", where, 0.5, &out->base_shift, err));
    SS_TRY(json_get_double_or(json, "max_shift", where, 1.15, &out->max_shift, err));
    SS_TRY(json_get_int_or(json, "base_image_seq_len", where, 256, &out->base_tokens, err));
    SS_TRY(json_get_int_or(json, "max_image_seq_len", where, 4096, &out->max_tokens, err));
    SS_TRY(json_get_double_or(json, "shift_terminal", where, 0, &out->shift_terminal, err));
    SS_TRY(json_get_text_or(json, "time_shift_type", where, "exponential", &type, err));
    out->linear_shift = strcmp(type, "linear") == 0;
    if (!out->linear_shift && strcmp(type, "exponential") != 0)
        return error_set(err, SS_ERR_INPUT, where, "time_shift_type is '%s'; expected exponential or linear", type);
    if (!(out->shift_terminal >= 0 && out->shift_terminal < 1))
        return error_set(err, SS_ERR_INPUT, where, "shift_terminal is not in [0, 1); expected null or a sigma");
    if (out->dynamic_shifting && out->base_tokens == out->max_tokens)
        return error_set(err, SS_ERR_INPUT, where,
                         "base_image_seq_len equals max_image_seq_len (%lld); expected them to differ",
                         (long long)out->max_tokens);
    return SS_OK;
}

/* A sigma of the training schedule, `t` of train_timesteps: the constructor's arithmetic, in float32. */
static float training_sigma(const flow_match_config *g, int64_t t) {
    float sigma = (float)t / (float)g->train_timesteps;
    if (g->dynamic_shifting) return sigma;
    return (float)g->shift * sigma / (1 + (float)(g->shift - 1) * sigma);
}

/* Levels between the first and the last of those that the shift gave. */
static void scheduler_flow_match_spread(const flow_match_config *g, int steps, double most, double least, float *sigma,
                                        float *timestep) {
    for (int i = 0; i < steps; i++) {
        sigma[i] = (float)level_at(g->levels, most, least, steps, i);
        timestep[i] = sigma[i] * (float)g->train_timesteps;
    }
}

void flow_match_schedule(const flow_match_config *g, int steps, int64_t image_tokens, float *sigma, float *timestep) {
    double train = (double)g->train_timesteps, mu = 0;
    double first = (double)training_sigma(g, g->train_timesteps) * train, last = (double)training_sigma(g, 1) * train;
    if (g->dynamic_shifting) {
        double slope = (g->max_shift - g->base_shift) / (double)(g->max_tokens - g->base_tokens);
        mu = (double)image_tokens * slope + (g->base_shift - slope * (double)g->base_tokens);
        if (!g->linear_shift) mu = exp(mu);
    }
    double terminal_scale = 1, least = 0, most = 0;
    for (int i = steps - 1; i >= 0; i--) { /* from the end: the terminal stretch is set by the last sigma */
        double t = i > 0 && i == steps - 1 ? last : (double)i * ((last - first) / (steps > 1 ? steps - 1 : 1)) + first;
        double s = t / train;
        s = g->dynamic_shifting ? mu / (mu + (1 / s - 1)) : g->shift * s / (1 + (g->shift - 1) * s);
        if (g->shift_terminal > 0) {
            if (i == steps - 1) terminal_scale = (1 - s) / (1 - g->shift_terminal);
            if (terminal_scale > 0) s = 1 - (1 - s) / terminal_scale; /* 0: a single step, from 1 */
        }
        sigma[i] = (float)s;
        timestep[i] = sigma[i] * (float)g->train_timesteps;
        if (i == steps - 1) least = s;
        most = s;
    }
    if (g->levels) scheduler_flow_match_spread(g, steps, most, least, sigma, timestep);
    sigma[steps] = 0;
}

/* ---- the row ---- */

static ss_status scheduler_flow_match_flow_parse(const json_t *json, const char *where, scheduler *out, ss_error *err) {
    return flow_match_parse(json, where, &out->flow, err);
}

/* x' = x + (next sigma - sigma) velocity; or the image that the velocity predicts, with fresh noise up to the next
 * level. */
static ss_status scheduler_flow_match_flow_fill(const scheduler *s, int steps, int64_t image_tokens, schedule *out,
                                                ss_error *err) {
    float *sigma = calloc(2 * (size_t)steps + 1, sizeof *sigma), *timestep = sigma + steps + 1;
    if (!sigma) return error_no_memory(err, "schedule", (2 * (size_t)steps + 1) * sizeof *sigma);
    flow_match_schedule(&s->flow, steps, image_tokens, sigma, timestep);
    for (int i = 0; i < steps; i++) {
        out->call[i].timestep = timestep[i];
        out->call[i].sigma = sigma[i];
        out->call[i].weight[0] = sigma[i + 1] - sigma[i];
        if (!s->flow.stochastic) continue;
        out->call[i].latents = 1 - sigma[i + 1];
        out->call[i].weight[0] = -(1 - sigma[i + 1]) * sigma[i];
        out->call[i].noise = sigma[i + 1];
        out->call[i].draws = 1;
    }
    free(sigma);
    return SS_OK;
}

const scheduler_row SCHEDULER_FLOW_MATCH_EULER = {
    .about = {"FlowMatchEulerDiscreteScheduler", "Euler steps along a rectified flow; SD3's own", NULL},
    .family = SCHEDULER_FLOW,
    .slots = 1,
    .parse = scheduler_flow_match_flow_parse,
    .fill = scheduler_flow_match_flow_fill,
};
