/* Linear layers and convolutions of the cpu backend: one blocked product for both. A row of the left operand is a list
 * of pointers, one for each tap of the kernel window (a linear layer has one tap), so that strided views and images are
 * read where they are: no copy, no im2col, padding points at zeros. The weights are packed once, in panels of 64
 * outputs. Threads take blocks of rows and groups of panels; an output element is always the same chain of additions,
 * whoever computes it and whatever else is in the batch. docs/SPEED.md tells how this compares with oneDNN. */
#define _DEFAULT_SOURCE /* madvise */
#include "tensor/cpu.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "tensor/half.h"
#include "tensor/rows.h"

enum {
    BLOCK_ROWS = 384, /* most rows of a task: their part of a sum's block stays in the second-level cache */
    BLOCK_SUM = 384   /* terms summed in registers before they are added to the output */
};

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- weights ---- */

/* Taps of the window of a packed weight; [O, I] has one. */
static int64_t taps_of(const weight *w) { return w->kind == WEIGHT_CONV ? w->source.dim[2] * w->source.dim[3] : 1; }

static int64_t packed_floats(const weight *w) {
    switch (w->kind) {
    case WEIGHT_VECTOR: return round_up(w->source.dim[0], PRODUCT_COLUMNS); /* so that a bias is read by panels */
    case WEIGHT_TABLE: return 0;
    case WEIGHT_TURNED:
    case WEIGHT_LINEAR:
    case WEIGHT_CONV: return round_up(w->source.dim[0], PRODUCT_COLUMNS) * w->source.dim[1] * taps_of(w);
    }
    return 0;
}

size_t cpu_weight_packed_bytes(const compute *c, const weight *w) {
    (void)c;
    return (size_t)packed_floats(w) * sizeof(float);
}

/* One panel: [O, I, taps] of outputs first .. first + 64 to [taps][I][64], zeros beyond the last output. */
static void pack_panel(float *panel, tensor source, int64_t first, int64_t taps) {
    enum { CHUNK = 64 };
    int64_t n_in = source.dim[1], outputs = least(source.dim[0] - first, PRODUCT_COLUMNS);
    size_t element = tensor_type_size(source.type);
    float row[CHUNK];
    if (outputs < PRODUCT_COLUMNS) memset(panel, 0, (size_t)(taps * n_in * PRODUCT_COLUMNS) * sizeof *panel);
    for (int64_t at = 0; at < n_in * taps; at += CHUNK) {
        int64_t n = least(n_in * taps - at, CHUNK);
        for (int64_t o = 0; o < outputs; o++) {
            const char *from = (const char *)source.data + (size_t)((first + o) * n_in * taps + at) * element;
            half_convert(row, from, source.type, n);
            int64_t input = at / taps, tap = at % taps;
            for (int64_t i = 0; i < n; i++) {
                panel[(tap * n_in + input) * PRODUCT_COLUMNS + o] = row[i];
                if (++tap == taps) {
                    tap = 0;
                    input++;
                }
            }
        }
    }
}

/* Memory for packed weights, in huge pages but for its end: a product walks through them in long strides. */
static float *allocate(size_t bytes) {
    enum { HUGE_PAGE = 2 << 20 };
    if (bytes < 2 * (size_t)HUGE_PAGE) return aligned_alloc(64, bytes);
    void *memory;
    if (posix_memalign(&memory, HUGE_PAGE, bytes) != 0) return NULL;
    madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return memory;
}

void cpu_weight_pack(compute *c, weight *w) {
    int64_t floats = packed_floats(w);
    if (w->kind == WEIGHT_TABLE) return;
    size_t bytes = (size_t)(floats ? floats : PRODUCT_COLUMNS) * sizeof(float);
    float *packed = allocate(bytes);
    w->packed = packed;
    if (!packed) {
        error_no_memory(&c->error, "weight", bytes);
        return;
    }
    if (w->kind == WEIGHT_VECTOR) {
        memset(packed, 0, bytes);
        half_convert(packed, w->source.data, w->source.type, w->source.dim[0]);
        return;
    }
    int64_t taps = taps_of(w), panels = round_up(w->source.dim[0], PRODUCT_COLUMNS) / PRODUCT_COLUMNS;
    int64_t panel_floats = taps * w->source.dim[1] * PRODUCT_COLUMNS;
    tensor source = w->source;
#pragma omp parallel for num_threads(cpu_threads(c, floats)) schedule(dynamic)
    for (int64_t j = 0; j < panels; j++) pack_panel(packed + j * panel_floats, source, j * PRODUCT_COLUMNS, taps);
}

void cpu_weight_free(compute *c, weight *w) {
    (void)c;
    free(w->packed);
}

/* ---- the product ---- */

typedef struct product {
    const kernel *k;
    const float *panels, *bias; /* bias NULL = none */
    activation act;
    int64_t rows, inputs, outputs, taps;
    tensor out, x;
    int is_image; /* conv2d: x and out are images */
    int64_t kernel_height, kernel_width, stride, top, left;
    int64_t block_rows, row_blocks, panel_groups, panel_count; /* the tasks */
} product;

/* One thread's room: [BLOCK_ROWS / PRODUCT_ROWS][taps][PRODUCT_ROWS] rows, [BLOCK_ROWS] outputs. */
typedef struct room {
    const float **row;
    float **out;
    const float *zeros; /* [inputs]: what lies outside an image; shared by all threads */
} room;

static size_t room_bytes(int64_t taps) {
    return (size_t)round_up(BLOCK_ROWS * (taps + 1) * (int64_t)sizeof(float *), 64);
}

static size_t zeros_bytes(int64_t inputs) { return (size_t)round_up(inputs * (int64_t)sizeof(float), 64); }

static size_t scratch_bytes(const compute *c, int64_t taps, int64_t inputs) {
    return (size_t)c->threads * room_bytes(taps) + zeros_bytes(inputs);
}

size_t cpu_product_scratch(const compute *c, const weight *w) { return scratch_bytes(c, taps_of(w), w->source.dim[1]); }

/* Where the window of output pixel `r` reads: taps in the order (row, column). */
static void point_window(const product *p, const float **row, const float *zeros, int64_t r) {
    int64_t width = p->out.dim[2], height = p->out.dim[1];
    int64_t left = r % width * p->stride - p->left, top = r / width % height * p->stride - p->top;
    const float *image = (const float *)p->x.data + r / (width * height) * p->x.stride[0];
    for (int64_t y = top; y < top + p->kernel_height; y++)
        for (int64_t x = left; x < left + p->kernel_width; x++, row += PRODUCT_ROWS) {
            int inside = y >= 0 && y < p->x.dim[1] && x >= 0 && x < p->x.dim[2];
            *row = inside ? image + y * p->x.stride[1] + x * p->x.stride[2] : zeros;
        }
}

static void point_rows(const product *p, const room *m, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
        int64_t i = r - begin;
        const float **row = m->row + i / PRODUCT_ROWS * p->taps * PRODUCT_ROWS + i % PRODUCT_ROWS;
        if (p->is_image) point_window(p, row, m->zeros, r);
        else *row = rows_at(p->x, r);
        m->out[i] = rows_at(p->out, r);
    }
}

/* All tiles of a block of rows against one panel, for one block of the sum. */
static void multiply(const product *p, const room *m, int64_t n_rows, int64_t panel, int64_t tap, int64_t taps,
                     int64_t input, int64_t inputs) {
    static const float none[PRODUCT_COLUMNS] __attribute__((aligned(64)));
    int64_t column = panel * PRODUCT_COLUMNS;
    product_tile t = {
        .taps = taps,
        .count = inputs,
        .offset = input,
        .panel = p->panels + ((panel * p->taps + tap) * p->inputs + input) * PRODUCT_COLUMNS,
        .bias = tap == 0 && input == 0 ? (p->bias ? p->bias + column : none) : NULL,
        .out_offset = column,
        .columns = (int)least(p->outputs - column, PRODUCT_COLUMNS),
    };
    for (int64_t i = 0; i < n_rows; i += PRODUCT_ROWS) {
        t.m = (int)least(n_rows - i, PRODUCT_ROWS);
        t.row = m->row + (i * p->taps + tap * PRODUCT_ROWS);
        t.out = m->out + i;
        p->k->product(&t);
    }
    if (p->act == ACT_NONE || tap + taps < p->taps || input + inputs < p->inputs) return;
    for (int64_t i = 0; i < n_rows; i++) p->k->activate(m->out[i] + column, m->out[i] + column, t.columns, p->act);
}

/* A sum is cut into blocks of about BLOCK_SUM terms by its own length: whole taps where several fit, else equal parts
 * of each tap. */
static void run_task(const product *p, const room *m, int64_t task) {
    int64_t begin = task / p->panel_groups * p->block_rows, end = least(begin + p->block_rows, p->rows);
    int64_t group = task % p->panel_groups;
    int64_t first = group * p->panel_count / p->panel_groups, last = (group + 1) * p->panel_count / p->panel_groups;
    int64_t parts = (p->inputs + BLOCK_SUM - 1) / BLOCK_SUM, length = round_up((p->inputs + parts - 1) / parts, 16);
    int64_t tap_blocks = (p->taps * p->inputs + BLOCK_SUM - 1) / BLOCK_SUM;
    int64_t step = parts > 1 ? 1 : (p->taps + tap_blocks - 1) / tap_blocks;
    point_rows(p, m, begin, end);
    for (int64_t tap = 0; tap < p->taps; tap += step)
        for (int64_t input = 0; input < p->inputs; input += length)
            for (int64_t panel = first; panel < last; panel++)
                multiply(p, m, end - begin, panel, tap, least(step, p->taps - tap), input,
                         least(length, p->inputs - input));
}

/* Cut the output into tasks, at least two for each thread where there is so much. */
static void plan(product *p, int threads) {
    int64_t blocks = (p->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    if (p->rows >= 32 * threads) blocks = round_up(blocks, threads);
    p->block_rows = round_up((p->rows + blocks - 1) / blocks, PRODUCT_ROWS);
    p->row_blocks = (p->rows + p->block_rows - 1) / p->block_rows;
    p->panel_count = (p->outputs + PRODUCT_COLUMNS - 1) / PRODUCT_COLUMNS;
    p->panel_groups = least(p->panel_count, (2 * threads + p->row_blocks - 1) / p->row_blocks);
}

static void run(compute *c, product *p) {
    if (p->rows == 0 || p->outputs == 0) return;
    int64_t tiles = (p->rows + PRODUCT_ROWS - 1) / PRODUCT_ROWS * ((p->outputs + 15) / 16);
    int threads = cpu_threads(c, tiles * p->taps * p->inputs); /* 6 x 16 multiply-adds take about one */
    plan(p, threads);
    arena_mark mark = arena_get_mark(c->scratch);
    char *memory = arena_alloc(c->scratch, scratch_bytes(c, p->taps, p->inputs));
    if (!memory) {
        error_set(&c->error, SS_ERR_RESOURCE, NULL, "out of scratch memory in a product of %lld rows",
                  (long long)p->rows);
        return;
    }
    float *zeros = (float *)(memory + (size_t)c->threads * room_bytes(p->taps));
    memset(zeros, 0, zeros_bytes(p->inputs));
    int64_t tasks = p->row_blocks * p->panel_groups;
#pragma omp parallel num_threads(threads)
    {
        char *mine = memory + (size_t)omp_get_thread_num() * room_bytes(p->taps);
        room m = {.row = (const float **)mine, .zeros = zeros};
        m.out = (float **)mine + BLOCK_ROWS * p->taps;
#pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < tasks; task++) run_task(p, &m, task);
    }
    arena_release(c->scratch, mark);
}

void cpu_linear(compute *c, tensor out, tensor x, const weight *w, const weight *bias, activation act) {
    product p = {
        .k = cpu_kernel(c),
        .panels = w->packed,
        .bias = bias ? bias->packed : NULL,
        .act = act,
        .rows = rows_count(out),
        .inputs = w->source.dim[1],
        .outputs = w->source.dim[0],
        .taps = 1,
        .out = out,
        .x = x,
    };
    run(c, &p);
}

void cpu_conv2d(compute *c, tensor out, tensor x, const weight *w, const weight *bias, int stride, const int pad[4],
                activation act) {
    product p = {
        .k = cpu_kernel(c),
        .panels = w->packed,
        .bias = bias ? bias->packed : NULL,
        .act = act,
        .rows = rows_count(out),
        .inputs = w->source.dim[1],
        .outputs = w->source.dim[0],
        .taps = taps_of(w),
        .out = out,
        .x = x,
        .is_image = 1,
        .kernel_height = w->source.dim[2],
        .kernel_width = w->source.dim[3],
        .stride = stride,
        .top = pad[0],
        .left = pad[1],
    };
    run(c, &p);
}
