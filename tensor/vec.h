/* Vectors of floats as wide as the instruction set for which a kernel is compiled (tensor/meson.build), and what GCC's
 * own vector arithmetic does not say in one instruction. Included by kernels alone. */
#ifndef TENSOR_VEC_H
#define TENSOR_VEC_H

#include <stdint.h>
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX2__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t ivec __attribute__((vector_size(LANES * 4)));
typedef uint32_t words __attribute__((vector_size(LANES * 4)));
typedef float loose __attribute__((vector_size(LANES * 4), aligned(4), may_alias)); /* any address */

/* spread: x in every lane. madd: a b + c, rounded once where there is an instruction for it. larger, smaller: b where
 * one is NaN. times_power: x 2^n for a whole n from -126 to 127 where the result is normal; exact. NaN stays NaN, for
 * any bits (adding n to the exponent would make a number of some). */
#if defined(__AVX512F__)
static inline vec spread(float x) { return (vec)_mm512_set1_ps(x); }
static inline vec madd(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
static inline vec larger(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
static inline vec smaller(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
static inline vec times_power(vec x, vec n) { return (vec)_mm512_scalef_ps((__m512)x, (__m512)n); }
#elif defined(__AVX2__)
static inline vec spread(float x) { return (vec)_mm256_set1_ps(x); }
static inline vec madd(vec a, vec b, vec c) { return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
static inline vec larger(vec a, vec b) { return (vec)_mm256_max_ps((__m256)a, (__m256)b); }
static inline vec smaller(vec a, vec b) { return (vec)_mm256_min_ps((__m256)a, (__m256)b); }
#else
static inline vec spread(float x) { return (vec){x, x, x, x}; }
static inline vec madd(vec a, vec b, vec c) { return a * b + c; }
static inline vec larger(vec a, vec b) {
    ivec m = (ivec)(a > b);
    return (vec)(((ivec)a & m) | ((ivec)b & ~m));
}
static inline vec smaller(vec a, vec b) {
    ivec m = (ivec)(a < b);
    return (vec)(((ivec)a & m) | ((ivec)b & ~m));
}
#endif

#if !defined(__AVX512F__)
static inline vec times_power(vec x, vec n) {
    ivec low_bits = (ivec)(n + spread(12582912.0f)); /* of 1.5 2^23 + n: n */
    const ivec fraction = (ivec){0} + 23;            /* bits of a float's fraction */
    return x * (vec)((low_bits << fraction) + 0x3F800000);
}
#endif

#endif
