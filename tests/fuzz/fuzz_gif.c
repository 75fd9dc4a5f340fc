/* GIF files through image_decode. Sides over SIDE are passed over: a few bytes may well say 16384 x 16384 pixels,
 * which is no finding, but nothing to do a hundred thousand times either. */
#include "io/gif.h"
#include "tests/fuzz/picture.h"

enum { SIDE = 512 };

static unsigned u16(const uint8_t *p) { return p[0] | (unsigned)p[1] << 8; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!gif_is_signature(data, size)) return 0; /* others have targets of their own */
    if (size >= 10 && (u16(data + 6) > SIDE || u16(data + 8) > SIDE)) return 0;
    /* a frame may be larger than the screen: wherever a descriptor might be */
    for (size_t i = 0; i + 9 < size; i++)
        if (data[i] == ',' && (u16(data + i + 5) > SIDE || u16(data + i + 7) > SIDE || u16(data + i + 1) > SIDE ||
                               u16(data + i + 3) > SIDE))
            return 0;
    return fuzz_picture(data, size, "x.gif");
}
