/* What the files of the findings share. */
#ifndef REPORT_FINDINGS_PARTS_H
#define REPORT_FINDINGS_PARTS_H

#include "report/findings.h"
#include "report/markdown.h"

/* The last part of its model's path. */
const char *findings_model(const finding *f);

/* Whether a probe of the study has the column. */
int findings_has_column(const study *y, const char *name);

static inline int findings_with_baseline(const analysis_row *r) { return r->contrast->a == 0 || r->contrast->b == 0; }

/* ---- findings_short.c ---- */

/* How many contrasts came out how, in sentences. */
void findings_add_short(const finding *f, int n, text *out);

/* ---- findings_series.c ---- */

/* Studies that name one series, of several models say, side by side; nothing where there is no series of two. */
ss_status findings_add_series(const finding *f, int n, text *out, ss_error *err);

#endif
