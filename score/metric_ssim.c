/* Metric `ssim`: structural similarity to the paired baseline image. Source: Wang et al. 2004; computed as
 * scikit-image's structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
 * channel_axis=2): an 11-tap Gaussian window per channel, the mean over all windows that lie inside the image. */
#include "score/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "score/pixels.h"
#include "score/ssim.h"

static void make_window(double *window) {
    double sum = 0;
    for (int i = 0; i < SSIM_TAPS; i++)
        sum += window[i] = exp(-0.5 * (i - SSIM_TAPS / 2) * (i - SSIM_TAPS / 2) / (1.5 * 1.5));
    for (int i = 0; i < SSIM_TAPS; i++) window[i] /= sum;
}

static ss_status metric_ssim_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    (void)c, (void)state;
    SS_TRY(metric_check_pair(in, SSIM_TAPS, err));
    int width = in->image->width, height = in->image->height;
    size_t n = (size_t)width * (size_t)height;
    double window[SSIM_TAPS], sum = 0, *planes = malloc(2 * n * sizeof *planes);
    if (!planes) return error_no_memory(err, "ssim", 2 * n * sizeof *planes);
    make_window(window);
    ss_status status = SS_OK;
    for (int channel = 0; status == SS_OK && channel < 3; channel++) {
        ssim_means means;
        pixels_plane(in->image, channel, planes);
        pixels_plane(in->baseline, channel, planes + n);
        status = ssim_compute(planes, planes + n, width, height, window, &means, err);
        if (status == SS_OK) sum += means.similarity;
    }
    free(planes);
    out->value = sum / 3;
    return status;
}

const metric metric_row_ssim = {
    .about = {"ssim", "structural similarity to the baseline image, 1 = same (Wang 2004, Gaussian window)", NULL},
    .kind = METRIC_SIMILARITY,
    .needs = METRIC_NEEDS_BASELINE,
    .score = metric_ssim_score};
