/* What networks check before they compute: values of config.json, and token ids. A value that a network cannot honour
 * is an error that names the key, what was found and what was expected. Missing keys take the default of the
 * reference's config class, since transformers leaves out of config.json what equals its default. */
#ifndef MODEL_CHECKS_H
#define MODEL_CHECKS_H

#include "model/network.h"

/* A whole number from 1 to `high`. */
ss_status config_size(const json_t *json, const char *name, const char *where, int64_t by_default, int64_t high,
                      int64_t *out, ss_error *err);

/* Limits that keep a product of four sizes within 63 bits, and a damaged config from asking for a million blocks. */
enum { CONFIG_WIDTH_LIMIT = 1 << 20, CONFIG_VOCABULARY_LIMIT = 1 << 24, CONFIG_LAYER_LIMIT = 1024 };

/* A positive number, as the eps of a norm. */
ss_status config_eps(const json_t *json, const char *name, const char *where, double by_default, float *out,
                     ss_error *err);

/* An activation by the name that transformers and diffusers know it by. */
ss_status config_activation(const json_t *json, const char *name, const char *where, const char *by_default,
                            activation *out, ss_error *err);
/* The same for a name that is part of a value; `key` names the member in errors. */
ss_status config_activation_named(const char *value, const char *key, const char *where, activation *out,
                                  ss_error *err);

/* Input `input_ids` [batch, tokens]: at most `max_tokens` of them (0 = any number), each below `vocabulary`. */
ss_status checks_input_ids(const model_arrays *in, int64_t vocabulary, int64_t max_tokens, const int32_t **ids,
                           int64_t *batch, int64_t *tokens, ss_error *err);

/* Input `timestep` [batch], floats or integers: malloc, freed by the caller. */
ss_status checks_timesteps(const model_arrays *in, int64_t batch, float **out, ss_error *err);

/* Whether there is an input of that name. */
int checks_has_input(const model_arrays *in, const char *name);

#endif
