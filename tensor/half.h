/* Half-precision checkpoints to float32, exactly. Every F16 and BF16 value is a float32 value, so nothing rounds. */
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

/* IEEE binary16. The exponent is moved to float32's by one exact multiplication with 2^112, which also makes the
 * subnormal numbers right; infinity and NaN need their exponent filled up. */
static inline float half_from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, magnitude = (uint32_t)(h & 0x7FFFu) << 13;
    float f = half_from_bits(magnitude) * 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (magnitude >= (uint32_t)0x7C00u << 13) bits = magnitude | 0x7F800000u;
    return half_from_bits(bits | sign);
}

/* `n` elements of `type` at `from` (any alignment) to float32. */
void half_convert(float *to, const void *from, tensor_type type, int64_t n);

#endif
