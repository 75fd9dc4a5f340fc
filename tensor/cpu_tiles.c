/* A task of a product by tiles of bfloat16: its rows against some panels of 64 outputs. The rows are copied together
 * first, tile by tile in the order in which they are read, so that neither how far rows lie apart nor how many taps a
 * window has matters afterwards: PART sixteens of every row, which stay in the second-level cache while all panels
 * pass. Of a panel, RUN sixteens of 32 columns stay in the first-level cache while all rows pass, and what the rows
 * have summed so far waits in the second. A sum is one chain from its first sixteen to its last, wherever it is
 * interrupted. */
#include "tensor/cpu_product.h"

#include <string.h>

enum {
    PART = 64,                              /* sixteens of the rows that are in the scratch: 0.8 MB */
    RUN = 8,                                /* sixteens of the columns that are passed at once: 16 kB */
    LINE = 64,                              /* bytes of a cache line, and of a tile's row */
    COLUMNS = TILES_COLUMNS,                /* of a tile */
    ACROSS = PRODUCT_COLUMNS / COLUMNS,     /* tiles of a panel */
    TILE = TILES_ROWS * COLUMNS,            /* sums of a tile */
    SIXTEEN = TILES_ROWS * TILES_PAIRS,     /* words of a tile of rows */
    COLUMN_SIXTEEN = COLUMNS * TILES_PAIRS, /* and of one of columns */
    BLOCK_TILES = BLOCK_ROWS / TILES_ROWS,  /* of a task */
    STRIPES = 128,                          /* most of a task whose sums are interrupted: 3 MB */
};

static int64_t sixteens_of(int64_t pairs) { return (pairs + TILES_PAIRS - 1) / TILES_PAIRS; }

int64_t cpu_tiles_panels(int64_t taps, int64_t pairs) {
    return taps * sixteens_of(pairs) <= PART ? INT64_MAX : STRIPES / ACROSS;
}

size_t cpu_tiles_scratch(void) {
    return (size_t)BLOCK_TILES * ((size_t)PART * SIXTEEN * sizeof(uint32_t) + (size_t)STRIPES * TILE * sizeof(float));
}

/* What one task has at hand. */
typedef struct task {
    const product *p;
    const product_scratch *m;
    int64_t begin, n_rows, tiles;
    int64_t first, last;       /* panels */
    int64_t per_tap, sixteens; /* of the sum */
    int64_t part, part_end;    /* of the sixteens: the contents of the scratch */
    uint32_t *rows;            /* [tiles][part_end - part][32][16] */
    float *sums;               /* [stripes or 1][tiles][32][32] */
    int keeps;                 /* there is more than one part: every stripe has its sums */
} task;

/* Sixteens [part, part_end) of all rows. */
static void gather(const task *t) {
    const product *p = t->p;
    int64_t n = t->part_end - t->part;
    for (int64_t tile = 0; tile < t->tiles; tile++) {
        int rows = (int)least(t->n_rows - tile * TILES_ROWS, TILES_ROWS);
        const float *const *row = t->m->row + tile * TILES_ROWS * p->taps;
        uint32_t *to = t->rows + tile * n * SIXTEEN;
        for (int64_t s = t->part, n_of_tap; s < t->part_end; s += n_of_tap, to += n_of_tap * SIXTEEN) {
            int64_t tap = s / t->per_tap, first = s % t->per_tap;
            n_of_tap = least(t->part_end - s, t->per_tap - first);
            p->tiles->gather(to, row + tap * TILES_ROWS, rows, first * TILES_PAIRS,
                             least((first + n_of_tap) * TILES_PAIRS, p->inputs));
        }
    }
}

/* Columns 32 `stripe` to 32 `stripe` + 31 of the output, of the sixteens that are in the scratch. */
static const uint32_t *stripe_at(const task *t, int64_t stripe) {
    const uint32_t *panel =
        (const uint32_t *)(const void *)(t->p->panels + (size_t)(stripe / ACROSS) * t->p->panel_bytes);
    return panel + (stripe % ACROSS * t->sixteens + t->part) * COLUMN_SIXTEEN;
}

static float *sums_of(const task *t, int64_t stripe) {
    return t->sums + (t->keeps ? (stripe - t->first * ACROSS) * t->tiles * TILE : 0);
}

/* The scratch's rows times one stripe; meanwhile `next` (or NULL), as large, is brought into the second-level cache. */
static void multiply(const task *t, int64_t stripe, const uint32_t *next) {
    int64_t n = t->part_end - t->part;
    const uint32_t *columns = stripe_at(t, stripe);
    float *sums = sums_of(t, stripe);
    size_t ahead = next ? (size_t)n * COLUMN_SIXTEEN * sizeof *next / LINE : 0,
           pieces = (size_t)(t->tiles * ((n + RUN - 1) / RUN)), piece = (ahead + pieces - 1) / pieces, fetched = 0;
    for (int64_t s = 0; s < n; s += RUN)
        for (int64_t tile = 0; tile < t->tiles; tile++) {
            for (size_t i = 0; i < piece && fetched < ahead; i++, fetched++)
                __builtin_prefetch((const char *)next + fetched * LINE, 0, 2);
            const tiles_part a = {
                .sums = sums + tile * TILE,
                .rows = t->rows + (tile * n + s) * SIXTEEN,
                .columns = columns + s * COLUMN_SIXTEEN,
                .sixteens = least(RUN, n - s),
                .halves = t->n_rows - tile * TILES_ROWS > TILES_ROWS / 2 ? 2 : 1,
                .goes_on = t->part + s > 0,
            };
            t->p->tiles->multiply(&a);
        }
}

/* What follows the sums of a stripe, while they are in the cache. */
static void finish(const task *t, int64_t stripe) {
    const product *p = t->p;
    int64_t column = stripe * COLUMNS;
    int columns = (int)least(p->outputs - column, COLUMNS);
    float *sums = sums_of(t, stripe);
    if (p->bias)
        for (int64_t i = 0; i < t->n_rows; i++)
            p->k->add(sums + i * COLUMNS, p->bias + column, sums + i * COLUMNS, COLUMNS);
    if (p->act != ACT_NONE) p->k->activate(sums, sums, t->n_rows * COLUMNS, p->act);
    for (int64_t i = 0; i < t->n_rows; i++)
        if (p->rounds) p->k->to_pairs((uint32_t *)(void *)t->m->out[i] + column / 2, sums + i * COLUMNS, columns);
        else memcpy(t->m->out[i] + column, sums + i * COLUMNS, (size_t)columns * sizeof *sums);
    if (!tensor_is_none(p->sum)) cpu_product_add(p, t->begin, t->n_rows, column, columns, NULL, sums);
}

void cpu_tiles_task(const product *p, const product_scratch *m, int64_t begin, int64_t end, int64_t first,
                    int64_t last) {
    task t = {.p = p, .m = m, .begin = begin, .n_rows = end - begin, .first = first, .last = last};
    t.tiles = (t.n_rows + TILES_ROWS - 1) / TILES_ROWS;
    t.per_tap = sixteens_of(p->inputs);
    t.sixteens = t.per_tap * p->taps;
    t.keeps = t.sixteens > PART;
    t.rows = (uint32_t *)(void *)m->widened;
    t.sums = (float *)(void *)(t.rows + (size_t)BLOCK_TILES * PART * SIXTEEN);
    int64_t begins = first * ACROSS, ends = least(last * ACROSS, (p->outputs + COLUMNS - 1) / COLUMNS);
    for (; t.part < t.sixteens; t.part = t.part_end) {
        t.part_end = least(t.part + PART, t.sixteens);
        gather(&t);
        for (int64_t stripe = begins; stripe < ends; stripe++) {
            multiply(&t, stripe, stripe + 1 < ends ? stripe_at(&t, stripe + 1) : NULL);
            if (t.part_end == t.sixteens) finish(&t, stripe);
        }
    }
}
