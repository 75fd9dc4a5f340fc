/* Inside study/: the parts of an analysis. */
#ifndef STUDY_ANALYSE_INTERNAL_H
#define STUDY_ANALYSE_INTERNAL_H

#include "study/analyse.h"
#include "study/scores.h"

/* More than this share of calls with sinks left out, and the contrast is called partly matched (method.md section 3).
 */
#define ANALYSIS_PARTLY_ABOVE 0.05

/* analyse_parts.c: fill a->by_tag and a->trends from the contrasts in a->rows. `tag`: every tag, in order. */
ss_status analysis_add_tags(analysis *a, const scores *d, const char *const *tag, int n_tags, ss_error *err);
ss_status analysis_add_trends(analysis *a, const scores *d, ss_error *err);

void analysis_read(const analysis *a, analysis_row *row); /* fills row->reads */

#endif
