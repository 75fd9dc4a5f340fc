/* Edits of attention's output, row by row in double; both host backends use it, since it reads every number once and
 * nothing is gained by a second form. Heads of an item are shared out among threads; a row is one thread's, so no bit
 * depends on their number. Must leave rows that nothing asks for as they are. */
#include <math.h>

#include "tensor/attention.h"

static void gain(float *o, double amount, int64_t d) {
    for (int64_t x = 0; x < d; x++) o[x] = (float)(amount * (double)o[x]);
}

static void push(float *o, const float *direction, double amount, int64_t d) {
    double length = 0;
    for (int64_t x = 0; x < d; x++) length += (double)direction[x] * (double)direction[x];
    for (int64_t x = 0; x < d; x++) o[x] = (float)((double)o[x] + amount / sqrt(length) * (double)direction[x]);
}

/* One column after another, so that no room for d sums is needed. */
static void mean_of_values(float *o, tensor v, int64_t b, int64_t h) {
    for (int64_t x = 0; x < v.dim[3]; x++) {
        double sum = 0;
        for (int64_t j = 0; j < v.dim[1]; j++) sum += (double)attention_row(v, b, j, h)[x];
        o[x] = (float)(sum / (double)v.dim[1]);
    }
}

/* |now - old|^2 / |old|^2; 0 where old = 0. */
static double squared_dose(const float *old, const float *now, int64_t d) {
    double moved = 0, size = 0;
    for (int64_t x = 0; x < d; x++) {
        double change = (double)now[x] - (double)old[x];
        moved += change * change;
        size += (double)old[x] * (double)old[x];
    }
    return size > 0 ? moved / size : 0;
}

/* One head of one item; `old` and `mean` are room for a row. */
static double edit_head(const attention_args *a, const attention_output *e, int64_t b, int64_t h, float *old,
                        float *mean) {
    int64_t d = a->q.dim[3], at = (b * a->q.dim[2] + h) * a->q.dim[1];
    int have_mean = 0;
    double sum = 0;
    for (int64_t i = e->row_begin; i < e->row_end; i++) {
        double amount = e->amount[at + i];
        float *o = attention_row(a->out, b, i, h);
        const float *before = tensor_is_none(e->original) ? old : attention_row(e->original, b, i, h);
        for (int64_t x = 0; before == old && x < d; x++) old[x] = o[x];
        if (e->op == OUTPUT_GAIN && amount != 1) gain(o, amount, d);
        if (e->op == OUTPUT_PUSH && amount != 0) push(o, e->direction + (at + i) * d, amount, d);
        if (e->op == OUTPUT_MEAN && amount != 0) {
            if (!have_mean) mean_of_values(mean, a->v, b, h);
            have_mean = 1;
            for (int64_t x = 0; x < d; x++) o[x] = mean[x];
        }
        sum += squared_dose(before, o, d);
    }
    return e->row_end > e->row_begin ? sqrt(sum / (double)(e->row_end - e->row_begin)) : 0;
}

void attention_output_rows(compute *c, const attention_args *a, const attention_output *e) {
    int64_t heads = a->q.dim[2], pairs = a->q.dim[0] * heads, d = a->q.dim[3];
    arena_mark mark = arena_get_mark(c->scratch);
    float *room = compute_1d(c, 2 * pairs * d).data;
    if (room) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(c->threads)
        for (int64_t at = 0; at < pairs; at++) {
            double dose = edit_head(a, e, at / heads, at % heads, room + 2 * at * d, room + (2 * at + 1) * d);
            if (e->dose) e->dose[at] = dose;
        }
    }
    arena_release(c->scratch, mark);
}
