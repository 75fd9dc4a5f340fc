/* Metrics `rmse` and `psnr`: differences of pixels from the paired baseline image, over all channels of sRGB values
 * scaled to 0..1. */
#include "score/metrics.h"

#include <math.h>

#include "score/pixels.h"

static const double PSNR_CAP = 100; /* dB */

static ss_status mean_square(const metric_input *in, double *out, ss_error *err) {
    SS_TRY(metric_check_pair(in, 1, err));
    *out = pixels_mean_square(in->image, in->baseline) / (255.0 * 255.0);
    return SS_OK;
}

static ss_status metric_rmse_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    (void)c, (void)state;
    double square;
    SS_TRY(mean_square(in, &square, err));
    out->value = sqrt(square);
    return SS_OK;
}

static ss_status metric_psnr_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    (void)c, (void)state;
    double square;
    SS_TRY(mean_square(in, &square, err));
    out->value = square > 0 ? fmin(-10 * log10(square), PSNR_CAP) : PSNR_CAP;
    return SS_OK;
}

const metric metric_row_rmse = {
    .about = {"rmse", "root mean square difference of pixels from the baseline image, 0 (same) to 1", NULL},
    .kind = METRIC_DISTANCE,
    .needs = METRIC_NEEDS_BASELINE,
    .score = metric_rmse_score};

const metric metric_row_psnr = {
    .about = {"psnr", "peak signal-to-noise ratio against the baseline image, dB; equal images count as 100", NULL},
    .kind = METRIC_SIMILARITY,
    .needs = METRIC_NEEDS_BASELINE,
    .score = metric_psnr_score};
