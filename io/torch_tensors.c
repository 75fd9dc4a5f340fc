/* The tensors below the root of a pickle, as entries of a checkpoint: their names from the keys on the way, their
 * places in the file and, where they do not lie there as an entry says, how; and the reading of those. Reads stay
 * inside a tensor's storage, and memory stays in proportion to the file: a few bytes can describe any number of
 * elements. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/text.h"
#include "io/bytes.h"
#include "io/torch_file.h"

enum {
    MAX_DEPTH = 64,        /* of containers in containers; a circle ends here */
    MAX_NAME = 1024,       /* bytes */
    MAX_TENSORS = 1 << 18, /* of one file */
    COPIES_TO_FILE = 4,    /* copies may be so many times the file: I8 becomes I32 */
    VISITS_TO_ITEMS = 4    /* containers may be shared so often */
};

/* A tensor on its way to an entry. */
typedef struct found {
    checkpoint_entry entry; /* all but name and layout */
    size_t name_at;         /* in the names */
    torch_layout layout;
    int is_shaped; /* the entry needs the layout */
} found;

typedef struct walker {
    const torch_file *f;
    const pickle *p;
    ss_error *err;
    text name;            /* of the place in the tree */
    const char *nameless; /* why a tensor in this place cannot have a name, or NULL */
    text names;           /* of all tensors, each with its terminator */
    found *tensors;
    size_t count, room;
    uint64_t visits, max_visits;
} walker;

static checkpoint_dtype dtype_of(torch_type type) {
    static const checkpoint_dtype TYPES[] = {
        [TORCH_F64] = CHECKPOINT_F32,   [TORCH_F32] = CHECKPOINT_F32, [TORCH_F16] = CHECKPOINT_F16,
        [TORCH_BF16] = CHECKPOINT_BF16, [TORCH_I64] = CHECKPOINT_I64, [TORCH_I32] = CHECKPOINT_I32,
        [TORCH_I16] = CHECKPOINT_I32,   [TORCH_I8] = CHECKPOINT_I32,  [TORCH_U8] = CHECKPOINT_U8,
        [TORCH_BOOL] = CHECKPOINT_U8};
    return TYPES[type];
}

/* Whether elements change on the way. */
static int is_converted(torch_type type) { return torch_type_size(type) != checkpoint_dtype_size(dtype_of(type)); }

/* Names are UTF-8 without control characters, as those of a safetensors file are. */
static int is_clean_text(const unsigned char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (s[i] < 0x80) {
            if (s[i] < 0x20 || s[i] == 0x7f) return 0;
            continue;
        }
        const size_t more = s[i] >= 0xf0 ? 3 : s[i] >= 0xe0 ? 2 : 1;
        static const uint32_t LEAST[] = {0, 0x80, 0x800, 0x10000};
        uint32_t code = s[i] & (0x3fu >> more);
        if (s[i] < 0xc0 || s[i] > 0xf4 || n - i <= more) return 0;
        for (size_t k = 1; k <= more; k++) {
            if ((s[i + k] & 0xc0) != 0x80) return 0;
            code = code << 6 | (s[i + k] & 0x3fu);
        }
        if (code < LEAST[more] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff) return 0;
        i += more;
    }
    return 1;
}

/* Size and strides of a tensor, and its number of elements. */
static ss_status torch_tensors_read_shape(const walker *w, const pickle_object *tensor, found *t) {
    const char *file = w->f->file->path, *name = w->name.s;
    const pickle_object *size = pickle_at(w->p, tensor, 2), *stride = pickle_at(w->p, tensor, 3);
    if (size->kind != PICKLE_TUPLE || stride->kind != PICKLE_TUPLE)
        return shard_fail(w->err, file, name, "has %s for its shape and %s for its strides; expected tuples",
                          pickle_kind_name(size), pickle_kind_name(stride));
    if (size->items.count > CHECKPOINT_MAX_DIMS)
        return shard_fail(w->err, file, name, "has %lu dimensions; at most %d are expected",
                          (unsigned long)size->items.count, CHECKPOINT_MAX_DIMS);
    if (size->items.count != stride->items.count)
        return shard_fail(w->err, file, name, "has %lu dimensions and %lu strides", (unsigned long)size->items.count,
                          (unsigned long)stride->items.count);
    t->entry.ndim = (int)size->items.count;
    t->entry.count = 1;
    for (int i = 0; i < t->entry.ndim; i++) {
        const pickle_object *n = pickle_at(w->p, size, (uint32_t)i), *step = pickle_at(w->p, stride, (uint32_t)i);
        if (n->kind != PICKLE_INT || step->kind != PICKLE_INT || n->integer < 0 || step->integer < 0)
            return shard_fail(w->err, file, name, "has other than non-negative integers for its shape and strides");
        t->entry.shape[i] = n->integer;
        t->layout.stride[i] = n->integer == 1 ? 0 : step->integer; /* the stride of a single element has no meaning */
        if (__builtin_mul_overflow(t->entry.count, n->integer, &t->entry.count))
            return shard_fail(w->err, file, name, "has a shape whose number of elements does not fit 63 bits");
    }
    return SS_OK;
}

static int is_contiguous(const checkpoint_entry *e, const int64_t *stride) {
    int64_t expected = 1;
    for (int i = e->ndim - 1; i >= 0; i--) {
        if (e->shape[i] != 1 && stride[i] != expected) return 0;
        expected *= e->shape[i];
    }
    return 1;
}

/* The part of its storage that a tensor lies in: all of it but for the views of the older format. */
static ss_status read_view(const walker *w, const pickle_object *storage, int64_t *start, int64_t *elements) {
    const pickle_object *view = pickle_at(w->p, storage, 5);
    const int64_t all = pickle_at(w->p, storage, 4)->integer;
    *start = 0;
    *elements = all;
    if (!view || view->kind == PICKLE_NONE) return SS_OK;
    *start = pickle_at(w->p, view, 1)->integer;
    *elements = pickle_at(w->p, view, 2)->integer;
    if (*start <= all && *elements <= all - *start) return SS_OK;
    return shard_fail(w->err, w->f->file->path, w->name.s,
                      "lies in elements %lld and %lld more of a storage of %lld elements", (long long)*start,
                      (long long)*elements, (long long)all);
}

/* Where the first element lies; every element lies in the storage. */
static ss_status torch_tensors_read_place(const walker *w, const pickle_object *tensor, found *t) {
    const char *file = w->f->file->path, *name = w->name.s;
    const pickle_object *storage = pickle_at(w->p, tensor, 0), *offset = pickle_at(w->p, tensor, 1);
    size_t at = 0;
    int64_t start = 0, elements = 0;
    if (offset->kind != PICKLE_INT || offset->integer < 0)
        return shard_fail(w->err, file, name, "has no non-negative integer for its offset");
    SS_TRY(torch_find_storage(w->f, storage, &at, w->err));
    SS_TRY(read_view(w, storage, &start, &elements));
    if (t->entry.count == 0) return SS_OK;
    int64_t last = offset->integer, span = 0;
    int past = 0;
    for (int i = 0; i < t->entry.ndim; i++)
        past |= __builtin_mul_overflow(t->entry.shape[i] - 1, t->layout.stride[i], &span) ||
                __builtin_add_overflow(last, span, &last);
    if (past || last >= elements)
        return shard_fail(w->err, file, name, "runs past the end of its storage of %lld elements", (long long)elements);
    t->entry.at = at + (size_t)(start + offset->integer) * torch_type_size(t->layout.type);
    t->is_shaped = is_converted(t->layout.type) || !is_contiguous(&t->entry, t->layout.stride);
    return SS_OK;
}

static ss_status torch_tensors_add_tensor(walker *w, const pickle_object *tensor) {
    const pickle_object *metadata = pickle_at(w->p, tensor, 6);
    if (w->name.failed) return error_no_memory(w->err, "the name of a tensor", w->name.len);
    if (w->nameless) return pickle_fail(w->p, tensor->at, w->err, "is a tensor without a name: %s", w->nameless);
    if (w->count == MAX_TENSORS)
        return pickle_fail(w->p, tensor->at, w->err, "is a tensor beyond the %d expected in one file", MAX_TENSORS);
    SS_TRY(ARRAY_ROOM(w->tensors, w->room, w->count + 1, "the list of tensors", w->err));
    found *t = &w->tensors[w->count];
    *t = (found){.name_at = w->names.len, .layout = {.type = (torch_type)pickle_at(w->p, tensor, 0)->type}};
    t->entry.file = w->f->file->path;
    t->entry.dtype = dtype_of(t->layout.type);
    if (metadata && metadata->kind != PICKLE_NONE && !(metadata->kind == PICKLE_DICT && metadata->items.count == 0))
        return shard_fail(w->err, t->entry.file, w->name.s,
                          "has a state beside its data (a view of the negative or the conjugate); save a copy of it");
    SS_TRY(torch_tensors_read_shape(w, tensor, t));
    SS_TRY(torch_tensors_read_place(w, tensor, t));
    text_add_n(&w->names, w->name.s, w->name.len + 1);
    w->count++;
    return w->names.failed ? error_no_memory(w->err, "the names of tensors", w->names.len) : SS_OK;
}

/* Append the key of a dict, or else the index, to the name. */
static void add_key(walker *w, const pickle_object *key, uint32_t index, int depth) {
    if (depth > 0) text_add(&w->name, ".");
    if (!key) text_addf(&w->name, "%lu", (unsigned long)index);
    else if (key->kind == PICKLE_INT) text_addf(&w->name, "%lld", (long long)key->integer);
    else if (key->kind != PICKLE_TEXT) w->nameless = "a key on the way to it is neither a text nor an integer";
    else if (!is_clean_text(key->text.bytes, key->text.length))
        w->nameless = "a key on the way to it is not UTF-8 text without control characters";
    else if (key->text.length > MAX_NAME || w->name.len + key->text.length > MAX_NAME)
        w->nameless = "the keys on the way to it are too long";
    else text_add_n(&w->name, (const char *)key->text.bytes, key->text.length);
}

static ss_status torch_tensors_walk(walker *w, pickle_ref ref, int depth) {
    const pickle_object *o = pickle_get(w->p, ref);
    const size_t length = w->name.len;
    const char *nameless = w->nameless;
    uint32_t index = 0;
    if (++w->visits > w->max_visits)
        return pickle_fail(w->p, o->at, w->err, "is in so many containers at once; no state dict is like that");
    if (o->kind == PICKLE_TENSOR) return torch_tensors_add_tensor(w, o);
    if (o->kind != PICKLE_DICT && o->kind != PICKLE_LIST && o->kind != PICKLE_TUPLE) return SS_OK;
    if (depth == MAX_DEPTH)
        return pickle_fail(w->p, o->at, w->err, "is nested deeper than %d levels, or in itself", MAX_DEPTH);
    for (uint32_t i = o->items.first; i; i = w->p->items[i].next) {
        const pickle_item *item = &w->p->items[i];
        const pickle_object *key = o->kind == PICKLE_DICT ? pickle_get(w->p, item->key) : NULL;
        if (key && key->kind == PICKLE_NAME) continue; /* pytorch_lightning keeps callbacks' states by their class */
        add_key(w, key, index++, depth);
        SS_TRY(torch_tensors_walk(w, item->value, depth + 1));
        w->nameless = nameless;
        w->name.len = length;
        if (w->name.s) w->name.s[length] = '\0';
    }
    return SS_OK;
}

/* Values ---------------------------------------------------------------------------------------------------------- */

/* n elements, `step` elements apart in `from`. */
static void copy_row(torch_type type, unsigned char *to, const unsigned char *from, int64_t n, int64_t step) {
    const size_t size = torch_type_size(type), stride = (size_t)step * size, count = (size_t)n;
    if (!is_converted(type)) {
        if (step == 1) memcpy(to, from, count * size);
        else
            for (size_t i = 0; i < count; i++) memcpy(to + i * size, from + i * stride, size);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (type == TORCH_F64) {
            double x;
            memcpy(&x, from + i * stride, sizeof x);
            const float y = (float)x;
            memcpy(to + i * sizeof y, &y, sizeof y);
        } else {
            const unsigned char *p = from + i * stride;
            const int32_t y = type == TORCH_I16 ? (int16_t)bytes_u16(p) : (signed char)*p;
            memcpy(to + i * sizeof y, &y, sizeof y);
        }
    }
}

/* All elements, row after row, a row being the last dimension. from: the first of them. */
static void copy_tensor(const checkpoint_entry *e, unsigned char *to, const unsigned char *from) {
    const torch_layout *l = e->layout;
    const size_t size = torch_type_size(l->type), out = checkpoint_dtype_size(e->dtype);
    const int last = e->ndim - 1;
    int64_t index[CHECKPOINT_MAX_DIMS] = {0}, at = 0;
    for (int d = last; d >= 0;) {
        copy_row(l->type, to, from + (size_t)at * size, e->shape[last], l->stride[last]);
        to += (size_t)e->shape[last] * out;
        for (d = last - 1; d >= 0; d--) {
            at += l->stride[d];
            if (++index[d] < e->shape[d]) break;
            at -= l->stride[d] * e->shape[d];
            index[d] = 0;
        }
    }
}

/* The bytes of the file that hold all elements, in new memory; the caller frees it. */
static ss_status read_span(const checkpoint_entry *e, unsigned char **out, ss_error *err) {
    int64_t span = 1;
    for (int i = 0; i < e->ndim; i++) span += (e->shape[i] - 1) * e->layout->stride[i];
    const size_t bytes = (size_t)span * torch_type_size(e->layout->type);
    *out = malloc(bytes);
    if (!*out) return error_no_memory(err, e->name, bytes);
    ss_status status = file_reader_read(&e->shard->file, e->at, *out, bytes, e->name, err);
    if (status == SS_OK) return SS_OK;
    free(*out);
    *out = NULL;
    return status;
}

/* Elements of a tensor that lies in a row, some at a time. */
static ss_status torch_tensors_read_row(const checkpoint_entry *e, int64_t first, int64_t n, unsigned char *to,
                                        ss_error *err) {
    enum { PIECE = 1 << 13 };
    unsigned char some[PIECE * sizeof(double)];
    const size_t size = torch_type_size(e->layout->type), out = checkpoint_dtype_size(e->dtype);
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t count = n - i < PIECE ? n - i : PIECE;
        SS_TRY(file_reader_read(&e->shard->file, e->at + (size_t)(first + i) * size, some, (size_t)count * size,
                                e->name, err));
        copy_row(e->layout->type, to + (size_t)i * out, some, count, 1);
    }
    return SS_OK;
}

ss_status torch_read_values(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err) {
    const size_t size = checkpoint_dtype_size(e->dtype);
    unsigned char *span, *all = out;
    if (is_contiguous(e, e->layout->stride)) return torch_tensors_read_row(e, first, n, out, err);
    SS_TRY(read_span(e, &span, err));
    if (n < e->count && !(all = malloc((size_t)e->count * size))) {
        free(span);
        return error_no_memory(err, e->name, (size_t)e->count * size);
    }
    copy_tensor(e, all, span);
    free(span);
    if (all == out) return SS_OK;
    memcpy(out, all + (size_t)first * size, (size_t)n * size);
    free(all);
    return SS_OK;
}

/* Entries ---------------------------------------------------------------------------------------------------------- */

/* Bytes of all tensors that do not lie in the file as they are read: who reads them needs so much memory. */
static ss_status check_sizes(const walker *w, size_t *n_shaped) {
    size_t left = w->f->file->size * COPIES_TO_FILE;
    *n_shaped = 0;
    for (size_t i = 0; i < w->count; i++) {
        const checkpoint_entry *e = &w->tensors[i].entry;
        size_t bytes = 0;
        if (!w->tensors[i].is_shaped) continue;
        ++*n_shaped;
        if (__builtin_mul_overflow((size_t)e->count, checkpoint_dtype_size(e->dtype), &bytes) || bytes > SIZE_MAX - 7 ||
            (bytes = (bytes + 7) / 8 * 8) > left)
            return shard_fail(
                w->err, e->file, w->names.s + w->tensors[i].name_at,
                "repeats the elements of its storage (%lld from a file of %zu bytes); save a contiguous copy",
                (long long)e->count, w->f->file->size);
        left -= bytes;
    }
    return SS_OK;
}

static ss_status make_entries(walker *w, shard *s) {
    size_t n_shaped = 0, room = (w->count + 1) * sizeof *s->entries;
    SS_TRY(check_sizes(w, &n_shaped));
    s->entries = malloc(room);
    s->layouts = malloc((n_shaped + 1) * sizeof *s->layouts);
    if (!s->entries || !s->layouts) return error_no_memory(w->err, "the list of tensors", room);
    torch_layout *layout = s->layouts;
    s->names = w->names.s;
    w->names = (text){0};
    for (; s->count < w->count; s->count++) {
        const found *t = &w->tensors[s->count];
        checkpoint_entry *e = &s->entries[s->count];
        *e = t->entry;
        e->name = s->names + t->name_at;
        e->shard = s;
        if (!t->is_shaped) continue;
        *layout = t->layout;
        e->layout = layout++;
    }
    return SS_OK;
}

ss_status torch_read_tensors(const torch_file *f, shard *s, ss_error *err) {
    walker w = {.f = f,
                .p = &f->objects,
                .err = err,
                .max_visits = MAX_DEPTH + VISITS_TO_ITEMS * (uint64_t)f->objects.item_count};
    const pickle_object *root = pickle_get(&f->objects, f->objects.root);
    ss_status status = SS_OK;
    if (root->kind != PICKLE_DICT && root->kind != PICKLE_LIST && root->kind != PICKLE_TUPLE)
        status = pickle_fail(&f->objects, root->at, err, "the file holds %s; expected a dict of tensors",
                             pickle_kind_name(root));
    if (status == SS_OK) status = torch_tensors_walk(&w, f->objects.root, 0);
    if (status == SS_OK) status = make_entries(&w, s);
    text_free(&w.name);
    text_free(&w.names);
    free(w.tensors);
    return status;
}
