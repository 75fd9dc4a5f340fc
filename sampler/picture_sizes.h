/* Sizes that a network may be conditioned on, in pixels: the size of the original, the position of the crop, the target
 * size (micro-conditioning). A pipeline's row says whether its network is (pipeline_row.h). Reference: original_size,
 * crops_coords_top_left and target_size of diffusers, both branches alike. */
#ifndef SAMPLER_PICTURE_SIZES_H
#define SAMPLER_PICTURE_SIZES_H

#include "base/option.h"

typedef enum picture_size { ORIGINAL_SIZE, CROP, TARGET_SIZE, PICTURE_SIZES } picture_size;

enum { SIZE_CONDITIONS = 6 }; /* numbers that a network is conditioned on */

/* Width and height, or left and top. Where `given` has no bit 1 << i, [i] is ignored and the default holds: the size of
 * the image to be made, and no crop. */
typedef struct picture_sizes {
    unsigned given;
    int across[PICTURE_SIZES], down[PICTURE_SIZES];
} picture_sizes;

/* The rows of picture_size, in its order, for tables of flags and keys. */
#define PICTURE_SIZE_OPTIONS                                                                                           \
    {"original-size",                                                                                                  \
     OPTION_TEXT,                                                                                                      \
     NULL,                                                                                                             \
     0,                                                                                                                \
     0,                                                                                                                \
     "",                                                                                                               \
     "the network is told that the picture was so large before it was cropped: WIDTHxHEIGHT or one side, in pixels; "  \
     "the picture's own size if not given"},                                                                           \
        {"crop",                                                                                                       \
         OPTION_TEXT,                                                                                                  \
         NULL,                                                                                                         \
         0,                                                                                                            \
         0,                                                                                                            \
         "",                                                                                                           \
         "the network is told that the picture was cropped from there: LEFTxTOP, in pixels; 0x0 if not given"},        \
    {                                                                                                                  \
        "target-size", OPTION_TEXT, NULL, 0, 0, "",                                                                    \
            "the network is told that the picture is to be so large: WIDTHxHEIGHT or one side; its own size if not "   \
            "given"                                                                                                    \
    }
extern const option PICTURE_SIZE_KEYS[]; /* those rows, ended by one without a name */

/* Take one as it is written. `called`: what the error calls it, "--crop". */
ss_status picture_sizes_read(picture_sizes *s, picture_size which, const char *written, const char *called,
                             ss_error *err);

/* Those that `changes` gives take the place of those of *s. */
void picture_sizes_change(picture_sizes *s, const picture_sizes *changes);

/* Whether the network can be conditioned on every one that is given. */
ss_status picture_sizes_check(const picture_sizes *s, ss_error *err);

/* Refuse them where the network is not conditioned on sizes. `who`: the kind of pipeline. */
ss_status picture_sizes_refuse(const picture_sizes *s, const char *who, ss_error *err);

/* Height and width of the original, top and left of the crop, height and width of the target, for an image of width x
 * height (add_time_ids of StableDiffusionXLPipeline). */
void picture_sizes_condition(const picture_sizes *s, int width, int height, float out[SIZE_CONDITIONS]);

/* Append those that are given, `between` them and what is there already: "original-size 1024x768, crop 0x64". */
void picture_sizes_add_words(const picture_sizes *s, const char *between, text *out);

#endif
