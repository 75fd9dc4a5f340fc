/* LoRA: diffusers' fused image in two forms of names, sums read in pieces, what is refused, notices. DATA:
 * tests/data. Files and image: tests/generators/lora_files.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/png.h"
#include "io/safetensors.h"
#include "model/lora.h"
#include "support/drawing.h"
#include "support/tiny_pipeline.h"

static tiny_pipeline tiny;

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static int set_up(void **state) {
    (void)state;
    return tiny_pipeline_make(&tiny, DATA, "tiny-sd3");
}

static int tear_down(void **state) {
    (void)state;
    tiny_pipeline_remove(&tiny);
    return 0;
}

/* ---- images ---- */

static int differs(const model_parts *parts, const rgb_image *from) {
    ss_error err = {0};
    compute *c;
    pipeline *p;
    int most = 0;
    check(compute_create(&c, "cpu", 2, (size_t)1 << 28, &err), &err);
    check(pipeline_open_parts(&p, c, tiny.folder, parts, &err), &err);
    assert_int_equal(c->notices.n, 0);
    const sample_settings s = {.width = 32, .height = 32, .steps = 4, .guidance = 4};
    drawing d = drawing_make(p, &s, "a red circle and 2 blue stars", 5, NULL);
    for (int i = 0; i < 3 * 32 * 32; i++) {
        int by = abs(d.picture.rgb[i] - from->rgb[i]);
        if (by > most) most = by;
    }
    drawing_free(&d);
    pipeline_close(p);
    compute_destroy(c);
    return most;
}

static void test_pictures(void **state) {
    (void)state;
    static const char *const files[] = {DATA "/lora/diffusers.safetensors", DATA "/lora/kohya.safetensors"};
    ss_error err = {0};
    rgb_image theirs;
    check(png_read(DATA "/lora/sd3.png", &theirs, &err), &err);
    assert_int_equal(theirs.width, 32);
    assert_int_equal(theirs.height, 32);
    for (int i = 0; i < 2; i++) {
        model_parts parts = {.lora = {{files[i], 0.7}}, .n_lora = 1};
        assert_in_range(differs(&parts, &theirs), 0, 1);
        parts.lora[0].scale = 0.3; /* the sum of two is one, but for rounding */
        parts.lora[1] = (lora_use){files[1 - i], 0.4};
        parts.n_lora = 2;
        assert_in_range(differs(&parts, &theirs), 0, 1);
        parts.n_lora = 0;
        assert_true(differs(&parts, &theirs) > 8);
    }
    rgb_image_free(&theirs);
}

/* ---- sums ---- */

enum { ROWS = 5, COLUMNS = 3, RANK = 2 };
static char weights_path[64], lora_path[64];

static void write_file(const char *path, const safetensors_output *list, int n) {
    ss_error err = {0};
    check(safetensors_write(path, list, n, &err), &err);
}

/* Every stretch of the sum, whose factor is scale alpha / rank = 0.5 x 3 / 2. */
static void test_pieces(void **state) {
    (void)state;
    ss_error err = {0};
    float w[ROWS * COLUMNS], up[ROWS * RANK], down[RANK * COLUMNS], alpha = 3;
    for (int i = 0; i < ROWS * COLUMNS; i++) w[i] = (float)(i - 7);
    for (int i = 0; i < ROWS * RANK; i++) up[i] = (float)(i % 4) - 1.5f;
    for (int i = 0; i < RANK * COLUMNS; i++) down[i] = (float)(i * i) - 4;
    snprintf(weights_path, sizeof weights_path, "/tmp/sinkscope-w-%d.safetensors", (int)getpid());
    snprintf(lora_path, sizeof lora_path, "/tmp/sinkscope-l-%d.safetensors", (int)getpid());
    write_file(weights_path, &(safetensors_output){.name = "a.weight", .ndim = 2, .shape = {ROWS, COLUMNS}, .data = w},
               1);
    const safetensors_output lora[] = {
        {.name = "lora_unet_a.lora_up.weight", .ndim = 2, .shape = {ROWS, RANK}, .data = up},
        {.name = "lora_unet_a.lora_down.weight", .ndim = 2, .shape = {RANK, COLUMNS}, .data = down},
        {.name = "lora_unet_a.alpha", .ndim = 0, .data = &alpha},
    };
    write_file(lora_path, lora, 3);
    checkpoint *file;
    lora_set *set;
    check(checkpoint_open(&file, weights_path, &err), &err);
    check(lora_open(&set, &(lora_use){lora_path, 0.5}, 1, &err), &err);
    check(lora_apply(set, "unet", &file, &err), &err);
    const checkpoint_entry *e = checkpoint_find(file, "a.weight");
    assert_non_null(e);
    assert_int_equal(e->dtype, CHECKPOINT_F32);
    for (int64_t first = 0; first < e->count; first++)
        for (int64_t n = 1; n <= e->count - first; n++) {
            float some[ROWS * COLUMNS];
            check(checkpoint_read(e, first, n, some, &err), &err);
            for (int64_t k = 0; k < n; k++) {
                const int64_t i = first + k;
                float sum = 0;
                for (int r = 0; r < RANK; r++) sum += up[i / COLUMNS * RANK + r] * down[r * COLUMNS + i % COLUMNS];
                assert_true(some[k] == w[i] + 0.75f * sum); /* all of them exact */
            }
        }
    check(lora_finish(set, NULL, &err), &err);
    checkpoint_close(file);
    lora_close(set);
    remove(weights_path);
    remove(lora_path);
}

/* ---- refused ---- */

static void refused(const char *words, int n, const char *const *names, const int64_t shape[][2]) {
    static const float zeros[64];
    ss_error err = {0};
    checkpoint *file;
    lora_set *set;
    safetensors_output list[4];
    for (int i = 0; i < n; i++) {
        list[i] = (safetensors_output){.name = names[i], .ndim = 2, .data = zeros};
        memcpy(list[i].shape, shape[i], 2 * sizeof(int64_t));
    }
    write_file(lora_path, list, n);
    write_file(weights_path, &(safetensors_output){.name = "a.weight", .ndim = 2, .shape = {4, 3}, .data = zeros}, 1);
    check(checkpoint_open(&file, weights_path, &err), &err);
    ss_status status = lora_open(&set, &(lora_use){lora_path, 1}, 1, &err);
    if (status == SS_OK) status = lora_apply(set, "unet", &file, &err);
    if (status == SS_OK) status = lora_finish(set, NULL, &err);
    assert_int_equal(status, SS_ERR_INPUT);
    if (!strstr(err.message, words)) fail_msg("expected '%s', found '%s'", words, err.message);
    checkpoint_close(file);
    lora_close(set);
    remove(weights_path);
    remove(lora_path);
}

static void test_refused(void **state) {
    (void)state;
#define A "lora_unet_a."
    refused("has no LoRA among its 1 tensors, the first x", 1, (const char *[]){"x"}, (const int64_t[][2]){{1, 1}});
    refused("has no lora_up (lora_B) beside it", 1, (const char *[]){A "lora_down.weight"},
            (const int64_t[][2]){{2, 3}});
    refused("do not multiply", 2, (const char *[]){A "lora_down.weight", A "lora_up.weight"},
            (const int64_t[][2]){{2, 3}, {4, 5}});
    refused("do not fit a.weight, whose rows are 4 and 3 wide", 2,
            (const char *[]){A "lora_down.weight", A "lora_up.weight"}, (const int64_t[][2]){{2, 5}, {4, 2}});
    refused("is a LoRA for another model: none of its 1 matrices", 2,
            (const char *[]){"lora_unet_b.lora_down.weight", "lora_unet_b.lora_up.weight"},
            (const int64_t[][2]){{2, 3}, {4, 2}});
    refused("DoRA, which is not supported", 1, (const char *[]){A "dora_scale"}, (const int64_t[][2]){{4, 1}});
    refused("LoHa, which is not supported", 1, (const char *[]){A "hada_w1_a"}, (const int64_t[][2]){{4, 1}});
    refused("LoKr, which is not supported", 1, (const char *[]){A "lokr_w1"}, (const int64_t[][2]){{4, 1}});
    refused("are one matrix", 3,
            (const char *[]){"unet.a.lora_A.weight", "unet.a.lora.down.weight", "unet.a.lora_B.weight"},
            (const int64_t[][2]){{2, 3}, {2, 3}, {4, 2}});
}

/* "FILE:SCALE"; a colon in a path is no scale. */
static void test_parse(void **state) {
    (void)state;
    static const struct {
        const char *written, *path;
        double scale;
    } cases[] = {{"x.safetensors", "x.safetensors", 1},
                 {"x:0.8", "x", 0.8},
                 {"x:-1", "x", -1},
                 {"a:b", "a:b", 1},
                 {"a:b:2", "a:b", 2},
                 {"x:", "x:", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        char *path;
        double scale;
        check(lora_parse(cases[i].written, NULL, &path, &scale, &err), &err);
        assert_string_equal(path, cases[i].path);
        assert_true(fabs(scale - cases[i].scale) < 1e-12);
        free(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pictures), cmocka_unit_test(test_pieces),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_parse)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
