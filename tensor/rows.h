/* A tensor as rows of its last dimension: the way both backends walk over strided operands. */
#ifndef TENSOR_ROWS_H
#define TENSOR_ROWS_H

#include "tensor/tensor.h"

/* Number of rows: all dimensions but the last. */
static inline int64_t rows_count(tensor t) {
    int64_t n = 1;
    for (int i = 0; i < t.ndim - 1; i++) n *= t.dim[i];
    return n;
}

static inline int64_t rows_length(tensor t) { return t.dim[t.ndim - 1]; }

/* Row `r` counted over the leading dimensions `like`, the last of them fastest; a dimension of t that is 1 where
 * like's is larger is repeated (broadcast). */
static inline float *rows_at_like(tensor t, tensor like, int64_t r) {
    int64_t offset = 0;
    for (int i = t.ndim - 2; i >= 0; i--) {
        int64_t k = r % like.dim[i];
        r /= like.dim[i];
        if (t.dim[i] != 1) offset += k * t.stride[i];
    }
    return (float *)t.data + offset;
}

static inline float *rows_at(tensor t, int64_t r) { return rows_at_like(t, t, r); }

/* A walk over rows in their order: rows_from, then rows_next for each, without a division a row. */
typedef struct rows_walk {
    float *row;
    int64_t number, left; /* of the row; rows from here to where the last leading dimension begins anew */
} rows_walk;

static inline rows_walk rows_from(tensor t, int64_t r) {
    int64_t across = t.ndim > 1 ? t.dim[t.ndim - 2] : 1;
    return (rows_walk){rows_at(t, r), r, across - r % across};
}

static inline float *rows_next(rows_walk *w, tensor t) {
    float *row = w->row;
    w->number++;
    if (--w->left > 0) w->row += t.stride[t.ndim - 2];
    else if (w->number < rows_count(t)) *w = rows_from(t, w->number);
    return row;
}

#endif
