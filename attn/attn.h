/* THE attention: the one place where q meets k.
 *
 * Every network describes its attention calls with an attn_call and hands them to attn_forward. What is measured
 * and what is changed there is not the network's business: it travels beside the batch, in one attn_item per batch
 * element, and is carried out here: kernel -> selectors (on the unedited P) -> edits (rank-k) -> probes.
 *
 * This folder never touches the elements of q, k, v: the kernel and the rank-k correction are operations of the
 * backend (tensor/compute.h). What they report of keys and rows are results in the backend's memory, which the host
 * reads: at once what a selector looks at, everything else together at the end of the pass. */
#ifndef ATTN_ATTN_H
#define ATTN_ATTN_H

#include <stdint.h>
#include "base/option.h"
#include "tensor/compute.h"

/* ---- the call: what a network says ---- */

typedef enum segment_kind { SEGMENT_IMAGE, SEGMENT_TEXT } segment_kind;

/* A run of consecutive tokens of one origin. Order differs between networks, so an index without its segment means
 * nothing. Image [0, h w), then the text of one encoder, then that of another, say. */
typedef struct attn_segment {
    segment_kind kind;
    const char *name; /* given by the network: "image", "clip"; static storage */
    int start, length;
    int grid_width; /* image segments: tokens per row, so that a key is named (row, column); else 0 */
} attn_segment;

enum { ATTN_MAX_SEGMENTS = 8 };

typedef enum attn_kind { ATTN_JOINT, ATTN_SELF, ATTN_CROSS } attn_kind;
extern const entry ATTN_KINDS[]; /* their names and what they are, in this order */
extern const int ATTN_KIND_COUNT;

typedef enum attn_branch { BRANCH_COND, BRANCH_UNCOND } attn_branch; /* guidance branches */

/* What a key is (METHOD.md, section 2). Image keys are KEY_IMAGE; text keys have the class of their token. */
typedef enum key_class { KEY_IMAGE, KEY_START, KEY_WORD, KEY_END, KEY_PADDING } key_class;
enum { KEY_CLASSES = 5 };

typedef struct attn_run attn_run; /* run.h: one image during denoising: its program, random streams and record */

/* One element of the batch: whose it is, where in sampling it stands. */
typedef struct attn_item {
    attn_run *run; /* NULL = neither measured nor changed */
    int step;      /* 0 = noisiest */
    attn_branch branch;
    /* [N_k] of a studied call's keys, values of key_class; owned by the pipeline. Of joint and cross-attention: in
     * self-attention every key is an image key, and has no word. */
    const uint8_t *key_class;
    /* The word of the prompt that a key belongs to, "" where none; NULL = words are unknown. */
    const char *(*word)(const void *words, attn_branch branch, int key);
    const void *words; /* the pipeline's own, for `word` */
} attn_item;

/* What the calls of a pass measured and nobody has read yet; all zero at first. */
typedef struct attn_pending {
    struct noted_call *first, *last;
} attn_pending;

typedef struct attn_batch {
    int n;                 /* the batch size B of the forward pass */
    const attn_item *item; /* [n] */
    attn_pending *pending; /* where calls leave what they measured until attn_read; NULL: each call reads its own */
} attn_batch;

/* What lengths after the output projection are made from: W_h^T W_h, head by head, of the projection of the image's
 * rows. Made from the weight's source when a probe or a selector first asks for such lengths, so a network's calls do
 * not run side by side. */
typedef struct attn_gram {
    const weight *w; /* [O, H d] */
    float *values;   /* scratch for [H, d, d], as op_head_norms takes it */
    int made;
} attn_gram;

const float *attn_gram_values(compute *c, attn_gram *g, int64_t heads); /* NULL where g is */

typedef struct attn_call {
    attention_args args; /* tensors, scale, causal, bias (tensor/compute.h) */
    int block;           /* number of the studied call in the network, 0-based; -1 = not studied (text encoders, VAE) */
    attn_kind kind;      /* ATTN_SELF of a studied call: image tokens among themselves */
    int n_query_segments, n_key_segments; /* the same array for joint and self attention */
    const attn_segment *query_segments, *key_segments;
    const attn_batch *batch; /* NULL = not studied */
    /* What probes of values and activations look at; each may be missing. */
    tensor block_input, block_context; /* the image and the text stream as the block received them, [B, N, D] */
    attn_gram *output_gram;
} attn_call;

/* Whether all requests of the batch to a block concern its image queries: then a network may leave out text queries
 * whose outputs nothing reads, and describe a call without them. `batch` may be NULL. */
int attn_asks_image_alone(const attn_batch *batch, int block);

/* Attend; measure and edit as the batch's items ask. Errors go to the context (compute_fail). */
void attn_forward(compute *c, const attn_call *call);

/* Read at once what the calls of a pass measured and n results `more` of the caller's (op_read), and record it call by
 * call. The pass began with a mark of the context's memory that is not released yet; the batch's items are still there.
 * 0: the context has an error. */
int attn_read(compute *c, attn_pending *pending, host_read *const *more, int n);

/* The segment that holds `key`, or NULL. */
const attn_segment *attn_segment_of(const attn_segment *segments, int n, int key);

/* The first image segment whose keys lie on a grid, or NULL. */
const attn_segment *attn_image_of(const attn_segment *segments, int n);

/* "image (12, 5)", "clip 17": never a bare index. */
void attn_key_name(const attn_segment *segments, int n, int key, text *out);

/* ---- what can be asked: tables of pointers to rows (rows.def) ---- */

typedef enum attn_rows { ROWS_IMAGE, ROWS_ALL, ROWS_TEXT } attn_rows; /* query rows: measured (Q) or acted on */

/* Each head its own k keys; one set of k x heads for all heads; the k x heads x blocks largest masses of the baseline
 * at this step, over all blocks and heads of the intervention. */
typedef enum attn_scope { SCOPE_HEAD, SCOPE_LAYER, SCOPE_GLOBAL } attn_scope;
/* Masses that selectors see: of the running image, or of its baseline at the same step. */
typedef enum attn_source { SOURCE_OWN, SOURCE_BASELINE } attn_source;
typedef enum attn_redraw { REDRAW_STEP, REDRAW_RUN } attn_redraw; /* random sets: anew at every step, or one a run */

/* What a selector sees of one call of one batch item: of the unedited P. */
typedef struct select_input {
    int heads, keys;
    const double *mass; /* [heads, keys]; the baseline's where the intervention has that source; NEED_MASS */
    const struct attn_intervention *where; /* the intervention (run.h) */
    int queries, row_begin, row_end;       /* N_q; the query rows acted on */
    const float *row_max;                  /* [heads, queries] max_j P_ij; NEED_ROW_MAX */
    const float *value_norm;               /* [heads, keys] |v_j|, projected where the call can; NEED_VALUES */
    const uint8_t *key_class;              /* [keys] */
    const char *(*word)(const void *words, attn_branch branch, int key); /* as in attn_item */
    const void *words;
    const attn_segment *segments;
    int n_segments;
    int k; /* keys per head wanted */
    attn_scope scope;
    attn_redraw redraw;
    const option_value *options;   /* in the order of the row's option table */
    attn_run *run;                 /* streams (attn_run_stream) and what earlier steps chose */
    int intervention, step, block; /* intervention: index in the program */
    attn_branch branch;
    /* Room for the selector's own use. */
    double *scratch_mass;  /* [keys or queries, the larger] */
    int32_t *scratch_key;  /* [3 x that] */
    uint8_t *scratch_mark; /* [that] */
} select_input;

/* Sets of one batch item, of keys or, by a selector of queries, of query rows: those of head h are key[begin[h] ..
 * begin[h + 1]), ascending. */
typedef struct key_sets {
    int32_t *begin;    /* [heads + 1] */
    int32_t *key;      /* capacity heads * keys or queries */
    int32_t *left_out; /* [heads] sinks left out of a matched control and of its paired arm, since nothing matches */
} key_sets;

enum {
    NEED_MASS = 1,
    NEED_ENTROPY = 2,
    NEED_CONCENTRATION = 4,
    NEED_ROW_MAX = 8,
    NEED_VALUES = 16,      /* lengths of v */
    NEED_ACTIVATIONS = 32, /* magnitudes of the block's inputs and of the unedited output */
    NEED_TOP = 64,         /* the r heaviest keys of this and of earlier sites */
    NEED_LSE = 128,        /* of every row */
    NEED_OUTPUTS = 256     /* lengths of the unedited output */
};

typedef struct attn_selector {
    entry about;
    ss_status (*select)(const select_input *in, key_sets *out, ss_error *err);
    /* Whether options, k and the size of a set (k, or k x heads in the scope of a layer) fit the segments of a model's
     * keys, asked at plan time; NULL = they always do. */
    ss_status (*check)(const option_value *options, int k, int size, const attn_segment *segments, int n,
                       ss_error *err);
    /* Whether the text alone leaves a key among those that it chooses from (no masses are there yet), asked at plan
     * time; NULL = it finds keys for every text. */
    int (*wanted)(const select_input *in, int key);
    unsigned needs; /* NEED_* */
    /* Whether an intervention with these options looks at any of them; NULL = always. */
    int (*looks)(const option_value *options, attn_scope scope);
    int matches; /* 1 = an arm of a matched control: sinks without a match are left out and counted */
    int sinks;   /* 1 = chooses among the k heaviest keys: what it suppresses are sinks */
    int queries; /* 1 = chooses query rows, not keys */
    int global;  /* 1 = supports the global scope */
    int sized;   /* 1 = its options say how many keys: neither k nor a share is asked for */
} attn_selector;

/* What an edit of the output sees of one head. */
typedef struct output_input {
    const option_value *options;
    int64_t row_begin, row_end;
    const double *lse;     /* [queries] EDIT_ON_NOTHING */
    const double *rest;    /* [queries] EDIT_ON_KEYS: 1 - p_i of the set */
    const double *push;    /* [queries] EDIT_ON_KEYS, OUTPUT_PUSH: |o'_i - o_i| of the set's mask */
    const int32_t *chosen; /* EDIT_ON_QUERIES: the rows, ascending */
    int n_chosen;
} output_input;

typedef enum edit_on { EDIT_ON_KEYS, EDIT_ON_QUERIES, EDIT_ON_NOTHING } edit_on; /* what must be selected */

/* Score and value edits have `op` and `configure`; edits of the output `output` and `amount`. */
typedef struct attn_edit {
    entry about;
    edit_op op;                                                      /* the backend step that carries it out */
    void (*configure)(const option_value *options, edit_step *step); /* param from the row's options */
    int direct; /* 1 = every row is recomputed directly (attention_edit.force_direct) */
    edit_on on;
    output_op output;
    void (*amount)(const output_input *in, double *amount); /* [queries], neutral before; rows in range may be set */
} attn_edit;

enum { ATTN_MAX_R = ATTENTION_MAX_R }; /* largest r of `concentration` */

/* What a probe sees: one head of one call of one batch item, after the edits. */
typedef struct observation {
    int step, block, head, keys;
    attn_branch branch;
    const double *mass; /* [keys], of the unedited P; NULL unless needed */
    double entropy, concentration;
    int r; /* keys in `concentration` */
    /* NEED_VALUES: [keys] |v_j| and |W_O v_j|; NEED_OUTPUTS: means over the measured rows of |o_i| and |W_O o_i|. The
     * projected ones are NULL and NAN where the call has no output projection. */
    const float *value_norm, *value_projected;
    double output_norm, output_projected;
    double noop_below; /* |W_O v_j| below this times its mean over keys makes a sink a no-op */
    /* NEED_ACTIVATIONS: largest and 95th percentile of the size of the block's image and text input, of the head's
     * output; NAN where there is none. */
    float magnitudes[6];
    const attn_run *run; /* NEED_TOP: attn_run_top of the sites before */
    int edited;          /* an intervention changed keys here; else the members down to set_size are empty */
    double set_mass_before, set_mass_after, dose;
    int64_t direct_rows;
    const int32_t *set; /* the edited keys of this head, ascending */
    int set_size;
    int query_rows; /* no keys but query rows were chosen: how many (1: the edit chooses nothing) */
    int left_out;   /* as in key_sets, summed over the interventions in force */
    const uint8_t *key_class;
    const attn_segment *segments;
    int n_segments;
} observation;

enum { PROBE_MAX_COLUMNS = 8 };

/* A probe writes `n_columns` numbers per (step, block, head, branch); NAN = nothing to report there. */
typedef struct attn_probe {
    entry about;
    unsigned needs; /* NEED_* */
    int n_columns;
    const char *column[PROBE_MAX_COLUMNS];      /* names, unique over all probes; columns of the store's `sites` */
    const char *column_help[PROBE_MAX_COLUMNS]; /* one line, with the unit */
    unsigned nominal;                           /* bit i: column i names something (a key), so it has no mean */
    unsigned always;                            /* bit i: column i has a number in every call, where all is finite */
    void (*observe)(const observation *o, float *columns);
} attn_probe;

extern const attn_selector *const ATTN_SELECTORS[];
extern const int ATTN_SELECTOR_COUNT;
extern const attn_edit *const ATTN_EDITS[];
extern const int ATTN_EDIT_COUNT;
extern const attn_probe *const ATTN_PROBES[];
extern const int ATTN_PROBE_COUNT;

#endif
