/* Resizing equals Pillow's to the bit, SSIM scikit-image's; RMSE and PSNR their formulas. Vectors:
 * tests/generators/score_images.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "score/metrics.h"
#include "score/resize.h"

static rgb_image make_image(uint32_t seed, int width, int height) {
    rgb_image image = {width, height, malloc(3 * (size_t)width * (size_t)height)};
    assert_non_null(image.rgb);
    for (int i = 0; i < 3 * width * height; i++) {
        seed = seed * 1664525u + 1013904223u;
        image.rgb[i] = (unsigned char)(i / 97 % 2 ? seed >> 24 : (uint32_t)(i * 5 / (width + 1)) & 255);
    }
    return image;
}

static void check_resize(const char *line) {
    unsigned seed;
    int width, height, w, h;
    file_sha256 expected, found;
    assert_int_equal(sscanf(line, "resize %u %d %d %d %d %64s", &seed, &width, &height, &w, &h, expected), 6);
    rgb_image image = make_image(seed, width, height), out;
    ss_error err;
    assert_int_equal(resize_pillow(&image, RESIZE_BICUBIC, w, h, &out, &err), SS_OK);
    file_hash_bytes(out.rgb, 3 * (size_t)w * (size_t)h, found);
    assert_string_equal(found, expected);
    rgb_image_free(&image);
    rgb_image_free(&out);
}

static void check_ssim(const char *line) {
    unsigned a, b;
    int width, height;
    char number[64];
    double expected;
    assert_int_equal(sscanf(line, "ssim %u %u %d %d %63s", &a, &b, &width, &height, number), 5);
    assert_int_equal(text_to_double(number, &expected), 0);
    rgb_image image = make_image(a, width, height), baseline = make_image(b, width, height);
    metric_input in = {.image = &image, .baseline = &baseline};
    metric_value value = {0};
    ss_error err;
    assert_int_equal(metric_ssim_score(NULL, NULL, &in, &value, &err), SS_OK);
    assert_true(fabs(value.value - expected) < 1e-9);
    rgb_image_free(&image);
    rgb_image_free(&baseline);
}

static void check_lines(const char *kind, void (*check)(const char *line), int expected) {
    FILE *f = fopen(TEST_DATA "/score/images.txt", "r");
    char line[256];
    int n = 0;
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, kind, strlen(kind)) == 0) check(line), n++;
    fclose(f);
    assert_int_equal(n, expected);
}

static void test_resize(void **state) {
    (void)state;
    check_lines("resize ", check_resize, 60);
}

static void test_ssim(void **state) {
    (void)state;
    check_lines("ssim ", check_ssim, 12);
}

static void test_pixels(void **state) {
    (void)state;
    unsigned char one[12] = {0}, two[12] = {0};
    rgb_image a = {2, 2, one}, b = {2, 2, two}, narrow = {1, 4, two};
    metric_input in = {.image = &a, .baseline = &b};
    metric_value value = {0};
    ss_error err;
    assert_int_equal(metric_rmse_score(NULL, NULL, &in, &value, &err), SS_OK);
    assert_true(value.value == 0);
    assert_int_equal(metric_psnr_score(NULL, NULL, &in, &value, &err), SS_OK);
    assert_true(value.value == 100);
    one[0] = 51, two[5] = 102; /* sum of squares over 12 values, in 255ths: 0.2^2 + 0.4^2 */
    assert_int_equal(metric_rmse_score(NULL, NULL, &in, &value, &err), SS_OK);
    assert_true(fabs(value.value - sqrt(0.2 / 12)) < 1e-15);
    assert_int_equal(metric_psnr_score(NULL, NULL, &in, &value, &err), SS_OK);
    assert_true(fabs(value.value + 10 * log10(0.2 / 12)) < 1e-12);
    in.baseline = &narrow;
    assert_int_equal(metric_rmse_score(NULL, NULL, &in, &value, &err), SS_ERR_INPUT);
    in.baseline = &b;
    assert_int_equal(metric_ssim_score(NULL, NULL, &in, &value, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "11 x 11"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_resize), cmocka_unit_test(test_ssim),
                                       cmocka_unit_test(test_pixels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
