/* The handle of a checkpoint: its files, read one by one (io/safetensors.c, io/torch_file.c), and one sorted list of
 * the tensors in them. The content of a file selects its reader, not its name. Names are unique: two tensors of one
 * name are an error. */
#include "io/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "io/checkpoint_view.h"
#include "io/content.h"
#include "io/json.h"
#include "io/shard.h"
#include "io/stored_type.h"

enum { MAX_FILES = 1000, INDEX_LIMIT = 64 << 20 };

static const struct {
    const char *name;
    size_t size;
} DTYPES[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I32", 4}, {"I64", 8}, {"U8", 1}};

const char *checkpoint_dtype_name(checkpoint_dtype t) { return DTYPES[t].name; }
size_t checkpoint_dtype_size(checkpoint_dtype t) { return DTYPES[t].size; }
const char *checkpoint_stored_name(const checkpoint_entry *e) {
    return e->stored ? e->stored->name : checkpoint_dtype_name(e->dtype);
}

ss_status(shard_fail)(ss_error *err, const char *file, const char *tensor, const char *fmt, ...) {
    char message[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (!tensor) return error_set(err, SS_ERR_INPUT, file, "%s", message);
    return error_set(err, SS_ERR_INPUT, file, "%s %s", tensor, message);
}

static int checkpoint_by_name(const void *a, const void *b) {
    return strcmp(((const checkpoint_entry *)a)->name, ((const checkpoint_entry *)b)->name);
}

/* Open one file and read it by what its first bytes say it is. */
static ss_status load_shard(checkpoint *st, const char *path, ss_error *err) {
    shard *s = &st->shards[st->shard_count];
    unsigned char first[1024]; /* enough to distinguish the formats */
    SS_TRY(file_reader_open(&s->file, path, err));
    st->shard_count++;
    size_t n = s->file.size < sizeof first ? s->file.size : sizeof first;
    SS_TRY(file_reader_read(&s->file, 0, first, n, NULL, err));
    SS_TRY(content_check(first, n, CONTENT_BINARY | CONTENT_ZIP | CONTENT_UTF16,
                         "weights (safetensors, or what torch.save wrote)", path, err));
    return torch_recognises(first, n) ? torch_read_shard(s, err) : safetensors_read_shard(s, err);
}

/* The entries of all shards as one sorted list; each name once. */
static ss_status merge_entries(checkpoint *st, ss_error *err) {
    size_t total = 0;
    for (int i = 0; i < st->shard_count; i++) total += st->shards[i].count;
    st->entries = malloc((total + 1) * sizeof *st->entries); /* never empty: qsort wants a pointer */
    if (!st->entries) return error_no_memory(err, "the list of tensors", total * sizeof *st->entries);
    for (int i = 0; i < st->shard_count; i++) {
        shard *s = &st->shards[i];
        if (s->count) memcpy(st->entries + st->count, s->entries, s->count * sizeof *s->entries);
        st->count += s->count;
        free(s->entries);
        s->entries = NULL;
    }
    qsort(st->entries, st->count, sizeof *st->entries, checkpoint_by_name);
    for (size_t i = 1; i < st->count; i++) {
        const checkpoint_entry *a = &st->entries[i - 1], *b = &st->entries[i];
        if (strcmp(a->name, b->name) != 0) continue;
        if (a->file == b->file) return shard_fail(err, b->file, b->name, "occurs twice; expected each tensor once");
        return shard_fail(err, b->file, b->name, "is also in '%s'; expected each tensor once", a->file);
    }
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
            return shard_fail(err, path, tensor,
                              "has %s%s%s in the weight_map; expected the name of a file in the same folder",
                              file ? "'" : "", file ? file : json_type_name(value), file ? "'" : "");
        names[n++] = file;
    }
    if (n == 0) return shard_fail(err, path, NULL, "has an empty weight_map");
    qsort(names, n, sizeof *names, compare_texts);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[distinct - 1]) != 0) names[distinct++] = names[i];
    if (distinct > MAX_FILES)
        return shard_fail(err, path, NULL, "names %zu files; at most %d are expected", distinct, MAX_FILES);
    *count = (int)distinct;
    return SS_OK;
}

/* Every tensor of the weight_map is there. The shard need not be the one that the index names, and shards may hold
 * more: like diffusers and transformers, all tensors of all shards are read. */
static ss_status check_weight_map(const checkpoint *st, const json_t *weight_map, const char *path, ss_error *err) {
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)weight_map, tensor, value) {
        if (!checkpoint_find(st, tensor))
            return shard_fail(err, path, tensor, "is in the weight_map but not in '%s'", json_string_value(value));
    }
    return SS_OK;
}

/* Files of this folder, which is a prefix of paths; `is_index`: st->path names them. */
static ss_status load_shards(checkpoint *st, const char *folder, size_t folder_length, const char *const *names,
                             int count, int is_index, ss_error *err) {
    st->shards = calloc((size_t)count, sizeof *st->shards);
    if (!st->shards) return error_no_memory(err, st->path, (size_t)count * sizeof *st->shards);
    for (int i = 0; i < count; i++) {
        text file = {0};
        text_add_n(&file, folder, folder_length);
        text_add(&file, names[i]);
        ss_status status = file.failed ? error_no_memory(err, st->path, folder_length) : SS_OK;
        if (status == SS_OK && is_index && !file_exists(file.s))
            status =
                shard_fail(err, st->path, NULL,
                           "names %s, which is not there: the download did not end, or the index is of other files "
                           "(then remove it); expected every shard beside it",
                           names[i]);
        if (status == SS_OK) status = load_shard(st, file.s, err);
        text_free(&file);
        SS_TRY(status);
    }
    return merge_entries(st, err);
}

static ss_status load_index(checkpoint *st, const char *path, ss_error *err) {
    json_t *index = NULL, *weight_map;
    const char **names = NULL, *slash = strrchr(path, '/');
    int count = 0;
    ss_status status;
    SS_TRY(json_read_file(path, INDEX_LIMIT, &index, err));
    SS_TRY_GOTO(json_get_object(index, "weight_map", path, &weight_map, err), done);
    SS_TRY_GOTO(list_shards(weight_map, path, &names, &count, err), done);
    SS_TRY_GOTO(load_shards(st, path, slash ? (size_t)(slash - path) + 1 : 0, names, count, 1, err), done);
    status = check_weight_map(st, weight_map, path, err);
done:
    free(names);
    json_decref(index);
    return status;
}

/* Hand out the handle, or close it where reading a file failed. */
static ss_status checkpoint_finish(checkpoint **out, checkpoint *st, ss_status status) {
    if (status == SS_OK) *out = st;
    else checkpoint_close(st);
    return status;
}

static checkpoint *make_handle(const char *path, ss_error *err) {
    checkpoint *st = calloc(1, sizeof *st);
    if (st && (st->path = text_copy(path))) return st;
    free(st);
    error_no_memory(err, path, sizeof *st);
    return NULL;
}

ss_status checkpoint_open(checkpoint **out, const char *path, ss_error *err) {
    *out = NULL;
    checkpoint *st = make_handle(path, err);
    if (!st) return err->code;
    return checkpoint_finish(out, st,
                             content_has_extension(path, ".json") ? load_index(st, path, err)
                                                                  : load_shards(st, "", 0, &path, 1, 0, err));
}

ss_status checkpoint_open_files(checkpoint **out, const char *const *paths, int n, ss_error *err) {
    text all = {0};
    *out = NULL;
    for (int i = 0; i < n; i++) text_addf(&all, "%s%s", i ? ", " : "", paths[i]);
    checkpoint *st = all.failed ? NULL : make_handle(all.s, err);
    if (all.failed) error_no_memory(err, paths[0], all.len);
    text_free(&all);
    if (!st) return err->code;
    return checkpoint_finish(out, st, load_shards(st, "", 0, paths, n, 0, err));
}

static void close_shard(shard *s) {
    json_decref(s->header);
    free(s->names);
    free(s->layouts);
    free(s->entries);
    while (s->kept) {
        kept_values *next = s->kept->next;
        free(s->kept);
        s->kept = next;
    }
    file_reader_close(&s->file);
}

void checkpoint_close(checkpoint *s) {
    if (!s || s->users-- > 0) return;
    checkpoint_close(s->base);
    free(s->parts);
    for (int i = 0; i < s->shard_count; i++) { close_shard(&s->shards[i]); }
    free(s->shards);
    free(s->entries);
    free(s->path);
    free(s);
}

/* ---- values ---- */

ss_status checkpoint_read(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err) {
    size_t size = checkpoint_dtype_size(e->dtype);
    if (n == 0) return SS_OK;
    if (e->part) return e->part->read(e, first, n, out, err);
    if (e->layout) return torch_read_values(e, first, n, out, err);
    if (e->stored) return stored_read(e, first, n, out, err);
    return file_reader_read(&e->shard->file, e->at + (size_t)first * size, out, (size_t)n * size, e->name, err);
}

const void *checkpoint_keep(const checkpoint_entry *e, ss_error *err) {
    shard *s = e->shard;
    for (const kept_values *k = s->kept; k; k = k->next)
        if (k->at == e->at && k->layout == e->layout && k->part == e->part && k->count == e->count) return k->values;
    size_t bytes = sizeof(kept_values) + (size_t)e->count * checkpoint_dtype_size(e->dtype);
    kept_values *k = malloc(bytes);
    if (!k) {
        error_no_memory(err, e->name, bytes);
        return NULL;
    }
    if (checkpoint_read(e, 0, e->count, k->values, err) != SS_OK) {
        free(k);
        return NULL;
    }
    k->next = s->kept;
    k->at = e->at;
    k->layout = e->layout;
    k->part = e->part;
    k->count = e->count;
    s->kept = k;
    return k->values;
}

size_t checkpoint_count(const checkpoint *s) { return s->count; }
const checkpoint_entry *checkpoint_at(const checkpoint *s, size_t i) { return &s->entries[i]; }

const checkpoint_entry *checkpoint_find(const checkpoint *s, const char *name) {
    const checkpoint_entry key = {.name = name};
    return s->count ? bsearch(&key, s->entries, s->count, sizeof key, checkpoint_by_name) : NULL;
}

const char *checkpoint_metadata(const checkpoint *s, const char *key) {
    if (s->base) return checkpoint_metadata(s->base, key);
    for (int i = 0; i < s->shard_count; i++) {
        const json_t *metadata = json_object_get(s->shards[i].header, "__metadata__");
        const char *value = json_string_value(json_object_get(metadata, key));
        if (value) return value;
    }
    return NULL;
}

const char *checkpoint_note(const checkpoint *s) { return checkpoint_metadata(s, "sinkscope"); }

const char *checkpoint_path(const checkpoint *s) { return s->path; }
int checkpoint_file_count(const checkpoint *s) { return s->base ? checkpoint_file_count(s->base) : s->shard_count; }
const char *checkpoint_file_path(const checkpoint *s, int i) {
    return s->base ? checkpoint_file_path(s->base, i) : s->shards[i].file.path;
}
