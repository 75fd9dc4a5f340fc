/* Tables for a paper: LaTeX with booktabs. Everything from elsewhere is escaped. */
#ifndef REPORT_LATEX_H
#define REPORT_LATEX_H

#include "report/facts.h"

/* Text with LaTeX's special characters escaped; a minus sign (U+2212) becomes $-$. */
void latex_add(text *out, const char *s);

/* Main contrasts and accuracy, each as one table environment. */
void latex_tables(const report_facts *f, text *out);

#endif
