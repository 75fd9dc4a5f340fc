/* Pillow's resize to the bit, 2,000 times in 8 bits and 500 times in float; PyTorch's to 1e-6. Vectors:
 * tests/generators/score_resize.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "made.h"
#include "score/resize.h"
#include "score/resize_torch.h"

/* A row is ` seed filter width height new_width new_height hash`. */
static void expect_hash(const void *bytes, size_t size, const char *row, const char *at) {
    sha256_hex found;
    char expected[17];
    assert_int_equal(sscanf(at, "%16s", expected), 1);
    sha256_of(bytes, size, found);
    found[16] = 0;
    if (strcmp(found, expected) != 0) fail_msg("differs: %s", row);
}

static void check_rgb(const char *row) {
    const char *at = row;
    uint32_t seed = (uint32_t)made_int(&at);
    resize_filter filter = (resize_filter)made_int(&at);
    int w = made_int(&at), h = made_int(&at), width = made_int(&at), height = made_int(&at);
    rgb_image image = made_image(seed, w, h), out;
    ss_error err;
    assert_int_equal(resize_pillow(&image, filter, width, height, &out, &err), SS_OK);
    assert_int_equal(out.width, width);
    assert_int_equal(out.height, height);
    expect_hash(out.rgb, 3 * (size_t)width * (size_t)height, row, at);
    rgb_image_free(&image);
    rgb_image_free(&out);
}

static void check_float(const char *row) {
    const char *at = row;
    uint32_t seed = (uint32_t)made_int(&at);
    resize_filter filter = (resize_filter)made_int(&at);
    int w = made_int(&at), h = made_int(&at), width = made_int(&at), height = made_int(&at);
    size_t n = (size_t)w * (size_t)h, m = (size_t)width * (size_t)height;
    float *plane = made_floats(seed, n), *out = malloc(m * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++) plane[i] = plane[i] * 256 - 64;
    ss_error err;
    assert_int_equal(resize_pillow_float(plane, w, h, filter, width, height, out, &err), SS_OK);
    expect_hash(out, m * sizeof *out, row, at);
    free(plane);
    free(out);
}

static void test_pillow(void **state) {
    (void)state;
    made_lines("resize.txt", "rgb", check_rgb, 2000);
    made_lines("resize.txt", "float", check_float, 500);
}

/* A window holds what a crop of the whole would. */
static void test_window(void **state) {
    (void)state;
    static const int SIDES[][4] = {
        {50, 40, 30, 70}, {50, 40, 50, 20}, {50, 40, 20, 40}, {30, 300, 25, 41}, {9, 9, 9, 9}};
    ss_error err;
    for (size_t i = 0; i < sizeof SIDES / sizeof SIDES[0]; i++) {
        int width = SIDES[i][2], height = SIDES[i][3];
        rgb_image image = made_image((uint32_t)i, SIDES[i][0], SIDES[i][1]), whole, part;
        const resize_window w = {width / 3, height / 4, width / 2, height / 3};
        assert_int_equal(resize_pillow(&image, RESIZE_LANCZOS, width, height, &whole, &err), SS_OK);
        assert_int_equal(resize_pillow_window(&image, RESIZE_LANCZOS, width, height, &w, &part, &err), SS_OK);
        for (int y = 0; y < w.height; y++)
            assert_memory_equal(part.rgb + 3 * y * w.width, whole.rgb + 3 * ((y + w.top) * width + w.left),
                                3 * (size_t)w.width);
        rgb_image_free(&image);
        rgb_image_free(&whole);
        rgb_image_free(&part);
    }
    rgb_image image = made_image(1, 4, 4), out;
    assert_int_equal(resize_pillow_window(&image, RESIZE_BOX, 8, 8, &(resize_window){5, 0, 4, 8}, &out, &err),
                     SS_ERR_INTERNAL);
    assert_string_equal(err.message, "resize to 8 x 8: no window of 4 x 8 at 5, 0");
    assert_null(out.rgb);
    assert_int_equal(resize_pillow(&image, RESIZE_BOX, 8, 0, &out, &err), SS_ERR_INTERNAL);
    rgb_image_free(&image);
}

static double worst; /* over all rows */

/* ` seed bicubic antialias channels height width new_height new_width`, then 8 indices with values. */
static void check_torch(const char *row) {
    const char *at = row;
    uint32_t seed = (uint32_t)made_int(&at);
    torch_filter filter = made_int(&at) ? TORCH_BICUBIC : TORCH_BILINEAR;
    int antialias = made_int(&at), channels = made_int(&at), h = made_int(&at), w = made_int(&at);
    int height = made_int(&at), width = made_int(&at);
    size_t n = (size_t)channels * (size_t)w * (size_t)h, m = (size_t)channels * (size_t)width * (size_t)height;
    float *planes = made_floats(seed, n), *out = malloc(m * sizeof *out);
    ss_error err;
    assert_non_null(out);
    assert_int_equal(resize_torch(planes, channels, h, w, filter, antialias, height, width, out, &err), SS_OK);
    for (int i = 0; i < 8; i++) {
        size_t index = (size_t)made_int(&at);
        double expected = made_number(&at), difference = fabs((double)out[index] - expected);
        if (!(difference <= 1e-6)) fail_msg("%.9g, expected %.9g: %s", (double)out[index], expected, row);
        worst = fmax(worst, difference);
    }
    free(planes);
    free(out);
}

static void test_torch(void **state) {
    (void)state;
    made_lines("resize.txt", "torch", check_torch, 200);
    print_message("largest difference from PyTorch: %d / 1e9\n", (int)(worst * 1e9));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pillow), cmocka_unit_test(test_window),
                                       cmocka_unit_test(test_torch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
