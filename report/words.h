/* Numbers and conditions as a reader sees them, for HTML and LaTeX alike: plain text with a true minus sign (U+2212),
 * nothing escaped. */
#ifndef REPORT_WORDS_H
#define REPORT_WORDS_H

#include "analysis/analyse.h"

/* Decimals that show half the interval's width to two digits, as the table in the terminal does; from `x` itself where
 * there is no interval. */
int words_decimals(double low, double high, double x);

/* "−0.004", with `signed_` "+0.081"; "–" where x is not finite. */
void words_add_number(text *out, double x, int decimals, int signed_);

/* The two apart: "+0.081" and "[+0.074, +0.088]", or why a figure is undefined: the number, then nothing follows, or
 * its interval. */
void words_add_estimate_apart(text *number, text *interval, stats_figure mid, stats_figure low, stats_figure high,
                              int signed_);

/* "+0.081 [+0.074, +0.088]"; where a figure is undefined, why. */
void words_add_estimate(text *out, stats_figure mid, stats_figure low, stats_figure high, int signed_);

/* A contrast's difference, by words_add_estimate. Where images failed there is no mean: "at most −0.012" or "no bound",
 * and apart from it "3 failed". */
void words_add_difference(text *out, const stats_contrast *c);
void words_add_difference_apart(text *number, text *interval, const stats_contrast *c);

/* "83 %" */
void words_add_percent(text *out, double share, int decimals);

/* "sink − random, k = 5" */
void words_add_contrast(text *out, const study_contrast *c);

/* The same without k: "sink − random". */
void words_add_contrast_name(text *out, const study_contrast *c);

/* What a condition does: "mask: scores of the set ... ; keys: top, k = 1, 5, 10; blocks 3; ...". `ks`: the values of k
 * of its family, written. */
void words_add_condition(text *out, const study_condition *c, const char *ks);

/* The values of k of a condition's family: "1, 5, 10"; "" where there is no intervention. */
void words_add_family_ks(text *out, const study *y, const study_condition *c);

const char *words_role(condition_role role); /* as a reader calls it */

#endif
