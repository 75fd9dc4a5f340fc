/* TIFF files through image_decode. Files whose sides are large are refused by the reader where so few bytes cannot hold
 * them. */
#include "io/tiff.h"
#include "tests/fuzz/picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!tiff_is_signature(data, size)) return 0; /* others have targets of their own */
    if (size > 1 << 16) return 0;
    return fuzz_picture(data, size, "x.tif");
}
