/* Normal numbers from a philox stream, on one instruction set (KERNEL_ISA; kernel.h): what philox_normal gives, a
 * vector of blocks at a time. Without fused multiply-adds and without libm, so that a number's bits depend neither on
 * where it stands nor on the instruction set; before they are rounded to float they are within 2e-15 of philox_normal's
 * (times the largest normal there is, 8.6). */
#include "tensor/kernel.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

#if defined(__AVX512F__)
enum { LANES = 8 };
#elif defined(__AVX2__)
enum { LANES = 4 };
#else
enum { LANES = 2 };
#endif

typedef uint64_t uvec __attribute__((vector_size(LANES * 8)));
typedef int64_t ivec __attribute__((vector_size(LANES * 8)));
typedef double dvec __attribute__((vector_size(LANES * 8)));
typedef float fvec __attribute__((vector_size(LANES * 4)));

#if defined(__AVX512F__)
static inline uvec product(uvec a, uvec b) { return (uvec)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
static inline dvec root(dvec x) { return (dvec)_mm512_sqrt_pd((__m512d)x); }
#elif defined(__AVX2__)
static inline uvec product(uvec a, uvec b) { return (uvec)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
static inline dvec root(dvec x) { return (dvec)_mm256_sqrt_pd((__m256d)x); }
#elif defined(__x86_64__)
static inline uvec product(uvec a, uvec b) { return (uvec)_mm_mul_epu32((__m128i)a, (__m128i)b); }
static inline dvec root(dvec x) { return (dvec)_mm_sqrt_pd((__m128d)x); }
#else
static inline uvec product(uvec a, uvec b) { return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu); }
static inline dvec root(dvec x) { return (dvec){sqrt(x[0]), sqrt(x[1])}; }
#endif

static inline dvec gaussians_spread(double x) { return (dvec){0} + x; }
static inline dvec gaussians_choose(ivec m, dvec a, dvec b) { return (dvec)(((ivec)a & m) | ((ivec)b & ~m)); }

/* The blocks of LANES counters; words in the lower halves of out, anything in the upper ones. */
static inline void blocks(const philox *r, uvec counter, uvec out[4]) {
    uvec c0 = counter, c1 = counter >> 32, c2 = (uvec){0} + r->counter[2], c3 = (uvec){0} + r->counter[3];
    uint32_t k0 = r->key[0], k1 = r->key[1];
    for (int round = 0; round < 10; round++) {
        uvec p0 = product((uvec){0} + 0xD2511F53u, c0), p1 = product((uvec){0} + 0xCD9E8D57u, c2);
        c0 = (p1 >> 32) ^ c1 ^ ((uvec){0} + k0);
        c2 = (p0 >> 32) ^ c3 ^ ((uvec){0} + k1);
        c1 = p1;
        c3 = p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The 53 upper bits of the words, as a number in [0, 1): exact, each half in the low bits of a power of two. */
static inline dvec uniform(uvec low, uvec high) {
    uvec m = (high << 32 | (low & 0xFFFFFFFFu)) >> 11;
    dvec upper = (dvec)(m >> 32 | 0x4530000000000000u) - 0x1.00000001p84;
    return (upper + (dvec)((m & 0xFFFFFFFFu) | 0x4330000000000000u)) * 0x1p-53;
}

/* ln x of a normal number x > 0, within a unit in the last place: fdlibm's e_log.c, x = 2^n (1 + f), f from
 * sqrt(1/2) - 1 to sqrt(2) - 1. */
static inline dvec log_of(dvec x) {
    const uvec root_half = (uvec){0} + 0x3FE6A09E667F3BCDu;
    uvec shifted = (uvec)x + (0x3FF0000000000000u - root_half); /* 1023 + n in the exponent */
    dvec f = (dvec)((shifted & 0x000FFFFFFFFFFFFFu) + root_half) - 1.0;
    dvec k = (dvec)(shifted >> 52 | 0x4330000000000000u) - (0x1p52 + 1023); /* n as a number */
    dvec s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
    dvec r = z * 1.479819860511658591e-01 + 1.531383769920937332e-01;
    r = r * z + 1.818357216161805012e-01;
    r = r * z + 2.222219843214978396e-01;
    r = r * z + 2.857142874366239149e-01;
    r = r * z + 3.999999999940941908e-01;
    r = r * z + 6.666666666666735130e-01;
    r = r * z;
    return k * 6.93147180369123816490e-01 - ((half - (s * (half + r) + k * 1.90821492927058770002e-10)) - f);
}

/* cos(2 pi v) for v in [0, 1]: the nearest quarter turn taken off exactly, fdlibm's k_sin.c and k_cos.c on the rest. */
static inline dvec cos_of_turns(dvec v) {
    const dvec magic = gaussians_spread(0x1.8p52);
    dvec t = v * 4.0 + magic;
    ivec quarter = (ivec)t & 3;
    dvec x = (v - (t - magic) * 0.25) * 6.283185307179586476925, z = x * x;
    dvec s = z * 1.58969099521155010221e-10 - 2.50507602534068634195e-08;
    s = s * z + 2.75573137070700676789e-06;
    s = s * z - 1.98412698298579493134e-04;
    s = s * z + 8.33333333332248946124e-03;
    s = s * z - 1.66666666666666324348e-01;
    s = s * z * x + x;
    dvec c = z * -1.13596475577881948265e-11 + 2.08757232129817482790e-09;
    c = c * z - 2.75573143513906633035e-07;
    c = c * z + 2.48015872894767294178e-05;
    c = c * z - 1.38888888888741095749e-03;
    c = c * z + 4.16666666666666019037e-02;
    dvec half = 0.5 * z, w = 1.0 - half;
    c = w + (((1.0 - w) - half) + z * z * c);
    dvec y = gaussians_choose((quarter & 1) == 0, c, s); /* cos, -sin, -cos, sin */
    ivec minus = (((quarter + 1) & 2) != 0);
    return (dvec)((ivec)y ^ (minus & INT64_MIN));
}

void PASTE(kernel_gaussians_, KERNEL_ISA)(float *out, const philox *r, double scale, int64_t n) {
    enum { TOGETHER = 4 }; /* a block is one long chain: several at a time keep the machine busy */
    uvec counter = (uvec){0} + ((uint64_t)r->counter[1] << 32 | r->counter[0]);
    for (int i = 0; i < LANES; i++) counter[i] += (uint64_t)i;
    for (int64_t i = 0; i < n; i += TOGETHER * LANES) {
        uvec word[TOGETHER][4];
        fvec number[TOGETHER];
        for (int t = 0; t < TOGETHER; t++, counter += LANES) blocks(r, counter, word[t]);
        for (int t = 0; t < TOGETHER; t++) {
            dvec radius = root(-2.0 * log_of(1.0 - uniform(word[t][0], word[t][1])));
            dvec x = scale * (radius * cos_of_turns(uniform(word[t][2], word[t][3])));
            number[t] = __builtin_convertvector(x, fvec);
        }
        memcpy(out + i, number, sizeof *out * (size_t)(n - i < TOGETHER * LANES ? n - i : TOGETHER * LANES));
    }
}
