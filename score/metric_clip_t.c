/* Metric `clip-t`: cosine of CLIP's image and text embeddings (Radford et al. 2021; CLIPScore without its factor).
 * Model: a Hugging Face CLIPModel folder. Pixels as transformers' CLIPImageProcessor (PREPROCESS_HF), with the mean and
 * standard deviation of preprocessor_config.json. */
#include "score/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "model/clip.h"
#include "score/preprocess.h"
#include "text/tokenizer.h"

const option METRIC_CLIP_T_OPTIONS[] = {
    {"model", OPTION_TEXT, NULL, 0, 0, "models/shapes-clip", "folder of a Hugging Face CLIPModel"},
    {0},
};

typedef struct clip_t {
    model *m;
    tokenizer *words;
    preprocess pixels;
} clip_t;

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

static ss_status read_preprocessor(const char *folder, clip_t *t, ss_error *err) {
    char *path = file_join(folder, "preprocessor_config.json");
    json_t *json = NULL;
    if (!path) return error_no_memory(err, "file name", 0);
    ss_status status = json_read_file(path, JSON_CONFIG_LIMIT, &json, err);
    if (status == SS_OK) status = read_triple(json, "image_mean", path, t->pixels.mean, err);
    if (status == SS_OK) status = read_triple(json, "image_std", path, t->pixels.sd, err);
    json_decref(json);
    free(path);
    return status;
}

ss_status metric_clip_t_open(compute *c, const option_value *options, void **state, ss_error *err) {
    const char *folder = options[0].text;
    clip_t *t = calloc(1, sizeof *t);
    if (!t) return error_no_memory(err, "clip-t", sizeof *t);
    ss_status status = model_open(&t->m, c, folder, NULL, err);
    if (status == SS_OK && strcmp(t->m->net->about.name, "CLIPModel") != 0)
        status = error_set(err, SS_ERR_INPUT, folder, "is a %s; clip-t expects a CLIPModel", t->m->net->about.name);
    if (status == SS_OK) status = tokenizer_open(&t->words, folder, err);
    if (status == SS_OK) status = read_preprocessor(folder, t, err);
    if (status == SS_OK) {
        t->pixels.rule = PREPROCESS_HF;
        t->pixels.side = (int)((const clip_config *)t->m->config)->vision.size;
    }
    if (status == SS_OK) *state = t;
    else metric_clip_t_close(c, t);
    return status;
}

void metric_clip_t_close(compute *c, void *state) {
    (void)c;
    clip_t *t = state;
    if (!t) return;
    tokenizer_close(t->words);
    model_close(t->m);
    free(t);
}

static double cosine(const float *a, const float *b, int64_t n) {
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static ss_status embed(compute *c, const clip_t *t, const int32_t *ids, int64_t n_ids, const float *pixels, double *out,
                       ss_error *err) {
    const clip_config *g = t->m->config;
    const clip_weights *w = t->m->weights;
    int64_t side = g->vision.size, width = g->text.projection;
    float *host = malloc(2 * (size_t)width * sizeof *host);
    if (!host) return error_no_memory(err, "embeddings", 2 * (size_t)width * sizeof *host);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor x = compute_4d(c, 1, side, side, 3);
    clip_text_output text_out;
    op_upload(c, x, pixels);
    op_download(c, host, clip_image_forward(c, &g->vision, &w->vision, x));
    clip_text_forward(c, &g->text, &w->text, ids, 1, n_ids, &text_out);
    op_download(c, host + width, text_out.pooled);
    arena_release(c->scratch, mark);
    ss_status status = compute_status(c, err);
    if (status == SS_OK) *out = cosine(host, host + width, width);
    free(host);
    return status;
}

ss_status metric_clip_t_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    const clip_t *t = state;
    const clip_config *g = t->m->config;
    int n = (int)g->text.positions;
    tokens words = {0};
    float *pixels = NULL;
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    ss_status status = ids ? SS_OK : error_no_memory(err, "token ids", (size_t)n * sizeof *ids);
    if (status == SS_OK) status = tokenizer_encode(t->words, in->prompt, n, &words, err);
    if (status == SS_OK) status = preprocess_image(&t->pixels, in->image, &pixels, err);
    for (int i = 0; status == SS_OK && i < n; i++) ids[i] = words.at[i].id;
    if (status == SS_OK) status = embed(c, t, ids, n, pixels, &out->value, err);
    tokens_free(&words);
    free(pixels);
    free(ids);
    return status;
}
