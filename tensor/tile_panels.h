/* Rows in float32 to what tiles (tiles.h) read: rounded to bfloat16, as rows, and as panels of keys and of values,
 * which kernel_attention_tiles.c multiplies by. Included by kernels alone. */
#ifndef TENSOR_TILE_PANELS_H
#define TENSOR_TILE_PANELS_H

#include "tensor/attention_kernel.h"
#include "tensor/tiles.h"

#define INLINE static inline __attribute__((always_inline))

enum { GROUP = 32 /* terms of a tile; keys, or columns, of two tiles side by side */, PAIR_OF_TILES = 2 * TILE_BYTES };

/* 32 floats to bfloat16, to the nearest, ties to even, in their order. */
INLINE __m512i round_32(vec first, vec second) {
#if defined(__AVX512BF16__)
    return (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
#else
    __m256i part[2];
    for (int i = 0; i < 2; i++) {
        vec x = i ? second : first;
        __m512i bits = (__m512i)x, last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), last);
        __mmask16 nan = _mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_UNORD_Q);
        up = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
        part[i] = _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
    }
    return _mm512_inserti64x4(_mm512_castsi256_si512(part[0]), part[1], 1);
#endif
}

/* Elements [at, at + 32) of a row of n, zeros beyond. */
INLINE __m512i round_row(const float *row, int64_t at, int64_t n) {
    int64_t left = n - at;
    if (left >= GROUP) return round_32((vec)_mm512_loadu_ps(row + at), (vec)_mm512_loadu_ps(row + at + LANES));
    uint32_t mask = left <= 0 ? 0 : (1u << left) - 1;
    return round_32((vec)_mm512_maskz_loadu_ps((__mmask16)mask, row + at),
                    (vec)_mm512_maskz_loadu_ps((__mmask16)(mask >> LANES), row + at + LANES));
}

/* out[x][y] = in[y][x] of 16 x 16 words. */
static void tile_transpose(__m512i out[16], const __m512i in[16]) {
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_epi32(in[i], in[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(in[i], in[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int x = 0; x < 2; x++) {
            b[i + 2 * x] = _mm512_unpacklo_epi64(a[i + x], a[i + 2 + x]);
            b[i + 2 * x + 1] = _mm512_unpackhi_epi64(a[i + x], a[i + 2 + x]);
        }
    for (int i = 0; i < 4; i++)
        for (int x = 0; x < 2; x++) { /* b[i + 4 g] holds columns i, 4 + i, 8 + i, 12 + i of rows 4 g .. 4 g + 4 */
            a[i + 8 * x] = _mm512_shuffle_i32x4(b[i + 8 * x], b[i + 4 + 8 * x], 0x88);
            a[i + 4 + 8 * x] = _mm512_shuffle_i32x4(b[i + 8 * x], b[i + 4 + 8 * x], 0xDD);
        }
    for (int i = 0; i < 4; i++) {
        out[i] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0x88);
        out[i + 4] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0x88);
        out[i + 8] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0xDD);
        out[i + 12] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0xDD);
    }
}

/* [keys / 32][d / 32][two tiles of 16 keys][16 pairs of d][16 keys]. */
static void tile_pack_keys(float *panel, const float *k, int64_t stride, const int32_t *index, int64_t n, int64_t d) {
    int64_t keys = attention_round_up(n, GROUP), parts = attention_round_up(d, GROUP) / GROUP;
    for (int64_t first = 0; first < keys; first += LANES)
        for (int64_t part = 0; part < parts; part++) {
            __m512i row[16], column[16];
            for (int64_t i = 0; i < LANES; i++) {
                int64_t key = first + i;
                row[i] = key < n ? round_row(k + (index ? index[key] : key) * stride, part * GROUP, d)
                                 : _mm512_setzero_si512();
            }
            tile_transpose(column, row);
            char *to =
                (char *)panel + (first / GROUP * parts + part) * PAIR_OF_TILES + first % GROUP / LANES * TILE_BYTES;
            for (int i = 0; i < 16; i++) _mm512_store_si512(to + i * TILE_ROW_BYTES, column[i]);
        }
}

/* [keys / 32][width / 16][16 pairs of keys][16 columns]. */
static void tile_pack_values(float *panel, const float *v, int64_t stride, const int32_t *index, int64_t n, int64_t d) {
    int64_t keys = attention_round_up(n, GROUP), width = attention_round_up(d, GROUP);
    uint16_t order[GROUP];
    for (int i = 0; i < GROUP; i++) order[i] = (uint16_t)(i / 2 + i % 2 * LANES);
    __m512i interleave = _mm512_loadu_si512(order);
    for (int64_t key = 0; key < keys; key += 2)
        for (int64_t x = 0; x < width; x += LANES) {
            vec pair[2];
            for (int64_t i = 0; i < 2; i++) {
                const float *row = key + i < n ? v + (index ? index[key + i] : key + i) * stride : v;
                int64_t left = key + i < n ? d - x : 0;
                __mmask16 mask = (__mmask16)(left >= LANES ? 0xFFFFu : left <= 0 ? 0u : (1u << left) - 1);
                pair[i] = (vec)_mm512_maskz_loadu_ps(mask, row + x);
            }
            char *to = (char *)panel + (key / GROUP * (width / LANES) + x / LANES) * TILE_BYTES +
                       key % GROUP / 2 * TILE_ROW_BYTES;
            _mm512_store_si512(to, _mm512_permutexvar_epi16(interleave, round_32(pair[0], pair[1])));
        }
}

#endif
