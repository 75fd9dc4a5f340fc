/* The report of a study, from its store alone: report/index.html (one self-contained page), the numbers behind its
 * figures as CSV, tables.tex. Nothing here depends on a network or a model: names come from the store and the tables of
 * probes, selectors, edits and metrics. Equal stores give equal bytes. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "report/facts.h"

/* Write everything to `folder` (made if it is missing), each file whole or not at all. `a` is the store's analysis with
 * its parts. `command_to_repeat` is shown as it stands. Errors: SS_ERR_STORE (the store), SS_ERR_RESOURCE (the folder).
 */
ss_status report_write(const store *s, const analysis *a, const char *folder, const char *command_to_repeat,
                       ss_error *err);

/* The page, from facts: what report_write writes to index.html. */
void report_page(const report_facts *f, text *out);

/* One row a contrast and metric with every figure: effects.csv. */
void report_effects_csv(const analysis *a, text *out);

/* One row a metric, condition and tag: accuracy.csv. */
void report_accuracy_csv(const analysis *a, text *out);

/* One row a condition in which images or their scores failed: failed.csv, written where there are some. */
void report_failed_csv(const analysis *a, text *out);

/* One row a metric, condition and tag: scores-by-tag.csv. */
void report_scores_csv(const analysis *a, text *out);

/* One row a contrast, metric and tag: effects-by-tag.csv; or class of suppressed sinks: effects-by-class.csv. One row a
 * contrast over k and metric: trends.csv. */
void report_tags_csv(const analysis *a, text *out);
void report_classes_csv(const analysis *a, text *out);
void report_trends_csv(const analysis *a, text *out);

#endif
