/* Tensor handles: a pointer a backend owns, a type, a shape and strides. Cheap to pass by value. Code above
 * tensor/ never dereferences `data`: it slices, reshapes and hands tensors to the operations of compute.h, so
 * that a backend whose memory is elsewhere (a GPU) needs no change in any model. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stdint.h>
#include <stddef.h>

/* Activations are TENSOR_F32, and TENSOR_BF16 where products alone read them (compute_input_type). TENSOR_I8 and
 * TENSOR_BF16X2 are of packed weights alone (compute.h, weight_form): 8 bits with a scale beside them;
 * two bfloat16 in 32 bits, the first in the low half. TENSOR_F64 and TENSOR_I64 are of what attention reports. */
typedef enum tensor_type {
    TENSOR_F32,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_I8,
    TENSOR_BF16X2,
    TENSOR_F64,
    TENSOR_I64
} tensor_type;

enum { TENSOR_MAX_DIMS = 4 };

/* Shape with the slowest dimension first; strides in elements; the last dimension is always contiguous. */
typedef struct tensor {
    void *data;
    tensor_type type;
    int ndim;
    int64_t dim[TENSOR_MAX_DIMS];
    int64_t stride[TENSOR_MAX_DIMS];
} tensor;

/* A contiguous tensor over memory the caller owns. Unused trailing dimensions are not given. */
tensor tensor_nd(void *data, tensor_type type, int ndim, const int64_t *dim);
tensor tensor_1d(void *data, tensor_type type, int64_t d0);
tensor tensor_2d(void *data, tensor_type type, int64_t d0, int64_t d1);
tensor tensor_3d(void *data, tensor_type type, int64_t d0, int64_t d1, int64_t d2);
tensor tensor_4d(void *data, tensor_type type, int64_t d0, int64_t d1, int64_t d2, int64_t d3);

static const tensor TENSOR_NONE = {0}; /* "no tensor", where one is optional */
static inline int tensor_is_none(tensor t) { return t.ndim == 0; }

int64_t tensor_elements(tensor t);
size_t tensor_type_size(tensor_type type);
int tensor_is_contiguous(tensor t);
int tensor_same_shape(tensor a, tensor b);

/* Views; they share memory. A view of a tensor without memory (a failed allocation) has none either.
 * Wrong arguments are defects of the caller and abort. */
tensor tensor_slice(tensor t, int axis, int64_t begin, int64_t count); /* along `axis`, not the last unless whole */
tensor tensor_columns(tensor t, int64_t begin, int64_t count);         /* along the last dimension */
tensor tensor_split_last(tensor t, int64_t heads); /* [.., H*d] -> [.., H, d]; at most 4 dimensions result */
tensor tensor_merge_last(tensor t);                /* [.., H, d] -> [.., H*d]; d must be contiguous with H */
tensor tensor_words(tensor t); /* [.., 2 n] in TENSOR_BF16 as [.., n] words in the place of floats; whole pairs apart */
tensor tensor_reshape(tensor t, int ndim, const int64_t *dim); /* contiguous tensors only */

#endif
