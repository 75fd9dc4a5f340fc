/* What all networks share: named arrays, opening a component folder, running one network with its taps. The table of
 * rows is in networks.c; this file depends on no particular network. */
#include "model/network.h"

#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/file.h"
#include "base/text.h"
#include "model/neighbours.h"

/* ---- named arrays ---- */

void model_arrays_free(model_arrays *a) {
    for (int i = 0; i < a->n; i++) {
        free(a->at[i].f32);
        free(a->at[i].i32);
    }
    free(a->at);
    *a = (model_arrays){0};
}

int64_t model_array_elements(const model_array *a) {
    int64_t n = 1;
    for (int i = 0; i < a->ndim; i++) n *= a->dim[i];
    return n;
}

/* A new array without values. */
static model_array *add_bare(model_arrays *a, const char *name, int ndim, const int64_t *dim, ss_error *err) {
    if (strlen(name) >= MODEL_NAME_SIZE || ndim < 0 || ndim > TENSOR_MAX_DIMS)
        return error_set(err, SS_ERR_INPUT, name, "expected a name of at most %d bytes and at most %d dimensions",
                         MODEL_NAME_SIZE - 1, TENSOR_MAX_DIMS),
               NULL;
    if (ARRAY_ROOM(a->at, a->capacity, a->n + 1, name, err) != SS_OK) return NULL;
    model_array *x = &a->at[a->n++];
    *x = (model_array){.ndim = ndim};
    strcpy(x->name, name);
    if (ndim) memcpy(x->dim, dim, sizeof *dim * (size_t)ndim);
    return x;
}

model_array *model_arrays_add(model_arrays *a, const char *name, int integers, int ndim, const int64_t *dim,
                              ss_error *err) {
    model_array *x = add_bare(a, name, ndim, dim, err);
    if (!x) return NULL;
    size_t n = (size_t)model_array_elements(x);
    if (integers) x->i32 = calloc(n ? n : 1, sizeof *x->i32);
    else x->f32 = calloc(n ? n : 1, sizeof *x->f32);
    if (x->i32 || x->f32) return x;
    a->n--;
    return error_no_memory(err, name, n * sizeof(float)), NULL;
}

/* Between the reference's [B, C, H, W] and [B, H, W, C]: moves the axis of size `c` behind that of size `hw`. */
static void channels_last(float *out, const float *in, int64_t b, int64_t c, int64_t hw) {
    for (int64_t i = 0; i < b; i++)
        for (int64_t j = 0; j < c; j++)
            for (int64_t k = 0; k < hw; k++) out[(i * hw + k) * c + j] = in[(i * c + j) * hw + k];
}

static void image_dims(tensor t, int64_t dim[4]) {
    const int64_t nchw[4] = {t.dim[0], t.dim[3], t.dim[1], t.dim[2]};
    memcpy(dim, t.ndim == 4 ? nchw : t.dim, sizeof nchw);
}

ss_status model_arrays_add_tensor(model_arrays *a, const char *name, compute *c, tensor t, ss_error *err) {
    int64_t dim[4];
    image_dims(t, dim);
    model_array *x = model_arrays_add(a, name, 0, t.ndim, dim, err);
    if (!x) return err->code;
    op_download(c, x->f32, t);
    if (t.ndim != 4 || t.dim[3] == 1) return SS_OK;
    size_t bytes = sizeof(float) * (size_t)tensor_elements(t);
    float *turned = malloc(bytes ? bytes : 1);
    if (!turned) return error_no_memory(err, name, bytes);
    channels_last(turned, x->f32, t.dim[0], t.dim[1] * t.dim[2], t.dim[3]); /* the inverse: axes swapped */
    free(x->f32);
    x->f32 = turned;
    return SS_OK;
}

static void add_dims(text *t, int ndim, const int64_t *dim) {
    text_add(t, "[");
    for (int i = 0; i < ndim; i++) {
        text_add(t, i ? ", " : "");
        if (dim[i] < 0) text_add(t, "any");
        else text_addf(t, "%lld", (long long)dim[i]);
    }
    text_add(t, "]");
}

static ss_status find_input(const model_arrays *in, const char *name, const char *kind, int ndim, int64_t *dim,
                            const model_array **out, ss_error *err) {
    text t = {0};
    *out = NULL;
    for (int i = 0; i < in->n && !*out; i++)
        if (strcmp(in->at[i].name, name) == 0) *out = &in->at[i];
    const model_array *x = *out;
    int fits = x && x->ndim == ndim;
    for (int i = 0; fits && i < ndim; i++) fits = dim[i] < 0 ? x->dim[i] >= 1 : x->dim[i] == dim[i];
    if (!fits) {
        text_addf(&t, "expected %s of shape ", kind);
        add_dims(&t, ndim, dim);
        text_add(&t, ", found ");
        if (x) add_dims(&t, x->ndim, x->dim);
        else text_add(&t, "no such input");
        error_set(err, SS_ERR_INPUT, name, "%s", t.s ? t.s : "does not fit");
        text_free(&t);
        return SS_ERR_INPUT;
    }
    memcpy(dim, x->dim, sizeof *dim * (size_t)ndim);
    return SS_OK;
}

ss_status model_input_floats(const model_arrays *in, const char *name, int ndim, int64_t *dim, const float **out,
                             ss_error *err) {
    const model_array *x;
    SS_TRY(find_input(in, name, "floats", ndim, dim, &x, err));
    if (!x->f32) return error_set(err, SS_ERR_INPUT, name, "expected floats, found integers");
    *out = x->f32;
    return SS_OK;
}

ss_status model_input_ints(const model_arrays *in, const char *name, int ndim, int64_t *dim, const int32_t **out,
                           ss_error *err) {
    const model_array *x;
    SS_TRY(find_input(in, name, "integers", ndim, dim, &x, err));
    if (!x->i32) return error_set(err, SS_ERR_INPUT, name, "expected integers, found floats");
    *out = x->i32;
    return SS_OK;
}

ss_status model_arrays_all_known(const model_arrays *in, const char *const *names, int n, ss_error *err) {
    for (int i = 0; i < in->n; i++) {
        int known = 0;
        for (int j = 0; j < n && !known; j++) known = strcmp(in->at[i].name, names[j]) == 0;
        if (known) continue;
        text all = {0};
        for (int j = 0; j < n; j++) text_addf(&all, "%s%s", j ? ", " : "", names[j]);
        const char *near = text_nearest(in->at[i].name, names, n);
        error_set(err, SS_ERR_INPUT, in->at[i].name, "unknown input%s%s%s (inputs: %s)", near ? "; did you mean '" : "",
                  near ? near : "", near ? "'?" : "", all.s ? all.s : "");
        text_free(&all);
        return err->code;
    }
    return SS_OK;
}

tensor model_upload_image(compute *c, const float *host, int64_t b, int64_t channels, int64_t h, int64_t w) {
    tensor t = compute_4d(c, b, h, w, channels);
    size_t bytes = sizeof(float) * (size_t)tensor_elements(t);
    float *turned = malloc(bytes ? bytes : 1);
    if (!turned) {
        ss_error err;
        error_no_memory(&err, "image", bytes);
        compute_fail(c, &err);
        return t;
    }
    channels_last(turned, host, b, channels, h * w);
    op_upload(c, t, turned);
    free(turned);
    return t;
}

tensor model_upload(compute *c, const float *host, int ndim, const int64_t *dim) {
    tensor t = compute_tensor(c, ndim, dim);
    op_upload(c, t, host);
    return t;
}

/* ---- opening ---- */

/* "transformer/config.json" of ".../transformer/config.json": what messages call the file. */
static const char *short_name(const char *path) {
    const char *p = strrchr(path, '/');
    while (p && p > path && p[-1] != '/') p--;
    return p ? p : path;
}

/* The class that a config names; NULL where it names none. */
static ss_status named_class(const json_t *json, const char *path, const char **out, ss_error *err) {
    *out = NULL;
    if (json_has(json, "_class_name")) return json_get_text(json, "_class_name", path, out, err);
    if (!json_has(json, "architectures")) return SS_OK;
    json_t *list;
    SS_TRY(json_get_array(json, "architectures", path, &list, err));
    *out = json_string_value(json_array_get(list, 0));
    if (!*out) return error_set(err, SS_ERR_INPUT, path, "architectures: expected a list with a class name first");
    return SS_OK;
}

/* The class to open: `wanted` (NULL = any) where the config's class is it or has it as a part. */
static ss_status class_of(const json_t *json, const char *path, const char *wanted, const char **out, ss_error *err) {
    const char *found;
    SS_TRY(named_class(json, path, &found, err));
    *out = wanted ? wanted : found;
    if (!*out)
        return error_set(err, SS_ERR_INPUT, path,
                         "expected \"_class_name\" or \"architectures\" to say which network this is, found neither");
    int fits = !found || strcmp(found, *out) == 0;
    for (int i = 0; !fits && i < MODEL_PART_COUNT; i++)
        fits = strcmp(MODEL_PARTS[i].wanted, *out) == 0 && strcmp(MODEL_PARTS[i].found, found) == 0;
    if (fits) return SS_OK;
    /* a misspelt name is reported as such */
    if (!entry_find(MODEL_NETWORKS, ENTRY_POINTERS, MODEL_NETWORK_COUNT, "network", found, path, err)) return err->code;
    return error_set(err, SS_ERR_INPUT, path, "expected a %s, found a %s", wanted, found);
}

/* Choose the row and parse the config: what every way of opening begins with. */
static ss_status take_config(model *m, const char *class_name, const json_t *json, const char *where, ss_error *err) {
    m->net = (const network *)(const void *)entry_find(MODEL_NETWORKS, ENTRY_POINTERS, MODEL_NETWORK_COUNT, "network",
                                                       class_name, where, err);
    if (!m->net) return err->code;
    m->config = calloc(1, m->net->config_size);
    m->weights = calloc(1, m->net->weights_size);
    if (!m->config || !m->weights) return error_no_memory(err, "network", m->net->config_size);
    return m->net->parse(json, m->net->about.name, where, m->config, err);
}

/* `naming`: of the weights beside it; may be NULL. */
static ss_status network_read_config(model *m, const char *config_path, const char *wanted, checkpoint_naming *naming,
                                     ss_error *err) {
    json_t *json;
    const char *class_name;
    SS_TRY(json_read_file(config_path, JSON_CONFIG_LIMIT, &json, err));
    if (naming) *naming = json_has(json, "_class_name") ? CHECKPOINT_DIFFUSERS : CHECKPOINT_TRANSFORMERS;
    ss_status status = class_of(json, config_path, wanted, &class_name, err);
    if (status == SS_OK) status = take_config(m, class_name, json, config_path, err);
    json_decref(json);
    return status;
}

static ss_status bind_and_pack(model *m, compute *c, const char *config_path, const weight_source *source,
                               ss_error *err) {
    weight_source s = *source;
    s.file = m->files;
    s.config_name = short_name(config_path);
    s.ignore = m->net->ignore;
    s.notices = &m->notices;
    SS_TRY(weights_bind(&m->set, m->net->bind, m->config, m->weights, &s, err));
    if (s.mode == WEIGHTS_LIST || !c) return SS_OK;
    m->packed_for = c;
    weights_pack(&m->set, c);
    return compute_status(c, err);
}

ss_status model_open(model **out, compute *c, const char *folder, const char *variant, ss_error *err) {
    return model_open_as(out, c, NULL, folder, variant, err);
}

ss_status model_open_as(model **out, compute *c, const char *class_name, const char *folder, const char *variant,
                        ss_error *err) {
    return model_open_changed(out, c, class_name, folder, variant, NULL, NULL, err);
}

ss_status model_open_changed(model **out, compute *c, const char *class_name, const char *folder, const char *variant,
                             model_change change, void *user, ss_error *err) {
    *out = NULL;
    checkpoint_naming naming;
    char *config_path = file_join(folder, "config.json");
    model *m = calloc(1, sizeof *m);
    ss_status status = SS_OK;
    if (!config_path || !m || !(m->folder = text_copy(folder)))
        SS_TRY_GOTO(error_no_memory(err, "network", sizeof *m), end);
    SS_TRY_GOTO(network_read_config(m, config_path, class_name, &naming, err), end);
    SS_TRY_GOTO(checkpoint_open_folder(&m->files, folder, naming, variant, err), end);
    if (change) SS_TRY_GOTO(change(user, &m->files, err), end);
    SS_TRY_GOTO(bind_and_pack(m, c, config_path, &(weight_source){.mode = WEIGHTS_FROM_FILE}, err), end);
    SS_TRY_GOTO(model_note_other_weights(&m->notices, checkpoint_path(m->files), variant, err), end);
    SS_TRY_GOTO(model_note_lora(&m->notices, folder, err), end);
    if (c) SS_TRY_GOTO(notices_add_all(&c->notices, &m->notices, err), end);
    *out = m;
    m = NULL;
end:
    model_close(m);
    free(config_path);
    return status;
}

ss_status model_open_config(model **out, compute *c, const char *config_path, weight_mode mode, uint64_t seed,
                            ss_error *err) {
    *out = NULL;
    const weight_source source = {.mode = mode, .seed = seed};
    model *m = calloc(1, sizeof *m);
    ss_status status = SS_OK;
    if (!m || !(m->folder = text_copy(config_path))) SS_TRY_GOTO(error_no_memory(err, "network", sizeof *m), end);
    SS_TRY_GOTO(network_read_config(m, config_path, NULL, NULL, err), end);
    SS_TRY_GOTO(bind_and_pack(m, c, config_path, &source, err), end);
    *out = m;
    m = NULL;
end:
    model_close(m);
    return status;
}

static int has_prefix(const checkpoint *files, const char *prefix) {
    for (size_t i = 0; i < checkpoint_count(files); i++)
        if (strncmp(checkpoint_at(files, i)->name, prefix, strlen(prefix)) == 0) return 1;
    return 0;
}

ss_status model_open_files(model **out, compute *c, const char *class_name, const json_t *config,
                           const char *config_name, const char *const *files, int n_files, const char *prefix,
                           ss_error *err) {
    *out = NULL;
    weight_source source = {.mode = WEIGHTS_FROM_FILE, .others_fail = 1};
    model *m = calloc(1, sizeof *m);
    ss_status status = SS_OK;
    if (!m || !(m->folder = text_copy(files[0]))) SS_TRY_GOTO(error_no_memory(err, "network", sizeof *m), end);
    SS_TRY_GOTO(take_config(m, class_name, config, config_name, err), end);
    SS_TRY_GOTO(checkpoint_open_files(&m->files, files, n_files, err), end);
    if (prefix && !has_prefix(m->files, prefix)) prefix = NULL;
    source.prefix = prefix;
    SS_TRY_GOTO(bind_and_pack(m, c, config_name, &source, err), end);
    *out = m;
    m = NULL;
end:
    model_close(m);
    return status;
}

ss_status model_open_weights(model **out, const char *class_name, const json_t *config, const char *name,
                             checkpoint *files, ss_error *err) {
    *out = NULL;
    model *m = calloc(1, sizeof *m);
    ss_status status = SS_OK;
    if (m) m->files = files;
    else checkpoint_close(files);
    if (!m || !(m->folder = text_copy(name))) SS_TRY_GOTO(error_no_memory(err, "network", sizeof *m), end);
    SS_TRY_GOTO(class_of(config, name, class_name, &class_name, err), end);
    SS_TRY_GOTO(take_config(m, class_name, config, name, err), end);
    SS_TRY_GOTO(bind_and_pack(m, NULL, name, &(weight_source){.mode = WEIGHTS_FROM_FILE}, err), end);
    *out = m;
    m = NULL;
end:
    model_close(m);
    return status;
}

ss_status model_pack(model *m, compute *c, const char *const *prefixes, int n, ss_error *err) {
    m->packed_for = c;
    if (!prefixes) weights_pack(&m->set, c);
    for (int i = 0; prefixes && i < n; i++) weights_pack_part(&m->set, c, prefixes[i]);
    return compute_status(c, err);
}

void model_close(model *m) {
    if (!m) return;
    notices_free(&m->notices);
    weights_free(&m->set, m->packed_for);
    checkpoint_close(m->files);
    free(m->config);
    free(m->weights);
    free(m->folder);
    free(m);
}

/* ---- running ---- */

/* A listener that keeps the taps asked for. */
typedef struct tap_collector {
    compute *c;
    const char *const *names;
    int n;         /* of names; -1 = all */
    int values;    /* 0 = names and dimensions only */
    uint8_t *seen; /* [n] */
    model_arrays *out;
} tap_collector;

static void collect_tap(void *user, const char *name, tensor t) {
    tap_collector *k = user;
    ss_error err;
    int i = 0;
    while (i < k->n && strcmp(k->names[i], name) != 0) i++;
    if (i == k->n) return;
    if (k->n >= 0) k->seen[i] = 1;
    int64_t dim[4];
    image_dims(t, dim);
    int ok = k->values ? model_arrays_add_tensor(k->out, name, k->c, t, &err) == SS_OK
                       : add_bare(k->out, name, t.ndim, dim, &err) != NULL;
    if (!ok) compute_fail(k->c, &err);
}

static ss_status network_run(const model *m, compute *c, const model_arrays *in, model_arrays *outputs, ss_error *err) {
    arena_mark mark = arena_get_mark(c->scratch);
    ss_status status = m->net->forward(m, c, in, outputs, err);
    arena_release(c->scratch, mark);
    ss_error first;
    if (compute_status(c, &first) != SS_OK) {
        *err = first;
        return err->code;
    }
    return status;
}

static ss_status check_taps(const model *m, const tap_collector *k, ss_error *err) {
    int missing = 0;
    while (missing < k->n && k->seen[missing]) missing++;
    if (k->n <= 0 || missing == k->n) return SS_OK;
    model_arrays all = {0};
    SS_TRY(model_list_taps(m, &all, err));
    const char **names = calloc((size_t)all.n + 1, sizeof *names);
    for (int i = 0; names && i < all.n; i++) names[i] = all.at[i].name;
    const char *near = names ? text_nearest(k->names[missing], names, all.n) : NULL;
    error_set(err, SS_ERR_USAGE, NULL, "%s has no tap '%s'%s%s%s (%d taps, from '%s' to '%s')", m->net->about.name,
              k->names[missing], near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", all.n,
              all.n ? all.at[0].name : "", all.n ? all.at[all.n - 1].name : "");
    free(names);
    model_arrays_free(&all);
    return err->code;
}

ss_status model_forward(const model *m, compute *c, const model_arrays *in, const char *const *taps, int n_taps,
                        model_arrays *out, ss_error *err) {
    model_arrays tapped = {0};
    tap_collector k = {.c = c, .names = taps, .n = n_taps, .values = 1, .out = &tapped};
    if (n_taps > 0 && !(k.seen = calloc((size_t)n_taps, 1))) return error_no_memory(err, "taps", 1);
    const tap_sink sink = {collect_tap, &k}, *before = c->tap;
    if (n_taps != 0) c->tap = &sink;
    ss_status status = network_run(m, c, in, out, err);
    c->tap = before;
    if (status == SS_OK) status = check_taps(m, &k, err);
    for (int i = 0; i < tapped.n && status == SS_OK; i++) { /* hand the memory over */
        model_array *x = &tapped.at[i], *y = add_bare(out, x->name, x->ndim, x->dim, err);
        if (!y) status = err->code;
        else {
            y->f32 = x->f32;
            x->f32 = NULL;
        }
    }
    model_arrays_free(&tapped);
    free(k.seen);
    return status;
}

ss_status model_list_taps(const model *m, model_arrays *out, ss_error *err) {
    compute *dry;
    model_arrays in = {0}, outputs = {0};
    SS_TRY(compute_create(&dry, "dry", 1, 0, err));
    tap_collector k = {.c = dry, .n = -1, .out = out};
    const tap_sink sink = {collect_tap, &k};
    dry->tap = &sink;
    ss_status status = m->net->example(m->config, &in, err);
    if (status == SS_OK) status = network_run(m, dry, &in, &outputs, err);
    model_arrays_free(&outputs);
    model_arrays_free(&in);
    compute_destroy(dry);
    return status;
}
