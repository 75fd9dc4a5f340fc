/* The attention call: kernel -> selectors -> edits -> probes. Relies on the backend's two operations for every touch of
 * q, k, v, and on the runs that travel with the batch for what is asked. Statistics are those of the unedited P; each
 * item of a batch is measured and edited as if it were alone. Must never change `out` where nothing is asked. */
#include "attn/attn.h"

#include <math.h>
#include <string.h>
#include "attn/edit.h"
#include "tensor/backend.h"

/* ---- measuring ---- */

static int in_force(const attn_intervention *v, const attn_item *item, int block) {
    return bits_get(&v->blocks, block) && bits_get(&v->steps, item->step) && (v->branches >> item->branch & 1);
}

/* NEED_* of an item: its probes', the record's, the selectors'. */
static unsigned needs_of(const attn_item *item, int block) {
    if (!item->run) return 0;
    const attn_measure *m = attn_run_measure(item->run);
    const attn_program *p = attn_run_program(item->run);
    int keeps = m->top > 0 || m->keep_masses || bits_get(&m->recall, block);
    unsigned needs = keeps ? NEED_MASS : 0;
    if (m->map) needs |= NEED_MASS | NEED_LSE;
    for (int i = 0; p && i < p->n; i++) {
        const attn_intervention *v = &p->intervention[i];
        if (in_force(v, item, block)) needs |= NEED_LSE | (v->edit->on == EDIT_ON_NOTHING ? 0 : v->selector->needs);
    }
    for (int i = 0; i < m->n_probes; i++) needs |= m->probe[i]->needs;
    return needs;
}

static int item_asks_image_alone(const attn_item *item, int block) {
    if (!item->run) return 1;
    const attn_measure *m = attn_run_measure(item->run);
    const attn_program *p = attn_run_program(item->run);
    if (m->map || (m->rows != ROWS_IMAGE && needs_of(item, block))) return 0;
    for (int i = 0; p && i < p->n; i++) { /* a selector of queries counts all that there are */
        const attn_intervention *v = &p->intervention[i];
        if (in_force(v, item, block) && (v->rows != ROWS_IMAGE || v->edit->on == EDIT_ON_QUERIES)) return 0;
    }
    return 1;
}

int attn_asks_image_alone(const attn_batch *batch, int block) {
    int alone = 1;
    for (int i = 0; batch && alone && i < batch->n; i++) alone = item_asks_image_alone(&batch->item[i], block);
    return alone;
}

/* Items begin .. end attend; all that measure anything do so over the same rows and r. */
static void attend(compute *c, const attn_call *call, int begin, int end, const call_stats *all) {
    attention_args args = attn_slice(&call->args, begin, end - begin);
    size_t heads = (size_t)args.q.dim[2], pair = (size_t)begin * heads;
    attention_stats stats = {0};
    unsigned needs = 0;
    for (int i = begin; i < end; i++) {
        const attn_item *item = &call->batch->item[i];
        unsigned own = needs_of(item, call->block);
        if (own && !needs) {
            const attn_measure *m = attn_run_measure(item->run);
            row_range rows;
            ss_error err;
            if (attn_find_rows(call, m->rows, &rows, &err) != SS_OK) {
                compute_fail(c, &err);
                return;
            }
            if (rows.begin == rows.end) {
                error_set(&err, SS_ERR_INPUT, NULL, "block %d has no %s queries to measure; choose other rows",
                          call->block, m->rows == ROWS_TEXT ? "text" : "image");
                compute_fail(c, &err);
                return;
            }
            stats.row_begin = rows.begin;
            stats.row_end = rows.end;
            stats.r = m->r;
        }
        needs |= own;
    }
    if (needs & NEED_MASS) stats.mass = all->mass + pair * (size_t)args.k.dim[1];
    if (needs & NEED_ENTROPY) stats.entropy = all->entropy + pair;
    if (needs & NEED_CONCENTRATION) stats.concentration = all->concentration + pair;
    if (needs & NEED_ROW_MAX) stats.row_max = all->row_max + pair * (size_t)args.q.dim[1];
    if (needs & NEED_LSE) stats.lse = all->lse + pair * (size_t)args.q.dim[1];
    op_attention(c, &args, needs ? &stats : NULL);
}

static int measures_alike(const attn_item *a, const attn_item *b) {
    const attn_measure *m = attn_run_measure(a->run), *n = attn_run_measure(b->run);
    return m->rows == n->rows && m->r == n->r;
}

/* The whole batch, in as few operations as its measures allow: one, unless items differ in what Q is. */
static void attend_batch(compute *c, const attn_call *call, const call_stats *stats) {
    const attn_item *first = NULL; /* the group's first item that measures */
    int begin = 0;
    for (int i = 0; i < call->batch->n; i++) {
        const attn_item *item = &call->batch->item[i];
        if (!needs_of(item, call->block)) continue;
        if (first && !measures_alike(first, item)) {
            attend(c, call, begin, i, stats);
            begin = i;
            first = NULL;
        }
        if (!first) first = item;
    }
    attend(c, call, begin, call->batch->n, stats);
}

/* ---- probes ---- */

static void observe_head(const attn_call *call, int b, int head, unsigned needs, const call_stats *stats,
                         const item_edit *e) {
    int at = (b - e->begin) * (int)call->args.q.dim[2] + head; /* of the pairs edited together */
    const attn_item *item = &call->batch->item[b];
    const attn_measure *m = attn_run_measure(item->run);
    size_t keys = (size_t)call->args.k.dim[1], pair = (size_t)b * (size_t)call->args.q.dim[2] + (size_t)head;
    const double *mass = stats->mass + pair * keys;
    observation o = {.step = item->step,
                     .block = call->block,
                     .head = head,
                     .keys = (int)keys,
                     .branch = item->branch,
                     .mass = mass,
                     .entropy = stats->entropy[pair],
                     .concentration = stats->concentration[pair],
                     .r = m->r,
                     .noop_below = m->noop_below,
                     .run = item->run,
                     .edited =
                         e->n > 0 && e->rows > 0 && (e->set.begin[at] < e->set.begin[at + 1] || e->touched[at] > 0),
                     .key_class = attn_key_classes(call, item, stats),
                     .segments = call->key_segments,
                     .n_segments = call->n_key_segments};
    if (o.edited) {
        o.set_mass_before = e->before[at] / (double)e->rows;
        o.set_mass_after = e->after[at] / (double)e->rows;
        o.dose = sqrt(e->dose[at] / (double)e->rows);
        o.direct_rows = e->direct[at];
        o.set = e->set.key + e->set.begin[at];
        o.set_size = e->set.begin[at + 1] - e->set.begin[at];
        o.query_rows = o.set_size == 0 ? e->touched[at] : 0;
    }
    for (int i = 0; i < e->n; i++) o.left_out += e->chosen[i].left_out[at];
    attn_observe_activations(call, b, head, needs, stats, &o);
    if (needs & NEED_TOP) attn_run_keep_top(item->run, item->step, call->block, head, item->branch, mass);
    float *columns = attn_run_columns_at(item->run, item->step, call->block, head, item->branch);
    for (int i = 0; i < m->n_probes; columns += m->probe[i++]->n_columns) m->probe[i]->observe(&o, columns);
    if (m->top > 0 || m->keep_masses) attn_run_keep(item->run, item->step, call->block, head, item->branch, mass);
}

static ss_status check_site(const attn_call *call, const attn_item *item, ss_error *err) {
    attn_shape s = attn_run_shape(item->run);
    if (item->step >= 0 && item->step < s.steps &&
        attn_run_visit(item->run, call->block, call->args.q.dim[2], call->args.k.dim[1]))
        return SS_OK;
    if (call->block < s.blocks) s = attn_run_block_shape(item->run, call->block);
    return error_set(
        err, SS_ERR_INTERNAL, NULL,
        "attention at step %d, block %d with %lld heads, %lld keys; expected a site of the record's %d steps, "
        "%d blocks, %d heads, %d keys",
        item->step, call->block, (long long)call->args.q.dim[2], (long long)call->args.k.dim[1], s.steps, s.blocks,
        s.heads, s.keys);
}

/* The interventions in force at an item, which is the first to be edited under them. */
static item_edit edit_of(const attn_call *call, int b) {
    const attn_item *item = &call->batch->item[b];
    const attn_program *p = item->run ? attn_run_program(item->run) : NULL;
    item_edit e = {.begin = b, .items = 1};
    for (int i = 0; p && i < p->n; i++)
        if (in_force(&p->intervention[i], item, call->block)) {
            e.number[e.n] = i;
            e.intervention[e.n++] = &p->intervention[i];
        }
    return e;
}

static int edits_alike(const item_edit *a, const item_edit *b) {
    return a->n == b->n && memcmp(a->intervention, b->intervention, (size_t)a->n * sizeof *a->intervention) == 0;
}

static void observe_item(const attn_call *call, int b, const call_stats *stats, const item_edit *e) {
    const attn_item *item = &call->batch->item[b];
    const attn_measure *m = item->run ? attn_run_measure(item->run) : NULL;
    if (!m || !(m->n_probes || m->top > 0 || m->keep_masses)) return;
    unsigned needs = needs_of(item, call->block);
    for (int h = 0; h < call->args.q.dim[2]; h++) observe_head(call, b, h, needs, stats, e);
}

/* Where the interventions of item b found something to act on. */
static void count_acted(const attn_call *call, int b, const item_edit *e) {
    int heads = (int)call->args.q.dim[2], first = (b - e->begin) * heads; /* of the pairs edited together */
    for (int i = 0; i < e->n; i++) {
        const attn_intervention *v = e->intervention[i];
        const int32_t *begin = e->chosen[i].begin + first;
        if (e->range[i].begin == e->range[i].end) continue;
        for (int h = 0; h < heads; h++)
            if (bits_get(&v->heads, h) && (v->edit->on == EDIT_ON_NOTHING || begin[h] < begin[h + 1]))
                attn_run_count_acted(call->batch->item[b].run, e->number[i]);
    }
}

/* Items are edited, and observed: those side by side under the same interventions together. */
static void finish_items(compute *c, const attn_call *call, const call_stats *stats) {
    int most = attn_edit_most_items(call), n = call->batch->n;
    for (int b = 0; compute_ok(c) && b < n;) {
        item_edit e = edit_of(call, b);
        for (; e.items < most && b + e.items < n; e.items++) {
            item_edit next = edit_of(call, b + e.items);
            if (!edits_alike(&e, &next)) break;
        }
        arena_mark mark = arena_get_mark(c->scratch);
        if (e.n) attn_edit_items(c, call, stats, &e);
        for (int end = b + e.items; compute_ok(c) && b < end; b++) {
            count_acted(call, b, &e);
            observe_item(call, b, stats, &e);
        }
        arena_release(c->scratch, mark);
    }
}

static void recall_item(const attn_call *call, int b, const call_stats *stats) {
    const attn_item *item = &call->batch->item[b];
    size_t pair = (size_t)b * (size_t)call->args.q.dim[2];
    if (item->run && bits_get(&attn_run_measure(item->run)->recall, call->block))
        attn_run_recall(item->run, item->step, call->block, item->branch,
                        stats->mass + pair * (size_t)call->args.k.dim[1]);
}

/* The map's keys in the call, or its query row; NULL where it has not got them all. */
static const int32_t *map_index(const attn_map *map, const attn_call *call) {
    int64_t limit = map->part == PART_ROW ? call->args.q.dim[1] : call->args.k.dim[1];
    const int32_t *index = map->by_block ? map->by_block + (size_t)call->block * (size_t)map->n : map->index;
    for (int i = 0; i < map->n; i++)
        if (index[i] < 0 || index[i] >= limit) return NULL;
    return index;
}

/* The map's vector: the mean over heads. */
static void map_item(compute *c, const attn_call *call, int b, const call_stats *stats) {
    const attn_item *item = &call->batch->item[b];
    const attn_map *map = item->run ? attn_run_measure(item->run)->map : NULL;
    if (!map || item->branch != BRANCH_COND) return;
    attention_args one = attn_slice(&call->args, b, 1);
    size_t heads = (size_t)one.q.dim[2], rows = (size_t)one.q.dim[1];
    size_t n = map->part == PART_ROW ? (size_t)one.k.dim[1] : rows;
    const int32_t *index = map_index(map, call);
    if (!index || n > (size_t)attn_run_shape(item->run).keys) return;
    arena_mark mark = arena_get_mark(c->scratch);
    double *part = attn_room(c, heads * n, sizeof *part);
    if (part) op_attention_part(c, &one, stats->lse + (size_t)b * heads * rows, map->part, index, map->n, part);
    float *out = attn_run_map_at(item->run, item->step, call->block);
    for (size_t x = 0; compute_ok(c) && x < n; x++) {
        double sum = 0;
        for (size_t h = 0; h < heads; h++) sum += part[h * n + x];
        out[x] = (float)(sum / (double)heads);
    }
    arena_release(c->scratch, mark);
}

/* ---- the call ---- */

/* On the dry backend: what the largest edit would take. */
static void account(compute *c, const attn_call *call, const call_stats *stats) {
    item_edit e = {.items = attn_edit_most_items(call), .n = EDIT_MAX_STEPS, .n_outputs = EDIT_MAX_STEPS};
    attention_args one = attn_slice(&call->args, 0, 1), edited = attn_slice(&call->args, 0, e.items);
    arena_mark mark = arena_get_mark(c->scratch);
    op_attention(c, &call->args, NULL);
    attn_measure_activations(c, call, NEED_VALUES | NEED_OUTPUTS | NEED_ACTIVATIONS, stats);
    op_head_norms(c, one.out, attn_gram_values(c, call->output_gram, one.q.dim[2]), stats->output_norm,
                  stats->output_projected); /* as if all rows were measured */
    op_sizes(c, one.out, stats->output_sizes[0], stats->output_sizes[1]);
    if (attn_edit_allocate(c, call, &e)) {
        attention_edit op = {.row_end = one.q.dim[1], .set_begin = e.set.begin};
        attention_output output = {.row_end = one.q.dim[1]};
        op_attention_edit(c, &edited, &op);
        op_attention_output(c, &edited, &output);
    }
    arena_release(c->scratch, mark);
}

void attn_forward(compute *c, const attn_call *call) {
    if (!compute_ok(c)) return;
    if (call->block < 0 || !call->batch) {
        op_attention(c, &call->args, NULL);
        return;
    }
    /* The room for statistics is taken whether or not they are asked for, so that a dry run accounts for it. */
    arena_mark mark = arena_get_mark(c->scratch);
    call_stats stats;
    attn_allocate_stats(c, call, &stats);
    if (compute_ok(c) && c->be == &backend_dry) account(c, call, &stats);
    if (compute_ok(c) && c->be != &backend_dry) {
        ss_error err;
        int64_t pairs = call->args.q.dim[0] * call->args.q.dim[2];
        unsigned needs = 0;
        for (int b = 0; b < call->batch->n; b++) needs |= needs_of(&call->batch->item[b], call->block);
        for (int64_t i = 0; i < pairs; i++) stats.entropy[i] = stats.concentration[i] = NAN; /* until asked for */
        for (int b = 0; b < call->batch->n; b++)
            if (call->batch->item[b].run && check_site(call, &call->batch->item[b], &err) != SS_OK)
                compute_fail(c, &err);
        if (compute_ok(c)) attend_batch(c, call, &stats);
        attn_measure_activations(c, call, needs, &stats);
        for (int b = 0; compute_ok(c) && b < call->batch->n; b++) recall_item(call, b, &stats);
        for (int b = 0; compute_ok(c) && b < call->batch->n; b++) map_item(c, call, b, &stats);
        finish_items(c, call, &stats);
    }
    arena_release(c->scratch, mark);
}
