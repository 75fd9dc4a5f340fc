/* What the interventions in force choose, from the unedited P: keys or query rows. One item's choice does not depend on
 * another's. */
#include "attn/call.h"

/* What a selector sees of item b, but for what differs between interventions. */
static select_input input_of(const attn_request *ask, int b, const attn_stats *stats, const edit_scratch *scratch) {
    const attn_place *p = &ask->place;
    const item_request *r = &ask->item[b];
    return (select_input){.heads = p->heads,
                          .keys = p->keys,
                          .queries = p->queries,
                          .row_max = attn_stat_floats(stats, STAT_ROW_MAX, b),
                          .value_norm =
                              attn_stat_floats(stats, p->projects ? STAT_VALUE_PROJECTED : STAT_VALUE_NORM, b),
                          .key_class = r->key_class,
                          .word = r->word,
                          .words = r->item->words,
                          .segments = p->segments,
                          .n_segments = p->n_segments,
                          .run = r->item->run,
                          .step = r->item->step,
                          .block = p->block,
                          .branch = r->item->branch,
                          .scratch_mass = scratch->select_mass,
                          .scratch_key = scratch->select_key,
                          .scratch_mark = scratch->select_mark};
}

/* What selectors look at, in one read for the whole batch: the only place from which numbers of a call come to a
 * selector. */
static int read_for_selectors(compute *c, const attn_request *ask, attn_stats *stats) {
    host_read *list[] = {
        ask->chooses & NEED_MASS ? &stats->of[STAT_MASS] : NULL,
        ask->chooses & NEED_ROW_MAX ? &stats->of[STAT_ROW_MAX] : NULL,
        !(ask->chooses & NEED_VALUES) ? NULL : &stats->of[ask->place.projects ? STAT_VALUE_PROJECTED : STAT_VALUE_NORM],
    };
    host_read *due[3];
    int n = 0;
    for (int i = 0; i < 3; i++)
        if (list[i]) due[n++] = list[i];
    return op_read(c, c->notes, due, n); /* probes look at them too */
}

/* The masses [heads, keys] that an intervention chooses from: item b's own (NULL where it looks at none), or its
 * baseline's. */
static ss_status masses_for(const attn_intervention *v, const attn_request *ask, int b, const attn_stats *stats,
                            const double **out, ss_error *err) {
    const attn_item *item = ask->item[b].item;
    *out = attn_recalls(v) ? attn_run_recalled(item->run, item->step, ask->place.block, item->branch, err)
                           : attn_stat_doubles(stats, STAT_MASS, b);
    return attn_recalls(v) && !*out ? SS_ERR_INTERNAL : SS_OK;
}

void attn_choose(compute *c, const attn_request *ask, attn_group group, attn_stats *stats, const edit_scratch *scratch,
                 attn_choice *out) {
    ss_error err;
    if (!read_for_selectors(c, ask, stats)) return;
    for (int at = 0; at < group.items; at++) {
        const item_request *r = &ask->item[group.begin + at];
        select_input in = input_of(ask, group.begin + at, stats, scratch);
        for (int i = 0; compute_ok(c) && i < r->n; i++) {
            const attn_force *f = &r->force[i];
            if (f->is->edit->on == EDIT_ON_NOTHING) continue; /* its set is empty */
            key_sets own = out->of[i];
            own.begin += at * in.heads;
            own.left_out += at * in.heads;
            in.row_begin = (int)f->rows.begin;
            in.row_end = (int)f->rows.end;
            in.where = f->is;
            in.k = attn_wanted(f->is, f->is->selector->queries ? in.queries : in.keys);
            in.scope = f->is->scope;
            in.redraw = f->is->redraw;
            in.options = f->is->selector_options;
            in.intervention = f->number;
            if (masses_for(f->is, ask, group.begin + at, stats, &in.mass, &err) != SS_OK ||
                f->is->selector->select(&in, &own, &err) != SS_OK)
                compute_fail(c, &err);
        }
    }
}
