/* GPT-2's alphabet for bytes: each of the 256 has a printable character, so that a vocabulary of text can hold any
 * byte. Source: bytes_char of tokenizers/src/pre_tokenizers/byte_level.rs. */
#ifndef TEXT_BYTE_LEVEL_H
#define TEXT_BYTE_LEVEL_H

#include <stddef.h>
#include "base/text.h"

/* Append the characters of n bytes. */
void byte_level_add(text *out, const char *s, size_t n);

/* Append the bytes that the characters s[0..n) (valid UTF-8) stand for; 0 where one stands for none. */
int byte_level_add_bytes(text *out, const char *s, size_t n);

#endif
