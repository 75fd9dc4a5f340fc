/* The kernel and what is measured beside it: lengths of values and outputs, magnitudes of activations, vectors of P.
 * All of the unedited P and output. */
#include "attn/call.h"
#include "tensor/backend.h"

/* One number an item, a pair (item, head), a key or a query row of a pair; a line of all query rows of an item. */
typedef enum stat_shape { BY_ITEM, BY_PAIR, BY_KEY, BY_ROW, BY_LINE } stat_shape;

static const struct {
    unsigned need; /* the NEED_* that asks for it */
    tensor_type type;
    stat_shape shape;
    int in_call; /* 1 = nothing looks at it after the call */
} STATS[STAT_COUNT] = {
    [STAT_MASS] = {NEED_MASS, TENSOR_F64, BY_KEY, 0},
    [STAT_ENTROPY] = {NEED_ENTROPY, TENSOR_F64, BY_PAIR, 0},
    [STAT_CONCENTRATION] = {NEED_CONCENTRATION, TENSOR_F64, BY_PAIR, 0},
    [STAT_LSE] = {NEED_LSE, TENSOR_F64, BY_ROW, 1},
    [STAT_ROW_MAX] = {NEED_ROW_MAX, TENSOR_F32, BY_ROW, 1},
    [STAT_VALUE_NORM] = {NEED_VALUES, TENSOR_F32, BY_KEY, 0},
    [STAT_VALUE_PROJECTED] = {NEED_VALUES, TENSOR_F32, BY_KEY, 0},
    [STAT_OUTPUT_NORM] = {NEED_OUTPUTS, TENSOR_F32, BY_LINE, 0},
    [STAT_OUTPUT_PROJECTED] = {NEED_OUTPUTS, TENSOR_F32, BY_LINE, 0},
    [STAT_INPUT_LARGEST] = {NEED_ACTIVATIONS, TENSOR_F32, BY_ITEM, 0},
    [STAT_INPUT_P95] = {NEED_ACTIVATIONS, TENSOR_F32, BY_ITEM, 0},
    [STAT_CONTEXT_LARGEST] = {NEED_ACTIVATIONS, TENSOR_F32, BY_ITEM, 0},
    [STAT_CONTEXT_P95] = {NEED_ACTIVATIONS, TENSOR_F32, BY_ITEM, 0},
    [STAT_OUTPUT_LARGEST] = {NEED_ACTIVATIONS, TENSOR_F32, BY_PAIR, 0},
    [STAT_OUTPUT_P95] = {NEED_ACTIVATIONS, TENSOR_F32, BY_PAIR, 0},
};

/* Whether the call has what a number is of. */
static int can_be(const attn_place *p, attn_stat stat) {
    switch (stat) {
    case STAT_VALUE_PROJECTED:
    case STAT_OUTPUT_PROJECTED: return p->projects;
    case STAT_INPUT_LARGEST:
    case STAT_INPUT_P95: return p->has_input;
    case STAT_CONTEXT_LARGEST:
    case STAT_CONTEXT_P95: return p->has_context;
    default: return 1;
    }
}

void attn_allocate_stats(compute *c, const attn_place *p, unsigned needs, attn_stats *out) {
    const int64_t dims[][3] = {[BY_ITEM] = {p->batch, 1, 1},
                               [BY_PAIR] = {p->batch, p->heads, 1},
                               [BY_KEY] = {p->batch, p->heads, p->keys},
                               [BY_ROW] = {p->batch, p->heads, p->queries},
                               [BY_LINE] = {p->batch, 1, (int64_t)p->heads * p->queries}};
    *out = (attn_stats){0};
    for (int i = 0; i < STAT_COUNT; i++) {
        const int64_t *dim = dims[STATS[i].shape];
        if (!(needs & STATS[i].need) || !can_be(p, i)) continue;
        out->of[i].from =
            STATS[i].in_call ? compute_tensor_of(c, STATS[i].type, 3, dim) : compute_kept(c, STATS[i].type, 3, dim);
    }
    out->map = attn_notes(c, (size_t)p->batch, sizeof *out->map);
    for (int b = 0; out->map && !arena_is_counted(out->map) && b < p->batch; b++) out->map[b] = (host_read){0};
}

int attn_stat_outlives_call(attn_stat stat) { return !STATS[stat].in_call; }

static const char *stat_values(const attn_stats *stats, attn_stat stat, int item) {
    const host_read *r = &stats->of[stat];
    return r->values ? (const char *)r->values + (size_t)(item * r->from.stride[0]) * tensor_type_size(r->from.type)
                     : NULL;
}

const double *attn_stat_doubles(const attn_stats *stats, attn_stat stat, int item) {
    return (const void *)stat_values(stats, stat, item);
}

const float *attn_stat_floats(const attn_stats *stats, attn_stat stat, int item) {
    return (const void *)stat_values(stats, stat, item);
}

/* Some items of a result; none of one that is none. */
static tensor stat_of(const attn_stats *stats, attn_stat stat, int begin, int n) {
    tensor t = stats->of[stat].from;
    return tensor_is_none(t) ? t : tensor_slice(t, 0, begin, n);
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
    attention_args args = attn_slice(batch, begin, end - begin);
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
    if (needs & NEED_MASS) stats.mass = stat_of(out, STAT_MASS, begin, end - begin);
    if (needs & NEED_ENTROPY) stats.entropy = stat_of(out, STAT_ENTROPY, begin, end - begin);
    if (needs & NEED_CONCENTRATION) stats.concentration = stat_of(out, STAT_CONCENTRATION, begin, end - begin);
    if (needs & NEED_ROW_MAX) stats.row_max = stat_of(out, STAT_ROW_MAX, begin, end - begin);
    if (needs & NEED_LSE) stats.lse = stat_of(out, STAT_LSE, begin, end - begin);
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

static void measure_magnitudes(compute *c, tensor x, const attn_stats *out, attn_stat largest, attn_stat p95) {
    if (!tensor_is_none(x)) op_magnitudes(c, tensor_split_last(x, 1), out->of[largest].from, out->of[p95].from);
}

/* Lengths of an item's measured rows [1, heads, rows], in the beginning of its line. */
static tensor line_of(const attn_stats *stats, attn_stat stat, int item, int64_t heads, int64_t rows) {
    tensor t = stat_of(stats, stat, item, 1);
    if (tensor_is_none(t)) return t;
    return tensor_reshape(tensor_columns(t, 0, heads * rows), 3, (int64_t[]){1, heads, rows});
}

/* Of one item's measured rows alone, so that no figure depends on the item's company. */
static void measure_output(compute *c, tensor out, const attn_request *ask, int b, unsigned needs, const float *gram,
                           const attn_stats *stats) {
    int64_t heads = ask->place.heads;
    row_range rows = ask->item[b].measured;
    int64_t n = row_range_count(rows);
    if (n == 0) return;
    tensor part = tensor_slice(tensor_slice(out, 0, b, 1), 1, rows.begin, n);
    if (needs & NEED_OUTPUTS)
        op_head_norms(c, part, gram, line_of(stats, STAT_OUTPUT_NORM, b, heads, n),
                      line_of(stats, STAT_OUTPUT_PROJECTED, b, heads, n));
    if (needs & NEED_ACTIVATIONS)
        op_magnitudes(c, part, stat_of(stats, STAT_OUTPUT_LARGEST, b, 1), stat_of(stats, STAT_OUTPUT_P95, b, 1));
}

void attn_measure_activations(compute *c, const attn_operands *o, const attn_request *ask, unsigned needs,
                              const attn_stats *out) {
    if (!(needs & (NEED_VALUES | NEED_OUTPUTS | NEED_ACTIVATIONS))) return;
    const float *gram = needs & (NEED_VALUES | NEED_OUTPUTS) ? attn_gram_values(c, o->gram, ask->place.heads) : NULL;
    if (needs & NEED_VALUES)
        op_head_norms(c, o->args.v, gram, out->of[STAT_VALUE_NORM].from, out->of[STAT_VALUE_PROJECTED].from);
    if (needs & NEED_ACTIVATIONS) {
        measure_magnitudes(c, o->block_input, out, STAT_INPUT_LARGEST, STAT_INPUT_P95);
        measure_magnitudes(c, o->block_context, out, STAT_CONTEXT_LARGEST, STAT_CONTEXT_P95);
    }
    for (int b = 0; b < ask->place.batch && !c->be->counts; b++)
        measure_output(c, o->args.out, ask, b, needs, gram, out);
}

/* ---- maps ---- */

/* The map's keys in the call, or its query row; NULL where it has not got them all. */
static const int32_t *map_index(const attn_map *map, const attn_place *p) {
    int limit = map->part == PART_ROW ? p->queries : p->keys;
    const int32_t *index = map->by_block ? map->by_block + (size_t)p->block * (size_t)map->n : map->index;
    for (int i = 0; i < map->n; i++)
        if (index[i] < 0 || index[i] >= limit) return NULL;
    return index;
}

/* The vector of every head of item b. */
static void take_map(compute *c, const attention_args *args, const attn_request *ask, int b, const attn_stats *stats) {
    const attn_item *item = ask->item[b].item;
    const attn_measure *measure = ask->item[b].measure;
    const attn_map *map = measure ? measure->map : NULL;
    const attn_place *p = &ask->place;
    if (!map || item->branch != BRANCH_COND) return;
    attention_args one = attn_slice(args, b, 1);
    int n = map->part == PART_ROW ? p->keys : p->queries;
    const int32_t *index = map_index(map, p);
    if (!index || n > attn_run_shape(item->run).keys) return;
    stats->map[b].from = compute_kept(c, TENSOR_F64, 2, (int64_t[]){p->heads, n});
    op_attention_part(c, &one, stat_of(stats, STAT_LSE, b, 1), map->part, index, map->n, stats->map[b].from);
}

void attn_attend(compute *c, const attn_operands *o, const attn_request *ask, const attn_stats *out) {
    if (!compute_ok(c)) return;
    attend_batch(c, &o->args, ask, out);
    attn_measure_activations(c, o, ask, ask->needs, out);
    for (int b = 0; compute_ok(c) && b < ask->place.batch; b++) take_map(c, &o->args, ask, b, out);
}
