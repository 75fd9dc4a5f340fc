/* Aggregation over seeds, description, mid-ranks, the calibrated margin. */
#include "near.h"
#include "stats/summary.h"

static ss_error err;

static void test_seeds_first(void **state) {
    (void)state;
    /* Prompt 7 has three seeds, prompt 2 one: the mean of prompts is not the mean of rows. */
    const int64_t prompt[] = {7, 2, 7, 7}, seed[] = {3, 1, 1, 2};
    const double a[] = {1, 10, 2, 6}, b[] = {0, 4, 0, 0};
    stats_prompts p;
    assert_int_equal(stats_aggregate(&(stats_pairs){4, prompt, seed, a, b, NULL, NULL}, &p, &err), SS_OK);
    assert_int_equal(p.n, 2);
    assert_int_equal(p.seeds_min, 1);
    assert_int_equal(p.seeds_max, 3);
    assert_true(p.d[0] == 6 && p.d[1] == 3); /* ascending by label */
    assert_true(p.a[1] == 3 && p.b[1] == 0);
    assert_true(stats_summarise(p.d, p.n, p.resolution).mean.value == 4.5);
    stats_prompts_free(&p);
}

static void test_bad_rows(void **state) {
    (void)state;
    const int64_t prompt[] = {4, 9, 4}, seed[] = {1, 1, 1}, other[] = {1, 1, 2};
    const double a[] = {1, 2, 3}, b[] = {1, 2, NAN};
    stats_prompts p;
    assert_int_equal(stats_aggregate(&(stats_pairs){3, prompt, seed, a, a, NULL, NULL}, &p, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "prompt 4, seed 1 occurs twice; expected one pair for each");
    assert_int_equal(stats_aggregate(&(stats_pairs){3, prompt, other, a, b, NULL, NULL}, &p, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "prompt 4, seed 2: a value is not a finite number"));
    assert_null(p.a);
}

static void test_rounding_is_not_data(void **state) {
    (void)state;
    /* On paper every difference is 0.1; in doubles they differ in the last bits. */
    const int64_t prompt[] = {1, 2, 3, 4}, seed[] = {1, 1, 1, 1};
    const double a[] = {0.3, 0.2, 0.7, 1.1}, b[] = {0.2, 0.1, 0.6, 1.0};
    stats_prompts p;
    assert_int_equal(stats_aggregate(&(stats_pairs){4, prompt, seed, a, b, NULL, NULL}, &p, &err), SS_OK);
    assert_true(p.d[0] != p.d[1]);
    stats_summary s = stats_summarise(p.d, p.n, p.resolution);
    assert_figure(s.mean, 0.1, 1e-14);
    assert_state(s.d_z, STATS_NO_VARIANCE);
    int64_t ranks[4];
    assert_int_equal(stats_doubled_ranks(p.d, 4, p.resolution, ranks, &err), SS_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(ranks[i], 5);
    stats_prompts_free(&p);

    /* 0.1 + 0.2 - 0.3 over seeds is zero, not 5e-17. */
    const int64_t one[] = {1, 1, 1}, seeds[] = {1, 2, 3};
    const double c[] = {0.1, 0.2, 0}, d[] = {0, 0, 0.3};
    assert_int_equal(stats_aggregate(&(stats_pairs){3, one, seeds, c, d, NULL, NULL}, &p, &err), SS_OK);
    assert_true(p.d[0] == 0);
    stats_prompts_free(&p);
}

static void test_sum(void **state) {
    (void)state;
    const double x[] = {1, 1e100, 1, -1e100};
    assert_true(stats_sum(x, 4) == 2);
    assert_true(stats_sum(x, 0) == 0);
}

static void test_description(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(paired_rows); i++) {
        const struct paired_row *r = &paired_rows[i];
        stats_summary s = stats_summarise(samples[i], (int)r->n, 0);
        assert_figure(s.mean, r->mean, 1e-12);
        assert_figure(s.sd, r->sd, 1e-10);
        assert_figure(s.d_z, r->d_z, 1e-10);
        assert_figure(s.se, r->sd / sqrt(r->n), 1e-10);
    }
}

static void test_degenerate(void **state) {
    (void)state;
    const double one[] = {3}, same[] = {2, 2, 2}, huge[] = {1e300, -1e300};
    stats_summary s = stats_summarise(NULL, 0, 0);
    assert_state(s.mean, STATS_TOO_FEW);
    s = stats_summarise(one, 1, 0);
    assert_true(s.mean.value == 3);
    assert_state(s.sd, STATS_TOO_FEW);
    assert_state(s.d_z, STATS_TOO_FEW);
    s = stats_summarise(same, 3, 0);
    assert_true(s.sd.state == STATS_DEFINED && s.sd.value == 0);
    assert_state(s.d_z, STATS_NO_VARIANCE);
    s = stats_summarise(huge, 2, 0);
    assert_state(s.sd, STATS_OUT_OF_RANGE);
    assert_state(s.d_z, STATS_OUT_OF_RANGE);
}

static void test_ranks(void **state) {
    (void)state;
    const double x[] = {3, 1, 2, 1, 1, 3};
    const int64_t expected[] = {11, 4, 8, 4, 4, 11};
    int64_t ranks[6];
    assert_int_equal(stats_doubled_ranks(x, 6, 0, ranks, &err), SS_OK);
    for (int i = 0; i < 6; i++) assert_int_equal(ranks[i], expected[i]);
}

static void test_margin(void **state) {
    (void)state;
    enum { ROWS = COUNT_OF(margin_value) };
    int64_t prompt[ROWS], seed[ROWS];
    double reversed[ROWS];
    stats_figure margin, again;
    for (int i = 0; i < ROWS; i++) prompt[i] = (int64_t)margin_prompt[i], seed[i] = i;
    assert_int_equal(stats_calibrated_margin(prompt, seed, margin_value, ROWS, 0.2, &margin, &err), SS_OK);
    assert_figure(margin, 0.2 * margin_sd, 1e-10);
    for (int i = 0; i < ROWS; i++) {
        prompt[i] = (int64_t)margin_prompt[ROWS - 1 - i];
        seed[i] = ROWS - 1 - i;
        reversed[i] = margin_value[ROWS - 1 - i];
    }
    assert_int_equal(stats_calibrated_margin(prompt, seed, reversed, ROWS, 0.2, &again, &err), SS_OK);
    assert_true(again.value == margin.value);

    const int64_t apart[] = {1, 2, 3}, together[] = {1, 1, 1};
    const double value[] = {1, 2, 3}, same[] = {2, 2, 2};
    assert_int_equal(stats_calibrated_margin(apart, seed, value, 3, 0.2, &margin, &err), SS_OK);
    assert_state(margin, STATS_TOO_FEW);
    assert_int_equal(stats_calibrated_margin(together, seed, same, 3, 0.2, &margin, &err), SS_OK);
    assert_state(margin, STATS_NO_VARIANCE);
    assert_int_equal(stats_calibrated_margin(apart, seed, value, 0, 0.2, &margin, &err), SS_OK);
    assert_state(margin, STATS_TOO_FEW);

    const int64_t pairs[] = {1, 1, 2, 2, 3, 3};
    const double huge[] = {1e154, 2.2e154, 1e154, 2.2e154, 1e154, 2.2e154}; /* squares are finite, their sum is not */
    assert_int_equal(stats_calibrated_margin(pairs, seed, huge, 6, 0.2, &margin, &err), SS_OK);
    assert_state(margin, STATS_OUT_OF_RANGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_first),
        cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_rounding_is_not_data),
        cmocka_unit_test(test_sum),
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_margin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
