/* Weights bound from declarative tables. A module (a transformer block, a resnet, a norm) is a struct whose members are
 * `weight`s, and a const array of weight_row that says where each one is, what it is called and what shape it has in
 * symbols. A network has one `bind` function, its walk, that gives values to the symbols and visits its modules; the
 * same walk binds a checkpoint, lists what a network consists of, and makes random weights for tests.
 *
 * Every error (missing, misshapen, wrong type, unclaimed) is found here, before any compute. */
#ifndef NN_WEIGHTS_H
#define NN_WEIGHTS_H

#include <stddef.h>
#include "io/checkpoint.h"
#include "tensor/compute.h"

/* One tensor of a module. `name`: suffix after the module's prefix; several names by which files know the tensor are
 * separated by '|', the usual one first. Where a file has several, the last of them counts, as in diffusers and
 * transformers of today (docs/FORMATS.md). `shape`: dimensions separated by spaces, each a number, a symbol or a number
 * and a symbol ("4D D"). The source bound is [first, product of the rest] for linear, [product of the rest, last] for
 * table, one-dimensional for vector, and as in the file for conv; so a p x p patch convolution [D, C, p, p] may be a
 * linear layer over patches, and a table may have leading ones. WEIGHT_TRANSPOSED is [I, O] in the file and bound as
 * the linear layer [O, I], transposed as it is read. */
typedef struct weight_row {
    size_t offset; /* of a `weight` in the module's struct */
    weight_kind kind;
    const char *name, *shape;
} weight_row;

/* ---- the walk ---- */

typedef struct binder binder;

/* Give symbol `name` (at most 7 letters) a value; a second call changes it for the rows that follow. The origin says
 * where the value comes from, for messages: "num_attention_heads 24 x attention_head_dim 64". */
void binder_symbol(binder *b, const char *name, int64_t value, const char *origin_format, ...) BASE_PRINTF(4, 5);

/* Visit the `n` rows of the module at `base`; the format makes the prefix of the names ("transformer_blocks.%d."), or
 * several prefixes separated by '|', to which the same holds as to several names ("text_model.|" is with or without).
 */
void binder_rows(binder *b, void *base, const weight_row *rows, int n, const char *prefix_format, ...)
    BASE_PRINTF(5, 6);

/* Zeroed memory for `n` modules of `size` bytes (a network's blocks), owned by the weight set. NULL when there is
 * none left (the error is kept, and rows over NULL are not visited) or when n is 0. */
void *binder_array(binder *b, int64_t n, size_t size);

/* A network's walk. It must visit the same tensors in the same order for the same config in every mode. */
typedef void (*weight_walk)(binder *b, const void *config, void *weights);

/* ---- what a walk leaves ---- */

typedef struct weight_item {
    weight *w;
    char *name;                    /* the usual one */
    const char *shape;             /* symbolic, the row's */
    const checkpoint_entry *entry; /* of a bound tensor, its own name included; NULL otherwise */
    checkpoint_dtype type;         /* F32 unless bound to something else */
    int ndim;                      /* as in the file, before the view of weight_row */
    int64_t dim[CHECKPOINT_MAX_DIMS];
} weight_item;

/* All tensors of one network in the walk's order, and the memory of its module arrays. Zero-initialise; free with
 * weights_free. The checkpoint must outlive it. */
typedef struct weight_set {
    int n;
    size_t capacity;
    weight_item *item; /* [n] */
    int n_memory;
    size_t memory_capacity;
    void **memory;
    const checkpoint *file; /* what the sources lie in, or NULL */
    uint8_t *claimed;       /* [checkpoint_count(file)] whether a tensor is a row's, or of `ignore` or another prefix */
} weight_set;

typedef enum weight_mode {
    WEIGHTS_FROM_FILE,
    WEIGHTS_LIST,  /* names and shapes; sources have dimensions and no data (enough for the dry backend) */
    WEIGHTS_RANDOM /* from Philox streams named by seed and tensor name; see weights_random.c for the recipe */
} weight_mode;

typedef struct weight_source {
    weight_mode mode;
    const checkpoint *file;  /* WEIGHTS_FROM_FILE */
    const char *prefix;      /* of every name in the file ("state_dict."); others are ignored; or NULL */
    uint64_t seed;           /* WEIGHTS_RANDOM */
    const char *config_name; /* "transformer/config.json", for messages */
    notices *notices; /* what is noted: names of one tensor with different values, ignored tensors; may be NULL */
    const char *const *ignore; /* ends of names of unused tensors in the file; ended by NULL; may be NULL */
    int others_fail;           /* a tensor of the file that no row has is an error; else it is ignored, and noted */
} weight_source;

/* What a weight of a checkpoint's type is in memory; 0 where no weight has the type. */
int weights_type(checkpoint_dtype dtype, tensor_type *out);

/* Walk the network: `weights` is its zeroed struct. On failure *s can still be freed. */
ss_status weights_bind(weight_set *s, weight_walk walk, const void *config, void *weights, const weight_source *source,
                       ss_error *err);

/* Set the weight format for packing. Nothing may be packed. */
void weights_set_form(const weight_set *s, weight_form form);

/* Convert every weight to the backend's format. Values of a file pass through scratch, one tensor at a time. The first
 * failure is in the context (compute_status). */
void weights_pack(const weight_set *s, compute *c);

/* The same for the tensors whose names in the file begin with `prefix` ("encoder.block.3."), a part that is needed for
 * a while; what is packed already stays as it is. weights_unpack_part frees their packed values, whichever call made
 * them. */
void weights_pack_part(const weight_set *s, compute *c, const char *prefix);
void weights_unpack_part(const weight_set *s, compute *c, const char *prefix);

/* Free what weights_pack made (where `c` is not NULL) and the set's memory, module arrays included. */
void weights_free(weight_set *s, compute *c);

int64_t weights_parameter_count(const weight_set *s);
size_t weights_packed_bytes(const weight_set *s, const compute *c);
size_t weights_packed_part_bytes(const weight_set *s, const compute *c, const char *prefix);

/* The most that is in memory while weights_pack packs all: what is packed so far, and the scratch for the largest
 * tensor that was read so far. */
size_t weights_packing_bytes(const weight_set *s, const compute *c);

/* What weights_write_random notes in the file, for weights_are_random (score/weights.h). */
#define WEIGHTS_RANDOM_NOTE "random weights"

/* Write a checkpoint of the set's names and shapes with the values of WEIGHTS_RANDOM, rounded to `type`. Values are
 * made as they are written, by `threads` threads (0 = thread_default_count), so a network need not fit into memory.
 * Sources are not read. */
ss_status weights_write_random(const weight_set *s, uint64_t seed, tensor_type type, int threads, const char *path,
                               ss_error *err);

#endif
