/* The reference backend: plain loops one can read, sums in float64, one thread. It is the oracle that the fast
 * backends are tested against, so nothing here is clever. Weights are kept as float32 in the checkpoint's order;
 * embedding tables stay in the file. */
#include "tensor/reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "tensor/backend.h"
#include "tensor/cpu.h"
#include "tensor/half.h"
#include "tensor/rows.h"

/* ---- weights ---- */

static void reference_weight_pack(compute *c, weight *w) {
    if (w->kind == WEIGHT_TABLE) return;
    int64_t n = tensor_elements(w->source);
    w->packed = malloc(n ? (size_t)n * sizeof(float) : 1);
    if (!w->packed) {
        error_no_memory(&c->error, "weight", (unsigned long long)n * sizeof(float));
        return;
    }
    half_convert(w->packed, w->source.data, w->source.type, n);
}

static void reference_weight_free(compute *c, weight *w) {
    (void)c;
    free(w->packed);
}

static size_t reference_weight_packed_bytes(const compute *c, const weight *w) {
    (void)c;
    return w->kind == WEIGHT_TABLE ? 0 : (size_t)tensor_elements(w->source) * sizeof(float);
}

static double vector_at(const weight *w, int64_t i, double otherwise) {
    return w ? (double)((const float *)w->packed)[i] : otherwise;
}

static void reference_numeric_class(const compute *c, char *out, size_t size) {
    (void)c;
    snprintf(out, size, "reference (float64 sums)");
}

/* ---- activations ---- */

static double reference_activate(activation act, double x) {
    switch (act) {
    case ACT_NONE: break;
    case ACT_SILU: return x / (1 + exp(-x));
    case ACT_GELU_ERF: return x * 0.5 * erfc(-x * 0.70710678118654752440);
    case ACT_GELU_TANH: return x / (1 + exp(-2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case ACT_QUICK_GELU: return x / (1 + exp(-1.702 * x));
    case ACT_RELU: return x < 0 ? 0 : x;
    }
    return x;
}

void reference_activation(compute *c, tensor out, tensor x, activation act) {
    (void)c;
    for (int64_t r = 0; r < rows_count(x); r++) {
        const float *from = rows_at(x, r);
        float *to = rows_at(out, r);
        for (int64_t i = 0; i < rows_length(x); i++) to[i] = (float)reference_activate(act, (double)from[i]);
    }
}

void reference_geglu(compute *c, tensor out, tensor x, tensor gate) {
    (void)c;
    for (int64_t r = 0; r < rows_count(x); r++) {
        const float *from = rows_at(x, r), *by = rows_at(gate, r);
        float *to = rows_at(out, r);
        for (int64_t i = 0; i < rows_length(x); i++)
            to[i] = (float)((double)from[i] * reference_activate(ACT_GELU_ERF, (double)by[i]));
    }
}

/* ---- products ---- */

void reference_gate_add(compute *c, tensor x, tensor gate, tensor y) {
    (void)c;
    for (int64_t r = 0; r < rows_count(x); r++) {
        const float *factor = rows_at(gate, r / x.dim[1]), *from = rows_at(y, r);
        float *to = rows_at(x, r);
        for (int64_t i = 0; i < rows_length(x); i++)
            to[i] = (float)((double)to[i] + (double)factor[i] * (double)from[i]);
    }
}

static void reference_linear(const linear_call *a) {
    const weight *w = a->w;
    int64_t n_out = w->source.dim[0], n_in = w->source.dim[1];
    for (int64_t r = 0; r < rows_count(a->x); r++) {
        const float *from = rows_at(a->x, r);
        float *to = rows_at(a->out, r);
        for (int64_t o = 0; o < n_out; o++) {
            const float *row = (const float *)w->packed + o * n_in;
            double sum = vector_at(a->bias, o, 0);
            for (int64_t i = 0; i < n_in; i++) sum += (double)from[i] * (double)row[i];
            to[o] = (float)reference_activate(a->act, sum);
        }
    }
}

void reference_linears(compute *c, const linear_call *call, int n) {
    for (int i = 0; i < n; i++) {
        reference_linear(&call[i]);
        if (tensor_is_none(call[i].sum)) continue;
        if (tensor_is_none(call[i].gate)) reference_add(c, call[i].sum, call[i].sum, call[i].out);
        else reference_gate_add(c, call[i].sum, call[i].gate, call[i].out);
    }
}

static float *pixel(tensor t, int64_t b, int64_t y, int64_t x) {
    return (float *)t.data + b * t.stride[0] + y * t.stride[1] + x * t.stride[2];
}

/* Sum over the window of one output pixel and channel, zeros outside the image. */
static double convolve_at(tensor x, const weight *w, int64_t b, int64_t top, int64_t left, int64_t o) {
    const int64_t *dim = w->source.dim; /* [O, I, kh, kw] */
    double sum = 0;
    for (int64_t ky = 0; ky < dim[2]; ky++)
        for (int64_t kx = 0; kx < dim[3]; kx++) {
            int64_t y = top + ky, xx = left + kx;
            if (y < 0 || y >= x.dim[1] || xx < 0 || xx >= x.dim[2]) continue;
            const float *from = pixel(x, b, y, xx);
            const float *k = (const float *)w->packed + ((o * dim[1]) * dim[2] + ky) * dim[3] + kx;
            for (int64_t i = 0; i < dim[1]; i++) sum += (double)from[i] * (double)k[i * dim[2] * dim[3]];
        }
    return sum;
}

void reference_conv2d(compute *c, tensor out, tensor x, const weight *w, const weight *bias, int stride, const int *pad,
                      activation act) {
    (void)c;
    for (int64_t b = 0; b < out.dim[0]; b++)
        for (int64_t y = 0; y < out.dim[1]; y++)
            for (int64_t xx = 0; xx < out.dim[2]; xx++) {
                float *to = pixel(out, b, y, xx);
                for (int64_t o = 0; o < out.dim[3]; o++)
                    to[o] =
                        (float)reference_activate(act, vector_at(bias, o, 0) + convolve_at(x, w, b, y * stride - pad[0],
                                                                                           xx * stride - pad[1], o));
            }
}

void reference_embed(compute *c, tensor out, const weight *table, const int32_t *ids) {
    (void)c;
    int64_t width = table->source.dim[1];
    size_t row_bytes = (size_t)width * tensor_type_size(table->source.type);
    for (int64_t r = 0; r < rows_count(out); r++)
        half_convert(rows_at(out, r), (const char *)table->source.data + (size_t)ids[r] * row_bytes, table->source.type,
                     width);
}

/* ---- host memory, element by element ---- */

void reference_upload(compute *c, tensor out, const float *host) {
    (void)c;
    for (int64_t r = 0; r < rows_count(out); r++)
        memcpy(rows_at(out, r), host + r * rows_length(out), (size_t)rows_length(out) * sizeof(float));
}

void reference_download(compute *c, float *host, tensor x) {
    (void)c;
    for (int64_t r = 0; r < rows_count(x); r++)
        memcpy(host + r * rows_length(x), rows_at(x, r), (size_t)rows_length(x) * sizeof(float));
}

void reference_copy(compute *c, tensor out, tensor x) {
    (void)c;
    for (int64_t r = 0; r < rows_count(x); r++)
        memmove(rows_at(out, r), rows_at(x, r), (size_t)rows_length(x) * sizeof(float));
}

void reference_fill(compute *c, tensor out, float value) {
    (void)c;
    for (int64_t r = 0; r < rows_count(out); r++)
        for (int64_t i = 0; i < rows_length(out); i++) rows_at(out, r)[i] = value;
}

void reference_add(compute *c, tensor out, tensor a, tensor b) {
    (void)c;
    for (int64_t r = 0; r < rows_count(out); r++) {
        const float *left = rows_at(a, r), *right = rows_at_like(b, out, r);
        float *to = rows_at(out, r);
        for (int64_t i = 0; i < rows_length(out); i++) to[i] = left[i] + right[rows_length(b) == 1 ? 0 : i];
    }
}

void reference_mul(compute *c, tensor out, tensor a, tensor b) {
    (void)c;
    for (int64_t r = 0; r < rows_count(out); r++) {
        const float *left = rows_at(a, r), *right = rows_at_like(b, out, r);
        float *to = rows_at(out, r);
        for (int64_t i = 0; i < rows_length(out); i++) to[i] = left[i] * right[rows_length(b) == 1 ? 0 : i];
    }
}

void reference_axpby(compute *c, tensor out, float alpha, tensor a, float beta, tensor b) {
    (void)c;
    for (int64_t r = 0; r < rows_count(out); r++) {
        const float *left = rows_at(a, r), *right = rows_at(b, r);
        float *to = rows_at(out, r);
        for (int64_t i = 0; i < rows_length(out); i++) to[i] = alpha * left[i] + beta * right[i];
    }
}

/* ---- norms ---- */

/* Mean and 1 / sqrt(variance + eps) of n values. */
static void moments(const float *x, int64_t n, double eps, double *mean, double *inverse) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i];
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    *inverse = 1 / sqrt(squares / (double)n + eps);
}

void reference_layer_norm(compute *c, tensor out, tensor x, const weight *gamma, const weight *beta, float eps) {
    (void)c;
    for (int64_t r = 0; r < rows_count(x); r++) {
        const float *from = rows_at(x, r);
        float *to = rows_at(out, r);
        double mean, inverse;
        moments(from, rows_length(x), (double)eps, &mean, &inverse);
        for (int64_t i = 0; i < rows_length(x); i++)
            to[i] = (float)(((double)from[i] - mean) * inverse * vector_at(gamma, i, 1) + vector_at(beta, i, 0));
    }
}

void reference_norm_modulate(compute *c, tensor out, tensor x, tensor scale, tensor shift, float eps) {
    (void)c;
    for (int64_t r = 0; r < rows_count(x); r++) {
        const float *from = rows_at(x, r), *factor = rows_at(scale, r / x.dim[1]), *add = rows_at(shift, r / x.dim[1]);
        float *to = rows_at(out, r);
        double mean, inverse;
        moments(from, rows_length(x), (double)eps, &mean, &inverse);
        for (int64_t i = 0; i < rows_length(x); i++)
            to[i] = (float)(((double)from[i] - mean) * inverse * (1 + (double)factor[i]) + (double)add[i]);
    }
}

void reference_rms_norm(compute *c, tensor out, tensor x, const weight *gamma, float eps) {
    (void)c;
    for (int64_t r = 0; r < rows_count(x); r++) {
        const float *from = rows_at(x, r);
        float *to = rows_at(out, r);
        double squares = 0;
        for (int64_t i = 0; i < rows_length(x); i++) squares += (double)from[i] * (double)from[i];
        double inverse = 1 / sqrt(squares / (double)rows_length(x) + (double)eps);
        for (int64_t i = 0; i < rows_length(x); i++)
            to[i] = (float)((double)from[i] * inverse * vector_at(gamma, i, 1));
    }
}

/* One group of one image: channels [begin, end). */
/* Mean and 1 / sqrt(variance + eps) of the channels begin .. end of an image. */
static void group_moments_one(tensor x, int64_t b, int64_t begin, int64_t end, double eps, float *mean_out,
                              float *inverse_out) {
    int64_t height = x.dim[1], width = x.dim[2];
    double n = (double)(height * width * (end - begin)), sum = 0, squares = 0;
    for (int64_t p = 0; p < height * width; p++)
        for (int64_t i = begin; i < end; i++) sum += (double)pixel(x, b, p / width, p % width)[i];
    double mean = sum / n;
    for (int64_t p = 0; p < height * width; p++)
        for (int64_t i = begin; i < end; i++) {
            double d = (double)pixel(x, b, p / width, p % width)[i] - mean;
            squares += d * d;
        }
    for (int64_t i = begin; i < end; i++) {
        mean_out[i] = (float)mean;
        inverse_out[i] = (float)(1 / sqrt(squares / n + eps));
    }
}

void reference_group_moments(compute *c, tensor moments, tensor x, int groups, float eps) {
    (void)c;
    int64_t width = x.dim[3] / groups;
    for (int64_t b = 0; b < x.dim[0]; b++)
        for (int64_t g = 0; g < groups; g++) {
            float *mean = (float *)moments.data + 2 * b * x.dim[3];
            group_moments_one(x, b, g * width, (g + 1) * width, (double)eps, mean, mean + x.dim[3]);
        }
}

void reference_group_apply(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                           activation act) {
    (void)c;
    for (int64_t b = 0; b < x.dim[0]; b++)
        for (int64_t p = 0; p < x.dim[1] * x.dim[2]; p++)
            for (int64_t i = 0; i < x.dim[3]; i++) {
                const float *mean = (const float *)moments.data + b * moments.stride[0];
                double d = (double)pixel(x, b, p / x.dim[2], p % x.dim[2])[i] - (double)mean[i];
                double scaled = d * (double)mean[moments.stride[1] + i] * vector_at(gamma, i, 1);
                pixel(out, b, p / x.dim[2], p % x.dim[2])[i] =
                    (float)reference_activate(act, scaled + vector_at(beta, i, 0));
            }
}

/* ---- rearrangement ---- */

void reference_batch_norm(compute *c, tensor out, tensor x, const batch_norm *w, float eps, activation act) {
    (void)c;
    for (int64_t r = 0; r < rows_count(x); r++)
        for (int64_t i = 0; i < rows_length(x); i++) {
            double scaled =
                ((double)rows_at(x, r)[i] - vector_at(&w->mean, i, 0)) / sqrt(vector_at(&w->var, i, 0) + (double)eps);
            rows_at(out, r)[i] =
                (float)reference_activate(act, scaled * vector_at(&w->gamma, i, 0) + vector_at(&w->beta, i, 0));
        }
}

/* One value of a pooled image: the window's top left corner is at (top, left), perhaps outside. */
static double pool_at(tensor x, int64_t b, int64_t top, int64_t left, int64_t channel, pool_kind kind, int size) {
    double sum = 0, largest = -INFINITY;
    int64_t n = 0;
    for (int64_t y = top; y < top + size; y++)
        for (int64_t xx = left; xx < left + size; xx++) {
            if (y < 0 || y >= x.dim[1] || xx < 0 || xx >= x.dim[2]) continue;
            double v = (double)pixel(x, b, y, xx)[channel];
            if (v > largest || isnan(v)) largest = v; /* a NaN stays: nothing is larger */
            sum += v;
            n++;
        }
    return kind == POOL_MAX ? largest : sum / (double)n;
}

void reference_pool2d(compute *c, tensor out, tensor x, pool_kind kind, int size, int stride, int pad) {
    (void)c;
    for (int64_t b = 0; b < out.dim[0]; b++)
        for (int64_t y = 0; y < out.dim[1]; y++)
            for (int64_t xx = 0; xx < out.dim[2]; xx++)
                for (int64_t i = 0; i < out.dim[3]; i++)
                    pixel(out, b, y, xx)[i] = (float)pool_at(x, b, y * stride - pad, xx * stride - pad, i, kind, size);
}

void reference_upsample2(compute *c, tensor out, tensor x) {
    (void)c;
    for (int64_t b = 0; b < out.dim[0]; b++)
        for (int64_t y = 0; y < out.dim[1]; y++)
            for (int64_t xx = 0; xx < out.dim[2]; xx++)
                memcpy(pixel(out, b, y, xx), pixel(x, b, y / 2, xx / 2), (size_t)x.dim[3] * sizeof(float));
}

void reference_upsample(compute *c, tensor out, tensor x) {
    (void)c;
    for (int64_t b = 0; b < out.dim[0]; b++)
        for (int64_t y = 0; y < out.dim[1]; y++)
            for (int64_t xx = 0; xx < out.dim[2]; xx++)
                memcpy(pixel(out, b, y, xx), pixel(x, b, y * x.dim[1] / out.dim[1], xx * x.dim[2] / out.dim[2]),
                       (size_t)x.dim[3] * sizeof(float));
}

void reference_patchify(compute *c, tensor out, tensor x, int p) {
    (void)c;
    int64_t across = x.dim[2] / p, channels = x.dim[3];
    for (int64_t r = 0; r < rows_count(out); r++) {
        int64_t b = r / out.dim[1], token = r % out.dim[1];
        float *to = rows_at(out, r);
        for (int64_t ch = 0; ch < channels; ch++)
            for (int64_t dy = 0; dy < p; dy++)
                for (int64_t dx = 0; dx < p; dx++)
                    to[(ch * p + dy) * p + dx] = pixel(x, b, token / across * p + dy, token % across * p + dx)[ch];
    }
}

void reference_unpatchify(compute *c, tensor out, tensor x, int p) {
    (void)c;
    int64_t across = out.dim[2] / p, channels = out.dim[3];
    for (int64_t r = 0; r < rows_count(x); r++) {
        int64_t b = r / x.dim[1], token = r % x.dim[1];
        const float *from = rows_at(x, r);
        for (int64_t dy = 0; dy < p; dy++)
            for (int64_t dx = 0; dx < p; dx++)
                memcpy(pixel(out, b, token / across * p + dy, token % across * p + dx), from + (dy * p + dx) * channels,
                       (size_t)channels * sizeof(float));
    }
}

void reference_gaussians(compute *c, tensor out, const gaussian_run *run, int64_t n) {
    (void)c;
    for (int64_t i = 0; i < n; i++) {
        philox r = run[i].stream;
        float *to = (float *)out.data + run[i].at;
        for (int64_t j = 0; j < run[i].n; j++) to[j] = (float)(run[i].scale * philox_normal(&r));
    }
}

void reference_read(compute *c, arena *memory, host_read *const *list, int n) { cpu_read(c, memory, list, n); }

/* In double already: the cpu backend's own. */
void reference_attention_output(compute *c, const attention_args *a, const attention_output *e) {
    cpu_attention_output(c, a, e);
}

void reference_attention_part(compute *c, const attention_args *a, tensor lse, attention_part part,
                              const int32_t *index, int n, tensor out) {
    cpu_attention_part(c, a, lse, part, index, n, out);
}

void reference_head_gram(compute *c, const weight *w, int64_t heads, float *gram) { cpu_head_gram(c, w, heads, gram); }

void reference_magnitudes(compute *c, tensor x, tensor largest, tensor p95) { cpu_magnitudes(c, x, largest, p95); }

const backend backend_reference = {
    .about = {"reference", "plain loops with float64 sums, one thread; slow, for tests", NULL},
    .create = cpu_isa_choose,
    .numeric_class = reference_numeric_class,
    .weight_pack = reference_weight_pack,
    .weight_free = reference_weight_free,
    .weight_packed_bytes = reference_weight_packed_bytes,
#define OP(name, row, bytes) BACKEND_OPERATION(reference, name)
#include "tensor/ops.def"
};
