/* Repair of text and character references of HTML: what ftfy 6.3.1 and Python 3.11's html.unescape gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "text/scorers/html.h"
#include "text/scorers/mojibake.h"
#include "text/scorers/repair.h"

typedef struct pair {
    const char *from, *to;
} pair;

static void expect(const text *found, const char *from, const char *to, size_t n) {
    if (found->len != n || (n && memcmp(found->s, to, n) != 0))
        fail_msg("'%s' became '%s'; expected '%s'", from, found->s ? found->s : "", to);
}

static void test_repair(void **state) {
    (void)state;
    static const pair CASES[] = {{"", ""},
                                 {"plain", "plain"},
                                 {"Ã©tÃ©", "été"},
                                 {"cafÃ© café š", "café café š"},
                                 {"voilÃ le travail", "voilà le travail"},
                                 {"faÃ s", "faà s"},
                                 {"â€œ like this â€�", "\" like this �"},
                                 {"ðŸ˜\xC2\x80", "😀"},
                                 {"í\xC2\xA0½í¸\xC2\x8D", "😍"},
                                 {"ÃƒÂ©", "é"},
                                 {"À\xC2\x80xÃ©", "xé"},
                                 {"Ã©À\nx", "éx"},
                                 {"a\xC2\x92"
                                  "b š",
                                  "a'b š"},
                                 {"├⌐t├⌐", "été"},
                                 {"&amp;lt;", "<"},
                                 {"<&amp;>", "<&amp;>"},
                                 {"&amp;\n<\n&amp;", "&\n<\n&amp;"},
                                 {"&EACUTE; &SZLIG; &NAPOS; &LTIMES; &nTILDE;", "É SS 'N &LTIMES; &nTILDE;"},
                                 {"&#38;amp; &#59; &#128;", "& &#59; €"},
                                 {"&amp &notit;", "&amp &notit;"},
                                 {"\x1B[31mred\x1B[0m \x1B[٣m \x1B[1", "red  [1"},
                                 {"a\x0D\nb\x0D"
                                  "c\xE2\x80\xA8"
                                  "d\xE2\x80\xA9"
                                  "e",
                                  "a\nb\nc\nd\ne"},
                                 {"\x01"
                                  "a\xE2\x81\xAA\xEF\xBB\xBF"
                                  "b￼",
                                  "ab"},
                                 {"ﬁŉﬅǄ", "fi'nſtDŽ"},
                                 {"Ａｶ\xEF\xBE\x9E\xE3\x80\x80￣", "Aガ  \xCC\x84"},
                                 {"“a” ‘b’ \xCA\xBC", "\"a\" 'b' '"},
                                 {"e\xCC\x81 Å", "é Å"}};
    ss_error err = {0};
    repair *r;
    assert_int_equal(repair_create(&r, &err), SS_OK);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        text out = {0};
        text_add(&out, "=");
        assert_int_equal(repair_add(r, CASES[i].from, strlen(CASES[i].from), &out, &err), SS_OK);
        assert_int_equal(out.s[0], '='); /* it appends */
        memmove(out.s, out.s + 1, out.len--);
        expect(&out, CASES[i].from, CASES[i].to, strlen(CASES[i].to));
        text_free(&out);
    }
    repair_free(r);
}

/* A NUL is a control code like another. */
static void test_nul(void **state) {
    (void)state;
    ss_error err = {0};
    repair *r;
    text out = {0};
    assert_int_equal(repair_create(&r, &err), SS_OK);
    assert_int_equal(repair_add(r, "a\0b &am\0p; \xC3\x83\xC2\xA9\0", 16, &out, &err), SS_OK);
    expect(&out, "a and NUL", "ab & \xC3\xA9", 7);
    text_free(&out);
    repair_free(r);
}

static void test_html(void **state) {
    (void)state;
    static const pair CASES[] = {{"a & b &", "a & b &"},
                                 {"&amp;amp;", "&amp;"},
                                 {"&amp", "&"},
                                 {"&notit; &notin; &noti", "¬it; ∉ ¬i"},
                                 {"&ampx;", "&x;"},
                                 {"&CounterClockwiseContourIntegral;", "∳"},
                                 {"&NotEqualTilde;", "≂\xCC\xB8"},
                                 {"&unknown; &;", "&unknown; &;"},
                                 {"&#65;&#x41&#X42;", "AAB"},
                                 {"&#0;|&#128;|&#x9F;|&#129;|&#13;", "�|€|Ÿ|\xC2\x81|\x0D"},
                                 {"&#xD800;|&#x110000;|&#99999999999999999999;", "�|�|�"},
                                 {"&#1;|&#11;|&#127;|&#xFDD0;|&#xFFFF;|&#9;", "|||||\x09"},
                                 {"&#;&#x;&#xg;", "&#;&#x;&#xg;"},
                                 {"&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;", "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;"},
                                 {"&été;", "&été;"},
                                 {"&ampé;", "&é;"}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        text out = {0};
        html_unescape(&out, CASES[i].from, strlen(CASES[i].from));
        expect(&out, CASES[i].from, CASES[i].to, strlen(CASES[i].to));
        text_free(&out);
    }
}

static void test_entity(void **state) {
    (void)state;
    text out = {0};
    assert_true(html_add_entity(&out, "ampersand", 3, 1));
    assert_false(html_add_entity(&out, "am", 2, 0));
    assert_false(html_add_entity(&out, "", 0, 0));
    assert_false(html_add_entity(&out, "amp\0", 4, 0));
    assert_true(html_add_entity(&out, "zwnj", 4, 0)); /* the last of the table, and the first */
    assert_false(html_add_entity(&out, "zwnj", 4, 1));
    assert_true(html_add_entity(&out, "AElig", 5, 1));
    expect(&out, "entities", "&\xE2\x80\x8C\xC3\x86", 6);
    text_free(&out);
}

static void test_control_codes(void **state) {
    (void)state;
    assert_int_equal(mojibake_c1(0x80), 0x20AC);
    assert_int_equal(mojibake_c1(0x81), 0x81); /* a hole of windows-1252 */
    assert_int_equal(mojibake_c1(0x9F), 0x178);
    assert_int_equal(mojibake_c1(0x7F), 0x7F);
    assert_int_equal(mojibake_c1(0xA0), 0xA0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_repair), cmocka_unit_test(test_nul),
                                       cmocka_unit_test(test_html), cmocka_unit_test(test_entity),
                                       cmocka_unit_test(test_control_codes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
