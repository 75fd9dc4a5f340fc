/* Bytes as text and back: base64 with padding and without line feeds (RFC 4648, section 4). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>
#include "base/text.h"

void base64_add(text *out, const void *bytes, size_t n);

/* The bytes of the `n` characters of `s`, into room for n / 4 * 3 of them: 0, or -1 where they are not what base64_add
 * writes of some bytes: another length than a multiple of 4, another character, padding elsewhere than at the end, bits
 * in the last character that are no byte's. */
int base64_read(const char *s, size_t n, unsigned char *out, size_t *size);

#endif
