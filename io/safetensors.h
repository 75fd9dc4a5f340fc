/* The safetensors format: https://github.com/huggingface/safetensors#format. Files are read through io/checkpoint.h. */
#ifndef IO_SAFETENSORS_H
#define IO_SAFETENSORS_H

#include "io/checkpoint.h"

enum { SAFETENSORS_HEADER_LIMIT = 100000000 }; /* the limit of the reference reader */

/* A tensor to write; row-major data of dtype. */
typedef struct safetensors_output {
    const char *name;
    checkpoint_dtype dtype;
    int ndim;
    int64_t shape[CHECKPOINT_MAX_DIMS];
    const void *data; /* NULL: made while the file is written */
} safetensors_output;

/* Makes elements [first, first + n) of tensor i of the list, in its dtype. A failure ends the writing. */
typedef ss_status (*safetensors_maker)(void *context, int i, int64_t first, int64_t n, void *out, ss_error *err);

/* Write a file, whole or not at all. Larger elements first, then by name, as the reference writer orders them, so the
 * same tensors give the same bytes in any order. Names must differ. */
ss_status safetensors_write(const char *path, const safetensors_output *tensors, int n, ss_error *err);

/* The same with `note` (NULL = none) under `key` in its metadata: under "sinkscope", checkpoint_note reads it;
 * transformers requires "pt" under "format". Tensors without data are made by `make` (NULL where all have some),
 * SAFETENSORS_PIECE elements at most at a time. */
enum { SAFETENSORS_PIECE = 1 << 19 };
ss_status safetensors_write_noted(const char *path, const safetensors_output *tensors, int n, const char *key,
                                  const char *note, safetensors_maker make, void *context, ss_error *err);

#endif
