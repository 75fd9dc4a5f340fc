/* Contrasts with images that failed: ranks and signs beyond every value, bounds of the mean, verdicts that are never
 * 'equivalent'. Expected values are worked out by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/contrast.h"
#include "stats/failed.h"

enum { MOST = 64 };

/* Rows with one seed a prompt unless said; a value of FAIL is an image that failed. */
#define FAIL 1e300

typedef struct table {
    int n;
    int64_t prompt[MOST], seed[MOST];
    double a[MOST], b[MOST], failed_a[MOST], failed_b[MOST];
} table;

static ss_error err;

static void add(table *t, int64_t prompt, int64_t seed, double a, double b) {
    int i = t->n++;
    t->prompt[i] = prompt;
    t->seed[i] = seed;
    t->failed_a[i] = a == FAIL;
    t->failed_b[i] = b == FAIL;
    t->a[i] = a == FAIL ? (double)NAN : a; /* must not be read */
    t->b[i] = b == FAIL ? (double)NAN : b;
}

static stats_contrast compute(const table *t, int better, int worst, double margin) {
    stats_options o = stats_options_default();
    stats_contrast c;
    stats_pairs pairs = {t->n, t->prompt, t->seed, t->a, t->b, t->failed_a, t->failed_b};
    o.better = better;
    o.worst = worst;
    o.margin = margin;
    ss_status status = stats_contrast_compute(&pairs, &o, &c, &err);
    if (status != SS_OK) fail_msg("%s", err.message);
    return c;
}

static void near(stats_figure f, double expected) {
    assert_int_equal(f.state, STATS_DEFINED);
    if (!(fabs(f.value - expected) < 1e-12)) fail_msg("%.17g, expected %.17g", f.value, expected);
}

/* a fails in two of six prompts: differences 0.1, -0.2, 0.3, 0.4 and twice 'below all'. */
static table in_a(void) {
    table t = {0};
    const double a[] = {0.6, 0.3, 0.8, 0.9, FAIL, FAIL}, b[] = {0.5, 0.5, 0.5, 0.5, 0.2, 0.7};
    for (int i = 0; i < 6; i++) add(&t, i, 0, a[i], b[i]);
    return t;
}

static table swapped(const table *from) {
    table t = *from;
    memcpy(t.a, from->b, sizeof t.a);
    memcpy(t.b, from->a, sizeof t.b);
    memcpy(t.failed_a, from->failed_b, sizeof t.a);
    memcpy(t.failed_b, from->failed_a, sizeof t.b);
    return t;
}

static void test_failed_in_a(void **state) {
    (void)state;
    table t = in_a();
    stats_contrast c = compute(&t, 1, 0, 0.5);
    assert_int_equal(c.n, 6);
    assert_int_equal(c.pairs, 6);
    assert_int_equal(c.failed_a, 2);
    assert_int_equal(c.failed_b, 0);
    /* no mean of a, and nothing made from it */
    const stats_figure none[] = {
        c.mean_a,      c.mean, c.sd,     c.se,       c.d_z,        c.ci_low,    c.ci_high,
        c.sign_flip_p, c.t_p,  c.tost_p, c.tost_low, c.detectable, c.mcnemar_p, c.noninferiority_p};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_int_equal(none[i].state, STATS_FAILED);
    near(c.mean_b, (4 * 0.5 + 0.2 + 0.7) / 6);
    /* worst observed of both conditions: 0.2; a - b is then -0.2 + ... */
    near(c.mean_at_most, (0.1 - 0.2 + 0.3 + 0.4 + (0.2 - 0.2) + (0.2 - 0.7)) / 6);
    assert_int_equal(c.mean_at_least.state, STATS_NOT_ASKED);
    /* |d|: 0.1 0.2 0.3 0.4 have ranks 1 to 4, both failed 5.5; the positive sum is 1 + 3 + 4 */
    near(c.wilcoxon_w, 8);
    assert_int_equal(c.wilcoxon_used, 6);
    assert_int_equal(c.primary_test, STATS_PRIMARY_SIGNED_RANK);
    near(stats_primary_p(&c), c.wilcoxon_p.value);
    near(c.sign_p, 1); /* 3 up, 3 down */
    assert_int_equal(stats_direction(&c), -1);
}

/* The same with the conditions exchanged: all signs turn. */
static void test_failed_in_b(void **state) {
    (void)state;
    table t = in_a(), s = swapped(&t);
    stats_contrast c = compute(&t, 1, 0, 0), d = compute(&s, 1, 0, 0);
    assert_int_equal(d.failed_a, 0);
    assert_int_equal(d.failed_b, 2);
    assert_int_equal(d.mean_at_most.state, STATS_NOT_ASKED);
    near(d.mean_at_least, -c.mean_at_most.value);
    near(d.wilcoxon_w, 21 - c.wilcoxon_w.value);
    near(d.wilcoxon_p, c.wilcoxon_p.value);
    assert_int_equal(d.mean_b.state, STATS_FAILED);
    near(d.mean_a, c.mean_b.value);
    assert_int_equal(stats_direction(&d), 1);
}

/* Of a distance the worst is farthest: above every value. */
static void test_distance(void **state) {
    (void)state;
    table t = in_a();
    stats_contrast c = compute(&t, 0, 1, 0);
    near(c.wilcoxon_w, 1 + 3 + 4 + 5.5 + 5.5);
    near(c.mean_at_least, (0.1 - 0.2 + 0.3 + 0.4 + (0.9 - 0.2) + (0.9 - 0.7)) / 6); /* worst observed: 0.9 */
    assert_int_equal(c.mean_at_most.state, STATS_NOT_ASKED);
    assert_int_equal(stats_direction(&c), 1);
}

/* Both fail: in one prompt together (a tie), in others alone. No bound holds on either side. */
static void test_failed_in_both(void **state) {
    (void)state;
    table t = {0};
    const double a[] = {0.6, FAIL, FAIL, 0.9, FAIL}, b[] = {0.5, FAIL, 0.4, FAIL, 0.1};
    for (int i = 0; i < 5; i++) add(&t, i, 0, a[i], b[i]);
    stats_contrast c = compute(&t, 1, 0, 0);
    assert_int_equal(c.n, 5);
    assert_int_equal(c.failed_a, 3);
    assert_int_equal(c.failed_b, 2);
    assert_int_equal(c.mean_at_least.state, STATS_FAILED);
    assert_int_equal(c.mean_at_most.state, STATS_FAILED);
    assert_int_equal(c.wilcoxon_used, 4); /* the tie is a difference of zero */
    near(c.wilcoxon_w, 1 + 3);            /* 0.1 has rank 1; three tie at rank 3, of which one is up */
    assert_int_equal(c.mean_a.state, STATS_FAILED);
    assert_int_equal(c.mean_b.state, STATS_FAILED);
}

/* A prompt's seeds: what failed more often decides; where both failed equally, the other images do. */
static void test_seeds(void **state) {
    (void)state;
    table t = {0};
    add(&t, 1, 1, FAIL, 0.5);
    add(&t, 1, 2, 0.9, 0.5);
    add(&t, 2, 1, FAIL, 0.5);
    add(&t, 2, 2, FAIL, 0.5);
    add(&t, 3, 1, FAIL, 0.4);
    add(&t, 3, 2, 0.7, FAIL);
    add(&t, 4, 1, 0.8, 0.5);
    add(&t, 4, 2, 0.7, 0.5);
    stats_contrast c = compute(&t, 1, 0, 0);
    assert_int_equal(c.n, 4);
    assert_int_equal(c.failed_a, 4);
    /* prompt 3: (F - 0.4 + 0.7 - F) / 2 = 0.15, rank 1; prompt 4: 0.25, rank 2; prompt 1: one of two, rank 3; 2: rank 4
     */
    near(c.wilcoxon_w, 1 + 2);
    near(c.sign_p, 1);
    stats_prompts p;
    double *d, resolution;
    stats_pairs pairs = {t.n, t.prompt, t.seed, t.a, t.b, t.failed_a, t.failed_b};
    assert_int_equal(stats_aggregate(&pairs, &p, &err), SS_OK);
    assert_int_equal(stats_failed_differences(&p, -1, &d, &resolution, &err), SS_OK);
    assert_true(d[1] < d[0] && d[0] < -1 && fabs(d[2] - 0.15) < 1e-12 && fabs(d[3] - 0.25) < 1e-12);
    free(d);
    stats_prompts_free(&p);
}

/* A share of an image's draws: the others keep their value, in their share. */
static void test_draws(void **state) {
    (void)state;
    const int64_t prompt[] = {1, 2}, seed[] = {1, 1};
    const double a[] = {0.8, 0.6}, b[] = {0.5, 0.5}, some[] = {0.25, 0}, none[] = {0, 0};
    stats_prompts p;
    stats_pairs pairs = {2, prompt, seed, a, b, some, none};
    assert_int_equal(stats_aggregate(&pairs, &p, &err), SS_OK);
    near(stats_failed_bounds(&p, -1).high, ((0.75 * 0.8 + 0.25 * 0.5 - 0.5) + 0.1) / 2);
    stats_prompts_free(&p);
}

/* Nothing that has a value: no bound, all prompts on one side. */
static void test_all_fail(void **state) {
    (void)state;
    table t = {0};
    for (int i = 0; i < 8; i++) add(&t, i, 0, FAIL, 0.5 + 0.01 * i);
    stats_contrast c = compute(&t, 1, 0, 0.1), *family[] = {&c};
    near(c.wilcoxon_p, 2.0 / 256);
    near(c.sign_p, 2.0 / 256);
    near(c.mean_at_most, -0.035); /* all would have the worst observed, 0.5 */
    assert_int_equal(stats_contrasts_judge(family, 1, NULL, 0.05, &err), SS_OK);
    assert_int_equal(c.verdict, STATS_DIFFERENT);
    near(c.p_holm, 2.0 / 256);
    table both = {0};
    for (int i = 0; i < 8; i++) add(&both, i, 0, FAIL, FAIL);
    c = compute(&both, 1, 0, 0.1);
    assert_int_equal(c.wilcoxon_p.state, STATS_ALL_ZERO);
    assert_int_equal(c.mean_at_most.state, STATS_FAILED);
}

/* A contrast that is equivalent stops being so by one failed image, and is not left out. */
static void test_never_equivalent(void **state) {
    (void)state;
    table t = {0}, control = {0};
    for (int i = 0; i < 40; i++) {
        add(&t, i, 0, 0.5 + (i % 2 ? 0.001 : -0.001), 0.5);
        add(&control, i, 0, 0.1 + 0.001 * (i % 5), 0.5);
    }
    stats_contrast positive = compute(&control, 1, 0, 0), c = compute(&t, 1, 0, 0.1), *one[] = {&positive},
                   *family[] = {&c};
    assert_int_equal(stats_contrasts_judge(one, 1, &positive, 0.05, &err), SS_OK);
    assert_int_equal(stats_contrasts_judge(family, 1, &positive, 0.05, &err), SS_OK);
    assert_int_equal(c.verdict, STATS_EQUIVALENT);
    t.failed_a[7] = 1;
    c = compute(&t, 1, 0, 0.1);
    assert_int_equal(stats_contrasts_judge(family, 1, &positive, 0.05, &err), SS_OK);
    assert_int_equal(c.n, 40);
    assert_int_equal(c.assay, STATS_ASSAY_DETECTED);
    assert_int_equal(c.tost_p_holm.state, STATS_FAILED);
    assert_int_equal(c.verdict, STATS_UNDECIDED);
}

static void test_words(void **state) {
    (void)state;
    table t = in_a();
    stats_contrast c = compute(&t, 1, 0, 0), sound;
    text out = {0};
    stats_contrast_add_json(&c, &out);
    assert_non_null(strstr(out.s, "\"failed_a\": 2"));
    assert_non_null(strstr(out.s, "\"primary_test\": \"signed rank\""));
    assert_non_null(strstr(out.s, "\"mean\": {\"undefined\": \"failed images\"}"));
    for (int i = 0; i < t.n; i++)
        if (t.failed_a[i] > 0) t.a[i] = 0, t.failed_a[i] = 0;
    sound = compute(&t, 1, 0, 0);
    out.len = 0;
    stats_contrast_add_json(&sound, &out);
    assert_null(strstr(out.s, "failed"));
    assert_null(strstr(out.s, "at_most"));
    assert_null(strstr(out.s, "primary_test"));
    text_free(&out);
}

/* Nothing says on which side a failed image stands. */
static void test_side_unknown(void **state) {
    (void)state;
    table t = in_a();
    stats_options o = stats_options_default();
    stats_contrast c;
    stats_pairs pairs = {t.n, t.prompt, t.seed, t.a, t.b, t.failed_a, t.failed_b};
    assert_int_equal(stats_contrast_compute(&pairs, &o, &c, &err), SS_ERR_USAGE);
    assert_non_null(strstr(err.message, "--worst"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_in_a), cmocka_unit_test(test_failed_in_b),
        cmocka_unit_test(test_distance),    cmocka_unit_test(test_failed_in_both),
        cmocka_unit_test(test_seeds),       cmocka_unit_test(test_draws),
        cmocka_unit_test(test_all_fail),    cmocka_unit_test(test_never_equivalent),
        cmocka_unit_test(test_words),       cmocka_unit_test(test_side_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
