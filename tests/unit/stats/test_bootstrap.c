/* BCa against SciPy from the same index matrix; streams; degenerate samples. */
#include "near.h"
#include <stdlib.h>
#include <string.h>
#include "stats/bootstrap.h"
#include "stats/summary.h"

static ss_error err;

/* The generator's class Congruential. */
static void fill_indices(uint64_t seed, int n, int32_t *index, int count) {
    for (int i = 0; i < count; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        index[i] = (int32_t)((seed >> 33) % (uint64_t)n);
    }
}

static void test_scipy(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(bca_rows); i++) {
        const struct bca_row *r = &bca_rows[i];
        int sample = (int)r->sample, n = (int)paired_rows[sample].n, resamples = (int)r->resamples;
        int32_t *index = malloc((size_t)n * (size_t)resamples * sizeof *index);
        double *means = malloc((size_t)resamples * sizeof *means);
        assert_non_null(index);
        assert_non_null(means);
        fill_indices((uint64_t)sample + 1, n, index, n * resamples);
        assert_int_equal(stats_bootstrap_means_indexed(samples[sample], n, index, resamples, means, &err), SS_OK);
        stats_interval b = stats_bca(samples[sample], n, 0, means, resamples, r->level);
        assert_figure(b.low, r->low, 1e-10);
        assert_figure(b.high, r->high, 1e-10);
        free(index);
        free(means);
    }
}

/* Acceleration as the definition has it, n means without one prompt each, must move the interval as BCa's does: the
 * mirrored sample has the mirrored interval, and a skewed one is not symmetric about its mean. */
static void test_skew(void **state) {
    (void)state;
    enum { N = 30, RESAMPLES = 4000 };
    double mirrored[N], means[RESAMPLES], other[RESAMPLES];
    const double *d = samples[4];
    for (int i = 0; i < N; i++) mirrored[i] = -d[i];
    assert_int_equal(stats_bootstrap_means(d, N, 3, RESAMPLES, means, &err), SS_OK);
    assert_int_equal(stats_bootstrap_means(mirrored, N, 3, RESAMPLES, other, &err), SS_OK);
    stats_interval b = stats_bca(d, N, 0, means, RESAMPLES, 0.95),
                   m = stats_bca(mirrored, N, 0, other, RESAMPLES, 0.95);
    assert_figure(m.low, -b.high.value, 1e-12);
    assert_figure(m.high, -b.low.value, 1e-12);
    double mean = stats_sum(d, N) / N;
    assert_true(b.high.value - mean > 1.05 * (mean - b.low.value));
}

/* A mean is a statistic too: from its leave-one-out values the interval is the same. */
static void test_statistic(void **state) {
    (void)state;
    enum { N = 30, RESAMPLES = 2000 };
    double left_out[N], means[RESAMPLES], same[RESAMPLES];
    const double *d = samples[4];
    double sum = stats_sum(d, N);
    for (int i = 0; i < N; i++) left_out[i] = (sum - d[i]) / (N - 1);
    assert_int_equal(stats_bootstrap_means(d, N, 3, RESAMPLES, means, &err), SS_OK);
    memcpy(same, means, sizeof same);
    stats_interval b = stats_bca(d, N, 0, means, RESAMPLES, 0.95);
    stats_interval s = stats_bca_statistic(sum / N, left_out, N, 0, same, RESAMPLES, 0.95);
    assert_figure(s.low, b.low.value, 1e-12);
    assert_figure(s.high, b.high.value, 1e-12);
    assert_state(stats_bca_statistic(sum / N, left_out, 1, 0, same, RESAMPLES, 0.95).low, STATS_TOO_FEW);
    assert_state(stats_bca_statistic(sum / N, left_out, N, 0, same, 0, 0.95).low, STATS_TOO_FEW);
    assert_state(stats_bca_statistic(sum / N, left_out, N, 1e9, same, RESAMPLES, 0.95).low, STATS_NO_VARIANCE);
}

static void test_streams(void **state) {
    (void)state;
    enum { N = 120, MANY = 500, FEW = 100 };
    double many[MANY], few[FEW], other[FEW];
    assert_int_equal(stats_bootstrap_means(samples[6], N, 9, MANY, many, &err), SS_OK);
    assert_int_equal(stats_bootstrap_means(samples[6], N, 9, FEW, few, &err), SS_OK);
    assert_memory_equal(many, few, sizeof few); /* resample r is the same whatever is drawn beside it */
    assert_int_equal(stats_bootstrap_means(samples[6], N, 10, FEW, other, &err), SS_OK);
    assert_memory_not_equal(other, few, sizeof few);
    /* Their standard deviation is that of a mean: se within 10 %. */
    stats_summary s = stats_summarise(samples[6], N, 0), boot = stats_summarise(many, MANY, 0);
    assert_true(fabs(boot.sd.value / s.se.value - 1) < 0.1);
}

/* Bit for bit what each has alone, whatever stands beside it: 40 means over 30 prompts (more than one bundle), others
 * over other numbers of prompts between them, values that tie, none at all. */
static void test_many(void **state) {
    (void)state;
    enum { MANY = 43, N = 120, RESAMPLES = 300 };
    static double d[MANY][N];
    stats_bca_mean mean[MANY];
    for (int i = 0; i < MANY; i++) {
        int n = i == 5 ? 0 : i == 11 ? 1 : i % 7 == 6 ? 3 + i : 30;
        for (int j = 0; j < n; j++) d[i][j] = i % 3 == 0 ? (i + j) % 4 == 0 : samples[6][(7 * i + j) % N];
        if (i == 13) memset(d[i], 0, sizeof d[i]);
        mean[i] = (stats_bca_mean){.d = d[i], .n = n};
    }
    assert_int_equal(stats_bca_of_means(mean, MANY, 11, RESAMPLES, 0.9, &err), SS_OK);
    for (int i = 0; i < MANY; i++) {
        stats_interval alone;
        if (i == 5) continue;
        assert_int_equal(stats_bca_of_mean(d[i], mean[i].n, 0, 11, RESAMPLES, 0.9, &alone, &err), SS_OK);
        assert_int_equal(mean[i].interval.low.state, alone.low.state);
        assert_int_equal(mean[i].interval.high.state, alone.high.state);
        assert_true(mean[i].interval.low.value == alone.low.value);
        assert_true(mean[i].interval.high.value == alone.high.value);
    }
    assert_state(mean[5].interval.low, STATS_TOO_FEW);
    assert_state(mean[11].interval.low, STATS_TOO_FEW);
    assert_state(mean[13].interval.high, STATS_NO_VARIANCE);
    assert_state(mean[14].interval.high, STATS_DEFINED);
    assert_int_equal(stats_bca_of_means(mean, 0, 11, RESAMPLES, 0.9, &err), SS_OK);
}

static void test_degenerate(void **state) {
    (void)state;
    const double same[] = {0.3, 0.3, 0.3}, d[] = {1, 2, 4};
    double means[100], above[100];
    assert_int_equal(stats_bootstrap_means(same, 3, 1, 100, means, &err), SS_OK);
    assert_state(stats_bca(same, 3, 0, means, 100, 0.95).low, STATS_NO_VARIANCE);
    assert_state(stats_bca(d, 1, 0, means, 100, 0.95).low, STATS_TOO_FEW);
    for (int i = 0; i < 100; i++) above[i] = 3 + i;
    assert_state(stats_bca(d, 3, 0, above, 100, 0.95).high, STATS_OUT_OF_RANGE);
    assert_state(stats_bca(d, 3, 0, above, 0, 0.95).high, STATS_TOO_FEW);
    assert_int_equal(stats_bootstrap_means(d, 2, 1, 100, means, &err), SS_OK);
    stats_interval b = stats_bca(d, 2, 0, means, 100, 0.95);
    assert_true(b.low.value == 1 && b.high.value == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scipy),   cmocka_unit_test(test_skew), cmocka_unit_test(test_statistic),
        cmocka_unit_test(test_streams), cmocka_unit_test(test_many), cmocka_unit_test(test_degenerate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
