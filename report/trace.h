/* One image's attention, traced: for each step, block, head and guidance branch the sinks by token, their mass, and
 * what the probes measured. As CSV and JSON (every row), as a table for a terminal, and as a self-contained page.
 * Nothing here depends on a network: names come from the model's segments and the tables of probes. */
#ifndef REPORT_TRACE_H
#define REPORT_TRACE_H

#include "attn/run.h"
#include "base/text.h"
#include "io/rgb_image.h"
#include "sampler/pipeline.h"

/* What was traced. Nothing is owned. */
typedef struct trace {
    const char *prompt, *model;
    weight_form weights; /* of the denoiser */
    image_seed seed;
    const resolved_settings *settings; /* complete */
    const pipeline_sites *sites;
    const attn_block *block;     /* [sites->blocks], their layouts numbered */
    const attn_measure *measure; /* top >= 1 */
    const attn_run *run;
    const char *map;             /* what the run's map is of, as asked for; NULL = none */
    int branches;                /* 1 = BRANCH_COND alone */
    const uint8_t *key_class[2]; /* of the keys of joint attention, or of the text (embedding_key_classes) */
    const char *const *word[2];  /* of the same; "" where a key has none */
    const rgb_image *image;
} trace;

/* A key of a block's calls: "clip padding 31", "clip word 3 'red'", "image (3, 4)". */
void trace_key_name(const trace *t, attn_branch branch, const attn_block *block, int key, text *out);

/* One row a site and sink: step, block, head, branch, rank, the key, its mass, mass as a multiple of the uniform
 * 1/keys of the block, the block's kind and module, then the probe columns that have values. */
void trace_csv(const trace *t, text *out);
void trace_json(const trace *t, text *out);

/* The strongest head of every block (by mean mass of its largest key, conditional branch), its commonest top key, its
 * mass and what else was measured there; means over all steps, or step `step` alone where it is >= 0. */
void trace_describe(const trace *t, int step, text *out);

/* The page; fails where the image cannot be encoded. */
ss_status trace_page(const trace *t, text *out, ss_error *err);

/* trace.csv, trace.html and image.png in `folder` (made if it is missing), each whole or not at all. */
ss_status trace_write(const trace *t, const char *folder, ss_error *err);

/* ---- shared by the files of the trace ---- */

/* Distinct layouts of keys; a block that has one; where its keys begin in a count over the keys of all layouts. */
int trace_layouts(const trace *t);
const attn_block *trace_layout(const trace *t, int layout);
int trace_first_key(const trace *t, int layout);

/* Classes of a block's keys, NULL where all are image keys or the classes are unknown; the word of one, "" where
 * none. */
const uint8_t *trace_classes(const trace *t, attn_branch branch, const attn_block *block);
const char *trace_word(const trace *t, attn_branch branch, const attn_block *block, int key);

/* How many kinds of attention there are: a single one need not be named. */
int trace_kinds(const trace *t);

/* The mass of the largest key at a site; NAN where the site was not visited. */
double trace_top_mass(const trace *t, int step, int block, int head, attn_branch branch);

/* A block's strongest head over steps [from, to). */
typedef struct trace_strongest {
    int head, key, key_steps; /* key: the largest at most steps, key_steps of them; head -1 = nothing measured */
    double mass;              /* mean over steps of the head's largest mass */
} trace_strongest;
trace_strongest trace_find_strongest(const trace *t, int block, int from, int to);

/* Probe columns in order: their names and help; `shown` = a quantity that has values somewhere, and is not the mass of
 * the largest key, which every row has. */
typedef struct trace_column {
    const char *name, *help;
    int shown;
} trace_column;
int trace_columns(const trace *t, trace_column *out, int capacity);

/* Mean of a probe column at a head over steps [from, to), conditional branch; NAN where there is none. */
double trace_mean(const trace *t, int column, int block, int head, int from, int to);

enum { TRACE_MAX_COLUMNS = 32 * PROBE_MAX_COLUMNS };

extern const char *const TRACE_CLASS[KEY_CLASSES]; /* "image", "start", ... */

#endif
