/* Squared maximum mean discrepancies. Inner products come from stats/product, a tile at a time, so the matrix of all
 * pairs is never in memory. Sums do not depend on the number of threads: one thread adds up a row of pairs, from its
 * first column to its last. */
#include "stats/kernel_distance.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "base/thread_pool.h"
#include "stats/product.h"
#include "stats/summary.h"

enum { TILE = STATS_PRODUCT_TILE };

const stats_kernel stats_kernel_kid = {.name = "kid", .kind = STATS_KERNEL_CUBIC, .scale = 1};
const stats_kernel stats_kernel_cmmd = {
    .name = "cmmd", .kind = STATS_KERNEL_GAUSSIAN, .normalise = 1, .sigma = 10, .scale = 1000};

ss_status stats_kernel_finite(double value, ss_error *err) {
    if (isfinite(value)) return SS_OK;
    return error_set(err, SS_ERR_INPUT, NULL, "features are too large: their products are beyond what a double holds");
}

ss_status stats_kernel_set_make(const stats_features *f, const stats_kernel *kernel, const char *name,
                                stats_kernel_set *out, ss_error *err) {
    size_t n = (size_t)f->n, bytes = 2 * n * sizeof(double);
    double *block = malloc(bytes);
    *out = (stats_kernel_set){0};
    if (!block) return error_no_memory(err, "lengths of features", bytes);
    stats_kernel_set s = {f, block, block + n};
    for (int64_t i = 0; i < f->n; i++) {
        double square = 0;
        for (int64_t k = 0; k < f->d; k++) square += stats_feature(f, i, k) * stats_feature(f, i, k);
        if (kernel->normalise && square == 0) {
            free(block);
            return error_set(err, SS_ERR_INPUT, name, "row %" PRId64 " has length 0; %s compares directions", i,
                             kernel->name);
        }
        s.factor[i] = kernel->normalise ? 1 / sqrt(square) : 1;
        s.square[i] = kernel->normalise ? 1 : square;
    }
    *out = s;
    return SS_OK;
}

void stats_kernel_set_free(stats_kernel_set *s) {
    free(s->factor);
    *s = (stats_kernel_set){0};
}

/* k(a_i, b_j) from the inner product (Gaussian: less 1), n columns of one row. */
static void kernel_distance_apply(const stats_kernel *kernel, const stats_kernel_set *a, int64_t i,
                                  const stats_kernel_set *b, int64_t j0, int n, double *product) {
    if (kernel->kind == STATS_KERNEL_CUBIC) {
        double d = (double)a->from->d;
        for (int j = 0; j < n; j++) {
            double t = product[j] * (a->factor[i] * b->factor[j0 + j]) / d + 1;
            product[j] = t * t * t;
        }
        return;
    }
    double gamma = 1 / (2 * kernel->sigma * kernel->sigma);
    for (int j = 0; j < n; j++) {
        double inner = product[j] * (a->factor[i] * b->factor[j0 + j]);
        product[j] = expm1(-gamma * (a->square[i] + b->square[j0 + j] - 2 * inner));
    }
}

/* k(a_i, a_i), counted as `apply` does. */
static double with_itself(const stats_kernel *kernel, const stats_kernel_set *a, int64_t i) {
    double t = a->square[i] / (double)a->from->d + 1;
    return kernel->kind == STATS_KERNEL_CUBIC ? t * t * t : 0;
}

/* The rows from i0 on, at most TILE: all their columns in order. */
static void sum_rows(const stats_kernel_set *a, int64_t i0, const stats_kernel_set *b, const stats_kernel *kernel,
                     const int32_t *group, int groups, double *work, double *sums) {
    stats_product_side left = {a->from, NULL, 0}, right = {b->from, NULL, 0};
    double *tile = work + STATS_PRODUCT_WORK_BYTES / sizeof *tile;
    int rows = a->from->n - i0 < TILE ? (int)(a->from->n - i0) : TILE;
    int64_t columns = a == b ? i0 + rows : b->from->n;
    memset(sums + i0 * groups, 0, sizeof *sums * (size_t)rows * (size_t)groups);
    for (int64_t j0 = 0; j0 < columns; j0 += TILE) {
        stats_product_tile(&left, i0, &right, j0, work, tile);
        for (int r = 0; r < rows; r++) {
            int64_t end = a == b ? i0 + r : columns;
            int n = end <= j0 ? 0 : end - j0 < TILE ? (int)(end - j0) : TILE;
            double *row = tile + r * TILE, *to = sums + (i0 + r) * groups, part = 0;
            kernel_distance_apply(kernel, a, i0 + r, b, j0, n, row);
            if (group) {
                for (int j = 0; j < n; j++) to[group[j0 + j]] += row[j];
            } else {
                for (int j = 0; j < n; j++) part += row[j];
                *to += part;
            }
        }
    }
}

typedef struct sums_work {
    const stats_kernel_set *a, *b;
    const stats_kernel *kernel;
    const int32_t *group;
    int groups;
    int64_t stripes;
    double *scratch, *sums;
} sums_work;

/* From the last stripe, which is the longest where a set meets itself. */
static void sum_stripes(void *context, int64_t first, int64_t end, int part) {
    const sums_work *w = context;
    for (int64_t s = first; s < end; s++)
        sum_rows(w->a, (w->stripes - 1 - s) * TILE, w->b, w->kernel, w->group, w->groups,
                 stats_product_work(w->scratch, part), w->sums);
}

ss_status stats_kernel_sums(const stats_kernel_set *a, const stats_kernel_set *b, const stats_kernel *kernel,
                            const int32_t *group, int groups, int threads, double *sums, ss_error *err) {
    int64_t stripes = (a->from->n + TILE - 1) / TILE;
    double *scratch = stats_product_scratch(threads);
    if (!scratch) return error_no_memory(err, "a kernel over pairs", STATS_PRODUCT_TILE_BYTES);
    sums_work work = {a, b, kernel, group, groups, stripes, scratch, sums};
    ss_status status = thread_pool_for_once(threads, stripes, 1, sum_stripes, &work, err);
    free(scratch);
    return status;
}

/* ---- all pairs ---- */

/* Mean over pairs: of two sets, or of a set with itself, whose sums are over j < i. */
static ss_status mean_over_pairs(const stats_kernel_set *a, const stats_kernel_set *b, const stats_kernel *kernel,
                                 stats_mmd_estimator estimator, int threads, double *sums, double *mean,
                                 ss_error *err) {
    double n = (double)a->from->n, total;
    SS_TRY(stats_kernel_sums(a, b, kernel, NULL, 1, threads, sums, err));
    total = stats_sum(sums, (int)a->from->n);
    if (a != b) {
        *mean = total / (n * (double)b->from->n);
        return SS_OK;
    }
    if (estimator == STATS_MMD_UNBIASED) {
        *mean = 2 * total / (n * (n - 1));
        return SS_OK;
    }
    for (int64_t i = 0; i < a->from->n; i++) sums[i] = with_itself(kernel, a, i);
    *mean = (2 * total + stats_sum(sums, (int)a->from->n)) / (n * n);
    return SS_OK;
}

/* Of checked features. */
static ss_status compute(const stats_features *first, const stats_features *second, const stats_kernel *kernel,
                         stats_mmd_estimator estimator, int threads, double *value, ss_error *err) {
    stats_kernel_set x = {0}, y = {0};
    double *sums = NULL, within_x, within_y, between;
    size_t bytes = (size_t)(first->n > second->n ? first->n : second->n) * sizeof *sums;
    ss_status status;
    SS_TRY_GOTO(stats_kernel_set_make(first, kernel, "first set", &x, err), done);
    SS_TRY_GOTO(stats_kernel_set_make(second, kernel, "second set", &y, err), done);
    sums = malloc(bytes);
    if (!sums) SS_TRY_GOTO(error_no_memory(err, "sums over pairs", bytes), done);
    SS_TRY_GOTO(mean_over_pairs(&x, &x, kernel, estimator, threads, sums, &within_x, err), done);
    SS_TRY_GOTO(mean_over_pairs(&y, &y, kernel, estimator, threads, sums, &within_y, err), done);
    SS_TRY_GOTO(mean_over_pairs(&x, &y, kernel, estimator, threads, sums, &between, err), done);
    *value = kernel->scale * (within_x + within_y - 2 * between);
    status = stats_kernel_finite(*value, err);
done:
    free(sums);
    stats_kernel_set_free(&x);
    stats_kernel_set_free(&y);
    return status;
}

ss_status stats_mmd_compute(const stats_features *first, const stats_features *second, const stats_kernel *kernel,
                            stats_mmd_estimator estimator, int threads, stats_mmd *out, ss_error *err) {
    SS_TRY(stats_features_check(first, second, err));
    *out = (stats_mmd){.n1 = first->n, .n2 = second->n, .d = first->d};
    return compute(first, second, kernel, estimator, threads, &out->value, err);
}

/* ---- subsets ---- */

void stats_subset_draw(uint64_t seed, int subset, int set, int64_t n, int size, int64_t *order) {
    uint64_t name[3] = {philox_hash_text("subset"), (uint64_t)subset, (uint64_t)set};
    philox stream;
    philox_init(&stream, seed, name, 3);
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = 0; i < size; i++) { /* the first steps of Fisher and Yates's shuffle */
        int64_t j = i + philox_below(&stream, (uint32_t)(n - i)), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}

static stats_features kernel_distance_gather(const stats_features *f, const int64_t *rows, int size, double *to) {
    for (int i = 0; i < size; i++)
        for (int64_t k = 0; k < f->d; k++) to[i * f->d + k] = stats_feature(f, rows[i], k);
    return (stats_features){.n = size, .d = f->d, .f64 = to};
}

static ss_status check_subsets(const stats_features *first, const stats_features *second, int size, int subsets,
                               ss_error *err) {
    int64_t fewest = first->n < second->n ? first->n : second->n;
    if (subsets < 1) return error_set(err, SS_ERR_INPUT, NULL, "%d subsets; expected 1 or more", subsets);
    if (size < 2 || size > fewest)
        return error_set(err, SS_ERR_INPUT, NULL,
                         "subsets of %d rows; expected 2 to %" PRId64 ", the rows of the smaller set", size, fewest);
    return SS_OK;
}

/* Errors of the whole sets, whose rows have other numbers within a subset. */
static ss_status check_lengths(const stats_features *f, const stats_kernel *kernel, const char *name, ss_error *err) {
    stats_kernel_set s;
    SS_TRY(stats_kernel_set_make(f, kernel, name, &s, err));
    stats_kernel_set_free(&s);
    return SS_OK;
}

ss_status stats_mmd_subsets_compute(const stats_features *first, const stats_features *second,
                                    const stats_kernel *kernel, int size, int subsets, uint64_t seed, int threads,
                                    stats_mmd_subsets *out, ss_error *err) {
    SS_TRY(stats_features_check(first, second, err));
    SS_TRY(check_subsets(first, second, size, subsets, err));
    SS_TRY(check_lengths(first, kernel, "first set", err));
    SS_TRY(check_lengths(second, kernel, "second set", err));
    size_t longest = (size_t)(first->n > second->n ? first->n : second->n), cells = (size_t)size * (size_t)first->d;
    size_t numbers = 2 * cells + (size_t)subsets;
    double *rows = malloc(numbers * sizeof *rows), *values = rows ? rows + 2 * cells : NULL;
    int64_t *order = calloc(longest, sizeof *order);
    ss_status status = rows && order ? SS_OK : error_no_memory(err, "subsets of features", numbers * sizeof *rows);
    for (int s = 0; s < subsets && status == SS_OK; s++) {
        stats_subset_draw(seed, s, 0, first->n, size, order);
        stats_features x = kernel_distance_gather(first, order, size, rows);
        stats_subset_draw(seed, s, 1, second->n, size, order);
        stats_features y = kernel_distance_gather(second, order, size, rows + cells);
        status = compute(&x, &y, kernel, STATS_MMD_UNBIASED, threads, &values[s], err);
    }
    if (status == SS_OK) {
        stats_summary summary = stats_summarise(values, subsets, 0);
        *out = (stats_mmd_subsets){first->n, second->n, first->d, size, subsets, 0, 0, 0};
        out->mean = summary.mean.value;
        out->sd = summary.sd.value;
        out->se = summary.se.value;
    }
    free(rows);
    free(order);
    return status;
}
