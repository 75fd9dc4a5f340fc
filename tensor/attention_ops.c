/* The operations of attention and of activations for probes, as attn/ calls them: the same checks as in ops.c. */
#include "tensor/ops.h"

#include "tensor/backend.h"

/* Whether a result is a contiguous tensor of `type` with n elements, or none. */
static int result_fits(compute *c, const char *op, tensor t, tensor_type type, int64_t n) {
    char shape[OP_SHAPE_TEXT];
    if (tensor_is_none(t) ||
        (t.type == type && tensor_is_contiguous(t) && tensor_elements(t) == n && (t.data || n == 0)))
        return 1;
    error_set(&c->error, SS_ERR_INTERNAL, NULL, "%s: expected a contiguous result of %lld elements, found %s", op,
              (long long)n, op_shape_text(t, shape));
    return 0;
}

static int attention_fits(compute *c, const attention_args *a) {
    static const char op[] = "attention";
    tensor q = a->q, k = a->k, v = a->v, o = a->out;
    if (!op_both_usable(c, op, q, k) || !op_both_usable(c, op, v, o)) return 0;
    if (!op_fits(c, q.ndim == 4 && tensor_same_shape(q, o), op, "q and out [B, Nq, H, d]", q, o) ||
        !op_fits(c, tensor_same_shape(k, v), op, "k and v of one shape", k, v) ||
        !op_fits(c, k.ndim == 4 && k.dim[0] == q.dim[0] && k.dim[2] == q.dim[2] && k.dim[3] == q.dim[3] && k.dim[1] > 0,
                 op, "q [B, Nq, H, d] and k [B, Nk, H, d]", q, k))
        return 0;
    if (tensor_is_none(a->bias)) return 1;
    return op_both_usable(c, op, a->bias, q) && op_fits(c,
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

static int stats_fit(compute *c, const attention_args *a, const attention_stats *s) {
    static const char op[] = "attention";
    int64_t pairs = a->q.dim[0] * a->q.dim[2], rows = pairs * a->q.dim[1];
    return result_fits(c, op, s->mass, TENSOR_F64, pairs * a->k.dim[1]) &&
           result_fits(c, op, s->entropy, TENSOR_F64, pairs) &&
           result_fits(c, op, s->concentration, TENSOR_F64, pairs) && result_fits(c, op, s->lse, TENSOR_F64, rows) &&
           result_fits(c, op, s->row_max, TENSOR_F32, rows);
}

void op_attention(compute *c, const attention_args *a, const attention_stats *stats) {
    if (!op_begin(c) || !attention_fits(c, a)) return;
    if (stats && !rows_fit(c, "attention", stats->row_begin, stats->row_end, a->q.dim[1])) return;
    if (stats && !tensor_is_none(stats->concentration) && (stats->r < 1 || stats->r > ATTENTION_MAX_R)) {
        error_set(&c->error, SS_ERR_INTERNAL, NULL, "attention: expected r from 1 to %d, found %d", ATTENTION_MAX_R,
                  stats->r);
        return;
    }
    if (stats && !stats_fit(c, a, stats)) return;
    c->flops += 4.0 * (double)tensor_elements(a->q) * (double)a->k.dim[1];
    c->be->attention(c, a, stats);
}

static int edit_fits(compute *c, const attention_args *a, const attention_edit *e) {
    static const char op[] = "attention_edit";
    int64_t pairs = a->q.dim[0] * a->q.dim[2], rows = pairs * a->q.dim[1];
    return result_fits(c, op, e->lse, TENSOR_F64, rows) && result_fits(c, op, e->mass_before, TENSOR_F64, pairs) &&
           result_fits(c, op, e->mass_after, TENSOR_F64, pairs) && result_fits(c, op, e->dose, TENSOR_F64, pairs) &&
           result_fits(c, op, e->direct_rows, TENSOR_I64, pairs) && result_fits(c, op, e->row_rest, TENSOR_F64, rows) &&
           result_fits(c, op, e->row_push, TENSOR_F64, rows) &&
           (tensor_is_none(e->noise) || op_fits(c,
                                                op_usable(e->noise) && tensor_is_contiguous(e->noise) &&
                                                    e->noise.dim[e->noise.ndim - 1] == a->q.dim[3],
                                                op, "noise [keys, d] and q [B, Nq, H, d]", e->noise, a->q));
}

void op_attention_edit(compute *c, const attention_args *a, const attention_edit *e) {
    static const char op[] = "attention_edit";
    if (!op_begin(c) || !attention_fits(c, a) || !rows_fit(c, op, e->row_begin, e->row_end, a->q.dim[1])) return;
    if (e->n_steps < 0 || e->n_steps > EDIT_MAX_STEPS) {
        error_set(&c->error, SS_ERR_INTERNAL, NULL, "%s: expected at most %d steps, found %d", op, EDIT_MAX_STEPS,
                  e->n_steps);
        return;
    }
    if (!edit_fits(c, a, e)) return;
    int64_t keys = arena_is_counted(e->set_begin) ? 0 : e->set_begin[a->q.dim[0] * a->q.dim[2]];
    c->flops += 4.0 * (double)(e->row_end - e->row_begin) * (double)keys * (double)a->q.dim[3];
    c->be->attention_edit(c, a, e);
}

void op_attention_output(compute *c, const attention_args *a, const attention_output *e) {
    static const char op[] = "attention_output";
    if (!op_begin(c) || !attention_fits(c, a) || !rows_fit(c, op, e->row_begin, e->row_end, a->q.dim[1])) return;
    if (!tensor_is_none(e->original) &&
        (!op_both_usable(c, op, e->original, a->out) ||
         !op_fits(c, tensor_same_shape(e->original, a->out), op, "original and out of one shape", e->original, a->out)))
        return;
    if (!result_fits(c, op, e->dose, TENSOR_F64, a->q.dim[0] * a->q.dim[2]) ||
        !result_fits(c, op, e->direction, TENSOR_F32, tensor_elements(a->q)))
        return;
    c->be->attention_output(c, a, e);
}

void op_gaussians(compute *c, tensor out, const gaussian_run *run, int64_t n) {
    if (!op_begin(c) || !op_both_usable(c, "normals", out, out)) return;
    for (int64_t i = 0; i < n; i++)
        if (run[i].at < 0 || run[i].n < 0 || run[i].at + run[i].n > tensor_elements(out)) {
            error_set(&c->error, SS_ERR_INTERNAL, NULL,
                      "normals: expected elements within [0, %lld), found [%lld, %lld)",
                      (long long)tensor_elements(out), (long long)run[i].at, (long long)(run[i].at + run[i].n));
            return;
        }
    c->be->gaussians(c, out, run, n);
}

void op_attention_part(compute *c, const attention_args *a, tensor lse, attention_part part, const int32_t *index,
                       int n, tensor out) {
    static const char op[] = "attention_part";
    if (!op_begin(c) || !attention_fits(c, a) || !op_fits(c, a->q.dim[0] == 1, op, "one batch item", a->q, a->k))
        return;
    int64_t limit = part == PART_ROW ? a->q.dim[1] : a->k.dim[1];
    for (int i = 0; i < n; i++)
        if (!rows_fit(c, op, index[i], (int64_t)index[i] + 1, limit)) return;
    if (!result_fits(c, op, lse, TENSOR_F64, a->q.dim[1] * a->q.dim[2]) ||
        !result_fits(c, op, out, TENSOR_F64, a->q.dim[2] * (part == PART_ROW ? a->k.dim[1] : a->q.dim[1])))
        return;
    c->be->attention_part(c, a, lse, part, index, n, out);
}

/* ---- activations ---- */

void op_head_norms(compute *c, tensor x, const float *gram, tensor norm, tensor projected) {
    static const char op[] = "head_norms";
    if (!op_begin(c) || !op_both_usable(c, op, x, x) || !op_fits(c, x.ndim == 4, op, "[B, N, H, d]", x, x)) return;
    int64_t vectors = x.dim[0] * x.dim[1] * x.dim[2];
    if (!result_fits(c, op, norm, TENSOR_F32, vectors) || !result_fits(c, op, projected, TENSOR_F32, vectors)) return;
    c->be->head_norms(c, x, gram, norm, projected);
}

void op_magnitudes(compute *c, tensor x, tensor largest, tensor p95) {
    static const char op[] = "sizes";
    if (!op_begin(c) || !op_both_usable(c, op, x, x) ||
        !op_fits(c, x.ndim == 4 && tensor_elements(x) > 0, op, "[B, N, H, d], not empty", x, x))
        return;
    if (!result_fits(c, op, largest, TENSOR_F32, x.dim[0] * x.dim[2]) ||
        !result_fits(c, op, p95, TENSOR_F32, x.dim[0] * x.dim[2]))
        return;
    c->be->magnitudes(c, x, largest, p95);
}

void weight_head_gram(compute *c, const weight *w, int64_t heads, float *gram) {
    static const char op[] = "weight_head_gram";
    if (!op_begin(c) || !op_fits(c, w->kind == WEIGHT_LINEAR && heads > 0 && w->source.dim[1] % heads == 0, op,
                                 "[O, H d]", w->source, w->source))
        return;
    arena_mark mark = arena_get_mark(c->host);
    const weight whole = weight_with_values(c, w);
    if (compute_ok(c) && op_fits(c, whole.source.data != NULL, op, "values", w->source, w->source))
        c->be->head_gram(c, &whole, heads, gram);
    arena_release(c->host, mark);
}
