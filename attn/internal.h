/* What the files of attn/ share among themselves: the run's insides and the helpers of selectors and probes. */
#ifndef ATTN_INTERNAL_H
#define ATTN_INTERNAL_H

#include "attn/run.h"

/* ---- the run, for attn.c ---- */
const attn_program *attn_run_program(const attn_run *run); /* NULL = none */
const attn_measure *attn_run_measure(const attn_run *run);

/* Room for the columns of a site. */
float *attn_run_columns_at(attn_run *run, int step, int block, int head, attn_branch branch);
/* Keep what the measure asks of a site's masses [keys]: the largest, all of them. */
void attn_run_keep(attn_run *run, int step, int block, int head, attn_branch branch, const double *mass);

/* ---- keys ---- */

/* The k largest of mass[n] by falling mass, the lower index first among equals; returns how many (k, or n). */
int attn_largest_keys(const double *mass, int n, int k, int32_t *out);

/* The set of `head`, whose predecessors are there already: `n` keys, put in ascending order. */
void attn_sets_put(key_sets *out, int head, const int32_t *keys, int n);

/* How many keys a set holds: k, or for SCOPE_LAYER k x heads. */
static inline int attn_set_size(const select_input *in) { return in->scope == SCOPE_LAYER ? in->k * in->heads : in->k; }

/* Largest keys in the selector's scope for a head (any head where the scope is a layer) into out; the number. `room`:
 * [keys]. */
int attn_scope_largest(const select_input *in, double *room, int head, int32_t *out);

/* ---- what the tables' rows name; each in the file of its name ---- */
ss_status attn_select_top(const select_input *in, key_sets *out, ss_error *err);
ss_status attn_select_random(const select_input *in, key_sets *out, ss_error *err);
ss_status attn_select_index(const select_input *in, key_sets *out, ss_error *err);
ss_status attn_select_index_check(const option_value *options, int k, const attn_segment *segments, int n,
                                  ss_error *err);
extern const option ATTN_SELECT_RANDOM_OPTIONS[], ATTN_SELECT_INDEX_OPTIONS[];

void attn_edit_mask(const option_value *options, edit_step *step);
void attn_edit_scale(const option_value *options, edit_step *step);
void attn_edit_zero(const option_value *options, edit_step *step);
extern const option ATTN_EDIT_SCALE_OPTIONS[];

void attn_probe_mass(const observation *o, float *columns);
void attn_probe_entropy(const observation *o, float *columns);
void attn_probe_concentration(const observation *o, float *columns);
void attn_probe_reduction(const observation *o, float *columns);

#endif
