/* The Inception v3 of the Frechet inception distance: the classifier of 2015 up to its pooled features. Source:
 * pytorch-fid, inception.py (FIDInceptionV3, after TensorFlow's graph of 2015-12-05). It differs from torchvision's:
 * means in blocks A, C and E leave out the padding, and the last block takes a maximum. */
#ifndef MODEL_INCEPTION_H
#define MODEL_INCEPTION_H

#include "model/network.h"
#include "nn/layers.h"

enum { INCEPTION_FEATURES = 2048, INCEPTION_CONVS = 94, INCEPTION_MIN_SIDE = 75 /* pixels */ };

typedef struct inception_config {
    int unused;
} inception_config;

typedef struct inception_conv {
    weight w; /* no bias */
    batch_norm norm;
} inception_conv;

typedef struct inception_weights {
    inception_conv conv[INCEPTION_CONVS]; /* in the order of the walk */
} inception_weights;

/* images [B, H, W, 3] in -1 to 1, sides at least INCEPTION_MIN_SIDE (299 for the distance) -> [B, 2048] in new
 * scratch. */
tensor inception_forward(compute *c, const inception_weights *w, tensor pictures);

/* ---- row of the table of networks ----
 *   pixel_values [B, 3, H, W] -> features [B, 2048]; a tap for each block */
ss_status inception_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err);
void inception_bind(binder *b, const void *config, void *weights);
ss_status inception_example(const void *config, model_arrays *in, ss_error *err);
ss_status inception_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err);

extern const char *const INCEPTION_IGNORE[];

#endif
