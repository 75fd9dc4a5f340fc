/* The functions of the metrics, one file each, for the rows in metric.c; and the checks they share. Contracts:
 * metric.h. */
#ifndef SCORE_METRICS_H
#define SCORE_METRICS_H

#include "score/metric.h"

ss_status metric_judge_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
ss_status metric_rmse_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
ss_status metric_psnr_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
ss_status metric_ssim_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
ss_status metric_ms_ssim_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);

extern const option METRIC_CLIP_T_OPTIONS[];
ss_status metric_clip_t_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                             ss_error *err);
extern const option METRIC_HPS_V2_OPTIONS[], METRIC_HPS_V21_OPTIONS[], METRIC_PICKSCORE_OPTIONS[];
ss_status metric_hps_open(compute *c, tokenizer_rules rules, const option_value *options, void **state, ss_error *err);
ss_status metric_pickscore_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                ss_error *err);
ss_status metric_clip_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
void metric_clip_close(compute *c, void *state);

extern const option METRIC_IMAGE_REWARD_OPTIONS[];
ss_status metric_image_reward_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                   ss_error *err);
ss_status metric_image_reward_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
void metric_image_reward_close(compute *c, void *state);

extern const option METRIC_LPIPS_ALEX_OPTIONS[], METRIC_LPIPS_VGG_OPTIONS[], METRIC_LPIPS_SQUEEZE_OPTIONS[];
ss_status metric_lpips_alex_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                 ss_error *err);
ss_status metric_lpips_vgg_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                ss_error *err);
ss_status metric_lpips_squeeze_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                    ss_error *err);
ss_status metric_lpips_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
void metric_lpips_close(compute *c, void *state);

extern const option METRIC_INCEPTION_OPTIONS[], METRIC_CMMD_OPTIONS[];
ss_status metric_inception_open(compute *c, tokenizer_rules rules, const option_value *options, void **state,
                                ss_error *err);
int64_t metric_inception_width(const void *state);
ss_status metric_inception_feature(compute *c, void *state, const rgb_image *image, float *out, ss_error *err);
void metric_inception_close(compute *c, void *state);
ss_status metric_fid_distance(const void *state, const stats_features *first, const int64_t *prompt1,
                              const stats_features *second, const int64_t *prompt2, uint64_t seed, int threads,
                              metric_set_value *out, ss_error *err);
ss_status metric_kid_distance(const void *state, const stats_features *first, const int64_t *prompt1,
                              const stats_features *second, const int64_t *prompt2, uint64_t seed, int threads,
                              metric_set_value *out, ss_error *err);
ss_status metric_cmmd_open(compute *c, tokenizer_rules rules, const option_value *options, void **state, ss_error *err);
int64_t metric_cmmd_width(const void *state);
ss_status metric_cmmd_feature(compute *c, void *state, const rgb_image *image, float *out, ss_error *err);
void metric_cmmd_close(compute *c, void *state);
ss_status metric_cmmd_distance(const void *state, const stats_features *first, const int64_t *prompt1,
                               const stats_features *second, const int64_t *prompt2, uint64_t seed, int threads,
                               metric_set_value *out, ss_error *err);

/* Image and baseline are of one size, each side at least `min_side` pixels; else an input error. */
ss_status metric_check_pair(const metric_input *in, int min_side, ss_error *err);

#endif
