/* Scores of a study as its store has them, and pairs of them: what every comparison is made from. Draws of a random
 * control are averaged here and count as one condition. */
#ifndef ANALYSIS_SCORES_H
#define ANALYSIS_SCORES_H

#include <stddef.h>
#include "stats/options.h"
#include "stats/summary.h"
#include "store/store.h"

/* One image on one metric; condition: that of draw 0. */
typedef struct score_value {
    int metric, condition, unreadable;
    int64_t prompt, seed;
    double x;
    double failed; /* share of its images (draws) that failed, 0 to 1; x is then of the others */
} score_value;

typedef struct scores_metric {
    char name[STORE_METRIC_NAME];
    metric_kind kind;
    int binary, paired, is_primary;
    int is_random; /* its weights are random: values mean nothing */
} scores_metric;

/* A row of the store's table of prompts. */
typedef struct scores_prompt {
    int64_t number;
    char *tag; /* "" where there is none; owned */
} scores_prompt;

/* Zero-initialise; free with scores_free. */
typedef struct scores {
    int64_t n;
    size_t capacity; /* of v */
    score_value *v;  /* sorted by (metric, condition, prompt, seed) */
    int n_metrics;
    scores_metric *metric; /* [n_metrics] */
    int64_t n_prompts;
    scores_prompt *prompt; /* ascending; a damaged store has any number in it, so no array may be indexed by one */
} scores;

ss_status scores_read(scores *out, const store *s, ss_error *err);
void scores_free(scores *d);

/* The values of one condition on metric[number]: d->v[*begin .. *end). */
void scores_find(const scores *d, int number, int condition, int64_t *begin, int64_t *end);

/* How scores of a metric of this kind are compared: the study's seed, which direction is better. */
stats_options score_options(const study *y, metric_kind kind);

const char *scores_tag(const scores *d, int64_t prompt); /* "" where there is none */

/* Every tag once, in the order of the prompts. *out has `*n` borrowed strings; free(*out). */
ss_status scores_tags(const scores *d, const char ***out, int *n, ss_error *err);

/* Rows sorted by (prompt, seed); owned. */
typedef struct score_pairs {
    int n, unreadable;
    int64_t *prompt, *seed;
    double *a, *b;
    double *failed_a, *failed_b; /* shares of their images that failed */
    int failed;                  /* rows in which some did */
    uint8_t *bad;                /* one of the two images is unreadable */
    uint8_t *keep;               /* for score_pairs_keep; 1 at first */
} score_pairs;

/* Conditions a and b on metric[number] by (prompt, seed); b < 0: condition a beside 0. A distance from the baseline is
 * 0 for the baseline itself. On failure nothing is owned. */
ss_status score_pairs_make(score_pairs *out, const scores *d, int number, int a, int b, ss_error *err);
void score_pairs_keep_readable(score_pairs *p);
void score_pairs_keep(score_pairs *p); /* those with keep[i] */
void score_pairs_free(score_pairs *p);

/* The same as stats/ takes them; borrowed. */
stats_pairs score_pairs_stats(const score_pairs *p);

#endif
