/* Structural similarity of two planes: what the metrics ssim and ms-ssim share. Source: Wang et al. 2004. */
#ifndef SCORE_SSIM_H
#define SCORE_SSIM_H

#include "base/error.h"

enum { SSIM_TAPS = 11 }; /* of the window; no side of a plane may be shorter */

/* Means over all windows that lie inside the planes, for values in 0..255: of similarity, and of its factor without
 * luminance (contrast and structure). */
typedef struct ssim_means {
    double similarity, contrast;
} ssim_means;

/* Planes a and b are [height, width]; `window` has SSIM_TAPS weights, used along both axes. */
ss_status ssim_compute(const double *a, const double *b, int width, int height, const double *window, ssim_means *out,
                       ss_error *err);

#endif
