/* From an image to what a scorer's network takes: the package's own resize, crop or pad, and normalisation, each one
 * row of the enumeration and each compared with the package (tests/generators/score_preprocess.py). Images are RGB
 * already, so where a package converts to RGB makes no difference here; the packages themselves resize a palette or an
 * image with alpha in its own mode, and see other pixels then. */
#ifndef SCORE_PREPROCESS_H
#define SCORE_PREPROCESS_H

#include "io/rgb_image.h"

typedef enum preprocess_rule {
    /* openai/CLIP clip.py _transform, and ImageReward's: Pillow's bicubic so that the shorter side is `side` and the
     * other int(side * long / short), centre crop whose offsets are rounded half to even, /255. */
    PREPROCESS_OPENAI,
    /* open_clip image_transform, resize_mode shortest: the same pixels. */
    PREPROCESS_OPEN_CLIP,
    /* transformers CLIPImageProcessor (also PickScore): the crop's offsets are rounded down. */
    PREPROCESS_HF,
    /* hpsv2: /255, then PyTorch's bicubic on the float tensor (not clamped) so that the longer side is `side`, the
     * other rounded half to even; black around it, the odd pixel right and below. hpsv2 itself leaves an image whose
     * longer side is `side` unpadded (its network then refuses all but squares); here it is padded too. */
    PREPROCESS_HPS,
    /* pytorch-fid: /255, PyTorch's bilinear to side x side without antialiasing, for every shape. */
    PREPROCESS_FID,
    /* clean-fid: per channel Pillow's bicubic of mode F to side x side, clipped to 0..255 and not rounded. */
    PREPROCESS_CLEAN_FID,
    /* google-research/cmmd: the square in the middle (offsets rounded down), then Pillow's bicubic to side x side,
     * /255. Of a square image the pixels of PREPROCESS_HF. */
    PREPROCESS_CMMD,
} preprocess_rule;

/* Const tables of these describe a scorer's input. mean and sd are of values in 0..1, for PREPROCESS_CLEAN_FID alone of
 * values in 0..255 (128 and 128). */
typedef struct preprocess {
    preprocess_rule rule;
    int side; /* of the square that comes out, pixels */
    double mean[3], sd[3];
    int antialias; /* PREPROCESS_HPS: torchvision's default is 1 from 0.17 on and was 0 before; elsewhere ignored */
} preprocess;

/* *out [side, side, 3] (malloc; the caller frees): (value - mean) / sd. An image too narrow for a rule (hpsv2 would
 * make a side 0) is an input error. */
ss_status preprocess_image(const preprocess *p, const rgb_image *image, float **out, ss_error *err);

#endif
