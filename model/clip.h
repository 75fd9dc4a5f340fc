/* CLIP: the text model with and without projection (text encoders of Stable Diffusion 3), and the joint text and image
 * model (CLIP-T). Source: transformers/models/clip/modeling_clip.py, whose module paths are the names of taps and of
 * weights. */
#ifndef MODEL_CLIP_H
#define MODEL_CLIP_H

#include "model/network.h"
#include "nn/layers.h"

/* ---- config.json ---- */

/* The transformer that text and image models share. */
typedef struct clip_encoder_config {
    int64_t width, inner, heads, layers;
    activation act;
    float eps;
} clip_encoder_config;

typedef struct clip_text_config {
    clip_encoder_config encoder;
    int64_t vocabulary, positions;
    int64_t eos;        /* eos_token_id; 2 selects transformers' older rule, see clip_text_forward */
    int64_t projection; /* width of the projected pooled state; 0 = CLIPTextModel, which has none */
} clip_text_config;

typedef struct clip_vision_config {
    clip_encoder_config encoder;
    int64_t channels, size, patch; /* the image is size x size pixels */
    int64_t projection;
} clip_vision_config;

typedef struct clip_config {
    clip_text_config text;
    clip_vision_config vision;
} clip_config;

/* ---- weights ---- */

typedef struct clip_layer {
    nn_affine norm1, norm2;
    nn_linear q, k, v;
    nn_linear qkv; /* in their place where a file packs them (OpenCLIP) */
    nn_linear out, fc1, fc2;
} clip_layer;

typedef struct clip_text_weights {
    weight token, position;
    clip_layer *layers;
    nn_affine norm;
    nn_linear projection;
} clip_text_weights;

typedef struct clip_vision_weights {
    weight class_token, position;
    nn_linear patch; /* the patch convolution, as a linear layer over patches */
    clip_layer *layers;
    nn_affine norm_before, norm_after;
    nn_linear projection;
} clip_vision_weights;

typedef struct clip_weights {
    clip_text_weights text;
    clip_vision_weights vision;
} clip_weights;

/* ---- forward ---- */

/* In the context's scratch. */
typedef struct clip_text_output {
    tensor last;        /* [B, N, D] last_hidden_state, after the final norm */
    tensor penultimate; /* [B, N, D] hidden_states[-2]: what enters the last layer, without a norm */
    tensor pooled;      /* [B, P] text_embeds where there is a projection, else [B, D] pooler_output */
} clip_text_output;

/* ids [batch, tokens] on the host, below the vocabulary; tokens <= positions. The pooled state is that of one token:
 * the first one with the id eos (the first token where there is none), or with eos 2 the first one with the largest
 * id, the rule of transformers before its pull request 24773 that the files of SD 1 to 3 rely on. */
void clip_text_forward(compute *c, const clip_text_config *g, const clip_text_weights *w, const int32_t *ids,
                       int64_t batch, int64_t tokens, clip_text_output *out);

/* The same, to the bit, for CLIPTextModel and CLIPTextModelWithProjection whose weights are not packed: each layer's
 * are packed before the layer runs and freed after it (as t5_forward_streamed). */
void clip_text_forward_streamed(compute *c, const model *m, const int32_t *ids, int64_t batch, int64_t tokens,
                                clip_text_output *out);

/* pixels [B, size, size, channels], normalised as the model's preprocessor says; image_embeds [B, P] in new scratch,
 * not normalised. */
tensor clip_image_forward(compute *c, const clip_vision_config *g, const clip_vision_weights *w, tensor pixels);

/* ---- rows of the table of networks ---- */

/* CLIPTextModel and CLIPTextModelWithProjection: clip_text_config, clip_text_weights.
 *   input_ids [B, N] -> last_hidden_state, penultimate, pooled */
ss_status clip_text_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err);
void clip_text_bind(binder *b, const void *config, void *weights);
ss_status clip_text_example(const void *config, model_arrays *in, ss_error *err);
ss_status clip_text_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err);

/* CLIPModel: clip_config, clip_weights. Either input or both.
 *   input_ids [B, N] -> text_embeds;  pixel_values [B, C, size, size] -> image_embeds */
ss_status clip_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err);
void clip_bind(binder *b, const void *config, void *weights);
ss_status clip_example(const void *config, model_arrays *in, ss_error *err);
ss_status clip_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err);

extern const char *const CLIP_IGNORE[];

/* OpenCLIP: the names of its config (open_clip_config.json, or its model_cfg alone) and of its checkpoints for the same
 * network; example and forward are CLIPModel's (open_clip.c). */
ss_status open_clip_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err);
void open_clip_bind(binder *b, const void *config, void *weights);

extern const char *const OPEN_CLIP_IGNORE[];

#endif
