/* Distances of sets in a store; what makes them is run/sets.c. */
#ifndef STORE_SETS_H
#define STORE_SETS_H

#include "store/store.h"

/* Rows of metric, condition, role, n, n_baseline, value, low, high, options; and the same in words for the terminal
 * (nothing where there are none). */
ss_status sets_select(store_rows **out, const store *s, ss_error *err);
ss_status sets_describe(const store *s, text *out, ss_error *err);

#endif
