/* Token ids of 5,000 strings against those of the packages whose tokenizers the scorers use
 * (tests/generators/text_scorer_vectors.py): openai/CLIP, open_clip (hpsv2 gave the same) and transformers'
 * BertTokenizer with ImageReward's added tokens. All equal, none left out. Of each string the hash of its row is
 * compared, of every 16th the row, so that a difference can be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "io/json.h"
#include "text/tokenizer.h"

enum { OLD = 2000, NEW = 3000, COUNT = OLD + NEW, HASH = 4, EVERY = 16 };

static json_t *strings[2];

static const char *string_at(size_t i) {
    return json_string_value(i < OLD ? json_array_get(strings[0], i) : json_array_get(strings[1], i - OLD));
}

static void add_number(text *row, int32_t x) {
    assert_in_range(x, 0, UINT16_MAX);
    const char bytes[2] = {(char)(x & 0xFF), (char)(x >> 8)};
    text_add_n(row, bytes, 2);
}

/* Tokens without truncation, tokens kept, the ids kept, as little-endian uint16; what follows is padding. */
static text row_of(const tokenizer *t, const char *s, int limit) {
    ss_error err = {0};
    tokens out;
    text row = {0};
    if (tokenizer_encode(t, s, limit, &out, &err) != SS_OK) fail_msg("'%s': %s", s, err.message);
    assert_int_equal(out.count, limit);
    add_number(&row, out.untruncated);
    add_number(&row, out.used);
    for (int i = 0; i < out.used; i++) add_number(&row, out.at[i].id);
    assert_int_equal(out.at[out.used - 1].id, tokenizer_end_id(t));
    assert_int_equal(out.at[out.used - 1].cls, TOKEN_END);
    for (int i = out.used; i < out.count; i++) {
        assert_int_equal(out.at[i].id, tokenizer_padding_id(t));
        assert_int_equal(out.at[i].cls, TOKEN_PADDING);
    }
    tokens_free(&out);
    return row;
}

static int hash_is(const text *row, const unsigned char *expected) {
    sha256_hex found;
    char hex[2 * HASH + 1];
    sha256_of(row->s, row->len, found);
    for (int i = 0; i < HASH; i++) snprintf(hex + 2 * i, 3, "%02x", expected[i]);
    return strncmp(found, hex, 2 * HASH) == 0;
}

static void compare(const char *name, const tokenizer *t, int limit) {
    ss_error err = {0};
    char path[512];
    char *content;
    size_t size;
    int bad = 0;
    size_t at = COUNT * HASH;
    snprintf(path, sizeof path, DATA "/scorer-%s.bin", name);
    assert_int_equal(file_read(path, 1 << 26, &content, &size, &err), SS_OK);
    const unsigned char *data = (const unsigned char *)content;
    for (size_t i = 0; i < COUNT; i++) {
        text row = row_of(t, string_at(i), limit);
        int same = hash_is(&row, data + i * HASH);
        if (i % EVERY == 0) {
            assert_true(at + 4 <= size);
            size_t n = 4 + 2 * (size_t)(data[at + 2] | data[at + 3] << 8);
            assert_true(at + n <= size);
            same &= row.len == n && memcmp(row.s, data + at, n) == 0;
            at += n;
        }
        if (!same && bad++ < 5) print_error("%s, string %zu: '%s'\n", name, i, string_at(i));
        text_free(&row);
    }
    assert_int_equal(at, size);
    assert_int_equal(bad, 0);
    free(content);
}

static void test_openai(void **state) {
    (void)state;
    ss_error err = {0};
    tokenizer *t;
    assert_int_equal(tokenizer_open_openai(&t, MERGES, &err), SS_OK);
    compare("openai", t, 77);
    tokenizer_close(t);
}

static void test_open_clip(void **state) {
    (void)state;
    ss_error err = {0};
    tokenizer *t;
    assert_int_equal(tokenizer_open_open_clip(&t, MERGES, &err), SS_OK);
    compare("open_clip", t, 77);
    tokenizer_close(t);
}

static void test_bert(void **state) {
    (void)state;
    static const char *const ADDED[] = {"[DEC]", "[ENC]"};
    ss_error err = {0};
    tokenizer *t;
    assert_int_equal(tokenizer_open_wordpiece(&t, DATA "/bert/vocab.txt", ADDED, 2, TOKENIZER_TRANSFORMERS_4, &err),
                     SS_OK);
    compare("bert", t, 35);
    tokenizer_close(t);
}

static int read_strings(void **state) {
    (void)state;
    ss_error err;
    if (json_read_file(DATA "/strings.json", 1 << 20, &strings[0], &err) != SS_OK) return -1;
    if (json_read_file(DATA "/scorer-strings.json", 1 << 20, &strings[1], &err) != SS_OK) return -1;
    return json_array_size(strings[0]) == OLD && json_array_size(strings[1]) == NEW ? 0 : -1;
}

static int drop_strings(void **state) {
    (void)state;
    json_decref(strings[0]);
    json_decref(strings[1]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_openai), cmocka_unit_test(test_open_clip),
                                       cmocka_unit_test(test_bert)};
    return cmocka_run_group_tests(tests, read_strings, drop_strings);
}
