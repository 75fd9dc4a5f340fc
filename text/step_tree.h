/* A part of a tokenizer.json that is made of steps (normalizer, pre_tokenizer, post_processor, decoder): an object with
 * a "type", where a "Sequence" holds others. */
#ifndef TEXT_STEP_TREE_H
#define TEXT_STEP_TREE_H

#include "io/json.h"

typedef struct step_part {
    const char *name; /* "normalizer" */
    const char *list; /* the member of a Sequence that holds the others: "normalizers" */
} step_part;

/* One step that is no Sequence. */
typedef ss_status step_visit(void *user, const char *type, const json_t *tree, const char *where, ss_error *err);

/* Visit the steps in their order; a `tree` that is NULL or null has none. The first failure ends it. */
ss_status step_tree_walk(const step_part *part, const json_t *tree, const char *where, step_visit *visit, void *user,
                         ss_error *err);

/* The error of a visit that does not know the type. */
ss_status step_tree_unknown(const step_part *part, const char *type, const char *where, ss_error *err);

#endif
