/* Token ids of 2,000 strings against those of transformers 4.57.1 (tests/generators/text_vectors.py), for every
 * tokenizer folder of tests/data/text: all equal, ids, length before truncation and padding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/json.h"
#include "text/tokenizer.h"

static json_t *strings;

static uint16_t next_number(const unsigned char *data, size_t n, size_t *at) {
    assert_true(*at + 2 <= n);
    uint16_t x = (uint16_t)(data[*at] | data[*at + 1] << 8);
    *at += 2;
    return x;
}

/* One string against its row; 1 where they are equal. A difference is printed. */
static int same(const tokenizer *t, const char *name, size_t row, int limit, const unsigned char *data, size_t n,
                size_t *at) {
    ss_error err = {0};
    tokens out;
    const char *s = json_string_value(json_array_get(strings, row));
    if (tokenizer_encode(t, s, limit, &out, &err) != SS_OK) fail_msg("%s, string %zu: %s", name, row, err.message);
    int every = next_number(data, n, at), kept = next_number(data, n, at), good = 1;
    assert_int_equal(out.count, limit);
    good &= out.untruncated == every && out.used == kept;
    int shown = 0;
    for (int i = 0; i < kept; i++) {
        int32_t expected = next_number(data, n, at);
        if (out.at[i].id == expected) continue;
        good = 0;
        if (shown++ < 3)
            print_error("%s, string %zu, token %d: %d, expected %d\n", name, row, i, out.at[i].id, expected);
    }
    for (int i = kept; i < limit; i++) good &= out.at[i].id == tokenizer_padding_id(t);
    if (!good)
        print_error("%s, string %zu '%s': %d tokens (%d kept), expected %d (%d)\n", name, row, s, out.untruncated,
                    out.used, every, kept);
    tokens_free(&out);
    return good;
}

static void compare(const char *name, int limit) {
    ss_error err = {0};
    char path[512];
    char *ids;
    size_t size;
    tokenizer *t;
    size_t at = 0, bad = 0;
    snprintf(path, sizeof path, DATA "/%s", name);
    if (tokenizer_open(&t, path, NULL, TOKENIZER_TRANSFORMERS_4, &err) != SS_OK)
        fail_msg("%s: %s", err.where, err.message);
    snprintf(path, sizeof path, DATA "/ids-%s.bin", name);
    assert_int_equal(file_read(path, 1 << 26, &ids, &size, &err), SS_OK);
    assert_int_equal(json_array_size(strings), 2000);
    for (size_t row = 0; row < 2000; row++) bad += !same(t, name, row, limit, (const unsigned char *)ids, size, &at);
    assert_int_equal(at, size);
    assert_int_equal(bad, 0);
    free(ids);
    tokenizer_close(t);
}

static void test_clip(void **state) {
    (void)state;
    compare("clip", 77);
}

static void test_clip_bang(void **state) {
    (void)state;
    compare("clip-bang", 77);
}

static void test_t5(void **state) {
    (void)state;
    compare("t5", 77);
}

static void test_t5_plain(void **state) {
    (void)state;
    compare("t5-plain", 48);
}

static void test_t5_old(void **state) {
    (void)state;
    compare("t5-old", 32);
}

static void test_t5_first(void **state) {
    (void)state;
    compare("t5-first", 32);
}

static void test_t5_made(void **state) {
    (void)state;
    compare("t5-made", 32);
}

static int read_strings(void **state) {
    (void)state;
    ss_error err;
    return json_read_file(DATA "/strings.json", 1 << 20, &strings, &err) == SS_OK ? 0 : -1;
}

static int drop_strings(void **state) {
    (void)state;
    json_decref(strings);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clip),     cmocka_unit_test(test_clip_bang), cmocka_unit_test(test_t5),
        cmocka_unit_test(test_t5_plain), cmocka_unit_test(test_t5_old),    cmocka_unit_test(test_t5_first),
        cmocka_unit_test(test_t5_made),
    };
    return cmocka_run_group_tests(tests, read_strings, drop_strings);
}
