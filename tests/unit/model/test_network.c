/* Opening a component and running it by names: what is refused, and how it is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "model/mmdit.h"

static char folder[64], config_path[96], weights_path[96];
static compute *ctx;

static const char CONFIG[] =
    "{\"_class_name\": \"SD3Transformer2DModel\", \"sample_size\": 8, \"patch_size\": 2, \"in_channels\": 4, "
    "\"num_layers\": 2, \"attention_head_dim\": 8, \"num_attention_heads\": 2, \"joint_attention_dim\": 12, "
    "\"caption_projection_dim\": 16, \"pooled_projection_dim\": 6, \"out_channels\": null, \"pos_embed_max_size\": 4}";

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static int set_up(void **state) {
    (void)state;
    ss_error err;
    strcpy(folder, "/tmp/sinkscope-model-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(config_path, sizeof config_path, "%s/config.json", folder);
    snprintf(weights_path, sizeof weights_path, "%s/diffusion_pytorch_model.safetensors", folder);
    return compute_create(&ctx, "reference", 1, (size_t)1 << 28, &err) == SS_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    compute_destroy(ctx);
    remove(config_path);
    remove(weights_path);
    return rmdir(folder);
}

static void write_config(const char *json) {
    ss_error err = {0};
    check(file_write(config_path, json, strlen(json), &err), &err);
}

/* CONFIG with one member replaced or added. */
static void write_changed(const char *key, const char *value) {
    ss_error err = {0};
    json_t *json, *v = json_loads(value, JSON_DECODE_ANY, NULL);
    check(json_read_bytes(CONFIG, strlen(CONFIG), "CONFIG", &json, &err), &err);
    assert_int_equal(json_object_set_new(json, key, v), 0);
    char *s = json_dumps(json, 0);
    write_config(s);
    free(s);
    json_decref(json);
}

static void test_config_refused(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *message;
    } cases[] = {
        {"_class_name", "\"SD3Transformer2dModel\"",
         "unknown network 'SD3Transformer2dModel'; did you mean 'SD3Transformer2DModel'? (networks: "},
        {"qk_norm", "\"layer_norm\"", "qk_norm is 'layer_norm'; expected null or \"rms_norm\""},
        {"caption_projection_dim", "24",
         "caption_projection_dim is 24; expected 16, num_attention_heads 2 x attention_head_dim 8"},
        {"dual_attention_layers", "[0, 2]", "dual_attention_layers names block 2; expected 0 to 1 (num_layers 2)"},
        {"num_layers", "0", "num_layers is 0; expected "},
        {"patch_size", "\"2\"", "'patch_size' is a string; expected an integer"},
        {"pos_embed_max_size", "null", "pos_embed_max_size is null; expected the side of the position table"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        model *m;
        write_changed(cases[i].key, cases[i].value);
        assert_int_equal(model_open_config(&m, NULL, config_path, WEIGHTS_LIST, 0, &err), SS_ERR_INPUT);
        assert_null(m);
        assert_string_equal(err.where, config_path);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("expected '%s...', found '%s'", cases[i].message, err.message);
    }
    ss_error err = {0};
    model *m;
    write_config("{\"hidden_size\": 4}");
    assert_int_equal(model_open_config(&m, NULL, config_path, WEIGHTS_LIST, 0, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "expected \"_class_name\" or \"architectures\" to say which network this is, "
                                     "found neither");
}

/* A checkpoint of another width: the message of the design's example. */
static void test_misshapen(void **state) {
    (void)state;
    ss_error err = {0};
    model *m;
    write_config(CONFIG);
    check(model_open_config(&m, NULL, config_path, WEIGHTS_LIST, 0, &err), &err);
    check(weights_write_random(&m->set, 3, TENSOR_F32, 1, weights_path, &err), &err);
    model_close(m);
    check(model_open(&m, ctx, folder, NULL, &err), &err);
    assert_string_equal(m->net->about.name, "SD3Transformer2DModel");
    assert_int_equal(((const mmdit_config *)m->config)->out_channels, 4);
    model_close(m);
    write_changed("joint_attention_dim", "13");
    assert_int_equal(model_open(&m, ctx, folder, NULL, &err), SS_ERR_INPUT);
    char expected[256];
    const char *name = strrchr(folder, '/') + 1;
    snprintf(expected, sizeof expected,
             "context_embedder.weight has shape [16, 12]\n  expected [16, 13], from num_attention_heads 2 x "
             "attention_head_dim 8 and joint_attention_dim 13 in %s/config.json",
             name);
    assert_string_equal(err.where, weights_path);
    assert_string_equal(err.message, expected);
}

/* ---- inputs and hooks ---- */

static model *random_model(void) {
    ss_error err = {0};
    model *m;
    write_config(CONFIG);
    check(model_open_config(&m, ctx, config_path, WEIGHTS_RANDOM, 3, &err), &err);
    return m;
}

static void expect_refusal(const model *m, const model_arrays *in, const char *where, const char *message) {
    ss_error err = {0};
    model_arrays out = {0};
    assert_int_equal(model_forward(m, ctx, in, NULL, 0, &out, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, where);
    assert_string_equal(err.message, message);
    assert_int_equal(out.n, 0);
    assert_int_equal(arena_used(ctx->scratch), 0);
    model_arrays_free(&out);
}

static void test_inputs_refused(void **state) {
    (void)state;
    ss_error err = {0};
    model *m = random_model();
    model_arrays in = {0};
    check(m->net->example(m->config, &in, &err), &err);
    in.at[0].dim[2] = 3; /* of 4 rows; not a multiple of the patch */
    expect_refusal(m, &in, "",
                   "latents of 3 x 4; expected height and width to be multiples of 2 (patch_size) and at most 8 "
                   "(patch_size x pos_embed_max_size)");
    in.at[0].dim[2] = 4;
    in.at[1].dim[2] = 11;
    expect_refusal(m, &in, "encoder_hidden_states", "expected floats of shape [1, any, 12], found [1, 2, 11]");
    in.at[1].dim[2] = 12;
    strcpy(in.at[3].name, "timesteps");
    expect_refusal(m, &in, "timesteps",
                   "unknown input; did you mean 'timestep'? (inputs: hidden_states, encoder_hidden_states, "
                   "pooled_projections, timestep)");
    in.n = 3;
    expect_refusal(m, &in, "timestep", "expected floats of shape [1], found no such input");
    in.n = 4;
    model_arrays_free(&in);
    model_close(m);
}

static void test_taps(void **state) {
    (void)state;
    static const char *const some[] = {"pos_embed", "transformer_blocks.1.ff"}, *const wrong[] = {
                                                                                    "transformer_blocks.1.fff"};
    ss_error err = {0};
    model *m = random_model();
    model_arrays in = {0}, all = {0}, out = {0};
    check(m->net->example(m->config, &in, &err), &err);
    check(model_list_taps(m, &all, &err), &err);
    assert_string_equal(all.at[0].name, "pos_embed");
    assert_null(all.at[0].f32);
    check(model_forward(m, ctx, &in, some, 2, &out, &err), &err);
    assert_int_equal(out.n, 3);
    assert_string_equal(out.at[0].name, "sample");
    assert_string_equal(out.at[1].name, "pos_embed");
    assert_string_equal(out.at[2].name, "transformer_blocks.1.ff");
    model_arrays_free(&out);
    check(model_forward(m, ctx, &in, NULL, -1, &out, &err), &err);
    assert_int_equal(out.n, all.n + 1);
    for (int i = 0; i < all.n; i++) assert_string_equal(out.at[i + 1].name, all.at[i].name);
    model_arrays_free(&out);
    assert_int_equal(model_forward(m, ctx, &in, wrong, 1, &out, &err), SS_ERR_USAGE);
    assert_non_null(strstr(err.message, "SD3Transformer2DModel has no tap 'transformer_blocks.1.fff'; did you mean "
                                        "'transformer_blocks.1.ff'?"));
    model_arrays_free(&out);
    model_arrays_free(&all);
    model_arrays_free(&in);
    model_close(m);
}

/* Images are [B, C, H, W] outside and [B, H, W, C] inside, there and back. */
static void test_image_layout(void **state) {
    (void)state;
    ss_error err = {0};
    float host[2 * 3 * 4 * 5], inside[2 * 3 * 4 * 5];
    model_arrays out = {0};
    for (int i = 0; i < 120; i++) host[i] = (float)i;
    tensor t = model_upload_image(ctx, host, 2, 3, 4, 5);
    op_download(ctx, inside, t);
    assert_true(inside[1] == 20); /* second channel of the first pixel */
    check(model_arrays_add_tensor(&out, "x", ctx, t, &err), &err);
    assert_int_equal(out.at[0].dim[1], 3);
    assert_int_equal(out.at[0].dim[3], 5);
    assert_memory_equal(out.at[0].f32, host, sizeof host);
    model_arrays_free(&out);
    arena_release(ctx->scratch, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_config_refused), cmocka_unit_test(test_misshapen),
                                       cmocka_unit_test(test_inputs_refused), cmocka_unit_test(test_taps),
                                       cmocka_unit_test(test_image_layout)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
