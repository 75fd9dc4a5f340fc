/* Binary outcomes, one pair a prompt: exact McNemar test, paired Newcombe interval, Wilson interval. */
#ifndef STATS_BINARY_H
#define STATS_BINARY_H

#include "stats/figure.h"

/* Prompts by outcome under a and under b. */
typedef struct stats_table {
    int both, only_a, only_b, neither;
} stats_table;

/* Exact two-sided McNemar test: min(1, 2 P(X <= min(only_a, only_b))), X ~ Bin(only_a + only_b, 1/2). Without a prompt
 * undefined; without a discordant one p = 1. */
stats_figure stats_mcnemar(const stats_table *t);

/* Interval of p_a - p_b: Newcombe 1998 (Stat. Med. 17, 2635-2650), method 10: square-and-add of the two Wilson
 * intervals with the correlation phi, its numerator reduced by n / 2 where it is positive (not below 0). */
stats_interval stats_newcombe(const stats_table *t, double level);

/* Wilson's score interval of a proportion, without continuity correction. Undefined for n = 0. */
stats_interval stats_wilson(int successes, int n, double level);

#endif
