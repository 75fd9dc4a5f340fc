/* Figures: well-formed whatever the numbers and names are, and where they say things are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "wellformed.h"

static const char HOSTILE[] = "</svg><script>alert(\"x\")</script>&amp;'<";

static void check(const text *t) {
    assert_false(t->failed);
    if (!t->s) return;
    assert_null(find_malformed(t->s));
    assert_false(has_bad_number(t->s));
    assert_null(strstr(t->s, "<script"));
}

static int count(const char *s, const char *what) {
    int n = 0;
    for (; (s = strstr(s, what)); s += strlen(what)) n++;
    return n;
}

/* The value of `attribute` in the first element that begins with `element`. */
static double attribute_of(const char *svg, const char *element, const char *attribute) {
    const char *at = strstr(svg, element);
    assert_non_null(at);
    at = strstr(at, attribute);
    assert_non_null(at);
    char digits[32];
    double value;
    assert_int_equal(sscanf(at + strlen(attribute), "%31[-0-9.]", digits), 1);
    assert_int_equal(text_to_double(digits, &value), 0); /* the reader is locale-free, as the writer is */
    return value;
}

static void test_forest(void **state) {
    (void)state;
    text t = {0};
    const figure_estimate row[] = {{"a", "+1 [0, 2]", 0, 1, 2, 0}, {"b", "-1 [-2, 0]", -2, -1, 0, 1}};
    figure_forest(row, 2, "difference", 0.5, 1, &t);
    check(&t);
    assert_int_equal(count(t.s, "<circle"), 2);
    assert_int_equal(count(t.s, "class=\"whisker"), 2);
    assert_int_equal(count(t.s, "class=\"band\""), 1);
    /* the two estimates lie symmetrically about the line at zero, and the band around it */
    double zero = attribute_of(t.s, "<line class=\"zero\"", " x1=\"");
    double first = attribute_of(t.s, "<circle class=\"dot c0\"", " cx=\"");
    double second = attribute_of(t.s, "<circle class=\"dot c1\"", " cx=\"");
    double band = attribute_of(t.s, "class=\"band\"", " x=\""),
           width = attribute_of(t.s, "class=\"band\"", " width=\"");
    assert_true(first > zero && second < zero && fabs(first - zero - (zero - second)) < 0.2);
    assert_true(fabs(band + width / 2 - zero) < 0.2);
    assert_true(fabs(width - (first - zero)) < 0.2); /* -0.5 .. 0.5 is as wide as 0 .. 1 */
    text_free(&t);
}

static void test_forest_odd(void **state) {
    (void)state;
    text t = {0};
    figure_forest(NULL, 0, "nothing", 0, 1, &t);
    assert_int_equal(t.len, 0);
    const figure_estimate none = {"none", "undefined", NAN, NAN, NAN, 0};
    figure_forest(&none, 1, "nothing", 0.1, 1, &t);
    assert_int_equal(t.len, 0); /* no value: no figure */
    const figure_estimate odd[] = {{HOSTILE, HOSTILE, NAN, 0, NAN, 7},
                                   {"same", "", 0, 0, 0, 0},
                                   {"half", "", (double)-INFINITY, 1e-300, 3, 0},
                                   {"large", "", -1e12, 5e11, 1e12, 0}};
    for (int n = 1; n <= 4; n++)
        for (int zero = 0; zero < 2; zero++) {
            text_free(&t);
            t = (text){0};
            figure_forest(odd, n, HOSTILE, 0, zero, &t);
            assert_true(t.len > 0);
            check(&t);
        }
    text_free(&t);
}

static void test_lines(void **state) {
    (void)state;
    const double x[] = {1, 5, 10}, y[] = {0, 1, NAN}, low[] = {-1, NAN, 0}, high[] = {1, 2, 0}, same[] = {2, 2, 2};
    for (int scale = 0; scale < 2; scale++) {
        text t = {0};
        const figure_series s[] = {{HOSTILE, 3, x, y, low, high}, {"flat", 3, x, same, NULL, NULL}};
        figure_lines(s, 2, "k", HOSTILE, (figure_scale)scale, &t);
        check(&t);
        assert_int_equal(count(t.s, "<polyline"), 2);
        assert_int_equal(count(t.s, "class=\"whisker"), 1); /* a point without an end has no interval */
        text_free(&t);
        t = (text){0};
        figure_lines(&(figure_series){"one", 1, x, same, NULL, NULL}, 1, "k", "y", (figure_scale)scale, &t);
        check(&t);
        assert_true(t.len > 0);
        text_free(&t);
        t = (text){0};
        figure_lines(&(figure_series){"none", 1, x, y + 2, NULL, NULL}, 1, "k", "y", (figure_scale)scale, &t);
        figure_lines(NULL, 0, "k", "y", (figure_scale)scale, &t);
        assert_int_equal(t.len, 0);
    }
}

/* 1, 10, 100 lie at equal distances on a logarithmic axis. */
static void test_log_axis(void **state) {
    (void)state;
    const double x[] = {1, 10, 100}, y[] = {0, 1, 2};
    text t = {0};
    figure_lines(&(figure_series){"s", 3, x, y, NULL, NULL}, 1, "k", "y", FIGURE_LOG, &t);
    char at[3][16];
    double a, b, c;
    const char *points = strstr(t.s, "points=\"");
    assert_non_null(points);
    const char *form = "points=\"%15[0-9.],%*[0-9.] %15[0-9.],%*[0-9.] %15[0-9.],";
    assert_int_equal(sscanf(points, form, at[0], at[1], at[2]), 3);
    assert_int_equal(text_to_double(at[0], &a) | text_to_double(at[1], &b) | text_to_double(at[2], &c), 0);
    assert_true(fabs(b - a - (c - b)) < 0.21 && b > a + 50);
    text_free(&t);
}

static void test_heat(void **state) {
    (void)state;
    const double value[] = {0, 0.25, NAN, 1}, same[] = {3, 3, 3, 3}, none[] = {NAN, NAN, NAN, NAN};
    figure_grid g = {
        .value = value, .rows = 2, .columns = 2, .row_axis = HOSTILE, .column_axis = "step", .what = HOSTILE};
    for (int square = 0; square < 2; square++) {
        text t = {0};
        g.square = square;
        g.value = value;
        figure_heat(&g, &t);
        check(&t);
        assert_int_equal(count(t.s, "</title></rect>"), 3); /* the cell without a value is left out */
        assert_non_null(strstr(t.s, "fill-opacity=\"0.250\""));
        assert_non_null(strstr(t.s, "step 1: 0.25<"));
        text_free(&t);
        t = (text){0};
        g.value = same;
        figure_heat(&g, &t);
        check(&t);
        assert_int_equal(count(t.s, "</title></rect>"), 4);
        text_free(&t);
        t = (text){0};
        g.value = none;
        figure_heat(&g, &t);
        assert_int_equal(t.len, 0);
    }
    double *large = calloc(64 * 1000, sizeof *large);
    text t = {0};
    large[5] = 1;
    figure_heat(
        &(figure_grid){.value = large, .rows = 64, .columns = 1000, .row_axis = "b", .column_axis = "s", .what = "w"},
        &t);
    check(&t);
    text_free(&t);
    free(large);
}

static void test_shares(void **state) {
    (void)state;
    text t = {0};
    const figure_share row[] = {{HOSTILE, 0.5, 0.25}, {"b", 0, NAN}, {"c", NAN, NAN}};
    figure_shares(row, 0, "share", "keys", &t);
    assert_int_equal(t.len, 0);
    figure_shares(row, 3, HOSTILE, "keys", &t);
    check(&t);
    double wide = attribute_of(strstr(t.s, "end\""), "<rect class=\"bar c0\"", " width=\"");
    double narrow = attribute_of(strstr(t.s, "end\""), "<rect class=\"bar expected\"", " width=\"");
    assert_true(fabs(wide - 2 * narrow) < 0.2);
    assert_non_null(strstr(t.s, "50.0 %"));
    text_free(&t);
    t = (text){0};
    figure_shares(row + 1, 1, "share", "keys", &t); /* nothing but zero */
    check(&t);
    text_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forest), cmocka_unit_test(test_forest_odd),
                                       cmocka_unit_test(test_lines),  cmocka_unit_test(test_log_axis),
                                       cmocka_unit_test(test_heat),   cmocka_unit_test(test_shares)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
