/* SHA-256 as in FIPS 180-4, sections 5 and 6.2. Blocks are hashed by the processor's SHA instructions where it has
 * them, else by plain C; both give the same bits, so SS_ISA does not choose between them. docs/SPEED.md has the times.
 */
#include "base/sha256.h"

#include <string.h>

/* Section 4.2.2. */
static const uint32_t ROUND_CONSTANTS[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static uint32_t big_endian_word(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One round: d and h get what the standard calls e and a of the next one, so that no value moves. */
#define ROUND(a, b, c, d, e, f, g, h, t)                                                                               \
    {                                                                                                                  \
        uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + ROUND_CONSTANTS[t] +  \
                      w[(t) % 16];                                                                                     \
        d += t1;                                                                                                       \
        h = t1 + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));                           \
    }

/* w[t % 16] of rounds t .. t+15, from those of the 16 before. */
static void next_words(uint32_t w[16]) {
    for (int t = 0; t < 16; t++) {
        uint32_t w15 = w[(t + 1) % 16], w2 = w[(t + 14) % 16];
        uint32_t s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ w15 >> 3, s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ w2 >> 10;
        w[t] += s0 + w[(t + 9) % 16] + s1;
    }
}

static void blocks_plain(uint32_t state[8], const unsigned char *p, size_t n) {
    for (; n > 0; n--, p += SHA256_BLOCK) {
        uint32_t w[16];
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 16; t++) w[t] = big_endian_word(p + 4 * t);
        for (int t = 0; t < 64; t += 8) {
            if (t > 0 && t % 16 == 0) next_words(w);
            ROUND(a, b, c, d, e, f, g, h, t)
            ROUND(h, a, b, c, d, e, f, g, t + 1)
            ROUND(g, h, a, b, c, d, e, f, t + 2)
            ROUND(f, g, h, a, b, c, d, e, t + 3)
            ROUND(e, f, g, h, a, b, c, d, t + 4)
            ROUND(d, e, f, g, h, a, b, c, t + 5)
            ROUND(c, d, e, f, g, h, a, b, t + 6)
            ROUND(b, c, d, e, f, g, h, a, t + 7)
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

/* Rounds 4i .. 4i+3, with the words w0 (w1, w2, w3: those of the next 12 rounds), which then become those of rounds
 * 4i+16 .. 4i+19. A sha256rnds2 does two rounds on {a, b, e, f} and {c, d, g, h}. */
#define FOUR_ROUNDS(i, w0)                                                                                             \
    sum = _mm_add_epi32(w0, _mm_loadu_si128((const __m128i *)(const void *)(ROUND_CONSTANTS + 4 * (i))));              \
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);                                                                     \
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
#define FOUR_ROUNDS_AND_WORDS(i, w0, w1, w2, w3)                                                                       \
    FOUR_ROUNDS(i, w0)                                                                                                 \
    w0 = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4)), w3);
#define SIXTEEN_ROUNDS_AND_WORDS(i)                                                                                    \
    FOUR_ROUNDS_AND_WORDS(i, w0, w1, w2, w3)                                                                           \
    FOUR_ROUNDS_AND_WORDS(i + 1, w1, w2, w3, w0)                                                                       \
    FOUR_ROUNDS_AND_WORDS(i + 2, w2, w3, w0, w1)                                                                       \
    FOUR_ROUNDS_AND_WORDS(i + 3, w3, w0, w1, w2)

__attribute__((target("sha,sse4.1"))) static __m128i load_words(const unsigned char *p) {
    const __m128i turn = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL); /* bytes of each word */
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), turn);
}

__attribute__((target("sha,sse4.1"))) static void blocks_sha(uint32_t state[8], const unsigned char *p, size_t n) {
    __m128i abcd = _mm_loadu_si128((const __m128i *)(const void *)state);
    __m128i efgh = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
    /* Lanes from the highest: {a, b, e, f} and {c, d, g, h}. */
    __m128i badc = _mm_shuffle_epi32(abcd, 0xB1), hgfe = _mm_shuffle_epi32(efgh, 0x1B);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, badc, 0xF0);
    for (; n > 0; n--, p += SHA256_BLOCK) {
        const __m128i abef_was = abef, cdgh_was = cdgh;
        __m128i w0 = load_words(p), w1 = load_words(p + 16), w2 = load_words(p + 32), w3 = load_words(p + 48), sum;
        SIXTEEN_ROUNDS_AND_WORDS(0)
        SIXTEEN_ROUNDS_AND_WORDS(4)
        SIXTEEN_ROUNDS_AND_WORDS(8)
        FOUR_ROUNDS(12, w0)
        FOUR_ROUNDS(13, w1)
        FOUR_ROUNDS(14, w2)
        FOUR_ROUNDS(15, w3)
        abef = _mm_add_epi32(abef, abef_was);
        cdgh = _mm_add_epi32(cdgh, cdgh_was);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* By cpuid: clang 14's __builtin_cpu_supports has no name for it. */
static sha256_blocks *best_blocks(void) {
    unsigned a, b, c, d;
    if (__builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA)) return blocks_sha;
    return blocks_plain;
}
#else
static sha256_blocks *best_blocks(void) { return blocks_plain; }
#endif

void sha256_begin(sha256 *s) {
    /* Section 5.3.3. */
    static const uint32_t INITIAL[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    *s = (sha256){.blocks = best_blocks()};
    memcpy(s->state, INITIAL, sizeof INITIAL);
}

void sha256_add(sha256 *s, const void *data, size_t size) {
    const unsigned char *p = data;
    size_t held = s->size % SHA256_BLOCK, fill = SHA256_BLOCK - held;
    if (size == 0) return;
    s->size += size;
    if (size < fill) {
        memcpy(s->rest + held, p, size);
        return;
    }
    if (held) {
        memcpy(s->rest + held, p, fill);
        s->blocks(s->state, s->rest, 1);
        p += fill;
        size -= fill;
    }
    s->blocks(s->state, p, size / SHA256_BLOCK);
    memcpy(s->rest, p + size / SHA256_BLOCK * SHA256_BLOCK, size % SHA256_BLOCK);
}

void sha256_end(sha256 *s, sha256_hex out) {
    static const char HEX[] = "0123456789abcdef";
    static const unsigned char PADDING[SHA256_BLOCK] = {0x80}; /* section 5.1.1: a one, zeros, the length in bits */
    const uint64_t bits = s->size * 8;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
    size_t held = s->size % SHA256_BLOCK;
    size_t end = held < SHA256_BLOCK - sizeof length ? SHA256_BLOCK : 2 * SHA256_BLOCK;
    sha256_add(s, PADDING, end - sizeof length - held);
    sha256_add(s, length, sizeof length);
    for (int i = 0; i < 64; i++) out[i] = HEX[s->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    out[64] = '\0';
}

void sha256_of(const void *data, size_t size, sha256_hex out) {
    sha256 s;
    sha256_begin(&s);
    sha256_add(&s, data, size);
    sha256_end(&s, out);
}
