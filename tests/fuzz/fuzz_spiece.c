/* A sentencepiece model file and its normalization table, applied to the file's own end. */
#include "text/charsmap.h"
#include "text/spiece_model.h"
#include "text/unicode.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ss_error err = {0};
    spiece_model m;
    charsmap c;
    if (spiece_model_read(&m, data, size, "spiece.model", &err) != SS_OK) {
        FUZZ_CHECK(m.pieces == NULL && err.message[0]);
        return 0;
    }
    FUZZ_CHECK(m.count > 0 && m.unk_id >= 0 && m.unk_id < m.count);
    if (m.charsmap && charsmap_read(&c, m.charsmap, m.charsmap_size, "spiece.model", &err) == SS_OK) {
        text out = {0};
        const char *tail = (const char *)data + (size > 32 ? size - 32 : 0);
        size_t n = unicode_find_invalid(tail, size > 32 ? 32 : size);
        charsmap_add(&c, tail, n, &out);
        FUZZ_CHECK(unicode_find_invalid(out.len ? out.s : "", out.len) == out.len);
        text_free(&out);
    }
    spiece_model_close(&m);
    return 0;
}
