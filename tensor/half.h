/* Half-precision checkpoints to float32, exactly: every F16 and BF16 value is a float32 value, so nothing rounds. And
 * back, to the nearest. */
#ifndef TENSOR_HALF_H
#define TENSOR_HALF_H

#include <stdint.h>
#include <string.h>
#include "tensor/tensor.h"

static inline float half_from_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline float half_from_bf16(uint16_t h) { return half_from_bits((uint32_t)h << 16); }

/* IEEE binary16: the exponent moves to float32's by an addition. A subnormal number is read as 2^-14 (1 + fraction) and
 * loses its 2^-14 again, exactly and without float32's own (slow) subnormal numbers; infinity and NaN fill up. */
static inline float half_from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, magnitude = (uint32_t)(h & 0x7FFFu) << 13;
    uint32_t bits = magnitude + (112u << 23);
    float subnormal = half_from_bits(magnitude + (113u << 23)) - 0x1p-14f;
    if (magnitude < 1u << 23) memcpy(&bits, &subnormal, sizeof bits);
    if (magnitude >= 31u << 23) bits = magnitude | 0x7F800000u;
    return half_from_bits(bits | sign);
}

/* `n` elements of `type` at `from` (any alignment) to float32. */
void half_convert(float *to, const void *from, tensor_type type, int64_t n);

/* `n` floats to elements of `type` at `to` (any alignment): to the nearest, ties to even, beyond the largest to
 * infinity (IEEE 754's default); a NaN stays one. */
void half_round(void *to, const float *from, tensor_type type, int64_t n);

#endif
