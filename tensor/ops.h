/* What the front functions of the operations share: the checks before a backend's slot is called. */
#ifndef TENSOR_OPS_H
#define TENSOR_OPS_H

#include "tensor/compute.h"

enum { OP_SHAPE_TEXT = 112 };

/* Polls the stop flag; 0 where the operation must do nothing (an earlier error, or just stopped). */
int op_begin(compute *c);

/* "[2, 77, 768]"; written into `out` and returned. */
const char *op_shape_text(tensor t, char out[OP_SHAPE_TEXT]);

/* Where `condition` fails, the error names the operation, its rule and both shapes; returns the condition. */
int op_fits(compute *c, int condition, const char *op, const char *rule, tensor a, tensor b);

/* A float32 operand with memory and a contiguous last dimension; two of them, or the error. */
int op_usable(tensor t);
int op_both_usable(compute *c, const char *op, tensor a, tensor b);

#endif
