/* What the host backends' attention and its rank-k edit share. Included by the backends and by tests, not above
 * tensor/. */
#ifndef TENSOR_ATTENTION_H
#define TENSOR_ATTENTION_H

#include "tensor/compute.h"
#include "tensor/half.h"

/* The cancellation thresholds of the rank-k form, o' = a o + correction. A row is recomputed directly, from the keys
 * outside the edited set, where the factor a of the weights outside (A_i of METHOD.md, section 6, over all steps so
 * far) exceeds the first: the rounding of 1 - p_i grows by a; or where a |o_i| exceeds the second times |o'_i|: the
 * rounding of o_i grows by that ratio, whether the set held most of the weight or most of the value. At eta = 1 both
 * are exactly 1. METHOD.md, section 6, has the bound and the measured error. */
#define ATTENTION_DIRECT_ABOVE 64.0
#define ATTENTION_CANCELS_ABOVE 4.0

/* Row n of head h of item b in a view [B, N, H, d]. */
static inline float *attention_row(tensor t, int64_t b, int64_t n, int64_t h) {
    return (float *)t.data + b * t.stride[0] + n * t.stride[1] + h * t.stride[2];
}

/* The elements of a contiguous tensor of what attention reports; NULL of one that is none. */
static inline double *attention_doubles(tensor t) { return t.data; }
static inline float *attention_floats(tensor t) { return t.data; }
static inline int64_t *attention_counts(tensor t) { return t.data; }

/* One number of a result that may not be wanted. */
static inline void attention_put(tensor t, int64_t at, double x) {
    if (!tensor_is_none(t)) attention_doubles(t)[at] = x;
}

/* For loops in double: a number of q, k or v as a call reads it, and the factor of its scores (float32's log2(e) scale
 * where the call rounds: METHOD.md, section 16). */
static inline double attention_value(float x, int rounds) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (!rounds || x != x) return (double)x;
    return (double)half_from_bits((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u);
}

static inline double attention_scale(const attention_args *a, int rounds) {
    return rounds ? (double)(a->scale * 1.44269504088896341f) * 0.69314718055994530942 : (double)a->scale;
}

#endif
