/* Element types that occur in files and are not used in computation: each is converted into a checkpoint_dtype as it is
 * read. Internal to io/. */
#ifndef IO_STORED_TYPE_H
#define IO_STORED_TYPE_H

#include "io/checkpoint.h"

typedef struct stored_type {
    const char *name; /* as safetensors writes it */
    size_t size;      /* bytes of one element in the file */
    checkpoint_dtype dtype;
    /* n elements; neither side need be aligned */
    void (*convert)(unsigned char *to, const unsigned char *from, size_t n);
} stored_type;

const stored_type *stored_type_find(const char *name); /* NULL: no such type */

/* Bytes of one element of the tensor in its file. */
size_t stored_size(const checkpoint_entry *e);

/* checkpoint_read of a row-major tensor with a stored type. */
ss_status stored_read(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err);

#endif
