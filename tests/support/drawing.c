/* See drawing.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "support/drawing.h"

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

drawing drawing_make(pipeline *p, const sample_settings *s, const char *prompt, uint64_t seed, attn_run *run) {
    ss_error err = {0};
    embedding *e;
    denoise_state *d;
    sample_settings full = *s;
    check(pipeline_defaults(p, &full, &err), &err);
    check(pipeline_encode(p, s, prompt, &e, &err), &err);
    check(denoise_begin(&d, p, s, e, seed, run, &err), &err);
    drawing out = {.elements = denoise_latent_elements(d), .steps = full.steps};
    out.latents = calloc((size_t)(out.elements * out.steps), sizeof *out.latents);
    assert_non_null(out.latents);
    for (int i = 0; i < out.steps; i++) {
        assert_int_equal(denoise_step_number(d), i);
        check(denoise_step(p, &d, 1, &err), &err);
        check(denoise_latents(p, d, out.latents + i * out.elements, &err), &err);
    }
    check(denoise_decode(p, d, &out.picture, &err), &err);
    denoise_free(d);
    embedding_free(e);
    return out;
}

void drawing_free(drawing *d) {
    free(d->latents);
    rgb_image_free(&d->picture);
    *d = (drawing){0};
}
