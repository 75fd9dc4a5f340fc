/* The U-Net with cross-attention of Stable Diffusion XL, and of 1.x and 2.x (UNet2DConditionModel). Convolutional
 * blocks go down in resolution and up again, each way up taking what the same way down left; between them transformers
 * in which image tokens attend to each other (attn1) and then to the text (attn2). Papers: Rombach et al.,
 * "High-Resolution Image Synthesis with Latent Diffusion Models", CVPR 2022; Podell et al., "SDXL", ICLR 2024.
 * Reference: diffusers models/unets/unet_2d_condition.py and unet_2d_blocks.py, models/transformers/transformer_2d.py,
 * models/attention.py (BasicTransformerBlock), models/resnet.py, whose module paths name weights, taps and sites. */
#ifndef MODEL_UNET_H
#define MODEL_UNET_H

#include "attn/run.h"
#include "model/network.h"
#include "nn/layers.h"

enum {
    UNET_MAX_BLOCKS = 8, /* resolutions */
    UNET_MAX_RESNETS = 16,
    UNET_MAX_STAGES = 2 * UNET_MAX_BLOCKS + 1,
    UNET_MAX_SKIPS = 1 + UNET_MAX_BLOCKS * UNET_MAX_RESNETS,
    UNET_TIME_IDS = 6,   /* original height and width, top and left of the crop, target height and width */
    UNET_NAME_SIZE = 96, /* of a module path */
};

/* A block: resnets, each followed by a transformer where there is one of its number. */
typedef struct unet_stage {
    int64_t width; /* channels out of every resnet */
    int64_t resnets, transformers;
    int64_t depth[UNET_MAX_RESNETS]; /* layers of each transformer */
    int64_t heads;
    int64_t head_dim; /* width / heads, rounded down as in the reference; tokens have heads x head_dim channels */
} unet_stage;

typedef struct unet_config {
    int64_t sample_size[2]; /* latents, of the size trained on: height, width; 0 = not said */
    int64_t in_channels, out_channels;
    int blocks;                        /* resolutions; each next is half of the one before */
    unet_stage stage[UNET_MAX_STAGES]; /* in the order of execution: `blocks` down, the middle, `blocks` up */
    int64_t cross_attention_dim;
    int64_t groups;
    float eps; /* of the resnets' group norms and the last one */
    activation act;
    int linear_projection; /* in and out of a transformer; else 1 x 1 convolutions: the same numbers, other shapes */
    int64_t downsample_padding, conv_in_kernel, conv_out_kernel;
    int cosines_first; /* flip_sin_to_cos */
    double freq_shift;
    int64_t time_dim;                        /* of the embedding that every resnet gets */
    int text_time;                           /* SDXL: pooled text and time ids join the time embedding */
    int64_t addition_time_dim, addition_dim; /* sinusoids of one id; all that goes in */
    int64_t pooled_dim;                      /* of the pooled text: addition_dim - 6 x addition_time_dim */
    int sites;                               /* attention calls */
} unet_config;

typedef struct unet_resnet {
    nn_affine norm1, norm2;
    nn_linear conv1, time, conv2;
    nn_linear shortcut; /* only where the number of channels changes */
} unet_resnet;

typedef struct unet_attention {
    nn_linear q, k, v, out;
    attn_gram *output_gram; /* of `out` */
} unet_attention;

typedef struct unet_layer {
    nn_affine norm1, norm2, norm3;
    unet_attention attn1, attn2; /* image to image, image to text */
    nn_linear ff_up, ff_down;
} unet_layer;

typedef struct unet_transformer {
    nn_affine norm;
    nn_linear proj_in, proj_out;
    unet_layer *layers;
} unet_transformer;

typedef struct unet_block {
    unet_resnet *resnets;
    unet_transformer *transformers;
    nn_linear resample; /* not in the last block of either way */
} unet_block;

typedef struct unet_weights {
    nn_linear conv_in, conv_out;
    nn_linear time_up, time_down;
    nn_linear add_up, add_down; /* text_time */
    unet_block *blocks;         /* [stages], as unet_config.stage */
    nn_affine norm_out;
} unet_weights;

ss_status unet_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err);
void unet_bind(binder *b, const void *config, void *weights);
ss_status unet_example(const void *config, model_arrays *in, ss_error *err);
ss_status unet_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err);

/* ---- the forward pass ---- */

typedef struct unet_input {
    tensor latents;                    /* [B, h, w, in_channels] */
    tensor text;                       /* [B, n_text, cross_attention_dim] */
    tensor pooled;                     /* [B, pooled_dim]; text_time alone */
    const float *time_ids;             /* [B, UNET_TIME_IDS], host; text_time alone */
    const float *timestep;             /* [B], host */
    const attn_segment *text_segments; /* of the keys of cross-attention: together all of the text */
    int n_text_segments;
    const attn_batch *batch; /* NULL = nothing is studied. Classes and words of keys are the text's (attn.h) */
} unet_input;

/* -> [B, h, w, out_channels], what the network was trained to predict, in new scratch. Any h and w that
 * unet_check_size accepts, odd ones too. The image segment of a call is "image", with the grid of its resolution. */
tensor unet_forward(compute *c, const unet_config *g, const unet_weights *w, const unet_input *in);

/* Whether latents of h x w can be denoised; the error says what would do. */
ss_status unet_check_size(const unet_config *g, int64_t h, int64_t w, ss_error *err);

/* ---- the sites: attention calls in the order of execution, numbered from 0 as attn_call.block ---- */

typedef struct unet_site {
    attn_kind kind; /* ATTN_SELF: keys are the image's tokens at `level`; ATTN_CROSS: the text's */
    int level;      /* how many times the latents were halved */
    int heads, head_dim;
    int stage, transformer, layer; /* where it is in unet_config.stage */
} unet_site;

/* 0 and *out untouched where there is no such call. */
int unet_site_at(const unet_config *g, int block, unet_site *out);

/* Diffusers' name of the module: "down_blocks.1.attentions.0.transformer_blocks.0.attn2", into out[UNET_NAME_SIZE],
 * which is returned; "no such block" where there is none. */
const char *unet_site_name(const unet_config *g, int block, char *out);

/* Height or width n of the latents after `level` halvings. */
int64_t unet_level_size(const unet_config *g, int level, int64_t n);

/* ---- the plan, for the files of the U-Net ---- */

static inline int unet_stages(const unet_config *g) { return 2 * g->blocks + 1; }

/* "down_blocks.0", "mid_block", "up_blocks.2", into out[UNET_NAME_SIZE], which is returned. */
const char *unet_stage_name(const unet_config *g, int stage, char *out);

/* How many times the latents were halved before a stage. */
int unet_stage_level(const unet_config *g, int stage);

/* Whether the stage ends with a change of resolution. */
int unet_resamples(const unet_config *g, int stage);

/* Channels that go into a resnet: from the one before, and (on the way up) of what the way down left. */
void unet_resnet_widths(const unet_config *g, int stage, int64_t resnet, int64_t *from, int64_t *skip);

#endif
