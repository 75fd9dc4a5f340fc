/* The results store: a folder (docs/STORE.md).
 *
 *     study.yaml       as it was run
 *     manifest.json    versions, numeric class, SHA-256 of every model file
 *     results.sqlite   units, scores, measurements; the views answer questions in one SELECT
 *     images/CONDITION/PROMPT/samples/SEED.png and metadata.jsonl: GenEval's layout
 *     traces/UNIT.h5   masses of every key, where the study keeps them
 *     report/          made from the above
 *     text/            encoded texts, while the study is not complete (texts.h)
 *
 * One writer at a time (a lock on the file `lock`). A unit's files are written under temporary names, synced and
 * renamed; then one transaction records them with their checksums: that is the sole commit point, so a kill at any
 * moment leaves complete units and unreferenced files, which the next run replaces. What makes units and scores (run/)
 * has its statements by writer.h. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/file.h"
#include "io/rgb_image.h"
#include "study/plan.h"
#include "sampler/trajectory.h"

enum { STORE_METRIC_NAME = 64 /* bytes of a metric's name with its end */ };
enum { STORE_VERSION = 3, STORE_APPLICATION = 0x53494e4b /* "SINK" */ };

typedef struct store store;
typedef enum store_mode { STORE_READ, STORE_WRITE } store_mode;

/* Make a store for the plan in `folder` (made if it is missing; one that holds something else is refused) and leave it
 * open for writing. `numeric_class` as numeric_class_describe gives it. A creation that was cut short before is taken
 * up where it stands if its study is the same. */
ss_status store_create(store **out, const char *folder, const plan *p, const char *numeric_class, ss_error *err);

/* Open an existing store. STORE_WRITE takes the lock and refuses older versions; a newer version is refused always.
 * Its study is read from study.yaml with its first place; `data` is the program's data folder or NULL. A store whose
 * creation was cut short is SS_ERR_STORE when reading; when writing it opens, and store_complete finishes it. */
ss_status store_open(store **out, const char *folder, store_mode mode, const char *data, ss_error *err);

/* For writers, the last act: fold the log (results.sqlite-wal) into results.sqlite, which is then the whole store and
 * can be read where nothing can be written. SS_ERR_RESOURCE when the disk refuses; no result is lost then. */
ss_status store_settle(store *s, ss_error *err);

void store_close(store *s); /* NULL is allowed; settles where it can, and reports nothing if it cannot */

/* For writers, after plan_make on the store's study: finish a creation that was cut short, check that model files and
 * numeric class are those of the store (SS_ERR_STORE says what differs), and remove the temporaries of a run that was
 * cut short (sweep.c); `told` (may be NULL) is called for each of them, and for files that are not the store's own. */
ss_status store_complete(store *s, const plan *p, const char *numeric_class, notices *told, ss_error *err);

/* For writers: the notices that the manifest does not have yet go there, under "notices". Without notices no byte of
 * the manifest changes. */
ss_status store_record_notices(store *s, const notices *list, ss_error *err);

const char *store_folder(const store *s);
study *store_study(store *s);
int store_limit(const store *s); /* as given to run */

/* ---- units ---- */

typedef struct store_score {
    const study_metric *metric;
    metric_value value; /* not finite: this score has failed; the note may say why */
} store_score;

/* Why a unit could not be made: its numbers were not finite after `step`, or in its image (-1). */
typedef struct store_failure {
    int step;
    const char *reason;
} store_failure;

typedef struct store_result {
    const plan_unit *unit;
    const store_failure *failure; /* NULL = it was made; else there is neither image nor measurement */
    const rgb_image *image;
    const attn_run *run;          /* what was measured */
    const trajectory *trajectory; /* its distance from the baseline; NULL = not followed */
    const uint8_t *key_class[2];  /* [keys] by guidance branch; NULL = that branch was not run */
    int n_scores;
    const store_score *score;
} store_result;

/* Write the unit's files, then record it: all of it or nothing. A unit that has failed is recorded as such, with the
 * worst value of every metric that has one. */
ss_status store_put(store *s, const plan *p, const store_result *r, ss_error *err);

/* Words and classes of a prompt's text keys, for the views. Recorded once a prompt. */
ss_status store_put_tokens(store *s, const plan *p, int prompt, const embedding *e, ss_error *err);

/* What encoders do not see of a prompt or, of the unconditional branch, of the negative prompt: those of the `n` that
 * cut it. */
ss_status store_put_cuts(store *s, int prompt, attn_branch branch, const char *text_, const text_cut *cut, int n,
                         ss_error *err);

/* done[i] = UNIT_MADE or UNIT_FAILED where plan unit i is in the store, else 0. *count: of both. */
enum { UNIT_MADE = 1, UNIT_FAILED = 2 };
ss_status store_done(const store *s, const plan *p, uint8_t *done, int64_t *count, ss_error *err);

/* The image of a unit that was made, its checksum verified (SS_ERR_STORE). Free with rgb_image_free. */
ss_status store_image(const store *s, int64_t unit, rgb_image *out, ss_error *err);

/* The masses of a unit, in traces/: whether it has any, and whether their file is as it was written. Call it before the
 * file is opened. */
ss_status store_check_trace(const store *s, int64_t unit, int *there, int *good, ss_error *err);

/* Whether the runs' models had the same weights, wherever they lay: by the checksums in the manifests. */
ss_status store_same_weights(const store *a, const store *b, int *same, ss_error *err);

/* A line for a store of an older version that holds values that are not finite and are not marked as failed. */
ss_status store_tell_older(const store *s, notices *list, ss_error *err);

/* ---- questions ---- */

/* Rows of one SELECT. Columns count from 0; text is valid until the next row. */
typedef struct store_rows store_rows;
ss_status store_select(store_rows **out, const store *s, ss_error *err, const char *sql);
/* 1 = a row, 0 = no more, -1 = failed (*err). */
int store_rows_next(store_rows *r, ss_error *err);
int store_rows_columns(const store_rows *r);
const char *store_rows_name(const store_rows *r, int column);
int store_rows_is_null(const store_rows *r, int column);
int64_t store_rows_int(const store_rows *r, int column);
image_seed store_rows_seed(store_rows *r, int column);
int store_rows_is_number(const store_rows *r, int column); /* 1 whole, 2 not, 0 no number */
double store_rows_double(const store_rows *r, int column); /* NAN for NULL */
const char *store_rows_text(store_rows *r, int column);    /* "" for NULL */
void store_rows_close(store_rows *r);                      /* NULL is allowed */

#endif
