/* What happens to a text before the unigram model sees it: the normalizer and pre-tokenizer of a fast tokenizer. */
#ifndef TEXT_T5_STEPS_H
#define TEXT_T5_STEPS_H

#include <jansson.h>
#include "base/error.h"
#include "text/spiece_model.h"

enum { T5_MAX_STEPS = 16 };

typedef enum t5_step_kind { T5_CHARSMAP, T5_STRIP, T5_REPLACE_SPACES } t5_step_kind;

typedef struct t5_step {
    t5_step_kind kind;
    int strip_left, strip_right; /* T5_STRIP */
    char replacement[16];        /* T5_REPLACE_SPACES: put in the place of each run of two or more spaces */
} t5_step;

typedef enum t5_prefix { T5_PREFIX_ALWAYS, T5_PREFIX_FIRST, T5_PREFIX_NEVER } t5_prefix;

typedef struct t5_steps {
    t5_step normalizer[T5_MAX_STEPS];
    int count;
    int split_spaces; /* WhitespaceSplit before Metaspace */
    t5_prefix prefix; /* Metaspace's prepend_scheme */
} t5_steps;

/* SpmConverter's steps. */
void t5_steps_convert(t5_steps *s, const spiece_model *model, t5_prefix prefix);

/* The steps of a tokenizer.json. Its model must have the pieces of `model` (more may follow) and its normalization
 * table be that of `model`; it must append the token `end`. */
ss_status t5_steps_read(t5_steps *s, const json_t *tree, const spiece_model *model, const char *end, const char *where,
                        ss_error *err);

#endif
