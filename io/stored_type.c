/* See stored_type.h. The names are those of safetensors (safetensors/src/tensor.rs, Dtype). F8_E4M3 there is what
 * PyTorch calls float8_e4m3fn: bias 7, no infinities, NaN where all bits but the sign are set, 448 the largest (OCP
 * 8-bit floating point, 2023). F8_E5M2 is the upper byte of an F16. */
#include "io/stored_type.h"

#include <string.h>

#include "base/file.h"
#include "io/shard.h"

static void from_f64(unsigned char *to, const unsigned char *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double x;
        memcpy(&x, from + i * sizeof x, sizeof x);
        const float y = (float)x;
        memcpy(to + i * sizeof y, &y, sizeof y);
    }
}

/* SEEEEMMM to SEEEEEMMMMMMMMMM. A subnormal, m x 2^-9, is a normal number of F16. */
static uint16_t f16_of_e4m3(unsigned char x) {
    const unsigned sign = (unsigned)(x & 0x80) << 8;
    int exponent = x >> 3 & 0xF;
    unsigned fraction = x & 7;
    if ((x & 0x7F) == 0x7F) return (uint16_t)(sign | 0x7E00);
    if (exponent == 0) {
        if (fraction == 0) return (uint16_t)sign;
        for (exponent = 1; !(fraction & 8); exponent--) fraction <<= 1; /* down to -2 */
        fraction &= 7;
    }
    return (uint16_t)(sign | (unsigned)(exponent + 15 - 7) << 10 | fraction << 7);
}

static void from_e4m3(unsigned char *to, const unsigned char *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t y = f16_of_e4m3(from[i]);
        memcpy(to + i * sizeof y, &y, sizeof y);
    }
}

static void from_e5m2(unsigned char *to, const unsigned char *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint16_t y = (uint16_t)(from[i] << 8);
        memcpy(to + i * sizeof y, &y, sizeof y);
    }
}

static void from_i16(unsigned char *to, const unsigned char *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int16_t x;
        memcpy(&x, from + i * sizeof x, sizeof x);
        const int32_t y = x;
        memcpy(to + i * sizeof y, &y, sizeof y);
    }
}

static void stored_type_from_i8(unsigned char *to, const unsigned char *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const int32_t y = (signed char)from[i];
        memcpy(to + i * sizeof y, &y, sizeof y);
    }
}

static void from_bool(unsigned char *to, const unsigned char *from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = from[i] != 0;
}

static const stored_type TYPES[] = {
    {"F64", 8, CHECKPOINT_F32, from_f64},           {"F8_E4M3", 1, CHECKPOINT_F16, from_e4m3},
    {"F8_E5M2", 1, CHECKPOINT_F16, from_e5m2},      {"I16", 2, CHECKPOINT_I32, from_i16},
    {"I8", 1, CHECKPOINT_I32, stored_type_from_i8}, {"BOOL", 1, CHECKPOINT_U8, from_bool},
};

const stored_type *stored_type_find(const char *name) {
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (strcmp(TYPES[i].name, name) == 0) return &TYPES[i];
    return NULL;
}

size_t stored_size(const checkpoint_entry *e) { return e->stored ? e->stored->size : checkpoint_dtype_size(e->dtype); }

ss_status stored_read(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err) {
    enum { PIECE = 1 << 16 }; /* bytes of the file at a time */
    unsigned char some[PIECE], *to = out;
    const size_t size = e->stored->size, wide = checkpoint_dtype_size(e->dtype);
    const int64_t most = (int64_t)(PIECE / size);
    for (int64_t i = 0; i < n; i += most) {
        const int64_t count = n - i < most ? n - i : most;
        SS_TRY(file_reader_read(&e->shard->file, e->at + (size_t)(first + i) * size, some, (size_t)count * size,
                                e->name, err));
        e->stored->convert(to + (size_t)i * wide, some, (size_t)count);
    }
    return SS_OK;
}
