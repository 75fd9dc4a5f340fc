/* Random weights, so that tests elsewhere can make the same ones: tensor NAME draws its elements in row-major order by
 * philox_normal from the stream philox_init(seed, {philox_hash_text(NAME)}); an element is (float)(offset + scale x
 * draw), where scale and offset are 1 / sqrt(product of all dimensions but the first) and 0 for linear and conv, 0.5
 * and 0 for tables, 0.1 and 1 for vectors whose name ends in "weight" or "running_var", 0.1 and 0 for other vectors;
 * then it is rounded to the type of the checkpoint that is written, if one is. */
#include "nn/weights_random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/thread_pool.h"
#include "io/safetensors.h"
#include "tensor/half.h"

void weights_random_values(const weight_item *item, uint64_t seed, tensor_type type, int64_t first, int64_t n,
                           char *out) {
    enum { CHUNK = 1024 };
    float some[CHUNK];
    weight_kind kind = item->w->kind;
    double scale = 0.1, offset = 0;
    int64_t inputs = 1;
    for (int i = 1; i < item->ndim; i++) inputs *= item->dim[i];
    if (kind != WEIGHT_VECTOR && kind != WEIGHT_TABLE) scale = 1 / sqrt((double)inputs);
    else if (kind == WEIGHT_TABLE) scale = 0.5;
    else if (text_ends_with(item->name, "weight") || text_ends_with(item->name, "running_var")) offset = 1;
    philox stream;
    uint64_t part = philox_hash_text(item->name);
    philox_init(&stream, seed, &part, 1);
    philox_skip(&stream, (uint64_t)first);
    for (int64_t at = 0; at < n; at += CHUNK) {
        int64_t count = n - at < CHUNK ? n - at : CHUNK;
        for (int64_t i = 0; i < count; i++) some[i] = (float)(offset + scale * philox_normal(&stream));
        half_round(out + (size_t)at * tensor_type_size(type), some, type, count);
    }
}

/* ---- checkpoints of random weights ---- */

typedef struct random_file {
    const weight_set *set;
    uint64_t seed;
    tensor_type type;
    thread_pool *pool;
} random_file;

typedef struct random_piece {
    const random_file *f;
    const weight_item *item;
    int64_t first, n;
    char *out;
} random_piece;

enum { RANDOM_PART = 1 << 14 }; /* elements */

static void random_parts(void *context, int64_t first, int64_t end, int part) {
    const random_piece *p = context;
    const random_file *f = p->f;
    const size_t size = tensor_type_size(f->type);
    (void)part;
    for (int64_t i = first; i < end; i++) {
        int64_t at = i * RANDOM_PART;
        weights_random_values(p->item, f->seed, f->type, p->first + at,
                              p->n - at < RANDOM_PART ? p->n - at : RANDOM_PART, p->out + (size_t)at * size);
    }
}

static ss_status random_piece_values(void *context, int i, int64_t first, int64_t n, void *out, ss_error *err) {
    const random_file *f = context;
    random_piece piece = {f, &f->set->item[i], first, n, out};
    (void)err;
    thread_pool_for(f->pool, thread_pool_threads(f->pool), (n + RANDOM_PART - 1) / RANDOM_PART, 1, random_parts,
                    &piece);
    return SS_OK;
}

ss_status weights_write_random(const weight_set *s, uint64_t seed, tensor_type type, int threads, const char *path,
                               ss_error *err) {
    random_file f = {s, seed, type, NULL};
    safetensors_output *out = calloc((size_t)(s->n ? s->n : 1), sizeof *out);
    if (!out) return error_no_memory(err, "weight tables", sizeof *out * (size_t)s->n);
    const checkpoint_dtype dtype = weights_dtype(type);
    for (int i = 0; i < s->n; i++) {
        const weight_item *item = &s->item[i];
        out[i] = (safetensors_output){.name = item->name, .dtype = dtype, .ndim = item->ndim};
        memcpy(out[i].shape, item->dim, sizeof out[i].shape);
    }
    ss_status status = thread_pool_create(&f.pool, threads > 0 ? threads : thread_default_count(), err);
    if (status == SS_OK)
        status =
            safetensors_write_noted(path, out, s->n, "sinkscope", WEIGHTS_RANDOM_NOTE, random_piece_values, &f, err);
    thread_pool_destroy(f.pool);
    free(out);
    return status;
}
