/* See scheduler_diffusion.h. */
#include "sampler/scheduler_diffusion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

ss_status diffusion_expect_flag(const json_t *json, const char *where, const char *key, int by_default, int expected,
                                ss_error *err) {
    int found;
    SS_TRY(json_get_bool_or(json, key, where, by_default, &found, err));
    if (found == expected) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s is %s%s; expected %s", key, found ? "true" : "false",
                     json_has(json, key) ? "" : ", as it is by default", expected ? "true" : "false");
}

ss_status diffusion_expect_none(const json_t *json, const char *where, const char *key, ss_error *err) {
    if (!json_has(json, key)) return SS_OK;
    char *value = json_dumps(json_object_get(json, key), JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
    ss_status status =
        error_set(err, SS_ERR_INPUT, where, "%s is %.60s; expected null", key, value ? value : "something");
    free(value);
    return status;
}

ss_status diffusion_parse_word(const json_t *json, const char *where, const char *key, const char *by_default,
                               const char *a, const char *b, int *second, ss_error *err) {
    const char *found;
    SS_TRY(json_get_text_or(json, key, where, by_default, &found, err));
    *second = b && strcmp(found, b) == 0;
    if (*second || strcmp(found, a) == 0) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s is '%s'; expected %s%s%s", key, found, a, b ? " or " : "",
                     b ? b : "");
}

const char *const PREDICTION_NAMES[] = {[PREDICTS_EPSILON] = "epsilon",
                                        [PREDICTS_V] = "v_prediction",
                                        [PREDICTS_FLOW] = "flow_prediction",
                                        [PREDICTS_EDM_EPSILON] = "EDM's epsilon",
                                        [PREDICTS_EDM_V] = "EDM's v_prediction"};

/* Levels of a flow and a network that predicts one go together. */
static ss_status parse_prediction(const json_t *json, const char *where, const diffusion_defaults *by_default,
                                  diffusion_config *out, ss_error *err) {
    const char *found;
    int v;
    out->flow_shift = 1;
    if (by_default->may_flow) {
        SS_TRY(json_get_text_or(json, "prediction_type", where, "epsilon", &found, err));
        SS_TRY(json_get_bool_or(json, "use_flow_sigmas", where, 0, &out->flow_sigmas, err));
        SS_TRY(json_get_double_or(json, "flow_shift", where, 1, &out->flow_shift, err));
        int flow = strcmp(found, PREDICTION_NAMES[PREDICTS_FLOW]) == 0;
        if (flow != out->flow_sigmas)
            return error_set(err, SS_ERR_INPUT, where,
                             "prediction_type is '%s' and use_flow_sigmas %s; expected both "
                             "of a flow or neither",
                             found, out->flow_sigmas ? "true" : "false");
        if (!(out->flow_shift > 0))
            return error_set(err, SS_ERR_INPUT, where, "flow_shift is not a positive number; expected one, as 3.0");
        out->predicts = PREDICTS_FLOW;
        if (flow) return SS_OK;
    }
    SS_TRY(diffusion_parse_word(json, where, "prediction_type", "epsilon", "epsilon", "v_prediction", &v, err));
    out->predicts = v ? PREDICTS_V : PREDICTS_EPSILON;
    return SS_OK;
}

static ss_status parse_spacing(const json_t *json, const char *where, timestep_spacing by_default,
                               timestep_spacing *out, ss_error *err) {
    static const char *const words[] = {
        [SPACING_LEADING] = "leading", [SPACING_TRAILING] = "trailing", [SPACING_LINSPACE] = "linspace"};
    const char *found;
    SS_TRY(json_get_text_or(json, "timestep_spacing", where, words[by_default], &found, err));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(found, words[i]) == 0) {
            *out = (timestep_spacing)i;
            return SS_OK;
        }
    return error_set(err, SS_ERR_INPUT, where, "timestep_spacing is '%s'; expected leading, trailing or linspace",
                     found);
}

ss_status diffusion_parse(const json_t *json, const char *where, const diffusion_defaults *by_default,
                          diffusion_config *out, ss_error *err) {
    double first = by_default->beta_start, last = by_default->beta_end;
    SS_TRY(json_get_int_or(json, "num_train_timesteps", where, 1000, &out->train_timesteps, err));
    if (out->train_timesteps < 2 || out->train_timesteps > 1000000)
        return error_set(err, SS_ERR_INPUT, where, "num_train_timesteps is %lld; expected 2 to 1000000",
                         (long long)out->train_timesteps);
    SS_TRY(json_get_double_or(json, "beta_start", where, first > 0 ? first : 0.0001, &out->beta_start, err));
    SS_TRY(json_get_double_or(json, "beta_end", where, last > 0 ? last : 0.02, &out->beta_end, err));
    if (!(out->beta_start > 0 && out->beta_start <= out->beta_end && out->beta_end < 1))
        return error_set(err, SS_ERR_INPUT, where,
                         "beta_start and beta_end: expected 0 < beta_start <= beta_end < 1, as 0.00085 and 0.012");
    SS_TRY(diffusion_parse_word(json, where, "beta_schedule", by_default->scaled_linear ? "scaled_linear" : "linear",
                                "linear", "scaled_linear", &out->scaled_linear, err));
    SS_TRY(diffusion_expect_none(json, where, "trained_betas", err));
    SS_TRY(parse_prediction(json, where, by_default, out, err));
    SS_TRY(parse_spacing(json, where, by_default->spacing, &out->spacing, err));
    SS_TRY(json_get_int_or(json, "steps_offset", where, 0, &out->steps_offset, err));
    if (out->steps_offset < 0 || out->steps_offset >= out->train_timesteps)
        return error_set(err, SS_ERR_INPUT, where, "steps_offset is %lld; expected 0 to %lld",
                         (long long)out->steps_offset, (long long)out->train_timesteps - 1);
    return SS_OK;
}

ss_status levels_parse(const json_t *json, const char *where, level_rule *out, ss_error *err) {
    static const char *const keys[] = {[LEVELS_KARRAS] = "use_karras_sigmas",
                                       [LEVELS_EXPONENTIAL] = "use_exponential_sigmas",
                                       [LEVELS_BETA] = "use_beta_sigmas"};
    *out = LEVELS_OF_TIMESTEPS;
    for (int i = LEVELS_KARRAS; i <= LEVELS_BETA; i++) {
        int set;
        SS_TRY(json_get_bool_or(json, keys[i], where, 0, &set, err));
        if (!set) continue;
        if (*out)
            return error_set(err, SS_ERR_INPUT, where, "%s and %s are true; expected one of them at most", keys[*out],
                             keys[i]);
        *out = (level_rule)i;
    }
    return SS_OK;
}

ss_status diffusion_parse_levels(const json_t *json, const char *where, diffusion_config *out, ss_error *err) {
    return levels_parse(json, where, &out->levels, err);
}

ss_status diffusion_parse_final(const json_t *json, const char *where, diffusion_config *out, ss_error *err) {
    int least;
    SS_TRY(diffusion_parse_word(json, where, "final_sigmas_type", "zero", "zero", "sigma_min", &least, err));
    out->final = least ? FINAL_SIGMA_MIN : FINAL_ZERO;
    return SS_OK;
}

ss_status diffusion_parse_zero_snr(const json_t *json, const char *where, diffusion_config *out, ss_error *err) {
    return json_get_bool_or(json, "rescale_betas_zero_snr", where, 0, &out->zero_snr, err);
}

/* ---- the noise of training ---- */

/* torch.linspace in float32, from both ends to the middle. */
static float beta_at(const diffusion_config *g, int64_t t) {
    int64_t n = g->train_timesteps;
    float first = (float)(g->scaled_linear ? sqrt(g->beta_start) : g->beta_start);
    float last = (float)(g->scaled_linear ? sqrt(g->beta_end) : g->beta_end);
    float step = (last - first) / (float)(n - 1);
    float x = t < n / 2 ? first + step * (float)t : last - step * (float)(n - 1 - t);
    return g->scaled_linear ? x * x : x;
}

/* rescale_zero_terminal_snr: the root of alpha_bar shifted so that it ends at 0, and scaled so that it begins where it
 * did. By way of betas, as the reference, each rounded. */
static void rescale_to_zero_snr(float *alpha_bar, int64_t n) {
    float first = sqrtf(alpha_bar[0]), last = sqrtf(alpha_bar[n - 1]), scale = first / (first - last), before = 1;
    double product = 1;
    for (int64_t t = 0; t < n; t++) {
        float root = (sqrtf(alpha_bar[t]) - last) * scale, square = root * root;
        float beta = 1 - square / before;
        before = square;
        product *= (double)(1 - beta);
        alpha_bar[t] = (float)product;
    }
}

ss_status diffusion_alpha_bar(const diffusion_config *g, float **out, ss_error *err) {
    size_t n = (size_t)g->train_timesteps;
    float *alpha_bar = *out = malloc(n * sizeof *alpha_bar);
    if (!alpha_bar) return error_no_memory(err, "noise schedule", n * sizeof *alpha_bar);
    double product = 1; /* torch.cumprod carries a double */
    for (size_t t = 0; t < n; t++) {
        product *= (double)(1 - beta_at(g, (int64_t)t));
        alpha_bar[t] = (float)product;
    }
    if (g->zero_snr) rescale_to_zero_snr(alpha_bar, g->train_timesteps);
    return SS_OK;
}

float diffusion_sigma(float alpha_bar) { return sqrtf((1 - alpha_bar) / alpha_bar); }
