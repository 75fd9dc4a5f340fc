/* Scores of loose images: the journal of a killed run, rows without a prompt, pairs by name. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/png.h"
#include "run/score_files.h"

static ss_status score_words(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    (void)c, (void)state, (void)err;
    out->value = (double)strlen(in->prompt) / 3;
    snprintf(out->note, sizeof out->note, "seen: \"%s\",\n%d wide", "a, b", in->image->width);
    return SS_OK;
}

static ss_status score_width(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    (void)c, (void)state, (void)err;
    out->value = in->image->width;
    return SS_OK;
}

static const metric WORDS = {.about = {"words", "length of the prompt", NULL},
                             .kind = METRIC_ALIGNMENT,
                             .needs = METRIC_NEEDS_PROMPT,
                             .score = score_words};
static const metric WIDTH = {
    .about = {"width", "of the picture", NULL}, .kind = METRIC_ALIGNMENT, .score = score_width};

enum { PICTURES = 3 };

/* A folder with images of different widths, and a list of them whose prompts hold quotes, commas and line feeds. */
static int make_folder(void **state) {
    static char folder[] = "score-files-XXXXXX";
    unsigned char pixel[3 * (PICTURES + 1)] = {0};
    ss_error err;
    if (!mkdtemp(folder) || chdir(folder) != 0) return -1;
    *state = folder;
    for (int i = 0; i < PICTURES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.png", i);
        if (png_write(name, &(rgb_image){i + 1, 1, pixel}, NULL, 0, &err) != SS_OK) return -1;
    }
    static const char LIST[] =
        "image,prompt\n0.png,\"a \"\"red\"\", star\nand a circle\"\n1.png,\"\n\"\"\n\"\n2.png,\n";
    return file_write("list.csv", LIST, sizeof LIST - 1, &err) == SS_OK ? 0 : -1;
}

static int remove_folder(void **state) {
    static const char *const FILES[] = {"0.png", "1.png", "2.png", "list.csv", "scores.csv", "scores.csv.partial"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) unlink(FILES[i]);
    return chdir("..") == 0 && rmdir(*state) == 0 ? 0 : -1;
}

static volatile sig_atomic_t stop;
static int stop_after;

static void on_progress(void *user, const run_progress *now) {
    (void)user;
    if (now->units_done >= stop_after) stop = 1;
}

/* Up to the image numbered `pictures`; then the run is interrupted. */
static ss_status score_some(int pictures, file_scores *out, ss_error *err) {
    static const study_metric METRICS[] = {{.row = &WORDS}, {.row = &WIDTH}};
    const run_options options = {.stop = &stop, .progress = on_progress};
    collection c;
    compute none = {.threads = 1};
    stop = 0;
    stop_after = pictures;
    assert_int_equal(collection_read("list.csv", &c, err), SS_OK);
    ss_status status = score_files(&c, NULL, METRICS, 2, 2, "scores.csv", &none, &options, out, err);
    collection_free(&c);
    return status;
}

static void run(int pictures, ss_status expected) {
    file_scores s;
    ss_error err = {0};
    ss_status status = score_some(pictures, &s, &err);
    if (status != expected) fail_msg("%s: %s", err.where, err.message);
    file_scores_free(&s);
}

static void read_whole(const char *path, char **data, size_t *size) {
    ss_error err;
    assert_int_equal(file_read(path, 1 << 20, data, size, &err), SS_OK);
}

/* Whatever byte the first run was killed at, the second run, interrupted too, and the third give the same scores. */
static void test_a_journal_is_cut_at_a_whole_row(void **state) {
    (void)state;
    char *whole, *journal, *after;
    size_t n, size, m;
    ss_error err;
    run(99, SS_OK);
    read_whole("scores.csv", &whole, &n);
    unlink("scores.csv");
    run(2, SS_ERR_INTERRUPTED);
    read_whole("scores.csv.partial", &journal, &size);
    for (size_t cut = 0; cut <= size; cut += 7) {
        assert_int_equal(file_write("scores.csv.partial", journal, cut, &err), SS_OK);
        run(1, SS_ERR_INTERRUPTED);
        run(99, SS_OK);
        read_whole("scores.csv", &after, &m);
        assert_int_equal(m, n);
        assert_memory_equal(after, whole, n);
        free(after);
        unlink("scores.csv");
    }
    free(whole);
    free(journal);
}

static void test_an_empty_prompt_is_a_row_with_a_problem(void **state) {
    (void)state;
    file_scores s;
    ss_error err;
    assert_int_equal(score_some(99, &s, &err), SS_OK);
    assert_int_equal(s.n, 2 * PICTURES);
    assert_int_equal(s.failed, 1);
    const file_score *last = &s.at[4];
    assert_int_equal(last->image, 2);
    assert_int_equal(last->metric, 0);
    assert_string_equal(last->problem, "2.png: has no prompt, which words needs");
    assert_null(s.at[5].problem);
    assert_true(s.at[5].value == 3);
    file_scores_free(&s);
}

/* By counting names: a list of 20,000 is paired in a moment, whichever order the other has. */
static void test_pairs_by_name(void **state) {
    (void)state;
    enum { N = 20000 };
    static collection_image first[N], second[N];
    static char name[N][12], path[N][12];
    ss_error err;
    for (int i = 0; i < N; i++) {
        snprintf(name[i], sizeof *name, "n%d", i);
        snprintf(path[i], sizeof *path, "p%d", i);
        first[i] = (collection_image){.name = name[i], .path = path[i]};
        second[N - 1 - i] = (collection_image){.name = name[i], .path = path[i]};
    }
    collection a = {.n = N, .image = first}, b = {.n = N, .image = second};
    assert_int_equal(collection_pair(&a, &b, "others", &err), SS_OK);
    for (int i = 0; i < N; i++) {
        assert_string_equal(first[i].baseline, path[i]);
        free(first[i].baseline);
        first[i].baseline = NULL;
    }
    b.n = N - 1; /* without the first name */
    assert_int_equal(collection_pair(&a, &b, "others", &err), SS_ERR_INPUT);
    assert_string_equal(err.where, "others");
    assert_string_equal(err.message, "has no n0 to go with p0");
    for (int i = 0; i < N; i++) free(first[i].baseline);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_journal_is_cut_at_a_whole_row),
        cmocka_unit_test(test_an_empty_prompt_is_a_row_with_a_problem),
        cmocka_unit_test(test_pairs_by_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
