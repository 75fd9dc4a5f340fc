/* Resampling of prompts against the definition (every pair of positions of a resample, prompts apart), against
 * torch-fidelity's U-statistic, and what the header promises: 0 for a condition that changes nothing, the indices of
 * stats/bootstrap.h, threads, coverage, errors. */
#include "made_features.h"
#include "stats/bootstrap.h"
#include "stats/distances.h"
#include "stats/kernel_resample.h"

static ss_error err;

static stats_mmd_resampled resample(const stats_features *x, const int64_t *prompt1, const stats_features *y,
                                    const int64_t *prompt2, const stats_kernel *kernel, int resamples, int threads) {
    stats_mmd_resampled r;
    assert_int_equal(stats_mmd_resample(x, prompt1, y, prompt2, kernel, 99, resamples, threads, &r, &err), SS_OK);
    return r;
}

static int64_t *numbered(int n, int prompts) {
    int64_t *p = malloc((size_t)n * sizeof *p);
    assert_non_null(p);
    for (int i = 0; i < n; i++) p[i] = i % prompts;
    return p;
}

/* One image a prompt. */
static void test_u_statistic(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(kernel_large); i++) {
        const struct kernel_large_row *r = &kernel_large[i];
        int n = (int)r->n;
        stats_features x = made_features((int)r->kind1, (uint64_t)i + 1, n, (int)r->d);
        stats_features y = made_features((int)r->kind2, (uint64_t)i + 101, n, (int)r->d);
        int64_t *prompt = numbered(n, n);
        stats_mmd_resampled m = resample(&x, prompt, &y, prompt, &stats_kernel_kid, 1, 1);
        assert_near(m.estimate, r->u_statistic, 1e-9);
        assert_int_equal(m.prompts, n);
        stats_mmd_resampled_free(&m);
        free(prompt);
        free_features(&x);
        free_features(&y);
    }
}

/* ---- the definition ---- */

static double kernel_of(const stats_features *a, int i, const stats_features *b, int j, int gaussian) {
    double inner = 0, aa = 0, bb = 0;
    for (int k = 0; k < a->d; k++) {
        double p = stats_feature(a, i, k), q = stats_feature(b, j, k);
        inner += p * q;
        aa += p * p;
        bb += q * q;
    }
    return gaussian ? exp(-(2 - 2 * inner / sqrt(aa * bb)) / 200) : pow(inner / (double)a->d + 1, 3);
}

/* Mean over images of the prompts at all pairs of positions of `drawn` that hold different prompts. */
static double mean_over(const stats_features *a, const int64_t *prompt1, const stats_features *b,
                        const int64_t *prompt2, const int64_t *drawn, int positions, int gaussian) {
    double sum = 0, pairs = 0;
    for (int p = 0; p < positions; p++)
        for (int q = 0; q < positions; q++) {
            if (drawn[p] == drawn[q]) continue;
            for (int i = 0; i < a->n; i++)
                for (int j = 0; j < b->n; j++)
                    if (prompt1[i] == drawn[p] && prompt2[j] == drawn[q]) {
                        sum += kernel_of(a, i, b, j, gaussian);
                        pairs++;
                    }
        }
    return sum / pairs;
}

static double defined(const stats_features *x, const int64_t *prompt1, const stats_features *y, const int64_t *prompt2,
                      const int64_t *drawn, int positions, int gaussian) {
    return (gaussian ? 1000 : 1) * (mean_over(x, prompt1, x, prompt1, drawn, positions, gaussian) +
                                    mean_over(y, prompt2, y, prompt2, drawn, positions, gaussian) -
                                    2 * mean_over(x, prompt1, y, prompt2, drawn, positions, gaussian));
}

/* Labels out of order, prompts of unequal numbers of images, other numbers in the second set. */
enum { N1 = 11, N2 = 8, PROMPTS = 4, RESAMPLES = 40 };
static const int64_t PROMPT1[N1] = {70, -3, 12, 70, 5, 12, 12, 5, 70, 70, -3},
                     PROMPT2[N2] = {5, 12, 70, -3, 5, 5, 12, 70};
static const int64_t LABEL[PROMPTS] = {-3, 5, 12, 70};

static void test_definition(void **state) {
    (void)state;
    stats_features x = made_features(FULL, 1, N1, 5), y = made_features(POSITIVE, 2, N2, 5);
    for (int gaussian = 0; gaussian < 2; gaussian++) {
        const stats_kernel *kernel = gaussian ? &stats_kernel_cmmd : &stats_kernel_kid;
        stats_mmd_resampled m = resample(&x, PROMPT1, &y, PROMPT2, kernel, RESAMPLES, 1);
        assert_true(m.prompts == PROMPTS && m.resamples == RESAMPLES);
        assert_near(m.estimate, defined(&x, PROMPT1, &y, PROMPT2, LABEL, PROMPTS, gaussian), 1e-9);
        for (int g = 0; g < PROMPTS; g++) {
            int64_t rest[PROMPTS - 1];
            for (int h = 0, at = 0; h < PROMPTS; h++)
                if (h != g) rest[at++] = LABEL[h];
            assert_near(m.leave_one_out[g], defined(&x, PROMPT1, &y, PROMPT2, rest, PROMPTS - 1, gaussian), 1e-9);
        }
        int again = 0;
        for (int r = 0; r < RESAMPLES; r++) {
            int64_t drawn[PROMPTS];
            philox stream;
            stats_bootstrap_stream(99, r, &stream);
            for (int different = 0; !different;) {
                for (int i = 0; i < PROMPTS; i++) drawn[i] = LABEL[philox_below(&stream, PROMPTS)];
                for (int i = 1; i < PROMPTS; i++) different = different || drawn[i] != drawn[0];
                again += !different;
            }
            assert_near(m.replicates[r], defined(&x, PROMPT1, &y, PROMPT2, drawn, PROMPTS, gaussian), 1e-9);
        }
        assert_true(again > 0); /* 1 in 64 resamples is of one prompt: the rule was at work */
        stats_mmd_resampled_free(&m);
    }
    free_features(&x);
    free_features(&y);
}

/* The same draws as the bootstrap of a mean, number by number. */
static void test_indices(void **state) {
    (void)state;
    enum { N = 9, R = 20 };
    double d[N], means[R];
    for (int i = 0; i < N; i++) d[i] = i * i;
    assert_int_equal(stats_bootstrap_means(d, N, 99, R, means, &err), SS_OK);
    for (int r = 0; r < R; r++) {
        philox stream;
        double sum = 0;
        stats_bootstrap_stream(99, r, &stream);
        for (int i = 0; i < N; i++) sum += d[philox_below(&stream, N)];
        assert_near(means[r], sum / N, 1e-14);
    }
}

static void test_no_change(void **state) {
    (void)state;
    stats_features x = made_features(FULL, 3, 260, 7), y = shuffled(&x);
    int64_t *prompt = numbered(260, 130), *moved = numbered(260, 130);
    for (int i = 0; i < 260; i++) moved[(7 * i + 3) % 260] = prompt[i];
    for (int gaussian = 0; gaussian < 2; gaussian++) {
        stats_mmd_resampled m =
            resample(&x, prompt, &y, moved, gaussian ? &stats_kernel_cmmd : &stats_kernel_kid, 50, 1);
        assert_true(fabs(m.estimate) < 1e-12);
        for (int r = 0; r < 50; r++) assert_true(fabs(m.replicates[r]) < 1e-12);
        assert_state(stats_mmd_interval(&m, 0.95).low, STATS_NO_VARIANCE); /* of rounding nothing is said */
        stats_mmd_resampled_free(&m);
    }
    free(prompt);
    free(moved);
    free_features(&x);
    free_features(&y);
}

static void test_threads(void **state) {
    (void)state;
    stats_features x = made_features(FULL, 4, 400, 9), y = made_features(POSITIVE, 5, 300, 9);
    int64_t *prompt = numbered(400, 100);
    stats_mmd_resampled one = resample(&x, prompt, &y, prompt, &stats_kernel_cmmd, 500, 1);
    for (int threads = 2; threads <= 4; threads++) {
        stats_mmd_resampled many = resample(&x, prompt, &y, prompt, &stats_kernel_cmmd, 500, threads);
        assert_memory_equal(&many.estimate, &one.estimate, sizeof one.estimate);
        assert_memory_equal(many.replicates, one.replicates, 500 * sizeof(double));
        assert_memory_equal(many.leave_one_out, one.leave_one_out, 100 * sizeof(double));
        stats_mmd_resampled_free(&many);
    }
    stats_mmd_resampled_free(&one);
    free(prompt);
    free_features(&x);
    free_features(&y);
}

/* A condition that moves every image by the same amount: MMD^2 of the two distributions is known from a large sample,
 * and 95 % intervals of small ones hold it about that often (150 studies: 4 standard errors are 7 %). */
static void test_coverage(void **state) {
    (void)state;
    enum { PROMPT_COUNT = 40, D = 4, STUDIES = 150, LARGE = 6000 };
    stats_features x = made_features(FULL, 6, LARGE, D), y = made_features(FULL, 7, LARGE, D);
    for (int i = 0; i < LARGE * D; i++) cells(&y)[i] += 0.4;
    stats_mmd truth;
    assert_int_equal(stats_mmd_compute(&x, &y, &stats_kernel_kid, STATS_MMD_UNBIASED, 2, &truth, &err), SS_OK);
    free_features(&x);
    free_features(&y);
    int held = 0;
    int64_t *prompt = numbered(PROMPT_COUNT, PROMPT_COUNT);
    for (int s = 0; s < STUDIES; s++) {
        stats_features a = made_features(FULL, (uint64_t)(100 + s), PROMPT_COUNT, D), b = shuffled(&a);
        for (int i = 0; i < PROMPT_COUNT * D; i++) cells(&b)[i] = a.f64[i] + 0.4;
        stats_mmd_resampled m = resample(&a, prompt, &b, prompt, &stats_kernel_kid, 1000, 1);
        stats_interval interval = stats_mmd_interval(&m, 0.95);
        assert_int_equal(interval.low.state, STATS_DEFINED);
        assert_true(interval.low.value < m.estimate && m.estimate < interval.high.value);
        held += interval.low.value <= truth.value && truth.value <= interval.high.value;
        stats_mmd_resampled_free(&m);
        free_features(&a);
        free_features(&b);
    }
    free(prompt);
    print_message("coverage of a 95 %% interval, 40 prompts: %d of %d\n", held, STUDIES);
    assert_true(held >= 0.88 * STUDIES && held <= STUDIES);
}

static void test_no_variance(void **state) {
    (void)state;
    static const int64_t PROMPT[] = {1, 2, 3, 4, 5, 6};
    stats_features x = made_features(POINT, 8, 6, 3), y = made_features(POINT, 9, 6, 3);
    stats_mmd_resampled m = resample(&x, PROMPT, &y, PROMPT, &stats_kernel_kid, 100, 1);
    assert_true(m.estimate == 0);
    assert_state(stats_mmd_interval(&m, 0.95).low, STATS_NO_VARIANCE);
    stats_mmd_resampled_free(&m);
    free_features(&x);
    free_features(&y);
}

static void assert_error(ss_status status, const char *where, const char *message) {
    assert_int_equal(status, SS_ERR_INPUT);
    assert_int_equal(err.code, SS_ERR_INPUT);
    assert_string_equal(err.where, where);
    assert_string_equal(err.message, message);
}

static void test_errors(void **state) {
    (void)state;
    static const int64_t THREE[] = {1, 2, 3}, OTHER[] = {1, 2, 4}, FEWER[] = {1, 2, 2}, ONE[] = {7, 7, 7};
    stats_features x = made_features(FULL, 1, 3, 2), one = {.n = 1, .d = 2, .f64 = x.f64};
    stats_mmd_resampled m;
    const stats_kernel *kid = &stats_kernel_kid;
    assert_error(stats_mmd_resample(&x, THREE, &x, OTHER, kid, 1, 10, 1, &m, &err), "second set",
                 "has no row of prompt 3, which the first set has");
    assert_error(stats_mmd_resample(&x, FEWER, &x, THREE, kid, 1, 10, 1, &m, &err), "first set",
                 "has no row of prompt 3, which the second set has");
    assert_error(stats_mmd_resample(&x, FEWER, &x, FEWER, kid, 1, 10, 1, &m, &err), "",
                 "rows of 2 prompts; resampling prompts needs 3 or more");
    assert_error(stats_mmd_resample(&x, ONE, &x, ONE, kid, 1, 10, 1, &m, &err), "",
                 "rows of 1 prompt; resampling prompts needs 3 or more");
    assert_error(stats_mmd_resample(&one, THREE, &x, THREE, kid, 1, 10, 1, &m, &err), "first set",
                 "1 row of features; a distance between distributions needs 2 or more");
    cells(&x)[0] = 1e160;
    assert_error(stats_mmd_resample(&x, THREE, &x, THREE, kid, 1, 10, 1, &m, &err), "",
                 "features are too large: their products are beyond what a double holds");
    free_features(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_u_statistic), cmocka_unit_test(test_definition),
                                       cmocka_unit_test(test_indices),     cmocka_unit_test(test_no_change),
                                       cmocka_unit_test(test_threads),     cmocka_unit_test(test_coverage),
                                       cmocka_unit_test(test_no_variance), cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
