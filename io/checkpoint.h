/* Tensors of a checkpoint: one file, or several shards named by a `*.index.json`, behind one handle. Opening reads what
 * describes the tensors and checks all of the layout against the size of the file; values are read on demand, and a
 * file that has become shorter since is an error at that moment.
 *
 * Formats, recognised by content: safetensors, and both that torch.save has had (.pt, .pth, .bin), the zip archive and
 * the one before it. The pickle in those is never executed: it is read by an interpreter that supports the containers
 * and tensors of a state dict and refuses everything else by name (io/pickle.h). What they add to safetensors:
 * - nested dicts, lists and tuples: a tensor's name is its keys joined by '.', "state_dict.conv1.weight",
 *   "optimizer.state.0.exp_avg"; what is not a tensor is left out;
 * - tensors whose elements do not lie row-major in the file are reordered as they are read.
 *
 * Types in a file that are none of checkpoint_dtype are converted as they are read, in both formats: F64 is rounded to
 * F32, F8_E4M3 and F8_E5M2 become F16 (F16 represents all of their values), I16 and I8 I32, bool U8 (0 and 1). */
#ifndef IO_CHECKPOINT_H
#define IO_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum { CHECKPOINT_MAX_DIMS = 8 };

typedef enum checkpoint_dtype {
    CHECKPOINT_F32,
    CHECKPOINT_F16,
    CHECKPOINT_BF16,
    CHECKPOINT_I32,
    CHECKPOINT_I64,
    CHECKPOINT_U8,
} checkpoint_dtype;

const char *checkpoint_dtype_name(checkpoint_dtype t); /* "F32", ... */
size_t checkpoint_dtype_size(checkpoint_dtype t);      /* bytes of one element */

typedef struct checkpoint_entry {
    const char *name;
    const char *file;       /* path of the file it lies in */
    checkpoint_dtype dtype; /* of what is read */
    int ndim;               /* 0 = a scalar */
    int64_t shape[CHECKPOINT_MAX_DIMS];
    int64_t count; /* elements, the product of shape */
    /* where its values are; for io/ alone */
    struct shard *shard;
    size_t at;                          /* byte of the first element */
    const struct torch_layout *layout;  /* NULL: row-major, in dtype or what `stored` says */
    const struct stored_type *stored;   /* what the file has, where elements are converted; NULL: dtype */
    const struct checkpoint_part *part; /* of a view: what its values are made from; NULL: they lie in the file */
} checkpoint_entry;

const char *checkpoint_stored_name(const checkpoint_entry *e); /* of its type in the file: "F8_E4M3", "F32" */

typedef struct checkpoint checkpoint;

/* Open "x.safetensors", "x.pt" or "x.safetensors.index.json" (an index by the end of its name, ".json"). */
ss_status checkpoint_open(checkpoint **out, const char *path, ss_error *err);

/* Open n >= 1 files, of any formats, as one checkpoint. A name that is in two of them is an error that names both.
 * checkpoint_path is then the list of the paths. */
ss_status checkpoint_open_files(checkpoint **out, const char *const *paths, int n, ss_error *err);

/* How the weights of a component folder are called: as diffusers' networks save them ("diffusion_pytorch_model"), or as
 * transformers' do ("model", "pytorch_model"). */
typedef enum checkpoint_naming { CHECKPOINT_ANY, CHECKPOINT_DIFFUSERS, CHECKPOINT_TRANSFORMERS } checkpoint_naming;

/* Open the weights of a component folder. `variant` ("fp16") may be NULL: then files without a variant. Where there are
 * several, the one counts that the library of that naming takes (docs/FORMATS.md). The error when there is none lists
 * what was looked for, and what is there. */
ss_status checkpoint_open_folder(checkpoint **out, const char *folder, checkpoint_naming naming, const char *variant,
                                 ss_error *err);

/* Whether diffusers reads a pipeline's component in this variant, rather than without: a file there has it between its
 * first two dots, or begins so. No such folder: 0. */
ss_status checkpoint_folder_has_variant(const char *folder, const char *variant, int *has, ss_error *err);

/* The names that weights may have, first to last: 0 beyond the last. *out is replaced. */
struct text;
int checkpoint_file_name(int i, const char *variant, struct text *out);

void checkpoint_close(checkpoint *s); /* NULL is allowed */

/* Elements [first, first + n) of a tensor, row-major, in its dtype. Until its checkpoint is closed. */
ss_status checkpoint_read(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err);

/* All values of a small tensor, kept until the checkpoint is closed; NULL after a failure. */
const void *checkpoint_keep(const checkpoint_entry *e, ss_error *err);

/* Entries are one array, sorted by name (bytewise). */
size_t checkpoint_count(const checkpoint *s);
const checkpoint_entry *checkpoint_at(const checkpoint *s, size_t i);
const checkpoint_entry *checkpoint_find(const checkpoint *s, const char *name); /* NULL: no such tensor */

/* A text of a safetensors file's metadata, or NULL. */
const char *checkpoint_metadata(const checkpoint *s, const char *key);

/* What safetensors_write_noted left in one of the files, or NULL. */
const char *checkpoint_note(const checkpoint *s);

/* What was opened (as given or found), and the files with tensor data (what a manifest has to hash). */
const char *checkpoint_path(const checkpoint *s);
int checkpoint_file_count(const checkpoint *s);
const char *checkpoint_file_path(const checkpoint *s, int i);

#endif
