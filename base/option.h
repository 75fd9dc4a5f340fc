/* Option tables: the one description of a named choice and its options from which help, validation of study
 * files, error messages and the manifest derive. A table of things (selectors, edits, probes, metrics, ...)
 * is a const array of structs whose first member is an `entry`. */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include "base/error.h"
#include "base/seed.h"
#include "base/text.h"

typedef enum option_type {
    OPTION_INT,
    OPTION_DOUBLE,
    OPTION_WORD,
    OPTION_TEXT,
    OPTION_FLAG,
    OPTION_PATH,   /* a file or folder that whoever reads the option finds (study/loader.h); empty = none */
    OPTION_SEED,   /* of noise: the whole range of base/seed.h */
    OPTION_FILE,   /* a file to write (base/output.h) */
    OPTION_FOLDER, /* a folder to write into */
    OPTION_TYPES
} option_type;

/* One option. Ranges are inclusive; `words` lists what an OPTION_WORD may be, separated by '|'. */
typedef struct option {
    const char *name;
    option_type type;
    const char *words;      /* OPTION_WORD only, else NULL */
    double low, high;       /* OPTION_INT, OPTION_DOUBLE; of whole numbers, those that a double holds */
    const char *by_default; /* as one would write it; NULL = required */
    const char *help;       /* one line */
} option;

typedef struct entry {
    const char *name;
    const char *help;      /* one line */
    const option *options; /* ended by a row without a name; NULL = none */
} entry;

/* The value of one option after parsing. */
typedef struct option_value {
    int is_set; /* given, rather than the default */
    double number;
    int64_t integer;
    image_seed seed;
    int word;         /* index into words */
    const char *text; /* points into the parsed source or the default; not owned */
} option_value;

/* Parse `s` as option `o`; on failure *err says what was expected. `where` as in error_set. */
ss_status option_parse(const option *o, const char *s, const char *where, option_value *out, ss_error *err);

enum { ENTRY_POINTERS = 0 }; /* the stride of a table of pointers to rows */

/* Entry i of a table of rows of `stride` bytes each, which begin with their entry. */
const entry *entry_at(const void *table, size_t stride, int i);

/* The entry called `name` in a table of `n` rows of `stride` bytes each, or NULL with *err filled:
 *   unknown <kind> '<name>'; did you mean '<nearest>'? (<kind>s: a, b, c) */
const entry *entry_find(const void *table, size_t stride, int n, const char *kind, const char *name, const char *where,
                        ss_error *err);

/* What stands for its value in help: "N", "DIR"; "" for a flag. */
const char *option_value_name(const option *o);

/* "name  help" and its options, for --help and `list`. */
void entry_describe(const entry *e, text *out);

#endif
