/* Features for tests, made as tests/generators/stats_distances.py makes them: the same operations in the same order. */
#ifndef TESTS_UNIT_STATS_MADE_FEATURES_H
#define TESTS_UNIT_STATS_MADE_FEATURES_H

#include <stdlib.h>
#include "base/philox.h"
#include "near.h"
#include "stats/feature_set.h"

enum { FULL, SHIFTED, SINGULAR, CONSTANT, GRADED, POINT, POSITIVE };

static inline double of_kind(int kind, double x, int k, int d) {
    switch (kind) {
    case SHIFTED: return x * (1 + k / 8.0) + 1000;
    case CONSTANT: return k % 3 == 0 ? 2.5 : x;
    case GRADED: return x * ldexp(1, -2 * k);
    case POINT: return k;
    case POSITIVE: return fabs(x) + 0.125 * k / d;
    default: return x;
    }
}

/* Owned: free with free_features. */
static inline stats_features made_features(int kind, uint64_t seed, int n, int d) {
    double *x = malloc((size_t)n * (size_t)d * sizeof *x), *z = malloc((size_t)d * sizeof *z);
    philox r;
    assert_true(x && z);
    philox_init(&r, seed, NULL, 0);
    for (int i = 0; i < n; i++) {
        double *row = x + (size_t)i * (size_t)d;
        for (int k = 0; k < d; k++) z[k] = philox_uniform(&r) - 0.5;
        for (int k = 0; k < d; k++) row[k] = of_kind(kind, z[k] + 0.5 * z[(k + 1) % d], k, d);
        for (int k = 0; kind == SINGULAR && k < d / 2; k++) row[d - d / 2 + k] = row[k];
    }
    free(z);
    return (stats_features){.n = n, .d = d, .f64 = x};
}

static inline void free_features(const stats_features *f) { free((void *)(uintptr_t)f->f64); }

/* A changeable view of features that made_features made. */
static inline double *cells(const stats_features *f) { return (double *)(uintptr_t)f->f64; }

/* The same rows in another order: row i goes to place 7 i + 3 modulo n, n not a multiple of 7. */
static inline stats_features shuffled(const stats_features *f) {
    double *x = malloc((size_t)(f->n * f->d) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < f->n; i++)
        memcpy(x + (7 * i + 3) % f->n * f->d, f->f64 + i * f->d, (size_t)f->d * sizeof *x);
    return (stats_features){.n = f->n, .d = f->d, .f64 = x};
}

#endif
