/* Encoding with T5's unigram model: cut out added tokens, normalize, split at spaces, find the best path of pieces.
 * The order and the oddities are those of Hugging Face's tokenizers; scores are summed in double as there. Opening a
 * folder is in t5_vocabulary.c. */
#include "text/t5_unigram.h"

#include <stdlib.h>
#include <string.h>

#include "text/t5_vocabulary.h"
#include "text/unicode.h"

static const char SPACE_SIGN[] = "\xE2\x96\x81"; /* U+2581, which stands for a space */
enum { SIGN_SIZE = 3 };

struct t5_unigram {
    t5_vocabulary vocabulary;
};

ss_status t5_unigram_open(t5_unigram **out, const tokenizer_files *files, ss_error *err) {
    *out = NULL;
    t5_unigram *t = calloc(1, sizeof *t);
    if (!t) return error_no_memory(err, files->folder, sizeof *t);
    ss_status status = t5_vocabulary_open(&t->vocabulary, files, err);
    if (status == SS_OK) *out = t;
    else free(t);
    return status;
}

void t5_unigram_close(t5_unigram *t) {
    if (!t) return;
    t5_vocabulary_close(&t->vocabulary);
    free(t);
}

static int starts_with_sign(const char *s, size_t n) { return n >= SIGN_SIZE && memcmp(s, SPACE_SIGN, SIGN_SIZE) == 0; }

/* Best path to each byte, as Unigram::encode_optimized of tokenizers/src/models/unigram/model.rs. */
typedef struct node {
    double score;
    int32_t id;
    int32_t start; /* -1: not reached */
} node;

static void t5_unigram_relax(node *to, double score, int32_t id, size_t start) {
    if (to->start >= 0 && score <= to->score) return;
    *to = (node){score, id, (int32_t)start};
}

static void t5_unigram_find_paths(const t5_vocabulary *v, const char *s, size_t n, node *best) {
    for (size_t i = 0; i <= n; i++) best[i] = (node){0, 0, -1};
    int32_t cp;
    for (size_t i = 0, step; i < n; i += step) {
        step = unicode_next(s + i, n - i, &cp);
        uint64_t hash = STRING_MAP_SEED;
        int single = 0;
        for (size_t k = 1; k <= n - i && k <= v->longest; k++) {
            hash = string_map_step(hash, (unsigned char)s[i + k - 1]);
            if (i + k < n && ((unsigned char)s[i + k] & 0xC0) == 0x80) continue; /* within a character */
            int32_t id = string_map_get_hashed(&v->ids, hash, s + i, k);
            if (id < 0) continue;
            t5_unigram_relax(&best[i + k], (double)v->model.pieces[id].score + best[i].score, id, i);
            single |= k == step;
        }
        if (!single) t5_unigram_relax(&best[i + step], v->unknown_score + best[i].score, v->model.unk_id, i);
    }
}

/* One chunk: an optional replacement character and the text up to the next one. Neighbouring unknown pieces become one
 * token. */
static ss_status encode_chunk(const t5_vocabulary *v, const char *s, size_t n, token_builder *b, ss_error *err) {
    node *best = malloc((n + 1) * sizeof *best);
    size_t *ends = calloc(n + 1, sizeof *ends); /* by start of a piece on the best path: its end */
    ss_status status = best && ends ? SS_OK : error_no_memory(err, "a prompt", (n + 1) * sizeof *best);
    if (status == SS_OK) {
        t5_unigram_find_paths(v, s, n, best);
        for (size_t end = n; end > 0; end = (size_t)best[end].start) ends[best[end].start] = end;
    }
    for (size_t i = 0, end; status == SS_OK && i < n; i = end) {
        end = ends[i];
        int32_t id = best[end].id, unknown = v->model.unk_id;
        while (id == unknown && end < n && best[ends[end]].id == unknown) end = ends[end];
        status = token_builder_spaced(b, SPACE_SIGN, i == 0, s + i, end - i, id, err);
    }
    free(best);
    free(ends);
    return status;
}

/* Metaspace: spaces become the replacement character, one is put in front by the scheme, and chunks begin at it. */
static ss_status encode_metaspace(const t5_vocabulary *v, const char *s, size_t n, int is_first, token_builder *b,
                                  ss_error *err) {
    text marked = {0};
    t5_prefix prefix = v->steps.prefix;
    int wanted = prefix == T5_PREFIX_ALWAYS || (prefix == T5_PREFIX_FIRST && is_first);
    if (n == 0) return SS_OK;
    if (wanted && *s != ' ' && !starts_with_sign(s, n)) text_add(&marked, SPACE_SIGN);
    for (size_t i = 0; i < n; i++) text_add_n(&marked, s[i] == ' ' ? SPACE_SIGN : s + i, s[i] == ' ' ? SIGN_SIZE : 1);
    ss_status status = marked.failed ? error_no_memory(err, "a prompt", n) : SS_OK;
    for (size_t i = 0, end; status == SS_OK && i < marked.len; i = end) {
        for (end = i + 1; end < marked.len && !starts_with_sign(marked.s + end, marked.len - end);) end++;
        status = encode_chunk(v, marked.s + i, end - i, b, err);
    }
    text_free(&marked);
    return status;
}

/* The pre-tokenizer: WhitespaceSplit where the folder has it, then Metaspace. */
static ss_status encode_normalized(const t5_vocabulary *v, const char *s, size_t n, int is_first, token_builder *b,
                                   ss_error *err) {
    int32_t cp;
    if (!v->steps.split_spaces) return encode_metaspace(v, s, n, is_first, b, err);
    for (size_t i = 0, start = 0, step; i <= n; i += step) {
        step = i < n ? unicode_next(s + i, n - i, &cp) : 1;
        if (i < n && !unicode_is_space(cp)) continue;
        SS_TRY(encode_metaspace(v, s + start, i - start, is_first && start == 0, b, err));
        start = i + step;
    }
    return SS_OK;
}

typedef ss_status encode_part(const t5_vocabulary *v, const char *s, size_t n, int is_first, token_builder *b,
                              ss_error *err);

/* AddedVocabulary::find_matches: added tokens become tokens, `rest` takes what lies between. */
static ss_status cut_added(const t5_vocabulary *v, int normalized, const char *s, size_t n, int is_first,
                           encode_part rest, token_builder *b, ss_error *err) {
    size_t done = 0, from = 0, start, end;
    int k;
    while ((k = added_tokens_match(&v->added, normalized, s, n, from, &start, &end)) >= 0) {
        const added_token *t = &v->added.at[k];
        from = end;
        /* the next match is looked for right after this one; the spaces may reach further */
        if (start < done) start = done;
        if (t->lstrip) start = unicode_spaces_before(s, done, start);
        if (t->rstrip) end = unicode_skip_spaces(s, n, end);
        SS_TRY(rest(v, s + done, start - done, is_first && done == 0, b, err));
        SS_TRY(token_builder_word(b, t->content, strlen(t->content), err));
        SS_TRY(token_builder_add(b, t->id, TOKEN_WORD, strlen(t->content), err));
        done = end;
    }
    return done < n ? rest(v, s + done, n - done, is_first && done == 0, b, err) : SS_OK;
}

/* Returns how many bytes went at the start. */
static size_t strip(const t5_step *step, text *t) {
    size_t start = step->strip_left ? unicode_skip_spaces(t->s, t->len, 0) : 0;
    size_t end = step->strip_right ? unicode_spaces_before(t->s, start, t->len) : t->len;
    memmove(t->s, t->s + start, end - start);
    t->len = end - start;
    return start;
}

static void replace_spaces(const char *replacement, const text *in, text *out) {
    for (size_t i = 0; i < in->len;) {
        size_t run = 0;
        while (i + run < in->len && in->s[i + run] == ' ') run++;
        if (run >= 2) text_add(out, replacement);
        else text_add_n(out, in->s + i, run ? run : 1);
        i += run ? run : 1;
    }
}

ss_status t5_normalize(const t5_vocabulary *v, const char *s, size_t n, text *out, size_t *stripped, ss_error *err) {
    text next = {0};
    *stripped = 0;
    text_add_n(out, s, n);
    for (int i = 0; i < v->steps.count && !out->failed && out->len; i++) {
        const t5_step *step = &v->steps.normalizer[i];
        if (step->kind == T5_STRIP) {
            *stripped += strip(step, out);
            continue;
        }
        if (step->kind == T5_CHARSMAP) charsmap_add(&v->charsmap, out->s, out->len, &next);
        else replace_spaces(step->replacement, out, &next);
        text_free(out);
        *out = next;
        next = (text){0};
    }
    return out->failed ? error_no_memory(err, "a prompt", n) : SS_OK;
}

/* A part of the raw text between added tokens. */
static ss_status encode_raw(const t5_vocabulary *v, const char *s, size_t n, int is_first, token_builder *b,
                            ss_error *err) {
    text normal = {0};
    size_t stripped;
    ss_status status = t5_normalize(v, s, n, &normal, &stripped, err);
    is_first = is_first && stripped == 0; /* prepend_scheme first looks at the place in the raw text */
    if (status == SS_OK) status = cut_added(v, 1, normal.s, normal.len, is_first, encode_normalized, b, err);
    text_free(&normal);
    return status;
}

ss_status t5_unigram_encode(const t5_unigram *t, const char *s, size_t n, token_builder *b, ss_error *err) {
    return cut_added(&t->vocabulary, 0, s, n, 1, encode_raw, b, err);
}

int32_t t5_unigram_end_id(const t5_unigram *t) { return t->vocabulary.end; }
int32_t t5_unigram_padding_id(const t5_unigram *t) { return t->vocabulary.padding; }
int t5_unigram_size(const t5_unigram *t) { return t->vocabulary.size; }

const char *t5_unigram_piece(const t5_unigram *t, int32_t id) {
    const t5_vocabulary *v = &t->vocabulary;
    if (id >= 0 && id < v->model.count) return v->model.pieces[id].text;
    for (int i = 0; i < v->added.count; i++)
        if (v->added.at[i].id == id) return v->added.at[i].content;
    return NULL;
}
