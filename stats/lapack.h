/* The three LAPACK routines that stats/ calls, in the calling convention of gfortran: everything by address, matrices
 * by columns, the lengths of strings at the end. Linked from the reference implementation's archives (stats/meson.build
 * says why). They are given finite numbers and valid sizes only: for anything else xerbla prints and stops. */
#ifndef STATS_LAPACK_H
#define STATS_LAPACK_H

#include <stddef.h>

/* Singular values s of a[m, n], descending; jobu = jobvt = "N": no vectors. a is destroyed. lwork -1: the size of
 * `work` is written to work[0]. *info > 0: did not converge. */
void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a, const int *lda, double *s,
             double *u, const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *info,
             size_t jobu_length, size_t jobvt_length);

/* Cholesky with complete pivoting of a semidefinite a[n, n]: P'AP = LL' (uplo "L"), stopping at `rank` where no pivot
 * is above tol (negative: n x epsilon x the largest diagonal entry). piv counts from 1; work has 2 n elements.
 * *info = 1: the rank is below n, which is no error. */
void dpstrf_(const char *uplo, const int *n, double *a, const int *lda, int *piv, int *rank, const double *tol,
             double *work, int *info, size_t uplo_length);

#endif
