/* Networks: one table row for each kind, one file for each family (mmdit.c, unet.c, clip.c, t5.c, vae.c): a config
 * struct read from config.json, a weights struct with its walk (nn/weights.h), and a forward pass. model_open opens a
 * component folder of any kind. Shapes come from config.json, never from guesses; a config value that a network cannot
 * honour is an error that names the key.
 *
 * A network's header declares its config, weights and forward pass for the pipelines. This header is what is common,
 * and what `forward` and `inspect` see: named arrays in, named arrays out, in the layouts of the reference
 * implementation (diffusers, transformers). */
#ifndef MODEL_NETWORK_H
#define MODEL_NETWORK_H

#include <stddef.h>
#include "base/option.h"
#include "io/json.h"
#include "nn/weights.h"

/* ---- named arrays ---- */

enum { MODEL_NAME_SIZE = 96 };

/* Host memory in the reference's layout: images are [B, C, H, W]. Either f32 or i32 holds the values. */
typedef struct model_array {
    char name[MODEL_NAME_SIZE];
    int ndim;
    int64_t dim[TENSOR_MAX_DIMS];
    float *f32;
    int32_t *i32;
} model_array;

/* A list of them. Zero-initialise; free with model_arrays_free. */
typedef struct model_arrays {
    int n;
    size_t capacity;
    model_array *at;
} model_arrays;

void model_arrays_free(model_arrays *a);
int64_t model_array_elements(const model_array *a);

/* A new array of zeros, floats or (integers != 0) integers, valid until the next one is added; NULL and *err when
 * there is no memory. */
model_array *model_arrays_add(model_arrays *a, const char *name, int integers, int ndim, const int64_t *dim,
                              ss_error *err);
/* Download a tensor into a new array; a tensor of four dimensions is an image and is transposed to [B, C, H, W]. */
ss_status model_arrays_add_tensor(model_arrays *a, const char *name, compute *c, tensor t, ss_error *err);

/* The array `name`, as floats or integers, with exactly these dimensions, where -1 takes any size (at least 1) and *dim
 * is then overwritten with what was found. Errors name the argument, what was expected and what was found. A network
 * looks up all of its inputs and checks with model_arrays_all_known that there are no others. */
ss_status model_input_floats(const model_arrays *in, const char *name, int ndim, int64_t *dim, const float **out,
                             ss_error *err);
ss_status model_input_ints(const model_arrays *in, const char *name, int ndim, int64_t *dim, const int32_t **out,
                           ss_error *err);
ss_status model_arrays_all_known(const model_arrays *in, const char *const *names, int n, ss_error *err);

/* Host [B, C, H, W] to a new [B, H, W, C] tensor. */
tensor model_upload_image(compute *c, const float *host, int64_t b, int64_t channels, int64_t h, int64_t w);

/* Host [.., last] to a new tensor of the same dimensions. */
tensor model_upload(compute *c, const float *host, int ndim, const int64_t *dim);

/* ---- the table ---- */

typedef struct model model;

typedef struct network {
    entry about; /* name: the class in config.json ("_class_name", or the first of "architectures") */
    size_t config_size, weights_size;
    /* Read config.json into the zeroed config. `where` names the file in errors. `class_name`: the row's name. */
    ss_status (*parse)(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err);
    weight_walk bind;
    const char *const *ignore; /* see weight_source */
    /* Add inputs of the smallest sensible sizes, zeros: what to pass to `forward`, and for its taps on the dry
     * backend. */
    ss_status (*example)(const void *config, model_arrays *in, ss_error *err);
    /* Inputs to outputs, by the reference's argument names. Errors of the context are left there. */
    ss_status (*forward)(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err);
} network;

#define NETWORK(id) extern const network network_##id;
#include "model/networks.def"
extern const network *const MODEL_NETWORKS[];
extern const int MODEL_NETWORK_COUNT;

/* A network that can be opened from the folder of another class. */
typedef struct model_part {
    const char *wanted, *found; /* `found`: of config.json; it need not be a network */
} model_part;
extern const model_part MODEL_PARTS[];
extern const int MODEL_PART_COUNT;

/* ---- a component ---- */

struct model {
    const network *net;
    char *folder;  /* of model_open_config: the path of the config */
    void *config;  /* the network's config struct */
    void *weights; /* the network's weights struct */
    weight_set set;
    checkpoint *files; /* NULL unless opened from a checkpoint */
    compute *packed_for;
    notices notices; /* about its files; those of a model that was opened with a context are in the context's too */
};

/* Read config.json, choose the row, bind the checkpoint, pack for `c`. `variant` as in checkpoint_open_folder.
 * `c` must outlive the model; NULL = nothing is packed yet. */
ss_status model_open(model **out, compute *c, const char *folder, const char *variant, ss_error *err);

/* The same, as a network of this class instead of the one in config.json: its own class, one of MODEL_PARTS, or
 * none. */
ss_status model_open_as(model **out, compute *c, const char *class_name, const char *folder, const char *variant,
                        ss_error *err);

/* The same without a checkpoint: only config.json is read. WEIGHTS_LIST: for inspect and dry runs; nothing is
 * packed, and `c` may be NULL. WEIGHTS_RANDOM: seeded weights, packed for `c` unless it is NULL. */
ss_status model_open_config(model **out, compute *c, const char *config_path, weight_mode mode, uint64_t seed,
                            ss_error *err);

/* A network whose weights lie in files of their own, opened as one checkpoint, under a config that is given: how
 * scorers are published. `config_name` stands for the config in errors; `prefix`: of all names that matter, where
 * the file has it (what training wrote wraps the weights), or NULL. */
ss_status model_open_files(model **out, compute *c, const char *class_name, const json_t *config,
                           const char *config_name, const char *const *files, int n_files, const char *prefix,
                           ss_error *err);

/* The same, with something done to the weights between opening and binding (NULL: nothing). */
typedef ss_status (*model_change)(void *user, checkpoint **files, ss_error *err);
ss_status model_open_changed(model **out, compute *c, const char *class_name, const char *folder, const char *variant,
                             model_change change, void *user, ss_error *err);

/* A component whose config is given and whose weights are open, under its network's names: part of a single file. The
 * checkpoint is the model's from now on, also after a failure. `class_name` as for model_open_as. `name` stands for the
 * component in errors. */
ss_status model_open_weights(model **out, const char *class_name, const json_t *config, const char *name,
                             checkpoint *files, ss_error *err);

void model_close(model *m); /* NULL is allowed */

/* Pack what a model opened without a context needs, by prefixes of names (weights_pack_part; NULL = all), for `c`,
 * which must outlive the model. Cheap where that was done before. */
ss_status model_pack(model *m, compute *c, const char *const *prefixes, int n, ss_error *err);

/* Run the network: its outputs, then the taps asked for, each under its name. n_taps -1 = all taps. A tap that does not
 * exist is an error that suggests the nearest. Scratch is released. */
ss_status model_forward(const model *m, compute *c, const model_arrays *in, const char *const *taps, int n_taps,
                        model_arrays *out, ss_error *err);

/* Add the names of all taps, in the order of the forward pass (dimensions included, no values), by a dry run on
 * example inputs. */
ss_status model_list_taps(const model *m, model_arrays *out, ss_error *err);

#endif
