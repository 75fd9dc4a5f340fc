/* torch_randn against torch.randn: every seed and length of tests/generators/sampler_noise_schedule.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_randn), cmocka_unit_test(test_seed_halves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
