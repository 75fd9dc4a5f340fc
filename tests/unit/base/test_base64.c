/* base64: the examples of RFC 4648 in both directions, every byte, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/base64.h"

/* RFC 4648, section 10. */
static void test_examples(void **state) {
    (void)state;
    static const char *const EXAMPLE[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof EXAMPLE / sizeof EXAMPLE[0]; i++) {
        text t = {0};
        unsigned char bytes[8] = "????????";
        size_t size, n = strlen(EXAMPLE[i][0]);
        text_add(&t, "");
        base64_add(&t, EXAMPLE[i][0], n);
        assert_string_equal(t.s, EXAMPLE[i][1]);
        assert_int_equal(base64_read(t.s, t.len, bytes, &size), 0);
        assert_int_equal(size, n);
        assert_memory_equal(bytes, EXAMPLE[i][0], n);
        assert_int_equal(bytes[size], '?');
        text_free(&t);
    }
}

/* Every byte at every place of a group, and every digit. */
static void test_round_trip(void **state) {
    (void)state;
    unsigned char bytes[3 * 256 + 2], back[sizeof bytes + 2];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i / 3 + i % 3 * 85);
    for (size_t n = sizeof bytes - 3; n <= sizeof bytes; n++) {
        text t = {0};
        size_t size;
        base64_add(&t, bytes, n);
        assert_int_equal(t.len, (n + 2) / 3 * 4);
        assert_int_equal(strspn(t.s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="), t.len);
        assert_int_equal(base64_read(t.s, t.len, back, &size), 0);
        assert_int_equal(size, n);
        assert_memory_equal(back, bytes, n);
        text_free(&t);
    }
}

static void test_refused(void **state) {
    (void)state;
    static const char *const NONE[] = {"Z",    "Zg",   "Zg=",  "!!!!",     "Zm9v\n",    "Zm 9",
                                       "=AAA", "A===", "====", "Zg==Zg==", "Z=8=",      "Zh==",
                                       "Zm9=", "Zm9-", "Zm9_", "Zm9vZm=v", "\xC3\xA4gg"};
    for (size_t i = 0; i < sizeof NONE / sizeof NONE[0]; i++) {
        unsigned char bytes[16];
        size_t size;
        assert_int_equal(base64_read(NONE[i], strlen(NONE[i]), bytes, &size), -1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples), cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
