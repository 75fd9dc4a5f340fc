/* The dry backend: computes nothing and reads or writes no tensor, so that a forward pass on it gives the peak of
 * scratch memory, the count of multiply-adds and the names of taps before any real run. What a
 * caller downloads is set to zero. */
#include "tensor/backend.h"

#include <stdio.h>
#include <string.h>
#include "tensor/cpu.h"

static void dry_numeric_class(const compute *c, char *out, size_t size) {
    (void)c;
    snprintf(out, size, "dry (nothing is computed)");
}

/* A mark that the weight counts as packed; it is never dereferenced. */
static void dry_weight_pack(compute *c, weight *w) {
    static const char mark;
    if (cpu_weight_packed_bytes(c, w)) w->packed = (void *)(uintptr_t)&mark;
}

static void dry_weight_free(compute *c, weight *w) {
    (void)c;
    (void)w;
}

/* What the weight takes on the cpu backend. */
static size_t dry_weight_packed_bytes(const compute *c, const weight *w) { return cpu_weight_packed_bytes(c, w); }

static void dry_download(compute *c, float *host, tensor x) {
    (void)c;
    memset(host, 0, (size_t)tensor_elements(x) * sizeof *host);
}

/* Takes and releases the scratch of the cpu backend's operation. */
static void dry_take(compute *c, size_t bytes) {
    arena_mark mark = arena_get_mark(c->scratch);
    if (!arena_alloc(c->scratch, bytes))
        error_set(&c->error, SS_ERR_RESOURCE, NULL, "out of scratch memory: %zu bytes in use, %zu more asked for",
                  arena_used(c->scratch), bytes);
    arena_release(c->scratch, mark);
}

static void take_product(compute *c, size_t inputs, size_t scratch) {
    arena_mark mark = arena_get_mark(c->scratch);
    if (inputs == 0 || arena_alloc(c->scratch, inputs)) dry_take(c, scratch);
    else dry_take(c, inputs); /* reports that memory is exhausted */
    arena_release(c->scratch, mark);
}

static void dry_linears(compute *c, const linear_call *call, int n) {
    if (n > 0) take_product(c, cpu_linears_inputs(c, call, n), cpu_linears_scratch(c, call, n));
}

static void dry_conv2d(compute *c, tensor out, tensor x, const weight *w, const weight *bias, int stride,
                       const int *pad, activation act) {
    (void)out;
    (void)bias;
    (void)stride;
    (void)pad;
    (void)act;
    take_product(c, cpu_conv2d_input(c, x, w), cpu_product_scratch(c, w));
}

static void dry_batch_norm(compute *c, tensor out, tensor x, const batch_norm *w, float eps, activation act) {
    (void)out;
    (void)w;
    (void)eps;
    (void)act;
    dry_take(c, cpu_batch_norm_scratch(x));
}

static void dry_group_moments(compute *c, tensor moments, tensor x, int groups, float eps) {
    (void)moments;
    (void)groups;
    (void)eps;
    dry_take(c, cpu_group_moments_scratch(x));
}

static void dry_group_apply(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                            activation act) {
    (void)out;
    (void)moments;
    (void)gamma;
    (void)beta;
    (void)act;
    dry_take(c, cpu_group_apply_scratch(x));
}

static void dry_embed(compute *c, tensor out, const weight *table, const int32_t *ids) {
    (void)c, (void)out, (void)table, (void)ids;
}

static void dry_read(compute *c, arena *memory, host_read *const *list, int n) {
    (void)c, (void)memory, (void)list, (void)n; /* nothing is there to read */
}

static void dry_attention(compute *c, const attention_args *a, const attention_stats *s) {
    (void)s;
    cpu_attention_reserve(c, a);
}

static void dry_attention_edit(compute *c, const attention_args *a, const attention_edit *e) {
    (void)e;
    cpu_attention_edit_reserve(c, a);
}

static void dry_attention_output(compute *c, const attention_args *a, const attention_output *e) {
    arena_mark mark = arena_get_mark(c->scratch);
    (void)e;
    compute_1d(c, 2 * a->q.dim[0] * a->q.dim[2] * a->q.dim[3]); /* scratch of cpu_attention_output */
    arena_release(c->scratch, mark);
}

static void dry_head_gram(compute *c, const weight *w, int64_t heads, float *gram) {
    (void)c;
    memset(gram, 0, (size_t)(w->source.dim[1] * w->source.dim[1] / heads) * sizeof *gram);
}

static void dry_head_norms(compute *c, tensor x, const float *gram, tensor norm, tensor projected) {
    (void)gram, (void)norm, (void)projected;
    cpu_head_norms_reserve(c, x);
}

static void dry_magnitudes(compute *c, tensor x, tensor largest, tensor p95) {
    arena_mark mark = arena_get_mark(c->scratch);
    (void)largest, (void)p95;
    compute_1d(c, tensor_elements(x)); /* scratch of cpu_magnitudes */
    arena_release(c->scratch, mark);
}

/* Those that take no scratch. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define OP(name, row, bytes)
#define OP_NOW(name, row, bytes)
#define OP_PLAIN(name, row, bytes)                                                                                     \
    static void dry_##name OP_PARAMETERS(name) {}
#include "tensor/ops.def"
#pragma GCC diagnostic pop

const backend backend_dry = {
    .about = {"dry", "computes nothing: scratch memory, operation count and tap names of a forward pass", NULL},
    .counts = 1,
    .create = cpu_isa_choose,
    .numeric_class = dry_numeric_class,
    .weight_pack = dry_weight_pack,
    .weight_free = dry_weight_free,
    .weight_packed_bytes = dry_weight_packed_bytes,
    .input_type = cpu_input_type,
#define OP(name, row, bytes) BACKEND_OPERATION(dry, name)
#include "tensor/ops.def"
};
