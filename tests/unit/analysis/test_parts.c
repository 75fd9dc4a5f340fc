/* What a contrast is made of: effects tag by tag and trends over k, from scores set to values that can be worked out by
 * hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"
#include "stored.h"

enum { PROMPTS = 12 };

static const char STUDY[] = "study: parts\n"
                            "model: model\n"
                            "prompts: prompts.jsonl\n"
                            "seeds: [1, 2]\n"
                            "sampler: {steps: 2}\n"
                            "probes: [mass, census]\n"
                            "conditions:\n"
                            "  sink:   {select: top, k: [4, 1, 2], edit: mask}\n" /* not in order of k */
                            "  random: {select: random, k: [4, 1, 2], edit: mask}\n"
                            "  late:   {select: top, k: 1, edit: mask, steps: [1]}\n"
                            "metrics: [glow, pixel-rmse]\n"
                            "primary: glow\n"
                            "sham: 0\n"
                            "contrasts: [{what: sink - random}, {what: sink - baseline}, {what: late - baseline}]\n";

static world w;
static int setup(void **state) {
    (void)state;
    ss_error err;
    world_open(&w, STUDY, PROMPTS, 0);
    if (world_run(&w, "out", NULL, &err) != SS_OK || !stored_open(&w, "out")) return 1;
    /* Conditions: 0 baseline; 1 2 3 sink k = 4 1 2; 4 5 6 random; 7 late. glow = metric 0.
     * sink - random: prompt p gains (1 + p / 100) for every doubling of k, and 0.25 everywhere */
    stored_set(0, 2, "0.25 + prompt");
    stored_set(0, 3,
               "0.25 + prompt + (1 + prompt * 0.01) * 1 + (seed * 2 - 3) * 0.5"); /* the seeds' mean is the prompt's */
    stored_set(0, 1, "0.25 + prompt + (1 + prompt * 0.01) * 2");
    stored_set(0, 5, "prompt");
    stored_set(0, 6, "prompt");
    stored_set(0, 4, "prompt");
    stored_set(0, 0, "1 + prompt");
    stored_set(0, 7, "2 + prompt + 0.5 * (prompt % 3 = 0)");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    stored_close();
    world_close(&w);
    return 0;
}

static const analysis_trend *trend(const analysis *a, const char *contrast) {
    for (int i = 0; i < a->n_trends; i++)
        if (strcmp(a->trends[i].first->contrast->name, contrast) == 0 && a->trends[i].first->is_primary)
            return &a->trends[i];
    return NULL;
}

static void test_trend(void **state) {
    (void)state;
    analysis *a = stored_analyse();
    const analysis_trend *t = trend(a, "sink - random");
    assert_non_null(t);
    assert_int_equal(t->first->contrast->k, 1);
    assert_int_equal(t->last->contrast->k, 4);
    assert_int_equal(t->stats.n, PROMPTS);
    assert_int_equal(t->stats.levels, 3);
    stored_near(t->stats.slope, (1 + 0.01 * (PROMPTS - 1) / 2.0) / log(2)); /* a doubling is ln 2 */
    stored_near(t->stats.l, PROMPTS * (1 + 4 + 9));                         /* every prompt in perfect order */
    /* exact: 2 / 6^12 for the two perfect orders */
    assert_true(fabs(t->stats.p.value / (2 / pow(6, PROMPTS)) - 1) < 1e-9);
    /* against the baseline the same slope: a constant does not tilt */
    stored_near(trend(a, "sink - baseline")->stats.slope, (1 + 0.01 * (PROMPTS - 1) / 2.0) / log(2));
    text out = {0};
    analysis_describe_trends(a, &out);
    assert_non_null(strstr(out.s, "\nover k           k     metric      n   slope on ln k"));
    assert_non_null(strstr(out.s, "\nsink - random    1..4  glow        12  +1.522 [+1.49"));
    assert_non_null(strstr(out.s, "]     < 1e-4\n"));
    text_free(&out);
    stored_done(a);
}

/* A prompt that one k lacks is left out of the trend, and only of it. */
static void test_trend_of_whole_prompts(void **state) {
    (void)state;
    stored_sql("CREATE TEMP TABLE gone AS SELECT * FROM score WHERE metric = 0 AND unit IN (SELECT unit FROM unit WHERE"
               " condition = 3 AND prompt = 7)");
    stored_sql("DELETE FROM score WHERE metric = 0 AND unit IN (SELECT unit FROM gone)");
    analysis *a = stored_analyse();
    const analysis_trend *t = trend(a, "sink - random");
    assert_int_equal(t->stats.n, PROMPTS - 1);
    assert_int_equal(t->first->stats.n, PROMPTS);
    stored_near(t->stats.slope, (1 + 0.01 * (PROMPTS * (PROMPTS - 1) / 2 - 7) / (PROMPTS - 1.0)) / log(2));
    stored_done(a);
    stored_sql("INSERT INTO score SELECT * FROM gone");
}

/* Prompts are told apart by their numbers, whatever those are in a damaged store: no work or memory grows with them
 * (found by fuzzing). */
static void test_prompt_with_a_large_number(void **state) {
    (void)state;
    stored_sql("UPDATE unit SET prompt = 9223372036854775807 WHERE prompt = 11");
    stored_sql("UPDATE prompt SET prompt = 9223372036854775807 WHERE prompt = 11");
    analysis *a = stored_analyse();
    const analysis_trend *t = trend(a, "sink - random");
    assert_int_equal(t->stats.n, PROMPTS);
    stored_near(t->stats.slope, (1 + 0.01 * (PROMPTS - 1) / 2.0) / log(2));
    int counted = 0;
    for (int i = 0; i < a->n_by_tag; i++)
        if (a->by_tag[i].row == t->last) counted += a->by_tag[i].n;
    assert_int_equal(counted, PROMPTS);
    stored_done(a);
    stored_sql("UPDATE prompt SET prompt = 11 WHERE prompt = 9223372036854775807");
    stored_sql("UPDATE unit SET prompt = 11 WHERE prompt = 9223372036854775807");
}

static void test_tags(void **state) {
    (void)state;
    analysis *a = stored_analyse();
    int seen = 0, prompts = 0;
    for (int i = 0; i < a->n_by_tag; i++) {
        const analysis_tag *t = &a->by_tag[i];
        const study_contrast *c = t->row->contrast;
        if (!t->row->is_primary || strcmp(c->name, "sink - random") != 0 || c->k != 4) continue;
        double sum = 0;
        int n = 0;
        for (int p = 0; p < PROMPTS; p++) {
            int counts = p % 4 == 3; /* the fake prompts: every fourth counts, the others name a colour */
            if (counts != (strcmp(t->tag, "counting") == 0)) continue;
            sum += 0.25 + 2 * (1 + 0.01 * p);
            n++;
        }
        assert_int_equal(t->n, n);
        stored_near(t->mean, sum / n);
        assert_true(t->ci_low.value < t->mean.value && t->mean.value < t->ci_high.value);
        seen++;
        prompts += n;
    }
    assert_int_equal(seen, 2);
    assert_int_equal(prompts, PROMPTS);
    stored_done(a);
}

/* Every metric has them, those outside the main table too; two tags a row, once. */
static void test_tags_of_every_metric(void **state) {
    (void)state;
    analysis *a = stored_analyse();
    int rows = 0, outside = 0, cells = 0;
    for (int i = 0; i < a->n_rows; i++) {
        if (a->rows[i].without_unreadable) continue;
        rows++;
        outside += !a->rows[i].in_main_table;
        for (int j = 0; j < a->n_by_tag; j++) cells += a->by_tag[j].row == &a->rows[i];
    }
    assert_true(outside > 0);
    assert_int_equal(cells, 2 * rows);
    assert_int_equal(a->n_by_tag, 2 * rows);
    stored_done(a);
}

static const analysis_mean *mean_of(const analysis *a, const char *on, const char *condition, const char *tag) {
    const analysis_mean *found = NULL;
    for (int i = 0; i < a->n_means; i++) {
        const analysis_mean *m = &a->means[i];
        if (strcmp(m->metric, on) || strcmp(m->condition, condition) || strcmp(m->tag, tag)) continue;
        assert_null(found);
        found = m;
    }
    return found;
}

/* The baseline's glow is 1 + prompt, that of `late` 2 + prompt and 0.5 more at every third; prompts 3, 7, 11 count. */
static void test_means(void **state) {
    (void)state;
    analysis *a = stored_analyse();
    const analysis_mean *all = mean_of(a, "glow", "baseline", ""), *some = mean_of(a, "glow", "baseline", "counting"),
                        *late = mean_of(a, "glow", "late", "counting");
    stored_near(all->mean, 1 + (PROMPTS - 1) / 2.0);
    assert_int_equal(all->n, PROMPTS);
    assert_int_equal(all->images, 2 * PROMPTS);
    assert_true(all->low.value < all->mean.value && all->mean.value < all->high.value);
    stored_near(some->mean, 8);
    assert_int_equal(some->n, 3);
    assert_int_equal(some->images, 6);
    stored_near(late->mean, 2 + 7 + 0.5 / 3);
    /* three conditions of k each, `late`, the baseline: all and two tags; of a distance not the baseline */
    assert_int_equal(a->n_means, 3 * (8 + 7));
    assert_null(mean_of(a, "pixel-rmse", "baseline", ""));
    assert_non_null(mean_of(a, "pixel-rmse", "late", ""));
    assert_null(mean_of(a, "glow", "calibration", ""));
    stored_done(a);
}

/* Sinks of the baseline's images (rank 0) that `where` names become one key: an image key, or a clip token. */
static void set_sinks(int key, int class, const char *where) {
    char statement[512];
    snprintf(statement, sizeof statement,
             "UPDATE sink SET key = %d, class = %d WHERE rank = 0 AND unit IN (SELECT unit FROM unit u WHERE"
             " condition = 0 AND %s",
             key, class, where);
    stored_sql(statement);
}

static const analysis_tag *of_class(const analysis *a, const char *contrast, int k, const char *class) {
    for (int i = 0; i < a->n_by_class; i++) {
        const analysis_tag *t = &a->by_class[i];
        if (t->row->is_primary && strcmp(t->row->contrast->name, contrast) == 0 && t->row->contrast->k == k &&
            strcmp(t->tag, class) == 0)
            return t;
    }
    return NULL;
}

/* Every third prompt has a word as sink, but at the second step, and there in three of four heads, an image key; one
 * image of another prompt has image keys alone; the rest padding. */
static void test_classes(void **state) {
    (void)state;
    if (strcmp(fake_network(), "alike") != 0) skip(); /* the keys below are places in one layout */
    set_sinks(11, 4, "1)");
    set_sinks(9, 2, "prompt % 3 = 0)");
    set_sinks(0, 0, "prompt % 3 = 0) AND step = 1 AND block + head > 0");
    set_sinks(5, 0, "prompt = 1 AND seed = 2)");
    analysis *a = stored_analyse();
    for (int k = 1; k <= 4; k *= 2) {
        assert_int_equal(of_class(a, "sink - baseline", k, "clip word")->n, PROMPTS / 3);
        assert_int_equal(of_class(a, "sink - baseline", k, "clip padding")->n, PROMPTS - PROMPTS / 3);
        assert_int_equal(of_class(a, "sink - baseline", k, "image")->n, 1);
        assert_null(of_class(a, "sink - random", k, "clip word"));
    }
    stored_near(of_class(a, "sink - baseline", 1, "clip padding")->mean, -0.75);
    /* where `late` acts the third of the prompts has image keys */
    assert_null(of_class(a, "late - baseline", -1, "clip word"));
    const analysis_tag *image = of_class(a, "late - baseline", -1, "image"),
                       *padding = of_class(a, "late - baseline", -1, "clip padding");
    assert_int_equal(image->n, PROMPTS / 3 + 1);
    stored_near(image->mean, (PROMPTS / 3 * 1.5 + 1) / (PROMPTS / 3 + 1));
    assert_true(image->ci_low.value < image->mean.value && image->mean.value < image->ci_high.value);
    assert_int_equal(padding->n, PROMPTS - PROMPTS / 3);
    stored_near(padding->mean, 1);
    stored_done(a);
    set_sinks(8, 1, "1)"); /* one class alone is no part */
    a = stored_analyse();
    assert_int_equal(a->n_by_class, 0);
    stored_done(a);
    set_sinks(11, 4, "prompt < 6)");
    set_sinks(0, 0, "prompt < 6) AND step = 0"); /* half and half: the class met first */
    a = stored_analyse();
    assert_int_equal(of_class(a, "sink - baseline", 1, "image")->n, 6);
    assert_int_equal(of_class(a, "late - baseline", -1, "clip padding")->n, 6);
    stored_done(a);
}

int main(void) {
    if (chdir("/") != 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trend),
        cmocka_unit_test(test_trend_of_whole_prompts),
        cmocka_unit_test(test_prompt_with_a_large_number),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_tags_of_every_metric),
        cmocka_unit_test(test_means),
        cmocka_unit_test(test_classes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
