/* From a store to answers: every contrast of the study on every metric, margins, shams, accuracy per tag. Numbers come
 * from stats/; here is only which numbers are compared, and what the result is called in words. */
#ifndef ANALYSIS_ANALYSE_H
#define ANALYSIS_ANALYSE_H

#include "stats/contrast.h"
#include "stats/trend.h"
#include "store/store.h"

/* One contrast on one metric: a row of the main table. Strings live as long as the analysis. */
typedef struct analysis_row {
    const study_contrast *contrast; /* its name, k, conditions */
    const char *metric;
    metric_kind kind;
    int is_primary;         /* on the primary metric: a member of the family that is corrected */
    int is_random;          /* the metric's weights are random: no number of the row means anything */
    int without_unreadable; /* sensitivity: pairs with an unreadable image left out */
    int in_main_table;      /* else for the report and --all only */
    double partly_matched; /* share of the edited heads' calls where sinks were left out since nothing matches them; the
                            * larger of the two conditions', 0 where none is an arm of a matched control */
    /* By side of the contrast: its images, and those in which an intervention found nothing to act on. 0 where the side
     * has no intervention, or the store is of a version that did not record it. */
    int acts[2], idle[2];
    stats_contrast stats;
    char reads[320]; /* "equivalent within 0.006 (calibrated)", "undecided: could detect 0.022" */
} analysis_row;

/* A contrast among the prompts of one tag, or the images of one class of suppressed sinks: exploratory, no test. */
typedef struct analysis_tag {
    const analysis_row *row; /* of all prompts */
    const char *tag;         /* or class */
    int n;                   /* prompts */
    stats_figure mean, ci_low, ci_high;
    int failed; /* pairs in which an image failed: then there is no mean */
} analysis_tag;

/* Dose-response: a contrast's differences over its values of k, on one metric. Secondary: p is not corrected. */
typedef struct analysis_trend {
    const analysis_row *first; /* of the least k: name, metric, whether primary */
    const analysis_row *last;  /* of the largest */
    stats_trend stats;         /* over the prompts that every k has */
    int failed;                /* pairs in which an image failed: their ranks count, the slope is undefined */
} analysis_trend;

/* How often a binary metric is 1, by condition and tag, over images; Wilson intervals of level 95 %. */
typedef struct analysis_accuracy {
    const char *condition, *metric, *tag; /* tag "" = all prompts */
    int images, right, unreadable;        /* images that failed are not right */
    stats_interval interval;
} analysis_accuracy;

/* A metric's mean under a condition, over all prompts or those of a tag; a prompt's images are averaged first. */
typedef struct analysis_mean {
    const char *condition, *metric, *tag; /* tag "" = all prompts */
    int is_random, is_binary;             /* the metric: weights are random; it says yes or no */
    int n, images;                        /* prompts; images of them */
    stats_figure mean, low, high;
    int failed; /* images that failed: then there is no mean */
} analysis_mean;

/* A sham condition: how many of its images have the baseline's pixels. */
typedef struct analysis_sham {
    const char *condition;
    int images, equal;
} analysis_sham;

/* Images of a condition that are not finite, or have no finite score by a metric. */
typedef struct analysis_failed {
    const char *condition, *metric; /* metric NULL: there is no image */
    int images, failed;             /* of so many; a condition's draws are counted each */
} analysis_failed;

/* The calibrated margin of a metric and what it is made from. */
typedef struct analysis_margin {
    const char *metric;
    int images;
    stats_figure margin;
} analysis_margin;

typedef struct analysis {
    const study *study;
    int64_t images, images_planned; /* in the store; fewer than planned: the study is not complete */
    int n_rows, n_accuracy, n_shams, n_margins, n_trends, n_failed;
    int n_by_tag, n_by_class, n_means; /* 0 until analysis_add_parts */
    analysis_row *rows;                /* contrasts in the study's order; within each the primary metric first */
    analysis_accuracy *accuracy;
    analysis_sham *shams;
    analysis_margin *margins;
    analysis_failed *failed; /* conditions in which something failed, in the study's order; images before scores */
    analysis_tag *by_tag;    /* all rows but those without_unreadable, in order, where prompts have two tags or more */
    /* Likewise, for rows of the main table, of contrasts with the baseline whose selector takes sinks: images by the
     * class of token that the heaviest key of the edited heads has most often in their baseline; where images have two
     * classes or more. */
    analysis_tag *by_class;
    analysis_mean *means;   /* by metric, condition and tag, in the study's order; distances: not of the baseline */
    analysis_trend *trends; /* contrasts over two values of k or more, on every metric */
    double alpha;
} analysis;

/* `s` must outlive the analysis. */
ss_status analysis_make(analysis **out, store *s, ss_error *err);

/* by_tag, by_class and means of an analysis of `s`: what a report has beyond the answer. */
ss_status analysis_add_parts(analysis *a, const store *s, ss_error *err);
void analysis_free(analysis *a); /* NULL is allowed */

/* The main table as `run` prints it, and the accuracy per tag, in columns for a terminal. */
void analysis_describe(const analysis *a, text *out);
void analysis_describe_accuracy(const analysis *a, text *out);

/* An empty line, then the trends over k of the rows in the main table; nothing where there are none. */
void analysis_describe_trends(const analysis *a, text *out);

/* What a contrast with failed images has in the place of a mean: "at most -0.012", "no bound". */
void analysis_add_bounds(const stats_contrast *c, text *out);

/* How Page's p was found: "exact" or "normal". */
const char *analysis_trend_method(const stats_trend *t);

/* p values as readers know them: "0.032", "< 1e-4", "undefined". */
void analysis_add_p(stats_figure p, text *out);

#endif
