/* Images by content: PNG, JPEG, WebP, GIF, BMP and TIFF, to 8-bit RGB exactly as the pinned Pillow 13 does in
 * PIL.Image.open(path).convert("RGB"), with which every reference scorer begins. What each format's reader does with
 * grey, palettes, alpha, 16 bits and CMYK stands in io/png.h, io/jpeg.h, io/webp.h, io/gif.h, io/bmp.h and
 * io/tiff.h. */
#ifndef IO_IMAGE_H
#define IO_IMAGE_H

#include "io/rgb_image.h"

/* `name` stands for the file in errors. Other formats, and damaged, truncated and oversized images, are input errors;
 * then *out is empty. */
ss_status image_decode(const void *bytes, size_t size, const char *name, rgb_image *out, ss_error *err);
ss_status image_read(const char *path, rgb_image *out, ss_error *err);

#endif
