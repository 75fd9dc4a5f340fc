/* Attention and its rank-k edit, as the backends' tables name them; the contracts are those of op_attention and
 * op_attention_edit in compute.h. Included by the backends and by tests, by nobody above tensor/. */
#ifndef TENSOR_ATTENTION_H
#define TENSOR_ATTENTION_H

#include "tensor/compute.h"

/* The cancellation thresholds of the rank-k form, o' = a o + correction. A row is recomputed directly, from the keys
 * outside the edited set, where the factor a of the weights outside (a_i of method.md, over all steps so far) exceeds
 * the first: the rounding of 1 - p_i grows by a; or where a |o_i| exceeds the second times |o'_i|: the rounding of o_i
 * grows by that ratio, whether the set held most of the weight or most of the value. At eta = 1 both are exactly 1.
 * docs/METHOD.md has the bound and the measured error. */
#define ATTENTION_DIRECT_ABOVE 64.0
#define ATTENTION_CANCELS_ABOVE 4.0

/* Row n of head h of item b in a view [B, N, H, d]. */
static inline float *attention_row(tensor t, int64_t b, int64_t n, int64_t h) {
    return (float *)t.data + b * t.stride[0] + n * t.stride[1] + h * t.stride[2];
}

/* Plain loops in double, from the definitions: whole rows of P, edited entry by entry (every row is a direct one). */
void attention_reference(compute *c, const attention_args *a, const attention_stats *stats);
void attention_edit_reference(compute *c, const attention_args *a, const attention_edit *e);

/* Blocks of score rows in cache, SIMD, OpenMP; edits in the rank-k form. */
void attention_cpu(compute *c, const attention_args *a, const attention_stats *stats);
void attention_edit_cpu(compute *c, const attention_args *a, const attention_edit *e);

/* Rows of the output, in double: both backends' own. */
void attention_output_rows(compute *c, const attention_args *a, const attention_output *e);

/* Vectors of P, in double: both backends' own. */
void attention_part_rows(compute *c, const attention_args *a, const double *lse, attention_part part,
                         const int32_t *index, int n, double *out);

/* Take from the arena, and give back, what attention_cpu takes, and the most that attention_edit_cpu takes while no set
 * holds more than half of the keys: the dry backend's account. */
void attention_cpu_reserve(compute *c, const attention_args *a);
void attention_cpu_edit_reserve(compute *c, const attention_args *a);

#endif
