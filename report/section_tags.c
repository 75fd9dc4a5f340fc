/* Effects tag by tag, and by the class of token that is suppressed: where in the images a difference lives; and what
 * every condition scores, tag by tag. Exploratory: intervals, no tests, no verdicts. */
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/parts.h"
#include "report/words.h"

/* More rows than MOST_ROWS make no figure: the table has them. More than MOST_OPEN are behind a word. */
enum { MOST_ROWS = 36, MOST_OPEN = 12 };

/* What a section shows of every metric. */
typedef struct shown {
    const analysis *a;
    const analysis_tag *at; /* effects by parts; NULL = means of the conditions */
    int n;
    const char *over; /* caption of the figures, after "mean difference in x over" */
    const char *csv;
} shown;

static void section_tags_add_figure(text *out, const shown *s, const parts_grid *g, const char *on) {
    figure_estimate row[MOST_ROWS];
    text words[2 * MOST_ROWS] = {{0}}, axis = {0}, caption = {0};
    if (g->n > MOST_ROWS) return;
    for (int i = 0, series = -1, end = 0; i < g->n; i++) {
        const parts_cell *c = &g->cell[i];
        text *label = &words[2 * i], *note = label + 1;
        if (i == end) {
            series++;
            end = parts_row_end(g, i);
        }
        parts_add_row_name(label, c);
        text_addf(label, " · %s", c->column);
        words_add_estimate(note, c->mid, c->low, c->high, 1);
        row[i] = (figure_estimate){.label = text_for(label, out),
                                   .note = text_for(note, out),
                                   .low = stats_value(c->low),
                                   .mid = stats_value(c->mid),
                                   .high = stats_value(c->high),
                                   .series = series};
    }
    text_addf(&axis, "difference in %s", on);
    text_addf(&caption, "Mean difference in %s over %s, with 95 %% BCa intervals.", on, s->over);
    if (axis.failed || caption.failed) out->failed = 1;
    if (!axis.failed && !caption.failed) {
        if (g->n > MOST_OPEN) text_add(out, "<details><summary>Figure</summary>\n");
        page_figure_begin(out, "forest");
        figure_forest(row, g->n, axis.s, 0, 1, out);
        page_figure_end(out, caption.s, s->csv);
        if (g->n > MOST_OPEN) text_add(out, "</details>\n");
    }
    for (int i = 0; i < 2 * MOST_ROWS; i++) text_free(&words[i]);
    text_free(&axis);
    text_free(&caption);
}

/* The prompts of a column where all its cells have as many, else 0: then each cell says its own. */
static int column_n(const parts_grid *g, const char *column) {
    int n = 0;
    for (int i = 0; i < g->n; i++) {
        if (strcmp(g->cell[i].column, column) != 0) continue;
        if (n && g->cell[i].n != n) return 0;
        n = g->cell[i].n;
    }
    return n;
}

static void add_heading(text *out, const char *column, int n) {
    text name = {0}, small = {0}, none = {0};
    text_add(&name, column);
    if (n) text_addf(&small, "n = %d", n);
    page_stacked(out, "th", &name, &small, &none);
}

static void section_tags_add_cell(text *out, const parts_cell *c, int is_effect, int with_n) {
    text number = {0}, interval = {0}, n = {0};
    if (c) words_add_estimate_apart(&number, &interval, c->mid, c->low, c->high, is_effect);
    if (c && with_n) text_addf(&n, "n = %d", c->n);
    page_stacked(out, "td", &number, &interval, &n);
}

/* k below the name: six tags are to fit a page. */
static void add_row_head(text *out, const parts_cell *c) {
    text name = {0};
    if (c->contrast) words_add_contrast_name(&name, c->contrast);
    else text_add(&name, c->condition);
    text_add(out, "<th>");
    text_add_html(out, text_for(&name, out));
    if (c->contrast && c->contrast->k >= 0) text_addf(out, "<small>k = %d</small>", c->contrast->k);
    text_add(out, "</th>");
    text_free(&name);
}

static void section_tags_add_table(text *out, const parts_grid *g, int is_effect) {
    int *n = calloc((size_t)g->columns + 1, sizeof *n);
    if (!n) {
        out->failed = 1;
        return;
    }
    text_addf(out, "<div class=\"scroll\"><table class=\"effects\"><thead><tr><th>%s</th>",
              is_effect ? "contrast" : "condition");
    for (int c = 0; c < g->columns; c++) {
        n[c] = column_n(g, g->column[c]);
        add_heading(out, g->column[c], n[c]);
    }
    text_add(out, "</tr></thead><tbody>\n");
    for (int first = 0, end; first < g->n; first = end) {
        end = parts_row_end(g, first);
        text_add(out, "<tr>");
        add_row_head(out, &g->cell[first]);
        for (int c = 0; c < g->columns; c++)
            section_tags_add_cell(out, parts_find(g, first, end, g->column[c]), is_effect, n[c] == 0);
        text_add(out, "</tr>\n");
    }
    page_table_end(out);
    free(n);
}

/* Open for the metrics of the main table; the others behind their names, so that a page of twenty can be read. */
static void section_tags_add_metric(text *out, const shown *s, const parts_metric *m, const parts_grid *g) {
    text title = {0};
    parts_add_metric(&title, m);
    if (!m->is_main) text_add(out, "<details>");
    page_element(out, m->is_main ? "h3" : "summary", NULL, text_for(&title, out));
    section_tags_add_table(out, g, s->at != NULL);
    if (s->at) section_tags_add_figure(out, s, g, m->name);
    if (!m->is_main) text_add(out, "</details>\n");
    text_free(&title);
}

/* Whether something was written. */
static int section_tags_add_metrics(text *out, const shown *s) {
    int n, some = 0, others = 0;
    parts_metric *on = parts_metrics(s->a, &n, out);
    for (int i = 0; i < n; i++) {
        if (!s->at && on[i].is_binary) continue;
        parts_grid g = s->at ? parts_of_effects(s->at, s->n, on[i].name) : parts_of_means(s->a, on[i].name);
        if (g.n && some && !on[i].is_main && !others++) page_element(out, "h3", NULL, "Other metrics");
        if (g.n) section_tags_add_metric(out, s, &on[i], &g);
        some |= g.n > 0;
        out->failed |= g.failed;
        parts_free(&g);
    }
    free(on);
    return some;
}

void section_tags(const void *facts, text *out) {
    const analysis *a = ((const report_facts *)facts)->analysis;
    if (a->n_by_tag &&
        section_tags_add_metrics(out, &(shown){a, a->by_tag, a->n_by_tag, "the prompts of each tag", CSV_TAGS}))
        text_add(out,
                 "<p class=\"soft\">Mean differences over the prompts of each tag, with 95 % BCa intervals (<a "
                 "href=\"" CSV_TAGS "\">" CSV_TAGS "</a>). Exploratory: a tag has a fraction of the prompts, and "
                 "nothing here is tested or corrected. Read it for where an effect lives, not for whether there is "
                 "one.</p>\n");
}

void section_classes(const void *facts, text *out) {
    const analysis *a = ((const report_facts *)facts)->analysis;
    const shown s = {a, a->by_class, a->n_by_class, "the images of each class of suppressed sinks", CSV_CLASSES};
    if (a->n_by_class && section_tags_add_metrics(out, &s))
        page_element(out, "p", "soft",
                     "An image belongs to the class of token that the heaviest key has most often in its baseline, in "
                     "the heads and at the steps where the condition acts. n counts prompts. Exploratory: the classes "
                     "were not drawn but found, and nothing here is tested or corrected.");
}

void section_scores(const void *facts, text *out) {
    const analysis *a = ((const report_facts *)facts)->analysis;
    if (!section_tags_add_metrics(out, &(shown){.a = a})) return;
    text_add(
        out,
        "<p class=\"soft\">Means over prompts, a prompt's images averaged first, with 95 % BCa intervals (<a "
        "href=\"" CSV_SCORES "\">" CSV_SCORES
        "</a>). These intervals hold what prompts differ by; contrasts are paired, and may be clear where intervals "
        "here overlap. A distance is from the baseline's image of the same prompt and seed, so the baseline "
        "has none.</p>\n");
}
