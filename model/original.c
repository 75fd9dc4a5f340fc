/* See original.h. Nothing of a file's values is looked at here: families and components are recognised by names and
 * shapes. */
#include "model/original.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "model/original_internal.h"

static const char DENOISER[] = "model.diffusion_model.", WRAPPER[] = "state_dict.";

struct original {
    char *path, *folder; /* of the configs, or NULL */
    checkpoint *file;
    const char *wrapper;               /* what all names begin with beside their own beginnings: "" or WRAPPER */
    const original_family_row *family; /* NULL with a folder of configs */
    json_t *configs;                   /* by component, and "model_index" */
};

/* ---- where components lie in a file ---- */

/* Rows of one component are tried in their order. */
static const struct source {
    const char *component, *prefix;
    const char *probe; /* a name that begins so, behind the prefix, shows that the component is there */
    const name_map *map;
    int identity; /* text_projection is the identity */
} SOURCES[] = {
    {"unet", DENOISER, "input_blocks.", &ORIGINAL_UNET, 0},
    {"transformer", DENOISER, "joint_blocks.", &ORIGINAL_MMDIT, 0},
    {"transformer", "", "joint_blocks.", &ORIGINAL_MMDIT, 0},
    {"vae", "vae.", "", &ORIGINAL_VAE, 0},
    {"vae", "first_stage_model.", "", &ORIGINAL_VAE, 0},
    {"text_encoder", "cond_stage_model.transformer.", "text_model.", &ORIGINAL_CLIP, 0},
    {"text_encoder", "conditioner.embedders.0.transformer.", "text_model.", &ORIGINAL_CLIP, 0},
    {"text_encoder", "text_encoders.clip_l.transformer.", "text_model.", &ORIGINAL_CLIP_BARE, 1},
    {"text_encoder", "cond_stage_model.model.", "", &ORIGINAL_OPEN_CLIP_23, 0},
    {"text_encoder_2", "conditioner.embedders.1.model.", "", &ORIGINAL_OPEN_CLIP, 0},
    {"text_encoder_2", "text_encoders.clip_g.transformer.", "text_model.", &ORIGINAL_CLIP, 0},
    {"text_encoder_3", "text_encoders.t5xxl.transformer.", "", &ORIGINAL_T5, 0},
};
enum { SOURCE_COUNT = sizeof SOURCES / sizeof SOURCES[0] };

/* What follows the beginning in a name, or NULL. */
static const char *after(const char *name, const char *beginning) {
    size_t n = strlen(beginning);
    return strncmp(name, beginning, n) == 0 ? name + n : NULL;
}

/* A tensor's name without the wrapper and the source's prefix, or NULL. */
static const char *own_name(const char *name, const char *wrapper, const char *prefix) {
    const char *inner = after(name, wrapper);
    return inner ? after(inner, prefix) : NULL;
}

static int has_names(const checkpoint *file, const char *wrapper, const char *prefix, const char *probe) {
    for (size_t i = 0; i < checkpoint_count(file); i++) {
        const char *own = own_name(checkpoint_at(file, i)->name, wrapper, prefix);
        if (own && after(own, probe)) return 1;
    }
    return 0;
}

static const struct source *original_find_source(const original *o, const char *component) {
    for (int i = 0; i < SOURCE_COUNT; i++)
        if (strcmp(SOURCES[i].component, component) == 0 &&
            has_names(o->file, o->wrapper, SOURCES[i].prefix, SOURCES[i].probe))
            return &SOURCES[i];
    return NULL;
}

/* ---- recognising ---- */

/* The tensor, alone or under the denoiser's prefix. */
static const checkpoint_entry *find_sign(const original *o, const char *name) {
    const char *const prefix[] = {"", DENOISER};
    const checkpoint_entry *e = NULL;
    for (int i = 0; i < 2 && !e; i++) {
        text whole = {0};
        text_addf(&whole, "%s%s%s", o->wrapper, prefix[i], name);
        if (!whole.failed) e = checkpoint_find(o->file, whole.s);
        text_free(&whole);
    }
    return e;
}

static int shows(const original *o, const original_sign *sign) {
    if (!sign->name) return 1;
    const checkpoint_entry *e = find_sign(o, sign->name);
    if (!e || !sign->size) return e != NULL;
    int dim = sign->dim < 0 ? e->ndim - 1 : sign->dim;
    return dim >= 0 && dim < e->ndim && e->shape[dim] == sign->size;
}

static ss_status recognise(original *o, ss_error *err) {
    for (int i = 0; i < ORIGINAL_FAMILY_COUNT && !o->family; i++) {
        int all = 1;
        for (int k = 0; k < ORIGINAL_SIGNS; k++) all = all && shows(o, &ORIGINAL_FAMILIES[i].sign[k]);
        if (all) o->family = &ORIGINAL_FAMILIES[i];
    }
    if (o->family && o->family->config) return SS_OK;
    if (o->family)
        return error_set(err, SS_ERR_INPUT, o->path,
                         "is %s by its tensors, which is not supported; expected Stable Diffusion 1, 2, XL base, 3 or "
                         "3.5",
                         o->family->name);
    return error_set(
        err, SS_ERR_INPUT, o->path,
        "has %zu tensors, and no model that is known by them%s%s; expected a whole checkpoint of Stable "
        "Diffusion 1, 2, XL base, 3 or 3.5 in its original layout (for one of other sizes name its configs "
        "by --config FOLDER)",
        checkpoint_count(o->file), checkpoint_count(o->file) ? ", the first " : "",
        checkpoint_count(o->file) ? checkpoint_at(o->file, 0)->name : "");
}

/* ---- configs ---- */

static ss_status put_config(original *o, const char *name, json_t *value, ss_error *err) {
    return json_object_set_new(o->configs, name, value) == 0 ? SS_OK : error_no_memory(err, "configs", 1);
}

static ss_status take_known_configs(original *o, ss_error *err) {
    for (const original_config_row *row = o->family->config; row->name; row++) {
        json_t *value;
        SS_TRY(json_read_bytes(row->json, strlen(row->json), o->family->name, &value, err));
        SS_TRY(put_config(o, row->name, value, err));
    }
    return SS_OK;
}

/* FOLDER/COMPONENT/FILE, where it is there. */
static ss_status original_read_config(original *o, const char *component, const char *file, ss_error *err) {
    char *below = component ? file_join(o->folder, component) : text_copy(o->folder),
         *path = below ? file_join(below, file) : NULL;
    json_t *value = NULL;
    ss_status status = path ? SS_OK : error_no_memory(err, "path", strlen(o->folder));
    if (status == SS_OK && (file_exists(path) || !component)) {
        status = json_read_python_file(path, JSON_CONFIG_LIMIT, &value, err);
        if (status == SS_OK) status = put_config(o, component ? component : "model_index", value, err);
    }
    free(path);
    free(below);
    return status;
}

static ss_status read_configs(original *o, ss_error *err) {
    SS_TRY(original_read_config(o, NULL, "model_index.json", err));
    SS_TRY(original_read_config(o, "scheduler", "scheduler_config.json", err));
    for (int i = 0; i < SOURCE_COUNT; i++)
        if (i == 0 || strcmp(SOURCES[i].component, SOURCES[i - 1].component) != 0)
            SS_TRY(original_read_config(o, SOURCES[i].component, "config.json", err));
    return SS_OK;
}

/* ---- opening ---- */

static ss_status original_fill(original *o, ss_error *err) {
    SS_TRY(checkpoint_open(&o->file, o->path, err));
    o->wrapper = has_names(o->file, "", WRAPPER, "") ? WRAPPER : "";
    if (!o->folder) {
        SS_TRY(recognise(o, err));
        return take_known_configs(o, err);
    }
    return read_configs(o, err);
}

ss_status original_open(original **out, const char *path, const char *config, ss_error *err) {
    *out = NULL;
    original *o = calloc(1, sizeof *o);
    if (!o) return error_no_memory(err, path, sizeof *o);
    o->path = text_copy(path);
    o->folder = config ? text_copy(config) : NULL;
    o->configs = json_object();
    ss_status status =
        o->path && o->configs && (o->folder || !config) ? original_fill(o, err) : error_no_memory(err, path, sizeof *o);
    if (status == SS_OK) *out = o;
    else original_close(o);
    return status;
}

void original_close(original *o) {
    if (!o) return;
    checkpoint_close(o->file);
    json_decref(o->configs);
    free(o->path);
    free(o->folder);
    free(o);
}

const char *original_path(const original *o) { return o->path; }
const char *original_family(const original *o) { return o->family ? o->family->name : o->folder; }
const char *original_config_folder(const original *o) { return o->folder; }
const json_t *original_index(const original *o) { return json_object_get(o->configs, "model_index"); }

const json_t *original_config(const original *o, const char *component) {
    return json_object_get(o->configs, component);
}

const char *original_prefix(const original *o, const char *component) {
    const struct source *s = original_find_source(o, component);
    return s ? s->prefix : NULL;
}

/* ---- weights ---- */

static int64_t original_count_of(const json_t *config, const char *key) {
    const json_t *value = json_object_get(config, key);
    return json_is_array(value) ? (int64_t)json_array_size(value) : json_integer_value(value);
}

static map_numbers numbers_of(const json_t *config) {
    const int64_t layers = original_count_of(config, "layers_per_block"),
                  blocks = original_count_of(config, "num_layers"),
                  widths = original_count_of(config, "block_out_channels");
    const int64_t known = blocks ? blocks : widths; /* what is out of bounds is refused where the config is parsed */
    return (map_numbers){.layers = layers > 0 && layers < 1000 ? (int)layers + 1 : 1,
                         .blocks = known > 0 && known < 10000 ? (int)known : 0};
}

/* text_projection.weight, as wide as the states. */
static ss_status original_add_identity(view_tensors *list, const json_t *config, ss_error *err) {
    const int64_t width = original_count_of(config, "hidden_size");
    text name = {0};
    text_add(&name, "text_projection.weight");
    view_tensor *t = view_tensors_add(list, &name, NULL, err);
    if (!t) return err->code;
    view_make_identity(t, width > 0 && width < 1 << 16 ? width : 1);
    return SS_OK;
}

static ss_status map_names(checkpoint *file, const char *wrapper, const struct source *s, const json_t *config,
                           checkpoint **out, ss_error *err) {
    const map_numbers n = numbers_of(config);
    view_tensors list = {0};
    ss_status status = SS_OK;
    for (size_t i = 0; status == SS_OK && i < checkpoint_count(file); i++) {
        const checkpoint_entry *e = checkpoint_at(file, i);
        const char *own = own_name(e->name, wrapper, s->prefix);
        int known;
        if (own) status = name_map_apply(s->map, &n, own, e, &list, &known, err);
    }
    if (status == SS_OK && s->identity) status = original_add_identity(&list, config, err);
    if (status == SS_OK) status = checkpoint_view_open(out, file, &list, err);
    view_tensors_free(&list);
    return status;
}

ss_status original_weights(const original *o, const char *component, checkpoint **out, ss_error *err) {
    const struct source *s = original_find_source(o, component);
    *out = NULL;
    return s ? map_names(o->file, o->wrapper, s, original_config(o, component), out, err) : SS_OK;
}

/* A file of one component has no prefix. Its names are transformers' or diffusers', or an autoencoder's original ones;
 * a projection that CLIP-L lacks is the identity. */
ss_status original_component_weights(const char *path, const char *component, const json_t *config, checkpoint **out,
                                     ss_error *err) {
    static const char projection[] = "text_projection.weight";
    checkpoint *file;
    *out = NULL;
    SS_TRY(checkpoint_open(&file, path, err));
    const char *wrapper = has_names(file, "", WRAPPER, "") ? WRAPPER : "";
    const int64_t width = original_count_of(config, "hidden_size");
    struct source s = {.component = component, .prefix = ""};
    if (strcmp(component, "vae") == 0 && has_names(file, wrapper, "", "decoder.mid.block_1.")) s.map = &ORIGINAL_VAE;
    else if (strcmp(component, "text_encoder") == 0 && width == original_count_of(config, "projection_dim") &&
             has_names(file, wrapper, "", "text_model.") && !checkpoint_find(file, projection)) {
        s.map = &ORIGINAL_CLIP_BARE;
        s.identity = 1;
    }
    if (!s.map) {
        *out = file;
        return SS_OK;
    }
    ss_status status = map_names(file, wrapper, &s, config, out, err);
    checkpoint_close(file); /* the view holds it */
    return status;
}

/* ---- what is left ---- */

/* Prefixes of tensors that training leaves in files, which are ignored without a notice. */
static const char *const SILENT[] = {
    "alphas_cumprod", "betas",      "denoiser.",       "edm_mean",   "edm_std", "global_step",    "epoch",
    "log_one_minus",  "logvar",     "model_ema.",      "posterior_", "sqrt_",   "lr_schedulers.", "optimizer",
    "scale_factor",   "callbacks.", "model_sampling.", "loops.",     "v_pred",  "ztsnr",
};

static int is_silent(const char *name) {
    for (size_t i = 0; i < sizeof SILENT / sizeof SILENT[0]; i++)
        if (after(name, SILENT[i])) return 1;
    return 0;
}

/* Whether some component takes the tensor or lists it as unused. */
static int is_claimed(const original *o, const char *inner) {
    int64_t number[MAP_MAX_NUMBERS];
    size_t covered;
    for (int i = 0; i < SOURCE_COUNT; i++) {
        const char *own = original_config(o, SOURCES[i].component) ? after(inner, SOURCES[i].prefix) : NULL;
        if (own && name_map_find(SOURCES[i].map, own, number, &covered)) return 1;
    }
    return 0;
}

static ss_status note_unused(const original *o, notices *list, ss_error *err) {
    enum { SHOWN = 8 };
    text line = {0};
    int n = 0;
    for (size_t i = 0; i < checkpoint_count(o->file); i++) {
        const char *name = checkpoint_at(o->file, i)->name, *inner = after(name, o->wrapper);
        if (inner && (is_silent(inner) || is_claimed(o, inner))) continue;
        if (!inner) inner = name;
        if (is_silent(inner)) continue;
        if (n < SHOWN) text_addf(&line, "%s%s", n ? ", " : "", name);
        n++;
    }
    ss_status status = line.failed ? error_no_memory(err, "a notice", line.len) : SS_OK;
    if (status == SS_OK && n)
        status =
            notices_add(list, err, "%s: %d tensors are not used: %s%s", o->path, n, line.s, n > SHOWN ? ", ..." : "");
    text_free(&line);
    return status;
}

ss_status original_note_rest(const original *o, notices *list, ss_error *err) {
    if (has_names(o->file, o->wrapper, "model_ema.", ""))
        SS_TRY(notices_add(list, err,
                           "%s: the weights of training are used, as diffusers does, not their averages "
                           "(model_ema), which the file has too",
                           o->path));
    if (has_names(o->file, o->wrapper, "v_pred", "") && o->family)
        SS_TRY(notices_add(list, err,
                           "%s: says that it predicts v (v_pred), which diffusers does not look at: the "
                           "pictures are those of an epsilon model; name a folder whose scheduler says "
                           "v_prediction by --config",
                           o->path));
    return note_unused(o, list, err);
}
