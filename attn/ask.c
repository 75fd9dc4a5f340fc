/* The requests of a batch to one attention call: the needs of its probes, record and selectors, and the interventions
 * in force. The only stage that reads the call. */
#include <string.h>

#include "attn/call.h"
#include "tensor/backend.h"

static int in_force(const attn_intervention *v, const attn_item *item, int block) {
    return bits_get(&v->blocks, block) && bits_get(&v->steps, item->step) && (v->branches >> item->branch & 1);
}

static unsigned selector_needs(const attn_intervention *v) {
    if (v->edit->on == EDIT_ON_NOTHING) return 0;
    const attn_selector *s = v->selector;
    return !s->looks || s->looks(v->selector_options, v->scope) ? s->needs : 0;
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
        if (in_force(v, item, block)) needs |= NEED_LSE | selector_needs(v);
    }
    for (int i = 0; i < m->n_probes; i++) needs |= m->probe[i]->needs;
    return needs;
}

/* What the selectors of an item look at in the call itself. */
static unsigned chooses_from(const item_request *r) {
    unsigned needs = 0;
    for (int i = 0; i < r->n; i++)
        needs |= selector_needs(r->force[i].is) & ~(attn_recalls(r->force[i].is) ? (unsigned)NEED_MASS : 0u);
    return needs & (NEED_MASS | NEED_ROW_MAX | NEED_VALUES);
}

/* ---- before the call ---- */

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

/* ---- the call ---- */

/* The query rows of a kind: the run of its segments, which must be one. Empty where the call has none. */
static ss_status find_rows(const attn_call *call, attn_rows rows, row_range *out, ss_error *err) {
    int64_t begin = INT64_MAX, end = 0, count = 0;
    if (rows == ROWS_ALL) {
        *out = (row_range){0, call->args.q.dim[1]};
        return SS_OK;
    }
    for (int i = 0; i < call->n_query_segments; i++) {
        const attn_segment *s = &call->query_segments[i];
        if ((s->kind == SEGMENT_IMAGE) != (rows == ROWS_IMAGE) || s->length == 0) continue;
        if (s->start < begin) begin = s->start;
        if (s->start + s->length > end) end = s->start + s->length;
        count += s->length;
    }
    *out = count ? (row_range){begin, end} : (row_range){0, 0};
    if (count && count != end - begin)
        return error_set(err, SS_ERR_INTERNAL, NULL,
                         "attention in block %d: expected the %s queries in one run, found %lld of them within [%lld, "
                         "%lld)",
                         call->block, rows == ROWS_IMAGE ? "image" : "text", (long long)count, (long long)begin,
                         (long long)end);
    return SS_OK;
}

static ss_status find_measured(const attn_call *call, const attn_measure *m, row_range *out, ss_error *err) {
    SS_TRY(find_rows(call, m->rows, out, err));
    if (out->begin < out->end) return SS_OK;
    return error_set(err, SS_ERR_INPUT, NULL, "block %d has no %s queries to measure; choose other rows", call->block,
                     m->rows == ROWS_TEXT ? "text" : "image");
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

static ss_status ask_item(const attn_call *call, const attn_item *item, item_request *out, ss_error *err) {
    *out = (item_request){.item = item, .key_class = item->key_class, .word = item->word};
    if (!item->run) return SS_OK;
    SS_TRY(check_site(call, item, err));
    const attn_program *p = attn_run_program(item->run);
    out->measure = attn_run_measure(item->run);
    out->needs = needs_of(item, call->block);
    if (out->needs) SS_TRY(find_measured(call, out->measure, &out->measured, err));
    for (int i = 0; p && i < p->n; i++) {
        const attn_intervention *v = &p->intervention[i];
        if (!in_force(v, item, call->block)) continue;
        attn_force *f = &out->force[out->n++];
        *f = (attn_force){.is = v, .number = i};
        SS_TRY(find_rows(call, v->rows, &f->rows, err));
    }
    return SS_OK;
}

int attn_rows_differ(const item_request *r) {
    int differ = 0;
    for (int i = 1; i < r->n; i++) differ |= r->force[i].is->rows != r->force[0].is->rows;
    return differ;
}

static ss_status find_kinds(const attn_call *call, attn_request *out, ss_error *err) {
    SS_TRY(find_rows(call, ROWS_IMAGE, &out->image_rows, err));
    return find_rows(call, ROWS_TEXT, &out->text_rows, err);
}

static attn_place place_of(compute *c, const attn_call *call) {
    const attention_args *a = &call->args;
    /* the network's own may go before they are read */
    const attn_segment *segments =
        attn_notes_copy(c, call->key_segments, (size_t)call->n_key_segments, sizeof *segments);
    return (attn_place){.block = call->block,
                        .batch = (int)a->q.dim[0],
                        .heads = (int)a->q.dim[2],
                        .queries = (int)a->q.dim[1],
                        .keys = (int)a->k.dim[1],
                        .width = (int)a->q.dim[3],
                        .segments = segments,
                        .n_segments = call->n_key_segments,
                        .projects = call->output_gram != NULL,
                        .has_input = !tensor_is_none(call->block_input),
                        .has_context = !tensor_is_none(call->block_context)};
}

void attn_ask(compute *c, const attn_call *call, attn_request *out) {
    const uint8_t *image_class = NULL;
    ss_error err;
    *out = (attn_request){.place = place_of(c, call)};
    out->item = attn_notes(c, (size_t)call->batch->n, sizeof *out->item);
    if (call->kind == ATTN_SELF) {
        uint8_t *classes = attn_notes(c, (size_t)out->place.keys, 1);
        if (classes && !arena_is_counted(classes)) memset(classes, KEY_IMAGE, (size_t)out->place.keys);
        image_class = classes;
    }
    if (!compute_ok(c) || c->be->counts) return;
    for (int b = 0; b < call->batch->n; b++) {
        item_request *r = &out->item[b];
        if (ask_item(call, &call->batch->item[b], r, &err) != SS_OK ||
            (attn_rows_differ(r) && find_kinds(call, out, &err) != SS_OK))
            compute_fail(c, &err);
        out->needs |= r->needs;
        out->chooses |= chooses_from(r);
        if (call->kind != ATTN_SELF) continue;
        r->key_class = image_class;
        r->word = NULL;
    }
}
