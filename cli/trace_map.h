/* `trace --map`: which vector of P is asked for. */
#ifndef CLI_TRACE_MAP_H
#define CLI_TRACE_MAP_H

#include "attn/run.h"
#include "sampler/pipeline.h"

typedef struct trace_map {
    attn_map map; /* index points to key */
    int32_t *key; /* owned */
} trace_map;

/* "key SEGMENT POSITION", "word WORD" (all its tokens; `word`: [keys], as in a trace) or "row ROW COLUMN" of the image.
 * To be freed, after a failure too. */
ss_status trace_map_read(trace_map *out, const char *written, const pipeline_sites *s, const char *const *word,
                         ss_error *err);
void trace_map_free(trace_map *m);

#endif
