/* A list of the texts, and a map from each to its place in it. */
#include "base/text_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

ss_status text_set_add(text_set *w, const char *s, int32_t *number, ss_error *err) {
    const size_t length = strlen(s);
    *number = string_map_get(&w->numbers, s, length);
    if (*number >= 0) return SS_OK;
    if (w->n == INT32_MAX)
        return error_set(err, SS_ERR_RESOURCE, NULL, "a set of texts has no room for more than %d", INT32_MAX);
    SS_TRY(ARRAY_ROOM(w->at, w->capacity, w->n + 1, "a set of texts", err));
    SS_TRY(string_map_put(&w->numbers, s, length, w->n, err));
    *number = w->n;
    w->at[w->n++] = s;
    return SS_OK;
}

int32_t text_set_find_n(const text_set *w, const char *s, size_t length) {
    return string_map_get(&w->numbers, s, length);
}

int32_t text_set_find(const text_set *w, const char *s) { return text_set_find_n(w, s, strlen(s)); }

void text_set_free(text_set *w) {
    free(w->at);
    string_map_free(&w->numbers);
    *w = (text_set){0};
}
