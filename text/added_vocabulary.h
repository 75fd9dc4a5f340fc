/* Added tokens by the rules of Hugging Face's tokenizers: which id one gets, and where in a text it is found. Source:
 * tokenizers/src/tokenizer/added_vocabulary.rs. */
#ifndef TEXT_ADDED_VOCABULARY_H
#define TEXT_ADDED_VOCABULARY_H

#include <stddef.h>
#include <jansson.h>
#include "base/string_map.h"
#include "text/normalizer.h"
#include "text/pattern.h"
#include "text/piece.h"
#include "text/token_model.h"

typedef struct added_entry {
    char *content;
    char *pattern; /* what is looked for: the content, or its normalized form */
    int32_t id;
    int single_word, lstrip, rstrip, normalized, special;
} added_entry;

typedef struct added_vocabulary {
    added_entry *at;
    int count;
    size_t capacity;
    string_map contents;    /* content -> index */
    string_map patterns[2]; /* by `normalized`: pattern -> index */
    size_t longest[2];
    pattern *word;     /* one word character; NULL where no token needs it */
    int split_special; /* special tokens in a text are text */
} added_vocabulary;

void added_vocabulary_free(added_vocabulary *v);

/* A token as it is to be added. */
typedef struct added_request {
    const char *content;
    int single_word, lstrip, rstrip, special;
    int normalized; /* -1: as it is not special */
} added_request;

/* The members of an object with 'content', as AddedToken(**object) takes them. */
ss_status added_request_read(added_request *r, const json_t *object, const char *where, ss_error *err);

/* Add tokens as one call of add_tokens does: one that the model or an earlier call has keeps its id, others get the
 * next ids. An empty one is passed over. */
ss_status added_vocabulary_add(added_vocabulary *v, const added_request *list, int n, const token_model *m,
                               const char *where, ss_error *err);

/* After the last call of added_vocabulary_add. */
ss_status added_vocabulary_finish(added_vocabulary *v, const normalizer *n, const char *where, ss_error *err);

/* The id of a token, the model's vocabulary included; -1: none. */
int32_t added_vocabulary_id(const added_vocabulary *v, const token_model *m, const char *content);

/* Append the pieces of `from`: tokens of this `normalized`, and the text between them. */
ss_status added_vocabulary_split(const added_vocabulary *v, int normalized, const piece *from, pieces *out,
                                 ss_error *err);

#endif
