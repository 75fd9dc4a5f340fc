/* What the tests of tensor/ share: operands with strides and a guard around them, weights, contexts, comparisons. */
#ifndef TESTS_TENSOR_SUPPORT_H
#define TESTS_TENSOR_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tensor/compute.h"
#include "tensor/cpu.h"

/* A tensor in a buffer larger than itself: with `gap` > 0 rows are that much longer than they need to be and the
 * tensor begins inside. What lies around it is GUARD. */
typedef struct operand {
    float *memory;
    size_t floats;
    tensor t;
} operand;

extern const float GUARD;

operand operand_make(int ndim, const int64_t *dim, int gap);                    /* every float is GUARD */
operand operand_random(int ndim, const int64_t *dim, int gap, uint64_t stream); /* the tensor: standard normal */
operand operand_copy(const operand *o);
void operand_free(operand *o);

/* A weight of normal values / sqrt(inputs) in a checkpoint's type; not packed. Free source.data. */
weight weight_random(weight_kind kind, tensor_type type, int ndim, const int64_t *dim, uint64_t stream);
weight weight_packed(compute *c, weight w); /* a copy, packed for this context */

/* A random weight at an odd address: a checkpoint promises no alignment. */
weight weight_odd(weight_kind kind, tensor_type type, int ndim, const int64_t *dim);
void weight_odd_free(weight *w);

/* A case for every type of checkpoint and a grid of shapes. */
void every_linear(void (*one)(tensor_type type, int64_t rows, int64_t inputs, int64_t outputs));

/* A convolution of a grid of them: [batch, height, width, inputs], rows `gap` longer, to `outputs`. */
typedef struct conv_dims {
    int64_t batch, height, width, inputs, outputs, kernel_height, kernel_width;
    int gap, stride, pad[4];
} conv_dims;
void conv_dims_out(const conv_dims *s, int64_t dim[4]);

compute *context_make(const char *name, int threads);
/* The instruction sets that this machine runs, the best first; returns their number. Put one into a context's state. */
int context_isas(const cpu_isa *isas[CPU_ISA_MAX]);
void context_must_be_ok(compute *c);

/* max |a - b| <= tolerance x rms(reference) over the tensor, and not a float touched around it. */
void must_be_near(const operand *reference, const operand *other, double tolerance, const char *what);
void must_be_equal(const operand *a, const operand *b, const char *what); /* bit by bit */

/* The largest error that must_be_near has seen since the last call, in units of rms. */
double nearness_seen(void);

#endif
