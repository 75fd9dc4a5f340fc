/* The sum W + factor (up down), row by row of W. Every element is summed in the order of ranks and rounded once a term,
 * so that bits depend on neither threads nor the pieces that are read. */
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "base/thread_pool.h"
#include "model/lora_internal.h"
#include "nn/weights.h"
#include "tensor/half.h"

float *lora_floats(const checkpoint_entry *e, int64_t first, int64_t n, ss_error *err) {
    tensor_type type;
    const size_t size = (size_t)n * sizeof(float), raw = (size_t)n * checkpoint_dtype_size(e->dtype);
    if (!weights_type(e->dtype, &type)) {
        error_set(err, SS_ERR_INPUT, e->file, "%s has dtype %s; expected F32, F16 or BF16", e->name,
                  checkpoint_dtype_name(e->dtype));
        return NULL;
    }
    float *values = malloc(size ? size : 1);
    char *bytes = type == TENSOR_F32 ? (char *)values : malloc(raw ? raw : 1);
    if (!values || !bytes) error_no_memory(err, e->name, size + raw);
    else if (checkpoint_read(e, first, n, bytes, err) == SS_OK) {
        if (type != TENSOR_F32) half_convert(values, bytes, type, n);
        if (bytes != (char *)values) free(bytes);
        return values;
    }
    if (bytes != (char *)values) free(bytes);
    free(values);
    return NULL;
}

/* Elements [from, to) of a row of the product, `columns` wide, added to out. */
static void lora_merge_add_row(const lora_term *t, const float *up, const float *down, int64_t columns, int64_t from,
                               int64_t to, float *sum, float *out) {
    memset(sum, 0, (size_t)(to - from) * sizeof *sum);
    for (int64_t r = 0; r < t->rank; r++) {
        const float u = up[r], *d = down + r * columns + from;
        for (int64_t i = 0; i < to - from; i++) sum[i] += u * d[i];
    }
    for (int64_t i = 0; i < to - from; i++) out[i] += t->factor * sum[i];
}

/* Rows of `up` as the view has them: an entry of no checkpoint. */
static float *read_up(const lora_term *t, int64_t first, int64_t n, ss_error *err) {
    checkpoint_entry e = *t->up;
    e.part = &t->rows.part;
    e.ndim = t->rows.ndim;
    memcpy(e.shape, t->rows.shape, sizeof e.shape);
    e.count = 1;
    for (int i = 0; i < e.ndim; i++) e.count *= e.shape[i];
    return lora_floats(&e, first, n, err);
}

/* A term for elements [first, end) of a weight, whose row `top` is the first one that has any. */
typedef struct term_work {
    const lora_term *t;
    int64_t columns, first, end, top;
    const float *up, *down;
    float *sums; /* [part, columns] */
    float *out;
} term_work;

static void lora_add_rows(void *context, int64_t first, int64_t end, int part) {
    const term_work *w = context;
    const int64_t columns = w->columns;
    for (int64_t i = first; i < end; i++) {
        const int64_t begin = (w->top + i) * columns, from = begin < w->first ? w->first - begin : 0;
        const int64_t to = begin + columns > w->end ? w->end - begin : columns;
        lora_merge_add_row(w->t, w->up + i * w->t->rank, w->down, columns, from, to, w->sums + part * columns,
                           w->out + begin + from - w->first);
    }
}

/* One term, for elements [first, first + n) of a weight whose rows are `columns` wide. */
static ss_status lora_merge_add_term(const lora_term *t, int64_t columns, int64_t first, int64_t n, float *out,
                                     ss_error *err) {
    const int64_t top = first / columns, rows = (first + n - 1) / columns - top + 1, end = first + n;
    const int threads = rows < 64 ? 1 : thread_default_count();
    float *down = lora_floats(t->down, 0, t->down->count, err);
    float *up = down ? read_up(t, top * t->rank, rows * t->rank, err) : NULL;
    const size_t bytes = (size_t)threads * (size_t)columns * sizeof(float);
    float *sums = up ? malloc(bytes) : NULL;
    ss_status status = sums ? SS_OK : up ? error_no_memory(err, t->down->name, bytes) : err->code;
    term_work work = {t, columns, first, end, top, up, down, sums, out};
    if (status == SS_OK) status = thread_pool_for_once(threads, rows, 0, lora_add_rows, &work, err);
    free(sums);
    free(up);
    free(down);
    return status;
}

ss_status lora_read_merged(const checkpoint_entry *e, int64_t first, int64_t n, void *out, ss_error *err) {
    float *base = lora_floats(e->part->from, first, n, err);
    if (!base) return err->code;
    memcpy(out, base, (size_t)n * sizeof *base);
    free(base);
    const int64_t columns = e->count / e->shape[0]; /* lora.c takes no weight without rows */
    ss_status status = SS_OK;
    for (const lora_term *t = e->part->context; t && status == SS_OK; t = t->next)
        status = lora_merge_add_term(t, columns, first, n, out, err);
    return status;
}
