/* Resizing as Pillow does it. Source: Pillow's src/libImaging/Resample.c. Every filter is antialiased: its support
 * grows with the scale where an image shrinks. Coefficients are computed in double; 8-bit images use them rounded to
 * 22-bit fixed point and are rounded to 8 bits between the passes, float images (mode F) accumulate in double, are
 * stored as float and never clipped. The horizontal pass comes first unless the height shrinks by more than twice as
 * many pixels as the width: the rule of Pillow 13 (older versions always began with the horizontal one; images not
 * taller than twice their width are the same in both). Pillow's nearest neighbour has no filter and is not here. */
#ifndef SCORE_RESIZE_H
#define SCORE_RESIZE_H

#include "io/rgb_image.h"

/* Image.Resampling of the same name. */
typedef enum resize_filter {
    RESIZE_BOX,
    RESIZE_BILINEAR, /* a triangle */
    RESIZE_HAMMING,
    RESIZE_BICUBIC, /* a = -0.5 */
    RESIZE_LANCZOS, /* three lobes */
} resize_filter;

/* A part of the resized image: the rest after a crop. */
typedef struct resize_window {
    int left, top, width, height;
} resize_window;

/* To width x height (each at least 1); *out is a new image. Bit-exact with image.resize((width, height), filter). */
ss_status resize_pillow(const rgb_image *image, resize_filter filter, int width, int height, rgb_image *out,
                        ss_error *err);

/* Of the image resized to width x height only `window`, which lies within: the same pixels as resizing and cropping, in
 * the memory of the window. */
ss_status resize_pillow_window(const rgb_image *image, resize_filter filter, int width, int height,
                               const resize_window *window, rgb_image *out, ss_error *err);

/* Mode F: plane [h, w] to out [height, width], both the caller's. Bit-exact where libm's sin and cos are those that
 * Pillow runs with (Hamming and Lanczos use them). */
ss_status resize_pillow_float(const float *plane, int w, int h, resize_filter filter, int width, int height, float *out,
                              ss_error *err);

#endif
