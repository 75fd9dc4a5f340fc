/* One unit by itself: nothing shared, no company. */
#include "run/internal.h"

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
