/* BMP files through image_decode. Sides over SIDE are passed over: a few bytes may well say 16384 x 16384 pixels,
 * which is no finding, but nothing to do a hundred thousand times either. */
#include "io/bmp.h"
#include "tests/fuzz/picture.h"

enum { SIDE = 512 };

static uint32_t u32(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!bmp_is_signature(data, size)) return 0; /* others have targets of their own */
    if (size >= 26 && u32(data + 14) != 12) {
        uint32_t height = data[25] == 0xff ? 0 - u32(data + 22) : u32(data + 22);
        if (u32(data + 18) > SIDE || height > SIDE) return 0;
    }
    return fuzz_picture(data, size, "x.bmp");
}
