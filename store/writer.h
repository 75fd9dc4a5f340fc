/* What those ask of a store who add to it or check it (run/): SQLite's statements with our errors, transactions,
 * scores. Readers use store.h. */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <sqlite3.h>
#include "store/store.h"

/* ---- errors: SQLite's as ours, naming the file and what was being done ---- */
ss_status store_sql_error(const store *s, const char *what, ss_error *err);
#define store_sql_error(...)                                                                                           \
    error_code(store_sql_error(__VA_ARGS__) == SS_ERR_RESOURCE ? SS_ERR_RESOURCE : SS_ERR_STORE) /* base/error.h */
/* Whether the last trouble with the database's file was that the disk could not be read (EIO). SQLite calls such a file
 * corrupt (SQLITE_IOERR_CORRUPTFS), which it need not be. */
int store_read_failed(const store *s);
ss_status store_damaged(const store *s, ss_error *err, const char *fmt, ...) BASE_PRINTF(3, 4);
#define store_damaged(...) (store_damaged(__VA_ARGS__), error_code(SS_ERR_STORE)) /* base/error.h */

/* ---- statements ---- */

ss_status store_exec(store *s, const char *sql, ss_error *err);
ss_status store_prepare(const store *s, const char *sql, sqlite3_stmt **out, ss_error *err);
/* Run a statement with its bindings, then reset it. */
ss_status store_step(const store *s, sqlite3_stmt *stmt, const char *what, ss_error *err);
/* A column's text, NULL for NULL; memory that ran out is an error, not NULL. */
ss_status store_column_text(const store *s, sqlite3_stmt *stmt, int column, const char **out, ss_error *err);
ss_status store_begin(store *s, ss_error *err);
ss_status store_commit(store *s, ss_error *err);
void store_rollback(store *s);

int store_has_units(const store *s); /* 0: its creation was cut short, there is no database yet */
const char *store_db_path(const store *s);

/* ---- scores ---- */

/* The metric's row, made (with the views that show it) where it is not there yet. */
ss_status store_find_metric(store *s, const study_metric *m, int *number, ss_error *err);

/* Inside a transaction. `number`: the metric's row. A value that is not finite becomes a row of score_failure. */
ss_status store_put_score(store *s, int64_t unit, int number, const metric_value *v, ss_error *err);

/* The same with the value of a unit that has failed; the metric has a worst one. */
ss_status store_put_worst(store *s, int64_t unit, int number, const metric *m, ss_error *err);

/* What a metric reads from disk, described anew in the manifest in place of what was there. */
ss_status store_describe_metric(store *s, const study_metric *m, ss_error *err);

/* The table of distances of sets, and its view, where they are not there yet. */
ss_status store_make_sets(store *s, ss_error *err);

/* ---- checks ---- */

/* Values that are not finite and belong to nothing that is marked as failed: *n, and a line for each kind. */
ss_status store_find_not_finite(const store *s, text *found, int64_t *n, ss_error *err);

/* Model and prompt files are what the manifest says; counts for verify (NULL = stop at the first difference). */
ss_status store_check_files(const store *s, int64_t *files, int64_t *differing, text *problems, ss_error *err);

/* Checksums of the model's files that decide what its text encoders make (encoders, tokenizers, the index), and the
 * numeric class: one line each. */
ss_status store_text_identity(const store *s, text *out, ss_error *err);

#endif
