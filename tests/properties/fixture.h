/* Random attention calls for tests of attention: shapes, strides, peaked rows, key sets, and the plain float64 formula
 * that the results are held against. */
#ifndef PROPERTIES_FIXTURE_H
#define PROPERTIES_FIXTURE_H

#include "base/philox.h"
#include "tensor/attention.h"
#include "tensor/backend.h"

typedef struct shape {
    int batch, queries, keys, heads, width;
} shape;

/* One call with everything that comes out of it. Operands are views into one [B, N, 3 H d] buffer each (strided) or
 * contiguous. */
typedef struct fixture {
    shape n;
    attention_args args;
    float *memory[5]; /* q, k, v, out, bias */
    double *mass, *entropy, *concentration, *lse;
    float *row_max;
    attention_stats stats;
} fixture;

enum { FIX_STRIDED = 1, FIX_CAUSAL = 2, FIX_BIAS = 4 };

/* `sink`: how strongly the first key draws all queries (0 = not at all; 8 = nearly all mass). */
fixture *fixture_make(philox *r, shape n, unsigned flags, double sink);
void fixture_free(fixture *f);

/* A shape with each number in 1 .. the given one; keys at least 2. */
shape shape_below(philox *r, shape most);

int fix_int(philox *r, int low, int high); /* inclusive */

/* Element access: head h of token n of item b. */
float *fix_at(tensor t, int b, int n, int h);

/* Contiguous copy of `out` [B, Nq, H, d]; freed by the caller. */
float *fix_out(const fixture *f);
void fix_restore(fixture *f, const float *out);
size_t fix_out_count(const fixture *f);

/* Float64 softmax rows: p[Nk] of (b, h, i). */
void fix_row(const fixture *f, int b, int h, int i, double *p, double *scores);

/* Key sets of every (b, h) for an edit: each holds `size` keys at random (at most half of the keys, at least one). */
typedef struct sets {
    int32_t *begin, *keys;
    uint8_t *member;
    float *noise;
} sets;

sets *sets_random(philox *r, const fixture *f, int size, uint8_t members); /* member bits; 0 = random, at least one */
sets *sets_given(const fixture *f, const int32_t *keys, int n, uint8_t members); /* the same for every (b, h) */
void sets_free(sets *s);

/* An edit of all rows with these sets; the caller adds steps. */
attention_edit fix_edit(const fixture *f, const sets *s);

/* o' of (b, h, i) from the definition in METHOD.md, section 3, all of P in float64; [d]. Takes f->args' operands, not
 * f's out. */
void fix_edited_row(const fixture *f, const attention_edit *e, int b, int h, int i, double *out);

/* Largest |a - b| over all elements, over the rms of b. */
double fix_error(const float *a, const float *b, size_t n);

/* Results in an array of the test's. */
static inline tensor fix_doubles(double *p, int64_t n) { return tensor_1d(p, TENSOR_F64, n); }
static inline tensor fix_floats(float *p, int64_t n) { return tensor_1d(p, TENSOR_F32, n); }
static inline tensor fix_counts(int64_t *p, int64_t n) { return tensor_1d(p, TENSOR_I64, n); }

/* A context on a backend; aborts the test when it cannot be made. */
compute *fix_compute(const char *name, int threads);

#endif
