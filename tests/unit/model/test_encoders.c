/* CLIP, T5 and the autoencoder: what config.json and inputs may not be, and how it is said; the names by which files
 * know their tensors; the hooks of a dry run. Configs are those of the parity cases. */
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
#include "io/safetensors.h"
#include "model/clip.h"
#include "model/t5.h"

static char folder[64], config_path[96];
static compute *ctx;

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static int set_up(void **state) {
    (void)state;
    ss_error err;
    strcpy(folder, "/tmp/sinkscope-model-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(config_path, sizeof config_path, "%s/config.json", folder);
    return compute_create(&ctx, "reference", 1, (size_t)1 << 28, &err) == SS_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    compute_destroy(ctx);
    remove(config_path);
    return rmdir(folder);
}

/* config.json of a parity case with the member at `path` ("text_config/hidden_size") replaced, or left as it is. */
static void write_config(const char *name, const char *path, const char *value) {
    ss_error err = {0};
    char from[512], part[64];
    json_t *json;
    snprintf(from, sizeof from, DATA "/%s/config.json", name);
    check(json_read_file(from, JSON_CONFIG_LIMIT, &json, &err), &err);
    json_t *at = json;
    for (const char *slash; path && (slash = strchr(path, '/')); path = slash + 1) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        at = json_object_get(at, part);
    }
    if (path) assert_int_equal(json_object_set_new(at, path, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    char *s = json_dumps(json, 0);
    check(file_write(config_path, s, strlen(s), &err), &err);
    free(s);
    json_decref(json);
}

static void test_config_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *key, *value, *message;
    } cases[] = {
        {"clip-text-quick", "hidden_size", "25", "hidden_size 25 is not a multiple of num_attention_heads 3"},
        {"clip-text-quick", "num_hidden_layers", "0", "num_hidden_layers is 0; expected a whole number from 1 to 1024"},
        {"clip-text-quick", "vocab_size", "1e3", "'vocab_size' is a number with a fraction; expected an integer"},
        {"clip-text-quick", "hidden_act", "\"gelo\"",
         "hidden_act: unknown activation 'gelo'; expected one of quick_gelu, gelu, "},
        {"clip-text-quick", "layer_norm_eps", "-1", "layer_norm_eps is -1; expected a number between 0 and 1"},
        {"clip-both", "vision_config/patch_size", "22", "patch_size 22 is larger than image_size 21"},
        {"clip-both", "text_config", "7", "'text_config' is "},
        {"t5-gated", "feed_forward_proj", "\"gated-selu\"", "feed_forward_proj: unknown activation 'selu'; expected "},
        {"t5-gated", "relative_attention_num_buckets", "3",
         "relative_attention_num_buckets is 3 and relative_attention_max_distance 128; expected at least 4 buckets"},
        {"t5-gated", "relative_attention_max_distance", "8",
         "relative_attention_num_buckets is 32 and relative_attention_max_distance 8; expected at least 4 buckets"},
        {"vae-sd3", "block_out_channels", "[]", "block_out_channels is empty"},
        {"vae-sd3", "block_out_channels", "[8, 12, 18]",
         "block_out_channels: 18 is not a multiple, up to 65536, of norm_num_groups 4"},
        {"vae-sd3", "up_block_types", "[\"UpDecoderBlock2D\"]",
         "up_block_types: expected 3 entries, as block_out_channels has, found 1"},
        {"vae-sd3", "down_block_types", "[\"DownEncoderBlock2D\", \"AttnDownEncoderBlock2D\", \"DownEncoderBlock2D\"]",
         "down_block_types: expected \"DownEncoderBlock2D\" in every entry, found \"AttnDownEncoderBlock2D\""},
        {"vae-sd3", "scaling_factor", "0", "scaling_factor is 0; expected "},
        {"vae-sd3", "use_quant_conv", "\"yes\"", "'use_quant_conv' is a string; expected "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        model *m;
        write_config(cases[i].name, cases[i].key, cases[i].value);
        if (model_open_config(&m, NULL, config_path, WEIGHTS_LIST, 0, &err) != SS_ERR_INPUT)
            fail_msg("%s %s was not refused", cases[i].key, cases[i].value);
        assert_null(m);
        assert_string_equal(err.where, config_path);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("expected '%s...', found '%s'", cases[i].message, err.message);
    }
}

static model *random_model(const char *name) {
    ss_error err = {0};
    model *m;
    write_config(name, NULL, NULL);
    check(model_open_config(&m, ctx, config_path, WEIGHTS_RANDOM, 3, &err), &err);
    return m;
}

static void expect_refusal(const char *name, const char *input, const int64_t *dim, int32_t id, const char *message) {
    ss_error err = {0};
    model *m = random_model(name);
    model_arrays in = {0}, out = {0};
    int ids = strcmp(input, "input_ids") == 0;
    model_array *a = model_arrays_add(&in, input, ids, ids ? 2 : 4, dim, &err);
    assert_non_null(a);
    if (ids) a->i32[model_array_elements(a) - 1] = id;
    assert_int_equal(model_forward(m, ctx, &in, NULL, 0, &out, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, input);
    assert_string_equal(err.message, message);
    assert_int_equal(arena_used(ctx->scratch), 0);
    model_arrays_free(&in);
    model_arrays_free(&out);
    model_close(m);
}

static void test_inputs_refused(void **state) {
    (void)state;
    expect_refusal("clip-text-quick", "input_ids", (int64_t[]){1, 12}, 0, "expected at most 11 tokens, found 12");
    expect_refusal("clip-text-quick", "input_ids", (int64_t[]){2, 3}, 97,
                   "expected ids from 0 to 96, found 97 at row 1");
    expect_refusal("t5-gated", "input_ids", (int64_t[]){1, 2}, -1, "expected ids from 0 to 60, found -1 at row 0");
    expect_refusal("clip-both", "pixel_values", (int64_t[]){1, 3, 21, 20}, 0,
                   "expected floats of shape [any, 3, 21, 21], found [1, 3, 21, 20]");
    expect_refusal("vae-sd3", "latents", (int64_t[]){1, 4, 2, 2}, 0,
                   "expected floats of shape [any, 5, any, any], found [1, 4, 2, 2]");
    expect_refusal("vae-sd3", "sample", (int64_t[]){1, 3, 9, 3}, 0, "expected at least 4 x 4 pixels, found 9 x 3");
    expect_refusal("vae-sd3", "samples", (int64_t[]){1, 3, 9, 9}, 0,
                   "unknown input; did you mean 'sample'? (inputs: latents, sample)");
}

/* Either input of a network that takes two is enough; none is not. */
static void test_one_of_two(void **state) {
    (void)state;
    static const char *const names[] = {"clip-both", "vae-quant"};
    for (int i = 0; i < 2; i++) {
        ss_error err = {0};
        model *m = random_model(names[i]);
        model_arrays in = {0}, none = {0}, out = {0};
        check(m->net->example(m->config, &in, &err), &err);
        in.n = 1;
        check(model_forward(m, ctx, &in, NULL, 0, &out, &err), &err);
        assert_int_equal(out.n, 1);
        in.n = 2;
        assert_int_equal(model_forward(m, ctx, &none, NULL, 0, &out, &err), SS_ERR_INPUT);
        assert_non_null(strstr(err.message, "found no such input"));
        model_arrays_free(&in);
        model_arrays_free(&out);
        model_close(m);
    }
}

/* ---- names of tensors in files ---- */

static float first_output(const model *m) {
    ss_error err = {0};
    model_arrays in = {0}, out = {0};
    check(m->net->example(m->config, &in, &err), &err);
    check(model_forward(m, ctx, &in, NULL, 0, &out, &err), &err);
    float value = out.at[0].f32[0];
    model_arrays_free(&in);
    model_arrays_free(&out);
    return value;
}

enum { MAX_TENSORS = 256 };

/* Write the random weights with one part of their names replaced, and with `extra` beside them; open the folder and
 * compare what the network makes of it. */
static void expect_opens(const char *name, const char *file_name, const char *from, const char *to,
                         const safetensors_output *extra) {
    ss_error err = {0};
    char path[128], renamed[MAX_TENSORS][128];
    safetensors_output out[MAX_TENSORS];
    model *m = random_model(name), *opened;
    int n = m->set.n;
    assert_true(n < MAX_TENSORS);
    for (int i = 0; i < n; i++) {
        const weight_item *item = &m->set.item[i];
        const char *hit = from ? strstr(item->name, from) : NULL;
        if (hit)
            snprintf(renamed[i], sizeof renamed[i], "%.*s%s%s", (int)(hit - item->name), item->name, to,
                     hit + strlen(from));
        else snprintf(renamed[i], sizeof renamed[i], "%s", item->name);
        out[i] = (safetensors_output){renamed[i], item->type, item->ndim, {0}, item->w->source.data};
        memcpy(out[i].shape, item->dim, sizeof out[i].shape);
    }
    if (extra) out[n++] = *extra;
    snprintf(path, sizeof path, "%s/%s", folder, file_name);
    check(safetensors_write(path, out, n, &err), &err);
    check(model_open(&opened, ctx, folder, NULL, &err), &err);
    assert_true(first_output(m) == first_output(opened));
    model_close(opened);
    model_close(m);
    remove(path);
}

static void test_names_in_files(void **state) {
    (void)state;
    static const char model_file[] = "model.safetensors", vae_file[] = "diffusion_pytorch_model.safetensors";
    static const int64_t positions[11] = {0};
    static const float numbers[1] = {0};
    const safetensors_output position_ids = {
        "text_model.embeddings.position_ids", CHECKPOINT_I64, 2, {1, 11}, positions};
    const safetensors_output logit_scale = {"logit_scale", CHECKPOINT_F32, 0, {0}, numbers};
    expect_opens("clip-text-quick", model_file, NULL, NULL, &position_ids);
    expect_opens("clip-both", model_file, NULL, NULL, &logit_scale);
    expect_opens("clip-text-quick", model_file, "text_model.", "", NULL);
    expect_opens("t5-gated", model_file, "shared.weight", "encoder.embed_tokens.weight", NULL);
    expect_opens("vae-quant", vae_file, ".to_q.", ".query.", NULL);
    expect_opens("vae-quant", vae_file, ".to_out.0.", ".proj_attn.", NULL);
}

/* A CLIPConfig may hold the parts under older names, which then count. */
static void test_old_clip_config(void **state) {
    (void)state;
    ss_error err = {0};
    model *m;
    write_config("clip-both", "vision_config_dict",
                 "{\"hidden_size\": 6, \"intermediate_size\": 5, \"num_hidden_layers\": 1, "
                 "\"num_attention_heads\": 2, \"image_size\": 8, \"patch_size\": 4}");
    check(model_open_config(&m, NULL, config_path, WEIGHTS_LIST, 0, &err), &err);
    for (int i = 0; i < m->set.n; i++)
        if (strcmp(m->set.item[i].name, "vision_model.embeddings.position_embedding.weight") == 0) {
            assert_int_equal(m->set.item[i].dim[0], 5);
            assert_int_equal(m->set.item[i].dim[1], 6);
        }
    model_close(m);
}

/* Log variances stay within -30 .. 20, as DiagonalGaussianDistribution has them. */
static void test_logvar_clamped(void **state) {
    (void)state;
    ss_error err = {0};
    model *m;
    model_arrays in = {0}, out = {0};
    write_config("vae-quant", NULL, NULL);
    check(model_open_config(&m, NULL, config_path, WEIGHTS_RANDOM, 3, &err), &err);
    for (int i = 0; i < m->set.n; i++)
        if (strcmp(m->set.item[i].name, "quant_conv.bias") == 0) {
            float *bias = m->set.item[i].w->source.data; /* 4 means, 4 log variances */
            bias[4] = 100;
            bias[5] = -100;
            bias[6] = 15;
        }
    m->packed_for = ctx;
    weights_pack(&m->set, ctx);
    check(m->net->example(m->config, &in, &err), &err);
    check(model_forward(m, ctx, &in, NULL, 0, &out, &err), &err);
    const model_array *logvar = &out.at[2];
    assert_string_equal(logvar->name, "logvar");
    int64_t pixels = logvar->dim[2] * logvar->dim[3];
    assert_true(logvar->f32[0] == 20 && logvar->f32[pixels] == -30);
    assert_true(logvar->f32[2 * pixels] > 5 && logvar->f32[2 * pixels] < 20);
    model_arrays_free(&in);
    model_arrays_free(&out);
    model_close(m);
}

/* A dry run meets the hooks of a real one, and takes at least the scratch that the cpu backend will. */
static void test_dry(void **state) {
    (void)state;
    static const char *const names[] = {"clip-text-gelu", "clip-both", "t5-gated", "vae-sd3"};
    for (int i = 0; i < 4; i++) {
        ss_error err = {0};
        compute *dry, *cpu;
        model *m = random_model(names[i]);
        model_arrays in = {0}, listed = {0}, out = {0};
        check(m->net->example(m->config, &in, &err), &err);
        check(model_list_taps(m, &listed, &err), &err);
        check(model_forward(m, ctx, &in, NULL, -1, &out, &err), &err);
        int outputs = out.n - listed.n;
        assert_true(listed.n > 0 && outputs > 0);
        for (int j = 0; j < listed.n; j++) assert_string_equal(listed.at[j].name, out.at[outputs + j].name);
        model_arrays_free(&out);
        model_close(m);
        check(compute_create(&dry, "dry", 2, (size_t)1 << 30, &err), &err);
        check(compute_create(&cpu, "cpu", 2, (size_t)1 << 30, &err), &err);
        check(model_open_config(&m, cpu, config_path, WEIGHTS_RANDOM, 3, &err), &err);
        check(model_forward(m, dry, &in, NULL, 0, &out, &err), &err);
        check(model_forward(m, cpu, &in, NULL, 0, &out, &err), &err);
        assert_true(dry->flops > 0 && dry->flops == cpu->flops);
        assert_true(arena_peak(cpu->scratch) <= arena_peak(dry->scratch));
        model_arrays_free(&out);
        model_arrays_free(&listed);
        model_arrays_free(&in);
        model_close(m);
        compute_destroy(dry);
        compute_destroy(cpu);
    }
}

/* A text encoder by whichever way: [batch, tokens, width] and [batch, pooled] (CLIP alone). */
static void encode(const model *m, compute *c, int streamed, const int32_t *ids, int64_t batch, int64_t tokens,
                   float *states, float *pooled) {
    ss_error err = {0};
    arena_mark mark = arena_get_mark(c->scratch);
    if (strcmp(m->net->about.name, "T5EncoderModel") == 0) {
        op_download(c, states,
                    streamed ? t5_forward_streamed(c, m, ids, batch, tokens)
                             : t5_forward(c, m->config, m->weights, ids, batch, tokens));
    } else {
        clip_text_output out;
        if (streamed) clip_text_forward_streamed(c, m, ids, batch, tokens, &out);
        else clip_text_forward(c, m->config, m->weights, ids, batch, tokens, &out);
        op_download(c, states, out.penultimate);
        op_download(c, pooled, out.pooled);
    }
    arena_release(c->scratch, mark);
    check(compute_status(c, &err), &err);
}

/* Streamed, block by block and some sequences at a time, an encoder gives the same bits; its weights are in memory one
 * block at a time and not at all afterwards. */
static void test_streamed(void **state) {
    (void)state;
    enum { BATCH = 300, TOKENS = 7, WIDEST = 64 };
    static const char *const names[] = {"t5-gated", "clip-text-gelu", "clip-text-quick"};
    static float expected[BATCH * TOKENS * WIDEST], found[BATCH * TOKENS * WIDEST], pooled[2][BATCH * WIDEST];
    static int32_t ids[BATCH * TOKENS];
    for (int i = 0; i < BATCH * TOKENS; i++) ids[i] = i * 7 % 40;
    for (int i = 0; i < 3; i++) {
        ss_error err = {0};
        compute *c, *other;
        model *packed, *bare;
        write_config(names[i], NULL, NULL);
        check(compute_create(&c, "cpu", 2, (size_t)1 << 30, &err), &err);
        check(compute_create(&other, "cpu", 1, (size_t)1 << 30, &err), &err);
        check(model_open_config(&packed, other, config_path, WEIGHTS_RANDOM, 3, &err), &err);
        check(model_open_config(&bare, NULL, config_path, WEIGHTS_RANDOM, 3, &err), &err);
        memset(expected, 0, sizeof expected);
        memset(found, 0, sizeof found);
        memset(pooled, 0, sizeof pooled);
        encode(packed, other, 0, ids, BATCH, TOKENS, expected, pooled[0]);
        encode(bare, c, 1, ids, BATCH, TOKENS, found, pooled[1]);
        assert_memory_equal(found, expected, sizeof expected);
        assert_memory_equal(pooled[1], pooled[0], sizeof pooled[0]);
        assert_int_equal(c->packed_bytes, 0);
        assert_true(c->packed_peak > 0 && c->packed_peak < weights_packed_bytes(&bare->set, c));
        model_close(bare);
        model_close(packed);
        compute_destroy(c);
        compute_destroy(other);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_config_refused),  cmocka_unit_test(test_inputs_refused),
                                       cmocka_unit_test(test_one_of_two),      cmocka_unit_test(test_names_in_files),
                                       cmocka_unit_test(test_old_clip_config), cmocka_unit_test(test_logvar_clamped),
                                       cmocka_unit_test(test_streamed),        cmocka_unit_test(test_dry)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
