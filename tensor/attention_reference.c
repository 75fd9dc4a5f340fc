/* Attention and its edits from the definitions of METHOD.md, sections 1 and 3, in double: one whole row of P at a time,
 * edited entry by entry in the log domain. The oracle of the tests; relies on libm alone and shares no arithmetic with
 * cpu_attention. Of calls in bfloat16 (section 16) it is the definition, but that sums are not of float32. Clarity
 * comes before speed here. */
#include "tensor/attention.h"
#include "tensor/reference.h"

#include <math.h>
#include <string.h>
#include "tensor/cpu.h"

static void *scratch(compute *c, int64_t n, size_t size) {
    void *p = arena_alloc(c->scratch, (size_t)n * size);
    if (!p)
        error_set(&c->error, SS_ERR_RESOURCE, NULL,
                  "out of scratch memory in attention: %zu bytes in use; use a smaller image or batch",
                  arena_used(c->scratch));
    return p;
}

/* log(exp(a) + exp(b)); exactly a where b is -inf, and the other way round. */
static double log_add(double a, double b) {
    double high = a > b ? a : b, low = a > b ? b : a;
    return low == -INFINITY ? high : high + log1p(exp(low - high));
}

/* NaN where one is NaN. */
static double larger_of(double a, double b) { return b > a || isnan(b) ? b : a; }

/* log sum_j exp(l_j) over the entries with in[j] == want (all where `in` is NULL); -inf for none. */
static double log_sum(const double *l, const uint8_t *in, int want, int64_t n) {
    double max = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n; j++)
        if (!in || in[j] == want) max = larger_of(max, l[j]);
    if (max == -INFINITY) return max;
    for (int64_t j = 0; j < n; j++)
        if (!in || in[j] == want) sum += exp(l[j] - max);
    return max + log(sum);
}

/* Scores of query row i into s[Nk]; -inf where causal leaves a key out. */
static void row_scores(const attention_args *a, int rounds, int64_t b, int64_t h, int64_t i, double *s) {
    int64_t n_keys = a->k.dim[1], d = a->k.dim[3];
    const float *q = attention_row(a->q, b, i, h);
    const float *bias =
        tensor_is_none(a->bias) ? NULL : (const float *)a->bias.data + h * a->bias.stride[0] + i * a->bias.stride[1];
    for (int64_t j = 0; j < n_keys; j++) {
        const float *k = attention_row(a->k, b, j, h);
        double dot = 0;
        for (int64_t x = 0; x < d; x++) dot += attention_value(q[x], rounds) * attention_value(k[x], rounds);
        s[j] = dot * attention_scale(a, rounds) + (bias ? (double)bias[j] : 0.0);
        if (a->causal && j > i) s[j] = -INFINITY;
    }
}

/* The weight by which a value is multiplied, given log P and the row's lse: where the call rounds, 2^t = exp(log P +
 * lse) keeps the 8 digits of bfloat16. */
static double value_weight(double log_p, double lse, int rounds) {
    double t = (log_p + lse) / 0.69314718055994530942, whole = floor(t);
    if (!rounds || !isfinite(t)) return exp(log_p);
    return rint(exp2(t - whole) * 128) / 128 * exp(whole * 0.69314718055994530942 - lse);
}

static double sum_of_largest(const double *p, int64_t n, int r) {
    double top[ATTENTION_MAX_R] = {0}, sum = 0; /* falling */
    for (int64_t j = 0; j < n; j++)
        for (int at = 0; at < r; at++)
            if (p[j] > top[at] || (isnan(p[j]) && !isnan(top[at]))) { /* NaN is the largest */
                memmove(top + at + 1, top + at, sizeof *top * (size_t)(r - 1 - at));
                top[at] = p[j];
                break;
            }
    for (int at = 0; at < r; at++) sum += top[at];
    return sum;
}

/* What one row of Q adds to the means. `at` = b H + h; log_p = log P of the row. */
static void row_observe(const attention_stats *stats, int64_t at, const double *log_p, double *p, int64_t n) {
    double rows = (double)(stats->row_end - stats->row_begin), entropy = 0;
    for (int64_t j = 0; j < n; j++) {
        p[j] = exp(log_p[j]);
        if (p[j] != 0) entropy -= p[j] * log_p[j];
    }
    double *mass = attention_doubles(stats->mass), *all = attention_doubles(stats->entropy);
    double *concentration = attention_doubles(stats->concentration);
    for (int64_t j = 0; mass && j < n; j++) mass[at * n + j] += p[j] / rows;
    if (all) all[at] += entropy / rows;
    if (concentration) concentration[at] += sum_of_largest(p, n, stats->r) / rows;
}

static void stats_clear(const attention_stats *stats) {
    const tensor sums[] = {stats->mass, stats->entropy, stats->concentration};
    for (int i = 0; i < 3; i++)
        if (!tensor_is_none(sums[i])) memset(sums[i].data, 0, sizeof(double) * (size_t)tensor_elements(sums[i]));
}

void reference_attention(compute *c, const attention_args *a, const attention_stats *stats) {
    int64_t n_heads = a->q.dim[2], n_rows = a->q.dim[1], n_keys = a->k.dim[1], d = a->q.dim[3];
    int rounds = attention_rounds(c, a);
    arena_mark mark = arena_get_mark(c->scratch);
    double *s = scratch(c, n_keys, sizeof *s), *p = scratch(c, n_keys, sizeof *p);
    if (!s || !p) goto done;
    if (stats) stats_clear(stats);
    for (int64_t at = 0; at < a->q.dim[0] * n_heads; at++) {
        int64_t b = at / n_heads, h = at % n_heads;
        for (int64_t i = 0; i < n_rows; i++) {
            row_scores(a, rounds, b, h, i, s);
            double lse = log_sum(s, NULL, 0, n_keys), max = -INFINITY;
            for (int64_t j = 0; j < n_keys; j++) {
                s[j] -= lse;
                max = larger_of(max, s[j]);
            }
            float *o = attention_row(a->out, b, i, h);
            for (int64_t j = 0; j < n_keys; j++) p[j] = value_weight(s[j], lse, rounds);
            for (int64_t x = 0; x < d; x++) {
                double sum = 0;
                for (int64_t j = 0; j < n_keys; j++)
                    sum += p[j] * attention_value(attention_row(a->v, b, j, h)[x], rounds);
                o[x] = (float)sum;
            }
            if (!stats) continue;
            attention_put(stats->lse, at * n_rows + i, lse);
            if (!tensor_is_none(stats->row_max)) attention_floats(stats->row_max)[at * n_rows + i] = (float)exp(max);
            if (i >= stats->row_begin && i < stats->row_end) row_observe(stats, at, s, p, n_keys);
        }
    }
done:
    arena_release(c->scratch, mark);
}

/* ---- edits ---- */

/* One head's edit: its keys as marks over all keys, its values after the value steps, and scratch for one row. */
typedef struct head_edit {
    int64_t n_keys, d;
    int rounds;
    uint8_t *in;      /* [Nk] in the set of the step at hand */
    uint8_t *in_any;  /* [Nk] in the union */
    double *v, *mean; /* [Nk, d] edited values; [d] mean of the unedited ones */
    double *log_p;    /* [Nk] */
    double *rounded;  /* [Nk] by what the weights that values are multiplied by exceed P before the edit */
} head_edit;

static void mark_step(const attention_edit *e, int64_t at, int step, uint8_t *in, int64_t n_keys) {
    memset(in, 0, (size_t)n_keys);
    for (int32_t x = e->set_begin[at]; x < e->set_begin[at + 1]; x++)
        if (step < 0 || e->member[x] >> step & 1) in[e->keys[x]] = 1;
}

static int is_score_step(edit_op op) { return op == EDIT_SCALE || op == EDIT_SHIFT; }

/* v' of every key after the value steps. */
static void edit_values(const attention_args *a, const attention_edit *e, int64_t b, int64_t h, head_edit *he) {
    int64_t d = he->d, at = b * a->q.dim[2] + h;
    memset(he->mean, 0, sizeof(double) * (size_t)d);
    for (int64_t j = 0; j < he->n_keys; j++)
        for (int64_t x = 0; x < d; x++) {
            float v = attention_row(a->v, b, j, h)[x];
            he->v[j * d + x] = attention_value(v, he->rounds);
            he->mean[x] += (double)v / (double)he->n_keys;
        }
    for (int s = 0; s < e->n_steps; s++) {
        if (is_score_step(e->step[s].op)) continue;
        double alpha = (double)e->step[s].param;
        for (int32_t at_key = e->set_begin[at]; at_key < e->set_begin[at + 1]; at_key++) {
            if (!(e->member[at_key] >> s & 1)) continue;
            double *v = he->v + e->keys[at_key] * d;
            for (int64_t x = 0; x < d; x++)
                v[x] = e->step[s].op == EDIT_VALUE_NOISE
                           ? (double)attention_floats(e->noise)[at_key * d + x]
                           : alpha * v[x] + (1 - alpha) * he->mean[x] * e->step[s].to_mean;
        }
    }
}

/* One score step on log P. Both steps keep the row's sum at 1 without a difference of near-equal numbers. With no key
 * outside the set a step changes nothing: the rest that a mask would rescale is not there, and a shift of every key is
 * none. */
static void edit_row(const edit_step *step, const uint8_t *in, double *log_p, int64_t n) {
    double inside = log_sum(log_p, in, 1, n), outside = log_sum(log_p, in, 0, n), on, off;
    double param = (double)step->param;
    if (outside == -INFINITY || inside == -INFINITY) return;
    if (step->op == EDIT_SCALE) { /* 1 - eta p = q + (1 - eta) p, with q = 1 - p summed outside the set */
        on = log(param);
        off = log_add(outside, log(1 - param) + inside) - outside;
    } else {
        double lost = -expm1(-param) * exp(inside); /* (1 - g) p */
        double total = lost < 0.5 ? log1p(-lost) : log_add(outside, inside - param);
        on = -param - total;
        off = -total;
    }
    for (int64_t j = 0; j < n; j++) log_p[j] += in[j] ? on : off;
}

typedef struct row_outcome {
    double before, after, dose; /* mass of the union; |o' - o|^2 / |o|^2 */
    double rest, push;          /* 1 - p; |o' - o| */
} row_outcome;

static row_outcome edit_one_row(const attention_args *a, const attention_edit *e, int64_t b, int64_t h, int64_t i,
                                head_edit *he) {
    int64_t n = he->n_keys, d = he->d, at = b * a->q.dim[2] + h;
    row_outcome r = {0};
    row_scores(a, he->rounds, b, h, i, he->log_p);
    double lse = log_sum(he->log_p, NULL, 0, n);
    for (int64_t j = 0; j < n; j++) {
        double before = he->log_p[j] -= lse;
        he->rounded[j] = he->rounds && before > -600 ? value_weight(before, lse, 1) / exp(before) : 1;
    }
    r.before = exp(log_sum(he->log_p, he->in_any, 1, n));
    r.rest = exp(log_sum(he->log_p, he->in_any, 0, n));
    for (int s = 0; s < e->n_steps; s++) {
        if (!is_score_step(e->step[s].op)) continue;
        mark_step(e, at, s, he->in, n);
        edit_row(&e->step[s], he->in, he->log_p, n);
    }
    r.after = exp(log_sum(he->log_p, he->in_any, 1, n));
    float *o = attention_row(a->out, b, i, h);
    double moved = 0, size = 0;
    for (int64_t x = 0; x < d; x++) {
        double sum = 0, old = (double)o[x];
        for (int64_t j = 0; j < n; j++) sum += exp(he->log_p[j]) * he->rounded[j] * he->v[j * d + x];
        double now = (double)(float)sum;
        if (!e->preview) o[x] = (float)sum;
        moved += (now - old) * (now - old);
        size += old * old;
    }
    r.push = sqrt(moved);
    r.dose = size == 0 ? 0 : moved / size;
    return r;
}

void reference_attention_edit(compute *c, const attention_args *a, const attention_edit *e) {
    int64_t n_heads = a->q.dim[2], n = a->k.dim[1], d = a->q.dim[3];
    double rows = (double)(e->row_end - e->row_begin);
    arena_mark mark = arena_get_mark(c->scratch);
    head_edit he = {.n_keys = n, .d = d, .rounds = attention_rounds(c, a)};
    he.in = scratch(c, n, 1);
    he.in_any = scratch(c, n, 1);
    he.v = scratch(c, n * d, sizeof(double));
    he.mean = scratch(c, d, sizeof(double));
    he.log_p = scratch(c, n, sizeof(double));
    he.rounded = scratch(c, n, sizeof(double));
    for (int64_t at = 0; compute_ok(c) && at < a->q.dim[0] * n_heads; at++) {
        row_outcome sum = {0};
        int acts = e->set_begin[at] < e->set_begin[at + 1] && rows > 0;
        if (acts) {
            edit_values(a, e, at / n_heads, at % n_heads, &he);
            mark_step(e, at, -1, he.in_any, n);
            for (int64_t i = e->row_begin; i < e->row_end; i++) {
                row_outcome r = edit_one_row(a, e, at / n_heads, at % n_heads, i, &he);
                sum.before += r.before / rows;
                sum.after += r.after / rows;
                sum.dose += r.dose / rows;
                attention_put(e->row_rest, at * a->q.dim[1] + i, r.rest);
                attention_put(e->row_push, at * a->q.dim[1] + i, r.push);
            }
        }
        attention_put(e->mass_before, at, sum.before);
        attention_put(e->mass_after, at, sum.after);
        attention_put(e->dose, at, sqrt(sum.dose));
        if (!tensor_is_none(e->direct_rows))
            attention_counts(e->direct_rows)[at] = acts ? e->row_end - e->row_begin : 0;
    }
    arena_release(c->scratch, mark);
}
