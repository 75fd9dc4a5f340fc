/* What the cpu backend does row by row, but for products, attention and images: rows handed to the kernels, threads
 * over rows. A row is always computed whole by one call, so bits depend neither on threads nor on the batch. */
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

/* What the threads of an operation read; which of these a loop over rows or runs uses follows from the operation. */
typedef struct rows_work {
    const kernel *k;
    runs r;
    tensor out, x, y;           /* y: the second operand */
    tensor words;               /* out as words, where it may be of 16 bits */
    tensor scale, shift;        /* [images, channels] */
    const float *gamma, *beta;  /* [channels]; NULL: 1 and 0 */
    const float *mean, *factor; /* [channels] */
    float alpha, beta_factor;   /* of x and of y */
    float eps;
    activation act;
} rows_work;

/* Indices [0, n) of `run` by `threads` threads, cut once. */
static void rows_for(compute *c, int threads, int64_t n, thread_pool_range *run, void *work) {
    thread_pool_for(c->pool, threads, n, 0, run, work);
}

static void copy_runs(void *context, int64_t first, int64_t end, int part) {
    const rows_work *w = context;
    (void)part;
    for (int64_t i = first; i < end; i++) {
        float *to = run_at(&w->r, w->out, w->out, i);
        const float *from = run_at(&w->r, w->x, w->x, i);
        if (to != from) memcpy(to, from, (size_t)run_length(&w->r, i) * sizeof *to);
    }
}

void cpu_copy(compute *c, tensor out, tensor x) {
    rows_work work = {.r = runs_of(out, x, x), .out = out, .x = x};
    rows_for(c, move_threads(c, out), work.r.count, copy_runs, &work);
}

static tensor host_tensor(const float *host, tensor like) {
    return tensor_nd((void *)(uintptr_t)host, TENSOR_F32, like.ndim, like.dim);
}

void cpu_upload(compute *c, tensor out, const float *host) { cpu_copy(c, out, host_tensor(host, out)); }
void cpu_download(compute *c, float *host, tensor x) { cpu_copy(c, host_tensor(host, x), x); }

/* The host sees this memory. */
void cpu_read(compute *c, arena *memory, host_read *const *list, int n) {
    (void)c, (void)memory;
    for (int i = 0; i < n; i++) list[i]->values = list[i]->from.data;
}

static void fill_runs(void *context, int64_t first, int64_t end, int part) {
    const rows_work *w = context;
    const float value = w->alpha;
    (void)part;
    for (int64_t i = first; i < end; i++) {
        float *to = run_at(&w->r, w->out, w->out, i);
        const int64_t n = run_length(&w->r, i);
        for (int64_t k = 0; k < n; k++) to[k] = value;
    }
}

void cpu_fill(compute *c, tensor out, float value) {
    rows_work work = {.r = runs_of(out, out, out), .out = out, .alpha = value};
    rows_for(c, move_threads(c, out), work.r.count, fill_runs, &work);
}

typedef void by_element(float *out, const float *a, const float *b, int64_t n);
typedef void by_value(float *out, const float *a, float b, int64_t n);

typedef struct combine_work {
    runs r;
    tensor out, a, b;
    by_element *element;
    by_value *value; /* NULL: b has a value for every element */
} combine_work;

static void combine_runs(void *context, int64_t first, int64_t end, int part) {
    const combine_work *w = context;
    (void)part;
    for (int64_t i = first; i < end; i++) {
        float *to = run_at(&w->r, w->out, w->out, i);
        const float *left = run_at(&w->r, w->a, w->a, i), *right = run_at(&w->r, w->b, w->out, i);
        if (w->value) w->value(to, left, *right, run_length(&w->r, i));
        else w->element(to, left, right, run_length(&w->r, i));
    }
}

static void combine(compute *c, tensor out, tensor a, tensor b, by_element *element, by_value *value) {
    int one_value = rows_length(b) == 1 && rows_length(out) != 1;
    combine_work work = {runs_of(out, a, b), out, a, b, element, one_value ? value : NULL};
    rows_for(c, move_threads(c, out), work.r.count, combine_runs, &work);
}

void cpu_add(compute *c, tensor out, tensor a, tensor b) {
    combine(c, out, a, b, cpu_kernel(c)->add, cpu_kernel(c)->add_value);
}

void cpu_mul(compute *c, tensor out, tensor a, tensor b) {
    combine(c, out, a, b, cpu_kernel(c)->mul, cpu_kernel(c)->mul_value);
}

static void axpby_runs(void *context, int64_t first, int64_t end, int part) {
    const rows_work *w = context;
    (void)part;
    for (int64_t i = first; i < end; i++)
        w->k->axpby(run_at(&w->r, w->out, w->out, i), w->alpha, run_at(&w->r, w->x, w->x, i), w->beta_factor,
                    run_at(&w->r, w->y, w->y, i), run_length(&w->r, i));
}

void cpu_axpby(compute *c, tensor out, float alpha, tensor a, float beta, tensor b) {
    rows_work work = {
        .k = cpu_kernel(c), .r = runs_of(out, a, b), .out = out, .x = a, .y = b, .alpha = alpha, .beta_factor = beta};
    rows_for(c, move_threads(c, out), work.r.count, axpby_runs, &work);
}

static void activate_runs(void *context, int64_t first, int64_t end, int part) {
    const rows_work *w = context;
    (void)part;
    for (int64_t i = first; i < end; i++)
        w->k->activate(run_at(&w->r, w->out, w->out, i), run_at(&w->r, w->x, w->x, i), run_length(&w->r, i), w->act);
}

void cpu_activation(compute *c, tensor out, tensor x, activation act) {
    rows_work work = {.k = cpu_kernel(c), .r = runs_of(out, x, x), .out = out, .x = x, .act = act};
    rows_for(c, norm_threads(c, out), work.r.count, activate_runs, &work);
}

static void geglu_rows(void *context, int64_t first, int64_t end, int part) {
    enum { PIECE = 512 }; /* of a row whose gelu waits on the stack */
    const rows_work *w = context;
    const int64_t length = rows_length(w->out);
    (void)part;
    for (int64_t r = first; r < end; r++) {
        float opened[PIECE], *to = rows_at(w->out, r);
        const float *from = rows_at(w->x, r), *by = rows_at(w->y, r);
        for (int64_t i = 0; i < length; i += PIECE) {
            int64_t n = least(PIECE, length - i);
            w->k->activate(opened, by + i, n, ACT_GELU_ERF);
            w->k->mul(to + i, from + i, opened, n);
        }
    }
}

void cpu_geglu(compute *c, tensor out, tensor x, tensor gate) {
    rows_work work = {.k = cpu_kernel(c), .out = out, .x = x, .y = gate};
    rows_for(c, norm_threads(c, out), rows_count(out), geglu_rows, &work);
}

typedef struct embed_work {
    tensor out, table;
    const int32_t *ids;
} embed_work;

static void embed_rows(void *context, int64_t first, int64_t end, int part) {
    const embed_work *w = context;
    const int64_t width = w->table.dim[1];
    const size_t row_bytes = (size_t)width * tensor_type_size(w->table.type);
    (void)part;
    for (int64_t r = first; r < end; r++)
        half_convert(rows_at(w->out, r), (const char *)w->table.data + (size_t)w->ids[r] * row_bytes, w->table.type,
                     width);
}

void cpu_embed(compute *c, tensor out, const weight *table, const int32_t *ids) {
    embed_work work = {out, table->source, ids};
    rows_for(c, move_threads(c, out), out.dim[0], embed_rows, &work);
}

/* ---- numbers drawn ---- */

typedef struct gaussians_work {
    const kernel *k;
    const gaussian_run *run;
    float *out;
} gaussians_work;

static void draw_runs(void *context, int64_t first, int64_t end, int part) {
    const gaussians_work *w = context;
    (void)part;
    for (int64_t i = first; i < end; i++)
        w->k->gaussians(w->out + w->run[i].at, &w->run[i].stream, w->run[i].scale, w->run[i].n);
}

void cpu_gaussians(compute *c, tensor out, const gaussian_run *run, int64_t n) {
    gaussians_work work = {cpu_kernel(c), run, out.data};
    int64_t all = 0;
    for (int64_t i = 0; i < n; i++) all += run[i].n;
    thread_pool_for(c->pool, cpu_threads(c, 4 * all), n, 1, draw_runs, &work);
}

/* ---- norms ---- */

static const float *packed_or_null(const weight *w) { return w ? w->packed : NULL; }

/* Rows of an activation as words: floats, or pairs of bfloat16. */
static tensor words_of(tensor t) { return t.type == TENSOR_BF16 ? tensor_words(t) : t; }

/* Where row r of a norm's output is made, and what becomes of it: `scratch` where it is rounded. */
static float *norm_begin(const rows_work *w, int64_t r, float *scratch) {
    return w->out.type == TENSOR_BF16 ? scratch : rows_at(w->words, r);
}

static void norm_end(const rows_work *w, int64_t r, const float *scratch) {
    if (w->out.type == TENSOR_BF16)
        w->k->to_pairs((uint32_t *)(void *)rows_at(w->words, r), scratch, rows_length(w->out));
}

static void layer_norm_rows(void *context, int64_t first, int64_t end, int part) {
    const rows_work *w = context;
    (void)part;
    for (int64_t r = first; r < end; r++) {
        float scratch[CPU_ROUNDED_ROW];
        w->k->layer_norm(norm_begin(w, r, scratch), rows_at(w->x, r), rows_length(w->x), w->gamma, w->beta, 0.0f,
                         w->eps);
        norm_end(w, r, scratch);
    }
}

void cpu_layer_norm(compute *c, tensor out, tensor x, const weight *gamma, const weight *beta, float eps) {
    rows_work work = {.k = cpu_kernel(c),
                      .out = out,
                      .words = words_of(out),
                      .x = x,
                      .gamma = packed_or_null(gamma),
                      .beta = packed_or_null(beta),
                      .eps = eps};
    rows_for(c, norm_threads(c, x), rows_count(x), layer_norm_rows, &work);
}

static void norm_modulate_rows(void *context, int64_t first, int64_t end, int part) {
    const rows_work *w = context;
    (void)part;
    for (int64_t r = first; r < end; r++) {
        float scratch[CPU_ROUNDED_ROW];
        w->k->layer_norm(norm_begin(w, r, scratch), rows_at(w->x, r), rows_length(w->x),
                         rows_at(w->scale, r / w->x.dim[1]), rows_at(w->shift, r / w->x.dim[1]), 1.0f, w->eps);
        norm_end(w, r, scratch);
    }
}

void cpu_norm_modulate(compute *c, tensor out, tensor x, tensor scale, tensor shift, float eps) {
    rows_work work = {
        .k = cpu_kernel(c), .out = out, .words = words_of(out), .x = x, .scale = scale, .shift = shift, .eps = eps};
    rows_for(c, norm_threads(c, x), rows_count(x), norm_modulate_rows, &work);
}

static void rms_norm_rows(void *context, int64_t first, int64_t end, int part) {
    const rows_work *w = context;
    (void)part;
    for (int64_t r = first; r < end; r++) {
        float scratch[CPU_ROUNDED_ROW];
        w->k->rms_norm(norm_begin(w, r, scratch), rows_at(w->x, r), rows_length(w->x), w->gamma, w->eps);
        norm_end(w, r, scratch);
    }
}

void cpu_rms_norm(compute *c, tensor out, tensor x, const weight *gamma, float eps) {
    rows_work work = {
        .k = cpu_kernel(c), .out = out, .words = words_of(out), .x = x, .gamma = packed_or_null(gamma), .eps = eps};
    rows_for(c, norm_threads(c, x), rows_count(x), rms_norm_rows, &work);
}

static void gate_add_rows(void *context, int64_t first, int64_t end, int part) {
    const rows_work *w = context;
    (void)part;
    for (int64_t r = first; r < end; r++)
        w->k->gate_add(rows_at(w->x, r), rows_at(w->scale, r / w->x.dim[1]), rows_at(w->y, r), rows_length(w->x));
}

void cpu_gate_add(compute *c, tensor x, tensor gate, tensor y) {
    rows_work work = {.k = cpu_kernel(c), .x = x, .y = y, .scale = gate};
    rows_for(c, move_threads(c, x), rows_count(x), gate_add_rows, &work);
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

typedef struct sums_work {
    const kernel *k;
    tensor image;
    double *sums;
} sums_work;

static void sum_image_rows(void *context, int64_t first, int64_t end, int part) {
    const sums_work *w = context;
    const int64_t channels = w->image.dim[3];
    (void)part;
    for (int64_t y = first; y < end; y++)
        w->k->channel_sums(w->sums + 2 * y * channels, w->sums + (2 * y + 1) * channels,
                           (float *)w->image.data + y * w->image.stride[1], w->image.dim[2], w->image.stride[2],
                           channels);
}

void cpu_group_moments(compute *c, tensor moments, tensor x, int groups, float eps) {
    int64_t height = x.dim[1], width = x.dim[2], channels = x.dim[3];
    arena_mark mark = arena_get_mark(c->scratch);
    double *sums = norm_scratch(c, cpu_group_moments_scratch(x));
    if (!sums) return;
    for (int64_t b = 0; b < x.dim[0]; b++) {
        sums_work work = {cpu_kernel(c), tensor_slice(x, 0, b, 1), sums};
        rows_for(c, norm_threads(c, x), height, sum_image_rows, &work);
        float *mean = (float *)moments.data + 2 * b * channels;
        group_moments(sums, height, width, channels, channels / groups, eps, mean, mean + channels);
    }
    arena_release(c->scratch, mark);
}

/* (x - mean) factor + beta, channel by channel, and what follows. */
static void channel_norm_rows(void *context, int64_t first, int64_t end, int part) {
    const rows_work *w = context;
    const int64_t channels = rows_length(w->x);
    (void)part;
    for (int64_t r = first; r < end; r++) {
        float *to = rows_at(w->out, r);
        w->k->channel_norm(to, rows_at(w->x, r), w->mean, w->factor, w->beta, channels);
        if (w->act != ACT_NONE) w->k->activate(to, to, channels, w->act);
    }
}

void cpu_group_apply(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                     activation act) {
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
        rows_work work = {
            .k = cpu_kernel(c), .out = to, .x = from, .mean = mean, .factor = factor, .beta = shift, .act = act};
        rows_for(c, norm_threads(c, x), rows_count(from), channel_norm_rows, &work);
    }
    arena_release(c->scratch, mark);
}

/* ---- batch norm ---- */

size_t cpu_batch_norm_scratch(tensor x) { return (size_t)x.dim[x.ndim - 1] * sizeof(float); }

void cpu_batch_norm(compute *c, tensor out, tensor x, const batch_norm *w, float eps, activation act) {
    const float *gamma = w->gamma.packed, *beta = w->beta.packed, *mean = w->mean.packed, *var = w->var.packed;
    int64_t channels = rows_length(x);
    arena_mark mark = arena_get_mark(c->scratch);
    float *factor = arena_alloc(c->scratch, cpu_batch_norm_scratch(x));
    if (!factor) {
        error_set(&c->error, SS_ERR_RESOURCE, NULL, "out of scratch memory in a batch norm");
        return;
    }
    for (int64_t i = 0; i < channels; i++) factor[i] = (float)((double)gamma[i] / sqrt((double)var[i] + (double)eps));
    rows_work work = {.k = cpu_kernel(c), .out = out, .x = x, .mean = mean, .factor = factor, .beta = beta, .act = act};
    rows_for(c, norm_threads(c, x), rows_count(x), channel_norm_rows, &work);
    arena_release(c->scratch, mark);
}
