/* T5's unigram tokenizer. Ids equal those of transformers 4.57.1's T5TokenizerFast (tokenizers 0.22.2), the class that
 * diffusers' SD3 pipelines name, opened on the same folder. Pieces and scores come from spiece.model; the steps around
 * them from tokenizer.json where the reference takes them from there, else from the rules by which it converts
 * spiece.model (SpmConverter in transformers/convert_slow_tokenizer.py). */
#ifndef TEXT_T5_UNIGRAM_H
#define TEXT_T5_UNIGRAM_H

#include "text/added_tokens.h"
#include "text/token_builder.h"

typedef struct t5_unigram t5_unigram;

ss_status t5_unigram_open(t5_unigram **out, const tokenizer_files *files, ss_error *err);
void t5_unigram_close(t5_unigram *t); /* NULL is allowed */

/* Append the tokens of valid UTF-8, without the end token, untruncated. */
ss_status t5_unigram_encode(const t5_unigram *t, const char *s, size_t n, token_builder *b, ss_error *err);

int32_t t5_unigram_end_id(const t5_unigram *t);
int32_t t5_unigram_padding_id(const t5_unigram *t);
int t5_unigram_size(const t5_unigram *t);
const char *t5_unigram_piece(const t5_unigram *t, int32_t id); /* NULL: no such id */

#endif
