/* The values that the stages of attn_forward pass on:
 *
 *   attn_ask      the call and its batch        -> attn_request   what is measured and changed for each item
 *   attn_attend   the operands, the request     -> attn_stats     what the backend reports of the unedited P
 *   attn_choose   a group of items, the stats   -> attn_choice    the keys or query rows of each intervention
 *   attn_change   the operands, the choice      -> attn_outcome   the edited output, and what the edit did
 *   attn_observe  request, stats, outcome       -> the record of the item's run
 *
 * Only attn_ask reads the call. Stats and outcomes are results in the backend's memory until they are read (op_read):
 * by attn_choose and attn_change what they need at once, all others together before attn_observe, at the end of the
 * pass or of the call (attn_pending). Pairs are (item, head), `heads` of them an item. What attn_observe needs lies in
 * the context's memory of a pass (kept, notes), the rest in that of the call (scratch, host). */
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
    unsigned chooses;   /* those of them that selectors look at */
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

/* What can be reported of a whole batch; the table in attend.c has their shapes. */
typedef enum attn_stat {
    STAT_MASS,
    STAT_ENTROPY,
    STAT_CONCENTRATION,
    STAT_LSE,
    STAT_ROW_MAX,
    STAT_VALUE_NORM, /* |v|, and |W_O v| where the call has W_O */
    STAT_VALUE_PROJECTED,
    STAT_OUTPUT_NORM, /* |o|, |W_O o| of the item's measured rows, [H, rows] at the beginning of its line */
    STAT_OUTPUT_PROJECTED,
    STAT_INPUT_LARGEST, /* magnitudes of the block's image input */
    STAT_INPUT_P95,
    STAT_CONTEXT_LARGEST, /* of its text input */
    STAT_CONTEXT_P95,
    STAT_OUTPUT_LARGEST, /* of the unedited output */
    STAT_OUTPUT_P95,
    STAT_COUNT
} attn_stat;

typedef struct attn_stats {
    host_read of[STAT_COUNT]; /* none: not asked for */
    host_read *map;           /* [batch]: a map's vector of P of every head [heads, n], TENSOR_F64; or none */
} attn_stats;

/* Whether a result is still looked at after the call. */
int attn_stat_outlives_call(attn_stat stat);

/* The numbers of a batch item that were read; NULL where there are none. */
const double *attn_stat_doubles(const attn_stats *stats, attn_stat stat, int item);
const float *attn_stat_floats(const attn_stats *stats, attn_stat stat, int item);

/* ---- attend.c ---- */

/* Memory for those in `needs`. */
void attn_allocate_stats(compute *c, const attn_place *place, unsigned needs, attn_stats *out);

/* The kernel, those lengths and magnitudes of unedited activations that were requested, and the maps' vectors of P. */
void attn_attend(compute *c, const attn_operands *operands, const attn_request *ask, const attn_stats *out);

/* Only the lengths and magnitudes in `needs`. */
void attn_measure_activations(compute *c, const attn_operands *operands, const attn_request *ask, unsigned needs,
                              const attn_stats *out);

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

/* What one operation did to some rows: results [pairs], as in attention_edit. */
typedef struct edit_result {
    int64_t rows;
    host_read before, after, dose, direct;
} edit_result;

/* What the edit did; arrays by pairs. */
typedef struct attn_outcome {
    edit_result part[2]; /* of score and value edits, by kinds of rows */
    int n_parts;
    edit_result kept;   /* of the last preview, where edits of the output alone are in force; else rows = 0 */
    edit_result output; /* the dose of the edits of the output; rows = 0 where there are none */
    int *touched;       /* query rows chosen, or 1 where an edit acts without choosing */
    key_sets set;       /* the union of the sets of keys */
} attn_outcome;

/* Working arrays of an edit. */
typedef struct edit_scratch {
    double *select_mass; /* the selectors' own, as in select_input */
    int32_t *select_key;
    uint8_t *select_mark;
    uint8_t *member, *mark; /* [pairs keys] as attention_edit.member; [keys] */
    tensor noise;           /* [pairs keys, width] as attention_edit.noise */
    gaussian_run *draw;     /* [pairs keys] runs that are drawn together */
    /* edits of the output */
    double *amount[EDIT_MAX_STEPS]; /* per intervention that edits the output: [pairs, rows] */
    tensor rest, push;              /* [pairs, rows] of one preview */
    tensor direction;               /* [pairs, rows, width] as attention_output.direction */
    tensor original;                /* [items, rows, heads, width]: the output before any edit */
} edit_scratch;

/* How many items of a call are edited at a time, at most. */
int attn_edit_most_items(const attn_place *place);

/* Memory for the edit of `items` items under n interventions, n_outputs of which edit the output; 0 and the context's
 * error where there is none. */
int attn_edit_allocate(compute *c, const attn_place *place, int items, int n, int n_outputs, attn_choice *choice,
                       edit_scratch *scratch, attn_outcome *outcome);

/* The sets of all interventions in force, from the unedited P; what selectors look at is read first, of the whole
 * batch. */
void attn_choose(compute *c, const attn_request *ask, attn_group group, attn_stats *stats, const edit_scratch *scratch,
                 attn_choice *out);

/* Apply the chosen edits to the output. */
void attn_change(compute *c, const attn_operands *operands, const attn_request *ask, attn_group group,
                 const attn_choice *choice, attn_stats *stats, edit_scratch *scratch, attn_outcome *out);

/* How many interventions of an item edit the output. */
int attn_output_edits(const item_request *item);

/* ---- pending.c ---- */

/* What is noted of a group until it is observed. */
typedef struct noted_group {
    struct noted_group *next;
    attn_group group;
    int edited; /* 1 = choice and outcome are there */
    attn_choice choice;
    attn_outcome outcome;
} noted_group;

/* What is noted of a call. */
typedef struct noted_call {
    struct noted_call *next;
    attn_request ask;
    attn_stats stats;
    noted_group *first, *last;
} noted_call;

/* A call that waits to be observed; NULL and the context's error. */
noted_call *attn_note_call(compute *c, attn_pending *pending, const attn_request *ask, const attn_stats *stats);
/* A group of it; choice and outcome are copied, both NULL where nothing is edited. */
void attn_note_group(compute *c, noted_call *call, attn_group group, const attn_choice *choice,
                     const attn_outcome *outcome);

/* ---- observe.c ---- */

/* Into the records of the runs: recalled masses and maps of the call; then group by group where interventions acted,
 * probes' columns, heaviest keys, masses. Everything was read. */
void attn_observe(const noted_call *call);

/* ---- memory ---- */

/* `n` elements of the host's memory of a call, or NULL and the context's error. */
void *attn_scratch(compute *c, size_t n, size_t size);
/* The same, of zeros. */
void *attn_scratch_zeroed(compute *c, size_t n, size_t size);
/* Elements of the host's memory of a pass, and a copy there. */
void *attn_notes(compute *c, size_t n, size_t size);
void *attn_notes_copy(compute *c, const void *from, size_t n, size_t size);

#endif
