/* The operations as networks call them: sticky error, stop flag, shapes, the count of multiply-adds; then the
 * backend's slot. Relies on backend.h; touches no element. */
#include "tensor/ops.h"

#include <stdio.h>
#include "base/clock.h"
#include "tensor/backend.h"

int op_begin(compute *c) {
    if (!compute_ok(c)) return 0;
    if (c->stop && *c->stop) {
        error_set(&c->error, SS_ERR_INTERRUPTED, NULL, "stopped on request");
        return 0;
    }
    if (c->deadline > 0 && clock_seconds() > c->deadline) {
        error_set(&c->error, SS_ERR_INTERRUPTED, NULL, "out of the time that was set");
        return 0;
    }
    return 1;
}

const char *op_shape_text(tensor t, char out[OP_SHAPE_TEXT]) {
    size_t n = 0;
    out[n++] = '[';
    for (int i = 0; i < t.ndim; i++)
        n += (size_t)snprintf(out + n, OP_SHAPE_TEXT - n, i ? ", %lld" : "%lld", (long long)t.dim[i]);
    snprintf(out + n, OP_SHAPE_TEXT - n, "]");
    return out;
}

int op_fits(compute *c, int condition, const char *op, const char *rule, tensor a, tensor b) {
    if (condition) return 1;
    char ta[OP_SHAPE_TEXT], tb[OP_SHAPE_TEXT];
    error_set(&c->error, SS_ERR_INTERNAL, NULL, "%s: expected %s, found %s and %s", op, rule, op_shape_text(a, ta),
              op_shape_text(b, tb));
    return 0;
}

int op_usable(tensor t) {
    return t.ndim >= 1 && t.type == TENSOR_F32 && (t.dim[t.ndim - 1] <= 1 || t.stride[t.ndim - 1] == 1) &&
           (t.data || tensor_elements(t) == 0);
}

/* The same of an input or output that may be in bfloat16: whole pairs. */
static int usable_rounded(tensor t) {
    int64_t n = t.dim[t.ndim - 1];
    if (t.type != TENSOR_BF16) return op_usable(t);
    for (int i = 0; i < t.ndim - 1; i++)
        if (t.dim[i] > 1 && t.stride[i] % 2 != 0) return 0;
    t.type = TENSOR_F32;
    return op_usable(t) && n % 2 == 0 && (uintptr_t)t.data % sizeof(uint32_t) == 0;
}

int op_both_usable(compute *c, const char *op, tensor a, tensor b) {
    return op_fits(c, op_usable(a) && op_usable(b), op, "float32 operands with memory and a contiguous last dimension",
                   a, b);
}

static int same_shape(compute *c, const char *op, tensor a, tensor b) {
    return op_both_usable(c, op, a, b) && op_fits(c, tensor_same_shape(a, b), op, "equal shapes", a, b);
}

static int64_t last(tensor t) { return t.dim[t.ndim - 1]; }

static int same_leading(tensor a, tensor b) {
    if (a.ndim != b.ndim) return 0;
    for (int i = 0; i < a.ndim - 1; i++)
        if (a.dim[i] != b.dim[i]) return 0;
    return 1;
}

/* A packed vector of `n` values, or none. */
static int vector_fits(compute *c, const char *op, const weight *w, int64_t n, tensor x) {
    if (!w) return 1;
    return op_fits(c, w->kind == WEIGHT_VECTOR && w->source.dim[0] == n, op, "a vector as long as the last dimension",
                   w->source, x);
}

/* ---- host memory ---- */

void op_upload(compute *c, tensor out, const float *host) {
    if (op_begin(c) && op_both_usable(c, "upload", out, out)) c->be->upload(c, out, host);
}

void op_download(compute *c, float *host, tensor x) {
    if (op_begin(c) && op_both_usable(c, "download", x, x)) c->be->download(c, host, x);
}

int op_read(compute *c, arena *memory, host_read *const *list, int n) {
    if (!op_begin(c)) return 0;
    if (n == 0) return 1;
    host_read **due = compute_host(c, (size_t)n, sizeof *due);
    if (!due) return 0;
    int some = 0;
    if (c->be->counts) n = 0;
    for (int i = 0; i < n; i++) {
        if (tensor_is_none(list[i]->from) || list[i]->values) continue;
        if (!op_fits(c, tensor_is_contiguous(list[i]->from), "read", "a contiguous tensor", list[i]->from,
                     list[i]->from))
            return 0;
        due[some++] = list[i];
    }
    if (some) c->be->read(c, memory, due, some);
    return compute_ok(c);
}

/* ---- products ---- */

/* x [B, N, D] with v [B, D]. */
static int per_item(compute *c, const char *op, tensor x, tensor v) {
    return op_both_usable(c, op, x, v) &&
           op_fits(c, x.ndim == 3 && v.ndim == 2 && v.dim[0] == x.dim[0] && v.dim[1] == x.dim[2], op,
                   "[B, N, D] and [B, D]", x, v);
}

/* What a norm writes, and its input. */
static int norm_fits(compute *c, const char *op, tensor out, tensor x) {
    return op_fits(c, usable_rounded(out) && op_usable(x), op, "operands with memory and a contiguous last dimension",
                   out, x) &&
           op_fits(c, tensor_same_shape(out, x), op, "equal shapes", out, x);
}

static int linear_fits(compute *c, const linear_call *a) {
    static const char op[] = "linear";
    tensor s = a->w->source;
    int rounds = a->x.type == TENSOR_BF16 || a->out.type == TENSOR_BF16;
    return op_fits(c, usable_rounded(a->out) && usable_rounded(a->x), op,
                   "operands with memory and a contiguous last dimension", a->out, a->x) &&
           op_fits(c, !rounds || (c->be->input_type && c->be->input_type(c, a->w) == TENSOR_BF16), op,
                   "float32 where the product does not round", a->out, a->x) &&
           op_fits(c, a->out.type == TENSOR_F32 || tensor_is_none(a->sum), op, "float32 where it is added", a->out,
                   a->x) &&
           op_fits(c, a->w->kind == WEIGHT_LINEAR && last(a->x) == s.dim[1], op, "x [.., I] and w [O, I]", a->x, s) &&
           op_fits(c, last(a->out) == s.dim[0], op, "out [.., O] and w [O, I]", a->out, s) &&
           op_fits(c, same_leading(a->out, a->x), op, "equal leading dimensions", a->out, a->x) &&
           vector_fits(c, op, a->bias, last(a->out), a->out) &&
           (tensor_is_none(a->sum) || same_shape(c, op, a->sum, a->out)) &&
           (tensor_is_none(a->gate) || per_item(c, op, a->sum, a->gate));
}

void op_linears(compute *c, const linear_call *call, int n) {
    if (!op_begin(c)) return;
    for (int i = 0; i < n; i++) {
        if (!linear_fits(c, &call[i])) return;
        c->flops += 2.0 * (double)tensor_elements(call[i].out) * (double)last(call[i].x);
    }
    c->be->linears(c, call, n);
}

void op_linear(compute *c, tensor out, tensor x, const weight *w, const weight *bias, activation act) {
    op_linears(c, &(linear_call){.out = out, .x = x, .w = w, .bias = bias, .act = act}, 1);
}

void op_conv2d(compute *c, tensor out, tensor x, const weight *w, const weight *bias, int stride, const int pad[4],
               activation act) {
    static const char op[] = "conv2d";
    if (!op_begin(c) || !op_both_usable(c, op, out, x)) return;
    tensor s = w->source;
    if (!op_fits(c, w->kind == WEIGHT_CONV && x.ndim == 4 && x.dim[3] == s.dim[1], op,
                 "x [B, H, W, I] and w [O, I, h, w]", x, s) ||
        !op_fits(c, out.ndim == 4 && out.dim[3] == s.dim[0], op, "out [B, H, W, O] and w [O, I, h, w]", out, s))
        return;
    int64_t height = x.dim[1] + pad[0] + pad[2] - s.dim[2], width = x.dim[2] + pad[1] + pad[3] - s.dim[3];
    if (!op_fits(c,
                 stride >= 1 && height >= 0 && width >= 0 && out.dim[0] == x.dim[0] &&
                     out.dim[1] == height / stride + 1 && out.dim[2] == width / stride + 1,
                 op, "out and x whose sizes agree with kernel, stride and padding", out, x) ||
        !vector_fits(c, op, bias, last(out), out))
        return;
    c->flops += 2.0 * (double)tensor_elements(out) * (double)(s.dim[1] * s.dim[2] * s.dim[3]);
    c->be->conv2d(c, out, x, w, bias, stride, pad, act);
}

/* Rows ids[0 .. n) of a table that is not in memory: each once into `rows`, neighbours by one reading. order[i] is
 * where row ids[i] is. */
static int read_rows(compute *c, const weight *table, const int32_t *ids, int n, char *rows, int32_t *order) {
    int64_t width = table->source.dim[1];
    size_t row_bytes = (size_t)width * tensor_type_size(table->source.type);
    ss_error err;
    for (int i = 0; i < n;) {
        int run = 1, same = i > 0 && ids[i] == ids[i - 1];
        while (!same && i + run < n && ids[i + run] == ids[i] + run) run++;
        if (!same && table->values.read(table->values.from, ids[i] * width, run * width, rows + (size_t)i * row_bytes,
                                        &err) != SS_OK) {
            compute_fail(c, &err);
            return 0;
        }
        for (int k = 0; k < run; k++, i++) order[i] = same ? order[i - 1] : i;
    }
    return 1;
}

static void embed_from_file(compute *c, tensor out, const weight *table, const int32_t *ids) {
    enum { SOME = 64 };
    int32_t order[SOME];
    int64_t width = table->source.dim[1];
    arena_mark mark = arena_get_mark(c->host);
    char *rows = compute_host(c, SOME * (size_t)width, tensor_type_size(table->source.type));
    const weight some = {.kind = WEIGHT_TABLE, .source = tensor_2d(rows, table->source.type, SOME, width)};
    for (int64_t first = 0; compute_ok(c) && !c->be->counts && first < out.dim[0]; first += SOME) {
        int n = out.dim[0] - first < SOME ? (int)(out.dim[0] - first) : SOME;
        if (read_rows(c, table, ids + first, n, rows, order))
            c->be->embed(c, tensor_slice(out, 0, first, n), &some, order);
    }
    arena_release(c->host, mark);
}

void op_embed(compute *c, tensor out, const weight *table, const int32_t *ids) {
    static const char op[] = "embed";
    if (!op_begin(c) || !op_both_usable(c, op, out, out)) return;
    tensor s = table->source;
    if (!op_fits(c, table->kind == WEIGHT_TABLE && out.ndim == 2 && out.dim[1] == s.dim[1], op, "out [n, D] and [V, D]",
                 out, s))
        return;
    for (int64_t i = 0; ids && i < out.dim[0]; i++)
        if (ids[i] < 0 || ids[i] >= s.dim[0]) {
            error_set(&c->error, SS_ERR_INTERNAL, NULL, "embed: expected ids below %lld, found %d", (long long)s.dim[0],
                      (int)ids[i]);
            return;
        }
    if (s.data || !table->values.read) c->be->embed(c, out, table, ids);
    else embed_from_file(c, out, table, ids);
}

/* ---- element by element ---- */

void op_copy(compute *c, tensor out, tensor x) {
    if (op_begin(c) && same_shape(c, "copy", out, x)) c->be->copy(c, out, x);
}

void op_fill(compute *c, tensor out, float value) {
    if (op_begin(c) && op_both_usable(c, "fill", out, out)) c->be->fill(c, out, value);
}

/* b's dimensions are out's or 1. */
static int repeats(tensor out, tensor b) {
    if (out.ndim != b.ndim) return 0;
    for (int i = 0; i < out.ndim; i++)
        if (b.dim[i] != out.dim[i] && b.dim[i] != 1) return 0;
    return 1;
}

static int combines(compute *c, const char *op, tensor out, tensor a, tensor b) {
    return op_begin(c) && same_shape(c, op, out, a) && op_both_usable(c, op, out, b) &&
           op_fits(c, repeats(out, b), op, "a second operand of the same dimensions, or 1", out, b);
}

void op_add(compute *c, tensor out, tensor a, tensor b) {
    if (combines(c, "add", out, a, b)) c->be->add(c, out, a, b);
}

void op_mul(compute *c, tensor out, tensor a, tensor b) {
    if (combines(c, "mul", out, a, b)) c->be->mul(c, out, a, b);
}

void op_axpby(compute *c, tensor out, float alpha, tensor a, float beta, tensor b) {
    if (op_begin(c) && same_shape(c, "axpby", out, a) && same_shape(c, "axpby", out, b))
        c->be->axpby(c, out, alpha, a, beta, b);
}

void op_activation(compute *c, tensor out, tensor x, activation act) {
    if (op_begin(c) && same_shape(c, "activation", out, x)) c->be->activation(c, out, x, act);
}

void op_geglu(compute *c, tensor out, tensor x, tensor gate) {
    if (op_begin(c) && same_shape(c, "geglu", out, x) && same_shape(c, "geglu", out, gate))
        c->be->geglu(c, out, x, gate);
}

/* ---- norms ---- */

void op_layer_norm(compute *c, tensor out, tensor x, const weight *gamma, const weight *beta, float eps) {
    static const char op[] = "layer_norm";
    if (op_begin(c) && norm_fits(c, op, out, x) && vector_fits(c, op, gamma, last(x), x) &&
        vector_fits(c, op, beta, last(x), x))
        c->be->layer_norm(c, out, x, gamma, beta, eps);
}

void op_norm_modulate(compute *c, tensor out, tensor x, tensor scale, tensor shift, float eps) {
    static const char op[] = "norm_modulate";
    if (op_begin(c) && norm_fits(c, op, out, x) && per_item(c, op, x, scale) && per_item(c, op, x, shift))
        c->be->norm_modulate(c, out, x, scale, shift, eps);
}

void op_rms_norm(compute *c, tensor out, tensor x, const weight *gamma, float eps) {
    static const char op[] = "rms_norm";
    if (op_begin(c) && norm_fits(c, op, out, x) && vector_fits(c, op, gamma, last(x), x))
        c->be->rms_norm(c, out, x, gamma, eps);
}

void op_gate_add(compute *c, tensor x, tensor gate, tensor y) {
    static const char op[] = "gate_add";
    if (op_begin(c) && same_shape(c, op, x, y) && per_item(c, op, x, gate)) c->be->gate_add(c, x, gate, y);
}

void op_group_moments(compute *c, tensor moments, tensor x, int groups, float eps) {
    static const char op[] = "group_norm";
    if (op_begin(c) && op_both_usable(c, op, moments, x) &&
        op_fits(c, x.ndim == 4 && groups > 0 && x.dim[3] % groups == 0, op, "[B, H, W, C], C a multiple of the groups",
                moments, x) &&
        op_fits(c,
                moments.ndim == 3 && moments.dim[0] == x.dim[0] && moments.dim[1] == 2 && moments.dim[2] == x.dim[3] &&
                    tensor_is_contiguous(moments),
                op, "moments [B, 2, C] and [B, H, W, C]", moments, x))
        c->be->group_moments(c, moments, x, groups, eps);
}

void op_group_apply(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                    activation act) {
    static const char op[] = "group_norm";
    if (op_begin(c) && same_shape(c, op, out, x) && op_both_usable(c, op, moments, x) &&
        op_fits(c, x.ndim == 4 && moments.ndim == 3 && moments.dim[0] == x.dim[0] && moments.dim[2] == x.dim[3], op,
                "moments [B, 2, C] and [B, H, W, C]", moments, x) &&
        vector_fits(c, op, gamma, last(x), x) && vector_fits(c, op, beta, last(x), x))
        c->be->group_apply(c, out, x, moments, gamma, beta, act);
}

void op_group_norm(compute *c, tensor out, tensor x, int groups, const weight *gamma, const weight *beta, float eps,
                   activation act) {
    static const char op[] = "group_norm";
    if (!op_begin(c) || !same_shape(c, op, out, x)) return;
    arena_mark mark = arena_get_mark(c->scratch);
    tensor moments = compute_3d(c, x.dim[0], 2, last(x));
    op_group_moments(c, moments, x, groups, eps);
    op_group_apply(c, out, x, moments, gamma, beta, act);
    arena_release(c->scratch, mark);
}

void op_batch_norm(compute *c, tensor out, tensor x, const batch_norm *w, float eps, activation act) {
    static const char op[] = "batch_norm";
    const weight *vectors[] = {&w->gamma, &w->beta, &w->mean, &w->var};
    if (!op_begin(c) || !same_shape(c, op, out, x)) return;
    for (int i = 0; i < 4; i++)
        if (!vector_fits(c, op, vectors[i], last(x), x)) return;
    c->be->batch_norm(c, out, x, w, eps, act);
}

/* Every window of this direction begins before the end of the image and ends after its start. */
static int windows_fit(int64_t windows, int64_t length, int size, int stride, int pad) {
    return windows >= 1 && pad < size && (windows - 1) * stride - pad < length;
}

void op_pool2d(compute *c, tensor out, tensor x, pool_kind kind, int size, int stride, int pad) {
    static const char op[] = "pool2d";
    if (op_begin(c) && op_both_usable(c, op, out, x) &&
        op_fits(c, x.ndim == 4 && out.ndim == 4 && out.dim[0] == x.dim[0] && out.dim[3] == x.dim[3], op,
                "[B, Ho, Wo, C] and [B, H, W, C]", out, x) &&
        op_fits(c,
                size >= 1 && stride >= 1 && pad >= 0 && windows_fit(out.dim[1], x.dim[1], size, stride, pad) &&
                    windows_fit(out.dim[2], x.dim[2], size, stride, pad),
                op, "windows that each hold a pixel", out, x))
        c->be->pool2d(c, out, x, kind, size, stride, pad);
}

/* ---- rearrangement ---- */

void op_upsample2(compute *c, tensor out, tensor x) {
    static const char op[] = "upsample2";
    if (op_begin(c) && op_both_usable(c, op, out, x) &&
        op_fits(c,
                x.ndim == 4 && out.ndim == 4 && out.dim[0] == x.dim[0] && out.dim[1] == 2 * x.dim[1] &&
                    out.dim[2] == 2 * x.dim[2] && out.dim[3] == x.dim[3],
                op, "[B, 2H, 2W, C] and [B, H, W, C]", out, x))
        c->be->upsample2(c, out, x);
}

void op_upsample(compute *c, tensor out, tensor x) {
    static const char op[] = "upsample";
    if (op_begin(c) && op_both_usable(c, op, out, x) &&
        op_fits(c,
                x.ndim == 4 && out.ndim == 4 && out.dim[0] == x.dim[0] && x.dim[1] >= 1 && x.dim[2] >= 1 &&
                    out.dim[1] >= x.dim[1] && out.dim[2] >= x.dim[2] && out.dim[3] == x.dim[3],
                op, "[B, H', W', C] and [B, H, W, C], H' >= H and W' >= W", out, x))
        c->be->upsample(c, out, x);
}

static int patches_fit(compute *c, const char *op, tensor tokens, tensor image, int p) {
    return op_both_usable(c, op, tokens, image) &&
           op_fits(c,
                   p >= 1 && image.ndim == 4 && tokens.ndim == 3 && image.dim[1] % p == 0 && image.dim[2] % p == 0 &&
                       tokens.dim[0] == image.dim[0] && tokens.dim[1] == (image.dim[1] / p) * (image.dim[2] / p) &&
                       tokens.dim[2] == image.dim[3] * p * p,
                   op, "[B, (H/p)(W/p), p p C] and [B, H, W, C]", tokens, image);
}

void op_patchify(compute *c, tensor out, tensor x, int p) {
    if (op_begin(c) && patches_fit(c, "patchify", out, x, p)) c->be->patchify(c, out, x, p);
}

void op_unpatchify(compute *c, tensor out, tensor x, int p) {
    if (op_begin(c) && patches_fit(c, "unpatchify", x, out, p)) c->be->unpatchify(c, out, x, p);
}
