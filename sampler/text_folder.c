/* Encoded texts in files. A file is
 *
 *     "SINKTEXT"            8 bytes
 *     1                     format, uint32 (all numbers little-endian)
 *     tokens, width, pooled uint32 each
 *     key                   64 bytes: the file's name without ".text"
 *     states                float32 [tokens, width]
 *     pooled                float32 [pooled]
 *     SHA-256               64 hex digits, of everything before
 *
 * and the key is the SHA-256 of what decides its bits (text_key). Writes are atomic (base/file.h). A file whose
 * checksum, key or sizes are not as expected is replaced, never used. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "sampler/pipeline_parts.h"

enum { FORMAT = 1, KEY_SIZE = 64 };

typedef struct header {
    char magic[8];
    uint32_t format, tokens, width, pooled;
    char key[KEY_SIZE];
} header;
_Static_assert(sizeof(header) == 88, "a header has no gaps");

/* One text and where its values are. */
typedef struct wanted {
    sha256_hex key;
    const char *text;
    const resolved_settings *settings;
} wanted;

/* Each part ends with a zero byte, so that no two lists of parts are the same bytes. */
static ss_status text_key(const pipeline *p, const text_folder *folder, const text_order *o, const char *text_,
                          sha256_hex out, ss_error *err) {
    text t = {0};
    const char *parts[] = {"sinkscope text 1", p->row->about.name, folder->identity, text_};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) text_add_n(&t, parts[i], strlen(parts[i]) + 1);
    text_addf(&t, "%d %d", o->settings->max_text_tokens, o->repeat);
    ss_status status = t.failed ? error_no_memory(err, "name of a text", t.len) : SS_OK;
    if (status == SS_OK) sha256_of(t.s, t.len, out);
    text_free(&t);
    return status;
}

/* The texts of an order, with their keys; *n is how many. */
static ss_status texts_of(const pipeline *p, const text_folder *folder, const text_order *o, wanted out[MAX_BRANCHES],
                          int *n, ss_error *err) {
    const char *each[MAX_BRANCHES];
    *n = embedding_texts(p, o->settings, o->prompt, each);
    for (int i = 0; i < *n; i++) {
        out[i].text = each[i];
        out[i].settings = o->settings;
        SS_TRY(text_key(p, folder, o, each[i], out[i].key, err));
    }
    return SS_OK;
}

static char *text_folder_path_of(const text_folder *folder, const char *key) {
    char name[KEY_SIZE + 8];
    snprintf(name, sizeof name, "%s.text", key);
    return file_join(folder->path, name);
}

/* ---- one file ---- */

static header header_of(const text_shape *shape, const char *key) {
    header h = {.magic = {'S', 'I', 'N', 'K', 'T', 'E', 'X', 'T'},
                .format = FORMAT,
                .tokens = (uint32_t)shape->n_text,
                .width = (uint32_t)shape->width,
                .pooled = (uint32_t)shape->pooled_width};
    memcpy(h.key, key, KEY_SIZE);
    return h;
}

static size_t states_bytes(const text_shape *shape) {
    return (size_t)shape->n_text * (size_t)shape->width * sizeof(float);
}

static size_t pooled_bytes(const text_shape *shape) { return (size_t)shape->pooled_width * sizeof(float); }

size_t text_file_bytes(const text_shape *shape) {
    return sizeof(header) + states_bytes(shape) + pooled_bytes(shape) + KEY_SIZE;
}

/* Whether the file is there and whole, and its values finite (those of an earlier version may not be: they are made
 * again, which names the encoder); its values go to `states` and `pooled` where these are not NULL. */
static int text_folder_read_text(const text_folder *folder, const text_shape *shape, const char *key, float *states,
                                 float *pooled) {
    const size_t expected = text_file_bytes(shape), values = sizeof(header) + states_bytes(shape);
    char *path = text_folder_path_of(folder, key), *data = NULL;
    size_t size = 0;
    ss_error ignored; /* for any fault the file will be made again */
    const header h = header_of(shape, key);
    sha256_hex sum;
    int good = path && file_read(path, expected, &data, &size, &ignored) == SS_OK && size == expected &&
               memcmp(data, &h, sizeof h) == 0;
    if (good) {
        sha256_of(data, size - KEY_SIZE, sum);
        good = memcmp(data + size - KEY_SIZE, sum, KEY_SIZE) == 0;
    }
    if (good) /* malloc aligns the file, and the header is whole floats long */
        good = text_states_finite(shape, 1, (const float *)(const void *)(data + sizeof h),
                                  (const float *)(const void *)(data + values));
    if (good && states) memcpy(states, data + sizeof h, states_bytes(shape));
    if (good && pooled) memcpy(pooled, data + values, pooled_bytes(shape));
    free(data);
    free(path);
    return good;
}

static ss_status write_text(const text_folder *folder, const text_shape *shape, const char *key, const float *states,
                            const float *pooled, ss_error *err) {
    const size_t size = text_file_bytes(shape), values = sizeof(header) + states_bytes(shape);
    const header h = header_of(shape, key);
    char *path = text_folder_path_of(folder, key), *data = malloc(size);
    sha256_hex sum;
    ss_status status = path && data ? SS_OK : error_no_memory(err, "encoded text", size);
    if (status == SS_OK) {
        memcpy(data, &h, sizeof h);
        memcpy(data + sizeof h, states, states_bytes(shape));
        memcpy(data + values, pooled, pooled_bytes(shape));
        sha256_of(data, size - KEY_SIZE, sum);
        memcpy(data + size - KEY_SIZE, sum, KEY_SIZE);
        status = file_write(path, data, size, err);
    }
    free(data);
    free(path);
    return status;
}

/* ---- many ---- */

/* Texts of one length that are encoded together, and put into the folder one by one. */
static ss_status make_batch(pipeline *p, const text_folder *folder, const wanted *w, int n, ss_error *err) {
    const char *texts[TEXT_BATCH];
    text_shape shape;
    p->row->text_shape(p, w->settings, &shape);
    float *states, *pooled;
    ss_status status = text_states_allocate(&shape, n, &states, &pooled, err);
    for (int i = 0; i < n; i++) texts[i] = w[i].text;
    if (status == SS_OK) status = encode_texts(p, p->c, w->settings, texts, n, states, pooled, err);
    if (status == SS_OK) status = file_make_folder(folder->path, err);
    for (int i = 0; status == SS_OK && i < n; i++)
        status = write_text(folder, &shape, w[i].key, states + (size_t)(i * shape.n_text) * (size_t)shape.width,
                            pooled + i * shape.pooled_width, err);
    free(states);
    free(pooled);
    return status;
}

static int text_folder_by_key(const void *a, const void *b) {
    return strcmp(((const wanted *)a)->key, ((const wanted *)b)->key);
}

/* By key each text once, of these the missing ones; returns how many. */
static int keep_missing(pipeline *p, const text_folder *folder, wanted *w, int n) {
    int kept = 0;
    if (n > 0) qsort(w, (size_t)n, sizeof *w, text_folder_by_key);
    for (int i = 0; i < n; i++) {
        text_shape shape;
        if (i > 0 && strcmp(w[i].key, w[i - 1].key) == 0) continue;
        p->row->text_shape(p, w[i].settings, &shape);
        if (!text_folder_read_text(folder, &shape, w[i].key, NULL, NULL)) w[kept++] = w[i];
    }
    return kept;
}

ss_status pipeline_encode_into(pipeline *p, const text_folder *folder, const text_order *orders, int n,
                               void (*progress)(void *user, int64_t done, int64_t total), void *user, ss_error *err) {
    wanted *w = malloc((size_t)(n * MAX_BRANCHES + 1) * sizeof *w);
    if (!w) return error_no_memory(err, "a list of texts", (size_t)n * sizeof *w);
    ss_status status = SS_OK;
    int all = 0;
    for (int i = 0; status == SS_OK && i < n; i++) {
        int some;
        status = texts_of(p, folder, &orders[i], w + all, &some, err);
        all += some;
    }
    if (status == SS_OK) all = keep_missing(p, folder, w, all);
    for (int i = 0, some; status == SS_OK && i < all; i += some) {
        for (some = 1; some < TEXT_BATCH && i + some < all; some++)
            if (w[i + some].settings->max_text_tokens != w[i].settings->max_text_tokens) break;
        status = make_batch(p, folder, w + i, some, err);
        if (status == SS_OK && progress) progress(user, i + some, all);
    }
    free(w);
    return status;
}

ss_status pipeline_encode_from(pipeline *p, const text_folder *folder, const text_order *order, embedding **out,
                               ss_error *err) {
    wanted w[MAX_BRANCHES];
    int n;
    embedding *e;
    text_shape shape;
    *out = NULL;
    SS_TRY(texts_of(p, folder, order, w, &n, err));
    SS_TRY(embedding_new(&e, p, order->settings, order->prompt, err));
    p->row->text_shape(p, order->settings, &shape);
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < n; i++) {
        float *states = e->states + (size_t)(i * shape.n_text) * (size_t)shape.width;
        float *pooled = e->pooled + i * shape.pooled_width;
        if (text_folder_read_text(folder, &shape, w[i].key, states, pooled)) continue;
        status = make_batch(p, folder, &w[i], 1, err);
        if (status == SS_OK && !text_folder_read_text(folder, &shape, w[i].key, states, pooled))
            status = error_set(err, SS_ERR_RESOURCE, folder->path,
                               "an encoded text is not what was written a moment ago; the disk may be failing");
    }
    if (status == SS_OK) *out = e;
    else embedding_free(e);
    return status;
}
