/* Corrections against statsmodels; every path to a verdict. */
#include "near.h"
#include "stats/family.h"

static ss_error err;
enum { N = COUNT_OF(family_rows) };

static void test_reference(void **state) {
    (void)state;
    stats_figure p[N], holm[N], bh[N];
    for (int i = 0; i < N; i++) p[i] = stats_defined(family_rows[i].p);
    assert_int_equal(stats_holm(p, N, holm, &err), SS_OK);
    assert_int_equal(stats_benjamini_hochberg(p, N, bh, &err), SS_OK);
    for (int i = 0; i < N; i++) {
        assert_figure(holm[i], family_rows[i].holm, 1e-10);
        assert_figure(bh[i], family_rows[i].bh, 1e-10);
    }
    assert_int_equal(stats_holm(p, N, p, &err), SS_OK); /* in place */
    for (int i = 0; i < N; i++) assert_true(p[i].value == holm[i].value);
}

static void test_undefined(void **state) {
    (void)state;
    /* Undefined members count in the size of the family and stay undefined; those not asked do not count. */
    stats_figure p[N + 4] = {0}, holm[N + 4], bh[N + 4];
    p[0] = stats_undefined(STATS_NO_VARIANCE);
    for (int i = 0; i < N; i++) p[i + 2] = stats_defined(family_rows[i].p);
    p[N + 3] = stats_undefined(STATS_TOO_FEW);
    assert_int_equal(stats_holm(p, N + 4, holm, &err), SS_OK);
    assert_int_equal(stats_benjamini_hochberg(p, N + 4, bh, &err), SS_OK);
    for (int i = 0; i < N; i++) {
        assert_figure(holm[i + 2], family_undefined_rows[i].holm, 1e-10);
        assert_figure(bh[i + 2], family_undefined_rows[i].bh, 1e-10);
    }
    assert_state(holm[0], STATS_NO_VARIANCE);
    assert_state(bh[N + 3], STATS_TOO_FEW);
    assert_state(holm[1], STATS_NOT_ASKED);
    assert_state(bh[N + 2], STATS_NOT_ASKED);
    assert_int_equal(stats_holm(p, 0, holm, &err), SS_OK);
}

static void test_verdicts(void **state) {
    (void)state;
    stats_figure small = stats_defined(0.01), large = stats_defined(0.3), at = stats_defined(0.05), none = {0},
                 constant = stats_undefined(STATS_NO_VARIANCE);
    static const struct {
        int found, within; /* p of difference, of equivalence: 0 small, 1 large, 2 undefined, 3 not asked, 4 at alpha */
        stats_assay assay;
        stats_verdict verdict;
    } cases[] = {
        {0, 1, STATS_ASSAY_DETECTED, STATS_DIFFERENT},  {0, 0, STATS_ASSAY_DETECTED, STATS_DIFFERENT},
        {0, 0, STATS_ASSAY_MISSED, STATS_DIFFERENT},    {0, 3, STATS_ASSAY_NONE, STATS_DIFFERENT},
        {1, 0, STATS_ASSAY_DETECTED, STATS_EQUIVALENT}, {1, 0, STATS_ASSAY_MISSED, STATS_TOO_BLUNT},
        {1, 1, STATS_ASSAY_MISSED, STATS_TOO_BLUNT},    {1, 0, STATS_ASSAY_NONE, STATS_UNDECIDED},
        {1, 0, STATS_ASSAY_LARGER_N, STATS_UNDECIDED},  {1, 1, STATS_ASSAY_DETECTED, STATS_UNDECIDED},
        {1, 3, STATS_ASSAY_DETECTED, STATS_UNDECIDED},  {1, 2, STATS_ASSAY_DETECTED, STATS_UNDECIDED},
        {2, 2, STATS_ASSAY_DETECTED, STATS_UNDECIDED},  {4, 1, STATS_ASSAY_DETECTED, STATS_UNDECIDED},
        {1, 4, STATS_ASSAY_DETECTED, STATS_UNDECIDED},
    };
    const stats_figure p[] = {small, large, constant, none, at};
    for (int i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(stats_judge(p[cases[i].found], p[cases[i].within], cases[i].assay, 0.05), cases[i].verdict);
    assert_string_equal(stats_verdicts[STATS_DIFFERENT].name, "different");
    assert_string_equal(stats_verdicts[STATS_EQUIVALENT].name, "equivalent");
    assert_string_equal(stats_verdicts[STATS_UNDECIDED].name, "undecided");
    assert_string_equal(stats_verdicts[STATS_TOO_BLUNT].name, "metric too blunt");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
