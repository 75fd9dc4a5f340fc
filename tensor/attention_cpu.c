/* Attention of the cpu backend: the work is cut into (head, chunk of query rows), each done in blocks of rows by the
 * kernel of the machine's instruction set. Chunks depend on the numbers of queries and keys alone and their sums are
 * added in order, so no bit depends on threads or on the batch. Scratch comes from the context's arena. */
#include "tensor/attention.h"

#include <string.h>
#include "tensor/cpu.h"

enum {
    CHUNK_ROWS = 64,           /* fewest rows of a chunk */
    MAX_CHUNKS = 16,           /* of one head */
    CACHE_FLOATS = 160 * 1024, /* a block of scores: well inside a second-level cache of 1 MiB */
};
static const size_t WAVE_BYTES = (size_t)32 << 20; /* packed keys and values held at a time */

void *attention_scratch(compute *c, size_t n, size_t size) {
    void *p = arena_alloc(c->scratch, n * size);
    if (!p && compute_ok(c))
        error_set(&c->error, SS_ERR_RESOURCE, NULL,
                  "out of scratch memory in attention: %zu bytes in use, %zu more asked for; use a smaller image or "
                  "batch",
                  arena_used(c->scratch), n * size);
    return p;
}

int compute_attention_rounds(const compute *c, weight_form form) {
    return form == FORM_BF16 && cpu_isa_of(c) && cpu_isa_of(c)->rounding;
}

int attention_block_rows(int64_t keys) {
    int rows = ATTENTION_ROWS;
    while (rows > 8 && rows * keys > CACHE_FLOATS) rows /= 2;
    return rows;
}

void attention_block_load(const attention_kernel *k, attention_block *b, float *q, const attention_args *a,
                          int64_t item, int64_t head, const int32_t *row_index, int64_t first, int n) {
    int64_t d = a->q.dim[3];
    float scale = k->rounds ? 1 : a->scale;
    b->rows = n;
    b->scale = a->scale;
    b->d = d;
    b->q = q;
    b->masked = a->causal || !tensor_is_none(a->bias);
    b->bias[0] = NULL;
    for (int i = 0; i < n; i++) {
        int64_t row = row_index ? row_index[first + i] : first + i;
        const float *from = attention_row(a->q, item, row, head);
        for (int64_t x = 0; x < d; x++) q[i * d + x] = from[x] * scale;
        b->last_key[i] = a->causal ? row : INT64_MAX - 1;
        if (!tensor_is_none(a->bias))
            b->bias[i] = (const float *)a->bias.data + head * a->bias.stride[0] + row * a->bias.stride[1];
    }
    memset(q + n * d, 0, sizeof(float) * (size_t)((ATTENTION_ROWS - n) * d));
}

/* One call's cut into work, and its scratch. */
typedef struct attention_plan {
    const attention_kernel *kernel;
    const attention_args *a;
    const attention_stats *stats;
    double *lse;    /* of all pairs, or NULL */
    float *row_max; /* likewise */
    int64_t n_heads, n_rows, n_keys, d;
    int64_t keys, width; /* n_keys and d rounded up to panels */
    int64_t key_floats, value_floats;
    int64_t chunk_rows, chunks;
    int64_t wave; /* (item, head) pairs held packed at a time */
    int block_rows, threads;
    float *k_panel, *v_panel; /* [wave, keys key_floats], [wave, keys value_floats] */
    double *mass;             /* [wave, chunks, keys] */
    double *sums;             /* [wave, chunks, 2]: entropy, concentration */
    float *scratch;           /* [threads, part_floats]: q, o, s */
    int64_t part_floats;
} attention_plan;

static void plan_make(attention_plan *p, const compute *c, const attention_args *a, const attention_stats *stats) {
    const attention_kernel *in_use = attention_kernel_for(c, a);
    int64_t pairs = a->q.dim[0] * a->q.dim[2];
    *p = (attention_plan){.kernel = in_use, .a = a, .stats = stats, .threads = c->threads};
    if (stats) {
        p->lse = attention_doubles(stats->lse);
        p->row_max = attention_floats(stats->row_max);
    }
    p->n_rows = a->q.dim[1];
    p->n_heads = a->q.dim[2];
    p->d = a->q.dim[3];
    p->n_keys = a->k.dim[1];
    p->keys = attention_round_up(p->n_keys, in_use->columns);
    p->width = attention_round_up(p->d, in_use->columns);
    p->key_floats = attention_key_floats(in_use, p->d);
    p->value_floats = attention_value_floats(in_use, p->d);
    int64_t most = p->n_rows > p->n_keys ? p->n_rows : p->n_keys; /* text queries or none: the same sums of masses */
    p->chunk_rows = attention_round_up((most + MAX_CHUNKS - 1) / MAX_CHUNKS, ATTENTION_ROWS);
    if (p->chunk_rows < CHUNK_ROWS) p->chunk_rows = CHUNK_ROWS;
    p->chunks = (p->n_rows + p->chunk_rows - 1) / p->chunk_rows;
    p->wave = (int64_t)(WAVE_BYTES / sizeof(float)) / (p->keys * (p->key_floats + p->value_floats));
    if (p->wave < c->threads) p->wave = c->threads;
    if (p->wave > pairs) p->wave = pairs;
    p->block_rows = in_use->rounds ? ATTENTION_ROWS : attention_block_rows(p->keys);
    p->part_floats = attention_round_up(ATTENTION_ROWS * p->d, 16) + ATTENTION_ROWS * p->width +
                     attention_round_up(in_use->scratch_floats(p->block_rows, p->keys, p->d), 16);
}

static int plan_allocate(attention_plan *p, compute *c) {
    size_t wave = (size_t)p->wave, panel = (size_t)p->keys;
    p->k_panel = attention_scratch(c, wave * panel * (size_t)p->key_floats, sizeof(float));
    p->v_panel = attention_scratch(c, wave * panel * (size_t)p->value_floats, sizeof(float));
    p->mass = attention_scratch(c, wave * (size_t)p->chunks * panel, sizeof(double));
    p->sums = attention_scratch(c, wave * (size_t)p->chunks * 2, sizeof(double));
    p->scratch = attention_scratch(c, (size_t)(p->threads * p->part_floats), sizeof(float));
    return compute_ok(c);
}

static const float *head_data(tensor t, int64_t item, int64_t head) { return attention_row(t, item, 0, head); }

static void pack_pair(const attention_plan *p, int64_t pair, int64_t slot) {
    const attention_args *a = p->a;
    int64_t item = pair / p->n_heads, head = pair % p->n_heads;
    p->kernel->pack_keys(p->k_panel + slot * p->keys * p->key_floats, head_data(a->k, item, head), a->k.stride[1], NULL,
                         p->n_keys, p->d);
    p->kernel->pack_values(p->v_panel + slot * p->keys * p->value_floats, head_data(a->v, item, head), a->v.stride[1],
                           NULL, p->n_keys, p->d);
}

/* The part of [begin, end) inside n rows from `first`, relative to them. */
static void overlap(int64_t begin, int64_t end, int64_t first, int n, int *from, int *to) {
    int64_t low = begin - first, high = end - first;
    *from = low < 0 ? 0 : low > n ? n : (int)low;
    *to = high < *from ? *from : high > n ? n : (int)high;
}

static void store_rows(const attention_plan *p, const attention_block *b, int64_t pair, int64_t first) {
    tensor out = p->a->out;
    float *o = attention_row(out, pair / p->n_heads, 0, pair % p->n_heads);
    for (int i = 0; i < b->rows; i++) {
        memcpy(o + (first + i) * out.stride[1], b->o + i * p->width, sizeof(float) * (size_t)p->d);
        if (p->lse) p->lse[pair * p->n_rows + first + i] = b->lse[i];
        if (p->row_max) p->row_max[pair * p->n_rows + first + i] = b->max_p[i];
    }
}

static void run_chunk(const attention_plan *p, int64_t pair, int64_t slot, int64_t chunk, float *scratch) {
    double *sums = p->sums + (slot * p->chunks + chunk) * 2;
    float *q = scratch;
    attention_block b = {.n_keys = p->n_keys,
                         .k_panel = p->k_panel + slot * p->keys * p->key_floats,
                         .v_panel = p->v_panel + slot * p->keys * p->value_floats,
                         .o = scratch + attention_round_up(ATTENTION_ROWS * p->d, 16)};
    b.s = b.o + ATTENTION_ROWS * p->width;
    sums[0] = sums[1] = 0;
    if (p->stats) {
        b.r = p->stats->r;
        b.with_lse = p->lse != NULL;
        b.entropy = tensor_is_none(p->stats->entropy) ? NULL : sums;
        b.concentration = tensor_is_none(p->stats->concentration) ? NULL : sums + 1;
        b.mass = tensor_is_none(p->stats->mass) ? NULL : p->mass + (slot * p->chunks + chunk) * p->keys;
        if (b.mass) memset(b.mass, 0, sizeof(double) * (size_t)p->keys);
    }
    int64_t end = (chunk + 1) * p->chunk_rows < p->n_rows ? (chunk + 1) * p->chunk_rows : p->n_rows;
    for (int64_t first = chunk * p->chunk_rows; first < end; first += p->block_rows) {
        int n = end - first < p->block_rows ? (int)(end - first) : p->block_rows;
        attention_block_load(p->kernel, &b, q, p->a, pair / p->n_heads, pair % p->n_heads, NULL, first, n);
        if (p->stats) overlap(p->stats->row_begin, p->stats->row_end, first, n, &b.observe_begin, &b.observe_end);
        p->kernel->block(&b);
        store_rows(p, &b, pair, first);
    }
}

static void reduce_pair(const attention_plan *p, int64_t pair, int64_t slot) {
    const attention_stats *stats = p->stats;
    double rows = (double)(stats->row_end - stats->row_begin), entropy = 0, concentration = 0;
    if (rows < 1) rows = 1;
    for (int64_t chunk = 0; chunk < p->chunks; chunk++) {
        entropy += p->sums[(slot * p->chunks + chunk) * 2];
        concentration += p->sums[(slot * p->chunks + chunk) * 2 + 1];
    }
    attention_put(stats->entropy, pair, entropy / rows);
    attention_put(stats->concentration, pair, concentration / rows);
    if (tensor_is_none(stats->mass)) return;
    double *mass = attention_doubles(stats->mass) + pair * p->n_keys;
    memset(mass, 0, sizeof(double) * (size_t)p->n_keys);
    for (int64_t chunk = 0; chunk < p->chunks; chunk++)
        for (int64_t j = 0; j < p->n_keys; j++) mass[j] += p->mass[(slot * p->chunks + chunk) * p->keys + j];
    for (int64_t j = 0; j < p->n_keys; j++) mass[j] /= rows;
}

/* The pairs from `first` on, as many as have room at once. */
typedef struct attention_wave {
    const attention_plan *p;
    int64_t first;
} attention_wave;

static void pack_slots(void *context, int64_t first, int64_t end, int part) {
    const attention_wave *w = context;
    (void)part;
    for (int64_t slot = first; slot < end; slot++) pack_pair(w->p, w->first + slot, slot);
}

static void run_chunks(void *context, int64_t first, int64_t end, int part) {
    const attention_wave *w = context;
    const attention_plan *p = w->p;
    for (int64_t task = first; task < end; task++)
        run_chunk(p, w->first + task / p->chunks, task / p->chunks, task % p->chunks,
                  p->scratch + part * p->part_floats);
}

static void reduce_slots(void *context, int64_t first, int64_t end, int part) {
    const attention_wave *w = context;
    (void)part;
    for (int64_t slot = first; slot < end; slot++) reduce_pair(w->p, w->first + slot, slot);
}

void cpu_attention(compute *c, const attention_args *a, const attention_stats *stats) {
    attention_plan plan, *p = &plan;
    int64_t pairs = a->q.dim[0] * a->q.dim[2];
    arena_mark mark = arena_get_mark(c->scratch);
    plan_make(p, c, a, stats);
    if (!plan_allocate(p, c)) pairs = 0;
    for (int64_t first = 0; first < pairs; first += p->wave) {
        int64_t n = pairs - first < p->wave ? pairs - first : p->wave;
        attention_wave wave = {p, first};
        thread_pool_for(c->pool, c->threads, n, 1, pack_slots, &wave);
        thread_pool_for(c->pool, c->threads, n * p->chunks, 1, run_chunks, &wave);
        if (stats) thread_pool_for(c->pool, c->threads, n, 0, reduce_slots, &wave);
    }
    arena_release(c->scratch, mark);
}

void cpu_attention_reserve(compute *c, const attention_args *a) {
    attention_plan plan;
    arena_mark mark = arena_get_mark(c->scratch);
    plan_make(&plan, c, a, NULL);
    plan_allocate(&plan, c);
    arena_release(c->scratch, mark);
}
