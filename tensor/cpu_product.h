/* What the two ways to compute a product on the cpu backend share: cpu_product.c, which cuts it into tasks and computes
 * by rows, and cpu_tiles.c, which computes a task by tiles of bfloat16. */
#ifndef TENSOR_CPU_PRODUCT_H
#define TENSOR_CPU_PRODUCT_H

#include "tensor/cpu.h"

enum { BLOCK_ROWS = 192 /* most rows of a task: their part of a sum's block stays in the second-level cache */ };

static inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

typedef struct product {
    const kernel *k;
    const kernel_tiles *tiles; /* NULL: by `k` */
    int tile_rows, whole_rows; /* rows of a tile; tasks have a multiple of whole_rows, but for the last */
    const char *panels;
    size_t panel_bytes;
    tensor_type type;  /* of the panels' elements */
    const float *bias; /* NULL = none */
    activation act;
    int64_t rows, inputs, outputs, taps; /* inputs: terms_of the weight, and as many of x */
    tensor out, x;
    int rounds;   /* out is [.., outputs / 2] pairs of bfloat16 in the place of floats; by tiles alone */
    int is_image; /* conv2d: x and out are images */
    int64_t kernel_height, kernel_width, stride, top, left;
    tensor sum, gate;     /* or none: what a linear layer's output is added to */
    int64_t step, length; /* a block of the sum: so many taps, so many inputs of each */
    int joins;            /* a row of the window is one run of memory, and the sum is one block */
    int64_t block_rows, row_blocks, panel_groups, panel_count; /* the tasks */
    int64_t first_task;                                        /* among those of all products of a call */
} product;

/* One thread's scratch: [BLOCK_ROWS / tile_rows][taps][tile_rows] rows, [BLOCK_ROWS] outputs. */
typedef struct product_scratch {
    const float **row;
    float **out;
    float *widened;                         /* [a block of the sum][PRODUCT_COLUMNS], for panels of 16 or 8 bits; or
                                               cpu_tiles_scratch bytes */
    const float *zeros;                     /* [run_of]: what lies outside an image; shared by all threads */
    char joined[BLOCK_ROWS / PRODUCT_ROWS]; /* tiles whose rows are given by the rows of the window, not by its taps */
} product_scratch;

/* Rows [begin, end), whose pointers are in the scratch, by panels [first, last). */
void cpu_tiles_task(const product *p, const product_scratch *m, int64_t begin, int64_t end, int64_t first,
                    int64_t last);
/* Most panels of a task of a sum of so many terms (pairs of every tap); bytes of a thread's scratch. */
int64_t cpu_tiles_panels(int64_t taps, int64_t pairs);
size_t cpu_tiles_scratch(void);

/* Adds rows begin .. of the product's output, columns [column, column + columns), to what they are added to. Row i is
 * at out[i] + column, or, where that is NULL, at sums + 32 i. */
void cpu_product_add(const product *p, int64_t begin, int64_t n_rows, int64_t column, int columns, float *const *out,
                     const float *sums);

#endif
