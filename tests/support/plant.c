/* See plant.h. Operands are in host memory (the reference and cpu backends). Aborts where there is no memory. */
#include "support/plant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *take(size_t n, size_t size) {
    void *p = calloc(n ? n : 1, size);
    if (!p) abort();
    return p;
}

static const float *at(tensor t, int64_t n, int64_t h) {
    return (const float *)t.data + n * t.stride[1] + h * t.stride[2];
}

/* [1, N, H, d] -> [1, N + 1, H, d] in new memory, with `row` [H, d] (NULL = zeros) at `position`. */
static tensor with_row(tensor t, int position, const float *row, float **memory) {
    int64_t n = t.dim[1], heads = t.dim[2], d = t.dim[3];
    float *to = *memory = take((size_t)((n + 1) * heads * d), sizeof *to);
    for (int64_t j = 0; j <= n; j++)
        for (int64_t h = 0; h < heads; h++, to += d)
            if (j != position) memcpy(to, at(t, j - (j > position), h), sizeof *to * (size_t)d);
            else if (row) memcpy(to, row + h * d, sizeof *to * (size_t)d);
    return tensor_4d(*memory, TENSOR_F32, 1, n + 1, heads, d);
}

/* The scores' addend [H, Nq, N + 1]: the call's own, and at the new key what gives it the share p of the row. */
static tensor with_scores(const attention_args *a, const double *lse, const plant *p, float **memory) {
    int64_t heads = a->q.dim[2], rows = a->q.dim[1], n = a->k.dim[1];
    float *to = *memory = take((size_t)(heads * rows * (n + 1)), sizeof *to);
    const float *own = tensor_is_none(a->bias) ? NULL : a->bias.data;
    double logit = log(p->p) - log1p(-p->p);
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j <= n; j++)
                if (j == p->position) *to++ = p->head < 0 || p->head == h ? (float)(*lse++ + logit) : (lse++, -1e4f);
                else *to++ = own ? *own++ : 0;
    return tensor_3d(*memory, TENSOR_F32, heads, rows, n + 1);
}

static void shift_segments(attn_segment *to, const attn_segment *from, int n, int position) {
    for (int i = 0; i < n; i++) {
        int end = from[i].start + from[i].length, last = i == n - 1 && position == end;
        to[i] = from[i];
        if (from[i].start > position) to[i].start++;
        else if (position < end || last) to[i].length++;
    }
}

static attention_args item_args(const attention_args *a, int item) {
    attention_args one = *a;
    one.q = tensor_slice(a->q, 0, item, 1);
    one.k = tensor_slice(a->k, 0, item, 1);
    one.v = tensor_slice(a->v, 0, item, 1);
    one.out = tensor_slice(a->out, 0, item, 1);
    return one;
}

void plant_make(planted_call *out, compute *c, const attn_call *call, int item, const plant *p) {
    attention_args one = item_args(&call->args, item);
    size_t keys = (size_t)one.k.dim[1], new = (size_t)p->position;
    double *lse = take((size_t)(one.q.dim[2] * one.q.dim[1]), sizeof *lse);
    attention_stats stats = {.row_end = one.q.dim[1], .lse = tensor_1d(lse, TENSOR_F64, one.q.dim[2] * one.q.dim[1])};
    if (one.causal) abort(); /* the new key would have no place in time */
    op_attention(c, &one, &stats);
    *out = (planted_call){.call = *call, .key_class = take(keys + 1, 1)};
    if (call->batch) out->item = call->batch->item[item];
    if (out->item.key_class) {
        memcpy(out->key_class, out->item.key_class, new);
        memcpy(out->key_class + new + 1, out->item.key_class + new, keys - new);
    }
    out->key_class[new] = KEY_PADDING;
    out->item.key_class = out->key_class;
    out->batch = (attn_batch){1, &out->item, NULL};
    out->call.batch = &out->batch;
    out->call.args = one;
    out->call.args.k = with_row(one.k, p->position, NULL, &out->k);
    out->call.args.v = with_row(one.v, p->position, p->value, &out->v);
    out->call.args.bias = with_scores(&one, lse, p, &out->bias);
    memcpy(out->query_segments, call->query_segments, sizeof *call->query_segments * (size_t)call->n_query_segments);
    shift_segments(out->key_segments, call->key_segments, call->n_key_segments, p->position);
    out->call.query_segments = out->query_segments;
    out->call.key_segments = out->key_segments;
    free(lse);
}

void plant_free(planted_call *call) {
    free(call->k);
    free(call->v);
    free(call->bias);
    free(call->key_class);
}

void plant_forward(compute *c, const attn_call *call, const plant *p,
                   void (*forward)(compute *c, const attn_call *call)) {
    for (int i = 0; i < call->batch->n && compute_ok(c); i++) {
        if (call->batch->item[i].run) {
            planted_call one;
            plant_make(&one, c, call, i, p);
            forward(c, &one.call);
            plant_free(&one);
        } else {
            attn_batch alone = {1, &call->batch->item[i], NULL};
            attn_call plain = *call;
            plain.args = item_args(&call->args, i);
            plain.batch = &alone;
            forward(c, &plain);
        }
    }
}
