/* Distribution functions. lgamma is not used (its signgam is a global), and 1 - p is never formed where p is small. */
#include "stats/distributions.h"

#include <float.h>
#include <math.h>

static const double SQRT_HALF = 0.70710678118654752440, HALF_LOG_2PI = 0.91893853320467274178;

/* log Gamma(x) minus Stirling's leading terms, x >= 10 (DLMF 5.11.1). */
static double stirling_rest(double x) {
    double r = 1.0 / (x * x);
    double series = 1.0 / 156;
    series = -691.0 / 360360 + r * series;
    series = 1.0 / 1188 + r * series;
    series = -1.0 / 1680 + r * series;
    series = 1.0 / 1260 + r * series;
    series = -1.0 / 360 + r * series;
    return (1.0 / 12 + r * series) / x;
}

/* log B(a, b). Differences of large log Gammas are taken algebraically: each branch is Stirling's formula for the
 * arguments that are large, the Gamma function itself for those that are not. */
static double log_beta(double a, double b) {
    double p = fmin(a, b), q = fmax(a, b), sum = p + q;
    if (q < 10) return log(tgamma(p) / tgamma(sum) * tgamma(q));
    double rest = stirling_rest(q) - stirling_rest(sum) + (q - 0.5) * log1p(-p / sum);
    if (p < 10) return log(tgamma(p)) + p - p * log(sum) + rest;
    return HALF_LOG_2PI + stirling_rest(p) + rest - 0.5 * log(sum) + p * log(p / sum) - 0.5 * log(p / sum);
}

/* The continued fraction of I_x(a, b), which converges quickly for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1);
    d = 1.0 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < 100000; m++) {
        double am = a + 2.0 * m, even = m * (b - m) * x / ((am - 1) * am);
        double odd = -(a + m) * (a + b + m) * x / (am * (am + 1));
        d = 1.0 + even * d;
        c = 1.0 + even / c;
        d = 1.0 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        d = 1.0 + odd * d;
        c = 1.0 + odd / c;
        d = 1.0 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1.0) <= DBL_EPSILON) break;
    }
    return h;
}

/* log x, given y = 1 - x: exact for x near 1 too. */
static double distributions_log_of(double x, double y) { return x < 0.5 ? log(x) : log1p(-y); }

double stats_incomplete_beta(double a, double b, double x, double y) {
    if (x <= 0) return 0.0;
    if (y <= 0) return 1.0;
    double front = exp(a * distributions_log_of(x, y) + b * distributions_log_of(y, x) - log_beta(a, b));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1.0 - front * beta_fraction(b, a, y) / b;
}

double stats_solve_increasing(double (*f)(double x, const void *context), const void *context, double low,
                              double high) {
    for (int i = 0; i < 200; i++) {
        double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high) break;
        if (f(middle, context) < 0) low = middle;
        else high = middle;
    }
    return 0.5 * (low + high);
}

double stats_normal_cdf(double x) { return 0.5 * erfc(-x * SQRT_HALF); }

static double normal_excess(double x, const void *p) { return stats_normal_cdf(x) - *(const double *)p; }

double stats_normal_quantile(double p) {
    if (p == 0.5) return 0.0;
    double tail = fmin(p, 1.0 - p), x = stats_solve_increasing(normal_excess, &tail, -40, 0);
    return p < 0.5 ? x : -x;
}

double stats_t_upper(double t, double df) {
    double square = t * t;
    double tail =
        isinf(square) ? 0.0 : 0.5 * stats_incomplete_beta(0.5 * df, 0.5, df / (df + square), square / (df + square));
    return t > 0 ? tail : 1.0 - tail;
}

struct t_target {
    double tail, df;
};

static double t_excess(double t, const void *context) {
    const struct t_target *target = context;
    return target->tail - stats_t_upper(t, target->df);
}

double stats_t_quantile(double p, double df) {
    if (p == 0.5) return 0.0;
    struct t_target target = {fmin(p, 1.0 - p), df};
    double high = 1;
    while (high < DBL_MAX / 4 && t_excess(high, &target) < 0) high *= 2;
    double t = stats_solve_increasing(t_excess, &target, 0, high);
    return p < 0.5 ? -t : t;
}

/* With s = sqrt(X / df) = e^u the weight is exp(df (u - (e^2u - 1) / 2)) up to a constant, 1 at its peak u = 0, and
 * P(T > t) is the weighted mean of Phi(delta - t s). The constant is the sum of the weights. The step is small against
 * the width of the weight, 1 / sqrt(2 df), and that of Phi's rise, about 1 / |delta|. */
double stats_noncentral_t_upper(double t, double df, double delta) {
    const double negligible = -46; /* e^-46 < 1e-19 */
    double step = fmin(1.0 / sqrt(2.0 * df), 1.0 / (1.0 + fabs(delta))) / 8.0, sum = 0, weights = 0;
    for (int side = -1; side <= 1; side += 2) {
        for (int k = side > 0; k < 1000000; k++) {
            double u = side * k * step, exponent = df * (u - 0.5 * expm1(2 * u));
            if (exponent < negligible) break;
            double weight = exp(exponent);
            weights += weight;
            sum += weight * stats_normal_cdf(delta - t * exp(u));
        }
    }
    return sum / weights;
}

double stats_binomial_cdf(int k, int n, double p) {
    if (k < 0) return 0.0;
    if (k >= n) return 1.0;
    return stats_incomplete_beta(n - k, k + 1.0, 1.0 - p, p);
}
