/* The tokenizers of the scorers: how they are opened, classes and words, padding, added tokens, and what damaged files
 * are told. Their ids: test_scorer_vectors.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/text.h"
#include "text/tokenizer.h"
#include "../../support/folder.h"

static const char *path_of(char *out, const char *name) {
    snprintf(out, 512, "%s/%s", folder, name);
    return out;
}

static void put(const char *name, const char *content) {
    ss_error err;
    char path[512];
    assert_int_equal(file_write(path_of(path, name), content, strlen(content), &err), SS_OK);
}

/* "id:word id:word ..." of the tokens, "-" where a token has no word. */
static char *describe(const tokenizer *t, const char *s, int max_length) {
    ss_error err = {0};
    tokens out;
    text d = {0};
    if (tokenizer_encode(t, s, max_length, &out, &err) != SS_OK) fail_msg("%s", err.message);
    for (int i = 0; i < out.count; i++)
        text_addf(&d, "%s%d:%s", i ? " " : "", out.at[i].id, out.at[i].word < 0 ? "-" : out.words[out.at[i].word]);
    tokens_free(&out);
    return d.s;
}

static void expect(const tokenizer *t, const char *s, int max_length, const char *expected) {
    char *found = describe(t, s, max_length);
    assert_string_equal(found, expected);
    free(found);
}

static tokenizer *open_openai(const char *path) {
    ss_error err = {0};
    tokenizer *t;
    if (tokenizer_open_openai(&t, path, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
    return t;
}

static void test_openai(void **state) {
    (void)state;
    tokenizer *t = open_openai(MERGES);
    assert_int_equal(tokenizer_get_kind(t), TOKENIZER_CLIP);
    assert_int_equal(tokenizer_vocabulary_size(t), 49408);
    assert_int_equal(tokenizer_start_id(t), 49406);
    assert_int_equal(tokenizer_end_id(t), 49407);
    assert_int_equal(tokenizer_padding_id(t), 0);
    assert_int_equal(tokenizer_max_length(t), 77);
    assert_string_equal(tokenizer_piece(t, 0), "!");
    assert_string_equal(tokenizer_piece(t, 320), "a</w>");
    assert_string_equal(tokenizer_piece(t, 49407), "<|endoftext|>");
    assert_null(tokenizer_piece(t, 49408));
    expect(t, "A  Star &amp; \xE2\x80\x9Cmoon\xE2\x80\x9D", 9,
           "49406:- 320:a 1565:star 261:& 257:\" 3293:moon 257:\" 49407:- 0:-");
    expect(t, "a star a star", 4, "49406:- 320:a 1565:star 49407:-");
    expect(t, "", 3, "49406:- 49407:- 0:-");
    expect(t, "<|endoftext|>", 4, "49406:- 49407:<|endoftext|> 49407:- 0:-");
    tokenizer_close(t);
}

static void test_spellings(void **state) {
    (void)state;
    ss_error err = {0};
    tokenizer *t;
    assert_int_equal(tokenizer_open_open_clip(&t, MERGES, &err), SS_OK);
    expect(t, "<end_of_text>", 4, "49406:- 49407:<end_of_text> 49407:- 0:-");
    assert_string_equal(tokenizer_piece(t, 49406), "<start_of_text>");
    char *found = describe(t, "<|endoftext|>", 8);
    assert_non_null(strstr(found, ":endoftext"));
    free(found);
    tokenizer_close(t);
}

/* Packed, with the quoted first line of OpenAI's file and lines beyond those that count: the same tokenizer. */
static void test_packed_merges(void **state) {
    (void)state;
    ss_error err = {0};
    char *merges, path[512];
    size_t n;
    assert_int_equal(file_read(MERGES, 1 << 20, &merges, &n, &err), SS_OK);
    gzFile f = gzopen(path_of(path, "bpe.txt.gz"), "wb");
    assert_non_null(f);
    assert_true(gzputs(f, "\"bpe_simple_vocab_16e6.txt") > 0);
    assert_int_equal(gzwrite(f, merges, (unsigned)n), (int)n);
    assert_true(gzputs(f, "star fish\nfish star\n") > 0);
    assert_int_equal(gzclose(f), Z_OK);
    free(merges);
    tokenizer *t = open_openai(path);
    assert_int_equal(tokenizer_vocabulary_size(t), 49408);
    assert_int_equal(tokenizer_end_id(t), 49407);
    tokenizer_close(t);
}

/* A folder in transformers' layout: its ids, OpenAI's cleaning and padding. */
static void test_folder(void **state) {
    (void)state;
    ss_error err = {0};
    tokenizer *plain;
    tokenizer *t = open_openai(DATA "/clip");
    assert_int_equal(tokenizer_open(&plain, DATA "/clip", NULL, TOKENIZER_TRANSFORMERS_4, &err), SS_OK);
    assert_int_equal(tokenizer_end_id(t), tokenizer_end_id(plain));
    assert_int_equal(tokenizer_vocabulary_size(t), tokenizer_vocabulary_size(plain));
    expect(t, "a star", 5, "1712:- 320:a 1062:star 1713:- 0:-");
    expect(plain, "a star", 5, "1712:- 320:a 1062:star 1713:- 1713:-");
    char *found = describe(plain, "&amp;", 8), *cleaned = describe(t, "&amp;", 8);
    assert_non_null(strstr(found, "amp"));
    assert_null(strstr(cleaned, "amp"));
    free(found);
    free(cleaned);
    tokenizer_close(plain);
    tokenizer_close(t);
}

static void refuse_merges(const char *path, const char *message) {
    ss_error err = {0};
    tokenizer *t;
    ss_status status = tokenizer_open_openai(&t, path, &err);
    if (status != SS_ERR_INPUT || !strstr(err.message, message))
        fail_msg("expected: %s\nfound: %d %s: %s", message, (int)status, err.where, err.message);
    assert_null(t);
    assert_non_null(strstr(err.where, folder));
}

static void test_merges_refused(void **state) {
    (void)state;
    char path[512];
    path_of(path, "merges.txt");
    refuse_merges(path, "cannot open");
    put("merges.txt", "");
    refuse_merges(path, "has no merges after its first line");
    put("merges.txt", "#version: 0.2\n");
    refuse_merges(path, "has no merges after its first line");
    put("merges.txt", "#version: 0.2\na b\nc\n");
    refuse_merges(path, "expected two symbols with one space between");
    put("merges.txt", "#version: 0.2\na \xff\n");
    refuse_merges(path, "is not UTF-8 at byte 16");
    put("merges.txt", "#version: 0.2\nab c\n");
    refuse_merges(path, "has no id for 'ab', which a merge speaks of");
    put("merges.txt", "\x1f\x8b\x08");
    refuse_merges(path, "ends within its compressed data");
    refuse_merges(folder, "cannot open"); /* no vocab.json */
    put("vocab.json", "{\"a\":0,\"<|startoftext|>\":1}");
    put("merges.txt", "#version: 0.2\na b\n");
    refuse_merges(folder, "vocab.json has neither '<|endoftext|>' nor '<|endoftext|>'");
    put("vocab.json", "{\"a\":0,\"<|startoftext|>\":1,\"<|endoftext|>\":2}");
    refuse_merges(folder, "has no id for '");
}

#define SPECIAL "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

static tokenizer *open_words(const char *vocabulary, const char *const *added, int n_added) {
    ss_error err = {0};
    tokenizer *t;
    char path[512];
    put("vocab.txt", vocabulary);
    if (tokenizer_open_wordpiece(&t, path_of(path, "vocab.txt"), added, n_added, TOKENIZER_TRANSFORMERS_4, &err) !=
        SS_OK)
        fail_msg("%s: %s", err.where, err.message);
    return t;
}

static void test_wordpiece(void **state) {
    (void)state;
    tokenizer *t = open_words(SPECIAL "star\n##s\nst\n##ar\n,\nete\r\n##t", NULL, 0);
    assert_int_equal(tokenizer_get_kind(t), TOKENIZER_BERT);
    assert_string_equal(tokenizer_kind_name(TOKENIZER_BERT), "BERT");
    assert_int_equal(tokenizer_vocabulary_size(t), 12);
    assert_int_equal(tokenizer_max_length(t), 512);
    assert_int_equal(tokenizer_start_id(t), 2);
    assert_int_equal(tokenizer_end_id(t), 3);
    assert_int_equal(tokenizer_padding_id(t), 0);
    assert_string_equal(tokenizer_piece(t, 6), "##s");
    assert_null(tokenizer_piece(t, 12));
    expect(t, "Stars, \xC3\xA9T\xC3\x89!", 9, "2:- 5:stars 6:stars 9:, 10:ete 1:! 3:- 0:- 0:-");
    expect(t, "STST stars!tar", 9, "2:- 7:stst 6:stst 11:stst 5:stars 6:stars 1:! 1:tar 3:-");
    expect(t, "stx", 4, "2:- 1:stx 3:- 0:-"); /* no ##x: all of it is unknown */
    expect(t, "star star star star", 4, "2:- 5:star 5:star 3:-");
    expect(t, "a[MASK]star [mask]", 9, "2:- 1:a 4:[MASK] 5:star 1:[ 1:mask 1:] 3:- 0:-");
    expect(t, "", 2, "2:- 3:-");
    tokenizer_close(t);
}

static void test_added(void **state) {
    (void)state;
    static const char *const ADDED[] = {"[DEC]", "[ENC]", "star", "[SEP]"};
    tokenizer *t = open_words(SPECIAL "star\n##s\n", ADDED, 4);
    assert_int_equal(tokenizer_vocabulary_size(t), 9);
    assert_string_equal(tokenizer_piece(t, 7), "[DEC]");
    assert_string_equal(tokenizer_piece(t, 8), "[ENC]");
    expect(t, "[ENC]star[DEC]", 6, "2:- 8:[ENC] 5:star 7:[DEC] 3:- 0:-");
    expect(t, "stars", 4, "2:- 5:star 1:s 3:-"); /* an added token is cut out of words */
    expect(t, "s\x01tar", 4, "2:- 5:star 3:- 0:-");
    tokenizer_close(t);
}

static void refuse_words(const char *vocabulary, const char *message) {
    ss_error err = {0};
    tokenizer *t;
    char path[512];
    put("vocab.txt", vocabulary);
    assert_int_equal(tokenizer_open_wordpiece(&t, path_of(path, "vocab.txt"), NULL, 0, TOKENIZER_TRANSFORMERS_4, &err),
                     SS_ERR_INPUT);
    assert_string_equal(err.where, path);
    assert_string_equal(err.message, message);
    assert_null(t);
}

static void test_words_refused(void **state) {
    (void)state;
    refuse_words("", "has no line '[UNK]'; expected a vocabulary of BERT's");
    refuse_words("[PAD]\n[UNK]\n[CLS]\n[SEP]\nstar\n", "has no line '[MASK]'; expected a vocabulary of BERT's");
    refuse_words(SPECIAL "star\nmoon\nstar\n", "lines 6 and 8 both hold 'star'");
    refuse_words(SPECIAL "st\xff\n", "is not UTF-8 at byte 33");
}

/* BERT as a folder, opened by tokenizer_config.json with `settings` in it. */
static ss_status open_folder(tokenizer **t, const char *settings, ss_error *err) {
    text config = {0};
    text_addf(&config, "{\"tokenizer_class\":\"BertTokenizer\"%s}", settings);
    put("vocab.txt", SPECIAL "star\n##s\n");
    put("tokenizer_config.json", config.s);
    text_free(&config);
    return tokenizer_open(t, folder, NULL, TOKENIZER_TRANSFORMERS_4, err);
}

static void test_bert_folder(void **state) {
    (void)state;
    ss_error err = {0};
    tokenizer *t;
    assert_int_equal(open_folder(&t, ",\"do_lower_case\":true,\"strip_accents\":null,\"model_max_length\":512", &err),
                     SS_OK);
    assert_int_equal(tokenizer_get_kind(t), TOKENIZER_BERT);
    assert_int_equal(tokenizer_max_length(t), 512);
    expect(t, "star", 4, "2:- 5:star 3:- 0:-");
    tokenizer_close(t);
    assert_int_equal(
        open_folder(&t, ",\"bos_token\":\"[DEC]\",\"additional_special_tokens\":[\"[ENC]\"],\"mask_token\":\"[MASK]\"",
                    &err),
        SS_OK);
    expect(t, "[ENC][DEC]", 4, "2:- 8:[ENC] 7:[DEC] 3:-");
    tokenizer_close(t);
    assert_int_equal(
        open_folder(&t, ",\"added_tokens_decoder\":{\"0\":{\"content\":\"[PAD]\"},\"7\":{\"content\":\"[DEC]\"}}",
                    &err),
        SS_OK);
    assert_int_equal(tokenizer_vocabulary_size(t), 8);
    tokenizer_close(t);
}

static void test_bert_folder_refused(void **state) {
    (void)state;
    static const struct {
        const char *settings, *message;
    } CASES[] = {{",\"do_lower_case\":false", "sets do_lower_case otherwise than true; only uncased BERT is supported"},
                 {",\"strip_accents\":false", "sets strip_accents otherwise than true; only uncased BERT is supported"},
                 {",\"never_split\":[\"a\"]", "sets never_split, which is not supported"},
                 {",\"cls_token\":\"<s>\"", "has cls_token '<s>'; only '[CLS]' is supported"},
                 {",\"added_tokens_decoder\":{\"9\":{\"content\":\"[DEC]\"}}",
                  "'[DEC]' has id 9; its place in the vocabulary is 7"},
                 {",\"added_tokens_decoder\":{\"1\":{\"content\":\"[PAD]\"}}",
                  "'[PAD]' has id 1; its place in the vocabulary is 0"},
                 {",\"additional_special_tokens\":[3]",
                  "an added token is a number with a fraction; expected a string or an object with 'content'"}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ss_error err = {0};
        tokenizer *t;
        assert_int_equal(open_folder(&t, CASES[i].settings, &err), SS_ERR_INPUT);
        assert_string_equal(err.message, CASES[i].message);
        assert_non_null(strstr(err.where, "tokenizer_config.json"));
        assert_null(t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openai),         cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_packed_merges),  cmocka_unit_test(test_folder),
        cmocka_unit_test(test_merges_refused), cmocka_unit_test(test_wordpiece),
        cmocka_unit_test(test_added),          cmocka_unit_test(test_words_refused),
        cmocka_unit_test(test_bert_folder),    cmocka_unit_test(test_bert_folder_refused),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
