/* Notices: one-line remarks that a scientist should read though nothing failed ("the prompt is longer than ..."). The
 * library collects them and never prints. A compute context carries a list (compute.notices), so code with the context,
 * or with a pipeline made on it, can add a line; code without one takes a list of its caller's. The program prints each
 * line once (cli/tables.h, cli_tell) and a store keeps them in its manifest (store_record_notices). */
#ifndef BASE_NOTICES_H
#define BASE_NOTICES_H

#include <stddef.h>
#include "base/error.h"
struct text; /* base/text.h: not included, so that kernels do not depend on it */

/* Zero-initialise; free with notices_free. Lines are in the order in which they were added. */
typedef struct notices {
    char **line;
    int n;
    size_t capacity;
    int told; /* the first of them were printed already; for printing */
} notices;

/* Add a line: "model.safetensors: ...". No final stop, no line feed; no floating point in the format. Control
 * characters (of a file's name, of a prompt) become '?'. A line that is there already is not added again. `list` may be
 * NULL: nobody listens. Fails only when memory runs out. */
ss_status notices_add(notices *list, ss_error *err, const char *fmt, ...) BASE_PRINTF(3, 4);

/* The same with a text as the line; the text is freed, also on failure. */
ss_status notices_add_text(notices *list, struct text *line, ss_error *err);

/* Every line of the other list. */
ss_status notices_add_all(notices *list, const notices *other, ss_error *err);

void notices_free(notices *list);

#endif
