/* The rows of the metrics, each whole in its file (metrics.def); and the checks they share. */
#ifndef SCORE_METRICS_H
#define SCORE_METRICS_H

#include "score/metric.h"

#define METRIC(id) extern const metric metric_row_##id;
#include "score/metrics.def"

/* Image and baseline are of one size, each side at least `min_side` pixels; else an input error. */
ss_status metric_check_pair(const metric_input *in, int min_side, ss_error *err);

#endif
