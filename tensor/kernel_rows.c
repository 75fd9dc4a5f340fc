/* Functions on runs of floats, on one instruction set (KERNEL_ISA; kernel.h): vectors and plain loops that GCC
 * vectorises, without branches and without libm, so that a value's bits depend neither on where it stands nor on the
 * instruction set. Sums run in float64 on 16 lanes, folded in a fixed order. */
#include "tensor/kernel.h"

#include <math.h>
#include <string.h>
#include "tensor/vec.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

/* ---- activations ---- */

/* Written on vectors, not left to GCC: of a clamp in a plain loop it makes two paths, both computed, and the discarded
 * one divides into subnormal numbers, at a hundred cycles each. */

/* m ? a : b by lanes. */
static inline vec rows_choose(ivec m, vec a, vec b) { return (vec)(((ivec)a & m) | ((ivec)b & ~m)); }

/* e^x within 1.5 units in the last place for -86.5 <= x <= 87; beyond that its value at the end of the range. NaN stays
 * NaN. Cephes' expf: n = round(x / ln 2), a polynomial on the rest, n into the exponent. */
static inline vec exp_of(vec x) {
    const vec magic = spread(12582912.0f); /* 1.5 2^23: rounds to whole numbers, n in the low bits */
    x = smaller(spread(87.0f), larger(spread(-86.5f), x));
    vec t = madd(x, spread(1.44269504088896341f), magic), n = t - magic;
    vec r = madd(n, spread(-0.693359375f), x); /* ln 2 in two parts; the first product is exact */
    r = madd(n, spread(2.12194440e-4f), r);
    vec p = madd(r, spread(1.9875691500e-4f), spread(1.3981999507e-3f));
    p = madd(p, r, spread(8.3334519073e-3f));
    p = madd(p, r, spread(4.1665795894e-2f));
    p = madd(p, r, spread(1.6666665459e-1f));
    p = madd(p, r, spread(5.0000001201e-1f));
    p = madd(p * r, r, r) + 1.0f;
    return times_power(p, n);
}

/* 1 / d within 3 units of 2^-24 for 1 <= d <= 2^126, without a division, which costs as much as a third of an
 * activation: a guess by the exponent, off by 5.1 % at most, a step of the third order and one of Newton's. */
static inline vec inverse_of(vec d) {
    const vec one = spread(1.0f);
    vec y = (vec)(0x7EF311C7 - (ivec)d), t = madd(-d, y, one);
    y = madd(madd(t, t, t), y, y);
    return madd(madd(-d, y, one), y, y);
}

/* 1 / (1 + e^-u); a number below 2^-125 for u below -86.6. */
static inline vec logistic(vec u) { return inverse_of(1.0f + exp_of(-u)); }

static inline vec none(vec x) { return x; }
static inline vec relu(vec x) { return rows_choose(x < 0.0f, (vec){0}, x); }
static inline vec silu(vec x) { return x * logistic(x); }
static inline vec quick_gelu(vec x) { return x * logistic(1.702f * x); }

/* tanh(u) = 2 / (1 + e^-2u) - 1 turns 0.5 x (1 + tanh(u)) into x / (1 + e^-2u). */
static inline vec gelu_tanh(vec x) {
    vec u = madd(x * x, spread(0.044715f), spread(1.0f)) * x;
    return x * logistic(1.5957691216057308f * u);
}

/* x Phi(x), the normal distribution's integral as Phi(-a) = e^(-a^2 / 2) R(a) for a >= 0: no difference of near-equal
 * numbers for negative x. R is a polynomial in t = 1 / (1 + 0.35 a), fitted to relative error 8e-8 on [0, 13.3] (least
 * squares with Lawson's weights on Chebyshev nodes, against 40 digits). a^2 is taken as h^2 + (a - h)(a + h) with h of
 * 12 bits, or rounding it would cost a^2 units in the last place. */
static inline vec gelu_erf(vec x) {
    vec a = (vec)((ivec)x & 0x7FFFFFFF);
    a = rows_choose(a > 13.25f, (vec){0} + 13.25f, a);
    vec h = (vec)((ivec)a & ~0xFFF);
    vec d = 0.5f * ((a - h) * (a + h));                          /* at most 0.05 */
    vec f = madd(d, spread(0.041666667f), spread(-0.16666667f)); /* e^-d */
    f = madd(f, d, spread(0.5f));
    f = madd(f, d, spread(-1.0f));
    vec e = exp_of(-0.5f * (h * h)) * madd(f, d, spread(1.0f));
    vec t = inverse_of(madd(spread(0.35f), a, spread(1.0f)));
    vec r = madd(t, spread(-0.029119825f), spread(0.14383997f));
    r = madd(r, t, spread(-0.25543162f));
    r = madd(r, t, spread(0.15883845f));
    r = madd(r, t, spread(-0.02286912f));
    r = madd(r, t, spread(0.105401695f));
    r = madd(r, t, spread(0.119861f));
    r = madd(r, t, spread(0.13985781f));
    r = madd(r, t, spread(0.13962165f));
    vec below = e * (r * t); /* Phi(-a) */
    return x * rows_choose(x < 0.0f, below, 1.0f - below);
}

typedef vec function(vec x);

/* `f` is a constant after inlining. */
static inline __attribute__((always_inline)) void apply(float *out, const float *x, int64_t n, function *f) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) *(loose *)(out + i) = f(*(const loose *)(x + i));
    if (i == n) return;
    float rest[LANES] = {0};
    size_t bytes = (size_t)(n - i) * sizeof(float);
    memcpy(rest, x + i, bytes);
    *(loose *)rest = f(*(loose *)rest);
    memcpy(out + i, rest, bytes);
}

static void rows_activate(float *out, const float *x, int64_t n, activation act) {
    switch (act) {
    case ACT_NONE: apply(out, x, n, none); break;
    case ACT_SILU: apply(out, x, n, silu); break;
    case ACT_GELU_ERF: apply(out, x, n, gelu_erf); break;
    case ACT_GELU_TANH: apply(out, x, n, gelu_tanh); break;
    case ACT_QUICK_GELU: apply(out, x, n, quick_gelu); break;
    case ACT_RELU: apply(out, x, n, relu); break;
    }
}

/* `out` is an input or disjoint from it, which the compiler cannot know. */
#if defined(__clang__)
#define EACH(i, n) _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < (n); i++)
#else
#define EACH(i, n) _Pragma("GCC ivdep") for (int64_t i = 0; i < (n); i++)
#endif

static void rows_add(float *out, const float *a, const float *b, int64_t n) { EACH(i, n) out[i] = a[i] + b[i]; }

static void add_value(float *out, const float *a, float b, int64_t n) { EACH(i, n) out[i] = a[i] + b; }

static void mul(float *out, const float *a, const float *b, int64_t n) { EACH(i, n) out[i] = a[i] * b[i]; }

static void mul_value(float *out, const float *a, float b, int64_t n) { EACH(i, n) out[i] = a[i] * b; }

static void axpby(float *out, float alpha, const float *a, float beta, const float *b, int64_t n) {
    EACH(i, n) out[i] = alpha * a[i] + beta * b[i];
}

static void gate_add(float *x, const float *gate, const float *y, int64_t n) {
    EACH(i, n) x[i] = x[i] + gate[i] * y[i];
}

/* ---- norms ---- */

typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));
typedef double lanes __attribute__((vector_size(64)));

/* In the order of a tree over the 16 lanes. */
static inline double rows_fold(const lanes *low, const lanes *high) {
    double s[8];
    for (int i = 0; i < 8; i++) s[i] = (*low)[i] + (*high)[i];
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static double sum_of(const float *x, int64_t n) {
    lanes low = {0}, high = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        low += __builtin_convertvector(*(const eight *)(x + i), lanes);
        high += __builtin_convertvector(*(const eight *)(x + i + 8), lanes);
    }
    double sum = rows_fold(&low, &high);
    for (; i < n; i++) sum += (double)x[i];
    return sum;
}

/* Sum of (x - mean)^2. */
static double squares_of(const float *x, int64_t n, double mean) {
    lanes low = {0}, high = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        lanes a = __builtin_convertvector(*(const eight *)(x + i), lanes) - mean;
        lanes b = __builtin_convertvector(*(const eight *)(x + i + 8), lanes) - mean;
        low += a * a;
        high += b * b;
    }
    double sum = rows_fold(&low, &high);
    for (; i < n; i++) sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sum;
}

/* Rounds to the nearest, ties to even; a NaN stays one (half_round of half.h). */
static inline uint32_t rows_to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return x == x ? (bits + 0x7FFFu + (bits >> 16 & 1)) >> 16 : bits >> 16 | 0x40u;
}

static void to_pairs(uint32_t *out, const float *x, int64_t n) {
    EACH(i, n / 2) out[i] = rows_to_bf16(x[2 * i]) | rows_to_bf16(x[2 * i + 1]) << 16;
    if (n % 2) out[n / 2] = rows_to_bf16(x[n - 1]);
}

static int64_t magnitudes(uint32_t *out, const float *x, int64_t n, uint32_t least, uint32_t *largest) {
    uint32_t most = *largest;
    int64_t have = 0, i = 0;
#if defined(__AVX512F__)
    __m512i mosts = _mm512_set1_epi32((int)most), bound = _mm512_set1_epi32((int)least);
    for (; i + 16 <= n; i += 16) { /* have <= i: what is stored beyond the kept ones is still inside */
        __m512i bits = _mm512_and_si512(_mm512_loadu_si512(x + i), _mm512_set1_epi32(0x7FFFFFFF));
        __mmask16 kept = _mm512_cmpge_epu32_mask(bits, bound);
        _mm512_storeu_si512(out + have, _mm512_maskz_compress_epi32(kept, bits));
        have += __builtin_popcount(kept);
        mosts = _mm512_max_epu32(mosts, bits);
    }
    most = _mm512_reduce_max_epu32(mosts);
#endif
    for (; i < n; i++) { /* no branch: what is too small is overwritten by the next */
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7FFFFFFFu;
        out[have] = bits;
        have += bits >= least;
        most = bits > most ? bits : most;
    }
    *largest = most;
    return have;
}

/* Bit by bit: no branch that depends on the data, no order to change. */
static uint32_t reached(const uint32_t *v, int64_t n, int64_t wanted, uint32_t step) {
    uint32_t found = 0;
    for (uint32_t bit = 1u << 30; bit >= step; bit /= 2) {
        int32_t more = (int32_t)(found | bit), have = 0; /* magnitudes have no sign: as good as unsigned */
        for (int64_t i = 0; i < n; i++) have += (int32_t)v[i] >= more;
        if (have >= wanted) found |= bit;
    }
    return found;
}

/* On 16 lanes for every width of a vector, folded by halves. */
static double dot(const float *x, const float *y, int64_t d) {
    float lane[16] = {0}, sum;
    int64_t i = 0;
    for (; i + 16 <= d; i += 16)
        for (int j = 0; j < 16; j++) lane[j] += x[i + j] * y[i + j];
    for (int j = 0; i + j < d; j++) lane[j] += x[i + j] * y[i + j];
    for (int j = 0; j < 8; j++) lane[j] += lane[j + 8];
    for (int j = 0; j < 4; j++) lane[j] += lane[j + 4];
    sum = (lane[0] + lane[2]) + (lane[1] + lane[3]);
    return sum < 0 ? 0 : (double)sum; /* x . x and x . G x have no negative value but by rounding */
}

static void layer_norm(float *out, const float *x, int64_t n, const float *scale, const float *shift, float one,
                       float eps) {
    double mean = sum_of(x, n) / (double)n;
    float m = (float)mean, factor = (float)(1 / sqrt(squares_of(x, n, mean) / (double)n + (double)eps));
    if (scale && shift) EACH(i, n) out[i] = (x[i] - m) * factor * (one + scale[i]) + shift[i];
    else EACH(i, n)
    out[i] = (x[i] - m) * factor * (scale ? one + scale[i] : 1.0f) + (shift ? shift[i] : 0.0f);
}

static void rms_norm(float *out, const float *x, int64_t n, const float *gamma, float eps) {
    float factor = (float)(1 / sqrt(squares_of(x, n, 0) / (double)n + (double)eps));
    if (gamma) EACH(i, n) out[i] = x[i] * factor * gamma[i];
    else EACH(i, n) out[i] = x[i] * factor;
}

static void channel_sums(double *sum, double *squares, const float *x, int64_t pixels, int64_t stride,
                         int64_t channels) {
    int64_t c = 0;
    for (; c + 8 <= channels; c += 8) {
        lanes s = {0}, q = {0};
        for (int64_t p = 0; p < pixels; p++) {
            lanes v = __builtin_convertvector(*(const eight *)(x + p * stride + c), lanes);
            s += v;
            q += v * v;
        }
        for (int i = 0; i < 8; i++) {
            sum[c + i] = s[i];
            squares[c + i] = q[i];
        }
    }
    for (; c < channels; c++) {
        sum[c] = squares[c] = 0;
        for (int64_t p = 0; p < pixels; p++) {
            double v = (double)x[p * stride + c];
            sum[c] += v;
            squares[c] += v * v;
        }
    }
}

static void channel_norm(float *out, const float *x, const float *mean, const float *factor, const float *shift,
                         int64_t channels) {
    EACH(c, channels) out[c] = (x[c] - mean[c]) * factor[c] + shift[c];
}

const kernel PASTE(kernel_, KERNEL_ISA) = {
    .product = PASTE(kernel_product_, KERNEL_ISA),
    .gaussians = PASTE(kernel_gaussians_, KERNEL_ISA),
    .to_pairs = to_pairs,
    .magnitudes = magnitudes,
    .reached = reached,
    .dot = dot,
    .add = rows_add,
    .add_value = add_value,
    .mul = mul,
    .mul_value = mul_value,
    .axpby = axpby,
    .activate = rows_activate,
    .layer_norm = layer_norm,
    .rms_norm = rms_norm,
    .gate_add = gate_add,
    .channel_sums = channel_sums,
    .channel_norm = channel_norm,
};
