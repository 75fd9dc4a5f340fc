/* See checkpoint_view.h. Values come from checkpoint_read alone, so a view works for every format and type. Indices are
 * checked against the tensor of the file. */
#include "io/checkpoint_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "io/shard.h"

/* ---- reading ---- */

static ss_status read_same(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err) {
    return checkpoint_read(e->part->from, e->part->offset + first, n, out, err);
}

/* Element i is element (i + offset) mod count of the tensor behind it. */
static ss_status read_rotated(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err) {
    const checkpoint_entry *from = e->part->from;
    int64_t at = first + e->part->offset, before = 0;
    if (at >= from->count) at -= from->count;
    else before = n < from->count - at ? n : from->count - at;
    if (before == 0) return checkpoint_read(from, at, n, out, err);
    SS_TRY(checkpoint_read(from, at, before, out, err));
    char *rest = (char *)out + (size_t)before * checkpoint_dtype_size(e->dtype);
    return checkpoint_read(from, 0, n - before, rest, err);
}

static ss_status checkpoint_view_read_turned(const checkpoint_entry *e, int64_t first, int64_t n, void *out,
                                             ss_error *err) {
    const checkpoint_entry *from = e->part->from;
    const size_t size = checkpoint_dtype_size(e->dtype), bytes = (size_t)from->count * size;
    const int64_t across = e->shape[1]; /* rows of `from` */
    char *all = malloc(bytes ? bytes : 1);
    if (!all) return error_no_memory(err, e->name, bytes);
    ss_status status = checkpoint_read(from, 0, from->count, all, err);
    for (int64_t i = 0; status == SS_OK && i < n; i++) {
        const int64_t row = (first + i) / across, column = (first + i) % across;
        memcpy((char *)out + (size_t)i * size, all + (size_t)(column * e->shape[0] + row) * size, size);
    }
    free(all);
    return status;
}

static ss_status read_identity(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err) {
    float *values = out;
    (void)err;
    for (int64_t i = 0; i < n; i++) values[i] = (first + i) % (e->shape[1] + 1) == 0 ? 1 : 0;
    return SS_OK;
}

/* ---- lists ---- */

view_tensor *view_tensors_add(view_tensors *list, text *name, const checkpoint_entry *from, ss_error *err) {
    if (name->failed || !name->s) {
        text_free(name);
        error_no_memory(err, "the name of a tensor", 1);
        return NULL;
    }
    if (ARRAY_ROOM(list->at, list->room, list->n + 1, "the list of tensors", err) != SS_OK) {
        text_free(name);
        return NULL;
    }
    view_tensor *t = &list->at[list->n++];
    *t = (view_tensor){.name = name->s, .part = {.read = read_same, .from = from}};
    *name = (text){0};
    if (!from) return t;
    t->dtype = from->dtype;
    t->ndim = from->ndim;
    memcpy(t->shape, from->shape, sizeof t->shape);
    return t;
}

void view_tensors_free(view_tensors *list) {
    for (size_t i = 0; i < list->n; i++) free(list->at[i].name);
    free(list->at);
    *list = (view_tensors){0};
}

/* ---- forms ---- */

void view_take_rows(view_tensor *t, int part, int parts) {
    if (t->ndim == 0) return;
    t->shape[0] /= parts;
    int64_t count = 1;
    for (int i = 0; i < t->ndim; i++) count *= t->shape[i];
    t->part.offset += part * count;
}

/* An odd number of rows has no halves; the tensor then stays as it is, and binding it reports its shape. */
void view_swap_halves(view_tensor *t) {
    if (t->ndim == 0 || t->shape[0] % 2) return;
    t->part.read = read_rotated;
    t->part.offset = t->part.from->count / 2;
}

void view_transpose(view_tensor *t) {
    if (t->ndim != 2) return;
    const int64_t rows = t->shape[0];
    t->shape[0] = t->shape[1];
    t->shape[1] = rows;
    t->part.read = checkpoint_view_read_turned;
}

void view_flatten(view_tensor *t) {
    int more = 0;
    for (int i = 2; i < t->ndim; i++) more |= t->shape[i] != 1;
    if (t->ndim > 2 && !more) t->ndim = 2;
}

void view_make_identity(view_tensor *t, int64_t n) {
    t->dtype = CHECKPOINT_F32;
    t->ndim = 2;
    t->shape[0] = t->shape[1] = n;
    t->part = (checkpoint_part){.read = read_identity};
}

/* ---- the view ---- */

static int checkpoint_view_by_name(const void *a, const void *b) {
    return strcmp(((const checkpoint_entry *)a)->name, ((const checkpoint_entry *)b)->name);
}

static void fill_entries(checkpoint *view, const view_tensors *list) {
    for (size_t i = 0; i < list->n; i++) {
        const view_tensor *t = &list->at[i];
        checkpoint_entry *e = &view->entries[i];
        view->parts[i] = t->part;
        *e = (checkpoint_entry){.name = t->name, .dtype = t->dtype, .ndim = t->ndim, .count = 1};
        memcpy(e->shape, t->shape, sizeof e->shape);
        for (int d = 0; d < e->ndim; d++) e->count *= e->shape[d];
        e->stored = t->part.from ? t->part.from->stored : NULL;
        e->file = t->part.from ? t->part.from->file : checkpoint_path(view->base);
        e->shard = view->shards; /* keeps values; has no file */
        e->part = &view->parts[i];
    }
    view->count = list->n;
    qsort(view->entries, view->count, sizeof *view->entries, checkpoint_view_by_name);
}

static ss_status checkpoint_view_check_names(const checkpoint *view, ss_error *err) {
    for (size_t i = 1; i < view->count; i++) {
        const checkpoint_entry *a = &view->entries[i - 1], *b = &view->entries[i];
        if (strcmp(a->name, b->name) != 0) continue;
        return error_set(err, SS_ERR_INPUT, b->file,
                         "%s comes from two tensors, %s and %s; expected it once: two models in one file?", b->name,
                         a->part->from ? a->part->from->name : "none", b->part->from ? b->part->from->name : "none");
    }
    return SS_OK;
}

/* Names are in one piece of memory, which the view's only shard owns. */
static ss_status take_names(checkpoint *view, const view_tensors *list, ss_error *err) {
    size_t bytes = 1, at = 0;
    for (size_t i = 0; i < list->n; i++) bytes += strlen(list->at[i].name) + 1;
    char *names = view->shards->names = malloc(bytes);
    if (!names) return error_no_memory(err, "the names of tensors", bytes);
    for (size_t i = 0; i < list->n; i++) {
        const size_t length = strlen(list->at[i].name) + 1;
        memcpy(names + at, list->at[i].name, length);
        free(list->at[i].name);
        list->at[i].name = names + at;
        at += length;
    }
    return SS_OK;
}

ss_status checkpoint_view_open(checkpoint **out, checkpoint *base, view_tensors *list, ss_error *err) {
    *out = NULL;
    checkpoint *view = calloc(1, sizeof *view);
    if (!view) return error_no_memory(err, "a view", sizeof *view);
    view->base = checkpoint_share(base);
    view->shards = calloc(1, sizeof *view->shards);
    view->shard_count = view->shards != NULL;
    view->entries = calloc(list->n + 1, sizeof *view->entries);
    view->parts = calloc(list->n + 1, sizeof *view->parts);
    view->path = text_copy(checkpoint_path(base));
    ss_status status = view->shards && view->entries && view->parts && view->path
                           ? take_names(view, list, err)
                           : error_no_memory(err, "a view", list->n * sizeof *view->entries);
    if (status == SS_OK) {
        fill_entries(view, list);
        list->n = 0; /* the names are the view's */
        status = checkpoint_view_check_names(view, err);
    }
    if (status == SS_OK) *out = view;
    else checkpoint_close(view);
    return status;
}

checkpoint *checkpoint_share(checkpoint *s) {
    s->users++;
    return s;
}
