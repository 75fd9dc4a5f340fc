/* The values of a tensor in a test's own file, which is whole. */
#ifndef TESTS_SUPPORT_VALUES_H
#define TESTS_SUPPORT_VALUES_H

#include <stdio.h>
#include <stdlib.h>

#include "io/checkpoint.h"

/* Until the checkpoint is closed. */
static inline const void *values_of(const checkpoint_entry *e) {
    ss_error err;
    const void *values = checkpoint_keep(e, &err);
    if (values) return values;
    fprintf(stderr, "%s: %s\n", err.where, err.message);
    abort();
}

#endif
