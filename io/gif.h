/* GIF images: the first frame, read to 8-bit RGB as Pillow 13's open().convert("RGB") does: on a canvas of the screen's
 * size (larger where the frame is), filled with the transparent index where there is one and index 0 otherwise; what is
 * transparent has the colour that the palette has for it; an index beyond the palette is black. */
#ifndef IO_GIF_H
#define IO_GIF_H

#include "io/rgb_image.h"

int gif_is_signature(const void *bytes, size_t size);

/* `name` stands for the file in errors. Damaged, truncated and oversized images are input errors. */
ss_status gif_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err);

#endif
