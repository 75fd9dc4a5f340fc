/* Inside study/: from a judged contrast to its words. */
#ifndef STUDY_ANALYSE_INTERNAL_H
#define STUDY_ANALYSE_INTERNAL_H

#include "study/analyse.h"

/* More than this share of calls with sinks left out, and the contrast is called partly matched (method.md section 3).
 */
#define ANALYSIS_PARTLY_ABOVE 0.05

void analysis_read(const analysis *a, analysis_row *row); /* fills row->reads */

#endif
