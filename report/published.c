/* What Wu & Summa published (Attention Sinks in Diffusion Transformers, ICML 2026), and of what: tables of the paper,
 * designs by the scripts of its release. This file alone may name the networks of the paper: it holds data, and no
 * code. */
#include "report/published.h"

#include <math.h>

#define SD3 "SD3-medium", "24 blocks of joint attention, 24 heads, at most 4,429 keys", 24, 24, 4429

static const published_design
    GENEVAL = {SD3,
               "the first 64 of GenEval's 553",
               "0c0bbbe38a3e51977a01bd2406235f005bf7d49f113806abd36d9fea4a048415",
               64,
               1000,
               20,
               7.0},
    BALANCED = {SD3,
                "the first 64 of the release's 100 balanced ones",
                "3d4d7f9124e1f9f83abe0cbe03b21e3b0f4380d7a9370262d736e2d2c41c99e1",
                64,
                1000,
                20,
                7.0},
    DYNAMICS = {SD3,
                "the 8 of the release's script",
                "43bb4c0e7030c616c0676cac090f3601ac416959f474b43da9ed3842a67b1393",
                8,
                42,
                20,
                7.0},
    /* every transformer block calls self- and cross-attention; 4,096 image tokens are the most keys */
    CROSS = {"SDXL base",
             "140 calls of self- and cross-attention, at most 20 heads, at most 4,096 keys",
             140,
             20,
             4096,
             "the release's 100 balanced ones",
             "4066159c68a40c0c83fca569311159ef44c96bbecd4c55492252bc9c36f4ad8c",
             100,
             1000,
             20,
             5.0};

#define LAYER ATTN_JOINT, SCOPE_LAYER, ROWS_ALL, ROWS_IMAGE, "block 12 of 24", "transformer_blocks.12."
#define HEADS ATTN_CROSS, SCOPE_HEAD, ROWS_ALL, ROWS_IMAGE, "the mid block's", "mid_block."
#define CLIP "clip-vit-base-patch32"

const published_contrast PUBLISHED_CONTRASTS[] = {
    {"Table 6", &GENEVAL, "lpips-alex", NULL, 1, 1, "random", LAYER,
     "+0.295 [+0.265, +0.323]: sink 0.347, random 0.053"},
    {"Table 6", &GENEVAL, "lpips-alex", NULL, 5, 5, "random", LAYER,
     "+0.332 [+0.308, +0.358]: sink 0.436, random 0.104"},
    {"Table 20", &BALANCED, "hps-v2.1", NULL, 1, 1, "random", LAYER, "−0.002, not significant"},
    {"Table 20", &BALANCED, "hps-v2.1", NULL, 10, 10, "random", LAYER, "−0.005 [−0.008, −0.001], p = 0.007"},
    {"Table 20", &BALANCED, "hps-v2.1", NULL, 50, 50, "random", LAYER, "−0.020 [−0.026, −0.013], p < 1e-4"},
    {"Table 19", &GENEVAL, "clip-t", CLIP, 1, 50, NULL, LAYER, "interval contains 0"},
    {"Table 5", &CROSS, "lpips-alex", NULL, 1, 1, NULL, HEADS, "about 0.06"},
    {0}};

const published_sight PUBLISHED_SIGHTS[] = {
    {"Table 1", &DYNAMICS, "largest incoming mass at a quarter of the depth", 0.25, "1 to 2 %"},
    {"Table 1", &DYNAMICS, "largest incoming mass at half the depth", 0.5, "7 to 11 %"},
    {"Table 1", &DYNAMICS, "largest incoming mass at three quarters of the depth", 0.75, "3 to 7 %"},
    {"Figure 2", &DYNAMICS, "image (0, 0) is the heaviest key", NAN, "below 0.2 % of cases"},
    {0}};
