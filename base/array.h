/* Arrays that grow. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stddef.h>
#include "base/error.h"

/* As realloc, for `n` elements of `size` bytes: NULL, and the array as it was, where memory is out or no size_t holds
 * that many bytes. The caller keeps what is returned in place of `array`, and frees it. */
void *array_resize(void *array, size_t n, size_t size);

/* Room for `n` elements in `array`, a pointer from malloc or NULL that has room for `capacity` (a size_t) of them:
 * where it is too small, both change, to at least twice as much, so that appending one by one takes linear time.
 * `what`: of whom error_no_memory says that it does not fit; both are then as they were. An ss_status; `n` is evaluated
 * twice. */
#define ARRAY_ROOM(array, capacity, n, what, err)                                                                      \
    ((size_t)(n) <= (capacity) ? SS_OK : array_room(&(array), &(capacity), (size_t)(n), sizeof *(array), (what), (err)))

/* `array` points to the pointer. Called through ARRAY_ROOM, or where the size of an element is no type's. */
ss_status array_room(void *array, size_t *capacity, size_t n, size_t size, const char *what, ss_error *err);

#endif
