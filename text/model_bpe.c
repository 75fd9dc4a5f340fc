/* Byte-pair encoding. Source: tokenizers/src/models/bpe/model.rs, word.rs: merges are taken from a queue by rank, then
 * by place, and one that is out of date is passed over where the pair no longer gives the same token. */
#include "text/token_model_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/json.h"
#include "text/unicode.h"

enum { MAX_MERGES = 1 << 23 };

/* ---- reading ---- */

/* "a b" or ["a", "b"]. */
static ss_status read_pair(const token_model *m, const json_t *merge, size_t row, int32_t ids[2], text *both,
                           ss_error *err) {
    const char *line = json_string_value(merge), *gap = line ? strchr(line, ' ') : NULL;
    const char *left = gap ? line : json_string_value(json_array_get(merge, 0));
    const char *right = gap                           ? gap + 1
                        : json_array_size(merge) == 2 ? json_string_value(json_array_get(merge, 1))
                                                      : NULL;
    size_t prefix = strlen(m->bpe.prefix);
    if (!left || !right || (gap && strchr(right, ' ')))
        return error_set(err, SS_ERR_INPUT, m->where, "merge %zu is not two tokens", row);
    size_t n = gap ? (size_t)(gap - line) : strlen(left);
    ids[0] = model_vocabulary_id(&m->vocabulary, left, n);
    ids[1] = model_vocabulary_id(&m->vocabulary, right, strlen(right));
    if (ids[0] < 0 || ids[1] < 0 || strlen(right) < prefix)
        return error_set(err, SS_ERR_INPUT, m->where, "merge %zu has the token '%s', which is not in the vocabulary",
                         row, ids[0] < 0 ? left : right);
    text_add_n(both, left, n);
    text_add(both, right + prefix);
    return both->failed ? error_no_memory(err, m->where, n) : SS_OK;
}

static ss_status model_bpe_add_merge(token_model *m, const json_t *merge, size_t row, ss_error *err) {
    int32_t ids[2] = {-1, -1};
    text both = {0};
    bpe_rules *b = &m->bpe;
    ss_status status = read_pair(m, merge, row, ids, &both, err);
    int32_t id = status == SS_OK ? model_vocabulary_id(&m->vocabulary, both.s ? both.s : "", both.len) : -1;
    if (status == SS_OK && id < 0)
        status = error_set(err, SS_ERR_INPUT, m->where, "merge %zu gives '%s', which is not in the vocabulary", row,
                           both.s ? both.s : "");
    text_free(&both);
    SS_TRY(status);
    b->pairs[b->count] = (uint64_t)(uint32_t)ids[0] << 32 | (uint32_t)ids[1];
    b->merged[b->count] = id;
    SS_TRY(string_map_put(&b->ranks, (const char *)&b->pairs[b->count], sizeof *b->pairs, b->count, err));
    b->count++;
    return SS_OK;
}

static ss_status model_bpe_read_merges(token_model *m, const json_t *tree, ss_error *err) {
    json_t *list;
    SS_TRY(json_get_array(tree, "merges", m->where, &list, err));
    size_t n = json_array_size(list);
    if (n > MAX_MERGES)
        return error_set(err, SS_ERR_INPUT, m->where, "has %zu merges; at most %d are expected", n, MAX_MERGES);
    m->bpe.pairs = malloc((n + 1) * sizeof *m->bpe.pairs);
    m->bpe.merged = malloc((n + 1) * sizeof *m->bpe.merged);
    if (!m->bpe.pairs || !m->bpe.merged) return error_no_memory(err, m->where, n * sizeof *m->bpe.pairs);
    for (size_t i = 0; i < n; i++) SS_TRY(model_bpe_add_merge(m, json_array_get(list, i), i, err));
    return SS_OK;
}

ss_status bpe_read(token_model *m, const json_t *tree, ss_error *err) {
    bpe_rules *b = &m->bpe;
    const char *unknown;
    double dropout;
    SS_TRY(json_get_double_or(tree, "dropout", m->where, 0, &dropout, err));
    if (dropout > 0) return error_set(err, SS_ERR_INPUT, m->where, "has a dropout of merges: its ids differ at random");
    SS_TRY(model_copy_text(m, tree, "continuing_subword_prefix", "", &b->prefix, err));
    SS_TRY(model_copy_text(m, tree, "end_of_word_suffix", "", &b->suffix, err));
    SS_TRY(json_get_bool_or(tree, "fuse_unk", m->where, 0, &b->fuse_unknown, err));
    SS_TRY(json_get_bool_or(tree, "byte_fallback", m->where, 0, &b->byte_fallback, err));
    SS_TRY(json_get_bool_or(tree, "ignore_merges", m->where, 0, &b->ignore_merges, err));
    SS_TRY(json_get_text_or(tree, "unk_token", m->where, NULL, &unknown, err));
    SS_TRY(model_read_vocabulary(m, tree, err));
    b->has_unknown = unknown != NULL;
    if (unknown) b->unknown = model_vocabulary_id(&m->vocabulary, unknown, strlen(unknown));
    return model_bpe_read_merges(m, tree, err);
}

/* ---- a word ---- */

typedef struct symbol {
    int32_t id, previous, next; /* -1: none */
    uint32_t length;            /* bytes of the piece; 0: merged into the one before */
} symbol;

/* A merge that was possible when it was noted. */
typedef struct chance {
    int32_t rank, at, id;
} chance;

typedef struct word {
    symbol *at;
    chance *queue; /* a binary heap */
    int count, queued;
} word;

static int is_before(chance a, chance b) { return a.rank != b.rank ? a.rank < b.rank : a.at < b.at; }

static void model_bpe_push(word *w, chance c) {
    int i = w->queued++;
    while (i > 0 && is_before(c, w->queue[(i - 1) / 2])) {
        w->queue[i] = w->queue[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->queue[i] = c;
}

static chance pop(word *w) {
    chance top = w->queue[0], last = w->queue[--w->queued];
    int i = 0;
    for (int child; (child = 2 * i + 1) < w->queued; i = child) {
        if (child + 1 < w->queued && is_before(w->queue[child + 1], w->queue[child])) child++;
        if (!is_before(w->queue[child], last)) break;
        w->queue[i] = w->queue[child];
    }
    w->queue[i] = last;
    return top;
}

static int32_t model_bpe_rank_of(const bpe_rules *b, int32_t left, int32_t right) {
    const uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return string_map_get(&b->ranks, (const char *)&pair, sizeof pair);
}

static void note(const bpe_rules *b, word *w, int32_t at) {
    int32_t next = w->at[at].next;
    int32_t rank = next < 0 ? -1 : model_bpe_rank_of(b, w->at[at].id, w->at[next].id);
    if (rank >= 0) model_bpe_push(w, (chance){rank, at, b->merged[rank]});
}

/* Every merge notes at most two chances, and there are fewer merges than symbols. */
static void model_bpe_merge_all(const bpe_rules *b, word *w) {
    for (int i = 0; i < w->count; i++) note(b, w, i);
    while (w->queued) {
        chance top = pop(w);
        symbol *left = &w->at[top.at];
        if (left->length == 0 || left->next < 0) continue;
        symbol *right = &w->at[left->next];
        int32_t rank = model_bpe_rank_of(b, left->id, right->id);
        if (rank < 0 || b->merged[rank] != top.id) continue;
        left->id = top.id;
        left->length += right->length;
        right->length = 0;
        left->next = right->next;
        if (left->next >= 0) w->at[left->next].previous = top.at;
        if (left->previous >= 0) note(b, w, left->previous);
        note(b, w, top.at);
    }
}

static void add_symbol(word *w, int32_t id, uint32_t length) {
    int32_t previous = w->count - 1;
    if (previous >= 0) w->at[previous].next = w->count;
    w->at[w->count++] = (symbol){id, previous, -1, length};
}

/* The bytes of a character that is not in the vocabulary; 0 where one of them has no token. */
static int model_bpe_add_bytes(const token_model *m, word *w, const text *spelt) {
    for (size_t i = 0; i < spelt->len; i++)
        if (model_vocabulary_byte(&m->vocabulary, (unsigned char)spelt->s[i]) < 0) return 0;
    for (size_t i = 0; i < spelt->len; i++)
        add_symbol(w, model_vocabulary_byte(&m->vocabulary, (unsigned char)spelt->s[i]), 1);
    return 1;
}

/* One symbol a character, with prefix and suffix where they belong. Unknown characters are one symbol each, or with
 * fuse_unk one for neighbours. */
static ss_status spell(const token_model *m, const char *s, size_t n, word *w, ss_error *err) {
    const bpe_rules *b = &m->bpe;
    uint32_t pending = 0; /* bytes of an unknown symbol that was not added yet */
    text spelt = {0};
    ss_status status = SS_OK;
    int32_t cp;
    for (size_t i = 0, step; i < n && status == SS_OK; i += step) {
        step = unicode_next(s + i, n - i, &cp);
        spelt.len = 0;
        if (i > 0) text_add(&spelt, b->prefix);
        text_add_n(&spelt, s + i, step);
        if (i + step == n) text_add(&spelt, b->suffix);
        if (spelt.failed) status = error_no_memory(err, "a prompt", n);
        int32_t id = status == SS_OK ? model_vocabulary_id(&m->vocabulary, spelt.s, spelt.len) : -1;
        if (id >= 0) {
            if (pending) add_symbol(w, b->unknown, pending);
            pending = 0;
            add_symbol(w, id, (uint32_t)step);
            continue;
        }
        if (status != SS_OK || (b->byte_fallback && model_bpe_add_bytes(m, w, &spelt)) || !b->has_unknown) continue;
        if (b->unknown < 0) status = model_no_unknown(m, err);
        if (pending && !b->fuse_unknown) {
            add_symbol(w, b->unknown, pending);
            pending = 0;
        }
        pending += (uint32_t)step;
    }
    if (pending) add_symbol(w, b->unknown, pending);
    text_free(&spelt);
    return status;
}

ss_status bpe_encode(const token_model *m, const char *s, size_t n, model_tokens *out, ss_error *err) {
    const bpe_rules *b = &m->bpe;
    int32_t whole = b->ignore_merges ? model_vocabulary_id(&m->vocabulary, s, n) : -1;
    if (whole >= 0) return model_tokens_add(out, whole, 0, n, err);
    size_t most = n + strlen(b->suffix) + (b->byte_fallback ? n * strlen(b->prefix) : 0) + 1;
    word w = {.at = malloc(most * sizeof *w.at), .queue = malloc(3 * most * sizeof *w.queue)};
    ss_status status = w.at && w.queue ? spell(m, s, n, &w, err) : error_no_memory(err, "a prompt", most);
    if (status == SS_OK) model_bpe_merge_all(b, &w);
    size_t from = 0;
    for (int i = 0; status == SS_OK && i < w.count; i++) {
        if (w.at[i].length == 0) continue;
        size_t end = from + w.at[i].length < n ? from + w.at[i].length : n; /* byte fallback counts the suffix too */
        status = model_tokens_add(out, w.at[i].id, from, end, err);
        from = end;
    }
    free(w.at);
    free(w.queue);
    return status;
}
