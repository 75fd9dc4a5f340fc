/* Registers of 16 rows of 64 bytes: those of AMX (compiled for it), or the same bits by AVX-512. One holds 16 pairs of
 * bfloat16 of 16 rows of a left operand, of a right one 16 pairs of 16 columns, or 16 x 16 sums. TILE_MULTIPLY is the
 * instruction TDPBF16PS (kernel.h has its order of sums). Registers are named by constants from 0 to 7; `r` is a
 * tile_registers, which AMX leaves alone. Included by kernels alone. */
#ifndef TENSOR_TILES_H
#define TENSOR_TILES_H

#include <stddef.h>
#include <string.h>
#include "tensor/vec.h"

enum {
    TILE_HEIGHT = 16,    /* rows of a register */
    TILE_PAIRS = 16,     /* words in a row of it: pairs of terms, or */
    TILE_WIDTH = 16,     /* columns */
    TILE_ROW_BYTES = 64, /* of it */
    TILE_BYTES = TILE_HEIGHT * TILE_ROW_BYTES
};

/* Numbers below 1.2e-38 count as 0 between tiles_begin, which returns what tiles_end takes, and tiles_end: so it is
 * with the instruction. */
enum { TILES_FLUSH = 0x8040 }; /* FTZ, DAZ */

#if defined(__AMX_BF16__)
typedef struct tile_registers {
    char none;
} tile_registers;

#define TILE_ZERO(r, i) _tile_zero(i)
/* GCC 12 does not know that a load reads memory: what is stored before it must not come later, nor the reverse. */
#define TILE_LOAD(r, i, from, stride)                                                                                  \
    do {                                                                                                               \
        __asm__ volatile("" ::: "memory");                                                                             \
        _tile_loadd(i, from, stride);                                                                                  \
        __asm__ volatile("" ::: "memory");                                                                             \
    } while (0)
#define TILE_MULTIPLY(r, sum, rows, columns) _tile_dpbf16ps(sum, rows, columns)
#define TILE_STORE(r, i, to, stride) _tile_stored(i, to, stride)

static inline unsigned tiles_begin(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config __attribute__((aligned(64))) = {.palette = 1};
    unsigned before = _mm_getcsr();
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = TILE_ROW_BYTES;
        config.rows[i] = TILE_HEIGHT;
    }
    __asm__ volatile("" ::"r"(&config) : "memory"); /* GCC 12 believes that 8 bytes of it are read */
    _tile_loadconfig(&config);
    _mm_setcsr(before | TILES_FLUSH);
    return before;
}

static inline void tiles_end(unsigned before) {
    _mm_setcsr(before);
    _tile_release();
}
#else
typedef struct tile_registers {
    vec row[8][TILE_HEIGHT];
} tile_registers;

#define TILE_ZERO(r, i) memset((r)->row[i], 0, sizeof(r)->row[i])
#define TILE_LOAD(r, i, from, stride) tile_load((r)->row[i], (const char *)(from), stride)
#define TILE_MULTIPLY(r, sum, rows, columns) tile_multiply_add((r)->row[sum], (r)->row[rows], (r)->row[columns])
#define TILE_STORE(r, i, to, stride) tile_store((r)->row[i], (char *)(to), stride)

static inline void tile_load(vec to[TILE_HEIGHT], const char *from, size_t stride) {
    for (int i = 0; i < TILE_HEIGHT; i++) to[i] = *(const loose *)(from + (size_t)i * stride);
}

static inline void tile_store(const vec from[TILE_HEIGHT], char *to, size_t stride) {
    for (int i = 0; i < TILE_HEIGHT; i++) *(loose *)(to + (size_t)i * stride) = from[i];
}

/* Some rows together, so that one sum does not wait for itself. */
static inline void tile_multiply_add(vec sum[TILE_HEIGHT], const vec rows[TILE_HEIGHT], const vec columns[TILE_PAIRS]) {
    enum { TOGETHER = 8 };
    for (int first = 0; first < TILE_HEIGHT; first += TOGETHER) {
        vec even[TOGETHER], odd[TOGETHER];
        for (int i = 0; i < TOGETHER; i++) even[i] = odd[i] = (vec){0};
        for (int k = 0; k < TILE_PAIRS; k++) {
            words w = (words)columns[k];
            for (int i = 0; i < TOGETHER; i++) {
                words x = (words)spread(rows[first + i][k]);
                even[i] = madd((vec)(x << 16), (vec)(w << 16), even[i]);
                odd[i] = madd((vec)(x & 0xFFFF0000u), (vec)(w & 0xFFFF0000u), odd[i]);
            }
        }
        for (int i = 0; i < TOGETHER; i++) sum[first + i] += even[i] + odd[i];
    }
}

static inline unsigned tiles_begin(void) {
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | TILES_FLUSH);
    return before;
}

static inline void tiles_end(unsigned before) { _mm_setcsr(before); }
#endif

#endif
