/* Metrics `lpips-alex`, `lpips-vgg`, `lpips-squeeze`: perceptual distance from the paired baseline image (Zhang et al.
 * 2018, version 0.1). Source: PerceptualSimilarity; values of pixels go from -1 to 1, nothing is resized. */
#include "score/metrics.h"

#include <stdlib.h>
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
const option METRIC_LPIPS_ALEX_OPTIONS[] = LPIPS_OPTIONS("alexnet-owt-7be5be79.pth", "alex.pth");
const option METRIC_LPIPS_VGG_OPTIONS[] = LPIPS_OPTIONS("vgg16-397923af.pth", "vgg.pth");
const option METRIC_LPIPS_SQUEEZE_OPTIONS[] = LPIPS_OPTIONS("squeezenet1_1-b8a52dc0.pth", "squeeze.pth");

static ss_status open_net(compute *c, const char *net, const option_value *options, void **state, ss_error *err) {
    const char *files[] = {options[0].text, options[1].text};
    json_t *config = json_pack("{s:s}", "net", net);
    if (!config) return error_no_memory(err, "lpips", 0);
    model *m;
    ss_status status = model_open_files(&m, c, "LPIPS", config, "LPIPS v0.1", files, *files[1] ? 2 : 1, NULL, err);
    json_decref(config);
    if (status == SS_OK) *state = m;
    return status;
}

ss_status metric_lpips_alex_open(compute *c, const option_value *options, void **state, ss_error *err) {
    return open_net(c, "alex", options, state, err);
}

ss_status metric_lpips_vgg_open(compute *c, const option_value *options, void **state, ss_error *err) {
    return open_net(c, "vgg16", options, state, err);
}

ss_status metric_lpips_squeeze_open(compute *c, const option_value *options, void **state, ss_error *err) {
    return open_net(c, "squeeze", options, state, err);
}

void metric_lpips_close(compute *c, void *state) {
    (void)c;
    model_close(state);
}

/* [1, H, W, 3] in -1 to 1, in new scratch; lpips.im2tensor. */
static tensor upload(compute *c, const rgb_image *image, float *room) {
    size_t n = 3 * (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < n; i++) room[i] = (float)(image->rgb[i] / 127.5 - 1);
    tensor x = compute_4d(c, 1, image->height, image->width, 3);
    op_upload(c, x, room);
    return x;
}

ss_status metric_lpips_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    const model *m = state;
    SS_TRY(metric_check_pair(in, (int)lpips_min_side(m->config), err));
    size_t bytes = 3 * (size_t)in->image->width * (size_t)in->image->height * sizeof(float);
    float *room = malloc(bytes);
    if (!room) return error_no_memory(err, "pixels", bytes);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor a = upload(c, in->image, room), b = upload(c, in->baseline, room);
    lpips_forward(c, m->config, m->weights, a, b, &out->value);
    arena_release(c->scratch, mark);
    free(room);
    return compute_status(c, err);
}
