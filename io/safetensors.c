/* Reading one safetensors file. The header is JSON and is read with the same strictness as every other JSON file; the
 * layout (offsets, sizes, overlaps, gaps) is checked in full before anything is handed out. Every offset is checked
 * against the size of the file before it is used. */
#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/json.h"
#include "io/shard.h"
#include "io/stored_type.h"

/* The type of what is read and, where the file has another, that one. */
static ss_status parse_dtype(const json_t *tensor, const char *name, const char *file, checkpoint_entry *e,
                             ss_error *err) {
    const json_t *value = json_object_get(tensor, "dtype");
    if (!json_is_string(value))
        return shard_fail(err, file, name, "has %s for its dtype; expected a string", json_type_name(value));
    for (e->dtype = CHECKPOINT_F32; e->dtype <= CHECKPOINT_U8; ++e->dtype)
        if (strcmp(json_string_value(value), checkpoint_dtype_name(e->dtype)) == 0) return SS_OK;
    e->stored = stored_type_find(json_string_value(value));
    if (!e->stored)
        return shard_fail(err, file, name,
                          "has dtype '%s'; sinkscope reads F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, "
                          "U8 and BOOL",
                          json_string_value(value));
    e->dtype = e->stored->dtype;
    return SS_OK;
}

/* The shape, its number of elements and of bytes; an overflow of either is an error. */
static ss_status safetensors_parse_shape(const json_t *tensor, const char *name, const char *file, checkpoint_entry *e,
                                         size_t *bytes, ss_error *err) {
    const json_t *shape = json_object_get(tensor, "shape");
    if (!json_is_array(shape))
        return shard_fail(err, file, name, "has %s for its shape; expected an array", json_type_name(shape));
    if (json_array_size(shape) > CHECKPOINT_MAX_DIMS)
        return shard_fail(err, file, name, "has %zu dimensions; at most %d are expected", json_array_size(shape),
                          CHECKPOINT_MAX_DIMS);
    e->ndim = (int)json_array_size(shape);
    e->count = 1;
    for (int i = 0; i < e->ndim; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return shard_fail(err, file, name, "has %s%s in its shape; expected non-negative integers",
                              json_is_integer(dim) ? "a negative number, " : "", json_type_name(dim));
        e->shape[i] = json_integer_value(dim);
        if (__builtin_mul_overflow(e->count, e->shape[i], &e->count))
            return shard_fail(err, file, name, "has a shape whose number of elements does not fit 63 bits");
    }
    if (__builtin_mul_overflow((size_t)e->count, stored_size(e), bytes))
        return shard_fail(err, file, name, "has a shape whose number of bytes does not fit 64 bits");
    return SS_OK;
}

/* One tensor of the header; data_offsets are relative to the end of the header, `data_size` bytes lie there. */
static ss_status parse_entry(const char *name, const json_t *tensor, shard *s, size_t data_at, checkpoint_entry *e,
                             ss_error *err) {
    const char *file = s->file.path;
    size_t bytes = 0, data_size = s->file.size - data_at;
    if (!json_is_object(tensor))
        return shard_fail(err, file, name, "is %s in the header; expected an object with dtype, shape and data_offsets",
                          json_type_name(tensor));
    *e = (checkpoint_entry){.name = name, .file = file, .shard = s};
    SS_TRY(parse_dtype(tensor, name, file, e, err));
    SS_TRY(safetensors_parse_shape(tensor, name, file, e, &bytes, err));
    const json_t *offsets = json_object_get(tensor, "data_offsets");
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return shard_fail(err, file, name, "has no pair of integers for its data_offsets");
    json_int_t begin = json_integer_value(from), end = json_integer_value(to);
    if (begin < 0 || end < begin)
        return shard_fail(err, file, name, "has data_offsets [%lld, %lld]; expected 0 <= begin <= end",
                          (long long)begin, (long long)end);
    if ((unsigned long long)end > data_size)
        return shard_fail(err, file, name, "ends at byte %lld of the data; the file has %zu bytes of it (truncated?)",
                          (long long)end, data_size);
    if ((size_t)(end - begin) != bytes)
        return shard_fail(err, file, name, "has %lld bytes of data; expected %zu, from its shape x %s",
                          (long long)(end - begin), bytes, checkpoint_stored_name(e));
    e->at = data_at + (size_t)begin;
    return SS_OK;
}

static size_t safetensors_bytes_of(const checkpoint_entry *e) { return (size_t)e->count * stored_size(e); }

static int safetensors_by_place(const void *a, const void *b) {
    const checkpoint_entry *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return x->count < y->count ? -1 : x->count > y->count; /* empty tensors first */
}

/* Entries sorted by their place must tile the data: the format allows neither overlaps nor holes. */
static ss_status check_tiling(const shard *s, size_t data_at, ss_error *err) {
    size_t expected = data_at, end = s->file.size;
    const checkpoint_entry *last = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const checkpoint_entry *e = &s->entries[i];
        if (e->at < expected)
            return shard_fail(err, s->file.path, e->name, "overlaps %s by %zu bytes", last ? last->name : "the header",
                              expected - e->at);
        if (e->at > expected)
            return shard_fail(err, s->file.path, e->name,
                              "begins %zu bytes after the end of %s; the format allows no holes", e->at - expected,
                              last ? last->name : "the header");
        expected = e->at + safetensors_bytes_of(e);
        last = e;
    }
    if (expected < end)
        return shard_fail(err, s->file.path, NULL, "has %zu bytes after the last tensor; expected none",
                          end - expected);
    return SS_OK;
}

static ss_status parse_header(shard *s, size_t *data_at, ss_error *err) {
    const file_reader *f = &s->file;
    uint64_t length = 0;
    if (f->size < 8)
        return shard_fail(err, f->path, NULL, "has %zu bytes; a safetensors file begins with 8 bytes of header length",
                          f->size);
    SS_TRY(file_reader_read(f, 0, &length, 8, NULL, err));
    if (length > SAFETENSORS_HEADER_LIMIT)
        return shard_fail(err, f->path, NULL,
                          "gives a header length of %llu bytes; at most %d are allowed (not a safetensors file?)",
                          (unsigned long long)length, SAFETENSORS_HEADER_LIMIT);
    if (length > f->size - 8)
        return shard_fail(err, f->path, NULL, "gives a header length of %llu bytes; %zu follow (truncated?)",
                          (unsigned long long)length, f->size - 8);
    char *header = malloc(length + 1);
    if (!header) return error_no_memory(err, f->path, length + 1);
    ss_status status = file_reader_read(f, 8, header, length, NULL, err);
    if (status == SS_OK && (length == 0 || header[0] != '{'))
        status = shard_fail(err, f->path, NULL, "has a header that does not begin with '{'");
    if (status == SS_OK) status = json_read_bytes(header, length, f->path, &s->header, err);
    free(header);
    *data_at = 8 + (size_t)length;
    return status;
}

static ss_status check_metadata(const json_t *metadata, const char *file, ss_error *err) {
    const char *key;
    json_t *value;
    if (json_is_null(metadata)) return SS_OK; /* Option<HashMap> of the reference: some writers leave null */
    if (!json_is_object(metadata))
        return shard_fail(err, file, "__metadata__", "is %s; expected an object or null", json_type_name(metadata));
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
        if (!json_is_string(value))
            return shard_fail(err, file, "__metadata__", "has %s under '%s'; expected strings", json_type_name(value),
                              key);
    }
    return SS_OK;
}

ss_status safetensors_read_shard(shard *s, ss_error *err) {
    size_t data_at = 0;
    const char *name;
    json_t *value;
    SS_TRY(parse_header(s, &data_at, err));
    size_t room = (json_object_size(s->header) + 1) * sizeof *s->entries; /* never empty: qsort wants a pointer */
    s->entries = malloc(room);
    if (!s->entries) return error_no_memory(err, "the list of tensors", room);
    json_object_foreach(s->header, name, value) {
        if (strcmp(name, "__metadata__") == 0) {
            SS_TRY(check_metadata(value, s->file.path, err));
            continue;
        }
        SS_TRY(parse_entry(name, value, s, data_at, &s->entries[s->count], err));
        s->count++;
    }
    qsort(s->entries, s->count, sizeof *s->entries, safetensors_by_place);
    return check_tiling(s, data_at, err);
}
