/* The window is separable: moments are filtered along rows first, then along columns. All in double. */
#include "score/ssim.h"

#include <stdlib.h>

enum { MOMENTS = 5 }; /* x, y, x^2, y^2, x y */

static const double C1 = (0.01 * 255) * (0.01 * 255), C2 = (0.03 * 255) * (0.03 * 255);

/* out[m][y][x] for the windows inside, [height, width - 10]. */
static void filter_rows(const double *a, const double *b, int width, int height, const double *window, double *out) {
    int inside = width - SSIM_TAPS + 1;
    size_t plane = (size_t)height * (size_t)inside;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < inside; x++) {
            const double *p = a + (size_t)y * (size_t)width + (size_t)x, *q = b + (size_t)y * (size_t)width + (size_t)x;
            double m[MOMENTS] = {0};
            for (int i = 0; i < SSIM_TAPS; i++) {
                m[0] += window[i] * p[i];
                m[1] += window[i] * q[i];
                m[2] += window[i] * p[i] * p[i];
                m[3] += window[i] * q[i] * q[i];
                m[4] += window[i] * p[i] * q[i];
            }
            for (int k = 0; k < MOMENTS; k++) out[(size_t)k * plane + (size_t)y * (size_t)inside + (size_t)x] = m[k];
        }
}

static void add_window(const double *m, ssim_means *sum) {
    double va = m[2] - m[0] * m[0], vb = m[3] - m[1] * m[1], cov = m[4] - m[0] * m[1];
    double light = 2 * m[0] * m[1] + C1, light_norm = m[0] * m[0] + m[1] * m[1] + C1;
    sum->similarity += light * (2 * cov + C2) / (light_norm * (va + vb + C2));
    sum->contrast += (2 * cov + C2) / (va + vb + C2);
}

ss_status ssim_compute(const double *a, const double *b, int width, int height, const double *window, ssim_means *out,
                       ss_error *err) {
    int inside = width - SSIM_TAPS + 1, lines = height - SSIM_TAPS + 1;
    size_t plane = (size_t)height * (size_t)inside, bytes = MOMENTS * plane * sizeof(double);
    double *rows = calloc(bytes, 1);
    if (!rows) return error_no_memory(err, "ssim", bytes);
    filter_rows(a, b, width, height, window, rows);
    ssim_means sum = {0};
    for (int y = 0; y < lines; y++)
        for (int x = 0; x < inside; x++) {
            double m[MOMENTS] = {0};
            for (int k = 0; k < MOMENTS; k++)
                for (int i = 0; i < SSIM_TAPS; i++)
                    m[k] += window[i] * rows[(size_t)k * plane + (size_t)(y + i) * (size_t)inside + (size_t)x];
            add_window(m, &sum);
        }
    free(rows);
    double n = (double)inside * lines;
    *out = (ssim_means){sum.similarity / n, sum.contrast / n};
    return SS_OK;
}
