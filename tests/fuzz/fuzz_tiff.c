/* TIFF files through image_decode. Files whose sides are large are refused by the reader where so few bytes cannot hold
 * them. */
#include "tests/fuzz/picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 1 << 16) return 0;
    return fuzz_picture(data, size, "x.tif");
}
