/* Distances of each condition's images, as a set, from the baseline's: a figure and a table for each metric. */
#include "report/sections.h"

#include <math.h>
#include <string.h>

#include "report/figure.h"
#include "report/parts.h"
#include "report/words.h"

/* More rows than this make no figure. */
enum { MOST_ROWS = 36 };

int sets_are_random(const report_table *t, int r) {
    return strstr(report_words(t, r, SETS_OPTIONS), STUDY_RANDOM_WEIGHTS) != NULL;
}

static int is_calibration(const report_table *t, int r) {
    return strcmp(report_words(t, r, SETS_ROLE), "calibration") == 0;
}

void sets_add_apart(text *number, text *interval, const report_table *t, int r) {
    double value = report_number(t, r, SETS_VALUE), low = report_number(t, r, SETS_LOW),
           high = report_number(t, r, SETS_HIGH);
    if (isfinite(low) && isfinite(high) && high - low >= 1e-6)
        words_add_estimate_apart(number, interval, stats_defined(value), stats_defined(low), stats_defined(high), 0);
    else if (isfinite(value)) {
        if (value < 0) text_add(number, "−");
        text_add_double(number, fabs(value), 3);
    }
}

/* "0.012 [0.004, 0.031]" */
static void section_sets_add_value(text *out, const report_table *t, int r) {
    text interval = {0};
    sets_add_apart(out, &interval, t, r);
    if (*text_for(&interval, out)) text_addf(out, " %s", interval.s);
    text_free(&interval);
}

/* Rows first .. end are one metric's. */
static void section_sets_add_figure(text *out, const report_table *t, int first, int end) {
    figure_estimate row[MOST_ROWS];
    text note[MOST_ROWS] = {{0}}, axis = {0};
    int n = 0;
    if (end - first > MOST_ROWS) return;
    for (int r = first; r < end; r++, n++) {
        section_sets_add_value(&note[n], t, r);
        row[n] = (figure_estimate){.label = report_words(t, r, SETS_CONDITION),
                                   .note = text_for(&note[n], out),
                                   .low = report_number(t, r, SETS_LOW),
                                   .mid = report_number(t, r, SETS_VALUE),
                                   .high = report_number(t, r, SETS_HIGH),
                                   .series = is_calibration(t, r)};
    }
    text_addf(&axis, "%s from the baseline's images", report_words(t, first, SETS_METRIC));
    page_figure_begin(out, "forest");
    figure_forest(row, n, text_for(&axis, out), 0, 1, out);
    page_figure_end(out, "Distance of each condition's images, as a set, from the baseline's.", CSV_SETS);
    for (int i = 0; i < n; i++) text_free(&note[i]);
    text_free(&axis);
}

static void section_sets_add_failed(text *out, const analysis *a, const char *condition) {
    for (int i = 0; i < a->n_failed; i++) {
        if (a->failed[i].metric || strcmp(a->failed[i].condition, condition) != 0) continue;
        text note = {0};
        text_addf(&note, "without %d that failed", a->failed[i].failed);
        page_element(out, "small", NULL, text_for(&note, out));
        text_free(&note);
    }
}

static void section_sets_add_table(text *out, const analysis *a, const report_table *t, int first, int end) {
    text_add(out, "<div class=\"scroll\"><table class=\"effects\"><thead><tr><th>condition</th><th>distance [95 % "
                  "CI]</th><th>images</th><th>of the baseline</th></tr></thead><tbody>\n");
    for (int r = first; r < end; r++) {
        text value = {0};
        section_sets_add_value(&value, t, r);
        text_add(out, "<tr><th>");
        text_add_html(out, report_words(t, r, SETS_CONDITION));
        if (is_calibration(t, r)) page_element(out, "small", NULL, "other noise: the scale to read the others on");
        section_sets_add_failed(out, a, report_words(t, r, SETS_CONDITION));
        text_add(out, "</th>");
        page_element(out, "td", "nowrap", text_for(&value, out));
        text_addf(out, "<td>%lld</td><td>%lld</td></tr>\n", (long long)report_whole(t, r, SETS_N),
                  (long long)report_whole(t, r, SETS_N_BASELINE));
        text_free(&value);
    }
    page_table_end(out);
}

void section_sets(const void *facts, text *out) {
    const report_table *t = &((const report_facts *)facts)->sets;
    for (int first = 0, end; first < t->rows; first = end) {
        text title = {0};
        for (end = first;
             end < t->rows && strcmp(report_words(t, end, SETS_METRIC), report_words(t, first, SETS_METRIC)) == 0;)
            end++;
        parts_add_metric(&title, &(parts_metric){.name = report_words(t, first, SETS_METRIC),
                                                 .is_random = sets_are_random(t, first)});
        page_element(out, "h3", NULL, text_for(&title, out));
        text_free(&title);
        section_sets_add_figure(out, t, first, end);
        section_sets_add_table(out, ((const report_facts *)facts)->analysis, t, first, end);
    }
    if (t->rows)
        page_element(out, "p", "soft",
                     "A distance of sets has no value for one image and no test here: read it against that of the "
                     "baseline's own prompts drawn from other noise. fid is biased upwards, the more the fewer images "
                     "there are, so compare it at equal numbers alone; it has no interval. kid and cmmd are unbiased, "
                     "over pairs of different prompts, with intervals over prompts.");
}
