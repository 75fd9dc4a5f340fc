/* Execution of a plan: group by group, in waves of images that are denoised together. The pipeline guarantees that an
 * image's bits do not depend on its batch, and store_put is the only way into the store. The results do not depend on
 * what the store already holds, nor on the size of a wave. */
#include "run/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "run/texts.h"

enum { MAX_BATCH = 64 };

/* An embedding, kept while its prompt's groups run. */
typedef struct held_text {
    int prompt, branches;
    embedding *e;
} held_text;

/* One image during denoising. */
typedef struct job {
    const plan_unit *unit;
    const plan_condition *condition;
    const embedding *e;
    int start; /* the step at which it leaves the baseline's trajectory; 0 = it begins by itself */
    attn_run *run;
    denoise_state *state;
    trajectory trajectory;   /* kept where the condition follows the baseline */
    int failed, failed_step; /* its numbers are not finite; after this step, -1: in its image */
    char reason[sizeof(((ss_error *)0)->message)];
} job;

/* The baseline's trajectory at a step at which some job leaves it. */
typedef struct snapshot {
    int step;
    attn_run *run;
    denoise_state *state;
} snapshot;

typedef struct runner {
    store *s;
    const plan *p;
    compute *c;
    pipeline *pl;
    const run_options *o;
    uint8_t *done; /* [n_units] */
    void *metric[STUDY_MAX_METRICS];
    int metrics_open;
    run_texts texts;
    held_text plain, swapped;
    run_progress progress;
    double started, denoising; /* when the run and its first image began */
    int64_t units_made;
    text name;
    /* the group in progress */
    rgb_image baseline;
    attn_run *recalled;    /* the baseline's run, for conditions that choose from its masses */
    trajectory trajectory; /* the baseline's, for conditions that are compared with it */
    int n_jobs;
    job *jobs;
    int n_snapshots;
    snapshot *snapshots;
} runner;

static ss_status run_check_stop(const run_options *o, ss_error *err) {
    if (!o->stop || !*o->stop) return SS_OK;
    return error_set(err, SS_ERR_INTERRUPTED, NULL, "interrupted; what was finished is in the store");
}

static void run_tell(runner *r, const plan_unit *u) {
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

static int role_of(const runner *r, const plan_unit *u) { return (int)r->p->study->condition[u->condition].role; }

/* The baseline itself, or the same at a calibration seed. */
static int is_carrier(const runner *r, const plan_unit *u) {
    return role_of(r, u) == CONDITION_BASELINE || role_of(r, u) == CONDITION_CALIBRATION;
}

static int start_of(const plan_condition *c) { return c->shares_prefix && c->program.n ? c->first_step : 0; }

/* Whether the condition chooses from the baseline's masses. */
static int run_recalls(const plan_condition *c) {
    for (int i = 0; i < c->program.n; i++)
        if (attn_recalls(&c->program.intervention[i])) return 1;
    return 0;
}

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
        int upto = is_carrier(r, u) || run_recalls(c) || c->follows ? c->settings.steps : start_of(c);
        if (upto > *carried) *carried = upto;
        if (!is_carrier(r, u)) forwards += c->settings.steps - start_of(c);
    }
    return forwards + *carried;
}

/* ---- text ---- */

static int branches_of(const sample_settings *s) { return s->guidance > 1 ? 2 : 1; }

static ss_status hold(runner *r, held_text *held, const text_order *o, int prompt, ss_error *err) {
    if (held->e && held->prompt == prompt && held->branches == branches_of(o->settings)) return SS_OK;
    embedding_free(held->e);
    *held = (held_text){.prompt = prompt, .branches = branches_of(o->settings)};
    return pipeline_encode_from(r->pl, &r->texts.folder, o, &held->e, err);
}

/* The embedding of a job: shared within the prompt, but another one for the sham that repeats everything and for
 * conditions that change what the encoders see; *own is then the caller's. */
static ss_status embedding_for(runner *r, const plan_unit *u, const plan_condition *c, const embedding **out,
                               embedding **own, ss_error *err) {
    int swaps = r->p->study->condition[u->condition].prompt == PROMPT_SWAP_ATTRIBUTE;
    text_order o = plan_text_order(r->p, u);
    *own = NULL;
    if (o.repeat || branches_of(&c->settings) != branches_of(&r->p->settings)) {
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

/* ---- denoising ---- */

static attn_stream_name stream_name(const plan *p, const plan_unit *u) {
    return (attn_stream_name){.study_seed = p->study->study_seed,
                              .prompt = (uint64_t)u->prompt,
                              .image_seed = plan_unit_seed(p, u).bits,
                              .draw = (uint64_t)p->study->condition[u->condition].draw};
}

/* An image from its noise on, with what acts on it. */
static ss_status run_begin(const plan *p, const plan_unit *u, pipeline *pl, const embedding *e, attn_run **run,
                           denoise_state **state, ss_error *err) {
    const plan_condition *c = &p->condition[u->condition];
    attn_shape shape = {c->settings.steps, p->sites.blocks, p->sites.heads, p->sites.keys};
    attn_stream_name name = stream_name(p, u);
    attn_measure measure = p->measure;
    if (p->study->condition[u->condition].role == CONDITION_BASELINE) measure.recall = p->recall;
    SS_TRY(attn_run_create(run, c->program.n ? &c->program : NULL, &measure, &name, shape, err));
    return denoise_begin(state, pl, &c->settings, e, name.image_seed, *run, err);
}

static const snapshot *snapshot_at(const runner *r, int step) {
    for (int i = 0; i < r->n_snapshots; i++)
        if (r->snapshots[i].step == step && r->snapshots[i].state) return &r->snapshots[i];
    return NULL;
}

/* An image that a study's own condition has driven to infinity is a result; another one that is not finite is an error:
 * nothing could be compared with it. */
static int may_fail(const runner *r, const plan_unit *u) { return role_of(r, u) == CONDITION_STUDIED; }

/* The error, with the unit that it is about. */
static ss_status name_failure(const runner *r, const plan_unit *u, ss_error *err) {
    ss_error was = *err;
    text name = {0};
    plan_unit_name(r->p, u, &name);
    if (!name.failed && name.s)
        error_set(err, SS_ERR_INPUT, was.where, "%s: %s; what everything is compared with must be finite", name.s,
                  was.message);
    text_free(&name);
    return SS_ERR_INPUT;
}

/* After a step (its number) or decoding (-1) that ended with `status`: an image that may fail has failed where it is
 * broken, and the rest goes on. */
static ss_status take_failure(runner *r, job *j, ss_status status, int step, ss_error *err) {
    if (status != SS_ERR_INPUT || !denoise_is_broken(j->state)) return status;
    if (!may_fail(r, j->unit)) return name_failure(r, j->unit, err);
    j->failed = 1;
    j->failed_step = step;
    snprintf(j->reason, sizeof j->reason, "%s", err->message); /* not where: equal studies give equal bytes */
    return SS_OK;
}

/* Give the job its run and state: from noise, or from the baseline's snapshot at its start. */
static ss_status begin_job(runner *r, job *j, ss_error *err) {
    if (j->start == 0) SS_TRY(run_begin(r->p, j->unit, r->pl, j->e, &j->run, &j->state, err));
    else {
        const snapshot *from = snapshot_at(r, j->start);
        if (!from) return error_set(err, SS_ERR_INTERNAL, NULL, "no snapshot of the baseline at step %d", j->start);
        attn_stream_name name = stream_name(r->p, j->unit);
        SS_TRY(attn_run_fork(&j->run, from->run, &j->condition->program, &name, err));
        SS_TRY(denoise_fork(&j->state, from->state, j->run, err));
    }
    attn_run_set_baseline(j->run, r->recalled);
    if (j->condition->follows) SS_TRY(trajectory_follow(&j->trajectory, &r->trajectory, err));
    return SS_OK;
}

/* Record the state of the job where the caller wants it: the baseline for those that follow it, a follower to be
 * compared. */
static ss_status observe(runner *r, job *j, ss_error *err) {
    if (j->condition->follows) return trajectory_take(&j->trajectory, &r->trajectory, r->pl, j->state, err);
    if (!r->p->study->follow || role_of(r, j->unit) != CONDITION_BASELINE) return SS_OK;
    if (!r->trajectory.steps)
        SS_TRY(trajectory_lead(&r->trajectory, j->condition->settings.steps, denoise_latent_elements(j->state), err));
    return trajectory_take(&r->trajectory, NULL, r->pl, j->state, err);
}

/* What is done with an image after a step: a failed one is left alone from then on. */
static ss_status look_after(runner *r, job *j, int step, ss_error *err) {
    SS_TRY(take_failure(r, j, denoise_check(r->pl, j->state, err), step, err));
    if (!j->failed) return observe(r, j, err);
    r->progress.forwards_total -= j->condition->settings.steps - step - 1;
    return SS_OK;
}

static void end_job(job *j) {
    trajectory_free(&j->trajectory);
    denoise_free(j->state);
    attn_run_destroy(j->run);
    j->state = NULL;
    j->run = NULL;
}

/* Where the baseline stands at a step that some job starts from: keep it. */
static ss_status take_snapshot(runner *r, const job *baseline, ss_error *err) {
    int step = denoise_step_number(baseline->state);
    for (int i = 0; i < r->n_snapshots; i++) {
        snapshot *s = &r->snapshots[i];
        if (s->step != step || s->state) continue;
        attn_stream_name name = stream_name(r->p, baseline->unit);
        SS_TRY(attn_run_fork(&s->run, baseline->run, NULL, &name, err));
        return denoise_fork(&s->state, baseline->state, s->run, err);
    }
    return SS_OK;
}

/* Denoise a wave of jobs, each from its start on. A job that is `carrier` leaves snapshots, and stops at `carry`. */
static ss_status denoise_wave(runner *r, job *const *wave, int n, const job *carrier, int carry, ss_error *err) {
    denoise_state *states[MAX_BATCH];
    job *stepped[MAX_BATCH];
    const plan_unit *shown = wave[n - 1]->unit;
    for (int step = 0;; step++) {
        int active = 0, left = 0;
        for (int i = 0; i < n; i++) {
            job *j = wave[i];
            int last = j == carrier ? carry : j->condition->settings.steps;
            if (j == carrier && j->state) SS_TRY(take_snapshot(r, j, err));
            if (step < last && !j->failed) left = 1;
            if (step < j->start || step >= last || j->failed) continue;
            if (!j->state) {
                SS_TRY(begin_job(r, j, err));
                SS_TRY(observe(r, j, err));
            }
            stepped[active] = j;
            states[active++] = j->state;
        }
        if (!left) return SS_OK;
        if (active == 0) continue;
        SS_TRY(run_check_stop(r->o, err));
        SS_TRY(denoise_step(r->pl, states, active, err));
        for (int i = 0; i < active; i++) SS_TRY(look_after(r, stepped[i], step, err));
        r->progress.forwards_done += active;
        run_tell(r, shown);
    }
}

/* ---- one finished image ---- */

static ss_status run_score_image(runner *r, const plan_unit *u, const rgb_image *image, store_score *out, int *n,
                                 ss_error *err) {
    const study *y = r->p->study;
    const geneval_prompt *g = &r->p->prompts.prompt[u->prompt];
    *n = 0;
    if (role_of(r, u) == CONDITION_SHAM) return SS_OK;
    for (int i = 0; i < y->n_metrics; i++) {
        const metric *m = y->metric[i].row;
        int paired = (m->needs & METRIC_NEEDS_BASELINE) != 0;
        if (paired && is_carrier(r, u)) continue;
        metric_input in = {.image = image,
                           .baseline = paired ? &r->baseline : NULL,
                           .prompt = g->prompt,
                           .geneval = g->n_include > 0 ? g : NULL};
        out[*n].metric = &y->metric[i];
        out[*n].value = (metric_value){0};
        ss_status status = metric_score(m, r->c, r->metric[i], &in, &out[*n].value, err);
        if (status == SS_ERR_INPUT && !isfinite(out[*n].value.value)) {
            if (!may_fail(r, u)) return name_failure(r, u, err);
            status = SS_OK;
        }
        SS_TRY(status);
        ++*n;
    }
    return SS_OK;
}

static ss_status run_finish(runner *r, job *j, ss_error *err) {
    store_score scores[STUDY_MAX_METRICS];
    rgb_image image = {0};
    SS_TRY(run_check_stop(r->o, err));
    if (!j->failed) SS_TRY(take_failure(r, j, denoise_decode(r->pl, j->state, &image, err), -1, err));
    const store_failure failure = {j->failed_step, j->reason};
    store_result result = {.unit = j->unit, .image = &image, .run = j->run, .score = scores};
    if (j->failed) result.failure = &failure;
    if (j->condition->follows) result.trajectory = &j->trajectory;
    result.key_class[BRANCH_COND] = embedding_key_classes(j->e, BRANCH_COND);
    if (branches_of(&j->condition->settings) > 1)
        result.key_class[BRANCH_UNCOND] = embedding_key_classes(j->e, BRANCH_UNCOND);
    ss_status status = j->failed ? SS_OK : run_score_image(r, j->unit, &image, scores, &result.n_scores, err);
    if (status == SS_OK) status = store_put(r->s, r->p, &result, err);
    if (status == SS_OK && role_of(r, j->unit) == CONDITION_BASELINE) {
        rgb_image_free(&r->baseline);
        r->baseline = image;
        image = (rgb_image){0};
    }
    rgb_image_free(&image);
    SS_TRY(status);
    r->done[j->unit - r->p->unit] = 1;
    r->units_made++;
    r->progress.units_done++;
    run_tell(r, j->unit);
    return SS_OK;
}

/* ---- groups ---- */

static void clear_group(runner *r) {
    for (int i = 0; i < r->n_jobs; i++) end_job(&r->jobs[i]);
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
        if (is_carrier(r, u) ? carried == 0 : r->done[i]) continue;
        job j = {.unit = u, .condition = &p->condition[u->condition]};
        j.start = is_carrier(r, u) ? 0 : start_of(j.condition);
        int at = r->n_jobs++;
        for (; at > 0 && !is_carrier(r, r->jobs[at - 1].unit) && (is_carrier(r, u) || r->jobs[at - 1].start > j.start);
             at--)
            r->jobs[at] = r->jobs[at - 1];
        r->jobs[at] = j;
        if (j.start > 0) need_snapshot(r, j.start);
    }
}

static ss_status load_baseline(runner *r, const plan_group *g, ss_error *err) {
    for (int i = g->first_unit; i < g->first_unit + g->n_units; i++)
        if (role_of(r, &r->p->unit[i]) == CONDITION_BASELINE && r->done[i])
            return store_image(r->s, r->p->unit[i].id, &r->baseline, err);
    return SS_OK;
}

static ss_status run_wave(runner *r, job *const *wave, int n, const job *carrier, int carry, ss_error *err) {
    embedding *own[MAX_BATCH] = {0};
    ss_status status = SS_OK;
    for (int i = 0; i < n && status == SS_OK; i++)
        status = embedding_for(r, wave[i]->unit, wave[i]->condition, &wave[i]->e, &own[i], err);
    if (status == SS_OK) status = denoise_wave(r, wave, n, carrier, carry, err);
    for (int i = 0; i < n && status == SS_OK; i++)
        if (!r->done[wave[i]->unit - r->p->unit]) status = run_finish(r, wave[i], err);
    if (carrier && bits_any(&r->p->recall) && role_of(r, carrier->unit) == CONDITION_BASELINE) {
        r->recalled = wave[0]->run;
        wave[0]->run = NULL;
    }
    for (int i = 0; i < n; i++) {
        end_job(wave[i]);
        embedding_free(own[i]);
    }
    return status;
}

/* Jobs that may be denoised together: same size, text length and number of branches; none with a baseline that must be
 * complete before others begin. */
static int fit(const runner *r, const job *a, const job *b) {
    if (baseline_leads(r->p) && is_carrier(r, a->unit)) return 0;
    const sample_settings *x = &a->condition->settings, *y = &b->condition->settings;
    return branches_of(x) == branches_of(y) && x->width == y->width && x->height == y->height;
}

/* Words of a prompt, and those that encoders do not see. */
static ss_status put_texts(runner *r, int prompt, ss_error *err) {
    const sample_settings *s = &r->p->settings;
    const char *each[] = {r->p->prompts.prompt[prompt].prompt, s->negative};
    SS_TRY(store_put_tokens(r->s, r->p, prompt, r->plain.e, err));
    for (int b = 0; b < branches_of(s); b++) {
        text_cut cut[PIPELINE_MAX_ENCODERS];
        int n;
        SS_TRY(pipeline_find_cuts(r->pl, s, each[b], cut, &n, err));
        SS_TRY(store_put_cuts(r->s, prompt, (attn_branch)b, each[b], cut, n, err));
    }
    return SS_OK;
}

static ss_status run_group(runner *r, const plan_group *g, ss_error *err) {
    int carried, batch = r->o->batch > 0 ? r->o->batch : r->p->together, next = 0;
    if (batch > MAX_BATCH) batch = MAX_BATCH;
    group_forwards(r, g, &carried);
    list_jobs(r, g, carried);
    if (r->n_jobs == 0) return SS_OK;
    int was = r->plain.e ? r->plain.prompt : -1;
    const text_order plain = {.prompt = r->p->prompts.prompt[g->prompt].prompt, .settings = &r->p->settings};
    SS_TRY(hold(r, &r->plain, &plain, g->prompt, err));
    if (was != r->plain.prompt) SS_TRY(put_texts(r, g->prompt, err));
    SS_TRY(load_baseline(r, g, err));
    while (next < r->n_jobs) {
        job *wave[MAX_BATCH];
        int n = 0;
        const job *carrier = next == 0 && is_carrier(r, r->jobs[0].unit) ? &r->jobs[0] : NULL;
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

/* A unit from its noise to its last step, alone. On success and on failure the caller owns *run and *state. */
static ss_status denoise_alone(const plan *p, const plan_unit *u, pipeline *pl, const embedding *e,
                               const attn_run *baseline, const run_options *o, attn_run **run, denoise_state **state,
                               ss_error *err) {
    SS_TRY(run_begin(p, u, pl, e, run, state, err));
    attn_run_set_baseline(*run, baseline);
    for (int i = 0; i < p->condition[u->condition].settings.steps; i++) {
        if (o) SS_TRY(run_check_stop(o, err));
        SS_TRY(denoise_step(pl, state, 1, err));
        SS_TRY(denoise_check(pl, *state, err));
    }
    return SS_OK;
}

ss_status run_unit(const plan *p, const plan_unit *u, pipeline *pl, const run_options *o, rgb_image *out, int *broken,
                   ss_error *err) {
    const plan_condition *c = &p->condition[u->condition];
    embedding *e = NULL;
    attn_run *run = NULL, *base_run = NULL;
    denoise_state *state = NULL, *base_state = NULL;
    plan_unit baseline = *u;
    baseline.condition = 0;
    ss_status status = pipeline_encode(pl, &c->settings, plan_unit_prompt(p, u), &e, err);
    if (status == SS_OK && run_recalls(c))
        status = denoise_alone(p, &baseline, pl, e, NULL, o, &base_run, &base_state, err);
    if (status == SS_OK) status = denoise_alone(p, u, pl, e, base_run, o, &run, &state, err);
    if (status == SS_OK) status = denoise_decode(pl, state, out, err);
    *broken = status == SS_ERR_INPUT && state && denoise_is_broken(state);
    denoise_free(state);
    denoise_free(base_state);
    attn_run_destroy(run);
    attn_run_destroy(base_run);
    embedding_free(e);
    return status;
}
