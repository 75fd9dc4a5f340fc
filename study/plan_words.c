/* A plan in words: what `run --plan` prints, and how units are called. */
#include <math.h>
#include <string.h>

#include "study/plan_internal.h"

const char *plan_unit_prompt(const plan *p, const plan_unit *u) {
    int swap = p->study->condition[u->condition].prompt == PROMPT_SWAP_ATTRIBUTE;
    return swap ? p->swapped[u->prompt] : p->prompts.prompt[u->prompt].prompt;
}

void plan_unit_name(const plan *p, const plan_unit *u, text *out) {
    seed_text seed;
    text_addf(out, "'%s', seed %s, %s", p->prompts.prompt[u->prompt].prompt, seed_write(u->seed, seed),
              p->study->condition[u->condition].name);
}

static void add_duration(double seconds, text *out) {
    if (isnan(seconds)) text_add(out, "not measured");
    else if (seconds < 90) text_addf(out, "%d s", (int)(seconds + 1));
    else if (seconds < 570) text_add_fixed(out, seconds / 60, 1), text_add(out, " min");
    else if (seconds < 5400) text_addf(out, "%d min", (int)(seconds / 60 + 0.5));
    else text_add_fixed(out, seconds / 3600, 1), text_add(out, " h");
}

static void add_bytes(double bytes, text *out) {
    static const char *const UNITS[] = {"bytes", "kB", "MB", "GB", "TB"};
    int u = 0;
    for (; bytes >= 1000 && u < 4; u++) bytes /= 1000;
    text_add_double(out, bytes, 3);
    text_addf(out, " %s", UNITS[u]);
}

/* The most at once, and what it is made of; the text encoders are gone before the first image. */
static void add_memory(const plan_cost *c, text *out) {
    if (!c->memory_bytes) {
        text_add(out, "not measured");
        return;
    }
    add_bytes((double)c->memory_bytes, out);
    text_add(out, " at most: weights ");
    add_bytes((double)c->weight_bytes, out);
    text_add(out, ", activations ");
    add_bytes((double)c->step_bytes, out);
    text_add(out, " denoising and ");
    add_bytes((double)c->decode_bytes, out);
    text_add(out, " decoding; before, ");
    add_bytes((double)c->text_phase_bytes, out);
    text_add(out, " for texts");
}

/* " in cross", " in self and cross": the kinds of attention that a condition is confined to. */
static void add_kinds(const study_condition *c, text *out) {
    for (int kind = 0, some = 0; kind < ATTN_KIND_COUNT; kind++) {
        if (!(c->intervention.kinds >> kind & 1)) continue;
        text_addf(out, "%s%s", some ? " and " : " in ", ATTN_KINDS[kind].name);
        some = 1;
    }
}

/* Families with their values of k: "sink k=1, 5, 10"; "in cross" where they are confined to kinds of attention. */
static void add_conditions(const study *y, text *out) {
    const char *family = NULL;
    for (int i = 0; i < y->n_conditions; i++) {
        const study_condition *c = &y->condition[i];
        int same = family && strcmp(family, c->family) == 0;
        if (same) text_addf(out, ", %d", c->intervention.k);
        else text_addf(out, "%s%s", i ? "; " : "", c->name);
        family = c->family;
        if (i + 1 == y->n_conditions || strcmp(family, y->condition[i + 1].family) != 0) add_kinds(c, out);
    }
}

void plan_describe(const plan *p, text *out) {
    const study *y = p->study;
    const plan_counts *c = &p->counts;
    text_addf(out, "%s", y->name);
    if (*y->question) text_addf(out, ": %s", y->question);
    text_addf(out, "\n  model       %s, %d x %d pixels, ", y->model, p->settings.width, p->settings.height);
    settings_add_words(&p->settings, out);
    if (y->weights != FORM_STORED) text_addf(out, ", weights %s", WEIGHT_FORM_NAMES[y->weights]);
    text_addf(out, "\n  prompts     %d of %d, %d prompt-and-seed groups", c->prompts, p->prompts.n, c->groups);
    if (p->limit > 0) text_addf(out, " (--limit %d)", p->limit);
    if (p->texts.any) {
        text_add(out, "\n  texts       ");
        plan_add_cuts(p, out);
    }
    text_add(out, "\n  attention   ");
    plan_list_kinds(p, out);
    text_add(out, "\n  conditions  ");
    add_conditions(y, out);
    text_add(out, "\n  metrics     ");
    for (int i = 0; i < y->n_metrics; i++)
        text_addf(out, "%s%s%s", i ? ", " : "", y->metric[i].row->about.name, i == y->primary ? " (primary)" : "");
    text_add(out, "\n  images      ");
    text_add_grouped(out, c->images);
    text_add(out, "\n  forwards    ");
    text_add_grouped(out, c->forwards);
    text_add(out, " steps of one image after sharing (");
    text_add_grouped(out, c->forwards_unshared);
    text_add(out, " without)\n  time        ");
    add_duration(p->cost.seconds, out);
    text_add(out, "\n  memory      ");
    add_memory(&p->cost, out);
    text_add(out, "\n  disk        ");
    add_bytes(p->cost.disk_bytes, out);
    text_add(out, ", and while it runs ");
    add_bytes(p->cost.text_bytes, out);
    text_add(out, " of encoded texts\n");
}
