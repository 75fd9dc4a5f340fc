/* Unigram: the path of pieces with the highest sum of scores. Source: Unigram::encode_optimized and tokenize of
 * tokenizers/src/models/unigram/model.rs; scores are summed in double as there. */
#include "text/token_model_parts.h"

#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "text/unicode.h"

static const double UNKNOWN_PENALTY = 10.0; /* K_UNK_PENALTY */

static ss_status read_scores(token_model *m, const json_t *tree, ss_error *err) {
    json_t *vocab;
    unigram_rules *u = &m->unigram;
    SS_TRY(json_get_array(tree, "vocab", m->where, &vocab, err));
    size_t n = json_array_size(vocab);
    if (n == 0 || n > TOKEN_MODEL_MAX_ID)
        return error_set(err, SS_ERR_INPUT, m->where, "has a vocabulary of %zu pieces; expected 1 .. %d", n,
                         TOKEN_MODEL_MAX_ID);
    u->scores = malloc(n * sizeof *u->scores);
    if (!u->scores) return error_no_memory(err, m->where, n * sizeof *u->scores);
    double lowest = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(vocab, i), *score = json_array_get(pair, 1);
        const char *piece = json_string_value(json_array_get(pair, 0));
        if (!piece || !json_is_number(score) || json_array_size(pair) != 2)
            return error_set(err, SS_ERR_INPUT, m->where, "entry %zu of the vocabulary is not a piece and a score", i);
        SS_TRY(model_add_text(m, piece, (int64_t)i, err));
        u->scores[i] = json_number_value(score);
        if (i == 0 || u->scores[i] < lowest) lowest = u->scores[i];
    }
    u->unknown_score = lowest - UNKNOWN_PENALTY;
    return SS_OK;
}

ss_status unigram_read(token_model *m, const json_t *tree, ss_error *err) {
    int64_t unknown;
    SS_TRY(read_scores(m, tree, err));
    SS_TRY(json_get_int_or(tree, "unk_id", m->where, -1, &unknown, err));
    SS_TRY(json_get_bool_or(tree, "byte_fallback", m->where, 0, &m->unigram.byte_fallback, err));
    if (unknown < -1 || unknown >= m->vocabulary.count)
        return error_set(err, SS_ERR_INPUT, m->where, "has unk_id %lld in a vocabulary of %d", (long long)unknown,
                         m->vocabulary.count);
    m->unigram.unknown = (int32_t)unknown;
    return SS_OK;
}

/* The best path to each byte. */
typedef struct node {
    double score;
    int32_t id;
    int32_t start; /* -1: not reached */
} node;

static void model_unigram_relax(node *to, double score, int32_t id, size_t start) {
    if (to->start >= 0 && !(score > to->score)) return;
    *to = (node){score, id, (int32_t)start};
}

static ss_status model_unigram_find_paths(const token_model *m, const char *s, size_t n, node *best, ss_error *err) {
    const unigram_rules *u = &m->unigram;
    int32_t cp;
    for (size_t i = 0; i <= n; i++) best[i] = (node){0, 0, -1};
    for (size_t i = 0, step; i < n; i += step) {
        step = unicode_next(s + i, n - i, &cp);
        uint64_t hash = STRING_MAP_SEED;
        int single = 0;
        for (size_t k = 1; k <= n - i && k <= m->vocabulary.longest; k++) {
            hash = string_map_step(hash, (unsigned char)s[i + k - 1]);
            if (i + k < n && ((unsigned char)s[i + k] & 0xC0) == 0x80) continue; /* within a character */
            int32_t id = string_map_get_hashed(&m->vocabulary.ids, hash, s + i, k);
            if (id < 0) continue;
            model_unigram_relax(&best[i + k], u->scores[id] + best[i].score, id, i);
            single |= k == step;
        }
        if (single) continue;
        if (u->unknown < 0) return model_no_unknown(m, err);
        model_unigram_relax(&best[i + step], u->unknown_score + best[i].score, u->unknown, i);
    }
    return SS_OK;
}

/* Neighbouring unknown pieces are one; what it reads may be a piece after all, or bytes, else it is unknown. */
static ss_status model_unigram_add_unknown(const token_model *m, const char *s, size_t start, size_t end,
                                           model_tokens *out, ss_error *err) {
    int32_t id = model_vocabulary_id(&m->vocabulary, s + start, end - start);
    int bytes = id < 0 && m->unigram.byte_fallback;
    for (size_t i = start; bytes && i < end; i++)
        bytes = model_vocabulary_byte(&m->vocabulary, (unsigned char)s[i]) >= 0;
    if (!bytes) return model_tokens_add(out, id < 0 ? m->unigram.unknown : id, start, end, err);
    for (size_t i = start; i < end; i++)
        SS_TRY(model_tokens_add(out, model_vocabulary_byte(&m->vocabulary, (unsigned char)s[i]), i, i + 1, err));
    return SS_OK;
}

ss_status unigram_encode(const token_model *m, const char *s, size_t n, model_tokens *out, ss_error *err) {
    node *best = malloc((n + 1) * sizeof *best);
    size_t *ends = calloc(n + 1, sizeof *ends); /* by start of a piece on the best path: its end */
    int32_t unknown = m->unigram.unknown;
    ss_status status = best && ends ? SS_OK : error_no_memory(err, "a prompt", (n + 1) * sizeof *best);
    if (status == SS_OK) status = model_unigram_find_paths(m, s, n, best, err);
    for (size_t end = n; status == SS_OK && end > 0; end = (size_t)best[end].start) ends[best[end].start] = end;
    for (size_t i = 0, end; status == SS_OK && i < n; i = end) {
        end = ends[i];
        if (unknown < 0 || best[end].id != unknown) {
            status = model_tokens_add(out, best[end].id, i, end, err);
            continue;
        }
        while (end < n && best[ends[end]].id == unknown) end = ends[end];
        status = model_unigram_add_unknown(m, s, i, end, out, err);
    }
    free(best);
    free(ends);
    return status;
}
