/* Reading safetensors. The header is JSON and is read with the same strictness as every other JSON file; the
 * layout (offsets, sizes, overlaps, gaps) is checked in full before anything is handed out. Must never make a pointer
 * from a number that was not checked against the size of the mapping. */
#include "io/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "io/json.h"

enum { MAX_FILES = 1000, INDEX_LIMIT = 64 << 20 };

typedef struct shard {
    file_map map;
    json_t *header;       /* owns the names */
    unsigned char *moved; /* copies of tensors that the file does not align, or NULL */
    size_t first, count;  /* its entries, while loading */
} shard;

struct checkpoint {
    char *path;
    shard *shards;
    int shard_count;
    checkpoint_entry *entries;
    size_t count, capacity;
};

static const struct {
    const char *name;
    size_t size;
} DTYPES[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I32", 4}, {"I64", 8}, {"U8", 1}};
enum { DTYPE_COUNT = sizeof DTYPES / sizeof DTYPES[0] };

const char *checkpoint_dtype_name(checkpoint_dtype t) { return DTYPES[t].name; }
size_t checkpoint_dtype_size(checkpoint_dtype t) { return DTYPES[t].size; }

static ss_status bad(ss_error *err, const char *file, const char *tensor, const char *fmt, ...) BASE_PRINTF(4, 5);

/* An input error about one tensor, or about the file where `tensor` is NULL. */
static ss_status bad(ss_error *err, const char *file, const char *tensor, const char *fmt, ...) {
    char message[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (!tensor) return error_set(err, SS_ERR_INPUT, file, "%s", message);
    return error_set(err, SS_ERR_INPUT, file, "%s %s", tensor, message);
}

static ss_status parse_dtype(const json_t *tensor, const char *name, const char *file, checkpoint_dtype *out,
                             ss_error *err) {
    const json_t *value = json_object_get(tensor, "dtype");
    if (!json_is_string(value))
        return bad(err, file, name, "has %s for its dtype; expected a string", json_type_name(value));
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (strcmp(json_string_value(value), DTYPES[i].name) == 0) return *out = (checkpoint_dtype)i, SS_OK;
    return bad(err, file, name, "has dtype '%s'; sinkscope reads F32, F16, BF16, I32, I64 and U8",
               json_string_value(value));
}

/* The shape, its number of elements and of bytes; an overflow of either is an error. */
static ss_status parse_shape(const json_t *tensor, const char *name, const char *file, checkpoint_entry *e,
                             size_t *bytes, ss_error *err) {
    const json_t *shape = json_object_get(tensor, "shape");
    if (!json_is_array(shape))
        return bad(err, file, name, "has %s for its shape; expected an array", json_type_name(shape));
    if (json_array_size(shape) > CHECKPOINT_MAX_DIMS)
        return bad(err, file, name, "has %zu dimensions; at most %d are expected", json_array_size(shape),
                   CHECKPOINT_MAX_DIMS);
    e->ndim = (int)json_array_size(shape);
    e->count = 1;
    for (int i = 0; i < e->ndim; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return bad(err, file, name, "has %s%s in its shape; expected non-negative integers",
                       json_is_integer(dim) ? "a negative number, " : "", json_type_name(dim));
        e->shape[i] = json_integer_value(dim);
        if (__builtin_mul_overflow(e->count, e->shape[i], &e->count))
            return bad(err, file, name, "has a shape whose number of elements does not fit 63 bits");
    }
    if (__builtin_mul_overflow((size_t)e->count, DTYPES[e->dtype].size, bytes))
        return bad(err, file, name, "has a shape whose number of bytes does not fit 64 bits");
    return SS_OK;
}

/* One tensor of the header; data_offsets are relative to the end of the header, `data_size` bytes lie there. */
static ss_status parse_entry(const char *name, const json_t *tensor, const shard *s, size_t data_at,
                             checkpoint_entry *e, ss_error *err) {
    const char *file = s->map.path;
    size_t bytes = 0, data_size = s->map.size - data_at;
    if (!json_is_object(tensor))
        return bad(err, file, name, "is %s in the header; expected an object with dtype, shape and data_offsets",
                   json_type_name(tensor));
    *e = (checkpoint_entry){.name = name, .file = file};
    SS_TRY(parse_dtype(tensor, name, file, &e->dtype, err));
    SS_TRY(parse_shape(tensor, name, file, e, &bytes, err));
    const json_t *offsets = json_object_get(tensor, "data_offsets");
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return bad(err, file, name, "has no pair of integers for its data_offsets");
    json_int_t begin = json_integer_value(from), end = json_integer_value(to);
    if (begin < 0 || end < begin)
        return bad(err, file, name, "has data_offsets [%lld, %lld]; expected 0 <= begin <= end", (long long)begin,
                   (long long)end);
    if ((unsigned long long)end > data_size)
        return bad(err, file, name, "ends at byte %lld of the data; the file has %zu bytes of it (truncated?)",
                   (long long)end, data_size);
    if ((size_t)(end - begin) != bytes)
        return bad(err, file, name, "has %lld bytes of data; expected %zu, from its shape x %s",
                   (long long)(end - begin), bytes, DTYPES[e->dtype].name);
    e->data = s->map.data + data_at + begin;
    return SS_OK;
}

static int by_address(const void *a, const void *b) {
    const checkpoint_entry *x = a, *y = b;
    if (x->data != y->data) return (uintptr_t)x->data < (uintptr_t)y->data ? -1 : 1;
    return x->count < y->count ? -1 : x->count > y->count; /* empty tensors first */
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const checkpoint_entry *)a)->name, ((const checkpoint_entry *)b)->name);
}

/* Entries sorted by address must tile the data: the format allows neither overlaps nor holes. */
static ss_status check_tiling(const shard *s, const checkpoint_entry *entries, size_t data_at, ss_error *err) {
    const unsigned char *expected = s->map.data + data_at, *end = s->map.data + s->map.size;
    const checkpoint_entry *last = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const checkpoint_entry *e = entries + i;
        const unsigned char *begin = e->data;
        if (begin < expected)
            return bad(err, s->map.path, e->name, "overlaps %s by %zu bytes", last ? last->name : "the header",
                       (size_t)(expected - begin));
        if (begin > expected)
            return bad(err, s->map.path, e->name, "begins %zu bytes after the end of %s; the format allows no holes",
                       (size_t)(begin - expected), last ? last->name : "the header");
        expected = begin + (size_t)e->count * DTYPES[e->dtype].size;
        last = e;
    }
    if (expected < end)
        return bad(err, s->map.path, NULL, "has %zu bytes after the last tensor; expected none",
                   (size_t)(end - expected));
    return SS_OK;
}

/* Copy the tensors that do not lie on a multiple of their element's size (old writers did not pad the header). */
static ss_status move_unaligned(shard *s, checkpoint_entry *entries, ss_error *err) {
    size_t need = 0;
    for (size_t i = 0; i < s->count; i++)
        if ((uintptr_t)entries[i].data % DTYPES[entries[i].dtype].size)
            need += ((size_t)entries[i].count * DTYPES[entries[i].dtype].size + 7) / 8 * 8;
    if (need == 0) return SS_OK;
    unsigned char *p = s->moved = malloc(need);
    if (!p) return error_no_memory(err, s->map.path, need);
    for (size_t i = 0; i < s->count; i++) {
        size_t bytes = (size_t)entries[i].count * DTYPES[entries[i].dtype].size;
        if ((uintptr_t)entries[i].data % DTYPES[entries[i].dtype].size == 0) continue;
        memcpy(p, entries[i].data, bytes);
        entries[i].data = p;
        p += (bytes + 7) / 8 * 8;
    }
    return SS_OK;
}

static ss_status reserve_entries(checkpoint *st, size_t extra, ss_error *err) {
    if (st->count + extra <= st->capacity) return SS_OK;
    size_t capacity = st->capacity * 2 > st->count + extra ? st->capacity * 2 : st->count + extra;
    checkpoint_entry *entries = realloc(st->entries, capacity * sizeof *entries);
    if (!entries) return error_no_memory(err, "the list of tensors", capacity * sizeof *entries);
    st->entries = entries;
    st->capacity = capacity;
    return SS_OK;
}

static ss_status parse_header(shard *s, size_t *data_at, ss_error *err) {
    const file_map *m = &s->map;
    uint64_t length = 0;
    if (m->size < 8)
        return bad(err, m->path, NULL, "has %zu bytes; a safetensors file begins with 8 bytes of header length",
                   m->size);
    memcpy(&length, m->data, 8);
    if (length > SAFETENSORS_HEADER_LIMIT)
        return bad(err, m->path, NULL,
                   "gives a header length of %llu bytes; at most %d are allowed (not a safetensors file?)",
                   (unsigned long long)length, SAFETENSORS_HEADER_LIMIT);
    if (length > m->size - 8)
        return bad(err, m->path, NULL, "gives a header length of %llu bytes; %zu follow (truncated?)",
                   (unsigned long long)length, m->size - 8);
    if (length == 0 || m->data[8] != '{') return bad(err, m->path, NULL, "has a header that does not begin with '{'");
    SS_TRY(json_read_bytes(m->data + 8, length, m->path, &s->header, err));
    *data_at = 8 + (size_t)length;
    return SS_OK;
}

static ss_status check_metadata(const json_t *metadata, const char *file, ss_error *err) {
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return bad(err, file, "__metadata__", "is %s; expected an object", json_type_name(metadata));
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
        if (!json_is_string(value))
            return bad(err, file, "__metadata__", "has %s under '%s'; expected strings", json_type_name(value), key);
    }
    return SS_OK;
}

/* Map one file and append its tensors. */
static ss_status load_shard(checkpoint *st, const char *path, ss_error *err) {
    shard *s = &st->shards[st->shard_count];
    size_t data_at = 0;
    const char *name;
    json_t *value;
    *s = (shard){.first = st->count};
    SS_TRY(file_map_open(&s->map, path, err));
    st->shard_count++;
    SS_TRY(parse_header(s, &data_at, err));
    SS_TRY(reserve_entries(st, json_object_size(s->header) + 1, err)); /* never an empty array: qsort wants a pointer */
    json_object_foreach(s->header, name, value) {
        if (strcmp(name, "__metadata__") == 0) {
            SS_TRY(check_metadata(value, path, err));
            continue;
        }
        SS_TRY(parse_entry(name, value, s, data_at, &st->entries[st->count], err));
        st->count++, s->count++;
    }
    qsort(st->entries + s->first, s->count, sizeof *st->entries, by_address);
    SS_TRY(check_tiling(s, st->entries + s->first, data_at, err));
    return move_unaligned(s, st->entries + s->first, err);
}

static ss_status sort_entries(checkpoint *st, ss_error *err) {
    qsort(st->entries, st->count, sizeof *st->entries, by_name);
    for (size_t i = 1; i < st->count; i++)
        if (strcmp(st->entries[i - 1].name, st->entries[i].name) == 0)
            return bad(err, st->entries[i].file, st->entries[i].name, "is also in '%s'; expected each tensor once",
                       st->entries[i - 1].file);
    return SS_OK;
}

static int compare_texts(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The distinct file names of a weight_map, sorted; they must be plain names of this folder. */
static ss_status list_shards(const json_t *weight_map, const char *path, const char ***out, int *count, ss_error *err) {
    size_t n = 0, total = json_object_size(weight_map), distinct = 0;
    const char *tensor;
    json_t *value;
    const char **names = malloc((total + 1) * sizeof *names);
    if (!names) return error_no_memory(err, path, total * sizeof *names);
    *out = names;
    json_object_foreach((json_t *)(uintptr_t)weight_map, tensor, value) {
        const char *file = json_string_value(value);
        if (!file || !*file || strchr(file, '/'))
            return bad(err, path, tensor,
                       "has %s%s%s in the weight_map; expected the name of a file in the same folder", file ? "'" : "",
                       file ? file : json_type_name(value), file ? "'" : "");
        names[n++] = file;
    }
    if (n == 0) return bad(err, path, NULL, "has an empty weight_map");
    qsort(names, n, sizeof *names, compare_texts);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[distinct - 1]) != 0) names[distinct++] = names[i];
    if (distinct > MAX_FILES)
        return bad(err, path, NULL, "names %zu files; at most %d are expected", distinct, MAX_FILES);
    *count = (int)distinct;
    return SS_OK;
}

/* Every tensor of the weight_map lies where it says, and no shard has another. */
static ss_status check_weight_map(const checkpoint *st, const json_t *weight_map, const char *path, ss_error *err) {
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)weight_map, tensor, value) {
        const checkpoint_entry *e = checkpoint_find(st, tensor);
        const char *file = json_string_value(value), *slash = e ? strrchr(e->file, '/') : NULL;
        if (!e) return bad(err, path, tensor, "is in the weight_map but not in '%s'", file);
        if (strcmp(slash ? slash + 1 : e->file, file) != 0)
            return bad(err, path, tensor, "is in '%s'; the weight_map says '%s'", e->file, file);
    }
    for (size_t i = 0; i < st->count; i++)
        if (!json_object_get(weight_map, st->entries[i].name))
            return bad(err, st->entries[i].file, st->entries[i].name, "is not in the weight_map of '%s'", path);
    return SS_OK;
}

static ss_status load_shards(checkpoint *st, const char *path, const char **names, int count, ss_error *err) {
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    st->shards = calloc((size_t)count, sizeof *st->shards);
    if (!st->shards) return error_no_memory(err, path, (size_t)count * sizeof *st->shards);
    for (int i = 0; i < count; i++) {
        text file = {0};
        text_add_n(&file, path, folder);
        text_add(&file, names[i]);
        ss_status status = file.failed ? error_no_memory(err, path, folder) : load_shard(st, file.s, err);
        text_free(&file);
        SS_TRY(status);
    }
    return sort_entries(st, err);
}

static ss_status load_index(checkpoint *st, const char *path, ss_error *err) {
    json_t *index = NULL, *weight_map;
    const char **names = NULL;
    int count = 0;
    ss_status status;
    SS_TRY(json_read_file(path, INDEX_LIMIT, &index, err));
    SS_TRY_GOTO(json_get_object(index, "weight_map", path, &weight_map, err), done);
    SS_TRY_GOTO(list_shards(weight_map, path, &names, &count, err), done);
    SS_TRY_GOTO(load_shards(st, path, names, count, err), done);
    status = check_weight_map(st, weight_map, path, err);
done:
    free(names);
    json_decref(index);
    return status;
}

static int ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcmp(s + n - m, tail) == 0;
}

ss_status checkpoint_open(checkpoint **out, const char *path, ss_error *err) {
    *out = NULL;
    checkpoint *st = calloc(1, sizeof *st);
    if (!st || !(st->path = text_copy(path))) {
        free(st);
        return error_no_memory(err, path, sizeof *st);
    }
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    ss_status status = ends_with(path, ".json") ? load_index(st, path, err) : load_shards(st, path, &name, 1, err);
    if (status == SS_OK) *out = st;
    else checkpoint_close(st);
    return status;
}

void checkpoint_close(checkpoint *s) {
    if (!s) return;
    for (int i = 0; i < s->shard_count; i++) {
        json_decref(s->shards[i].header);
        free(s->shards[i].moved);
        file_map_close(&s->shards[i].map);
    }
    free(s->shards);
    free(s->entries);
    free(s->path);
    free(s);
}

/* diffusers: the index first (modeling_utils.py); transformers: the single file first (modeling_utils.py). The
 * variant goes before the last extension in both (`_add_variant`). */
ss_status checkpoint_open_folder(checkpoint **out, const char *folder, const char *variant, ss_error *err) {
    static const char *const STEMS[] = {"diffusion_pytorch_model.safetensors.index", "diffusion_pytorch_model", "model",
                                        "model.safetensors.index"};
    text looked = {0};
    for (int i = 0; i < 4; i++) {
        text path = {0};
        const char *extension = ends_with(STEMS[i], ".index") ? "json" : "safetensors";
        text_addf(&path, "%s%s%s%s%s.%s", folder, *folder && ends_with(folder, "/") ? "" : "/", STEMS[i],
                  variant ? "." : "", variant ? variant : "", extension);
        text_addf(&looked, "%s%s%s%s.%s", i ? ", " : "", STEMS[i], variant ? "." : "", variant ? variant : "",
                  extension);
        int found = !path.failed && file_exists(path.s);
        ss_status status = found ? checkpoint_open(out, path.s, err) : SS_OK;
        text_free(&path);
        if (!found) continue;
        text_free(&looked);
        return status;
    }
    *out = NULL;
    ss_status status = looked.failed ? error_no_memory(err, folder, looked.len)
                                     : error_set(err, SS_ERR_INPUT, folder, "has no weights; looked for %s", looked.s);
    text_free(&looked);
    return status;
}

size_t checkpoint_count(const checkpoint *s) { return s->count; }
const checkpoint_entry *checkpoint_at(const checkpoint *s, size_t i) { return &s->entries[i]; }

const checkpoint_entry *checkpoint_find(const checkpoint *s, const char *name) {
    const checkpoint_entry key = {.name = name};
    return s->count ? bsearch(&key, s->entries, s->count, sizeof key, by_name) : NULL;
}

const char *checkpoint_path(const checkpoint *s) { return s->path; }
int checkpoint_file_count(const checkpoint *s) { return s->shard_count; }
const char *checkpoint_file_path(const checkpoint *s, int i) { return s->shards[i].map.path; }
