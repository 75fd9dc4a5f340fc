/* torch_randn against torch.randn: every seed and length of tests/generators/sampler_noise_schedule.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/philox.h"
#include "io/checkpoint.h"
#include "sampler/torch_noise.h"
#include "tests/support/values.h"

static void test_randn(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *file;
    if (checkpoint_open(&file, DATA "/noise.safetensors", &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
    assert_true(checkpoint_count(file) > 100);
    for (size_t i = 0; i < checkpoint_count(file); i++) {
        const checkpoint_entry *e = checkpoint_at(file, i); /* "seed/length" */
        const float *expected = values_of(e);
        float *found = calloc((size_t)e->count, sizeof *found);
        assert_non_null(found);
        torch_randn(strtoull(e->name, NULL, 10), found, e->count);
        for (int64_t j = 0; j < e->count; j++)
            if (!(fabsf(found[j] - expected[j]) <= 1e-6f))
                fail_msg("%s [%lld]: expected %.9g, found %.9g", e->name, (long long)j, (double)expected[j],
                         (double)found[j]);
        free(found);
    }
    checkpoint_close(file);
}

/* Two seeds that agree in their lower 32 bits give the same noise, as in PyTorch; others do not. */
static void test_seed_halves(void **state) {
    (void)state;
    float a[16], b[16], c[16];
    torch_randn(5, a, 16);
    torch_randn(UINT64_C(0x100000005), b, 16);
    torch_randn(6, c, 16);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
}

/* Drawn one after another, from one generator: "SEED-LENGTH-LENGTH...". */
static void test_goes_on(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *file;
    if (checkpoint_open(&file, DATA "/noise_goes_on.safetensors", &err) != SS_OK)
        fail_msg("%s: %s", err.where, err.message);
    assert_true(checkpoint_count(file) > 5);
    for (size_t i = 0; i < checkpoint_count(file); i++) {
        const checkpoint_entry *e = checkpoint_at(file, i);
        const float *expected = values_of(e);
        float found[1024];
        char *lengths;
        int64_t n = 0;
        torch_generator r;
        torch_generator_begin(&r, TORCH_CPU, strtoull(e->name, &lengths, 10));
        for (char *s = lengths; *s; s = lengths) {
            int64_t more = strtol(s + 1, &lengths, 10);
            assert_true(n + more <= 1024);
            torch_generator_randn(&r, found + n, more);
            n += more;
        }
        assert_int_equal(n, e->count);
        for (int64_t j = 0; j < n; j++)
            if (!(fabsf(found[j] - expected[j]) <= 1e-6f))
                fail_msg("%s [%lld]: expected %.9g, found %.9g", e->name, (long long)j, (double)expected[j],
                         (double)found[j]);
    }
    checkpoint_close(file);
}

/* torch.manual_seed(0); torch.randn(12, device='cuda'), as published in stable-diffusion-webui's modules/rng_philox.py.
 */
static void test_cuda_published(void **state) {
    (void)state;
    static const float expected[] = {-0.92466259f, -0.42534415f, -2.6438457f,  0.14518388f,  -0.12086647f, -0.57972564f,
                                     -0.62285122f, -0.32838709f, -1.07454231f, -0.36314407f, -1.67105067f, 2.26550497f};
    static const int lengths[] = {12, 4 * 64 * 64};
    for (int i = 0; i < 2; i++) {
        static float found[4 * 64 * 64];
        torch_generator r;
        torch_generator_begin(&r, TORCH_A6000, 0);
        torch_generator_randn(&r, found, lengths[i]);
        for (int j = 0; j < 12; j++)
            if (!(fabsf(found[j] - expected[j]) <= 2e-6f))
                fail_msg("[%d]: expected %.9g, found %.9g", j, (double)expected[j], (double)found[j]);
    }
}

/* What a card of one processor with 256 threads draws in rounds: all four Gaussian numbers of a thread's block, in
 * double. */
static void test_cuda_rounds(void **state) {
    (void)state;
    enum { THREADS = 256, N = 4 * THREADS + 700 };
    const uint64_t seed = UINT64_C(0x123456789abcdef0);
    const uint32_t key[2] = {0x9abcdef0u, 0x12345678u};
    float found[2][N];
    torch_generator r;
    torch_generator_begin(&r, (torch_device){1, THREADS}, seed);
    for (int draw = 0; draw < 2; draw++) torch_generator_randn(&r, found[draw], N);
    for (int draw = 0; draw < 2; draw++)
        for (int j = 0; j < N; j++) {
            int which = j / THREADS % 4, round = j / (4 * THREADS);
            const uint32_t counter[4] = {(uint32_t)(2 * draw + round), 0, (uint32_t)(j % THREADS), 0};
            uint32_t word[4];
            philox4x32(counter, key, word);
            double u = (word[which / 2 * 2] + 0.5) * 0x1p-32, v = (word[which / 2 * 2 + 1] + 0.5) * 0x1p-31 * acos(-1);
            double expected = sqrt(-2 * log(u)) * (which % 2 ? cos(v) : sin(v));
            if (!(fabs((double)found[draw][j] - expected) <= 5e-6))
                fail_msg("draw %d [%d] is %.9g; expected %.9g", draw, j, (double)found[draw][j], expected);
        }
}

static void test_device_names(void **state) {
    (void)state;
    static const struct {
        const char *name, *words;
    } good[] = {
        {"torch", "torch"}, {"torch-cuda", "torch-cuda:84x1536"}, {"torch-cuda:108x2048", "torch-cuda:108x2048"}};
    static const char *const bad[] = {
        "cuda", "torch-cuda:", "torch-cuda:0x2048", "torch-cuda:84x100", "torch-cuda:84x1536x", ""};
    ss_error err = {0};
    torch_device d;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        text words = {0};
        assert_int_equal(torch_device_read(&d, good[i].name, NULL, &err), SS_OK);
        torch_device_add_words(&d, &words);
        assert_string_equal(words.s, good[i].words);
        text_free(&words);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(torch_device_read(&d, bad[i], NULL, &err), SS_ERR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_randn),       cmocka_unit_test(test_seed_halves),
                                       cmocka_unit_test(test_goes_on),     cmocka_unit_test(test_cuda_published),
                                       cmocka_unit_test(test_cuda_rounds), cmocka_unit_test(test_device_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
