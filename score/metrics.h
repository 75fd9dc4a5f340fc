/* The functions of the metrics, one file each, for the rows in metric.c; and the checks they share. Contracts:
 * metric.h. */
#ifndef SCORE_METRICS_H
#define SCORE_METRICS_H

#include "score/metric.h"

ss_status metric_judge_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
ss_status metric_rmse_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
ss_status metric_psnr_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
ss_status metric_ssim_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);

extern const option METRIC_CLIP_T_OPTIONS[];
ss_status metric_clip_t_open(compute *c, const option_value *options, void **state, ss_error *err);
ss_status metric_clip_t_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
void metric_clip_t_close(compute *c, void *state);

/* Image and baseline are of one size, each side at least `min_side` pixels; else an input error. */
ss_status metric_check_pair(const metric_input *in, int min_side, ss_error *err);

#endif
