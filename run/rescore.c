/* Further metrics for the images of a finished store: from the stored images, checked against their checksums. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "run/run.h"
#include "store/writer.h"

enum { IMAGES_PER_COMMIT = 32 };

/* One metric over the store. */
typedef struct rescore {
    store *s;
    compute *c;
    const study_metric *m;
    void *state;
    int number; /* row of table metric */
    const geneval_prompts *prompts;
    const run_options *o;
    run_progress progress;
    double started;
    int64_t baseline_unit; /* whose image is in `baseline`; -1 = none */
    rgb_image baseline;
} rescore;

/* ---- scores that are to be made again ---- */

/* The study's own metric of the name must be by the same weights and options: `resume` scores by it. */
static ss_status check_own(store *s, const study_metric *m, ss_error *err) {
    const study *y = store_study(s);
    for (int i = 0; i < y->n_metrics; i++) {
        sha256_hex own, given;
        if (y->metric[i].row != m->row) continue;
        SS_TRY(study_metric_hash(&y->metric[i], own, err));
        SS_TRY(study_metric_hash(m, given, err));
        if (strcmp(own, given) != 0)
            return error_set(err, SS_ERR_INPUT, store_folder(s),
                             "the study names %s by other weights or options; expected those that study.yaml names",
                             m->row->about.name);
    }
    return SS_OK;
}

static ss_status forget(store *s, const study_metric *m, const char *options, ss_error *err) {
    sqlite3_stmt *stmt;
    static const char *const SQL[] = {
        "DELETE FROM score WHERE metric = (SELECT metric FROM metric WHERE name = ?1)",
        "DELETE FROM score_failure WHERE metric = (SELECT metric FROM metric WHERE name = ?1)",
        "UPDATE metric SET options = ?2 WHERE name = ?1"};
    for (int i = 0; i < 3; i++) {
        SS_TRY(store_prepare(s, SQL[i], &stmt, err));
        sqlite3_bind_text(stmt, 1, m->row->about.name, -1, SQLITE_STATIC);
        if (i == 2) sqlite3_bind_text(stmt, 2, options, -1, SQLITE_STATIC);
        ss_status status = store_step(s, stmt, "scores", err);
        sqlite3_finalize(stmt);
        SS_TRY(status);
    }
    return SS_OK;
}

/* The transaction first: a kill between the two leaves a store that `verify` complains of, and this mends it. */
ss_status run_forget_scores(store *s, const study_metric *m, ss_error *err) {
    text options = {0};
    SS_TRY(check_own(s, m, err));
    ss_status status = study_metric_describe(m, &options, err);
    if (status == SS_OK) status = store_begin(s, err);
    if (status == SS_OK) {
        status = forget(s, m, options.s ? options.s : "", err);
        if (status == SS_OK) status = store_commit(s, err);
        if (status != SS_OK) store_rollback(s);
    }
    if (status == SS_OK) status = store_describe_metric(s, m, err);
    text_free(&options);
    return status;
}

typedef struct pending {
    int64_t unit, baseline; /* -1 = the store has no baseline for it */
    int prompt, failed;     /* there is no image */
    int may_fail;           /* of a studied condition: a score that is not finite is a result */
} pending;

static ss_status list_pending(const rescore *w, pending **out, int64_t *n, ss_error *err) {
    char sql[1024];
    snprintf(sql, sizeof sql,
             "SELECT u.unit, coalesce(b.unit, -1), u.prompt, u.image IS NULL, c.role = 'studied' FROM unit u JOIN "
             "condition c ON c.condition ="
             " u.condition"
             " LEFT JOIN unit b ON b.prompt = u.prompt AND b.seed = u.seed AND b.condition = 0"
             " WHERE c.role IN ('studied', 'positive'%s) AND NOT EXISTS"
             " (SELECT 1 FROM score x WHERE x.unit = u.unit AND x.metric = %d) AND NOT EXISTS"
             " (SELECT 1 FROM score_failure x WHERE x.unit = u.unit AND x.metric = %d)%s ORDER BY u.unit",
             w->m->row->needs & METRIC_NEEDS_BASELINE ? "" : ", 'baseline', 'calibration'", w->number, w->number,
             w->m->row->has_worst ? "" : " AND u.image IS NOT NULL");
    store_rows *r;
    size_t capacity = 0;
    int more;
    *out = NULL;
    *n = 0;
    SS_TRY(store_select(&r, w->s, err, sql));
    ss_status status = SS_OK;
    while (status == SS_OK && (more = store_rows_next(r, err)) != 0) {
        if (more < 0) {
            status = err->code;
            break;
        }
        status = ARRAY_ROOM(*out, capacity, *n + 1, "a list of images", err);
        if (status != SS_OK) break;
        (*out)[(*n)++] = (pending){store_rows_int(r, 0), store_rows_int(r, 1), (int)store_rows_int(r, 2),
                                   (int)store_rows_int(r, 3), (int)store_rows_int(r, 4)};
    }
    store_rows_close(r);
    if (status == SS_OK) return SS_OK;
    free(*out);
    *out = NULL;
    return status;
}

static ss_status rescore_score_one(rescore *w, const pending *u, ss_error *err) {
    int paired = (w->m->row->needs & METRIC_NEEDS_BASELINE) != 0;
    rgb_image image;
    metric_value value = {0};
    if (u->failed) return store_put_worst(w->s, u->unit, w->number, w->m->row, err);
    if (u->prompt < 0 || u->prompt >= w->prompts->n)
        return store_damaged(w->s, err, "table unit: unit %lld has prompt %d of %d", (long long)u->unit, u->prompt,
                             w->prompts->n);
    if (paired && u->baseline < 0)
        return error_set(err, SS_ERR_STORE, store_folder(w->s),
                         "unit %lld has no baseline image yet; finish the study first: sinkscope resume",
                         (long long)u->unit);
    if (paired && u->baseline != w->baseline_unit) {
        rgb_image_free(&w->baseline);
        SS_TRY(store_image(w->s, u->baseline, &w->baseline, err));
        w->baseline_unit = u->baseline;
    }
    SS_TRY(store_image(w->s, u->unit, &image, err));
    const geneval_prompt *g = &w->prompts->prompt[u->prompt];
    metric_input in = {.image = &image,
                       .baseline = paired ? &w->baseline : NULL,
                       .prompt = g->prompt,
                       .geneval = g->n_include > 0 ? g : NULL};
    ss_status status = metric_score(w->m->row, w->c, w->state, &in, &value, err);
    if (status == SS_ERR_INPUT && !isfinite(value.value) && u->may_fail) status = SS_OK;
    if (status == SS_OK) status = store_put_score(w->s, u->unit, w->number, &value, err);
    rgb_image_free(&image);
    return status;
}

static void rescore_tell(rescore *w) {
    run_progress *g = &w->progress;
    g->forwards_done = g->units_done;
    g->seconds = clock_seconds() - w->started;
    g->units_per_second = g->seconds > 0 && g->units_done > 0 ? (double)g->units_done / g->seconds : NAN;
    g->seconds_left =
        g->units_done > 0 ? g->seconds * (double)(g->units_total - g->units_done) / (double)g->units_done : NAN;
    g->unit = w->m->row->about.name;
    if (w->o->progress) w->o->progress(w->o->user, g);
}

static ss_status score_batch(rescore *w, const pending *u, int64_t n, ss_error *err) {
    SS_TRY(store_begin(w->s, err));
    ss_status status = SS_OK;
    for (int64_t i = 0; status == SS_OK && i < n; i++) {
        if (w->o->stop && *w->o->stop)
            status = error_set(err, SS_ERR_INTERRUPTED, NULL, "interrupted; finished scores are in the store");
        else status = rescore_score_one(w, &u[i], err);
        if (status == SS_OK) w->progress.units_done++, rescore_tell(w);
    }
    if (status == SS_OK) status = store_commit(w->s, err);
    if (status != SS_OK) store_rollback(w->s);
    return status;
}

static ss_status score_all(rescore *w, ss_error *err) {
    pending *list;
    int64_t n;
    SS_TRY(list_pending(w, &list, &n, err));
    w->progress = (run_progress){.study = store_study(w->s)->name, .units_total = n, .forwards_total = n};
    ss_status status = SS_OK;
    for (int64_t i = 0; status == SS_OK && i < n; i += IMAGES_PER_COMMIT)
        status = score_batch(w, list + i, n - i < IMAGES_PER_COMMIT ? n - i : IMAGES_PER_COMMIT, err);
    free(list);
    return status;
}

static ss_status check_geneval(const store *s, const study_metric *m, const geneval_prompts *prompts, ss_error *err) {
    for (int i = 0; (m->row->needs & METRIC_NEEDS_GENEVAL) && i < prompts->n; i++)
        if (prompts->prompt[i].n_include == 0)
            return error_set(err, SS_ERR_INPUT, store_folder(s),
                             "the metric '%s' needs GenEval metadata; prompt %d has none", m->row->about.name, i + 1);
    return SS_OK;
}

ss_status run_score(store *s, compute *c, const study_metric *m, int n, const run_options *o, ss_error *err) {
    static const run_options NONE = {0};
    geneval_prompts prompts;
    if (!store_has_units(s))
        return error_set(err, SS_ERR_STORE, store_folder(s),
                         "the store has no images yet; begin with 'sinkscope resume'");
    SS_TRY(geneval_read(store_study(s)->prompts_file, &prompts, err));
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < n; i++) {
        rescore w = {.s = s,
                     .c = c,
                     .m = &m[i],
                     .prompts = &prompts,
                     .o = o ? o : &NONE,
                     .baseline_unit = -1,
                     .started = clock_seconds()};
        status = check_geneval(s, w.m, &prompts, err);
        if (status == SS_OK) status = store_find_metric(s, w.m, &w.number, err);
        if (status == SS_OK && w.m->row->open)
            status = w.m->row->open(c, study_tokenizer_rules(store_study(s)), w.m->options, &w.state, err);
        if (status == SS_OK) {
            status = score_all(&w, err);
            if (w.m->row->close) w.m->row->close(c, w.state);
        }
        rgb_image_free(&w.baseline);
    }
    geneval_free(&prompts);
    return status;
}
