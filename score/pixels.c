/* Integer sums: the same in any order. */
#include "score/pixels.h"

double pixels_mean_square(const rgb_image *a, const rgb_image *b) {
    uint64_t sum = 0, n = 3 * (uint64_t)a->width * (uint64_t)a->height;
    for (uint64_t i = 0; i < n; i++) {
        int d = a->rgb[i] - b->rgb[i];
        sum += (uint64_t)(d * d);
    }
    return (double)sum / (double)n;
}

void pixels_plane(const rgb_image *image, int channel, double *out) {
    size_t n = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < n; i++) out[i] = image->rgb[3 * i + (size_t)channel];
}
