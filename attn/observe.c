/* Into the record of each item's run, of every head: probes' columns, heaviest keys, masses. Reads numbers alone, no
 * tensor. */
#include <math.h>

#include "attn/call.h"

static double mean_of(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i];
    return n > 0 ? sum / (double)n : (double)NAN;
}

static void observe_activations(const attn_request *ask, int b, int head, const attn_stats *stats, observation *o) {
    const attn_place *p = &ask->place;
    unsigned needs = ask->item[b].needs;
    size_t heads = (size_t)p->heads, pair = (size_t)b * heads + (size_t)head, keys = (size_t)p->keys;
    if (needs & NEED_VALUES) {
        o->value_norm = stats->value_norm + pair * keys;
        if (p->projects) o->value_projected = stats->value_projected + pair * keys;
    }
    if (needs & NEED_OUTPUTS) {
        int64_t n = row_range_count(ask->item[b].measured);
        size_t at = (size_t)b * heads * (size_t)p->queries + (size_t)(head * n); /* as attend.c puts it */
        o->output_norm = mean_of(stats->output_norm + at, n);
        o->output_projected = p->projects ? mean_of(stats->output_projected + at, n) : (double)NAN;
    }
    if (needs & NEED_ACTIVATIONS)
        for (int i = 0; i < 2; i++) {
            o->sizes[i] = p->has_input ? stats->input_sizes[i][b] : NAN;
            o->sizes[2 + i] = p->has_context ? stats->context_sizes[i][b] : NAN;
            o->sizes[4 + i] = stats->output_sizes[i][pair];
        }
}

/* What the edit did to the head that is the `at`-th pair of its group. */
static void observe_edit(const item_request *r, int at, const attn_choice *choice, const attn_outcome *e,
                         observation *o) {
    for (int i = 0; i < r->n; i++) o->left_out += choice->of[i].left_out[at];
    o->edited = e->rows > 0 && (e->set.begin[at] < e->set.begin[at + 1] || e->touched[at] > 0);
    if (!o->edited) return;
    o->set_mass_before = e->before[at] / (double)e->rows;
    o->set_mass_after = e->after[at] / (double)e->rows;
    o->dose = sqrt(e->dose[at] / (double)e->rows);
    o->direct_rows = e->direct[at];
    o->set = e->set.key + e->set.begin[at];
    o->set_size = e->set.begin[at + 1] - e->set.begin[at];
    o->query_rows = o->set_size == 0 ? e->touched[at] : 0;
}

static void observe_head(const attn_request *ask, int b, int head, int at, const attn_stats *stats,
                         const attn_choice *choice, const attn_outcome *outcome) {
    const attn_place *p = &ask->place;
    const item_request *r = &ask->item[b];
    const attn_item *item = r->item;
    const attn_measure *m = r->measure;
    size_t keys = (size_t)p->keys, pair = (size_t)b * (size_t)p->heads + (size_t)head;
    const double *mass = stats->mass + pair * keys;
    observation o = {.step = item->step,
                     .block = p->block,
                     .head = head,
                     .keys = p->keys,
                     .branch = item->branch,
                     .mass = mass,
                     .entropy = stats->entropy[pair],
                     .concentration = stats->concentration[pair],
                     .r = m->r,
                     .noop_below = m->noop_below,
                     .run = item->run,
                     .key_class = r->key_class,
                     .segments = p->segments,
                     .n_segments = p->n_segments};
    if (outcome) observe_edit(r, at, choice, outcome, &o);
    observe_activations(ask, b, head, stats, &o);
    if (r->needs & NEED_TOP) attn_run_keep_top(item->run, item->step, p->block, head, item->branch, mass);
    float *columns = attn_run_columns_at(item->run, item->step, p->block, head, item->branch);
    for (int i = 0; i < m->n_probes; columns += m->probe[i++]->n_columns) m->probe[i]->observe(&o, columns);
    if (m->top > 0 || m->keep_masses) attn_run_keep(item->run, item->step, p->block, head, item->branch, mass);
}

/* Where the interventions of an item, whose first pair is number `first` of the group, found something to act on. */
static void count_acted(const item_request *r, int heads, int first, const attn_choice *choice) {
    for (int i = 0; i < r->n; i++) {
        const attn_force *f = &r->force[i];
        const int32_t *begin = choice->of[i].begin + first;
        if (f->rows.begin == f->rows.end) continue;
        for (int h = 0; h < heads; h++)
            if (bits_get(&f->is->heads, h) && (f->is->edit->on == EDIT_ON_NOTHING || begin[h] < begin[h + 1]))
                attn_run_count_acted(r->item->run, f->number);
    }
}

void attn_observe(const attn_request *ask, attn_group group, const attn_stats *stats, const attn_choice *choice,
                  const attn_outcome *outcome) {
    int heads = ask->place.heads;
    for (int i = 0; i < group.items; i++) {
        const item_request *r = &ask->item[group.begin + i];
        const attn_measure *m = r->measure;
        if (choice) count_acted(r, heads, i * heads, choice);
        if (!m || !(m->n_probes || m->top > 0 || m->keep_masses)) continue;
        for (int h = 0; h < heads; h++) observe_head(ask, group.begin + i, h, i * heads + h, stats, choice, outcome);
    }
}
