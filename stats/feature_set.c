/* Checks and means of features. Results do not depend on the number of threads. */
#include "stats/feature_set.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>

enum { WIDEST = 46340 }; /* its square is below 2^31 */

static ss_status feature_set_check(const stats_features *f, const char *name, ss_error *err) {
    if (f->n < 2)
        return error_set(err, SS_ERR_INPUT, name,
                         "%" PRId64 " row%s of features; a distance between distributions needs 2 or more", f->n,
                         f->n == 1 ? "" : "s");
    if (f->n > INT_MAX) return error_set(err, SS_ERR_INPUT, name, "more than %d rows of features", INT_MAX);
    if (f->d < 1 || f->d > WIDEST)
        return error_set(err, SS_ERR_INPUT, name, "%" PRId64 " features a row; expected 1 to %d", f->d, WIDEST);
    for (int64_t i = 0; i < f->n; i++)
        for (int64_t k = 0; k < f->d; k++)
            if (!isfinite(stats_feature(f, i, k)))
                return error_set(err, SS_ERR_INPUT, name,
                                 "feature %" PRId64 " of row %" PRId64 " is not a finite number", k, i);
    return SS_OK;
}

ss_status stats_features_check(const stats_features *first, const stats_features *second, ss_error *err) {
    SS_TRY(feature_set_check(first, "first set", err));
    SS_TRY(feature_set_check(second, "second set", err));
    if (first->d != second->d)
        return error_set(err, SS_ERR_INPUT, "second set",
                         "%" PRId64 " features a row where the first set has %" PRId64
                         "; both must come from the same network",
                         second->d, first->d);
    return SS_OK;
}

void stats_features_mean(const stats_features *f, double *mean) {
    double n = (double)f->n;
    for (int64_t k = 0; k < f->d; k++) mean[k] = 0;
    for (int64_t i = 0; i < f->n; i++)
        for (int64_t k = 0; k < f->d; k++) mean[k] += stats_feature(f, i, k) / n;
    /* A block of features at a time, so that rows are read in order and the corrections stay on the stack. */
    enum { BLOCK = 64 };
    for (int64_t k0 = 0; k0 < f->d; k0 += BLOCK) {
        double rest[BLOCK] = {0};
        int64_t width = f->d - k0 < BLOCK ? f->d - k0 : BLOCK;
        for (int64_t i = 0; i < f->n; i++)
            for (int64_t k = 0; k < width; k++) rest[k] += stats_feature(f, i, k0 + k) - mean[k0 + k];
        for (int64_t k = 0; k < width; k++) mean[k0 + k] += rest[k] / n;
    }
}
