/* The attention call: ask -> attend and choose -> change and observe (call.h). q, k and v are accessed only by the
 * backend's operations; the runs attached to the batch say what is requested. Statistics are those of the unedited P;
 * each item of a batch is measured and edited as if it were alone. `out` does not change where nothing is requested. */
#include "attn/attn.h"

#include "attn/call.h"
#include "tensor/backend.h"

enum { RESULTS_OF_AN_EDIT = 2 * 4 + 2 + 1 /* of a pair: two kinds of rows, a preview, the output */ };

/* Where shapes alone are computed: what the largest edit would take. */
static void account(compute *c, const attn_operands *o, const attn_request *ask, const attn_stats *stats) {
    const attn_place *p = &ask->place;
    int items = attn_edit_most_items(p);
    attention_args one = attn_slice(&o->args, 0, 1), edited = attn_slice(&o->args, 0, items);
    attn_choice choice;
    edit_scratch scratch;
    attn_outcome outcome;
    op_attention(c, &o->args, NULL);
    attn_measure_activations(c, o, ask, NEED_VALUES | NEED_OUTPUTS | NEED_ACTIVATIONS, stats);
    op_head_norms(c, one.out, attn_gram_values(c, o->gram, p->heads), TENSOR_NONE, TENSOR_NONE); /* as if all rows */
    op_magnitudes(c, one.out, TENSOR_NONE, TENSOR_NONE);
    compute_kept(c, TENSOR_F64, 1, (int64_t[]){(int64_t)p->batch * p->heads * RESULTS_OF_AN_EDIT});
    if (!attn_edit_allocate(c, p, items, EDIT_MAX_STEPS, EDIT_MAX_STEPS, &choice, &scratch, &outcome)) return;
    attention_edit op = {.row_end = p->queries, .set_begin = outcome.set.begin};
    attention_output output = {.row_end = p->queries};
    op_attention_edit(c, &edited, &op);
    op_attention_output(c, &edited, &output);
}

static int forces_alike(const item_request *a, const item_request *b) {
    int alike = a->n == b->n;
    for (int i = 0; alike && i < a->n; i++) alike = a->force[i].is == b->force[i].is;
    return alike;
}

/* Items from `begin` on that are edited together. */
static attn_group next_group(const attn_request *ask, int begin, int most) {
    attn_group g = {begin, 1};
    while (g.items < most && begin + g.items < ask->place.batch &&
           forces_alike(&ask->item[begin], &ask->item[begin + g.items]))
        g.items++;
    return g;
}

/* Choose and change; what is to be observed is noted. */
static void finish_group(compute *c, const attn_operands *o, const attn_request *ask, attn_group group,
                         noted_call *noted) {
    const item_request *first = &ask->item[group.begin];
    attn_choice choice;
    edit_scratch scratch;
    attn_outcome outcome;
    if (first->n == 0) {
        attn_note_group(c, noted, group, NULL, NULL);
        return;
    }
    if (!attn_edit_allocate(c, &ask->place, group.items, first->n, attn_output_edits(first), &choice, &scratch,
                            &outcome))
        return;
    attn_choose(c, ask, group, &noted->stats, &scratch, &choice);
    if (compute_ok(c)) attn_change(c, o, ask, group, &choice, &noted->stats, &scratch, &outcome);
    if (compute_ok(c)) attn_note_group(c, noted, group, &choice, &outcome);
}

/* By groups, whose memory of the call is given back between them. */
static void finish(compute *c, const attn_operands *o, const attn_request *ask, noted_call *noted) {
    int most = attn_edit_most_items(&ask->place);
    for (int b = 0; compute_ok(c) && b < ask->place.batch;) {
        attn_group group = next_group(ask, b, most);
        arena_mark scratch = arena_get_mark(c->scratch), host = arena_get_mark(c->host);
        finish_group(c, o, ask, group, noted);
        arena_release(c->scratch, scratch);
        arena_release(c->host, host);
        b += group.items;
    }
}

void attn_forward(compute *c, const attn_call *call) {
    if (!compute_ok(c)) return;
    if (call->block < 0 || !call->batch) {
        op_attention(c, &call->args, NULL);
        return;
    }
    const attn_operands operands = {call->args, call->block_input, call->block_context, call->output_gram};
    attn_pending own = {0}, *pending = call->batch->pending ? call->batch->pending : &own;
    attn_request ask;
    attn_stats stats;
    compute_mark mark = compute_get_mark(c);
    attn_ask(c, call, &ask);
    attn_allocate_stats(c, &ask.place, compute_has_values(c) ? ask.needs : ~0u, &stats); /* a count: all that can be */
    if (compute_ok(c) && c->be->counts) account(c, &operands, &ask, &stats);
    else if (compute_ok(c)) {
        attn_attend(c, &operands, &ask, &stats);
        noted_call *noted = attn_note_call(c, pending, &ask, &stats);
        if (noted) finish(c, &operands, &ask, noted);
    }
    if (pending == &own) {
        attn_read(c, &own, NULL, 0);
        compute_release(c, mark);
        return;
    }
    arena_release(c->scratch, mark.scratch);
    arena_release(c->host, mark.host);
}
