/* What `trace --map` names: a key, a word of the prompt, or a place of the image, as keys or as the query row of P. */
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
static int find_key(const pipeline_sites *s, const char *written) {
    for (int i = 0; i < s->n_segments; i++) {
        const attn_segment *g = &s->segment[i];
        size_t n = strlen(g->name);
        char *end;
        if (strncmp(written, g->name, n) != 0 || written[n] != ' ') continue;
        long at = strtol(written + n + 1, &end, 10);
        if (end > written + n + 1 && !*end && at >= 0 && at < g->length) return g->start + (int)at;
    }
    return -1;
}

static int find_place(const pipeline_sites *s, const char *written) {
    const attn_segment *g = attn_image_of(s->segment, s->n_segments);
    int row, column, used = 0;
    if (!g || sscanf(written, "%d %d%n", &row, &column, &used) != 2 || written[used]) return -1;
    if (row < 0 || column < 0 || column >= g->grid_width || row >= g->length / g->grid_width) return -1;
    return g->start + row * g->grid_width + column;
}

ss_status trace_map_read(trace_map *out, const char *written, const pipeline_sites *s, const char *const *word,
                         ss_error *err) {
    *out = (trace_map){.key = calloc((size_t)s->keys, sizeof *out->key)};
    if (!out->key) return error_no_memory(err, "a map", (unsigned long long)s->keys);
    if (strncmp(written, "word ", 5) == 0) {
        for (int key = 0; key < s->keys; key++)
            if (*word[key] && strcmp(word[key], written + 5) == 0) out->key[out->map.n++] = key;
        if (out->map.n == 0)
            return error_set(err, SS_ERR_USAGE, NULL, "--map is '%s'; the prompt has no word '%s'", written,
                             written + 5);
    } else if (strncmp(written, "key ", 4) == 0) {
        out->key[0] = find_key(s, written + 4);
        out->map.n = 1;
    } else if (strncmp(written, "row ", 4) == 0) {
        out->key[0] = find_place(s, written + 4);
        out->map.n = 1;
        out->map.part = PART_ROW;
    } else return cannot(written, err);
    out->map.index = out->key;
    return out->key[0] < 0 ? cannot(written, err) : SS_OK;
}

void trace_map_free(trace_map *m) {
    free(m->key);
    *m = (trace_map){0};
}
