/* Tensors of a checkpoint: one file, or several shards named by a `*.index.json`, behind one handle. Files are mapped,
 * not read; a tensor is a pointer into the mapping, valid until close. All of the layout is checked at open: nothing
 * later can run past the mapping (a file truncated meanwhile aside, see base/file.h).
 *
 * Formats, told apart by content: safetensors, and both that torch.save has had (.pt, .pth, .bin), the zip archive and
 * the one before it. The pickle in those is never executed: it is read by a machine that knows the containers and
 * tensors of a state dict and refuses all else by name (io/pickle.h). What they add to safetensors:
 * - nested dicts, lists and tuples: a tensor's name is its keys joined by '.', "state_dict.conv1.weight",
 *   "optimizer.state.0.exp_avg"; what is not a tensor is left out;
 * - types: F64 is rounded to F32, I16 and I8 become I32, bool U8 (0 and 1);
 * - these, and tensors whose elements do not lie row-major in the file, are copied at open. */
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
    const char *file; /* path of the file it lies in */
    checkpoint_dtype dtype;
    int ndim; /* 0 = a scalar */
    int64_t shape[CHECKPOINT_MAX_DIMS];
    int64_t count;    /* elements, the product of shape */
    const void *data; /* row-major, aligned to the element's size (copied at open where the file does not align it) */
} checkpoint_entry;

typedef struct checkpoint checkpoint;

/* Open "x.safetensors", "x.pt" or "x.safetensors.index.json" (an index by the end of its name, ".json"). */
ss_status checkpoint_open(checkpoint **out, const char *path, ss_error *err);

/* Open n >= 1 files, of any formats, as one checkpoint. A name that is in two of them is an error that names both.
 * checkpoint_path is then the list of the paths. */
ss_status checkpoint_open_files(checkpoint **out, const char *const *paths, int n, ss_error *err);

/* Open the weights of a component folder: `diffusion_pytorch_model` or `model`, a single file or an index, else
 * `pytorch_model.bin`. `variant` ("fp16") may be NULL: then files without a variant. Two candidates in one folder are
 * settled as diffusers does: the index first. The error when there is none lists what was looked for. */
ss_status checkpoint_open_folder(checkpoint **out, const char *folder, const char *variant, ss_error *err);

void checkpoint_close(checkpoint *s); /* NULL is allowed */

/* The `size` bytes of a tensor at `data` have been used: what is in a mapping need not stay in memory (it is read again
 * where it is touched again); a copy made at open stays. */
void checkpoint_forget(const checkpoint *s, const void *data, size_t size);

/* Entries are sorted by name (bytewise). */
size_t checkpoint_count(const checkpoint *s);
const checkpoint_entry *checkpoint_at(const checkpoint *s, size_t i);
const checkpoint_entry *checkpoint_find(const checkpoint *s, const char *name); /* NULL: no such tensor */

/* What safetensors_write_noted left in one of the files, or NULL. */
const char *checkpoint_note(const checkpoint *s);

/* What was opened (as given or found), and the files with tensor data (what a manifest has to hash). */
const char *checkpoint_path(const checkpoint *s);
int checkpoint_file_count(const checkpoint *s);
const char *checkpoint_file_path(const checkpoint *s, int i);

#endif
