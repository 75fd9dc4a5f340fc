/* The profile of a compute context; see profile.h. One function for each slot of a backend: the time before and after,
 * and the slot of the backend inside. Relies on ops.c, which has counted an operation's multiply-adds before it calls
 * its slot. */
#include "tensor/profile.h"

#include <math.h>
#include <stdlib.h>
#include "base/clock.h"
#include "tensor/backend.h"

typedef enum operation {
    OP_LINEAR,
    OP_CONV2D,
    OP_ATTENTION,
    OP_ATTENTION_STATS,
    OP_EDIT,
    OP_OUTPUT,
    OP_NORMALS,
    OP_PART,
    OP_NORMS,
    OP_SIZES,
    OP_MODULATE,
    OP_LAYER_NORM,
    OP_RMS_NORM,
    OP_GATE_ADD,
    OP_GROUP_NORM,
    OP_BATCH_NORM,
    OP_ACTIVATION,
    OP_GEGLU,
    OP_ADD,
    OP_MUL,
    OP_AXPBY,
    OP_COPY,
    OP_FILL,
    OP_EMBED,
    OP_POOL,
    OP_UPSAMPLE,
    OP_PATCHES,
    OP_TRANSFER,
    OP_COUNT
} operation;

static const char *const NAMES[OP_COUNT] = {"linear",
                                            "conv2d",
                                            "attention",
                                            "attention, measured",
                                            "attention edit",
                                            "output edit",
                                            "normals",
                                            "part of P",
                                            "head norms",
                                            "sizes",
                                            "norm + modulation",
                                            "layer norm",
                                            "rms norm",
                                            "gate + add",
                                            "group norm",
                                            "batch norm",
                                            "activation",
                                            "geglu",
                                            "add",
                                            "multiply",
                                            "axpby",
                                            "copy",
                                            "fill",
                                            "embed",
                                            "pool",
                                            "upsample",
                                            "patches",
                                            "upload, download"};
_Static_assert((int)OP_COUNT <= (int)PROFILE_ROWS, "room for every operation");

struct profile {
    const backend *inner;
    double flops; /* of the context, when the last operation ended */
    profile_row row[OP_COUNT];
};

/* An operation that runs. */
typedef struct timed {
    struct profile *p;
    double begun, bytes;
} timed;

static timed begin(const compute *c) { return (timed){.p = c->profile, .begun = clock_seconds()}; }

static void end(const compute *c, timed t, operation op, double bytes) {
    profile_row *r = &t.p->row[op];
    r->seconds += clock_seconds() - t.begun;
    r->calls++;
    r->bytes += bytes;
    r->flops += c->flops - t.p->flops;
    t.p->flops = c->flops;
}

static double size(tensor t) { return tensor_is_none(t) ? 0 : (double)tensor_elements(t) * sizeof(float); }

static double packed_size(const compute *c, const weight *w) { return w ? (double)weight_packed_bytes(c, w) : 0; }

/* ---- the slots ---- */

static void numeric_class(const compute *c, char *out, size_t n) { c->profile->inner->numeric_class(c, out, n); }
static void weight_packing(compute *c, weight *w) { c->profile->inner->weight_pack(c, w); }
static void weight_freeing(compute *c, weight *w) { c->profile->inner->weight_free(c, w); }
static size_t packed_bytes(const compute *c, const weight *w) { return c->profile->inner->weight_packed_bytes(c, w); }
static int head_gram(const weight *w, int64_t heads, float *gram) { return backend_cpu.head_gram(w, heads, gram); }

static void upload(compute *c, tensor out, const float *host) {
    timed t = begin(c);
    t.p->inner->upload(c, out, host);
    end(c, t, OP_TRANSFER, 2 * size(out));
}

static void download(compute *c, float *host, tensor x) {
    timed t = begin(c);
    t.p->inner->download(c, host, x);
    end(c, t, OP_TRANSFER, 2 * size(x));
}

static void linears(compute *c, const linear_call *call, int n) {
    timed t = begin(c);
    t.p->inner->linears(c, call, n);
    for (int i = 0; i < n; i++)
        t.bytes += size(call[i].out) + size(call[i].x) + packed_size(c, call[i].w) + packed_size(c, call[i].bias) +
                   2 * size(call[i].sum) + size(call[i].gate);
    end(c, t, OP_LINEAR, t.bytes);
}

static void conv2d(compute *c, tensor out, tensor x, const weight *w, const weight *bias, int stride, const int pad[4],
                   activation act) {
    timed t = begin(c);
    t.p->inner->conv2d(c, out, x, w, bias, stride, pad, act);
    end(c, t, OP_CONV2D, size(out) + size(x) + packed_size(c, w) + packed_size(c, bias));
}

static void embed(compute *c, tensor out, const weight *table, const int32_t *ids) {
    timed t = begin(c);
    t.p->inner->embed(c, out, table, ids);
    end(c, t, OP_EMBED, 2 * size(out));
}

static void copy(compute *c, tensor out, tensor x) {
    timed t = begin(c);
    t.p->inner->copy(c, out, x);
    end(c, t, OP_COPY, 2 * size(out));
}

static void fill(compute *c, tensor out, float value) {
    timed t = begin(c);
    t.p->inner->fill(c, out, value);
    end(c, t, OP_FILL, size(out));
}

static void add(compute *c, tensor out, tensor a, tensor b) {
    timed t = begin(c);
    t.p->inner->add(c, out, a, b);
    end(c, t, OP_ADD, size(out) + size(a) + size(b));
}

static void mul(compute *c, tensor out, tensor a, tensor b) {
    timed t = begin(c);
    t.p->inner->mul(c, out, a, b);
    end(c, t, OP_MUL, size(out) + size(a) + size(b));
}

static void axpby(compute *c, tensor out, float alpha, tensor a, float beta, tensor b) {
    timed t = begin(c);
    t.p->inner->axpby(c, out, alpha, a, beta, b);
    end(c, t, OP_AXPBY, size(out) + size(a) + size(b));
}

static void activate(compute *c, tensor out, tensor x, activation act) {
    timed t = begin(c);
    t.p->inner->activation(c, out, x, act);
    end(c, t, OP_ACTIVATION, size(out) + size(x));
}

static void geglu(compute *c, tensor out, tensor x, tensor gate) {
    timed t = begin(c);
    t.p->inner->geglu(c, out, x, gate);
    end(c, t, OP_GEGLU, size(out) + size(x) + size(gate));
}

static void layer_norm(compute *c, tensor out, tensor x, const weight *gamma, const weight *beta, float eps) {
    timed t = begin(c);
    t.p->inner->layer_norm(c, out, x, gamma, beta, eps);
    end(c, t, OP_LAYER_NORM, size(out) + size(x));
}

static void norm_modulate(compute *c, tensor out, tensor x, tensor scale, tensor shift, float eps) {
    timed t = begin(c);
    t.p->inner->norm_modulate(c, out, x, scale, shift, eps);
    end(c, t, OP_MODULATE, size(out) + size(x));
}

static void rms_norm(compute *c, tensor out, tensor x, const weight *gamma, float eps) {
    timed t = begin(c);
    t.p->inner->rms_norm(c, out, x, gamma, eps);
    end(c, t, OP_RMS_NORM, size(out) + size(x));
}

static void gate_add(compute *c, tensor x, tensor gate, tensor y) {
    timed t = begin(c);
    t.p->inner->gate_add(c, x, gate, y);
    end(c, t, OP_GATE_ADD, 2 * size(x) + size(y));
}

static void group_moments(compute *c, tensor moments, tensor x, int groups, float eps) {
    timed t = begin(c);
    t.p->inner->group_moments(c, moments, x, groups, eps);
    end(c, t, OP_GROUP_NORM, size(x));
}

static void group_apply(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                        activation act) {
    timed t = begin(c);
    t.p->inner->group_apply(c, out, x, moments, gamma, beta, act);
    end(c, t, OP_GROUP_NORM, size(out) + size(x));
}

static void batch_normalise(compute *c, tensor out, tensor x, const batch_norm *w, float eps, activation act) {
    timed t = begin(c);
    t.p->inner->batch_norm(c, out, x, w, eps, act);
    end(c, t, OP_BATCH_NORM, size(out) + size(x));
}

static void pool2d(compute *c, tensor out, tensor x, pool_kind kind, int window, int stride, int pad) {
    timed t = begin(c);
    t.p->inner->pool2d(c, out, x, kind, window, stride, pad);
    end(c, t, OP_POOL, size(out) + size(x));
}

static void upsample2(compute *c, tensor out, tensor x) {
    timed t = begin(c);
    t.p->inner->upsample2(c, out, x);
    end(c, t, OP_UPSAMPLE, size(out) + size(x));
}

static void upsample(compute *c, tensor out, tensor x) {
    timed t = begin(c);
    t.p->inner->upsample(c, out, x);
    end(c, t, OP_UPSAMPLE, size(out) + size(x));
}

static void patchify(compute *c, tensor out, tensor x, int p) {
    timed t = begin(c);
    t.p->inner->patchify(c, out, x, p);
    end(c, t, OP_PATCHES, size(out) + size(x));
}

static void unpatchify(compute *c, tensor out, tensor x, int p) {
    timed t = begin(c);
    t.p->inner->unpatchify(c, out, x, p);
    end(c, t, OP_PATCHES, size(out) + size(x));
}

static double attention_size(const attention_args *a) { return size(a->q) + size(a->k) + size(a->v) + size(a->out); }

static void attention(compute *c, const attention_args *a, const attention_stats *stats) {
    timed t = begin(c);
    t.p->inner->attention(c, a, stats);
    end(c, t, stats ? OP_ATTENTION_STATS : OP_ATTENTION, attention_size(a));
}

static void edit(compute *c, const attention_args *a, const attention_edit *e) {
    timed t = begin(c);
    t.p->inner->attention_edit(c, a, e);
    end(c, t, OP_EDIT, size(a->q) + 2 * size(a->out));
}

static void output_edit(compute *c, const attention_args *a, const attention_output *e) {
    timed t = begin(c);
    t.p->inner->attention_output(c, a, e);
    end(c, t, OP_OUTPUT, 2 * size(a->out));
}

static void normals(compute *c, const normal_run *run, int64_t n) {
    timed t = begin(c);
    t.p->inner->normals(c, run, n);
    for (int64_t i = 0; i < n; i++) t.bytes += (double)run[i].n * sizeof(float);
    end(c, t, OP_NORMALS, t.bytes);
}

static void part_of_weights(compute *c, const attention_args *a, const double *lse, attention_part part,
                            const int32_t *index, int n, double *out) {
    timed t = begin(c);
    t.p->inner->attention_part(c, a, lse, part, index, n, out);
    end(c, t, OP_PART, size(a->q) + size(a->k));
}

static void head_norms(compute *c, tensor x, const float *gram, float *norm, float *projected) {
    timed t = begin(c);
    t.p->inner->head_norms(c, x, gram, norm, projected);
    end(c, t, OP_NORMS, size(x));
}

static void sizes(compute *c, tensor x, float *largest, float *p95) {
    timed t = begin(c);
    t.p->inner->sizes(c, x, largest, p95);
    end(c, t, OP_SIZES, size(x));
}

static void destroy(compute *c) {
    if (c->profile->inner->destroy) c->profile->inner->destroy(c);
}

static const backend PROFILED = {
    .about = {"profile", "another backend, timed", NULL},
    .destroy = destroy,
    .numeric_class = numeric_class,
    .weight_pack = weight_packing,
    .weight_free = weight_freeing,
    .weight_packed_bytes = packed_bytes,
    .upload = upload,
    .download = download,
    .linears = linears,
    .conv2d = conv2d,
    .embed = embed,
    .copy = copy,
    .fill = fill,
    .add = add,
    .mul = mul,
    .axpby = axpby,
    .activation = activate,
    .geglu = geglu,
    .layer_norm = layer_norm,
    .norm_modulate = norm_modulate,
    .rms_norm = rms_norm,
    .gate_add = gate_add,
    .group_moments = group_moments,
    .group_apply = group_apply,
    .batch_norm = batch_normalise,
    .pool2d = pool2d,
    .upsample2 = upsample2,
    .upsample = upsample,
    .patchify = patchify,
    .unpatchify = unpatchify,
    .attention = attention,
    .attention_edit = edit,
    .attention_output = output_edit,
    .normals = normals,
    .attention_part = part_of_weights,
    .head_gram = head_gram,
    .head_norms = head_norms,
    .sizes = sizes,
};

/* ---- what was measured ---- */

ss_status profile_begin(compute *c, ss_error *err) {
    struct profile *p = c->profile ? c->profile : calloc(1, sizeof *p);
    if (!p) return error_no_memory(err, "profile", sizeof *p);
    *p = (struct profile){.inner = c->profile ? c->profile->inner : c->be, .flops = c->flops};
    c->profile = p;
    c->be = &PROFILED;
    return SS_OK;
}

static int longer(const void *a, const void *b) {
    double x = ((const profile_row *)a)->seconds, y = ((const profile_row *)b)->seconds;
    return (x < y) - (x > y);
}

void profile_rows(const compute *c, profile_row *out, int *n) {
    *n = 0;
    for (int i = 0; c->profile && i < OP_COUNT; i++) {
        if (c->profile->row[i].calls == 0) continue;
        out[*n] = c->profile->row[i];
        out[(*n)++].name = NAMES[i];
    }
    qsort(out, (size_t)*n, sizeof *out, longer);
}

/* ---- the roof ---- */

enum { SIDE = 384, COPY_FLOATS = 8 << 20 };
static const double MEASURE_SECONDS = 0.12;

/* Best of the calls that fit into the time, units per second. */
static double best_rate(compute *c, void (*f)(compute *c, const void *args), const void *args, double units) {
    double best = 0;
    f(c, args);
    for (double first = clock_seconds(), now = first; now - first < MEASURE_SECONDS && compute_ok(c);) {
        double begun = now;
        f(c, args);
        now = clock_seconds();
        if (now > begun && units / (now - begun) > best) best = units / (now - begun);
    }
    return best;
}

static void call_linear(compute *c, const void *args) { op_linears(c, args, 1); }

static void call_copy(compute *c, const void *args) {
    const tensor *t = args;
    op_copy(c, t[0], t[1]);
}

static void measure_roof(compute *c, profile_roof *out) {
    int64_t rows = (int64_t)SIDE * c->threads;
    tensor x = compute_2d(c, rows, SIDE), y = compute_2d(c, rows, SIDE), w = compute_2d(c, SIDE, SIDE);
    tensor large[] = {compute_1d(c, COPY_FLOATS), compute_1d(c, COPY_FLOATS)};
    op_fill(c, x, 0.5f);
    op_fill(c, w, 0.5f);
    op_fill(c, large[1], 0.5f);
    if (!compute_ok(c)) return;
    weight packed = {.kind = WEIGHT_LINEAR, .source = w};
    weight_pack(c, &packed);
    const linear_call call = {.out = y, .x = x, .w = &packed};
    out->flops = best_rate(c, call_linear, &call, 2.0 * (double)rows * SIDE * SIDE);
    out->bytes = best_rate(c, call_copy, large, 2.0 * COPY_FLOATS * sizeof(float));
    weight_free(c, &packed);
}

ss_status profile_measure_roof(int threads, profile_roof *out, ss_error *err) {
    compute *c = NULL;
    SS_TRY(compute_create(&c, "cpu", threads, (size_t)1 << 30, err));
    measure_roof(c, out);
    ss_status status = compute_status(c, err);
    compute_destroy(c);
    return status;
}

/* `x` at the right of a column; `width` includes the space before it. */
static void add_column(text *out, double x, int decimals, int width, const char *unit) {
    text number = {0};
    text_add_fixed(&number, x, decimals);
    if (number.failed) out->failed = 1;
    else text_addf(out, "%*s%s", width, number.s, unit);
    text_free(&number);
}

void profile_write(const compute *c, const profile_roof *roof, text *out) {
    profile_row row[PROFILE_ROWS];
    int n;
    double all = 0;
    profile_rows(c, row, &n);
    for (int i = 0; i < n; i++) all += row[i].seconds;
    text_addf(out, "%-20s %9s %9s %7s %9s %7s %8s\n", "operation", "calls", "seconds", "share", "GFLOP/s", "GB/s",
              "of roof");
    for (int i = 0; i < n; i++) {
        const profile_row *r = &row[i];
        double flops = r->flops / r->seconds, bytes = r->bytes / r->seconds;
        text_addf(out, "%-20s %9lld", r->name, (long long)r->calls);
        add_column(out, r->seconds, 3, 10, "");
        add_column(out, 100 * r->seconds / all, 1, 6, " %");
        if (r->flops > 0) add_column(out, flops / 1e9, 1, 10, "");
        else text_addf(out, "%10s", "");
        add_column(out, bytes / 1e9, 1, 8, "");
        add_column(out, 100 * fmax(flops / roof->flops, bytes / roof->bytes), 0, 7, " %\n");
    }
    text_add(out, "roof of this machine: ");
    text_add_fixed(out, roof->flops / 1e9, 0);
    text_add(out, " GFLOP/s of products in the cache, ");
    text_add_fixed(out, roof->bytes / 1e9, 1);
    text_add(out, " GB/s of memory copied\n");
}
