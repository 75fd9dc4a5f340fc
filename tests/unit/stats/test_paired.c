/* Paired tests against SciPy and statsmodels, against full enumeration, and on degenerate samples. */
#include "near.h"
#include "base/philox.h"
#include "stats/paired.h"
#include "stats/power.h"

static ss_error err;

static void test_t(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(paired_rows); i++) {
        const struct paired_row *r = &paired_rows[i];
        stats_summary s = stats_summarise(samples[i], (int)r->n, 0);
        stats_t_result t = stats_paired_t(&s, 0.95);
        assert_figure(t.t, r->t, 1e-10);
        assert_figure(t.df, r->n - 1, 0);
        assert_figure(t.p, r->t_p, 1e-10);
        assert_figure(t.interval.low, r->t_low, 1e-10);
        assert_figure(t.interval.high, r->t_high, 1e-10);
    }
}

static void test_margins(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(paired_rows); i++) {
        const struct paired_row *r = &paired_rows[i];
        stats_summary s = stats_summarise(samples[i], (int)r->n, 0), mirrored = s;
        assert_figure(stats_tost(&s, r->margin), r->tost_p, 1e-10);
        assert_figure(stats_noninferiority(&s, r->margin, 1), r->worse_p, 1e-10);
        mirrored.mean.value = -s.mean.value;
        assert_figure(stats_noninferiority(&mirrored, r->margin, -1), r->worse_p, 1e-10);
        assert_figure(stats_tost(&mirrored, r->margin), r->tost_p, 1e-10);
        assert_state(stats_noninferiority(&s, r->margin, 0), STATS_NOT_ASKED);
    }
}

static void test_wilcoxon(void **state) {
    (void)state;
    int exact = 0;
    for (int i = 0; i < COUNT_OF(paired_rows); i++) {
        const struct paired_row *r = &paired_rows[i];
        stats_wilcoxon_result w;
        assert_int_equal(stats_wilcoxon(samples[i], (int)r->n, 0, STATS_ZEROS_DROP, 0, &w, &err), SS_OK);
        assert_int_equal(w.method, STATS_METHOD_NORMAL);
        assert_figure(w.w, r->w, 0);
        assert_figure(w.p, r->w_normal_p, 1e-10);
        assert_int_equal(stats_wilcoxon(samples[i], (int)r->n, 0, STATS_ZEROS_PRATT, 0, &w, &err), SS_OK);
        assert_figure(w.w, r->pratt_w, 0);
        assert_figure(w.p, r->pratt_p, 1e-10);
        if (r->w_exact_p < 0) continue;
        assert_int_equal(stats_wilcoxon(samples[i], (int)r->n, 0, STATS_ZEROS_DROP, 50, &w, &err), SS_OK);
        assert_int_equal(w.method, STATS_METHOD_EXACT);
        assert_figure(w.p, r->w_exact_p, 1e-10);
        exact++;
    }
    assert_true(exact >= 5);
}

/* The two-sided p over all 2^n assignments of signs to the nonzero differences' mid-ranks. */
static double enumerate_wilcoxon(const double *d, int n, stats_zeros zeros) {
    double rank[16], sum = 0, observed = 0;
    int used = 0;
    for (int i = 0; i < n; i++) {
        if (d[i] == 0) continue;
        double below = 0, equal = 0;
        for (int j = 0; j < n; j++) {
            if (d[j] == 0 && zeros == STATS_ZEROS_DROP) continue;
            below += fabs(d[j]) < fabs(d[i]);
            equal += fabs(d[j]) == fabs(d[i]);
        }
        rank[used] = below + (equal + 1) / 2;
        sum += rank[used];
        if (d[i] > 0) observed += rank[used];
        used++;
    }
    int extreme = 0;
    for (int pattern = 0; pattern < 1 << used; pattern++) {
        double w = 0;
        for (int i = 0; i < used; i++)
            if (pattern >> i & 1) w += rank[i];
        extreme += fabs(w - sum / 2) >= fabs(observed - sum / 2); /* halves of whole numbers: exact */
    }
    return (double)extreme / (1 << used);
}

static void test_wilcoxon_enumerated(void **state) {
    (void)state;
    philox stream;
    philox_init(&stream, 4, NULL, 0);
    for (int n = 1; n <= 13; n++)
        for (int trial = 0; trial < 12; trial++) {
            double d[16];
            int nonzero = 0;
            for (int i = 0; i < n; i++) {
                d[i] = (double)philox_below(&stream, 9) - 3; /* few values: ties and zeros abound */
                nonzero += d[i] != 0;
            }
            for (int zeros = 0; zeros < 2 && nonzero; zeros++) {
                stats_wilcoxon_result w;
                assert_int_equal(stats_wilcoxon(d, n, 0, (stats_zeros)zeros, 50, &w, &err), SS_OK);
                assert_int_equal(w.method, STATS_METHOD_EXACT);
                assert_int_equal(w.used, nonzero);
                assert_figure(w.p, enumerate_wilcoxon(d, n, (stats_zeros)zeros), 1e-13);
            }
        }
}

static void test_wilcoxon_exact_limit(void **state) {
    (void)state;
    double d[60];
    stats_wilcoxon_result w;
    for (int i = 0; i < 60; i++) d[i] = i < 9 ? 0 : i - 30.5;
    assert_int_equal(stats_wilcoxon(d, 59, 0, STATS_ZEROS_DROP, 50, &w, &err), SS_OK);
    assert_int_equal(w.used, 50); /* n counts what is not zero */
    assert_int_equal(w.method, STATS_METHOD_EXACT);
    double exact = w.p.value;
    assert_int_equal(stats_wilcoxon(d, 59, 0, STATS_ZEROS_DROP, 49, &w, &err), SS_OK);
    assert_int_equal(w.method, STATS_METHOD_NORMAL);
    assert_true(w.p.value != exact && fabs(w.p.value / exact - 1) < 0.05);
    assert_int_equal(stats_wilcoxon(d, 60, 0, STATS_ZEROS_DROP, 50, &w, &err), SS_OK);
    assert_int_equal(w.method, STATS_METHOD_NORMAL);
}

static void test_sign_flip_exact(void **state) {
    (void)state;
    stats_sign_flip_result f;
    for (int i = 0; i < COUNT_OF(flip_rows); i++) {
        int sample = (int)flip_rows[i].sample;
        assert_int_equal(stats_sign_flip(samples[sample], (int)paired_rows[sample].n, 1, 20, 99, &f, &err), SS_OK);
        assert_int_equal(f.method, STATS_METHOD_EXACT);
        assert_figure(f.p, flip_rows[i].p, 1e-12);
    }
    /* All alike: only the two constant patterns reach the sum. Across a byte of signs, and with zeros beside. */
    for (int n = 1; n <= 18; n++) {
        double d[20] = {0};
        for (int i = 0; i < n; i++) d[i] = 0.1;
        assert_int_equal(stats_sign_flip(d, 20, 1, 20, 99, &f, &err), SS_OK);
        assert_figure(f.p, ldexp(2, -n), 0);
    }
}

static void test_sign_flip_sampled(void **state) {
    (void)state;
    /* 12 prompts: sampled p within four standard errors of the exact one, and the same at every call. */
    const double *d = samples[2];
    stats_sign_flip_result exact, sampled, again;
    int draws = 99999;
    assert_int_equal(stats_sign_flip(d, 12, 5, 20, draws, &exact, &err), SS_OK);
    assert_int_equal(stats_sign_flip(d, 12, 5, 0, draws, &sampled, &err), SS_OK);
    assert_int_equal(sampled.method, STATS_METHOD_SAMPLED);
    double p = exact.p.value;
    assert_true(fabs(sampled.p.value - p) < 4 * sqrt(p * (1 - p) / draws) + 1.0 / draws);
    assert_int_equal(stats_sign_flip(d, 12, 5, 0, draws, &again, &err), SS_OK);
    assert_true(again.p.value == sampled.p.value);
    assert_int_equal(stats_sign_flip(d, 12, 6, 0, draws, &again, &err), SS_OK);
    assert_true(again.p.value != sampled.p.value);
    /* p is (b + 1) / (B + 1), never 0: 40 equal differences are not reached by 999 draws. */
    double same[40];
    for (int i = 0; i < 40; i++) same[i] = -2.5;
    assert_int_equal(stats_sign_flip(same, 40, 5, 20, 999, &again, &err), SS_OK);
    assert_figure(again.p, 1.0 / 1000, 0);
}

static void test_power(void **state) {
    (void)state;
    for (int i = 0; i < COUNT_OF(power_rows); i++) {
        const struct power_row *r = &power_rows[i];
        assert_near(stats_t_power(r->d_z, (int)r->n, r->alpha), r->power, 1e-10);
        assert_figure(stats_detectable_effect((int)r->n, r->alpha, 0.8), r->detectable, 1e-6);
        double found = stats_detectable_effect((int)r->n, r->alpha, 0.8).value;
        assert_near(stats_t_power(found, (int)r->n, r->alpha), 0.8, 1e-12);
    }
    assert_near(stats_t_power(0, 20, 0.05), 0.05, 1e-11); /* both tails */
    assert_state(stats_detectable_effect(1, 0.05, 0.8), STATS_TOO_FEW);
    assert_state(stats_detectable_effect(2, 0.05, 0.8), STATS_DEFINED);
    assert_state(stats_detectable_effect(2, 0.001, 0.8), STATS_OUT_OF_RANGE);
}

static void test_degenerate(void **state) {
    (void)state;
    const double same[] = {0.5, 0.5, 0.5}, zeros[] = {0, 0, 0}, one[] = {0.5};
    stats_wilcoxon_result w;
    stats_sign_flip_result f;
    stats_summary s = stats_summarise(same, 3, 0);
    stats_t_result t = stats_paired_t(&s, 0.95);
    assert_state(t.t, STATS_NO_VARIANCE);
    assert_state(t.p, STATS_NO_VARIANCE);
    assert_state(t.interval.low, STATS_NO_VARIANCE);
    assert_state(stats_tost(&s, 1), STATS_NO_VARIANCE);
    assert_state(stats_noninferiority(&s, 1, 1), STATS_NO_VARIANCE);
    s = stats_summarise(one, 1, 0);
    t = stats_paired_t(&s, 0.95);
    assert_state(t.p, STATS_TOO_FEW);

    assert_int_equal(stats_wilcoxon(zeros, 3, 0, STATS_ZEROS_DROP, 50, &w, &err), SS_OK);
    assert_state(w.p, STATS_ALL_ZERO);
    assert_int_equal(stats_wilcoxon(zeros, 3, 0, STATS_ZEROS_PRATT, 50, &w, &err), SS_OK);
    assert_state(w.p, STATS_ALL_ZERO);
    assert_int_equal(stats_wilcoxon(zeros, 0, 0, STATS_ZEROS_DROP, 50, &w, &err), SS_OK);
    assert_state(w.p, STATS_TOO_FEW);
    assert_int_equal(stats_wilcoxon(one, 1, 0, STATS_ZEROS_DROP, 50, &w, &err), SS_OK);
    assert_figure(w.p, 1, 0);
    assert_int_equal(stats_wilcoxon(same, 3, 0, STATS_ZEROS_DROP, 50, &w, &err), SS_OK);
    assert_figure(w.p, 0.25, 0);

    assert_int_equal(stats_sign_flip(zeros, 0, 1, 20, 99, &f, &err), SS_OK);
    assert_state(f.p, STATS_TOO_FEW);
    assert_int_equal(stats_sign_flip(zeros, 3, 1, 20, 99, &f, &err), SS_OK);
    assert_figure(f.p, 1, 0);
    assert_int_equal(stats_sign_flip(one, 1, 1, 20, 99, &f, &err), SS_OK);
    assert_figure(f.p, 1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t),
        cmocka_unit_test(test_margins),
        cmocka_unit_test(test_wilcoxon),
        cmocka_unit_test(test_wilcoxon_enumerated),
        cmocka_unit_test(test_wilcoxon_exact_limit),
        cmocka_unit_test(test_sign_flip_exact),
        cmocka_unit_test(test_sign_flip_sampled),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_degenerate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
