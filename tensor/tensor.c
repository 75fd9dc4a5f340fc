/* Tensor handles and views: arithmetic on shapes and strides only. Relies on nothing; never reads or writes an
 * element. Wrong arguments are defects of the calling code, and going on would corrupt memory: abort. */
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

static void require(int condition) {
    if (!condition) abort();
}

tensor tensor_nd(void *data, tensor_type type, int ndim, const int64_t *dim) {
    require(ndim >= 1 && ndim <= TENSOR_MAX_DIMS);
    tensor t = {.data = data, .type = type, .ndim = ndim};
    int64_t stride = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        require(dim[i] >= 0);
        t.dim[i] = dim[i];
        t.stride[i] = stride;
        stride *= dim[i];
    }
    return t;
}

tensor tensor_1d(void *data, tensor_type type, int64_t d0) { return tensor_nd(data, type, 1, (int64_t[]){d0}); }

tensor tensor_2d(void *data, tensor_type type, int64_t d0, int64_t d1) {
    return tensor_nd(data, type, 2, (int64_t[]){d0, d1});
}

tensor tensor_3d(void *data, tensor_type type, int64_t d0, int64_t d1, int64_t d2) {
    return tensor_nd(data, type, 3, (int64_t[]){d0, d1, d2});
}

tensor tensor_4d(void *data, tensor_type type, int64_t d0, int64_t d1, int64_t d2, int64_t d3) {
    return tensor_nd(data, type, 4, (int64_t[]){d0, d1, d2, d3});
}

int64_t tensor_elements(tensor t) {
    if (t.ndim == 0) return 0;
    int64_t n = 1;
    for (int i = 0; i < t.ndim; i++) n *= t.dim[i];
    return n;
}

size_t tensor_type_size(tensor_type type) {
    static const size_t size[] = {[TENSOR_F32] = 4,    [TENSOR_F16] = 2, [TENSOR_BF16] = 2, [TENSOR_I8] = 1,
                                  [TENSOR_BF16X2] = 4, [TENSOR_F64] = 8, [TENSOR_I64] = 8};
    return size[type];
}

int tensor_is_contiguous(tensor t) {
    int64_t stride = 1;
    for (int i = t.ndim - 1; i >= 0; i--) {
        if (t.dim[i] != 1 && t.stride[i] != stride) return 0;
        stride *= t.dim[i];
    }
    return 1;
}

int tensor_same_shape(tensor a, tensor b) {
    if (a.ndim != b.ndim) return 0;
    for (int i = 0; i < a.ndim; i++)
        if (a.dim[i] != b.dim[i]) return 0;
    return 1;
}

static void *advance(tensor t, int64_t elements) {
    return t.data ? (char *)t.data + elements * (int64_t)tensor_type_size(t.type) : NULL;
}

static tensor cut(tensor t, int axis, int64_t begin, int64_t count) {
    require(axis >= 0 && axis < t.ndim && begin >= 0 && count >= 0 && begin + count <= t.dim[axis]);
    t.data = advance(t, begin * t.stride[axis]);
    t.dim[axis] = count;
    return t;
}

tensor tensor_slice(tensor t, int axis, int64_t begin, int64_t count) { return cut(t, axis, begin, count); }

tensor tensor_columns(tensor t, int64_t begin, int64_t count) { return cut(t, t.ndim - 1, begin, count); }

tensor tensor_split_last(tensor t, int64_t heads) {
    require(t.ndim >= 1 && t.ndim < TENSOR_MAX_DIMS && heads > 0);
    int last = t.ndim - 1;
    require(t.dim[last] % heads == 0);
    int64_t width = t.dim[last] / heads;
    t.dim[last] = heads;
    t.stride[last] = width;
    t.dim[last + 1] = width;
    t.stride[last + 1] = 1;
    t.ndim++;
    return t;
}

tensor tensor_merge_last(tensor t) {
    require(t.ndim >= 2);
    int last = t.ndim - 1;
    require(t.dim[last - 1] == 1 || t.stride[last - 1] == t.dim[last]);
    t.dim[last - 1] *= t.dim[last];
    t.stride[last - 1] = 1;
    t.dim[last] = t.stride[last] = 0;
    t.ndim--;
    return t;
}

tensor tensor_reshape(tensor t, int ndim, const int64_t *dim) {
    require(tensor_is_contiguous(t));
    tensor r = tensor_nd(t.data, t.type, ndim, dim);
    require(tensor_elements(r) == tensor_elements(t));
    return r;
}

tensor tensor_words(tensor t) {
    t.type = TENSOR_F32;
    t.dim[t.ndim - 1] /= 2;
    for (int i = 0; i < t.ndim - 1; i++) t.stride[i] /= 2;
    return t;
}
