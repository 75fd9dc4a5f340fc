/* sentencepiece's precompiled normalization table (nmt_nfkc and the like) as Hugging Face's tokenizers apply it.
 * Source: the crate spm_precompiled, src/lib.rs, and tokenizers/src/normalizers/precompiled.rs. */
#ifndef TEXT_CHARSMAP_H
#define TEXT_CHARSMAP_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

/* Points into the bytes given to charsmap_read, which must outlive it. */
typedef struct charsmap {
    const unsigned char *trie; /* [units] little-endian uint32, unaligned */
    size_t units;
    const char *replacements; /* strings, each ended by NUL */
    size_t size;
} charsmap;

ss_status charsmap_read(charsmap *c, const unsigned char *bytes, size_t size, const char *where, ss_error *err);

/* Append the normalized form of s. */
void charsmap_add(const charsmap *c, const char *s, size_t n, text *out);

#endif
