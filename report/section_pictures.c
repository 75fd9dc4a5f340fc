/* Sample images side by side: rows are prompts, columns conditions. */
#include "report/sections.h"

#include <math.h>
#include <string.h>

#include "report/words.h"

static void add_picture(text *out, const report_facts *f, const facts_picture *p) {
    const metric *primary = f->study->metric[f->study->primary].row;
    text_add(out, "<td>");
    if (*text_for(&p->img, out)) text_add_n(out, p->img.s, p->img.len);
    else text_addf(out, "<span class=\"blank\">%s</span>", p->failed ? "failed" : "not made");
    if (isfinite(p->value) || p->note) {
        text words = {0};
        if (isfinite(p->value)) {
            text_addf(&words, "%s ", primary->about.name);
            words_add_number(&words, p->value, primary->binary ? 0 : words_decimals(NAN, NAN, p->value) + 1, 0);
        }
        if (p->unreadable && !(p->note && strncmp(p->note, "unreadable", 10) == 0))
            text_addf(&words, "%sunreadable", words.len ? ", " : "");
        if (p->note) text_addf(&words, "%s%s", words.len ? "; " : "", p->note);
        page_element(out, "small", NULL, text_for(&words, out));
        text_free(&words);
    }
    text_add(out, "</td>");
}

static void add_sample(text *out, const report_facts *f, int row) {
    const facts_sample *s = &f->sample[row];
    text note = {0};
    text_add(out, "<tr><th>");
    text_add_html(out, s->words ? s->words : "");
    if (s->tag) text_addf(&note, "%s, ", s->tag);
    seed_text seed;
    text_addf(&note, "seed %s", seed_write(s->seed, seed));
    if (s->swapped) text_addf(&note, "; swapped: %s", s->swapped);
    page_element(out, "small", NULL, text_for(&note, out));
    text_add(out, "</th>");
    for (int c = 0; c < f->n_columns; c++) add_picture(out, f, &f->picture[row][c]);
    text_add(out, "</tr>\n");
    text_free(&note);
}

void section_pictures(const void *facts, text *out) {
    const report_facts *f = facts;
    const char *heading[FACTS_MAX_PICTURE_COLUMNS + 1] = {"prompt"};
    if (f->n_samples == 0 || f->n_columns == 0) return;
    for (int c = 0; c < f->n_columns; c++) heading[c + 1] = f->study->condition[f->column[c]].name;
    page_element(out, "p", "soft",
                 f->tags.rows > 1 ? "The first prompt of each tag, at its first seed: chosen by rule, not by eye."
                                  : "The first prompts, each at its first seed: chosen by rule, not by eye.");
    page_table_begin(out, "pictures", heading, f->n_columns + 1);
    for (int i = 0; i < f->n_samples; i++) add_sample(out, f, i);
    page_table_end(out);
}
