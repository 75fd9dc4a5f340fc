/* The values that the stages of attn_forward pass on:
 *
 *   attn_ask      the call and its batch        -> attn_request   what is measured and changed for each item
 *   attn_attend   the operands, the request     -> attn_stats     what the backend reports of the unedited P
 *   attn_choose   a group of items, the stats   -> attn_choice    the keys or query rows of each intervention
 *   attn_change   the operands, the choice      -> attn_outcome   the edited output, and what the edit did
 *   attn_observe  request, stats, outcome       -> the record of the item's run
 *
 * Only attn_ask reads the call. attn_observe reads no tensor: it needs numbers alone, so it may come later than the
 * call. Pairs are (item, head), `heads` of them an item. Arrays lie in the context's scratch and last as long as the
 * call. */
#ifndef ATTN_CALL_H
#define ATTN_CALL_H

#include "attn/internal.h"

/* A range of query rows. */
typedef struct row_range {
    int64_t begin, end;
} row_range;

static inline int64_t row_range_count(row_range r) { return r.end - r.begin; }

/* The place of a call, and its dimensions. */
typedef struct attn_place {
    int block;
    int batch, heads, queries, keys, width;
    const attn_segment *segments; /* of the keys */
    int n_segments;
    int projects; /* 1 = lengths after the output projection can be had */
    int has_input, has_context;
} attn_place;

/* An intervention in force at an item. */
typedef struct attn_force {
    const attn_intervention *is;
    int number;     /* its index in the program */
    row_range rows; /* that it acts on */
} attn_force;

/* The request of one batch item. */
typedef struct item_request {
    const attn_item *item;
    unsigned needs;              /* NEED_*: its probes', the record's, the selectors' */
    const attn_measure *measure; /* NULL = nothing is measured */
    row_range measured;          /* Q; empty where nothing is measured */
    int n;                       /* interventions in force; 0 = nothing is edited */
    attn_force force[EDIT_MAX_STEPS];
    const uint8_t *key_class; /* [keys] */
    const char *(*word)(const void *words, attn_branch branch, int key);
} item_request;

typedef struct attn_request {
    attn_place place;
    row_range image_rows,
        text_rows;      /* the queries of each kind; found where interventions of an item differ in theirs */
    unsigned needs;     /* of all items together */
    item_request *item; /* [batch] */
} attn_request;

/* ask.c. Errors go to the context. Where the backend computes shapes alone, the items are not filled. */
void attn_ask(compute *c, const attn_call *call, attn_request *out);

/* Whether the interventions of an item name different query rows. */
int attn_rows_differ(const item_request *item);

/* Tensors of a call. */
typedef struct attn_operands {
    attention_args args;
    tensor block_input, block_context; /* or none */
    attn_gram *gram;                   /* or NULL */
} attn_operands;

/* What was measured of the whole batch; [B, H, ..] as in attention_stats. */
typedef struct attn_stats {
    double *mass, *entropy, *concentration, *lse;
    float *row_max;
    /* NEED_VALUES: |v|, |W_O v| [B, H, Nk]; NEED_OUTPUTS: |o|, |W_O o| [B, H Nq], of the item's measured rows;
     * projected lengths only where the call has W_O */
    float *value_norm, *value_projected, *output_norm, *output_projected;
    /* NEED_ACTIVATIONS: largest, then 95th percentile: of the inputs [B], of the output [B, H] */
    float *input_sizes[2], *context_sizes[2], *output_sizes[2];
} attn_stats;

/* ---- attend.c ---- */

/* Scratch for all of them. */
void attn_allocate_stats(compute *c, const attn_place *place, attn_stats *out);

/* The kernel, and those lengths and magnitudes of unedited activations that were requested. */
void attn_attend(compute *c, const attn_operands *operands, const attn_request *ask, const attn_stats *out);

/* Only the lengths and magnitudes in `needs`. */
void attn_measure_activations(compute *c, const attn_operands *operands, const attn_request *ask, unsigned needs,
                              const attn_stats *out);

/* What item b's run keeps of the unedited P for others: masses for its conditions, a vector of P for a map. */
void attn_keep(compute *c, const attn_operands *operands, const attn_request *ask, int b, const attn_stats *stats);

/* One batch item of the operands, or several. */
attention_args attn_slice(const attention_args *a, int begin, int n);

/* ---- choose.c, change.c ---- */

/* Batch items side by side under the same interventions. Every item chooses and is edited as if it were alone. */
typedef struct attn_group {
    int begin, items;
} attn_group;

/* What each intervention in force chose, by pairs: keys or query rows. */
typedef struct attn_choice {
    key_sets of[EDIT_MAX_STEPS];
} attn_choice;

/* What the edit did; arrays by pairs. */
typedef struct attn_outcome {
    int64_t rows;                  /* acted on, of every item */
    double *before, *after, *dose; /* sums over rows; of the dose, of its square */
    int64_t *direct;
    int *touched; /* query rows chosen, or 1 where an edit acts without choosing */
    key_sets set; /* the union of the sets of keys */
} attn_outcome;

/* Working arrays of an edit. */
typedef struct edit_scratch {
    double *select_mass; /* the selectors' own, as in select_input */
    int32_t *select_key;
    uint8_t *select_mark;
    uint8_t *member, *mark;        /* [pairs keys] as attention_edit.member; [keys] */
    float *noise;                  /* [pairs keys, width] as attention_edit.noise */
    normal_run *draw;              /* [pairs keys] runs that are drawn together */
    double *before, *after, *dose; /* [pairs] of one operation */
    int64_t *direct;
    /* edits of the output */
    double *amount[EDIT_MAX_STEPS]; /* per intervention that edits the output: [pairs, rows] */
    double *rest, *push;            /* [pairs, rows] of one preview */
    float *direction;               /* [pairs, rows, width] as attention_output.direction */
    tensor original;                /* [items, rows, heads, width]: the output before any edit */
} edit_scratch;

/* How many items of a call are edited at a time, at most. */
int attn_edit_most_items(const attn_place *place);

/* Scratch for the edit of `items` items under n interventions, n_outputs of which edit the output; 0 and the context's
 * error where there is none. */
int attn_edit_allocate(compute *c, const attn_place *place, int items, int n, int n_outputs, attn_choice *choice,
                       edit_scratch *scratch, attn_outcome *outcome);

/* The sets of all interventions in force, from the unedited P. */
void attn_choose(compute *c, const attn_request *ask, attn_group group, const attn_stats *stats,
                 const edit_scratch *scratch, attn_choice *out);

/* Apply the chosen edits to the output. `lse` of the whole batch. */
void attn_change(compute *c, const attn_operands *operands, const attn_request *ask, attn_group group,
                 const attn_choice *choice, const double *lse, edit_scratch *scratch, attn_outcome *out);

/* How many interventions of an item edit the output. */
int attn_output_edits(const item_request *item);

/* ---- observe.c ---- */

/* Into the record of the group's runs: where interventions acted, probes' columns, heaviest keys, masses. choice and
 * outcome: NULL where nothing is edited. */
void attn_observe(const attn_request *ask, attn_group group, const attn_stats *stats, const attn_choice *choice,
                  const attn_outcome *outcome);

/* ---- scratch ---- */

/* `n` elements of scratch, or NULL and the context's error. */
void *attn_scratch(compute *c, size_t n, size_t size);
/* The same with every byte set, where scratch is more than counted. */
void *attn_scratch_of(compute *c, size_t n, size_t size, int byte);

#endif
