/* Edits of attention's output, row by row in double; both host backends use it: it reads every number once, so a second
 * version would gain nothing. Heads of an item are shared out among threads; a row is one thread's, so no bit depends
 * on their number. Rows that no edit acts on do not change. */
#include <math.h>
#include <string.h>

#include "tensor/attention.h"
#include "tensor/cpu.h"

static void gain(float *o, double amount, int64_t d) {
    for (int64_t x = 0; x < d; x++) o[x] = (float)(amount * (double)o[x]);
}

static void push(const attention_kernel *in_use, float *o, const float *direction, double amount, int64_t d) {
    double length = sqrt(in_use->lengths(direction, direction, d).before);
    for (int64_t x = 0; x < d; x++) o[x] = (float)((double)o[x] + amount / length * (double)direction[x]);
}

/* One head of one item; `old` and `mean` are scratch for a row. */
static double edit_head(const attention_kernel *in_use, const attention_args *a, const attention_output *e, int64_t b,
                        int64_t h, float *old, float *mean) {
    int64_t d = a->q.dim[3], at = (b * a->q.dim[2] + h) * a->q.dim[1];
    double sum = 0;
    int have_mean = 0;
    for (int64_t i = e->row_begin; i < e->row_end; i++) {
        double amount = e->amount[at + i];
        float *o = attention_row(a->out, b, i, h);
        const float *before = old;
        if (tensor_is_none(e->original)) memcpy(old, o, sizeof *old * (size_t)d);
        else before = attention_row(e->original, b, i, h);
        if (e->op == OUTPUT_GAIN && amount != 1) gain(o, amount, d);
        if (e->op == OUTPUT_PUSH && amount != 0)
            push(in_use, o, attention_floats(e->direction) + (at + i) * d, amount, d);
        if (e->op == OUTPUT_MEAN && amount != 0) {
            if (!have_mean) in_use->mean_row(mean, attention_row(a->v, b, 0, h), a->v.stride[1], a->v.dim[1], d);
            have_mean = 1;
            memcpy(o, mean, sizeof *mean * (size_t)d);
        }
        attention_lengths l = in_use->lengths(before, o, d);
        sum += l.before == 0 ? 0 : l.moved / l.before;
    }
    return e->row_end > e->row_begin ? sqrt(sum / (double)(e->row_end - e->row_begin)) : 0;
}

typedef struct output_work {
    const attention_kernel *in_use;
    const attention_args *a;
    const attention_output *e;
    float *scratch; /* two rows a pair */
} output_work;

static void edit_heads(void *context, int64_t first, int64_t end, int part) {
    const output_work *w = context;
    int64_t heads = w->a->q.dim[2], d = w->a->q.dim[3];
    (void)part;
    for (int64_t at = first; at < end; at++) {
        double dose = edit_head(w->in_use, w->a, w->e, at / heads, at % heads, w->scratch + 2 * at * d,
                                w->scratch + (2 * at + 1) * d);
        attention_put(w->e->dose, at, dose);
    }
}

void cpu_attention_output(compute *c, const attention_args *a, const attention_output *e) {
    int64_t pairs = a->q.dim[0] * a->q.dim[2], d = a->q.dim[3];
    arena_mark mark = arena_get_mark(c->scratch);
    output_work work = {cpu_attention_kernel(c), a, e, compute_1d(c, 2 * pairs * d).data};
    if (work.scratch) thread_pool_for(c->pool, c->threads, pairs, 1, edit_heads, &work);
    arena_release(c->scratch, mark);
}
