/* Reading a store: rows of a SELECT, which units are there, images with their checksums. Values from the database are
 * data of unknown origin: paths are checked, missing text reads "". */
#include "study/store_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct store_rows {
    const store *s;
    sqlite3_stmt *stmt;
};

ss_status store_select(store_rows **out, const store *s, ss_error *err, const char *sql) {
    *out = NULL;
    store_rows *r = calloc(1, sizeof *r);
    if (!r) return error_no_memory(err, "a question", sizeof *r);
    r->s = s;
    ss_status status = s->db ? store_prepare(s, sql, &r->stmt, err)
                             : error_set(err, SS_ERR_STORE, s->folder, "the store has no results yet");
    if (status == SS_OK && !sqlite3_stmt_readonly(r->stmt))
        status = error_set(err, SS_ERR_INTERNAL, s->db_path, "'%s' is not a question", sql);
    if (status == SS_OK) *out = r;
    else store_rows_close(r);
    return status;
}

int store_rows_next(store_rows *r, ss_error *err) {
    int code = sqlite3_step(r->stmt);
    if (code == SQLITE_ROW) return 1;
    if (code == SQLITE_DONE) return 0;
    store_sql_error(r->s, "cannot read", err);
    return -1;
}

int store_rows_columns(const store_rows *r) { return sqlite3_column_count(r->stmt); }
const char *store_rows_name(const store_rows *r, int column) { return sqlite3_column_name(r->stmt, column); }
int store_rows_is_null(const store_rows *r, int column) { return sqlite3_column_type(r->stmt, column) == SQLITE_NULL; }
int store_rows_is_number(const store_rows *r, int column) {
    int type = sqlite3_column_type(r->stmt, column);
    return type == SQLITE_INTEGER ? 1 : type == SQLITE_FLOAT ? 2 : 0;
}
int64_t store_rows_int(const store_rows *r, int column) { return sqlite3_column_int64(r->stmt, column); }
double store_rows_double(const store_rows *r, int column) {
    return store_rows_is_null(r, column) ? NAN : sqlite3_column_double(r->stmt, column);
}
const char *store_rows_text(const store_rows *r, int column) {
    const unsigned char *s = sqlite3_column_text(r->stmt, column);
    return s ? (const char *)s : "";
}

void store_rows_close(store_rows *r) {
    if (!r) return;
    sqlite3_finalize(r->stmt);
    free(r);
}

/* ---- units ---- */

static int compare_units(const void *a, const void *b) {
    const plan_unit *x = *(const plan_unit *const *)a, *y = *(const plan_unit *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

ss_status store_done(const store *s, const plan *p, uint8_t *done, int64_t *count, ss_error *err) {
    const plan_unit **sorted = malloc((size_t)p->n_units * sizeof(plan_unit *));
    if (!sorted) return error_no_memory(err, "units", (unsigned long long)p->n_units);
    for (int i = 0; i < p->n_units; i++) sorted[i] = &p->unit[i];
    qsort(sorted, (size_t)p->n_units, sizeof *sorted, compare_units);
    memset(done, 0, (size_t)p->n_units);
    *count = 0;
    store_rows *r = NULL;
    int i = 0, more = 0;
    ss_status status =
        store_select(&r, s, err, "SELECT unit, prompt, seed, condition, image IS NULL FROM unit ORDER BY unit");
    while (status == SS_OK && (more = store_rows_next(r, err)) == 1) {
        int64_t id = store_rows_int(r, 0);
        while (i < p->n_units && sorted[i]->id < id) i++;
        if (i == p->n_units || sorted[i]->id != id) continue; /* of a larger --limit */
        const plan_unit *u = sorted[i];
        if (u->prompt != store_rows_int(r, 1) || (int64_t)u->seed != store_rows_int(r, 2) ||
            u->condition != store_rows_int(r, 3))
            status = store_damaged(s, err, "table unit: unit %lld is not what the study plans", (long long)id);
        done[u - p->unit] = store_rows_int(r, 4) ? UNIT_FAILED : UNIT_MADE;
        ++*count;
    }
    if (more < 0) status = err->code;
    store_rows_close(r);
    free(sorted);
    return status;
}

/* A path that the store may have written: relative, without "..". */
static int is_own_path(const char *path, const char *folder) {
    return strncmp(path, folder, strlen(folder)) == 0 && !strstr(path, "..");
}

ss_status store_image(const store *s, int64_t unit, rgb_image *out, ss_error *err) {
    sqlite3_stmt *q;
    *out = (rgb_image){0};
    SS_TRY(store_prepare(s, "SELECT image, pixels FROM unit WHERE unit = ?", &q, err));
    sqlite3_bind_int64(q, 1, unit);
    int code = sqlite3_step(q);
    const char *image = code == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 0) : NULL;
    const char *pixels = code == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 1) : NULL;
    char *path = image && is_own_path(image, "images/") ? file_join(s->folder, image) : NULL;
    file_sha256 hash;
    ss_status status = SS_OK;
    if (code != SQLITE_ROW && code != SQLITE_DONE) status = store_sql_error(s, "table unit", err);
    else if (!path || !pixels) status = store_damaged(s, err, "table unit: unit %lld has no image", (long long)unit);
    else status = png_read(path, out, err);
    if (status == SS_ERR_INPUT) err->code = status = SS_ERR_STORE;
    if (status == SS_OK) status = rgb_image_hash(out, hash, err);
    if (status == SS_OK && strcmp(hash, pixels) != 0)
        status = error_set(err, SS_ERR_STORE, path,
                           "its pixels are not those that were recorded; the file was changed after "
                           "the run: restore it, or delete the store");
    if (status != SS_OK) rgb_image_free(out);
    sqlite3_finalize(q);
    free(path);
    return status;
}

ss_status store_check_trace(const store *s, int64_t unit, int *there, int *good, ss_error *err) {
    sqlite3_stmt *q;
    SS_TRY(store_prepare(s, "SELECT trace, trace_sha256 FROM unit WHERE unit = ?", &q, err));
    sqlite3_bind_int64(q, 1, unit);
    int code = sqlite3_step(q);
    const char *trace = code == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 0) : NULL;
    const char *recorded = code == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 1) : NULL;
    char *path = trace && is_own_path(trace, "traces/") ? file_join(s->folder, trace) : NULL;
    file_sha256 hash;
    ss_error unreadable;
    *there = trace != NULL;
    *good = path && recorded && file_hash(path, hash, &unreadable) == SS_OK && strcmp(hash, recorded) == 0;
    ss_status status = code == SQLITE_ROW || code == SQLITE_DONE ? SS_OK : store_sql_error(s, "table unit", err);
    sqlite3_finalize(q);
    free(path);
    return status;
}
