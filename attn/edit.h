/* The edit of an attention call, between attn.c, which measures and observes, and edit.c, which chooses and changes. */
#ifndef ATTN_EDIT_H
#define ATTN_EDIT_H

#include "attn/internal.h"

/* A range of query rows. */
typedef struct row_range {
    int64_t begin, end;
} row_range;

/* What the kernel reports about the whole batch; [B, H, ..] as in attention_stats. */
typedef struct call_stats {
    double *mass, *entropy, *concentration, *lse;
    float *row_max;
    /* NEED_VALUES: |v|, |W_O v| [B, H, Nk]; NEED_OUTPUTS: |o|, |W_O o| [B, H Nq], of the item's measured rows;
     * projected lengths only where the call has W_O */
    float *value_norm, *value_projected, *output_norm, *output_projected;
    /* NEED_ACTIVATIONS: largest, then 95th percentile: of the inputs [B], of the output [B, H] */
    float *input_sizes[2], *context_sizes[2], *output_sizes[2];
    uint8_t *image_class; /* [Nk] KEY_IMAGE, of self-attention */
} call_stats;

/* Classes of an item's keys in this call. */
static inline const uint8_t *attn_key_classes(const attn_call *call, const attn_item *item, const call_stats *stats) {
    return call->kind == ATTN_SELF ? stats->image_class : item->key_class;
}

/* Room for all of them. */
void attn_allocate_stats(compute *c, const attn_call *call, call_stats *out);

/* Lengths and sizes of the call's unedited activations, as far as `needs` asks. */
void attn_measure_activations(compute *c, const attn_call *call, unsigned needs, const call_stats *stats);

/* What the probes of item b see of them. */
void attn_observe_activations(const attn_call *call, int b, int head, unsigned needs, const call_stats *stats,
                              observation *o);

/* Batch items side by side with the same interventions in force: which these are, what they chose, what came of it.
 * Every item chooses and is edited as if it were alone; pairs are (item, head), items heads of them. */
typedef struct item_edit {
    int begin, items; /* batch items begin .. begin + items */
    int n;            /* interventions in force; 0 = nothing is edited */
    const attn_intervention *intervention[EDIT_MAX_STEPS];
    int number[EDIT_MAX_STEPS];                /* their indices in the program */
    row_range range[EDIT_MAX_STEPS];           /* the query rows they act on */
    key_sets chosen[EDIT_MAX_STEPS];           /* per intervention, keys or query rows */
    key_sets set;                              /* the union of the sets of keys at hand */
    uint8_t *member, *mark;                    /* [pairs keys] as attention_edit.member; [keys] */
    float *noise;                              /* [pairs keys, width] as attention_edit.noise */
    normal_run *draw;                          /* [pairs keys] room for what is drawn at a time */
    double *before, *after, *dose;             /* [pairs] sums over rows; dose squared */
    double *new_before, *new_after, *new_dose; /* [pairs] of one operation */
    int64_t *direct, *new_direct;
    int64_t rows; /* acted on, of every item */
    /* edits of the output */
    int n_outputs;
    double *amount[EDIT_MAX_STEPS]; /* per intervention that edits the output: [pairs, rows] */
    double *rest, *push;            /* [pairs, rows] of one preview */
    float *direction;               /* [pairs, rows, width] as attention_output.direction */
    tensor original;                /* a copy of the output before any edit */
    int *touched;                   /* [pairs] query rows chosen, or 1 where an edit acts without choosing */
    double *room_mass;              /* the selectors' room */
    int32_t *room_key;
    uint8_t *room_mark;
} item_edit;

/* `n` elements of scratch, or NULL and the context's error. */
void *attn_room(compute *c, size_t n, size_t size);
/* The same with every byte set, where scratch is more than counted. */
void *attn_room_of(compute *c, size_t n, size_t size, int byte);

/* One batch item of the call's operands, or several. */
attention_args attn_slice(const attention_args *a, int begin, int n);

/* The query rows of a kind: the run of its segments, which must be one. Empty where the call has none. */
ss_status attn_find_rows(const attn_call *call, attn_rows rows, row_range *out, ss_error *err);

/* How many items of the call are edited at a time, at most. */
int attn_edit_most_items(const attn_call *call);

/* Room for an edit (e->items, e->n and e->n_outputs are set); 0 and the context's error where there is none. */
int attn_edit_allocate(compute *c, const attn_call *call, item_edit *e);

/* Choose and change: all interventions in force (e->n > 0). */
void attn_edit_items(compute *c, const attn_call *call, const call_stats *stats, item_edit *e);

#endif
