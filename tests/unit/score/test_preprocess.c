/* What a scorer's network gets equals what its package makes of the same image, to 1e-6 for 1 of the normalised scale.
 * Vectors: tests/generators/score_preprocess.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "made.h"
#include "score/preprocess.h"

#define CLIP_MEAN                                                                                                      \
    { 0.48145466, 0.4578275, 0.40821073 }
#define CLIP_SD                                                                                                        \
    { 0.26862954, 0.26130258, 0.27577711 }

static const preprocess RULES[] = {
    {PREPROCESS_OPENAI, 224, CLIP_MEAN, CLIP_SD, 0},
    {PREPROCESS_OPEN_CLIP, 224, CLIP_MEAN, CLIP_SD, 0},
    {PREPROCESS_HF, 224, CLIP_MEAN, CLIP_SD, 0},
    {PREPROCESS_HPS, 224, CLIP_MEAN, CLIP_SD, 0},
    {PREPROCESS_FID, 299, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, 0},
    {PREPROCESS_CLEAN_FID, 299, {128, 128, 128}, {128, 128, 128}, 0},
    {PREPROCESS_HPS, 224, CLIP_MEAN, CLIP_SD, 1},
    {PREPROCESS_CMMD, 336, CLIP_MEAN, CLIP_SD, 0},
};
enum { RULE_COUNT = sizeof RULES / sizeof RULES[0] };

static double worst[RULE_COUNT];

/* ` rule seed width height side`, then 12 indices with values. */
static void check(const char *row) {
    const char *at = row;
    int rule = made_int(&at);
    uint32_t seed = (uint32_t)made_int(&at);
    int width = made_int(&at), height = made_int(&at), side = made_int(&at);
    rgb_image image = made_image(seed, width, height);
    float *out;
    ss_error err;
    assert_int_equal(side, RULES[rule].side);
    assert_int_equal(preprocess_image(&RULES[rule], &image, &out, &err), SS_OK);
    for (int i = 0; i < 12; i++) {
        int index = made_int(&at);
        double expected = made_number(&at), difference = fabs((double)out[index] - expected);
        difference *= RULES[rule].rule == PREPROCESS_CLEAN_FID ? 1 : RULES[rule].sd[index % 3];
        if (!(difference <= 1e-6)) fail_msg("%.9g, expected %.9g: %s", (double)out[index], expected, row);
        worst[rule] = fmax(worst[rule], difference);
    }
    rgb_image_free(&image);
    free(out);
}

static void test_packages(void **state) {
    (void)state;
    made_lines("preprocess.txt", "preprocess", check, 112);
    for (int i = 0; i < RULE_COUNT; i++)
        print_message("rule %d: largest difference %d / 1e9\n", i, (int)(worst[i] * 1e9));
}

/* hpsv2 leaves 224 x 100 unpadded; here it lies in the middle of a black square. */
static void test_pad(void **state) {
    (void)state;
    rgb_image image = made_image(5, 224, 101);
    const preprocess *p = &RULES[3];
    float *out;
    ss_error err;
    assert_int_equal(preprocess_image(p, &image, &out, &err), SS_OK);
    for (int y = 0; y < 224; y++)
        for (int i = 0; i < 3 * 224; i++) { /* 123 lines are missing: 61 above, 62 below */
            double value = y < 61 || y >= 162 ? 0 : image.rgb[3 * 224 * (y - 61) + i] / 255.0;
            double expected = (value - p->mean[i % 3]) / p->sd[i % 3];
            assert_true(fabs((double)out[3 * 224 * y + i] - expected) < 1e-6);
        }
    free(out);
    rgb_image_free(&image);
    image = made_image(5, 1000, 2);
    assert_int_equal(preprocess_image(p, &image, &out, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "the image is 1000 x 2 pixels; with its longer side resized to 224 the shorter "
                                     "would be 0");
    assert_null(out);
    rgb_image_free(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_packages), cmocka_unit_test(test_pad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
