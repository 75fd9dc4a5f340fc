/* Pillow's resize: a kernel per axis and up to two passes over interleaved samples, 8-bit or float. Coefficients are
 * doubles and 8-bit pixels are summed in integers, as in Pillow. The order of sums is fixed, since it decides bits. */
#include "score/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PRECISION_BITS = 32 - 8 - 2 };

static const double PI = 3.14159265358979323846;

/* ---- filters ---- */

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

static double bilinear(double x) {
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double hamming(double x) {
    x = fabs(x);
    if (x == 0) return 1;
    if (x >= 1) return 0;
    x *= PI;
    return sin(x) / x * ((double)0.54f + (double)0.46f * cos(x));
}

static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

static double sinc(double x) {
    if (x == 0) return 1;
    x *= PI;
    return sin(x) / x;
}

static double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

static const struct {
    double (*weight)(double x);
    double support;
} FILTERS[] = {[RESIZE_BOX] = {box, 0.5},
               [RESIZE_BILINEAR] = {bilinear, 1},
               [RESIZE_HAMMING] = {hamming, 1},
               [RESIZE_BICUBIC] = {bicubic, 2},
               [RESIZE_LANCZOS] = {lanczos, 3}};

/* ---- kernels ---- */

/* For `n` output positions: where the window of each starts in the input, how long it is, and its weights [n, taps], in
 * fixed point too. */
typedef struct kernel {
    int n, taps;
    int *start, *length;
    double *weight;
    int32_t *fixed;
} kernel;

static void kernel_free(kernel *k) {
    free(k->start);
    free(k->length);
    free(k->weight);
    free(k->fixed);
}

static void set_position(kernel *k, int at, int position, int in, int out, resize_filter f) {
    double scale = (double)in / out, stretch = scale < 1 ? 1 : scale, support = FILTERS[f].support * stretch;
    double centre = (position + 0.5) * scale, inverse = 1 / stretch, sum = 0;
    double *w = k->weight + (size_t)at * (size_t)k->taps;
    int first = (int)(centre - support + 0.5), last = (int)(centre + support + 0.5);
    if (first < 0) first = 0;
    if (last > in) last = in;
    for (int i = 0; i < last - first; i++) sum += w[i] = FILTERS[f].weight((i + first - centre + 0.5) * inverse);
    for (int i = 0; sum != 0 && i < last - first; i++) w[i] /= sum;
    for (int i = 0; i < last - first; i++)
        k->fixed[(size_t)at * (size_t)k->taps + (size_t)i] =
            (int32_t)(w[i] < 0 ? -0.5 + w[i] * (1 << PRECISION_BITS) : 0.5 + w[i] * (1 << PRECISION_BITS));
    k->start[at] = first;
    k->length[at] = last - first;
}

/* Positions first .. first + n of an axis resized from `in` to `out`. */
static ss_status kernel_make(kernel *k, int in, int out, int first, int n, resize_filter f, ss_error *err) {
    double scale = (double)in / out, support = FILTERS[f].support * (scale < 1 ? 1 : scale);
    *k = (kernel){.n = n, .taps = (int)ceil(support) * 2 + 1};
    size_t weights = (size_t)n * (size_t)k->taps;
    k->start = malloc((size_t)n * sizeof *k->start);
    k->length = malloc((size_t)n * sizeof *k->length);
    k->weight = malloc(weights * sizeof *k->weight);
    k->fixed = malloc(weights * sizeof *k->fixed);
    if (!k->start || !k->length || !k->weight || !k->fixed) {
        kernel_free(k);
        *k = (kernel){0};
        return error_no_memory(err, "resize", weights * (sizeof *k->weight + sizeof *k->fixed));
    }
    for (int i = 0; i < n; i++) {
        if (in != out) set_position(k, i, first + i, in, out, f);
        else { /* this axis is only cropped */ k->start[i] = first + i;
            k->length[i] = 1;
            k->weight[(size_t)i * (size_t)k->taps] = 1;
            k->fixed[(size_t)i * (size_t)k->taps] = 1 << PRECISION_BITS;
        }
    }
    return SS_OK;
}

/* The inputs that the kernel reads: first and one past the last. Windows move to the right, so the ends have them. */
static void kernel_reach(const kernel *k, int *first, int *end) {
    *first = k->start[0];
    *end = k->start[k->n - 1] + k->length[k->n - 1];
}

/* ---- passes ---- */

/* Samples [height, width, channels] that stand for the part of an image that begins at (left, top). */
typedef struct sheet {
    void *data;
    int left, top, width, height, channels;
} sheet;

static unsigned char clip8(int32_t sum) {
    int32_t v = sum >> PRECISION_BITS;
    return (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One output sample from inputs `step` apart. */
static void sum_8bit(const kernel *k, int at, const void *in, size_t step, void *out) {
    const unsigned char *from = in;
    const int32_t *w = k->fixed + (size_t)at * (size_t)k->taps;
    int32_t sum = 1 << (PRECISION_BITS - 1);
    for (int i = 0; i < k->length[at]; i++) sum += from[(size_t)i * step] * w[i];
    *(unsigned char *)out = clip8(sum);
}

static void sum_float(const kernel *k, int at, const void *in, size_t step, void *out) {
    const float *from = in;
    const double *w = k->weight + (size_t)at * (size_t)k->taps;
    double sum = 0;
    for (int i = 0; i < k->length[at]; i++) sum += (double)from[(size_t)i * step] * w[i];
    *(float *)out = (float)sum;
}

/* What differs between the two kinds of images. */
typedef struct kind {
    size_t size; /* of a sample */
    void (*sum)(const kernel *k, int at, const void *in, size_t step, void *out);
} kind;

static const kind KIND_8BIT = {1, sum_8bit}, KIND_FLOAT = {sizeof(float), sum_float};

/* The horizontal pass over lines first .. end of the image that `in` is a part of. */
static void pass_rows(const kind *t, const kernel *k, const sheet *in, int first, const sheet *out) {
    size_t channels = (size_t)in->channels;
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++)
            for (size_t c = 0; c < channels; c++) {
                size_t from = ((size_t)(first + y - in->top) * (size_t)in->width + (size_t)(k->start[x] - in->left)) *
                                  channels +
                              c,
                       to = ((size_t)y * (size_t)out->width + (size_t)x) * channels + c;
                t->sum(k, x, (const char *)in->data + from * t->size, channels, (char *)out->data + to * t->size);
            }
}

/* The vertical pass over columns first .. end. */
static void pass_columns(const kind *t, const kernel *k, const sheet *in, int first, const sheet *out) {
    size_t channels = (size_t)in->channels, line = (size_t)in->width * channels;
    for (int y = 0; y < out->height; y++)
        for (size_t x = 0; x < (size_t)out->width * channels; x++) {
            size_t from = (size_t)(k->start[y] - in->top) * line + (size_t)(first - in->left) * channels + x,
                   to = (size_t)y * (size_t)out->width * channels + x;
            t->sum(k, y, (const char *)in->data + from * t->size, line, (char *)out->data + to * t->size);
        }
}

static ss_status resize_allocate(const kind *t, sheet *s, ss_error *err) {
    size_t bytes = (size_t)s->width * (size_t)s->height * (size_t)s->channels * t->size;
    s->data = malloc(bytes);
    return s->data ? SS_OK : error_no_memory(err, "resize", bytes);
}

/* Two passes, in the order asked for; between them only what the second reads. *out is new. */
static ss_status run_passes(const kind *t, const kernel *across, const kernel *down, int rows_first, const sheet *in,
                            sheet *out, ss_error *err) {
    int first, end;
    sheet between = {.channels = in->channels};
    *out = (sheet){.width = across->n, .height = down->n, .channels = in->channels};
    if (rows_first) {
        kernel_reach(down, &first, &end);
        between.top = first, between.width = across->n, between.height = end - first;
    } else {
        kernel_reach(across, &first, &end);
        between.left = first, between.width = end - first, between.height = down->n;
    }
    ss_status status = resize_allocate(t, &between, err);
    if (status == SS_OK) status = resize_allocate(t, out, err);
    if (status == SS_OK && rows_first) {
        pass_rows(t, across, in, first, &between);
        pass_columns(t, down, &between, 0, out);
    } else if (status == SS_OK) {
        pass_columns(t, down, in, first, &between);
        pass_rows(t, across, &between, 0, out);
    }
    free(between.data);
    return status;
}

static ss_status resize(const kind *t, const sheet *in, resize_filter f, int width, int height, const resize_window *w,
                        sheet *out, ss_error *err) {
    kernel across = {0}, down = {0};
    if (w->width < 1 || w->height < 1 || w->left < 0 || w->top < 0 || w->left > width - w->width ||
        w->top > height - w->height)
        return error_set(err, SS_ERR_INTERNAL, NULL, "resize to %d x %d: no window of %d x %d at %d, %d", width, height,
                         w->width, w->height, w->left, w->top);
    int rows_first = !(in->height > height && in->height - height > 2 * (in->width - width));
    ss_status status = kernel_make(&across, in->width, width, w->left, w->width, f, err);
    if (status == SS_OK) status = kernel_make(&down, in->height, height, w->top, w->height, f, err);
    if (status == SS_OK) status = run_passes(t, &across, &down, rows_first, in, out, err);
    kernel_free(&across);
    kernel_free(&down);
    return status;
}

/* ---- images ---- */

ss_status resize_pillow_window(const rgb_image *image, resize_filter filter, int width, int height,
                               const resize_window *window, rgb_image *out, ss_error *err) {
    const sheet in = {.data = image->rgb, .width = image->width, .height = image->height, .channels = 3};
    sheet made = {0};
    *out = (rgb_image){0};
    SS_TRY(resize(&KIND_8BIT, &in, filter, width, height, window, &made, err));
    *out = (rgb_image){made.width, made.height, made.data};
    return SS_OK;
}

ss_status resize_pillow(const rgb_image *image, resize_filter filter, int width, int height, rgb_image *out,
                        ss_error *err) {
    return resize_pillow_window(image, filter, width, height, &(resize_window){0, 0, width, height}, out, err);
}

ss_status resize_pillow_float(const float *plane, int w, int h, resize_filter filter, int width, int height, float *out,
                              ss_error *err) {
    const sheet in = {.data = (void *)(uintptr_t)plane, .width = w, .height = h, .channels = 1};
    const resize_window whole = {0, 0, width, height};
    sheet made = {0};
    SS_TRY(resize(&KIND_FLOAT, &in, filter, width, height, &whole, &made, err));
    memcpy(out, made.data, (size_t)width * (size_t)height * sizeof *out);
    free(made.data);
    return SS_OK;
}
