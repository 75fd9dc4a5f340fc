/* The findings in a few sentences: how many contrasts came out how. Counts verdicts and adds nothing to them. */
#include "report/findings_parts.h"

/* The verdicts of a kind of contrasts. */
typedef struct tally {
    int all, up, down, equivalent, undecided, blunt;
} tally;

typedef enum kind_of_row { AGAINST_BASELINE, AGAINST_EACH_OTHER, BY_DISTANCE } kind_of_row;

static int findings_short_is_of_kind(const analysis_row *r, kind_of_row kind) {
    if (!r->in_main_table || r->contrast->is_positive || r->is_random) return 0;
    if (kind == AGAINST_BASELINE) return r->is_primary && findings_with_baseline(r);
    if (findings_with_baseline(r)) return 0;
    return kind == BY_DISTANCE ? r->kind == METRIC_DISTANCE && !r->is_primary : r->is_primary;
}

static tally findings_short_count(const finding *f, int n, kind_of_row kind) {
    tally t = {0};
    for (int s = 0; s < n; s++)
        for (int i = 0; i < f[s].analysis->n_rows; i++) {
            const analysis_row *r = &f[s].analysis->rows[i];
            if (!findings_short_is_of_kind(r, kind)) continue;
            int larger = r->contrast->a == 0 ? stats_direction(&r->stats) < 0
                                             : stats_direction(&r->stats) > 0; /* than the baseline */
            t.all++;
            t.up += r->stats.verdict == STATS_DIFFERENT && larger;
            t.down += r->stats.verdict == STATS_DIFFERENT && !larger;
            t.equivalent += r->stats.verdict == STATS_EQUIVALENT;
            t.blunt += r->stats.verdict == STATS_TOO_BLUNT;
            t.undecided += r->stats.verdict == STATS_UNDECIDED || r->stats.verdict == STATS_NOT_JUDGED;
        }
    return t;
}

/* "- WHAT (12 contrasts): 3 DOWN, 1 UP, 2 equivalent within their margin, 6 undecided." */
static void add_sentence(const char *what, const tally *t, const char *down, const char *up, text *out) {
    if (t->all == 0) return;
    text_addf(out, "- %s (%d contrast%s): %d %s, %d %s, ", what, t->all, t->all == 1 ? "" : "s", t->down, down, t->up,
              up);
    if (t->equivalent) text_addf(out, "%d equivalent within their margin, ", t->equivalent);
    if (t->blunt) text_addf(out, "%d not judged, since the metric missed its positive control, ", t->blunt);
    text_addf(out, "%d undecided.\n", t->undecided);
}

void findings_add_short(const finding *f, int n, text *out) {
    tally harm = findings_short_count(f, n, AGAINST_BASELINE),
          controls = findings_short_count(f, n, AGAINST_EACH_OTHER), distance = findings_short_count(f, n, BY_DISTANCE);
    if (harm.all + controls.all + distance.all == 0) return;
    text_add(out, "\n## In short\n\n");
    add_sentence("Interventions against the baseline, on the primary metric", &harm, "worse", "better", out);
    add_sentence("One intervention against another, on the primary metric", &controls, "where the first is worse",
                 "where it is better", out);
    add_sentence("The same by distance from the baseline image", &distance, "where the first moves it less",
                 "where it moves it more", out);
    text_add(out,
             "\nVerdicts at 5 %, of the primary metric after correction within their study. How many there are over "
             "all studies is a description, not a test; studies that ask the same in other words are counted each.\n");
}
