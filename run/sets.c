/* Distances of sets: every condition's images from the baseline's, by metrics of sets. Features are of the stored
 * images, checked against their checksums; a table of its own in results.sqlite keeps the distances (docs/STORE.md),
 * made when the first one is put there. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "run/run.h"
#include "store/writer.h"

/* All images that take part, those of one condition side by side, the baseline's first. */
typedef struct sets {
    store *s;
    compute *c;
    const study_metric *m;
    void *state;
    const run_options *o;
    int64_t n, width;
    size_t capacity;
    int64_t *unit, *condition, *prompt; /* [n] */
    float *feature;                     /* [n, width] */
} sets;

static void sets_free(sets *w) {
    free(w->unit);
    free(w->condition);
    free(w->prompt);
    free(w->feature);
}

static ss_status sets_add_image(sets *w, int64_t unit, int64_t condition, int64_t prompt, ss_error *err) {
    size_t units = w->capacity, conditions = w->capacity;
    SS_TRY(ARRAY_ROOM(w->unit, units, w->n + 1, "a list of images", err));
    SS_TRY(ARRAY_ROOM(w->condition, conditions, w->n + 1, "a list of images", err));
    SS_TRY(ARRAY_ROOM(w->prompt, w->capacity, w->n + 1, "a list of images", err));
    w->unit[w->n] = unit;
    w->condition[w->n] = condition;
    w->prompt[w->n++] = prompt;
    return SS_OK;
}

static ss_status list_images(sets *w, ss_error *err) {
    store_rows *r;
    int more;
    SS_TRY(store_select(&r, w->s, err,
                        "SELECT u.unit, u.condition, u.prompt FROM unit u JOIN condition c ON c.condition = u.condition"
                        " WHERE c.role IN ('baseline', 'studied', 'positive', 'calibration') AND u.image IS NOT NULL"
                        " ORDER BY u.condition, u.prompt, u.seed"));
    ss_status status = SS_OK;
    while (status == SS_OK && (more = store_rows_next(r, err)) != 0)
        status = more < 0 ? err->code
                          : sets_add_image(w, store_rows_int(r, 0), store_rows_int(r, 1), store_rows_int(r, 2), err);
    store_rows_close(r);
    return status;
}

/* Images from `first` on that are of its condition. */
static int64_t count_from(const sets *w, int64_t first) {
    int64_t n = first;
    while (n < w->n && w->condition[n] == w->condition[first]) n++;
    return n - first;
}

/* Whether the store has the distance of every set, of its present size. */
static ss_status have_all(const sets *w, const char *options, int *all, ss_error *err) {
    sqlite3_stmt *q;
    int64_t baseline = count_from(w, 0);
    *all = 1;
    SS_TRY(store_prepare(w->s, "SELECT n, n_baseline, options FROM set_score WHERE metric = ? AND condition = ?", &q,
                         err));
    ss_status status = SS_OK;
    for (int64_t i = baseline; status == SS_OK && i < w->n && *all; i += count_from(w, i)) {
        sqlite3_reset(q);
        sqlite3_bind_text(q, 1, w->m->row->about.name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 2, w->condition[i]);
        const char *written = NULL;
        int code = sqlite3_step(q);
        if (code == SQLITE_ROW) status = store_column_text(w->s, q, 2, &written, err);
        else if (code != SQLITE_DONE) status = store_sql_error(w->s, "table set_score", err);
        *all = written && study_metric_same(written, options) && sqlite3_column_int64(q, 0) == count_from(w, i) &&
               sqlite3_column_int64(q, 1) == baseline;
    }
    sqlite3_finalize(q);
    return status;
}

static ss_status sets_make_features(sets *w, ss_error *err) {
    double started = clock_seconds();
    run_progress now = {.study = store_study(w->s)->name, .unit = w->m->row->about.name};
    now.units_total = now.forwards_total = w->n;
    w->width = w->m->row->width(w->state);
    w->feature = malloc((size_t)(w->n * w->width) * sizeof *w->feature);
    if (!w->feature) return error_no_memory(err, "features", (unsigned long long)(w->n * w->width) * sizeof(float));
    for (int64_t i = 0; i < w->n; i++) {
        rgb_image image;
        if (w->o->stop && *w->o->stop)
            return error_set(err, SS_ERR_INTERRUPTED, NULL, "interrupted; distances of sets begin anew");
        SS_TRY(store_image(w->s, w->unit[i], &image, err));
        ss_status status = metric_feature(w->m->row, w->c, w->state, &image, w->feature + i * w->width, err);
        rgb_image_free(&image);
        if (status != SS_OK) return status;
        now.units_done = now.forwards_done = i + 1;
        now.seconds = clock_seconds() - started;
        now.units_per_second = (double)(i + 1) / now.seconds;
        now.seconds_left = (double)(w->n - i - 1) / now.units_per_second;
        if (w->o->progress) w->o->progress(w->o->user, &now);
    }
    return SS_OK;
}

static void bind_bound(sqlite3_stmt *q, int column, stats_figure f) {
    if (f.state == STATS_DEFINED) sqlite3_bind_double(q, column, f.value);
    else sqlite3_bind_null(q, column);
}

static ss_status put_distance(const sets *w, sqlite3_stmt *q, int64_t first, const char *options, ss_error *err) {
    int64_t n = count_from(w, first), baseline = count_from(w, 0);
    stats_features own = {.n = n, .d = w->width, .f32 = w->feature + first * w->width};
    stats_features base = {.n = baseline, .d = w->width, .f32 = w->feature};
    metric_set_value value;
    SS_TRY(w->m->row->distance(w->state, &own, w->prompt + first, &base, w->prompt, store_study(w->s)->study_seed,
                               w->c->threads, &value, err));
    sqlite3_bind_text(q, 1, w->m->row->about.name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, w->condition[first]);
    sqlite3_bind_text(q, 3, options, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 4, n);
    sqlite3_bind_int64(q, 5, baseline);
    sqlite3_bind_double(q, 6, value.value);
    bind_bound(q, 7, value.interval.low);
    bind_bound(q, 8, value.interval.high);
    return store_step(w->s, q, "table set_score", err);
}

/* All distances of one metric in one transaction. */
static ss_status put_all(const sets *w, const char *options, ss_error *err) {
    sqlite3_stmt *q;
    SS_TRY(store_prepare(w->s, "INSERT OR REPLACE INTO set_score VALUES(?, ?, ?, ?, ?, ?, ?, ?)", &q, err));
    ss_status status = store_begin(w->s, err);
    if (status == SS_OK) {
        for (int64_t i = count_from(w, 0); status == SS_OK && i < w->n; i += count_from(w, i))
            status = put_distance(w, q, i, options, err);
        if (status == SS_OK) status = store_commit(w->s, err);
        if (status != SS_OK) store_rollback(w->s);
    }
    sqlite3_finalize(q);
    return status;
}

static ss_status run_metric(sets *w, const char *options, ss_error *err) {
    int all;
    SS_TRY(list_images(w, err));
    if (w->n == 0) return SS_OK;
    if (w->condition[0] != 0 || count_from(w, 0) < 2)
        return error_set(err, SS_ERR_STORE, store_folder(w->s), "has fewer than two baseline images; %s compares sets",
                         w->m->row->about.name);
    SS_TRY(have_all(w, options, &all, err));
    if (all) return SS_OK;
    SS_TRY(w->m->row->open(w->c, study_tokenizer_rules(store_study(w->s)), w->m->options, &w->state, err));
    ss_status status = sets_make_features(w, err);
    if (status == SS_OK) status = put_all(w, options, err);
    w->m->row->close(w->c, w->state);
    return status;
}

ss_status run_sets(store *s, compute *c, const study_metric *m, int n, const run_options *o, ss_error *err) {
    static const run_options NONE = {0};
    if (n == 0) return SS_OK;
    SS_TRY(store_make_sets(s, err));
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < n; i++) {
        sets w = {.s = s, .c = c, .m = &m[i], .o = o ? o : &NONE};
        text options = {0};
        status = study_metric_describe(&m[i], &options, err);
        if (status == SS_OK) status = run_metric(&w, options.s ? options.s : "", err);
        text_free(&options);
        sets_free(&w);
    }
    return status;
}
