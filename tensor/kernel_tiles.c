/* Products of bfloat16 by tiles: 32 rows by 32 columns, sums in the registers of AMX-BF16 (KERNEL_ISA is amx), or
 * the same bits by vectors (avx512). One register holds 16 rows of 64 bytes: 16 pairs of a row of the left operand, of
 * a panel 16 pairs of 16 columns, or 16 x 16 sums. The instruction TDPBF16PS defines the sum (kernel.h). */
#include <string.h>
#include "tensor/kernel.h"
#include "tensor/vec.h"

enum {
    HEIGHT = 16,               /* rows of a register */
    PAIRS = TILES_PAIRS,       /* words in a row of it: pairs of terms, or */
    WIDTH = 16,                /* columns */
    ROW_BYTES = 64,            /* of it */
    ACROSS = 2 * ROW_BYTES,    /* bytes from one row of sums, and of columns, to the next */
    REGISTER = HEIGHT * WIDTH, /* words */
};

/* Registers: 0 to 3 are sums, [half][across]; 4 and 5 rows, 6 and 7 columns. */
#if defined(__AMX_BF16__)
typedef struct registers {
    char none;
} registers;

#define ZERO(r, i) _tile_zero(i)
/* GCC 12 does not know that a load reads memory: what is stored before it must not come later, nor the reverse. */
#define LOAD(r, i, from, stride)                                                                                       \
    do {                                                                                                               \
        __asm__ volatile("" ::: "memory");                                                                             \
        _tile_loadd(i, from, stride);                                                                                  \
        __asm__ volatile("" ::: "memory");                                                                             \
    } while (0)
#define MULTIPLY(r, sum, rows, columns) _tile_dpbf16ps(sum, rows, columns)
#define STORE(r, i, to, stride) _tile_stored(i, to, stride)

static void product_tiles_begin(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config __attribute__((aligned(64))) = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = ROW_BYTES;
        config.rows[i] = HEIGHT;
    }
    __asm__ volatile("" ::"r"(&config) : "memory"); /* GCC 12 believes that 8 bytes of it are read */
    _tile_loadconfig(&config);
}

static void product_tiles_end(void) { _tile_release(); }
#else
typedef struct registers {
    vec row[8][HEIGHT];
} registers;

#define ZERO(r, i) memset((r)->row[i], 0, sizeof(r)->row[i])
#define LOAD(r, i, from, stride) product_tiles_load((r)->row[i], (const char *)(from), stride)
#define MULTIPLY(r, sum, rows, columns) product_tiles_multiply((r)->row[sum], (r)->row[rows], (r)->row[columns])
#define STORE(r, i, to, stride) product_tiles_store((r)->row[i], (char *)(to), stride)

static void product_tiles_load(vec to[HEIGHT], const char *from, size_t stride) {
    for (int i = 0; i < HEIGHT; i++) to[i] = *(const loose *)(from + (size_t)i * stride);
}

static void product_tiles_store(const vec from[HEIGHT], char *to, size_t stride) {
    for (int i = 0; i < HEIGHT; i++) *(loose *)(to + (size_t)i * stride) = from[i];
}

/* Some rows together, so that one sum does not wait for itself. */
static void product_tiles_multiply(vec sum[HEIGHT], const vec rows[HEIGHT], const vec columns[PAIRS]) {
    enum { TOGETHER = 8 };
    for (int first = 0; first < HEIGHT; first += TOGETHER) {
        vec even[TOGETHER], odd[TOGETHER];
        for (int i = 0; i < TOGETHER; i++) even[i] = odd[i] = (vec){0};
        for (int k = 0; k < PAIRS; k++) {
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

static void product_tiles_begin(void) {}
static void product_tiles_end(void) {}
#endif

/* `halves` is a constant after inlining. */
static inline __attribute__((always_inline)) void part(const tiles_part *a, int halves) {
    registers r;
    (void)r;
    float *sums = a->sums, *lower = sums + HEIGHT * TILES_COLUMNS;
    if (a->goes_on) {
        LOAD(&r, 0, sums, ACROSS);
        LOAD(&r, 1, sums + WIDTH, ACROSS);
        if (halves > 1) {
            LOAD(&r, 2, lower, ACROSS);
            LOAD(&r, 3, lower + WIDTH, ACROSS);
        }
    } else {
        ZERO(&r, 0);
        ZERO(&r, 1);
        ZERO(&r, 2);
        ZERO(&r, 3);
    }
    const uint32_t *rows = a->rows, *columns = a->columns;
    for (int64_t i = 0; i < a->sixteens; i++, rows += 2 * REGISTER, columns += 2 * REGISTER) {
        LOAD(&r, 4, rows, ROW_BYTES);
        LOAD(&r, 6, columns, ACROSS);
        LOAD(&r, 7, columns + WIDTH, ACROSS);
        MULTIPLY(&r, 0, 4, 6);
        MULTIPLY(&r, 1, 4, 7);
        if (halves > 1) {
            LOAD(&r, 5, rows + REGISTER, ROW_BYTES);
            MULTIPLY(&r, 2, 5, 6);
            MULTIPLY(&r, 3, 5, 7);
        }
    }
    STORE(&r, 0, sums, ACROSS);
    STORE(&r, 1, sums + WIDTH, ACROSS);
    if (halves > 1) {
        STORE(&r, 2, lower, ACROSS);
        STORE(&r, 3, lower + WIDTH, ACROSS);
    }
}

static void multiply_part(const tiles_part *a) {
    if (a->halves > 1) part(a, 2);
    else part(a, 1);
}

static void product_tiles_gather(uint32_t *to, const float *const *row, int n, int64_t first, int64_t end) {
    int rows = n > HEIGHT ? 2 * HEIGHT : HEIGHT;
    for (; first < end; first += PAIRS, to += 2 * REGISTER) {
        int64_t pairs = end - first < PAIRS ? end - first : PAIRS;
        __mmask16 there = (__mmask16)((1u << pairs) - 1);
        for (int i = 0; i < n; i++) _mm512_store_si512(to + i * PAIRS, _mm512_maskz_loadu_epi32(there, row[i] + first));
        for (int i = n; i < rows; i++) _mm512_store_si512(to + i * PAIRS, _mm512_setzero_si512());
    }
}

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

const kernel_tiles PASTE(kernel_tiles_, KERNEL_ISA) = {product_tiles_begin, product_tiles_end, multiply_part,
                                                       product_tiles_gather};
