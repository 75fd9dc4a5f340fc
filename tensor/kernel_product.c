/* One tile of a product, 6 rows by up to 64 columns, on one instruction set (KERNEL_ISA; kernel.h). Accumulators stay
 * in registers over the whole sum; the panel streams from the second-level cache, rows are broadcast from the first.
 * Each output element is one chain of multiply-adds in the order of its sum: neither the number of rows in the tile nor
 * the lane it falls on touches its bits. */
#include "tensor/kernel.h"

#include <string.h>
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

/* VECTORS x 6 accumulators, VECTORS of the panel and one broadcast fit into 32, 16 and 16 registers. */
#if defined(__AVX512F__)
enum { LANES = 16, VECTORS = 4 };
#elif defined(__AVX2__)
enum { LANES = 8, VECTORS = 2 };
#else
enum { LANES = 4, VECTORS = 2 };
#endif

enum { LINE = 64, LINE_FLOATS = LINE / 4 /* of a cache */, FETCH_TERMS = 8 /* of the sum between two fetches */ };

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef float loose __attribute__((vector_size(LANES * 4), aligned(4), may_alias)); /* any address */

#if defined(__AVX512F__)
static inline vec spread(float x) { return (vec)_mm512_set1_ps(x); }
static inline vec madd(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#elif defined(__AVX2__)
static inline vec spread(float x) { return (vec)_mm256_set1_ps(x); }
static inline vec madd(vec a, vec b, vec c) { return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#else
static inline vec spread(float x) { return (vec){x, x, x, x}; }
static inline vec madd(vec a, vec b, vec c) { return a * b + c; }
#endif

/* The last columns of an output that does not fill its panel. */
static __attribute__((noinline)) void finish_edge(const product_tile *t, int r, int first, const float *sum) {
    float *out = t->out[r] + t->out_offset;
    for (int column = first; column < t->columns; column++)
        out[column] = (t->bias ? t->bias[column] : out[column]) + sum[column - first];
}

/* Memory that is wanted soon, fetched while the sum runs: the tile's outputs, which in a wide layer have left the cache
 * since the last block of the sum, and what the caller asks for. Without an end to the latter: a comparison more in the
 * loop costs more than fetching what the next tile fetches again. */
typedef struct fetch {
    uintptr_t ahead, step;
    int line, lines; /* of the tile's outputs */
} fetch;

static inline __attribute__((always_inline)) fetch fetch_begin(const product_tile *t, int first, int m, int vectors) {
    int wanted = t->ahead && first == 0;
    return (fetch){.ahead = wanted ? t->ahead : (uintptr_t)t->panel,
                   .step = wanted ? LINE : 0,
                   .lines = m * ((vectors * LANES + LINE_FLOATS - 1) / LINE_FLOATS)};
}

static inline __attribute__((always_inline)) void fetch_some(fetch *f, const product_tile *t, int first, int vectors) {
    const int width = (vectors * LANES + LINE_FLOATS - 1) / LINE_FLOATS;
    __builtin_prefetch((const void *)f->ahead, 0, 2);
    f->ahead += f->step;
    if (f->line == f->lines) return;
    __builtin_prefetch(t->out[f->line / width] + t->out_offset + first + f->line % width * LINE_FLOATS, 1);
    f->line++;
}

/* Columns [first, first + vectors * LANES) of the panel; m and vectors are constants after inlining. */
static inline __attribute__((always_inline)) void tile(const product_tile *t, int first, int m, int vectors) {
    vec sum[PRODUCT_ROWS][VECTORS];
    for (int r = 0; r < m; r++)
        for (int v = 0; v < vectors; v++) sum[r][v] = (vec){0};
    const float *panel = t->panel + first;
    fetch f = fetch_begin(t, first, m, vectors);
    for (int64_t tap = 0; tap < t->taps; tap++) {
        const float *row[PRODUCT_ROWS];
        for (int r = 0; r < m; r++) row[r] = t->row[tap * PRODUCT_ROWS + r] + t->offset;
        for (int64_t k = 0; k < t->count;) {
            int64_t end = k + FETCH_TERMS < t->count ? k + FETCH_TERMS : t->count;
            fetch_some(&f, t, first, vectors);
            for (; k < end; k++, panel += PRODUCT_COLUMNS) {
                vec w[VECTORS];
                for (int v = 0; v < vectors; v++) w[v] = *(const vec *)(panel + v * LANES);
                for (int r = 0; r < m; r++) {
                    vec x = spread(row[r][k]);
                    for (int v = 0; v < vectors; v++) sum[r][v] = madd(x, w[v], sum[r][v]);
                }
            }
        }
    }
    if (first + vectors * LANES > t->columns) {
        float room[PRODUCT_ROWS][VECTORS * LANES];
        for (int r = 0; r < m; r++)
            for (int v = 0; v < vectors; v++) *(loose *)(room[r] + v * LANES) = sum[r][v];
        for (int r = 0; r < m; r++) finish_edge(t, r, first, room[r]);
        return;
    }
    for (int r = 0; r < m; r++)
        for (int v = 0; v < vectors; v++) {
            loose *out = (loose *)(t->out[r] + t->out_offset + first) + v;
            *out = (t->bias ? ((const loose *)(t->bias + first))[v] : *out) + sum[r][v];
        }
}

#define TILE(m, vectors)                                                                                               \
    case (m)*8 + (vectors): tile(t, first, m, vectors); break;

static void columns(const product_tile *t, int first, int vectors) {
    switch (t->m * 8 + vectors) {
        TILE(1, 1)
        TILE(2, 1)
        TILE(3, 1)
        TILE(4, 1)
        TILE(5, 1)
        TILE(6, 1)
        TILE(1, 2)
        TILE(2, 2)
        TILE(3, 2)
        TILE(4, 2)
        TILE(5, 2)
        TILE(6, 2)
#if defined(__AVX512F__)
        TILE(1, 3)
        TILE(2, 3)
        TILE(3, 3)
        TILE(4, 3)
        TILE(5, 3)
        TILE(6, 3)
        TILE(1, 4)
        TILE(2, 4)
        TILE(3, 4)
        TILE(4, 4)
        TILE(5, 4)
        TILE(6, 4)
#endif
    }
}

void PASTE(kernel_product_, KERNEL_ISA)(const product_tile *t) {
    for (int first = 0; first < t->columns; first += VECTORS * LANES) {
        int vectors = (t->columns - first + LANES - 1) / LANES;
        columns(t, first, vectors < VECTORS ? vectors : VECTORS);
    }
}
