/* Tokens and words while a text is being encoded. */
#ifndef TEXT_TOKEN_BUILDER_H
#define TEXT_TOKEN_BUILDER_H

#include <stddef.h>
#include "text/tokenizer.h"

/* Zero-initialise; on failure tokens_free(&b->out). */
typedef struct token_builder {
    tokens out;
    size_t capacity, word_capacity;
} token_builder;

/* Begin a word; the tokens that follow belong to it. */
ss_status token_builder_word(token_builder *b, const char *s, size_t n, ss_error *err);
/* Lengthen the word begun last. */
ss_status token_builder_lengthen(token_builder *b, const char *s, size_t n, ss_error *err);
/* A token of the word begun last (`cls` TOKEN_WORD) that stands for `bytes` of it, or of no word (0 bytes). */
ss_status token_builder_add(token_builder *b, int32_t id, token_class cls, size_t bytes, ss_error *err);

/* A token of a model whose pieces may begin with `space`, its character for a space ("" = it has none): it belongs to
 * the word before it unless it opens a piece or its first code point is of another kind than the last one. Kinds:
 * letters, marks and digits; everything else. */
ss_status token_builder_spaced(token_builder *b, const char *space, int opens, const char *s, size_t n, int32_t id,
                               ss_error *err);

#endif
