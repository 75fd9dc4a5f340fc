/* The common interface over the tokenizers of CLIP, T5 and BERT: start and end tokens, truncation, padding. */
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "text/added_tokens.h"
#include "text/clip_bpe.h"
#include "text/scorers/bert_wordpiece.h"
#include "text/scorers/simple_tokenizer.h"
#include "text/t5_unigram.h"
#include "text/token_builder.h"
#include "text/transformers5.h"
#include "text/unicode.h"

struct tokenizer {
    tokenizer_kind kind;
    json_tokenizer *json; /* by the rules of transformers 5; the others are NULL then */
    clip_bpe *clip;       /* else the one of its kind */
    simple_tokenizer *simple;
    t5_unigram *t5;
    bert_wordpiece *bert;
    int max_length, size;
    post_ids around; /* what stands before and after a text */
    int32_t padding;
};

static const char *const RULES[TOKENIZER_RULES_COUNT] = {
    [TOKENIZER_TRANSFORMERS_5] = "transformers-5", [TOKENIZER_TRANSFORMERS_4] = "transformers-4"};

const char *tokenizer_rules_name(tokenizer_rules rules) { return RULES[rules]; }

ss_status tokenizer_rules_find(const char *name, tokenizer_rules *out, const char *where, ss_error *err) {
    for (int i = 0; i < TOKENIZER_RULES_COUNT; i++)
        if (strcmp(RULES[i], name) == 0) return *out = (tokenizer_rules)i, SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "'%s' names no rules of tokenizers; expected %s or %s", name, RULES[0],
                     RULES[1]);
}

const char *token_class_name(token_class c) {
    static const char *const NAMES[] = {"start", "word", "end", "padding"};
    return NAMES[c];
}

const char *tokenizer_kind_name(tokenizer_kind k) {
    static const char *const NAMES[] = {"CLIP", "T5", "BERT"};
    return NAMES[k];
}

static ss_status tokenizer_read_kind(const tokenizer_files *f, tokenizer_kind *kind, ss_error *err) {
    static const struct {
        const char *name;
        tokenizer_kind kind;
    } CLASSES[] = {{"CLIPTokenizer", TOKENIZER_CLIP}, {"CLIPTokenizerFast", TOKENIZER_CLIP},
                   {"T5Tokenizer", TOKENIZER_T5},     {"T5TokenizerFast", TOKENIZER_T5},
                   {"BertTokenizer", TOKENIZER_BERT}, {"BertTokenizerFast", TOKENIZER_BERT}};
    const char *name;
    SS_TRY(json_get_text(f->config, "tokenizer_class", f->config_path, &name, err));
    for (size_t i = 0; i < sizeof CLASSES / sizeof CLASSES[0]; i++)
        if (strcmp(name, CLASSES[i].name) == 0) return *kind = CLASSES[i].kind, SS_OK;
    return error_set(err, SS_ERR_INPUT, f->config_path,
                     "has tokenizer_class '%s'; sinkscope knows CLIPTokenizer, T5Tokenizer and BertTokenizer", name);
}

/* Sides and switches that would change ids and that no SD3 pipeline sets. */
static ss_status tokenizer_check_sides(const tokenizer_files *f, ss_error *err) {
    static const char *const SIDES[] = {"padding_side", "truncation_side"};
    int split;
    for (int i = 0; i < 2; i++) {
        const char *side;
        SS_TRY(json_get_text_or(f->config, SIDES[i], f->config_path, "right", &side, err));
        if (strcmp(side, "right") != 0)
            return error_set(err, SS_ERR_INPUT, f->config_path, "has %s '%s'; only 'right' is supported", SIDES[i],
                             side);
    }
    SS_TRY(json_get_bool_or(f->config, "split_special_tokens", f->config_path, 0, &split, err));
    if (split) return error_set(err, SS_ERR_INPUT, f->config_path, "sets split_special_tokens, which is not supported");
    return SS_OK;
}

static ss_status tokenizer_read_folder(tokenizer *t, const tokenizer_files *f, ss_error *err) {
    double max_length = 0;
    SS_TRY(tokenizer_read_kind(f, &t->kind, err));
    SS_TRY(tokenizer_check_sides(f, err));
    SS_TRY(json_get_double_or(f->config, "model_max_length", f->config_path, 0, &max_length, err));
    t->max_length = max_length >= 1 && max_length <= TOKENIZER_MAX_LENGTH ? (int)max_length : 0;
    switch (t->kind) {
    case TOKENIZER_CLIP: return clip_bpe_open(&t->clip, f, err);
    case TOKENIZER_T5: return t5_unigram_open(&t->t5, f, err);
    case TOKENIZER_BERT: return bert_wordpiece_open_folder(&t->bert, f, err);
    }
    return error_set(err, SS_ERR_INTERNAL, f->folder, "a tokenizer of no kind");
}

static const clip_bpe *clip_of(const tokenizer *t) { return t->simple ? simple_tokenizer_bpe(t->simple) : t->clip; }

/* The facts that are asked for most, by kind. */
static void note_facts(tokenizer *t) {
    if (t->json) {
        t->size = json_tokenizer_size(t->json);
        return;
    }
    const clip_bpe *clip = clip_of(t);
    int32_t start = clip ? clip_bpe_start_id(clip) : t->bert ? bert_wordpiece_start_id(t->bert) : -1;
    int32_t end = clip ? clip_bpe_end_id(clip) : t->bert ? bert_wordpiece_end_id(t->bert) : t5_unigram_end_id(t->t5);
    t->padding = clip      ? clip_bpe_padding_id(clip)
                 : t->bert ? bert_wordpiece_padding_id(t->bert)
                           : t5_unigram_padding_id(t->t5);
    t->size = clip ? clip_bpe_size(clip) : t->bert ? bert_wordpiece_size(t->bert) : t5_unigram_size(t->t5);
    t->around = (post_ids){.before = {start}, .n_before = start >= 0, .after = {end}, .n_after = 1};
}

static ss_status tokenizer_finish(tokenizer **out, tokenizer *t, ss_status status) {
    if (status == SS_OK) {
        note_facts(t);
        *out = t;
    } else tokenizer_close(t);
    return status;
}

static tokenizer *tokenizer_begin(tokenizer **out, tokenizer_kind kind, int max_length) {
    *out = NULL;
    tokenizer *t = calloc(1, sizeof *t);
    if (t) *t = (tokenizer){.kind = kind, .max_length = max_length};
    return t;
}

/* Takes over what transformers 5 would build. */
static ss_status finish_json(tokenizer **out, ss_status status, const transformers5 *made, const char *where,
                             ss_error *err) {
    *out = NULL;
    SS_TRY(status);
    tokenizer *t = calloc(1, sizeof *t);
    if (!t) {
        json_tokenizer_close(made->json);
        return error_no_memory(err, where, sizeof *t);
    }
    *t = (tokenizer){.kind = made->kind,
                     .json = made->json,
                     .max_length = made->max_length,
                     .around = made->around,
                     .padding = made->padding};
    return tokenizer_finish(out, t, SS_OK);
}

ss_status tokenizer_open(tokenizer **out, const char *folder, const char *class_name, tokenizer_rules rules,
                         ss_error *err) {
    tokenizer_files files;
    transformers5 made;
    *out = NULL;
    if (rules == TOKENIZER_TRANSFORMERS_5)
        return finish_json(out, transformers5_open(&made, folder, class_name, err), &made, folder, err);
    SS_TRY(tokenizer_files_open(&files, folder, err));
    tokenizer *t = calloc(1, sizeof *t);
    ss_status status = t ? tokenizer_read_folder(t, &files, err) : error_no_memory(err, folder, sizeof *t);
    tokenizer_files_close(&files);
    return tokenizer_finish(out, t, status);
}

ss_status tokenizer_open_clip(tokenizer **out, const char *merges, const struct json_t *config, const char *where,
                              ss_error *err) {
    transformers5 made;
    return finish_json(out, transformers5_open_clip(&made, merges, config, where, err), &made, where, err);
}

static ss_status tokenizer_open_merges(tokenizer **out, const char *path, int open_clip, ss_error *err) {
    tokenizer *t = tokenizer_begin(out, TOKENIZER_CLIP, 77);
    return t ? tokenizer_finish(out, t, simple_tokenizer_open(&t->simple, path, open_clip, err))
             : error_no_memory(err, path, sizeof *t);
}

ss_status tokenizer_open_openai(tokenizer **out, const char *path, ss_error *err) {
    return tokenizer_open_merges(out, path, 0, err);
}

ss_status tokenizer_open_open_clip(tokenizer **out, const char *path, ss_error *err) {
    return tokenizer_open_merges(out, path, 1, err);
}

ss_status tokenizer_open_wordpiece(tokenizer **out, const char *vocab_path, const char *const *added, int n_added,
                                   tokenizer_rules rules, ss_error *err) {
    transformers5 made;
    if (rules == TOKENIZER_TRANSFORMERS_5)
        return finish_json(out, transformers5_open_wordpiece(&made, vocab_path, added, n_added, err), &made, vocab_path,
                           err);
    tokenizer *t = tokenizer_begin(out, TOKENIZER_BERT, 512);
    return t ? tokenizer_finish(out, t, bert_wordpiece_open(&t->bert, vocab_path, added, n_added, err))
             : error_no_memory(err, vocab_path, sizeof *t);
}

void tokenizer_close(tokenizer *t) {
    if (!t) return;
    json_tokenizer_close(t->json);
    clip_bpe_close(t->clip);
    simple_tokenizer_close(t->simple);
    t5_unigram_close(t->t5);
    bert_wordpiece_close(t->bert);
    free(t);
}

tokenizer_kind tokenizer_get_kind(const tokenizer *t) { return t->kind; }
int tokenizer_max_length(const tokenizer *t) { return t->max_length; }
int tokenizer_vocabulary_size(const tokenizer *t) { return t->size; }
int32_t tokenizer_start_id(const tokenizer *t) { return t->around.n_before ? t->around.before[0] : -1; }
int32_t tokenizer_end_id(const tokenizer *t) { return t->around.n_after ? t->around.after[t->around.n_after - 1] : -1; }
int32_t tokenizer_padding_id(const tokenizer *t) { return t->padding; }

const char *tokenizer_piece(const tokenizer *t, int32_t id) {
    if (t->json) return json_tokenizer_piece(t->json, id);
    if (t->bert) return bert_wordpiece_piece(t->bert, id);
    return clip_of(t) ? clip_bpe_piece(clip_of(t), id) : t5_unigram_piece(t->t5, id);
}

void tokens_free(tokens *t) {
    for (int i = 0; i < t->word_count; i++) free(t->words[i]);
    free(t->words);
    free(t->at);
    *t = (tokens){0};
}

/* Cut to what fits before the end token, drop the words that are gone, end and pad. */
static ss_status tokenizer_fit(const tokenizer *t, int max_length, token_builder *b, ss_error *err) {
    tokens *o = &b->out;
    const post_ids *p = &t->around;
    o->untruncated = o->count + p->n_after;
    if (o->count > max_length - p->n_after) o->count = max_length - p->n_after;
    int last = o->count ? o->at[o->count - 1].word : -1; /* words are numbered in the order of their tokens */
    while (o->word_count > last + 1) free(o->words[--o->word_count]);
    for (int i = 0; i < p->n_after; i++) SS_TRY(token_builder_add(b, p->after[i], TOKEN_END, 0, err));
    o->used = o->count;
    while (o->count < max_length) SS_TRY(token_builder_add(b, tokenizer_padding_id(t), TOKEN_PADDING, 0, err));
    return SS_OK;
}

/* All tokens of the text but those at its end, none cut off. */
static ss_status encode_all(const tokenizer *t, const char *utf8, size_t n, token_builder *b, ss_error *err) {
    if (n > TOKENIZER_MAX_BYTES)
        return error_set(err, SS_ERR_INPUT, NULL, "the prompt has %zu bytes; at most %d are expected", n,
                         TOKENIZER_MAX_BYTES);
    size_t invalid = unicode_find_invalid(utf8, n);
    if (invalid < n)
        return error_set(err, SS_ERR_INPUT, NULL, "the prompt is not UTF-8: byte %zu is 0x%02X", invalid,
                         (unsigned char)utf8[invalid]);
    for (int i = 0; i < t->around.n_before; i++) SS_TRY(token_builder_add(b, t->around.before[i], TOKEN_START, 0, err));
    if (t->json) return json_tokenizer_encode(t->json, utf8, n, b, err);
    if (t->simple) return simple_tokenizer_encode(t->simple, utf8, n, b, err);
    return t->clip   ? clip_bpe_encode(t->clip, utf8, n, b, err)
           : t->bert ? bert_wordpiece_encode(t->bert, utf8, n, b, err)
                     : t5_unigram_encode(t->t5, utf8, n, b, err);
}

static ss_status check_length(const tokenizer *t, int max_length, ss_error *err) {
    int least = t->around.n_before + t->around.n_after > 2 ? t->around.n_before + t->around.n_after : 2;
    if (max_length >= least && max_length <= TOKENIZER_MAX_LENGTH) return SS_OK;
    return error_set(err, SS_ERR_USAGE, NULL, "max_length %d; expected %d .. %d", max_length, least,
                     TOKENIZER_MAX_LENGTH);
}

ss_status tokenizer_encode(const tokenizer *t, const char *utf8, int max_length, tokens *out, ss_error *err) {
    token_builder b = {0};
    *out = (tokens){0};
    SS_TRY(check_length(t, max_length, err));
    ss_status status = encode_all(t, utf8, strlen(utf8), &b, err);
    if (status == SS_OK) status = tokenizer_fit(t, max_length, &b, err);
    if (status == SS_OK) *out = b.out;
    else tokens_free(&b.out);
    return status;
}

/* ---- what truncation leaves out ---- */

/* Bytes of cleaned text that the first `n` tokens stand for. */
static int64_t covered(const tokens *o, int n) {
    int64_t bytes = 0;
    for (int i = 0; i < n && i < o->count; i++) bytes += o->at[i].bytes;
    return bytes;
}

/* The same of all tokens of the text's first n bytes. */
static ss_status covered_by_start(const tokenizer *t, const char *utf8, size_t n, int64_t *bytes, ss_error *err) {
    token_builder b = {0};
    ss_status status = encode_all(t, utf8, n, &b, err);
    *bytes = covered(&b.out, b.out.count);
    tokens_free(&b.out);
    return status;
}

static size_t character_end(const char *s, size_t n, size_t i) {
    while (i < n && ((unsigned char)s[i] & 0xC0) == 0x80) i++;
    return i;
}

/* The shortest start of the text whose tokens stand for `wanted` bytes. How many a start has hardly depends on how its
 * tokens are cut, and grows with its length: looked for by doubling, then by halving. */
static ss_status find_start(const tokenizer *t, const char *utf8, size_t n, int64_t wanted, size_t *out,
                            ss_error *err) {
    size_t low = 0, high = character_end(utf8, n, (size_t)wanted < n ? (size_t)wanted : n); /* low is too short */
    int64_t have;
    for (;;) {
        SS_TRY(covered_by_start(t, utf8, high, &have, err));
        if (have >= wanted || high == n) break;
        low = high;
        high = character_end(utf8, n, 2 * high < n ? 2 * high : n);
    }
    while (high - low > 1) {
        size_t middle = character_end(utf8, high, low + (high - low) / 2);
        if (middle == high) middle = character_end(utf8, high, low + 1); /* the second half is one character */
        if (middle == high) break;
        SS_TRY(covered_by_start(t, utf8, middle, &have, err));
        if (have >= wanted) high = middle;
        else low = middle;
    }
    *out = high;
    return SS_OK;
}

ss_status tokenizer_find_cut(const tokenizer *t, const char *utf8, int max_length, token_cut *out, ss_error *err) {
    token_builder b = {0};
    size_t n = strlen(utf8);
    SS_TRY(check_length(t, max_length, err));
    ss_status status = encode_all(t, utf8, n, &b, err);
    int all = b.out.count + t->around.n_after;
    *out = (token_cut){.tokens = all, .kept = all, .from = n};
    if (status == SS_OK && out->tokens > max_length) {
        out->kept = max_length;
        status = find_start(t, utf8, n, covered(&b.out, max_length - t->around.n_after), &out->from, err);
    }
    tokens_free(&b.out);
    return status;
}
