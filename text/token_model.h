/* The model of a tokenizer.json: pieces to ids. BPE, Unigram, WordPiece, WordLevel. */
#ifndef TEXT_TOKEN_MODEL_H
#define TEXT_TOKEN_MODEL_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/string_map.h"

enum { TOKEN_MODEL_MAX_ID = 1 << 24 };

/* What a model makes of a piece: ids, each of the bytes [start, end). */
typedef struct model_token {
    int32_t id;
    size_t start, end;
} model_token;

typedef struct model_tokens {
    model_token *at;
    int count;
    size_t capacity;
} model_tokens;

void model_tokens_free(model_tokens *list);
ss_status model_tokens_add(model_tokens *list, int32_t id, size_t start, size_t end, ss_error *err);

/* The vocabulary, which all models have. */
typedef struct model_vocabulary {
    char **texts;    /* [count] owned */
    int32_t *values; /* [count] its id */
    int count;
    size_t capacity;
    string_map ids;      /* text -> id */
    const char **pieces; /* [size] by id; NULL: a hole */
    int size;            /* ids are below this */
    size_t longest;      /* bytes of the longest text */
} model_vocabulary;

/* The id of a text, or -1. */
int32_t model_vocabulary_id(const model_vocabulary *v, const char *s, size_t n);

/* The id of a byte spelt as byte fallback does ("<0x0A>"), or -1. */
int32_t model_vocabulary_byte(const model_vocabulary *v, unsigned char byte);

/* Read-only after reading. */
typedef struct token_model token_model;

/* `tree`: the member "model". */
ss_status token_model_read(token_model **out, const json_t *tree, const char *where, ss_error *err);
void token_model_free(token_model *m); /* NULL is allowed */

/* Append the tokens of s[0..n), which is not empty. */
ss_status token_model_encode(const token_model *m, const char *s, size_t n, model_tokens *out, ss_error *err);

const model_vocabulary *token_model_vocabulary(const token_model *m);
const char *token_model_type(const token_model *m);   /* "BPE", ... */
const char *token_model_suffix(const token_model *m); /* BPE's end_of_word_suffix, "" otherwise */

#endif
