/* An image whose numbers are not finite is found after its step, the place is named, and nobody beside it is touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/pipeline_row.h"
#include "support/tiny_pipeline.h"
#include "support/resolved.h"

enum { STEPS = 4 };

static tiny_pipeline made;

static int setup(void **state) {
    (void)state;
    return tiny_pipeline_make(&made, DATA, "tiny-sd3");
}

static int teardown(void **state) {
    (void)state;
    tiny_pipeline_remove(&made);
    return 0;
}

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static void must_say(const ss_error *err, const char *where, const char *words) {
    if (!strstr(err->where, where)) fail_msg("expected at '%s', found '%s'", where, err->where);
    if (!strstr(err->message, words)) fail_msg("expected '%s', found '%s'", words, err->message);
}

/* Two images at once; before the third step the latents of the second become huge. */
static void only_the_lost_image_is_lost(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p = tiny_pipeline_open(&made, &c, 1);
    const sample_settings s = {.guidance = 5, .steps = STEPS};
    embedding *e;
    denoise_state *d[2], *alone;
    rgb_image picture = {0}, expected = {0};
    check(pipeline_encode(p, RESOLVED(p, &s), "a red star", &e, &err), &err);
    check(denoise_begin(&d[0], p, RESOLVED(p, &s), e, 1, NULL, &err), &err);
    check(denoise_begin(&d[1], p, RESOLVED(p, &s), e, 2, NULL, &err), &err);
    check(denoise_begin(&alone, p, RESOLVED(p, &s), e, 1, NULL, &err), &err);
    for (int step = 0; step < 2; step++) {
        check(denoise_step(p, d, 2, &err), &err);
        for (int i = 0; i < 2; i++) check(denoise_check(p, d[i], &err), &err);
    }
    for (int64_t i = 0; i < denoise_latent_elements(d[1]); i++) d[1]->latents[i] = 3.4e38f;
    check(denoise_step(p, d, 2, &err), &err);
    check(denoise_check(p, d[0], &err), &err);
    assert_false(denoise_is_broken(d[0]));
    assert_int_equal(denoise_check(p, d[1], &err), SS_ERR_INPUT);
    assert_true(denoise_is_broken(d[1]));
    must_say(&err, "/transformer", "the latents after step 3 of 4 are not finite. The first such values are in ");
    must_say(&err, "/transformer", "pos_embed, branches cond and uncond; the network's weights are finite");
    assert_int_equal(denoise_step_number(d[1]), 3); /* looking again changes nothing */
    check(denoise_step(p, d, 1, &err), &err);
    for (int step = 0; step < STEPS; step++) check(denoise_step(p, &alone, 1, &err), &err);
    check(denoise_decode(p, d[0], &picture, &err), &err);
    check(denoise_decode(p, alone, &expected, &err), &err);
    assert_memory_equal(picture.rgb, expected.rgb, 3 * (size_t)picture.width * (size_t)picture.height);
    assert_memory_equal(d[0]->latents, alone->latents, sizeof(float) * (size_t)denoise_latent_elements(alone));
    assert_null(c->tap);
    rgb_image_free(&picture);
    rgb_image_free(&expected);
    denoise_free(d[0]);
    denoise_free(d[1]);
    denoise_free(alone);
    embedding_free(e);
    pipeline_close(p);
    compute_destroy(c);
}

/* No step of the network, but what the guidance makes of it. */
static void guidance_is_named(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p = tiny_pipeline_open(&made, &c, 1);
    const sample_settings s = {.guidance = 5, .steps = STEPS};
    embedding *e;
    denoise_state *d;
    check(pipeline_encode(p, RESOLVED(p, &s), "a red star", &e, &err), &err);
    check(denoise_begin(&d, p, RESOLVED(p, &s), e, 1, NULL, &err), &err);
    check(denoise_step(p, &d, 1, &err), &err);
    d->settings.guidance = 1e39;
    check(denoise_step(p, &d, 1, &err), &err);
    assert_int_equal(denoise_check(p, d, &err), SS_ERR_INPUT);
    must_say(&err, "/transformer", "the latents after step 2 of 4 are not finite. The network's output is finite");
    must_say(&err, "/transformer", "ask for a lower guidance");
    denoise_free(d);
    embedding_free(e);
    pipeline_close(p);
    compute_destroy(c);
}

static const void *row(const void *rows, size_t size, int n, const char *name) {
    ss_error err = {0};
    const void *found = entry_find(rows, size, n, "row", name, NULL, &err);
    assert_non_null(found);
    return found;
}

/* Values of the largest keys become noise beyond float32: the model alone is sound, and is said to be. */
static void intervention_is_to_blame(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p = tiny_pipeline_open(&made, &c, 1);
    const sample_settings s = {.guidance = 5, .steps = STEPS};
    const attn_measure measure = {.r = 5};
    const attn_stream_name name = {.image_seed = 1};
    attn_program program = {.n = 1};
    attn_intervention *v = &program.intervention[0];
    pipeline_sites sites;
    embedding *e;
    attn_run *run;
    denoise_state *d;
    pipeline_sites_at(p, RESOLVED(p, &s), &sites);
    v->selector = row(ATTN_SELECTORS, ENTRY_POINTERS, ATTN_SELECTOR_COUNT, "top");
    v->edit = row(ATTN_EDITS, ENTRY_POINTERS, ATTN_EDIT_COUNT, "noise");
    v->edit_options[0].number = 3e38;
    v->k = 4;
    v->branches = 1u << BRANCH_UNCOND;
    bits_set(&v->blocks, 1);
    bits_set(&v->steps, 1);
    for (int i = 0; i < sites.heads; i++) bits_set(&v->heads, i);
    check(pipeline_encode(p, RESOLVED(p, &s), "a red star", &e, &err), &err);
    check(attn_run_create(&run, &program, &measure, &name, (attn_shape){STEPS, sites.blocks, sites.heads, sites.keys},
                          &err),
          &err);
    check(denoise_begin(&d, p, RESOLVED(p, &s), e, 1, run, &err), &err);
    check(denoise_step(p, &d, 1, &err), &err);
    check(denoise_check(p, d, &err), &err);
    check(denoise_step(p, &d, 1, &err), &err);
    assert_int_equal(denoise_check(p, d, &err), SS_ERR_INPUT);
    must_say(&err, "/transformer", "the latents after step 2 of 4 are not finite");
    must_say(&err, "/transformer", "The first such values are in transformer_blocks.1.attn, branch uncond");
    must_say(&err, "/transformer", "without the intervention this step gives finite latents");
    denoise_free(d);
    attn_run_destroy(run);
    embedding_free(e);
    pipeline_close(p);
    compute_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_lost_image_is_lost),
        cmocka_unit_test(guidance_is_named),
        cmocka_unit_test(intervention_is_to_blame),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
