/* Tokenizers: classes and words of tokens, truncation, and the messages about a damaged folder or prompt. */
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
#include "base/text.h"
#include "io/json.h"
#include "text/tokenizer.h"
#include "../../support/folder.h"

static tokenizer *open_data(const char *name) {
    ss_error err = {0};
    tokenizer *t;
    char path[512];
    snprintf(path, sizeof path, DATA "/%s", name);
    if (tokenizer_open(&t, path, NULL, TOKENIZER_TRANSFORMERS_4, &err) != SS_OK)
        fail_msg("%s: %s", err.where, err.message);
    return t;
}

static tokens encode(const tokenizer *t, const char *s, int max_length) {
    ss_error err = {0};
    tokens out;
    if (tokenizer_encode(t, s, max_length, &out, &err) != SS_OK) fail_msg("%s", err.message);
    return out;
}

/* "start word:star word:star end padding ...": classes, and of words their text. */
static void expect(const char *name, const char *prompt, int max_length, const char *expected) {
    tokenizer *t = open_data(name);
    tokens out = encode(t, prompt, max_length);
    text s = {0};
    for (int i = 0; i < out.count; i++) {
        assert_int_equal(out.at[i].cls == TOKEN_WORD, out.at[i].word >= 0);
        assert_true(out.at[i].word < out.word_count);
        assert_true(out.at[i].id >= 0 && out.at[i].id < tokenizer_vocabulary_size(t));
        text_addf(&s, "%s%s", i ? " " : "", token_class_name(out.at[i].cls));
        if (out.at[i].word >= 0) text_addf(&s, ":%s", out.words[out.at[i].word]);
    }
    assert_string_equal(s.s, expected);
    text_free(&s);
    tokens_free(&out);
    tokenizer_close(t);
}

static void test_words(void **state) {
    (void)state;
    expect("clip", "A Star, 12!", 9, "start word:a word:star word:, word:1 word:2 word:! end padding");
    expect("clip", "", 3, "start end padding");
    expect("clip", "don't", 6, "start word:don word:'t end padding padding");
    expect("clip", "a <|endoftext|> b", 7, "start word:a word:<|endoftext|> word:b end padding padding");
    expect("clip-bang", "a!", 5, "start word:a word:! end padding");
    expect("t5", "a star, (moon) 12", 13,
           "word:a word:star word:, word:( word:( word:moon word:moon word:moon word:) word:12 end padding padding");
    expect("t5", "a <extra_id_3> b", 6, "word:a word:<extra_id_3> word:b end padding padding");
    expect("t5", "", 2, "end padding");
}

static void test_truncation(void **state) {
    (void)state;
    expect("clip", "a star a star a star", 5, "start word:a word:star word:a end");
    expect("t5", "a star a star a star", 4, "word:a word:star word:a end");
    tokenizer *t = open_data("clip");
    tokens out = encode(t, "a star a star a star", 5);
    assert_int_equal(out.used, 5);
    assert_int_equal(out.untruncated, 8);
    assert_int_equal(out.word_count, 3); /* words that were cut are gone */
    tokens_free(&out);
    tokenizer_close(t);
}

/* What is left of the prompt behind the last token that is kept. */
static void expect_cut(const tokenizer *t, const char *prompt, int max_length, int all, const char *left) {
    ss_error err = {0};
    token_cut cut;
    if (tokenizer_find_cut(t, prompt, max_length, &cut, &err) != SS_OK) fail_msg("%s", err.message);
    assert_int_equal(cut.tokens, all);
    assert_int_equal(cut.kept, all < max_length ? all : max_length);
    assert_string_equal(prompt + cut.from, left);
}

static void test_cuts(void **state) {
    (void)state;
    tokenizer *clip = open_data("clip"), *t5 = open_data("t5");
    expect_cut(clip, "a star a star a star", 8, 8, "");
    expect_cut(clip, "a star a star a star", 7, 8, " star");
    expect_cut(clip, "a star a star a star", 5, 8, " star a star");
    expect_cut(clip, "a star", 2, 4, "a star");
    expect_cut(clip, "", 2, 2, "");
    expect_cut(clip, "A  STAR,\tA\nStar   a STAR!", 7, 10, "   a STAR!"); /* as it was written */
    expect_cut(clip, "star,star,star", 5, 7, ",star");                    /* within what spaces separate */
    expect_cut(clip, "x <|endoftext|> star", 4, 5, " star");
    expect_cut(t5, "a star a star a star", 4, 7, " star a star");
    expect_cut(t5, "a star  a star", 3, 5, "  a star");
    tokenizer_close(clip);
    tokenizer_close(t5);
}

static int64_t bytes_of(const tokens *t, int n) {
    int64_t sum = 0;
    for (int i = 0; i < n; i++) sum += t->at[i].bytes;
    return sum;
}

/* Of any text at any length: the place lies between two characters, moves only forward as more tokens are kept, and
 * what lies before it stands for at least the bytes of the tokens that are kept: of as many tokens, the very same ones
 * where white space follows. */
static void check_cuts(const tokenizer *t, const char *s) {
    ss_error err = {0};
    size_t n = strlen(s), before = 0;
    char *start = malloc(n + 1);
    assert_non_null(start);
    token_cut cut = {0};
    for (int length = 2; length < 40; length++) {
        assert_int_equal(tokenizer_find_cut(t, s, length, &cut, &err), SS_OK);
        assert_true(cut.from <= n && cut.from >= before);
        assert_true(((unsigned char)s[cut.from] & 0xC0) != 0x80);
        before = cut.from;
        if (cut.kept == cut.tokens) break;
        memcpy(start, s, cut.from);
        start[cut.from] = '\0';
        tokens whole = encode(t, s, length), part = encode(t, start, 1000);
        assert_true(bytes_of(&part, part.used) >= bytes_of(&whole, whole.used));
        for (int i = 0; s[cut.from] == ' ' && part.used == length && i < length; i++)
            assert_int_equal(whole.at[i].id, part.at[i].id);
        tokens_free(&whole);
        tokens_free(&part);
    }
    if (cut.kept == cut.tokens) assert_int_equal(cut.from, n);
    free(start);
}

static void test_cuts_of_all_strings(void **state) {
    (void)state;
    static const char *const FOLDERS[] = {"clip", "t5", "bert"};
    ss_error err = {0};
    json_t *strings;
    if (json_read_file(DATA "/strings.json", 1 << 24, &strings, &err) != SS_OK) fail_msg("%s", err.message);
    for (size_t f = 0; f < 3; f++) {
        tokenizer *t = open_data(FOLDERS[f]);
        for (size_t i = 0; i < json_array_size(strings); i += 17)
            check_cuts(t, json_string_value(json_array_get(strings, i)));
        tokenizer_close(t);
    }
    json_decref(strings);
}

static void test_facts(void **state) {
    (void)state;
    tokenizer *clip = open_data("clip"), *bang = open_data("clip-bang"), *t5 = open_data("t5"),
              *plain = open_data("t5-plain");
    assert_int_equal(tokenizer_get_kind(clip), TOKENIZER_CLIP);
    assert_int_equal(tokenizer_get_kind(t5), TOKENIZER_T5);
    assert_int_equal(tokenizer_max_length(clip), 77);
    assert_int_equal(tokenizer_max_length(t5), 512);
    assert_int_equal(tokenizer_padding_id(clip), tokenizer_end_id(clip));
    assert_int_equal(tokenizer_padding_id(bang), 0);
    assert_string_equal(tokenizer_piece(clip, tokenizer_start_id(clip)), "<|startoftext|>");
    assert_string_equal(tokenizer_piece(t5, 0), "<pad>");
    assert_int_equal(tokenizer_start_id(t5), -1);
    assert_int_equal(tokenizer_end_id(t5), 1);
    assert_int_equal(tokenizer_vocabulary_size(t5), 950);
    assert_int_equal(tokenizer_vocabulary_size(plain), 1200);
    assert_string_equal(tokenizer_piece(plain, 1199), "<extra_id_0>");
    assert_null(tokenizer_piece(t5, 950));
    assert_null(tokenizer_piece(clip, -1));
    tokenizer_close(clip);
    tokenizer_close(bang);
    tokenizer_close(t5);
    tokenizer_close(plain);
}

static void test_prompts_refused(void **state) {
    (void)state;
    ss_error err = {0};
    tokens out;
    tokenizer *t = open_data("clip");
    static const struct {
        const char *prompt, *message;
    } cases[] = {{"star \xff", "the prompt is not UTF-8: byte 5 is 0xFF"},
                 {"\xc0\x80", "the prompt is not UTF-8: byte 0 is 0xC0"},
                 {"a\xed\xa0\x80", "the prompt is not UTF-8: byte 1 is 0xED"}, /* a surrogate */
                 {"\xf4\x90\x80\x80", "the prompt is not UTF-8: byte 0 is 0xF4"},
                 {"ab\xe2\x96", "the prompt is not UTF-8: byte 2 is 0xE2"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(tokenizer_encode(t, cases[i].prompt, 77, &out, &err), SS_ERR_INPUT);
        assert_string_equal(err.message, cases[i].message);
    }
    assert_int_equal(tokenizer_encode(t, "a", 1, &out, &err), SS_ERR_USAGE);
    char *huge = calloc(TOKENIZER_MAX_BYTES + 2, 1);
    assert_non_null(huge);
    memset(huge, 'a', TOKENIZER_MAX_BYTES + 1);
    assert_int_equal(tokenizer_encode(t, huge, 77, &out, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "65537 bytes"));
    huge[TOKENIZER_MAX_BYTES] = '\0';
    assert_int_equal(tokenizer_encode(t, huge, 77, &out, &err), SS_OK);
    assert_int_equal(out.count, 77);
    tokens_free(&out);
    free(huge);
    tokenizer_close(t);
}

/* Files of the folder under test, each name followed by its content or by NULL: a link to the one in DATA/`from`. */
static void make_folder(const char *from, const char *const *files) {
    char target[512], path[512], command[64];
    ss_error err;
    snprintf(command, sizeof command, "rm -f %s/*", folder);
    assert_int_equal(system(command), 0);
    for (; *files; files += 2) {
        snprintf(path, sizeof path, "%s/%s", folder, files[0]);
        snprintf(target, sizeof target, DATA "/%s/%s", from, files[0]);
        if (files[1]) assert_int_equal(file_write(path, files[1], strlen(files[1]), &err), SS_OK);
        else assert_int_equal(symlink(target, path), 0);
    }
}

static void expect_refusal(const char *from, const char *const *files, const char *message) {
    ss_error err = {0};
    tokenizer *t;
    make_folder(from, files);
    ss_status status = tokenizer_open(&t, folder, NULL, TOKENIZER_TRANSFORMERS_4, &err);
    if (status != SS_ERR_INPUT || !strstr(err.message, message))
        fail_msg("expected: %s\nfound: %d %s: %s", message, (int)status, err.where, err.message);
    assert_null(t);
    assert_non_null(strstr(err.where, folder));
}

#define CLIP_CONFIG "{\"tokenizer_class\":\"CLIPTokenizer\"}"
#define T5_CONFIG "{\"tokenizer_class\":\"T5Tokenizer\"}"
#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_config_refused(void **state) {
    (void)state;
    expect_refusal("clip", FILES("vocab.json", NULL), "cannot open");
    expect_refusal("clip", FILES("tokenizer_config.json", "[]"), "is an array; expected an object");
    expect_refusal("clip", FILES("tokenizer_config.json", "{}"), "has no 'tokenizer_class'");
    expect_refusal("clip", FILES("tokenizer_config.json", "{\"tokenizer_class\":\"GPT2Tokenizer\"}"),
                   "has tokenizer_class 'GPT2Tokenizer'; sinkscope knows");
    expect_refusal("clip",
                   FILES("tokenizer_config.json", "{\"tokenizer_class\":\"CLIPTokenizer\",\"padding_side\":\"left\"}"),
                   "has padding_side 'left'; only 'right'");
    expect_refusal(
        "clip", FILES("tokenizer_config.json", "{\"tokenizer_class\":\"CLIPTokenizer\",\"split_special_tokens\":true}"),
        "split_special_tokens");
}

static void test_clip_refused(void **state) {
    (void)state;
    static const char *const C = "tokenizer_config.json", *const V = "vocab.json", *const M = "merges.txt";
    expect_refusal("clip", FILES(C, CLIP_CONFIG, M, NULL), "cannot open");
    expect_refusal("clip", FILES(C, CLIP_CONFIG, V, NULL), "cannot open");
    expect_refusal("clip", FILES(C, CLIP_CONFIG, M, NULL, V, "[]"), "expected an object of pieces and ids");
    expect_refusal("clip", FILES(C, CLIP_CONFIG, M, NULL, V, "{\"a\":\"b\"}"), "'a' has a string for its id");
    expect_refusal("clip", FILES(C, CLIP_CONFIG, M, NULL, V, "{\"a\":-1}"), "'a' has one out of range for its id");
    expect_refusal("clip", FILES(C, CLIP_CONFIG, M, NULL, V, "{\"a\":0}"),
                   "the unk_token '<|endoftext|>' is not in vocab.json");
    expect_refusal("clip", FILES(C, CLIP_CONFIG, M, NULL, V, "{\"a\":0,\"b\":0,\"<|endoftext|>\":1}"),
                   "id 0 belongs to");
    expect_refusal("clip", FILES(C, CLIP_CONFIG, V, NULL, M, "#version: 0.2\na b\nc\n"), "expected two symbols");
    expect_refusal("clip", FILES(C, CLIP_CONFIG, V, NULL, M, "#version: 0.2\na b c\n"), "expected two symbols");
    expect_refusal("clip", FILES(C, CLIP_CONFIG, V, NULL, M, "#version: 0.2\na \xff\n"), "is not UTF-8 at byte 16");
    expect_refusal("clip", FILES(C, "{\"tokenizer_class\":\"CLIPTokenizer\",\"pad_token\":3}", V, NULL, M, NULL),
                   "'pad_token' is a number");
    expect_refusal("clip",
                   FILES(C,
                         "{\"tokenizer_class\":\"CLIPTokenizer\",\"added_tokens_decoder\":{\"x\":{\"content\":\"y\"}}}",
                         V, NULL, M, NULL),
                   "has the key 'x'; expected an id");
    expect_refusal("clip",
                   FILES(C,
                         "{\"tokenizer_class\":\"CLIPTokenizer\",\"added_tokens_decoder\":{\"7\":{\"content\":\"y\","
                         "\"single_word\":true}}}",
                         V, NULL, M, NULL),
                   "'y' is marked single_word");
}

static void test_t5_refused(void **state) {
    (void)state;
    static const char *const C = "tokenizer_config.json", *const S = "spiece.model", *const J = "tokenizer.json";
    expect_refusal("t5-old", FILES(C, T5_CONFIG), "cannot open");
    expect_refusal("t5-old", FILES(C, T5_CONFIG, S, ""), "is empty; expected a SentencePiece model");
    expect_refusal("t5-old", FILES(C, T5_CONFIG, S, "version https://git-lfs.github.com/spec/v1\n"),
                   "is a Git LFS pointer, not the file itself");
    expect_refusal("t5-old", FILES(C, T5_CONFIG, S, "\x0a\x50\x0a"), "a field is cut off at byte 2");
    expect_refusal("t5-old", FILES(C, T5_CONFIG, S, "\x12\x02\x18\x02"),
                   "is a sentencepiece model of type 2; expected 1");
    expect_refusal("t5-old", FILES(C, T5_CONFIG, S, NULL, J, "{\"model\":{\"type\":\"BPE\",\"vocab\":[]}}"),
                   "has a model of type 'BPE'");
    expect_refusal("t5-old", FILES(C, T5_CONFIG, S, NULL, J, "{\"model\":{\"vocab\":[]}}"),
                   "has 0 pieces; spiece.model has 1100");
    expect_refusal(
        "t5-old",
        FILES(C, "{\"tokenizer_class\":\"T5Tokenizer\",\"added_tokens_decoder\":{\"3\":{\"content\":\"</s>\"}}}", S,
              NULL),
        "'</s>' has id 3; its place in the vocabulary is 1");
    expect_refusal("t5-old", FILES(C, "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":1.5}", S, NULL),
                   "'extra_ids' is not");
}

/* The tokenizer.json of t5-made with one word changed. */
static void expect_json_refusal(const char *old, const char *new, const char *message) {
    ss_error err = {0};
    char *tree;
    size_t n;
    text changed = {0};
    assert_int_equal(file_read(DATA "/t5-made/tokenizer.json", 1 << 20, &tree, &n, &err), SS_OK);
    char *at = strstr(tree, old);
    assert_non_null(at);
    text_add_n(&changed, tree, (size_t)(at - tree));
    text_add(&changed, new);
    text_add(&changed, at + strlen(old));
    expect_refusal("t5-made", FILES("tokenizer_config.json", NULL, "spiece.model", NULL, "tokenizer.json", changed.s),
                   message);
    text_free(&changed);
    free(tree);
}

static void test_steps_refused(void **state) {
    (void)state;
    expect_json_refusal("\"type\": \"Strip\"", "\"type\": \"Lowercase\"", "has a normalizer 'Lowercase'");
    expect_json_refusal(" {2,}", " +", "replaces ' +' by '-'");
    expect_json_refusal("WhitespaceSplit", "Digits", "has a pre_tokenizer 'Sequence'");
    expect_json_refusal("\"first\"", "\"last\"", "has prepend_scheme 'last'");
    expect_json_refusal("\"▁\",", "\"_\",", "has a Metaspace with replacement '_'");
    expect_json_refusal("TemplateProcessing", "ByteLevel", "has a post_processor other than the template 'A, </s>'");
    expect_json_refusal("\"tst\"", "\"tzt\"", "is 'tzt'; spiece.model has 'tst'");
    expect_json_refusal("\"single_word\": false", "\"single_word\": true", "is marked single_word");
    expect_json_refusal("\"type\": \"Strip\"", "\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"",
                        "has a precompiled_charsmap other than that of spiece.model");
}

static void expect_ids(const char *from, const char *const *files, const char *prompt, int max_length,
                       const char *expected) {
    ss_error err = {0};
    tokenizer *t;
    text s = {0};
    make_folder(from, files);
    if (tokenizer_open(&t, folder, NULL, TOKENIZER_TRANSFORMERS_4, &err) != SS_OK)
        fail_msg("%s: %s", err.where, err.message);
    tokens out = encode(t, prompt, max_length);
    for (int i = 0; i < out.count; i++) text_addf(&s, "%s%d", i ? " " : "", out.at[i].id);
    assert_string_equal(s.s, expected);
    text_free(&s);
    tokens_free(&out);
    tokenizer_close(t);
}

/* Folders as they were written before added_tokens_decoder; ids from transformers 4.57.1. */
static void test_legacy_folders(void **state) {
    (void)state;
    static const char *const C = "tokenizer_config.json", *const S = "spiece.model";
    expect_ids("clip",
               FILES("vocab.json", NULL, "merges.txt", NULL, C, CLIP_CONFIG, "special_tokens_map.json",
                     "{\"pad_token\":\"<new>\",\"additional_special_tokens\":[\"<z>\",\"star\"]}"),
               "a star<z> <new>", 8, "1712 320 1716 1715 1714 1713 1714 1714");
    expect_ids(
        "t5-plain",
        FILES(S, NULL, C,
              "{\"tokenizer_class\":\"T5Tokenizer\",\"additional_special_tokens\":[\"<mine>\"],\"extra_ids\":3}"),
        "a star  <extra_id_2> <mine>b", 8, "262 614 1100 1103 517 1 0 0");
    /* a limit beyond 63 bits, and null, which transformers takes for false */
    expect_ids("t5-plain",
               FILES(S, NULL, C,
                     "{\"tokenizer_class\":\"T5Tokenizer\",\"add_prefix_space\":null,"
                     "\"model_max_length\":1000000000000000019884624838656}"),
               "star a", 5, "507 348 262 1 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),          cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_cuts),           cmocka_unit_test(test_cuts_of_all_strings),
        cmocka_unit_test(test_facts),          cmocka_unit_test(test_prompts_refused),
        cmocka_unit_test(test_config_refused), cmocka_unit_test(test_clip_refused),
        cmocka_unit_test(test_t5_refused),     cmocka_unit_test(test_steps_refused),
        cmocka_unit_test(test_legacy_folders),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
