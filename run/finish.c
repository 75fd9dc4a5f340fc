/* One finished image: decoded, scored, stored. store_put is the only way into the store. */
#include <math.h>

#include "run/internal.h"

static ss_status run_score_image(runner *r, const plan_unit *u, const rgb_image *image, store_score *out, int *n,
                                 ss_error *err) {
    const study *y = r->p->study;
    const geneval_prompt *g = &r->p->prompts.prompt[u->prompt];
    *n = 0;
    if (run_role(r, u) == CONDITION_SHAM) return SS_OK;
    for (int i = 0; i < y->n_metrics; i++) {
        const metric *m = y->metric[i].row;
        int paired = (m->needs & METRIC_NEEDS_BASELINE) != 0;
        if (paired && run_is_carrier(r, u)) continue;
        metric_input in = {.image = image,
                           .baseline = paired ? &r->baseline : NULL,
                           .prompt = g->prompt,
                           .geneval = g->n_include > 0 ? g : NULL};
        out[*n].metric = &y->metric[i];
        out[*n].value = (metric_value){0};
        ss_status status = metric_score(m, r->c, r->metric[i], &in, &out[*n].value, err);
        if (status == SS_ERR_INPUT && !isfinite(out[*n].value.value)) {
            if (!run_may_fail(r, u)) return run_name_failure(r, u, err);
            status = SS_OK;
        }
        SS_TRY(status);
        ++*n;
    }
    return SS_OK;
}

ss_status run_finish(runner *r, job *j, ss_error *err) {
    store_score scores[STUDY_MAX_METRICS];
    rgb_image image = {0};
    SS_TRY(run_check_stop(r->o, err));
    if (!j->failed) SS_TRY(run_take_failure(r, j, denoise_decode(r->pl, j->state, &image, err), -1, err));
    const store_failure failure = {j->failed_step, j->reason};
    store_result result = {.unit = j->unit, .image = &image, .run = j->run, .score = scores};
    if (j->failed) result.failure = &failure;
    if (j->condition->follows) result.trajectory = &j->trajectory;
    result.key_class[BRANCH_COND] = embedding_key_classes(j->e, BRANCH_COND);
    if (run_branches(&j->condition->settings) > 1)
        result.key_class[BRANCH_UNCOND] = embedding_key_classes(j->e, BRANCH_UNCOND);
    ss_status status = j->failed ? SS_OK : run_score_image(r, j->unit, &image, scores, &result.n_scores, err);
    if (status == SS_OK) status = store_put(r->s, r->p, &result, err);
    if (status == SS_OK && run_role(r, j->unit) == CONDITION_BASELINE) {
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
