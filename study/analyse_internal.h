/* Inside study/: from a judged contrast to its words. */
#ifndef STUDY_ANALYSE_INTERNAL_H
#define STUDY_ANALYSE_INTERNAL_H

#include "study/analyse.h"

void analysis_read(const analysis *a, analysis_row *row); /* fills row->reads */

#endif
