/* SSIM equals scikit-image's, MS-SSIM pytorch-msssim's; RMSE and PSNR their formulas. Vectors:
 * tests/generators/score_images.py, score_ms_ssim.py. */
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
#include "score/metrics.h"

static void expect(const rgb_image *image, const rgb_image *baseline,
                   ss_status (*score)(compute *, void *, const metric_input *, metric_value *, ss_error *),
                   double expected, double tolerance) {
    const metric_input in = {.image = image, .baseline = baseline};
    metric_value value = {0};
    ss_error err;
    assert_int_equal(score(NULL, NULL, &in, &value, &err), SS_OK);
    if (!(fabs(value.value - expected) <= tolerance)) fail_msg("%.17g, expected %.17g", value.value, expected);
}

static void check_ssim(const char *at) {
    uint32_t a = (uint32_t)made_int(&at), b = (uint32_t)made_int(&at);
    int width = made_int(&at), height = made_int(&at);
    rgb_image image = made_image(a, width, height), baseline = made_image(b, width, height);
    expect(&image, &baseline, metric_row_ssim.score, made_number(&at), 1e-9);
    rgb_image_free(&image);
    rgb_image_free(&baseline);
}

static void test_ssim(void **state) {
    (void)state;
    made_lines("images.txt", "ssim", check_ssim, 12);
}

static void check_ms_ssim(const char *at) {
    uint32_t a = (uint32_t)made_int(&at), b = (uint32_t)made_int(&at);
    int mix = made_int(&at), width = made_int(&at), height = made_int(&at);
    rgb_image baseline = made_image(a, width, height), image = made_image(b, width, height);
    for (int i = 0; i < 3 * width * height; i++)
        image.rgb[i] = (unsigned char)((mix * baseline.rgb[i] + (8 - mix) * image.rgb[i]) / 8);
    expect(&image, &baseline, metric_row_ms_ssim.score, made_number(&at), 1e-12);
    rgb_image_free(&image);
    rgb_image_free(&baseline);
}

static void fill(rgb_image *image, int value) {
    memset(image->rgb, value, 3 * (size_t)image->width * (size_t)image->height);
}

static void test_ms_ssim(void **state) {
    (void)state;
    made_lines("ms_ssim.txt", "ms-ssim", check_ms_ssim, 32);
    rgb_image a = made_image(1, 170, 180), b = made_image(1, 170, 180);
    for (int i = 0; i < 3 * a.width * a.height; i++) b.rgb[i] = (unsigned char)(255 - b.rgb[i]);
    expect(&a, &b, metric_row_ms_ssim.score, 0, 0); /* structure of the opposite sign counts as none */
    rgb_image_free(&a);
    rgb_image_free(&b);
    a = made_image(1, 170, 181), b = made_image(1, 170, 181);
    fill(&a, 20), fill(&b, 60); /* pytorch-msssim in float64: borders of 0 come in with the odd sides */
    expect(&a, &b, metric_row_ms_ssim.score, 0.9324854346935422, 1e-12);
    a.width = b.width = 160;
    const metric_input in = {.image = &a, .baseline = &b};
    metric_value value;
    ss_error err;
    assert_int_equal(metric_row_ms_ssim.score(NULL, NULL, &in, &value, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "the image is 160 x 181; at least 161 x 161 are needed");
    rgb_image_free(&a);
    rgb_image_free(&b);
}

static void test_pixels(void **state) {
    (void)state;
    unsigned char one[12] = {0}, two[12] = {0};
    rgb_image a = {2, 2, one}, b = {2, 2, two}, narrow = {1, 4, two};
    metric_input in = {.image = &a, .baseline = &b};
    metric_value value = {0};
    ss_error err;
    assert_int_equal(metric_row_rmse.score(NULL, NULL, &in, &value, &err), SS_OK);
    assert_true(value.value == 0);
    assert_int_equal(metric_row_psnr.score(NULL, NULL, &in, &value, &err), SS_OK);
    assert_true(value.value == 100);
    one[0] = 51, two[5] = 102; /* sum of squares over 12 values, in 255ths: 0.2^2 + 0.4^2 */
    assert_int_equal(metric_row_rmse.score(NULL, NULL, &in, &value, &err), SS_OK);
    assert_true(fabs(value.value - sqrt(0.2 / 12)) < 1e-15);
    assert_int_equal(metric_row_psnr.score(NULL, NULL, &in, &value, &err), SS_OK);
    assert_true(fabs(value.value + 10 * log10(0.2 / 12)) < 1e-12);
    in.baseline = &narrow;
    assert_int_equal(metric_row_rmse.score(NULL, NULL, &in, &value, &err), SS_ERR_INPUT);
    in.baseline = &b;
    assert_int_equal(metric_row_ssim.score(NULL, NULL, &in, &value, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "11 x 11"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ssim), cmocka_unit_test(test_ms_ssim),
                                       cmocka_unit_test(test_pixels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
