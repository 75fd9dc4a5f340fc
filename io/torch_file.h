/* One file that torch.save wrote, opened: the objects of its pickle and where the bytes of its storages lie. The two
 * formats differ in nothing else, and io/torch_tensors.c does not depend on either. Internal to io/. */
#ifndef IO_TORCH_FILE_H
#define IO_TORCH_FILE_H

#include "io/pickle.h"
#include "io/shard.h"
#include "io/zip.h"

/* A storage of the older format. */
typedef struct torch_storage {
    const unsigned char *key; /* in the pickle, not terminated */
    size_t key_length;
    int type; /* torch_type */
    int64_t elements;
    int is_placed; /* it is in the file's list */
    size_t at;     /* of its bytes in the file */
} torch_storage;

typedef struct torch_file {
    const file_reader *file;
    unsigned char *bytes; /* that hold the pickles */
    size_t n_bytes;       /* from the beginning of the file on, in the older format */
    pickle objects;
    zip_archive zip;         /* the format since PyTorch 1.6, or */
    torch_storage *storages; /* the one before it, sorted by key */
    size_t storage_count;
} torch_file;

size_t torch_type_size(torch_type type); /* bytes of one element */

/* How the elements of a tensor lie in the file, where it is not as an entry of a checkpoint says. */
typedef struct torch_layout {
    torch_type type;
    int64_t stride[CHECKPOINT_MAX_DIMS]; /* in elements of the type */
} torch_layout;

/* Where the bytes of a storage lie, an object of kind PICKLE_STORAGE: as many as its number of elements says, at any
 * alignment. */
ss_status torch_find_storage(const torch_file *f, const pickle_object *storage, size_t *at, ss_error *err);

/* Fill a shard with the tensors below the root of the pickle. */
ss_status torch_read_tensors(const torch_file *f, shard *s, ss_error *err);

#endif
