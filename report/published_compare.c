/* A published design beside a study's, field by field: each field is written in words for both, and equal words are
 * equal designs. */
#include "report/published.h"

#include <math.h>
#include <string.h>

#include "report/words.h"

/* What is compared: the study's row (NULL: something seen in unchanged images), prompts; the paper's number. */
typedef struct pair {
    const report_facts *f;
    const analysis_row *row;
    int n;
    const published_design *design;
    const published_contrast *p; /* NULL with `row` */
} pair;

static const study_condition *condition_a(const pair *x) { return &x->f->study->condition[x->row->contrast->a]; }

/* ---- fields of every number ---- */

static void paper_model(const pair *x, text *out) { text_addf(out, "%s (%s)", x->design->model, x->design->shape); }

static void own_model(const pair *x, text *out) {
    const report_table *t = &x->f->modules;
    const published_design *d = x->design;
    const char *slash = strrchr(x->f->study->model, '/');
    int64_t heads = 0, keys = 0;
    for (int r = 0; r < t->rows; r++) {
        if (report_whole(t, r, 3) > heads) heads = report_whole(t, r, 3);
        if (report_whole(t, r, 5) > keys) keys = report_whole(t, r, 5);
    }
    if (t->rows == d->blocks && heads == d->heads && keys == d->keys && x->f->study->weights == FORM_STORED) {
        paper_model(x, out);
        return;
    }
    text_addf(out, "%s (%d calls of attention, at most %d heads, at most ", slash ? slash + 1 : x->f->study->model,
              t->rows, (int)heads);
    text_add_grouped(out, keys);
    text_add(out, " keys)");
    if (x->f->study->weights != FORM_STORED) text_addf(out, ", weights %s", WEIGHT_FORM_NAMES[x->f->study->weights]);
}

static void paper_prompts(const pair *x, text *out) { text_addf(out, "prompts: %s", x->design->prompts); }

static void own_prompts(const pair *x, text *out) {
    if (strcmp(x->f->prompts_sha256, x->design->prompts_sha256) == 0) paper_prompts(x, out);
    else text_add(out, "prompts: others");
}

static void paper_n(const pair *x, text *out) { text_addf(out, "n = %d", x->design->n); }
static void own_n(const pair *x, text *out) { text_addf(out, "n = %d", x->n); }

static void paper_seeds(const pair *x, text *out) {
    text_addf(out, "one image a prompt, seed %llu + the prompt's number", (unsigned long long)x->design->seed);
}

static void own_seeds(const pair *x, text *out) {
    seed_text seed;
    const study *y = x->f->study;
    if (y->seeds_by_prompt)
        text_addf(out, "one image a prompt, seed %s + the prompt's number", seed_write(y->seed[0], seed));
    else text_addf(out, "%d seed%s for every prompt", y->n_seeds, y->n_seeds == 1 ? "" : "s");
}

static void paper_steps(const pair *x, text *out) { text_addf(out, "%d steps", x->design->steps); }

static void own_steps(const pair *x, text *out) {
    if (x->f->study->sampler.steps) text_addf(out, "%d steps", x->f->study->sampler.steps);
    else text_add(out, "the model's default steps");
    scheduler_asked_add_words(x->f->study->sampler.scheduler, ", ", out);
}

static void paper_guidance(const pair *x, text *out) {
    text_add(out, "guidance ");
    text_add_double(out, x->design->guidance, 6);
}

static void own_guidance(const pair *x, text *out) {
    if (isfinite(x->f->study->sampler.guidance)) {
        text_add(out, "guidance ");
        text_add_double(out, x->f->study->sampler.guidance, 6);
    } else text_add(out, "the model's default guidance");
}

static void paper_measured(const pair *x, text *out) {
    (void)x;
    text_add(out, "mass over image queries");
}

static void own_measured(const pair *x, text *out) {
    static const char *const ROWS[] = {"image queries", "all queries", "text queries"};
    text_addf(out, "mass over %s", ROWS[x->f->study->rows]);
}

/* ---- fields of a contrast ---- */

static void add_scope(text *out, attn_scope scope, attn_rows rows) {
    static const char *const SCOPE[] = {"head", "layer", "global"}, *const ROWS[] = {"image", "all", "text"};
    text_addf(out, "scope %s, rows %s", SCOPE[scope], ROWS[rows]);
}

static void paper_scope(const pair *x, text *out) { add_scope(out, x->p->scope, x->p->rows); }

static void own_scope(const pair *x, text *out) {
    const study_intervention *v = &condition_a(x)->intervention;
    add_scope(out, v->scope, v->rows);
}

static void paper_blocks(const pair *x, text *out) {
    text_addf(out, "%s-attention of %s", ATTN_KINDS[x->p->kind].name, x->p->blocks);
}

static attn_kind published_compare_kind_of(const report_table *modules, int row) {
    for (int k = 0; k < ATTN_KIND_COUNT; k++)
        if (strcmp(report_words(modules, row, 2), ATTN_KINDS[k].name) == 0) return (attn_kind)k;
    return ATTN_KIND_COUNT;
}

static int is_published_block(const pair *x, int block) {
    const report_table *t = &x->f->modules;
    return published_compare_kind_of(t, block) == x->p->kind &&
           strncmp(report_words(t, block, 1), x->p->module, strlen(x->p->module)) == 0;
}

/* The blocks of a condition, as the plan binds them: numbers are the model's, fractions of depth count those of its
 * kinds. */
static attn_bits blocks_of(const pair *x, const study_condition *c) {
    const study_intervention *v = &c->intervention;
    attn_bits out = {{0}};
    int of_kind[ATTN_MAX_BLOCKS], n = 0;
    for (int i = 0; i < x->f->modules.rows && i < ATTN_MAX_BLOCKS; i++) {
        if (v->kinds && !(v->kinds >> published_compare_kind_of(&x->f->modules, i) & 1)) continue;
        of_kind[n++] = i;
        if (v->blocks.all || bits_get(&v->blocks.bits, i)) bits_set(&out, i);
    }
    for (int i = 0; n > 0 && i < v->blocks.n_fractions; i++) bits_set(&out, of_kind[(int)(v->blocks.fraction[i] * n)]);
    return out;
}

static void own_blocks(const pair *x, text *out) {
    const report_table *t = &x->f->modules;
    attn_bits blocks = blocks_of(x, condition_a(x));
    int same = 1, n = 0;
    for (int i = 0; i < t->rows && i < ATTN_MAX_BLOCKS; i++) {
        same = same && bits_get(&blocks, i) == is_published_block(x, i);
        n += bits_get(&blocks, i);
    }
    if (same && n > 0) {
        paper_blocks(x, out);
        return;
    }
    text_add(out, n == 1 ? "block" : "blocks");
    for (int i = 0, some = 0; i < t->rows && i < ATTN_MAX_BLOCKS; i++)
        if (bits_get(&blocks, i)) text_addf(out, "%s %d", some++ ? "," : "", i);
    text_addf(out, " of %d", t->rows);
}

static void paper_rest(const pair *x, text *out) {
    (void)x;
    text_add(out, "all heads, steps and both branches, by the edited picture's own masses, nothing else changed");
}

static int has_options(const option_value *v) {
    int n = 0;
    for (int i = 0; i < STUDY_MAX_OPTIONS; i++) n += v[i].is_set;
    return n > 0;
}

/* Whether a condition is its selector's mask at k, everywhere and at every time, and no more. */
static int is_plain(const study_condition *c) {
    const study_intervention *v = &c->intervention;
    return c->n_also == 0 && v->heads.all && (v->has_phase ? v->phase_low <= 0 && v->phase_high >= 1 : v->steps.all) &&
           v->branches == (1u << BRANCH_COND | 1u << BRANCH_UNCOND) && v->source == SOURCE_OWN &&
           v->redraw == REDRAW_STEP && !(v->share > 0) && c->prompt == PROMPT_SAME && c->seed_add == 0 &&
           !isfinite(c->guidance) && c->sampler_steps == 0 && !c->scheduler && c->draw == 0 &&
           !has_options(v->selector_options) && !has_options(v->edit_options);
}

static void own_rest(const pair *x, text *out) {
    const study *y = x->f->study;
    const study_condition *a = condition_a(x), *b = &y->condition[x->row->contrast->b];
    if (is_plain(a) && (x->row->contrast->b == 0 || is_plain(b))) {
        paper_rest(x, out);
        return;
    }
    text_add(out, "only a part of these, or more than this: see 'What was asked'");
}

static void paper_control(const pair *x, text *out) {
    text_add(out, x->p->control ? "control in the same places" : "against the baseline");
}

static void own_control(const pair *x, text *out) {
    const study_condition *a = condition_a(x), *b = &x->f->study->condition[x->row->contrast->b];
    if (!x->p->control) {
        paper_control(x, out);
        return;
    }
    attn_bits of_a = blocks_of(x, a), of_b = blocks_of(x, b);
    if (memcmp(&of_a, &of_b, sizeof of_a) == 0 && a->intervention.scope == b->intervention.scope &&
        a->intervention.rows == b->intervention.rows)
        paper_control(x, out);
    else text_add(out, "control in other places");
}

static void paper_metric(const pair *x, text *out) {
    text_add(out, x->p->metric);
    if (x->p->weights) text_addf(out, " by %s", x->p->weights);
}

static void own_metric(const pair *x, text *out) {
    const study *y = x->f->study;
    const char *model = "";
    for (int i = 0; i < y->n_metrics; i++)
        if (strcmp(y->metric[i].row->about.name, x->row->metric) == 0 && y->metric[i].options[0].text)
            model = y->metric[i].options[0].text;
    if (!x->row->is_random && strcmp(x->row->metric, x->p->metric) == 0 &&
        (!x->p->weights || strstr(model, x->p->weights))) {
        paper_metric(x, out);
        return;
    }
    text_add(out, x->row->metric);
    if (x->row->is_random) text_add(out, " by random weights");
    else if (x->p->weights && *model) text_addf(out, " by %s", strrchr(model, '/') ? strrchr(model, '/') + 1 : model);
}

/* ---- the whole ---- */

typedef struct field {
    void (*paper)(const pair *x, text *out);
    void (*own)(const pair *x, text *out);
} field;

static const field OF_EVERY[] = {{paper_model, own_model},
                                 {paper_prompts, own_prompts},
                                 {paper_n, own_n},
                                 {paper_seeds, own_seeds},
                                 {paper_steps, own_steps},
                                 {paper_guidance, own_guidance},
                                 {paper_measured, own_measured},
                                 {0}};
static const field OF_CONTRAST[] = {{paper_metric, own_metric}, {paper_blocks, own_blocks},   {paper_scope, own_scope},
                                    {paper_rest, own_rest},     {paper_control, own_control}, {0}};

static void published_compare_compare(const pair *x, const field *f, text *paper, text *own) {
    for (; f->paper; f++) {
        text a = {0}, b = {0};
        f->paper(x, &a);
        f->own(x, &b);
        if (a.failed || b.failed) paper->failed = own->failed = 1;
        else if (strcmp(a.s, b.s) != 0) {
            text_addf(paper, "%s%s", paper->len ? "; " : "", a.s);
            text_addf(own, "%s%s", own->len ? "; " : "", b.s);
        }
        text_free(&a);
        text_free(&b);
    }
}

void published_compare_contrast(const report_facts *f, const analysis_row *r, const published_contrast *p, text *paper,
                                text *own) {
    const pair x = {f, r, r->stats.n, p->design, p};
    published_compare_compare(&x, OF_EVERY, paper, own);
    published_compare_compare(&x, OF_CONTRAST, paper, own);
}

void published_compare_sight(const report_facts *f, const published_sight *p, int n, text *paper, text *own) {
    const pair x = {f, NULL, n, p->design, NULL};
    published_compare_compare(&x, OF_EVERY, paper, own);
}

/* "hps" of "hps-v2.1" */
static size_t family(const char *name) { return strcspn(name, "-"); }

static int does(const study_condition *c, const char *select) {
    return c->has_intervention && c->n_also == 0 && strcmp(c->intervention.selector->about.name, select) == 0 &&
           strcmp(c->intervention.edit->about.name, "mask") == 0;
}

int published_is_named(const report_facts *f, const analysis_row *r, const published_contrast *p) {
    const study_condition *a = &f->study->condition[r->contrast->a], *b = &f->study->condition[r->contrast->b];
    if (family(r->metric) != family(p->metric) || strncmp(r->metric, p->metric, family(p->metric)) != 0) return 0;
    if (r->without_unreadable || !does(a, "top") || a->intervention.k < p->k_from || a->intervention.k > p->k_to)
        return 0;
    return p->control ? does(b, p->control) && b->intervention.k == a->intervention.k : r->contrast->b == 0;
}
