/* The operations of the reference backend, one function each: the oracle of the tests, and what another
 * backend may put into a slot of its own. Single-threaded, no scratch memory. */
#ifndef TENSOR_REFERENCE_H
#define TENSOR_REFERENCE_H

#include "tensor/compute.h"

/* Every operation (ops.def). */
#define OP(name, row, bytes) void reference_##name OP_PARAMETERS(name);
#include "tensor/ops.def"

#endif
