/* The arithmetic of attention on one instruction set: what attention_cpu.c and attention_cpu_edit.c drive. The file
 * attention_kernel.c is compiled once per instruction set, and the best that the machine has is chosen at run time.
 *
 * A row's bits depend on its own q and on its keys in their order alone: every score is one chain of multiply-adds over
 * the head width, every output one chain over the keys of a block of ATTENTION_KEY_BLOCK, the blocks added in order. */
#ifndef TENSOR_ATTENTION_KERNEL_H
#define TENSOR_ATTENTION_KERNEL_H

#include <stdint.h>
#include "tensor/compute.h"

enum {
    ATTENTION_ROWS = 32,     /* most rows of a block; a multiple of every kernel's tile */
    ATTENTION_KEY_BLOCK = 64 /* keys summed in registers before they are added to the output */
};

/* A block of query rows of one head against a list of its keys. Panels: keys [keys / columns][d][columns], values
 * [width / columns][keys][columns], where keys and width are n_keys and d rounded up to whole columns, with zeros. All
 * memory is aligned to 64 bytes and belongs to the caller. */
typedef struct attention_block {
    int rows; /* 1 .. ATTENTION_ROWS */
    int64_t n_keys, d;
    const float *q;       /* [ATTENTION_ROWS, d], scaled unless the kernel rounds; rows beyond `rows` are zero */
    float scale;          /* of the scores, for kernels that round */
    const float *k_panel; /* from pack_keys */
    const float *v_panel; /* from pack_values */
    int masked;           /* 1 = bias or causal: the three members below are read */
    const int32_t *index; /* [n_keys] which of the call's keys they are, for bias and causal; NULL = 0, 1, .. */
    const float *bias[ATTENTION_ROWS]; /* per row, by the call's key; bias[0] NULL = none */
    int64_t last_key[ATTENTION_ROWS];  /* per row, the last key it sees: INT64_MAX - 1 unless causal */
    float *s; /* scratch_floats: [rows rounded up to 8, keys] of one that does not round, left with
               * exp(S - max); the kernel's scratch_floats() of one that does */
    float *o; /* [ATTENTION_ROWS, width]: out */
    int with_lse;
    double lse[ATTENTION_ROWS];  /* out, where with_lse is set */
    float max_p[ATTENTION_ROWS]; /* out: the largest P of each row */
    /* Statistics over rows [observe_begin, observe_end) of the block; sums, which the caller divides. */
    int observe_begin, observe_end;
    int r;
    double *mass;                    /* [keys]: += sum_i P_ij; NULL = not wanted */
    double *entropy, *concentration; /* +=; NULL = not wanted */
} attention_block;

typedef struct attention_lengths {
    double before, after, moved;
} attention_lengths;

typedef struct attention_kernel {
    int columns; /* panel width, in floats */
    int rounds;  /* 1 = q, k, v and P are rounded to bfloat16 (METHOD.md, section 16); panels are half as large, d
                  * rounded up to  whole columns in both. Nothing below `weights` is there: that of the instruction set
                  * serves. */
    int64_t (*scratch_floats)(int rows, int64_t keys, int64_t d); /* floats of attention_block.s; keys are padded */
    /* Rows index[0..n) (NULL: 0..n) of [.., d] with `stride` floats between rows. */
    void (*pack_keys)(float *panel, const float *k, int64_t stride, const int32_t *index, int64_t n, int64_t d);
    void (*pack_values)(float *panel, const float *v, int64_t stride, const int32_t *index, int64_t n, int64_t d);
    void (*block)(attention_block *b); /* o = softmax(q k^T) v, statistics */
    /* s = q k^T, with the bits that `block` gives S, and w[rows, keys] = exp(s - lse) for the n_keys keys; what lies
     * beyond them is not defined. A kernel that rounds puts its rounded weights, by which `block` multiplied the
     * values, into rounded[rows, keys]; others leave it alone. */
    void (*weights)(attention_block *b, const double lse[ATTENTION_ROWS], double *w, double *rounded);
    /* o = factor o + coefficient v in double, coefficient [rows rounded up to 8, keys] over b->v_panel's rows; o rounds
     * once, at the end. */
    void (*correct)(attention_block *b, const double *coefficient, const double factor[ATTENTION_ROWS]);
    /* Squared lengths of two rows and of their difference; the bits are those of every instruction set. */
    attention_lengths (*lengths)(const float *before, const float *after, int64_t d);
    /* mean[x] = the mean of v[j stride + x] over n rows j, summed in order; likewise. */
    void (*mean_row)(float *mean, const float *v, int64_t stride, int64_t n, int64_t d);
} attention_kernel;

extern const attention_kernel attention_kernel_avx512_bf16, attention_kernel_avx512, attention_kernel_avx2,
    attention_kernel_baseline;

extern const attention_kernel attention_tiles_amx, attention_tiles_avx512; /* these round; the same bits */

/* Query rows first .. first + n of (item, head) into a block: q (scaled), bias and causal limits; row_index NULL = the
 * rows themselves, else the rows that it lists. */
void attention_block_load(const attention_kernel *k, attention_block *b, float *q, const attention_args *a,
                          int64_t item, int64_t head, const int32_t *row_index, int64_t first, int n);

/* Rows of a block whose scores stay in cache beside the panels; from the number of keys alone. */
int attention_block_rows(int64_t keys);

/* arena_alloc, or NULL with the context's error set. */
void *attention_scratch(compute *c, size_t n, size_t size);

static inline int64_t attention_round_up(int64_t n, int to) { return (n + to - 1) / to * to; }

/* Floats of a key in the panels of pack_keys and of pack_values. */
static inline int64_t attention_key_floats(const attention_kernel *k, int64_t d) {
    return k->rounds ? attention_round_up(d, k->columns) / 2 : d;
}
static inline int64_t attention_value_floats(const attention_kernel *k, int64_t d) {
    return attention_round_up(d, k->columns) / (k->rounds ? 2 : 1);
}

#endif
