/* Conversion of checkpoint elements to float32. Relies on nothing; exact for every bit pattern. Elements are read
 * through memcpy: a safetensors file does not promise alignment. */
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
    }
}
