/* What a paired t test of n prompts could have found. */
#ifndef STATS_POWER_H
#define STATS_POWER_H

#include "stats/figure.h"

/* Power of the two-sided paired t test at `alpha` where the true effect size is d_z; n >= 2. Both tails count. */
double stats_t_power(double d_z, int n, double alpha);

/* The smallest |d_z| that the two-sided paired t test at `alpha` detects with probability `power` (alpha < power < 1);
 * times sd it is the smallest detectable effect in the metric's units. Undefined for n < 2; out of range
 * where the noncentrality would exceed 128 (n = 2 with alpha < 0.006: no such study is worth a figure). */
stats_figure stats_detectable_effect(int n, double alpha, double power);

#endif
