/* Distribution functions, all in one place: normal, Student's t, noncentral t, binomial.
 *
 * Own code rather than GSL: GSL is GPL (sinkscope is MIT), aborts the process from its default error handler, has no
 * noncentral t. Tails are computed as tails (no 1 - p), so small p values keep their relative precision.
 * Every function is pure and thread-safe. */
#ifndef STATS_DISTRIBUTIONS_H
#define STATS_DISTRIBUTIONS_H

/* Regularised incomplete beta function I_x(a, b), a, b > 0. `y` = 1 - x is passed beside x because callers know
 * both without cancellation. Continued fraction (DLMF 8.17.22), modified Lentz. */
double stats_incomplete_beta(double a, double b, double x, double y);

double stats_normal_cdf(double x);
double stats_normal_quantile(double p); /* 0 < p < 1 */

double stats_t_upper(double t, double df);    /* P(T > t), df > 0 */
double stats_t_quantile(double p, double df); /* 0 < p < 1 */

/* P(T > t) of the noncentral t distribution, T = (Z + delta) / sqrt(X / df). Trapezoidal quadrature over the
 * logarithm of the chi variable, where the integrand is analytic and decays at both ends; absolute error below
 * 1e-13 for |delta| <= 120 (against 30-digit arithmetic: at most 9e-15). */
double stats_noncentral_t_upper(double t, double df, double delta);

/* P(X <= k) of the binomial distribution, n >= 0, 0 < p < 1. */
double stats_binomial_cdf(int k, int n, double p);

/* The zero of an increasing f in [low, high], by bisection to the last bit (at most 200 halvings). */
double stats_solve_increasing(double (*f)(double x, const void *context), const void *context, double low, double high);

#endif
