/* Text repaired as ftfy 6.3.1 does it (ftfy.fix_text with its default TextFixerConfig), which CLIP's own tokenizer
 * calls before all else: HTML entities, mojibake, control codes, ligatures, full- and half-width forms, curly quotes,
 * line breaks, terminal escapes, Normalization Form C, again until nothing changes, a line at a time. Source of the
 * procedure: ftfy/__init__.py and ftfy/fixes.py. Results equal the package's on code points that utf8proc and Python's
 * unicodedata both know. */
#ifndef SCORERS_REPAIR_H
#define SCORERS_REPAIR_H

#include "base/error.h"
#include "base/text.h"

/* Compiled patterns; read-only after creation. */
typedef struct repair repair;
ss_status repair_create(repair **out, ss_error *err);
void repair_free(repair *r); /* NULL is allowed */

/* Append the repaired form of s: n bytes of valid UTF-8. */
ss_status repair_add(const repair *r, const char *s, size_t n, text *out, ss_error *err);

#endif
