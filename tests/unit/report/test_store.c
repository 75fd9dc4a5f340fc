/* The report of a store that a small study was run into (on the cardboard laboratory of tests/laboratory): complete,
 * well-formed, and the same bytes from equal stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/facts.h"
#include "report/compare.h"
#include "report/report.h"
#include "wellformed.h"
#include "world.h"

static const char *const FILES[] = {
    "index.html",         "tables.tex",        "effects.csv",        "accuracy.csv", "baseline-sites.csv",
    "sinks-by-class.csv", "sinks-by-word.csv", "effects-by-tag.csv", "trends.csv",   "scores-by-tag.csv"};
enum { FILE_COUNT = sizeof FILES / sizeof *FILES };

static char *slurp(const char *folder, const char *name) {
    ss_error err;
    char *path = file_join(folder, name), *bytes = NULL;
    size_t size;
    ss_status status = file_read(path, 1 << 26, &bytes, &size, &err);
    if (status != SS_OK) print_message("%s: %s\n", err.where, err.message);
    assert_int_equal(status, SS_OK);
    free(path);
    return bytes;
}

static void write_report(const world *w, const char *name, const char *report) {
    store *s;
    analysis *a;
    ss_error err;
    char *folder = file_join(w->folder, report);
    assert_int_equal(store_open(&s, world_path(w, name), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(analysis_make(&a, s, &err), SS_OK);
    assert_int_equal(analysis_add_parts(a, s, &err), SS_OK);
    ss_status status = report_write(s, a, folder, "sinkscope run study.yaml -o out", &err);
    if (status != SS_OK) print_message("%s: %s\n", err.where, err.message);
    assert_int_equal(status, SS_OK);
    analysis_free(a);
    store_close(s);
    free(folder);
}

/* The files of two reports; the page names its store, so pages are compared where the stores are one. */
static void compare(const world *w, const char *one, const char *other, int first) {
    char *a = file_join(w->folder, one), *b = file_join(w->folder, other);
    for (int i = first; i < FILE_COUNT; i++) {
        char *x = slurp(a, FILES[i]), *y = slurp(b, FILES[i]);
        assert_string_equal(x, y);
        assert_true(strlen(x) > 20);
        free(x);
        free(y);
    }
    free(a);
    free(b);
}

static void test_report(void **state) {
    (void)state;
    world w;
    ss_error err;
    world_open(&w, WORLD_STUDY, 12, 0);
    assert_int_equal(world_run(&w, "a", &(run_options){.batch = 1}, &err), SS_OK);
    assert_int_equal(world_run(&w, "b", &(run_options){.batch = 4}, &err), SS_OK);
    write_report(&w, "a", "report");
    write_report(&w, "a", "again");
    write_report(&w, "b", "other");
    compare(&w, "report", "again", 0);
    compare(&w, "report", "other", 1);
    char *folder = file_join(w.folder, "report"), *page = slurp(folder, "index.html");
    assert_null(find_malformed(page));
    assert_false(has_bad_number(page));
    static const char *const SECTIONS[] = {"answer", "question", "images", "effects",
                                           "mass",   "sinks",    "checks", "repeat"};
    for (int i = 0; i < (int)(sizeof SECTIONS / sizeof *SECTIONS); i++) {
        char id[64] = "<section id=\"";
        strcat(strcat(id, SECTIONS[i]), "\">");
        if (!strstr(page, id)) print_message("no section %s\n", SECTIONS[i]);
        assert_non_null(strstr(page, id));
    }
    assert_non_null(strstr(page, "src=\"data:image/png;base64,"));
    assert_null(strstr(page, "src=\"http"));
    assert_null(strstr(page, "DIFFERS")); /* the shams gave the baseline's bytes */
    free(page);
    free(folder);
    world_close(&w);
}

/* The checksum by which published prompts are known: of the texts, each with a line feed behind it. */
static void test_prompts_are_known(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    analysis *a;
    report_facts f;
    text all = {0};
    sha256_hex expected;
    world_open(&w, WORLD_STUDY, 12, 0);
    assert_int_equal(world_run(&w, "a", NULL, &err), SS_OK);
    assert_int_equal(store_open(&s, world_path(&w, "a"), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(analysis_make(&a, s, &err), SS_OK);
    assert_int_equal(facts_gather(&f, s, a, "", &err), SS_OK);
    int n = 0;
    for (int i = 0; i < w.p->prompts.n; i++) {
        int drawn = 0;
        for (int j = 0; j < w.p->n_groups; j++) drawn |= w.p->group[j].prompt == i;
        if (drawn) text_addf(&all, "%s\n", w.p->prompts.prompt[i].prompt);
        n += drawn;
    }
    assert_int_equal(n, 6);
    sha256_of(all.s, all.len, expected);
    assert_string_equal(f.prompts_sha256, expected);
    text_free(&all);
    facts_free(&f);
    analysis_free(a);
    store_close(s);
    world_close(&w);
}

/* Images that failed are counted, and shown as such; the page stays well-formed, without a number that is none. */
static void test_failed_images(void **state) {
    (void)state;
    static const char STUDY[] = "study: world\nmodel: model\nprompts: {file: prompts.jsonl, sample: 4, stratify: tag}\n"
                                "seeds: [2, 1]\nsampler: {steps: 6}\nprobes: [mass, census, trajectory]\n"
                                "measure: {sinks: 1}\nconditions:\n"
                                "  burst: {select: top, k: [1, 2, 3], edit: burst}\n"
                                "  other: {prompt: swap-attribute}\n"
                                "metrics: [glow, right, pixel-rmse]\nprimary: glow\ncontrasts:\n"
                                "  - {what: burst - baseline, margin: calibrated}\n";
    world w;
    ss_error err;
    store *s;
    world_open(&w, STUDY, 12, 0);
    assert_int_equal(world_run(&w, "a", &(run_options){.batch = 4}, &err), SS_OK);
    write_report(&w, "a", "report");
    char *folder = file_join(w.folder, "report"), *page = slurp(folder, "index.html");
    assert_null(find_malformed(page));
    assert_false(has_bad_number(page));
    assert_non_null(strstr(page, "<section id=\"failed\">"));
    assert_non_null(strstr(page, "at most "));
    free(page);
    page = slurp(folder, "failed.csv");
    assert_string_equal(page, "condition,metric,images,failed\nburst k=1,,8,4\nburst k=2,,8,4\nburst k=3,,8,4\n");
    free(page);
    page = slurp(folder, "trends.csv");
    assert_non_null(strstr(page, ",method,failed\n"));
    assert_non_null(strstr(page, ",12\n")); /* four at each k */
    free(page);
    page = slurp(folder, "tables.tex");
    assert_non_null(strstr(page, "burst k=1 & picture & 4 & 8 "));
    free(page);
    assert_int_equal(store_open(&s, world_path(&w, "a"), STORE_READ, NULL, &err), SS_OK);
    char *other = file_join(folder, "pair.html");
    assert_int_equal(compare_write(s, "burst k=1", "baseline", 8, other, &err), SS_OK);
    store_close(s);
    page = slurp(folder, "pair.html");
    assert_null(find_malformed(page));
    assert_false(has_bad_number(page));
    assert_non_null(strstr(page, " 4 have failed under one or both"));
    assert_non_null(strstr(page, "<span class=\"blank\">failed</span>"));
    free(page);
    free(other);
    free(folder);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_report), cmocka_unit_test(test_failed_images),
                                       cmocka_unit_test(test_prompts_are_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
