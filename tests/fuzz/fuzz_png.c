/* PNG files. What decodes must survive being written and read again. */
#include <string.h>

#include "io/png.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ss_error err = {0};
    rgb_image im, again;
    unsigned char *coded;
    size_t n;
    if (png_decode(data, size, "x.png", &im, &err) != SS_OK) {
        FUZZ_CHECK(im.rgb == NULL && err.message[0]);
        return 0;
    }
    FUZZ_CHECK(im.width >= 1 && im.width <= PNG_MAX_SIDE && im.height >= 1 && im.height <= PNG_MAX_SIDE);
    if ((size_t)im.width * (size_t)im.height < 1 << 16) {
        FUZZ_CHECK(png_encode(&im, NULL, 0, &coded, &n, &err) == SS_OK);
        FUZZ_CHECK(png_decode(coded, n, "y.png", &again, &err) == SS_OK);
        FUZZ_CHECK(again.width == im.width && again.height == im.height);
        FUZZ_CHECK(memcmp(again.rgb, im.rgb, (size_t)im.width * (size_t)im.height * 3) == 0);
        rgb_image_free(&again);
        free(coded);
    }
    rgb_image_free(&im);
    return 0;
}
