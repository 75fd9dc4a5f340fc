/* The map of a trace: one vector of P, mean over heads, drawn on the image's tokens for every block at three steps. */
#include "report/trace_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/page.h"

static void add_one(const trace *t, const attn_segment *image, int block, int step, text *out) {
    const float *map = attn_run_map(t->run, step, block);
    double *value = malloc(((size_t)image->length + 1) * sizeof *value), elsewhere = 0;
    text caption = {0};
    if (!value) out->failed = 1;
    if (value && map) {
        for (int i = 0; i < image->length; i++) value[i] = (double)map[image->start + i];
        for (int i = 0; i < t->sites->keys; i++)
            if (i < image->start || i >= image->start + image->length) elsewhere += (double)map[i];
        figure_grid grid = {.value = value,
                            .rows = image->length / image->grid_width,
                            .columns = image->grid_width,
                            .row_axis = "row",
                            .column_axis = "column",
                            .what = "weight, mean over heads",
                            .square = 1,
                            .from_zero = 1};
        text_addf(&caption, "Block %d, step %d.", block, step);
        if (t->measure->map->part == PART_ROW) {
            text_add(&caption, " On text: ");
            text_add_fixed(&caption, 100 * elsewhere, 1);
            text_add(&caption, " %.");
        }
        page_figure_begin(out, "places");
        figure_heat(&grid, out);
        page_figure_end(out, caption.failed ? "" : caption.s, NULL);
    }
    free(value);
    text_free(&caption);
}

void trace_add_map(const trace *t, text *out) {
    const attn_segment *image = attn_image_of(t->sites->segment, t->sites->n_segments);
    attn_shape s = attn_run_shape(t->run);
    const int steps[] = {s.steps / 6, s.steps / 2, s.steps - 1 - s.steps / 6};
    text words = {0};
    if (!t->map || !t->measure->map || !image) return;
    text_addf(&words, "'%s', conditional branch, mean over heads. %s", t->map,
              t->measure->map->part == PART_ROW
                  ? "What this place of the image looks at: its row of P, on the image's keys."
                  : "Which places of the image look at it: its column of P.");
    page_element(out, "p", "soft", words.failed ? "" : words.s);
    text_add(out, "<div class=\"thirds\">\n");
    for (int block = 0; block < s.blocks; block++)
        for (int i = 0; i < 3; i++) add_one(t, image, block, steps[i], out);
    text_add(out, "</div>\n");
    text_free(&words);
}
