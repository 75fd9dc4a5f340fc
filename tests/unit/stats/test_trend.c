/* Page's test against SciPy (exact tails, and the normal ones through a large n), ties against full enumeration, the
 * slope against least squares, degenerate input. */
#include "near.h"
#include <stdlib.h>
#include "stats/distributions.h"
#include "stats/trend.h"
#include "stats/trend_rows.h"

static const double LEVEL[] = {1, 5, 10, 20, 50};
static ss_error err;

static stats_trend trend_of(const double *x, int n, int k) {
    stats_trend t;
    stats_options o = stats_options_default();
    o.resamples = 2000;
    assert_int_equal(stats_trend_compute(x, n, LEVEL, k, 0, &o, &t, &err), SS_OK);
    return t;
}

static void test_scipy(void **state) {
    (void)state;
    const double *x = trend_values;
    for (int i = 0; i < COUNT_OF(trend_rows); i++) {
        const struct trend_row *r = &trend_rows[i];
        int n = (int)r->n, k = (int)r->k;
        stats_trend t = trend_of(x, n, k);
        assert_figure(t.l, r->l, 0);
        assert_int_equal(t.method, STATS_TREND_EXACT);
        assert_figure(t.p, fmin(1, 2 * fmin(r->p_up, r->p_down)), 1e-10);
        assert_figure(t.slope, r->slope, 1e-10);
        if (n > 1) assert_true(t.slope_low.value < t.slope.value && t.slope.value < t.slope_high.value);
        x += n * k;
    }
}

/* Many prompts: the sample repeated until the exact way is too long; L and its moments add up, so the normal p follows
 * from SciPy's. */
static void test_normal(void **state) {
    (void)state;
    enum { TIMES = 30 };
    const struct trend_row *r = &trend_rows[4];
    const double *x = trend_values;
    for (int i = 0; i < 4; i++) x += (int)(trend_rows[i].n * trend_rows[i].k);
    int n = (int)r->n, k = (int)r->k;
    double *many = malloc(sizeof *many * (size_t)(TIMES * n * k));
    assert_non_null(many);
    for (int i = 0; i < TIMES; i++) memcpy(many + i * n * k, x, sizeof *x * (size_t)(n * k));
    stats_trend t = trend_of(many, TIMES * n, k);
    assert_int_equal(t.method, STATS_TREND_NORMAL);
    double z = -stats_normal_quantile(r->p_normal) * sqrt(TIMES);
    assert_figure(t.p, 2 * stats_normal_cdf(-fabs(z)), 1e-9);
    free(many);
}

/* Two prompts with ties, by hand: all 36 pairs of orders. */
static void test_ties(void **state) {
    (void)state;
    static const double X[] = {1, 1, 2, 3, 1, 1};
    static const int ORDER[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const double RANK[2][3] = {{1.5, 1.5, 3}, {3, 1.5, 1.5}};
    double l = 1.5 + 3 + 9 + 3 + 3 + 4.5;
    int up = 0, down = 0;
    for (int a = 0; a < 6; a++)
        for (int b = 0; b < 6; b++) {
            double sum = 0;
            for (int j = 0; j < 3; j++) sum += (j + 1) * (RANK[0][ORDER[a][j]] + RANK[1][ORDER[b][j]]);
            up += sum >= l;
            down += sum <= l;
        }
    stats_trend t = trend_of(X, 2, 3);
    assert_figure(t.l, l, 0);
    assert_figure(t.p, fmin(1, 2.0 * (up < down ? up : down) / 36), 1e-14);
}

static void test_degenerate(void **state) {
    (void)state;
    static const double SAME[] = {2, 2, 2, 5, 5, 5};
    stats_trend t = trend_of(SAME, 2, 3);
    assert_state(t.p, STATS_NO_VARIANCE);
    assert_figure(t.slope, 0, 0);
    assert_state(t.slope_low, STATS_NO_VARIANCE);
    t = trend_of(SAME, 3, 2);
    assert_state(t.p, STATS_NOT_ASKED);
    assert_int_equal(t.slope.state, STATS_DEFINED);
    t = trend_of(SAME, 0, 3);
    assert_state(t.p, STATS_TOO_FEW);
    assert_state(t.slope, STATS_TOO_FEW);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scipy), cmocka_unit_test(test_normal),
                                       cmocka_unit_test(test_ties), cmocka_unit_test(test_degenerate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
