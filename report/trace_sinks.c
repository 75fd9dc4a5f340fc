/* What the sinks of a trace are: the strongest key of every head, counted by class of token and by place in the image.
 */
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/page.h"
#include "report/trace_page.h"

enum { TOP_TOKENS = 15 };

/* How often each key is the strongest of a head: over the keys of all layouts, branch by branch. */
typedef struct key_counts {
    int keys;           /* of all layouts */
    int64_t *count;     /* [2, keys] */
    int64_t total, *of; /* [layouts] strongest keys counted; total of all */
} key_counts;

static void count_keys(const trace *t, key_counts *c) {
    attn_shape s = attn_run_shape(t->run);
    int layouts = trace_layouts(t);
    *c = (key_counts){.keys = trace_first_key(t, layouts)};
    c->count = calloc(2 * (size_t)c->keys + 1, sizeof *c->count);
    c->of = calloc((size_t)layouts + 1, sizeof *c->of);
    for (int block = 0; c->count && c->of && block < s.blocks; block++) {
        int layout = t->block[block].layout, first = trace_first_key(t, layout);
        for (int step = 0; step < s.steps; step++)
            for (int head = 0; head < t->block[block].heads; head++)
                for (int branch = 0; branch < t->branches; branch++) {
                    const attn_sink *sink;
                    if (attn_run_sinks(t->run, step, block, head, (attn_branch)branch, &sink) < 1) continue;
                    c->count[branch * c->keys + first + sink->key]++;
                    c->of[layout]++;
                    c->total++;
                }
    }
}

typedef struct census_row {
    const char *segment;
    int is_image, class;
    double share, expected;
} census_row;

/* The row of a segment's class, made if need be. */
static census_row *census_at(census_row *row, int *n, const attn_segment *s, int class) {
    for (int i = 0; i < *n; i++)
        if (strcmp(row[i].segment, s->name) == 0 && row[i].class == class) return &row[i];
    row[*n] = (census_row){.segment = s->name, .is_image = s->kind == SEGMENT_IMAGE, .class = class};
    return &row[(*n)++];
}

/* Shares of a segment's class among the strongest keys and, by chance, among the keys of the calls counted. Segments of
 * one name are counted together in all layouts. */
static int census(const trace *t, const key_counts *c, int layout, census_row *row, int n) {
    const attn_block *b = trace_layout(t, layout);
    int first = trace_first_key(t, layout);
    for (int i = 0; i < b->n_segments; i++)
        for (int class = 0; class < KEY_CLASSES; class ++) {
            const attn_segment *s = &b->segment[i];
            int64_t keys = 0, sinks = 0;
            for (int branch = 0; branch < t->branches; branch++) {
                const uint8_t *classes = trace_classes(t, (attn_branch)branch, b);
                for (int key = s->start; key < s->start + s->length; key++) {
                    if ((classes ? classes[key] : KEY_IMAGE) != class) continue;
                    keys++;
                    sinks += c->count[branch * c->keys + first + key];
                }
            }
            if (keys == 0 || n == ATTN_MAX_SEGMENTS * KEY_CLASSES) continue;
            census_row *at = census_at(row, &n, s, class);
            at->share += (double)sinks / (double)c->total;
            at->expected += (double)keys / (t->branches * (double)b->keys) * ((double)c->of[layout] / (double)c->total);
        }
    return n;
}

static void trace_sinks_add_census(const trace *t, const key_counts *c, text *out) {
    census_row row[ATTN_MAX_SEGMENTS * KEY_CLASSES];
    figure_share share[ATTN_MAX_SEGMENTS * KEY_CLASSES];
    text label[ATTN_MAX_SEGMENTS * KEY_CLASSES] = {0};
    int n = 0;
    for (int layout = 0; layout < trace_layouts(t); layout++) n = census(t, c, layout, row, n);
    for (int i = 0; i < n; i++) {
        if (row[i].is_image) text_add(&label[i], row[i].segment);
        else text_addf(&label[i], "%s %s", row[i].segment, TRACE_CLASS[row[i].class]);
        share[i] =
            (figure_share){.label = text_for(&label[i], out), .share = row[i].share, .expected = row[i].expected};
    }
    page_figure_begin(out, "census");
    figure_shares(share, n, "share of strongest keys", "share of keys", out);
    page_figure_end(out, "What the strongest key of each head is, over steps, blocks, heads and branches.", NULL);
    for (int i = 0; i < n; i++) text_free(&label[i]);
}

/* Image tokens of one layout, on their own grid. */
static void trace_sinks_add_place(const trace *t, const key_counts *c, int layout, const attn_segment *s, text *out) {
    int first = trace_first_key(t, layout) + s->start;
    double *value = calloc((size_t)s->length + 1, sizeof *value), any = 0;
    text caption = {0};
    for (int key = 0; value && key < s->length; key++) {
        for (int branch = 0; branch < t->branches; branch++)
            value[key] += (double)c->count[branch * c->keys + first + key];
        any += value[key];
    }
    figure_grid grid = {.value = value,
                        .rows = s->length / s->grid_width,
                        .columns = s->grid_width,
                        .row_axis = "row",
                        .column_axis = "column",
                        .what = "times a token is the strongest key",
                        .square = 1,
                        .from_zero = 1};
    text_add(&caption, "Where in the image the image tokens lie that are strongest keys");
    if (trace_layouts(t) > 1) text_addf(&caption, ": blocks that see it as %d × %d tokens", grid.rows, grid.columns);
    text_add(&caption, ".");
    if (!value || caption.failed) out->failed = 1;
    else if (any > 0) {
        page_figure_begin(out, "places");
        figure_heat(&grid, out);
        page_figure_end(out, caption.s, NULL);
    }
    free(value);
    text_free(&caption);
}

static void trace_sinks_add_places(const trace *t, const key_counts *c, text *out) {
    for (int layout = 0; layout < trace_layouts(t); layout++) {
        const attn_block *b = trace_layout(t, layout);
        for (int i = 0; i < b->n_segments; i++)
            if (b->segment[i].kind == SEGMENT_IMAGE && b->segment[i].grid_width > 0)
                trace_sinks_add_place(t, c, layout, &b->segment[i], out);
    }
}

/* The key, of either branch, counted most often after `last` (a place in count, -1 at first); -1 = no more. */
static int next_key(const int64_t *count, int n, int last) {
    int best = -1;
    for (int i = 0; i < n; i++) {
        int after = last < 0 || count[i] < count[last] || (count[i] == count[last] && i > last);
        if (count[i] > 0 && after && (best < 0 || count[i] > count[best])) best = i;
    }
    return best;
}

/* "image (3, 4) of 8 × 8" where there is more than one grid. */
static void add_token_name(const trace *t, attn_branch branch, int key, text *out) {
    int layout = 0, grids = 0;
    while (layout + 1 < trace_layouts(t) && key >= trace_first_key(t, layout + 1)) layout++;
    for (int i = 0; i < trace_layouts(t); i++)
        grids += attn_image_of(trace_layout(t, i)->segment, trace_layout(t, i)->n_segments) != NULL;
    const attn_block *b = trace_layout(t, layout);
    const attn_segment *s = attn_segment_of(b->segment, b->n_segments, key - trace_first_key(t, layout));
    trace_key_name(t, branch, b, key - trace_first_key(t, layout), out);
    if (grids > 1 && s && s->grid_width > 0) text_addf(out, " of %d × %d", s->length / s->grid_width, s->grid_width);
}

static void add_tokens(const trace *t, const key_counts *c, text *out) {
    static const char *const HEADING[] = {"key", "branch", ">times strongest", ">share"};
    int at = -1;
    page_element(out, "h3", NULL, "Keys that are strongest most often");
    page_table_begin(out, "tokens", HEADING, 4);
    for (int i = 0; i < TOP_TOKENS && (at = next_key(c->count, t->branches * c->keys, at)) >= 0; i++) {
        text name = {0}, share = {0};
        add_token_name(t, (attn_branch)(at / c->keys), at % c->keys, &name);
        text_add_fixed(&share, 100 * (double)c->count[at] / (double)c->total, 1);
        text_add(&share, " %");
        text_add(out, "<tr>");
        page_element(out, "th", NULL, text_for(&name, out));
        page_element(out, "td", NULL, at / c->keys ? "unconditional" : "conditional");
        text_addf(out, "<td class=\"n\">%lld</td>", (long long)c->count[at]);
        page_element(out, "td", "n", text_for(&share, out));
        text_add(out, "</tr>\n");
        text_free(&name);
        text_free(&share);
    }
    page_table_end(out);
}

void trace_add_sinks(const trace *t, text *out) {
    key_counts c;
    count_keys(t, &c);
    if (!c.count || !c.of) out->failed = 1;
    else if (c.total > 0) {
        text_add(out, "<div class=\"pair\">\n");
        trace_sinks_add_census(t, &c, out);
        trace_sinks_add_places(t, &c, out);
        text_add(out, "</div>\n");
        add_tokens(t, &c, out);
    }
    free(c.count);
    free(c.of);
}
