/* JPEG files through image_decode. Huffman tables and scans have no checksums: changes get everywhere by themselves. */
#include "io/image.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ss_error err = {0};
    rgb_image im;
    if (image_decode(data, size, "x.jpg", &im, &err) != SS_OK) {
        FUZZ_CHECK(im.rgb == NULL && err.message[0]);
        return 0;
    }
    FUZZ_CHECK(im.width >= 1 && im.width <= RGB_IMAGE_MAX_SIDE && im.height >= 1 && im.height <= RGB_IMAGE_MAX_SIDE);
    FUZZ_CHECK(im.rgb != NULL);
    rgb_image_free(&im);
    return 0;
}
