/* What the files of attn/ share among themselves: the run's insides and the helpers of selectors and probes. */
#ifndef ATTN_INTERNAL_H
#define ATTN_INTERNAL_H

#include "attn/run.h"

/* ---- the run, for attn.c ---- */
const attn_measure *attn_run_measure(const attn_run *run);

/* A call of these sizes at a block: 0 where the record does not hold it, or the block's calls had other dimensions. */
int attn_run_visit(attn_run *run, int block, int64_t heads, int64_t keys);

/* One site more at which an intervention acted. */
void attn_run_count_acted(attn_run *run, int intervention);

/* Room for the columns of a site. */
float *attn_run_columns_at(attn_run *run, int step, int block, int head, attn_branch branch);
/* Record a site's masses [keys] as the measure says: the largest, all of them. */
void attn_run_keep(attn_run *run, int step, int block, int head, attn_branch branch, const double *mass);

/* Keep the r heaviest keys of a site for attn_run_top. */
void attn_run_keep_top(attn_run *run, int step, int block, int head, attn_branch branch, const double *mass);

/* Room for the map's vector at a step and block. */
float *attn_run_map_at(attn_run *run, int step, int block);

/* Record the masses [heads, keys] of a call where the measure recalls them. */
void attn_run_recall(attn_run *run, int step, int block, attn_branch branch, const double *mass);
/* What the run's baseline kept: [heads, keys], or NULL and an error. */
const double *attn_run_recalled(const attn_run *run, int step, int block, attn_branch branch, ss_error *err);

/* Of an intervention in global scope: the smallest mass that belongs to its set at this step of a branch (masses equal
 * to it all belong). */
double attn_run_threshold(attn_run *run, int intervention, const attn_intervention *v, int step, attn_branch branch);

/* Marks [keys] that a selector keeps from step to step, for one head of an intervention; all 0 at first. NULL and an
 * error where there is no memory. */
uint8_t *attn_run_marks(attn_run *run, int intervention, int block, int head, attn_branch branch, ss_error *err);

/* ---- keys ---- */

/* The k largest of mass[n] by falling mass, the lower index first among equals; returns how many (k, or n). Where some
 * are NaN: k different ones, the same every time. */
int attn_largest_keys(const double *mass, int n, int k, int32_t *out);

/* The set of `head`, whose predecessors are there already: `n` keys, put in ascending order. */
void attn_sets_put(key_sets *out, int head, const int32_t *keys, int n);

/* How many keys a set holds: k, for SCOPE_LAYER k x heads; for SCOPE_GLOBAL as many as reach the threshold, at most
 * half of the keys. */
int attn_set_size(const select_input *in, int head);

/* Whether `head` has a set of its own, rather than that of head 0. */
static inline int attn_own_set(const select_input *in, int head) { return head == 0 || in->scope != SCOPE_LAYER; }

/* The masses [keys] that rank keys in the selector's scope: a head's own, or in the scope of a layer their sum over
 * heads, written to scratch[keys]. */
const double *attn_scope_mass(const select_input *in, double *scratch, int head);

/* Largest keys in the selector's scope for a head (any head where the scope is a layer) into out; the number. `scratch`
 * (scratch): [keys]. */
int attn_scope_largest(const select_input *in, double *scratch, int head, int32_t *out);

/* Sets of the largest keys among those that `wanted` names, as many as a set holds or as there are. */
void attn_select_among(const select_input *in, int (*wanted)(const select_input *in, int key), key_sets *out);

/* The stream of a selector's draw: without the step where one set serves the run, without the head where one serves
 * the layer. k is not part of the name: sets of growing k nest. */
static inline void attn_selector_stream(const select_input *in, const char *name, int head, philox *out) {
    attn_run_stream(in->run, name, in->redraw == REDRAW_RUN ? -1 : in->step, in->block,
                    in->scope == SCOPE_LAYER ? -1 : head, in->branch, out);
}

/* Place i of a random order of order[n], whose places before i are drawn already (Fisher and Yates). */
void attn_shuffle_next(philox *r, int32_t *order, int n, int i);

/* ---- the tables' rows, each in the file of its name ---- */
#define SELECTOR(id) extern const attn_selector attn_selector_##id;
#define EDIT(id) extern const attn_edit attn_edit_##id;
#define PROBE(id) extern const attn_probe attn_probe_##id;
#include "attn/rows.def"

#endif
