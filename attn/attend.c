/* The kernel and what is measured beside it: lengths of values and outputs, magnitudes of activations, vectors of P.
 * All of the unedited P and output. */
#include <math.h>

#include "attn/call.h"
#include "tensor/backend.h"

void attn_allocate_stats(compute *c, const attn_place *p, attn_stats *out) {
    size_t batch = (size_t)p->batch, pairs = batch * (size_t)p->heads;
    size_t rows = pairs * (size_t)p->queries, keys = pairs * (size_t)p->keys;
    *out = (attn_stats){.mass = attn_scratch(c, keys, sizeof(double)),
                        .entropy = attn_scratch(c, pairs, sizeof(double)),
                        .concentration = attn_scratch(c, pairs, sizeof(double)),
                        .lse = attn_scratch(c, rows, sizeof(double)),
                        .row_max = attn_scratch(c, rows, sizeof(float)),
                        .value_norm = attn_scratch(c, keys, sizeof(float)),
                        .value_projected = attn_scratch(c, keys, sizeof(float)),
                        .output_norm = attn_scratch(c, rows, sizeof(float)),
                        .output_projected = attn_scratch(c, rows, sizeof(float))};
    for (int i = 0; i < 2; i++) {
        out->input_sizes[i] = attn_scratch(c, batch, sizeof(float));
        out->context_sizes[i] = attn_scratch(c, batch, sizeof(float));
        out->output_sizes[i] = attn_scratch(c, pairs, sizeof(float));
    }
    if (!compute_ok(c) || c->be->counts) return;
    for (size_t i = 0; i < pairs; i++) out->entropy[i] = out->concentration[i] = NAN; /* until asked for */
}

/* ---- the kernel ---- */

attention_args attn_slice(const attention_args *a, int begin, int n) {
    attention_args s = *a;
    s.q = tensor_slice(a->q, 0, begin, n);
    s.k = tensor_slice(a->k, 0, begin, n);
    s.v = tensor_slice(a->v, 0, begin, n);
    s.out = tensor_slice(a->out, 0, begin, n);
    return s;
}

/* Items begin .. end attend; all that measure anything do so over the same rows and r. */
static void attend(compute *c, const attention_args *batch, const attn_request *ask, int begin, int end,
                   const attn_stats *out) {
    const attn_place *p = &ask->place;
    attention_args args = attn_slice(batch, begin, end - begin);
    size_t pair = (size_t)begin * (size_t)p->heads;
    attention_stats stats = {0};
    unsigned needs = 0;
    for (int i = begin; i < end; i++) {
        const item_request *r = &ask->item[i];
        if (r->needs && !needs) {
            stats.row_begin = r->measured.begin;
            stats.row_end = r->measured.end;
            stats.r = r->measure->r;
        }
        needs |= r->needs;
    }
    if (needs & NEED_MASS) stats.mass = out->mass + pair * (size_t)p->keys;
    if (needs & NEED_ENTROPY) stats.entropy = out->entropy + pair;
    if (needs & NEED_CONCENTRATION) stats.concentration = out->concentration + pair;
    if (needs & NEED_ROW_MAX) stats.row_max = out->row_max + pair * (size_t)p->queries;
    if (needs & NEED_LSE) stats.lse = out->lse + pair * (size_t)p->queries;
    op_attention(c, &args, needs ? &stats : NULL);
}

static int measures_alike(const item_request *a, const item_request *b) {
    return a->measure->rows == b->measure->rows && a->measure->r == b->measure->r;
}

/* The whole batch, in as few operations as its measures allow: one, unless items differ in what Q is. */
static void attend_batch(compute *c, const attention_args *args, const attn_request *ask, const attn_stats *out) {
    const item_request *first = NULL; /* the group's first item that measures */
    int begin = 0;
    for (int i = 0; i < ask->place.batch; i++) {
        const item_request *r = &ask->item[i];
        if (!r->needs) continue;
        if (first && !measures_alike(first, r)) {
            attend(c, args, ask, begin, i, out);
            begin = i;
            first = NULL;
        }
        if (!first) first = r;
    }
    attend(c, args, ask, begin, ask->place.batch, out);
}

/* ---- activations ---- */

const float *attn_gram_values(compute *c, attn_gram *g, int64_t heads) {
    if (!g) return NULL;
    if (!g->made && !c->be->counts) { /* where shapes alone are computed, nothing is left behind */
        weight_head_gram(c, g->w, heads, g->values);
        g->made = compute_ok(c);
    }
    return g->values;
}

static void measure_sizes(compute *c, tensor x, float *const out[2]) {
    if (!tensor_is_none(x)) op_sizes(c, tensor_split_last(x, 1), out[0], out[1]);
}

/* Of one item's measured rows alone, so that no figure depends on the item's company. */
static void measure_output(compute *c, tensor out, const attn_request *ask, int b, unsigned needs, const float *gram,
                           const attn_stats *stats) {
    const attn_place *p = &ask->place;
    row_range rows = ask->item[b].measured;
    size_t pair = (size_t)b * (size_t)p->heads, at = pair * (size_t)p->queries;
    if (rows.begin == rows.end) return;
    tensor part = tensor_slice(tensor_slice(out, 0, b, 1), 1, rows.begin, row_range_count(rows));
    if (needs & NEED_OUTPUTS) op_head_norms(c, part, gram, stats->output_norm + at, stats->output_projected + at);
    if (needs & NEED_ACTIVATIONS) op_sizes(c, part, stats->output_sizes[0] + pair, stats->output_sizes[1] + pair);
}

void attn_measure_activations(compute *c, const attn_operands *o, const attn_request *ask, unsigned needs,
                              const attn_stats *out) {
    if (!(needs & (NEED_VALUES | NEED_OUTPUTS | NEED_ACTIVATIONS))) return;
    const float *gram = needs & (NEED_VALUES | NEED_OUTPUTS) ? attn_gram_values(c, o->gram, ask->place.heads) : NULL;
    if (needs & NEED_VALUES) op_head_norms(c, o->args.v, gram, out->value_norm, out->value_projected);
    if (needs & NEED_ACTIVATIONS) {
        measure_sizes(c, o->block_input, out->input_sizes);
        measure_sizes(c, o->block_context, out->context_sizes);
    }
    for (int b = 0; b < ask->place.batch && !c->be->counts; b++)
        measure_output(c, o->args.out, ask, b, needs, gram, out);
}

void attn_attend(compute *c, const attn_operands *o, const attn_request *ask, const attn_stats *out) {
    if (!compute_ok(c)) return;
    attend_batch(c, &o->args, ask, out);
    attn_measure_activations(c, o, ask, ask->needs, out);
}

/* ---- what a run keeps ---- */

static void recall(const attn_request *ask, int b, const attn_stats *stats) {
    const attn_item *item = ask->item[b].item;
    const attn_place *p = &ask->place;
    if (bits_get(&ask->item[b].measure->recall, p->block))
        attn_run_recall(item->run, item->step, p->block, item->branch,
                        stats->mass + (size_t)b * (size_t)p->heads * (size_t)p->keys);
}

/* The map's keys in the call, or its query row; NULL where it has not got them all. */
static const int32_t *map_index(const attn_map *map, const attn_place *p) {
    int limit = map->part == PART_ROW ? p->queries : p->keys;
    const int32_t *index = map->by_block ? map->by_block + (size_t)p->block * (size_t)map->n : map->index;
    for (int i = 0; i < map->n; i++)
        if (index[i] < 0 || index[i] >= limit) return NULL;
    return index;
}

/* The map's vector: the mean over heads. */
static void keep_map(compute *c, const attention_args *args, const attn_request *ask, int b, const attn_stats *stats) {
    const attn_item *item = ask->item[b].item;
    const attn_map *map = ask->item[b].measure->map;
    const attn_place *p = &ask->place;
    if (!map || item->branch != BRANCH_COND) return;
    attention_args one = attn_slice(args, b, 1);
    size_t heads = (size_t)p->heads, rows = (size_t)p->queries, n = map->part == PART_ROW ? (size_t)p->keys : rows;
    const int32_t *index = map_index(map, p);
    if (!index || n > (size_t)attn_run_shape(item->run).keys) return;
    arena_mark mark = arena_get_mark(c->scratch);
    double *part = attn_scratch(c, heads * n, sizeof *part);
    if (part) op_attention_part(c, &one, stats->lse + (size_t)b * heads * rows, map->part, index, map->n, part);
    float *out = attn_run_map_at(item->run, item->step, p->block);
    for (size_t x = 0; compute_ok(c) && x < n; x++) {
        double sum = 0;
        for (size_t h = 0; h < heads; h++) sum += part[h * n + x];
        out[x] = (float)(sum / (double)heads);
    }
    arena_release(c->scratch, mark);
}

void attn_keep(compute *c, const attn_operands *operands, const attn_request *ask, int b, const attn_stats *stats) {
    if (!ask->item[b].measure) return;
    recall(ask, b, stats);
    keep_map(c, &operands->args, ask, b, stats);
}
