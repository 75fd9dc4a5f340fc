/* Lengths and sizes of activations, as the host backends' tables name them; the contracts are those of op_head_norms
 * and op_sizes in compute.h. */
#ifndef TENSOR_ACTIVATIONS_H
#define TENSOR_ACTIVATIONS_H

#include "tensor/compute.h"

/* With the cpu backend's kernels (and what they take from the arena, for the dry backend's account); in plain loops and
 * double, for the reference backend. */
void activations_head_norms(compute *c, tensor x, const float *gram, float *norm, float *projected);
void activations_head_norms_reserve(compute *c, tensor x);
void activations_head_norms_plain(compute *c, tensor x, const float *gram, float *norm, float *projected);
void activations_sizes(compute *c, tensor x, float *largest, float *p95);

/* weight_head_gram of compute.h, by the host. 0: no memory. */
int activations_head_gram(const weight *w, int64_t heads, float *out);

#endif
