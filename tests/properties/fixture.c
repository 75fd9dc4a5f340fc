/* Random attention calls and plain formulas for the tests of attention; see fixture.h. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *take(size_t n, size_t size) {
    void *p = calloc(n ? n : 1, size);
    if (!p) abort();
    return p;
}

int fix_int(philox *r, int low, int high) { return low + (int)philox_below(r, (uint32_t)(high - low + 1)); }

shape shape_below(philox *r, shape most) {
    return (shape){fix_int(r, 1, most.batch), fix_int(r, 1, most.queries), fix_int(r, 2, most.keys),
                   fix_int(r, 1, most.heads), fix_int(r, 1, most.width)};
}

float *fix_at(tensor t, int b, int n, int h) {
    return (float *)t.data + b * t.stride[0] + n * t.stride[1] + h * t.stride[2];
}

static tensor operand(float **memory, shape n, int tokens, int strided) {
    int64_t row = (int64_t)n.heads * n.width, extra = strided ? 2 * row + 3 : 0;
    *memory = take((size_t)(n.batch * tokens * (row + extra)), sizeof(float));
    tensor t = tensor_4d(*memory, TENSOR_F32, n.batch, tokens, n.heads, n.width);
    t.stride[1] += extra;
    t.stride[0] = t.stride[1] * tokens;
    if (strided) t.data = *memory + row; /* the middle of a fused q, k, v */
    return t;
}

static void fill_random(philox *r, tensor t, double shift) {
    for (int b = 0; b < t.dim[0]; b++)
        for (int n = 0; n < t.dim[1]; n++)
            for (int h = 0; h < t.dim[2]; h++)
                for (int x = 0; x < t.dim[3]; x++)
                    fix_at(t, b, n, h)[x] = (float)(philox_normal(r) + (x == 0 ? shift : 0));
}

fixture *fixture_make(philox *r, shape n, unsigned flags, double sink) {
    fixture *f = take(1, sizeof *f);
    int strided = (flags & FIX_STRIDED) != 0;
    f->n = n;
    f->args.q = operand(&f->memory[0], n, n.queries, strided);
    f->args.k = operand(&f->memory[1], n, n.keys, strided);
    f->args.v = operand(&f->memory[2], n, n.keys, strided);
    f->args.out = operand(&f->memory[3], n, n.queries, strided);
    f->args.scale = 1 / sqrtf((float)n.width);
    f->args.causal = (flags & FIX_CAUSAL) != 0;
    fill_random(r, f->args.q, sink > 0 ? 2.0 : 0.0);
    fill_random(r, f->args.k, 0);
    fill_random(r, f->args.v, 0);
    if (sink > 0) /* queries share a direction, and key 0 points there */
        for (int b = 0; b < n.batch; b++)
            for (int h = 0; h < n.heads; h++) fix_at(f->args.k, b, 0, h)[0] += (float)(sink * sqrt((double)n.width));
    if (flags & FIX_BIAS) {
        f->memory[4] = take((size_t)(n.heads * n.queries * n.keys), sizeof(float));
        f->args.bias = tensor_3d(f->memory[4], TENSOR_F32, n.heads, n.queries, n.keys);
        for (int i = 0; i < n.heads * n.queries * n.keys; i++) f->memory[4][i] = (float)philox_normal(r);
    }
    size_t pairs = (size_t)(n.batch * n.heads);
    f->stats = (attention_stats){.row_begin = 0, .row_end = n.queries, .r = 5};
    f->stats.mass = fix_doubles(f->mass = take(pairs * (size_t)n.keys, sizeof(double)), (int64_t)pairs * n.keys);
    f->stats.entropy = fix_doubles(f->entropy = take(pairs, sizeof(double)), (int64_t)pairs);
    f->stats.concentration = fix_doubles(f->concentration = take(pairs, sizeof(double)), (int64_t)pairs);
    f->stats.lse = fix_doubles(f->lse = take(pairs * (size_t)n.queries, sizeof(double)), (int64_t)pairs * n.queries);
    f->stats.row_max =
        fix_floats(f->row_max = take(pairs * (size_t)n.queries, sizeof(float)), (int64_t)pairs * n.queries);
    return f;
}

void fixture_free(fixture *f) {
    for (int i = 0; i < 5; i++) free(f->memory[i]);
    free(f->mass);
    free(f->entropy);
    free(f->concentration);
    free(f->lse);
    free(f->row_max);
    free(f);
}

size_t fix_out_count(const fixture *f) {
    return (size_t)f->n.batch * (size_t)f->n.queries * (size_t)f->n.heads * (size_t)f->n.width;
}

static void move_out(const fixture *f, float *flat, int restore) {
    size_t row = (size_t)f->n.width * sizeof(float);
    for (int b = 0; b < f->n.batch; b++)
        for (int i = 0; i < f->n.queries; i++)
            for (int h = 0; h < f->n.heads; h++, flat += f->n.width) {
                float *at = fix_at(f->args.out, b, i, h);
                memcpy(restore ? at : flat, restore ? flat : at, row);
            }
}

float *fix_out(const fixture *f) {
    float *flat = take(fix_out_count(f), sizeof(float));
    move_out(f, flat, 0);
    return flat;
}

void fix_restore(fixture *f, const float *out) {
    float *copy = take(fix_out_count(f), sizeof(float));
    memcpy(copy, out, fix_out_count(f) * sizeof(float));
    move_out(f, copy, 1);
    free(copy);
}

void fix_row(const fixture *f, int b, int h, int i, double *p, double *scores) {
    double max = -INFINITY, sum = 0;
    for (int j = 0; j < f->n.keys; j++) {
        double dot = 0;
        for (int x = 0; x < f->n.width; x++)
            dot += (double)fix_at(f->args.q, b, i, h)[x] * (double)fix_at(f->args.k, b, j, h)[x];
        scores[j] = dot * (double)f->args.scale;
        if (f->memory[4]) scores[j] += (double)f->memory[4][(h * f->n.queries + i) * f->n.keys + j];
        if (f->args.causal && j > i) scores[j] = -INFINITY;
        if (scores[j] > max) max = scores[j];
    }
    for (int j = 0; j < f->n.keys; j++) sum += p[j] = exp(scores[j] - max);
    for (int j = 0; j < f->n.keys; j++) p[j] /= sum;
}

/* ---- sets ---- */

static sets *sets_room(const fixture *f, int each) {
    size_t pairs = (size_t)(f->n.batch * f->n.heads), total = pairs * (size_t)each;
    sets *s = take(1, sizeof *s);
    s->begin = take(pairs + 1, sizeof(int32_t));
    s->keys = take(total, sizeof(int32_t));
    s->member = take(total, 1);
    s->noise = take(total * (size_t)f->n.width, sizeof(float));
    for (size_t i = 0; i <= pairs; i++) s->begin[i] = (int32_t)i * each;
    return s;
}

sets *sets_given(const fixture *f, const int32_t *keys, int n, uint8_t members) {
    sets *s = sets_room(f, n);
    for (int i = 0; i < f->n.batch * f->n.heads * n; i++) {
        s->keys[i] = keys[i % n];
        s->member[i] = members;
    }
    return s;
}

sets *sets_random(philox *r, const fixture *f, int size, uint8_t members) {
    int half = f->n.keys / 2, at = 0;
    size = size < half ? size : half;
    sets *s = sets_room(f, size);
    for (int pair = 0; pair < f->n.batch * f->n.heads; pair++)
        for (int j = 0, left = size; j < f->n.keys; j++)
            if ((int)philox_below(r, (uint32_t)(f->n.keys - j)) < left) {
                s->member[at] = members ? members : (uint8_t)fix_int(r, 1, 255);
                s->keys[at++] = j;
                left--;
            }
    for (int i = 0; i < at * f->n.width; i++) s->noise[i] = (float)philox_normal(r);
    return s;
}

void sets_free(sets *s) {
    free(s->begin);
    free(s->keys);
    free(s->member);
    free(s->noise);
    free(s);
}

attention_edit fix_edit(const fixture *f, const sets *s) {
    return (attention_edit){.row_end = f->n.queries,
                            .set_begin = s->begin,
                            .keys = s->keys,
                            .member = s->member,
                            .noise = tensor_2d(s->noise, TENSOR_F32, s->begin[f->n.batch * f->n.heads], f->n.width),
                            .lse = f->stats.lse};
}

static void edit_p(const edit_step *step, const uint8_t *in, double *p, double *scores, int n) {
    double inside = 0, outside = 0, max = -INFINITY, sum = 0, param = (double)step->param;
    for (int j = 0; j < n; j++) *(in[j] ? &inside : &outside) += p[j];
    if (step->op == EDIT_SHIFT) {
        for (int j = 0; j < n; j++) scores[j] -= in[j] ? param : 0;
        for (int j = 0; j < n; j++) max = scores[j] > max ? scores[j] : max;
        for (int j = 0; j < n; j++) sum += p[j] = exp(scores[j] - max);
        for (int j = 0; j < n; j++) p[j] /= sum;
    } else {
        for (int j = 0; j < n; j++) p[j] *= in[j] ? param : (1 - param * inside) / outside;
        for (int j = 0; j < n; j++) scores[j] = log(p[j]);
    }
}

void fix_edited_row(const fixture *f, const attention_edit *e, int b, int h, int i, double *out) {
    int n = f->n.keys, d = f->n.width, at = b * f->n.heads + h;
    double *p = take((size_t)n, sizeof(double)), *scores = take((size_t)n, sizeof(double));
    double *v = take((size_t)(n * d), sizeof(double)), *mean = take((size_t)d, sizeof(double));
    uint8_t *in = take((size_t)n, 1);
    fix_row(f, b, h, i, p, scores);
    for (int j = 0; j < n * d; j++) v[j] = (double)fix_at(f->args.v, b, j / d, h)[j % d];
    for (int j = 0; j < n * d; j++) mean[j % d] += v[j] / n;
    for (int s = 0; s < e->n_steps; s++) {
        const edit_step *step = &e->step[s];
        memset(in, 0, (size_t)n);
        for (int x = e->set_begin[at]; x < e->set_begin[at + 1]; x++) {
            int j = e->keys[x];
            if (!(e->member[x] >> s & 1)) continue;
            in[j] = 1;
            for (int y = 0; y < d; y++)
                if (step->op == EDIT_VALUE_LERP)
                    v[j * d + y] =
                        (double)step->param * v[j * d + y] + (1 - (double)step->param) * (step->to_mean ? mean[y] : 0);
                else if (step->op == EDIT_VALUE_NOISE) v[j * d + y] = (double)((const float *)e->noise.data)[x * d + y];
        }
        if (step->op == EDIT_SCALE || step->op == EDIT_SHIFT) edit_p(step, in, p, scores, n);
    }
    for (int y = 0; y < d; y++) {
        out[y] = 0;
        for (int j = 0; j < n; j++) out[y] += p[j] * v[j * d + y];
    }
    free(p);
    free(scores);
    free(v);
    free(mean);
    free(in);
}

double fix_error(const float *a, const float *b, size_t n) {
    double worst = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        double e = fabs((double)a[i] - (double)b[i]);
        if (!(e <= worst)) worst = e; /* NaN counts as worst */
        square += (double)b[i] * (double)b[i];
    }
    return square > 0 ? worst / sqrt(square / (double)n) : worst;
}

compute *fix_compute(const char *name, int threads) {
    compute *c = NULL;
    ss_error err = {0};
    if (compute_create(&c, name, threads, (size_t)1 << 32, &err) != SS_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    return c;
}
