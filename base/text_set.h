/* A set of distinct texts, each with a number: the first text added is 0, the next new one 1, and so on. The time of a
 * look-up does not depend on the size of the set. */
#ifndef BASE_TEXT_SET_H
#define BASE_TEXT_SET_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/string_map.h"

/* Zero-initialise; free with text_set_free. Texts are borrowed: they must outlive the set. */
typedef struct text_set {
    int32_t n;
    const char **at; /* [n], in the order in which they were added */
    size_t capacity;
    string_map numbers;
} text_set;

/* The number of `s`, which is added where it is new. */
ss_status text_set_add(text_set *w, const char *s, int32_t *number, ss_error *err);
/* The number of `s`, of the first `length` bytes of `s`, or -1 where it is not in the set. */
int32_t text_set_find(const text_set *w, const char *s);
int32_t text_set_find_n(const text_set *w, const char *s, size_t length);
void text_set_free(text_set *w);

#endif
