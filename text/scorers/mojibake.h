/* Mojibake: text whose bytes were read in the wrong encoding ("Ã©" for "é"), found and undone exactly as ftfy 6.3.1
 * does it. Source of the procedure: ftfy/__init__.py, fix_encoding and _fix_encoding_one_step_and_explain, with the
 * default TextFixerConfig; of the tables: see mojibake_tables.h. */
#ifndef SCORERS_MOJIBAKE_H
#define SCORERS_MOJIBAKE_H

#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

/* Compiled patterns; read-only after creation. */
typedef struct mojibake mojibake;
ss_status mojibake_create(mojibake **out, ss_error *err);
void mojibake_free(mojibake *m); /* NULL is allowed */

/* Replace t (valid UTF-8, which may hold U+0000) with what ftfy.fix_encoding makes of it. */
ss_status mojibake_fix(const mojibake *m, text *t, ss_error *err);

/* A control code U+0080 .. U+009F as windows-1252 has it, other code points unchanged (ftfy.fixes.fix_c1_controls). */
int32_t mojibake_c1(int32_t cp);

#endif
