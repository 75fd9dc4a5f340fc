/* The tensors below the root of a pickle, as entries of a checkpoint: their names from the keys on the way, their data
 * where it lies in the file or, where it does not lie there as an entry needs it, in a copy. Must never read outside of
 * a tensor's storage, nor make copies out of proportion to the file: a few bytes can describe any number of elements.
 */
#include <stdlib.h>
#include <string.h>

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
    checkpoint_entry entry; /* all but name and data */
    size_t name_at;         /* in the names */
    torch_type type;
    const unsigned char *source; /* its first element in the file */
    int64_t stride[CHECKPOINT_MAX_DIMS];
    int copied;
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
static ss_status read_shape(const walker *w, const pickle_object *tensor, found *t) {
    const char *file = w->f->map->path, *name = w->name.s;
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
        t->stride[i] = n->integer == 1 ? 0 : step->integer; /* the stride of a single element has no meaning */
        if (__builtin_mul_overflow(t->entry.count, n->integer, &t->entry.count))
            return shard_fail(w->err, file, name, "has a shape whose number of elements does not fit 63 bits");
    }
    return SS_OK;
}

static int is_contiguous(const found *t) {
    int64_t expected = 1;
    for (int i = t->entry.ndim - 1; i >= 0; i--) {
        if (t->entry.shape[i] != 1 && t->stride[i] != expected) return 0;
        expected *= t->entry.shape[i];
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
    return shard_fail(w->err, w->f->map->path, w->name.s,
                      "lies in elements %lld and %lld more of a storage of %lld elements", (long long)*start,
                      (long long)*elements, (long long)all);
}

/* Where the first element lies; every element lies in the storage. */
static ss_status read_place(const walker *w, const pickle_object *tensor, found *t) {
    const char *file = w->f->map->path, *name = w->name.s;
    const pickle_object *storage = pickle_at(w->p, tensor, 0), *offset = pickle_at(w->p, tensor, 1);
    const unsigned char *data = NULL;
    int64_t start = 0, elements = 0;
    if (offset->kind != PICKLE_INT || offset->integer < 0)
        return shard_fail(w->err, file, name, "has no non-negative integer for its offset");
    SS_TRY(torch_find_storage(w->f, storage, &data, w->err));
    SS_TRY(read_view(w, storage, &start, &elements));
    t->source = w->f->map->data;
    if (t->entry.count == 0) return SS_OK;
    int64_t last = offset->integer, span = 0;
    int past = 0;
    for (int i = 0; i < t->entry.ndim; i++)
        past |= __builtin_mul_overflow(t->entry.shape[i] - 1, t->stride[i], &span) ||
                __builtin_add_overflow(last, span, &last);
    if (past || last >= elements)
        return shard_fail(w->err, file, name, "runs past the end of its storage of %lld elements", (long long)elements);
    t->source = data + (size_t)(start + offset->integer) * torch_type_size(t->type);
    t->copied = is_converted(t->type) || !is_contiguous(t) || (uintptr_t)t->source % torch_type_size(t->type);
    return SS_OK;
}

static ss_status add_tensor(walker *w, const pickle_object *tensor) {
    const pickle_object *metadata = pickle_at(w->p, tensor, 6);
    if (w->name.failed) return error_no_memory(w->err, "the name of a tensor", w->name.len);
    if (w->nameless) return pickle_fail(w->p, tensor->at, w->err, "is a tensor without a name: %s", w->nameless);
    if (w->count == MAX_TENSORS)
        return pickle_fail(w->p, tensor->at, w->err, "is a tensor beyond the %d expected in one file", MAX_TENSORS);
    if (w->count == w->room) {
        size_t room = w->room ? 2 * w->room : 64;
        found *tensors = realloc(w->tensors, room * sizeof *tensors);
        if (!tensors) return error_no_memory(w->err, "the list of tensors", room * sizeof *tensors);
        w->tensors = tensors;
        w->room = room;
    }
    found *t = &w->tensors[w->count];
    *t = (found){.name_at = w->names.len, .type = (torch_type)pickle_at(w->p, tensor, 0)->type};
    t->entry.file = w->f->map->path;
    t->entry.dtype = dtype_of(t->type);
    if (metadata && metadata->kind != PICKLE_NONE && !(metadata->kind == PICKLE_DICT && metadata->items.count == 0))
        return shard_fail(w->err, t->entry.file, w->name.s,
                          "has a state beside its data (a view of the negative or the conjugate); save a copy of it");
    SS_TRY(read_shape(w, tensor, t));
    SS_TRY(read_place(w, tensor, t));
    text_add_n(&w->names, w->name.s, w->name.len + 1);
    w->count++;
    return w->names.failed ? error_no_memory(w->err, "the names of tensors", w->names.len) : SS_OK;
}

/* The key of a dict, or the index where there is none, goes onto the name. */
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

static ss_status walk(walker *w, pickle_ref ref, int depth) {
    const pickle_object *o = pickle_get(w->p, ref);
    const size_t length = w->name.len;
    const char *nameless = w->nameless;
    uint32_t index = 0;
    if (++w->visits > w->max_visits)
        return pickle_fail(w->p, o->at, w->err, "is in so many containers at once; no state dict is like that");
    if (o->kind == PICKLE_TENSOR) return add_tensor(w, o);
    if (o->kind != PICKLE_DICT && o->kind != PICKLE_LIST && o->kind != PICKLE_TUPLE) return SS_OK;
    if (depth == MAX_DEPTH)
        return pickle_fail(w->p, o->at, w->err, "is nested deeper than %d levels, or in itself", MAX_DEPTH);
    for (uint32_t i = o->items.first; i; i = w->p->items[i].next) {
        const pickle_item *item = &w->p->items[i];
        add_key(w, o->kind == PICKLE_DICT ? pickle_get(w->p, item->key) : NULL, index++, depth);
        SS_TRY(walk(w, item->value, depth + 1));
        w->nameless = nameless;
        w->name.len = length;
        if (w->name.s) w->name.s[length] = '\0';
    }
    return SS_OK;
}

/* Copies ---------------------------------------------------------------------------------------------------------- */

/* n elements, `step` elements apart in the file. */
static void copy_row(const found *t, unsigned char *to, const unsigned char *from, int64_t n, int64_t step) {
    const size_t size = torch_type_size(t->type), stride = (size_t)step * size, count = (size_t)n;
    if (!is_converted(t->type)) {
        if (step == 1) memcpy(to, from, count * size);
        else
            for (size_t i = 0; i < count; i++) memcpy(to + i * size, from + i * stride, size);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (t->type == TORCH_F64) {
            double x;
            memcpy(&x, from + i * stride, sizeof x);
            const float y = (float)x;
            memcpy(to + i * sizeof y, &y, sizeof y);
        } else {
            const unsigned char *p = from + i * stride;
            const int32_t y = t->type == TORCH_I16 ? (int16_t)bytes_u16(p) : (signed char)*p;
            memcpy(to + i * sizeof y, &y, sizeof y);
        }
    }
}

/* Row after row, a row being the last dimension. */
static void copy_tensor(const found *t, unsigned char *to) {
    const size_t size = torch_type_size(t->type), out = checkpoint_dtype_size(t->entry.dtype);
    const int last = t->entry.ndim - 1;
    int64_t index[CHECKPOINT_MAX_DIMS] = {0}, at = 0;
    if (is_contiguous(t)) {
        copy_row(t, to, t->source, t->entry.count, 1);
        return;
    }
    for (int d = last; d >= 0;) {
        copy_row(t, to, t->source + (size_t)at * size, t->entry.shape[last], t->stride[last]);
        to += (size_t)t->entry.shape[last] * out;
        for (d = last - 1; d >= 0; d--) {
            at += t->stride[d];
            if (++index[d] < t->entry.shape[d]) break;
            at -= t->stride[d] * t->entry.shape[d];
            index[d] = 0;
        }
    }
}

/* Bytes of the copies of all tensors, each on a multiple of 8. */
static ss_status size_copies(const walker *w, size_t *total) {
    const size_t limit = w->f->map->size * COPIES_TO_FILE;
    *total = 0;
    for (size_t i = 0; i < w->count; i++) {
        const checkpoint_entry *e = &w->tensors[i].entry;
        size_t bytes = 0;
        if (!w->tensors[i].copied) continue;
        if (__builtin_mul_overflow((size_t)e->count, checkpoint_dtype_size(e->dtype), &bytes) || bytes > SIZE_MAX - 7 ||
            (bytes = (bytes + 7) / 8 * 8) > limit - *total)
            return shard_fail(
                w->err, e->file, w->names.s + w->tensors[i].name_at,
                "repeats the elements of its storage (%lld from a file of %zu bytes); save a contiguous copy",
                (long long)e->count, w->f->map->size);
        *total += bytes;
    }
    return SS_OK;
}

static ss_status make_entries(walker *w, shard *s) {
    size_t total = 0, room = (w->count + 1) * sizeof *s->entries;
    SS_TRY(size_copies(w, &total));
    s->entries = malloc(room);
    if (!s->entries) return error_no_memory(w->err, "the list of tensors", room);
    if (total && !(s->copies = malloc(total))) return error_no_memory(w->err, s->map.path, total);
    unsigned char *copy = s->copies;
    s->names = w->names.s;
    w->names = (text){0};
    for (; s->count < w->count; s->count++) {
        const found *t = &w->tensors[s->count];
        checkpoint_entry *e = &s->entries[s->count];
        *e = t->entry;
        e->name = s->names + t->name_at;
        e->data = t->copied ? copy : t->source;
        if (!t->copied) continue;
        copy_tensor(t, copy);
        copy += ((size_t)e->count * checkpoint_dtype_size(e->dtype) + 7) / 8 * 8;
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
    if (status == SS_OK) status = walk(&w, f->objects.root, 0);
    if (status == SS_OK) status = make_entries(&w, s);
    text_free(&w.name);
    text_free(&w.names);
    free(w.tensors);
    return status;
}
