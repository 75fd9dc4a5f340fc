/* See brownian.h. Sources: torchsde's _brownian/brownian_interval.py; numpy's SeedSequence (bit_generator.pyx), after
 * O'Neill's seed_seq_fe. */
#include "sampler/brownian.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- seeds ---- */

enum { POOL = 24, MAX_WORDS = POOL + 4 };

static uint32_t hashmix(uint32_t value, uint32_t *constant, uint32_t multiplier) {
    value ^= *constant;
    *constant *= multiplier;
    value *= *constant;
    return value ^ value >> 16;
}

static uint32_t mix(uint32_t x, uint32_t y) {
    uint32_t v = 0xca01f9ddu * x - 0x4973f715u * y;
    return v ^ v >> 16;
}

/* Words of 32 bits, the lowest first; at least one. */
static int brownian_add_words(uint32_t *word, int n, uint64_t value) {
    word[n++] = (uint32_t)value;
    if (value >> 32) word[n++] = (uint32_t)(value >> 32);
    return n;
}

uint32_t brownian_seed(uint64_t entropy, uint64_t key, int depth) {
    uint32_t word[MAX_WORDS + 2] = {0}, pool[POOL], constant = 0x43b0d7e5u;
    const uint32_t multiplier = 0x931e8875u;
    int n = brownian_add_words(word, 0, entropy);
    if (depth >= 0) { /* a key comes after a full pool of entropy */
        n = brownian_add_words(word, POOL, key);
        n = brownian_add_words(word, n, (uint64_t)depth);
    }
    for (int i = 0; i < POOL; i++) pool[i] = hashmix(word[i], &constant, multiplier);
    for (int from = 0; from < POOL; from++)
        for (int to = 0; to < POOL; to++)
            if (from != to) pool[to] = mix(pool[to], hashmix(pool[from], &constant, multiplier));
    for (int from = POOL; from < n; from++)
        for (int to = 0; to < POOL; to++) pool[to] = mix(pool[to], hashmix(word[from], &constant, multiplier));
    constant = 0x8b51f9ddu;
    return hashmix(pool[0], &constant, 0x58f38dedu);
}

/* ---- the tree ---- */

/* Python's round(x, 6): the nearest decimal, exactly. */
static double rounded(double x) {
    char decimal[64];
    snprintf(decimal, sizeof decimal, "%.6f", x);
    return strtod(decimal, NULL);
}

typedef struct search {
    const brownian *b;
    double from, to;
    int64_t n;
    float *noise, *sum; /* [n] each */
} search;

static void brownian_draw(const brownian *b, uint32_t seed, float *out, int64_t n) {
    torch_generator r;
    torch_generator_begin(&r, b->device, seed);
    torch_generator_randn(&r, out, n);
}

/* Add the part of [start, end] that lies in the requested interval. w is the increment of [start, end], followed by
 * scratch for the levels below. `key` and `depth` name the interval. Arithmetic in float32, as tensors have it. */
static void visit(search *s, double start, double end, uint64_t key, int depth, const float *w, float *below) {
    if (s->from <= start && end <= s->to) {
        for (int64_t i = 0; i < s->n; i++) s->sum[i] += w[i];
        return;
    }
    if (depth == BROWNIAN_LEVELS - 1) return; /* narrower than 1e-6: cannot be */
    double middle = rounded(0.5 * (end + start)), left = middle - start, right = end - middle,
           whole = 1 / (end - start);
    float share = (float)left, scale = (float)whole, spread = (float)sqrt(left * right * whole);
    brownian_draw(s->b, brownian_seed(s->b->seed, key, depth), s->noise, s->n);
    for (int64_t i = 0; i < s->n; i++) {
        float mean = share * w[i] * scale, moved = spread * s->noise[i];
        below[i] = mean + moved;
    }
    if (s->from < middle) visit(s, start, middle, 2 * key + 0, depth + 1, below, below + s->n);
    if (s->to <= middle) return;
    for (int64_t i = 0; i < s->n; i++) below[i] = w[i] - below[i];
    visit(s, middle, end, 2 * key + 1, depth + 1, below, below + s->n);
}

void brownian_noise(const brownian *b, double from, double to, float *room, float *out, int64_t n) {
    double first = rounded(from < to ? from : to), last = rounded(from < to ? to : from);
    double start = rounded(b->low), end = rounded(b->high);
    search s = {.b = b,
                .from = first < start ? start : first,
                .to = last > end ? end : last,
                .n = n,
                .noise = room,
                .sum = out};
    float *top = room + n, spread = (float)sqrt(b->high - b->low);
    memset(out, 0, (size_t)n * sizeof *out);
    brownian_draw(b, brownian_seed(b->seed, 0, -1), top, n);
    for (int64_t i = 0; i < n; i++) top[i] *= spread;
    if (s.from < s.to) visit(&s, start, end, 0, 0, top, top + n);
    float scale = sqrtf((float)fabs(to - from)), sign = from < to ? 1 : -1;
    for (int64_t i = 0; i < n; i++) out[i] = sign * out[i] / scale;
}
