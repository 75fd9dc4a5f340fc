/* The order of steps is that of TokenizerImpl::encode: added tokens of the raw text, the normalizer, added tokens of
 * the normalized text, the pre_tokenizer, the model. */
#include "text/json_tokenizer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text/byte_level.h"
#include "text/pre_tokenizer.h"
#include "text/unicode.h"

struct json_tokenizer {
    normalizer *normalizer;
    pre_tokenizer *pre;
    token_model *model;
    added_vocabulary added;
    char *where;
};

ss_status json_tokenizer_open(json_tokenizer **out, const json_t *normal, const json_t *pre, const json_t *model,
                              const char *where, ss_error *err) {
    *out = NULL;
    json_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return error_no_memory(err, where, sizeof *t);
    t->where = text_copy(where);
    ss_status status = t->where ? SS_OK : error_no_memory(err, where, strlen(where));
    if (status == SS_OK) status = normalizer_read(&t->normalizer, normal, where, err);
    if (status == SS_OK) status = pre_tokenizer_read(&t->pre, pre, where, err);
    if (status == SS_OK) status = token_model_read(&t->model, model, where, err);
    if (status == SS_OK) *out = t;
    else json_tokenizer_close(t);
    return status;
}

void json_tokenizer_close(json_tokenizer *t) {
    if (!t) return;
    normalizer_free(t->normalizer);
    pre_tokenizer_free(t->pre);
    token_model_free(t->model);
    added_vocabulary_free(&t->added);
    free(t->where);
    free(t);
}

ss_status json_tokenizer_add(json_tokenizer *t, const added_request *list, int n, ss_error *err) {
    return added_vocabulary_add(&t->added, list, n, t->model, t->where, err);
}

ss_status json_tokenizer_finish(json_tokenizer *t, int split_special_tokens, ss_error *err) {
    t->added.split_special = split_special_tokens;
    return added_vocabulary_finish(&t->added, t->normalizer, t->where, err);
}

const added_vocabulary *json_tokenizer_added(const json_tokenizer *t) { return &t->added; }

int32_t json_tokenizer_id(const json_tokenizer *t, const char *content) {
    return added_vocabulary_id(&t->added, t->model, content);
}

const char *json_tokenizer_model(const json_tokenizer *t) { return token_model_type(t->model); }

int json_tokenizer_size(const json_tokenizer *t) {
    int size = token_model_vocabulary(t->model)->size;
    for (int i = 0; i < t->added.count; i++)
        if (t->added.at[i].id >= size) size = t->added.at[i].id + 1;
    return size;
}

const char *json_tokenizer_piece(const json_tokenizer *t, int32_t id) {
    const model_vocabulary *v = token_model_vocabulary(t->model);
    for (int i = 0; i < t->added.count; i++)
        if (t->added.at[i].id == id) return t->added.at[i].content;
    return id >= 0 && id < v->size ? v->pieces[id] : NULL;
}

/* ---- words ---- */

/* The text that a piece stands for: its bytes where it is written in characters for bytes. */
static ss_status plain_text(const json_tokenizer *t, const char *s, size_t n, text *out, ss_error *err) {
    if (!pre_tokenizer_is_byte_level(t->pre) || !byte_level_add_bytes(out, s, n)) {
        out->len = 0;
        text_add_n(out, s, n);
    }
    return out->failed ? error_no_memory(err, "a prompt", n) : SS_OK;
}

static size_t spaces_at_start(const text *t) {
    size_t i = 0;
    while (i < t->len && t->s[i] == ' ') i++;
    return i;
}

/* A piece that is a word. */
static ss_status add_word(const json_tokenizer *t, const piece *p, const model_tokens *list, token_builder *b,
                          ss_error *err) {
    text plain = {0}, part = {0};
    ss_status status = plain_text(t, p->t.s, p->t.len, &plain, err);
    size_t space = spaces_at_start(&plain);
    if (status == SS_OK && unicode_find_invalid(plain.s, plain.len) < plain.len) /* cut within a character */
        status = token_builder_word(b, p->t.s, p->t.len, err);
    else if (status == SS_OK) status = token_builder_word(b, plain.s + space, plain.len - space, err);
    for (int i = 0; status == SS_OK && i < list->count; i++) {
        part.len = 0;
        status = plain_text(t, p->t.s + list->at[i].start, list->at[i].end - list->at[i].start, &part, err);
        size_t skipped = space < part.len ? space : part.len;
        space -= skipped;
        if (status == SS_OK) status = token_builder_add(b, list->at[i].id, TOKEN_WORD, part.len - skipped, err);
    }
    text_free(&plain);
    text_free(&part);
    return status;
}

static ss_status json_tokenizer_add_piece(const json_tokenizer *t, const piece *p, token_builder *b, ss_error *err) {
    if (p->token >= 0) {
        const char *content = json_tokenizer_piece(t, p->token);
        assert(content); /* the token was found by its content */
        SS_TRY(token_builder_word(b, content, strlen(content), err));
        return token_builder_add(b, p->token, TOKEN_WORD, strlen(content), err);
    }
    model_tokens list = {0};
    const char *space = pre_tokenizer_space(t->pre);
    int spaced = *space || strcmp(token_model_type(t->model), "Unigram") == 0;
    ss_status status = token_model_encode(t->model, p->t.s, p->t.len, &list, err);
    if (status == SS_OK && !spaced && list.count) status = add_word(t, p, &list, b, err);
    for (int i = 0; status == SS_OK && spaced && i < list.count; i++)
        status = token_builder_spaced(b, space, i == 0, p->t.s + list.at[i].start, list.at[i].end - list.at[i].start,
                                      list.at[i].id, err);
    model_tokens_free(&list);
    return status;
}

/* ---- encoding ---- */

static ss_status split_normalized(const json_tokenizer *t, pieces *raw, pieces *out, ss_error *err) {
    for (int i = 0; i < raw->count; i++) {
        piece *p = &raw->at[i];
        if (p->token >= 0) {
            SS_TRY(pieces_add(out, p, 0, p->t.len, p->token, err));
            continue;
        }
        SS_TRY(normalizer_apply(t->normalizer, p, err));
        SS_TRY(added_vocabulary_split(&t->added, 1, p, out, err));
    }
    return SS_OK;
}

ss_status json_tokenizer_encode(const json_tokenizer *t, const char *s, size_t n, token_builder *b, ss_error *err) {
    pieces raw = {0}, list = {0};
    piece whole = {.token = -1, .first = 1};
    int32_t cp;
    if (n == 0) return SS_OK;
    text_add_n(&whole.t, s, n);
    whole.lead = unicode_next(s, n, &cp);
    ss_status status = whole.t.failed ? error_no_memory(err, "a prompt", n) : SS_OK;
    if (status == SS_OK) status = added_vocabulary_split(&t->added, 0, &whole, &raw, err);
    if (status == SS_OK) status = split_normalized(t, &raw, &list, err);
    if (status == SS_OK) status = pre_tokenizer_apply(t->pre, &list, err);
    for (int i = 0; status == SS_OK && i < list.count; i++) status = json_tokenizer_add_piece(t, &list.at[i], b, err);
    piece_free(&whole);
    pieces_free(&raw);
    pieces_free(&list);
    return status;
}
