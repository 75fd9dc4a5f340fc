/* BMP images read to 8-bit RGB as Pillow 13's open().convert("RGB") does: 1, 4, 8, 16, 24 and 32 bits a pixel, run
 * lengths, masks (those that Pillow supports); an index beyond the palette is black, the rest of a shortened run 0. */
#ifndef IO_BMP_H
#define IO_BMP_H

#include "io/rgb_image.h"

int bmp_is_signature(const void *bytes, size_t size);

/* `name` stands for the file in errors. Damaged, truncated and oversized images, and embedded JPEG or PNG, are input
 * errors. */
ss_status bmp_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err);

#endif
