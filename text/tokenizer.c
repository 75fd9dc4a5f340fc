/* The common interface over CLIP's and T5's tokenizers: start and end tokens, truncation, padding. */
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "text/added_tokens.h"
#include "text/clip_bpe.h"
#include "text/t5_unigram.h"
#include "text/token_builder.h"
#include "text/unicode.h"

struct tokenizer {
    tokenizer_kind kind;
    clip_bpe *clip; /* or NULL */
    t5_unigram *t5; /* or NULL */
    int max_length;
};

const char *token_class_name(token_class c) {
    static const char *const NAMES[] = {"start", "word", "end", "padding"};
    return NAMES[c];
}

const char *tokenizer_kind_name(tokenizer_kind k) { return k == TOKENIZER_CLIP ? "CLIP" : "T5"; }

static ss_status read_kind(const tokenizer_files *f, tokenizer_kind *kind, ss_error *err) {
    static const char *const CLASSES[] = {"CLIPTokenizer", "CLIPTokenizerFast", "T5Tokenizer", "T5TokenizerFast"};
    const char *name;
    SS_TRY(json_get_text(f->config, "tokenizer_class", f->config_path, &name, err));
    for (int i = 0; i < 4; i++)
        if (strcmp(name, CLASSES[i]) == 0) return *kind = i < 2 ? TOKENIZER_CLIP : TOKENIZER_T5, SS_OK;
    return error_set(err, SS_ERR_INPUT, f->config_path,
                     "has tokenizer_class '%s'; sinkscope knows CLIPTokenizer and T5Tokenizer", name);
}

/* Sides and switches that would change ids and that no SD3 pipeline sets. */
static ss_status check_sides(const tokenizer_files *f, ss_error *err) {
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

static ss_status read_folder(tokenizer *t, const tokenizer_files *f, ss_error *err) {
    double max_length = 0;
    SS_TRY(read_kind(f, &t->kind, err));
    SS_TRY(check_sides(f, err));
    SS_TRY(json_get_double_or(f->config, "model_max_length", f->config_path, 0, &max_length, err));
    t->max_length = max_length >= 1 && max_length <= TOKENIZER_MAX_LENGTH ? (int)max_length : 0;
    return t->kind == TOKENIZER_CLIP ? clip_bpe_open(&t->clip, f, err) : t5_unigram_open(&t->t5, f, err);
}

ss_status tokenizer_open(tokenizer **out, const char *folder, ss_error *err) {
    tokenizer_files files;
    *out = NULL;
    SS_TRY(tokenizer_files_open(&files, folder, err));
    tokenizer *t = calloc(1, sizeof *t);
    ss_status status = t ? read_folder(t, &files, err) : error_no_memory(err, folder, sizeof *t);
    tokenizer_files_close(&files);
    if (status == SS_OK) *out = t;
    else tokenizer_close(t);
    return status;
}

void tokenizer_close(tokenizer *t) {
    if (!t) return;
    clip_bpe_close(t->clip);
    t5_unigram_close(t->t5);
    free(t);
}

tokenizer_kind tokenizer_get_kind(const tokenizer *t) { return t->kind; }
int tokenizer_max_length(const tokenizer *t) { return t->max_length; }
int tokenizer_vocabulary_size(const tokenizer *t) { return t->clip ? clip_bpe_size(t->clip) : t5_unigram_size(t->t5); }
int32_t tokenizer_start_id(const tokenizer *t) { return t->clip ? clip_bpe_start_id(t->clip) : -1; }
int32_t tokenizer_end_id(const tokenizer *t) { return t->clip ? clip_bpe_end_id(t->clip) : t5_unigram_end_id(t->t5); }

int32_t tokenizer_padding_id(const tokenizer *t) {
    return t->clip ? clip_bpe_padding_id(t->clip) : t5_unigram_padding_id(t->t5);
}

const char *tokenizer_piece(const tokenizer *t, int32_t id) {
    return t->clip ? clip_bpe_piece(t->clip, id) : t5_unigram_piece(t->t5, id);
}

void tokens_free(tokens *t) {
    for (int i = 0; i < t->word_count; i++) free(t->words[i]);
    free(t->words);
    free(t->at);
    *t = (tokens){0};
}

/* Cut to what fits before the end token, drop the words that are gone, end and pad. */
static ss_status fit(const tokenizer *t, int max_length, token_builder *b, ss_error *err) {
    tokens *o = &b->out;
    o->untruncated = o->count + 1;
    if (o->count > max_length - 1) o->count = max_length - 1;
    int last = o->count ? o->at[o->count - 1].word : -1; /* words are numbered in the order of their tokens */
    while (o->word_count > last + 1) free(o->words[--o->word_count]);
    SS_TRY(token_builder_add(b, tokenizer_end_id(t), TOKEN_END, err));
    o->used = o->count;
    while (o->count < max_length) SS_TRY(token_builder_add(b, tokenizer_padding_id(t), TOKEN_PADDING, err));
    return SS_OK;
}

ss_status tokenizer_encode(const tokenizer *t, const char *utf8, int max_length, tokens *out, ss_error *err) {
    token_builder b = {0};
    size_t n = strlen(utf8);
    *out = (tokens){0};
    if (max_length < 2 || max_length > TOKENIZER_MAX_LENGTH)
        return error_set(err, SS_ERR_USAGE, NULL, "max_length %d; expected 2 .. %d", max_length, TOKENIZER_MAX_LENGTH);
    if (n > TOKENIZER_MAX_BYTES)
        return error_set(err, SS_ERR_INPUT, NULL, "the prompt has %zu bytes; at most %d are expected", n,
                         TOKENIZER_MAX_BYTES);
    size_t invalid = unicode_find_invalid(utf8, n);
    if (invalid < n)
        return error_set(err, SS_ERR_INPUT, NULL, "the prompt is not UTF-8: byte %zu is 0x%02X", invalid,
                         (unsigned char)utf8[invalid]);
    ss_status status = t->clip ? token_builder_add(&b, tokenizer_start_id(t), TOKEN_START, err) : SS_OK;
    if (status == SS_OK)
        status = t->clip ? clip_bpe_encode(t->clip, utf8, n, &b, err) : t5_unigram_encode(t->t5, utf8, n, &b, err);
    if (status == SS_OK) status = fit(t, max_length, &b, err);
    if (status == SS_OK) *out = b.out;
    else tokens_free(&b.out);
    return status;
}
