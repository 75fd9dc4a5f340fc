/* Edits of the cpu backend in the rank-k form (METHOD.md, section 6): weights of the set's keys are computed again,
 * with the bits that the kernel gave their scores, and the output is corrected by them; rows where that would cancel
 * are computed directly from the keys outside the set. Pairs (item, head) of few rows are one thread's from beginning
 * to end. Of many rows, all pairs are prepared, then come chunks of rows of all pairs, then blocks of direct rows of
 * all pairs. Sums of chunks are added in order, so no bit depends on threads.
 * Long: the phases of one edit, which share their scratch. */
#include "tensor/attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/cpu.h"
#include "tensor/half.h"

enum { CHUNK_ROWS = 64 }; /* a multiple of ATTENTION_ROWS */

/* One pair (item, head). After the value steps v'_j = alpha_j v_j + mu_j mean + nu_j noise_j; the value panel holds the
 * set's v_j, then the mean (if any step needs it), then the noise rows (likewise). */
typedef struct edit_pair {
    int64_t item, head, begin, n; /* its keys are e->keys[begin .. begin + n) */
    float *k_panel, *v_panel;
    double *alpha, *mu, *nu; /* [n] */
    uint8_t common;          /* bit s = every key is a member of step s */
} edit_pair;

typedef struct row_sums {
    double before, after, dose; /* mass of the union before and after; |o' - o|^2 / |o|^2 */
} row_sums;

static void add_sums(row_sums *to, const row_sums *s) {
    to->before += s->before;
    to->after += s->after;
    to->dose += s->dose;
}

typedef struct edit_plan {
    const attention_kernel *kernel; /* of the instruction set, for what is done in double */
    const attention_kernel *form;   /* that computed the call; the same unless that rounds */
    const attention_args *a;
    const attention_edit *e;
    int64_t n_rows, d, width, chunks;        /* rows acted on */
    int with_mean, with_noise, weights_only; /* weights_only: no result per row is requested */
    int64_t n_pairs, max_n;                  /* pairs with keys; the largest set */
    edit_pair *pair;
    row_sums *sums;  /* [n_pairs, chunks] */
    uint8_t *direct; /* [n_pairs, n_rows] rows left to the direct path */
    float *scratch;  /* [threads, part_floats] */
    int64_t part_floats;
    int threads;
} edit_plan;

/* A thread's scratch, divided. */
typedef struct row_scratch {
    float *q, *o, *s;             /* as in attention_block */
    double *weight, *coefficient; /* [rows, keys of the set], [rows, rows of the value panel] */
    double *rounded;              /* as `weight`, of a kernel that rounds; else `weight` itself */
    double *now;                  /* [keys of the set] one row's weights, step by step */
} row_scratch;

static int is_score_step(edit_op op) { return op == EDIT_SCALE || op == EDIT_SHIFT; }

static int64_t panel_rows(const edit_plan *p, int64_t n) { return n + p->with_mean + (p->with_noise ? n : 0); }

static int64_t padded(const edit_plan *p, int64_t n) { return attention_round_up(n, p->kernel->columns); }

/* Cuts `floats` up; returns how many a thread needs. */
static int64_t scratch_cut(const edit_plan *p, float *floats, row_scratch *r) {
    int64_t keys = padded(p, p->max_n), depth = padded(p, panel_rows(p, p->max_n));
    double *doubles = (double *)(void *)floats;
    r->weight = doubles;
    r->coefficient = r->weight + ATTENTION_ROWS * keys;
    r->rounded = p->form->rounds ? r->coefficient + ATTENTION_ROWS * depth : r->weight;
    r->now = r->coefficient + ATTENTION_ROWS * (depth + (p->form->rounds ? keys : 0));
    r->o = (float *)(void *)(r->now + keys);
    r->s = r->o + ATTENTION_ROWS * p->width;
    r->q = r->s + attention_round_up(p->form->scratch_floats(ATTENTION_ROWS, keys, p->d), 16);
    return r->q + attention_round_up(ATTENTION_ROWS * p->d, 16) - floats;
}

static row_scratch scratch_of(const edit_plan *p, int thread) {
    row_scratch r;
    scratch_cut(p, p->scratch + thread * p->part_floats, &r);
    return r;
}

/* A list that the plan itself is made from: real memory where scratch is only counted, which
 * cpu_attention_edit_reserve frees. */
static void *list_scratch(compute *c, size_t n, size_t size) {
    void *p = attention_scratch(c, n, size);
    if (!p || !arena_is_counted(p)) return p;
    void *list = calloc(n ? n : 1, size);
    if (!list) error_no_memory(&c->error, "the plan of an edit", n * size);
    return list;
}

static int plan_make(edit_plan *p, compute *c, const attention_args *a, const attention_edit *e) {
    int64_t pairs = a->q.dim[0] * a->q.dim[2], d = a->q.dim[3];
    *p = (edit_plan){.kernel = cpu_attention_kernel(c), .a = a, .e = e, .d = d, .threads = c->threads};
    p->form = attention_kernel_for(c, a);
    p->n_rows = e->row_end - e->row_begin;
    p->chunks = (p->n_rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
    if (p->chunks == 1 && p->threads > pairs) p->threads = (int)pairs; /* a thread takes whole pairs */
    p->width = padded(p, d);
    p->weights_only = e->preview && tensor_is_none(e->row_push) && tensor_is_none(e->dose);
    for (int s = 0; s < e->n_steps; s++) {
        p->with_mean |= e->step[s].op == EDIT_VALUE_LERP && e->step[s].to_mean;
        p->with_noise |= e->step[s].op == EDIT_VALUE_NOISE;
    }
    p->pair = list_scratch(c, (size_t)pairs, sizeof *p->pair);
    if (!p->pair) return 0;
    for (int64_t at = 0; at < pairs; at++) {
        int64_t begin = e->set_begin[at], n = e->set_begin[at + 1] - begin;
        if (n == 0 || p->n_rows == 0) continue;
        edit_pair *pair = &p->pair[p->n_pairs++];
        *pair = (edit_pair){.item = at / a->q.dim[2], .head = at % a->q.dim[2], .begin = begin, .n = n};
        pair->k_panel = attention_scratch(c, (size_t)(padded(p, n) * attention_key_floats(p->form, d)), sizeof(float));
        pair->v_panel = attention_scratch(c, (size_t)(padded(p, panel_rows(p, n)) * p->width), sizeof(float));
        pair->alpha = attention_scratch(c, 3 * (size_t)n, sizeof(double));
        if (!compute_ok(c)) return 0;
        pair->mu = pair->alpha + n;
        pair->nu = pair->mu + n;
        if (n > p->max_n) p->max_n = n;
    }
    row_scratch none;
    p->part_floats = attention_round_up(scratch_cut(p, NULL, &none), 16);
    p->sums = attention_scratch(c, (size_t)(p->n_pairs * p->chunks), sizeof *p->sums);
    p->direct = attention_scratch(c, (size_t)(p->n_pairs * p->n_rows), 1);
    p->scratch = attention_scratch(c, (size_t)(p->threads * p->part_floats), sizeof(float));
    return compute_ok(c);
}

/* ---- preparing a pair ---- */

static const float *head_data(tensor t, const edit_pair *pair) { return attention_row(t, pair->item, 0, pair->head); }

static void prepare_coefficients(const edit_plan *p, edit_pair *pair) {
    pair->common = UINT8_MAX;
    for (int64_t x = 0; x < pair->n; x++) {
        double alpha = 1, mu = 0, nu = 0;
        pair->common &= p->e->member[pair->begin + x];
        for (int s = 0; s < p->e->n_steps; s++) {
            const edit_step *step = &p->e->step[s];
            if (is_score_step(step->op) || !(p->e->member[pair->begin + x] >> s & 1)) continue;
            double keep = step->op == EDIT_VALUE_LERP ? (double)step->param : 0.0;
            alpha *= keep;
            mu = keep * mu + (step->op == EDIT_VALUE_LERP && step->to_mean ? 1 - keep : 0.0);
            nu = keep * nu + (step->op == EDIT_VALUE_NOISE ? 1.0 : 0.0);
        }
        pair->alpha[x] = alpha;
        pair->mu[x] = mu;
        pair->nu[x] = nu;
    }
}

/* A value as the kernel multiplied it. */
static float value_of(const edit_plan *p, float v) {
    uint16_t rounded;
    if (!p->form->rounds) return v;
    half_round(&rounded, &v, TENSOR_BF16, 1);
    return half_from_bf16(rounded);
}

/* Panels of the set's keys and values; the value panel's further rows are written where pack_values would put them. */
static void prepare_pair(const edit_plan *p, edit_pair *pair, const row_scratch *r) {
    const attention_args *a = p->a;
    const int32_t *keys = p->e->keys + pair->begin;
    const float *v = head_data(a->v, pair);
    int64_t columns = p->kernel->columns, panel = padded(p, panel_rows(p, pair->n)) * columns, stride = a->v.stride[1];
    prepare_coefficients(p, pair);
    if (p->with_mean) p->kernel->mean_row(r->o, v, stride, a->v.dim[1], p->d);
    p->form->pack_keys(pair->k_panel, head_data(a->k, pair), a->k.stride[1], keys, pair->n, p->d);
    memset(pair->v_panel, 0, sizeof(float) * (size_t)(panel / columns * p->width));
    for (int64_t x = 0; x < p->d; x++) {
        float *to = pair->v_panel + x / columns * panel + x % columns;
        for (int64_t j = 0; j < pair->n; j++) to[j * columns] = value_of(p, v[keys[j] * stride + x]);
        if (p->with_mean) to[pair->n * columns] = r->o[x];
        for (int64_t j = 0; p->with_noise && j < pair->n; j++)
            to[(pair->n + p->with_mean + j) * columns] = attention_floats(p->e->noise)[(pair->begin + j) * p->d + x];
    }
}

/* ---- rows ---- */

/* The weights of the keys that belong to step `bit`; of those that do not, where it is ~bit. Four sums, so that chains
 * are short. */
static double sum_where(const double *w, const uint8_t *member, int bit, int64_t n) {
    double sum[4] = {0};
    int64_t whole = n / 4 * 4;
    int flip = bit < 0;
    if (flip) bit = ~bit;
    for (int64_t j = 0; j < whole; j += 4)
        for (int i = 0; i < 4; i++) sum[i] += (member[j + i] >> bit & 1) != flip ? w[j + i] : 0.0;
    for (int64_t j = whole; j < n; j++) sum[0] += (member[j] >> bit & 1) != flip ? w[j] : 0.0;
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static double sum_all(const double *w, int64_t n) {
    double sum[4] = {0};
    int64_t whole = n / 4 * 4;
    for (int64_t j = 0; j < whole; j += 4)
        for (int i = 0; i < 4; i++) sum[i] += w[j + i];
    for (int64_t j = whole; j < n; j++) sum[0] += w[j];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void scale_where(double *w, const uint8_t *member, int bit, double on, double off, int64_t n) {
    for (int64_t j = 0; j < n; j++) w[j] *= member[j] >> bit & 1 ? on : off;
}

/* What the score steps made of a row: the mass of all keys outside the set, the factor that brought it there, and the
 * largest that any step or run of steps asked for (HUGE_VAL: nothing was left outside). */
typedef struct outside_mass {
    double mass, factor, worst;
} outside_mass;

/* The score steps on the set's weights w, beside `rest`, the mass of the keys outside the set; all sum to 1. Where a
 * step's complement is a sum of positive numbers, so is the factor: no difference of near-equal numbers is taken here.
 * At eta = 1, and where a step's keys have no mass, both factors come out as exactly 1. */
static outside_mass score_steps(const attention_edit *e, const edit_pair *pair, double *w, double rest) {
    const uint8_t *member = e->member + pair->begin;
    int64_t n = pair->n;
    outside_mass out = {rest, 1, 1};
    for (int s = 0; s < e->n_steps; s++) {
        const edit_step *step = &e->step[s];
        if (!is_score_step(step->op)) continue;
        int all = pair->common >> s & 1; /* the same sums, without looking at every key */
        double inside = all ? sum_all(w, n) : sum_where(w, member, s, n);
        double others = all ? out.mass : out.mass + sum_where(w, member, ~s, n);
        double keep = step->op == EDIT_SCALE ? (double)step->param : exp(-(double)step->param);
        double lost = (1 - keep) * inside, on, off;
        if (!(others > 0)) { /* no rest to give the weight to: nothing changes */
            if (lost > 0) out.worst = HUGE_VAL;
            continue;
        }
        if (step->op == EDIT_SCALE) { /* 1 - eta p = q + (1 - eta) p */
            off = (others + lost) / others;
            on = keep;
        } else {
            off = 1 / (lost < 0.5 ? 1 - lost : others + keep * inside);
            on = keep * off;
        }
        if (all)
            for (int64_t j = 0; j < n; j++) w[j] *= on;
        else scale_where(w, member, s, on, off, n);
        out.mass *= off;
        out.factor *= off;
        out.worst = fmax(out.worst, fmax(off, out.factor));
    }
    return out;
}

/* Coefficients of the panel's rows: edited weights w under the value steps, less `outside` times the weights that are
 * in o already (`old`; NULL = none are). */
static void coefficients(const edit_plan *p, const edit_pair *pair, const double *w, const double *old, double outside,
                         double *out) {
    int64_t n = pair->n, used = panel_rows(p, n);
    for (int64_t j = 0; j < n; j++) out[j] = w[j] * pair->alpha[j] - (old ? outside * old[j] : 0.0);
    if (p->with_mean) {
        out[n] = 0;
        for (int64_t j = 0; j < n; j++) out[n] += w[j] * pair->mu[j];
    }
    if (p->with_noise)
        for (int64_t j = 0; j < n; j++) out[n + p->with_mean + j] = w[j] * pair->nu[j];
    memset(out + used, 0, sizeof(double) * (size_t)(padded(p, used) - used));
}

/* Where the kernel multiplies values by rounded weights: edited weights now[n] become what the rounded ones become by
 * the same factors, so that what is taken away from `o` is what it holds, and a factor of 1 changes nothing. */
static void round_weights(const edit_plan *p, double *now, const double *old, const double *rounded, int64_t n) {
    for (int64_t j = 0; p->form->rounds && j < n; j++) now[j] = old[j] > 0 ? now[j] / old[j] * rounded[j] : 0;
}

static float *out_row(const edit_plan *p, const edit_pair *pair, int64_t row) {
    return attention_row(p->a->out, pair->item, row, pair->head);
}

/* The pair's set as the keys of a block. */
static void set_block(const edit_plan *p, const edit_pair *pair, const row_scratch *r, attention_block *b) {
    b->n_keys = pair->n;
    b->k_panel = pair->k_panel;
    b->index = p->e->keys + pair->begin;
    b->s = r->s;
}

/* b->o = factor b->o + coefficients times the value panel. */
static void apply_values(const edit_plan *p, const edit_pair *pair, const row_scratch *r, attention_block *b,
                         const double *factor) {
    b->n_keys = panel_rows(p, pair->n);
    b->v_panel = pair->v_panel;
    p->kernel->correct(b, r->coefficient, factor);
}

/* Whether factor |o| > ATTENTION_CANCELS_ABOVE |o'|: the correction took away nearly all that was there. */
static int cancels(attention_lengths l, double factor) {
    return factor * factor * l.before > ATTENTION_CANCELS_ABOVE * ATTENTION_CANCELS_ABOVE * l.after;
}

/* |o' - o|^2 / |o|^2; 0 where o = 0. */
static double dose_of(attention_lengths l) { return l.before == 0 ? 0 : l.moved / l.before; }

/* What a row became: to the results by rows, and to `out` unless this is a preview. */
static void finish_row(const edit_plan *p, const edit_pair *pair, int64_t row, float *o, const float *edited,
                       double rest, attention_lengths l) {
    int64_t at = (pair->item * p->a->q.dim[2] + pair->head) * p->a->q.dim[1] + row;
    attention_put(p->e->row_rest, at, rest);
    attention_put(p->e->row_push, at, sqrt(l.moved));
    if (!p->e->preview) memcpy(o, edited, sizeof(float) * (size_t)p->d);
}

/* Rows first .. first + n (within the acted rows) of one pair in the rank-k form. */
static row_sums edit_block(const edit_plan *p, const edit_pair *pair, const row_scratch *r, int64_t first, int n,
                           uint8_t *direct) {
    const attention_edit *e = p->e;
    int64_t keys = padded(p, pair->n), depth = padded(p, panel_rows(p, pair->n)), row = e->row_begin + first;
    const double *lse = attention_doubles(e->lse) + (pair->item * p->a->q.dim[2] + pair->head) * p->a->q.dim[1] + row;
    double outside[ATTENTION_ROWS] = {0}, before[ATTENTION_ROWS], after[ATTENTION_ROWS];
    row_sums sums = {0};
    attention_block b = {.o = r->o};
    attention_block_load(p->form, &b, r->q, p->a, pair->item, pair->head, NULL, row, n);
    set_block(p, pair, r, &b);
    p->form->weights(&b, lse, r->weight, r->rounded);
    for (int i = 0; i < n; i++) {
        const double *old = r->weight + i * keys;
        memcpy(r->o + i * p->width, out_row(p, pair, row + i), sizeof(float) * (size_t)p->d);
        memcpy(r->now, old, sizeof(double) * (size_t)pair->n);
        before[i] = sum_all(old, pair->n);
        outside_mass out = score_steps(e, pair, r->now, 1 - before[i]);
        direct[i] = out.worst <= ATTENTION_DIRECT_ABOVE && !e->force_direct ? 0 : 1;
        if (direct[i]) continue;
        after[i] = sum_all(r->now, pair->n);
        outside[i] = out.factor;
        round_weights(p, r->now, old, r->rounded + i * keys, pair->n);
        coefficients(p, pair, r->now, r->rounded + i * keys, out.factor, r->coefficient + i * depth);
    }
    if (!p->weights_only) apply_values(p, pair, r, &b, outside);
    for (int i = 0; i < n; i++) {
        float *o = out_row(p, pair, row + i), *edited = r->o + i * p->width;
        if (direct[i]) continue;
        attention_lengths l = {0};
        if (!p->weights_only) l = p->kernel->lengths(o, edited, p->d);
        direct[i] = cancels(l, outside[i]) ? 1 : 0;
        if (direct[i]) continue;
        sums.before += before[i];
        sums.after += after[i];
        sums.dose += dose_of(l);
        finish_row(p, pair, row + i, o, edited, 1 - before[i], l);
    }
    return sums;
}

static void run_chunk(const edit_plan *p, int64_t at, int64_t chunk, const row_scratch *r) {
    row_sums *sums = &p->sums[at * p->chunks + chunk];
    *sums = (row_sums){0};
    int64_t end = (chunk + 1) * CHUNK_ROWS < p->n_rows ? (chunk + 1) * CHUNK_ROWS : p->n_rows;
    for (int64_t first = chunk * CHUNK_ROWS; first < end; first += ATTENTION_ROWS) {
        int n = end - first < ATTENTION_ROWS ? (int)(end - first) : ATTENTION_ROWS;
        row_sums s = edit_block(p, &p->pair[at], r, first, n, p->direct + at * p->n_rows + first);
        add_sums(sums, &s);
    }
}

/* ---- the direct path ---- */

/* The keys outside one pair's set, packed, and the rows that need them, in blocks. */
typedef struct direct_job {
    const edit_pair *pair;
    const uint8_t *direct;               /* [rows acted on] */
    int64_t n_rows, n_keys, first_block; /* first_block: number of its first block among those of all jobs */
    int32_t *row, *key;
    float *k_panel, *v_panel;
    int block_rows;
    row_sums *sums; /* [blocks] */
} direct_job;

/* The direct rows of all pairs: blocks of all jobs are shared out among the threads together, since most pairs have
 * few. */
typedef struct direct_plan {
    int64_t n_jobs, n_blocks, s_floats;
    direct_job *job;
    float *s; /* [threads, s_floats] */
} direct_plan;

/* One row of the direct path: the set's weights and the lse of the keys outside (-HUGE_VAL: there are none) to the
 * row's coefficients and the factor of what the outside gave, and 1 - p. Both are relative to the same lse; a row whose
 * outside holds less than e^-600 of it is taken to hold e^-600: what an edit leaves to the outside keys does not depend
 * on how little. */
static double direct_row(const edit_plan *p, const edit_pair *pair, const row_scratch *r, int i, double lse,
                         double lse_outside, double *rest_share, row_sums *sums) {
    int64_t n = pair->n, keys = padded(p, n), depth = padded(p, panel_rows(p, n));
    double *w = r->weight + i * keys, *rounded = r->rounded + i * keys;
    double rest = lse_outside > -HUGE_VAL ? exp(fmax(lse_outside - lse, -600)) : 0;
    double inside = sum_all(w, n), scale = 1 / (inside + rest); /* the two need not sum to 1 to the last bit */
    for (int64_t j = 0; j < n; j++) {
        w[j] *= scale;
        if (p->form->rounds) rounded[j] *= scale;
    }
    memcpy(r->now, w, sizeof(double) * (size_t)n);
    sums->before += inside * scale;
    *rest_share = rest * scale;
    outside_mass out = score_steps(p->e, pair, w, rest * scale);
    sums->after += sum_all(w, n);
    round_weights(p, w, r->now, rounded, n);
    coefficients(p, pair, w, NULL, 0, r->coefficient + i * depth);
    return out.mass;
}

/* One block of direct rows: attention over the outside keys, then the set's keys joined to it. */
static row_sums direct_block(const edit_plan *p, const edit_pair *pair, const direct_job *job, const row_scratch *r,
                             float *s, int64_t first, int n) {
    double outside[ATTENTION_ROWS], lse[ATTENTION_ROWS], rest[ATTENTION_ROWS];
    row_sums sums = {0};
    attention_block b = {.with_lse = 1,
                         .n_keys = job->n_keys,
                         .k_panel = job->k_panel,
                         .v_panel = job->v_panel,
                         .index = job->key,
                         .s = s,
                         .o = r->o};
    attention_block_load(p->form, &b, r->q, p->a, pair->item, pair->head, job->row, first, n);
    if (job->n_keys > 0) p->form->block(&b);
    attention_block set = b;
    set_block(p, pair, r, &set);
    const double *all = attention_doubles(p->e->lse) + (pair->item * p->a->q.dim[2] + pair->head) * p->a->q.dim[1];
    for (int i = 0; i < n; i++) lse[i] = all[job->row[first + i]];
    p->form->weights(&set, lse, r->weight, r->rounded);
    for (int i = 0; i < n; i++) {
        int none = job->n_keys == 0 || !(b.lse[i] > -HUGE_VAL); /* no key outside, or causal hides them all */
        if (none) memset(r->o + i * p->width, 0, sizeof(float) * (size_t)p->width);
        outside[i] = direct_row(p, pair, r, i, lse[i], none ? -HUGE_VAL : b.lse[i], &rest[i], &sums);
    }
    apply_values(p, pair, r, &set, outside);
    for (int i = 0; i < n; i++) {
        float *o = out_row(p, pair, job->row[first + i]), *edited = r->o + i * p->width;
        attention_lengths l = p->kernel->lengths(o, edited, p->d);
        sums.dose += dose_of(l);
        finish_row(p, pair, job->row[first + i], o, edited, rest[i], l);
    }
    return sums;
}

static int64_t direct_blocks(const direct_job *job) { return (job->n_rows + job->block_rows - 1) / job->block_rows; }

static int block_rows(const edit_plan *p, int64_t n_keys) {
    return p->form->rounds ? ATTENTION_ROWS : attention_block_rows(padded(p, n_keys));
}

/* Floats of scores of a block of direct rows. */
static int64_t scores_room(const edit_plan *p, int rows, int64_t n_keys) {
    return attention_round_up(p->form->scratch_floats(rows, padded(p, n_keys), p->d), 16);
}

/* What the job of one pair with `rows` direct rows does. */
static void direct_set(direct_job *job, const edit_plan *p, int64_t at, int64_t rows) {
    job->pair = &p->pair[at];
    job->direct = p->direct + at * p->n_rows;
    job->n_rows = rows;
    job->n_keys = p->a->k.dim[1] - job->pair->n;
    job->block_rows = block_rows(p, job->n_keys);
}

/* Room for a job with at most `rows` rows and `n_keys` keys. */
static void direct_scratch(direct_job *job, compute *c, const edit_plan *p, int64_t rows, int64_t n_keys) {
    int64_t keys = padded(p, n_keys), at_a_time = block_rows(p, n_keys); /* fewer keys go by no fewer rows */
    job->row = attention_scratch(c, (size_t)rows, sizeof *job->row);
    job->key = attention_scratch(c, (size_t)p->a->k.dim[1], sizeof *job->key);
    job->k_panel = attention_scratch(c, (size_t)(keys * attention_key_floats(p->form, p->d)), sizeof(float));
    job->v_panel = attention_scratch(c, (size_t)(keys * attention_value_floats(p->form, p->d)), sizeof(float));
    job->sums = attention_scratch(c, (size_t)((rows + at_a_time - 1) / at_a_time), sizeof *job->sums);
}

static int64_t direct_count(const edit_plan *p, int64_t at) {
    int64_t rows = 0;
    for (int64_t i = 0; i < p->n_rows; i++) rows += p->direct[at * p->n_rows + i];
    return rows;
}

/* Room for the scores of every thread, where the jobs have theirs. */
static int direct_scores(direct_plan *dp, compute *c, const edit_plan *p) {
    if (compute_ok(c)) dp->s = attention_scratch(c, (size_t)(p->threads * dp->s_floats), sizeof(float));
    return compute_ok(c);
}

/* Jobs for the pairs that have direct rows; `all`: as if every row were one, and none has been looked at (dry runs). */
static int direct_make(direct_plan *dp, compute *c, const edit_plan *p, int all) {
    *dp = (direct_plan){.job = list_scratch(c, (size_t)p->n_pairs, sizeof *dp->job)};
    for (int64_t at = 0; dp->job && compute_ok(c) && at < p->n_pairs; at++) {
        int64_t rows = all ? p->n_rows : direct_count(p, at);
        if (rows == 0) continue;
        direct_job *job = &dp->job[dp->n_jobs++];
        direct_set(job, p, at, rows);
        direct_scratch(job, c, p, rows, job->n_keys);
        job->first_block = dp->n_blocks;
        dp->n_blocks += direct_blocks(job);
        int64_t s_floats = scores_room(p, job->block_rows, job->n_keys);
        dp->s_floats = s_floats > dp->s_floats ? s_floats : dp->s_floats;
    }
    return direct_scores(dp, c, p);
}

/* A job for each thread, with scratch for those of any pair. */
static int direct_make_by_thread(direct_plan *dp, compute *c, const edit_plan *p) {
    *dp = (direct_plan){.n_jobs = p->threads, .s_floats = scores_room(p, ATTENTION_ROWS, p->a->k.dim[1])};
    dp->job = list_scratch(c, (size_t)dp->n_jobs, sizeof *dp->job);
    for (int64_t i = 0; compute_ok(c) && i < dp->n_jobs; i++)
        direct_scratch(&dp->job[i], c, p, p->n_rows, p->a->k.dim[1]);
    return direct_scores(dp, c, p);
}

static void direct_fill(direct_job *job, const edit_plan *p) {
    const attention_args *a = p->a;
    const edit_pair *pair = job->pair;
    const int32_t *set = p->e->keys + pair->begin;
    int64_t at = 0, x = 0, row = 0;
    for (int64_t i = 0; i < p->n_rows; i++)
        if (job->direct[i]) job->row[row++] = (int32_t)(p->e->row_begin + i);
    for (int64_t j = 0; j < a->k.dim[1]; j++) {
        if (x < pair->n && set[x] == j) x++;
        else job->key[at++] = (int32_t)j;
    }
    p->form->pack_keys(job->k_panel, head_data(a->k, pair), a->k.stride[1], job->key, job->n_keys, p->d);
    p->form->pack_values(job->v_panel, head_data(a->v, pair), a->v.stride[1], job->key, job->n_keys, p->d);
}

static void direct_run(const direct_plan *dp, const edit_plan *p, const direct_job *job, int64_t block, int thread) {
    row_scratch r = scratch_of(p, thread);
    int64_t first = block * job->block_rows;
    int n = job->n_rows - first < job->block_rows ? (int)(job->n_rows - first) : job->block_rows;
    job->sums[block] = direct_block(p, job->pair, job, &r, dp->s + thread * dp->s_floats, first, n);
}

/* Block `number` of all jobs' blocks. */
static void direct_run_number(const direct_plan *dp, const edit_plan *p, int64_t number, int thread) {
    int64_t at = 0;
    while (at + 1 < dp->n_jobs && dp->job[at + 1].first_block <= number) at++;
    direct_run(dp, p, &dp->job[at], number - dp->job[at].first_block, thread);
}

/* What the threads of an edit share. */
typedef struct edit_work {
    const edit_plan *p;
    direct_plan direct;
} edit_work;

static void direct_fill_jobs(void *context, int64_t first, int64_t end, int part) {
    const edit_work *w = context;
    (void)part;
    for (int64_t at = first; at < end; at++) direct_fill(&w->direct.job[at], w->p);
}

static void direct_run_blocks(void *context, int64_t first, int64_t end, int part) {
    const edit_work *w = context;
    for (int64_t block = first; block < end; block++) direct_run_number(&w->direct, w->p, block, part);
}

/* ---- the call ---- */

static void clear_results(const attention_args *a, const attention_edit *e) {
    for (int64_t at = 0; at < a->q.dim[0] * a->q.dim[2]; at++) {
        attention_put(e->mass_before, at, 0);
        attention_put(e->mass_after, at, 0);
        attention_put(e->dose, at, 0);
        if (!tensor_is_none(e->direct_rows)) attention_counts(e->direct_rows)[at] = 0;
    }
}

/* The results of one pair; `job` = its direct rows, or NULL. */
static void finish_pair(const edit_plan *p, int64_t at, const direct_job *job) {
    const edit_pair *pair = &p->pair[at];
    const attention_edit *e = p->e;
    row_sums total = {0};
    int64_t direct = job ? job->n_rows : 0, blocks = job ? direct_blocks(job) : 0;
    for (int64_t chunk = 0; chunk < p->chunks; chunk++) add_sums(&total, &p->sums[at * p->chunks + chunk]);
    for (int64_t block = 0; block < blocks; block++) add_sums(&total, &job->sums[block]);
    int64_t to = pair->item * p->a->q.dim[2] + pair->head;
    double rows = (double)p->n_rows;
    attention_put(e->mass_before, to, total.before / rows);
    attention_put(e->mass_after, to, total.after / rows);
    attention_put(e->dose, to, sqrt(total.dose / rows));
    if (!tensor_is_none(e->direct_rows)) attention_counts(e->direct_rows)[to] = direct;
}

static void finish_pairs(const edit_plan *p, const direct_plan *dp) {
    int64_t next = 0; /* jobs are in the order of pairs */
    for (int64_t at = 0; at < p->n_pairs; at++) {
        int has_job = next < dp->n_jobs && dp->job[next].pair == &p->pair[at];
        finish_pair(p, at, has_job ? &dp->job[next] : NULL);
        next += has_job;
    }
}

static void prepare_pairs(void *context, int64_t first, int64_t end, int part) {
    const edit_work *w = context;
    row_scratch r = scratch_of(w->p, part);
    for (int64_t at = first; at < end; at++) prepare_pair(w->p, &w->p->pair[at], &r);
}

static void run_chunks(void *context, int64_t first, int64_t end, int part) {
    const edit_work *w = context;
    const edit_plan *p = w->p;
    row_scratch r = scratch_of(p, part);
    for (int64_t task = first; task < end; task++) /* heads of the same rows share pages */
        run_chunk(p, task % p->n_pairs, task / p->n_pairs, &r);
}

static void edit_in_phases(const edit_plan *p, compute *c) {
    edit_work work = {.p = p};
    thread_pool_for(c->pool, p->threads, p->n_pairs, 1, prepare_pairs, &work);
    thread_pool_for(c->pool, p->threads, p->n_pairs * p->chunks, 1, run_chunks, &work);
    if (!direct_make(&work.direct, c, p, 0)) return;
    thread_pool_for(c->pool, p->threads, work.direct.n_jobs, 1, direct_fill_jobs, &work);
    if (work.direct.n_jobs > 0) thread_pool_for(c->pool, p->threads, work.direct.n_blocks, 1, direct_run_blocks, &work);
    finish_pairs(p, &work.direct);
}

/* One pair whose rows are one chunk. */
static void edit_pair_whole(const edit_plan *p, const direct_plan *dp, int64_t at, int thread) {
    row_scratch r = scratch_of(p, thread);
    direct_job *job = &dp->job[thread];
    prepare_pair(p, &p->pair[at], &r);
    run_chunk(p, at, 0, &r);
    int64_t rows = direct_count(p, at);
    if (rows > 0) {
        direct_set(job, p, at, rows);
        direct_fill(job, p);
        for (int64_t block = 0; block < direct_blocks(job); block++) direct_run(dp, p, job, block, thread);
    }
    finish_pair(p, at, rows > 0 ? job : NULL);
}

static void edit_pairs_whole(void *context, int64_t first, int64_t end, int part) {
    const edit_work *w = context;
    for (int64_t at = first; at < end; at++) edit_pair_whole(w->p, &w->direct, at, part);
}

/* One parallel loop: between phases of so few rows, threads would wait as long as they work. */
static void edit_by_pairs(const edit_plan *p, compute *c) {
    edit_work work = {.p = p};
    if (!direct_make_by_thread(&work.direct, c, p)) return;
    thread_pool_for(c->pool, p->threads, p->n_pairs, 1, edit_pairs_whole, &work);
}

void cpu_attention_edit(compute *c, const attention_args *a, const attention_edit *e) {
    edit_plan plan;
    arena_mark mark = arena_get_mark(c->scratch);
    clear_results(a, e);
    if (plan_make(&plan, c, a, e)) {
        if (plan.chunks > 1) edit_in_phases(&plan, c);
        else if (plan.n_pairs > 0) edit_by_pairs(&plan, c);
    }
    arena_release(c->scratch, mark);
}

void cpu_attention_edit_reserve(compute *c, const attention_args *a) {
    int64_t pairs = a->q.dim[0] * a->q.dim[2], half = a->k.dim[1] / 2, rows = a->q.dim[1];
    arena_mark mark = arena_get_mark(c->scratch);
    int32_t *begin = list_scratch(c, (size_t)pairs + 1, sizeof *begin);
    for (int64_t at = 0; begin && at <= pairs; at++) begin[at] = (int32_t)(at * half);
    attention_edit e = {
        .row_end = rows, .n_steps = 2, .step = {{EDIT_VALUE_LERP, 0, 1}, {EDIT_VALUE_NOISE, 0, 0}}, .set_begin = begin};
    for (int few = 0; begin && half > 0 && few < 2; few++) { /* of all rows, and of so few that it goes by pairs */
        edit_plan plan;
        direct_plan direct = {0};
        arena_mark inner = arena_get_mark(c->scratch);
        if (few && rows > CHUNK_ROWS) e.row_end = CHUNK_ROWS;
        if (plan_make(&plan, c, a, &e) && plan.chunks > 1) direct_make(&direct, c, &plan, 1);
        else if (compute_ok(c)) direct_make_by_thread(&direct, c, &plan);
        arena_release(c->scratch, inner);
        free(plan.pair);
        free(direct.job);
    }
    arena_release(c->scratch, mark);
    free(begin);
}
