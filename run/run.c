/* Execution of a plan: group by group, in waves of images that are denoised together. The pipeline guarantees that an
 * image's bits do not depend on its batch, and store_put is the only way into the store. The results do not depend on
 * what the store already holds, nor on the size of a wave. */
#include "run/run.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include "base/clock.h"
#include "run/internal.h"

ss_status run_check_stop(const run_options *o, ss_error *err) {
    if (!o->stop || !*o->stop) return SS_OK;
    return error_set(err, SS_ERR_INTERRUPTED, NULL, "interrupted; what was finished is in the store");
}

void run_tell(runner *r, const plan_unit *u) {
    run_progress *g = &r->progress;
    if (!r->o->progress) return;
    r->name.len = 0;
    if (u) plan_unit_name(r->p, u, &r->name);
    g->unit = u && !r->name.failed ? r->name.s : NULL;
    g->seconds = clock_seconds() - r->started;
    double took = clock_seconds() - r->denoising;
    g->units_per_second = r->units_made > 0 && took > 0 ? (double)r->units_made / took : NAN;
    g->seconds_left =
        g->forwards_done > 0 ? took * (double)(g->forwards_total - g->forwards_done) / (double)g->forwards_done : NAN;
    r->o->progress(r->o->user, g);
}

/* ---- what a group has to do ---- */

static int start_of(const plan_condition *c) { return c->shares_prefix && c->program.n ? c->first_step : 0; }

/* Whether some condition needs the baseline's whole run before it begins. */
static int baseline_leads(const plan *p) { return p->study->follow || bits_any(&p->recall); }

/* Steps that the group still needs; *carried: the baseline has to be computed, up to its last step or *carried - 1. */
static int64_t group_forwards(const runner *r, const plan_group *g, int *carried) {
    int64_t forwards = 0;
    *carried = 0;
    for (int i = g->first_unit; i < g->first_unit + g->n_units; i++) {
        const plan_unit *u = &r->p->unit[i];
        const plan_condition *c = &r->p->condition[u->condition];
        if (r->done[i]) continue;
        int upto = run_is_carrier(r, u) || run_recalls(c) || c->follows ? c->settings.steps : start_of(c);
        if (upto > *carried) *carried = upto;
        if (!run_is_carrier(r, u)) forwards += c->settings.steps - start_of(c);
    }
    return forwards + *carried;
}

/* ---- text ---- */

static ss_status hold(runner *r, held_text *held, const text_order *o, int prompt, ss_error *err) {
    if (held->e && held->prompt == prompt && held->branches == run_branches(o->settings)) return SS_OK;
    embedding_free(held->e);
    *held = (held_text){.prompt = prompt, .branches = run_branches(o->settings)};
    return pipeline_encode_from(r->pl, &r->texts.folder, o, &held->e, err);
}

/* The embedding of a job: shared within the prompt, but another one for the sham that repeats everything and for
 * conditions that change what the encoders see; *own is then the caller's. */
static ss_status embedding_for(runner *r, const plan_unit *u, const plan_condition *c, const embedding **out,
                               embedding **own, ss_error *err) {
    int swaps = r->p->study->condition[u->condition].prompt == PROMPT_SWAP_ATTRIBUTE;
    text_order o = plan_text_order(r->p, u);
    *own = NULL;
    if (o.repeat || run_branches(&c->settings) != run_branches(&r->p->settings)) {
        SS_TRY(pipeline_encode_from(r->pl, &r->texts.folder, &o, own, err));
        *out = *own;
        return SS_OK;
    }
    if (swaps) SS_TRY(hold(r, &r->swapped, &o, u->prompt, err));
    *out = swaps ? r->swapped.e : r->plain.e;
    return SS_OK;
}

static void tell_texts(void *user, int64_t done, int64_t total) {
    runner *r = user;
    r->progress.texts_done = done;
    r->progress.texts_total = total;
    run_tell(r, NULL);
}

/* All texts before the first step: afterwards the encoders are not in memory. */
static ss_status encode_texts_first(runner *r, ss_error *err) {
    SS_TRY(texts_open(&r->texts, r->s, err));
    SS_TRY(texts_prepare(&r->texts, r->p, r->pl, r->done, tell_texts, r, err));
    r->denoising = clock_seconds();
    return SS_OK;
}

/* ---- groups ---- */

static void clear_group(runner *r) {
    for (int i = 0; i < r->n_jobs; i++) run_end_job(&r->jobs[i]);
    for (int i = 0; i < r->n_snapshots; i++) {
        denoise_free(r->snapshots[i].state);
        attn_run_destroy(r->snapshots[i].run);
    }
    r->n_jobs = r->n_snapshots = 0;
    attn_run_destroy(r->recalled);
    r->recalled = NULL;
    trajectory_free(&r->trajectory);
    rgb_image_free(&r->baseline);
}

static void need_snapshot(runner *r, int step) {
    for (int i = 0; i < r->n_snapshots; i++)
        if (r->snapshots[i].step == step) return;
    r->snapshots[r->n_snapshots++] = (snapshot){.step = step};
}

/* The jobs of a group: the carrier first (also where it is done but others start from it), then what is missing, by
 * start. */
static void list_jobs(runner *r, const plan_group *g, int carried) {
    const plan *p = r->p;
    for (int i = g->first_unit; i < g->first_unit + g->n_units; i++) {
        const plan_unit *u = &p->unit[i];
        if (run_is_carrier(r, u) ? carried == 0 : r->done[i]) continue;
        job j = {.unit = u, .condition = &p->condition[u->condition]};
        j.start = run_is_carrier(r, u) ? 0 : start_of(j.condition);
        int at = r->n_jobs++;
        for (; at > 0 && !run_is_carrier(r, r->jobs[at - 1].unit) &&
               (run_is_carrier(r, u) || r->jobs[at - 1].start > j.start);
             at--)
            r->jobs[at] = r->jobs[at - 1];
        r->jobs[at] = j;
        if (j.start > 0) need_snapshot(r, j.start);
    }
}

static ss_status load_baseline(runner *r, const plan_group *g, ss_error *err) {
    for (int i = g->first_unit; i < g->first_unit + g->n_units; i++)
        if (run_role(r, &r->p->unit[i]) == CONDITION_BASELINE && r->done[i])
            return store_image(r->s, r->p->unit[i].id, &r->baseline, err);
    return SS_OK;
}

static ss_status run_wave(runner *r, job *const *wave, int n, const job *carrier, int carry, ss_error *err) {
    embedding *own[RUN_MAX_BATCH] = {0};
    ss_status status = SS_OK;
    for (int i = 0; i < n && status == SS_OK; i++)
        status = embedding_for(r, wave[i]->unit, wave[i]->condition, &wave[i]->e, &own[i], err);
    if (status == SS_OK) status = run_denoise_wave(r, wave, n, carrier, carry, err);
    for (int i = 0; i < n && status == SS_OK; i++)
        if (!r->done[wave[i]->unit - r->p->unit]) status = run_finish(r, wave[i], err);
    if (carrier && bits_any(&r->p->recall) && run_role(r, carrier->unit) == CONDITION_BASELINE) {
        r->recalled = wave[0]->run;
        wave[0]->run = NULL;
    }
    for (int i = 0; i < n; i++) {
        run_end_job(wave[i]);
        embedding_free(own[i]);
    }
    return status;
}

/* Jobs that may be denoised together: same size, text length and number of branches; none with a baseline that must be
 * complete before others begin. */
static int fit(const runner *r, const job *a, const job *b) {
    if (baseline_leads(r->p) && run_is_carrier(r, a->unit)) return 0;
    const resolved_settings *x = &a->condition->settings, *y = &b->condition->settings;
    return run_branches(x) == run_branches(y) && x->width == y->width && x->height == y->height;
}

/* Words of a prompt, and those that encoders do not see. */
static ss_status put_texts(runner *r, int prompt, ss_error *err) {
    const resolved_settings *s = &r->p->settings;
    const char *each[] = {r->p->prompts.prompt[prompt].prompt, s->negative};
    const int branches = run_branches(s);
    assert(branches <= 2);
    SS_TRY(store_put_tokens(r->s, r->p, prompt, r->plain.e, err));
    for (int b = 0; b < branches; b++) {
        text_cut cut[PIPELINE_MAX_ENCODERS];
        int n;
        SS_TRY(pipeline_find_cuts(r->pl, s, each[b], cut, &n, err));
        SS_TRY(store_put_cuts(r->s, prompt, (attn_branch)b, each[b], cut, n, err));
    }
    return SS_OK;
}

static ss_status run_group(runner *r, const plan_group *g, ss_error *err) {
    int carried, batch = r->o->batch > 0 ? r->o->batch : r->p->together, next = 0;
    if (batch > RUN_MAX_BATCH) batch = RUN_MAX_BATCH;
    group_forwards(r, g, &carried);
    list_jobs(r, g, carried);
    if (r->n_jobs == 0) return SS_OK;
    int was = r->plain.e ? r->plain.prompt : -1;
    const text_order plain = {.prompt = r->p->prompts.prompt[g->prompt].prompt, .settings = &r->p->settings};
    SS_TRY(hold(r, &r->plain, &plain, g->prompt, err));
    if (was != r->plain.prompt) SS_TRY(put_texts(r, g->prompt, err));
    SS_TRY(load_baseline(r, g, err));
    while (next < r->n_jobs) {
        job *wave[RUN_MAX_BATCH];
        int n = 0;
        const job *carrier = next == 0 && run_is_carrier(r, r->jobs[0].unit) ? &r->jobs[0] : NULL;
        do wave[n++] = &r->jobs[next++];
        while (next < r->n_jobs && n < batch && fit(r, wave[0], &r->jobs[next]));
        SS_TRY(run_wave(r, wave, n, carrier, carried, err));
    }
    return SS_OK;
}

/* ---- the whole ---- */

static ss_status open_metrics(runner *r, ss_error *err) {
    const study *y = r->p->study;
    for (; r->metrics_open < y->n_metrics; r->metrics_open++) {
        const study_metric *m = &y->metric[r->metrics_open];
        if (m->row->open)
            SS_TRY(m->row->open(r->c, study_tokenizer_rules(y), m->options, &r->metric[r->metrics_open], err));
    }
    return SS_OK;
}

static ss_status run_prepare(runner *r, ss_error *err) {
    const plan *p = r->p;
    int most = 0, carried;
    int64_t done;
    r->done = calloc((size_t)p->n_units + 1, 1);
    for (int i = 0; i < p->n_groups; i++) most = p->group[i].n_units > most ? p->group[i].n_units : most;
    r->jobs = calloc((size_t)most + 1, sizeof *r->jobs);
    r->snapshots = calloc((size_t)most + 1, sizeof *r->snapshots);
    if (!r->done || !r->jobs || !r->snapshots) return error_no_memory(err, "the run", (unsigned long long)p->n_units);
    SS_TRY(store_done(r->s, p, r->done, &done, err));
    r->progress = (run_progress){.study = p->study->name, .units_done = done, .units_total = p->counts.images};
    for (int i = 0; i < p->n_groups; i++) r->progress.forwards_total += group_forwards(r, &p->group[i], &carried);
    return done < p->n_units ? open_metrics(r, err) : SS_OK;
}

ss_status run_plan(store *s, const plan *p, compute *c, pipeline *pl, const run_options *o, ss_error *err) {
    static const run_options NONE = {0};
    runner r = {.s = s, .p = p, .c = c, .pl = pl, .o = o ? o : &NONE, .started = clock_seconds()};
    ss_status status = run_prepare(&r, err);
    if (status == SS_OK) status = encode_texts_first(&r, err);
    for (int i = 0; status == SS_OK && i < p->n_groups; i++) {
        status = run_group(&r, &p->group[i], err);
        clear_group(&r);
    }
    for (int i = 0; i < r.metrics_open; i++)
        if (p->study->metric[i].row->close) p->study->metric[i].row->close(c, r.metric[i]);
    if (status == SS_OK) texts_remove(&r.texts);
    texts_close(&r.texts);
    embedding_free(r.plain.e);
    embedding_free(r.swapped.e);
    text_free(&r.name);
    free(r.done);
    free(r.jobs);
    free(r.snapshots);
    return status;
}
