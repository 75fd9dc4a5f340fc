/* AutoencoderKL, the autoencoder of Stable Diffusion 1 to 3. Source: diffusers models/autoencoders/autoencoder_kl.py
 * and vae.py, whose module paths are the names of taps and of weights. Scaling and shift of latents are the pipeline's
 * business, as in diffusers. */
#ifndef MODEL_VAE_H
#define MODEL_VAE_H

#include "model/network.h"
#include "nn/layers.h"

enum { VAE_MAX_BLOCKS = 8, VAE_MAX_NORMALISED = 64 };

typedef struct vae_config {
    int64_t in_channels, out_channels, latent_channels;
    int64_t channels[VAE_MAX_BLOCKS]; /* block_out_channels, from full resolution down */
    int blocks;                       /* the latents are 2^(blocks - 1) times smaller than the image */
    int64_t layers_per_block, groups;
    activation act;
    int quant_conv, post_quant_conv, mid_attention;
    /* What a pipeline may do to latents before they are decoded; which of it one does is its own business. */
    double scaling_factor, shift_factor;
    int normalised; /* both of these are set: of each channel */
    float latents_mean[VAE_MAX_NORMALISED], latents_std[VAE_MAX_NORMALISED];
} vae_config;

typedef struct vae_resnet {
    nn_affine norm1, norm2;
    nn_linear conv1, conv2;
    nn_linear shortcut; /* only where the number of channels changes */
} vae_resnet;

typedef struct vae_attention {
    nn_affine norm;
    nn_linear q, k, v, out;
} vae_attention;

typedef struct vae_block {
    vae_resnet *resnets;
    nn_linear resample; /* not in the last block */
} vae_block;

/* Encoder or decoder. */
typedef struct vae_half {
    nn_linear conv_in, conv_out;
    vae_block *blocks;
    vae_resnet mid[2];
    vae_attention attention; /* where mid_attention */
    nn_affine norm_out;
} vae_half;

typedef struct vae_weights {
    vae_half encoder, decoder;
    nn_linear quant, post_quant;
} vae_weights;

/* latents [B, h, w, latent_channels] -> [B, 2^(blocks - 1) h, .., out_channels] in new scratch, about -1 to 1. */
tensor vae_decode(compute *c, const vae_config *g, const vae_weights *w, tensor latents);

/* The same with so many rows made at a time (even, at least 2; 0 = as vae_decode chooses): no bit depends on it. */
tensor vae_decode_in_stripes(compute *c, const vae_config *g, const vae_weights *w, tensor latents, int64_t rows);
tensor vae_encode_in_stripes(compute *c, const vae_config *g, const vae_weights *w, tensor pictures, int64_t rows);

/* images [B, H, W, in_channels] in -1 to 1 -> [B, h, w, 2 latent_channels] in new scratch: means, then log variances,
 * which diffusers clamps to -30 .. 20. */
tensor vae_encode(compute *c, const vae_config *g, const vae_weights *w, tensor pictures);

/* ---- row of the table of networks. Either input or both. ----
 *   latents [B, C, h, w] -> decoded [B, C', H, W];  sample [B, C', H, W] -> mean, logvar [B, C, h, w] */

ss_status vae_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err);
void vae_bind(binder *b, const void *config, void *weights);
ss_status vae_example(const void *config, model_arrays *in, ss_error *err);
ss_status vae_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err);

#endif
