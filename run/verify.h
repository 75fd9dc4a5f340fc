/* Whether a store is consistent with its records: files against checksums, units against the plan, shams against the
 * baseline, and a sample of units made again and compared byte by byte. */
#ifndef RUN_VERIFY_H
#define RUN_VERIFY_H

#include "run/run.h"

typedef struct verify_report {
    int64_t units, units_planned;
    int64_t files, files_damaged;   /* images and traces; missing ones count as damaged */
    int64_t shams, shams_differing; /* sham images, and those without the baseline's pixels */
    int64_t failed;                 /* units that are stored as failed */
    int64_t not_finite;             /* values that are not finite, or images with such, that nothing marks as failed */
    int64_t equal_seeds;            /* times that images of one prompt and condition agree under different seeds */
    int64_t remade, remade_differing; /* units generated again, and those whose pixels differ; failed ones must fail */
    int same_class;                   /* this machine's numeric class is the store's; else pixels within 1 level pass */
    int64_t rounded;      /* of a study whose weights are rounded: units also generated with the weights as they are */
    double rounding_rmse; /* of all their pixels' channels against the store's, in levels */
    int rounding_most;
    int64_t model_files, model_files_differing;
    int n_problems;
    text problems; /* one line each */
} verify_report;

/* `remake` units are generated again (0 = none; then c and pl may be NULL), drawn in a seeded order. Problems found are
 * no error: look at n_problems. */
ss_status verify_store(store *s, const plan *p, compute *c, pipeline *pl, int remake, const run_options *o,
                       verify_report *out, ss_error *err);
void verify_free(verify_report *r);

#endif
