/* PNG: pixels survive, bytes repeat, every kind of file reads as PIL reads it, damage is an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/png.h"

static rgb_image make_image(int width, int height) {
    rgb_image im = {width, height, malloc((size_t)(width * height * 3))};
    assert_non_null(im.rgb);
    for (int i = 0; i < width * height * 3; i++) im.rgb[i] = (unsigned char)(i * 37 + i / 100);
    return im;
}

static void test_round_trip(void **state) {
    (void)state;
    ss_error err = {0};
    rgb_image im = make_image(31, 17), back;
    const png_note notes[] = {{"parameters", "steps 28, guidance 4"}, {"prompt", "ein grüner Stern"}};
    unsigned char *one, *two;
    size_t n, m;
    assert_int_equal(png_encode(&im, notes, 2, &one, &n, &err), SS_OK);
    assert_int_equal(png_encode(&im, notes, 2, &two, &m, &err), SS_OK);
    assert_int_equal(n, m);
    assert_memory_equal(one, two, n);
    assert_int_equal(png_decode(one, n, "x.png", &back, &err), SS_OK);
    assert_int_equal(back.width, 31);
    assert_int_equal(back.height, 17);
    assert_memory_equal(back.rgb, im.rgb, 31 * 17 * 3);
    int latin = 0, international = 0; /* the chunks, by their names and words in the bytes */
    for (size_t i = 0; i + 20 < n; i++) {
        latin |= memcmp(one + i, "tEXtparameters\0steps", 20) == 0;
        international |= memcmp(one + i, "iTXtprompt\0\0\0\0\0ein gr\xC3", 20) == 0;
    }
    assert_true(latin);
    assert_true(international);
    free(one);
    free(two);
    rgb_image_free(&im);
    rgb_image_free(&back);
}

static void test_hash(void **state) {
    (void)state;
    rgb_image wide = make_image(4, 2), tall = make_image(2, 4);
    sha256_hex a, b;
    rgb_image_hash(&wide, a);
    /* sha256 of 04000000 02000000 and the 24 bytes, from Python's hashlib */
    assert_string_equal(a, "1a5b50ff29fdec528c802d6ce3f50730ccb39b5b9de8247daacc50d6c8c3eab5");
    rgb_image_hash(&tall, b);
    assert_string_not_equal(a, b);
    rgb_image_free(&wide);
    rgb_image_free(&tall);
}

static void test_kinds(void **state) {
    (void)state;
    static const char *const NAMES[] = {"rgb8", "rgba8", "grey8", "greyalpha8", "grey1", "palette4", "grey16"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        ss_error err = {0};
        char path[512], *expected;
        size_t n;
        rgb_image im;
        snprintf(path, sizeof path, DATA "/%s.rgb", NAMES[i]);
        assert_int_equal(file_read(path, 4096, &expected, &n, &err), SS_OK);
        snprintf(path, sizeof path, DATA "/%s.png", NAMES[i]);
        if (png_read(path, &im, &err) != SS_OK) fail_msg("%s: %s", path, err.message);
        assert_int_equal(im.width, 13);
        assert_int_equal(im.height, 7);
        assert_int_equal(n, 13 * 7 * 3);
        if (memcmp(im.rgb, expected, n) != 0) fail_msg("%s: pixels differ", path);
        free(expected);
        rgb_image_free(&im);
    }
}

static void test_damage(void **state) {
    (void)state;
    ss_error err = {0};
    rgb_image im = make_image(31, 17), back;
    unsigned char *data;
    size_t n;
    assert_int_equal(png_encode(&im, NULL, 0, &data, &n, &err), SS_OK);
    for (size_t cut = 0; cut < n; cut++) { /* no prefix decodes */
        assert_int_equal(png_decode(data, cut, "x.png", &back, &err), SS_ERR_INPUT);
        assert_null(back.rgb);
    }
    data[n / 2] ^= 1; /* pixels */
    assert_int_equal(png_decode(data, n, "x.png", &back, &err), SS_ERR_INPUT);
    data[n / 2] ^= 1;
    data[n - 13] ^= 1; /* the checksum of the pixels' chunk, before the 12 bytes of IEND */
    assert_int_equal(png_decode(data, n, "x.png", &back, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "is not a readable PNG: IDAT: CRC error");
    assert_int_equal(png_decode("GIF89a..", 8, "x.gif", &back, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "is not a PNG file (wrong signature)");
    free(data);
    rgb_image_free(&im);
}

/* A tiny file whose header promises 16384 x 16384 pixels (CRC right) must not make us take 768 MiB. */
static void test_promises(void **state) {
    (void)state;
    static const unsigned char HEADER[] = {0x89, 'P', 'N', 'G', 13,  10,   26,   10,   0,    0, 0,  13,
                                           'I',  'H', 'D', 'R', 0,   0,    64,   0,    0,    0, 64, 0,
                                           8,    2,   0,   0,   0,   0x26, 0xaa, 0x87, 0xd3, 0, 0,  0,
                                           0,    'I', 'D', 'A', 'T', 0x35, 0xaf, 0x06, 0x1e};
    ss_error err = {0};
    rgb_image im;
    assert_int_equal(png_decode(HEADER, sizeof HEADER, "x.png", &im, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "16384 x 16384 pixels cannot come from"));
    assert_null(im.rgb);
}

static void test_refused(void **state) {
    (void)state;
    ss_error err = {0};
    unsigned char *data, pixel[3] = {0};
    size_t n;
    const rgb_image flat = {0, 1, pixel}, wide = {RGB_IMAGE_MAX_SIDE + 1, 1, pixel}, one = {1, 1, pixel};
    const png_note unnamed = {"", "x"}, foreign = {"größe", "x"};
    assert_int_equal(png_encode(&flat, NULL, 0, &data, &n, &err), SS_ERR_INTERNAL);
    assert_int_equal(png_encode(&wide, NULL, 0, &data, &n, &err), SS_ERR_INTERNAL);
    assert_int_equal(png_encode(&one, &unnamed, 1, &data, &n, &err), SS_ERR_INTERNAL);
    assert_int_equal(png_encode(&one, &foreign, 1, &data, &n, &err), SS_ERR_INTERNAL);
    assert_int_equal(png_write("/no/such/folder/x.png", &one, NULL, 0, &err), SS_ERR_RESOURCE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_hash),     cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_damage),     cmocka_unit_test(test_promises), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
