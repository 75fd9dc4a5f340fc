/* Images of the cpu backend: pooling, enlargement, patches. Threads share rows of pixels or of tokens; each is written
 * by one thread, so bits depend neither on threads nor on the batch. */
#include <string.h>

#include "tensor/cpu.h"
#include "tensor/rows.h"

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int move_threads(const compute *c, tensor t) { return cpu_threads(c, tensor_elements(t) / 8); }

/* Operands of an enlargement. */
typedef struct images_work {
    tensor out, x;
} images_work;

static void rows_for(compute *c, int threads, int64_t n, thread_pool_range *run, void *work) {
    thread_pool_for(c->pool, threads, n, 0, run, work);
}

static float *pixel_at(tensor t, int64_t b, int64_t y, int64_t x) {
    return (float *)t.data + b * t.stride[0] + y * t.stride[1] + x * t.stride[2];
}

/* NaN where one is NaN. */
static inline float larger_of(float a, float b) { return b > a || b != b ? b : a; }

/* One window's pixels into `to`: the larger or the sum, channel by channel. */
static void pool_pixel(float *to, const float *from, pool_kind kind, int64_t channels) {
    if (kind == POOL_MAX)
        for (int64_t i = 0; i < channels; i++) to[i] = larger_of(to[i], from[i]);
    else
        for (int64_t i = 0; i < channels; i++) to[i] += from[i];
}

typedef struct pool2d_work {
    tensor out, x;
    pool_kind kind;
    int size, stride, pad;
} pool2d_work;

static void pool_rows(void *context, int64_t first, int64_t last, int part) {
    const pool2d_work *w = context;
    const tensor out = w->out, x = w->x;
    const int size = w->size, stride = w->stride, pad = w->pad;
    const int64_t channels = x.dim[3];
    (void)part;
    for (int64_t r = first; r < last; r++) {
        int64_t b = r / out.dim[1], y = r % out.dim[1], top = y * stride - pad, bottom = least(top + size, x.dim[1]);
        if (top < 0) top = 0;
        for (int64_t i = 0; i < out.dim[2]; i++) {
            int64_t left = i * stride - pad, right = least(left + size, x.dim[2]);
            if (left < 0) left = 0;
            float *to = pixel_at(out, b, y, i);
            memcpy(to, pixel_at(x, b, top, left), (size_t)channels * sizeof *to);
            for (int64_t yy = top; yy < bottom; yy++)
                for (int64_t xx = left; xx < right; xx++)
                    if (yy > top || xx > left) pool_pixel(to, pixel_at(x, b, yy, xx), w->kind, channels);
            float n = (float)((bottom - top) * (right - left));
            if (w->kind == POOL_MEAN)
                for (int64_t j = 0; j < channels; j++) to[j] /= n;
        }
    }
}

void cpu_pool2d(compute *c, tensor out, tensor x, pool_kind kind, int size, int stride, int pad) {
    pool2d_work work = {out, x, kind, size, stride, pad};
    rows_for(c, move_threads(c, x), out.dim[0] * out.dim[1], pool_rows, &work);
}

static void upsample2_rows(void *context, int64_t first, int64_t end, int part) {
    const images_work *w = context;
    const tensor out = w->out, x = w->x;
    const size_t bytes = (size_t)x.dim[3] * sizeof(float);
    (void)part;
    for (int64_t r = first; r < end; r++) {
        int64_t b = r / out.dim[1], y = r % out.dim[1];
        for (int64_t i = 0; i < x.dim[2]; i++) {
            const float *from = pixel_at(x, b, y / 2, i);
            memcpy(pixel_at(out, b, y, 2 * i), from, bytes);
            memcpy(pixel_at(out, b, y, 2 * i + 1), from, bytes);
        }
    }
}

void cpu_upsample2(compute *c, tensor out, tensor x) {
    images_work work = {.out = out, .x = x};
    rows_for(c, move_threads(c, out), x.dim[0] * out.dim[1], upsample2_rows, &work);
}

static void upsample_rows(void *context, int64_t first, int64_t end, int part) {
    const images_work *w = context;
    const tensor out = w->out, x = w->x;
    const size_t bytes = (size_t)x.dim[3] * sizeof(float);
    (void)part;
    for (int64_t r = first; r < end; r++) {
        int64_t b = r / out.dim[1], y = r % out.dim[1], from = y * x.dim[1] / out.dim[1];
        for (int64_t i = 0; i < out.dim[2]; i++)
            memcpy(pixel_at(out, b, y, i), pixel_at(x, b, from, i * x.dim[2] / out.dim[2]), bytes);
    }
}

void cpu_upsample(compute *c, tensor out, tensor x) {
    images_work work = {.out = out, .x = x};
    rows_for(c, move_threads(c, out), out.dim[0] * out.dim[1], upsample_rows, &work);
}

typedef struct patch_work {
    tensor image, rows;
    int64_t p;
} patch_work;

static void patchify_rows(void *context, int64_t first, int64_t end, int part) {
    const patch_work *w = context;
    const tensor out = w->rows, x = w->image;
    const int64_t p = w->p, across = x.dim[2] / p, channels = x.dim[3];
    (void)part;
    for (int64_t r = first; r < end; r++) {
        int64_t b = r / out.dim[1], token = r % out.dim[1];
        float *to = rows_at(out, r);
        for (int64_t dy = 0; dy < p; dy++)
            for (int64_t dx = 0; dx < p; dx++) {
                const float *from = pixel_at(x, b, token / across * p + dy, token % across * p + dx);
                for (int64_t i = 0; i < channels; i++) to[(i * p + dy) * p + dx] = from[i];
            }
    }
}

void cpu_patchify(compute *c, tensor out, tensor x, int p) {
    patch_work work = {x, out, p};
    rows_for(c, move_threads(c, out), rows_count(out), patchify_rows, &work);
}

static void unpatchify_rows(void *context, int64_t first, int64_t end, int part) {
    const patch_work *w = context;
    const tensor out = w->image, x = w->rows;
    const int64_t p = w->p, across = out.dim[2] / p, channels = out.dim[3];
    (void)part;
    for (int64_t r = first; r < end; r++) {
        int64_t b = r / x.dim[1], token = r % x.dim[1];
        const float *from = rows_at(x, r);
        for (int64_t dy = 0; dy < p; dy++)
            for (int64_t dx = 0; dx < p; dx++)
                memcpy(pixel_at(out, b, token / across * p + dy, token % across * p + dx),
                       from + (dy * p + dx) * channels, (size_t)channels * sizeof(float));
    }
}

void cpu_unpatchify(compute *c, tensor out, tensor x, int p) {
    patch_work work = {out, x, p};
    rows_for(c, move_threads(c, x), rows_count(x), unpatchify_rows, &work);
}
