/* Tiles of products of rows: both sides are packed into panels (in double, mean taken off), then multiplied by a kernel
 * of 6 by 8 sums held in registers, compiled once per instruction set. The compiler must not fuse or reorder a sum
 * (-ffp-contract=off, no -ffast-math). */
#include "stats/product.h"

#include <stdlib.h>
#include <string.h>
#include "base/thread_pool.h"

enum { TILE = STATS_PRODUCT_TILE, DEPTH = STATS_PRODUCT_DEPTH, HIGH = 6, WIDE = 8 };

_Static_assert(TILE % HIGH == 0 && TILE % WIDE == 0, "a tile is whole panels");

/* NAME: c (rows TILE apart) += panels of `a` times panels of `b`, `depth` terms, in vectors of LANES numbers, ROWS rows
 * of a panel at a time: as many sums as the instruction set has registers for. GCC keeps wider vectors than the
 * machine's in memory, which costs a factor of six. */
#define DEFINE_PANELS(NAME, TARGET, LANES, ROWS)                                                                       \
    TARGET static void NAME(int high, int wide, int depth, const double *a, const double *b, double *c) {              \
        typedef double lanes __attribute__((vector_size(8 * LANES), may_alias));                                       \
        for (int j = 0; j < wide; j += WIDE)                                                                           \
            for (int i = 0; i < high; i += ROWS) {                                                                     \
                const double *left = a + i / HIGH * HIGH * depth + i % HIGH, *right = b + j * depth;                   \
                lanes sum[ROWS][WIDE / LANES] = {0};                                                                   \
                for (int k = 0; k < depth; k++, left += HIGH, right += WIDE)                                           \
                    for (int r = 0; r < ROWS; r++)                                                                     \
                        for (int v = 0; v < WIDE / LANES; v++) sum[r][v] += left[r] * ((const lanes *)right)[v];       \
                for (int r = 0; r < ROWS; r++)                                                                         \
                    for (int v = 0; v < WIDE / LANES; v++) ((lanes *)(c + (i + r) * TILE + j))[v] += sum[r][v];        \
            }                                                                                                          \
    }

typedef void panels_function(int high, int wide, int depth, const double *a, const double *b, double *c);

DEFINE_PANELS(panels_baseline, , 2, 2)

#ifdef __x86_64__
DEFINE_PANELS(panels_avx2, __attribute__((target("avx2"))), 4, 6)
DEFINE_PANELS(panels_avx512, __attribute__((target("avx512f,prefer-vector-width=512"))), 8, 6)

static panels_function *best_panels(void) {
    if (__builtin_cpu_supports("avx512f")) return panels_avx512;
    if (__builtin_cpu_supports("avx2")) return panels_avx2;
    return panels_baseline;
}
#else
static panels_function *best_panels(void) { return panels_baseline; }
#endif

static int64_t product_rows_of(const stats_product_side *s) { return s->transposed ? s->from->d : s->from->n; }
static int64_t product_terms_of(const stats_product_side *s) { return s->transposed ? s->from->n : s->from->d; }

static int up_to(int64_t left, int limit) { return left < limit ? (int)left : limit; }
static int product_round_up(int x, int step) { return (x + step - 1) / step * step; }

/* Rows i0 .. i0+count-1, terms k0 .. k0+depth-1 in panels of `width` rows: out[panel][k][row]; rows that a last panel
 * lacks are 0. */
static void product_pack(const stats_product_side *s, int64_t i0, int count, int64_t k0, int depth, int width,
                         double *out) {
    const stats_features *f = s->from;
    for (int p = 0; p < count; p += width, out += (size_t)width * (size_t)depth) {
        int here = count - p < width ? count - p : width;
        if (here < width) memset(out, 0, sizeof *out * (size_t)width * (size_t)depth);
        if (s->transposed) {
            for (int k = 0; k < depth; k++)
                for (int r = 0; r < here; r++)
                    out[k * width + r] = stats_feature(f, k0 + k, i0 + p + r) - (s->mean ? s->mean[i0 + p + r] : 0.0);
        } else {
            for (int r = 0; r < here; r++)
                for (int k = 0; k < depth; k++)
                    out[k * width + r] = stats_feature(f, i0 + p + r, k0 + k) - (s->mean ? s->mean[k0 + k] : 0.0);
        }
    }
}

void stats_product_tile(const stats_product_side *a, int64_t i0, const stats_product_side *b, int64_t j0, double *work,
                        double *tile) {
    panels_function *run = best_panels();
    double *left = work, *right = work + TILE * DEPTH;
    int high = up_to(product_rows_of(a) - i0, TILE), wide = up_to(product_rows_of(b) - j0, TILE);
    memset(tile, 0, STATS_PRODUCT_TILE_BYTES);
    for (int64_t k = 0; k < product_terms_of(a); k += DEPTH) {
        int depth = up_to(product_terms_of(a) - k, DEPTH);
        product_pack(a, i0, high, k, depth, HIGH, left);
        product_pack(b, j0, wide, k, depth, WIDE, right);
        run(product_round_up(high, HIGH), product_round_up(wide, WIDE), depth, left, right, tile);
    }
}

double *stats_product_scratch(int threads) {
    return aligned_alloc(64, (size_t)threads * (STATS_PRODUCT_WORK_BYTES + STATS_PRODUCT_TILE_BYTES));
}

/* One tile to its place, and mirrored where the product is symmetric. */
static void product_put(const double *tile, int64_t i0, int64_t j0, int64_t rows, int64_t columns, int mirrored,
                        double *out) {
    int high = up_to(rows - i0, TILE), wide = up_to(columns - j0, TILE);
    for (int i = 0; i < high; i++) memcpy(out + (i0 + i) * columns + j0, tile + i * TILE, sizeof *out * (size_t)wide);
    if (!mirrored) return;
    for (int j = 0; j < wide; j++)
        for (int i = 0; i < high; i++) out[(j0 + j) * columns + i0 + i] = tile[i * TILE + j];
}

typedef struct product_work {
    const stats_product_side *a, *b;
    int64_t across; /* tiles */
    double *scratch, *out;
} product_work;

static void product_put_tiles(void *context, int64_t first, int64_t end, int part) {
    const product_work *w = context;
    double *work = stats_product_work(w->scratch, part), *tile = work + STATS_PRODUCT_WORK_BYTES / sizeof *tile;
    for (int64_t t = first; t < end; t++) {
        int64_t i0 = t / w->across * TILE, j0 = t % w->across * TILE;
        if (w->a == w->b && j0 > i0) continue;
        stats_product_tile(w->a, i0, w->b, j0, work, tile);
        product_put(tile, i0, j0, product_rows_of(w->a), product_rows_of(w->b), w->a == w->b && j0 < i0, w->out);
    }
}

ss_status stats_product(const stats_product_side *a, const stats_product_side *b, int threads, double *out,
                        ss_error *err) {
    int64_t down = (product_rows_of(a) + TILE - 1) / TILE, across = (product_rows_of(b) + TILE - 1) / TILE;
    double *scratch = stats_product_scratch(threads);
    if (!scratch)
        return error_no_memory(err, "a product of features",
                               (size_t)threads * (STATS_PRODUCT_WORK_BYTES + STATS_PRODUCT_TILE_BYTES));
    product_work work = {a, b, across, scratch, out};
    ss_status status = thread_pool_for_once(threads, down * across, 1, product_put_tiles, &work, err);
    free(scratch);
    return status;
}
