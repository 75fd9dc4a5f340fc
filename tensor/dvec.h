/* Vectors of doubles as wide as those of vec.h, and what attention computes in them. Included by kernels alone. */
#ifndef TENSOR_DVEC_H
#define TENSOR_DVEC_H

#include "tensor/attention_kernel.h"
#include "tensor/vec.h"

enum { DLANES = LANES / 2 };
typedef double dvec __attribute__((vector_size(LANES * 4)));
typedef int64_t divec __attribute__((vector_size(LANES * 4)));
typedef float half __attribute__((vector_size(LANES * 2)));
typedef float half_in_memory __attribute__((vector_size(LANES * 2), may_alias));

#if defined(__AVX512F__)
static inline dvec dspread(double x) { return (dvec)_mm512_set1_pd(x); }
static inline dvec dmadd(dvec a, dvec b, dvec c) { return (dvec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
static inline dvec low_half(vec a) { return (dvec)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)a)); }
static inline dvec high_half(vec a) { return (dvec)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)a, 1)); }
#elif defined(__AVX2__)
static inline dvec dspread(double x) { return (dvec)_mm256_set1_pd(x); }
static inline dvec dmadd(dvec a, dvec b, dvec c) { return (dvec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
static inline dvec low_half(vec a) { return (dvec)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)a)); }
static inline dvec high_half(vec a) { return (dvec)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)a, 1)); }
#else
static inline dvec dspread(double x) { return (dvec){x, x}; }
static inline dvec dmadd(dvec a, dvec b, dvec c) { return a * b + c; }
static inline dvec low_half(vec a) { return (dvec){(double)a[0], (double)a[1]}; }
static inline dvec high_half(vec a) { return (dvec){(double)a[2], (double)a[3]}; }
#endif

static inline double sum_lanes(vec a, vec b) {
    dvec sum = (low_half(a) + high_half(a)) + (low_half(b) + high_half(b));
    double total = sum[0];
    for (int i = 1; i < DLANES; i++) total += sum[i];
    return total;
}

/* Natural logarithms of n <= ATTENTION_ROWS sums of at least 1 (or NaN), in place, relative error below 1e-15: x = 2^k
 * m with m in [sqrt(1/2), sqrt(2)) and fdlibm's series of log(1 + f). Room for whole vectors is there. */
static inline void logarithms(double x[ATTENTION_ROWS], int n) {
    static const double series[] = {1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
                                    2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
                                    6.666666666666735130e-01};
    const int64_t low = 0x3FE6A09E667F3BCD; /* sqrt(1/2) */
    for (int i = 0; i < n; i += DLANES) {
        dvec y = *(dvec *)(x + i);
        divec k = ((divec)y - low) >> 52; /* not negative: y >= 1 */
        dvec m = (dvec)((divec)y - (k << 52)), f = m - 1.0, s = f / (f + 2.0), z = s * s, r = dspread(series[0]);
        for (int t = 1; t < 7; t++) r = dmadd(r, z, dspread(series[t]));
        dvec square = 0.5 * f * f, exponent = (dvec)(k + 0x4338000000000000) - dspread(6755399441055744.0);
        dvec small = dmadd(exponent, dspread(1.90821492927058770002e-10), s * dmadd(z, r, square));
        *(dvec *)(x + i) = dmadd(exponent, dspread(6.93147180369123816490e-1), f - (square - small)) + (y - y);
    }
}

/* exp for x <= 700, relative error below 1e-14; 0 below -700. Taylor's series to r^11 on |r| <= ln 2 / 2. */
static inline dvec dexp_lanes(dvec x) {
    static const double inverse[] = {1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
                                     1.0 / 120,      1.0 / 24,      1.0 / 6,      1.0 / 2,     1.0,        1.0};
    const dvec magic = dspread(6755399441055744.0); /* 1.5 * 2^52 */
    divec under = (divec)(x < dspread(-700.0));
    dvec y = (dvec)(((divec)x & ~under) | ((divec)dspread(-700.0) & under));
    dvec t = dmadd(y, dspread(1.44269504088896340736), magic);
    dvec n = t - magic;
    dvec r = dmadd(n, dspread(-6.93147180369123816490e-1), y);
    r = dmadd(n, dspread(-1.90821492927058770002e-10), r);
    dvec p = dspread(inverse[0]);
    for (int i = 1; i < 12; i++) p = dmadd(p, r, dspread(inverse[i]));
    return (dvec)((divec)((divec)p + ((divec)t << 52)) & ~under);
}

#endif
