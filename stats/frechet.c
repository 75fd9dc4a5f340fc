/* The Frechet distance by factors of the covariances. The reference LAPACK gives the pivoted Cholesky factor and the
 * singular values (single-threaded, the same bits everywhere); stats/product computes everything of order n d^2. */
#include "stats/frechet.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/lapack.h"
#include "stats/product.h"
#include "stats/summary.h"

/* S = scale^2 A'A with A the rows of `view`, the mean taken off where there is one. */
typedef struct factor {
    stats_features view;
    const double *mean;
    double scale, trace; /* trace: of S */
    double *owned;
} factor;

static ss_status frechet_take(size_t count, const char *what, double **out, ss_error *err) {
    *out = calloc(count ? count : 1, sizeof **out);
    return *out ? SS_OK : error_no_memory(err, what, count * sizeof **out);
}

static ss_status too_large(const char *name, ss_error *err) {
    return error_set(err, SS_ERR_INPUT, name, "features are too large: their squares are beyond what a double holds");
}

static double trace_of(const double *s, int64_t d) {
    double sum = 0;
    for (int64_t k = 0; k < d; k++) sum += s[k * d + k];
    return sum;
}

/* ---- factors ---- */

/* tr S as the sum of the rows' squared lengths; each row's sum is short, the sum over rows compensated. */
static ss_status factor_rows(const stats_features *f, const double *mean, const char *name, factor *out,
                             ss_error *err) {
    double *length;
    SS_TRY(frechet_take((size_t)f->n, "lengths of features", &length, err));
    for (int64_t i = 0; i < f->n; i++) {
        length[i] = 0;
        for (int64_t k = 0; k < f->d; k++) {
            double x = stats_feature(f, i, k) - mean[k];
            length[i] += x * x;
        }
    }
    double freedom = (double)f->n - 1;
    *out = (factor){.view = *f, .mean = mean, .scale = 1 / sqrt(freedom)};
    out->trace = stats_sum(length, (int)f->n) / freedom;
    free(length);
    return isfinite(out->trace) ? SS_OK : too_large(name, err);
}

/* From S[d, d], which is destroyed. */
static ss_status factor_covariance(double *s, int64_t d, double ridge, factor *out, ss_error *err) {
    *out = (factor){.scale = 1, .trace = trace_of(s, d)};
    for (int64_t k = 0; k < d; k++) s[k * d + k] += ridge;
    out->view.d = d;
    SS_TRY(lapack_semidefinite_factor(s, d, &out->owned, &out->view.n, err));
    out->view.f64 = out->owned;
    return SS_OK;
}

static ss_status frechet_fit(const stats_features *f, const char *name, int threads, stats_gaussian *out,
                             ss_error *err) {
    size_t d = (size_t)f->d;
    double *block;
    *out = (stats_gaussian){0};
    SS_TRY(frechet_take(d * (d + 1), "a covariance", &block, err));
    stats_gaussian g = {.n = f->n, .d = f->d, .mean = block, .covariance = block + d};
    stats_features_mean(f, g.mean);
    stats_product_side side = {f, g.mean, 1};
    ss_status status = stats_product(&side, &side, threads, g.covariance, err);
    for (size_t i = 0; i < d * d; i++) g.covariance[i] /= (double)f->n - 1;
    if (status == SS_OK && !isfinite(trace_of(g.covariance, g.d))) status = too_large(name, err);
    if (status == SS_OK) *out = g;
    else free(block);
    return status;
}

static ss_status factor_features(const stats_features *f, const double *mean, stats_frechet_route route, int threads,
                                 const char *name, factor *out, ss_error *err) {
    if (route == STATS_FRECHET_ROWS) return factor_rows(f, mean, name, out, err);
    stats_gaussian g;
    SS_TRY(frechet_fit(f, name, threads, &g, err));
    ss_status status = factor_covariance(g.covariance, f->d, 0, out, err);
    stats_gaussian_free(&g);
    return status;
}

/* ---- the distance ---- */

static ss_status cross_trace(const factor *a, const factor *b, int threads, double *out, ss_error *err) {
    *out = 0;
    if (a->view.n == 0 || b->view.n == 0) return SS_OK;
    double *product;
    SS_TRY(frechet_take((size_t)a->view.n * (size_t)b->view.n, "a product of two sets of features", &product, err));
    stats_product_side left = {&a->view, a->mean, 0}, right = {&b->view, b->mean, 0};
    ss_status status = stats_product(&left, &right, threads, product, err);
    if (status == SS_OK) status = lapack_nuclear_norm(product, a->view.n, b->view.n, out, err);
    *out *= a->scale * b->scale;
    free(product);
    return status;
}

static ss_status frechet_combine(const double *mean1, const factor *a, const double *mean2, const factor *b,
                                 int threads, stats_frechet *out, ss_error *err) {
    out->means = 0;
    for (int64_t k = 0; k < out->d; k++) out->means += (mean1[k] - mean2[k]) * (mean1[k] - mean2[k]);
    out->trace1 = a->trace;
    out->trace2 = b->trace;
    /* |A1 A2'| <= tr S1 + tr S2: finite traces make finite products. */
    if (!isfinite(out->means + out->trace1 + out->trace2)) return too_large(NULL, err);
    SS_TRY(cross_trace(a, b, threads, &out->cross, err));
    out->distance = fmax(0, out->means + out->trace1 + out->trace2 - 2 * out->cross);
    return SS_OK;
}

/* ---- from features ---- */

static stats_frechet_route frechet_choose(stats_frechet_route asked, const stats_features *f) {
    if (asked != STATS_FRECHET_AUTO) return asked;
    return f->n < f->d ? STATS_FRECHET_ROWS : STATS_FRECHET_COVARIANCE;
}

ss_status stats_frechet_features(const stats_features *first, const stats_features *second, stats_frechet_route route,
                                 int threads, stats_frechet *out, ss_error *err) {
    factor a = {0}, b = {0};
    double *mean = NULL;
    ss_status status;
    SS_TRY(stats_features_check(first, second, err));
    *out = (stats_frechet){.n1 = first->n, .n2 = second->n, .d = first->d};
    out->route1 = frechet_choose(route, first);
    out->route2 = frechet_choose(route, second);
    SS_TRY(frechet_take(2 * (size_t)first->d, "means of features", &mean, err));
    double *mean2 = mean + first->d;
    stats_features_mean(first, mean);
    stats_features_mean(second, mean2);
    SS_TRY_GOTO(factor_features(first, mean, out->route1, threads, "first set", &a, err), done);
    SS_TRY_GOTO(factor_features(second, mean2, out->route2, threads, "second set", &b, err), done);
    status = frechet_combine(mean, &a, mean2, &b, threads, out, err);
done:
    free(a.owned);
    free(b.owned);
    free(mean);
    return status;
}

ss_status stats_gaussian_fit(const stats_features *f, int threads, stats_gaussian *out, ss_error *err) {
    SS_TRY(stats_features_check(f, f, err));
    return frechet_fit(f, "first set", threads, out, err);
}

void stats_gaussian_free(stats_gaussian *g) {
    free(g->mean);
    *g = (stats_gaussian){0};
}

/* ---- from moments ---- */

static ss_status not_semidefinite(const char *name, ss_error *err) {
    return error_set(err, SS_ERR_INPUT, name, "the covariance is not positive semidefinite");
}

/* Every 2 x 2 minor: finds what a trace cannot show, entries beside a zero on the diagonal. */
static ss_status check_gaussian(const stats_gaussian *g, const char *name, ss_error *err) {
    const double *s = g->covariance, slack = 1e-6;
    for (int64_t i = 0; i < g->d; i++) {
        if (!isfinite(g->mean[i]))
            return error_set(err, SS_ERR_INPUT, name, "entry %" PRId64 " of the mean is not a finite number", i);
        for (int64_t j = 0; j < g->d; j++)
            if (!isfinite(s[i * g->d + j]))
                return error_set(err, SS_ERR_INPUT, name,
                                 "entry (%" PRId64 ", %" PRId64 ") of the covariance is not a finite number", i, j);
    }
    for (int64_t i = 0; i < g->d; i++) {
        if (s[i * g->d + i] < 0) return not_semidefinite(name, err);
        for (int64_t j = 0; j < i; j++) {
            double low = s[i * g->d + j], high = s[j * g->d + i];
            double bound = sqrt(s[i * g->d + i]) * sqrt(s[j * g->d + j]);
            if (fabs(low - high) > slack * bound)
                return error_set(err, SS_ERR_INPUT, name,
                                 "entries (%" PRId64 ", %" PRId64 ") and (%" PRId64 ", %" PRId64
                                 ") of the covariance differ; it must be symmetric",
                                 i, j, j, i);
            if (fabs(low) > (1 + slack) * bound) return not_semidefinite(name, err);
        }
    }
    return SS_OK;
}

static ss_status factor_gaussian(const stats_gaussian *g, double ridge, const char *name, factor *out, ss_error *err) {
    double *copy, rest = 0;
    size_t count = (size_t)g->d * (size_t)g->d;
    SS_TRY(frechet_take(count, "a covariance", &copy, err));
    memcpy(copy, g->covariance, count * sizeof *copy);
    ss_status status = factor_covariance(copy, g->d, ridge, out, err);
    free(copy);
    if (status != SS_OK) return status;
    /* What the factor leaves of the trace is that of a remainder whose pivots were all rounding or below 0. */
    for (int64_t i = 0; i < out->view.n * g->d; i++) rest += out->owned[i] * out->owned[i];
    rest -= out->trace + ridge * (double)g->d;
    return rest > 1e-6 * out->trace ? not_semidefinite(name, err) : SS_OK;
}

ss_status stats_frechet_gaussians(const stats_gaussian *first, const stats_gaussian *second, double ridge, int threads,
                                  stats_frechet *out, ss_error *err) {
    factor a = {0}, b = {0};
    ss_status status;
    if (first->d != second->d)
        return error_set(err, SS_ERR_INPUT, "second set",
                         "%" PRId64 " features where the first set has %" PRId64
                         "; both must come from the same network",
                         second->d, first->d);
    SS_TRY(check_gaussian(first, "first set", err));
    SS_TRY(check_gaussian(second, "second set", err));
    *out = (stats_frechet){.n1 = first->n, .n2 = second->n, .d = first->d};
    out->route1 = out->route2 = STATS_FRECHET_COVARIANCE;
    SS_TRY_GOTO(factor_gaussian(first, ridge, "first set", &a, err), done);
    SS_TRY_GOTO(factor_gaussian(second, ridge, "second set", &b, err), done);
    status = frechet_combine(first->mean, &a, second->mean, &b, threads, out, err);
done:
    free(a.owned);
    free(b.owned);
    return status;
}
