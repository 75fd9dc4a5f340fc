/* Distances of each condition's images, as a set, from the baseline's. */
#include "report/sections.h"

#include <string.h>

/* metric, condition, role, n, n_baseline, value, low, high */
enum { METRIC, CONDITION, ROLE, N, N_BASELINE, VALUE, LOW, HIGH };

static void add_row(text *out, const report_table *t, int r) {
    text cell = {0};
    text_add_double(&cell, report_number(t, r, VALUE), 4);
    if (report_number(t, r, LOW) == report_number(t, r, LOW)) {
        text_add(&cell, " [");
        text_add_double(&cell, report_number(t, r, LOW), 4);
        text_add(&cell, ", ");
        text_add_double(&cell, report_number(t, r, HIGH), 4);
        text_add(&cell, "]");
    }
    text_add(out, "<tr>");
    page_element(out, "th", NULL, report_words(t, r, CONDITION));
    page_element(out, "td", NULL, report_words(t, r, METRIC));
    page_element(out, "td", "nowrap", cell.failed ? "" : cell.s);
    text_addf(out, "<td>%lld</td><td>%lld</td>", (long long)report_whole(t, r, N),
              (long long)report_whole(t, r, N_BASELINE));
    page_element(out, "td", NULL,
                 strcmp(report_words(t, r, ROLE), "calibration") == 0 ? "other noise: the scale"
                                                                      : report_words(t, r, ROLE));
    text_add(out, "</tr>\n");
    text_free(&cell);
}

void section_sets(const void *facts, text *out) {
    const report_table *t = &((const report_facts *)facts)->sets;
    if (t->rows == 0) return;
    text_add(out,
             "<div class=\"scroll\"><table class=\"effects\"><thead><tr><th>condition</th><th>metric</th><th>distance "
             "[95 % CI]</th><th>images</th><th>baseline</th><th>role</th></tr></thead><tbody>\n");
    for (int i = 0; i < t->rows; i++) add_row(out, t, i);
    page_table_end(out);
    page_element(
        out, "p", "soft",
        "A distance of sets has no value for one image and no test here: read it against that of the baseline's "
        "own prompts drawn from other noise, in the same number of images. fid is biased upwards at small n and has "
        "no interval; kid and cmmd are unbiased, over pairs of different prompts, with intervals over prompts.");
}
