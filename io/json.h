/* JSON documents, as jansson trees with errors that say where. The typed getters name the member, what was expected and
 * what was found; callers never use json_*_value on a member that was not checked.
 *
 * Duplicate keys, trailing text, invalid UTF-8 and NUL characters are errors; the error's `where` is
 * "file:line:column". Nesting is limited by jansson (2,048 levels). Free a tree with json_decref. */
#ifndef IO_JSON_H
#define IO_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* Read a whole document; its root must be an object or an array. Files over `limit` bytes are refused. */
ss_status json_read_file(const char *path, size_t limit, json_t **out, ss_error *err);

/* As json_read_file from memory (need not be terminated); `name` stands for the file in errors. */
/* Whether memory ran out in a call of jansson since json_watch, in this thread: parts may be missing without a word. */
void json_watch(void);
int json_starved(void);

ss_status json_read_bytes(const void *bytes, size_t size, const char *name, json_t **out, ss_error *err);

/* As json_read_file with every number a double: for files with integers over 63 bits (transformers writes an unlimited
 * model_max_length as 1000000000000000019884624838656). */
ss_status json_read_file_as_reals(const char *path, size_t limit, json_t **out, ss_error *err);

/* As json_read_file of what Python's json module wrote: its -Infinity, for which JSON has no word, reads as null (as
 * diffusers writes "lambda_min_clipped", where both mean no limit). */
ss_status json_read_python_file(const char *path, size_t limit, json_t **out, ss_error *err);

enum { JSON_CONFIG_LIMIT = 1 << 20 }; /* bytes; a limit for config.json and the like */

/* Member `name` of `object`. `where` names the place in errors (the file, or file and component). All of them
 * fail with SS_ERR_INPUT when the member is missing, null or of another type; the `_or` forms take
 * `by_default` when it is missing or null. Strings and trees returned belong to `object`. */
ss_status json_get_int(const json_t *object, const char *name, const char *where, int64_t *out, ss_error *err);
ss_status json_get_int_or(const json_t *object, const char *name, const char *where, int64_t by_default, int64_t *out,
                          ss_error *err);
ss_status json_get_double(const json_t *object, const char *name, const char *where, double *out, ss_error *err);
ss_status json_get_double_or(const json_t *object, const char *name, const char *where, double by_default, double *out,
                             ss_error *err);
ss_status json_get_bool(const json_t *object, const char *name, const char *where, int *out, ss_error *err);
ss_status json_get_bool_or(const json_t *object, const char *name, const char *where, int by_default, int *out,
                           ss_error *err);
ss_status json_get_text(const json_t *object, const char *name, const char *where, const char **out, ss_error *err);
ss_status json_get_text_or(const json_t *object, const char *name, const char *where, const char *by_default,
                           const char **out, ss_error *err);
ss_status json_get_object(const json_t *object, const char *name, const char *where, json_t **out, ss_error *err);
ss_status json_get_array(const json_t *object, const char *name, const char *where, json_t **out, ss_error *err);

/* An array of at most `capacity` integers (any number of them is an int64). *count is how many there are. */
ss_status json_get_ints(const json_t *object, const char *name, const char *where, int64_t *out, int capacity,
                        int *count, ss_error *err);

/* Whether the member is there and not null. */
int json_has(const json_t *object, const char *name);

/* "an object", "a string", ...: for messages. NULL reads "nothing". */
const char *json_type_name(const json_t *value);

#endif
