/* Numbers that a paper published, each with the design that it is of, and how a study's design compares with it. A
 * number is shown beside a study's own only where the designs agree in everything that the store records. The weights
 * cannot be compared: a model of the paper's shape is taken for the paper's, and the page says that this was not
 * verified. */
#ifndef REPORT_PUBLISHED_H
#define REPORT_PUBLISHED_H

#include "report/facts.h"

typedef struct published_design {
    const char *model;                    /* its name */
    const char *shape;                    /* and shape, in words; in numbers: */
    int blocks;                           /* calls of attention in a step */
    int heads, keys;                      /* the most that a call has */
    const char *prompts, *prompts_sha256; /* in words; of their texts, each with a line feed behind it */
    int n;
    uint64_t seed; /* the image seed of prompt i is seed + i */
    int steps;
    double guidance;
} published_design;

/* A contrast of masked sinks. */
typedef struct published_contrast {
    const char *where; /* "Table 6" */
    const published_design *design;
    const char *metric;
    const char *weights; /* the metric's, where its name does not say: part of their folder's name. NULL = it does */
    int k_from, k_to;
    const char *control; /* the selector of the other condition; NULL = the baseline */
    attn_kind kind;
    attn_scope scope;
    attn_rows rows, measured; /* query rows: acted on; that the mass is a mean over */
    const char *blocks;       /* acted on, in words */
    const char *module;       /* and how their modules' names begin */
    const char *says;
} published_contrast;

/* Something measured in unchanged images. */
typedef struct published_sight {
    const char *where;
    const published_design *design;
    const char *what;
    double depth; /* the largest incoming mass there; NAN: how often the first image key is the heaviest */
    const char *says;
} published_sight;

/* published.c: what was published. Each ends with a row without `where`. */
extern const published_contrast PUBLISHED_CONTRASTS[];
extern const published_sight PUBLISHED_SIGHTS[];

/* Whether the row is the same quantity under the same name, however the designs differ: sinks masked less the control,
 * at a k that was published, on a metric of that family. */
int published_is_named(const report_facts *f, const analysis_row *r, const published_contrast *p);

/* published_compare.c: append what differs to `paper` and `own`, in words; nothing where nothing differs. `n`: prompts.
 */
void published_compare_contrast(const report_facts *f, const analysis_row *r, const published_contrast *p, text *paper,
                                text *own);
void published_compare_sight(const report_facts *f, const published_sight *p, int n, text *paper, text *own);

#endif
