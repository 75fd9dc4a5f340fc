/* Single files in the original layouts of SD 1, SD 2, SDXL, SD3 and SD3.5: which family one is, what it holds under
 * diffusers' names, and the configs that it lacks. Reference: diffusers 0.42.1, loaders/single_file_utils.py
 * (infer_diffusers_model_type, convert_*) and the repositories whose configs its from_single_file fetches. */
#ifndef MODEL_ORIGINAL_H
#define MODEL_ORIGINAL_H

#include "base/notices.h"
#include "io/checkpoint.h"
#include "io/json.h"

typedef struct original original;

/* Open a file and recognise it by its tensors. `config`: a folder in diffusers' form whose model_index.json, configs
 * and tokenizers are taken in place of the family's known ones, for models of other sizes, as from_single_file's
 * argument of that name; NULL = none, and a file that no family fits is an error. */
ss_status original_open(original **out, const char *path, const char *config, ss_error *err);
void original_close(original *o); /* NULL is allowed */

const char *original_path(const original *o);
const char *original_family(const original *o);        /* "Stable Diffusion XL base"; with a config folder: its path */
const char *original_config_folder(const original *o); /* NULL: the configs are the family's */

/* model_index.json, and a component's config; "scheduler" is one. NULL: there is none. */
const json_t *original_index(const original *o);
const json_t *original_config(const original *o, const char *component);

/* What the file holds of a component, under diffusers' names; close it with checkpoint_close. NULL and SS_OK: it holds
 * nothing of it. */
ss_status original_weights(const original *o, const char *component, checkpoint **out, ss_error *err);

/* Whether the file holds something of the component, and what such names begin with in the file. */
const char *original_prefix(const original *o, const char *component);

/* The same of a file that holds one component and nothing else ("clip_l.safetensors", "t5xxl_fp8_e4m3fn.safetensors",
 * an autoencoder of its own), under the names of its original layout, transformers' or diffusers'. */
ss_status original_component_weights(const char *path, const char *component, const json_t *config, checkpoint **out,
                                     ss_error *err);

/* Notices about what the file says beside its weights: tensors that are not used, averaged weights, a prediction type
 * that is ignored. */
ss_status original_note_rest(const original *o, notices *list, ss_error *err);

#endif
