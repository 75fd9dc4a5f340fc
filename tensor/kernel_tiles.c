/* Products of bfloat16 by tiles: 32 rows by up to 64 columns, sums in the registers of AMX-BF16 (KERNEL_ISA is amx), or
 * the same bits by vectors (avx512). One register holds 16 rows of 64 bytes: 16 pairs of a row of the left operand, of
 * a panel 16 pairs of 16 columns, or 16 x 16 sums. The instruction TDPBF16PS defines the sum (kernel.h). */
#include <string.h>
#include "tensor/kernel.h"
#include "tensor/vec.h"

enum {
    HEIGHT = 16,                     /* rows of a register */
    PAIRS = TILES_PAIRS,             /* words in a row of it: pairs of terms, or */
    WIDTH = 16,                      /* columns */
    ROW_BYTES = 64,                  /* of it */
    PANEL_ROW = PRODUCT_COLUMNS * 4, /* bytes from one pair of a panel's column to the next */
    HALVES = TILES_ROWS / HEIGHT,    /* of the rows of a product */
    ACROSS = 2,                      /* registers of sums side by side */
    FETCH_LINES = 16                 /* of what is wanted soon, with every 16 pairs */
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

static void begin(void) {
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

static void end(void) { _tile_release(); }
#else
typedef struct registers {
    vec row[8][HEIGHT];
} registers;

#define ZERO(r, i) memset((r)->row[i], 0, sizeof(r)->row[i])
#define LOAD(r, i, from, stride) load((r)->row[i], (const char *)(from), stride)
#define MULTIPLY(r, sum, rows, columns) multiply((r)->row[sum], (r)->row[rows], (r)->row[columns])
#define STORE(r, i, to, stride) store((r)->row[i], (char *)(to), stride)

static void load(vec to[HEIGHT], const char *from, size_t stride) {
    for (int i = 0; i < HEIGHT; i++) to[i] = *(const loose *)(from + (size_t)i * stride);
}

static void store(const vec from[HEIGHT], char *to, size_t stride) {
    for (int i = 0; i < HEIGHT; i++) *(loose *)(to + (size_t)i * stride) = from[i];
}

/* Some rows together, so that one sum does not wait for itself. */
static void multiply(vec sum[HEIGHT], const vec rows[HEIGHT], const vec columns[PAIRS]) {
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

static void begin(void) {}
static void end(void) {}
#endif

/* What a register is loaded from: memory, or a copy that ends with zeros where the operand does. */
typedef struct operand {
    const void *at;
    size_t stride; /* bytes */
} operand;

/* The bytes from each of n rows to the next where they are equal and there are enough for a register, else 0. */
static size_t stride_of(const float *const *row, int n) {
    if (n < HEIGHT) return 0;
    intptr_t step = (const char *)row[1] - (const char *)row[0];
    for (int i = 2; i < HEIGHT; i++)
        if ((const char *)row[i] - (const char *)row[i - 1] != step) return 0;
    return (size_t)step;
}

/* `pairs` pairs, from number k on, of n rows (or the first of them that a register holds). Rows of `room` beyond n are
 * zero already. */
static inline operand rows_at(char room[HEIGHT][ROW_BYTES], const float *const *row, int n, size_t stride, int64_t k,
                              int64_t pairs) {
    if (stride && pairs == PAIRS) return (operand){row[0] + k, stride};
    for (int i = 0; i < n && i < HEIGHT; i++) {
        if (pairs == PAIRS) {
            memcpy(room[i], row[i] + k, ROW_BYTES);
            continue;
        }
        memset(room[i], 0, ROW_BYTES);
        memcpy(room[i], row[i] + k, (size_t)pairs * 4);
    }
    return (operand){room, ROW_BYTES};
}

/* The same of the 32 columns at `from`. */
static inline operand columns_at(char room[PAIRS][ACROSS * ROW_BYTES], const char *from, int64_t pairs) {
    if (pairs == PAIRS) return (operand){from, PANEL_ROW};
    memset(room, 0, PAIRS * ACROSS * ROW_BYTES);
    for (int64_t k = 0; k < pairs; k++) memcpy(room[k], from + k * PANEL_ROW, ACROSS * ROW_BYTES);
    return (operand){room, ACROSS * ROW_BYTES};
}

static uintptr_t fetch_some(uintptr_t ahead) {
    if (ahead == 0) return 0;
    for (int i = 0; i < FETCH_LINES; i++) __builtin_prefetch((const void *)(ahead + (uintptr_t)i * ROW_BYTES), 0, 2);
    return ahead + FETCH_LINES * ROW_BYTES;
}

/* Columns [first, first + 32) of the panel; `halves` is a constant after inlining. */
static inline __attribute__((always_inline)) void block(const product_tile *t, int first, int halves) {
    registers r;
    float sum[HALVES][HEIGHT][ACROSS * WIDTH];
    char room[HALVES][HEIGHT][ROW_BYTES], columns_room[PAIRS][ACROSS * ROW_BYTES];
    memset(room, 0, sizeof room);
    (void)r;
    ZERO(&r, 0);
    ZERO(&r, 1);
    ZERO(&r, 2);
    ZERO(&r, 3);
    const char *panel = (const char *)t->panel + (size_t)first * 4;
    uintptr_t ahead = first == 0 ? t->ahead : 0;
    for (int64_t tap = 0; tap < t->taps; tap++) {
        const float *row[TILES_ROWS];
        for (int i = 0; i < t->m; i++) row[i] = t->row[tap * TILES_ROWS + i] + t->offset;
        size_t stride[HALVES] = {stride_of(row, t->m), halves > 1 ? stride_of(row + HEIGHT, t->m - HEIGHT) : 0};
        for (int64_t k = 0, pairs; k < t->count; k += pairs, panel += pairs * PANEL_ROW) {
            pairs = t->count - k < PAIRS ? t->count - k : PAIRS;
            operand columns = columns_at(columns_room, panel, pairs);
            operand x = rows_at(room[0], row, t->m, stride[0], k, pairs);
            LOAD(&r, 4, x.at, x.stride);
            LOAD(&r, 6, columns.at, columns.stride);
            LOAD(&r, 7, (const char *)columns.at + ROW_BYTES, columns.stride);
            MULTIPLY(&r, 0, 4, 6);
            MULTIPLY(&r, 1, 4, 7);
            if (halves > 1) {
                x = rows_at(room[1], row + HEIGHT, t->m - HEIGHT, stride[1], k, pairs);
                LOAD(&r, 5, x.at, x.stride);
                MULTIPLY(&r, 2, 5, 6);
                MULTIPLY(&r, 3, 5, 7);
            }
            ahead = fetch_some(ahead);
        }
    }
    STORE(&r, 0, &sum[0][0][0], sizeof sum[0][0]);
    STORE(&r, 1, &sum[0][0][WIDTH], sizeof sum[0][0]);
    STORE(&r, 2, &sum[HALVES - 1][0][0], sizeof sum[0][0]);
    STORE(&r, 3, &sum[HALVES - 1][0][WIDTH], sizeof sum[0][0]);
    int columns = t->columns - first < ACROSS * WIDTH ? t->columns - first : ACROSS * WIDTH;
    for (int i = 0; i < t->m; i++) {
        float *out = t->out[i] + t->out_offset + first;
        const float *from = sum[i / HEIGHT][i % HEIGHT], *before = t->bias ? t->bias + first : out;
        for (int c = 0; c < columns; c++) out[c] = before[c] + from[c];
    }
}

static void product(const product_tile *t) {
    for (int first = 0; first < t->columns; first += ACROSS * WIDTH)
        if (t->m > HEIGHT) block(t, first, 2);
        else block(t, first, 1);
}

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

const kernel_tiles PASTE(kernel_tiles_, KERNEL_ISA) = {begin, end, product};
