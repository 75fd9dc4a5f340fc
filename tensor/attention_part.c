/* Parts of P, one vector at a time: columns of some keys summed, or one row. Both host backends use it: P itself is
 * never there. Plain loops in double; heads are shared out among threads. */
#include <math.h>

#include "tensor/attention.h"
#include "tensor/cpu.h"

static double share_of(const attention_args *a, int rounds, const double *lse, int64_t h, int64_t i, int64_t j) {
    const float *q = attention_row(a->q, 0, i, h), *k = attention_row(a->k, 0, j, h);
    double score = 0;
    if (a->causal && j > i) return 0;
    for (int64_t x = 0; x < a->q.dim[3]; x++) score += attention_value(q[x], rounds) * attention_value(k[x], rounds);
    score *= attention_scale(a, rounds);
    if (!tensor_is_none(a->bias))
        score += (double)((const float *)a->bias.data)[h * a->bias.stride[0] + i * a->bias.stride[1] + j];
    return exp(score - lse[h * a->q.dim[1] + i]);
}

typedef struct part_work {
    const attention_args *a;
    int rounds;
    const double *lse;
    attention_part part;
    const int32_t *index;
    int n;
    int64_t length;
    double *out;
} part_work;

static void sum_heads(void *context, int64_t first, int64_t end, int part) {
    const part_work *w = context;
    (void)part;
    for (int64_t h = first; h < end; h++)
        for (int64_t x = 0; x < w->length; x++) {
            double sum = 0;
            if (w->part == PART_ROW) sum = share_of(w->a, w->rounds, w->lse, h, w->index[0], x);
            for (int i = 0; w->part == PART_KEYS && i < w->n; i++)
                sum += share_of(w->a, w->rounds, w->lse, h, x, w->index[i]);
            w->out[h * w->length + x] = sum;
        }
}

void cpu_attention_part(compute *c, const attention_args *a, tensor lse, attention_part part, const int32_t *index,
                        int n, tensor out) {
    part_work work = {.a = a,
                      .rounds = attention_rounds(c, a),
                      .lse = attention_doubles(lse),
                      .part = part,
                      .index = index,
                      .n = n,
                      .length = part == PART_ROW ? a->k.dim[1] : a->q.dim[1],
                      .out = attention_doubles(out)};
    thread_pool_for(c->pool, c->threads, a->q.dim[2], 1, sum_heads, &work);
}
