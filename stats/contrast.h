/* A contrast: every figure of METHOD.md, section 5, for one comparison of two conditions on one metric.
 *
 * Primary is the sign-flip permutation test of the mean difference, prompts flipped whole (sign_flip_p, corrected over
 * the study's family: p_holm). It assumes only that under the null a prompt's difference is as likely to be +x as -x.
 * The BCa interval belongs to the estimate. Paired t, Wilcoxon and (binary outcomes) McNemar are sensitivity analysis:
 * they are shown beside the primary test and change no verdict. Where images failed, the signed-rank test is primary.
 * TOST is the equivalence test, a family of its own. DD of METHOD.md, section 4, is the contrast a = sink, b
 * = control: the baseline cancels. */
#ifndef STATS_CONTRAST_H
#define STATS_CONTRAST_H

#include <stddef.h>
#include "base/error.h"
#include "base/text.h"
#include "stats/family.h"
#include "stats/figure.h"
#include "stats/options.h"
#include "stats/summary.h"

typedef struct stats_contrast {
    /* design */
    int n, pairs, seeds_min, seeds_max;
    int better; /* from the options */
    /* estimate */
    stats_figure mean_a, mean_b, mean, sd, se, d_z, ci_low, ci_high;
    /* where images failed (failed.h); separate fields, absent from a contrast without failed images */
    int failed_a, failed_b; /* pairs in which they did */
    stats_figure mean_at_least, mean_at_most, sign_p;
    int primary_test;   /* stats_primary_test */
    int rank_direction; /* sign of the positive less the negative rank sum */
    /* primary */
    stats_figure sign_flip_p, p_holm, p_bh;
    int sign_flip_method;
    /* sensitivity */
    stats_figure t, t_df, t_p, t_low, t_high;
    int wilcoxon_used, wilcoxon_method;
    stats_figure wilcoxon_w, wilcoxon_p;
    /* equivalence; detectable: at alpha, not corrected for the family */
    stats_figure margin, tost_p, tost_p_holm, tost_low, tost_high, noninferiority_p, detectable, detectable_d_z;
    /* binary outcomes */
    stats_figure both, only_a, only_b, neither, mcnemar_p, newcombe_low, newcombe_high;
    stats_figure rate_a_low, rate_a_high, rate_b_low, rate_b_high;
    /* verdict */
    int assay, within_margin, verdict;
} stats_contrast;

/* Which test the verdict rests on. The mean of differences some of which have no value cannot be permuted; their signed
 * ranks can. */
typedef enum stats_primary_test { STATS_PRIMARY_SIGN_FLIP, STATS_PRIMARY_SIGNED_RANK } stats_primary_test;

/* Its two-sided p, before correction. */
stats_figure stats_primary_p(const stats_contrast *c);

/* -1, 0 or 1: on which side the difference lies, by its mean or, where images failed, by its ranks. */
int stats_direction(const stats_contrast *c);

/* The p that a reader sees: corrected, or before correction where no family was judged. */
stats_figure stats_shown_p(const stats_contrast *c);

/* All figures of one contrast; stats_contrasts_judge sets p_holm, p_bh, tost_p_holm, assay and verdict. Errors: as
 * stats_aggregate. Few prompts or no variance are not errors: the figures are then undefined, with the reason. */
ss_status stats_contrast_compute(const stats_pairs *pairs, const stats_options *options, stats_contrast *out,
                                 ss_error *err);

/* Correct the `n` contrasts of a family and give each its verdict. `positive` is the positive control's contrast on the
 * same metric (it may be a member, or NULL): detected where its p (corrected, if it is a member) is below alpha and its
 * effect is not in the metric's better direction. A metric of the sensitivity analysis is a separate family. */
ss_status stats_contrasts_judge(stats_contrast *const *family, int n, const stats_contrast *positive, double alpha,
                                ss_error *err);

typedef enum stats_role {
    STATS_ROLE_DESIGN,
    STATS_ROLE_ESTIMATE,
    STATS_ROLE_PRIMARY,
    STATS_ROLE_SENSITIVITY,
    STATS_ROLE_EQUIVALENCE,
    STATS_ROLE_BINARY,
    STATS_ROLE_VERDICT,
    STATS_ROLE_COUNT
} stats_role;
extern const stats_word stats_roles[STATS_ROLE_COUNT];

typedef enum stats_field_kind {
    STATS_FIELD_COUNT,  /* int */
    STATS_FIELD_FIGURE, /* stats_figure */
    STATS_FIELD_WORD    /* int, an index into `words` */
} stats_field_kind;

/* One figure of a contrast. CSV columns, JSON keys and help derive from this table. */
typedef struct stats_field {
    const char *name, *help;
    stats_role role;
    stats_field_kind kind;
    size_t offset; /* in stats_contrast */
    const stats_word *words;
    int of_failed; /* there only where images failed */
} stats_field;
extern const stats_field stats_fields[]; /* ended by a row without a name */

const stats_field *stats_field_find(const char *name); /* NULL: none of that name */

/* The figure of a field of kind STATS_FIELD_FIGURE. */
stats_figure stats_field_figure(const stats_field *f, const stats_contrast *c);

/* Whether a field is shown: those of failed images only where some failed. */
int stats_field_shown(const stats_field *f, int any_failed);
int stats_contrast_failed(const stats_contrast *c); /* some did */

/* A field as text: a number of `digits` significant digits, a word, 'undefined: <why>', or nothing where not asked. */
void stats_field_add(const stats_field *f, const stats_contrast *c, int digits, text *out);

/* No line end: the caller may put columns before. any_failed: of all contrasts of the table. */
void stats_contrast_add_csv_header(int any_failed, text *out);
void stats_contrast_add_csv_row(const stats_contrast *c, int any_failed, text *out);

/* One JSON object; a figure is a number, null (not asked) or {"undefined": "<why>"}. */
void stats_contrast_add_json(const stats_contrast *c, text *out);

/* One line a field for help: name, what it is. */
void stats_fields_describe(text *out);

#endif
