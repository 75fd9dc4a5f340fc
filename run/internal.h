/* Inside run/: a run in progress, and what the parts of its execution share. run.c goes through the groups, denoise.c
 * makes a wave of images, finish.c scores and stores one of them, alone.c makes one by itself. */
#ifndef RUN_INTERNAL_H
#define RUN_INTERNAL_H

#include "run/run.h"
#include "run/texts.h"

enum { RUN_MAX_BATCH = 64 };

/* An embedding, kept while its prompt's groups run. */
typedef struct held_text {
    int prompt, branches;
    embedding *e;
} held_text;

/* One image during denoising. */
typedef struct job {
    const plan_unit *unit;
    const plan_condition *condition;
    const embedding *e;
    int start; /* the step at which it leaves the baseline's trajectory; 0 = it begins by itself */
    attn_run *run;
    denoise_state *state;
    trajectory trajectory;   /* kept where the condition follows the baseline */
    int failed, failed_step; /* its numbers are not finite; after this step, -1: in its image */
    char reason[sizeof(((ss_error *)0)->message)];
} job;

/* The baseline's trajectory at a step at which some job leaves it. */
typedef struct snapshot {
    int step;
    attn_run *run;
    denoise_state *state;
} snapshot;

typedef struct runner {
    store *s;
    const plan *p;
    compute *c;
    pipeline *pl;
    const run_options *o;
    uint8_t *done; /* [n_units] */
    void *metric[STUDY_MAX_METRICS];
    int metrics_open;
    run_texts texts;
    held_text plain, swapped;
    run_progress progress;
    double started, denoising; /* when the run and its first image began */
    int64_t units_made;
    text name;
    /* the group in progress */
    rgb_image baseline;
    attn_run *recalled;    /* the baseline's run, for conditions that choose from its masses */
    trajectory trajectory; /* the baseline's, for conditions that are compared with it */
    int n_jobs;
    job *jobs;
    int n_snapshots;
    snapshot *snapshots;
} runner;

/* ---- run.c ---- */
ss_status run_check_stop(const run_options *o, ss_error *err);
void run_tell(runner *r, const plan_unit *u); /* NULL: no unit is being made yet */

/* ---- units ---- */
int run_role(const runner *r, const plan_unit *u);       /* condition_role of its condition */
int run_is_carrier(const runner *r, const plan_unit *u); /* the baseline itself, or the same at a calibration seed */
int run_recalls(const plan_condition *c);                /* it chooses from the baseline's masses */
int run_branches(const resolved_settings *s);
/* An image that a study's own condition has driven to infinity is a result; another one that is not finite is an error:
 * nothing could be compared with it. */
int run_may_fail(const runner *r, const plan_unit *u);
/* The error, with the unit that it is about. */
ss_status run_name_failure(const runner *r, const plan_unit *u, ss_error *err);

/* ---- denoise.c ---- */
/* An image from its noise on, with what acts on it. */
ss_status run_begin(const plan *p, const plan_unit *u, pipeline *pl, const embedding *e, attn_run **run,
                    denoise_state **state, ss_error *err);
/* After a step (its number) or decoding (-1) that ended with `status`: an image that may fail has failed where it is
 * broken, and the rest goes on. */
ss_status run_take_failure(runner *r, job *j, ss_status status, int step, ss_error *err);
/* Denoise a wave of jobs, each from its start on. A job that is `carrier` leaves snapshots, and stops at `carry`. */
ss_status run_denoise_wave(runner *r, job *const *wave, int n, const job *carrier, int carry, ss_error *err);
void run_end_job(job *j);

/* ---- finish.c ---- */
/* Decode, score and store an image that is denoised, or record that it has failed. */
ss_status run_finish(runner *r, job *j, ss_error *err);

#endif
