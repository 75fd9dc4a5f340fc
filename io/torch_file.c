/* Opening what torch.save wrote. The zip archive has records NAME/data.pkl and NAME/data/KEY; the older format is five
 * pickles in a row (a magic number, a version, facts about the machine, the objects, the keys of the storages) and then
 * the storages, each after its number of elements. Every length is checked: pickles and storages must fit the file.
 * Source: _save, _legacy_save, _load and _legacy_load in torch/serialization.py. */
#include "io/torch_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/bytes.h"

enum { PROTOCOL_VERSION = 1001, TAR_MAGIC_AT = 257 };

/* Where a safetensors file may begin as one of these does, byte 4 to 7 of its header length are 0 and '{' follows. */
int torch_recognises(const unsigned char *p, size_t n) {
    if (n >= 9 && bytes_u32(p + 4) == 0 && p[8] == '{') return 0;
    if (n >= 4 && (memcmp(p, "PK\3\4", 4) == 0 || memcmp(p, "PK\5\6", 4) == 0)) return 1;
    if (n >= TAR_MAGIC_AT + 5 && memcmp(p + TAR_MAGIC_AT, "ustar", 5) == 0) return 1;
    return n >= 2 && p[0] == 0x80 && p[1] >= 1 && p[1] <= 5;
}

size_t torch_type_size(torch_type type) {
    static const unsigned char SIZES[] = {8, 4, 2, 2, 8, 4, 2, 1, 1, 1};
    return SIZES[type];
}

/* The zip archive ------------------------------------------------------------------------------------------------ */

/* The record NAME/folder/file, where NAME is what the first record begins with: torch.save puts the file's name there.
 */
static const zip_record *find_record(const zip_archive *z, const char *folder, const void *file, size_t length) {
    char name[1024];
    const char *slash = z->first_name_length ? memchr(z->first_name, '/', z->first_name_length) : NULL;
    size_t prefix = slash ? (size_t)(slash - z->first_name) + 1 : 0, middle = strlen(folder);
    if (!slash || prefix + middle > sizeof name || length > sizeof name - prefix - middle) return NULL;
    memcpy(name, z->first_name, prefix);
    memcpy(name + prefix, folder, middle);
    memcpy(name + prefix + middle, file, length);
    return zip_find(z, name, prefix + middle + length);
}

static const zip_record *find_named(const zip_archive *z, const char *file) {
    return find_record(z, "", file, strlen(file));
}

static ss_status check_byte_order(const torch_file *f, ss_error *err) {
    const zip_record *order = find_named(&f->zip, "byteorder");
    unsigned char word[16];
    if (!order) return SS_OK;
    size_t n = order->size < sizeof word ? order->size : sizeof word;
    SS_TRY(zip_check_stored(order, f->file->path, err));
    SS_TRY(file_reader_read(f->file, order->at, word, n, NULL, err));
    if (order->size == 6 && memcmp(word, "little", 6) == 0) return SS_OK;
    return error_set(err, SS_ERR_INPUT, f->file->path,
                     "has its numbers in '%s' byte order; sinkscope reads little-endian: load the file in PyTorch and "
                     "save it again",
                     bytes_printable(word, n).s);
}

/* `n` bytes of the file from `at` on become f->bytes, in the place of what was there. */
static ss_status load_bytes(torch_file *f, size_t at, size_t n, ss_error *err) {
    free(f->bytes);
    f->n_bytes = n;
    f->bytes = malloc(n + 1);
    if (!f->bytes) return error_no_memory(err, f->file->path, n);
    return file_reader_read(f->file, at, f->bytes, n, NULL, err);
}

static ss_status open_zip(torch_file *f, ss_error *err) {
    const char *path = f->file->path;
    SS_TRY(zip_open(&f->zip, f->file, err));
    const zip_record *object = find_named(&f->zip, "data.pkl");
    if (find_named(&f->zip, "constants.pkl"))
        return error_set(err, SS_ERR_INPUT, path,
                         "is a TorchScript archive, a program with its weights; save its state dict (torch.save of "
                         "torch.jit.load(FILE).state_dict()) or safetensors, and use that");
    if (!object)
        return error_set(err, SS_ERR_INPUT, path,
                         "is a zip archive without a data.pkl; expected one that torch.save wrote");
    SS_TRY(check_byte_order(f, err));
    SS_TRY(zip_check_stored(object, path, err));
    SS_TRY(load_bytes(f, object->at, object->size, err));
    return pickle_read(&f->objects, f->bytes, f->n_bytes, path, "data.pkl", 0, err);
}

/* The older format ----------------------------------------------------------------------------------------------- */

/* The next pickle of the file; `*at` moves past it. */
static ss_status next_pickle(const torch_file *f, size_t *at, pickle *p, ss_error *err) {
    SS_TRY(pickle_read(p, f->bytes + *at, f->n_bytes - *at, f->file->path, NULL, *at, err));
    *at += p->used;
    return SS_OK;
}

static ss_status check_magic(const pickle *p, ss_error *err) {
    static const unsigned char MAGIC[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    const pickle_object *o = pickle_get(p, p->root);
    if (o->kind == PICKLE_LONG && o->text.length == sizeof MAGIC && memcmp(o->text.bytes, MAGIC, sizeof MAGIC) == 0)
        return SS_OK;
    return pickle_fail(p, o->at, err, "is a pickle of %s; expected the magic number that torch.save begins a file with",
                       pickle_kind_name(o));
}

static ss_status check_version(const pickle *p, ss_error *err) {
    const pickle_object *o = pickle_get(p, p->root);
    if (o->kind == PICKLE_INT && o->integer == PROTOCOL_VERSION) return SS_OK;
    return pickle_fail(p, o->at, err, "has another version of the format than %d", PROTOCOL_VERSION);
}

static ss_status check_machine(const pickle *p, ss_error *err) {
    const pickle_object *o = pickle_get(p, p->root), *little = pickle_find(p, o, "little_endian");
    if (!little || little->kind != PICKLE_BOOL)
        return pickle_fail(p, o->at, err, "does not say in which byte order its numbers are; expected 'little_endian'");
    if (little->integer) return SS_OK;
    return pickle_fail(
        p, little->at, err,
        "has its numbers in 'big' byte order; sinkscope reads little-endian: load the file in PyTorch and "
        "save it again");
}

static int torch_file_by_key(const void *a, const void *b) {
    const torch_storage *x = a, *y = b;
    size_t shorter = x->key_length < y->key_length ? x->key_length : y->key_length;
    int order = shorter ? memcmp(x->key, y->key, shorter) : 0;
    if (order) return order;
    return x->key_length < y->key_length ? -1 : x->key_length > y->key_length;
}

/* Every storage that the objects refer to, once. */
static ss_status list_storages(torch_file *f, ss_error *err) {
    const pickle *p = &f->objects;
    size_t n = 0, total = 0;
    for (uint32_t i = 1; i < p->object_count; i++) total += p->objects[i].kind == PICKLE_STORAGE;
    f->storages = malloc((total + 1) * sizeof *f->storages); /* never empty: qsort wants a pointer */
    if (!f->storages) return error_no_memory(err, "the storages of a checkpoint", total * sizeof *f->storages);
    for (uint32_t i = 1; i < p->object_count; i++) {
        if (p->objects[i].kind != PICKLE_STORAGE) continue;
        const pickle_object *key = pickle_at(p, &p->objects[i], 2);
        f->storages[n++] = (torch_storage){.key = key->text.bytes,
                                           .key_length = key->text.length,
                                           .type = p->objects[i].type,
                                           .elements = pickle_at(p, &p->objects[i], 4)->integer};
    }
    qsort(f->storages, n, sizeof *f->storages, torch_file_by_key);
    for (size_t i = 0; i < n; i++) {
        torch_storage *last = f->storage_count ? &f->storages[f->storage_count - 1] : NULL;
        if (!last || torch_file_by_key(last, &f->storages[i]) != 0) f->storages[f->storage_count++] = f->storages[i];
        else if (last->type != f->storages[i].type || last->elements != f->storages[i].elements)
            return error_set(err, SS_ERR_INPUT, f->file->path, "has two types or sizes for storage '%s'; expected one",
                             bytes_printable(last->key, last->key_length).s);
    }
    return SS_OK;
}

static torch_storage *find_listed(const torch_file *f, const pickle_object *key) {
    const torch_storage wanted = {.key = key->text.bytes, .key_length = key->text.length};
    return f->storage_count ? bsearch(&wanted, f->storages, f->storage_count, sizeof wanted, torch_file_by_key) : NULL;
}

/* One storage: its number of elements and then their bytes. */
static ss_status place_storage(const torch_file *f, const pickle *keys, const pickle_object *key, size_t *at,
                               ss_error *err) {
    torch_storage *s = key->kind == PICKLE_TEXT ? find_listed(f, key) : NULL;
    size_t bytes = 0;
    unsigned char number[8];
    if (!s || s->is_placed)
        return pickle_fail(keys, key->at, err, "lists '%s' %s; expected each storage that a tensor has, once",
                           key->kind == PICKLE_TEXT ? bytes_printable(key->text.bytes, key->text.length).s
                                                    : pickle_kind_name(key),
                           s ? "again" : "as a storage");
    const bytes_name name = bytes_printable(s->key, s->key_length);
    if (f->file->size - *at < 8)
        return error_set(err, SS_ERR_INPUT, f->file->path, "ends before storage '%s' (truncated?)", name.s);
    SS_TRY(file_reader_read(f->file, *at, number, sizeof number, NULL, err));
    int64_t elements = (int64_t)bytes_u64(number);
    if (elements != s->elements)
        return error_set(err, SS_ERR_INPUT, f->file->path, "has %lld elements in storage '%s'; its tensors say %lld",
                         (long long)elements, name.s, (long long)s->elements);
    *at += 8;
    if (__builtin_mul_overflow((size_t)elements, torch_type_size((torch_type)s->type), &bytes) ||
        bytes > f->file->size - *at)
        return error_set(err, SS_ERR_INPUT, f->file->path, "ends inside of storage '%s' of %lld elements (truncated?)",
                         name.s, (long long)elements);
    s->is_placed = 1;
    s->at = *at;
    *at += bytes;
    return SS_OK;
}

static ss_status place_storages(const torch_file *f, const pickle *keys, size_t at, ss_error *err) {
    const pickle_object *list = pickle_get(keys, keys->root);
    if (list->kind != PICKLE_LIST)
        return pickle_fail(keys, list->at, err, "is %s; expected the list of storages", pickle_kind_name(list));
    for (uint32_t i = list->items.first; i; i = keys->items[i].next)
        SS_TRY(place_storage(f, keys, pickle_get(keys, keys->items[i].value), &at, err));
    return SS_OK;
}

static void drop_pickles(torch_file *f, pickle *keys) {
    pickle_free(keys);
    pickle_free(&f->objects);
    free(f->storages);
    f->storages = NULL;
    f->storage_count = 0;
    f->objects = *keys = (pickle){0};
}

/* The pickles of f->bytes; `*at` is where they end. On failure the caller drops them. */
static ss_status read_pickles(torch_file *f, pickle *keys, size_t *at, ss_error *err) {
    static ss_status (*const CHECKS[])(const pickle *, ss_error *) = {check_magic, check_version, check_machine};
    *at = 0;
    for (int i = 0; i < 3; i++) {
        pickle p;
        SS_TRY(next_pickle(f, at, &p, err));
        ss_status status = CHECKS[i](&p, err);
        pickle_free(&p);
        SS_TRY(status);
    }
    SS_TRY(next_pickle(f, at, &f->objects, err));
    SS_TRY(list_storages(f, err));
    return next_pickle(f, at, keys, err);
}

/* How long the pickles are is known when they have been read: more and more of the file is looked at until they are
 * whole. */
static ss_status open_pickles(torch_file *f, ss_error *err) {
    const size_t FIRST = 1 << 20, LAST = (size_t)1 << 30;
    pickle keys = {0};
    size_t at = 0;
    ss_status status;
    for (size_t n = FIRST;; n *= 4) {
        size_t bytes = n < f->file->size ? n : f->file->size;
        SS_TRY(load_bytes(f, 0, bytes, err));
        status = read_pickles(f, &keys, &at, err);
        if (status == SS_OK || status == SS_ERR_RESOURCE || bytes == f->file->size || n >= LAST) break;
        drop_pickles(f, &keys);
    }
    if (status == SS_OK) status = place_storages(f, &keys, at, err);
    pickle_free(&keys);
    return status;
}

/* Both ----------------------------------------------------------------------------------------------------------- */

ss_status torch_find_storage(const torch_file *f, const pickle_object *storage, size_t *at, ss_error *err) {
    const pickle_object *key = pickle_at(&f->objects, storage, 2);
    const bytes_name name = bytes_printable(key->text.bytes, key->text.length);
    int64_t elements = pickle_at(&f->objects, storage, 4)->integer;
    size_t have = 0, need = 0;
    int found = 0;
    *at = 0;
    if (__builtin_mul_overflow((size_t)elements, torch_type_size((torch_type)storage->type), &need)) need = SIZE_MAX;
    if (f->zip.records) {
        const zip_record *record = find_record(&f->zip, "data/", key->text.bytes, key->text.length);
        if (record) SS_TRY(zip_check_stored(record, f->file->path, err));
        found = record != NULL;
        *at = record ? record->at : 0;
        have = record ? record->size : 0;
    } else {
        const torch_storage *s = find_listed(f, key);
        found = s && s->is_placed;
        *at = s ? s->at : 0;
        have = need; /* checked as it was placed */
    }
    if (!found)
        return pickle_fail(&f->objects, storage->at, err, "has a tensor of storage '%s', which is not in the file",
                           name.s);
    if (need > have)
        return pickle_fail(&f->objects, storage->at, err, "needs %lld elements of storage '%s'; the file has %zu bytes",
                           (long long)elements, name.s, have);
    return SS_OK;
}

ss_status torch_read_shard(shard *s, ss_error *err) {
    torch_file f = {.file = &s->file};
    unsigned char first = 0;
    ss_status status = file_reader_read(&s->file, 0, &first, 1, NULL, err);
    if (status != SS_OK) return status;
    if (first == 'P') status = open_zip(&f, err);
    else if (first == 0x80) status = open_pickles(&f, err);
    else
        status = error_set(err, SS_ERR_INPUT, s->file.path,
                           "is a tar archive, as the earliest torch.save wrote; load the file in PyTorch and save "
                           "it again");
    if (status == SS_OK) status = torch_read_tensors(&f, s, err);
    pickle_free(&f.objects);
    zip_close(&f.zip);
    free(f.storages);
    free(f.bytes);
    return status;
}
