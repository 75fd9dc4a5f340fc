/* Distribution functions against SciPy. */
#include "near.h"
#include "stats/distributions.h"

static void test_normal(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(normal_quantiles); i++) {
        assert_near(stats_normal_quantile(normal_quantiles[i].p), normal_quantiles[i].x, 1e-13);
        assert_near(stats_normal_cdf(normal_quantiles[i].x), normal_quantiles[i].p, 1e-11);
    }
}

static void test_t(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(t_uppers); i++)
        assert_near(stats_t_upper(t_uppers[i].t, t_uppers[i].df), t_uppers[i].p, 1e-11);
    for (int i = 0; i < COUNT_OF(t_quantiles); i++)
        assert_near(stats_t_quantile(t_quantiles[i].p, t_quantiles[i].df), t_quantiles[i].t, 1e-12);
    assert_true(stats_t_upper(1e200, 5) == 0);
    /* One degree of freedom is Cauchy; near 0 too, where SciPy 1.17's t.sf is off by 1e-9. */
    assert_near(stats_t_upper(1e-8, 1), 0.5 - atan(1e-8) / acos(-1), 1e-15);
    assert_near(stats_t_upper(1e8, 1), atan(1e-8) / acos(-1), 1e-13);
}

static void test_noncentral_t(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(noncentral_t_uppers); i++) {
        const struct nct_row *r = &noncentral_t_uppers[i];
        assert_near(stats_noncentral_t_upper(r->t, r->df, r->delta), r->p, 1e-10);
    }
    /* At delta = 0 it is Student's t: two roads to one number. */
    assert_near(stats_noncentral_t_upper(2.2, 7, 0), stats_t_upper(2.2, 7), 1e-12);
}

static void test_binomial(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(binomial_cdfs); i++) {
        const struct binomial_row *r = &binomial_cdfs[i];
        assert_near(stats_binomial_cdf((int)r->k, (int)r->n, r->p), r->cdf, 1e-11);
    }
    assert_true(stats_binomial_cdf(-1, 5, 0.5) == 0);
    assert_true(stats_binomial_cdf(5, 5, 0.5) == 1);
}

static void test_incomplete_beta(void **state) {
    (void)state;
    assert_true(stats_incomplete_beta(2, 3, 0, 1) == 0);
    assert_true(stats_incomplete_beta(2, 3, 1, 0) == 1);
    /* I_x(a, 1) = x^a and I_x(1, b) = 1 - y^b. */
    for (int i = 1; i < 20; i++) {
        double x = i / 20.0;
        assert_near(stats_incomplete_beta(17.5, 1, x, 1 - x), pow(x, 17.5), 1e-12);
        assert_near(stats_incomplete_beta(1, 0.5, x, 1 - x), 1 - sqrt(1 - x), 1e-12);
    }
    /* I_1/2(a, a) = 1/2: both branches of log B with Stirling's series, and the one without. */
    for (double a = 1; a < 60; a += 0.5) assert_near(stats_incomplete_beta(a, a, 0.5, 0.5), 0.5, 3e-14);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal),          cmocka_unit_test(test_t),
        cmocka_unit_test(test_noncentral_t),    cmocka_unit_test(test_binomial),
        cmocka_unit_test(test_incomplete_beta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
