/* An image in memory, of whatever file: 8-bit RGB, and the sizes that readers of files accept. io/image.h reads files
 * of any format, io/png.h also writes one. */
#ifndef IO_RGB_IMAGE_H
#define IO_RGB_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/sha256.h"

enum { RGB_IMAGE_MAX_SIDE = 16384 };                    /* pixels; larger images are refused */
static const size_t IMAGE_FILE_LIMIT = (size_t)4 << 30; /* bytes; larger files are refused */

/* 8-bit RGB, [height, width, 3] row-major. Zero-initialise; free with rgb_image_free. */
typedef struct rgb_image {
    int width, height;
    unsigned char *rgb;
} rgb_image;

void rgb_image_free(rgb_image *image);

/* Memory for width x height pixels, uninitialised. `name` stands for the file in errors; sides outside
 * 1 .. RGB_IMAGE_MAX_SIDE are an input error, so sides read from a header may be passed as they are. */
ss_status rgb_image_make(rgb_image *image, int64_t width, int64_t height, const char *name, ss_error *err);

/* The check of the sides alone, for a reader that must look at more before it takes memory. */
ss_status rgb_image_check_sides(int64_t width, int64_t height, const char *name, ss_error *err);

/* SHA-256 over width and height (32-bit little-endian each) and the RGB bytes: equal pixels, equal hash. */
void rgb_image_hash(const rgb_image *image, sha256_hex out);

#endif
