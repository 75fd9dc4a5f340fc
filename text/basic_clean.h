/* The first steps of BERT's BasicTokenizer, which transformers' CLIPTokenizer shares (where ftfy is not installed).
 * Source: transformers 4.57.1, models/bert/tokenization_bert.py, BasicTokenizer. */
#ifndef TEXT_BASIC_CLEAN_H
#define TEXT_BASIC_CLEAN_H

#include <stddef.h>
#include "base/text.h"

/* Append s (valid UTF-8) as _clean_text and _tokenize_chinese_chars leave it: controls and U+FFFD gone, white space of
 * category Zs made a space, every CJK ideograph between spaces. */
void basic_clean(const char *s, size_t n, text *out);

/* The next run of s[from..n) without white space (whitespace_tokenize): its start, its end in *end; n where none is
 * left. */
size_t basic_next_word(const char *s, size_t n, size_t from, size_t *end);

#endif
