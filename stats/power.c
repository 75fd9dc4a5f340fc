/* Power of the paired t test by the noncentral t distribution. */
#include "stats/power.h"

#include <math.h>

#include "stats/distributions.h"

/* Power where the noncentrality is delta and the critical value is known. */
static double power_at(double delta, double df, double critical) {
    double upper = stats_noncentral_t_upper(critical, df, delta);
    return upper + stats_noncentral_t_upper(critical, df, -delta); /* P(T < -c; delta) = P(T > c; -delta) */
}

double stats_t_power(double d_z, int n, double alpha) {
    return power_at(d_z * sqrt(n), n - 1, stats_t_quantile(1 - alpha / 2, n - 1));
}

struct power_target {
    double df, critical, power;
};

static double power_excess(double delta, const void *context) {
    const struct power_target *target = context;
    return power_at(delta, target->df, target->critical) - target->power;
}

stats_figure stats_detectable_effect(int n, double alpha, double power) {
    if (n < 2) return stats_undefined(STATS_TOO_FEW);
    struct power_target target = {n - 1, stats_t_quantile(1 - alpha / 2, n - 1), power};
    double high = 4;
    while (high < 256 && power_excess(high, &target) < 0) high *= 2;
    if (high >= 256) return stats_undefined(STATS_OUT_OF_RANGE);
    return stats_defined(stats_solve_increasing(power_excess, &target, 0, high) / sqrt(n));
}
