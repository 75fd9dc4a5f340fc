/* Two conditions side by side, from a small store: what is on the page, in which order, and refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "report/compare.h"
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

static ss_status write_page(const char *a, const char *b, int rows, char **page, ss_error *err) {
    store *s;
    char *path = file_join(w.folder, "page.html");
    size_t size;
    *page = NULL;
    assert_int_equal(store_open(&s, world_path(&w, "out"), STORE_READ, NULL, err), SS_OK);
    ss_status status = compare_write(s, a, b, rows, path, err);
    if (status == SS_OK) assert_int_equal(file_read(path, 1 << 26, page, &size, err), SS_OK);
    store_close(s);
    unlink(path);
    free(path);
    return status;
}

static int count(const char *page, const char *what) {
    int n = 0;
    for (const char *s = page; (s = strstr(s, what)) != NULL; s += strlen(what)) n++;
    return n;
}

static void test_page(void **state) {
    (void)state;
    ss_error err;
    char *page, *again;
    assert_int_equal(write_page("sink k=3", "random k=3", 5, &page, &err), SS_OK);
    assert_int_equal(write_page("sink k=3", "random k=3", 5, &again, &err), SS_OK);
    assert_string_equal(page, again);
    assert_null(find_malformed(page));
    assert_false(has_bad_number(page));
    assert_non_null(strstr(page, "<h1>sink k=3 beside random k=3"));
    static const char *const SECTIONS[] = {"metrics", "prompts", "path", "images"};
    for (int i = 0; i < 4; i++) {
        char id[64] = "<section id=\"";
        if (!strstr(page, strcat(strcat(id, SECTIONS[i]), "\">"))) fail_msg("no section %s", SECTIONS[i]);
    }
    assert_int_equal(count(page, "<img "), 4 * 5);
    assert_non_null(strstr(page, "The 5 of 12 images"));        /* 6 prompts, 2 seeds */
    assert_int_equal(count(page, "class=\"dot point"), 2 * 12); /* glow, pixel-rmse */
    double before = 2;
    int rows = 0;
    for (const char *s = page; (s = strstr(s, "<small>rms ")) != NULL; s++, rows++) {
        char digits[8] = "";
        double x;
        memcpy(digits, s + strlen("<small>rms "), 5); /* "0.123"; strtod would follow the locale */
        assert_int_equal(text_to_double(digits, &x), 0);
        assert_true(x > 0 && x <= before);
        before = x;
    }
    assert_int_equal(rows, 5);
    free(page);
    free(again);
}

/* At one seed a prompt, what a yes-or-no metric says is a table of four cases. */
static void test_cases(void **state) {
    (void)state;
    static const char STUDY[] = "study: cases\nmodel: model\nprompts: prompts.jsonl\nseeds: [1]\nsampler: {steps: 2}\n"
                                "conditions: {other: {prompt: swap-attribute}}\nmetrics: [glow, right]\nprimary: glow\n"
                                "sham: 0\n";
    ss_error err;
    char *page;
    world_open(&w, STUDY, 9, 0);
    assert_int_equal(world_run(&w, "out", NULL, &err), SS_OK);
    assert_int_equal(write_page("other", "baseline", 1, &page, &err), SS_OK);
    const char *cases = strstr(page, "<section id=\"cases\">");
    assert_non_null(cases);
    int sum = 0, cells = 0;
    for (const char *s = cases; cells < 4 && (s = strstr(s, "<td class=\"n\">")) != NULL; cells++)
        sum += (int)strtol(s += strlen("<td class=\"n\">"), NULL, 10);
    assert_int_equal(sum, 9);
    free(page);
    world_close(&w);
}

/* A family of one member may be called by its name; a family of several may not. */
static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        const char *says;
    } CASES[] = {{"nothing", "other", "no condition 'nothing'; expected one of 'baseline', 'sink k=1'"},
                 {"sink", "other", "'sink' is several conditions"},
                 {"other", "other", "compared with itself"}};
    ss_error err;
    char *page;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_int_equal(write_page(CASES[i].a, CASES[i].b, 3, &page, &err), SS_ERR_USAGE);
        if (!strstr(err.message, CASES[i].says)) fail_msg("%s", err.message);
    }
    assert_int_equal(write_page("other", "baseline", 100, &page, &err), SS_OK);
    assert_int_equal(count(page, "<img "), 4 * 12);
    free(page);
}

int main(void) {
    if (chdir("/") != 0) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_page), cmocka_unit_test(test_names)};
    const struct CMUnitTest of_their_own[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, setup, teardown) + cmocka_run_group_tests(of_their_own, NULL, NULL);
}
