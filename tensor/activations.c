/* What probes ask of activations: lengths of head vectors, the largest and the 95th-percentile size. Both host backends
 * use it. Heads of an item are shared out among threads; each is one thread's, so no bit depends on their number. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/attention.h"
#include "tensor/reference.h"
#include "tensor/cpu.h"
#include "tensor/half.h"
#include "tensor/kernel.h"

/* ---- lengths ---- */

/* Lengths of the rows of head `at` of all items' heads. */
static void norm_head(const kernel *k, tensor x, int64_t at, float *norm) {
    for (int64_t j = 0; j < x.dim[1]; j++) {
        const float *row = attention_row(x, at / x.dim[2], j, at % x.dim[2]);
        norm[at * x.dim[1] + j] = (float)sqrt(k->dot(row, row, x.dim[3]));
    }
}

void reference_head_norms(compute *c, tensor x, const float *gram, tensor norm, tensor projected) {
    int64_t n = x.dim[1], heads = x.dim[2], d = x.dim[3];
    for (int64_t at = 0; at < x.dim[0] * heads; at++) norm_head(cpu_kernel(c), x, at, attention_floats(norm));
    for (int64_t at = 0; gram && at < x.dim[0] * heads; at++)
        for (int64_t j = 0; j < n; j++) {
            const float *row = attention_row(x, at / heads, j, at % heads), *g = gram + at % heads * d * d;
            double sum = 0;
            for (int64_t a = 0; a < d; a++)
                for (int64_t b = 0; b < d; b++) sum += (double)row[a] * (double)g[a * d + b] * (double)row[b];
            attention_floats(projected)[at * n + j] = sum < 0 ? 0 : (float)sqrt(sum);
        }
}

/* Columns [first, first + PRODUCT_COLUMNS) of a head's Gram matrix as a panel of the product kernel. */
static void activations_pack_panel(float *panel, const float *gram, int64_t d, int64_t first) {
    int64_t width = d - first < PRODUCT_COLUMNS ? d - first : PRODUCT_COLUMNS;
    for (int64_t a = 0; a < d; a++, panel += PRODUCT_COLUMNS) {
        memcpy(panel, gram + a * d + first, (size_t)width * sizeof *panel);
        memset(panel + width, 0, (size_t)(PRODUCT_COLUMNS - width) * sizeof *panel);
    }
}

/* All tokens of one head, PRODUCT_ROWS at a time: y = x G by the product kernel. `scratch` (scratch): panels of all
 * columns, then a tile of y. */
static void project_head(const kernel *k, tensor x, int64_t b, int64_t h, const float *gram, float *scratch,
                         float *projected) {
    static const float ZERO[PRODUCT_COLUMNS] = {0};
    int64_t n = x.dim[1], d = x.dim[3], panels = (d + PRODUCT_COLUMNS - 1) / PRODUCT_COLUMNS;
    float *tile = scratch + panels * d * PRODUCT_COLUMNS;
    for (int64_t p = 0; p < panels; p++)
        activations_pack_panel(scratch + p * d * PRODUCT_COLUMNS, gram, d, p * PRODUCT_COLUMNS);
    for (int64_t j = 0; j < n; j += PRODUCT_ROWS) {
        const float *row[PRODUCT_ROWS];
        float *out[PRODUCT_ROWS];
        int m = n - j < PRODUCT_ROWS ? (int)(n - j) : PRODUCT_ROWS;
        for (int r = 0; r < PRODUCT_ROWS; r++) {
            row[r] = attention_row(x, b, j + (r < m ? r : 0), h);
            out[r] = tile + r * d;
        }
        for (int64_t p = 0; p < panels; p++) {
            int64_t left = d - p * PRODUCT_COLUMNS;
            k->product(&(product_tile){.m = m,
                                       .taps = 1,
                                       .count = d,
                                       .row = row,
                                       .panel = scratch + p * d * PRODUCT_COLUMNS,
                                       .bias = ZERO,
                                       .out = out,
                                       .out_offset = p * PRODUCT_COLUMNS,
                                       .columns = left < PRODUCT_COLUMNS ? (int)left : PRODUCT_COLUMNS});
        }
        for (int r = 0; r < m; r++) projected[j + r] = (float)sqrt(k->dot(row[r], out[r], d));
    }
}

/* Floats of project_head's scratch for one head, a multiple of the panels' alignment. */
static int64_t project_scratch(int64_t d) {
    int64_t panels = (d + PRODUCT_COLUMNS - 1) / PRODUCT_COLUMNS;
    return (panels * d * PRODUCT_COLUMNS + PRODUCT_ROWS * d + 15) / 16 * 16;
}

void cpu_head_norms_reserve(compute *c, tensor x) {
    arena_mark mark = arena_get_mark(c->scratch);
    compute_1d(c, x.dim[0] * x.dim[2] * project_scratch(x.dim[3]));
    arena_release(c->scratch, mark);
}

typedef struct norms_work {
    const kernel *k;
    tensor x;
    const float *gram;
    float *scratch, *norm, *projected;
} norms_work;

static void norm_heads(void *context, int64_t first, int64_t end, int part) {
    const norms_work *w = context;
    int64_t heads = w->x.dim[2], d = w->x.dim[3], each = project_scratch(d);
    (void)part;
    for (int64_t at = first; at < end; at++) {
        norm_head(w->k, w->x, at, w->norm);
        if (w->scratch)
            project_head(w->k, w->x, at / heads, at % heads, w->gram + at % heads * d * d, w->scratch + at * each,
                         w->projected + at * w->x.dim[1]);
    }
}

void cpu_head_norms(compute *c, tensor x, const float *gram, tensor norm, tensor projected) {
    int64_t d = x.dim[3], pairs = x.dim[0] * x.dim[2];
    arena_mark mark = arena_get_mark(c->scratch);
    float *scratch = gram ? compute_1d(c, pairs * project_scratch(d)).data : NULL;
    norms_work work = {cpu_kernel(c), x, gram, scratch, attention_floats(norm), attention_floats(projected)};
    thread_pool_for(c->pool, cpu_threads(c, pairs * x.dim[1] * (8 + (scratch ? d * d / 8 : 0))), pairs, 1, norm_heads,
                    &work);
    arena_release(c->scratch, mark);
}

void cpu_head_gram(compute *c, const weight *w, int64_t heads, float *out) {
    int64_t rows = w->source.dim[0], width = w->source.dim[1], d = width / heads;
    float *row = malloc(sizeof *row * (size_t)width);
    if (!row) {
        error_no_memory(&c->error, "a row of a weight", sizeof *row * (size_t)width);
        return;
    }
    memset(out, 0, sizeof *out * (size_t)(width * d));
    for (int64_t o = 0; o < rows; o++) {
        half_convert(row, (const char *)w->source.data + (size_t)(o * width) * tensor_type_size(w->source.type),
                     w->source.type, width);
        for (int64_t a = 0; a < width; a++) {
            const float *head = row + a / d * d, wa = row[a];
            float *g = out + a * d;
            for (int64_t b = 0; b < d; b++) g[b] += wa * head[b];
        }
    }
    free(row);
}

/* ---- magnitudes ---- */

static uint32_t magnitude_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7FFFFFFFu; /* in the order of the magnitudes */
}

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Magnitudes of one head of one item that are at least `least`, to out, which holds all; how many, and the largest of
 * all. */
static int64_t copy_magnitudes(const kernel *k, tensor x, int64_t b, int64_t h, uint32_t least, uint32_t *out,
                               uint32_t *largest) {
    int64_t have = 0;
    *largest = 0;
    for (int64_t i = 0; i < x.dim[1]; i++)
        have += k->magnitudes(out + have, attention_row(x, b, i, h), x.dim[3], least, largest);
    return have;
}

/* A size that very likely lies below the one of rank `rank`, and not far: four standard deviations of a rank among
 * every n/SAMPLE-th element. 0 where there are too few. */
static uint32_t likely_below(const kernel *k, tensor x, int64_t b, int64_t h, int64_t n, int64_t rank) {
    enum { SAMPLE = 256, APART = 14, COARSE = 1 << 19 /* 16 steps an octave */ };
    uint32_t sample[SAMPLE];
    if (n < 4 * SAMPLE) return 0;
    int64_t token = 0, element = 0, step = n / SAMPLE, d = x.dim[3];
    for (int i = 0; i < SAMPLE; i++) {
        sample[i] = magnitude_bits(attention_row(x, b, token, h)[element]);
        for (element += step; element >= d; element -= d) token++;
    }
    return k->reached(sample, SAMPLE, SAMPLE - (rank * SAMPLE / n - APART), COARSE);
}

enum { BINS = 128, BIN_SHIFT = 19, COPIES = 4 }; /* 16 bins an octave, the 8 octaves below the largest */
enum { FEW = 4096 };                             /* too few magnitudes for bins */

/* The bin of a size; what is smaller than all of them falls into bin 0. */
static inline uint32_t bin_of(uint32_t bits, uint32_t least) { return bits > least ? (bits - least) >> BIN_SHIFT : 0; }

/* Brings those of v[n] to the front that lie in the bins of ranks `rank` and rank + 1; how many, and how many lie below
 * them. Sizes are counted by bins, in several copies so that equal bins do not wait for each other. Where the ranks lie
 * in bin 0 (the largest size is beyond comparison), all stay. */
static int64_t keep_bins(uint32_t *v, int64_t n, int64_t rank, uint32_t most, int64_t *lower) {
    uint32_t count[COPIES][BINS + 1] = {{0}};
    const uint32_t span = (uint32_t)BINS << BIN_SHIFT, least = most > span ? most - span : 0;
    int64_t below = 0, have = n, i = 0;
    uint32_t bin = 0;
    for (; i + COPIES <= n; i += COPIES)
        for (int j = 0; j < COPIES; j++) count[j][bin_of(v[i + j], least)]++;
    for (; i < n; i++) count[0][bin_of(v[i], least)]++;
    for (int j = 1; j < COPIES; j++)
        for (int b = 0; b <= BINS; b++) count[0][b] += count[j][b];
    while (below + count[0][bin] <= rank) below += count[0][bin++];
    if (bin > 0) {
        uint32_t last = bin; /* the bin of the next rank */
        for (int64_t upto = below + count[0][bin]; upto <= rank + 1 && last < BINS;) upto += count[0][++last];
        uint32_t from = least + (bin << BIN_SHIFT), width = (last - bin + 1) << BIN_SHIFT;
        have = 0;
        for (i = 0; i < n; i++) { /* those of the bins to the front: what is overwritten was looked at */
            uint32_t x = v[i];
            v[have] = x;
            have += x - from < width;
        }
    }
    *lower = below;
    return have;
}

/* The elements of ranks `rank` and rank + 1 (if there is one) of v[n], exactly; v is put in another order. */
static void neighbours(const kernel *k, uint32_t *v, int64_t n, int64_t rank, uint32_t most, float *low, float *high) {
    int64_t below = 0, have = n > FEW ? keep_bins(v, n, rank, most, &below) : n, wanted = have - (rank - below);
    uint32_t here = k->reached(v, have, wanted, 1), next = UINT32_MAX;
    int64_t higher = 0;
    for (int64_t i = 0; i < have; i++) {
        uint32_t x = v[i] > here ? v[i] : UINT32_MAX;
        next = x < next ? x : next;
        higher += v[i] > here;
    }
    *low = from_bits(here);
    *high = from_bits(rank + 1 < n && higher == wanted - 1 ? next : here);
}

static void summarise(const kernel *k, tensor x, int64_t b, int64_t h, uint32_t *scratch, float *largest, float *p95) {
    int64_t n = x.dim[1] * x.dim[3];
    double place = 0.95 * (double)(n - 1);
    int64_t rank = (int64_t)place;
    uint32_t most;
    float low, high;
    int64_t have = copy_magnitudes(k, x, b, h, likely_below(k, x, b, h, n, rank), scratch, &most), dropped = n - have;
    if (dropped > rank) { /* the guess was wrong */
        have = copy_magnitudes(k, x, b, h, 0, scratch, &most);
        dropped = 0;
    }
    neighbours(k, scratch, have, rank - dropped, most, &low, &high);
    *largest = from_bits(most);
    *p95 = (float)((double)low + (place - (double)rank) * ((double)high - (double)low));
}

typedef struct magnitudes_work {
    const kernel *k;
    tensor x;
    float *scratch, *largest, *p95;
} magnitudes_work;

static void summarise_heads(void *context, int64_t first, int64_t end, int part) {
    const magnitudes_work *w = context;
    int64_t heads = w->x.dim[2], each = w->x.dim[1] * w->x.dim[3];
    (void)part;
    for (int64_t at = first; at < end; at++)
        summarise(w->k, w->x, at / heads, at % heads, (uint32_t *)(void *)(w->scratch + at * each), &w->largest[at],
                  &w->p95[at]);
}

void cpu_magnitudes(compute *c, tensor x, tensor largest, tensor p95) {
    int64_t pairs = x.dim[0] * x.dim[2], all = pairs * x.dim[1] * x.dim[3];
    arena_mark mark = arena_get_mark(c->scratch);
    magnitudes_work work = {cpu_kernel(c), x, compute_1d(c, all).data, attention_floats(largest),
                            attention_floats(p95)};
    if (work.scratch) thread_pool_for(c->pool, cpu_threads(c, all), pairs, 1, summarise_heads, &work);
    arena_release(c->scratch, mark);
}
