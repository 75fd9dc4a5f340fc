/* The conditions of a study bound to the model: the blocks, heads and steps of each, and whether those blocks can do
 * what it needs. The model describes its blocks. A block that cannot do what is needed is an error, never left out
 * silently. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/plan_internal.h"

static ss_status bind_set(const study *y, const number_set *s, int n, const char *what, attn_bits *out, ss_error *err) {
    for (int i = 0; i < n; i++)
        if (s->all || bits_get(&s->bits, i)) bits_set(out, i);
    for (int i = 0; i < s->n_fractions; i++) bits_set(out, (int)(s->fraction[i] * n));
    if (s->all) return SS_OK;
    for (int i = n; i < 1024; i++)
        if (bits_get(&s->bits, i))
            return yaml_error(y->file, s->node, NULL, err, "%s %d is not there; here they are 0 to %d", what, i, n - 1);
    return SS_OK;
}

static ss_status bind_steps(const study *y, const study_intervention *v, int steps, attn_bits *out, ss_error *err) {
    if (!v->has_phase) return bind_set(y, &v->steps, steps, "step", out, err);
    int any = 0;
    for (int i = 0; i < steps; i++) {
        double progress = steps > 1 ? (double)i / (steps - 1) : 0;
        if (progress < v->phase_low - 1e-9 || progress > v->phase_high + 1e-9) continue;
        bits_set(out, i);
        any = 1;
    }
    return any ? SS_OK
               : yaml_error(y->file, v->steps.node, NULL, err,
                            "no step of %d lies in this phase; step s has progress s/%d", steps, steps - 1);
}

void plan_list_kinds(const plan *p, text *out) {
    for (int kind = 0, some = 0; kind < ATTN_KIND_COUNT; kind++) {
        int n = 0;
        for (int i = 0; i < p->sites.blocks; i++) n += (int)p->block[i].kind == kind;
        if (n == 0) continue;
        text_addf(out, "%s%s (%d block%s)", some ? ", " : "", ATTN_KINDS[kind].name, n, n == 1 ? "" : "s");
        some = 1;
    }
}

static ss_status no_such_kind(const plan *p, const study_intervention *v, int kind, ss_error *err) {
    text have = {0};
    plan_list_kinds(p, &have);
    yaml_error(p->study->file, v->kinds_node, NULL, err, "the model has no %s attention; it has %s",
               ATTN_KINDS[kind].name, have.failed ? "" : have.s);
    text_free(&have);
    return SS_ERR_INPUT;
}

/* Numbers are those of the model; fractions of depth count the blocks of the kinds named; only those of them are left.
 * kind[blocks] */
static ss_status choose_blocks(const study *y, const study_intervention *v, const attn_kind *kind, int blocks,
                               attn_bits *out, ss_error *err) {
    int of_kind[ATTN_MAX_BLOCKS], n = 0;
    number_set numbers = v->blocks;
    attn_bits named = {{0}};
    numbers.n_fractions = 0;
    for (int i = 0; i < blocks; i++)
        if (!v->kinds || v->kinds >> kind[i] & 1) of_kind[n++] = i;
    SS_TRY(bind_set(y, &numbers, blocks, "block", &named, err));
    for (int i = 0; i < n; i++)
        if (bits_get(&named, of_kind[i])) bits_set(out, of_kind[i]);
    for (int i = 0; n > 0 && i < v->blocks.n_fractions; i++) bits_set(out, of_kind[(int)(v->blocks.fraction[i] * n)]);
    if (bits_any(out)) return SS_OK;
    return yaml_error(y->file, v->blocks.node, NULL, err,
                      "none of these blocks is of the kinds named; 'sinkscope inspect' lists the model's blocks");
}

static ss_status bind_blocks(const plan *p, const study_intervention *v, attn_bits *out, ss_error *err) {
    attn_kind kind[ATTN_MAX_BLOCKS];
    unsigned there = 0;
    for (int i = 0; i < p->sites.blocks; i++) {
        kind[i] = p->block[i].kind;
        there |= 1u << kind[i];
    }
    for (int k = 0; k < ATTN_KIND_COUNT; k++)
        if ((v->kinds & ~there) >> k & 1) return no_such_kind(p, v, k, err);
    return choose_blocks(p->study, v, kind, p->sites.blocks, out, err);
}

ss_status plan_bind_where(const study *y, const study_intervention *v, const attn_kind *kind, int blocks, int heads,
                          int steps, attn_intervention *out, ss_error *err) {
    SS_TRY(choose_blocks(y, v, kind, blocks, &out->blocks, err));
    SS_TRY(bind_set(y, &v->heads, heads, "head", &out->heads, err));
    return bind_steps(y, v, steps, &out->steps, err);
}

/* A head that is named must be in every block chosen: what is not there cannot be acted on. */
static ss_status bind_heads(const plan *p, const study_intervention *v, const attn_bits *blocks, attn_bits *out,
                            ss_error *err) {
    SS_TRY(bind_set(p->study, &v->heads, p->sites.heads, "head", out, err));
    for (int i = 0; i < p->sites.blocks && !v->heads.all; i++)
        for (int head = p->block[i].heads; bits_get(blocks, i) && head < p->sites.heads; head++)
            if (bits_get(out, head))
                return yaml_error(p->study->file, v->heads.node, NULL, err,
                                  "head %d is not there in block %d (%s, %s); there they are 0 to %d", head, i,
                                  p->block[i].name, ATTN_KINDS[p->block[i].kind].name, p->block[i].heads - 1);
    return SS_OK;
}

static ss_status bind_intervention(const plan *p, const study_intervention *v, const resolved_settings *settings,
                                   attn_intervention *out, ss_error *err) {
    const study *y = p->study;
    SS_TRY(bind_blocks(p, v, &out->blocks, err));
    SS_TRY(bind_heads(p, v, &out->blocks, &out->heads, err));
    SS_TRY(bind_steps(y, v, settings->steps, &out->steps, err));
    out->branches = v->branches;
    out->rows = v->rows;
    out->selector = v->selector;
    memcpy(out->selector_options, v->selector_options, sizeof out->selector_options);
    out->k = v->k;
    out->share = v->share;
    out->scope = v->scope;
    out->redraw = v->redraw;
    out->source = v->source;
    out->edit = v->edit;
    memcpy(out->edit_options, v->edit_options, sizeof out->edit_options);
    return SS_OK;
}

ss_status plan_resolve_settings(const plan *p, pipeline *pl, const sample_settings *asked, resolved_settings *out,
                                ss_error *err) {
    ss_status status = settings_resolve(pl, asked, out, err);
    if (status != SS_OK && !*err->where) snprintf(err->where, sizeof err->where, "%s", p->study->path);
    return status;
}

/* What a condition chooses from the baseline's masses must be kept there; it must be the same image, step by step. */
static ss_status recall_of(plan *p, const study_condition *c, const plan_condition *out, ss_error *err) {
    for (int i = 0; i < out->program.n; i++) {
        const attn_intervention *v = &out->program.intervention[i];
        if (!attn_recalls(v)) continue;
        if (!out->shares_prefix)
            return yaml_error(
                p->study->file, c->node, NULL, err,
                "the condition chooses from its baseline's masses ('source' or 'scope: global'); expected the "
                "prompt, seed and sampler of the baseline");
        for (size_t w = 0; w < sizeof v->blocks.word / sizeof *v->blocks.word; w++)
            p->recall.word[w] |= v->blocks.word[w];
    }
    return SS_OK;
}

/* A sham's set is as large as the smallest call allows; its size is no question of the study. */
static void fit_sham(const plan *p, attn_program *program) {
    for (int i = 0; i < p->sites.blocks; i++)
        if (program->intervention[0].k > p->block[i].keys / 2) program->intervention[0].k = p->block[i].keys / 2;
}

static ss_status bind_condition(plan *p, int i, pipeline *pl, ss_error *err) {
    const study_condition *c = &p->study->condition[i];
    plan_condition *out = &p->condition[i];
    sample_settings asked = settings_asked(&p->settings);
    if (!isnan(c->guidance)) asked.guidance = c->guidance;
    if (c->sampler_steps) asked.steps = c->sampler_steps;
    if (c->scheduler) asked.scheduler = c->scheduler;
    picture_sizes_change(&asked.sizes, &c->sizes);
    out->settings = p->settings;
    int settings_same = isnan(c->guidance) && !c->sampler_steps && !c->scheduler && !c->sizes.given;
    if (!settings_same) SS_TRY(plan_resolve_settings(p, pl, &asked, &out->settings, err));
    out->scheduler = pipeline_scheduler_name(pl, &out->settings);
    out->forced = pipeline_scheduler_forced(pl, &out->settings);
    int anew = c->role == CONDITION_SHAM && !c->has_intervention;
    out->shares_prefix = settings_same && c->prompt == PROMPT_SAME && c->seed_add == 0 && !anew;
    out->first_step = out->settings.steps;
    out->follows = p->study->follow && (c->role == CONDITION_STUDIED || c->role == CONDITION_POSITIVE) &&
                   out->settings.steps == p->settings.steps;
    if (!c->has_intervention) return SS_OK;
    for (int v = 0; v <= c->n_also; v++)
        SS_TRY(bind_intervention(p, v ? &c->also[v - 1] : &c->intervention, &out->settings,
                                 &out->program.intervention[out->program.n++], err));
    out->first_step = 0;
    if (c->role == CONDITION_SHAM) fit_sham(p, &out->program);
    if (attn_program_check(&out->program, p->block, p->sites.blocks, err) != SS_OK)
        return c->node ? yaml_point(p->study->file, c->node, err) : err->code;
    while (out->first_step < out->settings.steps && !attn_program_acts(&out->program, out->first_step))
        out->first_step++;
    return recall_of(p, c, out, err);
}

ss_status plan_bind_conditions(plan *p, pipeline *pl, ss_error *err) {
    const study *y = p->study;
    p->condition = calloc((size_t)y->n_conditions, sizeof *p->condition);
    if (!p->condition) return error_no_memory(err, "conditions", (unsigned long long)y->n_conditions);
    for (int i = 0; i < y->n_conditions; i++) SS_TRY(bind_condition(p, i, pl, err));
    p->measure = (attn_measure){.n_probes = y->n_probes,
                                .rows = y->rows,
                                .r = y->r,
                                .noop_below = y->noop_below,
                                .keep_masses = y->keep_masses,
                                .top = y->top};
    memcpy(p->measure.probe, y->probe, (size_t)y->n_probes * sizeof *y->probe);
    if (attn_measure_check(&p->measure, p->block, p->sites.blocks, err) == SS_OK) return SS_OK;
    return yaml_point(y->file, yaml_find(yaml_find(yaml_root(y->file), "measure"), "rows"), err);
}
