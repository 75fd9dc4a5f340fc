/* The findings of several studies of one model as one Markdown document with its figures: every number comes from the
 * stores. Sentences follow the verdicts: a difference that was not found is never called 'no effect'. */
#ifndef REPORT_FINDINGS_H
#define REPORT_FINDINGS_H

#include "analysis/analyse.h"

/* One study of the document. Nothing is owned. */
typedef struct finding {
    const store *store;
    const analysis *analysis;
} finding;

/* Write `path` and, beside it, its figures (NAME-controls.svg, NAME-harm.svg, where NAME.md is the path's last part).
 */
ss_status findings_write(const finding *f, int n, const char *path, ss_error *err);

#endif
