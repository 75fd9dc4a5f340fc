/* The LAPACK functions that stats/ uses, single-threaded and with the same bits everywhere (stats/meson.build says
 * which LAPACK). Matrices are row-major and at most 46,340 wide and high, numbers finite. */
#ifndef STATS_LAPACK_H
#define STATS_LAPACK_H

#include <stdint.h>
#include "base/error.h"

/* Sum of the singular values of a[rows, columns], both at least 1; `a` is destroyed. Errors: SS_ERR_RESOURCE;
 * SS_ERR_INTERNAL where they do not converge. */
ss_status lapack_nuclear_norm(double *a, int64_t rows, int64_t columns, double *out, ss_error *err);

/* A factor of a symmetric positive semidefinite s[d, d]: s = A'A, A[rank, d] (owned, malloc), up to a remainder whose
 * pivots are below d x epsilon x the largest diagonal entry: rounding. `s` is destroyed. Errors: SS_ERR_RESOURCE;
 * SS_ERR_INTERNAL. */
ss_status lapack_semidefinite_factor(double *s, int64_t d, double **factor, int64_t *rank, ss_error *err);

#endif
