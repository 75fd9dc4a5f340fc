/* What the interventions in force choose, from the unedited P: keys or query rows. One item's choice does not depend on
 * another's. */
#include "attn/call.h"

/* What a selector sees of item b, but for what differs between interventions. */
static select_input input_of(const attn_request *ask, int b, const attn_stats *stats, const edit_scratch *scratch) {
    const attn_place *p = &ask->place;
    const item_request *r = &ask->item[b];
    size_t keys = (size_t)p->keys, pair = (size_t)b * (size_t)p->heads;
    return (select_input){.heads = p->heads,
                          .keys = p->keys,
                          .queries = p->queries,
                          .row_max = stats->row_max + pair * (size_t)p->queries,
                          .value_norm = (p->projects ? stats->value_projected : stats->value_norm) + pair * keys,
                          .key_class = r->key_class,
                          .word = r->word,
                          .words = r->item->words,
                          .segments = p->segments,
                          .n_segments = p->n_segments,
                          .run = r->item->run,
                          .step = r->item->step,
                          .block = p->block,
                          .branch = r->item->branch,
                          .room_mass = scratch->select_mass,
                          .room_key = scratch->select_key,
                          .room_mark = scratch->select_mark};
}

/* The masses [heads, keys] that an intervention chooses from: item b's own, or its baseline's. NULL and an error. */
static const double *masses_for(const attn_intervention *v, const attn_request *ask, int b, const attn_stats *stats,
                                ss_error *err) {
    const attn_place *p = &ask->place;
    const attn_item *item = ask->item[b].item;
    if (attn_recalls(v)) return attn_run_recalled(item->run, item->step, p->block, item->branch, err);
    return stats->mass + (size_t)b * (size_t)p->heads * (size_t)p->keys;
}

void attn_choose(compute *c, const attn_request *ask, attn_group group, const attn_stats *stats,
                 const edit_scratch *scratch, attn_choice *out) {
    ss_error err;
    for (int at = 0; at < group.items; at++) {
        const item_request *r = &ask->item[group.begin + at];
        select_input in = input_of(ask, group.begin + at, stats, scratch);
        for (int i = 0; compute_ok(c) && i < r->n; i++) {
            const attn_force *f = &r->force[i];
            key_sets own = out->of[i];
            own.begin += at * in.heads;
            own.left_out += at * in.heads;
            in.row_begin = (int)f->rows.begin;
            in.row_end = (int)f->rows.end;
            in.mass = masses_for(f->is, ask, group.begin + at, stats, &err);
            in.where = f->is;
            in.k = attn_wanted(f->is, f->is->selector->queries ? in.queries : in.keys);
            in.scope = f->is->scope;
            in.redraw = f->is->redraw;
            in.options = f->is->selector_options;
            in.intervention = f->number;
            if (!in.mass || f->is->selector->select(&in, &own, &err) != SS_OK) compute_fail(c, &err);
        }
    }
}
