/* Scores made elsewhere, into a store: so that any metric can enter the statistics. A score belongs to an image by the
 * checksum of its pixels or of its file, never by its name alone; GenEval's own results carry none, so there the stored
 * image must still be the one that the run made. All rows are checked before one is taken over. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "io/content.h"
#include "io/csv.h"
#include "io/json.h"
#include "run/run.h"
#include "store/writer.h"

enum { RESULTS_LIMIT = 1 << 30 };

typedef struct import_row {
    int64_t unit;
    double value;
    char *metric; /* owned */
} import_row;

typedef struct intake {
    store *s;
    const char *path;
    sqlite3_stmt *find, *remove;
    int64_t n;
    size_t capacity;
    import_row *row;
} intake;

static ss_status import_add(intake *w, int64_t unit, double value, const char *metric_name, ss_error *err) {
    SS_TRY(ARRAY_ROOM(w->row, w->capacity, w->n + 1, "scores", err));
    import_row *r = &w->row[w->n];
    *r = (import_row){unit, value, text_copy(metric_name)};
    if (!r->metric) return error_no_memory(err, "scores", 1);
    w->n++;
    return SS_OK;
}

/* "images/..." from where it begins in a longer path. */
static const char *below_store(const char *path) {
    const char *at = path;
    for (const char *p = path; (p = strstr(p, "images/")) != NULL; p++)
        if (p == path || p[-1] == '/') at = p;
    return at;
}

/* The unit of an image: its id, checksum of pixels, path in the store (valid until the next call). */
static ss_status find_unit(intake *w, const char *image, int line, int64_t *unit, const char **pixels,
                           const char **path, ss_error *err) {
    sqlite3_reset(w->find);
    sqlite3_bind_text(w->find, 1, below_store(image), -1, SQLITE_STATIC);
    int code = sqlite3_step(w->find);
    if (code != SQLITE_ROW && code != SQLITE_DONE) return store_sql_error(w->s, "cannot read", err);
    if (code == SQLITE_DONE)
        return csv_error(err, w->path, line, "'%s' is not an image of %s", image, store_folder(w->s));
    *unit = sqlite3_column_int64(w->find, 0);
    SS_TRY(store_column_text(w->s, w->find, 1, pixels, err));
    return store_column_text(w->s, w->find, 2, path, err);
}

/* ---- CSV ---- */

typedef struct columns {
    int image, value, metric, pixels, sha256; /* -1 = not there */
} columns;

static int column_of(const csv_table *t, const char *name) {
    for (int i = 0; i < csv_column_count(t); i++)
        if (strcmp(csv_column_name(t, i), name) == 0) return i;
    return -1;
}

static ss_status check_row(intake *w, const csv_table *t, int64_t r, const columns *c, int64_t *unit, ss_error *err) {
    const char *image = csv_cell(t, r, c->image), *pixels, *path;
    int line = csv_line(t, r);
    SS_TRY(find_unit(w, image, line, unit, &pixels, &path, err));
    if (c->pixels >= 0) {
        if (strcmp(csv_cell(t, r, c->pixels), pixels) == 0) return SS_OK;
        return csv_error(err, w->path, line, "%s has pixels %.12s.. in the store, %.12s.. here: it is another image",
                         image, pixels, csv_cell(t, r, c->pixels));
    }
    sha256_hex hash;
    char *file = file_join(store_folder(w->s), path);
    if (!file) return error_no_memory(err, "a file name", 1);
    ss_status status = file_hash(file, hash, err);
    free(file);
    SS_TRY(status);
    if (strcmp(csv_cell(t, r, c->sha256), hash) == 0) return SS_OK;
    return csv_error(err, w->path, line, "%s has SHA-256 %.12s.. in the store, %.12s.. here: it is another file", image,
                     hash, csv_cell(t, r, c->sha256));
}

static ss_status import_read_rows(intake *w, const csv_table *t, const char *name, ss_error *err) {
    columns c = {.metric = column_of(t, "metric"), .pixels = column_of(t, "pixels"), .sha256 = column_of(t, "sha256")};
    SS_TRY(csv_find_column(t, "image", &c.image, err));
    SS_TRY(csv_find_column(t, "value", &c.value, err));
    if (c.pixels < 0 && c.sha256 < 0)
        return error_set(err, SS_ERR_INPUT, w->path,
                         "has neither a column 'pixels' (as 'export --table units' gives) nor 'sha256' (of the PNG): "
                         "scores are checked against the images' checksums");
    if (c.metric < 0 && !name)
        return error_set(err, SS_ERR_INPUT, w->path, "has no column 'metric'; name the metric with --as");
    for (int64_t r = 0; r < csv_row_count(t); r++) {
        int64_t unit;
        double value;
        SS_TRY(csv_get_double(t, r, c.value, &value, err));
        SS_TRY(check_row(w, t, r, &c, &unit, err));
        const char *metric_name = name ? name : csv_cell(t, r, c.metric);
        if (!*metric_name) return csv_error(err, w->path, csv_line(t, r), "metric is empty");
        SS_TRY(import_add(w, unit, value, metric_name, err));
    }
    return SS_OK;
}

/* ---- GenEval ---- */

static ss_status read_result(intake *w, const char *text_line, size_t length, int line, const char *name,
                             ss_error *err) {
    json_t *o;
    const char *file, *pixels, *path;
    int64_t unit;
    int correct;
    rgb_image image;
    char where[600];
    snprintf(where, sizeof where, "%s:%d", w->path, line);
    SS_TRY(json_read_bytes(text_line, length, where, &o, err));
    ss_status status = json_get_text(o, "filename", where, &file, err);
    if (status == SS_OK) status = json_get_bool(o, "correct", where, &correct, err);
    if (status == SS_OK) status = find_unit(w, file, line, &unit, &pixels, &path, err);
    if (status == SS_OK) status = store_image(w->s, unit, &image, err); /* still what the run made */
    if (status == SS_OK) {
        rgb_image_free(&image);
        status = import_add(w, unit, correct, name, err);
    }
    json_decref(o);
    return status;
}

static ss_status read_results(intake *w, const char *name, ss_error *err) {
    char *bytes;
    size_t size;
    int line = 0;
    SS_TRY(file_read(w->path, RESULTS_LIMIT, &bytes, &size, err));
    ss_status status = content_check(bytes, size, CONTENT_JSON | CONTENT_EMPTY,
                                     "GenEval's results, a JSON object a line", w->path, err);
    for (char *at = bytes + content_mark(bytes, size); status == SS_OK && at < bytes + size;) {
        size_t length = strcspn(at, "\n");
        line++;
        if (length > 0) status = read_result(w, at, length, line, name, err);
        at += length + 1;
    }
    free(bytes);
    return status;
}

/* ---- the store ---- */

static int is_ours(const char *name) {
    for (int i = 0; i < SCORE_METRIC_COUNT; i++)
        if (strcmp(SCORE_METRICS[i]->about.name, name) == 0) return 1;
    return 0;
}

static int compare_metrics(const void *a, const void *b) {
    const import_row *x = a, *y = b;
    int by_name = strcmp(x->metric, y->metric);
    return by_name ? by_name : (x->unit > y->unit) - (x->unit < y->unit);
}

/* Rows first .. end are one metric's. */
static ss_status put_metric(intake *w, int64_t first, int64_t end, metric_kind kind, int binary, ss_error *err) {
    int paired = kind == METRIC_DISTANCE || kind == METRIC_SIMILARITY, number;
    const metric row = {.about = {w->row[first].metric, "imported", NULL},
                        .kind = kind,
                        .binary = binary,
                        .needs = paired ? METRIC_NEEDS_BASELINE : 0};
    const study_metric m = {.row = &row};
    SS_TRY(store_find_metric(w->s, &m, &number, err));
    SS_TRY(store_begin(w->s, err));
    ss_status status = SS_OK;
    for (int64_t i = first; status == SS_OK && i < end; i++) {
        sqlite3_bind_int(w->remove, 1, number);
        sqlite3_bind_int64(w->remove, 2, w->row[i].unit);
        status = store_step(w->s, w->remove, "table score", err);
        if (status == SS_OK)
            status = store_put_score(w->s, w->row[i].unit, number, &(metric_value){.value = w->row[i].value}, err);
    }
    if (status == SS_OK) status = store_commit(w->s, err);
    if (status != SS_OK) store_rollback(w->s);
    return status;
}

static ss_status check_names(const intake *w, ss_error *err) {
    for (int64_t i = 0; i < w->n; i++) {
        const import_row *r = &w->row[i];
        if (is_ours(r->metric))
            return error_set(err, SS_ERR_INPUT, w->path,
                             "the metric '%s' is one of sinkscope's own; give it another name", r->metric);
        if (strspn(r->metric, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != strlen(r->metric))
            return error_set(err, SS_ERR_INPUT, w->path,
                             "the metric '%s': expected letters, digits, '-', '_' and '.' in its name", r->metric);
        if (strlen(r->metric) >= STORE_METRIC_NAME)
            return error_set(err, SS_ERR_INPUT, w->path, "the metric '%s': expected a name of at most %d characters",
                             r->metric, STORE_METRIC_NAME - 1);
        if (i && compare_metrics(r - 1, r) == 0)
            return error_set(err, SS_ERR_INPUT, w->path, "gives the metric '%s' twice for unit %lld", r->metric,
                             (long long)r->unit);
    }
    return SS_OK;
}

static ss_status take_over(intake *w, metric_kind kind, int binary, ss_error *err) {
    if (w->n == 0) return error_set(err, SS_ERR_INPUT, w->path, "holds no score");
    qsort(w->row, (size_t)w->n, sizeof *w->row, compare_metrics);
    SS_TRY(check_names(w, err));
    for (int64_t first = 0, end; first < w->n; first = end) {
        for (end = first; end < w->n && strcmp(w->row[end].metric, w->row[first].metric) == 0;) end++;
        SS_TRY(put_metric(w, first, end, kind, binary, err));
    }
    return SS_OK;
}

/* Images by name for as long as an import takes: a store has no index of them, and a file may name every one. */
static const char INDEX[] = "CREATE TEMP TABLE intake(image TEXT PRIMARY KEY, unit INTEGER, pixels TEXT) WITHOUT ROWID;"
                            "INSERT OR IGNORE INTO temp.intake SELECT image, unit, pixels FROM unit"
                            " WHERE image IS NOT NULL";

static ss_status take_in(intake *w, const char *name, metric_kind kind, ss_error *err) {
    int is_geneval = content_has_extension(w->path, ".jsonl");
    csv_table *t = NULL;
    SS_TRY(store_prepare(w->s, "SELECT unit, pixels, image FROM temp.intake WHERE image = ?", &w->find, err));
    ss_status status = store_prepare(w->s, "DELETE FROM score WHERE metric = ? AND unit = ?", &w->remove, err);
    if (status == SS_OK)
        status = is_geneval ? read_results(w, name ? name : "geneval", err) : csv_read_file(w->path, &t, err);
    if (status == SS_OK && t) status = import_read_rows(w, t, name, err);
    if (status == SS_OK) status = take_over(w, kind, is_geneval, err);
    csv_close(t);
    sqlite3_finalize(w->find);
    sqlite3_finalize(w->remove);
    return status;
}

ss_status run_import(store *s, const char *path, const char *name, metric_kind kind, int64_t *count, ss_error *err) {
    intake w = {.s = s, .path = path};
    ss_error ignored;
    SS_TRY(store_exec(s, INDEX, err));
    ss_status status = take_in(&w, name, kind, err);
    (void)store_exec(s, "DROP TABLE temp.intake", &ignored);
    *count = status == SS_OK ? w.n : 0;
    for (int64_t i = 0; i < w.n; i++) free(w.row[i].metric);
    free(w.row);
    return status;
}
