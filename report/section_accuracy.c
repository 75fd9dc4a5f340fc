/* How often binary metrics say yes, by tag and condition, with Wilson's intervals, and how many images they could not
 * read. */
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/words.h"

static const analysis_accuracy *section_accuracy_find(const analysis *a, const char *on, const char *tag,
                                                      const char *condition) {
    for (int i = 0; i < a->n_accuracy; i++) {
        const analysis_accuracy *c = &a->accuracy[i];
        if (strcmp(c->metric, on) == 0 && strcmp(c->tag, tag) == 0 && strcmp(c->condition, condition) == 0) return c;
    }
    return NULL;
}

static void add_interval(text *out, const stats_interval *i) {
    if (i->low.state != STATS_DEFINED || i->high.state != STATS_DEFINED) return;
    text_add(out, "[");
    text_add_fixed(out, 100 * i->low.value, 0);
    text_add(out, ", ");
    text_add_fixed(out, 100 * i->high.value, 0);
    text_add(out, "]");
}

static void section_accuracy_add_cell(text *out, const analysis_accuracy *c) {
    text words = {0}, note = {0}, unreadable = {0};
    if (!c || c->images == 0) {
        page_element(out, "td", "n", "–");
        return;
    }
    words_add_percent(&words, (double)c->right / c->images, 0);
    add_interval(&note, &c->interval);
    text_addf(&note, " of %d", c->images);
    if (c->unreadable) {
        text_add(&unreadable, "unreadable ");
        words_add_percent(&unreadable, (double)c->unreadable / c->images, 0);
    }
    text_add(out, "<td class=\"n\">");
    text_add_html(out, text_for(&words, out));
    page_element(out, "small", NULL, text_for(&note, out));
    if (c->unreadable) page_element(out, "small", NULL, text_for(&unreadable, out));
    text_add(out, "</td>");
    text_free(&unreadable);
    text_free(&words);
    text_free(&note);
}

/* Whether accuracy[i] is the first of its metric with this tag (by_tag) or condition. */
static int is_first(const analysis *a, int i, int by_tag) {
    const analysis_accuracy *c = &a->accuracy[i];
    for (int j = 0; j < i; j++) {
        const analysis_accuracy *b = &a->accuracy[j];
        if (strcmp(b->metric, c->metric) == 0 &&
            strcmp(by_tag ? b->tag : b->condition, by_tag ? c->tag : c->condition) == 0)
            return 0;
    }
    return 1;
}

/* Rows are conditions (there may be many), columns tags. */
static void section_accuracy_add_table(text *out, const analysis *a, const char *on) {
    text_add(out, "<div class=\"scroll\"><table class=\"accuracy\"><thead><tr><th>condition</th>");
    for (int i = 0; i < a->n_accuracy; i++)
        if (strcmp(a->accuracy[i].metric, on) == 0 && is_first(a, i, 1))
            page_element(out, "th", "n", *a->accuracy[i].tag ? a->accuracy[i].tag : "all");
    text_add(out, "</tr></thead><tbody>\n");
    for (int i = 0; i < a->n_accuracy; i++) {
        if (strcmp(a->accuracy[i].metric, on) != 0 || !is_first(a, i, 0)) continue;
        text_add(out, "<tr>");
        page_element(out, "th", NULL, a->accuracy[i].condition);
        for (int j = 0; j < a->n_accuracy; j++)
            if (strcmp(a->accuracy[j].metric, on) == 0 && is_first(a, j, 1))
                section_accuracy_add_cell(out,
                                          section_accuracy_find(a, on, a->accuracy[j].tag, a->accuracy[i].condition));
        text_add(out, "</tr>\n");
    }
    page_table_end(out);
}

static void section_accuracy_add_figure(text *out, const analysis *a, const char *on) {
    figure_estimate *row = calloc((size_t)a->n_accuracy + 1, sizeof *row);
    text *note = calloc((size_t)a->n_accuracy + 1, sizeof *note), caption = {0}, axis = {0};
    int n = 0;
    for (int i = 0; row && note && i < a->n_accuracy; i++) {
        const analysis_accuracy *c = &a->accuracy[i];
        if (strcmp(c->metric, on) != 0 || *c->tag || c->images == 0) continue;
        int known = c->interval.low.state == STATS_DEFINED && c->interval.high.state == STATS_DEFINED;
        words_add_percent(&note[n], (double)c->right / c->images, 0);
        text_add(&note[n], " ");
        add_interval(&note[n], &c->interval);
        row[n] = (figure_estimate){.label = c->condition,
                                   .note = text_for(&note[n], out),
                                   .low = known ? 100 * c->interval.low.value : (double)NAN,
                                   .mid = 100.0 * c->right / c->images,
                                   .high = known ? 100 * c->interval.high.value : (double)NAN};
        n++;
    }
    text_addf(&caption, "Images that %s calls right, all prompts, with 95 %% Wilson intervals over images.", on);
    text_addf(&axis, "%s, %% of images", on);
    if (caption.failed || axis.failed) out->failed = 1;
    if (n > 0 && !caption.failed && !axis.failed) {
        page_figure_begin(out, "forest");
        figure_forest(row, n, axis.s, 0, 0, out);
        page_figure_end(out, caption.s, CSV_ACCURACY);
    }
    if (!row || !note) out->failed = 1;
    for (int i = 0; note && i < n; i++) text_free(&note[i]);
    free(row);
    free(note);
    text_free(&caption);
    text_free(&axis);
}

void section_accuracy(const void *facts, text *out) {
    const report_facts *f = facts;
    const analysis *a = f->analysis;
    for (int i = 0; i < a->n_accuracy; i++) {
        int seen = 0;
        for (int j = 0; j < i; j++) seen |= strcmp(a->accuracy[j].metric, a->accuracy[i].metric) == 0;
        if (seen) continue;
        page_element(out, "h3", NULL, a->accuracy[i].metric);
        section_accuracy_add_figure(out, a, a->accuracy[i].metric);
        section_accuracy_add_table(out, a, a->accuracy[i].metric);
    }
    if (a->n_accuracy)
        page_element(out, "p", "soft",
                     "Intervals are over images. Images of one prompt are not independent, so these intervals are for "
                     "reading; the tests above count prompts. An image that the metric cannot read counts as wrong.");
}
