/* WebP images read to 8-bit RGB as Pillow 13's open().convert("RGB") does: lossy and lossless, alpha dropped; of an
 * animation the first frame on a black canvas; profiles and EXIF orientation are ignored. */
#ifndef IO_WEBP_H
#define IO_WEBP_H

#include "io/rgb_image.h"

/* The bytes begin as a WebP does. */
int webp_is_signature(const void *bytes, size_t size);

/* `name` stands for the file in errors. Damaged, truncated and oversized images are input errors. */
ss_status webp_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err);

#endif
