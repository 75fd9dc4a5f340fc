/* Pillow's 8-bit bicubic resize. Relies on doubles for coefficients and integers for pixels, as Pillow does. */
#include "score/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PRECISION_BITS = 32 - 8 - 2 };

static double bicubic(double x) {
    const double a = -0.5;
    if (x < 0) x = -x;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/* For each output position: where its window starts, how long it is, and the fixed-point weights [out, taps]. */
typedef struct kernel {
    int taps;
    int *start, *length;
    int32_t *weight;
} kernel;

static void kernel_free(kernel *k) {
    free(k->start);
    free(k->length);
    free(k->weight);
}

static ss_status kernel_make(kernel *k, int in, int out, ss_error *err) {
    double scale = (double)in / out, stretch = scale < 1 ? 1 : scale, support = 2.0 * stretch;
    *k = (kernel){.taps = (int)ceil(support) * 2 + 1};
    k->start = malloc((size_t)out * sizeof(int));
    k->length = malloc((size_t)out * sizeof(int));
    k->weight = calloc((size_t)out * (size_t)k->taps, sizeof(int32_t));
    double *w = malloc((size_t)k->taps * sizeof(double));
    if (!k->start || !k->length || !k->weight || !w) {
        kernel_free(k);
        free(w);
        return error_no_memory(err, "resize", (size_t)out * (size_t)k->taps * 4);
    }
    for (int x = 0; x < out; x++) {
        double centre = (x + 0.5) * scale, sum = 0;
        int first = (int)(centre - support + 0.5), last = (int)(centre + support + 0.5);
        if (first < 0) first = 0;
        if (last > in) last = in;
        for (int i = 0; i < last - first; i++) sum += w[i] = bicubic((i + first - centre + 0.5) * (1 / stretch));
        for (int i = 0; i < last - first; i++) {
            double v = (sum != 0 ? w[i] / sum : w[i]) * (1 << PRECISION_BITS);
            k->weight[(size_t)x * (size_t)k->taps + (size_t)i] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
        }
        k->start[x] = first;
        k->length[x] = last - first;
    }
    free(w);
    return SS_OK;
}

static unsigned char clip8(int32_t sum) {
    int32_t v = sum >> PRECISION_BITS;
    return (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One pass. A pixel of output position `x` on line `y` sums pixels `step` apart: along rows step is 3, along columns 3
 * times the width; `line` is the distance of lines in the input and `out_step`, `out_line` the same of the output. */
static void pass(const kernel *k, const unsigned char *in, size_t step, size_t line, unsigned char *out,
                 size_t out_step, size_t out_line, int positions, int lines) {
    for (int y = 0; y < lines; y++)
        for (int x = 0; x < positions; x++)
            for (size_t ch = 0; ch < 3; ch++) {
                const unsigned char *from = in + (size_t)y * line + (size_t)k->start[x] * step + ch;
                const int32_t *w = k->weight + (size_t)x * (size_t)k->taps;
                int32_t sum = 1 << (PRECISION_BITS - 1);
                for (int i = 0; i < k->length[x]; i++) sum += from[(size_t)i * step] * w[i];
                out[(size_t)y * out_line + (size_t)x * out_step + ch] = clip8(sum);
            }
}

static ss_status resize_axis(const rgb_image *in, int rows, int size, rgb_image *out, ss_error *err) {
    kernel k;
    *out = (rgb_image){rows ? size : in->width, rows ? in->height : size, NULL};
    SS_TRY(kernel_make(&k, rows ? in->width : in->height, size, err));
    out->rgb = malloc(3 * (size_t)out->width * (size_t)out->height);
    size_t in_line = 3 * (size_t)in->width, out_line = 3 * (size_t)out->width;
    if (out->rgb && rows) pass(&k, in->rgb, 3, in_line, out->rgb, 3, out_line, size, in->height);
    else if (out->rgb) pass(&k, in->rgb, in_line, 3, out->rgb, out_line, 3, size, in->width);
    kernel_free(&k);
    return out->rgb ? SS_OK : error_no_memory(err, "resize", 3 * (size_t)out->width * (size_t)out->height);
}

ss_status resize_bicubic(const rgb_image *image, int width, int height, rgb_image *out, ss_error *err) {
    int rows_first = !(image->height > height && image->height - height > 2 * (image->width - width));
    rgb_image once = {0};
    const rgb_image *from = image;
    for (int second = 0; second < 2; second++) {
        int rows = second ? !rows_first : rows_first;
        if (rows ? from->width == width : from->height == height) continue;
        rgb_image next;
        ss_status status = resize_axis(from, rows, rows ? width : height, &next, err);
        rgb_image_free(&once);
        if (status != SS_OK) return status;
        once = next;
        from = &once;
    }
    size_t bytes = 3 * (size_t)width * (size_t)height;
    if (!once.rgb) { /* the size it has */
        once = (rgb_image){width, height, malloc(bytes)};
        if (!once.rgb) return error_no_memory(err, "resize", bytes);
        memcpy(once.rgb, image->rgb, bytes);
    }
    *out = once;
    return SS_OK;
}
