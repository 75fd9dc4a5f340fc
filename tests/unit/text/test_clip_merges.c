/* CLIP's tokenizer as single files need it: from the merges that ship, by transformers' rules, with either padding. Ids
 * of transformers 5.24.0's CLIPTokenizer on the vocabulary that follows from them. MERGES: models/clip-bpe/merges.txt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "text/tokenizer.h"

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static tokenizer *open_padded(const char *padding) {
    ss_error err = {0};
    tokenizer *t;
    json_t *config = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "tokenizer_class", "CLIPTokenizer", "bos_token",
                               "<|startoftext|>", "eos_token", "<|endoftext|>", "unk_token", "<|endoftext|>",
                               "pad_token", padding, "model_max_length", 77);
    check(tokenizer_open_clip(&t, MERGES, config, "here", &err), &err);
    json_decref(config);
    return t;
}

static void test_ids(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int n;
        int32_t id[16];
    } cases[] = {
        {"a red circle and 2 blue stars", 9, {49406, 320, 736, 7117, 537, 273, 1746, 2895, 49407}},
        {"Ein \xC3\x96lbild, d\xC3\xA9j\xC3\xA0 vu!",
         12,
         {49406, 24524, 7255, 75, 35512, 267, 25466, 73, 21259, 13230, 256, 49407}},
        {"", 2, {49406, 49407}},
        {"<|endoftext|> x", 4, {49406, 49407, 343, 49407}},
    };
    static const char *const paddings[] = {"<|endoftext|>", "!"};
    static const int32_t padding_id[] = {49407, 0};
    for (int k = 0; k < 2; k++) {
        tokenizer *t = open_padded(paddings[k]);
        assert_int_equal(tokenizer_vocabulary_size(t), 49408);
        assert_int_equal(tokenizer_max_length(t), 77);
        assert_int_equal(tokenizer_padding_id(t), padding_id[k]);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            ss_error err = {0};
            tokens tok = {0};
            check(tokenizer_encode(t, cases[i].text, 77, &tok, &err), &err);
            for (int j = 0; j < cases[i].n; j++)
                assert_int_equal(tok.at[j].id,
                                 k && cases[i].id[j] == 256 ? 0 : cases[i].id[j]); /* "!" is the padding */
            assert_int_equal(tok.used, cases[i].n);
            assert_int_equal(tok.at[76].id, padding_id[k]);
            tokens_free(&tok);
        }
        tokenizer_close(t);
    }
}

static void test_refused(void **state) {
    (void)state;
    ss_error err = {0};
    tokenizer *t;
    json_t *config = json_pack("{s:s}", "tokenizer_class", "CLIPTokenizer");
    assert_int_equal(tokenizer_open_clip(&t, "/nowhere/merges.txt", config, "here", &err), SS_ERR_INPUT);
    assert_null(t);
    json_decref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ids), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
