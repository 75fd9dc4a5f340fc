/* SHA-256: NIST's examples, every short length, every split, by plain C and by what this processor has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/sha256.c" /* its two forms by name: a machine runs one of them only */

enum { LONGEST = 200 };

static sha256_blocks *const FORMS[] = {blocks_plain, NULL}; /* NULL: as sha256_begin chooses */
enum { FORM_COUNT = sizeof FORMS / sizeof FORMS[0] };

static void begin(sha256 *s, int form) {
    sha256_begin(s);
    if (FORMS[form]) s->blocks = FORMS[form];
}

static void hash(int form, const void *data, size_t size, sha256_hex out) {
    sha256 s;
    begin(&s, form);
    sha256_add(&s, data, size);
    sha256_end(&s, out);
}

/* The examples of FIPS 180-4 (csrc.nist.gov, 'Examples with Intermediate Values': SHA256.pdf, SHA2_Additional.pdf). */
static void test_examples(void **state) {
    (void)state;
    static const char *const EXAMPLE[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqr"
         "stu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"}};
    enum { MILLION = 1000000 };
    char *a = malloc(MILLION);
    sha256_hex found;
    assert_non_null(a);
    memset(a, 'a', MILLION);
    for (int form = 0; form < FORM_COUNT; form++) {
        for (size_t i = 0; i < sizeof EXAMPLE / sizeof EXAMPLE[0]; i++) {
            hash(form, EXAMPLE[i][0], strlen(EXAMPLE[i][0]), found);
            assert_string_equal(found, EXAMPLE[i][1]);
        }
        hash(form, a, MILLION, found);
        assert_string_equal(found, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
    free(a);
    sha256_of(NULL, 0, found);
    assert_string_equal(found, EXAMPLE[0][1]);
}

static void fill(unsigned char bytes[LONGEST]) {
    for (int i = 0; i < LONGEST; i++) bytes[i] = (unsigned char)(i * 7 + i / 5);
}

/* Every length from 0 to 200, at once and in two pieces at every place, and byte by byte. */
static void test_lengths_and_splits(void **state) {
    (void)state;
    unsigned char bytes[LONGEST];
    sha256_hex expected, found;
    sha256 all, s;
    fill(bytes);
    sha256_begin(&all);
    for (size_t n = 0; n <= LONGEST; n++) {
        hash(0, bytes, n, expected);
        sha256_add(&all, expected, sizeof expected - 1);
        for (int form = 0; form < FORM_COUNT; form++) {
            for (size_t split = 0; split <= n; split++) {
                begin(&s, form);
                sha256_add(&s, bytes, split);
                sha256_add(&s, bytes + split, n - split);
                sha256_end(&s, found);
                assert_string_equal(found, expected);
            }
            begin(&s, form);
            for (size_t i = 0; i < n; i++) sha256_add(&s, bytes + i, 1);
            sha256_end(&s, found);
            assert_string_equal(found, expected);
        }
    }
    /* sha256(''.join(sha256(d[:n]).hexdigest() for n in range(201)).encode()).hexdigest() by Python's hashlib, where
     * d = bytes((i * 7 + i // 5) % 256 for i in range(200)) */
    sha256_end(&all, found);
    assert_string_equal(found, "167817318647710ebdb892040ffdb961a846ef9c2a5fe0896d7c924deee04e68");
}

/* Where the processor has the instructions, they are chosen. */
static void test_choice(void **state) {
    (void)state;
    sha256 s;
    sha256_begin(&s);
#ifdef __x86_64__
    unsigned a, b, c, d;
    int has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
    assert_true(s.blocks == (has ? blocks_sha : blocks_plain));
#else
    assert_true(s.blocks == blocks_plain);
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples), cmocka_unit_test(test_lengths_and_splits),
                                       cmocka_unit_test(test_choice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
