/* Metrics: one table from which help, validation and scoring derive. A metric looks at one image (and, where it is a
 * distance, at the paired baseline image) and gives one number, or says why it cannot. A metric of sets gives features
 * of every image, and one number for two sets of them. */
#ifndef SCORE_METRIC_H
#define SCORE_METRIC_H

#include "base/option.h"
#include "io/rgb_image.h"
#include "score/geneval.h"
#include "stats/feature_set.h"
#include "stats/figure.h"
#include "tensor/compute.h"
#include "text/tokenizer.h"

typedef enum metric_kind {
    METRIC_ALIGNMENT,  /* does the image satisfy the prompt; higher is better */
    METRIC_PREFERENCE, /* what people would say of it; higher is better */
    METRIC_DISTANCE,   /* from the paired baseline image; 0 = same */
    METRIC_SIMILARITY, /* to the paired baseline image; higher = more alike */
    METRIC_SET,        /* distance of two sets of images; has no value for one image */
} metric_kind;

enum {
    METRIC_NEEDS_BASELINE = 1, /* the paired baseline image */
    METRIC_NEEDS_PROMPT = 2,
    METRIC_NEEDS_GENEVAL = 4, /* GenEval metadata of the prompt */
};

typedef struct metric_input {
    const rgb_image *image, *baseline; /* sRGB; baseline NULL where not needed */
    const char *prompt;                /* what the image is scored against (the baseline's prompt: run/ decides) */
    const geneval_prompt *geneval;     /* NULL where not known */
} metric_input;

typedef struct metric_value {
    double value;
    int unreadable; /* the metric cannot read this image: counts as its worst outcome (value holds it) */
    char note[96];  /* what was seen, for people: "2 of 3 red stars"; may be empty */
} metric_value;

/* The distance of two sets. */
typedef struct metric_set_value {
    int64_t n1, n2; /* images */
    double value;
    stats_interval interval; /* 95 %, over prompts; not asked where the metric has none */
} metric_set_value;

typedef struct metric {
    entry about;
    metric_kind kind;
    int binary;    /* value is 0 or 1 */
    int has_worst; /* `worst` is the value of an image that could not be made at all */
    double worst;
    unsigned needs; /* METRIC_NEEDS_* */
    int min_side;   /* the least width and height it can score, pixels; 0 = any */
    /* Models and weights are options of the type OPTION_PATH: their files are recorded with every result.
     * `state` is what open made (NULL where open is NULL). `c` is for metrics that run networks, `rules` for those that
     * read prompts by a tokenizer of transformers. */
    ss_status (*open)(compute *c, tokenizer_rules rules, const option_value *options, void **state, ss_error *err);
    ss_status (*score)(compute *c, void *state, const metric_input *in, metric_value *out, ss_error *err);
    void (*close)(compute *c, void *state);
    /* METRIC_SET, in the place of `score`: numbers an image has, those of one image, and the distance. prompt[n]: what
     * images belong together; NULL = each stands alone. `seed` is that of the resampling. */
    int64_t (*width)(const void *state);
    ss_status (*feature)(compute *c, void *state, const rgb_image *image, float *out, ss_error *err);
    ss_status (*distance)(const void *state, const stats_features *first, const int64_t *prompt1,
                          const stats_features *second, const int64_t *prompt2, uint64_t seed, int threads,
                          metric_set_value *out, ss_error *err);
} metric;

extern const metric *const SCORE_METRICS[];
extern const int SCORE_METRIC_COUNT;

/* The row's score of one image, or its features (`width` of them). What is not finite is an error that names the
 * metric's network, and the tensor and the weight where it begins; it is about the metric, not about the image alone,
 * and out->value is then not finite (which it is after no other error). */
ss_status metric_score(const metric *m, compute *c, void *state, const metric_input *in, metric_value *out,
                       ss_error *err);
ss_status metric_feature(const metric *m, compute *c, void *state, const rgb_image *image, float *out, ss_error *err);

/* The row called `name`, or NULL with *err as entry_find fills it. */
const metric *metric_find(const char *name, const char *where, ss_error *err);

#endif
