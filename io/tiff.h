/* TIFF images: the first one of a file, read to 8-bit RGB as Pillow 13's open().convert("RGB") does: grey and palettes
 * of 1 to 8 bits, grey of 16 bits (clipped to 255, Pillow's 'I;16'), RGB of 8 and 16 bits (the high byte), CMYK of 8;
 * strips and tiles, planes together or apart, every compression of libtiff; alpha is dropped, colours that were
 * multiplied by it are divided again; orientation is applied. Other kinds are refused with what they are. */
#ifndef IO_TIFF_H
#define IO_TIFF_H

#include "io/rgb_image.h"

int tiff_is_signature(const void *bytes, size_t size);

/* `name` stands for the file in errors. Damaged, truncated and oversized images are input errors. */
ss_status tiff_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err);

#endif
