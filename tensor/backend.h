/* The table that a backend fills. Every slot's contract is that of the op_ function of the same name in compute.h,
 * which has checked shapes, the stop flag and the sticky error before it calls the slot. Backends:
 *   reference  plain loops, float64 accumulation where it helps; the oracle of the tests
 *   cpu        weights packed once, one blocked product for linear layers and convolutions, SIMD chosen at run time,
 *              threads over rows
 *   dry        computes nothing and touches no memory; a forward pass on it gives scratch peak and operation count */
#ifndef TENSOR_BACKEND_H
#define TENSOR_BACKEND_H

#include "base/option.h"
#include "tensor/compute.h"

struct backend {
    entry about;
    int counts;                      /* scratch is counted, not there */
    ss_status (*create)(compute *c); /* fills c->state; errors into c->error; NULL = the backend keeps nothing */
    void (*destroy)(compute *c);     /* NULL = nothing to free */
    /* One line for the manifest: what decides bits here (ISA in use, library versions). */
    void (*numeric_class)(const compute *c, char *out, size_t size);

    void (*weight_pack)(compute *c, weight *w);
    void (*weight_free)(compute *c, weight *w);
    size_t (*weight_packed_bytes)(const compute *c, const weight *w);
    tensor_type (*input_type)(const compute *c, const weight *w); /* compute_input_type; NULL: TENSOR_F32 */

#define OP(name, row, bytes) void(*name) OP_PARAMETERS(name);
#include "tensor/ops.def"
};

/* The operations of a table whose functions are named after it: `.name = PREFIX_name`. */
#define BACKEND_OPERATION(prefix, name) .name = prefix##_##name,

extern const backend backend_reference, backend_cpu, backend_dry;

/* One more, where a program of the tests is linked with it; it is in none that is installed. */
extern const backend backend_of_tests __attribute__((weak));

#endif
