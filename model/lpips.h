/* LPIPS, version 0.1: the distance of two images by the features of a network that was trained to classify. Source:
 * PerceptualSimilarity, lpips/lpips.py and pretrained_networks.py (Zhang et al. 2018). The backbone's weights and the
 * five or seven linear layers lie in two files of their own (model_open_files). */
#ifndef MODEL_LPIPS_H
#define MODEL_LPIPS_H

#include "model/network.h"
#include "nn/layers.h"

enum { LPIPS_MAX_STEPS = 32, LPIPS_MAX_TAPS = 7 };

/* {"net": "alex" | "vgg16" | "squeeze"} */
typedef struct lpips_config {
    const struct lpips_net *net; /* static: the layers, as a table */
} lpips_config;

typedef struct lpips_weights {
    nn_linear conv[LPIPS_MAX_STEPS];                         /* one a step; a fire module's squeeze layer */
    nn_linear left[LPIPS_MAX_STEPS], right[LPIPS_MAX_STEPS]; /* its 1 x 1 and 3 x 3 expansions */
    weight linear[LPIPS_MAX_TAPS];                           /* [1, channels] */
} lpips_weights;

/* Images [B, H, W, 3] in -1 to 1, sides at least lpips_min_side -> distances in double, distance[B]; host memory. */
void lpips_forward(compute *c, const lpips_config *g, const lpips_weights *w, tensor a, tensor b, double *distance);

/* Features of one image at the taps, every pixel's of length 1, in host memory: for an image that others are compared
 * with one after the other. Zero-initialise; what is there is used again. */
typedef struct lpips_features {
    float *tap[LPIPS_MAX_TAPS];
    int64_t floats[LPIPS_MAX_TAPS];
} lpips_features;

void lpips_features_free(lpips_features *f);

/* Of an image [1, H, W, 3] as above. Errors are left in the context; *out is then of no use but to be freed. */
void lpips_features_of(compute *c, const lpips_config *g, const lpips_weights *w, tensor picture, lpips_features *out);

/* The distance of an image from one of the same size whose features are known: the bits of lpips_forward. */
double lpips_distance(compute *c, const lpips_config *g, const lpips_weights *w, tensor picture,
                      const lpips_features *from);

/* The smallest height and width that leave every feature map at least one pixel, as the reference needs. */
int64_t lpips_min_side(const lpips_config *g);

/* ---- row of the table of networks ----
 *   in0, in1 [B, 3, H, W] -> distance [B]; taps in0.N and in1.N are the features, lin.N the weighted squares [B, 1, h,
 * w] */
ss_status lpips_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err);
void lpips_bind(binder *b, const void *config, void *weights);
ss_status lpips_example(const void *config, model_arrays *in, ss_error *err);
ss_status lpips_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err);

extern const char *const LPIPS_IGNORE[];

#endif
