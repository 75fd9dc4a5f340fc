/* The tokenizer that a tokenizer.json describes, or that transformers 5 builds from other files: normalizer,
 * pre_tokenizer, model and added tokens, as Hugging Face's tokenizers runs them. */
#ifndef TEXT_JSON_TOKENIZER_H
#define TEXT_JSON_TOKENIZER_H

#include <jansson.h>
#include "text/added_vocabulary.h"
#include "text/token_builder.h"

/* Read-only after json_tokenizer_finish. */
typedef struct json_tokenizer json_tokenizer;

/* From the trees of its parts; `where` names the file that they come from. */
ss_status json_tokenizer_open(json_tokenizer **out, const json_t *normal, const json_t *pre, const json_t *model,
                              const char *where, ss_error *err);
void json_tokenizer_close(json_tokenizer *t); /* NULL is allowed */

/* One call of add_tokens. */
ss_status json_tokenizer_add(json_tokenizer *t, const added_request *list, int n, ss_error *err);
ss_status json_tokenizer_finish(json_tokenizer *t, int split_special_tokens, ss_error *err);

const added_vocabulary *json_tokenizer_added(const json_tokenizer *t);
int32_t json_tokenizer_id(const json_tokenizer *t, const char *content); /* -1: none */
const char *json_tokenizer_model(const json_tokenizer *t);               /* "BPE", ... */
int json_tokenizer_size(const json_tokenizer *t);                        /* ids are below this */
const char *json_tokenizer_piece(const json_tokenizer *t, int32_t id);   /* NULL: no such id */

/* Append the tokens of valid UTF-8, without those of the post_processor, untruncated. */
ss_status json_tokenizer_encode(const json_tokenizer *t, const char *s, size_t n, token_builder *b, ss_error *err);

#endif
