/* A tokenizer.json: the first byte chooses the class that opens it; then, with a NUL between, the file, a prompt, and
 * tokenizer_config.json where there is one. What opens must encode or say why not. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

static const char *folder_of_process(void) {
    static char folder[64];
    if (*folder) return folder;
    snprintf(folder, sizeof folder, "%s/sinkscope-fuzz-tokenizer-%ld",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
    FUZZ_CHECK(mkdir(folder, 0700) == 0);
    return folder;
}

/* The next part of the input: up to a NUL or the end. */
static size_t next_part(const char **at, const char *end, const char **part) {
    const char *nul = memchr(*at, '\0', (size_t)(end - *at)), *stop = nul ? nul : end;
    *part = *at;
    *at = nul ? nul + 1 : end;
    return (size_t)(stop - *part);
}

static void encode(const tokenizer *t, const char *prompt, int max_length) {
    ss_error err = {0};
    tokens out;
    token_cut cut;
    if (tokenizer_encode(t, prompt, max_length, &out, &err) != SS_OK) {
        FUZZ_CHECK(err.message[0] && out.at == NULL && err.code != SS_ERR_INTERNAL);
        return;
    }
    FUZZ_CHECK(out.count == max_length && out.used <= out.count);
    for (int i = 0; i < out.count; i++) {
        FUZZ_CHECK(out.at[i].id >= 0);
        FUZZ_CHECK((out.at[i].cls == TOKEN_WORD) == (out.at[i].word >= 0) && out.at[i].word < out.word_count);
        if (out.at[i].cls == TOKEN_WORD) FUZZ_CHECK(tokenizer_piece(t, out.at[i].id) != NULL);
    }
    tokens_free(&out);
    if (tokenizer_find_cut(t, prompt, max_length, &cut, &err) == SS_OK) FUZZ_CHECK(cut.from <= strlen(prompt));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const CLASSES[] = {"CLIPTokenizer", "T5Tokenizer", "BertTokenizer", "PreTrainedTokenizerFast"};
    static const char CONFIG[] = "{\"pad_token\": \"a\", \"model_max_length\": 9}";
    ss_error err = {0};
    tokenizer *t;
    char path[128], prompt[4097];
    if (size == 0) return 0;
    const char *at = (const char *)data + 1, *end = (const char *)data + size, *file, *text, *config;
    size_t n_file = next_part(&at, end, &file), n_text = next_part(&at, end, &text),
           n_config = next_part(&at, end, &config);
    const char *folder = folder_of_process();
    if (n_text >= sizeof prompt) n_text = sizeof prompt - 1;
    memcpy(prompt, text, n_text);
    prompt[n_text] = '\0';
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    fuzz_write(path, file, n_file);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    fuzz_write(path, n_config ? config : CONFIG, n_config ? n_config : sizeof CONFIG - 1);
    if (tokenizer_open(&t, folder, CLASSES[data[0] & 3], TOKENIZER_TRANSFORMERS_5, &err) != SS_OK) {
        FUZZ_CHECK(t == NULL && err.message[0] && err.code != SS_ERR_INTERNAL);
        return 0;
    }
    encode(t, prompt, 8 + (data[0] >> 4));
    tokenizer_close(t);
    return 0;
}
