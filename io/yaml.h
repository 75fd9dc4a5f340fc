/* YAML documents as a small tree in which every node has its line and column, so that the validation of a study file
 * can point at the offending word. A subset: one document of scalars, sequences and mappings with scalar keys.
 * Duplicate keys, anchors, aliases, tags and a second document are errors; so are invalid UTF-8, more than YAML_LIMIT
 * bytes and nesting deeper than YAML_DEPTH. */
#ifndef IO_YAML_H
#define IO_YAML_H

#include <stddef.h>
#include "base/error.h"

enum { YAML_LIMIT = 4 << 20, YAML_DEPTH = 32 };

typedef enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING } yaml_kind;

/* Lines and columns count from 1, columns in characters; the end is one past the last character. */
typedef struct yaml_node {
    yaml_kind kind;
    int line, column, end_line, end_column;
    int is_plain;                  /* scalar written without quotes: only then do null, true, 12 mean more than words */
    const char *text;              /* scalar: its value, terminated; else NULL */
    int count;                     /* sequence: items; mapping: pairs; scalar: 0 */
    const struct yaml_node *items; /* sequence: [count]; mapping: [2 * count], key and value in turn */
} yaml_node;

typedef struct yaml_file yaml_file;

/* Read and check a document. Nodes and strings live until yaml_close. `name` stands for the file in errors. */
ss_status yaml_read_file(const char *path, yaml_file **out, ss_error *err);
ss_status yaml_read_bytes(const char *bytes, size_t size, const char *name, yaml_file **out, ss_error *err);
void yaml_close(yaml_file *f); /* NULL is allowed */

const yaml_node *yaml_root(const yaml_file *f);
const char *yaml_path(const yaml_file *f);

/* The document as it was read (terminated), for the copy kept in a store. */
const char *yaml_source(const yaml_file *f, size_t *size);

/* Whether a value is missing: null, ~ or nothing at all, without quotes. */
int yaml_is_nothing(const yaml_node *node);

/* The value of `key` in a mapping, or NULL where it is not there or not given (also where `mapping` is no mapping). */
const yaml_node *yaml_find(const yaml_node *mapping, const char *key);
/* The node of `key` itself where the key is there and its value is not given, else NULL. */
const yaml_node *yaml_find_nothing(const yaml_node *mapping, const char *key);
/* The key node of pair i, and its value. */
const yaml_node *yaml_key(const yaml_node *mapping, int i);
const yaml_node *yaml_value(const yaml_node *mapping, int i);

/* "a word", "a list", "a mapping", "nothing": for messages. */
const char *yaml_kind_name(const yaml_node *node);

/* An input error at `at`, with the line of the source and the node underlined:
 *     where    studies/mine.yaml:11:13
 *     message  unknown selector 'topp'
 *                sink: {select: topp, k: 1, edit: mask}
 *                               ^~~~
 *              did you mean 'top'?
 * `hint` (the last line) may be NULL. Returns SS_ERR_INPUT. */
ss_status yaml_error(const yaml_file *f, const yaml_node *at, const char *hint, ss_error *err, const char *fmt, ...)
    BASE_PRINTF(5, 6);
#define yaml_error(...) (yaml_error(__VA_ARGS__), error_code(SS_ERR_INPUT)) /* base/error.h */

/* Give an error filled by other code (option_parse, entry_find) this form: its place becomes that of `at`, and the
 * part of its message after the first line or the first "; " becomes the hint. Returns err->code. */
ss_status yaml_point(const yaml_file *f, const yaml_node *at, ss_error *err);

#endif
