/* Byte-level BPE as CLIP has it. Ids equal those of transformers 4.57.1's slow CLIPTokenizer (the class that diffusers'
 * SD3 pipelines name) where ftfy is not installed, the state of an environment made from the pipeline's requirements:
 * text is cleaned by BasicTokenizer, not repaired. With ftfy, ids of mangled text (mojibake, HTML entities, curly
 * quotes) differ. Source: transformers/models/clip/tokenization_clip.py, transformers/tokenization_utils.py. */
#ifndef TEXT_CLIP_BPE_H
#define TEXT_CLIP_BPE_H

#include "text/added_tokens.h"
#include "text/token_builder.h"

typedef struct clip_bpe clip_bpe;

/* Read vocab.json and merges.txt of the folder. */
ss_status clip_bpe_open(clip_bpe **out, const tokenizer_files *files, ss_error *err);
void clip_bpe_close(clip_bpe *c); /* NULL is allowed */

/* Append the tokens of valid UTF-8, without start and end, untruncated. */
ss_status clip_bpe_encode(const clip_bpe *c, const char *s, size_t n, token_builder *b, ss_error *err);

int32_t clip_bpe_start_id(const clip_bpe *c);
int32_t clip_bpe_end_id(const clip_bpe *c);
int32_t clip_bpe_padding_id(const clip_bpe *c);
int clip_bpe_size(const clip_bpe *c);                      /* ids are below this */
const char *clip_bpe_piece(const clip_bpe *c, int32_t id); /* NULL: no such id */

#endif
