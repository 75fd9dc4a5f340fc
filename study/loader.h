/* Inside study/: what the parts of the loader share. */
#ifndef STUDY_LOADER_H
#define STUDY_LOADER_H

#include "study/study.h"

typedef struct loader {
    study *y;
    yaml_file *f;
    ss_error *err;
    const char *model; /* as in study_places */
} loader;

/* Every string of a study that is not in its source. NULL when out of memory. */
char *loader_keep(study *y, const char *s);
void loader_free_strings(study *y);
static inline ss_status loader_no_memory(loader *l) { return error_no_memory(l->err, "the study", 1); }

/* ---- nodes ---- */

/* Errors unless the node is of that kind: "model is a list; expected a word". */
ss_status loader_expect(loader *l, const yaml_node *n, yaml_kind kind, const char *what);

/* Every key of the mapping has to be in one of the tables (NULL tables are skipped). `what`: "key of sampler". */
ss_status loader_check_keys(loader *l, const yaml_node *mapping, const option *const *tables, int n, const char *what);

/* The value of `name` in the mapping, parsed as the table's row of that name; its default where it is not there (words
 * and flags; numbers stay 0, text is NULL). */
ss_status loader_get(loader *l, const yaml_node *mapping, const option *table, const char *name, option_value *out);

/* One scalar as an option. */
ss_status loader_parse(loader *l, const yaml_node *n, const option *o, option_value *out);

/* The row called as the node says, or an error that names the nearest and the command that lists them. */
ss_status loader_find(loader *l, const yaml_node *n, const void *table, size_t stride, int count, const char *kind,
                      const entry **out);

/* Likewise in two tables, one after the other. */
typedef struct loader_table {
    const void *rows; /* structs whose first member is an entry */
    size_t stride;
    int count;
} loader_table;
ss_status loader_find_in(loader *l, const yaml_node *n, const loader_table *tables, int n_tables, const char *kind,
                         const entry **out);

/* The options of a row, from the mapping (keys of other tables in it are ignored); required ones must be there. */
ss_status loader_options(loader *l, const yaml_node *mapping, const entry *row, const char *kind,
                         option_value out[STUDY_MAX_OPTIONS]);

const option *loader_find_option(const option *table, const char *name); /* table may be NULL */

/* "did you mean 'x'? (keys: a, b, c)" for a word that is none of `names`. */
void loader_hint(const char *word, const char *const *names, int n, const char *kind, const char *see, text *out);

/* A path that exists, looked for in the study's places. */
ss_status loader_path(loader *l, const yaml_node *at, const char *written, const char *what, const char **out);
/* The same, or the name of a repository on the hub that is in the cache (io/hub.h). */
ss_status loader_named(loader *l, const yaml_node *at, const char *written, const char *what, const char **out);
/* The same for a metric's model or weights, which may also be named by where they are published (score/weights.h). */
ss_status loader_weights(loader *l, const yaml_node *at, const char *written, const char *what, const char **out);

/* ---- parts ---- */
/* The keys model (as written), parts and lora. */
ss_status loader_model(loader *l, const yaml_node *root, const char *written);
ss_status loader_conditions(loader *l, const yaml_node *conditions);
ss_status loader_builtin_conditions(loader *l);
ss_status loader_contrasts(loader *l, const yaml_node *contrasts);
ss_status loader_metrics(loader *l, const yaml_node *n, study_metric *out, int capacity, int *count);
/* The sizes that a network is conditioned on, from a mapping whose keys are checked. */
ss_status loader_picture_sizes(loader *l, const yaml_node *mapping, picture_sizes *out);
/* Numbers below `limit`, ranges, 'all'; `of_depth`: fractions of depth too. */
ss_status loader_number_set(loader *l, const yaml_node *n, const char *what, int limit, int of_depth, number_set *out);

#endif
