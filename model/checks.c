/* Values of config.json and token ids; see checks.h. */
#include "model/checks.h"

#include <stdlib.h>
#include <string.h>

ss_status config_size(const json_t *json, const char *name, const char *where, int64_t by_default, int64_t high,
                      int64_t *out, ss_error *err) {
    SS_TRY(json_get_int_or(json, name, where, by_default, out, err));
    if (*out >= 1 && *out <= high) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s is %lld; expected a whole number from 1 to %lld", name,
                     (long long)*out, (long long)high);
}

ss_status config_eps(const json_t *json, const char *name, const char *where, double by_default, float *out,
                     ss_error *err) {
    double value;
    SS_TRY(json_get_double_or(json, name, where, by_default, &value, err));
    if (value > 0 && value < 1) {
        *out = (float)value;
        return SS_OK;
    }
    text number = {0};
    text_add_double(&number, value, 6);
    error_set(err, SS_ERR_INPUT, where, "%s is %s; expected a number between 0 and 1", name, number.s ? number.s : "");
    text_free(&number);
    return err->code;
}

/* transformers/activations.py and diffusers/models/activations.py. */
static const struct activation_name {
    const char *name;
    activation act;
} ACTIVATION_NAMES[] = {
    {"quick_gelu", ACT_QUICK_GELU},
    {"gelu", ACT_GELU_ERF},
    {"gelu_new", ACT_GELU_TANH},
    {"gelu_pytorch_tanh", ACT_GELU_TANH},
    {"silu", ACT_SILU},
    {"swish", ACT_SILU},
    {"relu", ACT_RELU},
};

ss_status config_activation_named(const char *value, const char *key, const char *where, activation *out,
                                  ss_error *err) {
    const size_t n = sizeof ACTIVATION_NAMES / sizeof ACTIVATION_NAMES[0];
    for (size_t i = 0; i < n; i++)
        if (strcmp(ACTIVATION_NAMES[i].name, value) == 0) {
            *out = ACTIVATION_NAMES[i].act;
            return SS_OK;
        }
    text all = {0};
    for (size_t i = 0; i < n; i++) text_addf(&all, "%s%s", i ? ", " : "", ACTIVATION_NAMES[i].name);
    error_set(err, SS_ERR_INPUT, where, "%s: unknown activation '%s'; expected one of %s", key, value,
              all.s ? all.s : "");
    text_free(&all);
    return err->code;
}

ss_status config_activation(const json_t *json, const char *name, const char *where, const char *by_default,
                            activation *out, ss_error *err) {
    const char *value;
    SS_TRY(json_get_text_or(json, name, where, by_default, &value, err));
    return config_activation_named(value, name, where, out, err);
}

ss_status checks_input_ids(const model_arrays *in, int64_t vocabulary, int64_t max_tokens, const int32_t **ids,
                           int64_t *batch, int64_t *tokens, ss_error *err) {
    int64_t dim[TENSOR_MAX_DIMS] = {-1, -1};
    SS_TRY(model_input_ints(in, "input_ids", 2, dim, ids, err));
    *batch = dim[0];
    *tokens = dim[1];
    if (max_tokens && *tokens > max_tokens)
        return error_set(err, SS_ERR_INPUT, "input_ids", "expected at most %lld tokens, found %lld",
                         (long long)max_tokens, (long long)*tokens);
    for (int64_t i = 0; i < *batch * *tokens; i++)
        if ((*ids)[i] < 0 || (*ids)[i] >= vocabulary)
            return error_set(err, SS_ERR_INPUT, "input_ids", "expected ids from 0 to %lld, found %d at row %lld",
                             (long long)vocabulary - 1, (int)(*ids)[i], (long long)(i / *tokens));
    return SS_OK;
}

ss_status checks_timesteps(const model_arrays *in, int64_t batch, float **out, ss_error *err) {
    const float *f32 = NULL;
    const int32_t *i32 = NULL;
    if (model_input_ints(in, "timestep", 1, &batch, &i32, err) != SS_OK)
        SS_TRY(model_input_floats(in, "timestep", 1, &batch, &f32, err));
    *out = malloc(sizeof(float) * (size_t)batch);
    if (!*out) return error_no_memory(err, "timestep", sizeof(float) * (size_t)batch);
    for (int64_t i = 0; i < batch; i++) (*out)[i] = f32 ? f32[i] : (float)i32[i];
    return SS_OK;
}

int checks_has_input(const model_arrays *in, const char *name) {
    for (int i = 0; i < in->n; i++)
        if (strcmp(in->at[i].name, name) == 0) return 1;
    return 0;
}
