/* Images that failed, by condition: they have no image or no score, and every count includes them. */
#include "io/csv.h"
#include "report/report.h"
#include "report/sections.h"

void section_failed(const void *facts, text *out) {
    static const char *const HEADING[] = {"condition", ">failed", ">of images", "what failed"};
    const analysis *a = ((const report_facts *)facts)->analysis;
    if (a->n_failed == 0) return;
    page_table_begin(out, "failed", HEADING, 4);
    for (int i = 0; i < a->n_failed; i++) {
        const analysis_failed *x = &a->failed[i];
        text what = {0};
        if (x->metric) text_addf(&what, "the score by %s is not finite", x->metric);
        else text_add(&what, "latents or picture are not finite: there is no picture");
        text_add(out, "<tr>");
        page_element(out, "th", NULL, x->condition);
        text_addf(out, "<td class=\"n\">%d</td><td class=\"n\">%d</td>", x->failed, x->images);
        page_element(out, "td", "words", text_for(&what, out));
        text_add(out, "</tr>\n");
        text_free(&what);
    }
    page_table_end(out);
    text_add(
        out,
        "<p class=\"soft\">A failed image is a result: the intervention destroyed it. Where a metric knows a worst "
        "value the image has it (the judge: wrong). Elsewhere it stands below every value, or beyond every "
        "distance, and its prompt stays in n: such contrasts are judged by ranks (Wilcoxon's signed-rank test), "
        "have a bound in the place of a mean, and are never called equivalent (<a href=\"" CSV_FAILED "\">" CSV_FAILED
        "</a>).</p>\n");
}

void report_failed_csv(const analysis *a, text *out) {
    text_add(out, "condition,metric,images,failed\n");
    for (int i = 0; i < a->n_failed; i++) {
        csv_add_text(out, 0, a->failed[i].condition);
        csv_add_text(out, 1, a->failed[i].metric ? a->failed[i].metric : "");
        csv_add_int(out, 2, a->failed[i].images);
        csv_add_int(out, 3, a->failed[i].failed);
        csv_add_end(out);
    }
}
