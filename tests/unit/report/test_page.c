/* Pages: escaping, contents, images; words and numbers; LaTeX. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/png.h"
#include "report/latex.h"
#include "report/page.h"
#include "report/trace_page.h"
#include "report/words.h"
#include "wellformed.h"

static void write_words(const void *facts, text *out) { page_element(out, "p", NULL, facts); }
static void write_nothing(const void *facts, text *out) { (void)facts, (void)out; }

static void test_sections(void **state) {
    (void)state;
    static const page_section SECTIONS[] = {{"one", "First & <foremost>", write_words},
                                            {"two", "Empty", write_nothing}};
    static const char HOSTILE[] = "</p></main><script src='http://x'>\"&";
    text t = {0};
    page_write(HOSTILE, "kicker", HOSTILE, SECTIONS, 2, HOSTILE, &t);
    assert_false(t.failed);
    assert_null(find_malformed(t.s));
    assert_null(strstr(t.s, "<script"));
    assert_non_null(strstr(t.s, "<a href=\"#one\">First &amp; &lt;foremost&gt;</a>"));
    assert_null(strstr(t.s, "Empty")); /* a section that writes nothing is left out, in the contents too */
    assert_null(strstr(t.s, "@import"));
    assert_null(strstr(t.s, "url("));
    text_free(&t);
}

static void test_style(void **state) {
    (void)state;
    int depth = 0;
    for (int i = 0; PAGE_STYLE[i]; i++)
        for (const char *s = PAGE_STYLE[i]; *s; s++) {
            depth += (*s == '{') - (*s == '}');
            assert_in_range(depth, 0, 2);
            assert_int_not_equal(*s, '<');
        }
    assert_int_equal(depth, 0);
}

/* What assets/embed.awk makes of a script: its opening comment is gone, escapes are as they were, nothing ends it
 * early, and the last line has no end. */
static void test_script(void **state) {
    (void)state;
    text whole = {0};
    for (int i = 0; TRACE_SCRIPT[i]; i++) text_add(&whole, TRACE_SCRIPT[i]);
    assert_false(whole.failed);
    assert_ptr_equal(strstr(whole.s, "(()=>{'use strict';\n"), whole.s);
    assert_non_null(strstr(whole.s, "'\\u25b7'"));
    assert_non_null(strstr(whole.s, "\n for(let k=0;"));
    assert_null(strstr(whole.s, "</"));
    assert_string_equal(whole.s + whole.len - strlen("draw()})()"), "draw()})()");
    text_free(&whole);
}

/* The pixels that stand in an <img>, decoded. */
static void read_image(const char *html, rgb_image *out) {
    const char *at = strstr(html, "base64,");
    unsigned char bytes[4096];
    size_t n = 0;
    unsigned word = 0, bits = 0;
    ss_error err;
    assert_non_null(at);
    for (at += 7; *at != '"' && *at != '='; at++) {
        static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        word = word << 6 | (unsigned)(strchr(DIGITS, *at) - DIGITS);
        bits += 6;
        if (bits >= 8) bytes[n++] = (unsigned char)(word >> (bits -= 8));
        assert_true(n < sizeof bytes);
    }
    assert_int_equal(png_decode(bytes, n, "img", out, &err), SS_OK);
}

static void test_images(void **state) {
    (void)state;
    unsigned char rgb[4 * 2 * 3];
    for (int i = 0; i < (int)sizeof rgb; i++) rgb[i] = (unsigned char)(i * 10);
    rgb_image image = {.width = 4, .height = 2, .rgb = rgb}, back = {0};
    ss_error err;
    text t = {0};
    assert_int_equal(page_add_image(&t, &image, "large", "\"<&", 8, &err), SS_OK);
    assert_null(find_malformed(t.s));
    assert_non_null(strstr(t.s, "alt=\"&quot;&lt;&amp;\""));
    read_image(t.s, &back);
    assert_int_equal(back.width, 4);
    assert_memory_equal(back.rgb, rgb, sizeof rgb);
    rgb_image_free(&back);
    text_free(&t);
    t = (text){0};
    back = (rgb_image){0};
    assert_int_equal(page_add_image(&t, &image, NULL, "", 2, &err), SS_OK); /* halved: means of 2 x 2 pixels */
    read_image(t.s, &back);
    assert_int_equal(back.width, 2);
    assert_int_equal(back.height, 1);
    assert_int_equal(back.rgb[0], (rgb[0] + rgb[3] + rgb[12] + rgb[15] + 2) / 4);
    assert_int_equal(back.rgb[5], (rgb[8] + rgb[11] + rgb[20] + rgb[23] + 2) / 4);
    rgb_image_free(&back);
    text_free(&t);
}

static void check_number(double x, int decimals, int with_sign, const char *expected) {
    text t = {0};
    words_add_number(&t, x, decimals, with_sign);
    assert_string_equal(t.s, expected);
    text_free(&t);
}

static void check_percent(double share, const char *expected) {
    text t = {0};
    words_add_percent(&t, share, 1);
    assert_string_equal(t.s, expected);
    text_free(&t);
}

static void test_numbers(void **state) {
    (void)state;
    check_percent(0.0627, "6.3 %");
    check_percent(NAN, "–");
    check_percent(1e307, "–"); /* its percentage is infinite */
    check_number(0.0812, 3, 1, "+0.081");
    check_number(-0.0812, 3, 1, "−0.081");
    check_number(-0.0812, 3, 0, "−0.081");
    check_number(0.0812, 3, 0, "0.081");
    check_number(-0.0001, 3, 1, "0.000"); /* no sign on what reads as zero */
    check_number(0.0001, 3, 1, "0.000");
    check_number(NAN, 3, 1, "–");
    check_number((double)INFINITY, 3, 1, "–");
    assert_int_equal(words_decimals(-0.0021, 0.0012, 0), 4);
    assert_int_equal(words_decimals(-30, 40, 0), 0);
    assert_int_equal(words_decimals(1, 1, 0), 4); /* no width, no size */
    assert_int_equal(words_decimals(-0.8, -0.69, 0), 3);
    assert_int_equal(words_decimals(NAN, NAN, 0.5), 2);
    text t = {0};
    words_add_estimate(&t, stats_defined(-0.0004), stats_defined(-0.0021), stats_defined(0.0012), 1);
    assert_string_equal(t.s, "−0.0004 [−0.0021, +0.0012]");
    text_free(&t);
    t = (text){0};
    words_add_estimate(&t, stats_defined(1), stats_undefined(STATS_NO_VARIANCE), stats_undefined(STATS_NO_VARIANCE), 1);
    assert_string_equal(t.s, "+1.0 (interval undefined: no variance)");
    text_free(&t);
    t = (text){0};
    words_add_estimate(&t, stats_undefined(STATS_TOO_FEW), stats_defined(0), stats_defined(0), 1);
    assert_string_equal(t.s, "too few prompts");
    text_free(&t);
}

/* An edit that chooses nothing begins with the edit itself. */
static void test_conditions(void **state) {
    (void)state;
    for (int i = 0; i < ATTN_EDIT_COUNT; i++) {
        study_condition c = {.role = CONDITION_STUDIED, .has_intervention = 1, .guidance = NAN};
        c.intervention.selector = ATTN_SELECTORS[0];
        c.intervention.edit = ATTN_EDITS[i];
        text words = {0};
        words_add_condition(&words, &c, "1");
        const char *begins = ATTN_EDITS[i]->on == EDIT_ON_NOTHING ? "edit: " : "keys: ";
        assert_int_equal(strncmp(words.s, begins, strlen(begins)), 0);
        text_free(&words);
    }
}

static void test_latex(void **state) {
    (void)state;
    text t = {0};
    latex_add(&t, "50 % of a_b & {c}\\d~e^f $g #h <i> −1 \"é\"\n|");
    assert_string_equal(
        t.s, "50 \\% of a\\_b \\& \\{c\\}\\textbackslash{}d\\textasciitilde{}e\\textasciicircum{}f \\$g \\#h "
             "$<$i$>$ $-$1 \\textquotedbl{}é\\textquotedbl{} $|$");
    text_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sections), cmocka_unit_test(test_style),
                                       cmocka_unit_test(test_script),   cmocka_unit_test(test_images),
                                       cmocka_unit_test(test_numbers),  cmocka_unit_test(test_conditions),
                                       cmocka_unit_test(test_latex)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
