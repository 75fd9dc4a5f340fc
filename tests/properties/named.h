/* Rows of the tables of attention by name, and programs made of them, for tests of whole calls. Fails the test where a
 * name is not there. */
#ifndef PROPERTIES_NAMED_H
#define PROPERTIES_NAMED_H

#include "attn/run.h"

const attn_selector *named_selector(const char *name);
const attn_edit *named_edit(const char *name);

/* The column of a probe in the record of a run that has all probes (named_all_probes). */
int named_column(const char *name);
attn_measure named_all_probes(attn_rows rows, int top); /* r = 2, no-op below 0.1 */

/* One intervention, in force at every step, block, head and branch of the shape; `number` is the edit's first option.
 */
attn_program named_program(attn_shape shape, const attn_selector *selector, int k, const char *edit, double number,
                           attn_rows rows);

#endif
