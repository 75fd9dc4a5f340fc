/* The SD3 pipeline on the tiny model: images of diffusers, bits that nothing sways, refusals, cost. DATA: tests/data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/json.h"
#include "io/checkpoint.h"
#include "sampler/pipeline.h"
#include "support/drawing.h"
#include "support/tiny_model.h"
#include "support/resolved.h"
#include "text/tokenizer.h"

static char folder[64];

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static int set_up(void **state) {
    (void)state;
    ss_error err = {0};
    strcpy(folder, "/tmp/sinkscope-tiny-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    return tiny_model_make(DATA, "tiny-sd3", folder, &err) == SS_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    tiny_model_remove(folder);
    return 0;
}

/* Replace `from` by `to` in a file of the model, or put it back where `from` is NULL. */
static void edit_file(const char *name, const char *from, const char *to) {
    ss_error err = {0};
    check(tiny_model_edit(DATA, "tiny-sd3", folder, name, from, to, &err), &err);
}

/* ---- parity ---- */

static void parity_case(compute *c, const json_t *one, const checkpoint *file, const pipeline_rules *rules) {
    ss_error err = {0};
    const char *name = json_string_value(json_object_get(one, "name"));
    pipeline *p;
    if (strncmp(name, "without-t5", 10) == 0)
        edit_file("model_index.json", "\"text_encoder_3\": [\n  \"transformers\",\n  \"T5EncoderModel\"\n ]",
                  "\"text_encoder_3\": [null, null]");
    if (strcmp(name, "dynamic") == 0)
        edit_file("scheduler/scheduler_config.json", "\"shift\": 3.0", "\"use_dynamic_shifting\": true");
    if (strcmp(name, "shift-alone") == 0) /* the others are not for this pipeline */
        edit_file("vae/config.json", "\"shift_factor\": 0.07",
                  "\"shift_factor\": 0.375, \"latents_mean\": [0.5, -0.25, 0.125, 1.5], "
                  "\"latents_std\": [1.25, 0.75, 2.0, 0.5]");
    check(pipeline_open_parts(&p, c, folder, &(model_parts){.rules = *rules}, &err), &err);
    edit_file("vae/config.json", NULL, NULL);
    edit_file("model_index.json", NULL, NULL);
    edit_file("scheduler/scheduler_config.json", NULL, NULL);
    sample_settings s = {.width = (int)json_integer_value(json_object_get(one, "width")),
                         .height = (int)json_integer_value(json_object_get(one, "height")),
                         .steps = (int)json_integer_value(json_object_get(one, "steps")),
                         .guidance = json_number_value(json_object_get(one, "guidance")),
                         .negative = json_string_value(json_object_get(one, "negative")),
                         .max_text_tokens = (int)json_integer_value(json_object_get(one, "tokens"))};
    uint64_t seed = strtoull(json_string_value(json_object_get(one, "seed")), NULL, 10);
    drawing d = drawing_make(p, &s, json_string_value(json_object_get(one, "prompt")), seed, NULL);
    drawing_compare(&d, file, name);
    drawing_free(&d);
    pipeline_close(p);
}

static void compare_cases(const char *name, size_t n, const pipeline_rules *rules) {
    ss_error err = {0};
    json_t *cases;
    checkpoint *file;
    compute *c;
    char path[256];
    snprintf(path, sizeof path, DATA "/sampler/%s.json", name);
    check(json_read_file(path, JSON_CONFIG_LIMIT, &cases, &err), &err);
    snprintf(path, sizeof path, DATA "/sampler/%s.safetensors", name);
    check(checkpoint_open(&file, path, &err), &err);
    check(compute_create(&c, "cpu", 2, (size_t)1 << 30, &err), &err);
    assert_int_equal(json_array_size(cases), n);
    for (size_t i = 0; i < json_array_size(cases); i++) parity_case(c, json_array_get(cases, i), file, rules);
    compute_destroy(c);
    checkpoint_close(file);
    json_decref(cases);
}

/* By diffusers 0.35: without T5 as many zeros as CLIP has tokens. */
static void test_parity(void **state) {
    (void)state;
    const pipeline_rules older = pipeline_rules_older();
    compare_cases("pipeline", 5, &older);
}

/* By diffusers 0.42: as many as max-text-tokens. */
static void test_parity_today(void **state) {
    (void)state;
    const pipeline_rules today = {0};
    compare_cases("latents_sd3", 3, &today);
}

/* What applied is written in words, and read; what is not written is the older rule. */
static void test_rules(void **state) {
    (void)state;
    ss_error err = {0};
    pipeline_rules r = {0}, read;
    text words = {0};
    json_t *o = pipeline_rules_write(&r);
    assert_string_equal(json_string_value(json_object_get(o, "t5-zeros")), "max-text-tokens");
    assert_string_equal(json_string_value(json_object_get(o, "tokenizer")), "transformers-5");
    check(pipeline_rules_read(o, "manifest.json", &read, &err), &err);
    assert_memory_equal(read.word, r.word, sizeof r.word);
    assert_true(read.asked[RULE_TOKENIZER]); /* by the store */
    json_decref(o);
    check(pipeline_rules_read(NULL, "manifest.json", &read, &err), &err);
    assert_int_equal(read.word[RULE_T5_ZEROS], RULE_OLDER);
    assert_int_equal(read.word[RULE_TOKENIZER], TOKENIZER_TRANSFORMERS_4);
    o = pipeline_rules_write(&read);
    assert_string_equal(json_string_value(json_object_get(o, "t5-zeros")), "clip");
    json_object_set_new(o, "t5-zeros", json_string("many"));
    assert_int_equal(pipeline_rules_read(o, "manifest.json", &read, &err), SS_ERR_INPUT);
    json_object_set_new(o, "t5-zeros", json_integer(3));
    assert_int_equal(pipeline_rules_read(o, "manifest.json", &read, &err), SS_ERR_INPUT);
    json_decref(o);
    pipeline_rules_add_words(&r, &words);
    assert_int_equal(words.len, 0);
    r = pipeline_rules_older();
    pipeline_rules_add_words(&r, &words);
    assert_non_null(strstr(words.s, ", t5-zeros: clip"));
    assert_non_null(strstr(words.s, ", tokenizer: transformers-4"));
    text_free(&words);
}

/* A model's own rules are where none is given, and are no words of an image's parameters. */
static void test_own_rules(void **state) {
    (void)state;
    static const struct {
        const char *file, *message;
    } bad[] = {{"{\"tokenizer\": \"transformers-3\"}", "transformers-5|transformers-4"},
               {"{\"tokenizer\": 4}", "tokenizer is"},
               {"{\"tokeniser\": \"transformers-4\"}", "unknown key 'tokeniser'"}};
    char path[512];
    ss_error err = {0};
    pipeline_rules r = {0};
    text words = {0};
    snprintf(path, sizeof path, "%s/rules.json", folder);
    check(pipeline_rules_take_folder(&r, folder, &err), &err); /* no file: nothing */
    assert_int_equal(r.word[RULE_TOKENIZER], RULE_TODAY);
    check(file_write(path, "{\"tokenizer\": \"transformers-4\"}", 31, &err), &err);
    check(pipeline_rules_take_folder(&r, folder, &err), &err);
    assert_int_equal(r.word[RULE_TOKENIZER], TOKENIZER_TRANSFORMERS_4);
    assert_int_equal(r.word[RULE_T5_ZEROS], RULE_TODAY);
    pipeline_rules_add_words(&r, &words);
    assert_int_equal(words.len, 0);
    r = (pipeline_rules){0};
    pipeline_rules_ask(&r, RULE_TOKENIZER, &(option_value){.is_set = 1, .word = TOKENIZER_TRANSFORMERS_5});
    check(pipeline_rules_take_folder(&r, folder, &err), &err);
    assert_int_equal(r.word[RULE_TOKENIZER], TOKENIZER_TRANSFORMERS_5);
    r = (pipeline_rules){0};
    pipeline_rules_ask(&r, RULE_TOKENIZER, &(option_value){.word = TOKENIZER_TRANSFORMERS_5}); /* an option's default */
    check(pipeline_rules_take_folder(&r, folder, &err), &err);
    assert_int_equal(r.word[RULE_TOKENIZER], TOKENIZER_TRANSFORMERS_4);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check(file_write(path, bad[i].file, strlen(bad[i].file), &err), &err);
        assert_int_equal(pipeline_rules_take_folder(&r, folder, &err), SS_ERR_INPUT);
        assert_string_equal(err.where, path);
        assert_non_null(strstr(err.message, bad[i].message));
    }
    remove(path);
}

/* Another scheduler over the model's settings, forced upon it or not. */
static void test_other_schedulers(void **state) {
    (void)state;
    ss_error err = {0};
    json_t *cases;
    checkpoint *file;
    compute *c;
    pipeline *p;
    check(json_read_file(DATA "/sampler/pipeline_sd3_schedulers.json", JSON_CONFIG_LIMIT, &cases, &err), &err);
    check(checkpoint_open(&file, DATA "/sampler/pipeline_sd3_schedulers.safetensors", &err), &err);
    check(compute_create(&c, "cpu", 2, (size_t)1 << 30, &err), &err);
    check(pipeline_open(&p, c, folder, NULL, &err), &err);
    assert_int_equal(json_array_size(cases), 6);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        const char *asked = json_string_value(json_object_get(one, "asked"));
        sample_settings s = {.steps = (int)json_integer_value(json_object_get(one, "steps")),
                             .guidance = json_number_value(json_object_get(one, "guidance")),
                             .scheduler = asked};
        uint64_t seed = strtoull(json_string_value(json_object_get(one, "seed")), NULL, 10);
        drawing d = drawing_make(p, &s, json_string_value(json_object_get(one, "prompt")), seed, NULL);
        drawing_compare(&d, file, json_string_value(json_object_get(one, "name")));
        drawing_free(&d);
        const resolved_settings full = resolved(p, &s);
        assert_int_equal(pipeline_scheduler_forced(p, &full), strstr(asked, "force") != NULL);
        assert_memory_equal(pipeline_scheduler_name(p, &full), asked, strlen(pipeline_scheduler_name(p, &full)));
        if (!strstr(asked, "force")) continue;
        *strstr((char *)(uintptr_t)asked, ", force") = 0;
        assert_int_equal(settings_resolve(p, &s, &(resolved_settings){0}, &err), SS_ERR_INPUT);
    }
    pipeline_close(p);
    compute_destroy(c);
    checkpoint_close(file);
    json_decref(cases);
}

/* Noise of a card: another image, of the same distribution; the same again. */
static void test_noise_of_cards(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p = NULL;
    check(compute_create(&c, "cpu", 2, (size_t)1 << 30, &err), &err);
    check(pipeline_open(&p, c, folder, NULL, &err), &err);
    sample_settings cpu = {.guidance = NAN}, card = {.guidance = NAN, .noise = TORCH_A6000};
    drawing a = drawing_make(p, &cpu, "a star", 3, NULL), b = drawing_make(p, &card, "a star", 3, NULL),
            again = drawing_make(p, &card, "a star", 3, NULL);
    size_t size = (size_t)(a.picture.width * a.picture.height * 3);
    assert_memory_not_equal(a.picture.rgb, b.picture.rgb, size);
    assert_memory_equal(b.picture.rgb, again.picture.rgb, size);
    drawing_free(&a);
    drawing_free(&b);
    drawing_free(&again);
    pipeline_close(p);
    compute_destroy(c);
}

/* ---- bits ---- */

static pipeline *open_on(compute **c, int threads) {
    ss_error err = {0};
    pipeline *p;
    check(compute_create(c, "cpu", threads, (size_t)1 << 30, &err), &err);
    check(pipeline_open(&p, *c, folder, NULL, &err), &err);
    return p;
}

/* Threads, company in the batch and a fork on the way change no bit. */
static void test_bits(void **state) {
    (void)state;
    enum { STATES = 3, STEPS = 4 };
    static const char *const prompts[STATES] = {"a red circle", "two green squares and a star", ""};
    ss_error err = {0};
    const sample_settings s[STATES] = {{.guidance = NAN}, {.guidance = 1}, {.guidance = 6}};
    drawing alone[STATES] = {0};
    compute *c;
    pipeline *p = open_on(&c, 1);
    for (int i = 0; i < STATES; i++) alone[i] = drawing_make(p, &s[i], prompts[i], 7u + (unsigned)i, NULL);
    pipeline_close(p);
    compute_destroy(c);

    p = open_on(&c, 3);
    embedding *e[STATES];
    denoise_state *d[STATES + 1];
    for (int i = 0; i < STATES; i++) {
        check(pipeline_encode(p, RESOLVED(p, &s[i]), prompts[i], &e[i], &err), &err);
        check(denoise_begin(&d[i], p, RESOLVED(p, &s[i]), e[i], 7u + (unsigned)i, NULL, &err), &err);
    }
    check(denoise_step(p, &d[0], 1, &err), &err); /* the first one is a step ahead */
    check(denoise_fork(&d[STATES], d[0], NULL, &err), &err);
    for (int step = 1; step < STEPS; step++) check(denoise_step(p, d, STATES + 1, &err), &err);
    for (int i = 1; i < STATES; i++) check(denoise_step(p, &d[i], 1, &err), &err);
    for (int i = 0; i <= STATES; i++) {
        const drawing *expected = &alone[i % STATES];
        float *latents = calloc((size_t)expected->elements, sizeof *latents);
        rgb_image picture = {0};
        assert_non_null(latents);
        check(denoise_latents(p, d[i], latents, &err), &err);
        assert_memory_equal(latents, expected->latents + (STEPS - 1) * expected->elements,
                            (size_t)expected->elements * sizeof *latents);
        check(denoise_decode(p, d[i], &picture, &err), &err);
        assert_memory_equal(picture.rgb, expected->picture.rgb, (size_t)(picture.width * picture.height * 3));
        rgb_image_free(&picture);
        free(latents);
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

/* ---- keys, cost ---- */

static void test_keys(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p = open_on(&c, 1);
    const sample_settings s = {.negative = "grey", .width = 24, .guidance = NAN};
    pipeline_sites sites;
    embedding *e;
    pipeline_sites_at(p, RESOLVED(p, &s), &sites);
    assert_int_equal(sites.blocks, 3);
    assert_int_equal(sites.heads, 3);
    assert_int_equal(sites.keys, 12 + 77 + 24);
    assert_int_equal(sites.n_segments, 3);
    assert_int_equal(sites.segment[0].length, 12);
    assert_int_equal(sites.segment[0].grid_width, 3);
    assert_string_equal(sites.segment[1].name, "clip");
    assert_int_equal(sites.segment[2].start, 12 + 77);
    check(pipeline_encode(p, RESOLVED(p, &s), "red circle", &e, &err), &err);
    const uint8_t *cond = embedding_key_classes(e, BRANCH_COND), *uncond = embedding_key_classes(e, BRANCH_UNCOND);
    assert_int_equal(cond[11], KEY_IMAGE);
    assert_int_equal(cond[12], KEY_START);
    assert_int_equal(cond[13], KEY_WORD);
    assert_int_equal(cond[12 + 76], KEY_PADDING);
    assert_int_equal(cond[12 + 77], KEY_WORD); /* T5 has no start */
    assert_int_equal(uncond[12 + 77 + 23], KEY_PADDING);
    assert_string_equal(embedding_key_word(e, BRANCH_COND, 0), "");
    assert_string_equal(embedding_key_word(e, BRANCH_COND, 12), "");
    assert_string_equal(embedding_key_word(e, BRANCH_COND, 13), "red");
    assert_string_equal(embedding_key_word(e, BRANCH_COND, 12 + 77), "red");
    assert_string_equal(embedding_key_word(e, BRANCH_UNCOND, 13), "grey");
    assert_string_equal(embedding_key_word(e, BRANCH_COND, 12 + 77 + 23), "");
    embedding_free(e);
    pipeline_close(p);
    compute_destroy(c);
}

static void check_peaks(pipeline *p, compute *c, const sample_settings *s, const pipeline_cost *cost) {
    ss_error err = {0};
    embedding *e;
    denoise_state *d;
    rgb_image picture = {0};
    compute_reset_peak(c);
    check(pipeline_encode(p, RESOLVED(p, s), "", &e, &err), &err);
    assert_true(compute_peak(c) <= cost->encode_scratch_bytes);
    check(denoise_begin(&d, p, RESOLVED(p, s), e, 1, NULL, &err), &err);
    compute_reset_peak(c);
    check(denoise_step(p, &d, 1, &err), &err);
    assert_true(compute_peak(c) <= cost->step_scratch_bytes);
    compute_reset_peak(c);
    check(denoise_decode(p, d, &picture, &err), &err);
    assert_true(compute_peak(c) <= cost->decode_scratch_bytes);
    if (!getenv("SS_BACKEND")) /* another takes what operations need elsewhere */
        assert_int_equal(compute_peak(c), cost->decode_scratch_bytes);
    rgb_image_free(&picture);
    denoise_free(d);
    embedding_free(e);
}

/* The dry run's work is that of a real image, and so are its peaks: to the byte when the image is decoded, in which
 * nothing is measured; a plain step takes less, since the dry run has counted the largest edit. */
static void test_cost(void **state) {
    (void)state;
    for (int side = 48; side <= 72; side += 24) {
        ss_error err = {0};
        compute *c;
        pipeline *p = open_on(&c, 1);
        const sample_settings s = {.width = side, .height = side == 72 ? side : 0, .steps = 2, .guidance = NAN};
        pipeline_cost cost;
        check(pipeline_cost_of(p, RESOLVED(p, &s), 1, &cost, &err), &err);
        assert_true(cost.network_bytes > 100000 && cost.decoder_bytes > 10000 && cost.encoder_bytes > 1000);
        assert_true(cost.flops_encode > 0 && cost.flops_decode > 0 && cost.flops_encode == 2 * cost.flops_text);
        assert_int_equal(c->packed_bytes, 0); /* a dry run packs nothing */
        c->flops = 0;
        drawing d = drawing_make(p, &s, "", 1, NULL);
        assert_true(fabs(c->flops - (cost.flops_encode + 2 * cost.flops_step + cost.flops_decode)) < 1);
        assert_int_equal(c->packed_bytes, cost.network_bytes + cost.decoder_bytes);
        check_peaks(p, c, &s, &cost);
        drawing_free(&d);
        pipeline_close(p);
        compute_destroy(c);
    }
}

/* ---- refusals ---- */

static void test_settings_refused(void **state) {
    (void)state;
    static const struct {
        sample_settings s;
        const char *message;
    } cases[] = {
        {{.width = 36, .guidance = NAN}, "size 36 x 32; expected width and height to be multiples of 8 and at most 72"},
        {{.height = 80, .guidance = NAN},
         "size 32 x 80; expected width and height to be multiples of 8 and at most 72"},
        {{.width = -8, .guidance = NAN}, "size -8 x 32; expected width and height to be multiples of 8 and at most 72"},
        {{.steps = -1, .guidance = NAN}, "steps is -1; expected 1 to 1024"},
        {{.guidance = INFINITY}, "guidance is not a number below 1e6"},
        {{.max_text_tokens = 513, .guidance = NAN}, "max_sequence_length is 513; expected 2 to 512"},
        {{.sizes = {.given = 1u << TARGET_SIZE}, .guidance = NAN},
         "target-size is given, which StableDiffusion3Pipeline does not tell its network; expected none of "
         "original-size, crop and target-size"},
    };
    compute *c;
    pipeline *p = open_on(&c, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        resolved_settings s;
        assert_int_equal(settings_resolve(p, &cases[i].s, &s, &err), SS_ERR_INPUT);
        assert_string_equal(err.message, cases[i].message);
    }
    const resolved_settings s = resolved(p, &(sample_settings){.guidance = NAN});
    assert_true(s.steps == 4 && s.guidance == 3.5 && s.width == 32 && s.max_text_tokens == 24);
    assert_string_equal(s.negative, "");
    const resolved_settings none = resolved(p, &(sample_settings){.guidance = 0}); /* not the default */
    assert_true(none.guidance == 0);
    const sample_settings again = settings_asked(&s); /* what is resolved stays as it is */
    const resolved_settings same = resolved(p, &again);
    assert_true(same.steps == s.steps && same.guidance == s.guidance && same.width == s.width &&
                same.height == s.height && same.max_text_tokens == s.max_text_tokens && same.negative == s.negative);
    pipeline_close(p);
    compute_destroy(c);
}

/* One file of the model changed; `where` is the end of the error's place. */
static void test_folders_refused(void **state) {
    (void)state;
    static const struct {
        const char *file, *from, *to, *where, *message;
    } cases[] = {
        {"model_index.json", "StableDiffusion3Pipeline", "StableDiffusion3Pipelin", "/model_index.json",
         "unknown pipeline 'StableDiffusion3Pipelin'; did you mean 'StableDiffusion3Pipeline'?"},
        {"model_index.json", "\"vae\"", "\"wae\"", "/model_index.json",
         "vae: expected [library, \"AutoencoderKL\"], found no such component"},
        {"sinkscope.json", "guidance", "guidence", "/sinkscope.json",
         "unknown key 'guidence'; did you mean 'guidance'? (keys: steps, guidance, width, height, "
         "max_sequence_length)"},
        {"sinkscope.json", "\"width\": 32", "\"width\": 20", "/sinkscope.json",
         "size 20 x 32; expected width and height to be multiples of 8 and at most 72"},
        {"sinkscope.json", "\"steps\": 4", "\"steps\": 0", "/sinkscope.json",
         "steps, width, height and max_sequence_length: expected 1 to 1048576, found 0"},
        {"transformer/config.json", "\"pooled_projection_dim\": 22", "\"pooled_projection_dim\": 23",
         "/transformer/diffusion_pytorch_model.safetensors",
         "time_text_embed.text_embedder.linear_1.weight has shape [24, 22]\n  expected [24, 23], from "
         "num_attention_heads 3 x attention_head_dim 8 and pooled_projection_dim 23 in transformer/config.json"},
        {"scheduler/scheduler_config.json", "FlowMatchEulerDiscreteScheduler", "EulerDiscreteScheduler",
         "/scheduler/scheduler_config.json",
         "EulerDiscreteScheduler is set to prediction_type epsilon; the model predicts a flow: expected "
         "FlowMatchEulerDiscreteScheduler, or use_flow_sigmas true and prediction_type flow_prediction"},
        {"text_encoder/config.json", "CLIPTextModelWithProjection", "T5EncoderModel", "/text_encoder", ""},
    };
    ss_error err = {0};
    compute *c;
    check(compute_create(&c, "cpu", 1, (size_t)1 << 28, &err), &err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pipeline *p;
        edit_file(cases[i].file, cases[i].from, cases[i].to);
        assert_int_equal(pipeline_open(&p, c, folder, NULL, &err), SS_ERR_INPUT);
        edit_file(cases[i].file, NULL, NULL);
        assert_null(p);
        if (!strstr(err.where, cases[i].where)) fail_msg("expected %s, found %s", cases[i].where, err.where);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("expected '%s', found '%s'", cases[i].message, err.message);
    }
    pipeline *p;
    assert_int_equal(pipeline_open(&p, c, "/nonexistent/model", NULL, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "expected a model's folder or file, found nothing");
    assert_int_equal(pipeline_open(&p, c, DATA, NULL, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "expected a model in diffusers' format, found no model_index.json in the folder");
    compute_destroy(c);
}

/* The stop flag ends a step with its own status, and nothing is leaked or left in scratch. */
static void test_interrupted(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    pipeline *p = open_on(&c, 1);
    const sample_settings s = {.guidance = NAN};
    volatile sig_atomic_t stop = 0;
    embedding *e;
    denoise_state *d;
    c->stop = &stop;
    check(pipeline_encode(p, RESOLVED(p, &s), "", &e, &err), &err);
    check(denoise_begin(&d, p, RESOLVED(p, &s), e, 0, NULL, &err), &err);
    stop = 1;
    assert_int_equal(denoise_step(p, &d, 1, &err), SS_ERR_INTERRUPTED);
    assert_int_equal(denoise_step_number(d), 0);
    assert_int_equal(arena_used(c->scratch), 0);
    embedding *none;
    assert_int_equal(pipeline_encode(p, RESOLVED(p, &s), "", &none, &err), SS_ERR_INTERRUPTED);
    assert_null(none);
    denoise_free(d);
    embedding_free(e);
    pipeline_close(p);
    compute_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity),
        cmocka_unit_test(test_parity_today),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_own_rules),
        cmocka_unit_test(test_other_schedulers),
        cmocka_unit_test(test_noise_of_cards),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_settings_refused),
        cmocka_unit_test(test_folders_refused),
        cmocka_unit_test(test_interrupted),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
