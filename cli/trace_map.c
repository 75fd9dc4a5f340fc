/* What `trace --map` names: a key, a word of the prompt, or a place of the image, as keys or as the query row of P; for
 * every block its own number, since blocks may differ in their keys. */
#include "cli/trace_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ss_status cannot(const char *written, ss_error *err) {
    return error_set(
        err, SS_ERR_USAGE, NULL,
        "--map is '%s'; expected 'key clip 0' (a segment and a position), 'word red' or 'row 3 4' (a row and a "
        "column of the image's tokens)",
        written);
}

/* "clip 0": the key of a segment. */
static int trace_map_find_key(const attn_block *b, const char *written) {
    for (int i = 0; i < b->n_segments; i++) {
        const attn_segment *g = &b->segment[i];
        size_t n = strlen(g->name);
        char *end;
        if (strncmp(written, g->name, n) != 0 || written[n] != ' ') continue;
        long at = strtol(written + n + 1, &end, 10);
        if (end > written + n + 1 && !*end && at >= 0 && at < g->length) return g->start + (int)at;
    }
    return -1;
}

/* The finest grid of image queries of any block. */
static const attn_segment *finest_grid(const attn_block *block, int blocks) {
    const attn_segment *finest = NULL;
    for (int i = 0; i < blocks; i++) {
        const attn_segment *g = attn_image_of(block[i].query_segment, block[i].n_query_segments);
        if (g && (!finest || g->length > finest->length)) finest = g;
    }
    return finest;
}

/* A place of the finest grid as the block's query row. */
static int find_place(const attn_block *b, const attn_segment *finest, int row, int column) {
    const attn_segment *g = attn_image_of(b->query_segment, b->n_query_segments);
    if (!g) return -1;
    int rows = g->length / g->grid_width, of_rows = finest->length / finest->grid_width;
    return g->start + row * rows / of_rows * g->grid_width + column * g->grid_width / finest->grid_width;
}

static ss_status trace_map_read_place(trace_map *out, const char *written, const attn_block *block, int blocks,
                                      ss_error *err) {
    const attn_segment *finest = finest_grid(block, blocks);
    int row, column, used = 0;
    if (!finest || sscanf(written, "row %d %d%n", &row, &column, &used) != 2 || written[used])
        return cannot(written, err);
    if (row < 0 || column < 0 || column >= finest->grid_width || row >= finest->length / finest->grid_width)
        return cannot(written, err);
    for (int i = 0; i < blocks; i++) out->key[i] = find_place(&block[i], finest, row, column);
    out->map.part = PART_ROW;
    return SS_OK;
}

/* Keys of text are in all blocks that have text keys. */
static ss_status trace_map_read_word(trace_map *out, const char *written, const attn_block *block, int blocks,
                                     const trace_words *words, ss_error *err) {
    int n = 0;
    for (int key = 0; key < words->n; key++) n += *words->word[key] && text_equal_fold(words->word[key], written + 5);
    if (n == 0)
        return error_set(err, SS_ERR_USAGE, NULL,
                         "--map is '%s'; the prompt has no word '%s' among the tokens that an encoder takes", written,
                         written + 5);
    out->map.n = n;
    for (int i = 0; i < blocks; i++)
        for (int key = 0, at = 0; key < words->n; key++)
            if (*words->word[key] && text_equal_fold(words->word[key], written + 5))
                out->key[i * n + at++] = block[i].kind == ATTN_SELF ? -1 : key;
    return SS_OK;
}

ss_status trace_map_read(trace_map *out, const char *written, const attn_block *block, int blocks,
                         const trace_words *words, ss_error *err) {
    int any = 0;
    *out = (trace_map){.map = {.n = 1}};
    size_t room = (size_t)blocks * (size_t)(words->n + 1);
    out->key = calloc(room, sizeof *out->key);
    if (!out->key) return error_no_memory(err, "a map", room * sizeof *out->key);
    out->map.by_block = out->key;
    if (strncmp(written, "word ", 5) == 0) return trace_map_read_word(out, written, block, blocks, words, err);
    if (strncmp(written, "row ", 4) == 0) return trace_map_read_place(out, written, block, blocks, err);
    if (strncmp(written, "key ", 4) != 0) return cannot(written, err);
    for (int i = 0; i < blocks; i++) {
        out->key[i] = trace_map_find_key(&block[i], written + 4);
        any |= out->key[i] >= 0;
    }
    return any ? SS_OK : cannot(written, err);
}

void trace_map_free(trace_map *m) {
    free(m->key);
    *m = (trace_map){0};
}
