/* The U-Net: what its config.json and inputs may not be, and how it is said; the numbers of published networks; its
 * attention calls by number and name; scratch memory of a dry run. DATA: tests/data/model. */
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
#include "model/unet.h"

static char folder[64], config_path[96];
static compute *ctx;

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static int set_up(void **state) {
    (void)state;
    ss_error err;
    strcpy(folder, "/tmp/sinkscope-unet-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(config_path, sizeof config_path, "%s/config.json", folder);
    return compute_create(&ctx, "cpu", 2, (size_t)1 << 28, &err) == SS_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    compute_destroy(ctx);
    remove(config_path);
    return rmdir(folder);
}

static void write_text(const char *s) {
    ss_error err = {0};
    check(file_write(config_path, s, strlen(s), &err), &err);
}

/* config.json of a parity case with a member replaced. */
static void write_config(const char *name, const char *key, const char *value) {
    ss_error err = {0};
    char from[512];
    json_t *json;
    snprintf(from, sizeof from, DATA "/%s/config.json", name);
    check(json_read_file(from, JSON_CONFIG_LIMIT, &json, &err), &err);
    assert_int_equal(json_object_set_new(json, key, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    char *s = json_dumps(json, 0);
    write_text(s);
    free(s);
    json_decref(json);
}

static model *open_case(const char *name, compute *c, weight_mode mode) {
    ss_error err = {0};
    char path[512];
    model *m;
    snprintf(path, sizeof path, DATA "/%s/config.json", name);
    check(model_open_config(&m, c, path, mode, 1, &err), &err);
    return m;
}

/* ---- configs ---- */

static void configs_are_refused_by_key(void **state) {
    (void)state;
    static const struct {
        const char *name, *key, *value, *message;
    } cases[] = {
        {"unet-sdxl", "class_embed_type", "\"timestep\"",
         "class_embed_type is \"timestep\"; expected null: class embeddings are not supported"},
        {"unet-sdxl", "num_class_embeds", "10",
         "num_class_embeds is 10; expected null: class embeddings are not "
         "supported"},
        {"unet-sdxl", "attention_type", "\"gated\"",
         "attention_type is \"gated\"; expected \"default\": layers of gated attention (GLIGEN) are not supported"},
        {"unet-sdxl", "encoder_hid_dim_type", "\"ip_image_proj\"",
         "encoder_hid_dim_type is \"ip_image_proj\"; expected null: projections of the text (adapters, Kandinsky) are "
         "not supported"},
        {"unet-sdxl", "time_cond_proj_dim", "256",
         "time_cond_proj_dim is 256; expected null: embeddings of the guidance scale (distilled models) are not "
         "supported"},
        {"unet-sdxl", "center_input_sample", "true",
         "center_input_sample is true; expected false: centred samples are not supported"},
        {"unet-sdxl", "dual_cross_attention", "true",
         "dual_cross_attention is true; expected false: two cross-attentions side by side are not supported"},
        {"unet-sdxl", "only_cross_attention", "[false, true, false]",
         "only_cross_attention is [false,true,false]; expected false: blocks without self-attention are not supported"},
        {"unet-sdxl", "only_cross_attention", "true",
         "only_cross_attention is true; expected false: blocks without self-attention are not supported"},
        {"unet-sdxl", "resnet_time_scale_shift", "\"scale_shift\"",
         "resnet_time_scale_shift is \"scale_shift\"; expected \"default\": scale and shift by the time embedding are "
         "not supported"},
        {"unet-sdxl", "mid_block_scale_factor", "1.5",
         "mid_block_scale_factor is 1.5; expected 1: scaled residuals are not supported"},
        {"unet-sdxl", "addition_embed_type", "\"image\"", "addition_embed_type is image; expected null or text_time"},
        {"unet-sdxl", "addition_time_embed_dim", "null", "'addition_time_embed_dim' is null; expected an integer"},
        {"unet-sdxl", "projection_class_embeddings_input_dim", "36",
         "projection_class_embeddings_input_dim is 36; expected a whole number from 37 to 8388608"},
        {"unet-sdxl", "down_block_types", "[\"DownBlock2D\", \"AttnDownBlock2D\", \"DownBlock2D\"]",
         "down_block_types[1] is AttnDownBlock2D; expected DownBlock2D or CrossAttnDownBlock2D"},
        {"unet-sdxl", "up_block_types", "[\"UpBlock2D\", 3, \"UpBlock2D\"]",
         "up_block_types[1] is an integer; expected UpBlock2D or CrossAttnUpBlock2D"},
        {"unet-sdxl", "up_block_types", "[\"UpBlock2D\"]",
         "up_block_types: expected 3 entries, as block_out_channels has, found 1"},
        {"unet-sdxl", "mid_block_type", "\"UNetMidBlock2DSimpleCrossAttn\"",
         "mid_block_type is UNetMidBlock2DSimpleCrossAttn; expected UNetMidBlock2DCrossAttn, UNetMidBlock2D or null"},
        {"unet-sdxl", "block_out_channels", "[8, 16, 18]",
         "block_out_channels: 18 is not a multiple, from 2 to 8192, of norm_num_groups 4"},
        {"unet-sdxl", "block_out_channels", "[]", "block_out_channels is empty; expected at least one number"},
        {"unet-sdxl", "norm_num_groups", "null", "norm_num_groups is null; expected the groups of the norms"},
        {"unet-sdxl", "attention_head_dim", "[1, 2]",
         "attention_head_dim: expected 3 entries, as block_out_channels has, found 2"},
        {"unet-sdxl", "attention_head_dim", "17",
         "attention_head_dim is 17 heads for a block of 16 channels; expected heads of 1 to 1024 channels"},
        {"unet-sdxl", "block_out_channels", "[8, 4096, 24]",
         "attention_head_dim is 2 heads for a block of 4096 channels; expected heads of 1 to 1024 channels"},
        {"unet-sdxl", "attention_head_dim", "0", "attention_head_dim is 0; expected a whole number from 1 to 256"},
        {"unet-sdxl", "num_attention_heads", "[1, 40, 3]",
         "num_attention_heads is 40 heads for a block of 16 channels; expected heads of 1 to 1024 channels"},
        {"unet-sdxl", "layers_per_block", "16", "layers_per_block is 16; expected a whole number from 1 to 15"},
        {"unet-sdxl", "transformer_layers_per_block", "[0, 1]",
         "transformer_layers_per_block: expected 3 entries, as block_out_channels has, found 2"},
        {"unet-sdxl", "transformer_layers_per_block", "[0, [1, 2], 1]",
         "transformer_layers_per_block has a list for block 1; expected reverse_transformer_layers_per_block beside "
         "it, for the blocks on the way up"},
        {"unet-sdxl", "transformer_layers_per_block", "[0, 1, \"two\"]",
         "transformer_layers_per_block: expected a whole number of layers for transformer 0 of a block, found a "
         "string"},
        {"unet-sdxl", "transformer_layers_per_block", "12",
         "transformer_layers_per_block makes 264 attention calls; expected at most 256"},
        {"unet-nested", "reverse_transformer_layers_per_block", "[[1, 0], 1]",
         "reverse_transformer_layers_per_block: expected a whole number of layers for transformer 2 of a block, found "
         "nothing"},
        {"unet-nested", "reverse_transformer_layers_per_block", "2",
         "reverse_transformer_layers_per_block: expected a list, found an integer"},
        {"unet-uneven", "cross_attention_dim", "[6, 6, 7]",
         "cross_attention_dim: expected one width of text for all blocks, found 6, 7"},
        {"unet-uneven", "freq_shift", "5", "freq_shift is 5; expected a number from 0 to below 5, half of the waves"},
        {"unet-uneven", "conv_in_kernel", "4", "conv_in_kernel is 4; expected an odd number"},
        {"unet-uneven", "conv_out_kernel", "0", "conv_out_kernel is 0; expected a whole number from 1 to 31"},
        {"unet-uneven", "downsample_padding", "2", "downsample_padding is 2; expected a whole number from 0 to 1"},
        {"unet-uneven", "act_fn", "\"mish\"",
         "act_fn: unknown activation 'mish'; expected one of quick_gelu, gelu, gelu_new, gelu_pytorch_tanh, silu, "
         "swish, relu"},
        {"unet-uneven", "sample_size", "[3]", "sample_size: expected height and width, found one number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        model *m;
        write_config(cases[i].name, cases[i].key, cases[i].value);
        if (model_open_config(&m, NULL, config_path, WEIGHTS_LIST, 0, &err) != SS_ERR_INPUT)
            fail_msg("%s %s was not refused", cases[i].key, cases[i].value);
        assert_null(m);
        assert_string_equal(err.where, config_path);
        assert_string_equal(err.message, cases[i].message);
    }
}

/* What says the same in other words, or nothing. */
static void configs_are_accepted(void **state) {
    (void)state;
    static const struct {
        const char *key, *value;
    } cases[] = {{"upcast_attention", "true"},
                 {"dropout", "0.1"},
                 {"only_cross_attention", "[false, false, false]"},
                 {"sample_size", "[16, 24]"},
                 {"num_attention_heads", "[1, 2, 3]"},
                 {"cross_attention_dim", "[13, 13, 13]"},
                 {"resnet_out_scale_factor", "1.0"},
                 {"transformer_layers_per_block", "[7, 1, 2]"}};
    model *plain = open_case("unet-sdxl", NULL, WEIGHTS_LIST);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        model *m;
        write_config("unet-sdxl", cases[i].key, cases[i].value);
        check(model_open_config(&m, NULL, config_path, WEIGHTS_LIST, 0, &err), &err);
        assert_int_equal(weights_parameter_count(&m->set), weights_parameter_count(&plain->set));
        assert_int_equal(((unet_config *)m->config)->sites, ((unet_config *)plain->config)->sites);
        if (strcmp(cases[i].key, "sample_size") == 0) {
            const unet_config *g = m->config;
            assert_true(g->sample_size[0] == 16 && g->sample_size[1] == 24);
        }
        model_close(m);
    }
    model_close(plain);
}

/* ---- published networks ---- */

#define SDXL_BASE                                                                                                      \
    "{\"_class_name\": \"UNet2DConditionModel\", \"sample_size\": 128, \"block_out_channels\": [320, 640, 1280], "     \
    "\"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\"], "                    \
    "\"up_block_types\": [\"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", \"UpBlock2D\"], "                            \
    "\"transformer_layers_per_block\": [1, 2, 10], \"attention_head_dim\": [5, 10, 20], "                              \
    "\"use_linear_projection\": true, \"cross_attention_dim\": 2048, \"addition_embed_type\": \"text_time\", "         \
    "\"addition_time_embed_dim\": 256, \"projection_class_embeddings_input_dim\": 2816, \"upcast_attention\": null}"
#define SD(rest)                                                                                                       \
    "{\"_class_name\": \"UNet2DConditionModel\", \"block_out_channels\": [320, 640, 1280, 1280], "                     \
    "\"down_block_types\": [\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", "            \
    "\"DownBlock2D\"], \"up_block_types\": [\"UpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", "           \
    "\"CrossAttnUpBlock2D\"], " rest "}"

/* Parameters, tensors and attention calls of SDXL base 1.0, SD 1.5 and SD 2.1, counted by diffusers. */
static void published_networks_have_their_size(void **state) {
    (void)state;
    static const struct {
        const char *config;
        int64_t parameters;
        int tensors, sites;
    } cases[] = {
        {SDXL_BASE, 2567463684, 1680, 140},
        {SD("\"sample_size\": 64, \"attention_head_dim\": 8, \"cross_attention_dim\": 768"), 859520964, 686, 32},
        {SD("\"sample_size\": 96, \"attention_head_dim\": [5, 10, 20, 20], \"use_linear_projection\": true, "
            "\"cross_attention_dim\": 1024"),
         865910724, 686, 32},
    };
    for (int i = 0; i < 3; i++) {
        ss_error err = {0};
        model *m;
        write_text(cases[i].config);
        check(model_open_config(&m, NULL, config_path, WEIGHTS_LIST, 0, &err), &err);
        assert_int_equal(weights_parameter_count(&m->set), cases[i].parameters);
        assert_int_equal(m->set.n, cases[i].tensors);
        assert_int_equal(((unet_config *)m->config)->sites, cases[i].sites);
        model_close(m);
    }
}

/* ---- sites ---- */

typedef struct site_list {
    int n;
    char name[256][MODEL_NAME_SIZE];
    int64_t tokens[256];
} site_list;

static void take_site(void *user, const char *name, tensor t) {
    site_list *s = user;
    size_t n = strlen(name);
    if (n < 6 || (strcmp(name + n - 6, ".attn1") != 0 && strcmp(name + n - 6, ".attn2") != 0)) return;
    strcpy(s->name[s->n], name);
    s->tokens[s->n++] = t.dim[1];
}

/* Numbers are those of the order of execution, names those of the hooks; sizes are what the forward pass has. */
static void sites_have_numbers_and_names(void **state) {
    (void)state;
    static const char *const cases[] = {"unet-sdxl", "unet-sd15", "unet-uneven", "unet-nested", "unet-flat"};
    static const int64_t height = 9, width = 14;
    for (int i = 0; i < 5; i++) {
        ss_error err = {0};
        site_list found = {0};
        model *m = open_case(cases[i], ctx, WEIGHTS_RANDOM);
        const unet_config *g = m->config;
        model_arrays in = {0}, out = {0};
        assert_non_null(model_arrays_add(&in, "sample", 0, 4, (int64_t[]){1, g->in_channels, height, width}, &err));
        assert_non_null(model_arrays_add(&in, "timestep", 0, 1, (int64_t[]){1}, &err));
        assert_non_null(
            model_arrays_add(&in, "encoder_hidden_states", 0, 3, (int64_t[]){1, 2, g->cross_attention_dim}, &err));
        if (g->text_time) {
            assert_non_null(model_arrays_add(&in, "text_embeds", 0, 2, (int64_t[]){1, g->pooled_dim}, &err));
            assert_non_null(model_arrays_add(&in, "time_ids", 0, 2, (int64_t[]){1, 6}, &err));
        }
        const tap_sink sink = {take_site, &found};
        ctx->tap = &sink;
        check(model_forward(m, ctx, &in, NULL, 0, &out, &err), &err);
        ctx->tap = NULL;
        assert_int_equal(found.n, g->sites);
        for (int b = 0; b < g->sites; b++) {
            unet_site site;
            char name[UNET_NAME_SIZE];
            assert_string_equal(unet_site_name(g, b, name), found.name[b]);
            assert_true(unet_site_at(g, b, &site));
            assert_int_equal(site.kind, b % 2 ? ATTN_CROSS : ATTN_SELF);
            assert_int_equal(unet_level_size(g, site.level, height) * unet_level_size(g, site.level, width),
                             found.tokens[b]);
            assert_int_equal(site.head_dim, g->stage[site.stage].width / site.heads);
        }
        unet_site none;
        char name[UNET_NAME_SIZE];
        assert_false(unet_site_at(g, g->sites, &none));
        assert_false(unet_site_at(g, -1, &none));
        assert_string_equal(unet_site_name(g, g->sites, name), "no such block");
        model_arrays_free(&in);
        model_arrays_free(&out);
        model_close(m);
    }
}

static void sdxl_sites_are_where_they_are(void **state) {
    (void)state;
    static const struct {
        int block;
        const char *name;
        int level, heads;
    } cases[] = {{0, "down_blocks.1.attentions.0.transformer_blocks.0.attn1", 1, 10},
                 {3, "down_blocks.1.attentions.0.transformer_blocks.1.attn2", 1, 10},
                 {8, "down_blocks.2.attentions.0.transformer_blocks.0.attn1", 2, 20},
                 {48, "mid_block.attentions.0.transformer_blocks.0.attn1", 2, 20},
                 {69, "up_blocks.0.attentions.0.transformer_blocks.0.attn2", 2, 20},
                 {139, "up_blocks.1.attentions.2.transformer_blocks.1.attn2", 1, 10}};
    ss_error err = {0};
    model *m;
    write_text(SDXL_BASE);
    check(model_open_config(&m, NULL, config_path, WEIGHTS_LIST, 0, &err), &err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unet_site site;
        char name[UNET_NAME_SIZE];
        assert_true(unet_site_at(m->config, cases[i].block, &site));
        assert_string_equal(unet_site_name(m->config, cases[i].block, name), cases[i].name);
        assert_int_equal(site.level, cases[i].level);
        assert_int_equal(site.heads, cases[i].heads);
        assert_int_equal(site.head_dim, 64);
    }
    model_close(m);
}

/* ---- inputs ---- */

static void must_refuse(const model *m, const char *drop, const char *add, int ndim, const int64_t *dim,
                        const char *where, const char *message) {
    ss_error err = {0};
    model_arrays in = {0}, out = {0}, given = {0};
    check(m->net->example(m->config, &in, &err), &err);
    for (int i = 0; i < in.n; i++)
        if (strcmp(in.at[i].name, drop) != 0)
            assert_non_null(model_arrays_add(&given, in.at[i].name, 0, in.at[i].ndim, in.at[i].dim, &err));
    if (add) assert_non_null(model_arrays_add(&given, add, 0, ndim, dim, &err));
    assert_int_equal(model_forward(m, ctx, &given, NULL, 0, &out, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, message);
    assert_string_equal(err.where, where);
    assert_int_equal(arena_used(ctx->scratch), 0);
    model_arrays_free(&in);
    model_arrays_free(&given);
    model_arrays_free(&out);
}

static void inputs_are_refused(void **state) {
    (void)state;
    model *sdxl = open_case("unet-sdxl", ctx, WEIGHTS_RANDOM), *sd15 = open_case("unet-sd15", ctx, WEIGHTS_RANDOM),
          *nested = open_case("unet-nested", ctx, WEIGHTS_RANDOM);
    must_refuse(sdxl, "time_ids", NULL, 0, NULL, "time_ids", "expected floats of shape [1, 6], found no such input");
    must_refuse(sdxl, "time_ids", "time_ids", 2, (int64_t[]){1, 5}, "time_ids",
                "expected floats of shape [1, 6], found [1, 5]");
    must_refuse(sdxl, "text_embeds", "text_embeds", 2, (int64_t[]){2, 11}, "text_embeds",
                "expected floats of shape [1, 11], found [2, 11]");
    must_refuse(sd15, "", "time_ids", 2, (int64_t[]){1, 6}, "time_ids",
                "unknown input (inputs: sample, timestep, encoder_hidden_states)");
    must_refuse(sd15, "", "mid_block_additional_residual", 4, (int64_t[]){1, 12, 1, 1}, "mid_block_additional_residual",
                "unknown input (inputs: sample, timestep, encoder_hidden_states)");
    must_refuse(nested, "sample", "sample", 4, (int64_t[]){1, 4, 1, 8}, "",
                "latents of 1 x 8; expected height and width from 2 to 16384");
    model_close(sdxl);
    model_close(sd15);
    model_close(nested);
}

/* ---- memory ---- */

/* One forward pass, every call studied by nobody in particular: what the dry backend accounts for. */
static void forward_on(compute *c, const model *m, int64_t batch, int64_t h, int64_t w, int64_t words) {
    const unet_config *g = m->config;
    const attn_segment clip = {SEGMENT_TEXT, "clip", 0, (int)words, 0};
    attn_item item[2] = {{0}};
    attn_batch studied = {(int)batch, item, NULL};
    float timestep[2] = {500, 500}, ids[2 * UNET_TIME_IDS] = {0};
    ss_error err = {0};
    arena_mark mark = arena_get_mark(c->scratch);
    unet_input in = {.latents = compute_4d(c, batch, h, w, g->in_channels),
                     .text = compute_3d(c, batch, words, g->cross_attention_dim),
                     .pooled = g->text_time ? compute_2d(c, batch, g->pooled_dim) : TENSOR_NONE,
                     .time_ids = ids,
                     .timestep = timestep,
                     .text_segments = &clip,
                     .n_text_segments = 1,
                     .batch = &studied};
    op_fill(c, in.latents, 0.5f);
    op_fill(c, in.text, -0.25f);
    if (g->text_time) op_fill(c, in.pooled, 1);
    unet_forward(c, g, m->weights, &in);
    check(compute_status(c, &err), &err);
    arena_release(c->scratch, mark);
}

/* No pass takes more scratch than its dry run said, and multiply-adds are counted alike. */
static void dry_runs_know_the_scratch(void **state) {
    (void)state;
    static const char *const cases[] = {"unet-sdxl", "unet-sd15", "unet-uneven", "unet-nested", "unet-flat"};
    for (int i = 0; i < 5; i++)
        for (int64_t batch = 1; batch <= 2; batch++) {
            ss_error err = {0};
            compute *dry, *cpu;
            check(compute_create(&dry, "dry", 2, (size_t)1 << 30, &err), &err);
            check(compute_create(&cpu, "cpu", 2, (size_t)1 << 30, &err), &err);
            model *m = open_case(cases[i], cpu, WEIGHTS_RANDOM);
            forward_on(dry, m, batch, 17, 22, 5);
            forward_on(cpu, m, batch, 17, 22, 5);
            assert_true(dry->flops > 0 && cpu->flops <= dry->flops);
            assert_true(arena_peak(cpu->scratch) <= arena_peak(dry->scratch));
            model_close(m);
            compute_destroy(dry);
            compute_destroy(cpu);
        }
}

/* SDXL at 1024 x 1024 pixels, both guidance branches, every call studied. */
static void sdxl_fits_its_memory(void **state) {
    (void)state;
    ss_error err = {0};
    compute *dry;
    model *m;
    write_text(SDXL_BASE);
    check(compute_create(&dry, "dry", 2, 0, &err), &err);
    check(model_open_config(&m, NULL, config_path, WEIGHTS_LIST, 0, &err), &err);
    forward_on(dry, m, 2, 128, 128, 77);
    print_message("scratch %zu MB, %.3g multiply-adds x 2\n", arena_peak(dry->scratch) / 1000000, dry->flops);
    assert_true(arena_peak(dry->scratch) <= (size_t)900 * 1000 * 1000);
    model_close(m);
    compute_destroy(dry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configs_are_refused_by_key),         cmocka_unit_test(configs_are_accepted),
        cmocka_unit_test(published_networks_have_their_size), cmocka_unit_test(sites_have_numbers_and_names),
        cmocka_unit_test(sdxl_sites_are_where_they_are),      cmocka_unit_test(inputs_are_refused),
        cmocka_unit_test(dry_runs_know_the_scratch),          cmocka_unit_test(sdxl_fits_its_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
