/* The attention call: ask -> attend and choose -> change and observe (call.h). q, k and v are accessed only by the
 * backend's operations; the runs attached to the batch say what is requested. Statistics are those of the unedited P;
 * each item of a batch is measured and edited as if it were alone. `out` does not change where nothing is requested. */
#include "attn/attn.h"

#include "attn/call.h"
#include "tensor/backend.h"

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
    op_head_norms(c, one.out, attn_gram_values(c, o->gram, p->heads), stats->output_norm,
                  stats->output_projected); /* as if all rows were measured */
    op_sizes(c, one.out, stats->output_sizes[0], stats->output_sizes[1]);
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

/* Choose, change and observe. */
static void finish_group(compute *c, const attn_operands *o, const attn_request *ask, attn_group group,
                         const attn_stats *stats) {
    const item_request *first = &ask->item[group.begin];
    attn_choice choice;
    edit_scratch scratch;
    attn_outcome outcome;
    if (first->n == 0) {
        attn_observe(ask, group, stats, NULL, NULL);
        return;
    }
    if (!attn_edit_allocate(c, &ask->place, group.items, first->n, attn_output_edits(first), &choice, &scratch,
                            &outcome))
        return;
    attn_choose(c, ask, group, stats, &scratch, &choice);
    if (compute_ok(c)) attn_change(c, o, ask, group, &choice, stats->lse, &scratch, &outcome);
    if (compute_ok(c)) attn_observe(ask, group, stats, &choice, &outcome);
}

static void finish(compute *c, const attn_operands *o, const attn_request *ask, const attn_stats *stats) {
    int most = attn_edit_most_items(&ask->place), b = 0;
    for (; compute_ok(c) && b < ask->place.batch; b++) attn_keep(c, o, ask, b, stats);
    for (b = 0; compute_ok(c) && b < ask->place.batch;) {
        attn_group group = next_group(ask, b, most);
        arena_mark mark = arena_get_mark(c->scratch);
        finish_group(c, o, ask, group, stats);
        arena_release(c->scratch, mark);
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
    attn_request ask;
    attn_stats stats;
    arena_mark mark = arena_get_mark(c->scratch);
    attn_ask(c, call, &ask);
    attn_allocate_stats(c, &ask.place, &stats); /* whether or not asked for, so that a count of scratch has it */
    if (compute_ok(c) && c->be->counts) account(c, &operands, &ask, &stats);
    else if (compute_ok(c)) {
        attn_attend(c, &operands, &ask, &stats);
        finish(c, &operands, &ask, &stats);
    }
    arena_release(c->scratch, mark);
}
