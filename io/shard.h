/* One file of a checkpoint, as the reader of its format leaves it to the handle (io/checkpoint.c). Internal to io/. */
#ifndef IO_SHARD_H
#define IO_SHARD_H

#include <jansson.h>

#include "base/file.h"
#include "io/checkpoint.h"

/* Values that checkpoint_keep keeps. */
typedef struct kept_values {
    struct kept_values *next;
    size_t at; /* of the entry, with its layout */
    const struct torch_layout *layout;
    const struct checkpoint_part *part;
    int64_t count;
    double values[]; /* aligned for every type */
} kept_values;

typedef struct shard {
    file_reader file;
    json_t *header;               /* owns the names (safetensors), or NULL */
    char *names;                  /* owns the names (PyTorch), or NULL */
    struct torch_layout *layouts; /* of tensors that do not lie in the file as an entry says, or NULL */
    kept_values *kept;
    checkpoint_entry *entries;
    size_t count;
} shard;

struct checkpoint {
    char *path;
    shard *shards;
    int shard_count;
    checkpoint_entry *entries; /* sorted by name */
    size_t count;
    int users; /* further ones, each of whom closes it */
    /* of a view (io/checkpoint_view.h) */
    checkpoint *base;
    struct checkpoint_part *parts;
};

/* Fill names, layouts and entries from the file, which is open. What is there after a failure is freed by the caller,
 * with the rest. Entries are in any order; their names may not be unique yet. */
ss_status safetensors_read_shard(shard *s, ss_error *err);
ss_status torch_read_shard(shard *s, ss_error *err);

/* Whether the file is one for torch_read_shard: a zip archive, a pickle or a tar archive by its first bytes, of which
 * `n` are given, TORCH_MAGIC_BYTES of a file that has so many. The header length of a safetensors file may happen to
 * look like the first two; what follows it then distinguishes them. */
enum { TORCH_MAGIC_BYTES = 262 };
int torch_recognises(const unsigned char *bytes, size_t n);

/* checkpoint_read of a tensor with a layout. */
ss_status torch_read_values(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err);

/* An input error about one tensor, or about the file where `tensor` is NULL. */
ss_status shard_fail(ss_error *err, const char *file, const char *tensor, const char *fmt, ...) BASE_PRINTF(4, 5);
#define shard_fail(...) (shard_fail(__VA_ARGS__), error_code(SS_ERR_INPUT)) /* base/error.h */

#endif
