/* What probes ask of activations: lengths of head vectors, the largest and the 95th-percentile size. Both host backends
 * use it. Heads of an item are shared out among threads; each is one thread's, so no bit depends on their number. */
#include "tensor/activations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/attention.h"
#include "tensor/half.h"

/* ---- lengths ---- */

/* y = x G, one row of G after another: vector instructions without a sum across lanes. */
static double quadratic_form(const float *x, const float *gram, float *y, int64_t d) {
    double sum = 0;
    for (int64_t b = 0; b < d; b++) y[b] = 0;
    for (int64_t a = 0; a < d; a++) {
        const float *g = gram + a * d, xa = x[a];
        for (int64_t b = 0; b < d; b++) y[b] += xa * g[b];
    }
    for (int64_t b = 0; b < d; b++) sum += (double)y[b] * (double)x[b];
    return sum > 0 ? sum : 0; /* a Gram matrix has no negative value but by rounding */
}

void activations_head_norms(compute *c, tensor x, const float *gram, float *norm, float *projected) {
    int64_t n = x.dim[1], heads = x.dim[2], d = x.dim[3], pairs = x.dim[0] * heads;
    arena_mark mark = arena_get_mark(c->scratch);
    float *room = compute_1d(c, pairs * d).data;
    if (room) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(c->threads)
        for (int64_t at = 0; at < pairs; at++)
            for (int64_t j = 0; j < n; j++) {
                const float *row = attention_row(x, at / heads, j, at % heads);
                double sum = 0;
                for (int64_t i = 0; i < d; i++) sum += (double)row[i] * (double)row[i];
                norm[at * n + j] = (float)sqrt(sum);
                if (gram)
                    projected[at * n + j] =
                        (float)sqrt(quadratic_form(row, gram + at % heads * d * d, room + at * d, d));
            }
    }
    arena_release(c->scratch, mark);
}

void activations_head_gram(const weight *w, int64_t heads, float *out) {
    int64_t rows = w->source.dim[0], width = w->source.dim[1], d = width / heads;
    float *row = malloc(sizeof *row * (size_t)width);
    memset(out, 0, sizeof *out * (size_t)(width * d));
    for (int64_t o = 0; row && o < rows; o++) {
        half_convert(row, (const char *)w->source.data + (size_t)(o * width) * tensor_type_size(w->source.type),
                     w->source.type, width);
        for (int64_t a = 0; a < width; a++) {
            const float *head = row + a / d * d, wa = row[a];
            float *g = out + a * d;
            for (int64_t b = 0; b < d; b++) g[b] += wa * head[b];
        }
    }
    if (!row) /* no room for a row: nothing can be said */
        for (int64_t i = 0; i < width * d; i++) out[i] = NAN;
    free(row);
}

/* ---- sizes ---- */

/* Bits of a size (sign cleared) are in the order of the sizes; the upper 11 sort into bins. */
enum { BINS = 2048, BIN_SHIFT = 20 };

static uint32_t size_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7FFFFFFFu;
}

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The element of rank `k` (0 = smallest) of v[n], which is put in another order. */
static uint32_t select_rank(uint32_t *v, int64_t n, int64_t k) {
    int64_t low = 0, high = n - 1;
    while (low < high) {
        uint32_t pivot = v[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot) i++;
            while (v[j] > pivot) j--;
            if (i > j) break;
            uint32_t t = v[i];
            v[i++] = v[j];
            v[j--] = t;
        }
        if (k <= j) high = j;
        else if (k >= i) low = i;
        else return v[k];
    }
    return v[k];
}

/* Sizes of one head of one item; `room` holds all of them. */
static void summarise(tensor x, int64_t b, int64_t h, uint32_t *room, float *largest, float *p95) {
    int64_t n = x.dim[1], d = x.dim[3], count[BINS] = {0}, below = 0, have = 0;
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *row = attention_row(x, b, i, h);
        for (int64_t j = 0; j < d; j++) {
            uint32_t bits = size_bits(row[j]);
            count[bits >> BIN_SHIFT]++;
            most = bits > most ? bits : most;
        }
    }
    double place = 0.95 * (double)(n * d - 1);
    int64_t rank = (int64_t)place, bin = 0;
    while (below + count[bin] <= rank) below += count[bin++];
    uint32_t next = UINT32_MAX; /* the least size in a higher bin */
    for (int64_t i = 0; i < n; i++) {
        const float *row = attention_row(x, b, i, h);
        for (int64_t j = 0; j < d; j++) {
            uint32_t bits = size_bits(row[j]);
            if ((int64_t)(bits >> BIN_SHIFT) == bin) room[have++] = bits;
            else if ((int64_t)(bits >> BIN_SHIFT) > bin && bits < next) next = bits;
        }
    }
    float low = from_bits(select_rank(room, have, rank - below));
    float high = low;
    if (place > (double)rank)
        high = from_bits(rank - below + 1 < have ? select_rank(room, have, rank - below + 1) : next);
    *largest = from_bits(most);
    *p95 = (float)((double)low + (place - (double)rank) * ((double)high - (double)low));
}

void activations_sizes(compute *c, tensor x, float *largest, float *p95) {
    int64_t heads = x.dim[2], pairs = x.dim[0] * heads, each = x.dim[1] * x.dim[3];
    arena_mark mark = arena_get_mark(c->scratch);
    float *room = compute_1d(c, pairs * each).data;
    if (room) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(c->threads)
        for (int64_t at = 0; at < pairs; at++)
            summarise(x, at / heads, at % heads, (uint32_t *)(void *)(room + at * each), &largest[at], &p95[at]);
    }
    arena_release(c->scratch, mark);
}
