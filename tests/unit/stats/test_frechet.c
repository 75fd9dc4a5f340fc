/* The Frechet distance against mpmath (60 digits) and pytorch-fid, both routes to it, invariances, sets of equal
 * images, singular covariances, threads, errors. */
#include "made_features.h"
#include "stats/distances.h"
#include "stats/frechet.h"
#include "stats/lapack.h"

static ss_error err;

static stats_frechet distance_of(const stats_features *x, const stats_features *y, stats_frechet_route route) {
    stats_frechet f;
    assert_int_equal(stats_frechet_features(x, y, route, 1, &f, &err), SS_OK);
    return f;
}

/* Differences are judged by the largest term of the sum: what a double can give. */
static double size_of(const stats_frechet *f) { return f->means + f->trace1 + f->trace2; }

static void test_exact(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(frechet_small); i++) {
        const struct frechet_small_row *r = &frechet_small[i];
        stats_features x = made_features((int)r->kind1, (uint64_t)i + 1, (int)r->n1, (int)r->d);
        stats_features y = made_features((int)r->kind2, (uint64_t)i + 101, (int)r->n2, (int)r->d);
        for (stats_frechet_route route = STATS_FRECHET_AUTO; route <= STATS_FRECHET_COVARIANCE; route++) {
            stats_frechet f = distance_of(&x, &y, route);
            assert_near(f.distance, r->distance, 1e-10);
            assert_near(f.cross, r->cross, 1e-10);
            assert_true(f.n1 == x.n && f.n2 == y.n && f.d == x.d);
        }
        free_features(&x);
        free_features(&y);
    }
}

/* The rows of a set are the factor exactly where they are fewer than features, each set for itself. */
static void test_routes(void **state) {
    (void)state;
    static const struct { int n1, n2, d; } SIZE[] = {{9, 40, 16}, {16, 15, 16}, {130, 260, 125}, {30, 50, 257}};
    for (int i = 0; i < COUNT_OF(SIZE); i++) {
        stats_features x = made_features(FULL, 7, SIZE[i].n1, SIZE[i].d);
        stats_features y = made_features(POSITIVE, 8, SIZE[i].n2, SIZE[i].d);
        stats_frechet f = distance_of(&x, &y, STATS_FRECHET_AUTO);
        assert_int_equal(f.route1, x.n < x.d ? STATS_FRECHET_ROWS : STATS_FRECHET_COVARIANCE);
        assert_int_equal(f.route2, y.n < y.d ? STATS_FRECHET_ROWS : STATS_FRECHET_COVARIANCE);
        stats_frechet rows = distance_of(&x, &y, STATS_FRECHET_ROWS);
        stats_frechet covariance = distance_of(&x, &y, STATS_FRECHET_COVARIANCE);
        assert_int_equal(rows.route1, STATS_FRECHET_ROWS);
        assert_int_equal(covariance.route2, STATS_FRECHET_COVARIANCE);
        assert_near(rows.cross, covariance.cross, 1e-11);
        assert_near(rows.distance, covariance.distance, 1e-10);
        assert_near(f.distance, covariance.distance, 1e-10);
        free_features(&x);
        free_features(&y);
    }
}

static void test_pytorch_fid(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(frechet_large); i++) {
        const struct frechet_large_row *r = &frechet_large[i];
        stats_features x = made_features((int)r->kind1, (uint64_t)i + 1, (int)r->n1, (int)r->d);
        stats_features y = made_features((int)r->kind2, (uint64_t)i + 101, (int)r->n2, (int)r->d);
        assert_near(distance_of(&x, &y, STATS_FRECHET_AUTO).distance, r->pytorch_fid, r->tolerance);
        free_features(&x);
        free_features(&y);
    }
}

/* Moments alone, and the 1e-6 that pytorch-fid adds inside the root where its own fails. */
static void test_gaussians(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(frechet_small); i++) {
        const struct frechet_small_row *r = &frechet_small[i];
        stats_features x = made_features((int)r->kind1, (uint64_t)i + 1, (int)r->n1, (int)r->d);
        stats_features y = made_features((int)r->kind2, (uint64_t)i + 101, (int)r->n2, (int)r->d);
        stats_gaussian a, b;
        stats_frechet f;
        assert_int_equal(stats_gaussian_fit(&x, 1, &a, &err), SS_OK);
        assert_int_equal(stats_gaussian_fit(&y, 2, &b, &err), SS_OK);
        assert_true(a.n == x.n && a.d == x.d);
        assert_int_equal(stats_frechet_gaussians(&a, &b, 0, 1, &f, &err), SS_OK);
        stats_frechet same = distance_of(&x, &y, STATS_FRECHET_COVARIANCE);
        assert_memory_equal(&f.distance, &same.distance, sizeof f.distance);
        assert_int_equal(stats_frechet_gaussians(&a, &b, 1e-6, 1, &f, &err), SS_OK);
        assert_near(f.distance, fmax(0, r->ridged), 1e-10);
        stats_gaussian_free(&a);
        stats_gaussian_free(&b);
        free_features(&x);
        free_features(&y);
    }
}

/* A set against itself, and against its own rows in another order. */
static void test_identical(void **state) {
    (void)state;
    static const int SIZE[][2] = {{40, 8}, {9, 16}, {200, 150}, {150, 200}};
    for (int kind = FULL; kind <= POSITIVE; kind++)
        for (int s = 0; s < COUNT_OF(SIZE); s++) {
            stats_features x = made_features(kind, 21, SIZE[s][0], SIZE[s][1]), y = shuffled(&x);
            for (stats_frechet_route route = STATS_FRECHET_ROWS; route <= STATS_FRECHET_COVARIANCE; route++) {
                stats_frechet f = distance_of(&x, &x, route), g = distance_of(&x, &y, route);
                assert_true(f.distance >= 0 && f.distance <= 1e-12 * size_of(&f));
                assert_true(g.distance >= 0 && g.distance <= 1e-12 * size_of(&g));
            }
            free_features(&x);
            free_features(&y);
        }
}

static void test_invariances(void **state) {
    (void)state;
    enum { N = 60, D = 9 };
    stats_features x = made_features(FULL, 31, N, D), y = made_features(POSITIVE, 32, N + 5, D);
    for (stats_frechet_route route = STATS_FRECHET_ROWS; route <= STATS_FRECHET_COVARIANCE; route++) {
        stats_frechet f = distance_of(&x, &y, route), g = distance_of(&y, &x, route);
        assert_near(g.distance, f.distance, 1e-12);
        stats_features x2 = shuffled(&x), y2 = shuffled(&y);
        assert_near(distance_of(&x2, &y2, route).distance, f.distance, 1e-12);
        for (int i = 0; i < N * D; i++) cells(&x2)[i] = 16 * x2.f64[i]; /* a power of 2: no rounding of its own */
        for (int i = 0; i < (N + 5) * D; i++) cells(&y2)[i] = 16 * y2.f64[i];
        assert_near(distance_of(&x2, &y2, route).distance, 256 * f.distance, 1e-12);
        for (int i = 0; i < N * D; i++) cells(&x2)[i] += 128;
        for (int i = 0; i < (N + 5) * D; i++) cells(&y2)[i] += 128;
        assert_near(distance_of(&x2, &y2, route).distance, 256 * f.distance, 1e-10);
        free_features(&x2);
        free_features(&y2);
    }
    free_features(&x);
    free_features(&y);
}

/* Numbers to check by hand: rows at +-a on a line, S = 2 a^2 n / (2 (n - 1)); means apart by 3. */
static void test_by_hand(void **state) {
    (void)state;
    static const double X[] = {-1, 1}, Y[] = {1, 3, 5};
    stats_features x = {.n = 2, .d = 1, .f64 = X}, y = {.n = 3, .d = 1, .f64 = Y};
    stats_frechet f = distance_of(&x, &y, STATS_FRECHET_COVARIANCE);
    assert_near(f.means, 9, 0);
    assert_near(f.trace1, 2, 1e-15);
    assert_near(f.trace2, 4, 1e-15);
    assert_near(f.cross, sqrt(8), 1e-15);
    assert_near(f.distance, 9 + 6 - 2 * sqrt(8), 1e-15);
    assert_near(distance_of(&x, &y, STATS_FRECHET_ROWS).distance, 9 + 6 - 2 * sqrt(8), 1e-15);
}

static void test_threads(void **state) {
    (void)state;
    static const int SIZE[][3] = {{300, 260, 250}, {130, 150, 400}, {100, 400, 200}};
    for (int s = 0; s < COUNT_OF(SIZE); s++) {
        stats_features x = made_features(POSITIVE, 41, SIZE[s][0], SIZE[s][2]);
        stats_features y = made_features(FULL, 42, SIZE[s][1], SIZE[s][2]);
        stats_frechet one = distance_of(&x, &y, STATS_FRECHET_AUTO), many;
        for (int threads = 2; threads <= 4; threads++) {
            assert_int_equal(stats_frechet_features(&x, &y, STATS_FRECHET_AUTO, threads, &many, &err), SS_OK);
            assert_memory_equal(&many.distance, &one.distance, sizeof one.distance);
            assert_memory_equal(&many.cross, &one.cross, sizeof one.cross);
        }
        free_features(&x);
        free_features(&y);
    }
}

/* What METHOD.md, section 14, says of small sets: two samples of one distribution, ever further apart as they shrink.
 */
static void test_bias(void **state) {
    (void)state;
    double last = INFINITY;
    for (int n = 50; n <= 800; n *= 4) {
        stats_features x = made_features(FULL, 51, n, 32), y = made_features(FULL, 52, n, 32);
        double distance = distance_of(&x, &y, STATS_FRECHET_AUTO).distance;
        assert_true(distance > 0 && distance < last / 3);
        last = distance;
        free_features(&x);
        free_features(&y);
    }
}

/* ---- errors ---- */

static void assert_error(ss_status status, const char *where, const char *message) {
    assert_int_equal(status, SS_ERR_INPUT);
    assert_int_equal(err.code, SS_ERR_INPUT);
    assert_string_equal(err.where, where);
    assert_string_equal(err.message, message);
}

static ss_status try_features(const stats_features *x, const stats_features *y) {
    stats_frechet f;
    return stats_frechet_features(x, y, STATS_FRECHET_AUTO, 1, &f, &err);
}

static void test_errors_of_features(void **state) {
    (void)state;
    double a[] = {1, 2, 3, 4, 5, 6};
    float narrow[] = {1, 2, 3, NAN, 5, 6};
    stats_features good = {.n = 3, .d = 2, .f64 = a}, bad = good;
    bad.n = 1;
    assert_error(try_features(&bad, &good), "first set",
                 "1 row of features; a distance between distributions needs 2 or more");
    bad.n = 0;
    assert_error(try_features(&good, &bad), "second set",
                 "0 rows of features; a distance between distributions needs 2 or more");
    bad = (stats_features){.n = 2, .d = 3, .f64 = a};
    assert_error(try_features(&good, &bad), "second set",
                 "3 features a row where the first set has 2; both must come from the same network");
    bad.d = 0;
    assert_error(try_features(&bad, &good), "first set", "0 features a row; expected 1 to 46340");
    bad.d = 46341;
    assert_error(try_features(&bad, &good), "first set", "46341 features a row; expected 1 to 46340");
    bad = (stats_features){.n = 3, .d = 2, .f32 = narrow};
    assert_error(try_features(&good, &bad), "second set", "feature 1 of row 1 is not a finite number");
    a[4] = INFINITY;
    assert_error(try_features(&good, &good), "first set", "feature 0 of row 2 is not a finite number");
    a[4] = 1e200;
    assert_error(try_features(&good, &good), "first set",
                 "features are too large: their squares are beyond what a double holds");
    stats_frechet f;
    assert_error(stats_frechet_features(&good, &good, STATS_FRECHET_ROWS, 1, &f, &err), "first set",
                 "features are too large: their squares are beyond what a double holds");
}

static ss_status try_gaussians(double *mean, double *covariance, int64_t d) {
    static double zero[2], identity[] = {1, 0, 0, 1};
    stats_gaussian good = {.d = 2, .mean = zero, .covariance = identity};
    stats_gaussian other = {.d = d, .mean = mean, .covariance = covariance};
    stats_frechet f;
    return stats_frechet_gaussians(&good, &other, 0, 1, &f, &err);
}

static void test_errors_of_gaussians(void **state) {
    (void)state;
    double mean[] = {0, 0}, nowhere[] = {0, NAN};
    double good[] = {4, 2, 2, 1}, infinite[] = {1, 0, INFINITY, 1}, crooked[] = {1, 0.5, 0.25, 1};
    double negative[] = {1, 0, 0, -1}, hidden[] = {0, 1, 1, 0}, wide[] = {1, 2, 2, 1};
    assert_int_equal(try_gaussians(mean, good, 2), SS_OK);
    assert_error(try_gaussians(mean, good, 1), "second set",
                 "1 features where the first set has 2; both must come from the same network");
    assert_error(try_gaussians(nowhere, good, 2), "second set", "entry 1 of the mean is not a finite number");
    assert_error(try_gaussians(mean, infinite, 2), "second set",
                 "entry (1, 0) of the covariance is not a finite number");
    assert_error(try_gaussians(mean, crooked, 2), "second set",
                 "entries (1, 0) and (0, 1) of the covariance differ; it must be symmetric");
    static const char *const INDEFINITE = "the covariance is not positive semidefinite";
    assert_error(try_gaussians(mean, negative, 2), "second set", INDEFINITE);
    assert_error(try_gaussians(mean, hidden, 2), "second set", INDEFINITE);
    assert_error(try_gaussians(mean, wide, 2), "second set", INDEFINITE);
    /* Every 2 x 2 minor is in order, the whole is not: eigenvalues 1.9, 1.9 and -0.8. */
    double triple[] = {1, -0.9, -0.9, -0.9, 1, -0.9, -0.9, -0.9, 1}, mean3[3] = {0};
    stats_gaussian g = {.d = 3, .mean = mean3, .covariance = triple};
    stats_frechet f;
    assert_error(stats_frechet_gaussians(&g, &g, 0, 1, &f, &err), "first set", INDEFINITE);
}

/* LAPACK's own handler of wrong arguments would print and end the process with status 0. */
static void test_lapack_handler(void **state) {
    (void)state;
    double none = 0, sum;
    assert_int_equal(lapack_nuclear_norm(&none, 1, 0, &sum, &err), SS_ERR_INTERNAL);
    assert_string_equal(err.message, "singular values of a 1 x 0 matrix: LAPACK's dgesvd gave -6");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact),
                                       cmocka_unit_test(test_routes),
                                       cmocka_unit_test(test_pytorch_fid),
                                       cmocka_unit_test(test_gaussians),
                                       cmocka_unit_test(test_identical),
                                       cmocka_unit_test(test_invariances),
                                       cmocka_unit_test(test_by_hand),
                                       cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_bias),
                                       cmocka_unit_test(test_errors_of_features),
                                       cmocka_unit_test(test_errors_of_gaussians),
                                       cmocka_unit_test(test_lapack_handler)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
