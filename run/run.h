/* Carrying a plan out: missing units are made one by one, until the store is complete or the stop flag is set. Units
 * are idempotent: bytes depend neither on the order, nor on batches, nor on what was interrupted. */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include <signal.h>
#include "study/plan.h"
#include "store/store.h"

typedef struct run_progress {
    const char *study;
    int64_t units_done, units_total;       /* images; those found in the store count as done */
    int64_t forwards_done, forwards_total; /* steps of one image that this run has done and has to do */
    int64_t texts_done, texts_total;       /* texts that this run has to encode before; equal when all is encoded */
    double seconds;                        /* since the start */
    double units_per_second, seconds_left; /* NAN = not known yet */
    const char *unit;                      /* "'two stars', seed 2, like k=5": the one being made */
} run_progress;

typedef struct run_options {
    void (*progress)(void *user, const run_progress *now); /* after every step; NULL = no callback */
    void *user;
    const volatile sig_atomic_t *stop; /* NULL = never; set: SS_ERR_INTERRUPTED, units in flight are dropped */
    int batch;                         /* images denoised together; 0 = as the plan says */
    tokenizer_rules tokenizer;         /* of score_files: whose token ids; a study says it itself */
} run_options;

/* Make what is missing. The store was created for, or completed with, this plan. An image of a studied condition whose
 * numbers are not finite is stored as failed, and its company goes on; a baseline, a sham, a calibration or a positive
 * control that is not finite ends the run (SS_ERR_INPUT). */
ss_status run_plan(store *s, const plan *p, compute *c, pipeline *pl, const run_options *o, ss_error *err);

/* One unit made by itself: nothing shared, no company. What `verify` compares with the store. *broken: the error is
 * that its numbers are not finite. */
ss_status run_unit(const plan *p, const plan_unit *u, pipeline *pl, const run_options *o, rgb_image *out, int *broken,
                   ss_error *err);

/* Forget what the store has of a metric of images, and take the weights that are there now for its own: run_score then
 * scores every image again. A metric that the study names keeps the study's options; a name that the store has not is
 * no error. */
ss_status run_forget_scores(store *s, const study_metric *m, ss_error *err);

/* Score the store's images by `n` further metrics, from the stored PNGs; scores that it already has are left alone. */
ss_status run_score(store *s, compute *c, const study_metric *m, int n, const run_options *o, ss_error *err);

/* Put scores made elsewhere into the store, from
 *   a CSV with the columns image (as in the view `units`, or a path that ends so), value, one of pixels (as in that
 *   view) and sha256 (of the PNG file), and, unless `name` is given, metric
 *   GenEval's results (*.jsonl: filename, correct), as the metric `name`, or "geneval"
 * *count is how many. A row whose image is not in the store or whose checksum differs, a value that is no number, a
 * name that one of our own metrics has: input errors that name the line, and nothing is taken over. A value
 * that an image has of the metric already is replaced, others stay: conditions may come one file each. `kind` as in
 * metric.h, of images. */
ss_status run_import(store *s, const char *path, const char *name, metric_kind kind, int64_t *count, ss_error *err);

/* Distances of sets: for each of the `n` metrics, every condition's images (positive controls and other seeds included)
 * from the baseline's, into the store. What the store has of sets of the same size is left alone. */
ss_status run_sets(store *s, compute *c, const study_metric *m, int n, const run_options *o, ss_error *err);

/* What decides bits on this machine (instruction set, compiler, libc, zlib) and in this study (rounded weights). One
 * line.
 */
ss_status numeric_class_describe(const compute *c, const study *y, text *out, ss_error *err);

#endif
