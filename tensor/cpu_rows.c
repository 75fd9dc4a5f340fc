/* Everything of the cpu backend but products and attention: rows handed to the kernels, threads over rows. A row is
 * always computed whole by one call, so bits depend neither on threads nor on the batch. */
#include "tensor/cpu.h"

#include <math.h>
#include <string.h>
#include "tensor/half.h"
#include "tensor/rows.h"

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int move_threads(const compute *c, tensor t) { return cpu_threads(c, tensor_elements(t) / 8); }
static int norm_threads(const compute *c, tensor t) { return cpu_threads(c, tensor_elements(t) / 2); }

/* ---- element by element ---- */

/* Operands cut into runs: rows, or, where all are contiguous and of one shape, pieces of the whole. */
typedef struct runs {
    int64_t count, length, total; /* run i has min(length, total - i length) floats when `flat` */
    int flat;
} runs;

static runs runs_of(tensor out, tensor a, tensor b) {
    enum { PIECE = 8192 };
    runs r = {.count = rows_count(out), .length = rows_length(out), .total = tensor_elements(out)};
    r.flat = tensor_is_contiguous(out) && tensor_is_contiguous(a) && tensor_is_contiguous(b) &&
             tensor_same_shape(out, a) && tensor_same_shape(out, b);
    if (!r.flat) return r;
    r.length = PIECE;
    r.count = (r.total + PIECE - 1) / PIECE;
    return r;
}

static int64_t run_length(const runs *r, int64_t i) {
    return r->flat ? least(r->length, r->total - i * r->length) : r->length;
}

static float *run_at(const runs *r, tensor t, tensor like, int64_t i) {
    return r->flat ? (float *)t.data + i * r->length : rows_at_like(t, like, i);
}

void cpu_copy(compute *c, tensor out, tensor x) {
    runs r = runs_of(out, x, x);
#pragma omp parallel for num_threads(move_threads(c, out))
    for (int64_t i = 0; i < r.count; i++) {
        float *to = run_at(&r, out, out, i);
        const float *from = run_at(&r, x, x, i);
        if (to != from) memcpy(to, from, (size_t)run_length(&r, i) * sizeof *to);
    }
}

static tensor host_tensor(const float *host, tensor like) {
    return tensor_nd((void *)(uintptr_t)host, TENSOR_F32, like.ndim, like.dim);
}

void cpu_upload(compute *c, tensor out, const float *host) { cpu_copy(c, out, host_tensor(host, out)); }
void cpu_download(compute *c, float *host, tensor x) { cpu_copy(c, host_tensor(host, x), x); }

void cpu_fill(compute *c, tensor out, float value) {
    runs r = runs_of(out, out, out);
#pragma omp parallel for num_threads(move_threads(c, out))
    for (int64_t i = 0; i < r.count; i++) {
        float *to = run_at(&r, out, out, i);
        for (int64_t k = 0; k < run_length(&r, i); k++) to[k] = value;
    }
}

typedef void by_element(float *out, const float *a, const float *b, int64_t n);
typedef void by_value(float *out, const float *a, float b, int64_t n);

static void combine(compute *c, tensor out, tensor a, tensor b, by_element *element, by_value *value) {
    runs r = runs_of(out, a, b);
    int one_value = rows_length(b) == 1 && rows_length(out) != 1;
#pragma omp parallel for num_threads(move_threads(c, out))
    for (int64_t i = 0; i < r.count; i++) {
        float *to = run_at(&r, out, out, i);
        const float *left = run_at(&r, a, a, i), *right = run_at(&r, b, out, i);
        if (one_value) value(to, left, *right, run_length(&r, i));
        else element(to, left, right, run_length(&r, i));
    }
}

void cpu_add(compute *c, tensor out, tensor a, tensor b) {
    combine(c, out, a, b, cpu_kernel(c)->add, cpu_kernel(c)->add_value);
}

void cpu_mul(compute *c, tensor out, tensor a, tensor b) {
    combine(c, out, a, b, cpu_kernel(c)->mul, cpu_kernel(c)->mul_value);
}

void cpu_axpby(compute *c, tensor out, float alpha, tensor a, float beta, tensor b) {
    runs r = runs_of(out, a, b);
#pragma omp parallel for num_threads(move_threads(c, out))
    for (int64_t i = 0; i < r.count; i++)
        cpu_kernel(c)->axpby(run_at(&r, out, out, i), alpha, run_at(&r, a, a, i), beta, run_at(&r, b, b, i),
                             run_length(&r, i));
}

void cpu_activation(compute *c, tensor out, tensor x, activation act) {
    runs r = runs_of(out, x, x);
#pragma omp parallel for num_threads(norm_threads(c, out))
    for (int64_t i = 0; i < r.count; i++)
        cpu_kernel(c)->activate(run_at(&r, out, out, i), run_at(&r, x, x, i), run_length(&r, i), act);
}

void cpu_geglu(compute *c, tensor out, tensor x, tensor gate) {
    enum { PIECE = 512 }; /* of a row whose gelu waits on the stack */
    const kernel *k = cpu_kernel(c);
    int64_t length = rows_length(out);
#pragma omp parallel for num_threads(norm_threads(c, out))
    for (int64_t r = 0; r < rows_count(out); r++) {
        float opened[PIECE], *to = rows_at(out, r);
        const float *from = rows_at(x, r), *by = rows_at(gate, r);
        for (int64_t i = 0; i < length; i += PIECE) {
            int64_t n = least(PIECE, length - i);
            k->activate(opened, by + i, n, ACT_GELU_ERF);
            k->mul(to + i, from + i, opened, n);
        }
    }
}

void cpu_embed(compute *c, tensor out, const weight *table, const int32_t *ids) {
    int64_t width = table->source.dim[1];
    size_t row_bytes = (size_t)width * tensor_type_size(table->source.type);
#pragma omp parallel for num_threads(move_threads(c, out))
    for (int64_t r = 0; r < out.dim[0]; r++)
        half_convert(rows_at(out, r), (const char *)table->source.data + (size_t)ids[r] * row_bytes, table->source.type,
                     width);
}

/* ---- norms ---- */

static const float *packed_or_null(const weight *w) { return w ? w->packed : NULL; }

/* Rows of an activation as words: floats, or pairs of bfloat16. */
static tensor words_of(tensor t) { return t.type == TENSOR_BF16 ? tensor_words(t) : t; }

/* Where row r of a norm's output is made, and what becomes of it: `room` where it is rounded. */
static float *norm_begin(tensor out, tensor words, int64_t r, float *room) {
    return out.type == TENSOR_BF16 ? room : rows_at(words, r);
}

static void norm_end(const kernel *k, tensor out, tensor words, int64_t r, const float *room) {
    if (out.type == TENSOR_BF16) k->to_pairs((uint32_t *)(void *)rows_at(words, r), room, rows_length(out));
}

void cpu_layer_norm(compute *c, tensor out, tensor x, const weight *gamma, const weight *beta, float eps) {
    const float *scale = packed_or_null(gamma), *shift = packed_or_null(beta);
    const kernel *k = cpu_kernel(c);
    tensor words = words_of(out);
#pragma omp parallel for num_threads(norm_threads(c, x))
    for (int64_t r = 0; r < rows_count(x); r++) {
        float room[CPU_ROUNDED_ROW];
        k->layer_norm(norm_begin(out, words, r, room), rows_at(x, r), rows_length(x), scale, shift, 0.0f, eps);
        norm_end(k, out, words, r, room);
    }
}

void cpu_norm_modulate(compute *c, tensor out, tensor x, tensor scale, tensor shift, float eps) {
    const kernel *k = cpu_kernel(c);
    tensor words = words_of(out);
#pragma omp parallel for num_threads(norm_threads(c, x))
    for (int64_t r = 0; r < rows_count(x); r++) {
        float room[CPU_ROUNDED_ROW];
        k->layer_norm(norm_begin(out, words, r, room), rows_at(x, r), rows_length(x), rows_at(scale, r / x.dim[1]),
                      rows_at(shift, r / x.dim[1]), 1.0f, eps);
        norm_end(k, out, words, r, room);
    }
}

void cpu_rms_norm(compute *c, tensor out, tensor x, const weight *gamma, float eps) {
    const float *scale = packed_or_null(gamma);
    const kernel *k = cpu_kernel(c);
    tensor words = words_of(out);
#pragma omp parallel for num_threads(norm_threads(c, x))
    for (int64_t r = 0; r < rows_count(x); r++) {
        float room[CPU_ROUNDED_ROW];
        k->rms_norm(norm_begin(out, words, r, room), rows_at(x, r), rows_length(x), scale, eps);
        norm_end(k, out, words, r, room);
    }
}

void cpu_gate_add(compute *c, tensor x, tensor gate, tensor y) {
#pragma omp parallel for num_threads(move_threads(c, x))
    for (int64_t r = 0; r < rows_count(x); r++)
        cpu_kernel(c)->gate_add(rows_at(x, r), rows_at(gate, r / x.dim[1]), rows_at(y, r), rows_length(x));
}

/* ---- group norm ---- */

/* Of one image at a time: sums of x and x^2 by image row and channel. */
size_t cpu_group_moments_scratch(tensor x) { return (size_t)(2 * x.dim[1] * x.dim[3]) * sizeof(double); }
/* Factor and shift by channel. */
size_t cpu_group_apply_scratch(tensor x) { return (size_t)(2 * x.dim[3]) * sizeof(float); }

static void *norm_scratch(compute *c, size_t bytes) {
    void *memory = arena_alloc(c->scratch, bytes);
    if (!memory) error_set(&c->error, SS_ERR_RESOURCE, NULL, "out of scratch memory in a group norm");
    return memory;
}

/* Image rows added in their order, then the channels of each group. */
static void group_moments(const double *sums, int64_t height, int64_t width, int64_t channels, int64_t group, float eps,
                          float *mean, float *factor) {
    for (int64_t first = 0; first < channels; first += group) {
        double sum = 0, squares = 0, n = (double)(height * width * group);
        for (int64_t y = 0; y < height; y++)
            for (int64_t i = first; i < first + group; i++) {
                sum += sums[2 * y * channels + i];
                squares += sums[(2 * y + 1) * channels + i];
            }
        double m = sum / n, variance = squares / n - m * m;
        for (int64_t i = first; i < first + group; i++) {
            mean[i] = (float)m;
            factor[i] = (float)(1 / sqrt((variance < 0 ? 0 : variance) + (double)eps));
        }
    }
}

void cpu_group_moments(compute *c, tensor moments, tensor x, int groups, float eps) {
    const kernel *k = cpu_kernel(c);
    int64_t height = x.dim[1], width = x.dim[2], channels = x.dim[3];
    arena_mark mark = arena_get_mark(c->scratch);
    double *sums = norm_scratch(c, cpu_group_moments_scratch(x));
    if (!sums) return;
    for (int64_t b = 0; b < x.dim[0]; b++) {
        tensor from = tensor_slice(x, 0, b, 1);
#pragma omp parallel for num_threads(norm_threads(c, x))
        for (int64_t y = 0; y < height; y++)
            k->channel_sums(sums + 2 * y * channels, sums + (2 * y + 1) * channels,
                            (float *)from.data + y * from.stride[1], width, from.stride[2], channels);
        float *mean = (float *)moments.data + 2 * b * channels;
        group_moments(sums, height, width, channels, channels / groups, eps, mean, mean + channels);
    }
    arena_release(c->scratch, mark);
}

void cpu_group_apply(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                     activation act) {
    const kernel *k = cpu_kernel(c);
    int64_t channels = x.dim[3];
    arena_mark mark = arena_get_mark(c->scratch);
    float *factor = norm_scratch(c, cpu_group_apply_scratch(x));
    if (!factor) return;
    float *shift = factor + channels;
    for (int64_t b = 0; b < x.dim[0]; b++) {
        tensor from = tensor_slice(x, 0, b, 1), to = tensor_slice(out, 0, b, 1);
        const float *mean = (const float *)moments.data + b * moments.stride[0], *inverse = mean + moments.stride[1];
        for (int64_t i = 0; i < channels; i++) {
            factor[i] = inverse[i] * (gamma ? ((const float *)gamma->packed)[i] : 1.0f);
            shift[i] = beta ? ((const float *)beta->packed)[i] : 0.0f;
        }
#pragma omp parallel for num_threads(norm_threads(c, x))
        for (int64_t r = 0; r < rows_count(from); r++) {
            float *pixel = rows_at(to, r);
            k->channel_norm(pixel, rows_at(from, r), mean, factor, shift, channels);
            if (act != ACT_NONE) k->activate(pixel, pixel, channels, act);
        }
    }
    arena_release(c->scratch, mark);
}

/* ---- batch norm ---- */

size_t cpu_batch_norm_scratch(tensor x) { return (size_t)x.dim[x.ndim - 1] * sizeof(float); }

void cpu_batch_norm(compute *c, tensor out, tensor x, const batch_norm *w, float eps, activation act) {
    const kernel *k = cpu_kernel(c);
    const float *gamma = w->gamma.packed, *beta = w->beta.packed, *mean = w->mean.packed, *var = w->var.packed;
    int64_t channels = rows_length(x);
    arena_mark mark = arena_get_mark(c->scratch);
    float *factor = arena_alloc(c->scratch, cpu_batch_norm_scratch(x));
    if (!factor) {
        error_set(&c->error, SS_ERR_RESOURCE, NULL, "out of scratch memory in a batch norm");
        return;
    }
    for (int64_t i = 0; i < channels; i++) factor[i] = (float)((double)gamma[i] / sqrt((double)var[i] + (double)eps));
#pragma omp parallel for num_threads(norm_threads(c, x))
    for (int64_t r = 0; r < rows_count(x); r++) {
        float *to = rows_at(out, r);
        k->channel_norm(to, rows_at(x, r), mean, factor, beta, channels);
        if (act != ACT_NONE) k->activate(to, to, channels, act);
    }
    arena_release(c->scratch, mark);
}

/* ---- rearrangement ---- */

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

void cpu_pool2d(compute *c, tensor out, tensor x, pool_kind kind, int size, int stride, int pad) {
    int64_t channels = x.dim[3];
#pragma omp parallel for num_threads(move_threads(c, x))
    for (int64_t r = 0; r < out.dim[0] * out.dim[1]; r++) {
        int64_t b = r / out.dim[1], y = r % out.dim[1], top = y * stride - pad, bottom = least(top + size, x.dim[1]);
        if (top < 0) top = 0;
        for (int64_t i = 0; i < out.dim[2]; i++) {
            int64_t left = i * stride - pad, right = least(left + size, x.dim[2]);
            if (left < 0) left = 0;
            float *to = pixel_at(out, b, y, i);
            memcpy(to, pixel_at(x, b, top, left), (size_t)channels * sizeof *to);
            for (int64_t yy = top; yy < bottom; yy++)
                for (int64_t xx = left; xx < right; xx++)
                    if (yy > top || xx > left) pool_pixel(to, pixel_at(x, b, yy, xx), kind, channels);
            float n = (float)((bottom - top) * (right - left));
            if (kind == POOL_MEAN)
                for (int64_t j = 0; j < channels; j++) to[j] /= n;
        }
    }
}

void cpu_upsample2(compute *c, tensor out, tensor x) {
    size_t bytes = (size_t)x.dim[3] * sizeof(float);
#pragma omp parallel for num_threads(move_threads(c, out))
    for (int64_t r = 0; r < x.dim[0] * out.dim[1]; r++) {
        int64_t b = r / out.dim[1], y = r % out.dim[1];
        for (int64_t i = 0; i < x.dim[2]; i++) {
            const float *from = pixel_at(x, b, y / 2, i);
            memcpy(pixel_at(out, b, y, 2 * i), from, bytes);
            memcpy(pixel_at(out, b, y, 2 * i + 1), from, bytes);
        }
    }
}

void cpu_upsample(compute *c, tensor out, tensor x) {
    size_t bytes = (size_t)x.dim[3] * sizeof(float);
#pragma omp parallel for num_threads(move_threads(c, out))
    for (int64_t r = 0; r < out.dim[0] * out.dim[1]; r++) {
        int64_t b = r / out.dim[1], y = r % out.dim[1], from = y * x.dim[1] / out.dim[1];
        for (int64_t i = 0; i < out.dim[2]; i++)
            memcpy(pixel_at(out, b, y, i), pixel_at(x, b, from, i * x.dim[2] / out.dim[2]), bytes);
    }
}

void cpu_normals(compute *c, const normal_run *run, int64_t n) {
    const kernel *k = cpu_kernel(c);
    int64_t all = 0;
    for (int64_t i = 0; i < n; i++) all += run[i].n;
#pragma omp parallel for schedule(dynamic, 1) num_threads(cpu_threads(c, 4 * all))
    for (int64_t i = 0; i < n; i++) k->normals(run[i].out, &run[i].stream, run[i].scale, run[i].n);
}

void cpu_patchify(compute *c, tensor out, tensor x, int p) {
    int64_t across = x.dim[2] / p, channels = x.dim[3];
#pragma omp parallel for num_threads(move_threads(c, out))
    for (int64_t r = 0; r < rows_count(out); r++) {
        int64_t b = r / out.dim[1], token = r % out.dim[1];
        float *to = rows_at(out, r);
        for (int64_t dy = 0; dy < p; dy++)
            for (int64_t dx = 0; dx < p; dx++) {
                const float *from = pixel_at(x, b, token / across * p + dy, token % across * p + dx);
                for (int64_t i = 0; i < channels; i++) to[(i * p + dy) * p + dx] = from[i];
            }
    }
}

void cpu_unpatchify(compute *c, tensor out, tensor x, int p) {
    int64_t across = out.dim[2] / p, channels = out.dim[3];
#pragma omp parallel for num_threads(move_threads(c, x))
    for (int64_t r = 0; r < rows_count(x); r++) {
        int64_t b = r / x.dim[1], token = r % x.dim[1];
        const float *from = rows_at(x, r);
        for (int64_t dy = 0; dy < p; dy++)
            for (int64_t dx = 0; dx < p; dx++)
                memcpy(pixel_at(out, b, token / across * p + dy, token % across * p + dx),
                       from + (dy * p + dx) * channels, (size_t)channels * sizeof(float));
    }
}
