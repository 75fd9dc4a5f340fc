/* A trace as a page: the image, the strongest sinks of every block and head, mass over steps, what the sinks are and
 * where they lie in the image. */
#include "report/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/page.h"
#include "report/trace_page.h"

enum { IMAGE_SIDE = 1024, MOST_CURVES = 6 };

typedef struct page_facts {
    const trace *t;
    text img; /* the <img>, with the pixels inside */
} page_facts;

/* ---- the image ---- */

static void trace_page_add_term(text *out, const char *term, text *words) {
    page_element(out, "dt", NULL, term);
    page_element(out, "dd", NULL, words->failed || !words->len ? "" : words->s);
    if (words->failed) out->failed = 1;
    text_free(words);
    *words = (text){0};
}

static void trace_page_add_image(const void *facts, text *out) {
    const page_facts *f = facts;
    const trace *t = f->t;
    attn_shape s = attn_run_shape(t->run);
    text words = {0};
    text_add(out, "<figure>");
    text_add_n(out, f->img.s, f->img.len);
    text_add(out, "</figure>\n<dl>\n");
    text_add(&words, t->model);
    if (t->weights != FORM_STORED) text_addf(&words, ", weights %s", WEIGHT_FORM_NAMES[t->weights]);
    trace_page_add_term(out, "Model", &words);
    seed_text seed;
    text_add(&words, seed_write(t->seed, seed));
    trace_page_add_term(out, "Seed", &words);
    settings_add_words(t->settings, &words);
    trace_page_add_term(out, "Sampler", &words);
    text_addf(&words, "%d blocks × %d heads × %d steps, %d guidance branch%s; ", s.blocks, s.heads, s.steps,
              t->branches, t->branches == 1 ? "" : "es");
    for (int layout = 0; layout < trace_layouts(t); layout++) {
        const attn_block *b = trace_layout(t, layout);
        text_addf(&words, "%s%d keys: ", layout ? "; " : "", b->keys);
        for (int i = 0; i < b->n_segments; i++)
            text_addf(&words, "%s%s %d", i ? ", " : "", b->segment[i].name, b->segment[i].length);
    }
    trace_page_add_term(out, "Attention", &words);
    text_add(out, "</dl>\n");
}

/* ---- tables and figures over blocks ---- */

static void trace_page_add_number(text *out, double x, int digits) {
    text words = {0};
    if (isfinite(x)) text_add_double(&words, x, digits);
    else text_add(&words, "–");
    page_element(out, "td", "n", text_for(&words, out));
    text_free(&words);
}

static void add_block(const trace *t, int block, const trace_column *columns, int n, text *out) {
    attn_shape s = attn_run_shape(t->run);
    trace_strongest best = trace_find_strongest(t, block, 0, s.steps);
    text key = {0};
    if (best.head < 0) return;
    trace_key_name(t, BRANCH_COND, &t->block[block], best.key, &key);
    text_addf(out, "<tr><th class=\"n\">%d</th>", block);
    if (trace_kinds(t) > 1) {
        page_element(out, "td", "nowrap", t->block[block].name);
        page_element(out, "td", NULL, ATTN_KINDS[t->block[block].kind].name);
    }
    text_addf(out, "<td class=\"n\">%d</td>", best.head);
    page_element(out, "td", "nowrap", text_for(&key, out));
    text_addf(out, "<td class=\"n\">%d of %d</td>", best.key_steps, s.steps);
    trace_page_add_number(out, best.mass, 3);
    trace_page_add_number(out, best.mass * t->block[block].keys, 3);
    for (int i = 0; i < n; i++)
        if (columns[i].shown) trace_page_add_number(out, trace_mean(t, i, block, best.head, 0, s.steps), 3);
    text_add(out, "</tr>\n");
    text_free(&key);
}

static void add_strongest(const void *facts, text *out) {
    const trace *t = ((const page_facts *)facts)->t;
    trace_column columns[TRACE_MAX_COLUMNS];
    int n = trace_columns(t, columns, TRACE_MAX_COLUMNS);
    page_element(out, "p", "soft",
                 "The head of each block whose largest key draws the most mass, as a mean over steps (conditional "
                 "branch). A mass is the mean weight that a key receives from the image's queries; × uniform counts it "
                 "in units of one key's equal share.");
    text_addf(out, "<div class=\"scroll\"><table class=\"strongest\"><thead><tr><th class=\"n\">block</th>%s",
              trace_kinds(t) > 1 ? "<th>module</th><th>kind</th>" : "");
    text_add(out, "<th class=\"n\">head</th><th>top key</th><th class=\"n\">steps</th><th class=\"n\">mass</th>"
                  "<th class=\"n\">× uniform</th>");
    for (int i = 0; i < n; i++)
        if (columns[i].shown) page_element(out, "th", "n", columns[i].name);
    text_add(out, "</tr></thead><tbody>\n");
    for (int block = 0; block < attn_run_shape(t->run).blocks; block++) add_block(t, block, columns, n, out);
    page_table_end(out);
    text_add(out, "<dl class=\"soft\">\n");
    for (int i = 0; i < n; i++) {
        if (!columns[i].shown) continue;
        page_element(out, "dt", NULL, columns[i].name);
        page_element(out, "dd", NULL, columns[i].help);
    }
    text_add(out, "</dl>\n<p class=\"soft\"><a href=\"trace.csv\">All rows (CSV)</a></p>\n");
}

/* Largest mass over steps of every head, conditional branch. */
static void add_heads(const trace *t, text *out) {
    attn_shape s = attn_run_shape(t->run);
    double *value = malloc(((size_t)s.blocks * (size_t)s.heads + 1) * sizeof *value);
    for (int b = 0; value && b < s.blocks; b++)
        for (int h = 0; h < s.heads; h++) {
            double most = NAN;
            for (int step = 0; step < s.steps; step++) most = fmax(most, trace_top_mass(t, step, b, h, BRANCH_COND));
            value[b * s.heads + h] = most;
        }
    figure_grid grid = {.value = value,
                        .rows = s.blocks,
                        .columns = s.heads,
                        .row_axis = "block",
                        .column_axis = "head",
                        .what = "largest mass of a key"};
    if (value) {
        page_figure_begin(out, "heat");
        figure_heat(&grid, out);
        page_figure_end(out, "The largest mass that any key of a head reaches at any step.", NULL);
    } else out->failed = 1;
    free(value);
}

/* Mean over heads of the largest mass, block x step. */
static double *mass_over_steps(const trace *t) {
    attn_shape s = attn_run_shape(t->run);
    double *value = malloc(((size_t)s.blocks * (size_t)s.steps + 1) * sizeof *value);
    for (int b = 0; value && b < s.blocks; b++)
        for (int step = 0; step < s.steps; step++) {
            double sum = 0;
            for (int h = 0; h < t->block[b].heads; h++) sum += trace_top_mass(t, step, b, h, BRANCH_COND);
            value[b * s.steps + step] = sum / t->block[b].heads;
        }
    return value;
}

static void add_steps(const trace *t, text *out) {
    attn_shape s = attn_run_shape(t->run);
    double *value = mass_over_steps(t), *x = malloc(((size_t)s.steps + 1) * sizeof *x);
    figure_series series[MOST_CURVES];
    text label[MOST_CURVES] = {0};
    if (!value || !x) out->failed = 1;
    for (int i = 0; x && i < s.steps; i++) x[i] = i;
    page_figure_begin(out, "steps");
    if (value && x && s.blocks <= MOST_CURVES) {
        for (int b = 0; b < s.blocks; b++) {
            text_addf(&label[b], "block %d", b);
            series[b] =
                (figure_series){.label = text_for(&label[b], out), .n = s.steps, .x = x, .y = value + b * s.steps};
        }
        figure_lines(series, s.blocks, "step (0 = noisiest)", "largest mass, mean over heads", FIGURE_LINEAR, out);
    } else if (value) {
        figure_grid grid = {.value = value,
                            .rows = s.blocks,
                            .columns = s.steps,
                            .row_axis = "block",
                            .column_axis = "step (0 = noisiest)",
                            .what = "largest mass, mean over heads"};
        figure_heat(&grid, out);
    }
    page_figure_end(out, "The largest mass of each head, as a mean over the block's heads, from noise to image.", NULL);
    for (int b = 0; b < MOST_CURVES; b++) text_free(&label[b]);
    free(value);
    free(x);
}

static void add_masses(const void *facts, text *out) {
    const trace *t = ((const page_facts *)facts)->t;
    text_add(out, "<div class=\"pair\">\n");
    add_heads(t, out);
    add_steps(t, out);
    text_add(out, "</div>\n");
}

static void trace_page_add_sinks(const void *facts, text *out) { trace_add_sinks(((const page_facts *)facts)->t, out); }

static void add_explorer(const void *facts, text *out) { trace_add_explorer(((const page_facts *)facts)->t, out); }

static void add_map(const void *facts, text *out) { trace_add_map(((const page_facts *)facts)->t, out); }

ss_status trace_page(const trace *t, text *out, ss_error *err) {
    static const page_section SECTIONS[] = {{"image", "The image", trace_page_add_image},
                                            {"explore", "Step by step", add_explorer},
                                            {"map", "The attention itself", add_map},
                                            {"strongest", "Strongest heads", add_strongest},
                                            {"mass", "Mass by block, head and step", add_masses},
                                            {"sinks", "What the sinks are", trace_page_add_sinks}};
    page_facts f = {.t = t};
    ss_status status = page_add_image(&f.img, t->image, "large", t->prompt, IMAGE_SIDE, err);
    if (status == SS_OK && f.img.failed) status = error_no_memory(err, "a picture", 1);
    if (status == SS_OK)
        page_write(t->prompt, "sinkscope trace", NULL, SECTIONS, sizeof SECTIONS / sizeof *SECTIONS, &f, out);
    text_free(&f.img);
    return status;
}
