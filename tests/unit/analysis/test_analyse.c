/* From stored scores to the main table: which pairs are formed, which margin is used, what each verdict is called.
 * Scores are set to known values in a real store, so every figure can be worked out by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"
#include "stored.h"
#include "analysis/internal.h"

static const char STUDY[] = "study: world\n"
                            "model: model\n"
                            "prompts: prompts.jsonl\n"
                            "seeds: [1, 2]\n"
                            "sampler: {steps: 2}\n"
                            "conditions:\n"
                            "  sink:   {select: top, k: [1, 3], edit: mask}\n"
                            "  random: {select: random, k: [1, 3], edit: mask}\n"
                            "  other:  {prompt: swap-attribute}\n"
                            "metrics: [glow, right, pixel-rmse]\n"
                            "primary: glow\n"
                            "contrasts:\n"
                            "  - {what: sink - baseline, margin: calibrated}\n"
                            "  - {what: sink - random, margin: 0.5, why: a test}\n";

static world w;

/* Condition numbers: 0 baseline, 1 2 sink k=1 3, 3 4 random k=1 3, 5 other, 6 7 8 shams, 9 calibration. Metrics: 0
 * glow, 1 right, 2 pixel-rmse. `value` is an expression over prompt, seed. */
static int setup(void **state) {
    (void)state;
    ss_error err;
    world_open(&w, STUDY, 20, 0);
    if (world_run(&w, "out", NULL, &err) != SS_OK || !stored_open(&w, "out")) return 1;
    /* A baseline whose seeds differ by 0.2 within a prompt; calibration alike: sd within = sqrt(0.02), margin 0.2 of it
     */
    stored_set(0, 0, "0.5 + 0.01 * prompt + 0.2 * seed");
    stored_set(0, 9, "0.5 + 0.01 * prompt + 0.2 * seed");
    stored_set(0, 5, "0.2 + 0.01 * prompt + 0.2 * seed + 0.001 * (prompt % 5)");         /* harm, plainly */
    stored_set(0, 1, "0.5 + 0.01 * prompt + 0.2 * seed + 0.002 * (prompt % 2) - 0.001"); /* no difference to speak of */
    stored_set(0, 2, "0.4 + 0.01 * prompt + 0.2 * seed + 0.01 * (prompt % 3)");          /* harm */
    stored_set(0, 3, "0.5 + 0.01 * prompt + 0.2 * seed + 0.4 * (prompt % 2) - 0.2");     /* noise */
    stored_set(0, 4, "0.5 + 0.01 * prompt + 0.2 * seed");
    stored_set(2, 1, "0.1 + 0.001 * prompt");
    stored_set(2, 2, "0.2 + 0.001 * prompt");
    stored_set(2, 3, "0.05");
    stored_set(2, 4, "0.05");
    for (int c = 0; c < 6; c++) stored_set(1, c, c == 5 ? "prompt % 4 = 0" : "prompt % 4 > 0");
    stored_sql("UPDATE score SET unreadable = 0");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    stored_close();
    world_close(&w);
    return 0;
}

static const analysis_row *row(const analysis *a, const char *contrast, int k, const char *name, int readable_only) {
    for (int i = 0; i < a->n_rows; i++) {
        const analysis_row *r = &a->rows[i];
        if (strcmp(r->contrast->name, contrast) == 0 && r->contrast->k == k && strcmp(r->metric, name) == 0 &&
            r->without_unreadable == readable_only)
            return r;
    }
    return NULL;
}

static void test_pairs_and_margins(void **state) {
    (void)state;
    analysis *a = stored_analyse();
    const analysis_row *r = row(a, "sink - baseline", 3, "glow", 0);
    assert_int_equal(r->stats.n, 20); /* prompts, not images */
    assert_int_equal(r->stats.pairs, 40);
    stored_near(r->stats.mean,
                -0.1 + 0.01 * (6 * 0 + 7 * 1 + 6 * 2 + 1 * 0) / 20.0); /* prompt % 3 over 0..19: 7, 7, 6 */
    stored_near(r->stats.margin, 0.2 * sqrt(0.02));
    stored_near(row(a, "sink - random", 1, "glow", 0)->stats.margin, 0.5);
    assert_int_equal(row(a, "sink - random", 1, "pixel-rmse", 0)->stats.margin.state, STATS_NOT_ASKED);
    assert_int_equal(a->n_margins, 2); /* glow, right */
    assert_int_equal(a->margins[0].images, 40);
    stored_near(row(a, "sink - baseline", 1, "pixel-rmse", 0)->stats.mean, 0.1 + 0.001 * 9.5); /* against 0 */
    stored_near(row(a, "sink - random", 3, "pixel-rmse", 0)->stats.mean, 0.15 + 0.001 * 9.5);
    stored_done(a);
}

static void test_verdicts(void **state) {
    (void)state;
    analysis *a = stored_analyse();
    assert_string_equal(a->rows[0].contrast->name, "other - baseline"); /* the positive control leads */
    assert_true(a->rows[0].is_primary);
    assert_string_equal(a->rows[0].reads, "positive control detected: the metric can see harm");
    assert_string_equal(row(a, "sink - baseline", 1, "glow", 0)->reads, "equivalent within 0.028 (calibrated)");
    assert_string_equal(row(a, "sink - baseline", 3, "glow", 0)->reads, "different: sink is worse");
    const analysis_row *noisy = row(a, "sink - random", 1, "glow", 0);
    assert_int_equal(noisy->stats.verdict, STATS_EQUIVALENT); /* within 0.5 */
    assert_string_equal(noisy->reads, "equivalent within 0.5 (given)");
    assert_string_equal(row(a, "sink - random", 3, "pixel-rmse", 0)->reads, "different: sink moves the image more");
    assert_string_equal(row(a, "sink - baseline", 3, "pixel-rmse", 0)->reads, "different: sink moves the image");
    /* the family is the four contrasts on the primary metric: Holm multiplies the smallest p by 4 */
    const analysis_row *sharpest = row(a, "sink - baseline", 3, "glow", 0);
    assert_true(sharpest->stats.sign_flip_p.value > 0);
    assert_true(sharpest->stats.p_holm.value >= 3 * sharpest->stats.sign_flip_p.value);
    assert_true(row(a, "other - baseline", -1, "glow", 0)->stats.p_holm.value ==
                row(a, "other - baseline", -1, "glow", 0)->stats.sign_flip_p.value);
    text t = {0};
    analysis_describe(a, &t);
    assert_non_null(strstr(t.s, "contrast          k  metric"));
    assert_non_null(strstr(t.s, "sink - baseline   1  glow        20  +0.00000 ["));
    assert_non_null(strstr(t.s, "(sens.)"));
    assert_null(strstr(t.s, "not complete"));
    assert_null(strstr(t.s, "WARNING"));
    text_free(&t);
    stored_done(a);
}

/* A difference that was found, and is small: both are said. */
static void test_different_within_the_margin(void **state) {
    (void)state;
    stored_set(0, 1, "0.501 + 0.01 * prompt + 0.2 * seed + 0.0001 * (prompt % 3)");
    analysis *a = stored_analyse();
    assert_string_equal(row(a, "sink - baseline", 1, "glow", 0)->reads,
                        "different: sink is better, by less than 0.028 (calibrated)");
    stored_done(a);
    stored_set(0, 1, "0.5 + 0.01 * prompt + 0.2 * seed + 0.002 * (prompt % 2) - 0.001");
}

/* The reading of a difference is of the condition that is not the baseline, in either order. */
static void test_different_in_either_order(void **state) {
    (void)state;
    enum { BASELINE, CUT, RANDOM };
    static const struct {
        metric_kind kind;
        int a, b;
        double mean;
        const char *reads;
    } CASES[] = {
        {METRIC_DISTANCE, CUT, BASELINE, 0.1, "different: cut moves the image"},
        {METRIC_DISTANCE, BASELINE, CUT, -0.1, "different: cut moves the image"},
        {METRIC_DISTANCE, CUT, RANDOM, 0.1, "different: cut moves the image more"},
        {METRIC_DISTANCE, RANDOM, CUT, 0.1, "different: random moves the image more"},
        {METRIC_SIMILARITY, CUT, RANDOM, 0.1, "different: cut moves the image less"},
        {METRIC_SIMILARITY, RANDOM, CUT, 0.1, "different: random moves the image less"},
        {METRIC_SIMILARITY, RANDOM, CUT, -0.1, "different: random moves the image more"},
        {METRIC_ALIGNMENT, CUT, BASELINE, -0.1, "different: cut is worse"},
        {METRIC_ALIGNMENT, BASELINE, CUT, 0.1, "different: cut is worse"},
        {METRIC_PREFERENCE, BASELINE, CUT, -0.1, "different: cut is better"},
        {METRIC_PREFERENCE, CUT, RANDOM, 0.1, "different: cut is better"},
    };
    study_condition condition[] = {{.family = "baseline"}, {.family = "cut"}, {.family = "random"}};
    const study y = {.n_conditions = 3, .condition = condition};
    const analysis a = {.study = &y};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const study_contrast c = {.a = CASES[i].a, .b = CASES[i].b, .k = -1};
        analysis_row r = {.contrast = &c, .kind = CASES[i].kind};
        r.stats = (stats_contrast){.n = 6, .mean = stats_defined(CASES[i].mean), .verdict = STATS_DIFFERENT};
        ss_error err;
        assert_int_equal(analysis_read(&a, &r, &err), SS_OK);
        assert_string_equal(r.reads, CASES[i].reads);
    }
}

/* The same of a store: a study that writes the baseline first. The baseline has no likeness to itself, so a metric of
 * likeness has no row against it. */
static void test_baseline_first(void **state) {
    (void)state;
    static const char FIRST[] = "study: first\n"
                                "model: model\n"
                                "prompts: prompts.jsonl\n"
                                "seeds: [1]\n"
                                "sampler: {steps: 2}\n"
                                "conditions:\n"
                                "  cut:   {select: top, k: 3, edit: mask}\n"
                                "  other: {select: top, k: 1, edit: mask}\n"
                                "metrics: [pixel-rmse, alike]\n"
                                "primary: pixel-rmse\n"
                                "sham: 0\n"
                                "contrasts: [{what: baseline - cut}, {what: cut - baseline}, {what: other - cut}]\n";
    world m;
    ss_error err;
    store *s;
    analysis *a;
    world_open(&m, FIRST, 12, 0);
    assert_int_equal(world_run(&m, "out", NULL, &err), SS_OK);
    assert_int_equal(store_open(&s, world_path(&m, "out"), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(analysis_make(&a, s, &err), SS_OK);
    const analysis_row *turned = row(a, "baseline - cut", -1, "pixel-rmse", 0);
    assert_true(turned->stats.mean.value < 0);
    assert_string_equal(turned->reads, "different: cut moves the image");
    assert_string_equal(row(a, "cut - baseline", -1, "pixel-rmse", 0)->reads, "different: cut moves the image");
    assert_null(row(a, "baseline - cut", -1, "alike", 0));
    assert_null(row(a, "cut - baseline", -1, "alike", 0));
    assert_non_null(row(a, "other - cut", -1, "alike", 0));
    analysis_free(a);
    store_close(s);
    world_close(&m);
}

static void test_undecided_and_blunt(void **state) {
    (void)state;
    stored_set(0, 1, "0.5 + 0.01 * prompt + 0.2 * seed + 0.4 * (prompt % 2) - 0.2");
    analysis *a = stored_analyse();
    assert_non_null(strstr(row(a, "sink - baseline", 1, "glow", 0)->reads, "undecided: could detect 0."));
    stored_done(a);
    stored_set(0, 5,
               "0.5 + 0.01 * prompt + 0.2 * seed + 0.4 * (prompt % 2) - 0.2"); /* the control is not seen either */
    a = stored_analyse();
    assert_string_equal(a->rows[0].reads, "positive control not detected: the metric is too blunt");
    assert_string_equal(row(a, "sink - baseline", 1, "glow", 0)->reads,
                        "metric too blunt: the positive control was not detected");
    assert_string_equal(row(a, "sink - baseline", 3, "glow", 0)->reads, "different: sink is worse");
    stored_done(a);
    stored_set(0, 1, "0.5 + 0.01 * prompt + 0.2 * seed + 0.002 * (prompt % 2) - 0.001");
    stored_set(0, 5, "0.2 + 0.01 * prompt + 0.2 * seed + 0.001 * (prompt % 5)");
}

static void test_accuracy_and_unreadable(void **state) {
    (void)state;
    analysis *a = stored_analyse();
    const analysis_accuracy *all = NULL, *counting = NULL, *colors = NULL;
    for (int i = 0; i < a->n_accuracy; i++) {
        const analysis_accuracy *c = &a->accuracy[i];
        if (strcmp(c->condition, "baseline") != 0) continue;
        if (!*c->tag) all = c;
        else if (strcmp(c->tag, "counting") == 0) counting = c;
        else colors = c;
    }
    assert_true(all && counting && colors);
    assert_int_equal(all->images, 40);
    assert_int_equal(all->right, 30);
    assert_int_equal(counting->images, 10); /* prompts 3, 7, .. */
    assert_int_equal(counting->right, 10);
    assert_int_equal(colors->right, 20);
    assert_true(fabs(all->interval.low.value - 0.59806) < 1e-4 && fabs(all->interval.high.value - 0.85815) < 1e-4);
    assert_null(row(a, "sink - baseline", 1, "right", 1)); /* nothing is unreadable */
    assert_int_equal(a->n_shams, 3);
    assert_int_equal(a->shams[1].images, 2);
    assert_int_equal(a->shams[1].equal, 2);
    stored_done(a);

    stored_sql("UPDATE score SET unreadable = 1, value = 0 WHERE metric = 1 AND unit IN (SELECT unit FROM unit WHERE "
               "condition = 1"
               " AND prompt < 2)");
    a = stored_analyse();
    assert_int_equal(row(a, "sink - baseline", 1, "right", 0)->stats.pairs, 40); /* they count, as wrong */
    assert_int_equal(row(a, "sink - baseline", 1, "right", 1)->stats.pairs, 36);
    assert_false(row(a, "sink - baseline", 1, "right", 1)->in_main_table);
    assert_null(row(a, "sink - baseline", 3, "right", 1));
    stored_done(a);
}

static void test_incomplete(void **state) {
    (void)state;
    stored_sql(
        "CREATE TEMP TABLE kept AS SELECT * FROM unit WHERE condition = 2 AND prompt = 4;"
        "DELETE FROM score WHERE unit IN (SELECT unit FROM kept); DELETE FROM unit WHERE unit IN (SELECT unit FROM "
        "kept);"
        "UPDATE unit SET pixels = 'x' WHERE condition = 7 AND unit = (SELECT min(unit) FROM unit WHERE condition = 7)");
    analysis *a = stored_analyse();
    assert_int_equal(a->images_planned - a->images, 2);
    assert_int_equal(row(a, "sink - baseline", 3, "glow", 0)->stats.n, 19);
    text t = {0};
    analysis_describe(a, &t);
    assert_non_null(strstr(t.s, "not complete: "));
    assert_non_null(strstr(t.s, "WARNING: sham 'empty-set': 1 of 2 images differ from the baseline"));
    text_free(&t);
    stored_done(a);
}

/* Sinks without a match, in more than 5 % of a condition's edited calls: the contrast says so, whatever its verdict. */
static void test_partly_matched(void **state) {
    (void)state;
    static const char MATCHED[] = "study: matched\n"
                                  "model: model\n"
                                  "prompts: prompts.jsonl\n"
                                  "seeds: [1]\n"
                                  "sampler: {steps: 2}\n"
                                  "probes: [reduction]\n"
                                  "conditions:\n"
                                  "  arm:    {select: like, k: 1, edit: mask}\n"
                                  "  random: {select: random, k: 1, edit: mask}\n"
                                  "metrics: [glow]\n"
                                  "primary: glow\n"
                                  "sham: 0\n"
                                  "contrasts: [{what: arm - random}, {what: random - baseline}]\n";
    /* 5 prompts x 2 steps x 2 branches x the heads of all blocks: 80 sites a condition, or as many times them */
    static const struct {
        int calls;
        const char *words; /* NULL = no label */
    } CASES[] = {{0, NULL}, {4, NULL}, {5, "; partly matched (6 % of calls not in full)"}, {80, "(100 % of calls"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        world m;
        ss_error err;
        sqlite3 *own;
        char path[256], statement[512];
        world_open(&m, MATCHED, 5, 0);
        assert_int_equal(world_run(&m, "out", NULL, &err), SS_OK);
        snprintf(path, sizeof path, "%s/out/results.sqlite", m.folder);
        snprintf(statement, sizeof statement,
                 "UPDATE site SET left_out = 2 * (unit * 1000 + step * 100 + block * 10 + head * 2 + branch IN (SELECT"
                 " unit * 1000 + step * 100 + block * 10 + head * 2 + branch FROM site x JOIN unit u USING (unit)"
                 " WHERE u.condition = 1 LIMIT %d))",
                 CASES[i].calls * (fake_heads() / 4));
        assert_int_equal(sqlite3_open(path, &own), SQLITE_OK);
        assert_int_equal(sqlite3_exec(own, statement, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(own);
        store *s;
        assert_int_equal(store_open(&s, world_path(&m, "out"), STORE_READ, NULL, &err), SS_OK);
        analysis *a;
        assert_int_equal(analysis_make(&a, s, &err), SS_OK);
        const analysis_row *r = row(a, "arm - random", -1, "glow", 0);
        assert_true(fabs(r->partly_matched - CASES[i].calls / 80.0) < 1e-12);
        if (CASES[i].words) assert_non_null(strstr(r->reads, CASES[i].words));
        else assert_null(strstr(r->reads, "matched"));
        assert_true(row(a, "random - baseline", -1, "glow", 0)->partly_matched == 0);
        analysis_free(a);
        store_close(s);
        world_close(&m);
    }
}

/* A number that no prompt can have (found by fuzzing). */
static void test_damaged_prompt(void **state) {
    (void)state;
    stored_sql("INSERT INTO prompt VALUES(9223372036854775807, 'a star', 'colors', NULL, NULL)");
    analysis *a = stored_analyse();
    assert_int_equal(row(a, "sink - baseline", 1, "glow", 0)->stats.n, 20);
    stored_done(a);
    stored_sql("DELETE FROM prompt WHERE prompt = 9223372036854775807");
}

static void test_words_for_p(void **state) {
    (void)state;
    static const struct {
        double p;
        const char *words;
    } CASES[] = {{0.5, "0.50"},      {0.032, "0.032"},    {0.0951, "0.095"},
                 {0.0032, "0.0032"}, {0.00009, "< 1e-4"}, {1, "1.00"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        text t = {0};
        analysis_add_p(stats_defined(CASES[i].p), &t);
        assert_string_equal(t.s, CASES[i].words);
        text_free(&t);
    }
    text t = {0};
    analysis_add_p(stats_undefined(STATS_NO_VARIANCE), &t);
    assert_string_equal(t.s, "undefined");
    text_free(&t);
}

/* Draws of a random control count as one: their mean. */
static void test_draws_are_averaged(void **state) {
    (void)state;
    stored_sql("CREATE TEMP TABLE before_draws AS SELECT * FROM score");
    stored_sql("UPDATE condition SET draw = 1, draw_of = 3 WHERE condition = 4");
    stored_set(0, 3, "0.1 * prompt");
    stored_set(0, 4, "0.3 * prompt + 0.2 * seed");
    analysis *a = stored_analyse();
    const analysis_row *one = row(a, "sink - random", 1, "glow", 0);
    assert_non_null(one);
    /* prompts 0 .. 19 of 20, seeds 1, 2: sink k=1 less (0.4 prompt + 0.2 seed) / 2 */
    double sum = 0;
    for (int prompt = 0; prompt < 20; prompt++)
        for (int seed = 1; seed < 3; seed++)
            sum += 0.5 + 0.01 * prompt + 0.2 * seed + 0.002 * (prompt % 2) - 0.001 - (0.2 * prompt + 0.1 * seed);
    stored_near(one->stats.mean, sum / 40);
    stored_done(a);
    stored_sql("UPDATE condition SET draw = 0, draw_of = 4 WHERE condition = 4");
    stored_sql("UPDATE score SET value = (SELECT value FROM before_draws k WHERE k.unit = score.unit AND k.metric = "
               "score.metric)");
}

int main(void) {
    if (chdir("/") != 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_and_margins),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_different_within_the_margin),
        cmocka_unit_test(test_different_in_either_order),
        cmocka_unit_test(test_baseline_first),
        cmocka_unit_test(test_undecided_and_blunt),
        cmocka_unit_test(test_accuracy_and_unreadable),
        cmocka_unit_test(test_damaged_prompt),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_draws_are_averaged),
        cmocka_unit_test(test_partly_matched),
        cmocka_unit_test(test_words_for_p),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
