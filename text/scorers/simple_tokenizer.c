/* See simple_tokenizer.h. Source: clip/simple_tokenizer.py of openai/CLIP. */
#include "text/scorers/simple_tokenizer.h"

#include <stdlib.h>

#include "text/scorers/html.h"
#include "text/scorers/repair.h"
#include "text/unicode.h"

struct simple_tokenizer {
    clip_bpe *bpe;
    repair *fixer;
};

ss_status simple_tokenizer_open(simple_tokenizer **out, const char *path, int open_clip, ss_error *err) {
    *out = NULL;
    simple_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return error_no_memory(err, path, sizeof *t);
    ss_status status = clip_bpe_open_openai(&t->bpe, path, open_clip, err);
    if (status == SS_OK) status = repair_create(&t->fixer, err);
    if (status == SS_OK) *out = t;
    else simple_tokenizer_close(t);
    return status;
}

void simple_tokenizer_close(simple_tokenizer *t) {
    if (!t) return;
    clip_bpe_close(t->bpe);
    repair_free(t->fixer);
    free(t);
}

const clip_bpe *simple_tokenizer_bpe(const simple_tokenizer *t) { return t->bpe; }

/* whitespace_clean: runs of white space become a space, none at the ends. */
static void collapse_spaces(const text *in, text *out) {
    int pending = 0;
    for (size_t i = 0, step; i < in->len; i += step) {
        int32_t cp;
        step = unicode_next(in->s + i, in->len - i, &cp);
        int is_space = unicode_is_space(cp);
        if (!is_space && pending && out->len) text_add(out, " ");
        if (!is_space) text_add_n(out, in->s + i, step);
        pending = is_space;
    }
}

/* SimpleTokenizer.encode: whitespace_clean(basic_clean(text)).lower(). */
ss_status simple_tokenizer_encode(const simple_tokenizer *t, const char *s, size_t n, token_builder *b, ss_error *err) {
    text repaired = {0}, once = {0}, twice = {0}, spaced = {0};
    ss_status status = repair_add(t->fixer, s, n, &repaired, err);
    if (status == SS_OK) {
        html_unescape(&once, repaired.s, repaired.len);
        html_unescape(&twice, once.s, once.len);
        collapse_spaces(&twice, &spaced);
        if (once.failed || twice.failed || spaced.failed) status = error_no_memory(err, "a prompt", n);
    }
    if (status == SS_OK && spaced.len) status = clip_bpe_encode_cleaned(t->bpe, spaced.s, spaced.len, b, err);
    text *const all[] = {&repaired, &once, &twice, &spaced};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) text_free(all[i]);
    return status;
}
