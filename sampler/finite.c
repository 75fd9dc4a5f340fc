/* Values that are not finite, in text states, latents and images. The check is cheap and always made; when it fails,
 * the step is computed again with hooks in the network (model/culprit.h), so that the error names the place. */
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "model/culprit.h"
#include "sampler/pipeline_parts.h"

/* ---- texts ---- */

int text_states_finite(const text_shape *shape, int n, const float *states, const float *pooled) {
    return finite_first_bad(states, (int64_t)n * shape->n_text * shape->width) < 0 &&
           finite_first_bad(pooled, n * shape->pooled_width) < 0;
}

/* The text once more, alone. */
static ss_status encode_again(pipeline *p, compute *c, const text_shape *shape, const char *prompt, culprit *k,
                              ss_error *err) {
    float *states, *pooled;
    ss_error first;
    ss_status status = text_states_allocate(shape, 1, &states, &pooled, err);
    culprit_listen(k, c, NULL);
    if (status == SS_OK) status = encode_batch(p, c, shape, &prompt, 1, states, pooled, err);
    culprit_stop(k);
    if (compute_status(c, &first) != SS_OK) {
        *err = first;
        status = first.code;
    }
    free(states);
    free(pooled);
    return status;
}

static ss_status text_culprit(pipeline *p, compute *c, const text_shape *shape, const char *prompt, ss_error *err) {
    culprit k;
    text what = {0};
    SS_TRY(encode_again(p, c, shape, prompt, &k, err));
    text_add(&what, "the states of the text ");
    text_add_json(&what, prompt);
    const culprit_case about = {.what = what.failed ? "the states of a text" : what.s};
    culprit_report(&k, &about, err);
    text_free(&what);
    return err->code;
}

ss_status text_states_check(pipeline *p, compute *c, const resolved_settings *s, const char *const *texts, int n,
                            const float *states, const float *pooled, ss_error *err) {
    text_shape shape;
    p->row->text_shape(p, s, &shape);
    if (text_states_finite(&shape, n, states, pooled)) return SS_OK;
    int i = 0;
    while (i + 1 < n &&
           text_states_finite(&shape, 1, states + i * shape.n_text * shape.width, pooled + i * shape.pooled_width))
        i++;
    return text_culprit(p, c, &shape, texts[i], err);
}

/* ---- latents ---- */

int denoise_is_broken(const denoise_state *d) { return d->broken; }

/* The last step once more, of this image alone, under `run`; *finite: whether it gives finite latents. */
static ss_status step_again(pipeline *p, const denoise_state *d, attn_run *run, culprit *k, int *finite,
                            ss_error *err) {
    denoise_state *again;
    SS_TRY(denoise_fork(&again, d, run, err));
    memcpy(again->latents, d->before, sizeof *d->before * (size_t)denoise_state_floats(d));
    again->generator = d->generator_before;
    again->call = d->call_before;
    again->step--;
    culprit_listen(k, p->c, p->network);
    ss_status status = denoise_step_on(p, p->c, &again, 1, err);
    culprit_stop(k);
    *finite = finite_first_bad(again->latents, denoise_state_floats(again)) < 0;
    denoise_free(again);
    return status;
}

/* Of an image with an intervention: the same step without it shows whether the model alone gives such values. */
static ss_status step_culprit(pipeline *p, const denoise_state *d, ss_error *err) {
    static const char *const innocent = "without the intervention this step gives finite latents",
                             *const guilty = "the same step without the intervention does so too";
    culprit k, alone;
    int finite, edited = d->run && attn_run_program(d->run);
    char what[96];
    snprintf(what, sizeof what, "the latents after step %d of %d", d->step, d->settings.steps);
    SS_TRY(step_again(p, d, d->run, &k, &finite, err));
    culprit_case about = {.what = what, .rows = {d->text->branches > 1 ? "cond" : NULL, "uncond"}};
    if (edited) {
        SS_TRY(step_again(p, d, NULL, &alone, &finite, err));
        about.hint = finite ? innocent : guilty;
    } else if (!*k.tap) about.hint = "ask for a lower guidance, or for another number of steps";
    return culprit_report(&k, &about, err);
}

ss_status denoise_check(pipeline *p, denoise_state *d, ss_error *err) {
    if (finite_first_bad(d->latents, denoise_state_floats(d)) < 0) return SS_OK;
    d->broken = 1;
    if (d->step == 0) return error_set(err, SS_ERR_INTERNAL, NULL, "the noise is not finite");
    return step_culprit(p, d, err);
}

/* ---- images ---- */

ss_status decode_culprit(pipeline *p, compute *c, const denoise_state *d, ss_error *err) {
    culprit k;
    arena_mark mark = arena_get_mark(c->scratch);
    culprit_listen(&k, c, p->vae);
    pipeline_decode(p, c, d);
    culprit_stop(&k);
    arena_release(c->scratch, mark);
    SS_TRY(compute_status(c, err));
    return culprit_report(
        &k,
        &(culprit_case){.what = "the values of the picture", .prefixes = PIPELINE_DECODER, .n_prefixes = DECODER_PARTS},
        err);
}
