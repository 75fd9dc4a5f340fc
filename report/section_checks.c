/* Checks of the numbers: shams that must give the baseline's bytes, and the margins with their sources. */
#include "report/sections.h"

#include "report/words.h"

static void section_checks_add_shams(text *out, const analysis *a) {
    static const char *const HEADING[] = {"sham condition", ">images", ">equal to the baseline, byte for byte",
                                          "verdict"};
    page_element(out, "h3", NULL, "Shams");
    page_table_begin(out, "shams", HEADING, 4);
    for (int i = 0; i < a->n_shams; i++) {
        const analysis_sham *s = &a->shams[i];
        int good = s->equal == s->images;
        text_add(out, "<tr>");
        page_element(out, "th", NULL, s->condition);
        text_addf(out, "<td class=\"n\">%d</td><td class=\"n\">%d</td>", s->images, s->equal);
        page_element(out, "td", good ? "verdict good" : "verdict bad", good ? "as it must be" : "DIFFERS");
        text_add(out, "</tr>\n");
    }
    page_table_end(out);
    page_element(
        out, "p", "soft",
        "A sham runs the machinery without changing anything: the baseline once more, an edit of an empty set, "
        "an edit by a factor of one. Any difference would mean that the software, not the model, moves images.");
}

static void add_margins(text *out, const analysis *a) {
    static const char *const HEADING[] = {"metric", ">margin", ">calibration images"};
    page_element(out, "h3", NULL, "Calibrated margins");
    page_table_begin(out, "margins", HEADING, 3);
    for (int i = 0; i < a->n_margins; i++) {
        const analysis_margin *m = &a->margins[i];
        text words = {0};
        if (m->margin.state == STATS_DEFINED) text_add_double(&words, m->margin.value, 3);
        else text_addf(&words, "undefined: %s", stats_states[m->margin.state].name);
        text_add(out, "<tr>");
        page_element(out, "th", NULL, m->metric);
        page_element(out, "td", "n", text_for(&words, out));
        text_addf(out, "<td class=\"n\">%d</td></tr>\n", m->images);
        text_free(&words);
    }
    page_table_end(out);
    page_element(out, "p", "soft",
                 "0.2 times the standard deviation between seeds of one prompt, from baseline images at seeds that the "
                 "study does not use. A difference within it is small beside what another seed would change.");
}

static void add_given_margins(text *out, const study *y) {
    for (int i = 0; i < y->n_contrasts; i++) {
        const study_contrast *c = &y->contrast[i];
        text words = {0};
        if (c->margin_kind != MARGIN_NUMBER) continue;
        words_add_contrast(&words, c);
        text_add(&words, ": margin ");
        text_add_double(&words, c->margin, 6);
        if (c->why) text_addf(&words, ", because: %s", c->why);
        page_element(out, "p", NULL, text_for(&words, out));
        text_free(&words);
    }
}

void section_checks(const void *facts, text *out) {
    const report_facts *f = facts;
    if (f->analysis->n_shams) section_checks_add_shams(out, f->analysis);
    if (f->analysis->n_margins) add_margins(out, f->analysis);
    add_given_margins(out, f->study);
}
