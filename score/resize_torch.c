/* PyTorch's resize: taps per output position of an axis, the horizontal pass first. All arithmetic is float32 in the
 * order of PyTorch's vectorised kernels, with fmaf where their compiler fuses. */
#include "score/resize_torch.h"

#include <math.h>
#include <stdlib.h>

/* For each of n output positions `count` inputs and their weights, at [position, taps]. */
typedef struct taps {
    int n, most;
    int *count, *index;
    float *weight;
} taps;

static void taps_free(taps *t) {
    free(t->count);
    free(t->index);
    free(t->weight);
}

static ss_status taps_allocate(taps *t, int n, int most, ss_error *err) {
    size_t all = (size_t)n * (size_t)most;
    *t = (taps){.n = n,
                .most = most,
                .count = calloc((size_t)n, sizeof *t->count),
                .index = calloc(all, sizeof *t->index),
                .weight = calloc(all, sizeof *t->weight)};
    if (t->count && t->index && t->weight) return SS_OK;
    taps_free(t);
    *t = (taps){0};
    return error_no_memory(err, "resize", all * 8);
}

/* ---- without antialiasing: 2 or 4 taps around the position, indices kept within the image ---- */

static int clamp(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static void bilinear_position(taps *t, int at, int in, float scale, int fused) {
    int *index = t->index + 2 * (size_t)at;
    float *weight = t->weight + 2 * (size_t)at, middle = (float)at + 0.5f;
    float x = fused ? fmaf(scale, middle, -0.5f) : scale * middle - 0.5f;
    if (x < 0) x = 0;
    index[0] = clamp((int)x, in);
    index[1] = clamp(index[0] + 1, in);
    weight[1] = fminf(fmaxf(x - (float)index[0], 0), 1);
    weight[0] = 1 - weight[1];
}

/* Keys' kernel for distances up to 1, and from 1 to 2, of parameter a. */
static float cubic_near(float x, float a) { return fmaf(fmaf(a + 2, x, -(a + 3)) * x, x, 1); }
static float cubic_far(float x, float a) { return fmaf(fmaf(fmaf(a, x, -5 * a), x, 8 * a), x, -4 * a); }

static void bicubic_position(taps *t, int at, int in, float scale) {
    const float a = -0.75f;
    int *index = t->index + 4 * (size_t)at;
    float *weight = t->weight + 4 * (size_t)at, x = fmaf(scale, (float)at + 0.5f, -0.5f);
    int base = (int)floorf(x);
    if (base > in - 1) base = in - 1;
    float d = fminf(fmaxf(x - (float)base, 0), 1);
    weight[0] = cubic_far(d + 1, a);
    weight[1] = cubic_near(d, a);
    weight[2] = cubic_near(1 - d, a);
    weight[3] = cubic_far(1 - d + 1, a);
    for (int i = 0; i < 4; i++) index[i] = clamp(base - 1 + i, in);
}

/* ---- with antialiasing: the support grows with the scale, and the weights are normalised ---- */

static float weight_at(torch_filter f, float x) {
    const float a = -0.5f;
    x = fabsf(x);
    if (f == TORCH_BILINEAR) return x < 1 ? 1 - x : 0;
    if (x < 1) return cubic_near(x, a);
    return x < 2 ? fmaf(fmaf(x - 5, x, 8), x, -4) * a : 0;
}

static void antialiased_position(taps *t, int at, int in, torch_filter f, float scale, float support) {
    int *index = t->index + (size_t)at * (size_t)t->most;
    float *weight = t->weight + (size_t)at * (size_t)t->most;
    float centre = (float)((double)scale * (at + 0.5)), inverse = scale >= 1 ? 1 / scale : 1, sum = 0;
    int first = (int)((double)(centre - support) + 0.5), last = (int)((double)(centre + support) + 0.5);
    if (first < 0) first = 0;
    if (last > in) last = in;
    int count = last - first < t->most ? last - first : t->most;
    for (int i = 0; i < count; i++) {
        index[i] = first + i;
        weight[i] = weight_at(f, (float)(((double)((float)index[i] - centre) + 0.5) * (double)inverse));
        sum += weight[i];
    }
    for (int i = 0; sum != 0 && i < count; i++) weight[i] /= sum;
    t->count[at] = count;
}

typedef struct method {
    torch_filter filter;
    int antialias;
    int fused; /* bilinear positions */
} method;

static ss_status taps_make(taps *t, int in, int out, const method *m, ss_error *err) {
    float scale = (float)in / (float)out, reach = m->filter == TORCH_BILINEAR ? 1 : 2;
    float support = scale >= 1 ? reach * scale : reach;
    SS_TRY(taps_allocate(t, out, m->antialias ? 2 * (int)ceilf(support) + 1 : 2 * (int)reach, err));
    for (int i = 0; i < out; i++) {
        t->count[i] = t->most;
        if (m->antialias) antialiased_position(t, i, in, m->filter, scale, support);
        else if (m->filter == TORCH_BILINEAR) bilinear_position(t, i, in, scale, m->fused);
        else bicubic_position(t, i, in, scale);
    }
    return SS_OK;
}

/* ---- passes ---- */

static float sum_taps(const taps *t, int at, const float *in, size_t step) {
    const int *index = t->index + (size_t)at * (size_t)t->most;
    const float *weight = t->weight + (size_t)at * (size_t)t->most;
    float sum = in[(size_t)index[0] * step] * weight[0];
    for (int i = 1; i < t->count[at]; i++) sum = fmaf(in[(size_t)index[i] * step], weight[i], sum);
    return sum;
}

ss_status resize_torch(const float *planes, int channels, int h, int w, torch_filter filter, int antialias, int out_h,
                       int out_w, float *out, ss_error *err) {
    /* results of at most 128 columns and rows together come from another kernel there, compiled with fused positions */
    const method m = {filter, antialias, out_h + out_w <= 128};
    taps across = {0}, down = {0};
    size_t bytes = (size_t)h * (size_t)out_w * sizeof(float);
    float *between = malloc(bytes); /* [h, out_w] of one channel */
    ss_status status = between ? SS_OK : error_no_memory(err, "resize", bytes);
    if (status == SS_OK) status = taps_make(&across, w, out_w, &m, err);
    if (status == SS_OK) status = taps_make(&down, h, out_h, &m, err);
    for (int c = 0; status == SS_OK && c < channels; c++) {
        const float *in = planes + (size_t)c * (size_t)h * (size_t)w;
        float *to = out + (size_t)c * (size_t)out_h * (size_t)out_w;
        for (int y = 0; y < h; y++)
            for (int x = 0; x < out_w; x++)
                between[(size_t)y * (size_t)out_w + (size_t)x] = sum_taps(&across, x, in + (size_t)y * (size_t)w, 1);
        for (int y = 0; y < out_h; y++)
            for (int x = 0; x < out_w; x++)
                to[(size_t)y * (size_t)out_w + (size_t)x] = sum_taps(&down, y, between + x, (size_t)out_w);
    }
    taps_free(&across);
    taps_free(&down);
    free(between);
    return status;
}
