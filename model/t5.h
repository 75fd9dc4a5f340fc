/* T5 encoder (T5EncoderModel), the third text encoder of Stable Diffusion 3. Source: transformers/models/t5/
 * modeling_t5.py, whose module paths are the names of taps and of weights. */
#ifndef MODEL_T5_H
#define MODEL_T5_H

#include "model/network.h"
#include "nn/layers.h"

typedef struct t5_config {
    int64_t vocabulary, width, inner, layers, heads, head_width;
    int64_t buckets, max_distance; /* of relative positions */
    float eps;
    activation act;
    int gated; /* feed_forward_proj "gated-...": act(x W0) * (x W1) instead of act(x W) */
} t5_config;

typedef struct t5_layer {
    weight norm_attention, norm_ff;
    nn_linear q, k, v, out; /* no bias anywhere */
    nn_linear up, gate, down;
} t5_layer;

typedef struct t5_weights {
    weight token;    /* [vocabulary, width] */
    weight relative; /* [buckets, heads], of block 0 and used by all */
    t5_layer *layers;
    weight norm;
} t5_weights;

/* ids [batch, tokens] on the host, below the vocabulary; last_hidden_state [batch, tokens, width] in new scratch. No
 * mask: padding is attended to, as in diffusers' pipelines. */
tensor t5_forward(compute *c, const t5_config *g, const t5_weights *w, const int32_t *ids, int64_t batch,
                  int64_t tokens);

/* The same, to the bit, for a model whose weights are not packed: each block's are packed, used for all sequences, and
 * freed, so that only one block's are in memory at a time. A batch of several texts makes the packing cheap. */
tensor t5_forward_streamed(compute *c, const model *m, const int32_t *ids, int64_t batch, int64_t tokens);

/* The bucket, 0 to buckets - 1, of a key `distance` tokens after the query (before it where negative). */
int32_t t5_bucket(int64_t distance, int64_t buckets, int64_t max_distance);

/* ---- row of the table of networks: input_ids [B, N] -> last_hidden_state ---- */

ss_status t5_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err);
void t5_bind(binder *b, const void *config, void *weights);
ss_status t5_example(const void *config, model_arrays *in, ss_error *err);
ss_status t5_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err);

#endif
