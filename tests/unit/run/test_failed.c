/* Images that an edit drives to infinity: stored as failed, alone; what comes after counts them. The edit `burst` of
 * the fake network ends images of seed 2 after step 3, and those of seed 4 in their picture. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fake.h"
#include "stored.h"
#include "run/verify.h"
#include "world.h"

static const char STUDY[] = "study: world\nmodel: model\nprompts: {file: prompts.jsonl, sample: 6, stratify: tag}\n"
                            "seeds: [1, 2, 4]\nsampler: {steps: 6}\nprobes: [mass, entropy, census, trajectory]\n"
                            "measure: {sinks: 2, masses: true}\nconditions:\n"
                            "  sink:  {select: top, k: [1, 3], edit: mask, phase: [0.5, 1]}\n"
                            "  burst: {select: top, k: [1, 3], edit: burst}\n"
                            "  part:  {select: random, k: 1, edit: burst, draws: 2}\n"
                            "  other: {prompt: swap-attribute}\n"
                            "metrics: [glow, right, pixel-rmse]\nprimary: glow\ncontrasts:\n"
                            "  - {what: burst - baseline, margin: calibrated}\n"
                            "  - {what: sink - burst}\n"
                            "  - {what: burst - part}\n";
enum { PROMPTS = 6, BURSTING = 4 /* conditions */, FAILED = PROMPTS * 2 * BURSTING };

static ss_error err;

/* The one text that a question answers. */
static char *ask(const world *w, const char *name, const char *sql) {
    store *s;
    store_rows *r;
    assert_int_equal(store_open(&s, world_path(w, name), STORE_READ, NULL, &err), SS_OK);
    if (store_select(&r, s, &err, sql) != SS_OK) fail_msg("%s", err.message);
    assert_int_equal(store_rows_next(r, &err), 1);
    char *answer = text_copy(store_rows_text(r, 0));
    store_rows_close(r);
    store_close(s);
    return answer;
}

static int64_t number(const world *w, const char *name, const char *sql) {
    char *answer = ask(w, name, sql);
    int64_t n = atoll(answer);
    free(answer);
    return n;
}

static void same_answers(const world *w, const char *one, const char *other, const char *sql) {
    char *a = ask(w, one, sql), *b = ask(w, other, sql);
    assert_true(strlen(a) > 100);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

/* A failed image does not move a bit of its company, in whatever waves. */
static void test_the_rest_goes_on(void **state) {
    (void)state;
    world w;
    world_open(&w, STUDY, 12, 0);
    char *expected = world_reference(&w);
    assert_int_equal(number(&w, "reference", "SELECT count(*) FROM failure"), FAILED);
    for (int batch = 2; batch <= 16; batch *= 2) {
        char name[16];
        snprintf(name, sizeof name, "batch%d", batch);
        assert_int_equal(world_run(&w, name, &(run_options){.batch = batch}, &err), SS_OK);
        char *found = world_exports(&w, name);
        assert_string_equal(found, expected);
        free(found);
    }
    fake.defect = FAKE_NO_BURST;
    assert_int_equal(world_run(&w, "sound", &(run_options){.batch = 4}, &err), SS_OK);
    assert_int_equal(number(&w, "sound", "SELECT count(*) FROM failure"), 0);
#define SOUND " WHERE seed % 4 = 1 OR edit_name IS NOT 'burst' ORDER BY unit"
    same_answers(&w, "reference", "sound", "SELECT group_concat(unit || pixels) FROM (SELECT * FROM units" SOUND ")");
    same_answers(&w, "reference", "sound",
                 "SELECT group_concat(unit || value) FROM (SELECT * FROM long_scores" SOUND ", metric)");
    same_answers(&w, "reference", "sound",
                 "SELECT group_concat(unit || max_mass) FROM (SELECT * FROM sites" SOUND
                 ", step, block, head, branch)");
    free(expected);
    world_close(&w);
}

static void test_what_is_stored(void **state) {
    (void)state;
    world w;
    world_open(&w, STUDY, 12, 0);
    free(world_reference(&w));
    const char *r = "reference";
    assert_int_equal(number(&w, r, "SELECT count(*) FROM failures WHERE metric IS NULL"), FAILED);
    assert_int_equal(number(&w, r, "SELECT count(*) FROM failures WHERE step = 3 AND seed = 2"), FAILED / 2);
    assert_int_equal(number(&w, r, "SELECT count(*) FROM failures WHERE step IS NULL AND seed = 4"), FAILED / 2);
    char *reason = ask(&w, r, "SELECT reason FROM failures WHERE step = 3");
    assert_string_equal(reason, "block 1 is not finite at step 3");
    free(reason);
    assert_int_equal(number(&w, r, "SELECT count(*) FROM units WHERE failed <> (image IS NULL)"), 0);
    assert_int_equal(number(&w, r, "SELECT count(*) FROM units WHERE failed"), FAILED);
    /* neither measurements nor scores, but the worst answer of the judge */
    assert_int_equal(number(&w, r, "SELECT count(*) FROM site JOIN failure USING (unit)"), 0);
    assert_int_equal(number(&w, r, "SELECT count(*) FROM trajectory JOIN failure USING (unit)"), 0);
    assert_int_equal(number(&w, r,
                            "SELECT count(*) FROM scores WHERE failed AND (glow IS NOT NULL OR pixel_rmse IS NOT"
                            " NULL OR right <> 0 OR unreadable)"),
                     0);
    assert_int_equal(number(&w, r, "SELECT count(*) FROM scores WHERE failed AND right = 0"), FAILED);
    assert_int_equal(number(&w, r, "SELECT count(*) FROM failed_scores WHERE metric = 'glow'"), FAILED);
    assert_int_equal(number(&w, r, "SELECT count(*) FROM failed_scores"), 2 * FAILED);
    /* in the exports */
    char *all = world_exports(&w, r), *at = strstr(all, ",burst k=1,glow,failed,0,");
    assert_non_null(at);
    assert_non_null(strstr(all, "the picture is not finite"));
    free(all);
    assert_false(file_exists(world_path(&w, "reference/images/burst_k1/00000/samples/0001.png")));
    world_close(&w);
}

static void test_killed_and_resumed(void **state) {
    (void)state;
    world w;
    world_open(&w, STUDY, 12, 0);
    char *expected = world_reference(&w);
    for (int fail = 40; fail < w.p->counts.forwards / 2; fail += 110) {
        char name[32];
        snprintf(name, sizeof name, "killed-%d", fail);
        fake.steps = 0;
        fake.fail_after = fail;
        assert_int_equal(world_run(&w, name, &(run_options){.batch = 4}, &err), SS_ERR_RESOURCE);
        fake.fail_after = 0;
        assert_int_equal(world_run(&w, name, &(run_options){.batch = 4}, &err), SS_OK);
        char *found = world_exports(&w, name);
        assert_string_equal(found, expected);
        free(found);
        fake.steps = fake.encodes = 0;
        assert_int_equal(world_run(&w, name, NULL, &err), SS_OK); /* a failed unit is done */
        assert_int_equal(fake.steps + fake.encodes, 0);
    }
    free(expected);
    world_close(&w);
}

/* What everything is compared with must be finite. */
static void test_a_baseline_ends_the_run(void **state) {
    (void)state;
    world w;
    world_open(&w, STUDY, 12, 0);
    fake.defect = FAKE_BURST_ALL;
    assert_int_equal(world_run(&w, "broken", &(run_options){.batch = 4}, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, "fake network");
    assert_non_null(strstr(err.message, "', seed 2, baseline: block 1 is not finite at step 3; what everything"));
    assert_int_equal(number(&w, "broken",
                            "SELECT count(*) FROM unit JOIN condition USING (condition) WHERE role <>"
                            " 'studied' AND image IS NULL"),
                     0);
    world_close(&w);
}

/* ---- verify ---- */

static void verify_now(const world *w, const char *name, int remake, verify_report *v) {
    store *s;
    assert_int_equal(store_open(&s, world_path(w, name), STORE_READ, NULL, &err), SS_OK);
    if (verify_store(s, w->p, w->c, fake_pipeline(), remake, NULL, v, &err) != SS_OK) fail_msg("%s", err.message);
    store_close(s);
}

static void expect_problem(const world *w, const char *name, int remake, const char *says) {
    verify_report v;
    verify_now(w, name, remake, &v);
    if (!v.problems.s || !strstr(v.problems.s, says))
        fail_msg("no '%s' in: %s", says, v.problems.s ? v.problems.s : "");
    verify_free(&v);
}

static void test_verify(void **state) {
    (void)state;
    world w;
    verify_report v;
    world_open(&w, STUDY, 12, 0);
    free(world_reference(&w));
    verify_now(&w, "reference", 1000, &v);
    if (v.n_problems) fail_msg("%s", v.problems.s);
    assert_int_equal(v.failed, FAILED);
    assert_int_equal(v.remade, w.p->n_units);
    assert_int_equal(v.remade_differing, 0);
    verify_free(&v);
    fake.defect = FAKE_NO_BURST;
    verify_now(&w, "reference", 1000, &v);
    assert_int_equal(v.remade_differing, FAILED);
    assert_non_null(strstr(v.problems.s, "made again, it does not fail: "));
    verify_free(&v);
    fake.defect = FAKE_BURST_ALL; /* those that were sound fail */
    expect_problem(&w, "reference", 1000, "made again, it fails: ");
    world_close(&w);
}

static void test_verify_finds_what_is_not_marked(void **state) {
    (void)state;
    world w;
    world_open(&w, STUDY, 12, 0);
    free(world_reference(&w));
    assert_true(stored_open(&w, "reference"));
    stored_sql("SAVEPOINT a; DELETE FROM failure WHERE unit = (SELECT min(unit) FROM failure); RELEASE a");
    expect_problem(&w, "reference", 0, "has no picture, and nothing says why");
    stored_sql("INSERT INTO failure SELECT unit, 3, 'x' FROM unit WHERE image IS NULL AND unit NOT IN (SELECT unit FROM"
               " failure)");
    static const char *const INFINITE[][3] = {
        {"UPDATE site SET entropy = 9e999 WHERE rowid_of", "table site: 1 infinite values in entropy", "site"},
        {"UPDATE trajectory SET latent_rmse = -9e999 WHERE rowid_of", "table trajectory: 1 infinite values",
         "trajectory"},
        {"UPDATE sink SET mass = 9e999 WHERE rowid_of", "table sink: 1 infinite values in mass", "sink"},
        {"UPDATE score SET value = 9e999 WHERE rowid_of", "table score: 1 infinite values in value", "score"},
    };
    static const char *const KEYS[] = {"(unit, step, block, head, branch)", "(unit, step)",
                                       "(unit, step, block, head, branch, rank)", "(unit, metric)"};
    for (int i = 0; i < 4; i++) {
        char sql[512], *at;
        snprintf(sql, sizeof sql, "%s", INFINITE[i][0]);
        at = strstr(sql, "rowid_of");
        const char *names = KEYS[i] + 1;
        snprintf(at, sizeof sql - (size_t)(at - sql), "%s = (SELECT %.*s FROM %s LIMIT 1)", KEYS[i],
                 (int)strlen(names) - 1, names, INFINITE[i][2]);
        stored_sql(sql);
        expect_problem(&w, "reference", 0, INFINITE[i][1]);
    }
    /* what was not a number: a column without it, or steps without a row */
    stored_sql("UPDATE site SET max_mass = NULL WHERE unit = (SELECT max(unit) FROM site) AND step = 5 AND block = 0");
    expect_problem(&w, "reference", 0, "the rest was not a number");
    stored_sql("UPDATE site SET max_mass = 0.5 WHERE max_mass IS NULL");
    verify_report v;
    verify_now(&w, "reference", 0, &v);
    assert_null(strstr(v.problems.s, "the rest was not a number"));
    verify_free(&v);
    stored_sql(
        "DELETE FROM site WHERE unit = (SELECT unit FROM unit JOIN condition USING (condition) WHERE name = 'sink"
        " k=1' LIMIT 1) AND step >= 3");
    expect_problem(&w, "reference", 0, "table site: 1 images of 'sink k=1' have ");
    stored_close();
    world_close(&w);
}

/* Whatever the cause: equal seeds, black pictures. */
static void test_verify_finds_equal_seeds(void **state) {
    (void)state;
    world w;
    world_open(&w, STUDY, 12, 0);
    free(world_reference(&w));
    assert_true(stored_open(&w, "reference"));
    stored_sql(
        "UPDATE unit SET pixels = (SELECT v.pixels FROM unit v WHERE v.prompt = unit.prompt AND v.condition ="
        " unit.condition AND v.seed = 1) WHERE seed = 4 AND prompt = (SELECT min(prompt) FROM unit) AND condition"
        " = (SELECT condition FROM condition WHERE name = 'sink k=1')");
    expect_problem(&w, "reference", 0, "sink k=1: seeds 1, 4 have the same pixels");
    verify_report v;
    verify_now(&w, "reference", 0, &v);
    assert_int_equal(v.equal_seeds, 1);
    verify_free(&v);
    stored_close();
    world_close(&w);
}

/* ---- older stores ---- */

static void test_older_stores_are_told(void **state) {
    (void)state;
    world w;
    store *s;
    notices list = {0};
    world_open(&w, WORLD_STUDY, 12, 2);
    free(world_reference(&w));
    assert_true(stored_open(&w, "reference"));
    stored_sql("DROP VIEW failures; DROP VIEW failed_scores; DROP VIEW units; DROP VIEW scores; DROP VIEW calibrations;"
               "DROP TABLE failure; DROP TABLE score_failure; PRAGMA user_version = 2");
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(store_tell_older(s, &list, &err), SS_OK);
    assert_int_equal(list.n, 0);
    store_close(s);
    stored_sql("UPDATE site SET entropy = 9e999 WHERE step = 2 AND block = 0 AND head = 0 AND branch = 0");
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(store_tell_older(s, &list, &err), SS_OK);
    assert_int_equal(list.n, 1);
    assert_non_null(strstr(list.line[0], "is of version 2 and holds "));
    notices_free(&list);
    store_close(s);
    stored_close();
    world_close(&w);
}

/* ---- scores ---- */

/* A score that is not a number fails alone; of a baseline it ends the run. */
static void test_scores_that_fail(void **state) {
    (void)state;
    world w;
    world_open(&w, STUDY, 12, 0);
    free(world_reference(&w));
#define FAR_AND "SELECT count(*) FROM long_scores WHERE metric = 'pixel-rmse' AND value > 0.12"
    int64_t n = number(&w, "reference", FAR_AND);
    assert_true(n > 0);
    assert_int_equal(number(&w, "reference", FAR_AND " AND role <> 'studied'"), 0);
    fake.most_rmse = 0.12;
    assert_int_equal(world_run(&w, "scores", &(run_options){.batch = 4}, &err), SS_OK);
    assert_int_equal(number(&w, "scores", "SELECT count(*) FROM score_failure"), n);
    assert_int_equal(number(&w, "scores",
                            "SELECT count(*) FROM failures WHERE metric = 'pixel-rmse' AND reason = 'it is"
                            " not a number'"),
                     n);
    assert_int_equal(number(&w, "scores", "SELECT count(*) FROM failed_scores WHERE metric = 'pixel-rmse'"),
                     n + FAILED);
    same_answers(&w, "reference", "scores",
                 "SELECT group_concat(unit || pixels) FROM (SELECT * FROM units ORDER BY unit)");
    same_answers(
        &w, "reference", "scores",
        "SELECT group_concat(unit || value) FROM (SELECT * FROM long_scores WHERE metric = 'glow' ORDER BY unit)");
    verify_report v;
    verify_now(&w, "scores", 0, &v);
    if (v.n_problems) fail_msg("%s", v.problems.s);
    verify_free(&v);
    fake.most_rmse = 1e-4; /* the positive control's too */
    assert_int_equal(world_run(&w, "none", &(run_options){.batch = 4}, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, "pixel-rmse");
    world_close(&w);
}

/* Scoring later: the worst value where a metric has one, nothing elsewhere, and no unit twice. */
static void test_score_later(void **state) {
    (void)state;
    world w;
    store *s;
    study_metric m[2];
    int n, images;
    world_open(&w, STUDY, 12, 0);
    free(world_reference(&w));
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_WRITE, NULL, &err), SS_OK);
    assert_int_equal(study_parse_metrics(store_study(s), "dim, right", "--metric", m, 2, &n, &images, &err), SS_OK);
    assert_int_equal(run_forget_scores(s, &m[1], &err), SS_OK);
    for (int i = 0; i < 2; i++)
        if (run_score(s, w.c, m, n, NULL, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
    store_close(s);
    assert_int_equal(number(&w, "reference", "SELECT count(*) FROM failed_scores WHERE metric = 'dim'"), FAILED);
    assert_int_equal(number(&w, "reference", "SELECT count(*) FROM scores WHERE failed AND right = 0"), FAILED);
    world_close(&w);
}

/* ---- the analysis ---- */

static const analysis_row *row_of(const analysis *a, const char *contrast, int k, const char *on) {
    for (int i = 0; i < a->n_rows; i++)
        if (strcmp(a->rows[i].contrast->name, contrast) == 0 && a->rows[i].contrast->k == k &&
            strcmp(a->rows[i].metric, on) == 0 && !a->rows[i].without_unreadable)
            return &a->rows[i];
    fail_msg("no row %s k=%d %s", contrast, k, on);
    return NULL;
}

static void test_analysis(void **state) {
    (void)state;
    world w;
    world_open(&w, STUDY, 12, 0);
    free(world_reference(&w));
    assert_true(stored_open(&w, "reference"));
    analysis *a = stored_analyse();
    /* a: two of every prompt's three images failed; b: none */
    const analysis_row *r = row_of(a, "burst - baseline", 1, "glow");
    assert_int_equal(r->stats.n, PROMPTS);
    assert_int_equal(r->stats.pairs, 3 * PROMPTS);
    assert_int_equal(r->stats.failed_a, 2 * PROMPTS);
    assert_int_equal(r->stats.failed_b, 0);
    assert_int_equal(r->stats.mean.state, STATS_FAILED);
    stored_near(r->stats.wilcoxon_w, 0); /* every prompt is below */
    stored_near(r->stats.wilcoxon_p, 2.0 / 64);
    assert_int_equal(r->stats.mean_at_most.state, STATS_DEFINED);
    assert_true(r->stats.verdict != STATS_EQUIVALENT);
    assert_non_null(strstr(r->reads, "; by ranks, 12 failed"));
    /* of a distance a failed image is the farthest */
    r = row_of(a, "burst - baseline", 1, "pixel-rmse");
    stored_near(r->stats.wilcoxon_w, 21);
    assert_int_equal(r->stats.mean_at_least.state, STATS_DEFINED);
    /* b failed */
    r = row_of(a, "sink - burst", 1, "glow");
    assert_int_equal(r->stats.failed_b, 2 * PROMPTS);
    stored_near(r->stats.wilcoxon_w, 21);
    assert_int_equal(r->stats.mean_at_least.state, STATS_DEFINED);
    assert_int_equal(r->stats.mean_a.state, STATS_DEFINED);
    /* both failed, always together: what is left are differences of the other images; draws are one condition */
    r = row_of(a, "burst - part", 1, "glow");
    assert_int_equal(r->stats.failed_a, 2 * PROMPTS);
    assert_int_equal(r->stats.failed_b, 2 * PROMPTS);
    assert_int_equal(r->stats.mean_at_most.state, STATS_FAILED);
    assert_non_null(strstr(r->reads, "; by ranks, 12 + 12 failed"));
    /* wrong answers are values: everything is defined */
    r = row_of(a, "burst - baseline", 1, "right");
    assert_int_equal(r->stats.failed_a, 0);
    assert_int_equal(r->stats.mean.state, STATS_DEFINED);
    assert_int_equal(r->stats.pairs, 3 * PROMPTS);
    for (int i = 0; i < a->n_accuracy; i++) assert_int_equal(a->accuracy[i].images % 3, 0);
    /* counted by condition */
    assert_int_equal(a->n_failed, BURSTING);
    assert_string_equal(a->failed[0].condition, "burst k=1");
    assert_int_equal(a->failed[0].failed, 2 * PROMPTS);
    assert_int_equal(a->failed[0].images, 3 * PROMPTS);
    for (int i = 0; i < a->n_means; i++) {
        int burst = strncmp(a->means[i].condition, "burst", 5) == 0 && strcmp(a->means[i].metric, "right") != 0;
        if (!burst) continue;
        assert_int_equal(a->means[i].failed * 3, a->means[i].images * 2);
        assert_int_equal(a->means[i].mean.state, STATS_FAILED);
    }
    text out = {0};
    analysis_describe(a, &out);
    assert_non_null(strstr(out.s, "failed: 'burst k=1': 12 of 18 images are not finite and have no picture\n"));
    assert_non_null(strstr(out.s, "  at most "));
    text_free(&out);
    stored_done(a);
    stored_close();
    world_close(&w);
}

/* Some draws of a control fail: their share counts. */
static void test_share_of_draws(void **state) {
    (void)state;
    world w;
    world_open(&w, STUDY, 12, 0);
    fake.defect = FAKE_NO_BURST;
    free(world_reference(&w));
    assert_true(stored_open(&w, "reference"));
    stored_sql(
        "CREATE TEMP TABLE lost AS SELECT unit FROM unit JOIN condition USING (condition) WHERE name = 'part draw 2'"
        " AND seed = 1;"
        "INSERT INTO failure SELECT unit, 0, 'x' FROM lost;"
        "UPDATE unit SET image = NULL, pixels = NULL WHERE unit IN lost;"
        "DELETE FROM score WHERE unit IN lost");
    analysis *a = stored_analyse();
    const analysis_row *r = row_of(a, "burst - part", 1, "glow");
    assert_int_equal(r->stats.failed_b, PROMPTS);
    stored_near(r->stats.wilcoxon_w, 21);
    r = row_of(a, "burst - part", 1, "right"); /* wrong in half of the draws: a value */
    assert_int_equal(r->stats.failed_b, 0);
    assert_int_equal(r->stats.pairs, 3 * PROMPTS);
    stored_done(a);
    stored_close();
    world_close(&w);
}

/* Scores that came from elsewhere have no row for a failed image: it is wrong all the same, where the metric was taken
 * over for its condition at all. */
static void test_imported_answers(void **state) {
    (void)state;
    world w;
    world_open(&w, STUDY, 12, 0);
    free(world_reference(&w));
    assert_true(stored_open(&w, "reference"));
    stored_sql(
        "INSERT INTO metric VALUES(3, 'seen', 'alignment', 1, 0, 0, 1, '');"
        "INSERT INTO score SELECT unit, 3, 1, 0, '' FROM unit JOIN condition USING (condition) WHERE image IS NOT"
        " NULL AND name IN ('baseline', 'burst k=1')");
    analysis *a = stored_analyse();
    const analysis_row *r = row_of(a, "burst - baseline", 1, "seen");
    assert_int_equal(r->stats.pairs, 3 * PROMPTS);
    stored_near(r->stats.mean, -2.0 / 3);
    r = row_of(a, "burst - baseline", 3, "seen"); /* not taken over */
    assert_int_equal(r->stats.n, 0);
    stored_done(a);
    stored_close();
    world_close(&w);
}

/* Over k, a failed image has the last rank of its prompt. */
static void test_trend(void **state) {
    (void)state;
    static const char OVER_K[] = "study: world\nmodel: model\nprompts: {file: prompts.jsonl, sample: 6}\nseeds: [1]\n"
                                 "sampler: {steps: 6}\nconditions:\n  sink: {select: top, k: [1, 2, 3], edit: mask}\n"
                                 "metrics: [glow]\nprimary: glow\ncontrasts:\n  - {what: sink - baseline}\n";
    world w;
    world_open(&w, OVER_K, 12, 0);
    free(world_reference(&w));
    assert_true(stored_open(&w, "reference"));
    stored_set(0, 0, "0.9");
    stored_set(0, 1, "0.5 + 0.01 * prompt");
    stored_set(0, 2, "0.4 + 0.01 * prompt");
    stored_sql("CREATE TEMP TABLE lost AS SELECT unit FROM unit WHERE condition = 3;"
               "INSERT INTO failure SELECT unit, 0, 'x' FROM lost;"
               "UPDATE unit SET image = NULL, pixels = NULL WHERE unit IN lost; DELETE FROM score WHERE unit IN lost");
    analysis *a = stored_analyse();
    assert_int_equal(a->n_trends, 1);
    assert_int_equal(a->trends[0].stats.n, 6);
    assert_int_equal(a->trends[0].failed, 6);
    stored_near(a->trends[0].stats.l, 6 * (1 * 3 + 2 * 2 + 3 * 1));
    assert_true(a->trends[0].stats.p.state == STATS_DEFINED && a->trends[0].stats.p.value < 0.01);
    assert_int_equal(a->trends[0].stats.slope.state, STATS_FAILED);
    stored_done(a);
    stored_close();
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_rest_goes_on),
        cmocka_unit_test(test_what_is_stored),
        cmocka_unit_test(test_killed_and_resumed),
        cmocka_unit_test(test_a_baseline_ends_the_run),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_verify_finds_what_is_not_marked),
        cmocka_unit_test(test_verify_finds_equal_seeds),
        cmocka_unit_test(test_older_stores_are_told),
        cmocka_unit_test(test_scores_that_fail),
        cmocka_unit_test(test_score_later),
        cmocka_unit_test(test_analysis),
        cmocka_unit_test(test_share_of_draws),
        cmocka_unit_test(test_imported_answers),
        cmocka_unit_test(test_trend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
