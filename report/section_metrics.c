/* Every metric in one table: a row a metric, a column a contrast. What the answer rests on is the primary's row alone.
 */
#include "report/sections.h"

#include <stdlib.h>
#include <string.h>

#include "report/parts.h"
#include "report/words.h"

/* The contrasts of all images, each once, in order. */
static int list_contrasts(const analysis *a, const study_contrast **out) {
    int n = 0;
    for (int i = 0; i < a->n_rows; i++) {
        int j = 0;
        while (j < n && out[j] != a->rows[i].contrast) j++;
        if (j == n) out[n++] = a->rows[i].contrast;
    }
    return n;
}

static void add_head(text *out, const char *name, const char *note) {
    text_add(out, "<tr><th>");
    text_add_html(out, name);
    if (note) page_element(out, "small", NULL, note);
    text_add(out, "</th>");
}

static const analysis_row *section_metrics_find_row(const analysis *a, const study_contrast *c, const char *on) {
    for (int i = 0; i < a->n_rows; i++)
        if (a->rows[i].contrast == c && !a->rows[i].without_unreadable && strcmp(a->rows[i].metric, on) == 0)
            return &a->rows[i];
    return NULL;
}

static void add_effect(text *out, const analysis_row *r) {
    text number = {0}, interval = {0}, p = {0};
    if (r) {
        words_add_difference_apart(&number, &interval, &r->stats);
        text_add(&p, "p ");
        analysis_add_p(stats_shown_p(&r->stats), &p);
    }
    page_stacked(out, "td", &number, &interval, &p);
}

/* A condition's distance from the baseline stands under its contrast with the baseline. */
static void add_distance(text *out, const report_facts *f, int first, int end, const study_contrast *c) {
    text number = {0}, interval = {0}, none = {0};
    for (int r = first; c->b == 0 && r < end; r++)
        if (strcmp(report_words(&f->sets, r, SETS_CONDITION), f->study->condition[c->a].name) == 0)
            sets_add_apart(&number, &interval, &f->sets, r);
    page_stacked(out, "td", &number, &interval, &none);
}

static void add_set_rows(text *out, const report_facts *f, const study_contrast *const *contrast, int n) {
    const report_table *t = &f->sets;
    for (int first = 0, end; first < t->rows; first = end) {
        const char *on = report_words(t, first, SETS_METRIC);
        for (end = first; end < t->rows && strcmp(report_words(t, end, SETS_METRIC), on) == 0;) end++;
        add_head(out, on, sets_are_random(t, first) ? "of sets; random weights" : "of sets");
        for (int i = 0; i < n; i++) add_distance(out, f, first, end, contrast[i]);
        text_add(out, "</tr>\n");
    }
}

/* on[0..metrics): the rows. */
static void section_metrics_add_table(text *out, const report_facts *f, const parts_metric *on, int metrics,
                                      const study_contrast *const *contrast, int n) {
    const analysis *a = f->analysis;
    const char *primary = f->study->metric[f->study->primary].row->about.name;
    text_add(out, "<div class=\"scroll\"><table class=\"effects\"><thead><tr><th>metric</th>");
    for (int i = 0; i < n; i++) {
        text name = {0}, k = {0}, none = {0};
        words_add_contrast_name(&name, contrast[i]);
        if (contrast[i]->k >= 0) text_addf(&k, "k = %d", contrast[i]->k);
        page_stacked(out, "th", &name, &k, &none);
    }
    text_add(out, "</tr></thead><tbody>\n");
    for (int m = 0; m < metrics; m++) {
        int is_primary = strcmp(on[m].name, primary) == 0;
        add_head(out, on[m].name, on[m].is_random ? "random weights" : is_primary ? "primary" : NULL);
        for (int i = 0; i < n; i++) add_effect(out, section_metrics_find_row(a, contrast[i], on[m].name));
        text_add(out, "</tr>\n");
    }
    add_set_rows(out, f, contrast, n);
    page_table_end(out);
}

void section_metrics(const void *facts, text *out) {
    const report_facts *f = facts;
    const analysis *a = f->analysis;
    const study_contrast **contrast = malloc(((size_t)a->n_rows + 1) * sizeof *contrast);
    int metrics;
    parts_metric *on = parts_metrics(a, &metrics, out);
    int n = contrast ? list_contrasts(a, contrast) : 0;
    if (!contrast) out->failed = 1;
    if (n > 0 && (metrics > 1 || f->sets.rows)) { /* else the answer has it all */
        section_metrics_add_table(out, f, on, metrics, contrast, n);
        page_element(out, "p", "soft",
                     "Mean differences over prompts with 95 % intervals, and p, corrected within each metric (Holm). "
                     "The answer rests on the primary metric; the other rows are sensitivity analyses. A distance of "
                     "sets stands under the contrasts with the baseline and has no test; a similarity to the "
                     "baseline's image has no contrast with the baseline. What a metric with random "
                     "weights says means nothing.");
    }
    free(on);
    free(contrast);
}
