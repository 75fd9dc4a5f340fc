/* CLIP as a scorer; see clip_scorer.h. Which package's way a folder follows is decided by the config that is in it. */
#include "score/clip_scorer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/text.h"
#include "model/clip.h"
#include "score/prompt_ids.h"
#include "tensor/half.h"

struct clip_scorer {
    model *m;
    tokenizer *words;
    preprocess pixels;
    char *prompt; /* whose embedding is in `text_embeds`; NULL = none yet */
    float *text_embeds;
};

/* OpenAI's, which open_clip takes where its config names no others. */
static const double MEAN[3] = {0.48145466, 0.4578275, 0.40821073}, SD[3] = {0.26862954, 0.26130258, 0.27577711};

/* ---- opening ---- */

static ss_status read_triple(const json_t *json, const char *name, const char *where, double out[3], ss_error *err) {
    json_t *list;
    SS_TRY(json_get_array(json, name, where, &list, err));
    for (size_t i = 0; i < 3; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_number(v)) return error_set(err, SS_ERR_INPUT, where, "%s: expected three numbers", name);
        out[i] = json_number_value(v);
    }
    return SS_OK;
}

static const clip_config *config_of(const clip_scorer *s) { return s->m->config; }

static ss_status read_pixels(const json_t *json, const char *where, preprocess *p, ss_error *err) {
    p->rule = PREPROCESS_HF;
    SS_TRY(read_triple(json, "image_mean", where, p->mean, err));
    return read_triple(json, "image_std", where, p->sd, err);
}

/* Where processor_config.json says how images are prepared, as transformers 5 saves it, that counts; else
 * preprocessor_config.json does (transformers' ImageProcessingMixin.get_image_processor_dict). */
static ss_status read_preprocessor(const char *folder, preprocess *p, ss_error *err) {
    char *newer = file_join(folder, "processor_config.json"), *older = file_join(folder, "preprocessor_config.json");
    json_t *both = NULL, *json = NULL;
    ss_status status = newer && older ? SS_OK : error_no_memory(err, "file name", 0);
    if (status == SS_OK && file_exists(newer)) status = json_read_file(newer, JSON_CONFIG_LIMIT, &both, err);
    if (status == SS_OK && both && json_has(both, "image_processor")) {
        status = json_get_object(both, "image_processor", newer, &json, err);
        if (status == SS_OK) status = read_pixels(json, newer, p, err);
    } else if (status == SS_OK) {
        status = json_read_file(older, JSON_CONFIG_LIMIT, &json, err);
        if (status == SS_OK) status = read_pixels(json, older, p, err);
        json_decref(json);
    }
    json_decref(both);
    free(newer);
    free(older);
    return status;
}

/* The class that opens a folder whose tokenizer_config.json names none: that of CLIP, by the model. */
static ss_status class_by_default(const char *folder, const char **name, ss_error *err) {
    char *path = file_join(folder, "tokenizer_config.json");
    json_t *config = NULL;
    ss_status status = path ? SS_OK : error_no_memory(err, folder, 1);
    if (status == SS_OK && file_exists(path)) status = json_read_file_as_reals(path, JSON_CONFIG_LIMIT, &config, err);
    *name = json_has(config, "tokenizer_class") ? NULL : "CLIPTokenizer";
    json_decref(config);
    free(path);
    return status;
}

/* A folder whose rules.json names the rules of its ids keeps them. */
static ss_status rules_of(const char *folder, tokenizer_rules *rules, ss_error *err) {
    char *path = file_join(folder, "rules.json");
    const char *name;
    json_t *own = NULL;
    ss_status status = path ? SS_OK : error_no_memory(err, folder, 1);
    if (status == SS_OK && file_exists(path)) status = json_read_file(path, JSON_CONFIG_LIMIT, &own, err);
    if (status == SS_OK && json_has(own, "tokenizer")) {
        status = json_get_text(own, "tokenizer", path, &name, err);
        if (status == SS_OK) status = tokenizer_rules_find(name, rules, path, err);
    }
    json_decref(own);
    free(path);
    return status;
}

static ss_status open_hugging_face(clip_scorer *s, compute *c, const char *folder, const char *tokenizer_folder,
                                   tokenizer_rules rules, ss_error *err) {
    const char *class_name;
    SS_TRY(model_open_as(&s->m, c, "CLIPModel", folder, NULL, err));
    const char *beside = tokenizer_folder && *tokenizer_folder ? tokenizer_folder : folder;
    SS_TRY(class_by_default(beside, &class_name, err));
    SS_TRY(rules_of(beside, &rules, err));
    SS_TRY(tokenizer_open(&s->words, beside, class_name, rules, err));
    return read_preprocessor(beside, &s->pixels, err);
}

/* The first of `names` that is in `folder`, or NULL. */
static char *first_file(const char *folder, const char *const *names) {
    for (; *names; names++) {
        struct stat st;
        char *path = file_join(folder, *names);
        if (path && stat(path, &st) == 0) return path;
        free(path);
    }
    return NULL;
}

static ss_status open_open_clip(clip_scorer *s, compute *c, const char *weights, const char *prefix,
                                const json_t *config, const char *config_name, const char *merges, ss_error *err) {
    SS_TRY(model_open_files(&s->m, c, "OpenCLIP", config, config_name, &weights, 1, prefix, err));
    return tokenizer_open_open_clip(&s->words, merges, err);
}

static ss_status open_open_clip_folder(clip_scorer *s, compute *c, const char *folder, const char *config_path,
                                       const char *merges, ss_error *err) {
    static const char *const names[] = {"open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
                                        "open_clip_pytorch_model.bin", NULL};
    json_t *json, *pixels = NULL;
    char *weights = first_file(folder, names);
    if (!weights)
        return error_set(err, SS_ERR_INPUT, folder, "has open_clip_config.json; expected %s or %s beside it", names[0],
                         names[2]);
    ss_status status = json_read_file(config_path, JSON_CONFIG_LIMIT, &json, err);
    if (status == SS_OK) {
        status = open_open_clip(s, c, weights, NULL, json, config_path, merges, err);
        if (status == SS_OK && json_has(json, "preprocess_cfg"))
            status = json_get_object(json, "preprocess_cfg", config_path, &pixels, err);
        if (status == SS_OK && pixels && json_has(pixels, "mean"))
            status = read_triple(pixels, "mean", config_path, s->pixels.mean, err);
        if (status == SS_OK && pixels && json_has(pixels, "std"))
            status = read_triple(pixels, "std", config_path, s->pixels.sd, err);
        json_decref(json);
    }
    free(weights);
    return status;
}

static ss_status new_scorer(clip_scorer **out, ss_error *err) {
    clip_scorer *s = calloc(1, sizeof *s);
    *out = s;
    if (!s) return error_no_memory(err, "CLIP", sizeof *s);
    s->pixels.rule = PREPROCESS_OPEN_CLIP;
    memcpy(s->pixels.mean, MEAN, sizeof MEAN);
    memcpy(s->pixels.sd, SD, sizeof SD);
    return SS_OK;
}

/* What is left when the parts are open. */
static ss_status clip_scorer_finish(clip_scorer **out, clip_scorer *s, ss_status status, ss_error *err) {
    if (status == SS_OK) {
        s->pixels.side = (int)config_of(s)->vision.size;
        s->text_embeds = malloc((size_t)clip_scorer_width(s) * sizeof *s->text_embeds);
        if (!s->text_embeds) status = error_no_memory(err, "CLIP", 0);
    }
    if (status == SS_OK && tokenizer_vocabulary_size(s->words) > config_of(s)->text.vocabulary)
        status = error_set(err, SS_ERR_INPUT, s->m->folder, "has %lld words, its tokenizer %d",
                           (long long)config_of(s)->text.vocabulary, tokenizer_vocabulary_size(s->words));
    if (status == SS_OK) *out = s;
    else clip_scorer_close(s);
    return status;
}

ss_status clip_scorer_open_folder(clip_scorer **out, compute *c, const char *folder, const char *tokenizer_folder,
                                  const char *merges, tokenizer_rules rules, ss_error *err) {
    clip_scorer *s;
    struct stat st;
    char *path = file_join(folder, "open_clip_config.json");
    *out = NULL;
    if (!path) return error_no_memory(err, "file name", 0);
    ss_status status = new_scorer(&s, err);
    if (status == SS_OK)
        status =
            clip_scorer_finish(out, s,
                               stat(path, &st) == 0 ? open_open_clip_folder(s, c, folder, path, merges, err)
                                                    : open_hugging_face(s, c, folder, tokenizer_folder, rules, err),
                               err);
    free(path);
    return status;
}

ss_status clip_scorer_open_weights(clip_scorer **out, compute *c, const char *weights, const char *prefix,
                                   const json_t *config, const char *config_name, const char *merges,
                                   const preprocess *pixels, ss_error *err) {
    clip_scorer *s;
    *out = NULL;
    SS_TRY(new_scorer(&s, err));
    s->pixels = *pixels;
    return clip_scorer_finish(out, s, open_open_clip(s, c, weights, prefix, config, config_name, merges, err), err);
}

void clip_scorer_use(clip_scorer *s, preprocess_rule rule) { s->pixels.rule = rule; }

void clip_scorer_close(clip_scorer *s) {
    if (!s) return;
    tokenizer_close(s->words);
    model_close(s->m);
    free(s->prompt);
    free(s->text_embeds);
    free(s);
}

/* ---- asking ---- */

int64_t clip_scorer_width(const clip_scorer *s) { return config_of(s)->text.projection; }

ss_status clip_scorer_scale(const clip_scorer *s, double *out, ss_error *err) {
    const checkpoint_entry *e = checkpoint_find(s->m->files, "logit_scale");
    tensor_type type;
    float scale;
    uint32_t stored; /* of any of the types */
    if (!e || e->count != 1 || !weights_type(e->dtype, &type))
        return error_set(err, SS_ERR_INPUT, checkpoint_path(s->m->files),
                         "expected logit_scale, one number (F32, F16 or BF16) whose exponential this score multiplies "
                         "by; found %s",
                         !e              ? "no such tensor"
                         : e->count != 1 ? "several"
                                         : checkpoint_dtype_name(e->dtype));
    SS_TRY(checkpoint_read(e, 0, 1, &stored, err));
    half_convert(&scale, &stored, type, 1);
    *out = exp((double)scale);
    return SS_OK;
}

ss_status clip_scorer_image(clip_scorer *s, compute *c, const rgb_image *image, float *out, ss_error *err) {
    const clip_config *g = config_of(s);
    const clip_weights *w = s->m->weights;
    float *pixels;
    SS_TRY(preprocess_image(&s->pixels, image, &pixels, err));
    arena_mark mark = arena_get_mark(c->scratch);
    tensor x = compute_4d(c, 1, g->vision.size, g->vision.size, 3);
    op_upload(c, x, pixels);
    c->tap_of = s->m;
    op_download(c, out, clip_image_forward(c, &g->vision, &w->vision, x));
    c->tap_of = NULL;
    arena_release(c->scratch, mark);
    free(pixels);
    return compute_status(c, err);
}

static ss_status embed_text(clip_scorer *s, compute *c, const char *prompt, ss_error *err) {
    const clip_config *g = config_of(s);
    const clip_weights *w = s->m->weights;
    int n = (int)g->text.positions;
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    if (!ids) return error_no_memory(err, "token ids", (size_t)n * sizeof *ids);
    ss_status status = prompt_ids(c, s->m, s->words, prompt, n, ids, NULL, err);
    if (status == SS_OK) {
        clip_text_output result;
        arena_mark mark = arena_get_mark(c->scratch);
        c->tap_of = s->m;
        clip_text_forward(c, &g->text, &w->text, ids, 1, n, &result);
        c->tap_of = NULL;
        op_download(c, s->text_embeds, result.pooled);
        arena_release(c->scratch, mark);
        status = compute_status(c, err);
    }
    free(ids);
    return status;
}

ss_status clip_scorer_text(clip_scorer *s, compute *c, const char *prompt, const float **out, ss_error *err) {
    *out = s->text_embeds;
    if (s->prompt && strcmp(s->prompt, prompt) == 0) return SS_OK;
    free(s->prompt);
    s->prompt = NULL;
    SS_TRY(embed_text(s, c, prompt, err));
    s->prompt = text_copy(prompt);
    return s->prompt ? SS_OK : error_no_memory(err, "a prompt", strlen(prompt));
}

ss_status clip_scorer_cosine(clip_scorer *s, compute *c, const rgb_image *image, const char *prompt, double *out,
                             ss_error *err) {
    int64_t n = clip_scorer_width(s);
    const float *b;
    float *a = malloc((size_t)n * sizeof *a);
    if (!a) return error_no_memory(err, "an embedding", (size_t)n * sizeof *a);
    ss_status status = clip_scorer_text(s, c, prompt, &b, err);
    if (status == SS_OK) status = clip_scorer_image(s, c, image, a, err);
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; status == SS_OK && i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    if (status == SS_OK) *out = ab / sqrt(aa * bb);
    free(a);
    return status;
}
