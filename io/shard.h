/* One file of a checkpoint, as the reader of its format leaves it to the handle (io/checkpoint.c). Internal to io/. */
#ifndef IO_SHARD_H
#define IO_SHARD_H

#include <jansson.h>

#include "base/file.h"
#include "io/checkpoint.h"

typedef struct shard {
    file_map map;
    json_t *header;        /* owns the names (safetensors), or NULL */
    char *names;           /* owns the names (PyTorch), or NULL */
    unsigned char *copies; /* tensors that cannot be read where they lie in the file, or NULL */
    checkpoint_entry *entries;
    size_t count;
} shard;

/* Fill names, copies and entries from the mapping, which is open. What is there after a failure is freed by the caller,
 * with the rest. Entries are in any order; their names may not be unique yet. */
ss_status safetensors_read_shard(shard *s, ss_error *err);
ss_status torch_read_shard(shard *s, ss_error *err);

/* Whether the file is one for torch_read_shard: a zip archive, a pickle or a tar archive by its first bytes. The header
 * length of a safetensors file may happen to look like the first two; what follows it then tells them apart. */
int torch_recognises(const file_map *m);

/* An input error about one tensor, or about the file where `tensor` is NULL. */
ss_status shard_fail(ss_error *err, const char *file, const char *tensor, const char *fmt, ...) BASE_PRINTF(4, 5);

#endif
