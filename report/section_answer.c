/* The answer in words, with its uncertainty. Sentences follow the verdicts: a difference that was not found is never
 * called 'no effect'. */
#include "report/sections.h"

#include <string.h>

#include "report/words.h"

static int is_answer(const analysis_row *r) { return r->is_primary && !r->contrast->is_positive; }

static const char *verdict_class(int verdict) {
    switch (verdict) {
    case STATS_DIFFERENT: return "different";
    case STATS_EQUIVALENT: return "equivalent";
    case STATS_TOO_BLUNT: return "blunt";
    default: return "undecided";
    }
}

static void begin_sentence(text *out) { text_add(out, out->len ? " " : ""); }

static int has_verdict(const analysis_row *r, int verdict) { return is_answer(r) && r->stats.verdict == verdict; }

/* "Different: sink − random, k = 1, 5; like − random." for one verdict: the k of a contrast together. */
static void add_verdict(text *out, const analysis *a, int verdict, const char *words) {
    const study_contrast *last = NULL;
    for (int i = 0; i < a->n_rows; i++) {
        const study_contrast *c = a->rows[i].contrast;
        if (!has_verdict(&a->rows[i], verdict)) continue;
        if (last && strcmp(last->name, c->name) == 0) text_addf(out, ", %d", c->k);
        else {
            if (last) text_add(out, "; ");
            else begin_sentence(out), text_addf(out, "%s: ", words);
            words_add_contrast(out, c);
        }
        last = c;
    }
    if (last) text_add(out, ".");
}

static int count_verdicts(const analysis *a, int verdict) {
    int n = 0;
    for (int i = 0; i < a->n_rows; i++) n += has_verdict(&a->rows[i], verdict);
    return n;
}

static const analysis_row *find_positive(const analysis *a) {
    for (int i = 0; i < a->n_rows; i++)
        if (a->rows[i].is_primary && a->rows[i].contrast->is_positive) return &a->rows[i];
    return NULL;
}

/* Whether the metric was shown able to see harm at this number of prompts. */
static void add_assay(text *out, const analysis *a) {
    const analysis_row *p = find_positive(a);
    begin_sentence(out);
    if (!p) {
        text_add(out, "The study has no positive control, so nothing shows that the metric could see harm.");
        return;
    }
    text_add(out, "The positive control (");
    words_add_contrast(out, p->contrast);
    text_add(out, ") was ");
    if (p->stats.assay == STATS_ASSAY_DETECTED) text_add(out, "detected: the metric can see harm at this n.");
    else text_addf(out, "not detected (%s): %s.", stats_assays[p->stats.assay].name, stats_assays[p->stats.assay].help);
}

static void add_summary(text *out, const report_facts *f) {
    const analysis *a = f->analysis;
    text words = {0};
    int n = 0, prompts = 0;
    for (int i = 0; i < a->n_rows; i++) {
        if (!is_answer(&a->rows[i])) continue;
        n++;
        if (a->rows[i].stats.n > prompts) prompts = a->rows[i].stats.n;
    }
    if (n == 0) {
        page_element(out, "p", "answer", "There is no answer yet: the store has no contrast on the primary metric.");
        return;
    }
    text_addf(&words, "%d contrast%s on %s, over %d prompts, corrected together (Holm).", n, n == 1 ? "" : "s",
              f->study->metric[f->study->primary].row->about.name, prompts);
    add_verdict(&words, a, STATS_DIFFERENT, "Different");
    add_verdict(&words, a, STATS_EQUIVALENT, "Equivalent within the margin");
    add_verdict(&words, a, STATS_UNDECIDED, "Undecided");
    add_verdict(&words, a, STATS_TOO_BLUNT, "Metric too blunt to tell");
    add_verdict(&words, a, STATS_NOT_JUDGED, "Not judged");
    add_assay(&words, a);
    page_element(out, "p", "answer", text_for(&words, out));
    text_free(&words);
    if (count_verdicts(a, STATS_UNDECIDED))
        page_element(out, "p", "soft",
                     "Undecided means neither shown different nor shown equivalent. It is not a finding of no effect: "
                     "the interval says what remains possible, and the table what this study could have detected.");
}

/* Estimate, p and reading of a contrast. */
static void section_answer_add_row(text *out, const analysis_row *r, int with_metric) {
    text words = {0}, p = {0}, estimate = {0};
    words_add_contrast(&words, r->contrast);
    words_add_difference(&estimate, &r->stats);
    analysis_add_p(stats_shown_p(&r->stats), &p);
    text_add(out, "<tr>");
    page_element(out, "th", NULL, text_for(&words, out));
    if (with_metric) page_element(out, "td", "nowrap", r->metric);
    else {
        text classes = {0};
        text_addf(&classes, "verdict %s", verdict_class(r->stats.verdict));
        page_element(out, "td", text_for(&classes, out), stats_verdicts[r->stats.verdict].name);
        text_free(&classes);
    }
    page_element(out, "td", "nowrap", text_for(&estimate, out));
    page_element(out, "td", "n", *text_for(&p, out) ? p.s : "–");
    page_element(out, "td", "words", r->reads);
    text_add(out, "</tr>\n");
    text_free(&words);
    text_free(&p);
    text_free(&estimate);
}

static void add_primary(text *out, const analysis *a) {
    static const char *const HEADING[] = {"contrast", "verdict", "difference [95 % interval]", ">p (Holm)", "reads as"};
    page_table_begin(out, "answer", HEADING, 5);
    for (int i = 0; i < a->n_rows; i++)
        if (a->rows[i].is_primary) section_answer_add_row(out, &a->rows[i], 0);
    page_table_end(out);
}

static void add_sensitivity(text *out, const analysis *a) {
    static const char *const HEADING[] = {"contrast", "metric", "difference [95 % interval]", ">p (Holm)", "reads as"};
    int some = 0;
    for (int i = 0; i < a->n_rows; i++) {
        const analysis_row *r = &a->rows[i];
        if (r->is_primary || !r->in_main_table) continue;
        if (!some) {
            page_element(out, "h3", NULL, "Beside it: sensitivity analysis");
            page_element(out, "p", "soft",
                         "Other metrics of the same contrasts. Each metric is corrected as a family of its own; these "
                         "rows support the answer and do not make it.");
            page_table_begin(out, "answer", HEADING, 5);
        }
        some = 1;
        section_answer_add_row(out, r, 1);
    }
    if (some) page_table_end(out);
}

void section_answer(const void *facts, text *out) {
    const report_facts *f = facts;
    const analysis *a = f->analysis;
    if (a->images < a->images_planned) {
        text words = {0};
        text_add(&words, "This study is not complete: ");
        text_add_grouped(&words, a->images);
        text_add(&words, " of ");
        text_add_grouped(&words, a->images_planned);
        text_add(&words, " images are there. What follows is of these alone.");
        page_element(out, "p", "notice", text_for(&words, out));
        text_free(&words);
    }
    add_summary(out, f);
    if (a->n_rows == 0) return;
    add_primary(out, a);
    add_sensitivity(out, a);
}
