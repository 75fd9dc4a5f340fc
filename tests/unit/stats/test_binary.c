/* Binary outcomes against statsmodels and published intervals. */
#include "near.h"
#include "stats/binary.h"

static void test_reference(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(binary_rows); i++) {
        const struct binary_row *r = &binary_rows[i];
        stats_table t = {(int)r->a, (int)r->b, (int)r->c, (int)r->d};
        int n = t.both + t.only_a + t.only_b + t.neither;
        assert_figure(stats_mcnemar(&t), r->mcnemar_p, 1e-10);
        stats_interval newcombe = stats_newcombe(&t, 0.95), wilson = stats_wilson(t.both + t.only_a, n, 0.95);
        assert_figure(newcombe.low, r->low, 1e-10);
        assert_figure(newcombe.high, r->high, 1e-10);
        assert_figure(wilson.low, r->wilson_low, 1e-10);
        assert_figure(wilson.high, r->wilson_high, 1e-10);
    }
}

static void assert_published(int both, int only_a, int only_b, int neither, double low, double high) {
    stats_interval b = stats_newcombe(&(stats_table){both, only_a, only_b, neither}, 0.95);
    assert_true(fabs(b.low.value - low) <= 0.00005);
    assert_true(fabs(b.high.value - high) <= 0.00005);
}

static void test_published(void **state) {
    (void)state;
    /* Newcombe 1998, Stat. Med. 17, 2635-2650, the example of 50 pairs, method 10. */
    assert_published(36, 12, 2, 0, 0.0569, 0.3404);
    /* Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables, 2017, section 8.5: consolidation therapy
     * (Cavo et al. 2012), Newcombe square-and-add. */
    assert_published(59, 6, 16, 80, -0.1186, -0.0046);
}

static void test_degenerate(void **state) {
    (void)state;
    stats_table empty = {0}, agree = {5, 0, 0, 5}, all = {8, 0, 0, 0};
    assert_state(stats_mcnemar(&empty), STATS_TOO_FEW);
    assert_state(stats_newcombe(&empty, 0.95).low, STATS_TOO_FEW);
    assert_state(stats_wilson(0, 0, 0.95).low, STATS_TOO_FEW);
    assert_figure(stats_mcnemar(&agree), 1, 0);
    stats_interval b = stats_newcombe(&all, 0.95), w = stats_wilson(8, 8, 0.95), none = stats_wilson(0, 8, 0.95);
    assert_true(b.low.value < 0 && b.low.value == -b.high.value);
    assert_true(w.high.value == 1 && w.low.value < 1);
    assert_true(none.low.value == 0 && none.high.value > 0);
    assert_near(none.high.value, 1 - w.low.value, 1e-14);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_degenerate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
