/* See array.h. */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 16 }; /* elements */

void *array_resize(void *array, size_t n, size_t size) {
    return size && n > SIZE_MAX / size ? NULL : realloc(array, n * size);
}

/* By bytes, since the pointers are of the caller's type. */
static void copy_pointer(void *to, const void *from) { memcpy(to, from, sizeof(void *)); }

ss_status array_room(void *array, size_t *capacity, size_t n, size_t size, const char *what, ss_error *err) {
    if (n <= *capacity) return SS_OK;
    size_t wanted = *capacity < FIRST / 2 ? FIRST : *capacity > SIZE_MAX / 2 ? SIZE_MAX : 2 * *capacity;
    if (wanted < n) wanted = n;
    void *at = NULL;
    copy_pointer(&at, array);
    at = array_resize(at, wanted, size);
    if (!at) return error_no_memory(err, what, wanted > SIZE_MAX / size ? SIZE_MAX : wanted * size);
    copy_pointer(array, &at);
    *capacity = wanted;
    return SS_OK;
}
