/* PNG files, as they are and with the checksums of their chunks put right, or changes would hardly get past them. What
 * decodes must survive being written and read again. */
#include <string.h>
#include <zlib.h>

#include "io/png.h"
#include "tests/fuzz/fuzz.h"

static uint32_t get_32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A chunk: length, type, data, CRC of type and data. */
static void repair(uint8_t *data, size_t size) {
    for (size_t at = 8; at + 12 <= size;) {
        size_t length = get_32(data + at);
        if (length > size - at - 12) return;
        uint32_t crc = (uint32_t)crc32(0, data + at + 4, (uInt)length + 4);
        for (int i = 0; i < 4; i++) data[at + 8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + length;
    }
}

static void decode(const uint8_t *data, size_t size) {
    ss_error err = {0};
    rgb_image im, again;
    unsigned char *coded;
    size_t n;
    if (png_decode(data, size, "x.png", &im, &err) != SS_OK) {
        FUZZ_CHECK(im.rgb == NULL && err.message[0]);
        return;
    }
    FUZZ_CHECK(im.width >= 1 && im.width <= RGB_IMAGE_MAX_SIDE && im.height >= 1 && im.height <= RGB_IMAGE_MAX_SIDE);
    if ((size_t)im.width * (size_t)im.height < 1 << 16) {
        FUZZ_CHECK(png_encode(&im, NULL, 0, &coded, &n, &err) == SS_OK);
        FUZZ_CHECK(png_decode(coded, n, "y.png", &again, &err) == SS_OK);
        FUZZ_CHECK(again.width == im.width && again.height == im.height);
        FUZZ_CHECK(memcmp(again.rgb, im.rgb, (size_t)im.width * (size_t)im.height * 3) == 0);
        rgb_image_free(&again);
        free(coded);
    }
    rgb_image_free(&im);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    decode(data, size);
    uint8_t *copy = malloc(size + 1);
    if (!copy) return 0;
    memcpy(copy, data, size);
    repair(copy, size);
    decode(copy, size);
    free(copy);
    return 0;
}
