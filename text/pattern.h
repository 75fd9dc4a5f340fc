/* Regular expressions of a tokenizer.json. The file is not trusted, and its patterns are written for Oniguruma (Ruby's
 * syntax), which the tokenizers package uses. They are parsed here, and each construct that PCRE2 reads alike is given
 * to it in a form of one meaning; any other construct is an error that names the pattern. PCRE2 runs under limits. */
#ifndef TEXT_PATTERN_H
#define TEXT_PATTERN_H

#include <jansson.h>
#include "text/piece.h"

enum {
    PATTERN_MATCH_LIMIT = 500000, /* steps of one match */
    PATTERN_DEPTH_LIMIT = 50000,  /* points to go back to */
    PATTERN_HEAP_LIMIT = 65536,   /* KiB */
    PATTERN_LONGEST = 4096        /* bytes of a pattern */
};

/* Read-only after compiling: any number of threads may use it at once. */
typedef struct pattern pattern;

/* What a source is: an expression for Oniguruma, one for Rust's regex (the package's own: \w has other members), or a
 * string to look for. */
typedef enum pattern_kind { PATTERN_ONIGURUMA, PATTERN_RUST, PATTERN_LITERAL } pattern_kind;

/* `where` names the file in errors. */
ss_status pattern_compile(pattern **out, const char *source, pattern_kind kind, const char *where, ss_error *err);
/* The member "pattern" of a step: {"Regex": ...} or {"String": ...}. */
ss_status pattern_read(pattern **out, const json_t *owner, const char *where, ss_error *err);
void pattern_free(pattern *p); /* NULL is allowed */

/* The parts of s[0..n), appended: matches, and what lies between. A match may be empty. */
ss_status pattern_find(const pattern *p, const char *s, size_t n, spans *out, ss_error *err);

/* The PCRE2 expression of an expression for Oniguruma or Rust (pattern_syntax.c). */
ss_status pattern_translate(const char *source, pattern_kind kind, text *out, const char *where, ss_error *err);

#endif
