/* The report's page, CSV and LaTeX from facts made by hand: hostile texts, missing numbers, one prompt, no variance, an
 * empty store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/csv.h"
#include "report/latex.h"
#include "report/report.h"
#include "stats/binary.h"
#include "wellformed.h"

static const char HOSTILE[] = "</td></table><script>alert(\"1\")</script> & 'x' <img src=x> \\end{table} %_$#";
static const char HOSTILE_CSV[] = "a,\"b\"\nc";

enum { CONDITIONS = 4, CONTRASTS = 3, ROWS = 6 };

/* A study of: baseline, sink k=1, sink k=5, other; judge (primary) and rmse. */
typedef struct fixture {
    study study;
    study_condition condition[CONDITIONS];
    study_contrast contrast[CONTRASTS];
    analysis analysis;
    analysis_row row[ROWS];
    analysis_accuracy accuracy[4];
    analysis_sham sham;
    analysis_margin margin;
    analysis_tag by_tag[3], by_class[2];
    analysis_mean mean[4];
    analysis_trend trend[2];
    report_facts facts;
} fixture;

static ss_error err;

static void compute_row(analysis_row *row, const double *difference, int n, double margin) {
    static const double ZERO[16] = {0};
    static const int64_t PROMPT[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, SEED[16] = {0};
    stats_options options = stats_options_default();
    options.margin = margin;
    stats_pairs pairs = {.count = n, .prompt = PROMPT, .seed = SEED, .a = difference, .b = ZERO};
    assert_int_equal(stats_contrast_compute(&pairs, &options, &row->stats, &err), SS_OK);
}

static void make_study(fixture *f) {
    const study_intervention top = {.blocks = {.bits = {{1u << 3}}},
                                    .heads = {.all = 1},
                                    .steps = {.all = 1},
                                    .branches = 3,
                                    .selector = ATTN_SELECTORS[0],
                                    .edit = ATTN_EDITS[0]};
    f->condition[0] =
        (study_condition){.name = "baseline", .family = "baseline", .role = CONDITION_BASELINE, .guidance = NAN};
    for (int i = 1; i <= 2; i++) {
        f->condition[i] = (study_condition){.name = i == 1 ? "sink k=1" : "sink k=5",
                                            .family = "sink",
                                            .k_listed = 1,
                                            .role = CONDITION_STUDIED,
                                            .has_intervention = 1,
                                            .intervention = top,
                                            .guidance = NAN};
        f->condition[i].intervention.k = i == 1 ? 1 : 5;
    }
    f->condition[3] = (study_condition){.name = "other",
                                        .family = "other",
                                        .role = CONDITION_POSITIVE,
                                        .prompt = PROMPT_SWAP_ATTRIBUTE,
                                        .guidance = NAN};
    f->contrast[0] = (study_contrast){.name = "other - baseline", .a = 3, .k = -1, .is_positive = 1};
    f->contrast[1] = (study_contrast){
        .name = "sink - baseline", .a = 1, .k = 1, .margin_kind = MARGIN_NUMBER, .margin = 0.05, .why = HOSTILE};
    f->contrast[2] = (study_contrast){.name = "sink - baseline", .a = 2, .k = 5};
    f->study.name = "study";
    f->study.question = HOSTILE;
    f->study.model = HOSTILE;
    f->study.sampler.guidance = NAN;
    f->study.sampler.negative = HOSTILE;
    f->study.n_seeds = 1;
    f->study.n_conditions = CONDITIONS;
    f->study.condition = f->condition;
    f->study.n_contrasts = CONTRASTS;
    f->study.contrast = f->contrast;
    f->study.n_metrics = 2;
    f->study.metric[0].row = metric_find("judge", NULL, &err);
    f->study.metric[1].row = metric_find("rmse", NULL, &err);
    for (int i = 0; i < ATTN_PROBE_COUNT; i++) f->study.probe[f->study.n_probes++] = ATTN_PROBES[i];
    f->study.top = 1;
}

/* Differences: clear, none at all (no variance), one prompt, no prompt. */
static void make_analysis(fixture *f) {
    static const double CLEAR[8] = {-1, -1, 0, -1, -1, -1, 0, -1}, NONE[8] = {0},
                        SPREAD[8] = {0.1, 0.2, 0.15, 0.3, 0.1, 0.2, 0.25, 0.1};
    for (int i = 0; i < ROWS; i++) {
        f->row[i].contrast = &f->contrast[i / 2];
        f->row[i].metric = i % 2 ? "rmse" : "judge";
        f->row[i].kind = i % 2 ? METRIC_DISTANCE : METRIC_ALIGNMENT;
        f->row[i].is_primary = !(i % 2);
        f->row[i].in_main_table = 1;
        snprintf(f->row[i].reads, sizeof f->row[i].reads, "%s", i == 4 ? HOSTILE : "undecided: could detect 0.02");
    }
    compute_row(&f->row[0], CLEAR, 8, 0);
    compute_row(&f->row[1], SPREAD, 8, 0);
    compute_row(&f->row[2], NONE, 8, 0.05);
    compute_row(&f->row[3], SPREAD, 8, 0);
    compute_row(&f->row[4], CLEAR, 1, 0);
    compute_row(&f->row[5], CLEAR, 0, 0);
    stats_contrast *family[] = {&f->row[2].stats, &f->row[4].stats}, *positive[] = {&f->row[0].stats};
    assert_int_equal(stats_contrasts_judge(positive, 1, positive[0], 0.05, &err), SS_OK);
    assert_int_equal(stats_contrasts_judge(family, 2, positive[0], 0.05, &err), SS_OK);
    f->accuracy[0] = (analysis_accuracy){"baseline", "judge", "", 8, 7, 0, stats_wilson(7, 8, 0.95)};
    f->accuracy[1] = (analysis_accuracy){"baseline", "judge", HOSTILE, 8, 7, 0, stats_wilson(7, 8, 0.95)};
    f->accuracy[2] = (analysis_accuracy){"sink k=1", "judge", "", 8, 0, 2, stats_wilson(0, 8, 0.95)};
    f->accuracy[3] = (analysis_accuracy){"sink k=5", "judge", "", 0, 0, 0, stats_interval_undefined(STATS_TOO_FEW)};
    f->sham = (analysis_sham){"identity", 2, 1};
    f->margin = (analysis_margin){"judge", 0, stats_undefined(STATS_TOO_FEW)};
    f->by_tag[0] =
        (analysis_tag){&f->row[2], HOSTILE, 8, stats_defined(-0.5), stats_defined(-1), stats_defined(0.25), 0};
    f->by_tag[1] = (analysis_tag){
        &f->row[2], "b", 1, stats_defined(1), stats_undefined(STATS_TOO_FEW), stats_undefined(STATS_TOO_FEW), 0};
    f->by_tag[2] = (analysis_tag){&f->row[3], "b", 8, stats_defined(0.5), stats_defined(0.25), stats_defined(0.75), 0};
    f->mean[0] = (analysis_mean){"baseline",         "judge",          "", 0, 1, 8, 8, stats_defined(0.75),
                                 stats_defined(0.5), stats_defined(1), 0};
    for (int i = 1; i < 4; i++) {
        f->mean[i] = (analysis_mean){.condition = i < 3 ? "baseline" : "sink k=1",
                                     .metric = "clip-t",
                                     .tag = i == 2 ? HOSTILE : "",
                                     .is_random = 1,
                                     .n = i == 3 ? 1 : 8,
                                     .images = 8,
                                     .mean = stats_defined(0.25 * i)};
        f->mean[i].low = i == 3 ? stats_undefined(STATS_TOO_FEW) : stats_defined(0.25 * i - 0.125);
        f->mean[i].high = i == 3 ? stats_undefined(STATS_TOO_FEW) : stats_defined(0.25 * i + 0.125);
    }
    f->by_class[0] =
        (analysis_tag){&f->row[2], "clip <word>", 5, stats_defined(-0.5), stats_defined(-1), stats_defined(0.25), 0};
    f->by_class[1] =
        (analysis_tag){&f->row[2], "image", 3, stats_defined(2), stats_defined(1.5), stats_defined(2.5), 0};
    stats_options options = stats_options_default();
    const double level[3] = {1, 2, 4}, x[6] = {0, 1, 2, 0, 1, 3}; /* prompts x levels */
    f->trend[0] = (analysis_trend){.first = &f->row[2], .last = &f->row[4]};
    f->trend[1] = (analysis_trend){.first = &f->row[3], .last = &f->row[5]};
    assert_int_equal(stats_trend_compute(x, 2, level, 3, 0, &options, &f->trend[0].stats, &err), SS_OK);
    assert_int_equal(stats_trend_compute(x, 0, level, 2, 0, &options, &f->trend[1].stats, &err), SS_OK);
    f->analysis = (analysis){.study = &f->study,
                             .n_by_tag = 3,
                             .by_tag = f->by_tag,
                             .n_means = 4,
                             .means = f->mean,
                             .n_by_class = 2,
                             .by_class = f->by_class,
                             .n_trends = 2,
                             .trends = f->trend,
                             .images = 30,
                             .images_planned = 1234,
                             .alpha = 0.05,
                             .n_rows = ROWS,
                             .rows = f->row,
                             .n_accuracy = 4,
                             .accuracy = f->accuracy,
                             .n_shams = 1,
                             .shams = &f->sham,
                             .n_margins = 1,
                             .margins = &f->margin};
}

/* A row of a table: numbers and words as the format says: w words, n number, i whole. */
static void fill(report_table *t, const char *const *name, const char *format, const char *words,
                 const double *number) {
    int n = (int)strlen(format);
    if (!t->name) assert_int_equal(report_table_columns(t, name, n, &err), SS_OK);
    for (int i = 0; i < n; i++) {
        ss_status status = format[i] == 'w'   ? report_table_add_words(t, words, &err)
                           : format[i] == 'i' ? report_table_add_whole(t, (int64_t)number[i], &err)
                                              : report_table_add_number(t, number[i], &err);
        assert_int_equal(status, SS_OK);
    }
}

static char *copy(const char *s) {
    char *c = text_copy(s);
    assert_non_null(c);
    return c;
}

/* A distance of the images of "sink k=1". */
static void add_set(report_table *t, const char *const *name, const char *on, const double *number,
                    const char *options) {
    const char *const words[] = {on, "sink k=1", "studied"};
    if (!t->name) assert_int_equal(report_table_columns(t, name, 9, &err), SS_OK);
    for (int i = 0; i < 3; i++) assert_int_equal(report_table_add_words(t, words[i], &err), SS_OK);
    for (int i = 3; i < 5; i++) assert_int_equal(report_table_add_whole(t, (int64_t)number[i], &err), SS_OK);
    for (int i = 5; i < 8; i++) assert_int_equal(report_table_add_number(t, number[i], &err), SS_OK);
    assert_int_equal(report_table_add_words(t, options, &err), SS_OK);
}

static void make_facts(fixture *f) {
    report_facts *r = &f->facts;
    static const char *const TAGS[] = {"tag", "prompts"},
                             *const SITES[] = {"block", "step", "max_mass", "top_key", "dose"},
                             *const MEANS[] = {"condition", "set_mass_before", "set_mass_after", "dose"},
                             *const CLASSES[] = {"token_class", "sinks", "share", "strongest", "mean_mass", "keys"},
                             *const BLOCKS[] = {"block", "token_class", "share"},
                             *const WORDS[] = {"token_class", "word", "sinks", "share", "mean_mass"},
                             *const PLACES[] = {"row", "column", "sinks", "grid_height", "grid_width"},
                             *const MODULES[] = {"block", "name", "kind", "heads"},
                             *const SETS[] = {"metric", "condition", "role", "n",      "n_baseline",
                                              "value",  "low",       "high", "options"};
    *r = (report_facts){.analysis = &f->analysis,
                        .study = &f->study,
                        .store_folder = HOSTILE,
                        .command = HOSTILE,
                        .first_image_key = 0.015625};
    fill(&r->modules, MODULES, "iwwi", "joint", (double[]){0, 0, 0, 2});
    fill(&r->tags, TAGS, "wi", HOSTILE, (double[]){0, 8});
    fill(&r->tags, TAGS, "wi", "", (double[]){0, 1});
    for (int i = 0; i < 4; i++)
        fill(&r->baseline, SITES, "iinnn", NULL, (double[]){i / 2, i % 2, i ? 0.1 * i : NAN, 77, NAN});
    fill(&r->baseline, SITES, "iinnn", NULL, (double[]){-1, 0, 1, 0, NAN}); /* of a damaged store: not drawn */
    fill(&r->baseline, SITES, "iinnn", NULL, (double[]){0, 1e9, 1, 0, NAN});
    fill(&r->means, MEANS, "wnnn", "sink k=1", (double[]){0, 0.5, 0.125, NAN});
    fill(&r->classes, CLASSES, "winnnn", HOSTILE, (double[]){0, 3, 0.75, 1, 0.2, NAN});
    fill(&r->classes, CLASSES, "winnnn", "image", (double[]){0, 1, 0.25, 0, 0.1, 0.5});
    fill(&r->classes, CLASSES, "winnnn", "damaged", (double[]){0, 1, 0.25, 0, INFINITY, NAN});
    fill(&r->blocks, BLOCKS, "iwn", "image", (double[]){0, 0, 1});
    fill(&r->words, WORDS, "wwinn", HOSTILE_CSV, (double[]){0, 0, 4, 1, 0.2});
    fill(&r->places, PLACES, "iiiii", NULL, (double[]){1, 0, 4, 2, 2});
    add_set(&r->sets, SETS, "fid", (double[]){0, 0, 0, 8, 8, -1e-9, NAN, NAN}, "resize: clean");
    add_set(&r->sets, SETS, "kid", (double[]){0, 0, 0, 8, 8, 0.25, 0.125, 0.375}, "sha256 abc, " STUDY_RANDOM_WEIGHTS);
    fill(&r->places, PLACES, "iiiii", NULL, (double[]){9, 9, 4, 2, 2}); /* outside the grid: not drawn */
    r->n_samples = 1;
    r->n_columns = 2;
    r->column[1] = 1;
    r->sample[0] =
        (facts_sample){.prompt = 3, .seed = seed_of(9), .words = copy(HOSTILE), .tag = copy(HOSTILE), .swapped = copy(HOSTILE)};
    r->picture[0][0].value = 1;
    r->picture[0][0].note = copy(HOSTILE);
    r->picture[0][1].value = NAN;
    r->entry = calloc(1, sizeof *r->entry);
    r->entry[r->n_entries++] = (facts_entry){copy(HOSTILE), copy(HOSTILE)};
}

static void make(fixture *f) {
    *f = (fixture){0};
    make_study(f);
    make_analysis(f);
    make_facts(f);
}

static void test_page(void **state) {
    (void)state;
    fixture *f = malloc(sizeof *f);
    text page = {0}, again = {0};
    make(f);
    report_page(&f->facts, &page);
    report_page(&f->facts, &again);
    assert_false(page.failed);
    assert_string_equal(page.s, again.s);
    assert_null(find_malformed(page.s));
    assert_false(has_bad_number(page.s));
    assert_null(strstr(page.s, "<script"));
    assert_null(strstr(page.s, "src=x>"));
    /* what must be said */
    assert_non_null(strstr(page.s, "30 of 1,234 images are there"));
    assert_non_null(strstr(page.s, "The positive control (other − baseline) was detected"));
    assert_non_null(strstr(page.s, "Undecided means neither shown different nor shown equivalent"));
    assert_non_null(strstr(page.s, "no variance")); /* undefined, and why: never NaN or 0 */
    assert_non_null(strstr(page.s, "DIFFERS"));
    assert_non_null(strstr(page.s, "too few prompts"));
    assert_non_null(strstr(page.s, "k = 1, 5"));
    assert_non_null(strstr(page.s, "blocks 3"));
    assert_non_null(strstr(page.s, "unreadable 25 %"));
    assert_non_null(strstr(page.s, "too few prompts</td>")); /* the slope of a trend without prompts */
    const char *tags = strstr(page.s, "<section id=\"tags\">"), *scores = strstr(page.s, "<section id=\"scores\">");
    assert_non_null(tags);
    assert_non_null(scores);
    /* a row for a contrast, a column for a tag; what a metric lacks is a dash */
    assert_non_null(strstr(
        tags, "<th>sink − baseline<small>k = 1</small></th><td class=\"n\">−0.50<small>[−1.00, +0.25]</small></td>"
              "<td class=\"n\">+1.0<small>too few prompts</small></td>"));
    assert_non_null(
        strstr(tags, "<small>k = 1</small></th><td class=\"n\">+0.50<small>[+0.25, +0.75]</small></td></tr>"));
    const char *metrics = strstr(page.s, "<section id=\"metrics\">");
    assert_non_null(metrics);
    assert_non_null(strstr(metrics, "sink − baseline<small>k = 5</small></th></tr>"));
    assert_non_null(strstr(metrics, "<tr><th>judge<small>primary</small></th><td class=\"n\">−0.75<small>["));
    assert_non_null(strstr(metrics, "<tr><th>rmse</th><td class=\"n\">+0.175<small>["));
    assert_non_null(strstr(metrics, "<tr><th>clip-t<small>random weights</small></th><td class=\"n\">–</td>"));
    /* a distance of sets is under its contrast with the baseline */
    assert_non_null(strstr(metrics, "<tr><th>kid<small>of sets; random weights</small></th><td class=\"n\">–</td><td "
                                    "class=\"n\">0.25<small>[0.12, 0.38]</small></td><td class=\"n\">–</td></tr>"));
    assert_non_null(strstr(metrics, "<tr><th>fid<small>of sets</small></th><td class=\"n\">–</td><td "
                                    "class=\"n\">−1e-09</td><td class=\"n\">–</td></tr>"));
    /* a metric outside the main table is behind its name; one that says yes or no is in the accuracy */
    assert_non_null(strstr(scores, "<details><summary>clip-t (random weights: its values mean nothing)</summary>"));
    assert_non_null(
        strstr(scores, "<th>baseline</th><td class=\"n\">0.25<small>[0.12, 0.38]</small><small>n = 8</small></td>"));
    assert_non_null(strstr(scores, "<small>n = 1</small></td><td class=\"n\">–</td></tr>"));
    const char *judge = strstr(scores, ">judge</");
    assert_true(!judge || judge > strstr(scores, "</section>"));
    assert_non_null(strstr(page.s, "<td class=\"n\">0.25</td>")); /* reduction factor 0.125 / 0.5 */
    assert_null(strstr(page.s, "top_key</"));                     /* the number of a key has no mean */
    text_free(&page);
    text_free(&again);
    facts_free(&f->facts);
    free(f);
}

/* A store with nothing in it yet still gives a page, and no answer. */
static void test_empty(void **state) {
    (void)state;
    fixture *f = malloc(sizeof *f);
    text page = {0}, csv = {0}, tex = {0};
    *f = (fixture){0};
    make_study(f);
    f->analysis = (analysis){.study = &f->study, .images_planned = 10};
    f->facts = (report_facts){.analysis = &f->analysis, .study = &f->study, .store_folder = "out", .command = "repeat"};
    report_page(&f->facts, &page);
    assert_null(find_malformed(page.s));
    assert_non_null(strstr(page.s, "There is no answer yet"));
    assert_null(strstr(page.s, "id=\"effects\""));
    assert_null(strstr(page.s, "<svg"));
    report_effects_csv(&f->analysis, &csv);
    report_accuracy_csv(&f->analysis, &csv);
    latex_tables(&f->facts, &tex);
    assert_false(csv.failed || tex.failed);
    text_free(&page);
    text_free(&csv);
    text_free(&tex);
    facts_free(&f->facts);
    free(f);
}

static const char *csv_value(const csv_table *t, int64_t row, const char *column) {
    int c;
    assert_int_equal(csv_find_column(t, column, &c, &err), SS_OK);
    return csv_cell(t, row, c);
}

static void test_csv(void **state) {
    (void)state;
    fixture *f = malloc(sizeof *f);
    csv_table *t;
    text effects = {0}, accuracy = {0}, words = {0};
    make(f);
    report_effects_csv(&f->analysis, &effects);
    assert_int_equal(csv_read_bytes(effects.s, effects.len, "effects.csv", &t, &err), SS_OK);
    assert_int_equal(csv_row_count(t), ROWS);
    assert_string_equal(csv_value(t, 0, "k"), "");
    assert_string_equal(csv_value(t, 2, "k"), "1");
    assert_string_equal(csv_value(t, 0, "mean"), "-0.75");
    assert_string_equal(csv_value(t, 2, "d_z"), "undefined: no variance");
    assert_string_equal(csv_value(t, 4, "reads"), HOSTILE);
    csv_close(t);
    report_accuracy_csv(&f->analysis, &accuracy);
    assert_int_equal(csv_read_bytes(accuracy.s, accuracy.len, "accuracy.csv", &t, &err), SS_OK);
    assert_string_equal(csv_value(t, 1, "tag"), HOSTILE);
    assert_string_equal(csv_value(t, 3, "low"), "");
    csv_close(t);
    text tags = {0}, classes = {0}, trends = {0};
    report_tags_csv(&f->analysis, &tags);
    assert_int_equal(csv_read_bytes(tags.s, tags.len, "effects-by-tag.csv", &t, &err), SS_OK);
    assert_string_equal(csv_value(t, 0, "tag"), HOSTILE);
    assert_string_equal(csv_value(t, 0, "low"), "-1");
    assert_string_equal(csv_value(t, 1, "low"), "");
    csv_close(t);
    text means = {0};
    report_scores_csv(&f->analysis, &means);
    assert_int_equal(csv_read_bytes(means.s, means.len, "scores-by-tag.csv", &t, &err), SS_OK);
    assert_int_equal(csv_row_count(t), 4);
    assert_string_equal(csv_value(t, 0, "mean"), "0.75");
    assert_string_equal(csv_value(t, 2, "tag"), HOSTILE);
    assert_string_equal(csv_value(t, 2, "high"), "0.625");
    assert_string_equal(csv_value(t, 3, "low"), "");
    assert_string_equal(csv_value(t, 3, "n"), "1");
    csv_close(t);
    text_free(&means);
    report_classes_csv(&f->analysis, &classes);
    assert_int_equal(csv_read_bytes(classes.s, classes.len, "effects-by-class.csv", &t, &err), SS_OK);
    assert_int_equal(csv_row_count(t), 2);
    assert_string_equal(csv_value(t, 0, "class"), "clip <word>");
    assert_string_equal(csv_value(t, 1, "class"), "image");
    assert_string_equal(csv_value(t, 1, "n"), "3");
    assert_string_equal(csv_value(t, 1, "mean"), "2");
    csv_close(t);
    report_trends_csv(&f->analysis, &trends);
    assert_int_equal(csv_read_bytes(trends.s, trends.len, "trends.csv", &t, &err), SS_OK);
    assert_string_equal(csv_value(t, 0, "l"), "28");
    assert_string_equal(csv_value(t, 0, "k_last"), "5");
    assert_string_equal(csv_value(t, 1, "p"), "");
    csv_close(t);
    text_free(&tags);
    text_free(&classes);
    text_free(&trends);
    report_table_add_csv(&f->facts.words, &words);
    assert_int_equal(csv_read_bytes(words.s, words.len, "words.csv", &t, &err), SS_OK);
    assert_string_equal(csv_value(t, 0, "word"), HOSTILE_CSV);
    csv_close(t);
    text_free(&effects);
    text_free(&accuracy);
    text_free(&words);
    facts_free(&f->facts);
    free(f);
}

/* Braces balance, environments close, nothing special stands unescaped but what the tables themselves use. */
static void test_latex(void **state) {
    (void)state;
    fixture *f = malloc(sizeof *f);
    text tex = {0};
    int depth = 0, lines = 0;
    make(f);
    latex_tables(&f->facts, &tex);
    for (const char *s = tex.s; *s; s++) {
        if (*s == '\\' && s[1]) {
            lines += s[1] == '\\';
            s++;
        } else {
            assert_true(*s != '#' && *s != '_');
            depth += (*s == '{') - (*s == '}');
        }
        assert_true(depth >= 0);
    }
    assert_int_equal(depth, 0);
    /* three headings; a condition without images is left out */
    int always = 1 + ROWS + 1 + 2 + 1 + 3;
    /* by tag: judge and rmse, a heading and a row each; clip-t's means, a heading and two; every cell has two lines */
    assert_int_equal(lines, always + 2 * 2 + 3 + 3 + 3);
    assert_non_null(
        strstr(tex.s, "k = 1 & \\shortstack[l]{$-$0.50\\\\{\\scriptsize [$-$1.00, +0.25]}} & \\shortstack[l]{+1.0"));
    assert_non_null(strstr(tex.s, "means of clip-t (random weights: its values mean nothing) by tag"));
    assert_null(strstr(tex.s, "means of judge"));
    assert_null(strstr(tex.s, "\\end{table} %_"));
    assert_non_null(strstr(tex.s, "sink $-$ baseline, k = 1 & judge & "));
    text_free(&tex);
    facts_free(&f->facts);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_page), cmocka_unit_test(test_empty),
                                       cmocka_unit_test(test_csv), cmocka_unit_test(test_latex)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
