/* CSV: quoting both ways, and errors with a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "io/csv.h"

static csv_table *parse(const char *s) {
    ss_error err = {0};
    csv_table *t = NULL;
    if (csv_read_bytes(s, strlen(s), "x.csv", &t, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
    return t;
}

static void test_read(void **state) {
    (void)state;
    ss_error err = {0};
    int column;
    double x;
    int64_t i;
    csv_table *t = parse("\xEF\xBB\xBFprompt,seed,\"va\"\"lue\"\r\n"
                         "\"a, b\nc\",1,0.5\r\n"
                         ",2,\"\"\r\n"
                         "\"say \"\"hi\"\"\",-3,1e-3");
    assert_int_equal(csv_column_count(t), 3);
    assert_int_equal(csv_row_count(t), 3);
    assert_string_equal(csv_column_name(t, 0), "prompt");
    assert_string_equal(csv_column_name(t, 2), "va\"lue");
    assert_string_equal(csv_cell(t, 0, 0), "a, b\nc");
    assert_string_equal(csv_cell(t, 1, 0), "");
    assert_string_equal(csv_cell(t, 2, 0), "say \"hi\"");
    assert_int_equal(csv_line(t, 0), 2);
    assert_int_equal(csv_line(t, 1), 4);
    assert_int_equal(csv_find_column(t, "seed", &column, &err), SS_OK);
    assert_int_equal(csv_get_int(t, 2, column, &i, &err), SS_OK);
    assert_int_equal(i, -3);
    assert_int_equal(csv_get_double(t, 2, 2, &x, &err), SS_OK);
    assert_true(x == 1e-3);
    assert_int_equal(csv_get_double(t, 1, 2, &x, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, "x.csv:4");
    assert_string_equal(err.message, "column 'va\"lue' has ''; expected a number");
    assert_int_equal(csv_get_int(t, 0, 2, &i, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "column 'va\"lue' has '0.5'; expected an integer");
    assert_int_equal(csv_find_column(t, "sed", &column, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "has no column 'sed'; did you mean 'seed'? (columns: prompt, seed, va\"lue)");
    csv_close(t);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *csv, *where, *message;
    } cases[] = {
        {"", "x.csv:1", "is empty; expected a header row"},
        {"a,b\n1,2\n3\n", "x.csv:3", "has 1 fields; expected 2, as in the header"},
        {"a,b\n\"1\n2\",2,3\n", "x.csv:2", "has 3 fields; expected 2, as in the header"},
        {"a,b\n1,x\"y\"\n", "x.csv:2", "has a quote inside a field that does not begin with one"},
        {"a,b\n1,\"xy\"z\n", "x.csv:2", "has text after a closing quote"},
        {"a,b\n1,\"xy\n\n", "x.csv:2", "a quoted field begins here and does not end"},
        {"a,b\n1\r,2\n", "x.csv:2", "has a carriage return without a line feed"},
        {"a,b,a\n", "x.csv:1", "has two columns called 'a'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        csv_table *t;
        assert_int_equal(csv_read_bytes(cases[i].csv, strlen(cases[i].csv), "x.csv", &t, &err), SS_ERR_INPUT);
        assert_null(t);
        assert_string_equal(err.where, cases[i].where);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void test_nul(void **state) {
    (void)state;
    ss_error err = {0};
    csv_table *t;
    assert_int_equal(csv_read_bytes("a\nb\0c\n", 6, "x.csv", &t, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "has a NUL character");
    assert_int_equal(csv_read_bytes("a\n\"b\0c\"\n", 8, "x.csv", &t, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "has a NUL character");
}

static void test_write_and_read_back(void **state) {
    (void)state;
    static const char *const FIELDS[] = {"plain",       "",     "with, comma", "with \"quote\"",
                                         "line\nbreak", "cr\r", " x ",         "\xEF\xBB\xBF"};
    enum { N = sizeof FIELDS / sizeof FIELDS[0] };
    text out = {0};
    csv_add_text(&out, 0,
                 "\xEF\xBB\xBF"
                 "only"); /* not the mark of the file */
    csv_add_end(&out);
    for (int i = 0; i < N; i++) csv_add_text(&out, 0, FIELDS[i]), csv_add_end(&out);
    csv_table *t = parse(out.s);
    assert_int_equal(csv_row_count(t), N);
    assert_string_equal(csv_column_name(t, 0), "\xEF\xBB\xBF"
                                               "only");
    for (int i = 0; i < N; i++) assert_string_equal(csv_cell(t, i, 0), FIELDS[i]);
    csv_close(t);
    text_free(&out);
    csv_add_int(&out, 0, -5);
    csv_add_double(&out, 1, 0.1, 17);
    csv_add_double(&out, 2, (double)NAN, 17);
    csv_add_text(&out, 3, "");
    csv_add_end(&out);
    assert_string_equal(out.s, "-5,0.10000000000000001,,\n");
    text_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_write_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
