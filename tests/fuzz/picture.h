/* What the targets of images do with one: through image_decode, every pixel looked at. */
#ifndef FUZZ_PICTURE_H
#define FUZZ_PICTURE_H

#include "io/image.h"
#include "tests/fuzz/fuzz.h"

static inline int fuzz_picture(const uint8_t *data, size_t size, const char *name) {
    ss_error err = {0};
    rgb_image im;
    if (image_decode(data, size, name, &im, &err) != SS_OK) {
        FUZZ_CHECK(im.rgb == NULL && err.message[0]);
        return 0;
    }
    int sum = 0; /* every pixel was written: a sanitizer that watches for that sees it here */
    for (size_t i = 0; i < 3 * (size_t)im.width * (size_t)im.height; i++) sum |= im.rgb[i];
    FUZZ_CHECK(sum >= 0 && sum <= 255);
    rgb_image_free(&im);
    return 0;
}

#endif
