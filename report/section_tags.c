/* Effects tag by tag, and by the class of token that is suppressed: where in the images a difference lives.
 * Exploratory: intervals, no tests, no verdicts. */
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/words.h"

/* More rows than this make no figure: the table has them. */
enum { MOST_ROWS = 36 };

/* Effects by parts of the images, and what they are called. */
typedef struct parts {
    const analysis_tag *at;
    int n;
    const char *caption; /* of the figures, after "mean difference in x over" */
    const char *csv;
} parts;

static int is_on(const analysis_tag *t, const char *name) { return strcmp(t->row->metric, name) == 0; }

/* Whether at[i] is the first of its metric, with its tag where `tag` is set. */
static int is_first(const parts *p, int i, int tag) {
    for (int j = 0; j < i; j++)
        if (is_on(&p->at[j], p->at[i].row->metric) && (!tag || strcmp(p->at[j].tag, p->at[i].tag) == 0)) return 0;
    return 1;
}

static void add_figure(text *out, const parts *p, const char *on) {
    figure_estimate row[MOST_ROWS];
    text words[2 * MOST_ROWS] = {{0}}, axis = {0}, caption = {0};
    int n = 0, series = -1;
    const analysis_row *last = NULL;
    for (int i = 0; i < p->n; i++) n += is_on(&p->at[i], on);
    if (n > MOST_ROWS) return;
    n = 0;
    for (int i = 0; i < p->n; i++) {
        const analysis_tag *t = &p->at[i];
        if (!is_on(t, on)) continue;
        text *label = &words[2 * n], *note = label + 1;
        words_add_contrast(label, t->row->contrast);
        text_addf(label, " · %s", t->tag);
        words_add_estimate(note, t->mean, t->ci_low, t->ci_high, 1);
        series += t->row != last;
        last = t->row;
        row[n++] = (figure_estimate){.label = label->failed ? t->tag : label->s,
                                     .note = note->failed ? "" : note->s,
                                     .low = stats_value(t->ci_low),
                                     .mid = stats_value(t->mean),
                                     .high = stats_value(t->ci_high),
                                     .series = series};
    }
    text_addf(&axis, "difference in %s", on);
    text_addf(&caption, "Mean difference in %s over %s, with 95 %% BCa intervals.", on, p->caption);
    if (n > 0 && !axis.failed && !caption.failed) {
        page_figure_begin(out, "forest");
        figure_forest(row, n, axis.s, 0, 1, out);
        page_figure_end(out, caption.s, p->csv);
    }
    for (int i = 0; i < 2 * MOST_ROWS; i++) text_free(&words[i]);
    text_free(&axis);
    text_free(&caption);
}

static void add_cell(text *out, const analysis_tag *t) {
    text words = {0}, note = {0};
    if (!t) {
        page_element(out, "td", "nowrap", "–");
        return;
    }
    words_add_estimate(&words, t->mean, t->ci_low, t->ci_high, 1);
    text_addf(&note, "n = %d", t->n);
    text_add(out, "<td class=\"nowrap\">");
    text_add_html(out, words.failed ? "" : words.s);
    page_element(out, "small", NULL, note.failed ? "" : note.s);
    text_add(out, "</td>");
    text_free(&words);
    text_free(&note);
}

static const analysis_tag *find(const parts *p, const analysis_row *row, const char *tag) {
    for (int i = 0; i < p->n; i++)
        if (p->at[i].row == row && strcmp(p->at[i].tag, tag) == 0) return &p->at[i];
    return NULL;
}

/* Rows are contrasts, columns tags. */
static void add_table(text *out, const parts *p, const char *on) {
    const analysis_row *last = NULL;
    text_add(out, "<div class=\"scroll\"><table class=\"effects\"><thead><tr><th>contrast</th>");
    for (int i = 0; i < p->n; i++)
        if (is_on(&p->at[i], on) && is_first(p, i, 1)) page_element(out, "th", NULL, p->at[i].tag);
    text_add(out, "</tr></thead><tbody>\n");
    for (int i = 0; i < p->n; i++) {
        const analysis_row *r = p->at[i].row;
        text name = {0};
        if (!is_on(&p->at[i], on) || r == last) continue;
        last = r;
        words_add_contrast(&name, r->contrast);
        text_add(out, "<tr>");
        page_element(out, "th", NULL, name.failed ? "" : name.s);
        text_free(&name);
        for (int j = 0; j < p->n; j++)
            if (is_on(&p->at[j], on) && is_first(p, j, 1)) add_cell(out, find(p, r, p->at[j].tag));
        text_add(out, "</tr>\n");
    }
    page_table_end(out);
}

static void add_parts(text *out, const parts *p) {
    for (int i = 0; i < p->n; i++) {
        const char *on = p->at[i].row->metric;
        if (!is_first(p, i, 0)) continue;
        page_element(out, "h3", NULL, on);
        add_figure(out, p, on);
        add_table(out, p, on);
    }
}

void section_tags(const void *facts, text *out) {
    const analysis *a = ((const report_facts *)facts)->analysis;
    const parts p = {a->by_tag, a->n_by_tag, "the prompts of each tag", CSV_TAGS};
    add_parts(out, &p);
    if (p.n)
        page_element(out, "p", "soft",
                     "Exploratory: a tag has a fraction of the prompts, and nothing here is tested or corrected. Read "
                     "it for where an effect lives, not for whether there is one.");
}

void section_classes(const void *facts, text *out) {
    const analysis *a = ((const report_facts *)facts)->analysis;
    const parts p = {a->by_class, a->n_by_class, "the images of each class of suppressed sinks", CSV_CLASSES};
    add_parts(out, &p);
    if (p.n)
        page_element(out, "p", "soft",
                     "An image belongs to the class of token that the heaviest key has most often in its baseline, in "
                     "the heads and at the steps where the condition acts. n counts prompts. Exploratory: the classes "
                     "were not drawn but found, and nothing here is tested or corrected.");
}
