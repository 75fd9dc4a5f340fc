/* The profile of a compute context; see profile.h. A backend around another: each of its operations takes the time
 * before and after, and calls the other's. ops.c counts an operation's multiply-adds before it calls its slot. */
#include "tensor/profile.h"

#include <math.h>
#include <stdlib.h>
#include "base/clock.h"
#include "tensor/backend.h"

/* The rows of the profile, and what they are called. */
#define ROWS(X)                                                                                                        \
    X(LINEAR, "linear")                                                                                                \
    X(CONV2D, "conv2d")                                                                                                \
    X(ATTENTION, "attention")                                                                                          \
    X(ATTENTION_STATS, "attention, measured")                                                                          \
    X(EDIT, "attention edit")                                                                                          \
    X(OUTPUT, "output edit")                                                                                           \
    X(GAUSSIANS, "normals")                                                                                            \
    X(PART, "part of P")                                                                                               \
    X(GRAM, "head gram")                                                                                               \
    X(NORMS, "head norms")                                                                                             \
    X(MAGNITUDES, "sizes")                                                                                             \
    X(MODULATE, "norm + modulation")                                                                                   \
    X(LAYER_NORM, "layer norm")                                                                                        \
    X(RMS_NORM, "rms norm")                                                                                            \
    X(GATE_ADD, "gate + add")                                                                                          \
    X(GROUP_NORM, "group norm")                                                                                        \
    X(BATCH_NORM, "batch norm")                                                                                        \
    X(ACTIVATION, "activation")                                                                                        \
    X(GEGLU, "geglu")                                                                                                  \
    X(ADD, "add")                                                                                                      \
    X(MUL, "multiply")                                                                                                 \
    X(AXPBY, "axpby")                                                                                                  \
    X(COPY, "copy")                                                                                                    \
    X(FILL, "fill")                                                                                                    \
    X(EMBED, "embed")                                                                                                  \
    X(POOL, "pool")                                                                                                    \
    X(UPSAMPLE, "upsample")                                                                                            \
    X(PATCHES, "patches")                                                                                              \
    X(TRANSFER, "upload, download")

typedef enum operation {
#define NUMBER(row, name) OP_##row,
    ROWS(NUMBER) OP_COUNT
#undef NUMBER
} operation;

static const char *const NAMES[OP_COUNT] = {
#define NAME(row, name) name,
    ROWS(NAME)
#undef NAME
};
_Static_assert((int)OP_COUNT <= (int)PROFILE_ROWS, "room for every operation");

struct profile {
    const backend *inner;
    double flops; /* of the context, when the last operation ended */
    profile_row row[OP_COUNT];
};

/* An operation that runs. */
typedef struct timed {
    struct profile *p;
    double begun;
} timed;

static timed profile_begin_line(const compute *c) { return (timed){.p = c->profile, .begun = clock_seconds()}; }

static void profile_end_line(const compute *c, timed t, operation op, double touched) {
    profile_row *r = &t.p->row[op];
    r->seconds += clock_seconds() - t.begun;
    r->calls++;
    r->bytes += touched;
    r->flops += c->flops - t.p->flops;
    t.p->flops = c->flops;
}

static double bytes(tensor t) {
    return tensor_is_none(t) ? 0 : (double)tensor_elements(t) * (double)tensor_type_size(t.type);
}

static double packed_bytes(const compute *c, const weight *w) { return w ? (double)weight_packed_bytes(c, w) : 0; }

static double linears_bytes(const compute *c, const linear_call *call, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += bytes(call[i].out) + bytes(call[i].x) + packed_bytes(c, call[i].w) + packed_bytes(c, call[i].bias) +
               2 * bytes(call[i].sum) + bytes(call[i].gate);
    return sum;
}

static double reads_bytes(host_read *const *list, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += bytes(list[i]->from);
    return sum;
}

static double gaussians_bytes(const gaussian_run *run, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)run[i].n * sizeof(float);
    return sum;
}

/* ---- the slots ---- */

static void profiled_class(const compute *c, char *out, size_t n) { c->profile->inner->numeric_class(c, out, n); }
static void profiled_pack(compute *c, weight *w) { c->profile->inner->weight_pack(c, w); }
static void profiled_free(compute *c, weight *w) { c->profile->inner->weight_free(c, w); }
static size_t profiled_packed(const compute *c, const weight *w) {
    return c->profile->inner->weight_packed_bytes(c, w);
}

static tensor_type profiled_input_type(const compute *c, const weight *w) {
    const backend *inner = c->profile->inner;
    return inner->input_type ? inner->input_type(c, w) : TENSOR_F32;
}

static void profiled_destroy(compute *c) {
    if (c->profile->inner->destroy) c->profile->inner->destroy(c);
}

#define OP_ATTENTION_KIND(stats) ((stats) ? OP_ATTENTION_STATS : OP_ATTENTION)
#define OP(name, row, touched)                                                                                         \
    static void profiled_##name OP_PARAMETERS(name) {                                                                  \
        timed t = profile_begin_line(c);                                                                               \
        t.p->inner->name OP_ARGUMENTS(name);                                                                           \
        profile_end_line(c, t, OP_##row, touched);                                                                     \
    }
#include "tensor/ops.def"

static const backend PROFILED = {
    .about = {"profile", "another backend, timed", NULL},
    .destroy = profiled_destroy,
    .numeric_class = profiled_class,
    .weight_pack = profiled_pack,
    .weight_free = profiled_free,
    .weight_packed_bytes = profiled_packed,
    .input_type = profiled_input_type,
#define OP(name, row, bytes) BACKEND_OPERATION(profiled, name)
#include "tensor/ops.def"
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

const backend *profile_backend(const compute *c) { return c->profile ? c->profile->inner : c->be; }

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
