/* Repetitions of a measurement, as the benchmarks of whole images and whole programs show them: smallest, median,
 * largest. Medians are compared, since on a shared machine the largest says what else was running. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stdlib.h>

enum { MAX_ROUNDS = 200 };

typedef struct samples {
    int n;
    double at[MAX_ROUNDS];
} samples;

typedef struct spread {
    double min, median, max;
} spread;

static inline void samples_add(samples *s, double x) {
    if (s->n < MAX_ROUNDS) s->at[s->n++] = x;
}

static inline int samples_order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* All zeros where nothing was measured. */
static inline spread samples_spread(const samples *s) {
    samples sorted = *s;
    int n = s->n;
    if (n == 0) return (spread){0, 0, 0};
    qsort(sorted.at, (size_t)n, sizeof *sorted.at, samples_order);
    return (spread){sorted.at[0], (sorted.at[(n - 1) / 2] + sorted.at[n / 2]) / 2, sorted.at[n - 1]};
}

/* Of a[i] / b[i], measured in the same round: what drifts over a run drops out. */
static inline spread samples_ratios(const samples *a, const samples *b) {
    samples ratio = {0};
    for (int i = 0; i < a->n && i < b->n; i++) samples_add(&ratio, a->at[i] / b->at[i]);
    return samples_spread(&ratio);
}

static inline double samples_ratio(const samples *a, const samples *b) { return samples_ratios(a, b).median; }

#endif
