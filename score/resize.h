/* Resizing as Pillow does it. Source: Pillow's src/libImaging/Resample.c, 8 bits per channel: two passes, horizontal
 * first, coefficients in double rounded to 22-bit fixed point, rounding to 8 bits between the passes. */
#ifndef SCORE_RESIZE_H
#define SCORE_RESIZE_H

#include "io/png.h"

/* Bicubic (a = -0.5), antialiased, to width x height; *out is a new image. Bit-exact with Image.resize(.., BICUBIC). */
ss_status resize_bicubic(const rgb_image *image, int width, int height, rgb_image *out, ss_error *err);

#endif
