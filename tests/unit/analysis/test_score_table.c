/* A table of scores from anywhere: what is refused, what is joined, and that the work grows with the rows alone. */
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
#include "analysis/score_table.h"
#include "tests/support/longest_look_up.h"

static const char PATH[] = "scores-test.csv";

static ss_status read_text(const char *rows, const char *by, score_table *t, ss_error *err) {
    text all = {0};
    *t = (score_table){0};
    text_addf(&all, "prompt,seed,condition,metric,value,tag\n%s", rows);
    assert_int_equal(file_write(PATH, all.s, all.len, err), SS_OK);
    text_free(&all);
    ss_status status = score_table_read(PATH, by, t, err);
    unlink(PATH);
    return status;
}

static void assert_refused(const char *rows, const char *by, const char *where, const char *words_of_it) {
    score_table t;
    ss_error err = {0};
    assert_int_equal(read_text(rows, by, &t, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, where);
    if (!strstr(err.message, words_of_it)) fail_msg("'%s' is not in '%s'", words_of_it, err.message);
    score_table_free(&t);
}

static void test_a_value_given_twice_is_refused_with_both_lines(void **state) {
    (void)state;
    score_table t;
    ss_error err;
    assert_refused("p,1,a,m,1,x\np,1,b,m,1,x\np,1,a,m,2,y\n", NULL, "scores-test.csv:4",
                   "prompt 'p', seed 1, condition 'a', metric 'm' is given twice, first on line 2");
    assert_refused("p,1,a,m,1,x\np,1.0,a,m,1,x\n", "tag", "scores-test.csv:3", "first on line 2");
    assert_int_equal(read_text("p,1,a,m,1,x\np,1,b,m,1,x\np,1,a,m,2,y\n", "tag", &t, &err), SS_OK);
    score_table_free(&t);
}

static void test_seeds_are_whole_numbers(void **state) {
    (void)state;
    score_table t;
    ss_error err;
    assert_int_equal(read_text("p,7.0,a,m,1,x\np,7,b,m,3,x\n", NULL, &t, &err), SS_OK);
    score_join j;
    assert_int_equal(score_table_join(&t, 0, 0, 0, 1, &j, &err), SS_OK);
    assert_int_equal(j.pairs.count, 1);
    assert_int_equal(j.alone, 0);
    assert_true(j.pairs.a[0] == 1 && j.pairs.b[0] == 3);
    score_join_free(&j);
    score_table_free(&t);
    assert_refused("p,1.5,a,m,1,x\n", NULL, "scores-test.csv:2", "column 'seed' has '1.5'");
    assert_refused("p,x,a,m,1,x\n", NULL, "scores-test.csv:2", "column 'seed' has 'x'");
}

static void test_a_missing_value_is_an_error_where_a_contrast_uses_it(void **state) {
    (void)state;
    static const char *const MISSING[] = {"", "nan", "NaN", "NA", "null", "inf", "-Inf"};
    score_table t;
    ss_error err;
    score_join j;
    for (size_t i = 0; i < sizeof MISSING / sizeof *MISSING; i++) {
        char rows[200];
        snprintf(rows, sizeof rows, "p,1,a,m,1,x\np,1,b,m,2,x\nq,1,c,m,%s,x\nq,1,a,m,1,x\n", MISSING[i]);
        assert_int_equal(read_text(rows, NULL, &t, &err), SS_OK);
        assert_int_equal(score_table_join(&t, 0, 0, 0, 1, &j, &err), SS_OK);
        assert_int_equal(j.pairs.count, 1);
        score_join_free(&j);
        assert_int_equal(score_table_join(&t, 0, 0, 0, 2, &j, &err), SS_ERR_INPUT);
        assert_string_equal(err.where, "scores-test.csv:4");
        assert_non_null(strstr(err.message, "expected a number"));
        score_table_free(&t);
    }
    assert_refused("p,1,a,m,x1,x\n", NULL, "scores-test.csv:2", "column 'value' has 'x1'");
}

static void test_no_pair_says_what_was_looked_for(void **state) {
    (void)state;
    score_table t;
    ss_error err;
    score_join j;
    assert_int_equal(read_text("p,1,a,m,1,x\np,2,b,m,2,x\nq,2,b,m,2,x\n", NULL, &t, &err), SS_OK);
    assert_int_equal(score_table_join(&t, 0, 0, 0, 1, &j, &err), SS_OK);
    assert_int_equal(j.pairs.count, 0);
    assert_int_equal(j.alone, 3);
    score_join_free(&j);
    assert_int_equal(score_table_no_pair(&t, 0, 0, 1, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "found 1 row of 'a' (the first: prompt 'p', seed 1) and 2 rows of 'b' (the "
                                        "first: prompt 'p', seed 2)"));
    score_table_free(&t);
}

/* Parts as the file has them; prompts by their texts, wherever they stand. */
static void test_order(void **state) {
    (void)state;
    score_table t;
    ss_error err;
    score_join j;
    int *parts, n;
    assert_int_equal(
        read_text("z,1,a,n,1,w\nz,1,a,m,1,x\nb,1,a,m,2,y\nb,1,b,m,4,y\nz,1,b,m,8,x\nb,2,b,m,9,w\n", "tag", &t, &err),
        SS_OK);
    assert_int_equal(score_table_parts(&t, text_set_find(&t.metrics, "m"), &parts, &n, &err), SS_OK);
    assert_int_equal(n, 3);
    assert_string_equal(t.parts.at[parts[0]], "x");
    assert_string_equal(t.parts.at[parts[1]], "y");
    assert_string_equal(t.parts.at[parts[2]], "w");
    free(parts);
    score_table_free(&t);
    assert_int_equal(read_text("z,1,a,m,1,x\nb,1,a,m,2,y\nb,1,b,m,4,y\nz,1,b,m,8,x\n", NULL, &t, &err), SS_OK);
    assert_int_equal(score_table_join(&t, 0, 0, 0, 1, &j, &err), SS_OK);
    assert_true(j.pairs.a[0] == 2 && j.pairs.a[1] == 1 && j.pairs.b[1] == 8);
    score_join_free(&j);
    score_table_free(&t);
}

/* No look-up walks through what is there: 30,000 prompts and as many tags, a few slots a cell. */
static void test_the_work_grows_with_the_rows(void **state) {
    (void)state;
    enum { PROMPTS = 30000 };
    text rows = {0};
    score_table t;
    ss_error err;
    for (int i = 0; i < PROMPTS; i++)
        text_addf(&rows, "p%d,1,a,m,1,t%d\np%d,1,b,m,2,t%d\n", i * 7 % PROMPTS, i, i * 7 % PROMPTS, i);
    assert_int_equal(read_text(rows.s, "tag", &t, &err), SS_OK);
    text_free(&rows);
    assert_int_equal(t.n, 2 * PROMPTS);
    assert_int_equal(t.prompts.n, PROMPTS);
    assert_int_equal(t.parts.n, PROMPTS);
    assert_true(longest_look_up(&t.prompts) < 64);
    assert_true(longest_look_up(&t.parts) < 64);
    score_table_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value_given_twice_is_refused_with_both_lines),
        cmocka_unit_test(test_seeds_are_whole_numbers),
        cmocka_unit_test(test_a_missing_value_is_an_error_where_a_contrast_uses_it),
        cmocka_unit_test(test_no_pair_says_what_was_looked_for),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_the_work_grows_with_the_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
