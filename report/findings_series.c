/* The findings of a series: the same question for several models, with the size of each intervention beside its effect.
 * The numbers come from the columns of the probe `reduction`. Models are never tested against each other, since their
 * images differ. */
#include <string.h>

#include "report/findings_parts.h"

const char *findings_model(const finding *f) {
    const char *slash = strrchr(f->analysis->study->model, '/');
    return slash ? slash + 1 : f->analysis->study->model;
}

int findings_has_column(const study *y, const char *name) {
    for (int i = 0; i < y->n_probes; i++)
        for (int j = 0; j < y->probe[i]->n_columns; j++)
            if (strcmp(y->probe[i]->column[j], name) == 0) return 1;
    return 0;
}

static int in_series(const finding *f, const char *series) { return strcmp(f->analysis->study->series, series) == 0; }

/* Whether the study is the first of a series of two or more. */
static int begins_series(const finding *f, int n, int s) {
    const char *series = f[s].analysis->study->series;
    int before = 0, all = 0;
    if (!*series) return 0;
    for (int i = 0; i < n; i++) {
        all += in_series(&f[i], series);
        before += i < s && in_series(&f[i], series);
    }
    return before == 0 && all > 1;
}

/* Means over the sites that a condition edited: the share of the call's keys, their mass, and the dose. */
static ss_status add_moved(const finding *f, int condition, text *out, ss_error *err) {
    text sql = {0};
    store_rows *r;
    int have = findings_has_column(f->analysis->study, "set_size");
    text_addf(&sql,
              "SELECT avg(x.set_size * 1.0 / b.keys), avg(x.set_mass_before), avg(x.dose) FROM site x"
              " JOIN unit u ON u.unit = x.unit JOIN block b ON b.block = x.block"
              " WHERE u.condition = %d AND x.set_size > 0",
              condition);
    ss_status status = SS_OK;
    if (sql.failed) status = error_no_memory(err, "a question", 1);
    else if (have) status = store_select(&r, f->store, err, sql.s);
    text_free(&sql);
    SS_TRY(status);
    int more = have ? store_rows_next(r, err) : 0;
    for (int i = 0; i < 3; i++)
        markdown_figure(out, more > 0 && !store_rows_is_null(r, i) ? stats_defined(store_rows_double(r, i))
                                                                   : stats_undefined(STATS_NOT_ASKED));
    if (have) store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

/* The same contrast on the primary metric. */
static const analysis_row *find_primary(const analysis *a, const analysis_row *r) {
    for (int i = 0; i < a->n_rows; i++)
        if (a->rows[i].contrast == r->contrast && a->rows[i].is_primary) return &a->rows[i];
    return NULL;
}

static int is_of_series(const analysis_row *r) {
    return findings_with_baseline(r) && !r->contrast->is_positive && r->kind == METRIC_DISTANCE &&
           !r->without_unreadable;
}

static ss_status add_series_study(const finding *f, text *out, ss_error *err) {
    const analysis *a = f->analysis;
    for (int i = 0; i < a->n_rows; i++) {
        const analysis_row *r = &a->rows[i], *primary;
        if (!is_of_series(r)) continue;
        text_add(out, "|");
        markdown_cell(out, findings_model(f));
        markdown_cell(out, a->study->name);
        markdown_contrast(out, r->contrast);
        SS_TRY(add_moved(f, r->contrast->a == 0 ? r->contrast->b : r->contrast->a, out, err));
        markdown_cell(out, r->metric);
        markdown_number(out, r->stats.n);
        markdown_estimate(out, &r->stats);
        if ((primary = find_primary(a, r)) != NULL && primary != r) markdown_estimate(out, &primary->stats);
        else markdown_cell(out, "–");
        text_add(out, "\n");
    }
    return SS_OK;
}

ss_status findings_add_series(const finding *f, int n, text *out, ss_error *err) {
    static const char *const HEADING[] = {
        "model", "study",  "contrast", "share of keys",      "mass",
        "dose",  "metric", "n",        "distance [95 % CI]", "primary metric [95 % CI]"};
    for (int s = 0; s < n; s++) {
        if (!begins_series(f, n, s)) continue;
        text_addf(
            out,
            "\n## Several models: %s\n\nStudies of one series, side by side. Share of keys, mass and dose are means "
            "over the calls that were edited, distances are from each model's own baseline images: compare them at "
            "equal mass or dose. Nothing here is tested between models.\n",
            f[s].analysis->study->series);
        markdown_table(out, HEADING, 10);
        for (int i = s; i < n; i++)
            if (in_series(&f[i], f[s].analysis->study->series)) SS_TRY(add_series_study(&f[i], out, err));
    }
    return SS_OK;
}
