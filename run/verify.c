/* Verification of a store. Every check continues after a problem, so one pass reports all; only what makes further
 * checks impossible is an error. */
#include "run/verify.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "score/pixels.h"
#include "store/writer.h"

enum { MAX_PROBLEMS_LISTED = 200 };

static void problem(verify_report *v, const char *fmt, ...) BASE_PRINTF(2, 3);
static void problem(verify_report *v, const char *fmt, ...) {
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (++v->n_problems <= MAX_PROBLEMS_LISTED) text_addf(&v->problems, "%s\n", line);
}

void verify_free(verify_report *r) { text_free(&r->problems); }

/* SQLite reports a page that it had no memory for, or that the disk did not give, as if the file were damaged: "Page 9:
 * unable to get the page. error code=7". 0: the row is of another kind. */
static int code_in_row(const char *row) {
    const char *at = strstr(row, "error code");
    return at ? atoi(at + strlen("error code") + 1) & 0xff : 0;
}

static ss_status check_database(const store *s, verify_report *v, ss_error *err) {
    store_rows *r;
    int more, before = v->n_problems, code = 0;
    SS_TRY(store_select(&r, s, err, "PRAGMA integrity_check(10)"));
    while ((more = store_rows_next(r, err)) == 1) {
        const char *row = store_rows_text(r, 0);
        if (strcmp(row, "ok") == 0) continue;
        if (!code) code = code_in_row(row);
        problem(v, "results.sqlite: %s", row);
    }
    store_rows_close(r);
    if (more == 0 && code == SQLITE_NOMEM) return error_no_memory(err, store_db_path(s), 1);
    if (more == 0 && code == SQLITE_IOERR)
        return error_set(err, SS_ERR_RESOURCE, store_db_path(s), "cannot read: the disk fails");
    if (more == 0 && v->n_problems > before &&
        store_read_failed(s)) /* reported as a row, as if the file were damaged */
        return error_set(err, SS_ERR_RESOURCE, store_db_path(s), "cannot read: %s", strerror(EIO));
    return more < 0 ? err->code : SS_OK;
}

static ss_status check_model_files(const store *s, verify_report *v, ss_error *err) {
    text changed = {0};
    ss_status status = store_check_files(s, &v->model_files, &v->model_files_differing, &changed, err);
    v->n_problems += (int)v->model_files_differing;
    text_add(&v->problems, text_for(&changed, &v->problems));
    text_free(&changed);
    return status;
}

/* Every file of every unit that is there. */
static ss_status check_units(const store *s, const plan *p, const uint8_t *done, const run_options *o, verify_report *v,
                             ss_error *err) {
    for (int i = 0; i < p->n_units; i++) {
        rgb_image image;
        int there, good;
        ss_error bad;
        if (done[i] != UNIT_MADE) continue;
        if (o && o->stop && *o->stop) return error_set(err, SS_ERR_INTERRUPTED, NULL, "interrupted");
        v->files++;
        if (store_image(s, p->unit[i].id, &image, &bad) != SS_OK) {
            if (bad.code == SS_ERR_RESOURCE) {
                *err = bad;
                return err->code;
            }
            v->files_damaged++;
            problem(v, "%s: %s", bad.where, bad.message);
        }
        rgb_image_free(&image);
        SS_TRY(store_check_trace(s, p->unit[i].id, &there, &good, err));
        v->files += there;
        if (!there || good) continue;
        v->files_damaged++;
        problem(v, "traces/%lld.h5 is missing or was changed", (long long)p->unit[i].id);
    }
    return SS_OK;
}

static void check_complete(const plan *p, const uint8_t *done, verify_report *v) {
    for (int i = 0; i < p->n_units; i++) {
        if (done[i]) continue;
        text name = {0};
        plan_unit_name(p, &p->unit[i], &name);
        problem(v, "not there yet: %s (sinkscope resume)", text_for(&name, &v->problems));
        text_free(&name);
    }
}

/* Scores that a unit of the study proper should have. */
static ss_status check_scores(const store *s, verify_report *v, ss_error *err) {
    store_rows *r;
    int more;
    SS_TRY(store_select(
        &r, s, err,
        "SELECT m.name, count(*) FROM metric m, unit u JOIN condition c ON c.condition = u.condition"
        " WHERE m.added = 0 AND u.image IS NOT NULL AND c.role <> 'sham' AND NOT (m.needs_baseline AND c.role IN"
        " ('baseline', 'calibration')) AND NOT EXISTS (SELECT 1 FROM score x WHERE x.unit = u.unit AND"
        " x.metric = m.metric) AND NOT EXISTS (SELECT 1 FROM score_failure x WHERE x.unit = u.unit AND"
        " x.metric = m.metric) GROUP BY m.metric"));
    while ((more = store_rows_next(r, err)) == 1)
        problem(v, "%lld images have no score by '%s'", (long long)store_rows_int(r, 1), store_rows_text(r, 0));
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

/* A unit has either an image or the reason why it has none. */
static ss_status check_failures(const store *s, verify_report *v, ss_error *err) {
    store_rows *r;
    int more;
    SS_TRY(store_select(&r, s, err,
                        "SELECT u.text, u.seed, u.condition, u.image IS NULL, u.failed FROM units u ORDER BY u.unit"));
    while ((more = store_rows_next(r, err)) == 1) {
        int failed = (int)store_rows_int(r, 4);
        v->failed += failed;
        if (failed == (int)store_rows_int(r, 3)) continue;
        problem(v, "'%s', seed %s, %s: %s", store_rows_text(r, 0), store_rows_text(r, 1), store_rows_text(r, 2),
                failed ? "has failed, and has a picture" : "has no picture, and nothing says why");
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

static ss_status check_finite(const store *s, verify_report *v, ss_error *err) {
    text found = {0};
    ss_status status = store_find_not_finite(s, &found, &v->not_finite, err);
    for (char *line = found.s, *end; status == SS_OK && line && *line; line = end + 1) {
        end = strchr(line, '\n');
        problem(v, "%.*s", (int)(end - line), line);
    }
    text_free(&found);
    return status;
}

/* Two seeds are two noises, so they never give the same image: else the seeds are one, or the image holds nothing of
 * its noise. */
static ss_status verify_check_seeds(const store *s, verify_report *v, ss_error *err) {
    store_rows *r;
    int more;
    SS_TRY(store_select(&r, s, err,
                        "SELECT text, condition, count(*), group_concat(seed, ', ') FROM (SELECT * FROM units WHERE"
                        " pixels IS NOT NULL ORDER BY unit) GROUP BY prompt, condition, pixels HAVING count(*) > 1"
                        " ORDER BY min(unit)"));
    while ((more = store_rows_next(r, err)) == 1) {
        v->equal_seeds++;
        problem(v, "'%s', %s: seeds %s have the same pixels", store_rows_text(r, 0), store_rows_text(r, 1),
                store_rows_text(r, 3));
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

static ss_status check_shams(const store *s, verify_report *v, ss_error *err) {
    store_rows *r;
    int more;
    SS_TRY(store_select(&r, s, err, "SELECT condition, text, seed, equal FROM shams ORDER BY unit"));
    while ((more = store_rows_next(r, err)) == 1) {
        v->shams++;
        if (store_rows_int(r, 3)) continue;
        v->shams_differing++;
        problem(v, "sham '%s' differs from the baseline: '%s', seed %s", store_rows_text(r, 0), store_rows_text(r, 1),
                store_rows_text(r, 2));
    }
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

static ss_status verify_check_class(const store *s, const study *y, const compute *c, verify_report *v, ss_error *err) {
    store_rows *r;
    text here = {0};
    SS_TRY(store_select(&r, s, err, "SELECT description FROM class ORDER BY class"));
    int more = store_rows_next(r, err);
    ss_status status = more < 0 ? err->code : numeric_class_describe(c, y, &here, err);
    v->same_class = status == SS_OK && more == 1 && strcmp(store_rows_text(r, 0), here.s) == 0;
    text_free(&here);
    store_rows_close(r);
    return status;
}

/* Largest difference of two images in levels; 256 where their sizes differ. */
static int difference(const rgb_image *a, const rgb_image *b) {
    if (a->width != b->width || a->height != b->height) return 256;
    int most = 0;
    for (size_t i = 0; i < 3 * (size_t)a->width * (size_t)a->height; i++) {
        int d = abs(a->rgb[i] - b->rgb[i]);
        most = d > most ? d : most;
    }
    return most;
}

/* What became of a unit that was made again: `stored` is the store's image. */
typedef void (*remade_unit)(const plan *p, const plan_unit *u, const rgb_image *stored, const rgb_image *made,
                            verify_report *v);

static void must_be_same(const plan *p, const plan_unit *u, const rgb_image *stored, const rgb_image *made,
                         verify_report *v) {
    int d = difference(stored, made);
    v->remade++;
    if (d <= !v->same_class) return;
    text name = {0};
    plan_unit_name(p, u, &name);
    v->remade_differing++;
    problem(v, "made again, it differs by up to %d levels: %s", d, text_for(&name, &v->problems));
    text_free(&name);
}

/* Made with other weights: how far it is. rounding_rmse is the mean square until the last one is there. */
static void add_rounding(const plan *p, const plan_unit *u, const rgb_image *stored, const rgb_image *made,
                         verify_report *v) {
    (void)p;
    (void)u;
    int d = difference(stored, made);
    if (d > 255) return; /* another size: the first pass has said so */
    v->rounded++;
    v->rounding_rmse += (pixels_mean_square(stored, made) - v->rounding_rmse) / (double)v->rounded;
    if (d > v->rounding_most) v->rounding_most = d;
}

static void remade_badly(const plan *p, const plan_unit *u, const char *what, verify_report *v) {
    text name = {0};
    plan_unit_name(p, u, &name);
    v->remade++;
    v->remade_differing++;
    problem(v, "made again, %s: %s", what, text_for(&name, &v->problems));
    text_free(&name);
}

/* A unit that has failed must fail again; without rounding it may be sound. */
static ss_status remake_failed(const plan *p, const plan_unit *u, pipeline *pl, const run_options *o, remade_unit take,
                               verify_report *v, ss_error *err) {
    rgb_image made = {0};
    int broken = 0;
    if (take != must_be_same) return SS_OK;
    ss_status status = run_unit(p, u, pl, o, &made, &broken, err);
    rgb_image_free(&made);
    if (status == SS_OK) remade_badly(p, u, "it does not fail", v);
    else if (broken) v->remade++;
    return broken ? SS_OK : status;
}

static ss_status remake_unit(const store *s, const plan *p, const plan_unit *u, int failed, pipeline *pl,
                             const run_options *o, remade_unit take, verify_report *v, ss_error *err) {
    rgb_image stored, made = {0};
    ss_error bad;
    int broken = 0;
    if (failed) return remake_failed(p, u, pl, o, take, v, err);
    if (store_image(s, u->id, &stored, &bad) != SS_OK) {
        if (bad.code != SS_ERR_RESOURCE) return SS_OK; /* already reported */
        *err = bad;
        return err->code;
    }
    ss_status status = run_unit(p, u, pl, o, &made, &broken, err);
    if (status == SS_OK) take(p, u, &stored, &made, v);
    else if (broken && take == must_be_same) {
        remade_badly(p, u, "it fails", v);
        status = SS_OK;
    } else if (broken) status = SS_OK;
    rgb_image_free(&stored);
    rgb_image_free(&made);
    return status;
}

/* `n` units that are there, drawn without replacement from the stream (study seed, "verify"). */
static ss_status remake_some(const store *s, const plan *p, const uint8_t *done, pipeline *pl, int n,
                             const run_options *o, remade_unit take, verify_report *v, ss_error *err) {
    int *there = malloc((size_t)p->n_units * sizeof *there), count = 0;
    if (!there) return error_no_memory(err, "a list of units", (unsigned long long)p->n_units);
    for (int i = 0; i < p->n_units; i++)
        if (done[i]) there[count++] = i;
    philox stream;
    philox_init(&stream, p->study->study_seed, (uint64_t[]){philox_hash_text("verify")}, 1);
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < n && i < count; i++) {
        int j = i + (int)philox_below(&stream, (uint32_t)(count - i)), t = there[i];
        there[i] = there[j];
        there[j] = t;
        status = remake_unit(s, p, &p->unit[there[i]], done[there[i]] == UNIT_FAILED, pl, o, take, v, err);
    }
    free(there);
    return status;
}

/* The same units with the weights as they are in the file. */
static ss_status measure_rounding(const store *s, const plan *p, const uint8_t *done, pipeline *pl, int n,
                                  const run_options *o, verify_report *v, ss_error *err) {
    pipeline_set_form(pl, FORM_STORED);
    ss_status status = remake_some(s, p, done, pl, n, o, add_rounding, v, err);
    pipeline_set_form(pl, p->study->weights);
    v->rounding_rmse = sqrt(v->rounding_rmse);
    return status;
}

ss_status verify_store(store *s, const plan *p, compute *c, pipeline *pl, int remake, const run_options *o,
                       verify_report *out, ss_error *err) {
    *out = (verify_report){.units_planned = p->n_units};
    uint8_t *done = calloc((size_t)p->n_units + 1, 1);
    if (!done) return error_no_memory(err, "units", (unsigned long long)p->n_units);
    ss_status status = SS_OK;
    SS_TRY_GOTO(check_database(s, out, err), end);
    SS_TRY_GOTO(check_model_files(s, out, err), end);
    SS_TRY_GOTO(store_done(s, p, done, &out->units, err), end);
    check_complete(p, done, out);
    SS_TRY_GOTO(check_units(s, p, done, o, out, err), end);
    SS_TRY_GOTO(check_scores(s, out, err), end);
    SS_TRY_GOTO(check_shams(s, out, err), end);
    SS_TRY_GOTO(check_failures(s, out, err), end);
    SS_TRY_GOTO(check_finite(s, out, err), end);
    SS_TRY_GOTO(verify_check_seeds(s, out, err), end);
    if (c && pl && remake > 0) {
        SS_TRY_GOTO(verify_check_class(s, p->study, c, out, err), end);
        SS_TRY_GOTO(remake_some(s, p, done, pl, remake, o, must_be_same, out, err), end);
        if (p->study->weights != FORM_STORED) SS_TRY_GOTO(measure_rounding(s, p, done, pl, remake, o, out, err), end);
    }
end:
    free(done);
    return status;
}
