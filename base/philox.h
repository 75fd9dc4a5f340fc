/* Philox4x32-10: the counter-based generator of all of sinkscope's own randomness (random selectors, bootstrap,
 * sampling of prompts). Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, and
 * Random123's known-answer vectors. A stream is named, not advanced: the same name gives the same numbers in
 * every run, on any thread, in any order. */
#ifndef BASE_PHILOX_H
#define BASE_PHILOX_H

#include <stdint.h>

/* One block: 128-bit counter, 64-bit key -> 4 words. */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

typedef struct philox {
    uint32_t key[2], counter[4], block[4];
    int used; /* words of `block` already handed out; 4 = none left */
} philox;

/* The stream named by `seed` and `n` further parts (strings by philox_hash_text). The parts are folded into
 * key and upper counter by a keyed chain of philox blocks, so no two names share a stream in practice. */
void philox_init(philox *r, uint64_t seed, const uint64_t *parts, int n);

uint64_t philox_hash_text(const char *utf8); /* FNV-1a, 64 bits */

/* Pass over n blocks of four words; the rest of the current block is dropped. */
void philox_skip(philox *r, uint64_t n);

uint32_t philox_u32(philox *r);
uint64_t philox_u64(philox *r);
uint32_t philox_below(philox *r, uint32_t n); /* uniform on 0 .. n-1, n >= 1, without bias (Lemire 2019) */
double philox_uniform(philox *r);             /* [0, 1), 53 bits */
double philox_normal(philox *r);              /* N(0, 1), Box-Muller on two uniforms: one block */

#endif
