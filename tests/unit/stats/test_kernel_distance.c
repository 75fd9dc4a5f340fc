/* KID and CMMD against mpmath (60 digits), torch-fidelity, clean-fid and the formula of google-research/cmmd; subsets
 * against the definition; invariances, lack of bias, threads, errors. */
#include "made_features.h"
#include "stats/distances.h"
#include "stats/kernel_distance.h"

static ss_error err;

static double value_of(const stats_features *x, const stats_features *y, const stats_kernel *kernel,
                       stats_mmd_estimator estimator) {
    stats_mmd m;
    assert_int_equal(stats_mmd_compute(x, y, kernel, estimator, 1, &m, &err), SS_OK);
    assert_true(m.n1 == x->n && m.n2 == y->n && m.d == x->d);
    return m.value;
}

static double kid(const stats_features *x, const stats_features *y) {
    return value_of(x, y, &stats_kernel_kid, STATS_MMD_UNBIASED);
}

static double cmmd(const stats_features *x, const stats_features *y) {
    return value_of(x, y, &stats_kernel_cmmd, STATS_MMD_UNBIASED);
}

static void test_exact(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(kernel_small); i++) {
        const struct kernel_small_row *r = &kernel_small[i];
        stats_features x = made_features((int)r->kind1, (uint64_t)i + 1, (int)r->n1, (int)r->d);
        stats_features y = made_features((int)r->kind2, (uint64_t)i + 101, (int)r->n2, (int)r->d);
        assert_near(kid(&x, &y), r->kid, 1e-11);
        assert_near(value_of(&x, &y, &stats_kernel_kid, STATS_MMD_BIASED), r->kid_biased, 1e-11);
        assert_near(cmmd(&x, &y), r->cmmd, 1e-11);
        assert_near(value_of(&x, &y, &stats_kernel_cmmd, STATS_MMD_BIASED), r->cmmd_biased, 1e-11);
        free_features(&x);
        free_features(&y);
    }
}

/* The packages subtract means near 1, which costs them some digits; torch-fidelity and clean-fid differ by as much. */
static void test_packages(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(kernel_large); i++) {
        const struct kernel_large_row *r = &kernel_large[i];
        stats_features x = made_features((int)r->kind1, (uint64_t)i + 1, (int)r->n, (int)r->d);
        stats_features y = made_features((int)r->kind2, (uint64_t)i + 101, (int)r->n, (int)r->d);
        assert_near(kid(&x, &y), r->unbiased, 1e-9);
        assert_near(kid(&x, &y), r->clean_fid, 1e-9);
        assert_near(value_of(&x, &y, &stats_kernel_kid, STATS_MMD_BIASED), r->biased, 1e-9);
        assert_near(value_of(&x, &y, &stats_kernel_cmmd, STATS_MMD_BIASED), r->cmmd, 1e-9);
        free_features(&x);
        free_features(&y);
    }
}

static void test_single_precision(void **state) {
    (void)state;
    enum { N = 20, D = 6 };
    stats_features x = made_features(FULL, 3, N, D), y = made_features(POSITIVE, 4, N, D);
    float narrow[N * D];
    for (int i = 0; i < N * D; i++) cells(&x)[i] = narrow[i] = (float)x.f64[i];
    stats_features single = {.n = N, .d = D, .f32 = narrow};
    assert_true(kid(&x, &y) == kid(&single, &y));
    assert_true(cmmd(&y, &x) == cmmd(&y, &single));
    free_features(&x);
    free_features(&y);
}

/* A set against itself: the biased estimates are 0, the unbiased below it by (mean of k(x, x) - mean of k(x, x')) 2 /
 * n. */
static void test_identical(void **state) {
    (void)state;
    for (int kind = FULL; kind <= POSITIVE; kind++) {
        if (kind == POINT) continue;
        stats_features x = made_features(kind, 11, 130, 20), y = shuffled(&x);
        double size = kind == SHIFTED ? 1e18 : 1; /* that of the cubic kernel's mean */
        assert_true(fabs(value_of(&x, &y, &stats_kernel_kid, STATS_MMD_BIASED)) < 1e-13 * size);
        assert_true(fabs(value_of(&x, &y, &stats_kernel_cmmd, STATS_MMD_BIASED)) < 1e-11);
        if (kind != SHIFTED) assert_true(kid(&x, &y) < 0);
        assert_true(cmmd(&x, &y) < 0);
        free_features(&x);
        free_features(&y);
    }
    stats_features point = made_features(POINT, 11, 13, 5);
    assert_true(fabs(kid(&point, &point)) < 1e-12);
    assert_true(fabs(cmmd(&point, &point)) < 1e-12);
    free_features(&point);
}

static void test_invariances(void **state) {
    (void)state;
    stats_features x = made_features(FULL, 21, 250, 30), y = made_features(POSITIVE, 22, 131, 30);
    double k = kid(&x, &y), c = cmmd(&x, &y);
    assert_near(kid(&y, &x), k, 1e-12);
    assert_near(cmmd(&y, &x), c, 1e-11);
    stats_features x2 = shuffled(&x), y2 = shuffled(&y);
    assert_near(kid(&x2, &y2), k, 1e-12);
    assert_near(cmmd(&x2, &y2), c, 1e-11);
    for (int i = 0; i < 250 * 30; i++) cells(&x2)[i] *= 1 + i / 30; /* CMMD sees directions alone */
    assert_near(cmmd(&x2, &y2), c, 1e-11);
    free_features(&x);
    free_features(&y);
    free_features(&x2);
    free_features(&y2);
}

/* Two samples of one distribution: the mean over many pairs is within 4 of its standard errors of 0, the biased
 * estimates' mean is far above. */
static void test_unbiased(void **state) {
    (void)state;
    enum { PAIRS = 200, N = 10, D = 6 };
    for (int c = 0; c < 2; c++) {
        const stats_kernel *kernel = c ? &stats_kernel_cmmd : &stats_kernel_kid;
        double sum[2] = {0}, square[2] = {0};
        for (int p = 0; p < PAIRS; p++) {
            stats_features x = made_features(POSITIVE, (uint64_t)(1000 + 2 * p), N, D);
            stats_features y = made_features(POSITIVE, (uint64_t)(1001 + 2 * p), N, D);
            for (int e = 0; e < 2; e++) {
                double v = value_of(&x, &y, kernel, e ? STATS_MMD_BIASED : STATS_MMD_UNBIASED);
                sum[e] += v / PAIRS;
                square[e] += v * v / PAIRS;
            }
            free_features(&x);
            free_features(&y);
        }
        for (int e = 0; e < 2; e++) {
            double z = sum[e] / sqrt((square[e] - sum[e] * sum[e]) / PAIRS);
            if (e) assert_true(z > 10);
            else assert_true(fabs(z) < 4);
        }
    }
}

static void test_threads(void **state) {
    (void)state;
    stats_features x = made_features(FULL, 31, 500, 40), y = made_features(POSITIVE, 32, 370, 40);
    for (int c = 0; c < 2; c++) {
        const stats_kernel *kernel = c ? &stats_kernel_cmmd : &stats_kernel_kid;
        stats_mmd one, many;
        stats_mmd_subsets s1, s;
        assert_int_equal(stats_mmd_compute(&x, &y, kernel, STATS_MMD_UNBIASED, 1, &one, &err), SS_OK);
        assert_int_equal(stats_mmd_subsets_compute(&x, &y, kernel, 250, 5, 9, 1, &s1, &err), SS_OK);
        for (int threads = 2; threads <= 4; threads++) {
            assert_int_equal(stats_mmd_compute(&x, &y, kernel, STATS_MMD_UNBIASED, threads, &many, &err), SS_OK);
            assert_memory_equal(&many.value, &one.value, sizeof one.value);
            assert_int_equal(stats_mmd_subsets_compute(&x, &y, kernel, 250, 5, 9, threads, &s, &err), SS_OK);
            assert_memory_equal(&s.mean, &s1.mean, sizeof s.mean);
            assert_memory_equal(&s.sd, &s1.sd, sizeof s.sd);
        }
    }
    free_features(&x);
    free_features(&y);
}

/* ---- subsets ---- */

static stats_features rows_of(const stats_features *f, const int64_t *order, int size) {
    double *x = malloc((size_t)(size * f->d) * sizeof *x);
    assert_non_null(x);
    for (int i = 0; i < size; i++) memcpy(x + i * f->d, f->f64 + order[i] * f->d, (size_t)f->d * sizeof *x);
    return (stats_features){.n = size, .d = f->d, .f64 = x};
}

static void test_subsets(void **state) {
    (void)state;
    enum { N1 = 90, N2 = 70, SIZE = 40, COUNT = 7 };
    stats_features x = made_features(FULL, 41, N1, 12), y = made_features(POSITIVE, 42, N2, 12);
    int64_t order[N1];
    double value[COUNT], mean = 0, square = 0;
    for (int s = 0; s < COUNT; s++) {
        stats_subset_draw(5, s, 0, N1, SIZE, order);
        stats_features a = rows_of(&x, order, SIZE);
        stats_subset_draw(5, s, 1, N2, SIZE, order);
        stats_features b = rows_of(&y, order, SIZE);
        value[s] = kid(&a, &b);
        mean += value[s] / COUNT;
        free_features(&a);
        free_features(&b);
    }
    for (int s = 0; s < COUNT; s++) square += (value[s] - mean) * (value[s] - mean);
    stats_mmd_subsets out;
    assert_int_equal(stats_mmd_subsets_compute(&x, &y, &stats_kernel_kid, SIZE, COUNT, 5, 2, &out, &err), SS_OK);
    assert_near(out.mean, mean, 1e-12);
    assert_near(out.sd, sqrt(square / (COUNT - 1)), 1e-12);
    assert_near(out.se, sqrt(square / (COUNT - 1) / COUNT), 1e-12);
    assert_true(out.n1 == N1 && out.n2 == N2 && out.d == 12 && out.size == SIZE && out.subsets == COUNT);
    assert_int_equal(stats_mmd_subsets_compute(&x, &y, &stats_kernel_kid, SIZE, 1, 5, 1, &out, &err), SS_OK);
    assert_near(out.mean, value[0], 1e-12);
    assert_true(out.sd == 0 && out.se == 0);
    assert_int_equal(stats_mmd_subsets_compute(&x, &x, &stats_kernel_kid, N1, 3, 6, 1, &out, &err), SS_OK);
    assert_near(out.mean, kid(&x, &x), 1e-12); /* a subset of all */
    free_features(&x);
    free_features(&y);
}

/* Subsets are distinct rows, and every row is drawn equally often: chi-square of 9 degrees of freedom below 33.7
 * (p = 1e-4). */
static void test_draw(void **state) {
    (void)state;
    enum { N = 10, SIZE = 3, DRAWS = 3000 };
    int count[N] = {0}, same = 0;
    for (int s = 0; s < DRAWS; s++) {
        int64_t order[N], other[N];
        int seen[N] = {0};
        stats_subset_draw(77, s, 0, N, SIZE, order);
        stats_subset_draw(77, s, 1, N, SIZE, other);
        for (int i = 0; i < SIZE; i++) count[order[i]]++;
        for (int i = 0; i < N; i++) seen[order[i]]++;
        for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
        same += memcmp(order, other, SIZE * sizeof *order) == 0;
    }
    double expected = (double)DRAWS * SIZE / N, chi = 0;
    for (int i = 0; i < N; i++) chi += (count[i] - expected) * (count[i] - expected) / expected;
    assert_true(chi < 33.7);
    assert_true(same < DRAWS / 100); /* 1 in 720 by chance: the sets draw apart */
}

/* ---- errors ---- */

static void assert_error(ss_status status, const char *where, const char *message) {
    assert_int_equal(status, SS_ERR_INPUT);
    assert_int_equal(err.code, SS_ERR_INPUT);
    assert_string_equal(err.where, where);
    assert_string_equal(err.message, message);
}

static void test_errors(void **state) {
    (void)state;
    double a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 2, 0, 0, 5, 6}, c[] = {1e160, 2, 3, 4, 5, 6};
    stats_features good = {.n = 3, .d = 2, .f64 = a}, zero = {.n = 3, .d = 2, .f64 = b};
    stats_features large = {.n = 3, .d = 2, .f64 = c}, one = {.n = 1, .d = 2, .f64 = a};
    stats_mmd m;
    stats_mmd_subsets s;
    assert_error(stats_mmd_compute(&good, &one, &stats_kernel_kid, STATS_MMD_UNBIASED, 1, &m, &err), "second set",
                 "1 row of features; a distance between distributions needs 2 or more");
    assert_error(stats_mmd_compute(&good, &zero, &stats_kernel_cmmd, STATS_MMD_UNBIASED, 1, &m, &err), "second set",
                 "row 1 has length 0; cmmd compares directions");
    assert_int_equal(stats_mmd_compute(&good, &zero, &stats_kernel_kid, STATS_MMD_UNBIASED, 1, &m, &err), SS_OK);
    static const char *const LARGE = "features are too large: their products are beyond what a double holds";
    assert_error(stats_mmd_compute(&large, &large, &stats_kernel_kid, STATS_MMD_UNBIASED, 1, &m, &err), "", LARGE);
    assert_error(stats_mmd_compute(&large, &large, &stats_kernel_cmmd, STATS_MMD_UNBIASED, 1, &m, &err), "", LARGE);
    assert_error(stats_mmd_subsets_compute(&good, &good, &stats_kernel_kid, 4, 10, 1, 1, &s, &err), "",
                 "subsets of 4 rows; expected 2 to 3, the rows of the smaller set");
    assert_error(stats_mmd_subsets_compute(&good, &good, &stats_kernel_kid, 1, 10, 1, 1, &s, &err), "",
                 "subsets of 1 rows; expected 2 to 3, the rows of the smaller set");
    assert_error(stats_mmd_subsets_compute(&good, &good, &stats_kernel_kid, 2, 0, 1, 1, &s, &err), "",
                 "0 subsets; expected 1 or more");
    assert_error(stats_mmd_subsets_compute(&zero, &good, &stats_kernel_cmmd, 2, 1, 1, 1, &s, &err), "first set",
                 "row 1 has length 0; cmmd compares directions");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),     cmocka_unit_test(test_packages),    cmocka_unit_test(test_single_precision),
        cmocka_unit_test(test_identical), cmocka_unit_test(test_invariances), cmocka_unit_test(test_unbiased),
        cmocka_unit_test(test_threads),   cmocka_unit_test(test_subsets),     cmocka_unit_test(test_draw),
        cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
