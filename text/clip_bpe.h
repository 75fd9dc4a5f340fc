/* Byte-level BPE as CLIP has it, in two flavours that clean the text before it differently.
 *   transformers: ids equal those of transformers 4.57.1's slow CLIPTokenizer (the class that diffusers' SD3 pipelines
 * name) where ftfy is not installed, the state of an environment made from the pipeline's requirements: text is cleaned
 * by BasicTokenizer, not repaired. Source: transformers/models/clip/tokenization_clip.py, tokenization_utils.py.
 *   OpenAI's: ids equal those of SimpleTokenizer in openai/CLIP (clip/simple_tokenizer.py), open_clip 3.3.0 and
 * hpsv2 1.2.0: padding is 0, and the text is cleaned before (text/scorers/simple_tokenizer.h). open_clip and hpsv2 spell the special tokens otherwise than OpenAI (<start_of_text>, not
 * <|startoftext|>), which matters for prompts that hold one. */
#ifndef TEXT_CLIP_BPE_H
#define TEXT_CLIP_BPE_H

#include "text/added_tokens.h"
#include "text/token_builder.h"

typedef struct clip_bpe clip_bpe;

/* Read vocab.json and merges.txt of the folder. */
ss_status clip_bpe_open(clip_bpe **out, const tokenizer_files *files, ss_error *err);
/* OpenAI's flavour, from a file of merges (plain or .gz) or a folder with vocab.json and merges.txt. `open_clip`:
 * special tokens as open_clip spells them. */
ss_status clip_bpe_open_openai(clip_bpe **out, const char *path, int open_clip, ss_error *err);
void clip_bpe_close(clip_bpe *c); /* NULL is allowed */

/* Append the tokens of valid UTF-8 (no NUL in it), without start and end, untruncated; cleaned as transformers does. */
ss_status clip_bpe_encode(const clip_bpe *c, const char *s, size_t n, token_builder *b, ss_error *err);
/* The same of text that has been cleaned: lower-cased, split, merged. */
ss_status clip_bpe_encode_cleaned(const clip_bpe *c, const char *s, size_t n, token_builder *b, ss_error *err);

int32_t clip_bpe_start_id(const clip_bpe *c);
int32_t clip_bpe_end_id(const clip_bpe *c);
int32_t clip_bpe_padding_id(const clip_bpe *c);
int clip_bpe_size(const clip_bpe *c);                      /* ids are below this */
const char *clip_bpe_piece(const clip_bpe *c, int32_t id); /* NULL: no such id */

#endif
