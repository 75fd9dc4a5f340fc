/* Conversion of checkpoint elements to float32, exact for every bit pattern, and rounding of floats to them. Elements
 * are read and written through memcpy: a safetensors file does not promise alignment. */
#include "tensor/half.h"

static uint16_t load16(const unsigned char *from, int64_t i) {
    uint16_t h;
    memcpy(&h, from + 2 * i, sizeof h);
    return h;
}

void half_convert(float *to, const void *from, tensor_type type, int64_t n) {
    switch (type) {
    case TENSOR_F32: memcpy(to, from, (size_t)n * sizeof *to); break;
    case TENSOR_F16:
        for (int64_t i = 0; i < n; i++) to[i] = half_from_f16(load16(from, i));
        break;
    case TENSOR_BF16:
        for (int64_t i = 0; i < n; i++) to[i] = half_from_bf16(load16(from, i));
        break;
    case TENSOR_I8:
    case TENSOR_BF16X2:
    case TENSOR_F64:
    case TENSOR_I64: break; /* no checkpoint's */
    }
}

static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static uint16_t half_to_bf16(float f) {
    uint32_t bits = bits_of(f), is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    return (uint16_t)(is_nan ? bits >> 16 | 0x40u : (bits + 0x7FFFu + (bits >> 16 & 1)) >> 16);
}

static uint16_t to_f16(float f) {
    uint32_t bits = bits_of(f), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu, half;
    if (magnitude > 0x7F800000u) half = 0x7E00u | (magnitude >> 13 & 0x3FFu);
    else if (magnitude >= 0x477FF000u) half = 0x7C00u; /* 65520, half way from the largest to 2^16 */
    else if (magnitude < 113u << 23)
        half = bits_of(half_from_bits(magnitude) + 0.5f) - bits_of(0.5f); /* steps of 2^-24 */
    else half = (magnitude + 0xFFFu + (magnitude >> 13 & 1) - (112u << 23)) >> 13;
    return (uint16_t)(sign | half);
}

void half_round(void *to, const float *from, tensor_type type, int64_t n) {
    unsigned char *out = to;
    if (type == TENSOR_F32) {
        memcpy(out, from, (size_t)n * sizeof *from);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        uint16_t half = type == TENSOR_F16 ? to_f16(from[i]) : half_to_bf16(from[i]);
        memcpy(out + 2 * i, &half, sizeof half);
    }
}
