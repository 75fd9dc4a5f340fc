/* Where the time of a compute context goes, operation by operation, against what the machine can do. A profile is a
 * backend around another one: it takes the time of every operation and hands it on; without one nothing is measured. */
#ifndef TENSOR_PROFILE_H
#define TENSOR_PROFILE_H

#include "base/text.h"
#include "tensor/compute.h"

/* From now on every operation of `c` is timed, by the wall's clock. The profile lives as long as `c`. Bits stay as they
 * are. Asked twice, it begins anew. */
ss_status profile_begin(compute *c, ss_error *err);

/* The backend that computes: that of `c`, or the one which its profile times. */
const backend *profile_backend(const compute *c);

typedef struct profile_row {
    const char *name; /* of the operation */
    int64_t calls;
    double seconds;
    double flops; /* multiply-adds x 2 of linear, conv2d, attention; else 0 */
    double bytes; /* of operands and packed weights, each counted once a call */
} profile_row;

/* Rows of operations that were called, the longest first: out[0 .. *n), holds PROFILE_ROWS. Without profile_begin there
 * are none. */
enum { PROFILE_ROWS = 32 };
void profile_rows(const compute *c, profile_row *out, int *n);

/* What this machine's cpu backend reaches with so many threads, measured in about a quarter of a second: products of
 * matrices that stay in the second-level cache, and copies of memory far larger than any cache (read and written
 * bytes). */
typedef struct profile_roof {
    double flops, bytes; /* per second */
} profile_roof;
ss_status profile_measure_roof(int threads, profile_roof *out, ss_error *err);

/* A table for people: time, share, what part of the roof an operation reaches, whichever of the two it is nearer to. */
void profile_write(const compute *c, const profile_roof *roof, text *out);

#endif
