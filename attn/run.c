/* One image during denoising: its program, the names of its random streams, its record. Plain arrays over (step, block,
 * head, branch); filled by attn.c, read when results are stored. Not shared between threads. */
#include "attn/run.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "attn/internal.h"

enum { BRANCHES = 2 };

struct attn_run {
    const attn_program *program;
    attn_measure measure;
    attn_stream_name name;
    attn_shape shape;
    struct block_size {
        int heads, keys;
    } * own; /* [blocks], of the block's calls; 0 until it is visited */
    int n_columns;
    float *columns;    /* [sites, n_columns] */
    attn_sink *sinks;  /* [sites, measure.top] */
    uint8_t *n_sinks;  /* [sites] */
    int n_top;         /* keys kept for attn_run_top: r, or 0 */
    int32_t *top;      /* [sites, n_top] */
    uint8_t *has_top;  /* [sites] how many */
    float *map;        /* [steps, blocks, keys], or NULL; NAN where not visited */
    float *masses;     /* [sites, keys], or NULL */
    uint8_t *has_mass; /* [sites] */
    int n_recall;      /* blocks to recall */
    double *recall;    /* [steps, n_recall, branches, heads, keys] */
    uint8_t *recalled; /* [steps, n_recall, branches] */
    const attn_run *baseline;
    struct global_set { /* the threshold found last, for each intervention and branch */
        int step;       /* + 1; 0 = none yet */
        double threshold;
    } global[EDIT_MAX_STEPS][BRANCHES];
    int64_t acted[EDIT_MAX_STEPS];  /* sites */
    uint8_t *marks[EDIT_MAX_STEPS]; /* [blocks, heads, branches, keys], made when asked for */
};

static size_t site_count(attn_shape s) { return (size_t)s.steps * (size_t)s.blocks * (size_t)s.heads * BRANCHES; }

static size_t site_of(const attn_run *run, int step, int block, int head, attn_branch branch) {
    attn_shape s = run->shape;
    return (((size_t)step * (size_t)s.blocks + (size_t)block) * (size_t)s.heads + (size_t)head) * BRANCHES +
           (size_t)branch;
}

/* ---- programs ---- */

int attn_recalls(const attn_intervention *v) { return v->source == SOURCE_BASELINE || v->scope == SCOPE_GLOBAL; }

int attn_program_acts(const attn_program *p, int step) {
    for (int i = 0; i < p->n; i++)
        if (bits_get(&p->intervention[i].steps, step)) return 1;
    return 0;
}

/* ---- making ---- */

static void *take(size_t n, size_t size, ss_error *err) {
    void *p = calloc(n ? n : 1, size);
    if (!p) error_no_memory(err, "record of attention", (unsigned long long)n * size);
    return p;
}

static ss_status check_measure(const attn_measure *m, attn_shape shape, ss_error *err) {
    if (shape.steps > ATTN_MAX_STEPS || shape.blocks > ATTN_MAX_BLOCKS || shape.heads > ATTN_MAX_HEADS)
        return error_set(err, SS_ERR_INPUT, NULL,
                         "%d steps, %d blocks, %d heads; expected at most %d, %d, %d of attention calls to study",
                         shape.steps, shape.blocks, shape.heads, ATTN_MAX_STEPS, ATTN_MAX_BLOCKS, ATTN_MAX_HEADS);
    if (m->r < 1 || m->r > ATTN_MAX_R)
        return error_set(err, SS_ERR_INPUT, NULL, "r is %d; expected 1 to %d keys in 'concentration'", m->r,
                         ATTN_MAX_R);
    if (m->top < 0 || m->top > UINT8_MAX)
        return error_set(err, SS_ERR_INPUT, NULL, "%d largest keys to keep; expected 0 to %d", m->top, UINT8_MAX);
    return SS_OK;
}

/* An array of a run: where its pointer is, how much it holds. */
typedef struct run_part {
    size_t at, n, size;
    int optional; /* stays NULL where it holds nothing */
} run_part;

enum { RUN_PARTS = 11 };

/* All arrays of a run whose program, measure, name and shape are set; the numbers that they depend on are set here. */
static void find_parts(attn_run *run, run_part part[RUN_PARTS]) {
    const attn_measure *m = &run->measure;
    size_t sites = site_count(run->shape), steps = (size_t)run->shape.steps, blocks = (size_t)run->shape.blocks,
           heads = (size_t)run->shape.heads, keys = (size_t)run->shape.keys;
    for (int i = 0; i < m->n_probes; i++) {
        run->n_columns += m->probe[i]->n_columns;
        if (m->probe[i]->needs & NEED_TOP) run->n_top = m->r;
    }
    for (int i = 0; i < run->shape.blocks; i++) run->n_recall += bits_get(&m->recall, i);
    size_t calls = steps * (size_t)run->n_recall * BRANCHES;
    const run_part all[RUN_PARTS] = {
        {offsetof(attn_run, own), blocks, sizeof *run->own, 0},
        {offsetof(attn_run, columns), sites * (size_t)run->n_columns, sizeof *run->columns, 0},
        {offsetof(attn_run, sinks), sites * (size_t)m->top, sizeof *run->sinks, 0},
        {offsetof(attn_run, n_sinks), sites, 1, 0},
        {offsetof(attn_run, has_mass), sites, 1, 0},
        {offsetof(attn_run, top), sites * (size_t)run->n_top, sizeof *run->top, 0},
        {offsetof(attn_run, has_top), run->n_top ? sites : 0, 1, 0},
        {offsetof(attn_run, recall), calls * heads * keys, sizeof *run->recall, 1},
        {offsetof(attn_run, recalled), calls, 1, 1},
        {offsetof(attn_run, masses), m->keep_masses ? sites * keys : 0, sizeof *run->masses, 1},
        {offsetof(attn_run, map), m->map ? steps * blocks * keys : 0, sizeof *run->map, 1},
    };
    memcpy(part, all, sizeof all);
}

ss_status attn_run_create(attn_run **out, const attn_program *program, const attn_measure *measure,
                          const attn_stream_name *name, attn_shape shape, ss_error *err) {
    run_part part[RUN_PARTS];
    *out = NULL;
    SS_TRY(check_measure(measure, shape, err));
    attn_run *run = take(1, sizeof *run, err);
    if (!run) return SS_ERR_RESOURCE;
    *run = (attn_run){.program = program, .measure = *measure, .name = *name, .shape = shape};
    find_parts(run, part);
    for (int i = 0; i < RUN_PARTS; i++) {
        if (part[i].optional && part[i].n == 0) continue;
        void *memory = take(part[i].n, part[i].size, err);
        if (!memory) {
            attn_run_destroy(run);
            return SS_ERR_RESOURCE;
        }
        memcpy((char *)run + part[i].at, &memory, sizeof memory);
    }
    for (size_t i = 0; i < site_count(shape) * (size_t)run->n_columns; i++) run->columns[i] = NAN;
    if (run->map)
        for (size_t i = 0; i < (size_t)shape.steps * (size_t)shape.blocks * (size_t)shape.keys; i++) run->map[i] = NAN;
    *out = run;
    return SS_OK;
}

size_t attn_run_bytes(const attn_measure *m, attn_shape shape) {
    attn_run run = {.measure = *m, .shape = shape};
    run_part part[RUN_PARTS];
    size_t bytes = 0;
    find_parts(&run, part);
    for (int i = 0; i < RUN_PARTS; i++) bytes += part[i].n * part[i].size;
    return bytes;
}

void attn_run_destroy(attn_run *run) {
    if (!run) return;
    free(run->own);
    free(run->columns);
    free(run->sinks);
    free(run->n_sinks);
    free(run->masses);
    free(run->has_mass);
    free(run->top);
    free(run->has_top);
    free(run->map);
    free(run->recall);
    free(run->recalled);
    for (int i = 0; i < EDIT_MAX_STEPS; i++) free(run->marks[i]);
    free(run);
}

ss_status attn_run_fork(attn_run **out, const attn_run *from, const attn_program *program, const attn_stream_name *name,
                        ss_error *err) {
    size_t sites = site_count(from->shape);
    attn_measure measure = from->measure;
    measure.recall = (attn_bits){{0}};
    SS_TRY(attn_run_create(out, program, &measure, name, from->shape, err));
    attn_run *run = *out;
    memcpy(run->own, from->own, (size_t)run->shape.blocks * sizeof *run->own);
    memcpy(run->columns, from->columns, sites * (size_t)run->n_columns * sizeof *run->columns);
    memcpy(run->sinks, from->sinks, sites * (size_t)run->measure.top * sizeof *run->sinks);
    memcpy(run->n_sinks, from->n_sinks, sites);
    memcpy(run->has_mass, from->has_mass, sites);
    memcpy(run->top, from->top, sites * (size_t)run->n_top * sizeof *run->top);
    if (run->n_top) memcpy(run->has_top, from->has_top, sites);
    if (run->map)
        memcpy(run->map, from->map,
               (size_t)run->shape.steps * (size_t)run->shape.blocks * (size_t)run->shape.keys * sizeof *run->map);
    if (run->masses) memcpy(run->masses, from->masses, sites * (size_t)run->shape.keys * sizeof *run->masses);
    return SS_OK;
}

void attn_run_stream(const attn_run *run, const char *selector, int step, int block, int head, attn_branch branch,
                     philox *out) {
    const uint64_t parts[] = {run->name.prompt,        run->name.image_seed,    philox_hash_text(selector),
                              run->name.draw,          (uint64_t)(int64_t)step, (uint64_t)(int64_t)block,
                              (uint64_t)(int64_t)head, (uint64_t)branch};
    philox_init(out, run->name.study_seed, parts, sizeof parts / sizeof parts[0]);
}

/* ---- blocks ---- */

int attn_run_visit(attn_run *run, int block, int64_t heads, int64_t keys) {
    if (block >= run->shape.blocks || heads > run->shape.heads || keys > run->shape.keys) return 0;
    struct block_size *own = &run->own[block];
    if (own->heads == 0) *own = (struct block_size){(int)heads, (int)keys};
    return own->heads == heads && own->keys == keys;
}

attn_shape attn_run_block_shape(const attn_run *run, int block) {
    attn_shape s = run->shape;
    if (run->own[block].heads == 0) return s;
    s.heads = run->own[block].heads;
    s.keys = run->own[block].keys;
    return s;
}

/* ---- what selectors keep and recall ---- */

void attn_run_set_baseline(attn_run *run, const attn_run *baseline) { run->baseline = baseline; }

/* The number of a call among those recalled, or -1. */
static int64_t recall_at(const attn_run *run, int step, int block, attn_branch branch) {
    int slot = 0;
    if (step >= run->shape.steps || block >= run->shape.blocks || !bits_get(&run->measure.recall, block)) return -1;
    for (int i = 0; i < block; i++) slot += bits_get(&run->measure.recall, i);
    return ((int64_t)step * run->n_recall + slot) * BRANCHES + (int)branch;
}

void attn_run_recall(attn_run *run, int step, int block, attn_branch branch, const double *mass) {
    int64_t at = recall_at(run, step, block, branch), room = (int64_t)run->shape.heads * run->shape.keys;
    attn_shape own = attn_run_block_shape(run, block);
    if (at < 0) return;
    memcpy(run->recall + at * room, mass, sizeof *mass * (size_t)own.heads * (size_t)own.keys);
    run->recalled[at] = 1;
}

const double *attn_run_recalled(const attn_run *run, int step, int block, attn_branch branch, ss_error *err) {
    const attn_run *b = run->baseline;
    int64_t at = b ? recall_at(b, step, block, branch) : -1;
    if (at >= 0 && b->recalled[at]) return b->recall + at * b->shape.heads * b->shape.keys;
    error_set(err, SS_ERR_INTERNAL, NULL, "the baseline's masses at step %d, block %d were not kept", step, block);
    return NULL;
}

/* How many of the baseline's masses at the intervention's blocks and heads are at least `least`. */
static int64_t count_reaching(const attn_run *run, const attn_intervention *v, int step, attn_branch branch,
                              double least) {
    int64_t n = 0;
    ss_error none;
    for (int block = 0; block < run->shape.blocks; block++) {
        if (!bits_get(&v->blocks, block)) continue;
        const double *mass = attn_run_recalled(run, step, block, branch, &none);
        if (!mass) continue;
        attn_shape s = attn_run_block_shape(run->baseline, block);
        for (int h = 0; h < s.heads; h++)
            for (int j = 0; bits_get(&v->heads, h) && j < s.keys; j++)
                n += mass[(size_t)h * (size_t)s.keys + (size_t)j] >= least;
    }
    return n;
}

/* Bits of numbers >= 0 are in the order of the numbers: halve the range of bits until it is one number. */
static double find_threshold(const attn_run *run, const attn_intervention *v, int step, attn_branch branch) {
    int64_t sites = 0;
    for (int block = 0; block < run->shape.blocks; block++)
        for (int h = 0; h < attn_run_block_shape(run->baseline ? run->baseline : run, block).heads; h++)
            sites += bits_get(&v->blocks, block) && bits_get(&v->heads, h);
    uint64_t low = 0, high = UINT64_C(0x7FF) << 52; /* of infinity */
    double least;
    while (high - low > 1) { /* as many as asked for reach `low`, fewer reach `high` */
        uint64_t mid = low + (high - low) / 2;
        memcpy(&least, &mid, sizeof least);
        if (count_reaching(run, v, step, branch, least) >= sites * v->k) low = mid;
        else high = mid;
    }
    memcpy(&least, v->k > 0 ? &low : &high, sizeof least);
    return least;
}

double attn_run_threshold(attn_run *run, int intervention, const attn_intervention *v, int step, attn_branch branch) {
    struct global_set *g = &run->global[intervention][branch];
    if (g->step != step + 1) *g = (struct global_set){step + 1, find_threshold(run, v, step, branch)};
    return g->threshold;
}

uint8_t *attn_run_marks(attn_run *run, int intervention, int block, int head, attn_branch branch, ss_error *err) {
    attn_shape s = run->shape;
    size_t keys = (size_t)s.keys, sites = (size_t)s.blocks * (size_t)s.heads * BRANCHES;
    uint8_t **marks = &run->marks[intervention];
    if (!*marks) *marks = take(sites * keys, 1, err);
    if (!*marks) return NULL;
    return *marks + (((size_t)block * (size_t)s.heads + (size_t)head) * BRANCHES + (size_t)branch) * keys;
}

/* ---- the record ---- */

int64_t attn_run_acted(const attn_run *run, int intervention) { return run->acted[intervention]; }
void attn_run_count_acted(attn_run *run, int intervention) { run->acted[intervention]++; }

const attn_program *attn_run_program(const attn_run *run) { return run->program; }
const attn_measure *attn_run_measure(const attn_run *run) { return &run->measure; }
attn_shape attn_run_shape(const attn_run *run) { return run->shape; }
int attn_run_columns(const attn_run *run) { return run->n_columns; }

float *attn_run_columns_at(attn_run *run, int step, int block, int head, attn_branch branch) {
    return run->columns + site_of(run, step, block, head, branch) * (size_t)run->n_columns;
}

const float *attn_run_site(const attn_run *run, int step, int block, int head, attn_branch branch) {
    return run->columns + site_of(run, step, block, head, branch) * (size_t)run->n_columns;
}

void attn_run_keep(attn_run *run, int step, int block, int head, attn_branch branch, const double *mass) {
    size_t site = site_of(run, step, block, head, branch);
    int32_t top[UINT8_MAX];
    attn_sink *sinks = run->sinks + site * (size_t)run->measure.top;
    int keys = attn_run_block_shape(run, block).keys, n = attn_largest_keys(mass, keys, run->measure.top, top);
    for (int i = 0; i < n; i++) sinks[i] = (attn_sink){.key = top[i], .mass = (float)mass[top[i]]};
    run->n_sinks[site] = (uint8_t)n;
    if (!run->masses) return;
    float *kept = run->masses + site * (size_t)run->shape.keys;
    for (int j = 0; j < keys; j++) kept[j] = (float)mass[j];
    run->has_mass[site] = 1;
}

int attn_run_sinks(const attn_run *run, int step, int block, int head, attn_branch branch, const attn_sink **out) {
    size_t site = site_of(run, step, block, head, branch);
    *out = run->sinks + site * (size_t)run->measure.top;
    return run->n_sinks[site];
}

void attn_run_keep_top(attn_run *run, int step, int block, int head, attn_branch branch, const double *mass) {
    size_t site = site_of(run, step, block, head, branch);
    run->has_top[site] = (uint8_t)attn_largest_keys(mass, attn_run_block_shape(run, block).keys, run->n_top,
                                                    run->top + site * (size_t)run->n_top);
}

int attn_run_top(const attn_run *run, int step, int block, int head, attn_branch branch, const int32_t **out) {
    size_t site = site_of(run, step, block, head, branch);
    if (!run->n_top) return 0;
    *out = run->top + site * (size_t)run->n_top;
    return run->has_top[site];
}

float *attn_run_map_at(attn_run *run, int step, int block) {
    return run->map + ((size_t)step * (size_t)run->shape.blocks + (size_t)block) * (size_t)run->shape.keys;
}

const float *attn_run_map(const attn_run *run, int step, int block) {
    if (!run->map) return NULL;
    const float *map = run->map + ((size_t)step * (size_t)run->shape.blocks + (size_t)block) * (size_t)run->shape.keys;
    return isnan(*map) ? NULL : map;
}

const float *attn_run_masses(const attn_run *run, int step, int block, int head, attn_branch branch) {
    size_t site = site_of(run, step, block, head, branch);
    return run->has_mass[site] ? run->masses + site * (size_t)run->shape.keys : NULL;
}
