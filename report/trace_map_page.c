/* The map of a trace: one vector of P, mean over heads, at three steps of every block that has it, drawn on the block's
 * own grid of image tokens; a row of P over text alone is given in words. */
#include "report/trace_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/page.h"

enum { MOST_WORDS = 5 };

/* "clip word 2 'red' 31.0 %, ...": the heaviest of the keys. */
static void add_heaviest(const trace *t, const attn_block *b, const float *map, text *out) {
    int told[MOST_WORDS], n = 0;
    for (; n < MOST_WORDS && n < b->keys; n++) {
        int best = -1;
        for (int key = 0; key < b->keys; key++) {
            int before = 0;
            for (int i = 0; i < n; i++) before |= told[i] == key;
            if (!before && (best < 0 || map[key] > map[best])) best = key;
        }
        told[n] = best;
        text_add(out, n ? ", " : "");
        trace_key_name(t, BRANCH_COND, b, best, out);
        text_add(out, " ");
        text_add_fixed(out, 100 * (double)map[best], 1);
        text_add(out, " %");
    }
}

static void trace_map_page_add_grid(const attn_segment *image, const float *map, text *out) {
    double *value = malloc(((size_t)image->length + 1) * sizeof *value);
    for (int i = 0; value && i < image->length; i++) value[i] = (double)map[image->start + i];
    figure_grid grid = {.value = value,
                        .rows = image->length / image->grid_width,
                        .columns = image->grid_width,
                        .row_axis = "row",
                        .column_axis = "column",
                        .what = "weight, mean over heads",
                        .square = 1,
                        .from_zero = 1};
    if (value) figure_heat(&grid, out);
    else out->failed = 1;
    free(value);
}

/* A row of P lies on the block's keys, a column on its queries. */
static void add_one(const trace *t, int block, int step, text *out) {
    const attn_block *b = &t->block[block];
    const float *map = attn_run_map(t->run, step, block);
    int by_row = t->measure->map->part == PART_ROW;
    const attn_segment *image =
        by_row ? attn_image_of(b->segment, b->n_segments) : attn_image_of(b->query_segment, b->n_query_segments);
    double elsewhere = 0;
    text caption = {0};
    if (!map || (!image && !by_row)) return;
    text_addf(&caption, "Block %d, step %d.", block, step);
    if (trace_kinds(t) > 1) text_addf(&caption, " %s (%s).", b->name, ATTN_KINDS[b->kind].name);
    for (int i = 0; image && by_row && i < b->keys; i++)
        if (i < image->start || i >= image->start + image->length) elsewhere += (double)map[i];
    if (image && by_row && b->kind == ATTN_JOINT) {
        text_add(&caption, " On text: ");
        text_add_fixed(&caption, 100 * elsewhere, 1);
        text_add(&caption, " %.");
    }
    if (image) {
        float most = 0;
        for (int i = 0; i < image->length; i++) most = fmaxf(most, map[image->start + i]);
        text_add(&caption, " Full colour: ");
        text_add_double(&caption, (double)most, 3);
        text_add(&caption, ".");
    }
    page_figure_begin(out, "places");
    if (image) trace_map_page_add_grid(image, map, out);
    else {
        text words = {0};
        add_heaviest(t, b, map, &words);
        page_element(out, "p", NULL, text_for(&words, out));
        text_free(&words);
    }
    page_figure_end(out, text_for(&caption, out), NULL);
    text_free(&caption);
}

void trace_add_map(const trace *t, text *out) {
    attn_shape s = attn_run_shape(t->run);
    const int steps[] = {s.steps / 6, s.steps / 2, s.steps - 1 - s.steps / 6};
    text words = {0};
    if (!t->map || !t->measure->map) return;
    text_addf(&words, "'%s', conditional branch, mean over heads. %s", t->map,
              t->measure->map->part == PART_ROW
                  ? "What this place of the image looks at: its row of P, on the image's keys."
                  : "Which places of the image look at it: its column of P.");
    page_element(out, "p", "soft", text_for(&words, out));
    text_add(out, "<div class=\"thirds\">\n");
    for (int block = 0; block < s.blocks; block++)
        for (int i = 0; i < 3; i++) add_one(t, block, steps[i], out);
    text_add(out, "</div>\n");
    text_free(&words);
}
