/* One image during denoising, as attention sees it: the program of interventions in force, the names of its random
 * streams, and the record of what was measured. The sampler makes one per image and condition, attaches it to the batch
 * items, and reads the record when the image is done. */
#ifndef ATTN_RUN_H
#define ATTN_RUN_H

#include "attn/attn.h"
#include "base/philox.h"

enum { ATTN_MAX_BLOCKS = 256, ATTN_MAX_HEADS = 256, ATTN_MAX_STEPS = 1024 };

/* Sets of small numbers, as bits. */
typedef struct attn_bits {
    uint64_t word[16];
} attn_bits;

static inline void bits_set(attn_bits *b, int i) { b->word[i >> 6] |= UINT64_C(1) << (i & 63); }
static inline int bits_get(const attn_bits *b, int i) { return (int)(b->word[i >> 6] >> (i & 63) & 1); }

static inline int bits_any(const attn_bits *b) {
    for (size_t i = 0; i < sizeof b->word / sizeof *b->word; i++)
        if (b->word[i]) return 1;
    return 0;
}

/* ---- blocks: a network's description of its studied calls ---- */

enum { ATTN_NAME_SIZE = 96 };

typedef struct attn_block {
    char name[ATTN_NAME_SIZE]; /* the module's name in the model; "" = unknown */
    attn_kind kind;
    int heads, queries, keys;
    int layout; /* blocks with the same segments of keys have the same number, from 0 (attn_number_layouts) */
    int n_query_segments, n_segments; /* of the queries; of the keys */
    attn_segment query_segment[ATTN_MAX_SEGMENTS], segment[ATTN_MAX_SEGMENTS];
} attn_block;

/* Number the layouts of a network's blocks in the order in which they come; how many there are. */
int attn_number_layouts(attn_block *block, int blocks);

/* Whether all blocks are of one kind, with the same heads, queries and keys: a block then need not be named. */
int attn_blocks_alike(const attn_block *block, int blocks);

/* How many queries of a kind a block's calls have. */
int attn_block_has(const attn_block *block, segment_kind kind);

/* One intervention = where x which keys x what is done (METHOD.md, section 3). */
typedef struct attn_intervention {
    attn_bits blocks, heads, steps; /* in force only where all three have the bit */
    unsigned branches;              /* 1 << BRANCH_COND | 1 << BRANCH_UNCOND */
    attn_rows rows;                 /* query rows acted on */
    const attn_selector *selector;
    option_value selector_options[8]; /* in the order of the selector's option table */
    int k;
    double share; /* in place of k where above 0: of the keys (query rows) of every call */
    attn_scope scope;
    attn_redraw redraw;
    attn_source source;
    const attn_edit *edit;
    option_value edit_options[8];
} attn_intervention;

/* What one condition does. Immutable once built; shared by all its images. */
typedef struct attn_program {
    int n;
    attn_intervention intervention[EDIT_MAX_STEPS];
} attn_program;

/* How many keys (query rows) it takes of a call with `have` of them: k, or its share, rounded, at least one and at most
 * half. */
int attn_wanted(const attn_intervention *v, int have);

/* Whether an intervention chooses from the baseline's masses: its blocks are then to be recalled there. */
int attn_recalls(const attn_intervention *v);

/* Whether the program can act at a site; the sampler shares the denoising prefix until it can. */
int attn_program_acts(const attn_program *p, int step);

/* The text of an image, as attn_item has it. */
typedef struct attn_text {
    const uint8_t *key_class[2]; /* by branch; NULL = the branch is not run */
    const char *(*word)(const void *words, attn_branch branch, int key);
    const void *words;
} attn_text;

/* How many keys the text leaves to the intervention in all its blocks and branches together; -1 where its selector
 * finds keys for every text. 0: every set of such an image would be empty. */
int64_t attn_intervention_keys(const attn_intervention *v, const attn_block *block, int blocks,
                               const attn_text *prompt);

/* What is measured: the same for all images of a study. */
typedef struct attn_measure {
    int n_probes;
    const attn_probe *probe[32];
    attn_rows rows;             /* Q of the masses (default image) */
    int r;                      /* keys in `concentration` (default 5; at most ATTN_MAX_R) */
    double noop_below;          /* of the probe `value` (default 0.1) */
    int keep_masses;            /* keep every per-key mass (trace, HDF5) */
    int top;                    /* keep the `top` largest keys of every head, for the census (0 = none) */
    const struct attn_map *map; /* a vector of P to keep at every step and block; NULL = none. Not owned */
    attn_bits recall; /* blocks whose masses the run keeps as they are (double), for the conditions of its baseline */
} attn_measure;

/* Whether the program fits the network's blocks: blocks and heads that exist, sets of at most half of the keys (query
 * rows) of every block chosen, selectors' options that its segments can answer, `rows` that it has. A block that cannot
 * answer is an error that names it, never passed over in silence. Asked at plan time, so that no image fails half way.
 */
ss_status attn_program_check(const attn_program *p, const attn_block *block, int blocks, ss_error *err);

/* Whether every block has the query rows whose masses are measured. */
ss_status attn_measure_check(const attn_measure *m, const attn_block *block, int blocks, ss_error *err);

/* A vector of P, averaged over heads, conditional branch, of the unedited call. */
typedef struct attn_map {
    attention_part part;
    int n;
    const int32_t *index;    /* keys, or the one query row */
    const int32_t *by_block; /* [blocks, n] where blocks differ, instead; < 0 = this block has none; else NULL */
} attn_map;

/* The parts of a random stream's name that an image fixes; selectors add their own (METHOD.md, section 3). */
typedef struct attn_stream_name {
    uint64_t study_seed, prompt, image_seed, draw;
} attn_stream_name;

/* Shape of the record. Heads and keys are the most of any block; a block whose calls have fewer fills only those. */
typedef struct attn_shape {
    int steps, blocks, heads, keys;
} attn_shape;

/* Bytes that a run's record takes in memory. */
size_t attn_run_bytes(const attn_measure *measure, attn_shape shape);

ss_status attn_run_create(attn_run **out, const attn_program *program /* NULL = none */, const attn_measure *measure,
                          const attn_stream_name *name, attn_shape shape, ss_error *err);
void attn_run_destroy(attn_run *run);

/* A copy with the same measures and record so far (nothing to recall), under another program (NULL = none) and name:
 * for conditions that share a denoising prefix. */
ss_status attn_run_fork(attn_run **out, const attn_run *from, const attn_program *program, const attn_stream_name *name,
                        ss_error *err);

/* The finished run of the same image without interventions, whose masses selectors of source: baseline see. Not owned.
 */
void attn_run_set_baseline(attn_run *run, const attn_run *baseline);

/* The stream of one draw. `step` is -1 for redraw: run. */
void attn_run_stream(const attn_run *run, const char *selector, int step, int block, int head, attn_branch branch,
                     philox *out);

/* ---- the record ---- */

/* Probe columns in the order of the measure's probes, flattened: [columns] at one site, NAN where not visited. */
int attn_run_columns(const attn_run *run);
const float *attn_run_site(const attn_run *run, int step, int block, int head, attn_branch branch);

/* The `top` largest keys at a site, by falling mass (ties: lower index first); count returned. */
typedef struct attn_sink {
    int key;
    float mass;
} attn_sink;
int attn_run_sinks(const attn_run *run, int step, int block, int head, attn_branch branch, const attn_sink **out);

/* The r heaviest keys at a site, by falling mass, where a probe needs them (NEED_TOP); the count, 0 where the site was
 * not visited. */
int attn_run_top(const attn_run *run, int step, int block, int head, attn_branch branch, const int32_t **out);

/* The vector of the measure's map at a step and block: [queries] or [keys] of the block, at most the shape's keys; or
 * NULL, as where the block's calls have no such key or query row. */
const float *attn_run_map(const attn_run *run, int step, int block);

/* All masses of a site [keys of its block], or NULL unless keep_masses. */
const float *attn_run_masses(const attn_run *run, int step, int block, int head, attn_branch branch);

/* At how many sites (step, block, head, branch) the program's `intervention`-th intervention had keys or query rows to
 * act on; 0 = every set of its was empty, and the image is what it would be without it. */
int64_t attn_run_acted(const attn_run *run, int intervention);

attn_shape attn_run_shape(const attn_run *run);
const attn_program *attn_run_program(const attn_run *run); /* NULL = none */

/* The same with the heads and keys of one block's calls; of a block that was not visited, the record's. */
attn_shape attn_run_block_shape(const attn_run *run, int block);

#endif
