/* The vocabulary that all models share, and the table of models. */
#include "text/token_model_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "io/json.h"

void model_tokens_free(model_tokens *list) {
    free(list->at);
    *list = (model_tokens){0};
}

ss_status model_tokens_add(model_tokens *list, int32_t id, size_t start, size_t end, ss_error *err) {
    SS_TRY(ARRAY_ROOM(list->at, list->capacity, list->count + 1, "tokens", err));
    list->at[list->count++] = (model_token){id, start, end};
    return SS_OK;
}

int32_t model_vocabulary_id(const model_vocabulary *v, const char *s, size_t n) {
    return string_map_get(&v->ids, s, n);
}

int32_t model_vocabulary_byte(const model_vocabulary *v, unsigned char byte) {
    char name[8];
    snprintf(name, sizeof name, "<0x%02X>", byte);
    return model_vocabulary_id(v, name, 6);
}

ss_status model_add_text(token_model *m, const char *s, int64_t id, ss_error *err) {
    model_vocabulary *v = &m->vocabulary;
    if (id < 0 || id >= TOKEN_MODEL_MAX_ID)
        return error_set(err, SS_ERR_INPUT, m->where, "gives '%s' the id %lld; expected 0 .. %d", s, (long long)id,
                         TOKEN_MODEL_MAX_ID - 1);
    size_t capacity = v->capacity;
    SS_TRY(ARRAY_ROOM(v->values, capacity, v->count + 1, m->where, err));
    SS_TRY(ARRAY_ROOM(v->texts, v->capacity, v->count + 1, m->where, err));
    char *copy = text_copy(s);
    size_t n = strlen(s);
    if (!copy) return error_no_memory(err, m->where, n);
    v->texts[v->count] = copy;
    v->values[v->count++] = (int32_t)id;
    if (n > v->longest) v->longest = n;
    if (id >= v->size) v->size = (int)id + 1;
    return string_map_put(&v->ids, copy, n, (int32_t)id, err);
}

ss_status model_read_vocabulary(token_model *m, const json_t *tree, ss_error *err) {
    json_t *vocab, *id;
    const char *s;
    SS_TRY(json_get_object(tree, "vocab", m->where, &vocab, err));
    json_object_foreach(vocab, s, id) {
        if (!json_is_integer(id))
            return error_set(err, SS_ERR_INPUT, m->where, "gives '%s' %s in its vocabulary; expected an id", s,
                             json_type_name(id));
        SS_TRY(model_add_text(m, s, json_integer_value(id), err));
    }
    return SS_OK;
}

ss_status model_copy_text(const token_model *m, const json_t *tree, const char *name, const char *by_default,
                          char **out, ss_error *err) {
    const char *s;
    SS_TRY(json_get_text_or(tree, name, m->where, by_default, &s, err));
    *out = text_copy(s);
    return *out ? SS_OK : error_no_memory(err, m->where, strlen(s));
}

ss_status model_no_unknown(const token_model *m, ss_error *err) {
    return error_set(err, SS_ERR_INPUT, m->where,
                     "has no token for a sign of this prompt, nor an unknown token in its vocabulary");
}

static const model_kind KINDS[] = {{"BPE", bpe_read, bpe_encode},
                                   {"Unigram", unigram_read, unigram_encode},
                                   {"WordPiece", wordpiece_read, wordpiece_encode},
                                   {"WordLevel", wordlevel_read, wordpiece_encode}};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

/* Files older than the member 'type' are recognised by their members, as in the crate. */
static const char *type_of(const json_t *tree) {
    const char *type = json_string_value(json_object_get(tree, "type"));
    if (type) return type;
    if (json_object_get(tree, "merges")) return "BPE";
    if (json_is_array(json_object_get(tree, "vocab"))) return "Unigram";
    return json_object_get(tree, "max_input_chars_per_word") ? "WordPiece" : "WordLevel";
}

static ss_status token_model_read_model(token_model *m, const json_t *tree, ss_error *err) {
    const char *type = type_of(tree);
    for (int i = 0; i < KIND_COUNT; i++)
        if (strcmp(KINDS[i].name, type) == 0) m->kind = &KINDS[i];
    if (!m->kind)
        return error_set(err, SS_ERR_INPUT, m->where, "has a model of the type '%s', which is not known", type);
    SS_TRY(m->kind->read(m, tree, err));
    model_vocabulary *v = &m->vocabulary;
    v->pieces = calloc((size_t)v->size + 1, sizeof *v->pieces);
    if (!v->pieces) return error_no_memory(err, m->where, (size_t)v->size * sizeof *v->pieces);
    for (int i = 0; i < v->count; i++) v->pieces[v->values[i]] = v->texts[i];
    return SS_OK;
}

ss_status token_model_read(token_model **out, const json_t *tree, const char *where, ss_error *err) {
    *out = NULL;
    token_model *m = calloc(1, sizeof *m);
    if (!m) return error_no_memory(err, where, sizeof *m);
    m->where = m->where_owned = text_copy(where);
    m->bpe.unknown = m->unigram.unknown = m->wordpiece.unknown = -1;
    ss_status status = m->where ? token_model_read_model(m, tree, err) : error_no_memory(err, where, strlen(where));
    if (status == SS_OK) *out = m;
    else token_model_free(m);
    return status;
}

void token_model_free(token_model *m) {
    if (!m) return;
    for (int i = 0; i < m->vocabulary.count; i++) free(m->vocabulary.texts[i]);
    free(m->vocabulary.texts);
    free(m->vocabulary.values);
    free(m->vocabulary.pieces);
    string_map_free(&m->vocabulary.ids);
    free(m->bpe.pairs);
    free(m->bpe.merged);
    string_map_free(&m->bpe.ranks);
    free(m->bpe.prefix);
    free(m->bpe.suffix);
    free(m->unigram.scores);
    free(m->wordpiece.prefix);
    free(m->where_owned);
    free(m);
}

ss_status token_model_encode(const token_model *m, const char *s, size_t n, model_tokens *out, ss_error *err) {
    return m->kind->encode(m, s, n, out, err);
}

const model_vocabulary *token_model_vocabulary(const token_model *m) { return &m->vocabulary; }
const char *token_model_type(const token_model *m) { return m->kind->name; }
const char *token_model_suffix(const token_model *m) { return m->bpe.suffix ? m->bpe.suffix : ""; }
