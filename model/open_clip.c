/* OpenCLIP's checkpoints of the joint text and image model: other names for config and weights, the same network
 * (clip.c runs it). Source: open_clip/model.py, transformer.py. What differs from Hugging Face's form: q, k and v are
 * one packed layer, the two projections are [in, out], heads are given by their width, and the text is pooled at its
 * largest id. Taps keep the names that clip.c gives them. */
#include "model/clip.h"

#include <string.h>
#include "model/checks.h"

const char *const OPEN_CLIP_IGNORE[] = {"logit_scale", "logit_bias", "attn_mask", NULL};

/* ---- config ---- */

/* Parts of open_clip's towers that this network does not have: a config with one is refused. */
static ss_status open_clip_refuse(const json_t *json, const char *const *keys, const char *where, ss_error *err) {
    for (; *keys; keys++) {
        const json_t *v = json_object_get(json, *keys);
        if (v && !json_is_null(v) && !json_is_false(v) && !(json_is_number(v) && json_number_value(v) == 0.0))
            return error_set(err, SS_ERR_INPUT, where, "%s is set; only plain transformers with a class token are read",
                             *keys);
    }
    return SS_OK;
}

static ss_status parse_pool(const json_t *json, const char *expected, const char *where, ss_error *err) {
    const char *pool;
    SS_TRY(json_get_text_or(json, "pool_type", where, expected, &pool, err));
    if (strcmp(pool, expected) == 0) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "pool_type: expected \"%s\", found \"%s\"", expected, pool);
}

/* `heads` as a count or, for images, by their width. */
static ss_status parse_tower(const json_t *json, int by_width, const char *where, int64_t layers,
                             clip_encoder_config *g, ss_error *err) {
    double ratio;
    int64_t by_default = by_width ? 768 : 512, head_width = 0;
    SS_TRY(config_size(json, "width", where, by_default, CONFIG_WIDTH_LIMIT, &g->width, err));
    SS_TRY(config_size(json, "layers", where, layers, CONFIG_LAYER_LIMIT, &g->layers, err));
    SS_TRY(json_get_double_or(json, "mlp_ratio", where, 4.0, &ratio, err));
    if (by_width) SS_TRY(config_size(json, "head_width", where, 64, CONFIG_WIDTH_LIMIT, &head_width, err));
    else SS_TRY(config_size(json, "heads", where, 8, CONFIG_WIDTH_LIMIT, &g->heads, err));
    if (by_width) g->heads = g->width / head_width;
    g->inner = ratio > 0 && ratio <= 64 ? (int64_t)((double)g->width * ratio) : 0;
    g->eps = 1e-5f;
    if (g->inner < 1) return error_set(err, SS_ERR_INPUT, where, "mlp_ratio: expected a number from above 0 to 64");
    if (g->heads < 1 || g->width % g->heads != 0)
        return error_set(err, SS_ERR_INPUT, where, "width %lld does not split into heads of %s %lld",
                         (long long)g->width, by_width ? "head_width" : "equal width, of which there are",
                         (long long)(by_width ? head_width : g->heads));
    return SS_OK;
}

static ss_status open_clip_parse_vision(const json_t *json, const char *where, clip_vision_config *g, ss_error *err) {
    static const char *const unknown[] = {
        "timm_model_name", "ls_init_value",     "attentional_pool", "global_average_pool",
        "input_patchnorm", "attn_pooler_heads", "no_ln_pre",        NULL};
    SS_TRY(open_clip_refuse(json, unknown, where, err));
    SS_TRY(parse_pool(json, "tok", where, err));
    SS_TRY(parse_tower(json, 1, where, 12, &g->encoder, err));
    g->channels = 3;
    SS_TRY(config_size(json, "image_size", where, 224, 65536, &g->size, err));
    SS_TRY(config_size(json, "patch_size", where, 16, 4096, &g->patch, err));
    if (g->patch > g->size)
        return error_set(err, SS_ERR_INPUT, where, "patch_size %lld is larger than image_size %lld",
                         (long long)g->patch, (long long)g->size);
    return SS_OK;
}

static ss_status open_clip_parse_text(const json_t *json, const char *where, clip_text_config *g, ss_error *err) {
    static const char *const unknown[] = {"hf_model_name",  "ls_init_value", "embed_cls",
                                          "no_causal_mask", "proj_bias",     NULL};
    SS_TRY(open_clip_refuse(json, unknown, where, err));
    SS_TRY(parse_pool(json, "argmax", where, err));
    SS_TRY(parse_tower(json, 0, where, 12, &g->encoder, err));
    SS_TRY(config_size(json, "vocab_size", where, 49408, CONFIG_VOCABULARY_LIMIT, &g->vocabulary, err));
    SS_TRY(config_size(json, "context_length", where, 77, CONFIG_WIDTH_LIMIT, &g->positions, err));
    g->eos = 2; /* clip_text_forward: the largest id */
    return SS_OK;
}

ss_status open_clip_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err) {
    (void)class_name;
    clip_config *g = config;
    json_t *part;
    int quick;
    if (json_has(json, "model_cfg")) {
        SS_TRY(json_get_object(json, "model_cfg", where, &part, err));
        json = part;
    }
    SS_TRY(json_get_object(json, "text_cfg", where, &part, err));
    SS_TRY(open_clip_parse_text(part, where, &g->text, err));
    SS_TRY(json_get_object(json, "vision_cfg", where, &part, err));
    SS_TRY(open_clip_parse_vision(part, where, &g->vision, err));
    SS_TRY(config_size(json, "embed_dim", where, 512, CONFIG_WIDTH_LIMIT, &g->text.projection, err));
    SS_TRY(json_get_bool_or(json, "quick_gelu", where, 0, &quick, err));
    g->vision.projection = g->text.projection;
    g->text.encoder.act = g->vision.encoder.act = quick ? ACT_QUICK_GELU : ACT_GELU_ERF;
    return SS_OK;
}

/* ---- weights ---- */

static const weight_row LAYER_ROWS[] = {
    {offsetof(clip_layer, qkv.w), WEIGHT_LINEAR, "attn.in_proj_weight", "3D D"},
    {offsetof(clip_layer, qkv.b), WEIGHT_VECTOR, "attn.in_proj_bias", "3D"},
    NN_LINEAR_ROWS(clip_layer, out, "attn.out_proj", "D", "D"),
    NN_AFFINE_ROWS(clip_layer, norm1, "ln_1", "D"),
    NN_LINEAR_ROWS(clip_layer, fc1, "mlp.c_fc", "F", "D"),
    NN_LINEAR_ROWS(clip_layer, fc2, "mlp.c_proj", "D", "F"),
    NN_AFFINE_ROWS(clip_layer, norm2, "ln_2", "D"),
};

static const weight_row TEXT_ROWS[] = {
    {offsetof(clip_text_weights, token), WEIGHT_TABLE, "token_embedding.weight", "V D"},
    {offsetof(clip_text_weights, position), WEIGHT_TABLE, "positional_embedding", "N D"},
    NN_AFFINE_ROWS(clip_text_weights, norm, "ln_final", "D"),
    {offsetof(clip_text_weights, projection.w), WEIGHT_TRANSPOSED, "text_projection", "D P"},
};

static const weight_row VISION_ROWS[] = {
    {offsetof(clip_vision_weights, class_token), WEIGHT_TABLE, "class_embedding", "D"},
    {offsetof(clip_vision_weights, position), WEIGHT_TABLE, "positional_embedding", "N D"},
    NN_LINEAR_NO_BIAS_ROW(clip_vision_weights, patch, "conv1", "D", "3 p p"),
    NN_AFFINE_ROWS(clip_vision_weights, norm_before, "ln_pre", "D"),
    NN_AFFINE_ROWS(clip_vision_weights, norm_after, "ln_post", "D"),
    {offsetof(clip_vision_weights, projection.w), WEIGHT_TRANSPOSED, "proj", "D P"},
};

static clip_layer *open_clip_bind_layers(binder *b, const clip_encoder_config *g, const char *prefix) {
    binder_symbol(b, "F", g->inner, "mlp_ratio x width, %lld", (long long)g->inner);
    clip_layer *layers = binder_array(b, g->layers, sizeof *layers);
    for (int64_t i = 0; layers && i < g->layers; i++)
        binder_rows(b, &layers[i], LAYER_ROWS, NN_COUNT(LAYER_ROWS), "%stransformer.resblocks.%lld.", prefix,
                    (long long)i);
    return layers;
}

void open_clip_bind(binder *b, const void *config, void *weights) {
    const clip_config *g = config;
    clip_weights *w = weights;
    int64_t side = g->vision.size / g->vision.patch;
    binder_symbol(b, "P", g->text.projection, "embed_dim %lld", (long long)g->text.projection);
    binder_symbol(b, "V", g->text.vocabulary, "vocab_size %lld", (long long)g->text.vocabulary);
    binder_symbol(b, "N", g->text.positions, "context_length %lld", (long long)g->text.positions);
    binder_symbol(b, "D", g->text.encoder.width, "text width %lld", (long long)g->text.encoder.width);
    binder_rows(b, &w->text, TEXT_ROWS, NN_COUNT(TEXT_ROWS), "%s", "");
    w->text.layers = open_clip_bind_layers(b, &g->text.encoder, "");
    binder_symbol(b, "D", g->vision.encoder.width, "vision width %lld", (long long)g->vision.encoder.width);
    binder_symbol(b, "p", g->vision.patch, "patch_size %lld", (long long)g->vision.patch);
    binder_symbol(b, "N", side * side + 1, "image_size %lld / patch_size %lld, squared, and the class token",
                  (long long)g->vision.size, (long long)g->vision.patch);
    binder_rows(b, &w->vision, VISION_ROWS, NN_COUNT(VISION_ROWS), "visual.");
    w->vision.layers = open_clip_bind_layers(b, &g->vision.encoder, "visual.");
}

const network network_open_clip = {.about = {"OpenCLIP", "CLIP in OpenCLIP's form (HPS v2)", NULL},
                                   .config_size = sizeof(clip_config),
                                   .weights_size = sizeof(clip_weights),
                                   .parse = open_clip_parse,
                                   .bind = open_clip_bind,
                                   .ignore = OPEN_CLIP_IGNORE,
                                   .example = clip_example,
                                   .forward = clip_forward_named};
