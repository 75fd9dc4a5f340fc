/* tokenizer.json and folders by the rules of transformers 5: what is refused, with which words; the limits of patterns;
 * words, bytes and cuts; where both sets of rules differ. Ids are compared in test_todays.c. */
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
#include "text/pattern.h"
#include "text/tokenizer.h"
#include "../../support/folder.h"

/* The folder under test holds these files alone: name, content. */
static void make_folder(const char *const *files) {
    char path[512], command[128];
    ss_error err;
    snprintf(command, sizeof command, "rm -f %s/*", folder);
    assert_int_equal(system(command), 0);
    for (; *files; files += 2) {
        snprintf(path, sizeof path, "%s/%s", folder, files[0]);
        assert_int_equal(file_write(path, files[1], strlen(files[1]), &err), SS_OK);
    }
}

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ANY "{\"tokenizer_class\":\"PreTrainedTokenizerFast\",\"pad_token\":\"a\"}"
#define WORDS "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":1,\"<unk>\":2},\"unk_token\":\"<unk>\"}"

static tokenizer *open_folder(const char *path, const char *class_name, tokenizer_rules rules) {
    ss_error err = {0};
    tokenizer *t;
    if (tokenizer_open(&t, path, class_name, rules, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
    return t;
}

static void expect_refusal(const char *const *files, const char *message) {
    ss_error err = {0};
    tokenizer *t;
    make_folder(files);
    ss_status status = tokenizer_open(&t, folder, NULL, TOKENIZER_TRANSFORMERS_5, &err);
    if (status != SS_ERR_INPUT || !strstr(err.message, message))
        fail_msg("expected: %s\nfound: %d %s: %s", message, (int)status, err.where, err.message);
    assert_null(t);
    assert_non_null(strstr(err.where, folder));
}

/* A tokenizer.json with these members; the model is WORDS unless `json` has one. */
static void expect_file_refused(const char *json, const char *message) {
    text file = {0};
    text_addf(&file, "{%s%s%s}", json,
              strstr(json, "\"model\"") ? ""
              : *json                   ? ","
                                        : "",
              strstr(json, "\"model\"") ? "" : WORDS);
    expect_refusal(FILES("tokenizer_config.json", ANY, "tokenizer.json", file.s), message);
    text_free(&file);
}

static void test_types_refused(void **state) {
    (void)state;
    expect_file_refused("\"normalizer\":{\"type\":\"Upper\"}",
                        "has a normalizer of the type 'Upper', which is not known");
    expect_file_refused("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"X\"}]}",
                        "has a normalizer of the type 'X'");
    expect_file_refused("\"pre_tokenizer\":{\"type\":\"Comma\"}",
                        "has a pre_tokenizer of the type 'Comma', which is not known");
    expect_file_refused("\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}", "'UnicodeScripts', which is not supported");
    expect_file_refused("\"post_processor\":{\"type\":\"Cut\"}", "has a post_processor of the type 'Cut'");
    expect_file_refused("\"decoder\":{\"type\":\"Bytes\"}", "has a decoder of the type 'Bytes'");
    expect_file_refused("\"model\":{\"type\":\"CharBPE\"}", "has a model of the type 'CharBPE'");
    expect_file_refused("\"normalizer\":{}", "has no 'type'");
    expect_file_refused("\"normalizer\":[1]", "has no 'type'");
    expect_file_refused("\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Kept\",\"invert\":false}",
                        "has the behavior 'Kept'");
    expect_file_refused("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}",
                        "has replacement 'ab' in its pre_tokenizer; expected one character");
    expect_file_refused("\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0}", "has a FixedLength of 0");
}

static void test_models_refused(void **state) {
    (void)state;
    expect_file_refused("\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}",
                        "merge 0 has the token 'b', which is not in the vocabulary");
    expect_file_refused("\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[[\"a\",\"b\"]]}",
                        "merge 0 gives 'ab', which is not in the vocabulary");
    expect_file_refused("\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}",
                        "merge 0 is not two tokens");
    expect_file_refused("\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}", "dropout");
    expect_file_refused("\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}", "gives 'a' the id -1");
    expect_file_refused("\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":99999999},\"merges\":[]}", "the id 99999999");
    expect_file_refused("\"model\":{\"type\":\"Unigram\",\"vocab\":[]}", "has a vocabulary of 0 pieces");
    expect_file_refused("\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":1}", "has unk_id 1");
    expect_file_refused("\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}", "entry 0 of the vocabulary");
    expect_file_refused("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[],\"special_tokens\":{}}",
                        "has a template with 0 texts");
    expect_file_refused(
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"s\"}}]}",
        "has a template with 's', which its special_tokens lack");
    expect_file_refused("\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"a\",0]}",
                        "whose 'sep' is not a token");
    expect_file_refused("\"added_tokens\":[{\"id\":0}]", "has no 'content'");
}

/* A table that lies about its trie, a step out of it, and half a base64. */
static void test_charsmaps_refused(void **state) {
    static const char *const CODED[][2] = {
        {"", "has a precompiled_charsmap of 0 characters"},
        {"AAA", "has a precompiled_charsmap of 3 characters"},
        {"!!!!", "has a precompiled_charsmap that is not base64"},
        {"AAAAAA==", "whose trie claims 0"},
        {"AAEAAAAA", "whose trie claims 256"},
        {"BAAAAAAAAAA=", "ends within a replacement"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CODED / sizeof CODED[0]; i++) {
        char json[256];
        snprintf(json, sizeof json, "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"%s\"}",
                 CODED[i][0]);
        expect_file_refused(json, CODED[i][1]);
    }
}

static void test_folders_refused(void **state) {
    (void)state;
    expect_refusal(FILES("tokenizer_config.json", "{\"tokenizer_class\":\"GPT2Tokenizer\"}"),
                   "has the tokenizer class 'GPT2Tokenizer'; sinkscope knows");
    expect_refusal(FILES("tokenizer_config.json", "{}"), "has no 'tokenizer_class'");
    expect_refusal(FILES("tokenizer_config.json", ANY), "has no tokenizer.json");
    expect_refusal(
        FILES("tokenizer_config.json", "{\"tokenizer_class\":\"CLIPTokenizer\"}", "tokenizer.json", "{" WORDS "}"),
        "has a model of type 'WordLevel'; this tokenizer's class builds BPE");
    expect_refusal(FILES("tokenizer_config.json", "{\"tokenizer_class\":\"CLIPTokenizer\",\"padding_side\":\"left\"}",
                         "tokenizer.json", "{}"),
                   "has padding_side 'left'");
    expect_refusal(
        FILES("tokenizer_config.json", ANY, "tokenizer.json", "{" WORDS ",\"truncation\":{\"direction\":\"Left\"}}"),
        "has truncation_side 'left'");
    expect_refusal(FILES("tokenizer_config.json", "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}", "tokenizer.json",
                         "{" WORDS "}"),
                   "names no pad_token");
    expect_refusal(FILES("tokenizer_config.json", "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":-1}",
                         "tokenizer.json", "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}"),
                   "'extra_ids' is not an integer");
    expect_refusal(FILES("tokenizer_config.json", "{\"tokenizer_class\":\"T5Tokenizer\"}", "tokenizer.json",
                         "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}"),
                   "has unk_id 2 in a vocabulary of 1");
    expect_refusal(FILES("tokenizer_config.json", "{\"tokenizer_class\":\"CLIPTokenizer\"}", "vocab.json", "{\"a\":0}",
                         "merges.txt", "#version: 0.2\na\n"),
                   "line 2: expected two symbols");
    expect_refusal(FILES("tokenizer_config.json",
                         "{\"tokenizer_class\":\"CLIPTokenizer\",\"bos_token\":{\"content\":\"a\"}}", "tokenizer.json",
                         "{}"),
                   "a special token is an object; expected a string or an AddedToken");
}

/* ---- patterns ---- */

static void test_patterns_refused(void **state) {
    static const char *const REFUSED[][2] = {
        {"\\h+", "an unknown escape"},
        {"\\R", "an unknown escape"},
        {"\\X", "an unknown escape"},
        {"(a)\\1", "an unknown escape"},
        {"a(?i)b", "a group of an unknown kind"},
        {"(?<name>a)", "a group of an unknown kind"},
        {"(?m:a.)", "a group of an unknown kind"},
        {"(*FAIL)", "a callout"},
        {"[a[bc]]", "a set within a set"},
        {"[[:alpha:]]", "a set within a set"},
        {"[a&&b]", "an intersection of sets"},
        {"[]a]", "an empty set"},
        {"[a", "a set without its end"},
        {"[^\\P{L}]", "a negated property in a set"},
        {"[\\W]", "\\W or \\D in a set"},
        {"\\p{Greek_Extended}", "a property of an unknown name"},
        {"\\pL", "a property without braces"},
        {"a{2}?", "{n}?"},
        {"a{2,3}+", "{n,m}+"},
        {"a**", "a repetition of a repetition"},
        {"*a", "a repetition of nothing"},
        {"^*", "a repetition of a place"},
        {"(?=a)*", "a repetition of a place"},
        {"(?i:ss)", "letters of a ligature"},
        {"(?i:\xC3\x9F)", "beyond ASCII where case is ignored"},
        {"\\xE9", "a byte that is no code point"},
        {"\\x{110000}", "a byte that is no code point"},
        {"a)", "a closing parenthesis"},
        {"(a", "a group without its end"},
        {"a\\", "a backslash at its end"},
        {"(?<=a+)b", "which PCRE2 cannot compile"},
        {"[b-a]", "a range that has no end"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        ss_error err = {0};
        pattern *p;
        ss_status status = pattern_compile(&p, REFUSED[i][0], PATTERN_ONIGURUMA, "file", &err);
        if (status != SS_ERR_INPUT || !strstr(err.message, REFUSED[i][1]) || !strstr(err.message, REFUSED[i][0]))
            fail_msg("%s: %d %s", REFUSED[i][0], (int)status, err.message);
        assert_null(p);
        assert_string_equal(err.where, "file");
    }
}

/* Matches as "start-end " each. */
static void expect_matches(const char *source, const char *s, const char *expected) {
    ss_error err = {0};
    pattern *p;
    spans found = {0};
    text out = {0};
    if (pattern_compile(&p, source, PATTERN_ONIGURUMA, "file", &err) != SS_OK) fail_msg("%s", err.message);
    assert_int_equal(pattern_find(p, s, strlen(s), &found, &err), SS_OK);
    text_add(&out, "");
    for (int i = 0; i < found.count; i++)
        if (found.at[i].match) text_addf(&out, "%zu-%zu ", found.at[i].start, found.at[i].end);
    if (strcmp(out.s, expected) != 0) fail_msg("%s on '%s': %s, expected %s", source, s, out.s, expected);
    text_free(&out);
    spans_free(&found);
    pattern_free(p);
}

/* What PCRE2 by itself reads in another way. Expected: onig 6.5 through tokenizers.Regex. */
static void test_patterns_translated(void **state) {
    (void)state;
    expect_matches("\\s", "a\xE1\xA0\x8E\x62 ", "5-6 ");      /* U+180E is no space */
    expect_matches("\\w+", "a\xCC\x81_\xE2\x80\xBF", "0-7 "); /* a mark, U+203F */
    expect_matches("\\bb", "a\xCC\x81\x62 b", "5-6 ");        /* a mark is within a word */
    expect_matches("x*", "axb", "0-0 1-2 3-3 ");              /* no empty match after a match */
    expect_matches(".", "\r\n", "0-1 ");                      /* not the line feed alone */
    expect_matches("^b", "a\nb", "2-3 ");                     /* lines */
    expect_matches("a$", "a\nb", "0-1 ");
    expect_matches("a{,2}b", "aaab", "1-4 ");
    expect_matches("a{b", "a{b", "0-3 ");
    expect_matches("\\p{Han}", "\xE3\x80\x85\xE3\x83\xBC", "0-3 "); /* the script, not its extensions */
    expect_matches("[^\\S\\n]+", " \t\n ", "0-2 3-4 ");
}

static void test_pattern_limits(void **state) {
    ss_error err = {0};
    pattern *p;
    spans found = {0};
    char s[4096];
    (void)state;
    memset(s, 'a', sizeof s - 1);
    s[sizeof s - 1] = '\0';
    assert_int_equal(pattern_compile(&p, "(?:a|a)*[bc]", PATTERN_ONIGURUMA, "file", &err), SS_OK);
    assert_int_equal(pattern_find(p, s, strlen(s), &found, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, "file");
    assert_non_null(strstr(err.message, "(?:a|a)*[bc]', which needs more"));
    pattern_free(p);
    spans_free(&found);
    char *long_one = calloc(PATTERN_LONGEST + 2, 1);
    memset(long_one, 'a', PATTERN_LONGEST + 1);
    assert_int_equal(pattern_compile(&p, long_one, PATTERN_ONIGURUMA, "file", &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "has a pattern of 4097 bytes"));
    free(long_one);
}

/* ---- words, cuts, rules ---- */

static void expect_words(const tokenizer *t, const char *prompt, const char *expected) {
    ss_error err = {0};
    tokens out;
    text words = {0};
    assert_int_equal(tokenizer_encode(t, prompt, 64, &out, &err), SS_OK);
    text_add(&words, "");
    for (int i = 0; i < out.word_count; i++) text_addf(&words, "[%s]", out.words[i]);
    for (int i = 0; i < out.count; i++)
        assert_true((out.at[i].cls == TOKEN_WORD) == (out.at[i].word >= 0) && out.at[i].word < out.word_count);
    if (strcmp(words.s, expected) != 0) fail_msg("'%s': %s, expected %s", prompt, words.s, expected);
    text_free(&words);
    tokens_free(&out);
}

static void test_words(void **state) {
    tokenizer *clip = open_folder(DATA "/saved/clip", NULL, TOKENIZER_TRANSFORMERS_5);
    tokenizer *t5 = open_folder(DATA "/saved/t5-plain", NULL, TOKENIZER_TRANSFORMERS_5);
    tokenizer *bert = open_folder(DATA "/saved/bert", NULL, TOKENIZER_TRANSFORMERS_5);
    tokenizer *gpt2 = open_folder(DATA "/json/gpt2", NULL, TOKENIZER_TRANSFORMERS_5);
    token_cut cut;
    ss_error err = {0};
    (void)state;
    expect_words(clip, "A Red star's 42!", "[a][red][star]['s][4][2][!]");
    expect_words(clip, "\xC3\x89t\xC3\xA9", "[\xC3\xA9t\xC3\xA9]");
    expect_words(t5, "A Red star, 42", "[A][Red][star][,][42]");
    expect_words(bert,
                 "A R\xC3\xA9"
                 "d star's",
                 "[a][red][star]['][s]");
    expect_words(gpt2, "A red star's", "[A][red][star]['s]");
    assert_int_equal(tokenizer_start_id(t5), -1);
    assert_int_equal(tokenizer_get_kind(gpt2), TOKENIZER_CLIP);
    assert_int_equal(tokenizer_get_kind(bert), TOKENIZER_BERT);
    assert_string_equal(tokenizer_piece(clip, tokenizer_padding_id(clip)), "<|endoftext|>");
    /* three tokens of content fit: the fourth word is what no token covers */
    assert_int_equal(tokenizer_find_cut(clip, "a a a b b", 5, &cut, &err), SS_OK);
    assert_int_equal(cut.tokens, 7);
    assert_int_equal(cut.kept, 5);
    assert_int_equal(cut.from, 5);
    tokenizer_close(clip);
    tokenizer_close(t5);
    tokenizer_close(bert);
    tokenizer_close(gpt2);
}

static int equal_ids(const tokenizer *a, const tokenizer *b, const char *prompt) {
    ss_error err = {0};
    tokens x, y;
    int equal = 1;
    assert_int_equal(tokenizer_encode(a, prompt, 32, &x, &err), SS_OK);
    assert_int_equal(tokenizer_encode(b, prompt, 32, &y, &err), SS_OK);
    for (int i = 0; i < 32; i++) equal &= x.at[i].id == y.at[i].id;
    tokens_free(&x);
    tokens_free(&y);
    return equal;
}

/* The same folder by both sets of rules: plain prompts have equal ids, others do not. */
static void test_rules_differ(void **state) {
    tokenizer *today = open_folder(DATA "/clip", NULL, TOKENIZER_TRANSFORMERS_5);
    tokenizer *older = open_folder(DATA "/clip", NULL, TOKENIZER_TRANSFORMERS_4);
    (void)state;
    assert_true(equal_ids(today, older, "a red circle's 42 stars!"));
    assert_false(equal_ids(today, older, "\xE6\x98\x9F\xE6\x98\x9F"));         /* ideographs in a row */
    assert_false(equal_ids(today, older, "\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3")); /* a capital final sigma */
    assert_false(equal_ids(today, older,
                           "a\x01"
                           "b")); /* a control character */
    tokenizer_close(today);
    tokenizer_close(older);
}

/* Every prompt that ships has equal ids by both sets of rules, for every tokenizer that ships. */
static void test_prompts_that_ship(void **state) {
    static const char *const folders[] = {"shapes-sd3/tokenizer",  "shapes-sd3/tokenizer_2",  "shapes-sd3/tokenizer_3",
                                          "shapes-sdxl/tokenizer", "shapes-sdxl/tokenizer_2", "shapes-clip"};
    (void)state;
    for (size_t f = 0; f < sizeof folders / sizeof folders[0]; f++) {
        char path[512], line[1024];
        int n = 0;
        snprintf(path, sizeof path, "%s/%s", MODELS, folders[f]);
        tokenizer *today = open_folder(path, NULL, TOKENIZER_TRANSFORMERS_5);
        tokenizer *older = open_folder(path, NULL, TOKENIZER_TRANSFORMERS_4);
        FILE *file = fopen(MODELS "/shapes-sd3/prompts.jsonl", "r");
        assert_non_null(file);
        for (; fgets(line, sizeof line, file); n++) {
            json_t *row = json_loads(line, 0, NULL);
            const char *prompt = json_string_value(json_object_get(row, "prompt"));
            assert_non_null(prompt);
            if (!equal_ids(today, older, prompt)) fail_msg("%s: '%s'", folders[f], prompt);
            json_decref(row);
        }
        fclose(file);
        assert_int_equal(n, 553);
        tokenizer_close(today);
        tokenizer_close(older);
    }
}

static void test_rules_names(void **state) {
    tokenizer_rules rules;
    ss_error err = {0};
    (void)state;
    for (int i = 0; i < TOKENIZER_RULES_COUNT; i++) {
        assert_int_equal(tokenizer_rules_find(tokenizer_rules_name((tokenizer_rules)i), &rules, NULL, &err), SS_OK);
        assert_int_equal(rules, i);
    }
    assert_int_equal(tokenizer_rules_find("transformers-3", &rules, "here", &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "expected transformers-5 or transformers-4"));
}

/* The class of model_index.json opens a folder whatever its own configuration says. */
static void test_class_given(void **state) {
    (void)state;
    make_folder(FILES("tokenizer_config.json", "{\"tokenizer_class\":\"T5Tokenizer\",\"pad_token\":\"a\"}",
                      "tokenizer.json", "{" WORDS "}"));
    tokenizer *t = open_folder(folder, "PreTrainedTokenizerFast", TOKENIZER_TRANSFORMERS_5);
    assert_int_equal(tokenizer_vocabulary_size(t), 3);
    tokenizer_close(t);
}

/* A sign that the vocabulary cannot say is an error of the file, named when it comes. */
static void test_no_unknown(void **state) {
    ss_error err = {0};
    tokens out;
    (void)state;
    make_folder(FILES("tokenizer_config.json", ANY, "tokenizer.json",
                      "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}"));
    tokenizer *t = open_folder(folder, NULL, TOKENIZER_TRANSFORMERS_5);
    assert_int_equal(tokenizer_encode(t, "aa", 8, &out, &err), SS_OK);
    tokens_free(&out);
    assert_int_equal(tokenizer_encode(t, "ab", 8, &out, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "has no token for a sign of this prompt"));
    tokenizer_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_refused),     cmocka_unit_test(test_models_refused),
        cmocka_unit_test(test_charsmaps_refused), cmocka_unit_test(test_folders_refused),
        cmocka_unit_test(test_patterns_refused),  cmocka_unit_test(test_patterns_translated),
        cmocka_unit_test(test_pattern_limits),    cmocka_unit_test(test_words),
        cmocka_unit_test(test_rules_differ),      cmocka_unit_test(test_rules_names),
        cmocka_unit_test(test_prompts_that_ship), cmocka_unit_test(test_class_given),
        cmocka_unit_test(test_no_unknown)};
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
