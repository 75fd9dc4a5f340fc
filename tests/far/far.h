/* A backend like a card's, for tests: it computes what `cpu` computes, to the bit, and
 *
 *   - its memory (scratch, results, packed weights) cannot be read or written by the host, but while its own operations
 * run;
 *   - an operation is put into a queue and runs when something is read; what the host hands over is copied at the call;
 *   - reads are counted.
 *
 * An operation whose result lies in memory of the test's own runs at the call, after those before it: the tests of
 * attention work on arrays of theirs. Of a context that this backend computes, `backend_of_tests` (tensor/backend.h).
 */
#ifndef TESTS_FAR_H
#define TESTS_FAR_H

#include "tensor/compute.h"

/* Reads of a context so far: op_read and op_download, each of which waits for the queue once. */
long far_reads(const compute *c);

/* Of contexts that are made afterwards: what compute_create was given (wrap.c). */
extern size_t far_scratch_limit;

/* Operations that wait in the queue. */
int far_waiting(const compute *c);

#endif
