/* Inside store/: the store's state and what its parts share. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <jansson.h>
#include "store/writer.h"

/* Statements of a writer, prepared once. */
typedef enum store_statement {
    PUT_UNIT,
    PUT_SCORE,
    PUT_SITE,
    PUT_SINK,
    PUT_TOKEN,
    PUT_POINT,
    PUT_CUT,
    PUT_ACTION,
    PUT_FAILURE,
    PUT_SCORE_FAILURE,
    STORE_STATEMENTS
} store_statement;

struct store {
    char *folder;
    char *db_path;
    sqlite3 *db; /* NULL: creation was cut short */
    int lock;    /* file descriptor; -1 = none */
    store_mode mode;
    study *study;
    json_t *manifest;
    int limit;
    int numeric_class; /* row of this run's class */
    int probe_columns;
    int version; /* of the file; STORE_VERSION unless it was only opened for reading */
    sqlite3_stmt *statement[STORE_STATEMENTS];
};

/* ---- sql.c ---- */
ss_status store_open_db(store *s, int flags, ss_error *err);
ss_status store_check_version(store *s, ss_error *err);
/* Make results.sqlite with its static rows under a temporary name, then rename. */
ss_status store_create_db(store *s, const plan *p, const char *numeric_class, ss_error *err);
ss_status store_prepare_writer(store *s, ss_error *err);
/* A row of table metric; `added`: after the run, by `score`. */
ss_status store_add_metric(store *s, const study_metric *m, int number, int is_primary, int added, ss_error *err);

/* ---- schema.c ---- */
/* Every table of a new store, by one list; `site` has the columns of the study's probes. */
void store_tables(const study *y, text *out);
/* The views, which name the study's probes and the store's metrics. */
ss_status store_views(store *s, ss_error *err);
/* What later versions brought, laid over a store that is of an older one and was opened for reading: in this connection
 * alone, the file stays as it is. */
ss_status store_read_older(store *s, ss_error *err);
/* ---- sweep.c ---- */
ss_status store_sweep(const store *s, const plan *p, notices *told, ss_error *err);
/* ---- manifest.c ---- */
ss_status store_write_manifest(const store *s, const plan *p, const char *numeric_class, ss_error *err);
ss_status store_read_manifest(store *s, ss_error *err);
/* The model's folder by the manifest, or NULL. */
const char *store_model_folder(const store *s);

#endif
