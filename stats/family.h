/* Families of tests and what a reader may conclude: corrections for multiplicity, assay sensitivity, verdicts. */
#ifndef STATS_FAMILY_H
#define STATS_FAMILY_H

#include "base/error.h"
#include "stats/figure.h"

/* Adjusted p values of a family, in its order: Holm 1979 (family-wise error), Benjamini & Hochberg 1995 (false
 * discovery rate). The family is fixed before the data are seen, so an undefined p still counts as a member, as p = 1
 * would, and stays undefined with its reason; 'not asked' is no member. `adjusted` may be `p`. */
ss_status stats_holm(const stats_figure *p, int n, stats_figure *adjusted, ss_error *err);
ss_status stats_benjamini_hochberg(const stats_figure *p, int n, stats_figure *adjusted, ss_error *err);

/* Whether the metric was shown able to see harm at this n, by the positive control. */
typedef enum stats_assay {
    STATS_ASSAY_NONE = 0, /* no positive control, or it has no p value */
    STATS_ASSAY_DETECTED, /* the metric distinguished the positive control from the baseline */
    STATS_ASSAY_MISSED,   /* it did not, or saw it as better */
    STATS_ASSAY_LARGER_N, /* detected, but with more prompts than the contrast has */
    STATS_ASSAY_COUNT
} stats_assay;
extern const stats_word stats_assays[STATS_ASSAY_COUNT];

typedef enum stats_verdict {
    STATS_NOT_JUDGED = 0,
    STATS_DIFFERENT,
    STATS_EQUIVALENT,
    STATS_UNDECIDED,
    STATS_TOO_BLUNT,
    STATS_VERDICT_COUNT
} stats_verdict;
extern const stats_word stats_verdicts[STATS_VERDICT_COUNT];

/* The verdict at `alpha`, from the corrected p values of the difference and of equivalence:
 *   different         p_difference < alpha (also where the difference is within the margin: it was found);
 *   metric too blunt  otherwise, where the positive control was missed;
 *   equivalent        otherwise, p_equivalence < alpha and the positive control detected;
 *   undecided         otherwise. 'Not significant' alone always ends here: it is never 'no effect'. */
stats_verdict stats_judge(stats_figure p_difference, stats_figure p_equivalence, stats_assay assay, double alpha);

#endif
