/* Metrics: one table from which help, validation and scoring derive. A metric looks at one image (and, where it is a
 * distance, at the paired baseline image) and gives one number, or says why it cannot. */
#ifndef SCORE_METRIC_H
#define SCORE_METRIC_H

#include "base/option.h"
#include "io/png.h"
#include "score/geneval.h"
#include "tensor/compute.h"

typedef enum metric_kind {
    METRIC_ALIGNMENT,  /* does the image show what the prompt asks; higher is better */
    METRIC_PREFERENCE, /* what people would say of it; higher is better */
    METRIC_DISTANCE,   /* from the paired baseline image; 0 = same */
    METRIC_SIMILARITY, /* to the paired baseline image; higher = more alike */
} metric_kind;

enum {
    METRIC_NEEDS_BASELINE = 1, /* the paired baseline image */
    METRIC_NEEDS_PROMPT = 2,
    METRIC_NEEDS_GENEVAL = 4, /* GenEval metadata of the prompt */
};

typedef struct metric_input {
    const rgb_image *image, *baseline; /* sRGB; baseline NULL where not needed */
    const char *prompt;                /* what the image is scored against (the baseline's prompt: study/ decides) */
    const geneval_prompt *geneval;     /* NULL where not known */
} metric_input;

typedef struct metric_value {
    double value;
    int unreadable; /* the metric cannot read this image: counts as its worst outcome (value holds it) */
    char note[96];  /* what was seen, for people: "2 of 3 red stars"; may be empty */
} metric_value;

typedef struct metric {
    entry about;
    metric_kind kind;
    int binary;     /* value is 0 or 1 */
    unsigned needs; /* METRIC_NEEDS_* */
    /* Models and weights are options of the type OPTION_PATH: their files are recorded with every result.
     * `state` is what open made (NULL where open is NULL). `c` is for metrics that run networks. */
    ss_status (*open)(compute *c, const option_value *options, void **state, ss_error *err);
    ss_status (*score)(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
    void (*close)(compute *c, void *state);
} metric;

extern const metric SCORE_METRICS[];
extern const int SCORE_METRIC_COUNT;

/* The row called `name`, or NULL with *err as entry_find fills it. */
const metric *metric_find(const char *name, const char *where, ss_error *err);

#endif
