/* Inside study/: the store's state and what its parts share. */
#ifndef STUDY_STORE_INTERNAL_H
#define STUDY_STORE_INTERNAL_H

#include <jansson.h>
#include <sqlite3.h>
#include "study/store.h"

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

/* ---- errors: SQLite's as ours, naming the file and what was being done ---- */
ss_status store_sql_error(const store *s, const char *what, ss_error *err);
/* Whether the last trouble with the database's file was that the disk could not be read (EIO). SQLite calls such a file
 * corrupt (SQLITE_IOERR_CORRUPTFS), which it need not be. */
int store_read_failed(const store *s);
ss_status store_damaged(const store *s, ss_error *err, const char *fmt, ...) BASE_PRINTF(3, 4);

/* ---- store_sql.c ---- */
ss_status store_exec(store *s, const char *sql, ss_error *err);
ss_status store_prepare(const store *s, const char *sql, sqlite3_stmt **out, ss_error *err);
/* Run a statement with its bindings, then reset it. */
ss_status store_step(const store *s, sqlite3_stmt *stmt, const char *what, ss_error *err);
/* A column's text, NULL for NULL; memory that ran out is an error, not NULL. */
ss_status store_column_text(const store *s, sqlite3_stmt *stmt, int column, const char **out, ss_error *err);
ss_status store_begin(store *s, ss_error *err);
ss_status store_commit(store *s, ss_error *err);
void store_rollback(store *s);
ss_status store_open_db(store *s, int flags, ss_error *err);
ss_status store_check_version(store *s, ss_error *err);
/* Make results.sqlite with its static rows under a temporary name, then rename. */
ss_status store_create_db(store *s, const plan *p, const char *numeric_class, ss_error *err);
ss_status store_prepare_writer(store *s, ss_error *err);
/* A row of table metric; `added`: after the run, by `score`. */
ss_status store_add_metric(store *s, const study_metric *m, int number, int is_primary, int added, ss_error *err);

/* The metric's row, made (with the views that show it) where it is not there yet. */
ss_status store_find_metric(store *s, const study_metric *m, int *number, ss_error *err);

/* Inside a transaction. `number`: the metric's row. A value that is not finite becomes a row of score_failure. */
ss_status store_put_score(store *s, int64_t unit, int number, const metric_value *v, ss_error *err);

/* The same with the value of a unit that has failed; the metric knows a worst one. */
ss_status store_put_worst(store *s, int64_t unit, int number, const metric *m, ss_error *err);

/* ---- store_schema.c ---- */
/* Every table of a new store, by one list; `site` has the columns of the study's probes. */
void store_tables(const study *y, text *out);
/* The views, which name the study's probes and the store's metrics. */
ss_status store_views(store *s, ss_error *err);
/* What later versions brought, laid over a store that is of an older one and was opened for reading: in this connection
 * alone, the file stays as it is. */
ss_status store_read_older(store *s, ss_error *err);
/* ---- store_finite.c ---- */
/* Values that are not finite and belong to nothing that is marked as failed: *n, and a line for each kind. */
ss_status store_find_not_finite(const store *s, text *found, int64_t *n, ss_error *err);

/* ---- store_sweep.c ---- */
ss_status store_sweep(const store *s, const plan *p, notices *told, ss_error *err);
/* ---- store_manifest.c ---- */
ss_status store_write_manifest(const store *s, const plan *p, const char *numeric_class, ss_error *err);
ss_status store_read_manifest(store *s, ss_error *err);
/* What a metric reads from disk, described anew in the manifest in place of what was there. */
ss_status store_describe_metric(store *s, const study_metric *m, ss_error *err);
/* Checksums of the model's files that decide what its text encoders make (encoders, tokenizers, the index), and the
 * numeric class: one line each. */
/* The model's folder by the manifest, or NULL. */
const char *store_model_folder(const store *s);

ss_status store_text_identity(const store *s, text *out, ss_error *err);
/* Model and prompt files are what the manifest says; counts for verify (NULL = stop at the first difference). */
ss_status store_check_files(const store *s, int64_t *files, int64_t *differing, text *problems, ss_error *err);

#endif
