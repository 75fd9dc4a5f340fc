/* Attention in bfloat16 by tiles (tiles.h): 32 rows against 128 keys at a time. Its numbers are defined in
 * METHOD.md, section 16: scores s of rounded q and k; with t = s scale log2(e), 2^t as a polynomial of s alone times a
 * power of two; the output is the sum of 2^t rounded to bfloat16 times rounded v, over the sum of 2^t. A row's
 * reference m is a whole number, so that e = 2^(t - m) has the same digits whatever m is, and m may follow the row's
 * maximum lazily.
 *
 * While one block of keys is exponentiated, the values of the block before and the scores of the block after are
 * multiplied; measured, tile products and exponentials hardly overlap (docs/SPEED.md). Scores of a block stay in the
 * first-level cache and become P where they are. Compiled for AMX and for AVX-512, which gives the same
 * bits. */
#include <math.h>

#include "tensor/attention_kernel.h"
#include "tensor/dvec.h"
#include "tensor/tile_panels.h"

enum {
    BLOCK = 128,
    VECTORS = BLOCK / LANES,
    STRIDE = BLOCK * 4, /* bytes between rows of scores, and of P */
    MASS_ROWS = 8,      /* rows of a chain of masses */
    LEAST = -96,        /* 2^t below 2^(m - 96) is 0 */
    LAZY = 16,          /* m is raised where a score exceeds it by this much */
    FARTHEST = 1 << 21  /* |t| up to here; rows beyond become NaN */
};

static const float MAGIC = 12582912.0f; /* 1.5 * 2^23: a sum's low bits are a whole number */
static const float LOG2_E = 1.44269504088896341f;
static const double LN_2 = 0.69314718055994530942;

INLINE vec load(const float *p) { return (vec)_mm512_load_ps(p); }
INLINE void store(float *p, vec a) { _mm512_store_ps(p, (__m512)a); }
INLINE float largest(vec a) { return _mm512_reduce_max_ps((__m512)a); }

/* ---- products ---- */

/* What the products of one block of rows read and write. */
typedef struct operands {
    const char *q; /* [parts][2][16 rows][32 bfloat16] */
    const char *k_panel, *v_panel;
    float *o;
    int64_t width;
    int parts;  /* of the head width, 32 terms each */
    int halves; /* of the rows: 1 or 2 */
    tile_registers *r;
} operands;

/* A piece of s = q k^T: 32 keys from `first` on, one part of the sum. */
INLINE void multiply_scores(const operands *a, int64_t first, float *s, int piece) {
    tile_registers *r = a->r;
    int group = piece / a->parts, part = piece % a->parts;
    const char *k = a->k_panel + ((first / GROUP + group) * a->parts + part) * PAIR_OF_TILES;
    const char *q = a->q + part * PAIR_OF_TILES;
    (void)r;
    if (part == 0) {
        TILE_ZERO(r, 0);
        TILE_ZERO(r, 1);
        TILE_ZERO(r, 2);
        TILE_ZERO(r, 3);
    }
    TILE_LOAD(r, 4, q, TILE_ROW_BYTES);
    TILE_LOAD(r, 6, k, TILE_ROW_BYTES);
    TILE_LOAD(r, 7, k + TILE_BYTES, TILE_ROW_BYTES);
    TILE_MULTIPLY(r, 0, 4, 6);
    TILE_MULTIPLY(r, 1, 4, 7);
    if (a->halves > 1) {
        TILE_LOAD(r, 5, q + TILE_BYTES, TILE_ROW_BYTES);
        TILE_MULTIPLY(r, 2, 5, 6);
        TILE_MULTIPLY(r, 3, 5, 7);
    }
    if (part + 1 < a->parts) return;
    float *to = s + group * GROUP;
    TILE_STORE(r, 0, to, STRIDE);
    TILE_STORE(r, 1, to + LANES, STRIDE);
    if (a->halves == 1) return;
    to += TILE_HEIGHT * BLOCK;
    TILE_STORE(r, 2, to, STRIDE);
    TILE_STORE(r, 3, to + LANES, STRIDE);
}

/* A piece of o += P v: 32 columns, and of the block's `groups` times 32 keys, from `first` on, one. */
INLINE void multiply_values(const operands *a, int64_t first, const float *s, int groups, int piece) {
    tile_registers *r = a->r;
    int across = piece / groups, group = piece % groups;
    size_t stride = (size_t)a->width * sizeof(float);
    float *o = a->o + across * GROUP, *below = o + TILE_HEIGHT * a->width;
    const char *p = (const char *)s + group * TILE_ROW_BYTES;
    const char *v = a->v_panel + ((first / GROUP + group) * (a->width / LANES) + 2 * across) * TILE_BYTES;
    (void)r;
    if (group == 0 && first == 0) {
        TILE_ZERO(r, 0);
        TILE_ZERO(r, 1);
        TILE_ZERO(r, 2);
        TILE_ZERO(r, 3);
    } else if (group == 0) {
        TILE_LOAD(r, 0, o, stride);
        TILE_LOAD(r, 1, o + LANES, stride);
        if (a->halves > 1) {
            TILE_LOAD(r, 2, below, stride);
            TILE_LOAD(r, 3, below + LANES, stride);
        }
    }
    TILE_LOAD(r, 4, p, STRIDE);
    TILE_LOAD(r, 6, v, TILE_ROW_BYTES);
    TILE_LOAD(r, 7, v + TILE_BYTES, TILE_ROW_BYTES);
    TILE_MULTIPLY(r, 0, 4, 6);
    TILE_MULTIPLY(r, 1, 4, 7);
    if (a->halves > 1) {
        TILE_LOAD(r, 5, p + TILE_HEIGHT * STRIDE, STRIDE);
        TILE_MULTIPLY(r, 2, 5, 6);
        TILE_MULTIPLY(r, 3, 5, 7);
    }
    if (group + 1 < groups) return;
    TILE_STORE(r, 0, o, stride);
    TILE_STORE(r, 1, o + LANES, stride);
    if (a->halves == 1) return;
    TILE_STORE(r, 2, below, stride);
    TILE_STORE(r, 3, below + LANES, stride);
}

/* ---- exponentials ---- */

/* 2^(x factor - m), with magic = MAGIC - m and `least` the smallest sum with it that gives more than 0: 2^n as
 * exponent, a polynomial of the rest (error 1.6e-7). `present` becomes the lanes that are not 0. */
INLINE vec power(vec x, vec factor, vec magic, vec least, __mmask16 *present) {
    vec z = madd(x, factor, magic), n = z - magic;
    vec r = (vec)_mm512_fmsub_ps((__m512)x, (__m512)factor, (__m512)n);
    vec p = spread(0x1.5c08e6p-10f);
    p = madd(p, r, spread(0x1.3d0c52p-7f));
    p = madd(p, r, spread(0x1.c6b6e4p-5f));
    p = madd(p, r, spread(0x1.ebf918p-3f));
    p = madd(p, r, spread(0x1.62e428p-1f));
    p = madd(p, r, spread(1.0f));
    *present = _mm512_cmp_ps_mask((__m512)z, (__m512)least, _CMP_NLT_UQ);
    return (vec)_mm512_maskz_add_epi32(*present, (__m512i)p, _mm512_slli_epi32((__m512i)z, 23));
}

/* Rows in the making. */
typedef struct row_state {
    vec sum[ATTENTION_ROWS];                        /* of e, by lanes */
    vec product[ATTENTION_ROWS];                    /* of e (t - m) */
    vec top[ATTENTION_ROWS];                        /* largest score of each lane */
    float factor, one_over;                         /* t = factor s; 1 / factor */
    float m[ATTENTION_ROWS], limit[ATTENTION_ROWS]; /* a score beyond `limit` raises m */
    float rescale[ATTENTION_ROWS];                  /* what the output of the blocks before is to be multiplied by */
    int pending;                                    /* one of them is not 1 */
} row_state;

/* What is kept of a block for the statistics: e [rows][keys of the block], m and the largest scores by lanes. */
typedef struct kept {
    float *e;
    float m[ATTENTION_ROWS];
    vec top[ATTENTION_ROWS];
} kept;

/* 2^n; 0 below the smallest normal number, NaN where n is. */
static inline float two_to(float n) {
    if (!(n >= -126)) return n < 0 ? 0 : NAN;
    union {
        int32_t bits;
        float x;
    } out = {((int32_t)n + 127) << 23};
    return out.x;
}

/* Raises the reference of row i to hold the largest of these scores. NaN where it is out of range. */
static __attribute__((noinline)) void raise_reference(row_state *t, int i, vec scores) {
    float m = ceilf(largest(scores) * t->factor), before = t->m[i];
    if (!(fabsf(m) < (float)FARTHEST)) m = NAN;
    t->m[i] = m;
    t->limit[i] = (m + (float)LAZY) * t->one_over;
    if (before == -(float)FARTHEST) return; /* nothing was summed */
    float rescale = two_to(before - m);
    t->product[i] = madd(t->sum[i], spread(before - m), t->product[i]) * rescale;
    t->sum[i] *= rescale;
    t->rescale[i] *= rescale;
    t->pending = 1;
}

/* Scores of one row become P. `vectors` is even; it and the flags are constants where speed matters. `e`, `top`: NULL
 * or where to keep them. */
INLINE void exponentiate(row_state *t, int i, float *s, int vectors, float *e_out, vec *top, int observed) {
    vec x[VECTORS], e[VECTORS], most = load(s);
    __mmask16 present[VECTORS];
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) {
        x[j] = load(s + j * LANES);
        most = larger(x[j], most);
    }
    if (_mm512_cmp_ps_mask((__m512)most, _mm512_set1_ps(t->limit[i]), _CMP_GT_OQ)) raise_reference(t, i, most);
    vec factor = spread(t->factor), magic = spread(MAGIC - t->m[i]), least = spread(MAGIC + (float)LEAST);
    t->top[i] = larger(t->top[i], most);
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) e[j] = power(x[j], factor, magic, least, &present[j]);
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j += 2) _mm512_store_si512(s + j / 2 * LANES, round_32(e[j], e[j + 1]));
    if (observed) {
        vec m = spread(t->m[i]), product = t->product[i];
        if (top) *top = most;
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) {
            __m512 score = _mm512_fmsub_ps((__m512)x[j], (__m512)factor, (__m512)m);
            product = (vec)_mm512_mask3_fmadd_ps((__m512)e[j], score, (__m512)product, present[j]);
            if (e_out) store(e_out + j * LANES, e[j]);
        }
        t->product[i] = product;
    }
#pragma GCC unroll 3
    for (int step = 1; step < vectors; step *= 2)
#pragma GCC unroll 8
        for (int j = 0; j + step < vectors; j += 2 * step) e[j] += e[j + step];
    t->sum[i] += e[0];
}

static __attribute__((noinline)) void exponentiate_row(row_state *t, int i, float *s, int vectors, kept *keep,
                                                       int observed) {
    float *e = keep && keep->e ? keep->e + i * vectors * LANES : NULL;
    vec *top = keep ? &keep->top[i] : NULL;
    if (vectors == VECTORS && !observed) exponentiate(t, i, s, VECTORS, NULL, NULL, 0);
    else if (vectors == VECTORS && e) exponentiate(t, i, s, VECTORS, e, top, 1);
    else if (vectors == VECTORS) exponentiate(t, i, s, VECTORS, NULL, top, 1);
    else if (vectors == 6) exponentiate(t, i, s, 6, e, top, observed);
    else if (vectors == 4) exponentiate(t, i, s, 4, e, top, observed);
    else exponentiate(t, i, s, 2, e, top, observed);
    if (keep) keep->m[i] = t->m[i];
}

/* Bias, causal mask and padding of scores [rows][BLOCK] for `width` keys from `first` on: plain code, off the common
 * path. With a bias, scores become t. */
static void mask_scores(const attention_block *b, float *s, int64_t first, int width, float factor) {
    int64_t whole = b->n_keys - first < width ? b->n_keys - first : width;
#ifdef __clang_analyzer__ /* it does not know what a store of tiles writes */
    memset(s, 0, sizeof *s * ATTENTION_ROWS * BLOCK);
#endif
    for (int i = 0; i < b->rows; i++, s += BLOCK) {
        for (int64_t x = 0; x < whole && b->masked; x++) {
            int64_t key = b->index ? b->index[first + x] : first + x;
            if (b->bias[0]) s[x] = s[x] * factor + b->bias[i][key] * LOG2_E;
            if (key > b->last_key[i]) s[x] = -INFINITY;
            if (isnan(s[x])) s[x] = NAN; /* of these bits: `power` adds to the low ones */
        }
        for (int64_t x = whole; x < width; x++) s[x] = -INFINITY;
    }
}

/* ---- statistics ---- */

/* The r-th largest of the lanes: at least r of the row's scores reach it. */
static float attention_tiles_bound(vec a, int r) {
    for (int i = 1; i < r; i++) {
        __mmask16 below = _mm512_cmp_ps_mask((__m512)a, _mm512_set1_ps(largest(a)), _CMP_LT_OQ);
        a = (vec)_mm512_mask_blend_ps(below, _mm512_set1_ps(-INFINITY), (__m512)a);
    }
    return largest(a);
}

static float power_of(const row_state *t, float score, float m) {
    __mmask16 present;
    return power(spread(score), spread(t->factor), spread(MAGIC - m), spread(MAGIC + (float)LEAST), &present)[0];
}

/* The sum of the r largest e of row i, in units of its last reference. */
static double attention_tiles_largest(const row_state *t, const kept *keep, int64_t keys, int i, int r) {
    float top[ATTENTION_MAX_R] = {0}, bound = attention_tiles_bound(t->top[i], r), m = t->m[i]; /* top falls */
    float least = power_of(t, bound, m) * 0.9999f; /* neighbouring scores may change places by rounding */
    double sum = 0;
    for (int64_t first = 0; first < keys; first += BLOCK, keep++) {
        if (!_mm512_cmp_ps_mask((__m512)keep->top[i], _mm512_set1_ps(bound), _CMP_GE_OQ)) continue;
        int width = (int)(keys - first < BLOCK ? keys - first : BLOCK);
        float factor = two_to(keep->m[i] - m);
        for (int j = 0; j < width; j += LANES) {
            vec e = load(keep->e + i * width + j) * spread(factor);
            unsigned hit = _mm512_cmp_ps_mask((__m512)e, _mm512_set1_ps(least), _CMP_GE_OQ);
            for (; hit; hit &= hit - 1) {
                float x = e[__builtin_ctz(hit)];
                if (!(x > top[r - 1])) continue;
                int at = r - 1;
                for (; at > 0 && top[at - 1] < x; at--) top[at] = top[at - 1];
                top[at] = x;
            }
        }
    }
    for (int x = 0; x < r; x++) sum += (double)top[x];
    return sum;
}

/* mass[j] += sum_i e_ij scale_i over the observed rows, for 64 keys: chains of MASS_ROWS rows in float, chains added in
 * order, then double. */
INLINE void add_mass_of(double *mass, const float *e, int64_t stride, const vec *scale, int begin, int end,
                        int vectors) {
    vec total[4];
    for (int x = 0; x < vectors; x++) total[x] = spread(0);
    for (int from = begin; from < end; from = (from / MASS_ROWS + 1) * MASS_ROWS) {
        vec sum[4];
        for (int x = 0; x < vectors; x++) sum[x] = spread(0);
        for (int i = from; i < (from / MASS_ROWS + 1) * MASS_ROWS && i < end; i++)
            for (int x = 0; x < vectors; x++) sum[x] = madd(load(e + i * stride + x * LANES), scale[i], sum[x]);
        for (int x = 0; x < vectors; x++) total[x] += sum[x];
    }
    for (int x = 0; x < vectors; x++) {
        *(dvec *)(mass + x * LANES) += low_half(total[x]);
        *(dvec *)(mass + x * LANES + DLANES) += high_half(total[x]);
    }
}

static void attention_tiles_add_mass(const attention_block *b, const kept *keep, int64_t keys,
                                     const float m[ATTENTION_ROWS], const float inverse[ATTENTION_ROWS]) {
    vec scale[ATTENTION_ROWS];
    for (int64_t first = 0; first < keys; first += BLOCK, keep++) {
        int width = (int)(keys - first < BLOCK ? keys - first : BLOCK);
        for (int i = b->observe_begin; i < b->observe_end; i++)
            scale[i] = spread(keep->m[i] == m[i] ? inverse[i] : inverse[i] * two_to(keep->m[i] - m[i]));
        for (int x = 0; x < width; x += 4 * LANES)
            if (width - x >= 4 * LANES)
                add_mass_of(b->mass + first + x, keep->e + x, width, scale, b->observe_begin, b->observe_end, 4);
            else add_mass_of(b->mass + first + x, keep->e + x, width, scale, b->observe_begin, b->observe_end, 2);
    }
}

/* ---- a block of rows ---- */

static void round_queries(char *to, const attention_block *b, int parts) {
    for (int i = 0; i < ATTENTION_ROWS; i++)
        for (int part = 0; part < parts; part++)
            _mm512_store_si512(to + part * PAIR_OF_TILES + i * TILE_ROW_BYTES,
                               round_row(b->q + i * b->d, part * GROUP, b->d));
}

static void rows_begin(row_state *t, const attention_block *b) {
    t->factor = b->masked && b->bias[0] ? 1 : b->scale * LOG2_E;
    t->one_over = 1 / t->factor;
    t->pending = 0;
    for (int i = 0; i < ATTENTION_ROWS; i++) {
        t->sum[i] = t->product[i] = spread(0);
        t->top[i] = spread(-INFINITY);
        t->m[i] = -(float)FARTHEST;
        t->limit[i] = -INFINITY;
        t->rescale[i] = 1;
    }
}

static void rescale_output(row_state *t, const operands *a, int n) {
    for (int i = 0; i < n; i++) {
        if (t->rescale[i] == 1) continue;
        for (int64_t x = 0; x < a->width; x += LANES)
            store(a->o + i * a->width + x, load(a->o + i * a->width + x) * spread(t->rescale[i]));
        t->rescale[i] = 1;
    }
    t->pending = 0;
}

/* Sums to results. */
static void attention_tiles_finish(attention_block *b, const row_state *t, const operands *a, const kept *keep,
                                   int64_t keys) {
    double total[ATTENTION_ROWS], log_sum[ATTENTION_ROWS] __attribute__((aligned(64))) = {0};
    float inverse[ATTENTION_ROWS];
    for (int i = 0; i < b->rows; i++) {
        log_sum[i] = total[i] = sum_lanes(t->sum[i], spread(0));
        inverse[i] = (float)(1 / total[i]);
        b->max_p[i] = power_of(t, largest(t->top[i]), t->m[i]) * inverse[i];
        for (int64_t x = 0; x < a->width; x += LANES)
            store(a->o + i * a->width + x, load(a->o + i * a->width + x) * spread(inverse[i]));
    }
    if (b->mass && keep) attention_tiles_add_mass(b, keep, keys, t->m, inverse);
    if (b->concentration)
        for (int i = b->observe_begin; i < b->observe_end; i++)
            *b->concentration += attention_tiles_largest(t, keep, keys, i, b->r) / total[i];
    if (!b->with_lse && !b->entropy) return;
    logarithms(log_sum, b->rows);
    for (int i = 0; i < b->rows && b->with_lse; i++) b->lse[i] = (double)t->m[i] * LN_2 + log_sum[i];
    for (int i = b->observe_begin; i < b->observe_end && b->entropy; i++)
        *b->entropy += log_sum[i] - sum_lanes(t->product[i], spread(0)) / total[i] * LN_2;
}

static void attention_tiles_attend(attention_block *b) {
    int64_t keys = attention_round_up(b->n_keys, GROUP), blocks = (keys + BLOCK - 1) / BLOCK;
    float s[2][ATTENTION_ROWS * BLOCK] __attribute__((aligned(64)));
    tile_registers registers;
    row_state t;
    operands a = {.q = (const char *)b->s, .k_panel = (const char *)b->k_panel, .v_panel = (const char *)b->v_panel};
    a.o = b->o;
    a.width = attention_round_up(b->d, GROUP);
    a.parts = (int)(a.width / GROUP);
    a.halves = b->rows > TILE_HEIGHT ? 2 : 1;
    a.r = &registers;
    int observed = b->observe_begin < b->observe_end && (b->mass || b->entropy || b->concentration);
    kept *keep = observed ? (kept *)(void *)((char *)b->s + a.parts * PAIR_OF_TILES) : NULL;
    float *e = observed && (b->mass || b->concentration) ? (float *)(void *)(keep + blocks) : NULL;
    unsigned before = tiles_begin();
    round_queries((char *)b->s, b, a.parts);
    rows_begin(&t, b);
    int width = (int)(keys < BLOCK ? keys : BLOCK), width_before = 0;
    for (int piece = 0; piece < width / GROUP * a.parts; piece++) multiply_scores(&a, 0, s[0], piece);
    for (int64_t at = 0; at < blocks; at++) {
        int64_t first = at * BLOCK, left = keys - first - BLOCK;
        float *now = s[at & 1], *other = s[~at & 1];
        int next = left < BLOCK ? left < 0 ? 0 : (int)left : BLOCK; /* keys of the next block */
        int values = at > 0 ? a.parts * (width_before / GROUP) : 0, all = values + next / GROUP * a.parts, done = 0;
        if (observed) keep[at].e = e ? e + first * ATTENTION_ROWS : NULL;
        if (b->masked || first + width > b->n_keys) mask_scores(b, now, first, width, b->scale * LOG2_E);
        for (int i = 0; i < b->rows; i++) {
            int look = observed && i >= b->observe_begin && i < b->observe_end;
            exponentiate_row(&t, i, now + i * BLOCK, width / LANES, look ? &keep[at] : NULL, look);
            for (; done * b->rows < all * (i + 1); done++)
                if (done < values) multiply_values(&a, first - BLOCK, other, width_before / GROUP, done);
                else multiply_scores(&a, first + BLOCK, other, done - values);
        }
        if (t.pending) rescale_output(&t, &a, b->rows);
        width_before = width;
        width = next;
    }
    for (int piece = 0; piece < a.parts * (width_before / GROUP); piece++)
        multiply_values(&a, (blocks - 1) * BLOCK, s[~blocks & 1], width_before / GROUP, piece);
    attention_tiles_finish(b, &t, &a, keep, keys);
    tiles_end(before);
}

/* ---- for edits ---- */

/* The weights of a block's keys as `attention_tiles_attend` has them: by the same scores, with the reference next below
 * lse. */
static void attention_tiles_weights(attention_block *b, const double lse[ATTENTION_ROWS], double *w, double *rounded) {
    int64_t keys = attention_round_up(b->n_keys, GROUP);
    float s[ATTENTION_ROWS * BLOCK] __attribute__((aligned(64)));
    double m[ATTENTION_ROWS], scale[ATTENTION_ROWS] __attribute__((aligned(64)));
    tile_registers registers;
    operands a = {.q = (const char *)b->s, .k_panel = (const char *)b->k_panel, .r = &registers};
    a.parts = (int)(attention_round_up(b->d, GROUP) / GROUP);
    a.halves = b->rows > TILE_HEIGHT ? 2 : 1;
    vec factor = spread(b->masked && b->bias[0] ? 1 : b->scale * LOG2_E);
    unsigned before = tiles_begin();
    round_queries((char *)b->s, b, a.parts);
    for (int i = 0; i < ATTENTION_ROWS; i++) {
        m[i] = i < b->rows ? floor(lse[i] / LN_2) : 0;
        scale[i] = i < b->rows ? m[i] * LN_2 - lse[i] : 0;
    }
    for (int i = 0; i < ATTENTION_ROWS; i += DLANES) *(dvec *)(scale + i) = dexp_lanes(*(dvec *)(scale + i));
    for (int64_t first = 0; first < keys; first += BLOCK) {
        int width = (int)(keys - first < BLOCK ? keys - first : BLOCK);
        for (int piece = 0; piece < width / GROUP * a.parts; piece++) multiply_scores(&a, first, s, piece);
        if (b->masked || first + width > b->n_keys) mask_scores(b, s, first, width, b->scale * LOG2_E);
        for (int i = 0; i < b->rows; i++)
            for (int j = 0; j < width; j += LANES) {
                __mmask16 present;
                vec e = power(load(s + i * BLOCK + j), factor, spread(MAGIC - (float)m[i]),
                              spread(MAGIC + (float)LEAST), &present);
                __m256i low = _mm512_castsi512_si256(round_32(e, e));
                vec r = (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(low), 16);
                double *to = w + i * keys + first + j, *to_rounded = rounded + i * keys + first + j;
                *(dvec *)to = low_half(e) * scale[i];
                *(dvec *)(to + DLANES) = high_half(e) * scale[i];
                *(dvec *)to_rounded = low_half(r) * scale[i];
                *(dvec *)(to_rounded + DLANES) = high_half(r) * scale[i];
            }
    }
    tiles_end(before);
}

static int64_t attention_tiles_scratch(int rows, int64_t keys, int64_t d) {
    (void)rows;
    int64_t blocks = (keys + BLOCK - 1) / BLOCK, parts = attention_round_up(d, GROUP) / GROUP;
    return parts * (PAIR_OF_TILES / 4) + blocks * (int64_t)(sizeof(kept) / 4) + ATTENTION_ROWS * keys;
}

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
const attention_kernel JOIN(attention_tiles_, KERNEL_ISA) = {
    .columns = GROUP,
    .rounds = 1,
    .scratch_floats = attention_tiles_scratch,
    .pack_keys = tile_pack_keys,
    .pack_values = tile_pack_values,
    .block = attention_tiles_attend,
    .weights = attention_tiles_weights,
};
