/* The paper's published numbers beside the study's own where the designs are the same; where a number has the same name
 * and another design, what differs, and not the number: results of a small model do not replicate those of a large
 * one. */
#include "report/sections.h"

#include <math.h>
#include <string.h>

#include "report/published.h"
#include "report/words.h"

/* The two tables of the section. */
typedef struct page_parts {
    const report_facts *f;
    text same, other;
    int prompts, n_same, n_other;
    text last_paper, last_own; /* what differed in the line before */
} page_parts;

static void begin_table(text *out, int comparable) {
    static const char *const SAME[] = {"quantity", "paper", "this study"}, *const OTHER[] = {"quantity",
                                                                                             "the paper's is of",
                                                                                             "this study's is of"};
    page_table_begin(out, "answer", comparable ? SAME : OTHER, 3);
}

static void section_published_add_row(text *out, const text *what, const char *paper, const char *own) {
    text_add(out, "<tr>");
    page_element(out, "th", "long", text_for(what, out));
    page_element(out, "td", NULL, paper);
    page_element(out, "td", NULL, own);
    text_add(out, "</tr>\n");
}

static int is_as_before(const page_parts *s, const text *paper, const text *own) {
    return s->n_other > 0 && !paper->failed && !own->failed && strcmp(s->last_paper.s, paper->s) == 0 &&
           strcmp(s->last_own.s, own->s) == 0;
}

/* A number with its design compared: into one of the tables. Takes all the texts. */
static void section_published_add_number(page_parts *s, text *what, const char *says, text *value, text *paper,
                                         text *own) {
    if (what->failed || value->failed || paper->failed || own->failed) s->same.failed = 1;
    else if (paper->len == 0) {
        if (!s->n_same++) begin_table(&s->same, 1);
        section_published_add_row(&s->same, what, says, value->s);
    } else {
        if (!s->n_other) begin_table(&s->other, 0);
        int again = is_as_before(s, paper, own);
        section_published_add_row(&s->other, what, again ? "as above" : paper->s, again ? "as above" : own->s);
        s->n_other++;
        text_free(&s->last_paper);
        text_free(&s->last_own);
        s->last_paper = *paper, s->last_own = *own;
        *paper = *own = (text){0};
    }
    text_free(what);
    text_free(value);
    text_free(paper);
    text_free(own);
}

static void section_published_add_contrasts(page_parts *s) {
    const analysis *a = s->f->analysis;
    for (const published_contrast *p = PUBLISHED_CONTRASTS; p->where; p++)
        for (int i = 0; i < a->n_rows; i++) {
            const analysis_row *r = &a->rows[i];
            text what = {0}, value = {0}, paper = {0}, own = {0};
            if (!published_is_named(s->f, r, p)) continue;
            text_addf(&what, "%s, ", r->metric);
            words_add_contrast_name(&what, r->contrast);
            text_addf(&what, ", k = %d (%s)", s->f->study->condition[r->contrast->a].intervention.k, p->where);
            words_add_estimate(&value, r->stats.mean, r->stats.ci_low, r->stats.ci_high, 1);
            published_compare_contrast(s->f, r, p, &paper, &own);
            section_published_add_number(s, &what, p->says, &value, &paper, &own);
        }
}

/* The mean over steps of a block's mean largest mass; NAN where it was not measured. */
static double mass_at(const report_facts *f, double depth, int *block) {
    const report_table *t = &f->baseline;
    int column = -1, n = 0;
    int64_t blocks = 0;
    double sum = 0;
    for (int c = 0; c < t->columns; c++)
        if (strcmp(t->name[c], "max_mass") == 0) column = c;
    for (int r = 0; r < t->rows; r++)
        if (report_whole(t, r, 0) >= blocks && report_whole(t, r, 0) < ATTN_MAX_BLOCKS)
            blocks = report_whole(t, r, 0) + 1;
    *block = (int)(depth * (double)blocks);
    for (int r = 0; column >= 0 && r < t->rows; r++) {
        double x = report_number(t, r, column);
        if (report_whole(t, r, 0) == *block && isfinite(x)) sum += x, n++;
    }
    return n ? sum / n : (double)NAN;
}

/* Of a model in which all attention is joint. */
static void add_sights(page_parts *s) {
    const report_facts *f = s->f;
    for (int r = 0; r < f->modules.rows; r++)
        if (strcmp(report_words(&f->modules, r, 2), ATTN_KINDS[ATTN_JOINT].name) != 0) return;
    for (const published_sight *p = PUBLISHED_SIGHTS; p->where; p++) {
        text what = {0}, value = {0}, paper = {0}, own = {0};
        int block = -1;
        double x = isnan(p->depth) ? f->first_image_key : mass_at(f, p->depth, &block);
        if (!isfinite(100 * x)) continue; /* not measured, or nonsense of a damaged store */
        text_addf(&what, "%s (%s)", p->what, p->where);
        words_add_percent(&value, x, block < 0 ? 2 : 1);
        if (block >= 0) text_addf(&value, " (block %d)", block);
        published_compare_sight(f, p, s->prompts, &paper, &own);
        section_published_add_number(s, &what, p->says, &value, &paper, &own);
    }
}

void section_published(const void *facts, text *out) {
    page_parts s = {.f = facts};
    for (int i = 0; i < s.f->tags.rows; i++) s.prompts += (int)report_whole(&s.f->tags, i, 1);
    section_published_add_contrasts(&s);
    add_sights(&s);
    if (s.n_same) {
        text_add_n(out, s.same.s, s.same.len);
        page_table_end(out);
        page_element(
            out, "p", "soft",
            "The same design, as far as the store tells: the model has the shape of the paper's, but its weights "
            "and the metric's were not verified. The paper computed in 16 bits, this program sums in 32.");
    }
    if (s.n_other) {
        page_element(
            out, "p", "soft",
            "The paper has numbers under these names that are of another design. They are left out, since nothing "
            "can be read from the two side by side; what differs:");
        text_add_n(out, s.other.s, s.other.len);
        page_table_end(out);
    }
    if (s.same.failed || s.other.failed) out->failed = 1;
    text_free(&s.same);
    text_free(&s.other);
    text_free(&s.last_paper);
    text_free(&s.last_own);
}
