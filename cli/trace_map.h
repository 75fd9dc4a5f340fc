/* `trace --map`: which vector of P is requested. */
#ifndef CLI_TRACE_MAP_H
#define CLI_TRACE_MAP_H

#include "attn/run.h"

typedef struct trace_map {
    attn_map map; /* by_block points to key */
    int32_t *key; /* [blocks, map.n]; owned */
} trace_map;

/* The words of the text's keys, as embedding_key_word gives them. */
typedef struct trace_words {
    const char *const *word;
    int n;
} trace_words;

/* "key SEGMENT POSITION", "word WORD" (all its tokens) or "row ROW COLUMN" of the image, in tokens of its finest grid:
 * blocks of coarser grids use the token that covers it. Blocks that have no such key are left out; some block must have
 * it. To be freed, after a failure too. */
ss_status trace_map_read(trace_map *out, const char *written, const attn_block *block, int blocks,
                         const trace_words *words, ss_error *err);
void trace_map_free(trace_map *m);

#endif
