/* Inside model/: what vae.c and vae_forward.c share. */
#ifndef MODEL_VAE_PLAN_H
#define MODEL_VAE_PLAN_H

#include "model/vae.h"

/* One half as a sequence of blocks in the order of the forward pass: names, widths, resnets a block. */
typedef struct half_plan {
    int up; /* the decoder */
    const char *part, *blocks, *resample;
    int at[VAE_MAX_BLOCKS]; /* index into block_out_channels */
    int64_t width[VAE_MAX_BLOCKS];
    int n;
    int64_t resnets;
} half_plan;

/* `up`: the decoder's. */
half_plan vae_plan_half(const vae_config *g, int up);

#endif
