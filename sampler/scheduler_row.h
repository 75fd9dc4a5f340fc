/* What a scheduler provides. Private to sampler/; other folders use scheduler.h. */
#ifndef SAMPLER_SCHEDULER_ROW_H
#define SAMPLER_SCHEDULER_ROW_H

#include "sampler/scheduler.h"

typedef struct scheduler_row {
    entry about; /* name: "_class_name" in scheduler_config.json */
    scheduler_family family;
    int slots; /* what it remembers, the output of the present call included */
    ss_status (*parse)(const json_t *json, const char *where, scheduler *out, ss_error *err);
    ss_status (*check)(const scheduler *g, int steps, ss_error *err); /* NULL = any number of steps */
    int (*calls)(int steps);                                          /* of the network; NULL = one a step */
    /* Fill the calls, which have neutral coefficients, and initial_scale, which is 1. */
    ss_status (*fill)(const scheduler *g, int steps, int64_t image_tokens, schedule *out, ss_error *err);
} scheduler_row;

/* ---- scheduler.c ---- */

/* A scheduler of the class, for every kind of prediction. */
ss_status scheduler_parse_class(const json_t *json, const char *where, scheduler_family family, const char *name,
                                scheduler *out, ss_error *err);

#define SCHEDULER(id) extern const scheduler_row SCHEDULER_##id;
#include "sampler/schedulers.def"

#endif
