/* Attention on blocks of score rows: S = q k^T, softmax, O = P v, with the exact statistics of the same pass. Compiled
 * once per instruction set (tensor/meson.build defines ATTENTION_KERNEL); relies on GCC's vector extensions. Lane
 * counts are those of the instruction set, never of the data. It allocates nothing and is single-threaded.
 * Long: one unit an instruction set, whose loops are to be inlined into one another. */
#include "tensor/attention_kernel.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include "tensor/dvec.h"

#if defined(__AVX512F__)
enum { TILE_ROWS = 8 };
#else
enum { TILE_ROWS = 4 };
#endif
enum { TILE_VECTORS = 2, COLUMNS = TILE_VECTORS * LANES, MASS_ROWS = 8 };

typedef float vec_in_memory __attribute__((vector_size(LANES * 4), may_alias));
typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

#if defined(__AVX512F__)
static inline vec zero_below(vec y, vec x, vec low) {
    return (vec)_mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)x, (__m512)low, _CMP_NLT_UQ), (__m512)y);
}
/* x where it is below `limit`, else -inf. */
static inline vec keep_below(vec x, vec limit) {
    __mmask16 below = _mm512_cmp_ps_mask((__m512)x, (__m512)limit, _CMP_LT_OQ);
    return (vec)_mm512_mask_blend_ps(below, _mm512_set1_ps(-INFINITY), (__m512)x);
}
/* Appends e[i] where score[i] >= low; LANES more elements may be written. Returns how many. */
static inline unsigned collect(float *to, vec e, vec score, vec low) {
    __mmask16 hit = _mm512_cmp_ps_mask((__m512)score, (__m512)low, _CMP_GE_OQ);
    _mm512_storeu_ps(to, _mm512_maskz_compress_ps(hit, (__m512)e));
    return (unsigned)__builtin_popcount(hit);
}
static inline float largest(vec a) { return _mm512_reduce_max_ps((__m512)a); }
#else
static inline vec zero_below(vec y, vec x, vec low) { return (vec)((ivec)y & ~(ivec)(x < low)); }
static inline vec keep_below(vec x, vec limit) {
    ivec below = (ivec)(x < limit);
    return (vec)(((ivec)x & below) | ((ivec)spread(-INFINITY) & ~below));
}
static inline unsigned collect(float *to, vec e, vec score, vec low) {
    unsigned n = 0;
    for (int i = 0; i < LANES; i++)
        if (score[i] >= low[i]) to[n++] = e[i];
    return n;
}
static inline float largest(vec a) {
    float max = a[0];
    for (int i = 1; i < LANES; i++) max = a[i] > max ? a[i] : max;
    return max;
}
#endif

static inline vec load(const float *p) { return *(const vec_in_memory *)p; }
static inline void store(float *p, vec a) { *(vec_in_memory *)p = a; }

/* exp for x <= 88, at most 2 units in the last place; 0 below LOWEST, where a row's largest weight is 1 and 3e-38
 * beside it is nothing. NaN stays NaN. Cephes' expf: n = round(x / ln 2), a polynomial on the rest, n into the
 * exponent. */
static const float LOWEST = -86.5f;

static inline vec exp_lanes(vec x) {
    const vec low = spread(LOWEST), magic = spread(12582912.0f); /* 1.5 * 2^23: the sum's low bits are n */
    vec y = larger(low, x);
    vec t = madd(y, spread(1.44269504088896341f), magic);
    vec n = t - magic;
    vec r = madd(n, spread(-0.693359375f), y);
    r = madd(n, spread(2.12194440e-4f), r);
    vec p = spread(1.9875691500e-4f);
    p = madd(p, r, spread(1.3981999507e-3f));
    p = madd(p, r, spread(8.3334519073e-3f));
    p = madd(p, r, spread(4.1665795894e-2f));
    p = madd(p, r, spread(1.6666665459e-1f));
    p = madd(p, r, spread(5.0000001201e-1f));
    p = madd(p * r, r, r) + 1.0f;
    return zero_below(times_power(p, n), x, low);
}

/* ---- panels ---- */

/* panel[x][lane] = row[lane][x] for four rows and columns x .. x + 4. */
static inline void transpose4(float *panel, const float *const row[4], int64_t x) {
    quad a = *(const quad *)(row[0] + x), b = *(const quad *)(row[1] + x);
    quad c = *(const quad *)(row[2] + x), d = *(const quad *)(row[3] + x);
    quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    quad ef = __builtin_shufflevector(a, b, 2, 6, 3, 7), gh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(quad *)(panel + (x + 0) * COLUMNS) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
    *(quad *)(panel + (x + 1) * COLUMNS) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    *(quad *)(panel + (x + 2) * COLUMNS) = __builtin_shufflevector(ef, gh, 0, 1, 4, 5);
    *(quad *)(panel + (x + 3) * COLUMNS) = __builtin_shufflevector(ef, gh, 2, 3, 6, 7);
}

static void pack_keys(float *panel, const float *k, int64_t stride, const int32_t *index, int64_t n, int64_t d) {
    int64_t whole = d / 4 * 4;
    for (int64_t first = 0; first < n; first += COLUMNS, panel += d * COLUMNS)
        for (int lane = 0; lane < COLUMNS; lane += 4) {
            const float *row[4];
            int have = (int)(n - first - lane < 4 ? n - first - lane : 4);
            for (int i = 0; i < have; i++) row[i] = k + (index ? index[first + lane + i] : first + lane + i) * stride;
            if (have == 4)
                for (int64_t x = 0; x < whole; x += 4) transpose4(panel + lane, row, x);
            for (int64_t x = have == 4 ? whole : 0; x < d; x++)
                for (int i = 0; i < 4; i++) panel[x * COLUMNS + lane + i] = i < have ? row[i][x] : 0.0f;
        }
}

static void pack_values(float *panel, const float *v, int64_t stride, const int32_t *index, int64_t n, int64_t d) {
    int64_t keys = attention_round_up(n, COLUMNS);
    for (int64_t first = 0; first < d; first += COLUMNS, panel += keys * COLUMNS) {
        int64_t width = d - first < COLUMNS ? d - first : COLUMNS;
        for (int64_t j = 0; j < n; j++) {
            const float *row = v + (index ? index[j] : j) * stride + first;
            float *to = panel + j * COLUMNS;
            if (width == COLUMNS) {
                memcpy(to, row, COLUMNS * sizeof(float));
            } else {
                memset(to, 0, COLUMNS * sizeof(float));
                memcpy(to, row, (size_t)width * sizeof(float));
            }
        }
        memset(panel + n * COLUMNS, 0, (size_t)(keys - n) * COLUMNS * sizeof(float));
    }
}

/* ---- matrix tiles ---- */

typedef vec tile[TILE_ROWS][TILE_VECTORS];

/* t[i][.] = sum_x a[i lda + x] panel[x][.], one chain of multiply-adds per element. `vectors` is a constant. */
static inline __attribute__((always_inline)) void tile_multiply(tile t, const float *a, int64_t lda, const float *panel,
                                                                int64_t depth, int vectors) {
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++)
#pragma GCC unroll 2
        for (int x = 0; x < vectors; x++) t[i][x] = spread(0.0f);
#pragma GCC unroll 4
    for (int64_t y = 0; y < depth; y++) {
        vec b0 = load(panel + y * COLUMNS), b1 = vectors > 1 ? load(panel + y * COLUMNS + LANES) : b0;
#pragma GCC unroll 8
        for (int i = 0; i < TILE_ROWS; i++) {
            vec scalar = spread(a[i * lda + y]);
            t[i][0] = madd(scalar, b0, t[i][0]);
            if (vectors > 1) t[i][1] = madd(scalar, b1, t[i][1]);
        }
    }
}

/* What becomes of a tile, each a function that is not inlined: within their callers' loops GCC 12 keeps an operand in
 * memory instead of a register. */

/* Scores of TILE_ROWS rows for COLUMNS keys, and the largest of every lane. */
static __attribute__((noinline)) void tile_scores(const float *q, int64_t d, const float *panel, float *s, int64_t keys,
                                                  vec max[TILE_ROWS][TILE_VECTORS]) {
    tile t;
    tile_multiply(t, q, d, panel, d, TILE_VECTORS);
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++)
#pragma GCC unroll 2
        for (int x = 0; x < TILE_VECTORS; x++) {
            store(s + i * keys + x * LANES, t[i][x]);
            max[i][x] = larger(max[i][x], t[i][x]);
        }
}

static inline __attribute__((always_inline)) void tile_values(const float *s, int64_t keys, const float *panel,
                                                              int64_t depth, float *o, int64_t width, int vectors) {
    tile t;
    tile_multiply(t, s, keys, panel, depth, vectors);
#pragma GCC unroll 8
    for (int i = 0; i < TILE_ROWS; i++)
#pragma GCC unroll 2
        for (int x = 0; x < vectors; x++) {
            float *to = o + i * width + x * LANES;
            store(to, load(to) + t[i][x]);
        }
}

/* o += s v of TILE_ROWS rows, `depth` keys and two vectors of columns, or one. */
static __attribute__((noinline)) void tile_values_2(const float *s, int64_t keys, const float *panel, int64_t depth,
                                                    float *o, int64_t width) {
    tile_values(s, keys, panel, depth, o, width, 2);
}

static __attribute__((noinline)) void tile_values_1(const float *s, int64_t keys, const float *panel, int64_t depth,
                                                    float *o, int64_t width) {
    tile_values(s, keys, panel, depth, o, width, 1);
}

/* Bias, causal mask and padding of one tile of scores whose first key is `first`, and the largest of every lane again:
 * plain code, off the common path. */
static void tile_mask(const attention_block *b, float *s, int64_t keys, int row, int64_t first,
                      vec max[TILE_ROWS][TILE_VECTORS], tile before) {
    int64_t whole = b->n_keys - first < COLUMNS ? b->n_keys - first : COLUMNS;
    for (int i = 0; i < TILE_ROWS; i++, s += keys) {
        for (int64_t x = 0; x < whole && b->masked && row + i < b->rows; x++) {
            int64_t key = b->index ? b->index[first + x] : first + x;
            if (key > b->last_key[row + i]) s[x] = -INFINITY;
            else if (b->bias[0]) s[x] += b->bias[row + i][key];
        }
        for (int64_t x = whole; x < COLUMNS; x++) s[x] = -INFINITY;
        for (int x = 0; x < TILE_VECTORS; x++) max[i][x] = larger(before[i][x], load(s + x * LANES));
    }
}

/* Scores of the block into b->s, and the largest of every lane into max[row]. */
static void score_block(const attention_block *b, vec max[ATTENTION_ROWS][TILE_VECTORS]) {
    int64_t keys = attention_round_up(b->n_keys, COLUMNS);
    for (int i = 0; i < ATTENTION_ROWS; i++)
        for (int x = 0; x < TILE_VECTORS; x++) max[i][x] = spread(-INFINITY);
    for (int64_t first = 0; first < keys; first += COLUMNS)
        for (int row = 0; row < b->rows; row += TILE_ROWS) {
            float *s = b->s + row * keys + first;
            int mask = b->masked || first + COLUMNS > b->n_keys;
            tile before;
            if (mask) memcpy(before, max[row], sizeof before);
            tile_scores(b->q + row * b->d, b->d, b->k_panel + first * b->d, s, keys, &max[row]);
            if (mask) tile_mask(b, s, keys, row, first, &max[row], before);
        }
}

/* ---- softmax and its statistics ---- */

/* A score that at least r of the row's scores reach: the r-th largest of its lanes' maxima; -inf where there are fewer
 * lanes than r. */
static float bound_of_largest(const vec max[TILE_VECTORS], int r) {
    vec a = max[0], b = max[1];
    if (r > COLUMNS) return -INFINITY;
    for (int i = 1; i < r; i++) {
        vec m = spread(largest(larger(a, b)));
        a = keep_below(a, m);
        b = keep_below(b, m);
    }
    return largest(larger(a, b));
}

enum { MAX_CANDIDATES = 64 };

typedef struct row_sums {
    double weight;         /* sum_j exp(S_ij - max) */
    double weighted_score; /* sum_j exp(S_ij - max) (S_ij - max) */
    unsigned n_candidates; /* weights whose scores reach the bound; more than MAX_CANDIDATES = not all are kept */
} row_sums;

/* s = exp(s - m) over `keys` (whole columns). `entropy` and `candidates` (NULL or not) are constants where it is
 * inlined: what is observed only reads e, whose bits are the same either way. */
static inline __attribute__((always_inline)) row_sums exp_row(float *s, int64_t keys, float m, int entropy, float bound,
                                                              float *candidates) {
    vec sum[TILE_VECTORS], product[TILE_VECTORS];
    row_sums out = {0};
    for (int x = 0; x < TILE_VECTORS; x++) sum[x] = product[x] = spread(0.0f);
    for (int64_t j = 0; j < keys; j += COLUMNS)
#pragma GCC unroll 2
        for (int x = 0; x < TILE_VECTORS; x++) {
            float *at = s + j + x * LANES;
            vec score = load(at), e = exp_lanes(score - m);
            store(at, e);
            sum[x] += e;
            if (entropy) product[x] = madd(e, larger(spread(LOWEST), score - m), product[x]);
            if (candidates) /* a ring, so that the address is not on the chain of the count */
                out.n_candidates += collect(candidates + out.n_candidates % MAX_CANDIDATES, e, score, spread(bound));
        }
    out.weight = sum_lanes(sum[0], sum[1]);
    out.weighted_score = sum_lanes(product[0], product[1]);
    return out;
}

static __attribute__((noinline)) row_sums exp_row_plain(float *s, int64_t keys, float m) {
    return exp_row(s, keys, m, 0, 0, NULL);
}
static __attribute__((noinline)) row_sums exp_row_entropy(float *s, int64_t keys, float m) {
    return exp_row(s, keys, m, 1, 0, NULL);
}
static __attribute__((noinline)) row_sums exp_row_all(float *s, int64_t keys, float m, float bound, float *candidates) {
    return exp_row(s, keys, m, 1, bound, candidates);
}

/* Sum of the r largest of e[0..n). */
static double sum_of_largest(const float *e, int64_t n, int r) {
    float top[ATTENTION_MAX_R] = {0}; /* falling */
    double sum = 0;
    if (n <= r) {
        for (int64_t i = 0; i < n; i++) sum += (double)e[i];
        return sum;
    }
    for (int64_t j = 0; j < n; j++) {
        if (e[j] <= top[r - 1]) continue;
        int at = r - 1;
        for (; at > 0 && top[at - 1] < e[j]; at--) top[at] = top[at - 1];
        top[at] = e[j];
    }
    for (int i = 0; i < r; i++) sum += (double)top[i];
    return sum;
}

/* Softmax of the block's rows, unnormalised; inverse[i] = 1 / sum. */
static void softmax(attention_block *b, vec max[ATTENTION_ROWS][TILE_VECTORS], float inverse[ATTENTION_ROWS]) {
    int64_t keys = attention_round_up(b->n_keys, COLUMNS);
    float m[ATTENTION_ROWS], bound[ATTENTION_ROWS] = {0}, candidates[MAX_CANDIDATES + LANES];
    double log_sum[ATTENTION_ROWS] __attribute__((aligned(64))) = {0}, mean_score[ATTENTION_ROWS];
    for (int i = 0; i < b->rows; i++) m[i] = largest(larger(max[i][0], max[i][1]));
    if (b->concentration)
        for (int i = b->observe_begin; i < b->observe_end; i++) bound[i] = bound_of_largest(max[i], b->r);
    for (int i = 0; i < b->rows; i++) {
        float *s = b->s + i * keys;
        int observed = i >= b->observe_begin && i < b->observe_end;
        row_sums sums;
        if (observed && b->concentration) sums = exp_row_all(s, keys, m[i], bound[i], candidates);
        else if (observed && b->entropy) sums = exp_row_entropy(s, keys, m[i]);
        else sums = exp_row_plain(s, keys, m[i]);
        log_sum[i] = sums.weight;
        mean_score[i] = sums.weighted_score / sums.weight;
        inverse[i] = (float)(1.0 / sums.weight);
        b->max_p[i] = inverse[i];
        if (observed && b->concentration) {
            int kept = sums.n_candidates <= MAX_CANDIDATES;
            double largest_sum = sum_of_largest(kept ? candidates : s, kept ? sums.n_candidates : b->n_keys, b->r);
            *b->concentration += largest_sum / sums.weight;
        }
    }
    if (!b->with_lse && !b->entropy) return;
    assert(b->observe_begin >= 0 && b->observe_end <= b->rows);
    logarithms(log_sum, b->rows);
    for (int i = 0; i < b->rows && b->with_lse; i++) b->lse[i] = (double)m[i] + log_sum[i];
    for (int i = b->observe_begin; i < b->observe_end && b->entropy; i++) *b->entropy += log_sum[i] - mean_score[i];
}

/* sum_i s[i keys] scale[i] over n rows, a chain for every MASS_ROWS of them, chains added in order. */
static inline __attribute__((always_inline)) vec mass_of_rows(const float *s, int64_t keys, const vec *scale, int n) {
    vec total = spread(0.0f);
    for (int from = 0; from < n; from += MASS_ROWS) {
        vec sum = spread(0.0f);
        for (int i = from; i < from + MASS_ROWS && i < n; i++) sum = madd(load(s + i * keys), scale[i], sum);
        total += sum;
    }
    return total;
}

/* mass[j] += sum_i e_ij inverse_i over the observed rows and keys [first, last): a block's rows in float, then double.
 */
static void add_mass(const attention_block *b, const float inverse[ATTENTION_ROWS], int64_t first, int64_t last) {
    int64_t keys = attention_round_up(b->n_keys, COLUMNS);
    vec scale[ATTENTION_ROWS];
    for (int i = 0; i < b->rows; i++)
        scale[i] = spread(i >= b->observe_begin && i < b->observe_end ? inverse[i] : 0.0f);
    for (int64_t j = first; j < last; j += LANES) {
        vec sum = b->rows == ATTENTION_ROWS ? mass_of_rows(b->s + j, keys, scale, ATTENTION_ROWS)
                                            : mass_of_rows(b->s + j, keys, scale, b->rows);
        *(dvec *)(b->mass + j) += low_half(sum);
        *(dvec *)(b->mass + j + DLANES) += high_half(sum);
    }
}

/* o += s[.., first .. last) v for all rows and all columns of v. */
static void add_values(const attention_block *b, int64_t first, int64_t last) {
    int64_t keys = attention_round_up(b->n_keys, COLUMNS), width = attention_round_up(b->d, COLUMNS);
    for (int64_t column = 0; column < width; column += COLUMNS) {
        const float *panel = b->v_panel + column * keys + first * COLUMNS;
        int vectors = b->d - column > LANES ? 2 : 1;
        for (int row = 0; row < b->rows; row += TILE_ROWS) {
            const float *s = b->s + row * keys + first;
            float *o = b->o + row * width + column;
            if (vectors == 2) tile_values_2(s, keys, panel, last - first, o, width);
            else tile_values_1(s, keys, panel, last - first, o, width);
        }
    }
}

static void attend_block(attention_block *b) {
    int64_t keys = attention_round_up(b->n_keys, COLUMNS), width = attention_round_up(b->d, COLUMNS);
    vec max[ATTENTION_ROWS][TILE_VECTORS];
    float inverse[ATTENTION_ROWS];
    score_block(b, max);
    softmax(b, max, inverse);
    memset(b->o, 0, (size_t)(ATTENTION_ROWS * width) * sizeof(float));
    int observed = b->mass && b->observe_begin < b->observe_end;
    for (int64_t first = 0; first < keys; first += ATTENTION_KEY_BLOCK) {
        int64_t last = first + ATTENTION_KEY_BLOCK < keys ? first + ATTENTION_KEY_BLOCK : keys;
        if (observed) add_mass(b, inverse, first, last);
        add_values(b, first, last);
    }
    for (int i = 0; i < b->rows; i++)
        for (int64_t x = 0; x < width; x += LANES) store(b->o + i * width + x, load(b->o + i * width + x) * inverse[i]);
}

/* ---- in double, for the rank-k correction ---- */

static void weights(attention_block *b, const double lse[ATTENTION_ROWS], double *w, double *rounded) {
    (void)rounded;
    int64_t keys = attention_round_up(b->n_keys, COLUMNS);
    vec max[ATTENTION_ROWS][TILE_VECTORS];
    score_block(b, max);
    for (int i = 0; i < b->rows; i++)
        for (int64_t j = 0; j < b->n_keys; j += DLANES) {
            dvec score = __builtin_convertvector(*(const half_in_memory *)(b->s + i * keys + j), dvec);
            *(dvec *)(w + i * keys + j) = dexp_lanes(score - lse[i]);
        }
}

enum { CORRECT_ROWS = TILE_ROWS }; /* values are widened once for all of them */

/* Columns x .. x + LANES of CORRECT_ROWS rows. */
static void correct_tile(attention_block *b, const double *coefficient, const double *factor, int row, int64_t x) {
    int64_t keys = attention_round_up(b->n_keys, COLUMNS), width = attention_round_up(b->d, COLUMNS);
    const float *v = b->v_panel + x / COLUMNS * COLUMNS * keys + x % COLUMNS;
    dvec acc[CORRECT_ROWS][2];
#pragma GCC unroll 8
    for (int i = 0; i < CORRECT_ROWS; i++) acc[i][0] = acc[i][1] = dspread(0);
    for (int64_t j = 0; j < b->n_keys; j++) {
        dvec low = __builtin_convertvector(*(const half_in_memory *)(v + j * COLUMNS), dvec);
        dvec high = __builtin_convertvector(*(const half_in_memory *)(v + j * COLUMNS + DLANES), dvec);
#pragma GCC unroll 8
        for (int i = 0; i < CORRECT_ROWS; i++) {
            dvec scalar = dspread(coefficient[(row + i) * keys + j]);
            acc[i][0] = dmadd(scalar, low, acc[i][0]);
            acc[i][1] = dmadd(scalar, high, acc[i][1]);
        }
    }
    for (int i = 0; i < CORRECT_ROWS; i++)
        for (int part = 0; part < 2; part++) {
            half_in_memory *o = (half_in_memory *)(b->o + (row + i) * width + x + part * DLANES);
            dvec base = __builtin_convertvector(*o, dvec);
            *o = (half) __builtin_convertvector(base * factor[row + i] + acc[i][part], half);
        }
}

static void correct(attention_block *b, const double *coefficient, const double factor[ATTENTION_ROWS]) {
    for (int row = 0; row < b->rows; row += CORRECT_ROWS)
        for (int64_t x = 0; x < b->d; x += LANES) correct_tile(b, coefficient, factor, row, x);
}

/* ---- rows of the output ---- */

typedef double four __attribute__((vector_size(32)));

static double fold(four x) { return (x[0] + x[1]) + (x[2] + x[3]); }

/* Four sums each, for every width of a vector. */
static attention_lengths lengths(const float *before, const float *after, int64_t d) {
    four old2 = {0}, now2 = {0}, moved = {0};
    int64_t whole = d / 4 * 4;
    for (int64_t x = 0; x < whole; x += 4) {
        four old = __builtin_convertvector(*(const quad *)(before + x), four);
        four now = __builtin_convertvector(*(const quad *)(after + x), four), change = now - old;
        old2 += old * old;
        now2 += now * now;
        moved += change * change;
    }
    for (int64_t x = whole; x < d; x++) {
        double old = (double)before[x], now = (double)after[x], change = now - old;
        old2[0] += old * old;
        now2[0] += now * now;
        moved[0] += change * change;
    }
    return (attention_lengths){fold(old2), fold(now2), fold(moved)};
}

static void mean_row(float *mean, const float *v, int64_t stride, int64_t n, int64_t d) {
    int64_t whole = d / LANES * LANES;
    for (int64_t x = 0; x < whole; x += LANES) {
        dvec low = dspread(0), high = dspread(0);
        for (int64_t j = 0; j < n; j++) {
            half a, b;
            memcpy(&a, v + j * stride + x, sizeof a);
            memcpy(&b, v + j * stride + x + DLANES, sizeof b);
            low += __builtin_convertvector(a, dvec);
            high += __builtin_convertvector(b, dvec);
        }
        for (int i = 0; i < DLANES; i++) {
            mean[x + i] = (float)(low[i] / (double)n);
            mean[x + DLANES + i] = (float)(high[i] / (double)n);
        }
    }
    for (int64_t x = whole; x < d; x++) {
        double sum = 0;
        for (int64_t j = 0; j < n; j++) sum += (double)v[j * stride + x];
        mean[x] = (float)(sum / (double)n);
    }
}

static int64_t scratch_floats(int rows, int64_t keys, int64_t d) {
    (void)d;
    return rows * keys;
}

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
const attention_kernel JOIN(attention_kernel_, ATTENTION_KERNEL) = {
    .columns = COLUMNS,
    .scratch_floats = scratch_floats,
    .pack_keys = pack_keys,
    .pack_values = pack_values,
    .block = attend_block,
    .weights = weights,
    .correct = correct,
    .lengths = lengths,
    .mean_row = mean_row,
};
