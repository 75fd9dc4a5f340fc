/* Find the values of a checkpoint's tensors that are NaN or infinite. Every element is read, a part at a time, so
 * memory does not grow with the tensor. */
#ifndef IO_CHECKPOINT_VALUES_H
#define IO_CHECKPOINT_VALUES_H

#include "io/checkpoint.h"
#include "base/text.h"

typedef struct checkpoint_values {
    int64_t nan, infinite; /* how many of each */
    int64_t first;         /* index of the first of either, row-major; -1 = none */
} checkpoint_values;

/* Integers are finite. */
ss_status checkpoint_count_values(const checkpoint *s, const checkpoint_entry *e, checkpoint_values *out,
                                  ss_error *err);

/* Append "2 NaN and 1 infinite of 4,096 values, the first at [3, 17]". */
void checkpoint_add_values(text *t, const checkpoint_entry *e, const checkpoint_values *v);

#endif
