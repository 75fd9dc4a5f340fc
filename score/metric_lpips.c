/* Metrics `lpips-alex`, `lpips-vgg`, `lpips-squeeze`: perceptual distance from the paired baseline image (Zhang et al.
 * 2018, version 0.1). Source: PerceptualSimilarity; values of pixels go from -1 to 1, nothing is resized. */
#include "score/metrics.h"

#include <stdlib.h>
#include <string.h>
#include "model/lpips.h"

#define LPIPS_OPTIONS(backbone, name)                                                                                  \
    {                                                                                                                  \
        {"weights", OPTION_PATH, NULL, 0, 0, "torch:" backbone, "the backbone, as torchvision publishes it"},          \
            {"linear",                                                                                                 \
             OPTION_PATH,                                                                                              \
             NULL,                                                                                                     \
             0,                                                                                                        \
             0,                                                                                                        \
             "github:richzhang/PerceptualSimilarity/lpips/weights/v0.1/" name,                                         \
             "the linear layers, v0.1; empty = in the same file"},                                                     \
            {0},                                                                                                       \
    }
static const option METRIC_LPIPS_ALEX_OPTIONS[] = LPIPS_OPTIONS("alexnet-owt-7be5be79.pth", "alex.pth");
static const option METRIC_LPIPS_VGG_OPTIONS[] = LPIPS_OPTIONS("vgg16-397923af.pth", "vgg.pth");
static const option METRIC_LPIPS_SQUEEZE_OPTIONS[] = LPIPS_OPTIONS("squeezenet1_1-b8a52dc0.pth", "squeeze.pth");

typedef struct lpips_metric {
    model *m;
    rgb_image baseline;      /* the last one, and its features: a study has many images for each; no pixels = none */
    lpips_features features; /* about 128 MB for VGG-16 at 512 x 512 */
} lpips_metric;

static void metric_lpips_close(compute *c, void *state) {
    (void)c;
    lpips_metric *t = state;
    if (!t) return;
    lpips_features_free(&t->features);
    rgb_image_free(&t->baseline);
    model_close(t->m);
    free(t);
}

static ss_status open_net(compute *c, const char *net, const option_value *options, void **state, ss_error *err) {
    const char *files[] = {options[0].text, options[1].text};
    lpips_metric *t = calloc(1, sizeof *t);
    json_t *config = json_pack("{s:s}", "net", net);
    ss_status status = t && config ? SS_OK : error_no_memory(err, "lpips", sizeof *t);
    if (status == SS_OK)
        status = model_open_files(&t->m, c, "LPIPS", config, "LPIPS v0.1", files, *files[1] ? 2 : 1, NULL, err);
    json_decref(config);
    if (status == SS_OK) *state = t;
    else metric_lpips_close(c, t);
    return status;
}

static ss_status metric_lpips_alex_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                        ss_error *err) {
    (void)rules;
    return open_net(c, "alex", options, state, err);
}

static ss_status metric_lpips_vgg_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                       ss_error *err) {
    (void)rules;
    return open_net(c, "vgg16", options, state, err);
}

static ss_status metric_lpips_squeeze_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                           ss_error *err) {
    (void)rules;
    return open_net(c, "squeeze", options, state, err);
}

/* [1, H, W, 3] in -1 to 1, in new scratch; lpips.im2tensor. */
static ss_status upload(compute *c, const rgb_image *image, tensor *out, ss_error *err) {
    size_t n = 3 * (size_t)image->width * (size_t)image->height;
    float *room = malloc(n * sizeof *room);
    if (!room) return error_no_memory(err, "pixels", n * sizeof *room);
    for (size_t i = 0; i < n; i++) room[i] = (float)(image->rgb[i] / 127.5 - 1);
    *out = compute_4d(c, 1, image->height, image->width, 3);
    op_upload(c, *out, room);
    free(room);
    return SS_OK;
}

static size_t image_bytes(const rgb_image *i) { return 3 * (size_t)i->width * (size_t)i->height; }

/* The features of `baseline` are in t->features afterwards. */
static ss_status know_baseline(lpips_metric *t, compute *c, const rgb_image *baseline, ss_error *err) {
    rgb_image *known = &t->baseline;
    tensor x;
    if (known->rgb && known->width == baseline->width && known->height == baseline->height &&
        memcmp(known->rgb, baseline->rgb, image_bytes(baseline)) == 0)
        return SS_OK;
    rgb_image_free(known);
    SS_TRY(upload(c, baseline, &x, err));
    c->tap_of = t->m;
    lpips_features_of(c, t->m->config, t->m->weights, x, &t->features);
    c->tap_of = NULL;
    SS_TRY(compute_status(c, err));
    SS_TRY(rgb_image_make(known, baseline->width, baseline->height, "the baseline", err));
    memcpy(known->rgb, baseline->rgb, image_bytes(baseline));
    return SS_OK;
}

static ss_status metric_lpips_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    lpips_metric *t = state;
    tensor x;
    SS_TRY(metric_check_pair(in, (int)lpips_min_side(t->m->config), err));
    arena_mark mark = arena_get_mark(c->scratch);
    ss_status status = know_baseline(t, c, in->baseline, err);
    arena_release(c->scratch, mark);
    if (status == SS_OK) status = upload(c, in->image, &x, err);
    c->tap_of = t->m;
    if (status == SS_OK) out->value = lpips_distance(c, t->m->config, t->m->weights, x, &t->features);
    c->tap_of = NULL;
    arena_release(c->scratch, mark);
    return status == SS_OK ? compute_status(c, err) : status;
}

const metric metric_row_lpips_alex = {.about = {"lpips-alex",
                                                "perceptual distance from the baseline image, AlexNet's features",
                                                METRIC_LPIPS_ALEX_OPTIONS},
                                      .kind = METRIC_DISTANCE,
                                      .needs = METRIC_NEEDS_BASELINE,
                                      .min_side = 31,
                                      .open = metric_lpips_alex_open,
                                      .score = metric_lpips_score,
                                      .close = metric_lpips_close};

const metric metric_row_lpips_vgg = {
    .about = {"lpips-vgg", "perceptual distance from the baseline image, VGG-16's features", METRIC_LPIPS_VGG_OPTIONS},
    .kind = METRIC_DISTANCE,
    .needs = METRIC_NEEDS_BASELINE,
    .min_side = 16,
    .open = metric_lpips_vgg_open,
    .score = metric_lpips_score,
    .close = metric_lpips_close};

const metric metric_row_lpips_squeeze = {.about = {"lpips-squeeze",
                                                   "perceptual distance from the baseline image, SqueezeNet's features",
                                                   METRIC_LPIPS_SQUEEZE_OPTIONS},
                                         .kind = METRIC_DISTANCE,
                                         .needs = METRIC_NEEDS_BASELINE,
                                         .min_side = 17,
                                         .open = metric_lpips_squeeze_open,
                                         .score = metric_lpips_score,
                                         .close = metric_lpips_close};
