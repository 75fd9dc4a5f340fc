/* Arrays that grow. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stddef.h>

/* As realloc, for `n` elements of `size` bytes: NULL, and the array as it was, where memory is out or no size_t holds
 * that many bytes. The caller keeps what is returned in place of `array`, and frees it. */
void *array_resize(void *array, size_t n, size_t size);

#endif
