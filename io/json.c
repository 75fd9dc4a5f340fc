/* JSON through jansson, which checks UTF-8, NUL characters, depth and (on request) duplicate keys; this file adds the
 * words. A value's type is checked before it is returned. */
#include "io/json.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/content.h"

/* jansson does not always say that memory ran out: its lexer drops a byte that it cannot keep, and then writes behind a
 * buffer that it measured without it. So it allocates through here, unless the program that uses this library has given
 * it functions already; a parse is left at once, by a jump, and what it had allocated is lost. Both are the thread's
 * own. */
static _Thread_local int starved;
static _Thread_local jmp_buf *way_out; /* while jansson parses */

static void *watched_malloc(size_t size) {
    void *p = malloc(size);
    if (p) return p;
    starved = 1;
    if (way_out) longjmp(*way_out, 1);
    return NULL;
}

static void watch(void) {
    json_malloc_t allocate;
    json_free_t release;
    json_get_alloc_funcs(&allocate, &release);
    if (allocate == malloc) json_set_alloc_funcs(watched_malloc, release);
}

void json_watch(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch);
    starved = 0;
}

int json_starved(void) { return starved; }

/* NULL where it is not JSON, or memory ran out. */
static json_t *json_parse(const void *bytes, size_t size, size_t flags, json_error_t *e) {
    jmp_buf out_of_memory;
    json_watch();
    if (setjmp(out_of_memory)) {
        way_out = NULL;
        return NULL;
    }
    way_out = &out_of_memory;
    json_t *value = json_loadb(bytes, size, JSON_REJECT_DUPLICATES | flags, e);
    way_out = NULL;
    return value;
}

static ss_status read_bytes(const void *bytes, size_t size, const char *name, size_t flags, json_t **out,
                            ss_error *err) {
    json_error_t e = {.line = -1};
    char where[512];
    *out = json_parse(bytes, size, flags, &e);
    if (starved) return error_no_memory(err, name, size);
    if (*out) return SS_OK;
    snprintf(where, sizeof where, "%s:%d:%d", name, e.line, e.column);
    return error_set(err, SS_ERR_INPUT, where, "is not JSON: %s", e.text);
}

/* The whole file, checked to be text and without a byte order mark. */
static ss_status json_read_text(const char *path, size_t limit, char **data, size_t *size, ss_error *err) {
    SS_TRY(file_read(path, limit, data, size, err));
    ss_status status = content_check(*data, *size, CONTENT_JSON, "a JSON document", path, err);
    size_t mark = content_mark(*data, *size);
    if (status != SS_OK) free(*data);
    else if (mark) memmove(*data, *data + mark, (*size -= mark) + 1);
    return status;
}

static ss_status read_file(const char *path, size_t limit, size_t flags, json_t **out, ss_error *err) {
    char *data;
    size_t size;
    *out = NULL;
    SS_TRY(json_read_text(path, limit, &data, &size, err));
    ss_status status = read_bytes(data, size, path, flags, out, err);
    free(data);
    return status;
}

ss_status json_read_bytes(const void *bytes, size_t size, const char *name, json_t **out, ss_error *err) {
    return read_bytes(bytes, size, name, 0, out, err);
}

ss_status json_read_file(const char *path, size_t limit, json_t **out, ss_error *err) {
    return read_file(path, limit, 0, out, err);
}

ss_status json_read_file_as_reals(const char *path, size_t limit, json_t **out, ss_error *err) {
    return read_file(path, limit, JSON_DECODE_INT_AS_REAL, out, err);
}

/* Overwrite the word outside strings by null, which is shorter, so that places in errors stay right. */
static void forget_minus_infinity(char *s) {
    static const char word[] = "-Infinity", nothing[] = "null     ";
    int in_string = 0;
    for (; *s; s++) {
        if (*s == '"') in_string = !in_string;
        else if (in_string && *s == '\\' && s[1]) s++;
        else if (!in_string && strncmp(s, word, sizeof word - 1) == 0) memcpy(s, nothing, sizeof nothing - 1);
    }
}

ss_status json_read_python_file(const char *path, size_t limit, json_t **out, ss_error *err) {
    char *data;
    size_t size;
    *out = NULL;
    SS_TRY(json_read_text(path, limit, &data, &size, err));
    forget_minus_infinity(data);
    ss_status status = read_bytes(data, size, path, 0, out, err);
    free(data);
    return status;
}

const char *json_type_name(const json_t *value) {
    if (!value) return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    case JSON_NULL: return "null";
    }
    return "an unknown type";
}

int json_has(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return value && !json_is_null(value);
}

static ss_status unexpected(const char *name, const char *where, const char *expected, const json_t *found,
                            ss_error *err) {
    if (!found) return error_set(err, SS_ERR_INPUT, where, "has no '%s'; expected %s", name, expected);
    return error_set(err, SS_ERR_INPUT, where, "'%s' is %s; expected %s", name, json_type_name(found), expected);
}

ss_status json_get_int(const json_t *object, const char *name, const char *where, int64_t *out, ss_error *err) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value)) return unexpected(name, where, "an integer", value, err);
    *out = json_integer_value(value);
    return SS_OK;
}

ss_status json_get_int_or(const json_t *object, const char *name, const char *where, int64_t by_default, int64_t *out,
                          ss_error *err) {
    if (json_has(object, name)) return json_get_int(object, name, where, out, err);
    *out = by_default;
    return SS_OK;
}

ss_status json_get_double(const json_t *object, const char *name, const char *where, double *out, ss_error *err) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_number(value)) return unexpected(name, where, "a number", value, err);
    *out = json_number_value(value);
    return SS_OK;
}

ss_status json_get_double_or(const json_t *object, const char *name, const char *where, double by_default, double *out,
                             ss_error *err) {
    if (json_has(object, name)) return json_get_double(object, name, where, out, err);
    *out = by_default;
    return SS_OK;
}

ss_status json_get_bool(const json_t *object, const char *name, const char *where, int *out, ss_error *err) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_boolean(value)) return unexpected(name, where, "true or false", value, err);
    *out = json_is_true(value);
    return SS_OK;
}

ss_status json_get_bool_or(const json_t *object, const char *name, const char *where, int by_default, int *out,
                           ss_error *err) {
    if (json_has(object, name)) return json_get_bool(object, name, where, out, err);
    *out = by_default;
    return SS_OK;
}

ss_status json_get_text(const json_t *object, const char *name, const char *where, const char **out, ss_error *err) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value)) return unexpected(name, where, "a string", value, err);
    *out = json_string_value(value);
    return SS_OK;
}

ss_status json_get_text_or(const json_t *object, const char *name, const char *where, const char *by_default,
                           const char **out, ss_error *err) {
    if (json_has(object, name)) return json_get_text(object, name, where, out, err);
    *out = by_default;
    return SS_OK;
}

ss_status json_get_object(const json_t *object, const char *name, const char *where, json_t **out, ss_error *err) {
    *out = json_object_get(object, name);
    return json_is_object(*out) ? SS_OK : unexpected(name, where, "an object", *out, err);
}

ss_status json_get_array(const json_t *object, const char *name, const char *where, json_t **out, ss_error *err) {
    *out = json_object_get(object, name);
    return json_is_array(*out) ? SS_OK : unexpected(name, where, "an array", *out, err);
}

ss_status json_get_ints(const json_t *object, const char *name, const char *where, int64_t *out, int capacity,
                        int *count, ss_error *err) {
    json_t *array;
    SS_TRY(json_get_array(object, name, where, &array, err));
    size_t n = json_array_size(array);
    if (n > (size_t)capacity)
        return error_set(err, SS_ERR_INPUT, where, "'%s' has %zu items; at most %d are expected", name, n, capacity);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(array, i);
        if (!json_is_integer(item))
            return error_set(err, SS_ERR_INPUT, where, "'%s[%zu]' is %s; expected an integer", name, i,
                             json_type_name(item));
        out[i] = json_integer_value(item);
    }
    *count = (int)n;
    return SS_OK;
}
