/* Features: one row of numbers for every member of a set, as a network gives them; the input of the distances between
 * sets (stats/frechet.h, stats/kernel_distance.h). */
#ifndef STATS_FEATURE_SET_H
#define STATS_FEATURE_SET_H

#include <stdint.h>
#include "base/error.h"

/* [n, d], row-major, borrowed; in single or double precision (the other pointer is NULL). Sums are in double either
 * way, and a set given in both ways with the same values gives the same bits. */
typedef struct stats_features {
    int64_t n, d;
    const float *f32;
    const double *f64;
} stats_features;

static inline double stats_feature(const stats_features *f, int64_t row, int64_t feature) {
    int64_t at = row * f->d + feature;
    return f->f32 ? (double)f->f32[at] : f->f64[at];
}

/* Errors: SS_ERR_INPUT naming the set ("first set", "second set") for fewer than two rows, no features or more than
 * 46,340 (LAPACK's 32-bit sizes), a value that is not finite, another width in the second set. */
ss_status stats_features_check(const stats_features *first, const stats_features *second, ss_error *err);

/* mean[d] over rows, corrected for its own rounding. */
void stats_features_mean(const stats_features *f, double *mean);

#endif
