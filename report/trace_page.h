/* Inside a trace's page: its parts in files of their own. */
#ifndef REPORT_TRACE_PAGE_H
#define REPORT_TRACE_PAGE_H

#include "report/trace.h"

/* Step by step, head by head: the page's only script. */
void trace_add_explorer(const trace *t, text *out);
extern const char *const TRACE_SCRIPT[]; /* its script, line by line (assets/trace.js); NULL-terminated */

/* What the sinks are. */
void trace_add_sinks(const trace *t, text *out);

/* The map that was asked for, if any. */
void trace_add_map(const trace *t, text *out);

#endif
