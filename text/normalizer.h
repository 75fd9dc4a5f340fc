/* The normalizer of a tokenizer.json: what happens to a text before it is split. */
#ifndef TEXT_NORMALIZER_H
#define TEXT_NORMALIZER_H

#include <jansson.h>
#include "text/piece.h"

/* Read-only after reading. */
typedef struct normalizer normalizer;

/* `tree`: the member "normalizer"; NULL or null normalizes nothing. */
ss_status normalizer_read(normalizer **out, const json_t *tree, const char *where, ss_error *err);
void normalizer_free(normalizer *n); /* NULL is allowed */

ss_status normalizer_apply(const normalizer *n, piece *p, ss_error *err);

/* That every type in the tree is known, and no more: for files of which transformers uses the vocabulary alone. */
ss_status normalizer_check_types(const json_t *tree, const char *where, ss_error *err);

#endif
