/* The arithmetic of the cpu backend on one instruction set. kernel_product.c, kernel_gaussians.c and kernel_rows.c are
 * compiled once for each (tensor/meson.build), and the best that the machine has is chosen at run time (cpu.c). Kernels
 * allocate nothing and know nothing of threads. Sums run in an order fixed by lengths alone. All from avx2 on give the
 * same bits; baseline has no fused multiply-add and differs in products, and amx sums bfloat16 in another order
 * (kernel_tiles.c). */
#ifndef TENSOR_KERNEL_H
#define TENSOR_KERNEL_H

#include <stdint.h>
#include "tensor/compute.h"

enum {
    PRODUCT_ROWS = 6,     /* rows of one tile */
    PRODUCT_COLUMNS = 64, /* columns of a panel of packed weights */
    TILES_ROWS = 32,      /* rows of one tile of kernel_tiles, */
    TILES_COLUMNS = 32,   /* its columns, */
    TILES_PAIRS = 16,     /* and the pairs that it sums at once */
};

/* One tile of a product: m rows times one panel. With it, row r of the output gets (or is increased by)
 *   sum over t < taps, k < count of row[t PRODUCT_ROWS + r][k] * panel[(t count + k) PRODUCT_COLUMNS + column]
 * summed from zero in the order of (t, k). A row given as pointers, one for each tap, is a token of a linear layer
 * (one tap) or the window of an output pixel (Dukhan, "The Indirect Convolution Algorithm", 2019). */
typedef struct product_tile {
    int m; /* 1 .. PRODUCT_ROWS */
    int64_t taps, count;
    const float *const *row; /* [taps][PRODUCT_ROWS] */
    int64_t offset;          /* added to every pointer of `row`, in floats */
    const void *panel;       /* [taps count][PRODUCT_COLUMNS] of `type`, aligned to 64 bytes */
    tensor_type type;        /* a panel of 16 bits is widened to float32, exactly, as it is read; one of 8 bits is
                                multiplied by its columns' scales; of TENSOR_BF16X2 it and the rows are pairs of
                                bfloat16 in the place of floats, and a term of the sum is their products' */
    const float *scale;      /* [PRODUCT_COLUMNS], aligned likewise, of a panel of 8 bits */
    float *widened;          /* scratch for a panel of 16 or 8 bits in float32: a tile of PRODUCT_ROWS rows leaves its
                                columns there, for the tiles that follow */
    const float *bias;       /* [PRODUCT_COLUMNS]: out = bias + sum; NULL: out += sum */
    float *const *out;       /* [m] */
    int64_t out_offset;
    uintptr_t ahead; /* address of what is read soon, brought nearer a cache line at a time meanwhile; 0: nothing */
    int columns;     /* 1 .. PRODUCT_COLUMNS: how many are written */
} product_tile;

/* Functions on runs of n floats; `out` may be the same memory as an input, or disjoint from it. */
typedef struct kernel {
    void (*product)(const product_tile *t);
    /* scale times N(0, 1), a block of the stream for each, from the block that comes next in it; r stays as it is. */
    void (*gaussians)(float *out, const philox *r, double scale, int64_t n);
    /* x rounded to bfloat16, two in a word: out[(n + 1) / 2], ended by a zero where n is odd. Disjoint. */
    void (*to_pairs)(uint32_t *out, const float *x, int64_t n);
    /* The bits of |x| that are at least `least`, in their order, to out, which holds n; how many. `largest` becomes the
     * larger of itself and of all. */
    int64_t (*magnitudes)(uint32_t *out, const float *x, int64_t n, uint32_t least, uint32_t *largest);
    /* The largest multiple of `step` (a power of 2) that at least `wanted` of v[n], all below 2^31, reach: with a step
     * of 1 the element of rank n - wanted. */
    uint32_t (*reached)(const uint32_t *v, int64_t n, int64_t wanted, uint32_t step);
    /* x . y in float: for rows of a head, too short to lose more than the last bits; at least 0, as x . x and x . G x
     * are but for rounding. */
    double (*dot)(const float *x, const float *y, int64_t n);
    void (*add)(float *out, const float *a, const float *b, int64_t n);
    void (*add_value)(float *out, const float *a, float b, int64_t n);
    void (*mul)(float *out, const float *a, const float *b, int64_t n);
    void (*mul_value)(float *out, const float *a, float b, int64_t n);
    void (*axpby)(float *out, float alpha, const float *a, float beta, const float *b, int64_t n);
    void (*activate)(float *out, const float *x, int64_t n, activation act);
    /* (x - mean) / sqrt(var + eps) * (one + scale) + shift; scale, shift may be NULL. */
    void (*layer_norm)(float *out, const float *x, int64_t n, const float *scale, const float *shift, float one,
                       float eps);
    void (*rms_norm)(float *out, const float *x, int64_t n, const float *gamma /* or NULL */, float eps);
    void (*gate_add)(float *x, const float *gate, const float *y, int64_t n);
    /* Sums of x and of x^2 of each of `channels` channels over `pixels` pixels, `stride` floats apart. */
    void (*channel_sums)(double *sum, double *squares, const float *x, int64_t pixels, int64_t stride,
                         int64_t channels);
    /* (x - mean) * factor + shift, per channel. */
    void (*channel_norm)(float *out, const float *x, const float *mean, const float *factor, const float *shift,
                         int64_t channels);
} kernel;

extern const kernel kernel_avx512_bf16, kernel_avx512, kernel_avx2, kernel_baseline;

/* Sums of one tile, 32 rows by 32 columns, over some sixteens of pairs of bfloat16. */
typedef struct tiles_part {
    float *sums;             /* [32][32], aligned to 64 bytes */
    const uint32_t *rows;    /* [sixteens][32][16 pairs] */
    const uint32_t *columns; /* [sixteens][16 pairs][32] */
    int64_t sixteens;
    int halves;  /* 1: rows 16 to 31 are not wanted, and keep what they have */
    int goes_on; /* 0: from zero */
} tiles_part;

/* Products of pairs of bfloat16 in the order of the instruction TDPBF16PS (Intel, Software Developer's Manual, volume
 * 2): the pairs of a tap by sixteens, from its first on, the last one filled up with zeros; of each sixteen the sum of
 * the first halves of all pairs and that of the second halves, each a chain of multiply-adds from zero, then one plus
 * the other, and this added to the sum, which begins with zero and is one chain over all sixteens of all taps. Numbers
 * below 1.2e-38 count as 0 with the instruction. A thread's products stand between its `begin` and its `end`. */
typedef struct kernel_tiles {
    void (*begin)(void);
    void (*end)(void);
    void (*multiply)(const tiles_part *a);
    /* Pairs [first, end) of n rows to [sixteens][32][16], with zeros in the place of the last sixteen's missing pairs.
     * Rows beyond the n become zeros up to the sixteenth or the last. */
    void (*gather)(uint32_t *to, const float *const *row, int n, int64_t first, int64_t end);
} kernel_tiles;

extern const kernel_tiles kernel_tiles_amx, kernel_tiles_avx512; /* the same bits */

/* Each in a file of its own; the rest of the table is in kernel_rows.c. */
void kernel_product_avx512_bf16(const product_tile *t);
void kernel_product_avx512(const product_tile *t);
void kernel_product_avx2(const product_tile *t);
void kernel_product_baseline(const product_tile *t);
void kernel_gaussians_avx512_bf16(float *out, const philox *r, double scale, int64_t n);
void kernel_gaussians_avx512(float *out, const philox *r, double scale, int64_t n);
void kernel_gaussians_avx2(float *out, const philox *r, double scale, int64_t n);
void kernel_gaussians_baseline(float *out, const philox *r, double scale, int64_t n);

#endif
