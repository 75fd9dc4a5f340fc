/* See added_vocabulary.h. Tokens are found leftmost, then longest. */
#include "text/added_vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "io/json.h"
#include "text/unicode.h"

enum { MAX_ADDED = 100000, LONGEST_PATTERN = 4096 };

void added_vocabulary_free(added_vocabulary *v) {
    for (int i = 0; i < v->count; i++) {
        free(v->at[i].content);
        free(v->at[i].pattern);
    }
    free(v->at);
    string_map_free(&v->contents);
    for (int i = 0; i < 2; i++) string_map_free(&v->patterns[i]);
    pattern_free(v->word);
    *v = (added_vocabulary){0};
}

ss_status added_request_read(added_request *r, const json_t *object, const char *where, ss_error *err) {
    *r = (added_request){0};
    SS_TRY(json_get_text(object, "content", where, &r->content, err));
    SS_TRY(json_get_bool_or(object, "single_word", where, 0, &r->single_word, err));
    SS_TRY(json_get_bool_or(object, "lstrip", where, 0, &r->lstrip, err));
    SS_TRY(json_get_bool_or(object, "rstrip", where, 0, &r->rstrip, err));
    SS_TRY(json_get_bool_or(object, "special", where, 0, &r->special, err));
    r->normalized = -1;
    return json_has(object, "normalized") ? json_get_bool(object, "normalized", where, &r->normalized, err) : SS_OK;
}

static int added_vocabulary_find(const added_vocabulary *v, const char *content) {
    return string_map_get(&v->contents, content, strlen(content));
}

int32_t added_vocabulary_id(const added_vocabulary *v, const token_model *m, const char *content) {
    int i = added_vocabulary_find(v, content);
    return i >= 0 ? v->at[i].id : model_vocabulary_id(token_model_vocabulary(m), content, strlen(content));
}

static ss_status added_vocabulary_append(added_vocabulary *v, const char *content, const char *where, ss_error *err) {
    if (v->count == MAX_ADDED) return error_set(err, SS_ERR_INPUT, where, "has more than %d added tokens", MAX_ADDED);
    SS_TRY(ARRAY_ROOM(v->at, v->capacity, v->count + 1, where, err));
    char *copy = text_copy(content);
    if (!copy) return error_no_memory(err, where, strlen(content));
    v->at[v->count] = (added_entry){.content = copy};
    return string_map_put(&v->contents, copy, strlen(copy), v->count++, err);
}

ss_status added_vocabulary_add(added_vocabulary *v, const added_request *list, int n, const token_model *m,
                               const char *where, ss_error *err) {
    int32_t next = token_model_vocabulary(m)->count;
    for (int i = 0; i < v->count; i++)
        if (v->at[i].id >= next) next = v->at[i].id + 1;
    for (int i = 0; i < n; i++) {
        const added_request *r = &list[i];
        if (!*r->content) continue;
        int32_t id = added_vocabulary_id(v, m, r->content);
        if (id < 0) id = next++;
        if (id >= TOKEN_MODEL_MAX_ID)
            return error_set(err, SS_ERR_INPUT, where, "has ids up to %d; at most %d are expected", id,
                             TOKEN_MODEL_MAX_ID - 1);
        int k = added_vocabulary_find(v, r->content);
        if (k < 0) {
            SS_TRY(added_vocabulary_append(v, r->content, where, err));
            k = v->count - 1;
        }
        added_entry *e = &v->at[k];
        *e = (added_entry){.content = e->content,
                           .id = id,
                           .single_word = r->single_word,
                           .lstrip = r->lstrip,
                           .rstrip = r->rstrip,
                           .normalized = r->normalized < 0 ? !r->special : r->normalized,
                           .special = r->special};
    }
    return SS_OK;
}

static ss_status make_pattern(added_entry *e, const normalizer *n, const char *where, ss_error *err) {
    piece p = {.token = -1};
    text_add(&p.t, e->content);
    ss_status status = p.t.failed ? error_no_memory(err, where, strlen(e->content)) : SS_OK;
    if (status == SS_OK && e->normalized) status = normalizer_apply(n, &p, err);
    if (status == SS_OK && (p.t.len == 0 || p.t.len > LONGEST_PATTERN))
        status = error_set(err, SS_ERR_INPUT, where, "the added token '%s' has %zu bytes%s; expected 1 .. %d",
                           e->content, p.t.len, e->normalized ? " after normalization" : "", LONGEST_PATTERN);
    if (status != SS_OK) {
        piece_free(&p);
        return status;
    }
    free(e->pattern);
    e->pattern = p.t.s;
    return SS_OK;
}

ss_status added_vocabulary_finish(added_vocabulary *v, const normalizer *n, const char *where, ss_error *err) {
    int words = 0;
    for (int i = 0; i < v->count; i++) {
        added_entry *e = &v->at[i];
        SS_TRY(make_pattern(e, n, where, err));
        size_t length = strlen(e->pattern);
        string_map *map = &v->patterns[e->normalized];
        if (string_map_get(map, e->pattern, length) >= 0)
            return error_set(err, SS_ERR_INPUT, where, "has two added tokens that read '%s'", e->pattern);
        SS_TRY(string_map_put(map, e->pattern, length, i, err));
        if (length > v->longest[e->normalized]) v->longest[e->normalized] = length;
        words |= e->single_word;
    }
    return words ? pattern_compile(&v->word, "\\w", PATTERN_RUST, where, err) : SS_OK;
}

/* The leftmost, then longest, token in s[from..n); -1: none. */
static int next_match(const added_vocabulary *v, int normalized, const char *s, size_t n, size_t from, size_t *start,
                      size_t *end) {
    const string_map *map = &v->patterns[normalized];
    for (size_t i = from; map->count && i < n; i++) {
        uint64_t hash = STRING_MAP_SEED;
        int best = -1;
        for (size_t k = 1; k <= n - i && k <= v->longest[normalized]; k++) {
            hash = string_map_step(hash, (unsigned char)s[i + k - 1]);
            int found = string_map_get_hashed(map, hash, s + i, k);
            if (found < 0) continue;
            best = found;
            *end = i + k;
        }
        *start = i;
        if (best >= 0) return best;
    }
    return -1;
}

/* Whether the code point at s is a character of words. */
static ss_status is_word(const added_vocabulary *v, const char *s, size_t n, int *yes, ss_error *err) {
    int32_t cp;
    spans found = {0};
    *yes = 0;
    if (n == 0) return SS_OK;
    ss_status status = pattern_find(v->word, s, unicode_next(s, n, &cp), &found, err);
    for (int i = 0; i < found.count; i++) *yes |= found.at[i].match;
    spans_free(&found);
    return status;
}

static ss_status is_single(const added_vocabulary *v, const piece *p, size_t start, size_t end, int *yes,
                           ss_error *err) {
    int before = 0, after = 0;
    size_t last = start > 0 ? unicode_before(p->t.s, start) : 0;
    if (start > 0) SS_TRY(is_word(v, p->t.s + last, start - last, &before, err));
    SS_TRY(is_word(v, p->t.s + end, p->t.len - end, &after, err));
    *yes = !before && !after;
    return SS_OK;
}

ss_status added_vocabulary_split(const added_vocabulary *v, int normalized, const piece *from, pieces *out,
                                 ss_error *err) {
    const char *s = from->t.s;
    size_t n = from->t.len, done = 0, at = 0, start, end;
    for (int k; (k = next_match(v, normalized, s, n, at, &start, &end)) >= 0;) {
        const added_entry *e = &v->at[k];
        int single = 1;
        at = end;
        if (v->split_special && e->special) continue;
        if (e->single_word) SS_TRY(is_single(v, from, start, end, &single, err));
        if (!single) continue;
        if (e->lstrip) {
            start = unicode_spaces_before(s, 0, start);
            if (start < done) start = done; /* spaces that a token before has taken */
        }
        if (e->rstrip) end = unicode_skip_spaces(s, n, end);
        SS_TRY(pieces_add(out, from, done, start, -1, err));
        SS_TRY(pieces_add(out, from, start, end, e->id, err));
        done = end;
    }
    return pieces_add(out, from, done, n, -1, err);
}
