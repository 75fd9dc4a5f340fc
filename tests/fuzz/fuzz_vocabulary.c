/* Vocabularies of the scorers: a file of merges (plain or gzip), or BERT's vocab.txt where the first byte is odd; what
 * opens must encode. */
#include <string.h>
#include <unistd.h>

#include "text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const ADDED[] = {"[DEC]", "star"};
    ss_error err = {0};
    tokenizer *t;
    tokens out;
    char path[64];
    if (size == 0) return 0;
    snprintf(path, sizeof path, "/tmp/sinkscope-fuzz-vocabulary-%ld", (long)getpid());
    fuzz_write(path, data + 1, size - 1);
    ss_status status = data[0] & 1 ? tokenizer_open_wordpiece(&t, path, ADDED, 2, TOKENIZER_TRANSFORMERS_4, &err)
                                   : tokenizer_open_openai(&t, path, &err);
    unlink(path);
    if (status != SS_OK) {
        FUZZ_CHECK(t == NULL && err.message[0]);
        return 0;
    }
    FUZZ_CHECK(tokenizer_encode(t, "a star, [DEC] stars &amp; moons", 16, &out, &err) == SS_OK);
    for (int i = 0; i < out.count; i++) {
        FUZZ_CHECK(out.at[i].id >= 0 && out.at[i].id < tokenizer_vocabulary_size(t));
        FUZZ_CHECK(tokenizer_piece(t, out.at[i].id) != NULL);
    }
    tokens_free(&out);
    tokenizer_close(t);
    return 0;
}
