/* Metric `ms-ssim`: structural similarity to the paired baseline image over five scales. Source: Wang, Simoncelli &
 * Bovik 2003, with their weights; defined as by pytorch-msssim's ms_ssim(data_range=255), the implementation most
 * papers use: per channel the product over scales of the mean contrast and structure (of the last scale: of the whole
 * similarity), each clipped at 0 and raised to its weight; between scales averages of 2 x 2 pixels, an odd side padded
 * with 0 at both ends. The mean over channels. Computed in double; the package in float32 differs from that by some
 * 1e-6. */
#include "score/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "score/pixels.h"
#include "score/ssim.h"

enum { SCALES = 5, MIN_SIDE = (SSIM_TAPS - 1) * 16 + 1 };

static const double WEIGHTS[SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};

/* The package's Gaussian window (sigma 1.5) as it comes out in float32: the sum is off 1 by 3e-8, which shows where two
 * images are flat and far apart. */
static const double WINDOW[SSIM_TAPS] = {0.0010283803567290306f, 0.0075987582094967365f, 0.036000773310661316f,
                                         0.10936068743467331f,   0.21300552785396576f,   0.26601171493530273f,
                                         0.21300552785396576f,   0.10936068743467331f,   0.036000773310661316f,
                                         0.0075987582094967365f, 0.0010283803567290306f};

/* A pixel, 0 beyond the edges. */
static double at(const double *plane, int width, int height, int x, int y) {
    return x < 0 || y < 0 || x >= width || y >= height ? 0 : plane[(size_t)y * (size_t)width + (size_t)x];
}

/* To half the sides, rounded up; in place, as what is written lies before what is still read. */
static void metric_ms_ssim_halve(double *plane, int width, int height) {
    int odd_x = width % 2, odd_y = height % 2, w = (width + odd_x) / 2, h = (height + odd_y) / 2;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int u = 2 * x - odd_x, v = 2 * y - odd_y;
            double sum = at(plane, width, height, u, v) + at(plane, width, height, u + 1, v) +
                         at(plane, width, height, u, v + 1) + at(plane, width, height, u + 1, v + 1);
            plane[(size_t)y * (size_t)w + (size_t)x] = sum / 4;
        }
}

/* Planes a and b [height, width], which are overwritten. */
static ss_status score_channel(double *a, double *b, int width, int height, double *out, ss_error *err) {
    *out = 1;
    for (int scale = 0; scale < SCALES; scale++) {
        ssim_means means;
        SS_TRY(ssim_compute(a, b, width, height, WINDOW, &means, err));
        *out *= pow(fmax(scale < SCALES - 1 ? means.contrast : means.similarity, 0), WEIGHTS[scale]);
        metric_ms_ssim_halve(a, width, height);
        metric_ms_ssim_halve(b, width, height);
        width = (width + 1) / 2;
        height = (height + 1) / 2;
    }
    return SS_OK;
}

static ss_status metric_ms_ssim_score(compute *c, void *state, const metric_input *in, metric_value *out,
                                      ss_error *err) {
    (void)c, (void)state;
    SS_TRY(metric_check_pair(in, MIN_SIDE, err));
    int width = in->image->width, height = in->image->height;
    size_t n = (size_t)width * (size_t)height;
    double sum = 0, *planes = malloc(2 * n * sizeof *planes);
    if (!planes) return error_no_memory(err, "ms-ssim", 2 * n * sizeof *planes);
    ss_status status = SS_OK;
    for (int channel = 0; status == SS_OK && channel < 3; channel++) {
        double one = 0;
        pixels_plane(in->image, channel, planes);
        pixels_plane(in->baseline, channel, planes + n);
        status = score_channel(planes, planes + n, width, height, &one, err);
        sum += one;
    }
    free(planes);
    out->value = sum / 3;
    return status;
}

const metric metric_row_ms_ssim = {
    .about = {"ms-ssim", "structural similarity over five scales, 1 = same (Wang 2003; sides of at least 161 pixels)",
              NULL},
    .kind = METRIC_SIMILARITY,
    .needs = METRIC_NEEDS_BASELINE,
    .min_side = 161,
    .score = metric_ms_ssim_score};
