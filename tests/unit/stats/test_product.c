/* Products of rows: every entry has the bits of a plain loop in the documented order, on any number of threads, from
 * single and double precision, centred or not, in tiles or whole. */
#include "made_features.h"
#include "stats/product.c" /* its kernels by name: a machine runs one of them only */

static ss_error err;

enum { N1 = 125, N2 = 243, D = 600 }; /* more than a tile and than a block of terms, and no multiple of either */

static double term(const stats_product_side *s, int64_t row, int64_t k) {
    int64_t feature = s->transposed ? row : k;
    return stats_feature(s->from, s->transposed ? k : row, feature) - (s->mean ? s->mean[feature] : 0);
}

static double plain(const stats_product_side *a, int64_t i, const stats_product_side *b, int64_t j, int64_t terms) {
    double sum = 0;
    for (int64_t k0 = 0; k0 < terms; k0 += STATS_PRODUCT_DEPTH) {
        double block = 0;
        for (int64_t k = k0; k < terms && k < k0 + STATS_PRODUCT_DEPTH; k++) block += term(a, i, k) * term(b, j, k);
        sum += block;
    }
    return sum;
}

static void assert_product(const stats_product_side *a, const stats_product_side *b, int64_t rows, int64_t columns,
                           int64_t terms) {
    double *expected = malloc((size_t)(rows * columns) * sizeof *expected);
    double *actual = malloc((size_t)(rows * columns) * sizeof *actual);
    assert_true(expected && actual);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) expected[i * columns + j] = plain(a, i, b, j, terms);
    for (int threads = 1; threads <= 4; threads++) {
        memset(actual, 0xff, (size_t)(rows * columns) * sizeof *actual);
        assert_int_equal(stats_product(a, b, threads, actual, &err), SS_OK);
        assert_memory_equal(actual, expected, (size_t)(rows * columns) * sizeof *actual);
    }
    free(expected);
    free(actual);
}

static void test_rows(void **state) {
    (void)state;
    stats_features x = made_features(FULL, 1, N1, D), y = made_features(SHIFTED, 2, N2, D);
    stats_product_side a = {&x, NULL, 0}, b = {&y, NULL, 0};
    assert_product(&a, &b, N1, N2, D);
    assert_product(&a, &a, N1, N1, D);
    free_features(&x);
    free_features(&y);
}

static void test_centred_and_transposed(void **state) {
    (void)state;
    enum { FEATURES = 130 };
    stats_features x = made_features(SHIFTED, 3, D, FEATURES);
    double mean[FEATURES];
    stats_features_mean(&x, mean);
    stats_product_side features = {&x, mean, 1}, rows = {&x, mean, 0};
    assert_product(&features, &features, FEATURES, FEATURES, D);
    assert_product(&rows, &rows, D, D, FEATURES);
    free_features(&x);
}

static void test_single_precision(void **state) {
    (void)state;
    stats_features x = made_features(FULL, 4, N1, 40);
    float *narrow = malloc(sizeof *narrow * N1 * 40);
    double *one = malloc(sizeof *one * N1 * N1), *two = malloc(sizeof *two * N1 * N1);
    assert_true(narrow && one && two);
    for (int i = 0; i < N1 * 40; i++) cells(&x)[i] = narrow[i] = (float)x.f64[i];
    stats_features y = {.n = N1, .d = 40, .f32 = narrow};
    stats_product_side a = {&x, NULL, 0}, b = {&y, NULL, 0};
    assert_int_equal(stats_product(&a, &a, 1, one, &err), SS_OK);
    assert_int_equal(stats_product(&b, &b, 1, two, &err), SS_OK);
    assert_memory_equal(one, two, sizeof *one * N1 * N1);
    free_features(&x);
    free(narrow);
    free(one);
    free(two);
}

/* Every instruction set that this machine has gives the bits of the plainest. */
static void test_instruction_sets(void **state) {
    (void)state;
    enum { TERMS = 37 };
    _Alignas(64) static double a[TILE * TERMS], b[TILE * TERMS], expected[TILE * TILE], actual[TILE * TILE];
    for (int i = 0; i < TILE * TERMS; i++) a[i] = sin(i), b[i] = cos(3 * i);
    panels_baseline(TILE, TILE, TERMS, a, b, expected);
    panels_function *others[] = {best_panels(),
#ifdef __x86_64__
                                 __builtin_cpu_supports("avx2") ? panels_avx2 : panels_baseline,
                                 __builtin_cpu_supports("avx512f") ? panels_avx512 : panels_baseline
#endif
    };
    for (int i = 0; i < COUNT_OF(others); i++) {
        memset(actual, 0, sizeof actual);
        others[i](TILE, TILE, TERMS, a, b, actual);
        assert_memory_equal(actual, expected, sizeof actual);
    }
    for (int k = 0; k < TERMS; k++) expected[TILE + 1] -= a[k * HIGH + 1] * b[k * WIDE + 1];
    assert_true(fabs(expected[TILE + 1]) < 1e-13);
}

static void test_mean(void **state) {
    (void)state;
    enum { ROWS = 1000 };
    double x[ROWS], mean;
    for (int i = 0; i < ROWS; i++) x[i] = 1e15 + i % 2; /* sums of these lose the last digits */
    stats_features_mean(&(stats_features){.n = ROWS, .d = 1, .f64 = x}, &mean);
    assert_true(mean == 1e15 + 0.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_centred_and_transposed),
                                       cmocka_unit_test(test_single_precision), cmocka_unit_test(test_instruction_sets),
                                       cmocka_unit_test(test_mean)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
