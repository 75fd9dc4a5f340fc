/* Two routines of LAPACK in the calling convention of gfortran: everything by address, matrices by columns, the lengths
 * of strings at the end. Arguments are checked before the call, since LAPACK's own error handler prints and ends the
 * process with status 0. */
#include "stats/lapack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/summary.h"

/* Singular values s of a[m, n], descending; jobu = jobvt = "N": no vectors. lwork -1: the wanted size of `work` is
 * written to work[0]. *info > 0: did not converge. */
void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a, const int *lda, double *s,
             double *u, const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *info,
             size_t jobu_length, size_t jobvt_length);

/* Cholesky with complete pivoting: P'AP = LL' (uplo "L"), stopping at `rank` where no pivot is above tol (negative:
 * n x epsilon x the largest diagonal entry; Hammarling, Higham & Lucas 2007). piv counts from 1; work has 2 n elements.
 * *info = 1: the rank is below n, which is no error. */
void dpstrf_(const char *uplo, const int *n, double *a, const int *lda, int *piv, int *rank, const double *tol,
             double *work, int *info, size_t uplo_length);

/* In the place of LAPACK's handler of wrong arguments: the routine then returns with *info < 0. */
void xerbla_(const char *routine, const int *argument, size_t routine_length);

void xerbla_(const char *routine, const int *argument, size_t routine_length) {
    (void)routine;
    (void)argument;
    (void)routine_length;
}

static ss_status lapack_take(size_t count, const char *what, double **out, ss_error *err) {
    *out = malloc(count ? count * sizeof **out : 1);
    return *out ? SS_OK : error_no_memory(err, what, count * sizeof **out);
}

ss_status lapack_nuclear_norm(double *a, int64_t rows, int64_t columns, double *out, ss_error *err) {
    /* A row-major matrix is its transpose to LAPACK, which has the same singular values. */
    int m = (int)columns, n = (int)rows, small = m < n ? m : n, one = 1, query = -1, size, info;
    double *values = NULL, *work = NULL, wanted = 0, none = 0;
    ss_status status = SS_OK;
    dgesvd_("N", "N", &m, &n, a, &m, &none, &none, &one, &none, &one, &wanted, &query, &info, 1, 1);
    size = (int)wanted;
    SS_TRY_GOTO(lapack_take((size_t)small, "singular values", &values, err), done);
    SS_TRY_GOTO(lapack_take((size_t)size, "singular values", &work, err), done);
    dgesvd_("N", "N", &m, &n, a, &m, values, &none, &one, &none, &one, work, &size, &info, 1, 1);
    if (info == 0) *out = stats_sum(values, small);
    else
        status = error_set(err, SS_ERR_INTERNAL, NULL, "singular values of a %d x %d matrix: LAPACK's dgesvd gave %d",
                           n, m, info);
done:
    free(values);
    free(work);
    return status;
}

ss_status lapack_semidefinite_factor(double *s, int64_t d, double **factor, int64_t *rank, ss_error *err) {
    int n = (int)d, found = 0, info = 0;
    double *work = NULL, *rows = NULL, tolerance = -1;
    int *pivot = malloc(sizeof *pivot * (size_t)d);
    ss_status status = SS_OK;
    if (!pivot) return error_no_memory(err, "pivots of a covariance", sizeof *pivot * (size_t)d);
    SS_TRY_GOTO(lapack_take(2 * (size_t)d, "a Cholesky factor", &work, err), done);
    dpstrf_("L", &n, s, &n, pivot, &found, &tolerance, work, &info, 1);
    if (info < 0) {
        status = error_set(err, SS_ERR_INTERNAL, NULL, "factor of a %d x %d covariance: LAPACK's dpstrf gave %d", n, n,
                           info);
        goto done;
    }
    SS_TRY_GOTO(lapack_take((size_t)found * (size_t)d, "a Cholesky factor", &rows, err), done);
    memset(rows, 0, sizeof *rows * (size_t)found * (size_t)d);
    /* Column i of L, from its diagonal down, is row i of the factor, its entries back at the places before pivoting. */
    for (int64_t i = 0; i < found; i++)
        for (int64_t j = i; j < d; j++) rows[i * d + pivot[j] - 1] = s[i * d + j];
    *factor = rows;
    *rank = found;
done:
    free(pivot);
    free(work);
    return status;
}
