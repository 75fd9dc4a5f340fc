/* The Frechet distance between two sets of features, each taken for a Gaussian (FID, Heusel et al. 2017):
 *
 *     d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2),   S with n - 1
 *
 * as pytorch-fid's calculate_frechet_distance. With any factors S_i = A_i' A_i the last trace is the sum of the
 * singular values of A1 A2', the square roots of the eigenvalues of S1^(1/2) S2 S1^(1/2). Taking them so forms
 * no product of covariances and needs no special case for singular S, where SciPy's sqrtm loses half of the digits.
 * Factors: the n centred rows themselves, divided by sqrt(n - 1), where n < d (small and exact); else the pivoted
 * Cholesky factor of the covariance.
 *
 * The estimate is biased upwards by about c(S) / n (METHOD.md, section 14): compare values of equal n only. */
#ifndef STATS_FRECHET_H
#define STATS_FRECHET_H

#include "stats/feature_set.h"

typedef enum stats_frechet_route {
    STATS_FRECHET_AUTO,      /* by size, each set for itself */
    STATS_FRECHET_ROWS,      /* factor: the centred rows */
    STATS_FRECHET_COVARIANCE /* factor: Cholesky of the covariance */
} stats_frechet_route;

typedef struct stats_frechet {
    int64_t n1, n2, d;
    double distance;                    /* d^2 (what is called FID); rounding below 0 is 0 */
    double means;                       /* |m1 - m2|^2 */
    double trace1, trace2, cross;       /* tr S1, tr S2, tr (S1 S2)^(1/2) */
    stats_frechet_route route1, route2; /* as taken */
} stats_frechet;

/* From features. The same bits on any number of `threads` (>= 1). Memory: d^2 doubles a set with n >= d, and
 * min(n1, d) x min(n2, d). Errors: SS_ERR_INPUT as stats_features_check, and for features whose squares are beyond a
 * double; SS_ERR_RESOURCE. */
ss_status stats_frechet_features(const stats_features *first, const stats_features *second, stats_frechet_route route,
                                 int threads, stats_frechet *out, ss_error *err);

/* Mean and covariance (n - 1): what published reference statistics (.npz with mu and sigma) hold. */
typedef struct stats_gaussian {
    int64_t n, d;       /* n: rows it was fitted to; 0: not known. Not used by the distance */
    double *mean;       /* [d] */
    double *covariance; /* [d, d] */
} stats_gaussian;

/* Owned, one block at out->mean. Errors as stats_frechet_features. */
ss_status stats_gaussian_fit(const stats_features *f, int threads, stats_gaussian *out, ss_error *err);
void stats_gaussian_free(stats_gaussian *g);

/* From moments, always by their Cholesky factors. `ridge` (0: none) is added to both diagonals inside the square root
 * only: pytorch-fid does so with 1e-6 where its own square root failed, so a published value may need it.
 * Errors: SS_ERR_INPUT for a covariance that is not finite, symmetric and positive semidefinite, or of another d. */
ss_status stats_frechet_gaussians(const stats_gaussian *first, const stats_gaussian *second, double ridge, int threads,
                                  stats_frechet *out, ss_error *err);

#endif
