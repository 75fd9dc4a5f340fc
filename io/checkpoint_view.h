/* Tensors of a checkpoint under other names and in other layouts. A view is read like a checkpoint; its values are
 * those of the checkpoint behind it. Changes (a slice of rows, a transposed matrix) are made as a tensor is read, so a
 * view takes memory for names only. */
#ifndef IO_CHECKPOINT_VIEW_H
#define IO_CHECKPOINT_VIEW_H

#include "base/text.h"
#include "io/checkpoint.h"

/* What a tensor of a view is made from. */
typedef struct checkpoint_part {
    /* Elements [first, first + n) of the tensor `e`, whose part this is, in its dtype. */
    ss_status (*read)(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err);
    const checkpoint_entry *from; /* NULL: it is made from no tensor */
    int64_t offset;               /* elements of `from` before the first */
    const void *context;          /* the maker's own; outlives the view */
} checkpoint_part;

/* A tensor of a view, to be added. */
typedef struct view_tensor {
    char *name; /* the view's from now on, also after a failure */
    checkpoint_dtype dtype;
    int ndim;
    int64_t shape[CHECKPOINT_MAX_DIMS];
    checkpoint_part part;
} view_tensor;

/* Lists of them. Zero-initialise; view_tensors_free frees what no view has taken. */
typedef struct view_tensors {
    view_tensor *at;
    size_t n, room;
} view_tensors;

/* Add a tensor of which `name` is all that is known to begin with: the rest is that of `from`, its values as they are.
 * NULL after a failure. The caller makes further changes. */
view_tensor *view_tensors_add(view_tensors *list, text *name, const checkpoint_entry *from, ss_error *err);
void view_tensors_free(view_tensors *list);

/* Layouts of an added tensor. */
void view_take_rows(view_tensor *t, int part, int parts); /* one of equal parts of the rows; a remainder is left out */
void view_swap_halves(view_tensor *t);                    /* the second half of the rows first */
void view_transpose(view_tensor *t);                      /* transposed: [I, O] as [O, I] */
void view_flatten(view_tensor *t);                        /* without dimensions of size 1 behind the second */
void view_make_identity(view_tensor *t, int64_t n);       /* n x n, whatever `from` was; float32 */

/* Make the view; the list is empty then, or after a failure to be freed. A name that two tensors have is an error. The
 * base lives until its last view and its opener have closed it. */
ss_status checkpoint_view_open(checkpoint **out, checkpoint *base, view_tensors *list, ss_error *err);

/* One more user, who closes it too. */
checkpoint *checkpoint_share(checkpoint *s);

#endif
