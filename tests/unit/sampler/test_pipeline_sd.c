/* The pipeline of Stable Diffusion 1 and 2 on two tiny models, one like 1.5 and one like 2.1: images of diffusers,
 * sites, keys, refusals. What it shares with SDXL's is tested there. DATA: tests/data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "support/tiny_pipeline.h"
#include "support/resolved.h"

enum { SD15, SD21, KINDS };
static tiny_pipeline tiny[KINDS];

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static int set_up(void **state) {
    (void)state;
    return tiny_pipeline_make(&tiny[SD15], DATA, "tiny-sd15") || tiny_pipeline_make(&tiny[SD21], DATA, "tiny-sd21");
}

static int tear_down(void **state) {
    (void)state;
    for (int i = 0; i < KINDS; i++) tiny_pipeline_remove(&tiny[i]);
    return 0;
}

static void test_parity(void **state) {
    (void)state;
    tiny_pipeline_draws(&tiny[SD15], "pipeline_sd15", 6);
    tiny_pipeline_draws(&tiny[SD21], "pipeline_sd21", 3);
    tiny_pipeline_draws(&tiny[SD15], "latents_sd15", 1);
}

/* ---- what the pipeline says of itself ---- */

static void test_sites(void **state) {
    (void)state;
    static const struct {
        int blocks, heads;
        const char *first, *last;
    } expected[KINDS] = {{8, 2, "down_blocks.0.attentions.0.transformer_blocks.0.attn1",
                          "up_blocks.1.attentions.1.transformer_blocks.0.attn2"},
                         {8, 3, "down_blocks.0.attentions.0.transformer_blocks.0.attn1",
                          "up_blocks.1.attentions.1.transformer_blocks.0.attn2"}};
    for (int kind = 0; kind < KINDS; kind++) {
        ss_error err = {0};
        compute *c;
        pipeline *p = tiny_pipeline_open(&tiny[kind], &c, 1);
        pipeline_sites sites;
        attn_block site;
        assert_string_equal(pipeline_class(p), "StableDiffusionPipeline");
        const resolved_settings s = resolved(p, &(sample_settings){.guidance = NAN});
        assert_true(s.steps == 4 && s.width == 32 && s.height == 32 && s.max_text_tokens == 77);
        pipeline_sites_at(p, &s, &sites);
        assert_int_equal(sites.blocks, expected[kind].blocks);
        assert_int_equal(sites.heads, expected[kind].heads);
        assert_int_equal(sites.keys, 77);
        check(pipeline_site_at(p, &s, 0, &site, &err), &err);
        assert_string_equal(site.name, expected[kind].first);
        assert_int_equal(site.kind, ATTN_SELF);
        assert_int_equal(site.keys, 4 * 4);
        check(pipeline_site_at(p, &s, sites.blocks - 1, &site, &err), &err);
        assert_string_equal(site.name, expected[kind].last);
        assert_int_equal(site.kind, ATTN_CROSS);
        pipeline_close(p);
        compute_destroy(c);
    }
}

/* An empty negative prompt is read by the encoder: nothing is zeros here. */
static void test_keys(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p = tiny_pipeline_open(&tiny[SD15], &c, 1);
    const sample_settings s = {.guidance = NAN};
    embedding *e;
    check(pipeline_encode(p, RESOLVED(p, &s), "red circle", &e, &err), &err);
    assert_int_equal(embedding_keys(e), 77);
    assert_int_equal(embedding_key_classes(e, BRANCH_UNCOND)[0], KEY_START);
    assert_int_equal(embedding_key_classes(e, BRANCH_UNCOND)[1], KEY_END);
    assert_int_equal(embedding_key_classes(e, BRANCH_UNCOND)[2], KEY_PADDING);
    assert_string_equal(embedding_key_word(e, BRANCH_COND, 1), "red");
    embedding_free(e);
    pipeline_close(p);
    compute_destroy(c);
}

/* Work and memory are foretold, which takes a dry run without pooled text. */
static void test_cost(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p = tiny_pipeline_open(&tiny[SD21], &c, 1);
    const sample_settings s = {.guidance = NAN};
    pipeline_cost cost;
    check(pipeline_cost_of(p, RESOLVED(p, &s), 1, &cost, &err), &err);
    assert_true(cost.network_bytes > 100000 && cost.encoder_bytes > 0 && cost.decoder_bytes > 0);
    assert_true(cost.flops_encode > 0 && cost.flops_step > 0 && cost.flops_decode > 0);
    assert_true(cost.encode_scratch_bytes > 0 && cost.step_scratch_bytes > 0 && cost.decode_scratch_bytes > 0);
    assert_int_equal(cost.text_bytes, 88 + sizeof(float) * 77 * 32 + 64); /* header, states, checksum */
    pipeline_close(p);
    compute_destroy(c);
}

/* ---- refusals ---- */

static void test_settings_refused(void **state) {
    (void)state;
    static const tiny_setting cases[] = {
        {{.width = 36, .guidance = NAN}, "size 36 x 32; expected width and height to be multiples of 8"},
        {{.max_text_tokens = 256, .guidance = NAN}, "max_sequence_length is 256; expected 77, all that CLIP reads"},
        {{.sizes = {.given = 1u << CROP}, .guidance = NAN},
         "crop is given, which StableDiffusionPipeline does not tell its network; expected none of original-size, crop "
         "and target-size"},
    };
    compute *c;
    pipeline *p = tiny_pipeline_open(&tiny[SD15], &c, 1);
    tiny_pipeline_refuses_settings(p, cases, sizeof cases / sizeof cases[0]);
    pipeline_close(p);
    compute_destroy(c);
}

static void test_folders_refused(void **state) {
    (void)state;
    static const char index[] = "model_index.json";
    static const tiny_refusal cases[] = {
        {index, "StableDiffusionPipeline", "StableDiffusionInpaintPipeline", "/model_index.json",
         "_class_name is 'StableDiffusionInpaintPipeline' (a picture that is filled in), which is not supported; "
         "expected StableDiffusion3Pipeline, StableDiffusionXLPipeline or StableDiffusionPipeline"},
        {index, "StableDiffusionPipeline", "StableDiffusionXLPipeline", "/model_index.json",
         "text_encoder_2: expected [library, \"CLIPTextModelWithProjection\"], found no such component"},
        {index, "\"safety_checker\"", "\"controlnet\": [\"diffusers\", \"ControlNetModel\"], \"safety_checker\"",
         "/model_index.json", "controlnet: ControlNet is not supported; expected no such component"},
        {index, "\"unet\": [\n  \"diffusers\",\n  \"UNet2DConditionModel\"\n ]", "\"unet\": [null, null]",
         "/model_index.json", "unet: expected [library, \"UNet2DConditionModel\"], found no such component"},
        {"scheduler/scheduler_config.json", "\"skip_prk_steps\": true", "\"skip_prk_steps\": false",
         "/scheduler/scheduler_config.json", "skip_prk_steps is false; expected true"},
        {"scheduler/scheduler_config.json", "{", "[{", "/scheduler/scheduler_config.json", ""},
        {"vae/config.json", "\"scaling_factor\"", "\"latents_std\": [1, 1, 1], \"scaling_factor\"", "/vae/config.json",
         "latents_std: expected 4 numbers (at most 64), as latent_channels has, found 3"},
        {"text_encoder/config.json", "\"CLIPTextModel\"", "\"T5EncoderModel\"", "/text_encoder/config.json",
         "expected a CLIPTextModel, found a T5EncoderModel"},
    };
    tiny_pipeline_refuses(&tiny[SD15], cases, sizeof cases / sizeof cases[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity),
        cmocka_unit_test(test_sites),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_settings_refused),
        cmocka_unit_test(test_folders_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
