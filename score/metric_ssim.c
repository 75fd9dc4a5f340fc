/* Metric `ssim`: structural similarity to the paired baseline image. Source: Wang et al. 2004; computed as
 * scikit-image's structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
 * channel_axis=2): an 11-tap Gaussian window per channel, the mean over all windows that lie inside the picture. */
#include "score/metrics.h"

#include <math.h>
#include <stdlib.h>

enum { TAPS = 11, MOMENTS = 5 }; /* x, y, x^2, y^2, x y */

static const double C1 = (0.01 * 255) * (0.01 * 255), C2 = (0.03 * 255) * (0.03 * 255);

static void make_window(double *window) {
    double sum = 0;
    for (int i = 0; i < TAPS; i++) sum += window[i] = exp(-0.5 * (i - TAPS / 2) * (i - TAPS / 2) / (1.5 * 1.5));
    for (int i = 0; i < TAPS; i++) window[i] /= sum;
}

/* The moments of one channel, filtered along rows: out[m][y][x] for the windows inside, [height, width - 10]. */
static void filter_rows(const metric_input *in, int channel, const double *window, double *out) {
    int width = in->image->width, height = in->image->height, inside = width - TAPS + 1;
    size_t plane = (size_t)height * (size_t)inside;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < inside; x++) {
            double m[MOMENTS] = {0};
            for (int i = 0; i < TAPS; i++) {
                size_t at = 3 * ((size_t)y * (size_t)width + (size_t)(x + i)) + (size_t)channel;
                double a = in->image->rgb[at], b = in->baseline->rgb[at];
                m[0] += window[i] * a;
                m[1] += window[i] * b;
                m[2] += window[i] * a * a;
                m[3] += window[i] * b * b;
                m[4] += window[i] * a * b;
            }
            for (int k = 0; k < MOMENTS; k++) out[(size_t)k * plane + (size_t)y * (size_t)inside + (size_t)x] = m[k];
        }
}

static double similarity(const double *m) {
    double va = m[2] - m[0] * m[0], vb = m[3] - m[1] * m[1], cov = m[4] - m[0] * m[1];
    return (2 * m[0] * m[1] + C1) * (2 * cov + C2) / ((m[0] * m[0] + m[1] * m[1] + C1) * (va + vb + C2));
}

/* Sum over the windows of one channel. */
static double sum_channel(const double *rows, int width, int height, const double *window) {
    int inside = width - TAPS + 1;
    size_t plane = (size_t)height * (size_t)inside;
    double sum = 0;
    for (int y = 0; y <= height - TAPS; y++)
        for (int x = 0; x < inside; x++) {
            double m[MOMENTS] = {0};
            for (int k = 0; k < MOMENTS; k++)
                for (int i = 0; i < TAPS; i++)
                    m[k] += window[i] * rows[(size_t)k * plane + (size_t)(y + i) * (size_t)inside + (size_t)x];
            sum += similarity(m);
        }
    return sum;
}

ss_status metric_ssim_score(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err) {
    (void)c, (void)state;
    SS_TRY(metric_check_pair(in, TAPS, err));
    int width = in->image->width, height = in->image->height;
    size_t bytes = MOMENTS * (size_t)height * (size_t)(width - TAPS + 1) * sizeof(double);
    double window[TAPS], sum = 0, *rows = malloc(bytes);
    if (!rows) return error_no_memory(err, "ssim", bytes);
    make_window(window);
    for (int channel = 0; channel < 3; channel++) {
        filter_rows(in, channel, window, rows);
        sum += sum_channel(rows, width, height, window);
    }
    free(rows);
    out->value = sum / (3.0 * (width - TAPS + 1) * (height - TAPS + 1));
    return SS_OK;
}
