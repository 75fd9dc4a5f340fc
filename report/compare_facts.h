/* What a comparison says, gathered (compare.c) for the page (compare_page.c). */
#ifndef REPORT_COMPARE_FACTS_H
#define REPORT_COMPARE_FACTS_H

#include "report/page.h"
#include "report/table.h"
#include "stats/contrast.h"
#include "analysis/scores.h"

/* An image that both conditions have. */
typedef struct compare_pair {
    image_seed seed;
    int64_t prompt, unit[3]; /* of the baseline (-1 = not made), of a, of b */
    int failed[2];           /* a, b: there is no image */
    char *words, *tag;       /* owned */
    double difference;       /* rms of the pixels of a - b, 0..1; infinite where one has failed */
    text img[4];             /* baseline, a, b, |a - b|: <img> of the rows that are shown */
} compare_pair;

/* One metric: both conditions against each other, and each against the baseline. */
typedef struct compare_metric {
    const scores_metric *about;
    stats_contrast a_b;
    int n, failed;          /* images that have values; that failed under a or b and have not */
    int64_t *prompt, *seed; /* by seed_key */
    double *a, *b;          /* against the baseline; a distance as it is */
} compare_metric;

typedef struct compare_facts {
    const study *study;
    const char *store_folder;
    int a, b; /* conditions */
    scores scores;
    int n_metrics;
    compare_metric *metric;
    int n_pairs, n_shown, n_failed; /* n_failed: pairs in which one or both have failed */
    compare_pair *pair;             /* the most different first */
    report_table paths;             /* condition, step, latent_rmse, velocity_cosine: means over images */
} compare_facts;

void compare_page(const compare_facts *f, text *out);

#endif
