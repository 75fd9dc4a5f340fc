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

/* Where `condition` fails, the error names the operation, its rule and both shapes. */
static int fits(compute *c, int condition, const char *op, const char *rule, tensor a, tensor b) {
    if (condition) return 1;
    char ta[OP_SHAPE_TEXT], tb[OP_SHAPE_TEXT];
    error_set(&c->error, SS_ERR_INTERNAL, NULL, "%s: expected %s, found %s and %s", op, rule, op_shape_text(a, ta),
              op_shape_text(b, tb));
    return 0;
}

/* A float32 operand with memory and a contiguous last dimension. */
static int usable(tensor t) {
    return t.ndim >= 1 && t.type == TENSOR_F32 && (t.dim[t.ndim - 1] <= 1 || t.stride[t.ndim - 1] == 1) &&
           (t.data || tensor_elements(t) == 0);
}

/* The same of an input or output that may be in bfloat16: whole pairs. */
static int usable_rounded(tensor t) {
    int64_t n = t.dim[t.ndim - 1];
    if (t.type != TENSOR_BF16) return usable(t);
    for (int i = 0; i < t.ndim - 1; i++)
        if (t.dim[i] > 1 && t.stride[i] % 2 != 0) return 0;
    t.type = TENSOR_F32;
    return usable(t) && n % 2 == 0 && (uintptr_t)t.data % sizeof(uint32_t) == 0;
}

static int both_usable(compute *c, const char *op, tensor a, tensor b) {
    return fits(c, usable(a) && usable(b), op, "float32 operands with memory and a contiguous last dimension", a, b);
}

static int same_shape(compute *c, const char *op, tensor a, tensor b) {
    return both_usable(c, op, a, b) && fits(c, tensor_same_shape(a, b), op, "equal shapes", a, b);
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
    return fits(c, w->kind == WEIGHT_VECTOR && w->source.dim[0] == n, op, "a vector as long as the last dimension",
                w->source, x);
}

/* ---- host memory ---- */

void op_upload(compute *c, tensor out, const float *host) {
    if (op_begin(c) && both_usable(c, "upload", out, out)) c->be->upload(c, out, host);
}

void op_download(compute *c, float *host, tensor x) {
    if (op_begin(c) && both_usable(c, "download", x, x)) c->be->download(c, host, x);
}

/* ---- products ---- */

/* x [B, N, D] with v [B, D]. */
static int per_item(compute *c, const char *op, tensor x, tensor v) {
    return both_usable(c, op, x, v) &&
           fits(c, x.ndim == 3 && v.ndim == 2 && v.dim[0] == x.dim[0] && v.dim[1] == x.dim[2], op,
                "[B, N, D] and [B, D]", x, v);
}

/* What a norm writes, and its input. */
static int norm_fits(compute *c, const char *op, tensor out, tensor x) {
    return fits(c, usable_rounded(out) && usable(x), op, "operands with memory and a contiguous last dimension", out,
                x) &&
           fits(c, tensor_same_shape(out, x), op, "equal shapes", out, x);
}

static int linear_fits(compute *c, const linear_call *a) {
    static const char op[] = "linear";
    tensor s = a->w->source;
    int rounds = a->x.type == TENSOR_BF16 || a->out.type == TENSOR_BF16;
    return fits(c, usable_rounded(a->out) && usable_rounded(a->x), op,
                "operands with memory and a contiguous last dimension", a->out, a->x) &&
           fits(c, !rounds || (c->be->input_type && c->be->input_type(c, a->w) == TENSOR_BF16), op,
                "float32 where the product does not round", a->out, a->x) &&
           fits(c, a->out.type == TENSOR_F32 || tensor_is_none(a->sum), op, "float32 where it is added", a->out,
                a->x) &&
           fits(c, a->w->kind == WEIGHT_LINEAR && last(a->x) == s.dim[1], op, "x [.., I] and w [O, I]", a->x, s) &&
           fits(c, last(a->out) == s.dim[0], op, "out [.., O] and w [O, I]", a->out, s) &&
           fits(c, same_leading(a->out, a->x), op, "equal leading dimensions", a->out, a->x) &&
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
    if (!op_begin(c) || !both_usable(c, op, out, x)) return;
    tensor s = w->source;
    if (!fits(c, w->kind == WEIGHT_CONV && x.ndim == 4 && x.dim[3] == s.dim[1], op, "x [B, H, W, I] and w [O, I, h, w]",
              x, s) ||
        !fits(c, out.ndim == 4 && out.dim[3] == s.dim[0], op, "out [B, H, W, O] and w [O, I, h, w]", out, s))
        return;
    int64_t height = x.dim[1] + pad[0] + pad[2] - s.dim[2], width = x.dim[2] + pad[1] + pad[3] - s.dim[3];
    if (!fits(c,
              stride >= 1 && height >= 0 && width >= 0 && out.dim[0] == x.dim[0] && out.dim[1] == height / stride + 1 &&
                  out.dim[2] == width / stride + 1,
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
    arena_mark mark = arena_get_mark(c->scratch);
    size_t bytes = SOME * (size_t)width * tensor_type_size(table->source.type);
    char *rows = arena_alloc(c->scratch, bytes);
    ss_error err;
    if (!rows) {
        error_no_memory(&err, "the rows of a table", bytes);
        compute_fail(c, &err);
    }
    const weight some = {.kind = WEIGHT_TABLE, .source = tensor_2d(rows, table->source.type, SOME, width)};
    for (int64_t first = 0; compute_ok(c) && !c->be->counts && first < out.dim[0]; first += SOME) {
        int n = out.dim[0] - first < SOME ? (int)(out.dim[0] - first) : SOME;
        if (read_rows(c, table, ids + first, n, rows, order))
            c->be->embed(c, tensor_slice(out, 0, first, n), &some, order);
    }
    arena_release(c->scratch, mark);
}

void op_embed(compute *c, tensor out, const weight *table, const int32_t *ids) {
    static const char op[] = "embed";
    if (!op_begin(c) || !both_usable(c, op, out, out)) return;
    tensor s = table->source;
    if (!fits(c, table->kind == WEIGHT_TABLE && out.ndim == 2 && out.dim[1] == s.dim[1], op, "out [n, D] and [V, D]",
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
    if (op_begin(c) && both_usable(c, "fill", out, out)) c->be->fill(c, out, value);
}

/* b's dimensions are out's or 1. */
static int repeats(tensor out, tensor b) {
    if (out.ndim != b.ndim) return 0;
    for (int i = 0; i < out.ndim; i++)
        if (b.dim[i] != out.dim[i] && b.dim[i] != 1) return 0;
    return 1;
}

static int combines(compute *c, const char *op, tensor out, tensor a, tensor b) {
    return op_begin(c) && same_shape(c, op, out, a) && both_usable(c, op, out, b) &&
           fits(c, repeats(out, b), op, "a second operand of the same dimensions, or 1", out, b);
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
    if (op_begin(c) && both_usable(c, op, moments, x) &&
        fits(c, x.ndim == 4 && groups > 0 && x.dim[3] % groups == 0, op, "[B, H, W, C], C a multiple of the groups",
             moments, x) &&
        fits(c,
             moments.ndim == 3 && moments.dim[0] == x.dim[0] && moments.dim[1] == 2 && moments.dim[2] == x.dim[3] &&
                 tensor_is_contiguous(moments),
             op, "moments [B, 2, C] and [B, H, W, C]", moments, x))
        c->be->group_moments(c, moments, x, groups, eps);
}

void op_group_apply(compute *c, tensor out, tensor x, tensor moments, const weight *gamma, const weight *beta,
                    activation act) {
    static const char op[] = "group_norm";
    if (op_begin(c) && same_shape(c, op, out, x) && both_usable(c, op, moments, x) &&
        fits(c, x.ndim == 4 && moments.ndim == 3 && moments.dim[0] == x.dim[0] && moments.dim[2] == x.dim[3], op,
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
    if (op_begin(c) && both_usable(c, op, out, x) &&
        fits(c, x.ndim == 4 && out.ndim == 4 && out.dim[0] == x.dim[0] && out.dim[3] == x.dim[3], op,
             "[B, Ho, Wo, C] and [B, H, W, C]", out, x) &&
        fits(c,
             size >= 1 && stride >= 1 && pad >= 0 && windows_fit(out.dim[1], x.dim[1], size, stride, pad) &&
                 windows_fit(out.dim[2], x.dim[2], size, stride, pad),
             op, "windows that each hold a pixel", out, x))
        c->be->pool2d(c, out, x, kind, size, stride, pad);
}

/* ---- rearrangement ---- */

void op_upsample2(compute *c, tensor out, tensor x) {
    static const char op[] = "upsample2";
    if (op_begin(c) && both_usable(c, op, out, x) &&
        fits(c,
             x.ndim == 4 && out.ndim == 4 && out.dim[0] == x.dim[0] && out.dim[1] == 2 * x.dim[1] &&
                 out.dim[2] == 2 * x.dim[2] && out.dim[3] == x.dim[3],
             op, "[B, 2H, 2W, C] and [B, H, W, C]", out, x))
        c->be->upsample2(c, out, x);
}

void op_upsample(compute *c, tensor out, tensor x) {
    static const char op[] = "upsample";
    if (op_begin(c) && both_usable(c, op, out, x) &&
        fits(c,
             x.ndim == 4 && out.ndim == 4 && out.dim[0] == x.dim[0] && x.dim[1] >= 1 && x.dim[2] >= 1 &&
                 out.dim[1] >= x.dim[1] && out.dim[2] >= x.dim[2] && out.dim[3] == x.dim[3],
             op, "[B, H', W', C] and [B, H, W, C], H' >= H and W' >= W", out, x))
        c->be->upsample(c, out, x);
}

static int patches_fit(compute *c, const char *op, tensor tokens, tensor image, int p) {
    return both_usable(c, op, tokens, image) &&
           fits(c,
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

/* ---- attention ---- */

static int attention_fits(compute *c, const attention_args *a) {
    static const char op[] = "attention";
    tensor q = a->q, k = a->k, v = a->v, o = a->out;
    if (!both_usable(c, op, q, k) || !both_usable(c, op, v, o)) return 0;
    if (!fits(c, q.ndim == 4 && tensor_same_shape(q, o), op, "q and out [B, Nq, H, d]", q, o) ||
        !fits(c, tensor_same_shape(k, v), op, "k and v of one shape", k, v) ||
        !fits(c, k.ndim == 4 && k.dim[0] == q.dim[0] && k.dim[2] == q.dim[2] && k.dim[3] == q.dim[3] && k.dim[1] > 0,
              op, "q [B, Nq, H, d] and k [B, Nk, H, d]", q, k))
        return 0;
    if (tensor_is_none(a->bias)) return 1;
    return both_usable(c, op, a->bias, q) && fits(c,
                                                  a->bias.ndim == 3 && a->bias.dim[0] == q.dim[2] &&
                                                      a->bias.dim[1] == q.dim[1] && a->bias.dim[2] == k.dim[1],
                                                  op, "bias [H, Nq, Nk] and q [B, Nq, H, d]", a->bias, q);
}

static int rows_fit(compute *c, const char *op, int64_t begin, int64_t end, int64_t rows) {
    if (begin >= 0 && begin <= end && end <= rows) return 1;
    error_set(&c->error, SS_ERR_INTERNAL, NULL, "%s: expected rows within [0, %lld), found [%lld, %lld)", op,
              (long long)rows, (long long)begin, (long long)end);
    return 0;
}

void op_attention(compute *c, const attention_args *a, const attention_stats *stats) {
    if (!op_begin(c) || !attention_fits(c, a)) return;
    if (stats && !rows_fit(c, "attention", stats->row_begin, stats->row_end, a->q.dim[1])) return;
    if (stats && stats->concentration && (stats->r < 1 || stats->r > ATTENTION_MAX_R)) {
        error_set(&c->error, SS_ERR_INTERNAL, NULL, "attention: expected r from 1 to %d, found %d", ATTENTION_MAX_R,
                  stats->r);
        return;
    }
    c->flops += 4.0 * (double)tensor_elements(a->q) * (double)a->k.dim[1];
    c->be->attention(c, a, stats);
}

void op_attention_edit(compute *c, const attention_args *a, const attention_edit *e) {
    static const char op[] = "attention_edit";
    if (!op_begin(c) || !attention_fits(c, a) || !rows_fit(c, op, e->row_begin, e->row_end, a->q.dim[1])) return;
    if (e->n_steps < 0 || e->n_steps > EDIT_MAX_STEPS) {
        error_set(&c->error, SS_ERR_INTERNAL, NULL, "%s: expected at most %d steps, found %d", op, EDIT_MAX_STEPS,
                  e->n_steps);
        return;
    }
    int64_t keys = arena_is_counted(e->set_begin) ? 0 : e->set_begin[a->q.dim[0] * a->q.dim[2]];
    c->flops += 4.0 * (double)(e->row_end - e->row_begin) * (double)keys * (double)a->q.dim[3];
    c->be->attention_edit(c, a, e);
}

void op_attention_output(compute *c, const attention_args *a, const attention_output *e) {
    static const char op[] = "attention_output";
    if (!op_begin(c) || !attention_fits(c, a) || !rows_fit(c, op, e->row_begin, e->row_end, a->q.dim[1])) return;
    if (!tensor_is_none(e->original) &&
        (!both_usable(c, op, e->original, a->out) ||
         !fits(c, tensor_same_shape(e->original, a->out), op, "original and out of one shape", e->original, a->out)))
        return;
    c->be->attention_output(c, a, e);
}

void op_normals(compute *c, const normal_run *run, int64_t n) {
    if (op_begin(c)) c->be->normals(c, run, n);
}

void op_attention_part(compute *c, const attention_args *a, const double *lse, attention_part part,
                       const int32_t *index, int n, double *out) {
    static const char op[] = "attention_part";
    if (!op_begin(c) || !attention_fits(c, a) || !fits(c, a->q.dim[0] == 1, op, "one batch item", a->q, a->k)) return;
    int64_t limit = part == PART_ROW ? a->q.dim[1] : a->k.dim[1];
    for (int i = 0; i < n; i++)
        if (!rows_fit(c, op, index[i], (int64_t)index[i] + 1, limit)) return;
    c->be->attention_part(c, a, lse, part, index, n, out);
}

/* ---- activations ---- */

void op_head_norms(compute *c, tensor x, const float *gram, float *norm, float *projected) {
    static const char op[] = "head_norms";
    if (!op_begin(c) || !both_usable(c, op, x, x) || !fits(c, x.ndim == 4, op, "[B, N, H, d]", x, x)) return;
    c->be->head_norms(c, x, gram, norm, projected);
}

void op_sizes(compute *c, tensor x, float *largest, float *p95) {
    static const char op[] = "sizes";
    if (!op_begin(c) || !both_usable(c, op, x, x) ||
        !fits(c, x.ndim == 4 && tensor_elements(x) > 0, op, "[B, N, H, d], not empty", x, x))
        return;
    c->be->sizes(c, x, largest, p95);
}

void weight_head_gram(compute *c, const weight *w, int64_t heads, float *gram) {
    static const char op[] = "weight_head_gram";
    if (!op_begin(c) || !fits(c, w->kind == WEIGHT_LINEAR && heads > 0 && w->source.dim[1] % heads == 0, op, "[O, H d]",
                              w->source, w->source))
        return;
    arena_mark mark = arena_get_mark(c->scratch);
    const weight whole = weight_with_values(c, w);
    if (compute_ok(c) && fits(c, whole.source.data != NULL, op, "values", w->source, w->source))
        c->be->head_gram(c, &whole, heads, gram);
    arena_release(c->scratch, mark);
}
