/* Published numbers beside a study: shown where every field of the design is the paper's, and where one differs, that
 * field and no number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/published.h"
#include "report/sections.h"
#include "wellformed.h"

/* Conditions: baseline, sink and random at k = 1, all of the paper's design. Rows: sink - random on lpips-alex, and
 * sink - baseline on clip-t. */
typedef struct fixture {
    study study;
    study_condition condition[3];
    study_contrast contrast[2];
    analysis analysis;
    analysis_row row[2];
    report_facts facts;
} fixture;

static ss_error err;

/* "TEXT block I TEXT": blocks with the names of one module, a kind, heads, keys. */
static void make_modules(report_table *t, int blocks, const char *name, const char *kind, int heads, int keys) {
    static const char *const COLUMNS[] = {"block", "name", "kind", "heads", "queries", "keys", "segments"};
    report_table_free(t);
    *t = (report_table){0};
    assert_int_equal(report_table_columns(t, COLUMNS, 7, &err), SS_OK);
    for (int i = 0; i < blocks; i++) {
        char words[64];
        snprintf(words, sizeof words, "%s.%d.attn", name, i);
        assert_int_equal(report_table_add_whole(t, i, &err), SS_OK);
        assert_int_equal(report_table_add_words(t, words, &err), SS_OK);
        assert_int_equal(report_table_add_words(t, kind, &err), SS_OK);
        assert_int_equal(report_table_add_whole(t, heads, &err), SS_OK);
        assert_int_equal(report_table_add_whole(t, keys, &err), SS_OK);
        assert_int_equal(report_table_add_whole(t, keys, &err), SS_OK);
        assert_int_equal(report_table_add_words(t, "image", &err), SS_OK);
    }
}

static study_condition masked(const char *name, const char *select) {
    study_condition c = {.name = name, .family = name, .has_intervention = 1, .guidance = NAN};
    const attn_selector *const *s = ATTN_SELECTORS;
    while (strcmp((*s)->about.name, select) != 0) s++;
    c.intervention = (study_intervention){.heads = {.all = 1},
                                          .steps = {.all = 1},
                                          .branches = 1u << BRANCH_COND | 1u << BRANCH_UNCOND,
                                          .rows = ROWS_ALL,
                                          .scope = SCOPE_LAYER,
                                          .selector = *s,
                                          .edit = ATTN_EDITS[0],
                                          .k = 1};
    c.intervention.blocks.n_fractions = 1; /* 0.5: block 12 of 24 */
    c.intervention.blocks.fraction[0] = 0.5;
    return c;
}

static void make(fixture *f) {
    static const char *const TAGS[] = {"tag", "prompts"};
    *f = (fixture){0};
    f->condition[0] = (study_condition){.name = "baseline", .family = "baseline", .guidance = NAN};
    f->condition[1] = masked("sink", "top");
    f->condition[2] = masked("random", "random");
    f->contrast[0] = (study_contrast){.name = "sink - random", .a = 1, .b = 2, .k = -1};
    f->contrast[1] = (study_contrast){.name = "sink - baseline", .a = 1, .b = 0, .k = -1};
    f->study = (study){.name = "study",
                       .model = "models/large",
                       .seeds_by_prompt = 1,
                       .n_seeds = 1,
                       .sampler = {.steps = 20, .guidance = 7},
                       .rows = ROWS_IMAGE,
                       .n_conditions = 3,
                       .condition = f->condition,
                       .n_contrasts = 2,
                       .contrast = f->contrast,
                       .n_metrics = 2};
    f->study.seed[0] = seed_of(1000);
    f->study.metric[0].row = metric_find("lpips-alex", NULL, &err);
    f->study.metric[1].row = metric_find("clip-t", NULL, &err);
    f->study.metric[1].options[0].text = "/weights/clip-vit-base-patch32";
    f->row[0] = (analysis_row){.contrast = &f->contrast[0], .metric = "lpips-alex", .kind = METRIC_DISTANCE};
    f->row[1] = (analysis_row){.contrast = &f->contrast[1], .metric = "clip-t", .kind = METRIC_ALIGNMENT};
    for (int i = 0; i < 2; i++) f->row[i].stats.n = 64, f->row[i].stats.mean = stats_defined(0.25);
    f->analysis = (analysis){.study = &f->study, .n_rows = 2, .rows = f->row};
    f->facts = (report_facts){.analysis = &f->analysis, .study = &f->study, .first_image_key = NAN, .kinds = 1};
    make_modules(&f->facts.modules, 24, "transformer_blocks", "joint", 24, 4429);
    assert_int_equal(report_table_columns(&f->facts.tags, TAGS, 2, &err), SS_OK);
    assert_int_equal(report_table_add_words(&f->facts.tags, "", &err), SS_OK);
    assert_int_equal(report_table_add_whole(&f->facts.tags, 64, &err), SS_OK);
    snprintf(f->facts.prompts_sha256, sizeof f->facts.prompts_sha256, "%s",
             PUBLISHED_CONTRASTS[0].design->prompts_sha256);
}

static char *page_of(fixture *f) {
    text page = {0};
    section_published(&f->facts, &page);
    assert_false(page.failed);
    if (!page.s) text_add(&page, "");
    assert_null(find_malformed(page.s));
    facts_free(&f->facts);
    return page.s;
}

static void test_same(void **state) {
    (void)state;
    fixture *f = malloc(sizeof *f);
    make(f);
    char *page = page_of(f);
    assert_non_null(
        strstr(page, "lpips-alex, sink − random, k = 1 (Table 6)</th><td>+0.295 [+0.265, +0.323]: sink 0.347"));
    assert_non_null(strstr(page, "clip-t, sink − baseline, k = 1 (Table 19)</th><td>interval contains 0</td>"));
    assert_non_null(strstr(page, "its weights and the metric&#39;s were not verified"));
    assert_null(strstr(page, "another design"));
    free(page);
    free(f);
}

/* ---- one field at a time ---- */

static void other_model(fixture *f) { make_modules(&f->facts.modules, 24, "transformer_blocks", "joint", 6, 160); }
static void other_weights(fixture *f) { f->study.weights = FORM_INT8; }
static void other_prompts(fixture *f) { f->facts.prompts_sha256[0] = 'x'; }
static void other_n(fixture *f) { f->row[0].stats.n = f->row[1].stats.n = 63; }
static void other_seed(fixture *f) { f->study.seed[0] = seed_of(42); }
static void no_seed_by_prompt(fixture *f) { f->study.seeds_by_prompt = 0; }
static void other_steps(fixture *f) { f->study.sampler.steps = 0; }
static void other_guidance(fixture *f) { f->study.sampler.guidance = 7.5; }
static void other_mass(fixture *f) { f->study.rows = ROWS_ALL; }
static void other_scope(fixture *f) { f->condition[1].intervention.scope = SCOPE_HEAD; }
static void other_rows(fixture *f) { f->condition[1].intervention.rows = ROWS_IMAGE; }
static void all_blocks(fixture *f) { f->condition[1].intervention.blocks.all = 1; }
static void other_block(fixture *f) { f->condition[1].intervention.blocks.fraction[0] = 0.25; }
static void other_phase(fixture *f) {
    f->condition[1].intervention.has_phase = 1;
    f->condition[1].intervention.phase_high = 0.5;
}
static void one_branch(fixture *f) { f->condition[1].intervention.branches = 1u << BRANCH_COND; }
static void own_guidance(fixture *f) { f->condition[1].guidance = 3; }
static void random_weights(fixture *f) { f->row[0].is_random = f->row[1].is_random = 1; }

static void test_different(void **state) {
    (void)state;
    static const struct {
        void (*change)(fixture *f);
        const char *paper, *own;
    } CASES[] = {
        {other_model, "SD3-medium (24 blocks", "large (24 calls of attention, at most 6 heads, at most 160 keys)"},
        {other_weights, "SD3-medium (24 blocks", "weights int8"},
        {other_prompts, "prompts: the first 64 of GenEval", "prompts: others"},
        {other_n, "n = 64", "n = 63"},
        {other_seed, "seed 1000 + the prompt", "seed 42 + the prompt"},
        {no_seed_by_prompt, "seed 1000 + the prompt", "1 seed for every prompt"},
        {other_steps, "20 steps", "the model&#39;s default steps"},
        {other_guidance, "guidance 7", "guidance 7.5"},
        {other_mass, "mass over image queries", "mass over all queries"},
        {other_scope, "scope layer, rows all", "scope head, rows all"},
        {other_rows, "scope layer, rows all", "scope layer, rows image"},
        {all_blocks, "joint-attention of block 12 of 24", "blocks 0, 1, 2, 3"},
        {other_block, "joint-attention of block 12 of 24", "block 6 of 24"},
        {other_phase, "all heads, steps and both branches", "only a part of these"},
        {one_branch, "all heads, steps and both branches", "only a part of these"},
        {own_guidance, "all heads, steps and both branches", "only a part of these"},
        {random_weights, "<td>lpips-alex</td>", "lpips-alex by random weights"},
    };
    fixture *f = malloc(sizeof *f);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        make(f);
        CASES[i].change(f);
        char *page = page_of(f);
        if (strstr(page, "+0.295") || strstr(page, "interval contains 0")) fail_msg("case %d has a number", (int)i);
        if (!strstr(page, CASES[i].paper) || !strstr(page, CASES[i].own))
            fail_msg("case %d: not both of '%s', '%s' in %s", (int)i, CASES[i].paper, CASES[i].own, page);
        free(page);
    }
    free(f);
}

/* The version of a metric, and its weights where the name does not say them. */
static void test_metrics(void **state) {
    (void)state;
    fixture *f = malloc(sizeof *f);
    make(f);
    f->row[0].metric = "lpips-vgg";
    f->study.metric[1].options[0].text = "models/shapes-clip";
    char *page = page_of(f);
    assert_null(strstr(page, "+0.295"));
    assert_null(strstr(page, "interval contains 0"));
    assert_non_null(strstr(page, "<td>lpips-alex</td><td>lpips-vgg</td>"));
    assert_non_null(strstr(page, "<td>clip-t by clip-vit-base-patch32</td><td>clip-t by shapes-clip</td>"));
    free(page);
    make(f);
    f->row[0].metric = "hps-v2"; /* v2.0; the paper's is v2.1, and of other prompts */
    page = page_of(f);
    assert_non_null(strstr(page, "; hps-v2.1</td><td>prompts: others; hps-v2</td>"));
    free(page);
    free(f);
}

/* Another name: nothing is said at all. */
static void test_other_names(void **state) {
    (void)state;
    fixture *f = malloc(sizeof *f);
    for (int i = 0; i < 3; i++) {
        make(f);
        f->analysis.n_rows = 1;
        if (i == 0) f->row[0].metric = "rmse";
        if (i == 1) f->condition[1].intervention.k = f->condition[2].intervention.k = 3; /* not published */
        if (i == 2) f->condition[1].intervention.edit = ATTN_EDITS[1];
        char *page = page_of(f);
        assert_string_equal(page, "");
        free(page);
    }
    free(f);
}

/* What was seen in unchanged images: its number by the same rule. */
static void test_sights(void **state) {
    (void)state;
    static const char *const SITES[] = {"block", "step", "max_mass"};
    fixture *f = malloc(sizeof *f);
    for (int same = 0; same < 2; same++) {
        make(f);
        f->analysis.n_rows = 0;
        f->study.seed[0] = seed_of(42);
        f->facts.first_image_key = 0.015625;
        assert_int_equal(report_table_columns(&f->facts.baseline, SITES, 3, &err), SS_OK);
        for (int i = 0; i < 24; i++) {
            assert_int_equal(report_table_add_whole(&f->facts.baseline, i, &err), SS_OK);
            assert_int_equal(report_table_add_whole(&f->facts.baseline, 0, &err), SS_OK);
            assert_int_equal(report_table_add_number(&f->facts.baseline, i / 100.0, &err), SS_OK);
        }
        if (same) {
            f->facts.tags.cell[1].whole = 8;
            snprintf(f->facts.prompts_sha256, sizeof f->facts.prompts_sha256, "%s",
                     PUBLISHED_SIGHTS[0].design->prompts_sha256);
        }
        char *page = page_of(f);
        assert_int_equal(strstr(page, "<td>7 to 11 %</td><td>12.0 % (block 12)</td>") != NULL, same);
        assert_int_equal(strstr(page, "<td>below 0.2 % of cases</td><td>1.56 %</td>") != NULL, same);
        assert_int_equal(strstr(page, "n = 8</td><td>prompts: others; n = 64</td>") != NULL, !same);
        free(page);
    }
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same), cmocka_unit_test(test_different),
                                       cmocka_unit_test(test_metrics), cmocka_unit_test(test_other_names),
                                       cmocka_unit_test(test_sights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
