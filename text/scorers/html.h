/* Character references of HTML in plain text: &amp; and its like. Source: Python 3.11's html/__init__.py, which follows
 * the HTML standard, "Named character references" and "Numeric character reference end state". */
#ifndef SCORERS_HTML_H
#define SCORERS_HTML_H

#include <stddef.h>
#include "base/text.h"

/* Append s (valid UTF-8, n bytes) with its references replaced once, as Python's html.unescape does: names with and
 * without semicolon (the longest known start of a name counts), numbers with the standard's corrections (128 is the
 * euro sign; surrogates and what lies beyond Unicode become U+FFFD; controls and noncharacters vanish). */
void html_unescape(text *out, const char *s, size_t n);

/* Append what the name (without '&' and ';') stands for; 0 where there is no such name. `bare`: only names that count
 * without a semicolon. */
int html_add_entity(text *out, const char *name, size_t n, int bare);

#endif
