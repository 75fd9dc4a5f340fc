/* The part of a text that encoders do not see because it is too long: found by their tokenizers, reported as
 * notices. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/pipeline_parts.h"
#include "text/unicode.h"

ss_status pipeline_find_cuts(const pipeline *p, const resolved_settings *s, const char *text_,
                             text_cut out[PIPELINE_MAX_ENCODERS], int *n, ss_error *err) {
    text_shape shape;
    p->row->text_shape(p, s, &shape);
    *n = shape.n_encoders;
    for (int i = 0; i < shape.n_encoders; i++) {
        const text_encoder *e = &shape.encoder[i];
        token_cut cut;
        SS_TRY(tokenizer_find_cut(e->reader, text_, e->count, &cut, err));
        out[i] = (text_cut){e->name, cut.tokens, cut.kept, e->count, cut.from};
    }
    return SS_OK;
}

/* Without the white space at either end. */
static void trim(const char **s, size_t *n) {
    size_t first = *n, end = 0;
    int32_t cp;
    for (size_t i = 0, step; i < *n; i += step) {
        step = unicode_next(*s + i, *n - i, &cp);
        if (unicode_is_space(cp)) continue;
        if (first == *n) first = i;
        end = i + step;
    }
    *s += first;
    *n = end > first ? end - first : 0;
}

void text_cut_add_words(const text_cut *cut, const char *text_, text *out) {
    const char *s = text_ + cut->from;
    size_t n = strlen(s);
    trim(&s, &n);
    text_add_n(out, s, n);
}

/* ---- notices ---- */

/* Encoders that cut the text at the same place share a line; `cut` is the first of them. */
static ss_status note_cut(pipeline *p, const char *what, const char *text_, const text_cut *cut, int n, ss_error *err) {
    enum { NAME_SHOWN = 60, WORDS_SHOWN = 400 };
    text line = {0};
    text words = {0};
    int same = 0, said = 0;
    for (int i = 0; i < n; i++) same += cut[i].from == cut->from && cut[i].tokens == cut->tokens;
    text_addf(&line, "the %s ", what);
    text_add_quote(&line, text_, NAME_SHOWN);
    text_add(&line, " is too long for ");
    for (int i = 0; i < n; i++) {
        if (cut[i].from != cut->from || cut[i].tokens != cut->tokens) continue;
        text_addf(&line, "%s%s", said == 0 ? "" : said + 1 < same ? ", " : " and ", cut[i].encoder);
        said++;
    }
    text_addf(&line, " (%d tokens, at most %d): not seen there: ", cut->tokens, cut->limit);
    text_cut_add_words(cut, text_, &words);
    if (words.s) text_add_quote(&line, words.s, WORDS_SHOWN);
    if (words.failed) line.failed = 1;
    text_free(&words);
    return notices_add_text(pipeline_notices(p), &line, err);
}

ss_status pipeline_note_cuts(pipeline *p, const resolved_settings *s, const char *prompt, ss_error *err) {
    static const char *const WHAT[MAX_BRANCHES] = {"prompt", "negative prompt"};
    const char *each[MAX_BRANCHES];
    int texts = embedding_texts(p, s, prompt, each);
    assert(texts <= MAX_BRANCHES);
    for (int b = 0; b < texts; b++) {
        text_cut cut[PIPELINE_MAX_ENCODERS];
        int n;
        SS_TRY(pipeline_find_cuts(p, s, each[b], cut, &n, err));
        for (int i = 0; i < n; i++) {
            int told = cut[i].kept == cut[i].tokens;
            for (int j = 0; j < i; j++) told |= cut[j].from == cut[i].from && cut[j].tokens == cut[i].tokens;
            if (!told) SS_TRY(note_cut(p, WHAT[b], each[b], cut + i, n - i, err));
        }
    }
    return SS_OK;
}
