/* A wave of images from noise to their last step, together. The pipeline guarantees that an image's bits do not
 * depend on its company. */
#include <stdio.h>

#include "run/internal.h"

static attn_stream_name stream_name(const plan *p, const plan_unit *u) {
    return (attn_stream_name){.study_seed = p->study->study_seed,
                              .prompt = (uint64_t)u->prompt,
                              .image_seed = plan_unit_seed(p, u).bits,
                              .draw = (uint64_t)p->study->condition[u->condition].draw};
}

ss_status run_begin(const plan *p, const plan_unit *u, pipeline *pl, const embedding *e, attn_run **run,
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

ss_status run_take_failure(runner *r, job *j, ss_status status, int step, ss_error *err) {
    if (status != SS_ERR_INPUT || !denoise_is_broken(j->state)) return status;
    if (!run_may_fail(r, j->unit)) return run_name_failure(r, j->unit, err);
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
    if (!r->p->study->follow || run_role(r, j->unit) != CONDITION_BASELINE) return SS_OK;
    if (!r->trajectory.steps)
        SS_TRY(trajectory_lead(&r->trajectory, j->condition->settings.steps, denoise_latent_elements(j->state), err));
    return trajectory_take(&r->trajectory, NULL, r->pl, j->state, err);
}

/* What is done with an image after a step: a failed one is left alone from then on. */
static ss_status look_after(runner *r, job *j, int step, ss_error *err) {
    SS_TRY(run_take_failure(r, j, denoise_check(r->pl, j->state, err), step, err));
    if (!j->failed) return observe(r, j, err);
    r->progress.forwards_total -= j->condition->settings.steps - step - 1;
    return SS_OK;
}

void run_end_job(job *j) {
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

ss_status run_denoise_wave(runner *r, job *const *wave, int n, const job *carrier, int carry, ss_error *err) {
    denoise_state *states[RUN_MAX_BATCH];
    job *stepped[RUN_MAX_BATCH];
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
