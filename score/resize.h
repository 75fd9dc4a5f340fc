/* Resizing as Pillow does it. Source: Pillow's src/libImaging/Resample.c, 8 bits per channel: two passes,
 * coefficients in double rounded to 22-bit fixed point, rounding to 8 bits between the passes. The horizontal pass
 * comes first unless the height shrinks by more than twice as many pixels as the width: the rule of Pillow 13 (older
 * versions always began with the horizontal one; pictures not taller than twice their width are the same in both). */
#ifndef SCORE_RESIZE_H
#define SCORE_RESIZE_H

#include "io/png.h"

/* Bicubic (a = -0.5), antialiased, to width x height; *out is a new image. Bit-exact with Image.resize(.., BICUBIC). */
ss_status resize_bicubic(const rgb_image *image, int width, int height, rgb_image *out, ss_error *err);

#endif
