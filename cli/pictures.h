/* What `generate` and `trace` share: lists of seeds, and the protection of existing images. */
#ifndef CLI_PICTURES_H
#define CLI_PICTURES_H

#include "base/seed.h"
#include "cli/command.h"
#include "io/png.h"

typedef struct picture_seeds {
    image_seed *at; /* owned */
    int n;
} picture_seeds;

/* "1, 2, 7", and of each the `images` seeds from it on. Two of one noise are a usage error. Free `at`. */
ss_status picture_seeds_read(const char *written, int images, picture_seeds *out, ss_error *err);

/* A usage error where a file `path` exists without these text chunks: it is another image. */
ss_status picture_check(const char *path, const png_note *notes, int n, ss_error *err);

/* The same by its pixels. */
ss_status picture_check_pixels(const char *path, const rgb_image *image, ss_error *err);

#endif
