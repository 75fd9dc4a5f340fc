/* Markdown from analyses and a few queries of the stores. Figures are linked by relative name. */
#include "report/findings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/output.h"
#include "report/figure.h"
#include "report/findings_parts.h"
#include "report/page.h"
#include "report/table.h"
#include "report/words.h"

/* ---- which rows ---- */

static int is_control(const analysis_row *r) { return r->in_main_table && !findings_with_baseline(r); }
static int is_harm(const analysis_row *r) {
    return r->is_primary && findings_with_baseline(r) && !r->contrast->is_positive;
}

/* The rows of the two figures: a control's on the distance, for any primary metric. */
static int is_control_figure(const analysis_row *r) { return is_control(r) && r->kind == METRIC_DISTANCE; }

static int count_rows(const finding *f, int n, int (*wanted)(const analysis_row *)) {
    int rows = 0;
    for (int s = 0; s < n; s++)
        for (int i = 0; i < f[s].analysis->n_rows; i++) rows += wanted(&f[s].analysis->rows[i]);
    return rows;
}

/* The same contrast on a binary metric: the judge. */
static const analysis_row *find_binary(const analysis *a, const analysis_row *r) {
    for (int i = 0; i < a->n_rows; i++)
        if (a->rows[i].contrast == r->contrast && a->rows[i].stats.both.state == STATS_DEFINED &&
            !a->rows[i].without_unreadable)
            return &a->rows[i];
    return NULL;
}

/* ---- tables ---- */

static void add_p(text *out, const stats_contrast *c) {
    text words = {0};
    analysis_add_p(stats_shown_p(c), &words);
    markdown_taken(out, &words);
}

/* A row up to its estimate: the study's name (NULL = no such column), contrast, metric, n, difference. */
static void begin_contrast(text *out, const char *study_name, const analysis_row *r) {
    text_add(out, "|");
    if (study_name) markdown_cell(out, study_name);
    markdown_contrast(out, r->contrast);
    markdown_cell(out, r->metric);
    markdown_number(out, r->stats.n);
    markdown_estimate(out, &r->stats);
}

/* Contrasts between two interventions: the part of an effect that remains against a control. */
static void add_controls(const finding *f, int n, const char *figure, text *out) {
    static const char *const HEADING[] = {"study",    "contrast",     "metric",  "n", "difference [95 % CI]",
                                          "p (Holm)", "could detect", "reads as"};
    text_add(out,
             "\n## What is left under each control\n\nOne intervention less another, on the primary metric and on a "
             "distance from the baseline image. A distance is 'more moved', not worse.\n");
    if (figure && count_rows(f, n, is_control_figure))
        text_addf(out, "\n![Differences between interventions](%s)\n", figure);
    markdown_table(out, HEADING, 8);
    for (int s = 0; s < n; s++)
        for (int i = 0; i < f[s].analysis->n_rows; i++) {
            const analysis_row *r = &f[s].analysis->rows[i];
            if (!is_control(r)) continue;
            begin_contrast(out, f[s].analysis->study->name, r);
            add_p(out, &r->stats);
            markdown_figure(out, r->stats.detectable);
            markdown_cell(out, r->reads);
            text_add(out, "\n");
        }
}

/* Interventions against the baseline on the primary metric, and the judge's result on the same images. */
static void add_harm(const finding *f, int n, const char *figure, text *out) {
    static const char *const HEADING[] = {
        "study",    "contrast", "metric",   "n",        "difference [95 % CI]",
        "p (Holm)", "margin",   "p (TOST)", "reads as", "judge: right, difference [95 % CI]"};
    text_add(out,
             "\n## Does suppressing sinks harm the picture?\n\nInterventions less the baseline on the primary metric; "
             "beside "
             "it the judge's share of right pictures (sensitivity analysis). An equivalence test needs a margin and a "
             "positive control that the metric detected.\n");
    if (figure && count_rows(f, n, is_harm)) text_addf(out, "\n![Differences from the baseline](%s)\n", figure);
    markdown_table(out, HEADING, 10);
    for (int s = 0; s < n; s++)
        for (int i = 0; i < f[s].analysis->n_rows; i++) {
            const analysis_row *r = &f[s].analysis->rows[i];
            if (!is_harm(r)) continue;
            const analysis_row *judge = find_binary(f[s].analysis, r);
            text words = {0};
            begin_contrast(out, f[s].analysis->study->name, r);
            add_p(out, &r->stats);
            markdown_figure(out, r->stats.margin);
            analysis_add_p(r->stats.tost_p_holm, &words);
            markdown_taken(out, &words);
            markdown_cell(out, r->reads);
            if (judge) markdown_estimate(out, &judge->stats);
            else markdown_cell(out, "–");
            text_add(out, "\n");
        }
}

/* ---- figures ---- */

/* A forest of the rows that `wanted` names, as a file of its own; none where there are no rows. */
static ss_status write_forest(const finding *f, int n, int (*wanted)(const analysis_row *), const char *axis,
                              const char *path, ss_error *err) {
    int most = count_rows(f, n, wanted), rows = 0;
    if (most == 0) return SS_OK;
    figure_estimate *row = calloc((size_t)most, sizeof *row);
    text *words = calloc(2 * (size_t)most, sizeof *words), svg = {0};
    ss_status status = row && words ? SS_OK : error_no_memory(err, "a figure", (unsigned long long)most);
    for (int s = 0; status == SS_OK && s < n; s++)
        for (int i = 0; i < f[s].analysis->n_rows; i++) {
            const analysis_row *r = &f[s].analysis->rows[i];
            if (!wanted(r)) continue;
            text *label = &words[2 * rows], *note = label + 1;
            text_addf(label, "%s: ", f[s].analysis->study->name);
            words_add_contrast(label, r->contrast);
            words_add_difference(note, &r->stats);
            if (label->failed || note->failed) svg.failed = 1;
            else
                row[rows++] = (figure_estimate){.label = label->s,
                                                .note = note->s,
                                                .low = stats_value(r->stats.ci_low),
                                                .mid = stats_value(r->stats.mean),
                                                .high = stats_value(r->stats.ci_high),
                                                .series = s};
        }
    if (status == SS_OK) {
        figure_forest(row, rows, axis, 0, 1, &svg);
        figure_as_file(&svg);
        status = svg.failed ? error_no_memory(err, "a figure", svg.len) : file_write(path, svg.s, svg.len, err);
    }
    for (int i = 0; words && i < 2 * rows; i++) text_free(&words[i]);
    free(row);
    free(words);
    text_free(&svg);
    return status;
}

/* ---- the sinks ---- */

/* Words of a table's rows as Markdown; numbers in three digits. */
static void findings_add_table(text *out, const report_table *t) {
    markdown_table(out, (const char *const *)t->name, t->columns);
    for (int r = 0; r < t->rows; r++) {
        text_add(out, "|");
        for (int c = 0; c < t->columns; c++) {
            text words = {0};
            double x = report_number(t, r, c);
            if (isfinite(x)) text_add_double(&words, x, 3);
            else text_add(&words, report_words(t, r, c));
            markdown_taken(out, &words);
        }
        text_add(out, "\n");
    }
}

static ss_status add_question(text *out, const store *s, const char *sql, ss_error *err) {
    report_table t;
    SS_TRY(report_table_read(&t, s, sql, err));
    if (t.rows > 0) findings_add_table(out, &t);
    report_table_free(&t);
    return SS_OK;
}

static ss_status count_kinds(const store *s, int *kinds, ss_error *err) {
    store_rows *r;
    SS_TRY(store_select(&r, s, err, "SELECT count(DISTINCT kind) FROM block"));
    int more = store_rows_next(r, err);
    *kinds = more > 0 ? (int)store_rows_int(r, 0) : 0;
    store_rows_close(r);
    return more < 0 ? err->code : SS_OK;
}

/* Means over the baseline's sites of every probe column that has one, a block a row. */
static ss_status add_blocks(text *out, const study *y, const store *s, ss_error *err) {
    text sql = {0};
    int kinds;
    SS_TRY(count_kinds(s, &kinds, err));
    text_add(&sql, kinds > 1 ? "SELECT block, kind" : "SELECT block");
    for (int i = 0; i < y->n_probes; i++)
        for (int j = 0; j < y->probe[i]->n_columns; j++)
            if (!(y->probe[i]->nominal >> j & 1))
                text_addf(&sql, ", avg(\"%s\") AS \"%s\"", y->probe[i]->column[j], y->probe[i]->column[j]);
    text_add(&sql, " FROM sites WHERE condition = 'baseline' GROUP BY block ORDER BY block");
    ss_status status = sql.failed ? error_no_memory(err, "a question", 1) : add_question(out, s, sql.s, err);
    text_free(&sql);
    return status;
}

/* A study without interventions: its probes. */
static ss_status findings_add_sinks(const finding *f, text *out, ss_error *err) {
    const study *y = f->analysis->study;
    text_addf(
        out,
        "\n## What the sinks are (study `%s`)\n\nMeans over heads, steps, guidance branches and images, by block:\n",
        y->name);
    SS_TRY(add_blocks(out, y, f->store, err));
    if (y->top > 0) {
        text_addf(out, "\nClasses of tokens among the %d heaviest keys of every head:\n", y->top);
        SS_TRY(add_question(
            out, f->store,
            "SELECT token_class, count(*) * 1.0 / sum(count(*)) OVER () AS share_of_sinks,"
            " sum(rank = 0) * 1.0 / sum(sum(rank = 0)) OVER () AS share_of_heaviest, avg(mass) AS mean_mass"
            " FROM sinks WHERE condition = 'baseline' GROUP BY token_class ORDER BY 2 DESC",
            err));
    }
    if (!findings_has_column(y, "max_mass")) return SS_OK;
    text_add(out, "\nHeads with the largest mean mass of their heaviest key:\n");
    return add_question(out, f->store,
                        "SELECT block, head, avg(max_mass) AS mean_max_mass, max(max_mass) AS largest FROM sites"
                        " WHERE condition = 'baseline' GROUP BY block, head ORDER BY 3 DESC LIMIT 8",
                        err);
}

/* ---- one study ---- */

static void findings_add_trends(const analysis *a, text *out) {
    static const char *const HEADING[] = {"over k", "metric", "n", "slope on ln k [95 % CI]", "Page's p"};
    int some = 0;
    for (int i = 0; i < a->n_trends; i++) {
        const analysis_trend *t = &a->trends[i];
        text words = {0};
        if (!t->first->in_main_table) continue;
        if (!some++) markdown_table(out, HEADING, 5);
        text_add(out, "|");
        words_add_contrast_name(&words, t->first->contrast);
        text_addf(&words, ", k = %d to %d", t->first->contrast->k, t->last->contrast->k);
        markdown_taken(out, &words);
        markdown_cell(out, t->first->metric);
        markdown_number(out, t->stats.n);
        words_add_estimate(&words, t->stats.slope, t->stats.slope_low, t->stats.slope_high, 1);
        markdown_taken(out, &words);
        analysis_add_p(t->stats.p, &words);
        markdown_taken(out, &words);
        text_add(out, "\n");
    }
}

/* `several`: whether the document is on more models than one. */
static void add_study(const finding *f, int several, text *out) {
    static const char *const HEADING[] = {"contrast", "metric", "n", "difference [95 % CI]", "p (Holm)", "reads as"};
    const analysis *a = f->analysis;
    int some = 0;
    text_addf(out, "\n### %s\n\n%s ", a->study->name, a->study->question);
    text_add_grouped(out, a->images);
    text_add(out, " images");
    if (several) text_addf(out, " by %s", findings_model(f));
    if (a->images < a->images_planned) {
        text_add(out, " of ");
        text_add_grouped(out, a->images_planned);
        text_add(out, ": **not complete**");
    }
    text_add(out, ".\n");
    for (int i = 0; i < a->n_rows; i++) {
        const analysis_row *r = &a->rows[i];
        if (!r->in_main_table) continue;
        if (!some++) markdown_table(out, HEADING, 6);
        begin_contrast(out, NULL, r);
        if (r->is_primary) add_p(out, &r->stats);
        else markdown_cell(out, "(sens.)");
        markdown_cell(out, r->reads);
        text_add(out, "\n");
    }
    findings_add_trends(a, out);
    for (int i = 0; i < a->n_shams; i++)
        if (a->shams[i].equal < a->shams[i].images)
            text_addf(out, "\n**Sham `%s`: %d of %d images differ from the baseline; trust nothing here.**\n",
                      a->shams[i].condition, a->shams[i].images - a->shams[i].equal, a->shams[i].images);
}

/* ---- the whole ---- */

/* Every model once, in the order of the studies. */
static void add_models(const finding *f, int n, text *out) {
    for (int s = 0, some = 0; s < n; s++) {
        int seen = 0;
        for (int i = 0; i < s; i++) seen |= strcmp(findings_model(&f[i]), findings_model(&f[s])) == 0;
        if (!seen) text_addf(out, "%s%s", some++ ? ", " : "", findings_model(&f[s]));
    }
    text_add(out, "\n\n");
}

static void add_opening(const finding *f, int n, text *out) {
    int64_t images = 0;
    int least = 0, most = 0;
    for (int s = 0; s < n; s++) {
        images += f[s].analysis->images;
        for (int i = 0; i < f[s].analysis->n_rows; i++) {
            int prompts = f[s].analysis->rows[i].stats.n;
            if (!f[s].analysis->rows[i].in_main_table) continue;
            if (least == 0 || prompts < least) least = prompts;
            if (prompts > most) most = prompts;
        }
    }
    text_add(out, "# Findings on ");
    add_models(f, n, out);
    text_addf(out, "Made by `sinkscope findings` from the stores of %d studies, ", n);
    text_add_grouped(out, images);
    if (least == most) text_addf(out, " images; contrasts over %d prompts.", most);
    else text_addf(out, " images; contrasts over %d to %d prompts.", least, most);
    text_add(
        out,
        "\n\nn counts prompts. p is that of the sign-flip permutation test, corrected by Holm within each study's "
        "primary "
        "metric; rows marked (sens.) are sensitivity analysis. 'Undecided' means neither shown different nor shown "
        "equivalent: 'could detect' says which difference this n would find with a power of 80 %. Nothing here is "
        "corrected over studies. These are findings on small models whose weights are their own; they say nothing of "
        "others.\n");
}

/* "docs/FINDINGS.md" -> "docs/FINDINGS" + suffix. */
static void add_beside(const char *path, const char *suffix, text *out) {
    size_t n = strlen(path);
    if (n > 3 && strcmp(path + n - 3, ".md") == 0) n -= 3;
    text_add_n(out, path, n);
    text_add(out, suffix);
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static ss_status compose(const finding *f, int n, const char *controls, const char *harm, text *out, ss_error *err) {
    add_opening(f, n, out);
    findings_add_short(f, n, out);
    for (int s = 0; s < n; s++)
        if (f[s].analysis->study->n_contrasts == 0) SS_TRY(findings_add_sinks(&f[s], out, err));
    add_harm(f, n, harm ? last_part(harm) : NULL, out);
    add_controls(f, n, controls ? last_part(controls) : NULL, out);
    SS_TRY(findings_add_series(f, n, out, err));
    text_add(out, "\n## Study by study\n");
    int several = 0;
    for (int s = 1; s < n; s++) several |= strcmp(findings_model(&f[s]), findings_model(&f[0])) != 0;
    for (int s = 0; s < n; s++) add_study(&f[s], several, out);
    return out->failed ? error_no_memory(err, "the findings", out->len) : SS_OK;
}

ss_status findings_write(const finding *f, int n, const char *path, ss_error *err) {
    text page = {0}, controls = {0}, harm = {0};
    int figures = output_is_file(path); /* beside it: a stream has no such place */
    add_beside(path, "-controls.svg", &controls);
    add_beside(path, "-harm.svg", &harm);
    ss_status status = controls.failed || harm.failed ? error_no_memory(err, "a file name", 1) : SS_OK;
    if (status == SS_OK) status = compose(f, n, figures ? controls.s : NULL, figures ? harm.s : NULL, &page, err);
    if (status == SS_OK && figures)
        status = write_forest(f, n, is_control_figure, "difference in the distance from the baseline image", controls.s,
                              err);
    if (status == SS_OK && figures)
        status = write_forest(f, n, is_harm, "difference from the baseline on the primary metric", harm.s, err);
    if (status == SS_OK) status = file_write(path, page.s, page.len, err);
    text_free(&page);
    text_free(&controls);
    text_free(&harm);
    return status;
}
