/* Linear layers and convolutions of the cpu backend: one blocked product for both. A row of the left operand is a list
 * of pointers, one for each tap of the kernel window (a linear layer has one tap), so that strided views and images are
 * read where they are: no copy, no im2col, padding points at zeros. The weights are packed once, in panels of 64
 * outputs; those of a 16-bit checkpoint stay 16-bit (compute.storage), or are 8-bit where that is asked for, and are
 * widened as they are read; where bfloat16 is asked for, two neighbours of the sum, of weights and of inputs, are one
 * word in the place of a float. Threads take blocks of rows and groups of panels; an output element is always the same
 * chain of additions, on any thread and in any batch. docs/SPEED.md compares this with oneDNN.
 * Long: packing, reading and multiplying know one layout of panels. */
#define _DEFAULT_SOURCE /* madvise */
#include "tensor/cpu_product.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "tensor/half.h"
#include "tensor/rows.h"

enum { BLOCK_SUM = 512 /* terms summed in registers before they are added to the output */ };

/* ---- weights ---- */

/* Taps of the window of a packed weight; [O, I] has one. */
static int64_t taps_of(const weight *w) { return w->kind == WEIGHT_CONV ? w->source.dim[2] * w->source.dim[3] : 1; }

/* Elements that a product sums over at every tap: inputs, or pairs of them. */
static int64_t terms_of(const weight *w, tensor_type type) {
    return type == TENSOR_BF16X2 ? (w->source.dim[1] + 1) / 2 : w->source.dim[1];
}

/* What multiplies panels of `type` by tiles; NULL: nothing. */
static const kernel_tiles *tiles_of(const compute *c, tensor_type type) {
    return type == TENSOR_BF16X2 ? cpu_isa_of(c)->tiles : NULL;
}

/* Elements that a panel has of every tap: by tiles, whole sixteens of pairs. */
static int64_t packed_terms(const compute *c, const weight *w, tensor_type type) {
    return tiles_of(c, type) ? round_up(terms_of(w, type), TILES_PAIRS) : terms_of(w, type);
}

static int64_t packed_elements(const compute *c, const weight *w, tensor_type type) {
    switch (w->kind) {
    case WEIGHT_VECTOR: return round_up(w->source.dim[0], PRODUCT_COLUMNS); /* so that a bias is read by panels */
    case WEIGHT_TABLE: return 0;
    case WEIGHT_TRANSPOSED:
    case WEIGHT_LINEAR:
    case WEIGHT_CONV: return round_up(w->source.dim[0], PRODUCT_COLUMNS) * packed_terms(c, w, type) * taps_of(w);
    }
    return 0;
}

static tensor_type packed_type(const compute *c, const weight *w) {
    if (w->form == FORM_INT8 && w->kind == WEIGHT_LINEAR) return TENSOR_I8;
    if (w->form == FORM_BF16 && (w->kind == WEIGHT_LINEAR || w->kind == WEIGHT_CONV)) return TENSOR_BF16X2;
    return w->kind == WEIGHT_VECTOR || c->storage == STORAGE_FLOAT32 ? TENSOR_F32 : w->source.type;
}

/* What a panel of 8 bits begins with: the scales of its columns. */
static size_t scales_bytes(tensor_type type) { return type == TENSOR_I8 ? PRODUCT_COLUMNS * sizeof(float) : 0; }

static size_t panel_bytes(const compute *c, const weight *w, tensor_type type) {
    return scales_bytes(type) +
           (size_t)(taps_of(w) * packed_terms(c, w, type) * PRODUCT_COLUMNS) * tensor_type_size(type);
}

size_t cpu_weight_packed_bytes(const compute *c, const weight *w) {
    tensor_type type = packed_type(c, w);
    size_t panels = type == TENSOR_I8 ? (size_t)(round_up(w->source.dim[0], PRODUCT_COLUMNS) / PRODUCT_COLUMNS) : 0;
    return (size_t)packed_elements(c, w, type) * tensor_type_size(type) + panels * scales_bytes(type);
}

/* Where elements of one output of a panel go. */
typedef struct place {
    char *panel;
    int64_t output, inputs, taps;
} place;

/* n elements of [I, taps], from number `at` on, into [taps][I][64]; `size` is a constant after inlining. */
static inline __attribute__((always_inline)) void spread_row(const place *to, const char *row, int64_t at, int64_t n,
                                                             size_t size) {
    int64_t input = at / to->taps, tap = at % to->taps;
    for (int64_t i = 0; i < n; i++) {
        int64_t element = (tap * to->inputs + input) * PRODUCT_COLUMNS + to->output;
        memcpy(to->panel + (size_t)element * size, row + (size_t)i * size, size);
        if (++tap == to->taps) {
            tap = 0;
            input++;
        }
    }
}

/* One panel: [O, I, taps] of outputs first .. first + 64 to [taps][I][64] of `type`, zeros beyond the last output. */
static void pack_panel(char *panel, tensor_type type, tensor source, int64_t first, int64_t taps) {
    enum { CHUNK = 64 };
    int64_t n_in = source.dim[1], outputs = least(source.dim[0] - first, PRODUCT_COLUMNS);
    size_t element = tensor_type_size(source.type), size = tensor_type_size(type);
    float row[CHUNK];
    if (outputs < PRODUCT_COLUMNS) memset(panel, 0, (size_t)(taps * n_in * PRODUCT_COLUMNS) * size);
    for (int64_t at = 0; at < n_in * taps; at += CHUNK) {
        int64_t n = least(n_in * taps - at, CHUNK);
        for (int64_t o = 0; o < outputs; o++) {
            const char *from = (const char *)source.data + (size_t)((first + o) * n_in * taps + at) * element;
            const place to = {panel, o, n_in, taps};
            if (type == TENSOR_F32) {
                half_convert(row, from, source.type, n);
                spread_row(&to, (const char *)row, at, n, sizeof(float));
            } else spread_row(&to, from, at, n, sizeof(uint16_t));
        }
    }
}

/* The same of a linear layer in 8 bits: scales, then [I][64]. */
static void pack_panel_i8(char *panel, tensor source, int64_t first) {
    enum { CHUNK = 64 };
    int64_t n_in = source.dim[1], outputs = least(source.dim[0] - first, PRODUCT_COLUMNS);
    size_t element = tensor_type_size(source.type);
    float *scale = (float *)(void *)panel, row[CHUNK];
    int8_t *to = (int8_t *)panel + scales_bytes(TENSOR_I8);
    for (int64_t o = 0; o < PRODUCT_COLUMNS; o++) {
        const char *from = (const char *)source.data + (size_t)((first + o) * n_in) * element;
        float most = 0;
        int finite = 1;
        for (int64_t at = 0; at < n_in && o < outputs; at += CHUNK) {
            int64_t n = least(n_in - at, CHUNK);
            half_convert(row, from + (size_t)at * element, source.type, n);
            for (int64_t i = 0; i < n; i++) {
                finite &= isfinite(row[i]) != 0;
                most = fmaxf(most, fabsf(row[i]));
            }
        }
        scale[o] = finite ? most / 127 : NAN; /* a result shows what the file has */
        int empty = !finite || most == 0;
        for (int64_t at = 0; at < n_in; at += CHUNK) {
            int64_t n = least(n_in - at, CHUNK);
            if (!empty) half_convert(row, from + (size_t)at * element, source.type, n);
            for (int64_t i = 0; i < n; i++)
                to[(at + i) * PRODUCT_COLUMNS + o] = empty ? 0 : (int8_t)lrintf(row[i] / most * 127);
        }
    }
}

/* The same in pairs of bfloat16: [64 / columns][taps][pairs][columns]. */
static void pack_panel_pairs(char *panel, tensor source, int64_t first, int64_t taps, int64_t pairs, int64_t columns) {
    enum { CHUNK = 64 };
    int64_t n_in = source.dim[1], outputs = least(source.dim[0] - first, PRODUCT_COLUMNS);
    size_t element = tensor_type_size(source.type);
    float row[CHUNK];
    uint16_t rounded[CHUNK], *to = (uint16_t *)(void *)panel;
    memset(panel, 0, (size_t)(taps * pairs * PRODUCT_COLUMNS) * sizeof(uint32_t));
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t at = 0; at < n_in * taps; at += CHUNK) {
            int64_t n = least(n_in * taps - at, CHUNK);
            half_convert(row, (const char *)source.data + (size_t)((first + o) * n_in * taps + at) * element,
                         source.type, n);
            half_round(rounded, row, TENSOR_BF16, n);
            for (int64_t i = at; i < at + n; i++) {
                int64_t input = i / taps, tap = i % taps;
                to[(((o / columns * taps + tap) * pairs + input / 2) * columns + o % columns) * 2 + input % 2] =
                    rounded[i - at];
            }
        }
}

typedef struct pack_work {
    char *packed;
    size_t each;
    tensor_type type;
    tensor source;
    int64_t taps, pairs, columns;
} pack_work;

static void pack_panels(void *context, int64_t first, int64_t end, int part) {
    const pack_work *w = context;
    (void)part;
    for (int64_t j = first; j < end; j++) {
        char *panel = w->packed + (size_t)j * w->each;
        int64_t column = j * PRODUCT_COLUMNS;
        if (w->type == TENSOR_I8) pack_panel_i8(panel, w->source, column);
        else if (w->type == TENSOR_BF16X2) pack_panel_pairs(panel, w->source, column, w->taps, w->pairs, w->columns);
        else pack_panel(panel, w->type, w->source, column, w->taps);
    }
}

/* Memory for packed weights, in huge pages but for its end: a product walks through them in long strides. */
static void *allocate(size_t bytes) {
    enum { HUGE_PAGE = 2 << 20 };
    if (bytes < 2 * (size_t)HUGE_PAGE) return aligned_alloc(64, bytes);
    void *memory;
    if (posix_memalign(&memory, HUGE_PAGE, bytes) != 0) return NULL;
    madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return memory;
}

void cpu_weight_pack(compute *c, weight *w) {
    if (w->kind == WEIGHT_TABLE) return;
    tensor_type type = packed_type(c, w);
    size_t element = tensor_type_size(type), bytes = cpu_weight_packed_bytes(c, w);
    if (bytes == 0) bytes = PRODUCT_COLUMNS * element;
    char *packed = allocate(bytes);
    w->packed = packed;
    if (!packed) {
        error_no_memory(&c->error, "weight", bytes);
        return;
    }
    if (w->kind == WEIGHT_VECTOR) {
        memset(packed, 0, bytes);
        half_convert(w->packed, w->source.data, w->source.type, w->source.dim[0]);
        return;
    }
    int64_t taps = taps_of(w), panels = round_up(w->source.dim[0], PRODUCT_COLUMNS) / PRODUCT_COLUMNS;
    size_t each = panel_bytes(c, w, type);
    int64_t pairs = packed_terms(c, w, type), columns = tiles_of(c, type) ? TILES_COLUMNS : PRODUCT_COLUMNS;
    pack_work work = {packed, each, type, w->source, taps, pairs, columns};
    thread_pool_for(c->pool, cpu_threads(c, packed_elements(c, w, type)), panels, 1, pack_panels, &work);
}

void cpu_weight_free(compute *c, weight *w) {
    (void)c;
    free(w->packed);
}

/* ---- the product ---- */

/* Most floats that a convolution reads from one pointer. */
static int64_t run_of(const weight *w) { return w->source.dim[1] * w->source.dim[3]; }

static size_t pointer_bytes(int64_t taps) {
    return (size_t)round_up(BLOCK_ROWS * (taps + 1) * (int64_t)sizeof(float *), 64);
}

/* Whole taps may be some more than BLOCK_SUM terms, and less than twice as many. */
static size_t scratch_bytes(const compute *c, const weight *w) {
    int64_t taps = taps_of(w);
    size_t widened = (size_t)((taps > 1 ? 2 : 1) * BLOCK_SUM * PRODUCT_COLUMNS) * sizeof(float);
    return pointer_bytes(taps) + (tiles_of(c, packed_type(c, w)) ? cpu_tiles_scratch() : widened);
}

static size_t zeros_bytes(const weight *w) {
    return w->kind == WEIGHT_CONV ? (size_t)round_up(run_of(w) * (int64_t)sizeof(float), 64) : 0;
}

size_t cpu_product_scratch(const compute *c, const weight *w) {
    return (size_t)c->threads * scratch_bytes(c, w) + zeros_bytes(w);
}

/* That of n calls at once has the largest scratch. */
static const weight *largest_scratch(const compute *c, const linear_call *call, int n) {
    const weight *most = call->w;
    for (int i = 1; i < n; i++)
        if (scratch_bytes(c, call[i].w) > scratch_bytes(c, most)) most = call[i].w;
    return most;
}

size_t cpu_linears_scratch(const compute *c, const linear_call *call, int n) {
    return cpu_product_scratch(c, largest_scratch(c, call, n));
}

/* ---- inputs in bfloat16 ---- */

tensor_type cpu_input_type(const compute *c, const weight *w) {
    int whole = w->source.dim[1] % 2 == 0 && w->source.dim[1] <= CPU_ROUNDED_ROW;
    return w->kind == WEIGHT_LINEAR && tiles_of(c, packed_type(c, w)) && whole ? TENSOR_BF16 : TENSOR_F32;
}

static int reads_pairs(const compute *c, const weight *w) { return packed_type(c, w) == TENSOR_BF16X2; }

/* x as pairs, each in the place of a float, in `memory`. */
static tensor pairs_of(tensor x, void *memory) {
    x.dim[x.ndim - 1] = (rows_length(x) + 1) / 2;
    return tensor_nd(memory, TENSOR_F32, x.ndim, x.dim);
}

static size_t pairs_bytes(tensor x) {
    return (size_t)round_up(tensor_elements(pairs_of(x, NULL)) * (int64_t)sizeof(uint32_t), 64);
}

typedef struct pairs_work {
    const kernel *k;
    tensor x;
    int64_t words, block; /* of a row; rows */
    uint32_t *out;
} pairs_work;

static void round_blocks(void *context, int64_t first, int64_t end, int part) {
    const pairs_work *w = context;
    int64_t row = first * w->block, last = least(end * w->block, rows_count(w->x));
    rows_walk walk = rows_from(w->x, row);
    (void)part;
    for (; row < last; row++) w->k->to_pairs(w->out + row * w->words, rows_next(&walk, w->x), rows_length(w->x));
}

/* Rounds x into `memory`. */
static tensor make_pairs(compute *c, tensor x, void *memory) {
    tensor out = pairs_of(x, memory);
    int64_t rows = rows_count(x), length = rows_length(x), block = 1 + 4096 / (length + 1);
    pairs_work work = {cpu_kernel(c), x, rows_length(out), block, memory};
    thread_pool_for(c->pool, cpu_threads(c, rows * length / 8), (rows + block - 1) / block, 0, round_blocks, &work);
    return out;
}

static int same_view(tensor a, tensor b) {
    return a.data == b.data && tensor_same_shape(a, b) && memcmp(a.stride, b.stride, sizeof a.stride) == 0;
}

/* The first of the calls that reads call i's input in pairs: queries, keys and values read one. */
static int first_reader(const compute *c, const linear_call *call, int i) {
    int first = 0;
    while (!reads_pairs(c, call[first].w) || !same_view(call[first].x, call[i].x)) first++;
    return first;
}

/* Call i's input is rounded for it first. */
static int is_rounded_for(const compute *c, const linear_call *call, int i) {
    return reads_pairs(c, call[i].w) && call[i].x.type != TENSOR_BF16 && first_reader(c, call, i) == i;
}

/* Bytes of the inputs of n calls. */
static size_t inputs_bytes(const compute *c, const linear_call *call, int n) {
    size_t bytes = 0;
    for (int i = 0; i < n; i++)
        if (is_rounded_for(c, call, i)) bytes += pairs_bytes(call[i].x);
    return bytes;
}

static void out_of_scratch(compute *c, const char *what, int64_t rows) {
    error_set(&c->error, SS_ERR_RESOURCE, NULL, "out of scratch memory in %s of %lld rows", what, (long long)rows);
}

/* An output pixel. */
typedef struct pixel {
    int64_t image, y, x;
} pixel;

static pixel pixel_next(const product *p, pixel at) {
    if (++at.x < p->out.dim[2]) return at;
    at.x = 0;
    if (++at.y < p->out.dim[1]) return at;
    return (pixel){at.image + 1, 0, 0};
}

/* Where the window of a pixel reads: taps in the order (row, column), `across` of them from each pointer. */
static void point_window(const product *p, const float **row, const float *zeros, pixel at, int64_t across) {
    int64_t left = at.x * p->stride - p->left, top = at.y * p->stride - p->top;
    const float *image = (const float *)p->x.data + at.image * p->x.stride[0];
    for (int64_t y = top; y < top + p->kernel_height; y++)
        for (int64_t x = left; x < left + p->kernel_width; x += across, row += p->tile_rows) {
            int inside = y >= 0 && y < p->x.dim[1] && x >= 0 && x < p->x.dim[2];
            *row = inside ? image + y * p->x.stride[1] + x * p->x.stride[2] : zeros;
        }
}

/* All windows of n pixels lie between the left and right edges. */
static int windows_join(const product *p, pixel at, int64_t n) {
    int inside = p->joins;
    for (; n > 0 && inside; n--, at = pixel_next(p, at)) {
        int64_t left = at.x * p->stride - p->left;
        inside = left >= 0 && left + p->kernel_width <= p->x.dim[2];
    }
    return inside;
}

static void point_pixels(const product *p, product_scratch *m, int64_t begin, int64_t end) {
    int64_t width = p->out.dim[2], height = p->out.dim[1];
    pixel at = {begin / (width * height), begin / width % height, begin % width};
    for (int64_t i = 0; i < end - begin; i++, at = pixel_next(p, at)) {
        int64_t tile = i / p->tile_rows, row = i % p->tile_rows;
        if (row == 0) m->joined[tile] = (char)windows_join(p, at, least(p->tile_rows, end - begin - i));
        point_window(p, m->row + tile * p->taps * p->tile_rows + row, m->zeros, at,
                     m->joined[tile] ? p->kernel_width : 1);
        m->out[i] =
            (float *)p->out.data + at.image * p->out.stride[0] + at.y * p->out.stride[1] + at.x * p->out.stride[2];
    }
}

static void point_rows(const product *p, product_scratch *m, int64_t begin, int64_t end) {
    memset(m->joined, 0, sizeof m->joined);
    rows_walk x = rows_from(p->x, begin), out = rows_from(p->out, begin);
    for (int64_t i = 0; i < end - begin; i++) {
        m->row[i] = rows_next(&x, p->x);
        m->out[i] = rows_next(&out, p->out);
    }
}

/* A part of a panel: `taps` from `tap` on, and of each `inputs` from `input` on. */
typedef struct part {
    int64_t panel, tap, taps, input, inputs;
} part;

static const char *panel_of(const product *p, const part *a) { return p->panels + (size_t)a->panel * p->panel_bytes; }

static const char *part_at(const product *p, const part *a) {
    int64_t element = (a->tap * p->inputs + a->input) * PRODUCT_COLUMNS;
    return panel_of(p, a) + scales_bytes(p->type) + (size_t)element * tensor_type_size(p->type);
}

static size_t part_bytes(const product *p, const part *a) {
    return (size_t)(a->taps * a->inputs * PRODUCT_COLUMNS) * tensor_type_size(p->type);
}

void cpu_product_add(const product *p, int64_t begin, int64_t n_rows, int64_t column, int columns, float *const *out,
                     const float *sums) {
    rows_walk sum = rows_from(p->sum, begin);
    int gated = !tensor_is_none(p->gate);
    int64_t tokens = gated ? p->sum.dim[1] : 0, item = gated ? begin / tokens : 0;
    const float *gate = gated ? rows_at(p->gate, item) + column : NULL;
    for (int64_t i = 0; i < n_rows; i++) {
        const float *from = out ? out[i] + column : sums + i * TILES_COLUMNS;
        float *to = rows_next(&sum, p->sum) + column;
        if (gated && begin + i == (item + 1) * tokens) gate = rows_at(p->gate, ++item) + column;
        if (gated) p->k->gate_add(to, gate, from, columns);
        else p->k->add(to, to, from, columns);
    }
}

/* What follows a sum, while it is still in the cache: rows begin .. of the output, a panel of their columns. */
static void finish(const product *p, const product_scratch *m, int64_t begin, int64_t n_rows, int64_t column,
                   int columns) {
    if (p->act != ACT_NONE)
        for (int64_t i = 0; i < n_rows; i++) p->k->activate(m->out[i] + column, m->out[i] + column, columns, p->act);
    if (!tensor_is_none(p->sum)) cpu_product_add(p, begin, n_rows, column, columns, m->out, NULL);
}

/* All tiles of a block of rows against one panel, for one block of the sum; meanwhile what `next` reads (or NULL) is
 * brought into the second-level cache, a piece with each tile. A panel of 16 or 8 bits is widened once, by the first
 * tile in passing. */
static void multiply(const product *p, const product_scratch *m, int64_t begin, int64_t n_rows, const part *a,
                     const part *next) {
    static const float none[PRODUCT_COLUMNS] __attribute__((aligned(64)));
    int64_t column = a->panel * PRODUCT_COLUMNS, tiles = (n_rows + p->tile_rows - 1) / p->tile_rows;
    uintptr_t piece = next ? part_bytes(p, next) / (uintptr_t)tiles : 0;
    product_tile t = {
        .offset = a->input,
        .panel = part_at(p, a),
        .scale = (const float *)(const void *)panel_of(p, a),
        .type = p->type,
        .widened = m->widened,
        .bias = a->tap == 0 && a->input == 0 ? (p->bias ? p->bias + column : none) : NULL,
        .out_offset = column,
        .ahead = next ? (uintptr_t)part_at(p, next) : 0,
        .columns = (int)least(p->outputs - column, PRODUCT_COLUMNS),
    };
    for (int64_t i = 0; i < n_rows; i += p->tile_rows, t.ahead += piece) {
        int joined = m->joined[i / p->tile_rows];
        t.m = (int)least(n_rows - i, p->tile_rows);
        t.taps = joined ? p->kernel_height : a->taps;
        t.count = joined ? p->kernel_width * p->inputs : a->inputs;
        t.row = m->row + (i * p->taps + a->tap * p->tile_rows);
        t.out = m->out + i;
        p->k->product(&t);
        if (t.type != TENSOR_F32 && t.type != TENSOR_BF16X2) {
            t.type = TENSOR_F32;
            t.panel = m->widened;
        }
    }
    if (a->tap + a->taps == p->taps && a->input + a->inputs == p->inputs)
        finish(p, m, begin, n_rows, column, t.columns);
}

/* One block of the sum after the other for all panels, so that the rows' part of it stays in the cache. */
static void run_task(const product *p, product_scratch *m, int64_t task) {
    int64_t begin = task / p->panel_groups * p->block_rows, end = least(begin + p->block_rows, p->rows);
    int64_t group = task % p->panel_groups;
    int64_t first = group * p->panel_count / p->panel_groups, last = (group + 1) * p->panel_count / p->panel_groups;
    if (p->is_image) point_pixels(p, m, begin, end);
    else point_rows(p, m, begin, end);
    if (p->tiles) {
        cpu_tiles_task(p, m, begin, end, first, last);
        return;
    }
    part a = {first, 0, least(p->step, p->taps), 0, least(p->length, p->inputs)};
    while (a.tap < p->taps) {
        part next = a;
        if (++next.panel == last) {
            next.panel = first;
            next.input += p->length;
            if (next.input >= p->inputs) {
                next.input = 0;
                next.tap += p->step;
                next.taps = least(p->step, p->taps - next.tap);
            }
            next.inputs = least(p->length, p->inputs - next.input);
        }
        multiply(p, m, begin, end - begin, &a, next.tap < p->taps ? &next : NULL);
        a = next;
    }
}

/* A sum is cut into blocks of about BLOCK_SUM terms by its own length: whole taps where several fit, else equal parts
 * of each tap. Taps whose inputs follow each other in memory are one run, which spares the kernel short loops; the
 * order of the sum is the same. Tiles copy rows together, and know no blocks (cpu_tiles.c). */
static void cut_sum(product *p) {
    int64_t parts = (p->inputs + BLOCK_SUM - 1) / BLOCK_SUM, blocks = (p->taps * p->inputs + BLOCK_SUM - 1) / BLOCK_SUM;
    p->length = round_up((p->inputs + parts - 1) / parts, 16);
    p->step = parts > 1 ? 1 : (p->taps + blocks - 1) / blocks;
    p->joins = p->is_image && p->kernel_width > 1 && p->step == p->taps && p->x.stride[2] == p->inputs && !p->tiles;
}

/* Cut the output into tasks of one size, at least two for each thread where there is so much: with as few parts of the
 * panels as give so many, and all equal (two and one of three panels would leave a thread waiting). */
static void plan(product *p, int threads) {
    int64_t blocks = (p->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    if (p->rows >= 32 * threads) blocks = round_up(blocks, threads);
    p->block_rows = round_up((p->rows + blocks - 1) / blocks, p->whole_rows);
    p->row_blocks = (p->rows + p->block_rows - 1) / p->block_rows;
    p->panel_count = (p->outputs + PRODUCT_COLUMNS - 1) / PRODUCT_COLUMNS;
    p->panel_groups = least(p->panel_count, (2 * threads + p->row_blocks - 1) / p->row_blocks);
    if (p->tiles) {
        int64_t most = cpu_tiles_panels(p->taps, p->inputs);
        if (p->panel_count > most) p->panel_groups = larger(p->panel_groups, (p->panel_count - 1) / most + 1);
    }
    while (p->panel_count % p->panel_groups != 0) p->panel_groups++;
}

/* About how long a product takes on one thread: 6 x 16 multiply-adds a nanosecond. */
static int64_t nanoseconds(const product *p) {
    int64_t tiles = (p->rows + PRODUCT_ROWS - 1) / PRODUCT_ROWS * ((p->outputs + 15) / 16);
    return tiles * p->taps * p->inputs;
}

/* What computes a product of panels of `type`, and in which tiles. */
static void choose_kernel(const compute *c, product *p, tensor_type type) {
    p->k = cpu_kernel(c);
    p->type = type;
    p->tiles = tiles_of(c, type);
    p->tile_rows = p->tiles ? TILES_ROWS : PRODUCT_ROWS;
    p->whole_rows = p->tiles ? TILES_ROWS / 2 : PRODUCT_ROWS;
}

static void run_from(const product *p, int n, product_scratch *m, int64_t task) {
    const product *of = p + n - 1;
    while (task < of->first_task) of--;
    run_task(of, m, task - of->first_task);
}

/* n products whose tasks the threads take one by one. */
typedef struct products_work {
    const product *p;
    int n;
    const kernel_tiles *tiles; /* NULL: none of them has any */
    char *memory;              /* scratch of the parts */
    size_t each;
    const float *zeros;
    int64_t tasks;
    _Atomic int64_t next;
} products_work;

static void run_tasks(void *context, int number) {
    products_work *w = context;
    char *mine = w->memory + (size_t)number * w->each;
    const int64_t taps = w->p->taps;
    product_scratch m = {.row = (const float **)mine, .zeros = w->zeros};
    m.widened = (float *)(mine + pointer_bytes(taps));
    m.out = (float **)mine + BLOCK_ROWS * taps;
    if (w->tiles) w->tiles->begin();
    for (int64_t task; (task = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed)) < w->tasks;)
        run_from(w->p, w->n, &m, task);
    if (w->tiles) w->tiles->end();
}

/* n products of as many taps each; `w` is the weight of the one with the largest scratch. */
static void run(compute *c, product *p, int n, const weight *w) {
    size_t each = scratch_bytes(c, w);
    int64_t time = 0, tasks = 0;
    const kernel_tiles *tiles = NULL;
    for (int i = 0; i < n; i++) {
        time += nanoseconds(&p[i]);
        if (p[i].tiles) tiles = p[i].tiles;
    }
    int threads = cpu_threads(c, time);
    for (int i = 0; i < n; i++) {
        p[i].first_task = tasks;
        if (p[i].rows == 0 || p[i].outputs == 0) continue;
        cut_sum(&p[i]);
        plan(&p[i], threads);
        tasks += p[i].row_blocks * p[i].panel_groups;
    }
    if (tasks == 0) return;
    arena_mark mark = arena_get_mark(c->scratch);
    char *memory = arena_alloc(c->scratch, cpu_product_scratch(c, w));
    if (!memory) {
        out_of_scratch(c, "a product", p->rows);
        return;
    }
    float *zeros = (float *)(memory + (size_t)c->threads * each);
    memset(zeros, 0, zeros_bytes(w));
    products_work work = {p, n, tiles, memory, each, zeros, tasks, 0};
    thread_pool_run(c->pool, threads < tasks ? threads : (int)tasks, run_tasks, &work);
    arena_release(c->scratch, mark);
}

/* `x`: the call's input, in pairs where the weight is. */
static product linear(const compute *c, const linear_call *a, tensor x) {
    tensor_type type = packed_type(c, a->w);
    product p = {
        .panels = a->w->packed,
        .panel_bytes = panel_bytes(c, a->w, type),
        .bias = a->bias ? a->bias->packed : NULL,
        .act = a->act,
        .rows = rows_count(a->out),
        .inputs = terms_of(a->w, type),
        .outputs = a->w->source.dim[0],
        .taps = 1,
        .out = a->out.type == TENSOR_BF16 ? tensor_words(a->out) : a->out,
        .rounds = a->out.type == TENSOR_BF16,
        .x = x,
        .sum = a->sum,
        .gate = a->gate,
    };
    choose_kernel(c, &p, type);
    return p;
}

enum { AT_ONCE = 16 };

static void linears_at_once(compute *c, const linear_call *call, int n) {
    product p[AT_ONCE];
    arena_mark mark = arena_get_mark(c->scratch);
    size_t bytes = inputs_bytes(c, call, n);
    char *memory = bytes ? arena_alloc(c->scratch, bytes) : NULL;
    if (bytes && !memory) {
        out_of_scratch(c, "the input", rows_count(call->x));
        return;
    }
    for (int i = 0; i < n; i++) {
        tensor x = call[i].x;
        if (is_rounded_for(c, call, i)) {
            x = make_pairs(c, x, memory);
            memory += pairs_bytes(call[i].x);
        } else if (x.type == TENSOR_BF16) x = tensor_words(x);
        else if (reads_pairs(c, call[i].w)) x = p[first_reader(c, call, i)].x;
        p[i] = linear(c, &call[i], x);
    }
    run(c, p, n, largest_scratch(c, call, n));
    arena_release(c->scratch, mark);
}

void cpu_linears(compute *c, const linear_call *call, int n) {
    for (int first = 0; first < n; first += AT_ONCE)
        linears_at_once(c, call + first, n - first < AT_ONCE ? n - first : AT_ONCE);
}

size_t cpu_linears_inputs(const compute *c, const linear_call *call, int n) {
    size_t most = 0;
    for (int first = 0; first < n; first += AT_ONCE) {
        size_t bytes = inputs_bytes(c, call + first, n - first < AT_ONCE ? n - first : AT_ONCE);
        if (bytes > most) most = bytes;
    }
    return most;
}

void cpu_conv2d(compute *c, tensor out, tensor x, const weight *w, const weight *bias, int stride, const int *pad,
                activation act) {
    tensor_type type = packed_type(c, w);
    arena_mark mark = arena_get_mark(c->scratch);
    if (reads_pairs(c, w)) {
        void *memory = arena_alloc(c->scratch, pairs_bytes(x));
        if (!memory) {
            out_of_scratch(c, "the input", rows_count(x));
            return;
        }
        x = make_pairs(c, x, memory);
    }
    product p = {
        .panels = w->packed,
        .panel_bytes = panel_bytes(c, w, type),
        .bias = bias ? bias->packed : NULL,
        .act = act,
        .rows = rows_count(out),
        .inputs = terms_of(w, type),
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
    choose_kernel(c, &p, type);
    run(c, &p, 1, w);
    arena_release(c->scratch, mark);
}

size_t cpu_conv2d_input(const compute *c, tensor x, const weight *w) { return reads_pairs(c, w) ? pairs_bytes(x) : 0; }
