/* A comparison as a page. Its sentences claim no more than the intervals show: nothing here belongs to the study's
 * family of tests. */
#include "report/compare_facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/figure.h"
#include "report/sections.h"
#include "report/words.h"

static const char *name_a(const compare_facts *f) { return f->study->condition[f->a].name; }
static const char *name_b(const compare_facts *f) { return f->study->condition[f->b].name; }

/* ---- metrics ---- */

static void add_estimates(const void *facts, text *out) {
    static const char *const HEADING[] = {
        "metric", ">prompts", "mean of a", "mean of b", "a − b [95 % interval]", ">p, not corrected"};
    const compare_facts *f = facts;
    page_table_begin(out, "answer", HEADING, 6);
    for (int i = 0; i < f->n_metrics; i++) {
        const stats_contrast *c = &f->metric[i].a_b;
        const stats_figure mean[2] = {c->mean_a, c->mean_b};
        text n = {0}, words = {0}, p = {0};
        text_addf(&n, "%d", c->n);
        words_add_difference(&words, c);
        analysis_add_p(stats_primary_p(c), &p);
        text_add(out, "<tr>");
        page_element(out, "th", NULL, f->metric[i].about->name);
        page_element(out, "td", "n", text_for(&n, out));
        for (int j = 0; j < 2; j++) {
            text value = {0};
            if (mean[j].state == STATS_DEFINED)
                words_add_number(&value, mean[j].value, words_decimals(NAN, NAN, mean[j].value) + 1, 0);
            page_element(out, "td", NULL, *text_for(&value, out) ? value.s : "–");
            text_free(&value);
        }
        page_element(out, "td", "nowrap", text_for(&words, out));
        page_element(out, "td", "n", text_for(&p, out));
        text_add(out, "</tr>\n");
        text_free(&n);
        text_free(&words);
        text_free(&p);
    }
    page_table_end(out);
    page_element(
        out, "p", "soft",
        "a is the first condition, b the second; n counts prompts. A comparison is a look, not a test of the study: "
        "its p values belong to no family and are not corrected.");
}

/* ---- prompt by prompt ---- */

static const char *compare_page_words_of(const compare_facts *f, int64_t prompt) {
    for (int i = 0; i < f->n_pairs; i++)
        if (f->pair[i].prompt == prompt) return f->pair[i].words;
    return "";
}

/* The seed that is called `key` (seed_key). */
static image_seed seed_called(const compare_facts *f, int64_t prompt, int64_t key) {
    for (int i = 0; i < f->n_pairs; i++)
        if (f->pair[i].prompt == prompt && seed_key(f->pair[i].seed) == key) return f->pair[i].seed;
    return seed_of(key);
}

static void add_scatter(text *out, const compare_facts *f, const compare_metric *m) {
    figure_point *point = calloc((size_t)m->n + 1, sizeof *point);
    text *title = calloc((size_t)m->n + 1, sizeof *title), x = {0}, y = {0}, caption = {0};
    const char *less = m->about->paired ? "" : " − baseline";
    for (int i = 0; point && title && i < m->n; i++) {
        seed_text seed;
        text_addf(&title[i], "%s, seed %s: a ", compare_page_words_of(f, m->prompt[i]),
                  seed_write(seed_called(f, m->prompt[i], m->seed[i]), seed));
        words_add_number(&title[i], m->a[i], 4, 1);
        text_add(&title[i], ", b ");
        words_add_number(&title[i], m->b[i], 4, 1);
        point[i] = (figure_point){.x = m->b[i], .y = m->a[i], .title = text_for(&title[i], out)};
    }
    text_addf(&x, "%s: b%s", m->about->name, less);
    text_addf(&y, "%s: a%s", m->about->name, less);
    text_addf(&caption, "%s, a dot an image; on the line both conditions do the same.", m->about->name);
    if (m->failed) text_addf(&caption, " %d images that failed have no dot.", m->failed);
    if (x.failed || y.failed || caption.failed) out->failed = 1;
    if (point && title && !x.failed && !y.failed && !caption.failed) {
        page_figure_begin(out, "scatter");
        figure_scatter(point, m->n, x.s, y.s, out);
        page_figure_end(out, caption.s, NULL);
    } else out->failed = 1;
    for (int i = 0; title && i < m->n; i++) text_free(&title[i]);
    free(title);
    free(point);
    text_free(&x);
    text_free(&y);
    text_free(&caption);
}

static void add_scatters(const void *facts, text *out) {
    const compare_facts *f = facts;
    text figures = {0};
    for (int i = 0; i < f->n_metrics; i++)
        if (f->metric[i].n > 0 && !f->metric[i].about->binary) add_scatter(&figures, f, &f->metric[i]);
    page_pair(out, &figures);
}

/* The four cases of a yes-or-no metric. */
static void add_cases(const void *facts, text *out) {
    static const char *const HEADING[] = {"metric",         ">right under both", ">under a alone",
                                          ">under b alone", ">under neither",    ">McNemar's p"};
    const compare_facts *f = facts;
    int some = 0;
    for (int i = 0; i < f->n_metrics; i++) {
        const stats_contrast *c = &f->metric[i].a_b;
        const stats_figure cell[] = {c->both, c->only_a, c->only_b, c->neither};
        text p = {0};
        if (c->both.state != STATS_DEFINED) continue;
        if (!some++) page_table_begin(out, "answer", HEADING, 6);
        text_add(out, "<tr>");
        page_element(out, "th", NULL, f->metric[i].about->name);
        for (int j = 0; j < 4; j++) {
            text n = {0};
            text_addf(&n, "%d", (int)cell[j].value);
            page_element(out, "td", "n", text_for(&n, out));
            text_free(&n);
        }
        analysis_add_p(c->mcnemar_p, &p);
        page_element(out, "td", "n", text_for(&p, out));
        text_add(out, "</tr>\n");
        text_free(&p);
    }
    if (some) page_table_end(out);
}

/* ---- images ---- */

static void compare_page_add_row(text *out, const compare_pair *p) {
    text note = {0}, difference = {0};
    text_add(out, "<tr><th>");
    text_add_html(out, p->words);
    if (*p->tag) text_addf(&note, "%s, ", p->tag);
    seed_text seed;
    text_addf(&note, "seed %s", seed_write(p->seed, seed));
    page_element(out, "small", NULL, text_for(&note, out));
    text_add(out, "</th>");
    for (int i = 0; i < 4; i++) {
        text_add(out, "<td>");
        if (*text_for(&p->img[i], out)) text_add_n(out, p->img[i].s, p->img[i].len);
        else text_add(out, "<span class=\"blank\">not made</span>");
        if (i == 3) {
            if (!isfinite(p->difference)) text_add(&difference, "–");
            else {
                text_add(&difference, "rms ");
                words_add_number(&difference, p->difference, 3, 0);
            }
            page_element(out, "small", NULL, text_for(&difference, out));
        }
        text_add(out, "</td>");
    }
    text_add(out, "</tr>\n");
    text_free(&note);
    text_free(&difference);
}

static void compare_page_add_images(const void *facts, text *out) {
    const compare_facts *f = facts;
    const char *const heading[] = {"prompt", "baseline", name_a(f), name_b(f), "|a − b|, twice as bright"};
    text words = {0};
    text_addf(
        &words,
        "The %d of %d images that differ most between the two conditions (root mean square of the pixels' difference).",
        f->n_shown, f->n_pairs);
    if (f->n_failed)
        text_addf(&words, " %d have failed under one or both: they have no picture, and stand first.", f->n_failed);
    page_element(out, "p", "soft", text_for(&words, out));
    text_free(&words);
    page_table_begin(out, "pictures", heading, 5);
    for (int i = 0; i < f->n_shown; i++) compare_page_add_row(out, &f->pair[i]);
    page_table_end(out);
}

/* ---- the path ---- */

static void add_paths(const void *facts, text *out) {
    const compare_facts *f = facts;
    paths_add_figures(&f->paths, NULL, out);
}

/* ---- the whole ---- */

void compare_page(const compare_facts *f, text *out) {
    static const page_section SECTIONS[] = {
        {"metrics", "What the metrics say", add_estimates},
        {"cases", "Right and wrong", add_cases},
        {"prompts", "Image by image", add_scatters},
        {"path", "Distance from the baseline's path", add_paths},
        {"images", "The images, most different first", compare_page_add_images},
    };
    text title = {0}, kicker = {0};
    text_addf(&title, "%s beside %s", name_a(f), name_b(f));
    text_addf(&kicker, "sinkscope compare · %s · %d images", f->study->name, f->n_pairs);
    if (title.failed || kicker.failed) out->failed = 1;
    else page_write(title.s, kicker.s, f->study->question, SECTIONS, sizeof SECTIONS / sizeof *SECTIONS, f, out);
    text_free(&title);
    text_free(&kicker);
}
