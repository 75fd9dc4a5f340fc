/* MMDiT, the denoiser of Stable Diffusion 3 and 3.5 (SD3Transformer2DModel). Image and text tokens are two streams with
 * weights of their own that meet in one attention over [image | text]. Paper: Esser et al., "Scaling Rectified Flow
 * Transformers for High-Resolution Image Synthesis", ICML 2024. Reference: diffusers
 * models/transformers/transformer_sd3.py, models/attention.py (JointTransformerBlock). */
#ifndef MODEL_MMDIT_H
#define MODEL_MMDIT_H

#include "attn/run.h"
#include "model/network.h"
#include "nn/layers.h"

enum { MMDIT_MAX_LAYERS = ATTN_MAX_BLOCKS };

typedef struct mmdit_config {
    int64_t sample_size; /* latents, of the size trained on */
    int64_t patch_size, in_channels, out_channels;
    int64_t layers, heads, head_dim;
    int64_t width; /* D = heads x head_dim */
    int64_t joint_attention_dim, caption_projection_dim, pooled_projection_dim;
    int64_t pos_embed_max_size;     /* side of the position table, in patches */
    int qk_norm;                    /* RMS norm of queries and keys (SD3.5) */
    uint8_t dual[MMDIT_MAX_LAYERS]; /* blocks with a second attention of image to image (SD3.5 medium) */
} mmdit_config;

/* One attention's projections. Norms of query and key are there where qk_norm is. */
typedef struct mmdit_attention {
    nn_linear q, k, v, out;
    weight norm_q, norm_k;
} mmdit_attention;

typedef struct mmdit_block {
    nn_linear norm1, norm1_context; /* modulations from the time and text vector */
    mmdit_attention attn;           /* image stream */
    mmdit_attention attn_context;   /* text stream; no `out` in the last block */
    mmdit_attention attn2;          /* dual attention only */
    attn_gram *output_gram;         /* of attn.out */
    nn_linear ff_up, ff_down, ff_context_up, ff_context_down;
} mmdit_block;

typedef struct mmdit_weights {
    weight pos_embed; /* [max^2, D] */
    nn_linear patch;  /* [D, C p p] */
    nn_linear time_up, time_down, text_up, text_down;
    nn_linear context;  /* [caption_projection_dim, joint_attention_dim] */
    mmdit_block *block; /* [layers] */
    nn_linear norm_out, proj_out;
} mmdit_weights;

ss_status mmdit_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err);
void mmdit_bind(binder *b, const void *config, void *weights);
ss_status mmdit_example(const void *config, model_arrays *in, ss_error *err);
ss_status mmdit_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err);

/* One call of the denoiser. Segments describe the keys: the image first, then the runs of text, together all of the
 * text; the image's length is (h / p) (w / p). */
typedef struct mmdit_input {
    tensor latents;        /* [B, h, w, in_channels] */
    tensor text;           /* [B, n_text, joint_attention_dim] */
    tensor pooled;         /* [B, pooled_projection_dim] */
    const float *timestep; /* [B], host, 0 .. 1000 */
    const attn_segment *segments;
    int n_segments;
    const attn_batch *batch; /* NULL = nothing is studied */
} mmdit_input;

/* -> [B, h, w, out_channels], the predicted velocity, in new scratch. h and w are multiples of the patch size and at
 * most pos_embed_max_size patches (mmdit_check_size). Taps have the module paths of diffusers; the two streams of
 * transformer_blocks.N are transformer_blocks.N (image) and transformer_blocks.N.context. */
tensor mmdit_forward(compute *c, const mmdit_config *g, const mmdit_weights *w, const mmdit_input *in);

/* Whether latents of h x w can be denoised; the error says what would do. */
ss_status mmdit_check_size(const mmdit_config *g, int64_t h, int64_t w, ss_error *err);

#endif
