/* What the calls of a pass measured, from the call to the read at the end of the pass. Lies in the context's memory of
 * a pass (notes; results in kept). */
#include "attn/call.h"

noted_call *attn_note_call(compute *c, attn_pending *pending, const attn_request *ask, const attn_stats *stats) {
    noted_call *n = attn_notes(c, 1, sizeof *n);
    if (!n) return NULL;
    *n = (noted_call){.ask = *ask, .stats = *stats};
    if (pending->last) pending->last->next = n;
    else pending->first = n;
    pending->last = n;
    return n;
}

static key_sets copy_sets(compute *c, const key_sets *s, size_t pairs) {
    return (key_sets){.begin = attn_notes_copy(c, s->begin, pairs + 1, sizeof *s->begin),
                      .key = attn_notes_copy(c, s->key, (size_t)s->begin[pairs], sizeof *s->key),
                      .left_out = attn_notes_copy(c, s->left_out, pairs, sizeof *s->left_out)};
}

void attn_note_group(compute *c, noted_call *call, attn_group group, const attn_choice *choice,
                     const attn_outcome *outcome) {
    size_t pairs = (size_t)group.items * (size_t)call->ask.place.heads;
    noted_group *n = attn_notes(c, 1, sizeof *n);
    if (!n) return;
    *n = (noted_group){.group = group, .edited = outcome != NULL};
    if (outcome) {
        n->outcome = *outcome;
        n->outcome.touched = attn_notes_copy(c, outcome->touched, pairs, sizeof *outcome->touched);
        n->outcome.set = copy_sets(c, &outcome->set, pairs);
        for (int i = 0; i < call->ask.item[group.begin].n; i++) n->choice.of[i] = copy_sets(c, &choice->of[i], pairs);
    }
    if (call->last) call->last->next = n;
    else call->first = n;
    call->last = n;
}

/* ---- reading ---- */

/* A list that grows; without memory for it, it only counts. */
typedef struct read_list {
    host_read **at;
    int n;
} read_list;

static void list_read(read_list *l, host_read *r) {
    if (l->at) l->at[l->n] = r;
    l->n++;
}

static void list_result(read_list *l, edit_result *r) {
    list_read(l, &r->before);
    list_read(l, &r->after);
    list_read(l, &r->dose);
    list_read(l, &r->direct);
}

static void list_group(read_list *l, noted_group *g) {
    for (int i = 0; i < g->outcome.n_parts; i++) list_result(l, &g->outcome.part[i]);
    list_result(l, &g->outcome.kept);
    list_result(l, &g->outcome.output);
}

/* Everything but what only the call itself needed. */
static void list_call(read_list *l, noted_call *n) {
    for (int i = 0; i < STAT_COUNT; i++)
        if (attn_stat_outlives_call(i)) list_read(l, &n->stats.of[i]);
    for (int b = 0; b < n->ask.place.batch; b++) list_read(l, &n->stats.map[b]);
    for (noted_group *g = n->first; g; g = g->next)
        if (g->edited) list_group(l, g);
}

static void list_all(read_list *l, const attn_pending *p, host_read *const *more, int n) {
    l->n = 0;
    for (int i = 0; i < n; i++) list_read(l, more[i]);
    for (noted_call *call = p->first; call; call = call->next) list_call(l, call);
}

int attn_read(compute *c, attn_pending *pending, host_read *const *more, int n) {
    const attn_pending p = *pending;
    read_list l = {0};
    *pending = (attn_pending){0};
    if (!compute_ok(c)) return 0;
    if (!compute_has_values(c)) return 1;
    list_all(&l, &p, more, n);
    l.at = attn_scratch(c, (size_t)l.n, sizeof *l.at);
    if (!l.at) return 0;
    list_all(&l, &p, more, n);
    if (!op_read(c, c->host, l.at, l.n)) return 0;
    for (const noted_call *call = p.first; call; call = call->next) attn_observe(call);
    return 1;
}
