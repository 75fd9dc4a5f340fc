/* See drawing.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "support/drawing.h"
#include "support/resolved.h"
#include "tests/support/values.h"

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

drawing drawing_make(pipeline *p, const sample_settings *s, const char *prompt, uint64_t seed, attn_run *run) {
    ss_error err = {0};
    embedding *e;
    denoise_state *d;
    const resolved_settings full = resolved(p, s);
    check(pipeline_encode(p, &full, prompt, &e, &err), &err);
    check(denoise_begin(&d, p, &full, e, seed, run, &err), &err);
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

static const checkpoint_entry *find(const checkpoint *file, const char *name, const char *part) {
    char full[64];
    snprintf(full, sizeof full, "%s/%s", name, part);
    const checkpoint_entry *e = checkpoint_find(file, full);
    if (!e) fail_msg("no %s in the vectors", full);
    return e;
}

void drawing_compare(const drawing *d, const checkpoint *file, const char *name) {
    const checkpoint_entry *e = find(file, name, "latents");
    assert_int_equal(e->count, d->elements * d->steps);
    const float *expected = values_of(e);
    double worst = 0, square = 0;
    for (int64_t i = 0; i < e->count; i++) {
        double x = (double)expected[i], difference = fabs(x - (double)d->latents[i]);
        square += x * x;
        if (!(difference <= worst)) worst = difference;
    }
    worst /= sqrt(square / (double)e->count);
    if (!(worst <= 2e-4)) fail_msg("%s: latents %.3g x rms off; expected at most 2e-4", name, worst);
    e = find(file, name, "picture");
    assert_int_equal(e->shape[0], d->picture.height);
    assert_int_equal(e->shape[1], d->picture.width);
    const uint8_t *pixels = values_of(e);
    int64_t near = 0, equal = 0;
    for (int64_t i = 0; i < e->count; i++) {
        near += abs(pixels[i] - d->picture.rgb[i]) <= 1;
        equal += pixels[i] == d->picture.rgb[i];
    }
    if (near * 1000 < e->count * 999 || equal * 100 < e->count * 99)
        fail_msg("%s: of %lld values %lld within 1, %lld equal", name, (long long)e->count, (long long)near,
                 (long long)equal);
    print_message("%s: latents to %.2g x rms, of %lld values %lld within 1, %lld equal\n", name, worst,
                  (long long)e->count, (long long)near, (long long)equal);
}
