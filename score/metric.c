/* The table of metrics. Adding one = its file, its functions in metrics.h and its row here. */
#include "score/metrics.h"

const metric SCORE_METRICS[] = {
    {.about = {"judge", "1 where the picture does what its prompt asks (GenEval's rules; pictures of shapes only)",
               NULL},
     .kind = METRIC_ALIGNMENT,
     .binary = 1,
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
     .open = metric_lpips_alex_open,
     .score = metric_lpips_score,
     .close = metric_lpips_close},
    {.about = {"lpips-vgg", "perceptual distance from the baseline image, VGG-16's features", METRIC_LPIPS_VGG_OPTIONS},
     .kind = METRIC_DISTANCE,
     .needs = METRIC_NEEDS_BASELINE,
     .open = metric_lpips_vgg_open,
     .score = metric_lpips_score,
     .close = metric_lpips_close},
    {.about = {"lpips-squeeze", "perceptual distance from the baseline image, SqueezeNet's features",
               METRIC_LPIPS_SQUEEZE_OPTIONS},
     .kind = METRIC_DISTANCE,
     .needs = METRIC_NEEDS_BASELINE,
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
     .score = metric_ms_ssim_score},
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
