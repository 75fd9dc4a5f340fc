/* Reading a store: rows of a SELECT, which units are there, images with their checksums. Values from the database are
 * data of unknown origin: paths are checked, missing text reads "". */
#include "store/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/png.h"

struct store_rows {
    const store *s;
    sqlite3_stmt *stmt;
    int starved; /* a text could not be handed out: the next row is an error */
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
    if (r->starved) {
        error_no_memory(err, r->s->db_path, 1);
        return -1;
    }
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
image_seed store_rows_seed(store_rows *r, int column) {
    image_seed seed = seed_of(store_rows_int(r, column));
    if (sqlite3_column_type(r->stmt, column) == SQLITE_TEXT) seed_parse(store_rows_text(r, column), &seed);
    return seed;
}
double store_rows_double(const store_rows *r, int column) {
    return store_rows_is_null(r, column) ? NAN : sqlite3_column_double(r->stmt, column);
}
const char *store_rows_text(store_rows *r, int column) {
    const char *s;
    ss_error err;
    if (store_column_text(r->s, r->stmt, column, &s, &err) != SS_OK) r->starved = 1;
    return s ? s : "";
}

void store_rows_close(store_rows *r) {
    if (!r) return;
    sqlite3_finalize(r->stmt);
    free(r);
}

/* ---- units ---- */

static int query_compare_units(const void *a, const void *b) {
    const plan_unit *x = *(const plan_unit *const *)a, *y = *(const plan_unit *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

ss_status store_done(const store *s, const plan *p, uint8_t *done, int64_t *count, ss_error *err) {
    const plan_unit **sorted = malloc((size_t)p->n_units * sizeof(plan_unit *));
    if (!sorted) return error_no_memory(err, "units", (unsigned long long)p->n_units);
    for (int i = 0; i < p->n_units; i++) sorted[i] = &p->unit[i];
    qsort(sorted, (size_t)p->n_units, sizeof *sorted, query_compare_units);
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
        if (u->prompt != store_rows_int(r, 1) || seed_compare(u->seed, store_rows_seed(r, 2)) != 0 ||
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

/* The name of a unit's file and its checksum, NULL where it has none. */
static ss_status read_file_columns(const store *s, sqlite3_stmt *q, const char **name, const char **hash,
                                   ss_error *err) {
    *name = *hash = NULL;
    int code = sqlite3_step(q);
    if (code == SQLITE_DONE) return SS_OK;
    if (code != SQLITE_ROW) return store_sql_error(s, "table unit", err);
    SS_TRY(store_column_text(s, q, 0, name, err));
    return store_column_text(s, q, 1, hash, err);
}

ss_status store_image(const store *s, int64_t unit, rgb_image *out, ss_error *err) {
    sqlite3_stmt *q;
    *out = (rgb_image){0};
    SS_TRY(store_prepare(s, "SELECT image, pixels FROM unit WHERE unit = ?", &q, err));
    sqlite3_bind_int64(q, 1, unit);
    sha256_hex hash;
    const char *image, *pixels;
    char *path = NULL;
    ss_status status = read_file_columns(s, q, &image, &pixels, err);
    if (status == SS_OK && (!image || !pixels || !is_own_path(image, "images/")))
        status = store_damaged(s, err, "table unit: unit %lld has no image", (long long)unit);
    if (status == SS_OK && !(path = file_join(s->folder, image))) status = error_no_memory(err, "a file name", 1);
    if (status == SS_OK) status = png_read(path, out, err);
    if (status == SS_ERR_INPUT) err->code = status = SS_ERR_STORE;
    if (status == SS_OK) rgb_image_hash(out, hash);
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
    sha256_hex hash;
    const char *trace, *recorded;
    char *path = NULL;
    ss_status status = read_file_columns(s, q, &trace, &recorded, err);
    *there = trace != NULL;
    *good = 0;
    if (status == SS_OK && trace && recorded && is_own_path(trace, "traces/")) {
        if (!(path = file_join(s->folder, trace))) status = error_no_memory(err, "a file name", 1);
        else if (file_hash(path, hash, err) == SS_OK) *good = strcmp(hash, recorded) == 0;
        else if (err->code == SS_ERR_RESOURCE) status = err->code;
    }
    sqlite3_finalize(q);
    free(path);
    return status;
}
