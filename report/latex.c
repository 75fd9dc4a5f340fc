/* LaTeX tables; see latex.h. */
#include "report/latex.h"

#include <stdlib.h>
#include <string.h>

#include "report/parts.h"
#include "report/words.h"

static const char MINUS[] = "−";

void latex_add(text *out, const char *s) {
    while (*s) {
        switch (*s) {
        case '\\': text_add(out, "\\textbackslash{}"); break;
        case '~': text_add(out, "\\textasciitilde{}"); break;
        case '^': text_add(out, "\\textasciicircum{}"); break;
        case '<': text_add(out, "$<$"); break;
        case '>': text_add(out, "$>$"); break;
        case '|': text_add(out, "$|$"); break;
        case '"': text_add(out, "\\textquotedbl{}"); break;
        case '\n':
        case '\r': text_add(out, " "); break;
        case '&':
        case '%':
        case '$':
        case '#':
        case '_':
        case '{':
        case '}':
            text_add(out, "\\");
            text_add_n(out, s, 1);
            break;
        default:
            if (strncmp(s, MINUS, sizeof MINUS - 1) == 0) {
                text_add(out, "$-$");
                s += sizeof MINUS - 1;
                continue;
            }
            text_add_n(out, s, 1);
        }
        s++;
    }
}

/* Takes the words. */
static void add_taken(text *out, text *words) {
    if (words->failed) out->failed = 1;
    else if (words->len) latex_add(out, words->s);
    text_free(words);
    *words = (text){0};
}

static void latex_add_contrasts(const report_facts *f, text *out) {
    const analysis *a = f->analysis;
    text words = {0};
    text_add(out, "\\begin{table}\n\\centering\n\\begin{tabular}{llrrl}\n\\toprule\n"
                  "Contrast & Metric & Difference [95\\,\\% CI] & $p$ & Reads as \\\\\n\\midrule\n");
    for (int i = 0; i < a->n_rows; i++) {
        const analysis_row *r = &a->rows[i];
        if (!r->in_main_table) continue;
        words_add_contrast(&words, r->contrast);
        add_taken(out, &words);
        text_add(out, " & ");
        latex_add(out, r->metric);
        text_add(out, " & ");
        words_add_difference(&words, &r->stats);
        add_taken(out, &words);
        text_add(out, " & ");
        analysis_add_p(stats_shown_p(&r->stats), &words);
        add_taken(out, &words);
        text_add(out, " & ");
        latex_add(out, r->reads);
        text_add(out, " \\\\\n");
    }
    text_add(out, "\\bottomrule\n\\end{tabular}\n\\caption{");
    latex_add(out, f->study->name);
    text_add(out, ": mean differences over prompts with 95\\,\\% BCa intervals; sign-flip permutation $p$, corrected "
                  "by Holm within each metric.}\n\\end{table}\n");
}

static void latex_add_trends(const report_facts *f, text *out) {
    const analysis *a = f->analysis;
    text words = {0};
    int some = 0;
    for (int i = 0; i < a->n_trends; i++) {
        const analysis_trend *t = &a->trends[i];
        if (!t->first->in_main_table) continue;
        if (!some++)
            text_add(out,
                     "\n\\begin{table}\n\\centering\n\\begin{tabular}{llrrrr}\n\\toprule\n"
                     "Contrast & Metric & $k$ & $n$ & Slope on $\\ln k$ [95\\,\\% CI] & Page's $p$ \\\\\n\\midrule\n");
        words_add_contrast_name(&words, t->first->contrast);
        add_taken(out, &words);
        text_add(out, " & ");
        latex_add(out, t->first->metric);
        text_addf(out, " & %d--%d & %d & ", t->first->contrast->k, t->last->contrast->k, t->stats.n);
        words_add_estimate(&words, t->stats.slope, t->stats.slope_low, t->stats.slope_high, 1);
        add_taken(out, &words);
        text_add(out, " & ");
        analysis_add_p(t->stats.p, &words);
        add_taken(out, &words);
        text_add(out, " \\\\\n");
    }
    if (!some) return;
    text_add(out, "\\bottomrule\n\\end{tabular}\n\\caption{");
    latex_add(out, f->study->name);
    text_add(out,
             ": trends over $k$: slopes averaged over prompts with 95\\,\\% BCa intervals; Page's test, two-sided, not "
             "corrected.}\n\\end{table}\n");
}

static void latex_add_accuracy(const report_facts *f, text *out) {
    const analysis *a = f->analysis;
    text words = {0};
    if (a->n_accuracy == 0) return;
    text_add(out, "\n\\begin{table}\n\\centering\n\\begin{tabular}{lllrrrr}\n\\toprule\n"
                  "Metric & Condition & Tag & Images & Right & 95\\,\\% CI & Unreadable \\\\\n\\midrule\n");
    for (int i = 0; i < a->n_accuracy; i++) {
        const analysis_accuracy *c = &a->accuracy[i];
        if (c->images == 0) continue;
        latex_add(out, c->metric);
        text_add(out, " & ");
        latex_add(out, c->condition);
        text_add(out, " & ");
        latex_add(out, *c->tag ? c->tag : "all");
        text_addf(out, " & %d & ", c->images);
        words_add_percent(&words, (double)c->right / c->images, 1);
        add_taken(out, &words);
        text_add(out, " & ");
        if (c->interval.low.state == STATS_DEFINED && c->interval.high.state == STATS_DEFINED) {
            text_add(out, "[");
            text_add_fixed(out, 100 * c->interval.low.value, 1);
            text_add(out, ", ");
            text_add_fixed(out, 100 * c->interval.high.value, 1);
            text_add(out, "]");
        }
        text_addf(out, " & %d \\\\\n", c->unreadable);
    }
    text_add(out, "\\bottomrule\n\\end{tabular}\n\\caption{");
    latex_add(out, f->study->name);
    text_add(out, ": accuracy over images, Wilson intervals.}\n\\end{table}\n");
}

static void latex_add_failed(const report_facts *f, text *out) {
    const analysis *a = f->analysis;
    if (a->n_failed == 0) return;
    text_add(out, "\n\\begin{table}\n\\centering\n\\begin{tabular}{llrr}\n\\toprule\n"
                  "Condition & What & Failed & Images \\\\\n\\midrule\n");
    for (int i = 0; i < a->n_failed; i++) {
        const analysis_failed *x = &a->failed[i];
        latex_add(out, x->condition);
        text_add(out, " & ");
        latex_add(out, x->metric ? x->metric : "picture");
        text_addf(out, " & %d & %d \\\\\n", x->failed, x->images);
    }
    text_add(out, "\\bottomrule\n\\end{tabular}\n\\caption{");
    latex_add(out, f->study->name);
    text_add(out,
             ": images that are not finite. They are worse than every value; contrasts with them have a bound in the "
             "place of a mean, and $p$ of the signed-rank test.}\n\\end{table}\n");
}

/* "0.31" over "[0.29, 0.33]", so that a column a tag fits a page. A row break is followed by a brace: LaTeX would take
 * the bracket for its length. */
static void add_stacked(const parts_cell *c, int is_effect, text *out) {
    text number = {0}, interval = {0};
    words_add_estimate_apart(&number, &interval, c->mid, c->low, c->high, is_effect);
    text_add(out, "\\shortstack[l]{");
    add_taken(out, &number);
    text_add(out, "\\\\{\\scriptsize ");
    add_taken(out, &interval);
    text_add(out, "}}");
}

static void latex_add_grid(const parts_grid *g, const char *title, const parts_metric *m, int is_effect, text *out) {
    text words = {0};
    text_add(out, "\n\\begin{table}\n\\centering\n\\begin{tabular}{l");
    for (int c = 0; c < g->columns; c++) text_add(out, "l");
    text_addf(out, "}\n\\toprule\n%s", is_effect ? "Contrast" : "Condition");
    for (int c = 0; c < g->columns; c++) {
        text_add(out, " & ");
        latex_add(out, g->column[c]);
    }
    text_add(out, " \\\\\n\\midrule\n");
    for (int first = 0, end; first < g->n; first = end) {
        end = parts_row_end(g, first);
        parts_add_row_name(&words, &g->cell[first]);
        add_taken(out, &words);
        for (int c = 0; c < g->columns; c++) {
            const parts_cell *cell = parts_find(g, first, end, g->column[c]);
            text_add(out, " & ");
            if (cell) add_stacked(cell, is_effect, out);
        }
        text_add(out, " \\\\\n");
    }
    text_add(out, "\\bottomrule\n\\end{tabular}\n\\caption{");
    latex_add(out, title);
    text_add(out, is_effect ? ": mean differences in " : ": means of ");
    parts_add_metric(&words, m);
    add_taken(out, &words);
    text_add(out, " by tag, over prompts, with 95\\,\\% BCa intervals; exploratory, not tested.}\n\\end{table}\n");
}

/* Two tables a metric: effects by tag, scores by condition and tag. */
static void add_by_tag(const report_facts *f, text *out) {
    const analysis *a = f->analysis;
    int n;
    parts_metric *on = parts_metrics(a, &n, out);
    for (int i = 0; i < n; i++)
        for (int is_effect = 1; is_effect >= 0; is_effect--) {
            parts_grid g =
                is_effect ? parts_of_effects(a->by_tag, a->n_by_tag, on[i].name) : parts_of_means(a, on[i].name);
            if (g.n && (is_effect || !on[i].is_binary)) latex_add_grid(&g, f->study->name, &on[i], is_effect, out);
            out->failed |= g.failed;
            parts_free(&g);
        }
    free(on);
}

void latex_tables(const report_facts *f, text *out) {
    text_add(out, "% \\usepackage{booktabs}, \\usepackage[T1]{fontenc}\n");
    latex_add_contrasts(f, out);
    latex_add_failed(f, out);
    latex_add_trends(f, out);
    latex_add_accuracy(f, out);
    add_by_tag(f, out);
}
