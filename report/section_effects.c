/* Effects with their intervals, and all figures of every contrast. */
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/parts.h"
#include "report/words.h"

/* Rows of one metric's figure: its contrasts on all images. */
static int section_effects_belongs(const analysis_row *r, const char *on) {
    return !r->without_unreadable && strcmp(r->metric, on) == 0;
}

static int is_first_of_name(const analysis *a, int i) {
    for (int j = 0; j < i; j++)
        if (strcmp(a->rows[j].contrast->name, a->rows[i].contrast->name) == 0) return 0;
    return 1;
}

/* Contrasts have the colour of their place in the study. */
static int colour_of(const analysis *a, int row) {
    int first = 0, n = 0;
    while (strcmp(a->rows[first].contrast->name, a->rows[row].contrast->name) != 0) first++;
    for (int i = 0; i < first; i++) n += is_first_of_name(a, i);
    return n;
}

/* The margin that all equivalence tests of the metric share, else 0. */
static double common_margin(const analysis *a, const char *on) {
    double margin = 0;
    for (int i = 0; i < a->n_rows; i++) {
        double m = stats_value(a->rows[i].stats.margin);
        if (!section_effects_belongs(&a->rows[i], on) || isnan(m)) continue;
        if (margin > 0 && m != margin) return 0;
        margin = m;
    }
    return margin;
}

static void add_forest(text *out, const report_facts *f, const char *on, int is_primary) {
    const analysis *a = f->analysis;
    size_t most = (size_t)a->n_rows + 1;
    figure_estimate *row = calloc(most, sizeof *row);
    text *label = calloc(2 * most, sizeof *label), caption = {0}, axis = {0};
    double margin = common_margin(a, on);
    int n = 0;
    for (int i = 0; row && label && i < a->n_rows; i++) {
        const stats_contrast *s = &a->rows[i].stats;
        if (!section_effects_belongs(&a->rows[i], on)) continue;
        words_add_contrast(&label[2 * n], a->rows[i].contrast);
        words_add_difference(&label[2 * n + 1], s);
        if (label[2 * n].failed || label[2 * n + 1].failed) {
            out->failed = 1;
            continue;
        }
        row[n] = (figure_estimate){.label = label[2 * n].s,
                                   .note = label[2 * n + 1].s,
                                   .low = stats_value(s->ci_low),
                                   .mid = stats_value(s->mean),
                                   .high = stats_value(s->ci_high),
                                   .series = colour_of(a, i)};
        n++;
    }
    text_addf(&axis, "difference in %s", on);
    text_addf(&caption, "Mean difference in %s over prompts, with 95 %% bootstrap intervals (BCa)", on);
    text_add(&caption, is_primary ? "; the primary metric." : "; sensitivity analysis.");
    if (margin > 0) text_add(&caption, " Shaded: the margin of equivalence.");
    if (axis.failed || caption.failed) out->failed = 1;
    if (n > 0 && !axis.failed && !caption.failed) {
        page_figure_begin(out, "forest");
        figure_forest(row, n, axis.s, margin, 1, out);
        page_figure_end(out, caption.s, CSV_EFFECTS);
    }
    if (!row || !label) out->failed = 1;
    for (size_t i = 0; label && i < 2 * most; i++) text_free(&label[i]);
    free(row);
    free(label);
    text_free(&caption);
    text_free(&axis);
}

/* ---- all figures ---- */

static void add_figure_row(text *out, const analysis *a, const char *on, const stats_field *field) {
    text_add(out, "<tr><th class=\"long\">");
    text_add_html(out, field->name);
    page_element(out, "small", NULL, field->help);
    text_add(out, "</th>");
    for (int i = 0; i < a->n_rows; i++) {
        text words = {0};
        if (strcmp(a->rows[i].metric, on) != 0) continue;
        stats_field_add(field, &a->rows[i].stats, 5, &words);
        page_element(out, "td", NULL, text_for(&words, out));
        text_free(&words);
    }
    text_add(out, "</tr>\n");
}

/* Rows are figures, columns contrasts: few studies have more contrasts than figures. */
static void add_all_figures(text *out, const analysis *a, const char *on) {
    text summary = {0};
    int columns = 0, any_failed = 0;
    text_addf(&summary, "All figures on %s", on);
    text_add(out, "<details>");
    page_element(out, "summary", NULL, text_for(&summary, out));
    text_add(out, "<div class=\"scroll\"><table class=\"figures\"><thead><tr><th>figure</th>");
    for (int i = 0; i < a->n_rows; i++) {
        text name = {0};
        if (strcmp(a->rows[i].metric, on) != 0) continue;
        words_add_contrast(&name, a->rows[i].contrast);
        if (a->rows[i].without_unreadable) text_add(&name, " (readable images only)");
        page_element(out, "th", NULL, text_for(&name, out));
        text_free(&name);
        any_failed |= stats_contrast_failed(&a->rows[i].stats);
        columns++;
    }
    text_add(out, "</tr></thead><tbody>\n");
    for (int role = 0; role < STATS_ROLE_COUNT; role++) {
        text_addf(out, "<tr class=\"group\"><th colspan=\"%d\">", columns + 1);
        text_addf(out, "%s: %s</th></tr>\n", stats_roles[role].name, stats_roles[role].help);
        for (const stats_field *field = stats_fields; field->name; field++)
            if ((int)field->role == role && stats_field_shown(field, any_failed)) add_figure_row(out, a, on, field);
    }
    page_table_end(out);
    text_add(out, "</details>\n");
    text_free(&summary);
}

/* Open for the metrics of the main table, the others behind their names. */
void section_effects(const void *facts, text *out) {
    const report_facts *f = facts;
    const analysis *a = f->analysis;
    int n, others = 0;
    parts_metric *on = parts_metrics(a, &n, out);
    for (int i = 0; a->n_rows && i < n; i++) {
        text title = {0};
        parts_add_metric(&title, &on[i]);
        if (!on[i].is_main && !others++) page_element(out, "h3", NULL, "Other metrics");
        if (!on[i].is_main) text_add(out, "<details>");
        page_element(out, on[i].is_main ? "h3" : "summary", NULL, text_for(&title, out));
        add_forest(out, f, on[i].name, strcmp(on[i].name, f->study->metric[f->study->primary].row->about.name) == 0);
        add_all_figures(out, a, on[i].name);
        if (!on[i].is_main) text_add(out, "</details>\n");
        text_free(&title);
    }
    free(on);
}
