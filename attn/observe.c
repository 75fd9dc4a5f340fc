/* Into the record of each item's run: recalled masses, maps; of every head probes' columns, heaviest keys, masses.
 * Works on numbers that were read. */
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
    size_t keys = (size_t)p->keys;
    if (needs & NEED_VALUES) {
        o->value_norm = attn_stat_floats(stats, STAT_VALUE_NORM, b) + (size_t)head * keys;
        if (p->projects) o->value_projected = attn_stat_floats(stats, STAT_VALUE_PROJECTED, b) + (size_t)head * keys;
    }
    if (needs & NEED_OUTPUTS) {
        int64_t n = row_range_count(ask->item[b].measured), at = head * n;
        o->output_norm = mean_of(attn_stat_floats(stats, STAT_OUTPUT_NORM, b) + at, n);
        o->output_projected =
            p->projects ? mean_of(attn_stat_floats(stats, STAT_OUTPUT_PROJECTED, b) + at, n) : (double)NAN;
    }
    if (needs & NEED_ACTIVATIONS)
        for (int i = 0; i < 2; i++) {
            o->magnitudes[i] = p->has_input ? *attn_stat_floats(stats, STAT_INPUT_LARGEST + i, b) : NAN;
            o->magnitudes[2 + i] = p->has_context ? *attn_stat_floats(stats, STAT_CONTEXT_LARGEST + i, b) : NAN;
            o->magnitudes[4 + i] = attn_stat_floats(stats, STAT_OUTPUT_LARGEST + i, b)[head];
        }
}

/* Sums over the acted rows of one pair; of the dose, of its square. */
typedef struct edit_sums {
    int64_t rows, direct;
    double before, after, dose;
} edit_sums;

static double number_of(const host_read *r, int at) { return ((const double *)r->values)[at]; }
static int64_t count_of(const host_read *r, int at) { return ((const int64_t *)r->values)[at]; }

static edit_sums sums_of(const attn_outcome *e, int at) {
    edit_sums s = {0};
    for (int i = 0; i < e->n_parts; i++) {
        const edit_result *r = &e->part[i];
        double n = (double)r->rows, dose = number_of(&r->dose, at);
        s.rows += r->rows;
        s.before += n * number_of(&r->before, at);
        s.after += n * number_of(&r->after, at);
        s.dose += n * dose * dose;
        s.direct += count_of(&r->direct, at);
    }
    if (e->kept.rows) { /* weights stay as they are */
        s.before = s.after = (double)e->kept.rows * number_of(&e->kept.before, at);
        s.direct = count_of(&e->kept.direct, at);
    }
    if (e->output.rows) { /* that of all edits together */
        double dose = number_of(&e->output.dose, at);
        s.dose = (double)e->output.rows * dose * dose;
        s.rows = e->output.rows;
    }
    return s;
}

/* What the edit did to the head that is the `at`-th pair of its group. */
static void observe_edit(const item_request *r, int at, const attn_choice *choice, const attn_outcome *e,
                         observation *o) {
    edit_sums s = sums_of(e, at);
    for (int i = 0; i < r->n; i++) o->left_out += choice->of[i].left_out[at];
    o->edited = s.rows > 0 && (e->set.begin[at] < e->set.begin[at + 1] || e->touched[at] > 0);
    if (!o->edited) return;
    o->set_mass_before = s.before / (double)s.rows;
    o->set_mass_after = s.after / (double)s.rows;
    o->dose = sqrt(s.dose / (double)s.rows);
    o->direct_rows = s.direct;
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
    const double *masses = r->needs & NEED_MASS ? attn_stat_doubles(stats, STAT_MASS, b) : NULL;
    const double *mass = masses ? masses + (size_t)head * (size_t)p->keys : NULL;
    observation o = {.step = item->step,
                     .block = p->block,
                     .head = head,
                     .keys = p->keys,
                     .branch = item->branch,
                     .mass = mass,
                     .entropy = r->needs & NEED_ENTROPY ? attn_stat_doubles(stats, STAT_ENTROPY, b)[head] : (double)NAN,
                     .concentration = r->needs & NEED_CONCENTRATION
                                          ? attn_stat_doubles(stats, STAT_CONCENTRATION, b)[head]
                                          : (double)NAN,
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

static void observe_group(const attn_request *ask, const noted_group *g, const attn_stats *stats) {
    int heads = ask->place.heads;
    const attn_choice *choice = g->edited ? &g->choice : NULL;
    const attn_outcome *outcome = g->edited ? &g->outcome : NULL;
    for (int i = 0; i < g->group.items; i++) {
        int b = g->group.begin + i;
        const item_request *r = &ask->item[b];
        const attn_measure *m = r->measure;
        if (choice) count_acted(r, heads, i * heads, choice);
        if (!m || !(m->n_probes || m->top > 0 || m->keep_masses)) continue;
        for (int h = 0; h < heads; h++) observe_head(ask, b, h, i * heads + h, stats, choice, outcome);
    }
}

/* ---- what a run keeps of the unedited P for others ---- */

static void recall(const attn_request *ask, int b, const attn_stats *stats) {
    const attn_item *item = ask->item[b].item;
    if (bits_get(&ask->item[b].measure->recall, ask->place.block))
        attn_run_recall(item->run, item->step, ask->place.block, item->branch, attn_stat_doubles(stats, STAT_MASS, b));
}

/* A map's vector: the mean over heads. */
static void keep_map(const attn_request *ask, int b, const host_read *map) {
    const attn_item *item = ask->item[b].item;
    size_t heads = (size_t)ask->place.heads, n = (size_t)map->from.dim[1];
    const double *part = map->values;
    if (!part) return;
    float *out = attn_run_map_at(item->run, item->step, ask->place.block);
    for (size_t x = 0; x < n; x++) {
        double sum = 0;
        for (size_t h = 0; h < heads; h++) sum += part[h * n + x];
        out[x] = (float)(sum / (double)heads);
    }
}

void attn_observe(const noted_call *call) {
    const attn_request *ask = &call->ask;
    for (int b = 0; b < ask->place.batch; b++) {
        if (!ask->item[b].measure) continue;
        recall(ask, b, &call->stats);
        keep_map(ask, b, &call->stats.map[b]);
    }
    for (const noted_group *g = call->first; g; g = g->next) observe_group(ask, g, &call->stats);
}
