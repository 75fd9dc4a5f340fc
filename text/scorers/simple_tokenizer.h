/* SimpleTokenizer, the tokenizer of openai/CLIP, open_clip 3.3.0 and hpsv2 1.2.0: CLIP's BPE (text/clip_bpe.h) over text
 * that is repaired as by ftfy 6.3.1, with HTML references undone twice and spaces collapsed. */
#ifndef SCORERS_SIMPLE_TOKENIZER_H
#define SCORERS_SIMPLE_TOKENIZER_H

#include "text/clip_bpe.h"

typedef struct simple_tokenizer simple_tokenizer;

/* `path` and `open_clip` as in clip_bpe_open_openai. */
ss_status simple_tokenizer_open(simple_tokenizer **out, const char *path, int open_clip, ss_error *err);
void simple_tokenizer_close(simple_tokenizer *t); /* NULL is allowed */

/* Append the tokens of valid UTF-8 (no NUL in it), without start and end, untruncated. */
ss_status simple_tokenizer_encode(const simple_tokenizer *t, const char *s, size_t n, token_builder *b, ss_error *err);

const clip_bpe *simple_tokenizer_bpe(const simple_tokenizer *t); /* ids, pieces, size */

#endif
