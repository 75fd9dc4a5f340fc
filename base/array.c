/* See array.h. */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

void *array_resize(void *array, size_t n, size_t size) {
    return size && n > SIZE_MAX / size ? NULL : realloc(array, n * size);
}
