/* One tile of a product, 6 rows by up to 64 columns, on one instruction set (KERNEL_ISA; kernel.h). Accumulators stay
 * in registers over the whole sum; the panel streams from the second-level cache, rows are broadcast from the first.
 * Each output element is one chain of multiply-adds in the order of its sum: neither the number of rows in the tile nor
 * the lane it falls on touches its bits. Nor does the type of the panel: every 16-bit value is a float32 value. */
#include "tensor/kernel.h"

#include <string.h>
#include "tensor/vec.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

/* VECTORS x 6 accumulators, VECTORS of the panel and one broadcast fit into 32, 16 and 16 registers. */
#if defined(__AVX512F__)
enum { VECTORS = 4 };
#else
enum { VECTORS = 2 };
#endif

enum { LINE = 64, LINE_FLOATS = LINE / 4 /* of a cache */, FETCH_TERMS = 8 /* of the sum between two fetches */ };

typedef uint16_t halves __attribute__((vector_size(LANES * 2), may_alias));
typedef int8_t bytes __attribute__((vector_size(LANES), may_alias));

#if defined(__AVX512F__)
static inline vec from_f16(halves h) { return (vec)_mm512_cvtph_ps((__m256i)h); }

/* Each half above 16 zeros in one instruction; to extend and to shift would be two. */
static inline vec from_bf16(halves h) {
    const __m512i twice = _mm512_set_epi16(15, 15, 14, 14, 13, 13, 12, 12, 11, 11, 10, 10, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5,
                                           4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    return (vec)_mm512_maskz_permutexvar_epi16(0xAAAAAAAA, twice, _mm512_castsi256_si512((__m256i)h));
}
#elif defined(__AVX2__)
static inline vec from_f16(halves h) { return (vec)_mm256_cvtph_ps((__m128i)h); }
static inline vec from_bf16(halves h) { return (vec)(__builtin_convertvector(h, words) << 16); }
#else
static inline vec from_bf16(halves h) { return (vec)(__builtin_convertvector(h, words) << 16); }

/* half_from_f16 (half.h) in every lane. */
static inline vec from_f16(halves h) {
    words wide = __builtin_convertvector(h, words), sign = (wide & 0x8000u) << 16, magnitude = (wide & 0x7FFFu) << 13;
    words subnormal = (words)((vec)(magnitude + (113u << 23)) - 0x1p-14f), normal = magnitude + (112u << 23);
    words is_small = (words)(magnitude < 1u << 23), is_large = (words)(magnitude >= 31u << 23);
    words bits = (subnormal & is_small) | (normal & ~is_small);
    return (vec)(((magnitude | 0x7F800000u) & is_large) | (bits & ~is_large) | sign);
}
#endif

#if defined(__AVX512F__)
static inline vec from_i8(bytes b) { return (vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32((__m128i)b)); }
#else
static inline vec from_i8(bytes b) { return __builtin_convertvector(b, vec); }
#endif

/* sum + the products of two pairs of bfloat16 in every lane, those of the high halves first; each is exact in float32,
 * so that it does not matter where multiply-adds round. */
#if defined(__AVX512BF16__)
static inline vec add_pairs(vec sum, float x, vec w) {
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)spread(x), (__m512bh)w);
}
#else
static inline vec add_pairs(vec sum, float x, vec w) {
    words a = (words)spread(x), b = (words)w;
    vec high = madd((vec)(a & 0xFFFF0000u), (vec)(b & 0xFFFF0000u), sum);
    return madd((vec)(a << 16), (vec)(b << 16), high);
}
#endif

/* Lanes of a panel from element `at` on, which are columns `column` on. */
static inline __attribute__((always_inline)) vec panel_at(const product_tile *t, int64_t at, int column,
                                                          tensor_type type) {
    if (type == TENSOR_F32 || type == TENSOR_BF16X2) return *(const vec *)((const float *)t->panel + at);
    if (type == TENSOR_I8)
        return from_i8(*(const bytes *)((const int8_t *)t->panel + at)) * *(const vec *)(t->scale + column);
    halves h = *(const halves *)((const uint16_t *)t->panel + at);
    return type == TENSOR_F16 ? from_f16(h) : from_bf16(h);
}

/* The last columns of an output that does not fill its panel. */
static __attribute__((noinline)) void finish_edge(const product_tile *t, int r, int first, const float *sum) {
    float *out = t->out[r] + t->out_offset;
    for (int column = first; column < t->columns; column++)
        out[column] = (t->bias ? t->bias[column] : out[column]) + sum[column - first];
}

/* Memory that is wanted soon, fetched while the sum runs: the tile's outputs, which in a wide layer have left the cache
 * since the last block of the sum, and what the caller requests. Without an end to the latter: a comparison more in the
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

/* Term k of the sum of every element from column `first` on: the panel's from `at` on, times the rows' elements. */
static inline __attribute__((always_inline)) void term(vec sum[PRODUCT_ROWS][VECTORS], const product_tile *t,
                                                       const float *const *row, int64_t k, int64_t at, int first, int m,
                                                       int vectors, tensor_type type) {
    vec w[VECTORS];
    for (int v = 0; v < vectors; v++) w[v] = panel_at(t, at + v * LANES, first + v * LANES, type);
    if (type != TENSOR_F32 && type != TENSOR_BF16X2 && m == PRODUCT_ROWS)
        for (int v = 0; v < vectors; v++) *(vec *)(t->widened + at + v * LANES) = w[v];
    for (int r = 0; r < m; r++) {
        vec x = spread(row[r][k]);
        for (int v = 0; v < vectors; v++)
            sum[r][v] = type == TENSOR_BF16X2 ? add_pairs(sum[r][v], row[r][k], w[v]) : madd(x, w[v], sum[r][v]);
    }
}

/* Columns [first, first + vectors * LANES) of the panel; m, vectors and type are constants after inlining. Terms go by
 * eights without a loop: its end, and a branch that is mispredicted there, cost a sixth of the time. */
static inline __attribute__((always_inline)) void tile(const product_tile *t, int first, int m, int vectors,
                                                       tensor_type type) {
    vec sum[PRODUCT_ROWS][VECTORS];
    for (int r = 0; r < m; r++)
        for (int v = 0; v < vectors; v++) sum[r][v] = (vec){0};
    int64_t at = first; /* in the panel */
    fetch f = fetch_begin(t, first, m, vectors);
    for (int64_t tap = 0; tap < t->taps; tap++) {
        const float *row[PRODUCT_ROWS];
        for (int r = 0; r < m; r++) row[r] = t->row[tap * PRODUCT_ROWS + r] + t->offset;
        int64_t k = 0;
        for (; k + FETCH_TERMS <= t->count; k += FETCH_TERMS, at += FETCH_TERMS * PRODUCT_COLUMNS) {
            fetch_some(&f, t, first, vectors);
#pragma GCC unroll 8
            for (int u = 0; u < FETCH_TERMS; u++)
                term(sum, t, row, k + u, at + u * PRODUCT_COLUMNS, first, m, vectors, type);
        }
        for (; k < t->count; k++, at += PRODUCT_COLUMNS) term(sum, t, row, k, at, first, m, vectors, type);
    }
    if (first + vectors * LANES > t->columns) {
        float scratch[PRODUCT_ROWS][VECTORS * LANES];
        for (int r = 0; r < m; r++)
            for (int v = 0; v < vectors; v++) *(loose *)(scratch[r] + v * LANES) = sum[r][v];
        for (int r = 0; r < m; r++) finish_edge(t, r, first, scratch[r]);
        return;
    }
    for (int r = 0; r < m; r++)
        for (int v = 0; v < vectors; v++) {
            loose *out = (loose *)(t->out[r] + t->out_offset + first) + v;
            *out = (t->bias ? ((const loose *)(t->bias + first))[v] : *out) + sum[r][v];
        }
}

#define TILE(m, vectors)                                                                                               \
    case (m)*8 + (vectors): tile(t, first, m, vectors, type); break;

static inline __attribute__((always_inline)) void columns(const product_tile *t, int first, int vectors,
                                                          tensor_type type) {
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

static __attribute__((noinline)) void columns_f32(const product_tile *t, int first, int vectors) {
    columns(t, first, vectors, TENSOR_F32);
}

static __attribute__((noinline)) void columns_f16(const product_tile *t, int first, int vectors) {
    columns(t, first, vectors, TENSOR_F16);
}

static __attribute__((noinline)) void columns_i8(const product_tile *t, int first, int vectors) {
    columns(t, first, vectors, TENSOR_I8);
}

static __attribute__((noinline)) void columns_pairs(const product_tile *t, int first, int vectors) {
    columns(t, first, vectors, TENSOR_BF16X2);
}

static __attribute__((noinline)) void columns_bf16(const product_tile *t, int first, int vectors) {
    columns(t, first, vectors, TENSOR_BF16);
}

void PASTE(kernel_product_, KERNEL_ISA)(const product_tile *t) {
    for (int first = 0; first < t->columns; first += VECTORS * LANES) {
        int vectors = (t->columns - first + LANES - 1) / LANES;
        if (vectors > VECTORS) vectors = VECTORS;
        switch (t->type) {
        case TENSOR_F32: columns_f32(t, first, vectors); break;
        case TENSOR_F16: columns_f16(t, first, vectors); break;
        case TENSOR_BF16: columns_bf16(t, first, vectors); break;
        case TENSOR_I8: columns_i8(t, first, vectors); break;
        case TENSOR_BF16X2: columns_pairs(t, first, vectors); break;
        case TENSOR_F64:
        case TENSOR_I64: break; /* no weight's */
        }
    }
}
