/* Metrics of sets of images:
 *   fid   Heusel et al. 2017; pytorch-fid's network and pixels, or clean-fid's resize (Parmar et al. 2022)
 *   kid   Binkowski et al. 2018, on the same features
 *   cmmd  Jayasumana et al. 2024, on CLIP's image embeddings
 * The mathematics is in stats/. */
#include "score/metrics.h"

#include <stdlib.h>
#include "model/inception.h"
#include "score/clip_scorer.h"
#include "score/preprocess.h"
#include "stats/frechet.h"
#include "stats/kernel_resample.h"

enum { SIDE = 299, RESAMPLES = 2000, MIN_PROMPTS = 3 };

static const option METRIC_INCEPTION_OPTIONS[] = {
    {"weights", OPTION_PATH, NULL, 0, 0, "torch:pt_inception-2015-12-05-6726825d.pth", "pytorch-fid's Inception v3"},
    {"resize", OPTION_WORD, "pytorch-fid|clean", 0, 0, "pytorch-fid", "whose way to 299 x 299 pixels"},
    {0},
};

static const option METRIC_CMMD_OPTIONS[] = {
    {"model", OPTION_PATH, NULL, 0, 0, "hf:openai/clip-vit-large-patch14-336", "folder of a CLIPModel"},
    {"merges", OPTION_PATH, NULL, 0, 0, "models/clip-bpe/merges.txt", "CLIP's byte pair merges"},
    {"pixels", OPTION_WORD, "cmmd|folder", 0, 0, "cmmd",
     "cropped to a square before the resize, as google-research/cmmd does, or as the folder's preprocessor says: the "
     "same for square images"},
    {0},
};

/* ---- features ---- */

typedef struct inception_metric {
    model *m;
    preprocess pixels;
} inception_metric;

static void metric_inception_close(compute *c, void *state) {
    (void)c;
    inception_metric *t = state;
    if (!t) return;
    model_close(t->m);
    free(t);
}

static ss_status metric_inception_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                       ss_error *err) {
    static const preprocess WAYS[] = {
        {.rule = PREPROCESS_FID, .side = SIDE, .mean = {0.5, 0.5, 0.5}, .sd = {0.5, 0.5, 0.5}},
        {.rule = PREPROCESS_CLEAN_FID, .side = SIDE, .mean = {128, 128, 128}, .sd = {128, 128, 128}},
    };
    inception_metric *t = calloc(1, sizeof *t);
    json_t *config = json_object();
    (void)rules;
    if (!t || !config) {
        free(t);
        json_decref(config);
        return error_no_memory(err, "Inception", sizeof *t);
    }
    t->pixels = WAYS[options[1].word];
    ss_status status =
        model_open_files(&t->m, c, "FIDInceptionV3", config, "Inception v3", &options[0].text, 1, NULL, err);
    json_decref(config);
    if (status == SS_OK) *state = t;
    else metric_inception_close(c, t);
    return status;
}

static int64_t metric_inception_width(const void *state) {
    (void)state;
    return INCEPTION_FEATURES;
}

static ss_status metric_inception_feature(compute *c, void *state, const rgb_image *image, float *out, ss_error *err) {
    const inception_metric *t = state;
    float *pixels;
    SS_TRY(preprocess_image(&t->pixels, image, &pixels, err));
    arena_mark mark = arena_get_mark(c->scratch);
    tensor x = compute_4d(c, 1, SIDE, SIDE, 3);
    op_upload(c, x, pixels);
    c->tap_of = t->m;
    op_download(c, out, inception_forward(c, t->m->weights, x));
    c->tap_of = NULL;
    arena_release(c->scratch, mark);
    free(pixels);
    return compute_status(c, err);
}

static ss_status metric_cmmd_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                  ss_error *err) {
    clip_scorer *s;
    SS_TRY(clip_scorer_open_folder(&s, c, options[0].text, NULL, options[1].text, rules, err));
    if (options[2].word == 0) clip_scorer_use(s, PREPROCESS_CMMD);
    *state = s;
    return SS_OK;
}

static void metric_cmmd_close(compute *c, void *state) {
    (void)c;
    clip_scorer_close(state);
}

static int64_t metric_cmmd_width(const void *state) { return clip_scorer_width(state); }

static ss_status metric_cmmd_feature(compute *c, void *state, const rgb_image *image, float *out, ss_error *err) {
    return clip_scorer_image(state, c, image, out, err);
}

/* ---- distances ---- */

static ss_status metric_fid_distance(const void *state, const stats_features *first, const int64_t *prompt1,
                                     const stats_features *second, const int64_t *prompt2, uint64_t seed, int threads,
                                     metric_set_value *out, ss_error *err) {
    (void)state, (void)prompt1, (void)prompt2, (void)seed;
    stats_frechet f;
    SS_TRY(stats_frechet_features(first, second, STATS_FRECHET_AUTO, threads, &f, err));
    *out = (metric_set_value){.n1 = f.n1, .n2 = f.n2, .value = f.distance};
    return SS_OK;
}

/* How many different prompts there are, 0 where unknown. */
static int64_t count_prompts(const int64_t *prompt, int64_t n) {
    int64_t different = 0;
    for (int64_t i = 0; prompt && i < n; i++) {
        int64_t j = 0;
        while (j < i && prompt[j] != prompt[i]) j++;
        different += j == i;
    }
    return different;
}

/* Over pairs of different prompts, with an interval over prompts, where prompts are known and are the same in both
 * sets; else the unbiased estimate over all pairs. */
static ss_status kernel_distance(const stats_kernel *k, const stats_features *first, const int64_t *prompt1,
                                 const stats_features *second, const int64_t *prompt2, uint64_t seed, int threads,
                                 metric_set_value *out, ss_error *err) {
    int64_t prompts = prompt1 && prompt2 ? count_prompts(prompt1, first->n) : 0;
    if (prompts < MIN_PROMPTS) {
        stats_mmd all;
        SS_TRY(stats_mmd_compute(first, second, k, STATS_MMD_UNBIASED, threads, &all, err));
        *out = (metric_set_value){.n1 = all.n1, .n2 = all.n2, .value = all.value};
        return SS_OK;
    }
    stats_mmd_resampled r;
    SS_TRY(stats_mmd_resample(first, prompt1, second, prompt2, k, seed, RESAMPLES, threads, &r, err));
    *out = (metric_set_value){first->n, second->n, r.estimate, stats_mmd_interval(&r, 0.95)};
    stats_mmd_resampled_free(&r);
    return SS_OK;
}

static ss_status metric_kid_distance(const void *state, const stats_features *first, const int64_t *prompt1,
                                     const stats_features *second, const int64_t *prompt2, uint64_t seed, int threads,
                                     metric_set_value *out, ss_error *err) {
    (void)state;
    return kernel_distance(&stats_kernel_kid, first, prompt1, second, prompt2, seed, threads, out, err);
}

static ss_status metric_cmmd_distance(const void *state, const stats_features *first, const int64_t *prompt1,
                                      const stats_features *second, const int64_t *prompt2, uint64_t seed, int threads,
                                      metric_set_value *out, ss_error *err) {
    (void)state;
    return kernel_distance(&stats_kernel_cmmd, first, prompt1, second, prompt2, seed, threads, out, err);
}

const metric metric_row_fid = {
    .about = {"fid",
              "Frechet distance of Inception features of two sets of images; misleads below some 2,000 images "
              "(biased upwards, by an amount that depends on the model and on n): then use kid or cmmd",
              METRIC_INCEPTION_OPTIONS},
    .kind = METRIC_SET,
    .open = metric_inception_open,
    .close = metric_inception_close,
    .width = metric_inception_width,
    .feature = metric_inception_feature,
    .distance = metric_fid_distance};

const metric metric_row_kid = {
    .about = {"kid",
              "kernel distance of Inception features of two sets of images, unbiased; may fall below 0 by chance",
              METRIC_INCEPTION_OPTIONS},
    .kind = METRIC_SET,
    .open = metric_inception_open,
    .close = metric_inception_close,
    .width = metric_inception_width,
    .feature = metric_inception_feature,
    .distance = metric_kid_distance};

const metric metric_row_cmmd = {
    .about = {"cmmd",
              "kernel distance of CLIP embeddings of two sets of images, x 1000, unbiased; may fall below 0 by chance",
              METRIC_CMMD_OPTIONS},
    .kind = METRIC_SET,
    .open = metric_cmmd_open,
    .close = metric_cmmd_close,
    .width = metric_cmmd_width,
    .feature = metric_cmmd_feature,
    .distance = metric_cmmd_distance};
