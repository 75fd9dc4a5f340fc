/* Tensors of a checkpoint in the safetensors format: one file, or several shards named by a `*.index.json`,
 * behind one handle. Files are mapped, not read; a tensor is a pointer into the mapping, valid until close. All of
 * the header is checked at open: nothing later can run past the mapping (a file truncated meanwhile aside, see
 * base/file.h). Format: https://github.com/huggingface/safetensors#format */
#ifndef IO_SAFETENSORS_H
#define IO_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum { SAFETENSORS_MAX_DIMS = 8, SAFETENSORS_HEADER_LIMIT = 100000000 }; /* the limit of the reference reader */

typedef enum safetensors_dtype {
    SAFETENSORS_F32,
    SAFETENSORS_F16,
    SAFETENSORS_BF16,
    SAFETENSORS_I32,
    SAFETENSORS_I64,
    SAFETENSORS_U8,
} safetensors_dtype;

const char *safetensors_dtype_name(safetensors_dtype t); /* "F32", ... */
size_t safetensors_dtype_size(safetensors_dtype t);      /* bytes of one element */

typedef struct safetensors_entry {
    const char *name;
    const char *file; /* path of the file it lies in */
    safetensors_dtype dtype;
    int ndim; /* 0 = a scalar */
    int64_t shape[SAFETENSORS_MAX_DIMS];
    int64_t count;    /* elements, the product of shape */
    const void *data; /* row-major, aligned to the element's size (copied at open where the file does not align it) */
} safetensors_entry;

typedef struct safetensors safetensors;

/* Open "x.safetensors" or "x.safetensors.index.json". */
ss_status safetensors_open(safetensors **out, const char *path, ss_error *err);

/* Open the weights of a component folder: `diffusion_pytorch_model` or `model`, a single file or an index. `variant`
 * ("fp16") may be NULL: then files without a variant. Two candidates in one folder are settled as diffusers does: the
 * index first. The error when there is none lists what was looked for. */
ss_status safetensors_open_folder(safetensors **out, const char *folder, const char *variant, ss_error *err);

void safetensors_close(safetensors *s); /* NULL is allowed */

/* Entries are sorted by name (bytewise). */
size_t safetensors_count(const safetensors *s);
const safetensors_entry *safetensors_at(const safetensors *s, size_t i);
const safetensors_entry *safetensors_find(const safetensors *s, const char *name); /* NULL: no such tensor */

/* What was opened (as given or found), and the files with tensor data (what a manifest has to hash). */
const char *safetensors_path(const safetensors *s);
int safetensors_file_count(const safetensors *s);
const char *safetensors_file_path(const safetensors *s, int i);

/* A tensor to write; row-major data of dtype. */
typedef struct safetensors_output {
    const char *name;
    safetensors_dtype dtype;
    int ndim;
    int64_t shape[SAFETENSORS_MAX_DIMS];
    const void *data;
} safetensors_output;

/* Write a file, whole or not at all. Larger elements first, then by name, as the reference writer orders them, so the
 * same tensors give the same bytes whatever their order here. Names must differ. */
ss_status safetensors_write(const char *path, const safetensors_output *tensors, int n, ss_error *err);

#endif
