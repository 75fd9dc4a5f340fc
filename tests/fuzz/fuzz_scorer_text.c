/* Prompts for the tokenizers of the scorers, whatever their bytes: the first byte chooses tokenizer and length, the
 * rest is the text. What repairing gives is UTF-8 without a NUL. */
#include <string.h>

#include "text/scorers/html.h"
#include "text/scorers/repair.h"
#include "text/tokenizer.h"
#include "text/unicode.h"
#include "tests/fuzz/fuzz.h"

enum { KINDS = 4 };

static const tokenizer *get_tokenizer(int kind) {
    static const char *const ADDED[] = {"[DEC]", "[ENC]"};
    static tokenizer *open[KINDS]; /* kept for the life of the process: opening costs more than a run */
    ss_error err;
    if (open[kind]) return open[kind];
    switch (kind) {
    case 0: FUZZ_CHECK(tokenizer_open_openai(&open[kind], DATA "/clip", &err) == SS_OK); break;
    case 1: FUZZ_CHECK(tokenizer_open_open_clip(&open[kind], DATA "/clip/merges.txt", &err) == SS_OK); break;
    case 2:
        FUZZ_CHECK(tokenizer_open_wordpiece(&open[kind], DATA "/bert/vocab.txt", ADDED, 2, TOKENIZER_TRANSFORMERS_4,
                                            &err) == SS_OK);
        break;
    default: FUZZ_CHECK(tokenizer_open(&open[kind], DATA "/bert", NULL, TOKENIZER_TRANSFORMERS_4, &err) == SS_OK);
    }
    return open[kind];
}

static void check_repair(const char *s, size_t n) {
    static repair *fixer;
    ss_error err = {0};
    text once = {0}, plain = {0};
    if (!fixer) FUZZ_CHECK(repair_create(&fixer, &err) == SS_OK);
    FUZZ_CHECK(repair_add(fixer, s, n, &once, &err) == SS_OK);
    html_unescape(&plain, once.s, once.len);
    FUZZ_CHECK(unicode_find_invalid(once.s, once.len) == once.len);
    FUZZ_CHECK(unicode_find_invalid(plain.s, plain.len) == plain.len);
    FUZZ_CHECK(once.len == 0 || !memchr(once.s, 0, once.len));
    text_free(&once);
    text_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ss_error err = {0};
    tokens out;
    if (size == 0) return 0;
    const tokenizer *t = get_tokenizer(data[0] % KINDS);
    int max_length = 2 + data[0] / KINDS;
    char *prompt = malloc(size);
    if (!prompt) return 0;
    memcpy(prompt, data + 1, size - 1);
    prompt[size - 1] = '\0';
    if (tokenizer_encode(t, prompt, max_length, &out, &err) == SS_OK) {
        FUZZ_CHECK(out.count == max_length && out.used >= 2 && out.used <= out.count && out.untruncated >= out.used);
        FUZZ_CHECK(out.at[0].cls == TOKEN_START && out.at[out.used - 1].cls == TOKEN_END);
        for (int i = 0; i < out.count; i++) {
            FUZZ_CHECK(out.at[i].id >= 0 && out.at[i].id < tokenizer_vocabulary_size(t));
            FUZZ_CHECK(tokenizer_piece(t, out.at[i].id) != NULL);
            FUZZ_CHECK((out.at[i].cls == TOKEN_WORD) == (out.at[i].word >= 0) && out.at[i].word < out.word_count);
            FUZZ_CHECK((out.at[i].cls == TOKEN_PADDING) == (i >= out.used));
        }
        tokens_free(&out);
        check_repair(prompt, strlen(prompt));
    } else {
        FUZZ_CHECK(err.message[0] && out.at == NULL);
    }
    free(prompt);
    return 0;
}
