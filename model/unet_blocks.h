/* The two modules that the U-Net's blocks are made of: resnets and transformers. For unet.c alone. */
#ifndef MODEL_UNET_BLOCKS_H
#define MODEL_UNET_BLOCKS_H

#include "model/unet.h"

/* What stays the same from block to block, and where the pass stands. */
typedef struct unet_pass {
    compute *c;
    const unet_config *g;
    const unet_input *in;
    int64_t batch;
    tensor condition; /* act(time embedding) [B, T] */
    int site;         /* number of the next attention call */
} unet_pass;

/* out = conv(x), as large as x; an odd kernel. */
void unet_convolve(compute *c, tensor out, tensor x, const nn_linear *conv);

/* ResnetBlock2D: x [B, H, W, I] -> out [B, H, W, O], x + conv2(act(norm2(conv1(act(norm1(x))) + time))). With `spend`,
 * x may be written to. `name`: the module's path. */
void unet_resnet_forward(const unet_pass *p, const unet_resnet *w, tensor out, tensor x, int spend, const char *name);

/* Transformer2DModel: `depth` layers over the pixels of x [B, H, W, C] as tokens, added to x in place. */
void unet_transformer_forward(unet_pass *p, const unet_stage *s, const unet_transformer *w, int64_t depth, tensor x,
                              const char *name);

#endif
