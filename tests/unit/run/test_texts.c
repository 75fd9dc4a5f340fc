/* Notices about a study's texts: prompts that the encoder cuts, words that are not there, interventions that
 * found nothing to act on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fake.h"
#include "analysis/analyse.h"
#include "world.h"

enum { PROMPTS = 12, SEEDS = 2 };

/* A study whose condition `word` is as given. Prompts end with star, cross, ring or their plurals. */
static void open_study(world *w, const char *condition, int limit) {
    text t = {0};
    text_addf(&t,
              "study: texts\nquestion: Is it told?\nmodel: model\nprompts: prompts.jsonl\nseeds: [1, 2]\n"
              "sampler: {steps: 2}\nprobes: [mass]\nconditions:\n  word: {%s}\n  other: {prompt: swap-attribute}\n"
              "metrics: [glow, pixel-rmse]\nprimary: glow\nsham: 1\ncontrasts: [{what: word - baseline}]\n",
              condition);
    world_open(w, t.s, PROMPTS, limit);
    text_free(&t);
}

static void close_study(world *w) {
    notices_free(&fake.notices);
    world_close(w);
}

/* "" where the plan is taken. */
static const char *read_with(const char *condition, int limit, int text_limit, text *told) {
    static ss_error err;
    world w;
    open_study(&w, condition, limit);
    fake.text_limit = text_limit;
    ss_status status = plan_read_texts(w.p, fake_pipeline(), &err);
    assert_true(status == SS_OK || status == SS_ERR_INPUT);
    for (int i = 0; i < fake.notices.n; i++) text_addf(told, "%s\n", fake.notices.line[i]);
    if (!told->s) text_add(told, "");
    if (status == SS_OK) err.message[0] = '\0';
    close_study(&w);
    return err.message;
}

static void expect(const char *condition, int limit, int text_limit, const char *error, const char *notice) {
    text told = {0};
    const char *message = read_with(condition, limit, text_limit, &told);
    if (!strstr(message, error) || (!*error && *message))
        fail_msg("expected the error '%s', found '%s'", error, message);
    if (!strstr(told.s, notice) || (!*notice && *told.s)) fail_msg("expected '%s', found '%s'", notice, told.s);
    text_free(&told);
}

static void test_words_that_are_not_there(void **state) {
    (void)state;
    expect("select: top, k: 1, edit: mask", 0, 0, "", "");
    expect("select: token, word: star, k: 1, edit: mask", 0, 0,
           "the condition 'word' (token, word: star) finds no key in 7 of 12 prompts, for example in 'a photo of", "");
    expect("select: token, word: star, k: 1, edit: mask", 0, 0, "write 'missing: allow'", "");
    expect("select: token, word: STAR, missing: allow, k: 1, edit: mask", 0, 0, "", "finds no key in 7 of 12 prompts");
    expect("select: token, word: moon, missing: allow, k: 1, edit: mask", 0, 0, "finds no key in any prompt", "");
    expect("select: token, word: moon, missing: allow, k: 1, edit: mask", 2, 0, "", "finds no key in any prompt");
    expect("select: token, word: star, k: 1, edit: mask, branch: uncond", 0, 0, "finds no key in any prompt", "");
    expect("select: top, k: 1, edit: mask, also: [{select: token, word: moon, k: 1, edit: mask}]", 0, 0,
           "(token, word: moon) finds no key", "");
    expect("select: token, word: photo, k: 1, edit: mask", 0, 2, "where the word is cut off by reader (2 of its ", "");
}

static void test_cuts_are_counted(void **state) {
    (void)state;
    world w;
    ss_error err;
    text t = {0}, expected = {0};
    int long_ones = 0;
    open_study(&w, "select: top, k: 1, edit: mask", 0);
    for (int i = 0; i < w.p->prompts.n; i++) long_ones += strlen(w.p->prompts.prompt[i].prompt) > 22;
    assert_in_range(long_ones, 2, PROMPTS - 1);
    plan_describe(w.p, &t);
    assert_null(strstr(t.s, "too long"));
    fake.text_limit = 22;
    assert_int_equal(plan_read_texts(w.p, fake_pipeline(), &err), SS_OK);
    plan_describe(w.p, &t);
    text_addf(&expected, "texts       %d of 12 prompts are too long for reader (22 tokens)\n", long_ones);
    assert_non_null(strstr(t.s, expected.s));
    assert_int_equal(fake.notices.n, 1);
    assert_non_null(strstr(fake.notices.line[0], "are too long for reader (22 tokens)"));
    text_free(&t);
    text_free(&expected);
    close_study(&w);
}

static void run_study(world *w, int text_limit) {
    ss_error err;
    open_study(w, "select: token, word: star, missing: allow, k: 1, edit: mask", 0);
    fake.text_limit = text_limit;
    if (world_run(w, "store", NULL, &err) != SS_OK) fail_msg("%s", err.message);
}

static void test_cuts_are_stored(void **state) {
    (void)state;
    world w;
    run_study(&w, 20);
    const char *folder = world_path(&w, "store");
    int64_t n = world_count(folder, "SELECT count(*) FROM cuts");
    assert_int_equal(n, world_count(folder, "SELECT count(*) FROM prompt WHERE length(text) > 20"));
    assert_in_range(n, 1, PROMPTS);
    assert_int_equal(n, world_count(folder, "SELECT count(*) FROM cuts WHERE words = substr(text, 21) AND kept = 20 AND"
                                            " tokens = length(text) AND encoder = 'reader' AND branch = 'cond'"));
    close_study(&w);
}

static void test_idle_interventions(void **state) {
    (void)state;
    world w;
    store *s;
    analysis *a;
    ss_error err;
    text t = {0};
    run_study(&w, 0);
    const char *folder = world_path(&w, "store");
    assert_int_equal(world_count(folder, "SELECT count(*) FROM cuts"), 0);
    assert_int_equal(world_count(folder, "SELECT count(*) FROM actions WHERE condition = 'word'"), PROMPTS * SEEDS);
    assert_int_equal(world_count(folder, "SELECT count(*) FROM actions WHERE condition = 'word' AND sites = 0"),
                     7 * SEEDS);
    assert_int_equal(world_count(folder, "SELECT count(*) FROM actions WHERE condition IN ('baseline', 'other')"), 0);
    assert_int_equal(store_open(&s, folder, STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(analysis_make(&a, s, &err), SS_OK);
    for (int i = 0; i < a->n_rows; i++) {
        int studied = strcmp(a->rows[i].contrast->name, "word - baseline") == 0;
        assert_int_equal(a->rows[i].idle[0], studied ? 7 * SEEDS : 0);
        assert_int_equal(a->rows[i].idle[1], 0);
    }
    analysis_describe(a, &t);
    assert_non_null(strstr(t.s, "; word acted on no key in 14 of 24 images\n"));
    analysis_free(a);
    store_close(s);
    text_free(&t);
    close_study(&w);
}

static char *read_manifest(const world *w) {
    char *out, path[300];
    size_t n;
    ss_error err;
    snprintf(path, sizeof path, "%s/manifest.json", world_path(w, "store"));
    assert_int_equal(file_read(path, 1 << 20, &out, &n, &err), SS_OK);
    return out;
}

/* A manifest without notices has no word of them; each line is there once. */
static void test_notices_are_recorded(void **state) {
    (void)state;
    world w;
    store *s;
    ss_error err;
    notices none = {0}, some = {0};
    run_study(&w, 0);
    char *before = read_manifest(&w);
    assert_null(strstr(before, "notices"));
    assert_int_equal(store_open(&s, world_path(&w, "store"), STORE_WRITE, NULL, &err), SS_OK);
    assert_int_equal(store_record_notices(s, &none, &err), SS_OK);
    char *after = read_manifest(&w);
    assert_string_equal(after, before);
    free(after);
    assert_int_equal(notices_add(&some, &err, "a \"first\" one"), SS_OK);
    assert_int_equal(store_record_notices(s, &some, &err), SS_OK);
    assert_int_equal(notices_add(&some, &err, "another"), SS_OK);
    assert_int_equal(store_record_notices(s, &some, &err), SS_OK);
    store_close(s);
    after = read_manifest(&w);
    assert_non_null(strstr(after, "\"notices\": [\n    \"a \\\"first\\\" one\",\n    \"another\"\n  ]"));
    free(before);
    free(after);
    notices_free(&some);
    close_study(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_that_are_not_there), cmocka_unit_test(test_cuts_are_counted),
        cmocka_unit_test(test_cuts_are_stored),          cmocka_unit_test(test_idle_interventions),
        cmocka_unit_test(test_notices_are_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
