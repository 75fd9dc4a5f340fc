/* All figures of a contrast together: which function feeds which figure, order of rows, families, tables, text. */
#include "near.h"
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "stats/binary.h"
#include "stats/bootstrap.h"
#include "stats/contrast.h"
#include "stats/paired.h"
#include "stats/power.h"

static ss_error err;
enum { PROMPTS = 40, SEEDS = 2, ROWS = PROMPTS * SEEDS };

typedef struct rows {
    int64_t prompt[ROWS], seed[ROWS];
    double a[ROWS], b[ROWS];
} rows;

/* b is noise about a prompt's level, a is b + shift + noise of sd `noise`. */
static rows make_rows(uint64_t stream_seed, double shift, double noise) {
    rows r;
    philox stream;
    philox_init(&stream, stream_seed, NULL, 0);
    for (int i = 0; i < ROWS; i++) {
        r.prompt[i] = i / SEEDS;
        r.seed[i] = 1000 + i % SEEDS;
        r.b[i] = 0.3 + 0.1 * philox_normal(&stream);
        r.a[i] = r.b[i] + shift + noise * philox_normal(&stream);
    }
    return r;
}

static stats_contrast compute(const rows *r, int count, const stats_options *o) {
    stats_contrast c;
    stats_pairs pairs = {count, r->prompt, r->seed, r->a, r->b, NULL, NULL};
    assert_int_equal(stats_contrast_compute(&pairs, o, &c, &err), SS_OK);
    return c;
}

static stats_options few_draws(void) {
    stats_options o = stats_options_default();
    o.resamples = 500;
    o.flips = 1999;
    return o;
}

static void test_wiring(void **state) {
    (void)state;
    stats_options o = few_draws();
    o.margin = 0.02;
    o.better = 1;
    o.zeros = STATS_ZEROS_PRATT;
    rows r = make_rows(1, 0.01, 0.03);
    stats_contrast c = compute(&r, ROWS, &o);
    stats_prompts p;
    assert_int_equal(stats_aggregate(&(stats_pairs){ROWS, r.prompt, r.seed, r.a, r.b, NULL, NULL}, &p, &err), SS_OK);
    stats_summary s = stats_summarise(p.d, p.n, p.resolution);
    assert_int_equal(c.n, PROMPTS);
    assert_int_equal(c.pairs, ROWS);
    assert_true(c.seeds_min == SEEDS && c.seeds_max == SEEDS);
    assert_figure(c.mean_a, stats_sum(r.a, ROWS) / ROWS, 1e-14);
    assert_figure(c.mean_b, stats_sum(r.b, ROWS) / ROWS, 1e-14);
    assert_figure(c.mean, c.mean_a.value - c.mean_b.value, 1e-12);
    assert_true(c.sd.value == s.sd.value && c.se.value == s.se.value && c.d_z.value == s.d_z.value);

    double means[500];
    assert_int_equal(stats_bootstrap_means(p.d, p.n, o.seed, 500, means, &err), SS_OK);
    stats_interval b = stats_bca(p.d, p.n, p.resolution, means, 500, o.level);
    assert_true(c.ci_low.value == b.low.value && c.ci_high.value == b.high.value);
    stats_sign_flip_result f;
    assert_int_equal(stats_sign_flip(p.d, p.n, o.seed, 20, 1999, &f, &err), SS_OK);
    assert_true(c.sign_flip_p.value == f.p.value && c.sign_flip_method == STATS_METHOD_SAMPLED);
    stats_t_result t = stats_paired_t(&s, 0.95), inner = stats_paired_t(&s, 0.9);
    assert_true(c.t.value == t.t.value && c.t_df.value == 39 && c.t_p.value == t.p.value);
    assert_true(c.t_low.value == t.interval.low.value && c.t_high.value == t.interval.high.value);
    assert_true(c.tost_low.value == inner.interval.low.value && c.tost_high.value == inner.interval.high.value);
    stats_wilcoxon_result w;
    assert_int_equal(stats_wilcoxon(p.d, p.n, p.resolution, STATS_ZEROS_PRATT, 50, &w, &err), SS_OK);
    assert_true(c.wilcoxon_w.value == w.w.value && c.wilcoxon_p.value == w.p.value && c.wilcoxon_used == 40);
    assert_true(c.margin.value == 0.02 && c.tost_p.value == stats_tost(&s, 0.02).value);
    assert_true(c.noninferiority_p.value == stats_noninferiority(&s, 0.02, 1).value);
    assert_figure(c.detectable, stats_detectable_effect(40, 0.05, 0.8).value * s.sd.value, 1e-15);
    assert_state(c.mcnemar_p, STATS_NOT_BINARY);
    assert_true(c.verdict == STATS_NOT_JUDGED);
    stats_prompts_free(&p);
}

static void shuffle(rows *r, philox *stream) {
    for (int i = ROWS - 1; i > 0; i--) {
        int j = (int)philox_below(stream, (uint32_t)i + 1);
        rows old = *r;
        r->prompt[i] = old.prompt[j], r->prompt[j] = old.prompt[i];
        r->seed[i] = old.seed[j], r->seed[j] = old.seed[i];
        r->a[i] = old.a[j], r->a[j] = old.a[i];
        r->b[i] = old.b[j], r->b[j] = old.b[i];
    }
}

static void test_same_bytes(void **state) {
    (void)state;
    stats_options o = few_draws();
    o.margin = 0.02;
    rows r = make_rows(2, 0.01, 0.05);
    stats_contrast c = compute(&r, ROWS, &o);
    text first = {0}, again = {0};
    stats_contrast_add_json(&c, &first);
    philox stream;
    philox_init(&stream, 3, NULL, 0);
    for (int trial = 0; trial < 3; trial++) {
        shuffle(&r, &stream);
        c = compute(&r, ROWS, &o);
        again.len = 0;
        stats_contrast_add_json(&c, &again);
        assert_string_equal(again.s, first.s);
    }
    o.seed = 1;
    c = compute(&r, ROWS, &o);
    again.len = 0;
    stats_contrast_add_json(&c, &again);
    assert_string_not_equal(again.s, first.s);
    text_free(&first);
    text_free(&again);
}

static void test_antisymmetry(void **state) {
    (void)state;
    stats_options o = few_draws();
    rows r = make_rows(4, 0.02, 0.05), back = r;
    memcpy(back.a, r.b, sizeof r.b);
    memcpy(back.b, r.a, sizeof r.a);
    stats_contrast c = compute(&r, ROWS, &o), d = compute(&back, ROWS, &o);
    assert_true(d.mean.value == -c.mean.value && d.t.value == -c.t.value);
    assert_true(d.sign_flip_p.value == c.sign_flip_p.value && d.wilcoxon_p.value == c.wilcoxon_p.value);
    assert_figure(d.ci_low, -c.ci_high.value, 1e-12);
}

static void test_binary(void **state) {
    (void)state;
    stats_options o = few_draws();
    rows r = make_rows(5, 0, 0);
    for (int i = 0; i < ROWS; i++) {
        r.prompt[i] = i; /* one seed a prompt */
        r.a[i] = i % 5 != 0;
        r.b[i] = i % 4 == 0;
    }
    stats_contrast c = compute(&r, ROWS, &o);
    stats_table t = {(int)c.both.value, (int)c.only_a.value, (int)c.only_b.value, (int)c.neither.value};
    assert_true(t.both == 16 && t.only_a == 48 && t.only_b == 4 && t.neither == 12);
    assert_true(c.mcnemar_p.value == stats_mcnemar(&t).value);
    assert_true(c.newcombe_low.value == stats_newcombe(&t, 0.95).low.value);
    assert_true(c.newcombe_high.value == stats_newcombe(&t, 0.95).high.value);
    assert_true(c.rate_a_low.value == stats_wilson(64, 80, 0.95).low.value);
    assert_true(c.rate_a_high.value == stats_wilson(64, 80, 0.95).high.value);
    assert_true(c.rate_b_low.value == stats_wilson(20, 80, 0.95).low.value);
    assert_true(c.rate_b_high.value == stats_wilson(20, 80, 0.95).high.value);
    assert_true(c.mean.value > c.newcombe_low.value && c.mean.value < c.newcombe_high.value);
    for (int i = 0; i < ROWS; i++) r.prompt[i] = i / SEEDS;
    c = compute(&r, ROWS, &o);
    assert_state(c.mcnemar_p, STATS_SEVERAL_SEEDS);
    assert_state(c.newcombe_low, STATS_SEVERAL_SEEDS);
    assert_state(c.sign_flip_p, STATS_DEFINED);
}

/* No figure of the table may be NaN or infinite, whatever the state; text must not say so either. */
static void assert_sound(const stats_contrast *c) {
    text out = {0};
    for (const stats_field *f = stats_fields; f->name; f++)
        if (f->kind == STATS_FIELD_FIGURE) assert_true(isfinite(stats_field_figure(f, c).value));
    stats_contrast_add_json(c, &out);
    stats_contrast_add_csv_row(c, 0, &out);
    assert_false(out.failed);
    assert_null(strstr(out.s, "nan"));
    assert_null(strstr(out.s, "inf,"));
    text_free(&out);
}

static void test_degenerate(void **state) {
    (void)state;
    stats_options o = few_draws();
    o.margin = 0.1;
    o.better = 1;
    rows r = make_rows(6, 0.25, 0);
    for (int i = 0; i < ROWS; i++) r.prompt[i] = i;
    stats_contrast c = compute(&r, 0, &o);
    assert_sound(&c);
    assert_true(c.n == 0);
    assert_state(c.mean, STATS_TOO_FEW);
    assert_state(c.ci_low, STATS_TOO_FEW);
    assert_state(c.sign_flip_p, STATS_TOO_FEW);
    assert_state(c.mcnemar_p, STATS_TOO_FEW);
    c = compute(&r, 1, &o);
    assert_sound(&c);
    assert_state(c.mean, STATS_DEFINED);
    assert_state(c.d_z, STATS_TOO_FEW);
    assert_state(c.detectable, STATS_TOO_FEW);
    assert_figure(c.sign_flip_p, 1, 0);
    c = compute(&r, ROWS, &o); /* a - b = 0.25 up to rounding, for every prompt */
    assert_sound(&c);
    assert_state(c.d_z, STATS_NO_VARIANCE);
    assert_state(c.ci_low, STATS_NO_VARIANCE);
    assert_state(c.t_p, STATS_NO_VARIANCE);
    assert_state(c.tost_p, STATS_NO_VARIANCE);
    assert_state(c.detectable, STATS_NO_VARIANCE);
    assert_figure(c.sign_flip_p, 1.0 / 2000, 0);
    memcpy(r.a, r.b, sizeof r.a);
    c = compute(&r, ROWS, &o);
    assert_sound(&c);
    assert_figure(c.sign_flip_p, 1, 0);
    assert_state(c.wilcoxon_p, STATS_ALL_ZERO);
    stats_contrast *family[] = {&c};
    assert_int_equal(stats_contrasts_judge(family, 1, NULL, 0.05, &err), SS_OK);
    assert_int_equal(c.verdict, STATS_UNDECIDED); /* not 'equivalent': there was nothing to judge by */
    r.a[0] = 1e300, r.a[1] = -1e300;
    c = compute(&r, ROWS, &o);
    assert_sound(&c);
    r.a[7] = INFINITY;
    assert_int_equal(stats_contrast_compute(&(stats_pairs){ROWS, r.prompt, r.seed, r.a, r.b, NULL, NULL}, &o, &c, &err),
                     SS_ERR_INPUT);
    r.a[7] = 1e308, r.b[7] = -1e308; /* finite, but not their difference */
    assert_int_equal(stats_contrast_compute(&(stats_pairs){ROWS, r.prompt, r.seed, r.a, r.b, NULL, NULL}, &o, &c, &err),
                     SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "too large"));
}

static void test_family(void **state) {
    (void)state;
    stats_options o = few_draws();
    o.margin = 0.02;
    o.better = 1;
    rows harmed = make_rows(7, -0.05, 0.05), same = make_rows(8, 0, 0.02), noisy = make_rows(9, 0, 0.2),
         control = make_rows(10, -0.1, 0.05), deaf = make_rows(11, 0, 0.1), praised = make_rows(12, 0.1, 0.05);
    stats_contrast a = compute(&harmed, ROWS, &o), b = compute(&same, ROWS, &o), c = compute(&noisy, ROWS, &o),
                   fine = compute(&control, ROWS, &o), missed = compute(&deaf, ROWS, &o),
                   wrong = compute(&praised, ROWS, &o), small = compute(&same, ROWS - 10, &o);
    stats_contrast *family[] = {&a, &b, &c, &fine, &small};
    assert_int_equal(stats_contrasts_judge(family, 5, &fine, 0.05, &err), SS_OK);
    assert_int_equal(a.verdict, STATS_DIFFERENT);
    assert_int_equal(b.verdict, STATS_EQUIVALENT);
    assert_int_equal(c.verdict, STATS_UNDECIDED);
    assert_int_equal(fine.verdict, STATS_DIFFERENT);
    assert_int_equal(small.assay, STATS_ASSAY_LARGER_N); /* detected at n = 40, the contrast has 35 */
    assert_int_equal(small.verdict, STATS_UNDECIDED);
    assert_true(b.within_margin && !c.within_margin);
    stats_figure p[] = {a.sign_flip_p, b.sign_flip_p, c.sign_flip_p, fine.sign_flip_p, small.sign_flip_p},
                 q[] = {a.tost_p, b.tost_p, c.tost_p, fine.tost_p, small.tost_p}, bh[5];
    assert_int_equal(stats_benjamini_hochberg(p, 5, bh, &err), SS_OK);
    assert_int_equal(stats_holm(p, 5, p, &err), SS_OK);
    assert_int_equal(stats_holm(q, 5, q, &err), SS_OK); /* equivalence: a family of its own */
    for (int i = 0; i < 5; i++) {
        assert_true(family[i]->p_holm.value == p[i].value && family[i]->p_bh.value == bh[i].value);
        assert_true(family[i]->tost_p_holm.value == q[i].value);
    }

    stats_contrast *one[] = {&b};
    assert_int_equal(stats_contrasts_judge(one, 1, &missed, 0.05, &err), SS_OK);
    assert_int_equal(b.verdict, STATS_TOO_BLUNT);
    assert_int_equal(stats_contrasts_judge(one, 1, &wrong, 0.05, &err), SS_OK);
    assert_int_equal(b.assay, STATS_ASSAY_MISSED); /* the metric likes the wrong attribute better */
    assert_int_equal(stats_contrasts_judge(one, 1, NULL, 0.05, &err), SS_OK);
    assert_int_equal(b.verdict, STATS_UNDECIDED);
    assert_int_equal(stats_contrasts_judge(one, 0, NULL, 0.05, &err), SS_OK);
}

static void test_text(void **state) {
    (void)state;
    stats_options o = few_draws();
    rows r = make_rows(13, 0, 0);
    stats_contrast c = compute(&r, ROWS, &o);
    text out = {0};
    stats_field_add(stats_field_find("d_z"), &c, 6, &out);
    assert_string_equal(out.s, "undefined: no variance");
    out.len = 0;
    stats_field_add(stats_field_find("verdict"), &c, 6, &out);
    assert_string_equal(out.s, "not judged");
    out.len = 0;
    stats_contrast_add_json(&c, &out);
    assert_non_null(strstr(out.s, "\"d_z\": {\"undefined\": \"no variance\"}"));
    assert_non_null(strstr(out.s, "\"margin\": null"));
    assert_non_null(strstr(out.s, "\"n\": 40,"));
    assert_non_null(strstr(out.s, "\"sign_flip_method\": \"exact\""));
    out.len = 0;
    int columns = 1, values = 1, names = 0;
    stats_contrast_add_csv_header(0, &out);
    for (const char *s = out.s; *s; s++) columns += *s == ',';
    out.len = 0;
    stats_contrast_add_csv_row(&c, 0, &out);
    for (const char *s = out.s; *s; s++) values += *s == ',';
    for (const stats_field *f = stats_fields; f->name; f++) {
        names += !f->of_failed;
        assert_ptr_equal(stats_field_find(f->name), f); /* names are unique */
        assert_non_null(f->help);
    }
    assert_int_equal(columns, names);
    assert_int_equal(values, names);
    assert_null(stats_field_find("p"));
    out.len = 0;
    stats_fields_describe(&out);
    for (const stats_field *f = stats_fields; f->name; f++) assert_non_null(strstr(out.s, f->help));
    text_free(&out);
}

static void test_options(void **state) {
    (void)state;
    stats_options o = stats_options_default();
    assert_true(o.level == 0.95 && o.alpha == 0.05 && o.power == 0.8 && o.margin == 0);
    assert_true(o.resamples == 10000 && o.flips == 99999 && o.flips_exact == 20 && o.ranks_exact == 50);
    assert_true(o.zeros == STATS_ZEROS_DROP && o.better == 0 && o.seed == 0);
    for (const option *t = stats_option_table; t->name; t++)
        assert_int_equal(stats_options_set(&o, t->name, t->by_default, NULL, &err), SS_OK);
    assert_int_equal(stats_options_set(&o, "zeros", "pratt", NULL, &err), SS_OK);
    assert_int_equal(o.zeros, STATS_ZEROS_PRATT);
    assert_int_equal(stats_options_set(&o, "better", "lower", NULL, &err), SS_OK);
    assert_int_equal(o.better, -1);
    assert_int_equal(stats_options_set(&o, "resamples", "20", "study.yaml:3:1", &err), SS_ERR_INPUT);
    assert_string_equal(err.where, "study.yaml:3:1");
    assert_int_equal(stats_options_set(&o, "resample", "2000", NULL, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "unknown option 'resample'; did you mean 'resamples'?"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wiring), cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_antisymmetry),
        cmocka_unit_test(test_binary), cmocka_unit_test(test_degenerate), cmocka_unit_test(test_family),
        cmocka_unit_test(test_text),   cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
