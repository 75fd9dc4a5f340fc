/* The findings of several stores: what stands in the document, its figures, equal bytes for equal stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "report/findings.h"
#include "wellformed.h"
#include "world.h"

static world w;

static int setup(void **state) {
    (void)state;
    ss_error err;
    world_open(&w, WORLD_STUDY, 12, 0);
    return world_run(&w, "out", NULL, &err) != SS_OK;
}

static int teardown(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

static char *slurp(const char *name) {
    ss_error err;
    char *bytes;
    size_t size;
    assert_int_equal(file_read(world_path(&w, name), 1 << 24, &bytes, &size, &err), SS_OK);
    return bytes;
}

static void write_findings(int n, const char *name) {
    ss_error err;
    store *s;
    analysis *a;
    assert_int_equal(store_open(&s, world_path(&w, "out"), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(analysis_make(&a, s, &err), SS_OK);
    const finding f[2] = {{s, a}, {s, a}};
    assert_int_equal(findings_write(f, n, world_path(&w, name), &err), SS_OK);
    analysis_free(a);
    store_close(s);
}

/* Every row of a table has as many cells as its heading. */
static void check_tables(const char *page) {
    int columns = 0;
    for (const char *line = page; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        int bars = 0;
        for (const char *c = line; *c && *c != '\n'; c++) bars += *c == '|';
        if (*line != '|') columns = 0;
        else if (!columns) columns = bars;
        else assert_int_equal(bars, columns);
    }
}

/* Every sentence of the short answer: what contrasts came to, in sum all of them; and all of the first kind are rows of
 * the table of harm. */
static void check_short(const char *page) {
    const char *at = strstr(page, "## In short"), *end = strstr(page, "\nVerdicts at 5 %");
    int sentences = 0, first = 0, rows = 0;
    assert_true(at && end);
    while ((at = strstr(at, "\n- ")) != NULL && at < end) {
        int all, sum = 0, step;
        at = strchr(at, '(');
        assert_int_equal(sscanf(at, "(%d contrast", &all), 1);
        for (at = strchr(at, ':') + 1; *at != '\n'; at += step) {
            int some;
            if (sscanf(at, " %d%n", &some, &step) == 1) sum += some;
            else step = 1;
        }
        assert_int_equal(sum, all);
        if (sentences++ == 0) first = all;
    }
    assert_int_equal(sentences, 3);
    const char *table = strstr(page, "## Does suppressing"), *next = strstr(page, "## What is left");
    for (at = strstr(table, "|---"); (at = strchr(at, '\n')) != NULL && ++at < next;) rows += *at == '|';
    assert_int_equal(first, rows);
}

/* The short answer counts what became of the condition that is not the baseline, in either order. */
static void test_baseline_first(void **state) {
    (void)state;
    static const char *const ORDER[] = {"sink - baseline", "baseline - sink"};
    for (int i = 0; i < 2; i++) {
        world m;
        ss_error err;
        store *s;
        analysis *a;
        char source[512];
        snprintf(source, sizeof source,
                 "study: first\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nsampler: {steps: 2}\n"
                 "conditions:\n  sink: {select: top, k: 3, edit: mask}\nmetrics: [glow]\nprimary: glow\nsham: 0\n"
                 "contrasts: [{what: %s}]\n",
                 ORDER[i]);
        world_open(&m, source, 3, 0);
        assert_int_equal(world_run(&m, "out", NULL, &err), SS_OK);
        assert_int_equal(store_open(&s, world_path(&m, "out"), STORE_READ, NULL, &err), SS_OK);
        assert_int_equal(analysis_make(&a, s, &err), SS_OK);
        assert_int_equal(a->n_rows, 1);
        a->rows[0].stats.verdict = STATS_DIFFERENT;
        a->rows[0].stats.mean = stats_defined(i == 0 ? -0.5 : 0.5); /* the sink's image has less */
        const finding f = {s, a};
        assert_int_equal(findings_write(&f, 1, world_path(&m, "F.md"), &err), SS_OK);
        char *page;
        size_t size;
        assert_int_equal(file_read(world_path(&m, "F.md"), 1 << 20, &page, &size, &err), SS_OK);
        assert_non_null(strstr(page, "on the primary metric (1 contrast): 1 worse, 0 better, 0 undecided."));
        free(page);
        analysis_free(a);
        store_close(s);
        world_close(&m);
    }
}

static void test_document(void **state) {
    (void)state;
    write_findings(2, "FINDINGS.md");
    char *page = slurp("FINDINGS.md");
    check_tables(page);
    static const char *const SAYS[] = {
        "# Findings on model\n",
        "stores of 2 studies",
        "![Differences from the baseline](FINDINGS-harm.svg)",
        "![Differences between interventions](FINDINGS-controls.svg)",
        "| world | sink − baseline, k = 3 | glow | 6 |",
        "| world | sink − random, k = 1 | glow | 6 |",
        "| sink − random, k = 1 to 3 | glow | 6 |",
        "\n### world\n\nDoes it matter? ",
        "\n## In short\n\n- Interventions against the baseline, on the primary metric (",
    };
    for (size_t i = 0; i < sizeof SAYS / sizeof *SAYS; i++)
        if (!strstr(page, SAYS[i])) fail_msg("not there: %s", SAYS[i]);
    assert_null(strstr(page, "other − baseline | glow | 6 | –")); /* the positive control is no finding on sinks */
    check_short(page);
    char *figure = slurp("FINDINGS-controls.svg");
    assert_null(find_malformed(figure));
    assert_false(has_bad_number(figure));
    assert_int_equal(strncmp(figure, "<svg xmlns=\"http://www.w3.org/2000/svg\"", 39), 0);
    free(figure);
    write_findings(2, "AGAIN.md");
    char *again = slurp("AGAIN-controls.svg"), *first = slurp("FINDINGS-controls.svg");
    assert_string_equal(first, again);
    free(first);
    free(again);
    free(page);
}

int main(void) {
    if (chdir("/") != 0) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_document), cmocka_unit_test(test_baseline_first)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
