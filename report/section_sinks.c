/* What the sinks of the baseline are: classes of tokens beside their share by chance, words, places in the image. */
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/words.h"

/* Columns of report_facts.classes. */
enum { CLASS_NAME, CLASS_SINKS, CLASS_SHARE, CLASS_STRONGEST, CLASS_MASS, CLASS_KEYS };
enum { WORD_CLASS, WORD_WORD, WORD_SINKS, WORD_SHARE, WORD_MASS };

static void section_sinks_add_census(text *out, const report_facts *f) {
    const report_table *t = &f->classes;
    figure_share *row = calloc((size_t)t->rows + 1, sizeof *row);
    if (!row) {
        out->failed = 1;
        return;
    }
    for (int i = 0; i < t->rows; i++)
        row[i] = (figure_share){.label = report_words(t, i, CLASS_NAME),
                                .share = report_number(t, i, CLASS_SHARE),
                                .expected = report_number(t, i, CLASS_KEYS)};
    page_figure_begin(out, "census");
    figure_shares(row, t->rows, "share of sinks", "share of keys", out);
    page_figure_end(out, "Classes of tokens among the sinks, beside the class's share of all keys.", CSV_CENSUS);
    free(row);
}

static void section_sinks_add_cell(text *out, const char *words) { page_element(out, "td", "n", words); }

static void add_percent(text *out, double share) {
    text words = {0};
    words_add_percent(&words, share, 1);
    section_sinks_add_cell(out, text_for(&words, out));
    text_free(&words);
}

static void section_sinks_add_mass(text *out, double mass) {
    text words = {0};
    if (isfinite(mass)) text_add_double(&words, mass, 3);
    else text_add(&words, "–");
    section_sinks_add_cell(out, text_for(&words, out));
    text_free(&words);
}

static void section_sinks_add_count(text *out, int64_t n) {
    text words = {0};
    text_add_grouped(&words, n);
    section_sinks_add_cell(out, text_for(&words, out));
    text_free(&words);
}

static void add_class_table(text *out, const report_facts *f) {
    static const char *const HEADING[] = {"class",          ">sinks",         ">share of sinks",
                                          ">share of keys", ">strongest key", ">mean mass"};
    const report_table *t = &f->classes;
    page_table_begin(out, "census", HEADING, 6);
    for (int i = 0; i < t->rows; i++) {
        text_add(out, "<tr>");
        page_element(out, "th", NULL, report_words(t, i, CLASS_NAME));
        section_sinks_add_count(out, report_whole(t, i, CLASS_SINKS));
        add_percent(out, report_number(t, i, CLASS_SHARE));
        add_percent(out, report_number(t, i, CLASS_KEYS));
        add_percent(out, report_number(t, i, CLASS_STRONGEST));
        section_sinks_add_mass(out, report_number(t, i, CLASS_MASS));
        text_add(out, "</tr>\n");
    }
    page_table_end(out);
}

/* Shares of the classes within each block: rows are blocks. */
static void add_block_table(text *out, const report_facts *f) {
    const report_table *t = &f->blocks;
    if (t->rows == 0) return;
    page_element(out, "h3", NULL, "By block");
    text_add(out, "<div class=\"scroll\"><table class=\"blocks\"><thead><tr><th>block</th>");
    for (int i = 0; i < f->classes.rows; i++) page_element(out, "th", "n", report_words(&f->classes, i, CLASS_NAME));
    text_add(out, "</tr></thead><tbody>\n");
    for (int r = 0; r < t->rows;) {
        int64_t block = report_whole(t, r, 0);
        int end = r;
        while (end < t->rows && report_whole(t, end, 0) == block) end++;
        text_addf(out, "<tr><th>%lld", (long long)block);
        section_add_module(out, f, block);
        text_add(out, "</th>");
        for (int i = 0; i < f->classes.rows; i++) {
            double share = 0;
            for (int j = r; j < end; j++)
                if (strcmp(report_words(t, j, 1), report_words(&f->classes, i, CLASS_NAME)) == 0)
                    share = report_number(t, j, 2);
            add_percent(out, share);
        }
        text_add(out, "</tr>\n");
        r = end;
    }
    page_table_end(out);
}

static void section_sinks_add_words(text *out, const report_facts *f) {
    static const char *const HEADING[] = {"class", "word", ">sinks", ">share of sinks", ">mean mass"};
    const report_table *t = &f->words;
    if (t->rows == 0) return;
    page_element(out, "h3", NULL, "Words that are sinks most often");
    page_table_begin(out, "words", HEADING, 5);
    for (int i = 0; i < t->rows; i++) {
        text_add(out, "<tr>");
        page_element(out, "th", NULL, report_words(t, i, WORD_CLASS));
        page_element(out, "td", NULL, report_words(t, i, WORD_WORD));
        section_sinks_add_count(out, report_whole(t, i, WORD_SINKS));
        add_percent(out, report_number(t, i, WORD_SHARE));
        section_sinks_add_mass(out, report_number(t, i, WORD_MASS));
        text_add(out, "</tr>\n");
    }
    page_table_end(out);
}

enum { PLACE_ROW, PLACE_COLUMN, PLACE_SINKS, PLACE_HEIGHT, PLACE_WIDTH, MOST_CELLS = 1 << 20 };

/* Rows [begin, end) of the table: places on one grid. `only`: there is no other. */
static void section_sinks_add_grid(text *out, const report_table *t, int begin, int end, int only) {
    int64_t height = report_whole(t, begin, PLACE_HEIGHT), width = report_whole(t, begin, PLACE_WIDTH);
    if (height < 1 || width < 1 || height > MOST_CELLS / width) return; /* a store's numbers are of unknown origin */
    double *value = calloc((size_t)(height * width), sizeof *value);
    text caption = {0};
    for (int r = begin; value && r < end; r++) {
        int64_t y = report_whole(t, r, PLACE_ROW), x = report_whole(t, r, PLACE_COLUMN);
        if (y >= 0 && y < height && x >= 0 && x < width) value[y * width + x] = report_number(t, r, PLACE_SINKS);
    }
    figure_grid grid = {.value = value,
                        .rows = (int)height,
                        .columns = (int)width,
                        .row_axis = "row",
                        .column_axis = "column",
                        .what = "sinks at each image token",
                        .square = 1,
                        .from_zero = 1};
    text_add(&caption, "Where in the image the image tokens lie that are sinks; counts over all calls and images");
    if (!only) text_addf(&caption, " of blocks that see it as %d × %d tokens", grid.rows, grid.columns);
    text_add(&caption, ".");
    if (caption.failed) out->failed = 1;
    if (value && !caption.failed) {
        page_figure_begin(out, "places");
        figure_heat(&grid, out);
        page_figure_end(out, caption.s, CSV_PLACES);
    } else out->failed = 1;
    free(value);
    text_free(&caption);
}

static void section_sinks_add_places(text *out, const report_facts *f) {
    const report_table *t = &f->places;
    for (int r = 0; r < t->rows;) {
        int end = r;
        while (end < t->rows && report_whole(t, end, PLACE_HEIGHT) == report_whole(t, r, PLACE_HEIGHT) &&
               report_whole(t, end, PLACE_WIDTH) == report_whole(t, r, PLACE_WIDTH))
            end++;
        section_sinks_add_grid(out, t, r, end, r == 0 && end == t->rows);
        r = end;
    }
}

void section_sinks(const void *facts, text *out) {
    const report_facts *f = facts;
    text words = {0};
    if (f->classes.rows == 0) return;
    text_addf(
        &words,
        "Sinks are the keys of largest incoming mass: here the %d largest of every head, block, step and guidance "
        "branch of the baseline images.",
        f->study->top);
    page_element(out, "p", "soft", text_for(&words, out));
    text_free(&words);
    text_add(out, "<div class=\"pair\">\n");
    section_sinks_add_census(out, f);
    section_sinks_add_places(out, f);
    text_add(out, "</div>\n");
    add_class_table(out, f);
    add_block_table(out, f);
    section_sinks_add_words(out, f);
}
