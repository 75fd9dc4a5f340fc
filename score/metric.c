/* The table of metrics. Adding one = its file, its functions in metrics.h and its row here. */
#include "score/metrics.h"

#include <math.h>
#include <stdio.h>
#include "base/finite.h"
#include "model/culprit.h"

const metric SCORE_METRICS[] = {
    {.about = {"judge", "1 where the picture does what its prompt asks (GenEval's rules; pictures of shapes only)",
               NULL},
     .kind = METRIC_ALIGNMENT,
     .binary = 1,
     .has_worst = 1, /* wrong */
     .worst = 0,
     .needs = METRIC_NEEDS_PROMPT | METRIC_NEEDS_GENEVAL,
     .score = metric_judge_score},
    {.about = {"clip-t", "cosine of CLIP's embeddings of image and prompt", METRIC_CLIP_T_OPTIONS},
     .kind = METRIC_ALIGNMENT,
     .needs = METRIC_NEEDS_PROMPT,
     .open = metric_clip_t_open,
     .score = metric_clip_score,
     .close = metric_clip_close},
    {.about = {"hps-v2", "Human Preference Score v2.0: cosine of a ViT-H-14 trained on preferences",
               METRIC_HPS_V2_OPTIONS},
     .kind = METRIC_PREFERENCE,
     .needs = METRIC_NEEDS_PROMPT,
     .open = metric_hps_open,
     .score = metric_clip_score,
     .close = metric_clip_close},
    {.about = {"hps-v2.1", "Human Preference Score v2.1, the same network trained on more", METRIC_HPS_V21_OPTIONS},
     .kind = METRIC_PREFERENCE,
     .needs = METRIC_NEEDS_PROMPT,
     .open = metric_hps_open,
     .score = metric_clip_score,
     .close = metric_clip_close},
    {.about = {"pickscore", "PickScore v1: exp(logit_scale) x cosine of a ViT-H-14 trained on picks",
               METRIC_PICKSCORE_OPTIONS},
     .kind = METRIC_PREFERENCE,
     .needs = METRIC_NEEDS_PROMPT,
     .open = metric_pickscore_open,
     .score = metric_clip_score,
     .close = metric_clip_close},
    {.about = {"image-reward", "ImageReward v1.0: BLIP trained on rankings; about -2 to 2",
               METRIC_IMAGE_REWARD_OPTIONS},
     .kind = METRIC_PREFERENCE,
     .needs = METRIC_NEEDS_PROMPT,
     .open = metric_image_reward_open,
     .score = metric_image_reward_score,
     .close = metric_image_reward_close},
    {.about = {"lpips-alex", "perceptual distance from the baseline image, AlexNet's features",
               METRIC_LPIPS_ALEX_OPTIONS},
     .kind = METRIC_DISTANCE,
     .needs = METRIC_NEEDS_BASELINE,
     .min_side = 31,
     .open = metric_lpips_alex_open,
     .score = metric_lpips_score,
     .close = metric_lpips_close},
    {.about = {"lpips-vgg", "perceptual distance from the baseline image, VGG-16's features", METRIC_LPIPS_VGG_OPTIONS},
     .kind = METRIC_DISTANCE,
     .needs = METRIC_NEEDS_BASELINE,
     .min_side = 16,
     .open = metric_lpips_vgg_open,
     .score = metric_lpips_score,
     .close = metric_lpips_close},
    {.about = {"lpips-squeeze", "perceptual distance from the baseline image, SqueezeNet's features",
               METRIC_LPIPS_SQUEEZE_OPTIONS},
     .kind = METRIC_DISTANCE,
     .needs = METRIC_NEEDS_BASELINE,
     .min_side = 17,
     .open = metric_lpips_squeeze_open,
     .score = metric_lpips_score,
     .close = metric_lpips_close},
    {.about = {"rmse", "root mean square difference of pixels from the baseline image, 0 (same) to 1", NULL},
     .kind = METRIC_DISTANCE,
     .needs = METRIC_NEEDS_BASELINE,
     .score = metric_rmse_score},
    {.about = {"psnr", "peak signal-to-noise ratio against the baseline image, dB; equal images count as 100", NULL},
     .kind = METRIC_SIMILARITY,
     .needs = METRIC_NEEDS_BASELINE,
     .score = metric_psnr_score},
    {.about = {"ssim", "structural similarity to the baseline image, 1 = same (Wang 2004, Gaussian window)", NULL},
     .kind = METRIC_SIMILARITY,
     .needs = METRIC_NEEDS_BASELINE,
     .score = metric_ssim_score},
    {.about = {"ms-ssim", "structural similarity over five scales, 1 = same (Wang 2003; sides of at least 161 pixels)",
               NULL},
     .kind = METRIC_SIMILARITY,
     .needs = METRIC_NEEDS_BASELINE,
     .min_side = 161,
     .score = metric_ms_ssim_score},
    {.about = {"fid",
               "Frechet distance of Inception features of two sets of images; misleads below some 2,000 images "
               "(biased upwards, by an amount that depends on the model and on n): then use kid or cmmd",
               METRIC_INCEPTION_OPTIONS},
     .kind = METRIC_SET,
     .open = metric_inception_open,
     .close = metric_inception_close,
     .width = metric_inception_width,
     .feature = metric_inception_feature,
     .distance = metric_fid_distance},
    {.about = {"kid",
               "kernel distance of Inception features of two sets of images, unbiased; may fall below 0 by chance",
               METRIC_INCEPTION_OPTIONS},
     .kind = METRIC_SET,
     .open = metric_inception_open,
     .close = metric_inception_close,
     .width = metric_inception_width,
     .feature = metric_inception_feature,
     .distance = metric_kid_distance},
    {.about = {"cmmd",
               "kernel distance of CLIP embeddings of two sets of images, x 1000, unbiased; may fall below 0 by chance",
               METRIC_CMMD_OPTIONS},
     .kind = METRIC_SET,
     .open = metric_cmmd_open,
     .close = metric_cmmd_close,
     .width = metric_cmmd_width,
     .feature = metric_cmmd_feature,
     .distance = metric_cmmd_distance},
};
const int SCORE_METRIC_COUNT = sizeof SCORE_METRICS / sizeof SCORE_METRICS[0];

const metric *metric_find(const char *name, const char *where, ss_error *err) {
    return (const metric *)(const void *)entry_find(SCORE_METRICS, sizeof SCORE_METRICS[0], SCORE_METRIC_COUNT,
                                                    "metric", name, where, err);
}

ss_status metric_check_pair(const metric_input *in, int min_side, ss_error *err) {
    const rgb_image *a = in->image, *b = in->baseline;
    if (a->width != b->width || a->height != b->height)
        return error_set(err, SS_ERR_INPUT, NULL, "the image is %d x %d and its baseline %d x %d; expected equal sizes",
                         a->width, a->height, b->width, b->height);
    if (a->width < min_side || a->height < min_side)
        return error_set(err, SS_ERR_INPUT, NULL, "the image is %d x %d; at least %d x %d are needed", a->width,
                         a->height, min_side, min_side);
    return SS_OK;
}

/* ---- numbers that are not finite ---- */

/* `k` has listened to the same work once more. */
static ss_status name_culprit(const metric *m, const culprit *k, ss_error *err) {
    char what[96];
    snprintf(what, sizeof what, "the numbers of the metric %s", m->about.name);
    if (!k->network) return error_set(err, SS_ERR_INPUT, NULL, "%s are not finite", what);
    return culprit_report(k, &(culprit_case){.what = what}, err);
}

ss_status metric_score(const metric *m, compute *c, void *state, const metric_input *in, metric_value *out,
                       ss_error *err) {
    culprit k;
    metric_value again = {0};
    SS_TRY(m->score(c, state, in, out, err));
    if (isfinite(out->value)) return SS_OK;
    culprit_listen(&k, c, NULL);
    ss_status status = m->score(c, state, in, &again, err);
    culprit_stop(&k);
    return status == SS_OK ? name_culprit(m, &k, err) : status;
}

ss_status metric_feature(const metric *m, compute *c, void *state, const rgb_image *image, float *out, ss_error *err) {
    culprit k;
    SS_TRY(m->feature(c, state, image, out, err));
    if (finite_first_bad(out, m->width(state)) < 0) return SS_OK;
    culprit_listen(&k, c, NULL);
    ss_status status = m->feature(c, state, image, out, err);
    culprit_stop(&k);
    return status == SS_OK ? name_culprit(m, &k, err) : status;
}
