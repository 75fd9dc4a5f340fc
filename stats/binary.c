/* Binary outcomes; see binary.h. */
#include "stats/binary.h"

#include <math.h>

#include "stats/distributions.h"

stats_figure stats_mcnemar(const stats_table *t) {
    int discordant = t->only_a + t->only_b, fewer = t->only_a < t->only_b ? t->only_a : t->only_b;
    if (t->both + t->neither + discordant == 0) return stats_undefined(STATS_TOO_FEW);
    return stats_defined(fmin(1.0, 2 * stats_binomial_cdf(fewer, discordant, 0.5)));
}

/* Distances from the proportion down to Wilson's lower limit and up to the upper one: the differences are simplified
 * algebraically, so limits near 0 and 1 keep their digits. */
static void wilson_arms(int successes, int n, double level, double *down, double *up) {
    double z = stats_normal_quantile(0.5 + 0.5 * level), p = (double)successes / n, square = z * z;
    double root = z * sqrt(square + 4 * n * p * (1 - p)), scale = 2 * (n + square);
    *down = (root - square * (1 - 2 * p)) / scale;
    *up = (root + square * (1 - 2 * p)) / scale;
    if (successes == 0) *down = 0;
    if (successes == n) *up = 0;
}

stats_interval stats_wilson(int successes, int n, double level) {
    if (n < 1) return stats_interval_undefined(STATS_TOO_FEW);
    double p = (double)successes / n, down, up;
    wilson_arms(successes, n, level, &down, &up);
    return (stats_interval){stats_defined(p - down), stats_defined(p + up)};
}

/* The correlation of the paired outcomes, corrected; 0 where a margin of the table is empty. */
static double phi(const stats_table *t, int n) {
    double a = t->both, b = t->only_a, c = t->only_b, d = t->neither;
    double product = (a + b) * (c + d) * (a + c) * (b + d), cross = a * d - b * c;
    if (product == 0) return 0;
    if (cross > 0) cross = fmax(cross - 0.5 * n, 0);
    return cross / sqrt(product);
}

static double square_and_add(double x, double y, double correlation) {
    return sqrt(fmax(0.0, x * x - 2 * correlation * x * y + y * y));
}

stats_interval stats_newcombe(const stats_table *t, double level) {
    int n = t->both + t->only_a + t->only_b + t->neither;
    if (n < 1) return stats_interval_undefined(STATS_TOO_FEW);
    double down_a, up_a, down_b, up_b, correlation = phi(t, n), difference = (double)(t->only_a - t->only_b) / n;
    wilson_arms(t->both + t->only_a, n, level, &down_a, &up_a);
    wilson_arms(t->both + t->only_b, n, level, &down_b, &up_b);
    return (stats_interval){stats_defined(difference - square_and_add(down_a, up_b, correlation)),
                            stats_defined(difference + square_and_add(up_a, down_b, correlation))};
}
