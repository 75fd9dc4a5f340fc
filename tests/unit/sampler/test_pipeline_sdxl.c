/* The SDXL pipeline on the tiny model: images of diffusers, bits that nothing sways, sites, refusals, cost. DATA:
 * tests/data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/drawing.h"
#include "support/tiny_pipeline.h"
#include "support/resolved.h"

static const char SCHEDULER[] = "scheduler/scheduler_config.json";
static tiny_pipeline tiny;

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static int set_up(void **state) {
    (void)state;
    return tiny_pipeline_make(&tiny, DATA, "tiny-sdxl");
}

static int tear_down(void **state) {
    (void)state;
    tiny_pipeline_remove(&tiny);
    return 0;
}

static void test_parity(void **state) {
    (void)state;
    tiny_pipeline_draws(&tiny, "pipeline_sdxl", 12);
    tiny_pipeline_draws(&tiny, "latents_sdxl", 3);
    tiny_pipeline_draws(&tiny, "pipeline_schedulers", 16);
}

/* ---- bits ---- */

/* Whether a state that is done is the image that was drawn alone, bit by bit. */
static void assert_same(pipeline *p, denoise_state *d, const drawing *alone) {
    ss_error err = {0};
    float *latents = calloc((size_t)alone->elements, sizeof *latents);
    rgb_image picture = {0};
    assert_non_null(latents);
    check(denoise_latents(p, d, latents, &err), &err);
    assert_memory_equal(latents, drawing_last(alone), (size_t)alone->elements * sizeof *latents);
    check(denoise_decode(p, d, &picture, &err), &err);
    assert_memory_equal(picture.rgb, alone->picture.rgb, (size_t)(picture.width * picture.height * 3));
    rgb_image_free(&picture);
    free(latents);
}

/* Threads, company in the batch and a fork on the way change no bit, whatever the scheduler remembers. */
static void bits_under(const char *scheduler) {
    enum { STATES = 3, STEPS = 6 };
    static const char *const prompts[STATES] = {"a red circle", "two green squares and a star", ""};
    ss_error err = {0};
    const sample_settings s[STATES] = {{.guidance = NAN, .steps = STEPS},
                                       {.guidance = 1, .steps = STEPS},
                                       {.guidance = 6, .negative = "grey", .steps = STEPS}};
    drawing alone[STATES] = {0};
    compute *c;
    tiny_pipeline_change_scheduler(&tiny, scheduler);
    pipeline *p = tiny_pipeline_open(&tiny, &c, 1);
    for (int i = 0; i < STATES; i++) alone[i] = drawing_make(p, &s[i], prompts[i], 7u + (unsigned)i, NULL);
    pipeline_close(p);
    compute_destroy(c);

    p = tiny_pipeline_open(&tiny, &c, 3);
    tiny_pipeline_restore(&tiny);
    embedding *e[STATES];
    denoise_state *d[STATES + 1];
    for (int i = 0; i < STATES; i++) {
        check(pipeline_encode(p, RESOLVED(p, &s[i]), prompts[i], &e[i], &err), &err);
        check(denoise_begin(&d[i], p, RESOLVED(p, &s[i]), e[i], 7u + (unsigned)i, NULL, &err), &err);
    }
    for (int step = 0; step < 3; step++) check(denoise_step(p, &d[0], 1, &err), &err); /* steps ahead of the others */
    check(denoise_fork(&d[STATES], d[0], NULL, &err), &err);
    for (int step = 3; step < STEPS; step++) check(denoise_step(p, d, STATES + 1, &err), &err);
    for (int step = 3; step < STEPS; step++) check(denoise_step(p, &d[1], STATES - 1, &err), &err);
    for (int i = 0; i <= STATES; i++) {
        assert_int_equal(denoise_step_number(d[i]), STEPS);
        assert_same(p, d[i], &alone[i % STATES]);
        denoise_free(d[i]);
    }
    assert_int_equal(arena_used(c->scratch), 0);
    for (int i = 0; i < STATES; i++) {
        embedding_free(e[i]);
        drawing_free(&alone[i]);
    }
    pipeline_close(p);
    compute_destroy(c);
}

static void test_bits(void **state) {
    (void)state;
    bits_under("{}");
    bits_under("{\"_class_name\": \"DPMSolverMultistepScheduler\"}");
    bits_under("{\"_class_name\": \"PNDMScheduler\"}");
    bits_under("{\"_class_name\": \"HeunDiscreteScheduler\"}");
    bits_under("{\"_class_name\": \"UniPCMultistepScheduler\"}");
    bits_under("{\"_class_name\": \"EulerAncestralDiscreteScheduler\"}");
    bits_under("{\"_class_name\": \"DPMSolverSDEScheduler\"}");
}

/* ---- sites, keys, cost ---- */

/* What the pipeline says of every site is what attention sees there. */
static void test_sites(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p = tiny_pipeline_open(&tiny, &c, 1);
    const sample_settings s = {.width = 40, .height = 24, .steps = 1, .guidance = NAN};
    pipeline_sites sites;
    attn_block site;
    pipeline_sites_at(p, RESOLVED(p, &s), &sites);
    assert_int_equal(sites.blocks, 22);
    assert_int_equal(sites.heads, 3);
    assert_int_equal(sites.keys, 77);
    assert_int_equal(sites.n_segments, 0);
    check(pipeline_site_at(p, RESOLVED(p, &s), 0, &site, &err), &err);
    assert_string_equal(site.name, "down_blocks.1.attentions.0.transformer_blocks.0.attn1");
    assert_int_equal(site.kind, ATTN_SELF);
    assert_int_equal(site.keys, 5 * 3); /* the latents, 10 x 6, halved */
    assert_int_equal(site.segment[0].kind, SEGMENT_IMAGE);
    assert_int_equal(site.segment[0].grid_width, 5);
    check(pipeline_site_at(p, RESOLVED(p, &s), 21, &site, &err), &err);
    assert_string_equal(site.name, "up_blocks.1.attentions.1.transformer_blocks.0.attn2");
    assert_int_equal(site.kind, ATTN_CROSS);
    assert_int_equal(site.heads, 2);
    assert_string_equal(site.segment[0].name, "clip");
    assert_int_equal(site.segment[0].length, 77);
    assert_int_equal(pipeline_site_at(p, RESOLVED(p, &s), 22, &site, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "block 22; expected 0 to 21");

    attn_run *run;
    const attn_measure measure = {.n_probes = 1, .probe = {ATTN_PROBES[0]}, .r = 5, .keep_masses = 1};
    const attn_stream_name name = {1, 2, 3, 4};
    const attn_shape shape = {1, sites.blocks, sites.heads, sites.keys};
    check(attn_run_create(&run, NULL, &measure, &name, shape, &err), &err);
    drawing d = drawing_make(p, &s, "a star", 1, run);
    for (int block = 0; block < sites.blocks; block++) {
        attn_shape own = attn_run_block_shape(run, block);
        check(pipeline_site_at(p, RESOLVED(p, &s), block, &site, &err), &err);
        assert_int_equal(own.heads, site.heads);
        assert_int_equal(own.keys, site.keys);
        const float *mass = attn_run_masses(run, 0, block, site.heads - 1, BRANCH_UNCOND);
        assert_non_null(mass);
        double sum = 0;
        for (int j = 0; j < site.keys; j++) sum += (double)mass[j];
        assert_true(fabs(sum - 1) < 1e-4);
    }
    /* without a negative prompt the unconditional text is zeros, so that no key of it is like another's sink */
    const float *flat = attn_run_masses(run, 0, 1, 0, BRANCH_UNCOND);
    for (int j = 0; j < 77; j++) assert_true(fabs((double)flat[j] - 1.0 / 77) < 1e-5);
    drawing_free(&d);
    attn_run_destroy(run);
    pipeline_close(p);
    compute_destroy(c);
}

static void test_keys(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p = tiny_pipeline_open(&tiny, &c, 1);
    embedding *e;
    sample_settings s = {.negative = "grey", .guidance = NAN};
    check(pipeline_encode(p, RESOLVED(p, &s), "red circle", &e, &err), &err);
    const uint8_t *cond = embedding_key_classes(e, BRANCH_COND), *uncond = embedding_key_classes(e, BRANCH_UNCOND);
    assert_int_equal(cond[0], KEY_START);
    assert_int_equal(cond[1], KEY_WORD);
    assert_int_equal(cond[76], KEY_PADDING);
    assert_int_equal(uncond[0], KEY_START);
    assert_string_equal(embedding_key_word(e, BRANCH_COND, 1), "red");
    assert_string_equal(embedding_key_word(e, BRANCH_UNCOND, 1), "grey");
    embedding_free(e);
    s.width = s.height = 80; /* more keys of image than of text: 20 x 20 latents, halved */
    pipeline_sites sites;
    pipeline_sites_at(p, RESOLVED(p, &s), &sites);
    assert_int_equal(sites.keys, 100);
    check(pipeline_encode(p, RESOLVED(p, &s), "red circle", &e, &err), &err);
    assert_int_equal(embedding_key_classes(e, BRANCH_UNCOND)[1], KEY_WORD);
    assert_int_equal(embedding_key_classes(e, BRANCH_UNCOND)[76], KEY_PADDING);
    for (int j = 77; j < sites.keys; j++) assert_int_equal(embedding_key_classes(e, BRANCH_UNCOND)[j], KEY_IMAGE);
    assert_string_equal(embedding_key_word(e, BRANCH_COND, sites.keys - 1), "");
    embedding_free(e);
    s.negative = ""; /* zeros: no encoder has seen these tokens */
    check(pipeline_encode(p, RESOLVED(p, &s), "red circle", &e, &err), &err);
    for (int j = 0; j < 77; j++) assert_int_equal(embedding_key_classes(e, BRANCH_UNCOND)[j], KEY_PADDING);
    assert_string_equal(embedding_key_word(e, BRANCH_UNCOND, 1), "");
    embedding_free(e);
    pipeline_close(p);
    compute_destroy(c);
}

/* The dry run foretells the work of every call, and the peak of scratch. */
static void test_cost(void **state) {
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        ss_error err = {0};
        compute *c;
        if (twice) tiny_pipeline_change_scheduler(&tiny, "{\"_class_name\": \"PNDMScheduler\"}");
        pipeline *p = tiny_pipeline_open(&tiny, &c, 1);
        tiny_pipeline_restore(&tiny);
        const sample_settings s = {.width = 48, .steps = 2, .guidance = NAN, .negative = "a"};
        pipeline_cost cost;
        check(pipeline_cost_of(p, RESOLVED(p, &s), 1, &cost, &err), &err);
        assert_true(cost.network_bytes > 100000 && cost.flops_encode > 0 && cost.flops_decode > 0);
        arena_reset_peak(c->scratch);
        c->flops = 0;
        drawing d = drawing_make(p, &s, "", 1, NULL);
        size_t most = cost.encode_scratch_bytes;
        if (cost.step_scratch_bytes > most) most = cost.step_scratch_bytes;
        if (cost.decode_scratch_bytes > most) most = cost.decode_scratch_bytes;
        assert_true(compute_peak(c) <= most);
        double calls = twice ? 3 : 2, expected = cost.flops_encode + calls * cost.flops_step + cost.flops_decode;
        assert_true(fabs(c->flops - expected) < 1);
        drawing_free(&d);
        pipeline_close(p);
        compute_destroy(c);
    }
}

/* ---- refusals ---- */

static void test_settings_refused(void **state) {
    (void)state;
    static const tiny_setting cases[] = {
        {{.width = 34, .guidance = NAN}, "size 34 x 32; expected width and height to be multiples of 4"},
        {{.height = -4, .guidance = NAN}, "size 32 x -4; expected width and height to be multiples of 4"},
        {{.steps = 1001, .guidance = NAN}, "steps is 1001; expected at most 1000, since the model has 1000"},
        {{.max_text_tokens = 256, .guidance = NAN}, "max_sequence_length is 256; expected 77, all that CLIP reads"},
        {{.sizes = {.given = 1u << CROP, .down = {[CROP] = -1}}, .guidance = NAN},
         "crop is 0x-1; expected 0 to 65536 pixels"},
    };
    compute *c;
    pipeline *p = tiny_pipeline_open(&tiny, &c, 1);
    tiny_pipeline_refuses_settings(p, cases, sizeof cases / sizeof cases[0]);
    const resolved_settings s = resolved(p, &(sample_settings){.guidance = NAN});
    assert_true(s.steps == 4 && s.guidance == 5 && s.width == 32 && s.height == 32 && s.max_text_tokens == 77);
    pipeline_close(p);
    compute_destroy(c);
}

static void test_folders_refused(void **state) {
    (void)state;
    static const char index[] = "model_index.json";
    static const tiny_refusal cases[] = {
        {index, "StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "/model_index.json",
         "_class_name is 'StableDiffusionXLImg2ImgPipeline' (SDXL's refiner, or another start from a picture), which "
         "is not supported; expected StableDiffusion3Pipeline, StableDiffusionXLPipeline or StableDiffusionPipeline"},
        {index, "StableDiffusionXLPipeline", "StableDiffusionXLControlNetPipeline", "/model_index.json",
         "_class_name is 'StableDiffusionXLControlNetPipeline' (an image from a prompt and a control picture), which "
         "is not supported; expected StableDiffusion3Pipeline, StableDiffusionXLPipeline or StableDiffusionPipeline"},
        {index, "StableDiffusionXLPipeline", "StableDiffusionXLInpaintPipeline", "/model_index.json",
         "_class_name is 'StableDiffusionXLInpaintPipeline' (a picture that is filled in), which is not supported; "
         "expected StableDiffusion3Pipeline, StableDiffusionXLPipeline or StableDiffusionPipeline"},
        {index, "StableDiffusionXLPipeline", "StableDiffusionXLPipelin", "/model_index.json",
         "unknown pipeline 'StableDiffusionXLPipelin'; did you mean 'StableDiffusionXLPipeline'?"},
        {index, "\"force_zeros_for_empty_prompt\": true", "\"requires_aesthetics_score\": true", "/model_index.json",
         "requires_aesthetics_score is true: SDXL's refiner, which is not supported; expected the base model"},
        {index, "\"image_encoder\"", "\"controlnet\": [\"diffusers\", \"ControlNetModel\"], \"image_encoder\"",
         "/model_index.json", "controlnet: ControlNet is not supported; expected no such component"},
        {index, "\"text_encoder\": [\n  \"transformers\",\n  \"CLIPTextModel\"\n ]", "\"text_encoder\": [null, null]",
         "/model_index.json", "text_encoder: expected [library, \"CLIPTextModel\"], found no such component"},
        {SCHEDULER, "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler", "/scheduler/scheduler_config.json",
         "'FlowMatchEulerDiscreteScheduler' is no scheduler for this model; expected EulerDiscreteScheduler, "
         "EulerAncestralDiscreteScheduler, "},
        {SCHEDULER, "\"linear\"", "\"log_linear\"", "/scheduler/scheduler_config.json",
         "interpolation_type is 'log_linear'; expected linear"},
        {"sinkscope.json", "\"steps\": 4", "\"clip_skip\": 1", "/sinkscope.json",
         "unknown key 'clip_skip' (keys: steps, guidance, width, height, max_sequence_length)"},
        {"sinkscope.json", "\"steps\": 4", "\"steps\": 1200", "/sinkscope.json",
         "steps is 1200; expected at most 1000, since the model has 1000"},
        {"vae/config.json", "\"scaling_factor\"", "\"latents_mean\": [0, 0, null, 0], \"scaling_factor\"",
         "/vae/config.json", "latents_mean: expected numbers, found null"},
        {"text_encoder/config.json", "CLIPTextModel", "AutoencoderKL", "/text_encoder/config.json",
         "expected a CLIPTextModel, found a AutoencoderKL"},
        {"text_encoder_2/config.json", "\"hidden_size\": 20", "\"hidden_size\": 24", "", ""},
    };
    tiny_pipeline_refuses(&tiny, cases, sizeof cases / sizeof cases[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_sites),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_settings_refused),
        cmocka_unit_test(test_folders_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
