/* SHA-256 (FIPS 180-4), of bytes that come in pieces or at once. Nothing here allocates or fails. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* 64 lower-case hex digits and a terminator. */
typedef char sha256_hex[65];

enum { SHA256_BLOCK = 64 }; /* bytes */

/* `n` blocks of 64 bytes from `p` on. */
typedef void sha256_blocks(uint32_t state[8], const unsigned char *p, size_t n);

/* A checksum under way. Pieces of any size, split anywhere, give that of all bytes in order. */
typedef struct sha256 {
    uint32_t state[8];
    uint64_t size;                    /* bytes so far */
    unsigned char rest[SHA256_BLOCK]; /* the last size % 64 of them */
    sha256_blocks *blocks;
} sha256;

void sha256_begin(sha256 *s);
void sha256_add(sha256 *s, const void *data, size_t size); /* `data` may be NULL where size is 0 */
void sha256_end(sha256 *s, sha256_hex out);

void sha256_of(const void *data, size_t size, sha256_hex out);

#endif
