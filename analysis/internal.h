/* Inside study/: the parts of an analysis. */
#ifndef ANALYSIS_INTERNAL_H
#define ANALYSIS_INTERNAL_H

#include <stddef.h>
#include "analysis/analyse.h"
#include "analysis/scores.h"

/* More than this share of calls with sinks left out, and the contrast is called partly matched (METHOD.md, section 7).
 */
#define ANALYSIS_PARTLY_ABOVE 0.05

/* classes.c: which class of token each image's sinks have, for every condition whose selector takes sinks. */
enum { ANALYSIS_MAX_CLASSES = 1 + ATTN_MAX_SEGMENTS * KEY_CLASSES };
typedef struct sink_image {
    int64_t prompt, seed, row;
} sink_image;
typedef struct sink_classes {
    int n_classes;
    char *name[ANALYSIS_MAX_CLASSES]; /* "clip word", as the view `sinks` has them */
    int n_conditions;
    int64_t n;
    size_t capacity;   /* of both arrays */
    sink_image *image; /* [n] sorted by prompt and seed */
    int8_t *of;        /* [n, conditions] by `row`: the class, -1 where there is none */
} sink_classes;

/* Empty where the study keeps no sinks. sink_classes_free even on failure. */
ss_status sink_classes_read(sink_classes *out, const store *s, const study *y, ss_error *err);
void sink_classes_free(sink_classes *x);
int sink_classes_find(const sink_classes *x, int condition, int64_t prompt, int64_t seed); /* -1 = none */

/* parts.c: fill a->by_tag, a->by_class, a->means and a->trends. `tag`: every tag, in order; borrowed for as
 * long as the analysis lives. */
ss_status analysis_add_tags(analysis *a, const scores *d, const char *const *tag, int n_tags, ss_error *err);
ss_status analysis_add_classes(analysis *a, const scores *d, const sink_classes *classes, ss_error *err);
ss_status analysis_add_means(analysis *a, const scores *d, const char *const *tag, int n_tags, ss_error *err);
ss_status analysis_add_trends(analysis *a, const scores *d, ss_error *err);

ss_status analysis_read(const analysis *a, analysis_row *row, ss_error *err); /* fills row->reads */

#endif
