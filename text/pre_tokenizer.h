/* The pre_tokenizer of a tokenizer.json: how a normalized text is split into the pieces that the model sees. */
#ifndef TEXT_PRE_TOKENIZER_H
#define TEXT_PRE_TOKENIZER_H

#include <jansson.h>
#include "text/piece.h"

/* Read-only after reading. */
typedef struct pre_tokenizer pre_tokenizer;

/* `tree`: the member "pre_tokenizer"; NULL or null splits nothing. */
ss_status pre_tokenizer_read(pre_tokenizer **out, const json_t *tree, const char *where, ss_error *err);
void pre_tokenizer_free(pre_tokenizer *p); /* NULL is allowed */

/* Split every piece that is text. */
ss_status pre_tokenizer_apply(const pre_tokenizer *p, pieces *list, ss_error *err);

/* What pieces are written in after it. */
int pre_tokenizer_is_byte_level(const pre_tokenizer *p);
/* The character that stands for a space (Metaspace), "" where there is none. */
const char *pre_tokenizer_space(const pre_tokenizer *p);

ss_status pre_tokenizer_check_types(const json_t *tree, const char *where, ss_error *err);

#endif
