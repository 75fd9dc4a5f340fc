/* Sums over the pixels of images, for metrics and for the pages that compare images. */
#ifndef SCORE_PIXELS_H
#define SCORE_PIXELS_H

#include "io/rgb_image.h"

/* Mean over pixels and channels of the squared difference of two images of one size, of values in 0..255. */
double pixels_mean_square(const rgb_image *a, const rgb_image *b);

/* One channel (0..2) as [height, width], values 0..255. */
void pixels_plane(const rgb_image *image, int channel, double *out);

#endif
