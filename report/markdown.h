/* Tables in Markdown: a row is "|", its cells, a line's end. */
#ifndef REPORT_MARKDOWN_H
#define REPORT_MARKDOWN_H

#include "analysis/analyse.h"

void markdown_table(text *out, const char *const *heading, int n);

void markdown_cell(text *out, const char *s);
void markdown_taken(text *out, text *words); /* takes the words, which are empty then */
void markdown_number(text *out, int64_t x);
void markdown_figure(text *out, stats_figure f);            /* in two digits */
void markdown_estimate(text *out, const stats_contrast *c); /* the mean and its interval */
void markdown_contrast(text *out, const study_contrast *c); /* its name and k */

#endif
