/* Prompts: the first byte chooses tokenizer and length, the rest is the text. */
#include <string.h>

#include "text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

enum { KINDS = 4 };

static const tokenizer *get_tokenizer(int kind) {
    static const char *const FOLDERS[KINDS] = {DATA "/clip", DATA "/clip-bang", DATA "/t5", DATA "/t5-made"};
    static tokenizer *open[KINDS]; /* kept for the life of the process: opening costs more than a run */
    ss_error err;
    if (!open[kind])
        FUZZ_CHECK(tokenizer_open(&open[kind], FOLDERS[kind], NULL, TOKENIZER_TRANSFORMERS_4, &err) == SS_OK);
    return open[kind];
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
        FUZZ_CHECK(out.count == max_length && out.used >= 1 && out.used <= out.count);
        for (int i = 0; i < out.count; i++) {
            FUZZ_CHECK(out.at[i].id >= 0 && out.at[i].id < tokenizer_vocabulary_size(t));
            FUZZ_CHECK(tokenizer_piece(t, out.at[i].id) != NULL);
            FUZZ_CHECK((out.at[i].cls == TOKEN_WORD) == (out.at[i].word >= 0) && out.at[i].word < out.word_count);
        }
        tokens_free(&out);
    } else {
        FUZZ_CHECK(err.message[0] && out.at == NULL);
    }
    free(prompt);
    return 0;
}
