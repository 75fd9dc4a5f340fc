/* WordPiece: the longest piece first, or unknown for all of a word; WordLevel: a word or unknown. Source:
 * tokenizers/src/models/wordpiece/mod.rs, wordlevel/mod.rs. */
#include "text/token_model_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/json.h"
#include "text/unicode.h"

static ss_status read_unknown(token_model *m, const json_t *tree, const char *by_default, ss_error *err) {
    const char *unknown;
    SS_TRY(json_get_text_or(tree, "unk_token", m->where, by_default, &unknown, err));
    SS_TRY(model_read_vocabulary(m, tree, err));
    m->wordpiece.unknown = model_vocabulary_id(&m->vocabulary, unknown, strlen(unknown));
    return SS_OK;
}

ss_status wordpiece_read(token_model *m, const json_t *tree, ss_error *err) {
    SS_TRY(model_copy_text(m, tree, "continuing_subword_prefix", "##", &m->wordpiece.prefix, err));
    SS_TRY(json_get_int_or(tree, "max_input_chars_per_word", m->where, 100, &m->wordpiece.longest, err));
    if (m->wordpiece.longest < 0)
        return error_set(err, SS_ERR_INPUT, m->where, "has max_input_chars_per_word %lld",
                         (long long)m->wordpiece.longest);
    return read_unknown(m, tree, "[UNK]", err);
}

ss_status wordlevel_read(token_model *m, const json_t *tree, ss_error *err) {
    m->wordpiece.whole = 1;
    return read_unknown(m, tree, "<unk>", err);
}

static ss_status model_wordpiece_add_unknown(const token_model *m, size_t n, model_tokens *out, ss_error *err) {
    return m->wordpiece.unknown < 0 ? model_no_unknown(m, err) : model_tokens_add(out, m->wordpiece.unknown, 0, n, err);
}

/* The id of the longest piece that begins at `from`, and where it ends; -1: none. `part` is scratch for prefix and
 * word. */
static int32_t longest_piece(const token_model *m, const char *part, size_t prefix, size_t n, size_t from,
                             size_t *end) {
    for (*end = n; *end > from;) {
        int32_t id = model_vocabulary_id(&m->vocabulary, part, prefix + *end - from);
        if (id >= 0) return id;
        do --*end;
        while (*end > from && ((unsigned char)part[prefix + *end - from] & 0xC0) == 0x80);
    }
    return -1;
}

ss_status wordpiece_encode(const token_model *m, const char *s, size_t n, model_tokens *out, ss_error *err) {
    const wordpiece_rules *w = &m->wordpiece;
    int had = out->count;
    int64_t signs = 0;
    int32_t cp;
    if (w->whole) {
        int32_t id = model_vocabulary_id(&m->vocabulary, s, n);
        return id >= 0 ? model_tokens_add(out, id, 0, n, err) : model_wordpiece_add_unknown(m, n, out, err);
    }
    for (size_t i = 0; i < n && signs <= w->longest; signs++) i += unicode_next(s + i, n - i, &cp);
    if (signs > w->longest) return model_wordpiece_add_unknown(m, n, out, err);
    text part = {0};
    ss_status status = SS_OK;
    for (size_t from = 0, end; status == SS_OK && from < n; from = end) {
        size_t prefix = from ? strlen(w->prefix) : 0;
        part.len = 0;
        text_add_n(&part, w->prefix, prefix);
        text_add_n(&part, s + from, n - from);
        if (part.failed) {
            status = error_no_memory(err, "a prompt", n);
            break;
        }
        int32_t id = longest_piece(m, part.s, prefix, n, from, &end);
        if (id < 0) {
            out->count = had;
            status = model_wordpiece_add_unknown(m, n, out, err);
            break;
        }
        status = model_tokens_add(out, id, from, end, err);
    }
    text_free(&part);
    return status;
}
