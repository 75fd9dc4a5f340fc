/* Products of rows in double, in tiles: Gram matrices of features and their covariance. Every entry is one sum in one
 * fixed order (blocks of STATS_PRODUCT_DEPTH terms, each from its first term to its last, without fused
 * multiply-adds), so its bits depend on neither the tile it falls in, nor the threads, nor the instruction set. */
#ifndef STATS_PRODUCT_H
#define STATS_PRODUCT_H

#include <stddef.h>
#include "stats/feature_set.h"

enum { STATS_PRODUCT_TILE = 120, STATS_PRODUCT_DEPTH = 256 };

/* Bytes of a tile, and of what making one needs. Both must be aligned to 64 bytes. */
#define STATS_PRODUCT_TILE_BYTES (sizeof(double) * STATS_PRODUCT_TILE * STATS_PRODUCT_TILE)
#define STATS_PRODUCT_WORK_BYTES (2 * sizeof(double) * STATS_PRODUCT_TILE * STATS_PRODUCT_DEPTH)

/* One side of a product. Its rows are the rows of the features (the sum runs over features) or, `transposed`, the
 * features themselves (the sum runs over rows). mean[d] is taken off first, unless NULL. */
typedef struct stats_product_side {
    const stats_features *from;
    const double *mean;
    int transposed;
} stats_product_side;

/* tile[i * STATS_PRODUCT_TILE + j] = row i0 + i of `a` times row j0 + j of `b`; 0 beyond the last rows. Both sides have
 * equally long sums. Single-threaded; `work` is overwritten. */
void stats_product_tile(const stats_product_side *a, int64_t i0, const stats_product_side *b, int64_t j0, double *work,
                        double *tile);

/* The whole product, out[rows of a, rows of b]. Where b is a itself (the same pointer), half is computed and mirrored,
 * which gives the same bits. Errors: SS_ERR_RESOURCE. */
ss_status stats_product(const stats_product_side *a, const stats_product_side *b, int threads, double *out,
                        ss_error *err);

/* `threads` times (work + tile), one after the other, malloc'd and aligned; NULL without memory. */
double *stats_product_scratch(int threads);

static inline double *stats_product_work(double *scratch, int thread) {
    return scratch + (size_t)thread * ((STATS_PRODUCT_WORK_BYTES + STATS_PRODUCT_TILE_BYTES) / sizeof *scratch);
}

#endif
