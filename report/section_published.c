/* The paper's published numbers beside the study's own, where the same quantity is there: the same kind of attention
 * among it. The paper's are of other weights: a comparison of designs, not of results. */
#include "report/sections.h"

#include <math.h>
#include <string.h>

#include "report/words.h"

/* Sinks less random keys, masked (Wu & Summa; docs: method.md, section 7). */
static const struct published_contrast {
    attn_kind kind;
    const char *metric;
    int k_from, k_to;
    const char *says;
} CONTRASTS[] = {
    {ATTN_JOINT, "lpips", 1, 1, "+0.295 [+0.265, +0.323]: sink 0.347, random 0.053 (64 prompts)"},
    {ATTN_JOINT, "lpips", 5, 5, "+0.332 [+0.308, +0.358]: sink 0.436, random 0.104"},
    {ATTN_JOINT, "hps-v2", 1, 1, "−0.002, not significant"},
    {ATTN_JOINT, "hps-v2", 10, 10, "−0.005 [−0.008, −0.001], p = 0.007"},
    {ATTN_JOINT, "hps-v2", 50, 50, "−0.020 [−0.026, −0.013], p < 1e-4"},
    {ATTN_JOINT, "clip-t", 1, 50, "interval contains 0"},
    {ATTN_CROSS, "lpips", 1, 1, "about 0.06 against the baseline's images (sinks)"},
};

/* Largest incoming mass by depth: blocks 6, 12 and 18 of 24. */
static const struct published_mass {
    double depth;
    const char *says;
} MASSES[] = {{0.25, "1 to 2 %"}, {0.5, "7 to 11 %"}, {0.75, "3 to 7 %"}};

static int does(const study_condition *c, const char *select) {
    return c->has_intervention && c->n_also == 0 && strcmp(c->intervention.selector->about.name, select) == 0 &&
           strcmp(c->intervention.edit->about.name, "mask") == 0;
}

/* Whether a condition acts on this kind of attention and no other: named, or all that the model has. */
static int is_of_kind(const report_facts *f, const study_condition *c, attn_kind kind) {
    unsigned all = 0;
    for (int r = 0; r < f->modules.rows; r++)
        for (int k = 0; k < ATTN_KIND_COUNT; k++)
            if (strcmp(report_words(&f->modules, r, 2), ATTN_KINDS[k].name) == 0) all |= 1u << k;
    return (c->intervention.kinds ? c->intervention.kinds : all) == 1u << kind;
}

/* Whether a metric is the published one: "lpips" is any of its networks, since the paper names none. */
static int is_metric(const char *name, const char *published) {
    size_t n = strlen(published);
    return strncmp(name, published, n) == 0 && (name[n] == '\0' || name[n] == '-');
}

/* Whether the row is the paper's contrast of sinks and random keys, at a k that was published. */
static int is_published(const report_facts *f, const analysis_row *r, const struct published_contrast *p) {
    const study *y = f->study;
    const study_condition *a = &y->condition[r->contrast->a], *b = &y->condition[r->contrast->b];
    return is_metric(r->metric, p->metric) && !r->is_random && !r->without_unreadable && does(a, "top") &&
           does(b, "random") && is_of_kind(f, a, p->kind) && is_of_kind(f, b, p->kind) &&
           a->intervention.k == b->intervention.k && a->intervention.k >= p->k_from && a->intervention.k <= p->k_to;
}

static void add_row(text *out, const char *what, const char *paper, text *own) {
    text_add(out, "<tr>");
    page_element(out, "th", "long", what);
    page_element(out, "td", NULL, paper);
    page_element(out, "td", NULL, own->failed || !own->len ? "–" : own->s);
    text_add(out, "</tr>\n");
    text_free(own);
    *own = (text){0};
}

static int add_contrasts(const report_facts *f, text *out) {
    const analysis *a = f->analysis;
    int n = 0;
    for (size_t p = 0; p < sizeof CONTRASTS / sizeof *CONTRASTS; p++)
        for (int i = 0; i < a->n_rows; i++) {
            const analysis_row *r = &a->rows[i];
            text what = {0}, own = {0};
            if (!is_published(f, r, &CONTRASTS[p])) continue;
            text_addf(&what, "%s, sink − random, k = %d", r->metric,
                      f->study->condition[r->contrast->a].intervention.k);
            words_add_estimate(&own, r->stats.mean, r->stats.ci_low, r->stats.ci_high, 1);
            text_addf(&own, " (%d prompts)", r->stats.n);
            add_row(out, what.failed ? "" : what.s, CONTRASTS[p].says, &own);
            text_free(&what);
            n++;
        }
    return n;
}

/* The mean over steps of a block's mean largest mass; NAN where it was not measured. */
static double mass_at(const report_facts *f, double depth, int *block) {
    const report_table *t = &f->baseline;
    int column = -1, n = 0;
    int64_t blocks = 0;
    double sum = 0;
    for (int c = 0; c < t->columns; c++)
        if (strcmp(t->name[c], "max_mass") == 0) column = c;
    for (int r = 0; r < t->rows; r++)
        if (report_whole(t, r, 0) >= blocks && report_whole(t, r, 0) < ATTN_MAX_BLOCKS)
            blocks = report_whole(t, r, 0) + 1;
    *block = (int)(depth * (double)blocks);
    for (int r = 0; column >= 0 && r < t->rows; r++) {
        double x = report_number(t, r, column);
        if (report_whole(t, r, 0) == *block && isfinite(x)) sum += x, n++;
    }
    return n ? sum / n : (double)NAN;
}

/* Of a model in which all attention is joint. */
static int add_masses(const report_facts *f, text *out) {
    int n = 0, block;
    for (int r = 0; r < f->modules.rows; r++)
        if (strcmp(report_words(&f->modules, r, 2), ATTN_KINDS[ATTN_JOINT].name) != 0) return 0;
    for (size_t i = 0; i < sizeof MASSES / sizeof *MASSES; i++) {
        double x = mass_at(f, MASSES[i].depth, &block);
        text what = {0}, own = {0};
        if (!isfinite(100 * x)) continue; /* not measured, or nonsense of a damaged store */
        text_add(&what, "largest incoming mass at ");
        text_add_double(&what, MASSES[i].depth, 3);
        text_add(&what, " of depth");
        words_add_percent(&own, x, 1);
        text_addf(&own, " (block %d)", block);
        add_row(out, what.failed ? "" : what.s, MASSES[i].says, &own);
        text_free(&what);
        n++;
    }
    if (isfinite(100 * f->first_image_key)) {
        text own = {0};
        words_add_percent(&own, f->first_image_key, 2);
        add_row(out, "image (0, 0) is the heaviest key", "below 0.2 % of cases", &own);
        n++;
    }
    return n;
}

void section_published(const void *facts, text *out) {
    static const char *const HEADING[] = {"quantity", "paper", "this study"};
    const report_facts *f = facts;
    text table = {0};
    page_table_begin(&table, "answer", HEADING, 3);
    int n = add_contrasts(f, &table);
    n += add_masses(f, &table);
    page_table_end(&table);
    if (n > 0) {
        text_add_n(out, table.s, table.len);
        page_element(
            out, "p", "soft",
            "The paper's numbers are of other weights: they show what was published for the same quantity, not "
            "what this model should give. Its contrasts in joint attention are of one set for all heads of block 12 of "
            "24 (scope: layer), on all query rows, 20 steps; the study's own choices are under 'What was asked'.");
    }
    if (table.failed) out->failed = 1;
    text_free(&table);
}
