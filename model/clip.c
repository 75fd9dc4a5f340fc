/* CLIP text and image models; see clip.h. The transformer in the middle is one function for both; only the text model
 * is causal. Attention goes through attn/ as a call that is not studied. */
#include "model/clip.h"

#include <stdio.h>
#include <string.h>
#include "model/attend.h"
#include "model/checks.h"

/* Old checkpoints carry their buffers of positions. The logit scale turns cosines into logits, which are not used here:
 * CLIP-T is the cosine. */
const char *const CLIP_IGNORE[] = {".position_ids", "logit_scale", NULL};

/* ---- config.json ---- */

static ss_status parse_encoder(const json_t *json, const char *where, const clip_encoder_config *by_default,
                               clip_encoder_config *g, ss_error *err) {
    SS_TRY(config_size(json, "hidden_size", where, by_default->width, CONFIG_WIDTH_LIMIT, &g->width, err));
    SS_TRY(config_size(json, "intermediate_size", where, by_default->inner, CONFIG_WIDTH_LIMIT, &g->inner, err));
    SS_TRY(config_size(json, "num_hidden_layers", where, 12, CONFIG_LAYER_LIMIT, &g->layers, err));
    SS_TRY(config_size(json, "num_attention_heads", where, by_default->heads, CONFIG_WIDTH_LIMIT, &g->heads, err));
    SS_TRY(config_eps(json, "layer_norm_eps", where, 1e-5, &g->eps, err));
    SS_TRY(config_activation(json, "hidden_act", where, "quick_gelu", &g->act, err));
    if (g->width % g->heads != 0)
        return error_set(err, SS_ERR_INPUT, where, "hidden_size %lld is not a multiple of num_attention_heads %lld",
                         (long long)g->width, (long long)g->heads);
    return SS_OK;
}

static ss_status clip_parse_text(const json_t *json, const char *where, clip_text_config *g, ss_error *err) {
    const clip_encoder_config by_default = {.width = 512, .inner = 2048, .heads = 8};
    SS_TRY(parse_encoder(json, where, &by_default, &g->encoder, err));
    SS_TRY(config_size(json, "vocab_size", where, 49408, CONFIG_VOCABULARY_LIMIT, &g->vocabulary, err));
    SS_TRY(config_size(json, "max_position_embeddings", where, 77, CONFIG_WIDTH_LIMIT, &g->positions, err));
    return json_get_int_or(json, "eos_token_id", where, 49407, &g->eos, err);
}

ss_status clip_text_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err) {
    clip_text_config *g = config;
    json_t *part;
    if (json_has(json, "text_config")) { /* of a whole CLIP; a "text_config_dict" is ignored (CLIPTextConfig) */
        SS_TRY(json_get_object(json, "text_config", where, &part, err));
        json = part;
    }
    SS_TRY(clip_parse_text(json, where, g, err));
    if (strcmp(class_name, "CLIPTextModelWithProjection") != 0) return SS_OK;
    return config_size(json, "projection_dim", where, 512, CONFIG_WIDTH_LIMIT, &g->projection, err);
}

static ss_status clip_parse_vision(const json_t *json, const char *where, clip_vision_config *g, ss_error *err) {
    const clip_encoder_config by_default = {.width = 768, .inner = 3072, .heads = 12};
    SS_TRY(parse_encoder(json, where, &by_default, &g->encoder, err));
    SS_TRY(config_size(json, "num_channels", where, 3, 4096, &g->channels, err));
    SS_TRY(config_size(json, "image_size", where, 224, 65536, &g->size, err));
    SS_TRY(config_size(json, "patch_size", where, 32, 4096, &g->patch, err));
    if (g->patch > g->size)
        return error_set(err, SS_ERR_INPUT, where, "patch_size %lld is larger than image_size %lld",
                         (long long)g->patch, (long long)g->size);
    return SS_OK;
}

/* CLIPConfig.__init__: where there is a `<part>_config_dict`, it replaces `<part>_config`. */
static ss_status part_config(const json_t *json, const char *name, const char *old_name, const char *where,
                             json_t **out, ss_error *err) {
    return json_get_object(json, json_has(json, old_name) ? old_name : name, where, out, err);
}

ss_status clip_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err) {
    (void)class_name;
    clip_config *g = config;
    json_t *part;
    SS_TRY(part_config(json, "text_config", "text_config_dict", where, &part, err));
    SS_TRY(clip_parse_text(part, where, &g->text, err));
    SS_TRY(part_config(json, "vision_config", "vision_config_dict", where, &part, err));
    SS_TRY(clip_parse_vision(part, where, &g->vision, err));
    SS_TRY(config_size(json, "projection_dim", where, 512, CONFIG_WIDTH_LIMIT, &g->text.projection, err));
    g->vision.projection = g->text.projection;
    return SS_OK;
}

/* ---- weights ---- */

static const weight_row LAYER_ROWS[] = {
    NN_LINEAR_ROWS(clip_layer, q, "self_attn.q_proj", "D", "D"),
    NN_LINEAR_ROWS(clip_layer, k, "self_attn.k_proj", "D", "D"),
    NN_LINEAR_ROWS(clip_layer, v, "self_attn.v_proj", "D", "D"),
    NN_LINEAR_ROWS(clip_layer, out, "self_attn.out_proj", "D", "D"),
    NN_AFFINE_ROWS(clip_layer, norm1, "layer_norm1", "D"),
    NN_LINEAR_ROWS(clip_layer, fc1, "mlp.fc1", "F", "D"),
    NN_LINEAR_ROWS(clip_layer, fc2, "mlp.fc2", "D", "F"),
    NN_AFFINE_ROWS(clip_layer, norm2, "layer_norm2", "D"),
};

static const weight_row TEXT_ROWS[] = {
    {offsetof(clip_text_weights, token), WEIGHT_TABLE, "embeddings.token_embedding.weight", "V D"},
    {offsetof(clip_text_weights, position), WEIGHT_TABLE, "embeddings.position_embedding.weight", "N D"},
    NN_AFFINE_ROWS(clip_text_weights, norm, "final_layer_norm", "D"),
};

static const weight_row TEXT_PROJECTION_ROWS[] = {
    NN_LINEAR_NO_BIAS_ROW(clip_text_weights, projection, "text_projection", "P", "D"),
};

static const weight_row VISION_ROWS[] = {
    {offsetof(clip_vision_weights, class_token), WEIGHT_TABLE, "embeddings.class_embedding", "D"},
    NN_LINEAR_NO_BIAS_ROW(clip_vision_weights, patch, "embeddings.patch_embedding", "D", "C p p"),
    {offsetof(clip_vision_weights, position), WEIGHT_TABLE, "embeddings.position_embedding.weight", "N D"},
    NN_AFFINE_ROWS(clip_vision_weights, norm_before, "pre_layrnorm", "D"), /* spelt so in the files */
    NN_AFFINE_ROWS(clip_vision_weights, norm_after, "post_layernorm", "D"),
};

static const weight_row VISION_PROJECTION_ROWS[] = {
    NN_LINEAR_NO_BIAS_ROW(clip_vision_weights, projection, "visual_projection", "P", "D"),
};

/* `bare`: the prefix may be missing. */
static clip_layer *clip_bind_layers(binder *b, const clip_encoder_config *g, const char *prefix, int bare) {
    binder_symbol(b, "F", g->inner, "intermediate_size %lld", (long long)g->inner);
    clip_layer *layers = binder_array(b, g->layers, sizeof *layers);
    for (long long i = 0; layers && i < g->layers; i++)
        if (bare)
            binder_rows(b, &layers[i], LAYER_ROWS, NN_COUNT(LAYER_ROWS), "%s.encoder.layers.%lld.|encoder.layers.%lld.",
                        prefix, i, i);
        else binder_rows(b, &layers[i], LAYER_ROWS, NN_COUNT(LAYER_ROWS), "%s.encoder.layers.%lld.", prefix, i);
    return layers;
}

/* transformers 5 saves CLIPTextModel without "text_model.", and reads both text models with and without. */
void clip_text_bind(binder *b, const void *config, void *weights) {
    const clip_text_config *g = config;
    clip_text_weights *w = weights;
    binder_symbol(b, "V", g->vocabulary, "vocab_size %lld", (long long)g->vocabulary);
    binder_symbol(b, "N", g->positions, "max_position_embeddings %lld", (long long)g->positions);
    binder_symbol(b, "D", g->encoder.width, "hidden_size %lld", (long long)g->encoder.width);
    binder_rows(b, w, TEXT_ROWS, NN_COUNT(TEXT_ROWS), "text_model.|");
    w->layers = clip_bind_layers(b, &g->encoder, "text_model", 1);
    if (!g->projection) return;
    binder_symbol(b, "P", g->projection, "projection_dim %lld", (long long)g->projection);
    binder_rows(b, w, TEXT_PROJECTION_ROWS, NN_COUNT(TEXT_PROJECTION_ROWS), "%s", "");
}

static int64_t patches_per_side(const clip_vision_config *g) { return g->size / g->patch; }

static void vision_bind(binder *b, const clip_vision_config *g, clip_vision_weights *w) {
    int64_t side = patches_per_side(g);
    binder_symbol(b, "D", g->encoder.width, "vision hidden_size %lld", (long long)g->encoder.width);
    binder_symbol(b, "C", g->channels, "num_channels %lld", (long long)g->channels);
    binder_symbol(b, "p", g->patch, "patch_size %lld", (long long)g->patch);
    binder_symbol(b, "N", side * side + 1, "image_size %lld / patch_size %lld, squared, and the class token",
                  (long long)g->size, (long long)g->patch);
    binder_symbol(b, "P", g->projection, "projection_dim %lld", (long long)g->projection);
    binder_rows(b, w, VISION_ROWS, NN_COUNT(VISION_ROWS), "vision_model.");
    w->layers = clip_bind_layers(b, &g->encoder, "vision_model", 0);
    binder_rows(b, w, VISION_PROJECTION_ROWS, NN_COUNT(VISION_PROJECTION_ROWS), "%s", "");
}

void clip_bind(binder *b, const void *config, void *weights) {
    const clip_config *g = config;
    clip_weights *w = weights;
    clip_text_bind(b, &g->text, &w->text);
    vision_bind(b, &g->vision, &w->vision);
}

/* ---- forward ---- */

/* Self-attention of the normed x [B, N, D] into `out`, output projection included. */
static void attend_self(compute *c, const clip_encoder_config *g, const clip_layer *w, int causal, tensor out,
                        tensor x) {
    arena_mark mark = arena_get_mark(c->scratch);
    tensor heads = nn_like(c, x);
    nn_qkv of;
    if (nn_optional(&w->qkv.w)) {
        tensor all = nn_linear_new(c, x, &w->qkv, ACT_NONE);
        of = (nn_qkv){tensor_columns(all, 0, g->width), tensor_columns(all, g->width, g->width),
                      tensor_columns(all, 2 * g->width, g->width)};
    } else {
        of = nn_qkv_new(c, x, x, &w->q, &w->k, &w->v);
    }
    attend(c, heads, of.q, of.k, of.v, g->heads, causal);
    nn_linear_into(c, out, heads, &w->out, ACT_NONE);
    arena_release(c->scratch, mark);
}

/* One layer, in place on x [B, N, D]. */
static void clip_layer_forward(compute *c, const clip_encoder_config *g, const clip_layer *w, int causal,
                               const char *part, int64_t number, tensor x) {
    long long i = number;
    arena_mark mark = arena_get_mark(c->scratch);
    tensor h = nn_layer_norm_new(c, x, &w->norm1, g->eps), y = nn_like(c, x);
    compute_tap(c, h, "%s.encoder.layers.%lld.layer_norm1", part, i);
    attend_self(c, g, w, causal, y, h);
    compute_tap(c, y, "%s.encoder.layers.%lld.self_attn", part, i);
    op_add(c, x, x, y);
    op_layer_norm(c, h, x, &w->norm2.gamma, &w->norm2.beta, g->eps);
    compute_tap(c, h, "%s.encoder.layers.%lld.layer_norm2", part, i);
    y = nn_mlp_new(c, h, &w->fc1, &w->fc2, g->act);
    compute_tap(c, y, "%s.encoder.layers.%lld.mlp", part, i);
    op_add(c, x, x, y);
    compute_tap(c, x, "%s.encoder.layers.%lld", part, i);
    arena_release(c->scratch, mark);
}

static int64_t pooled_position(const int32_t *ids, int64_t tokens, int64_t eos) {
    int64_t at = 0;
    if (eos != 2) {
        while (at < tokens && ids[at] != eos) at++;
        return at < tokens ? at : 0;
    }
    for (int64_t i = 1; i < tokens; i++)
        if (ids[i] > ids[at]) at = i;
    return at;
}

/* The rows of x [B, N, D] that stand for their sequences, as [B, D] in new scratch. */
static tensor pool(compute *c, tensor x, const int32_t *ids, int64_t eos) {
    tensor out = compute_2d(c, x.dim[0], x.dim[2]);
    for (int64_t b = 0; b < x.dim[0]; b++) {
        int64_t at = pooled_position(ids + b * x.dim[1], x.dim[1], eos);
        tensor row = tensor_slice(tensor_slice(x, 0, b, 1), 1, at, 1);
        op_copy(c, tensor_slice(out, 0, b, 1), tensor_reshape(row, 2, (int64_t[]){1, x.dim[2]}));
    }
    return out;
}

/* Pack or free a part of what is streamed; `stream` NULL = all is packed. */
static void clip_pack(const weight_set *stream, compute *c, const char *prefix) {
    if (stream) weights_pack_part(stream, c, prefix);
}
static void unpack(const weight_set *stream, compute *c, const char *prefix) {
    if (stream) weights_unpack_part(stream, c, prefix);
}

/* From the states behind the last layer, x, to out->last and out->pooled. */
static void finish_text(compute *c, const clip_text_config *g, const clip_text_weights *w, const weight_set *stream,
                        const int32_t *ids, tensor x, clip_text_output *out) {
    static const char norm[] = "text_model.final_layer_norm.", projection[] = "text_projection.";
    clip_pack(stream, c, norm);
    op_layer_norm(c, out->last, x, &w->norm.gamma, &w->norm.beta, g->encoder.eps);
    unpack(stream, c, norm);
    compute_tap(c, out->last, "text_model.final_layer_norm");
    tensor pooled = pool(c, out->last, ids, g->eos);
    if (g->projection) {
        clip_pack(stream, c, projection);
        nn_linear_into(c, out->pooled, pooled, &w->projection, ACT_NONE);
        unpack(stream, c, projection);
        compute_tap(c, out->pooled, "text_projection");
    } else op_copy(c, out->pooled, pooled);
}

static void text_forward(compute *c, const clip_text_config *g, const clip_text_weights *w, const weight_set *stream,
                         const int32_t *ids, int64_t batch, int64_t tokens, clip_text_output *out) {
    int64_t width = g->encoder.width;
    out->last = compute_3d(c, batch, tokens, width);
    out->penultimate = compute_3d(c, batch, tokens, width);
    out->pooled = compute_2d(c, batch, g->projection ? g->projection : width);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor x = compute_3d(c, batch, tokens, width);
    op_embed(c, tensor_reshape(x, 2, (int64_t[]){batch * tokens, width}), &w->token, ids);
    nn_add_positions(c, x, &w->position);
    compute_tap(c, x, "text_model.embeddings");
    for (int64_t i = 0; i < g->encoder.layers; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "text_model.encoder.layers.%lld.", (long long)i);
        if (i == g->encoder.layers - 1) op_copy(c, out->penultimate, x);
        clip_pack(stream, c, prefix);
        clip_layer_forward(c, &g->encoder, &w->layers[i], 1, "text_model", i, x);
        unpack(stream, c, prefix);
    }
    finish_text(c, g, w, stream, ids, x, out);
    arena_release(c->scratch, mark);
}

void clip_text_forward(compute *c, const clip_text_config *g, const clip_text_weights *w, const int32_t *ids,
                       int64_t batch, int64_t tokens, clip_text_output *out) {
    text_forward(c, g, w, NULL, ids, batch, tokens, out);
}

void clip_text_forward_streamed(compute *c, const model *m, const int32_t *ids, int64_t batch, int64_t tokens,
                                clip_text_output *out) {
    const void *before = c->tap_of;
    c->tap_of = m;
    text_forward(c, m->config, m->weights, &m->set, ids, batch, tokens, out);
    c->tap_of = before;
}

tensor clip_image_forward(compute *c, const clip_vision_config *g, const clip_vision_weights *w, tensor pixels) {
    int64_t batch = pixels.dim[0], width = g->encoder.width;
    tensor out = compute_2d(c, batch, g->projection);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor embedded = nn_vit_embed_new(c, pixels, (int)g->patch, &w->patch, &w->class_token, &w->position);
    compute_tap(c, embedded, "vision_model.embeddings");
    tensor x = nn_layer_norm_new(c, embedded, &w->norm_before, g->encoder.eps);
    compute_tap(c, x, "vision_model.pre_layrnorm");
    for (int64_t i = 0; i < g->encoder.layers; i++)
        clip_layer_forward(c, &g->encoder, &w->layers[i], 0, "vision_model", i, x);
    tensor pooled = compute_3d(c, batch, 1, width);
    op_layer_norm(c, pooled, tensor_slice(x, 1, 0, 1), &w->norm_after.gamma, &w->norm_after.beta, g->encoder.eps);
    pooled = tensor_reshape(pooled, 2, (int64_t[]){batch, width});
    compute_tap(c, pooled, "vision_model.post_layernorm");
    nn_linear_into(c, out, pooled, &w->projection, ACT_NONE);
    compute_tap(c, out, "visual_projection");
    arena_release(c->scratch, mark);
    return out;
}

/* ---- named arrays ---- */

static ss_status add_example_ids(const clip_text_config *g, model_arrays *in, ss_error *err) {
    int64_t dim[] = {1, g->positions < 4 ? g->positions : 4};
    return model_arrays_add(in, "input_ids", 1, 2, dim, err) ? SS_OK : err->code;
}

ss_status clip_text_example(const void *config, model_arrays *in, ss_error *err) {
    return add_example_ids(config, in, err);
}

ss_status clip_text_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out,
                                  ss_error *err) {
    static const char *const names[] = {"input_ids"};
    const clip_text_config *g = m->config;
    const int32_t *ids;
    int64_t batch, tokens;
    SS_TRY(model_arrays_all_known(in, names, 1, err));
    SS_TRY(checks_input_ids(in, g->vocabulary, g->positions, &ids, &batch, &tokens, err));
    clip_text_output result;
    clip_text_forward(c, g, m->weights, ids, batch, tokens, &result);
    SS_TRY(model_arrays_add_tensor(out, "last_hidden_state", c, result.last, err));
    SS_TRY(model_arrays_add_tensor(out, "penultimate", c, result.penultimate, err));
    return model_arrays_add_tensor(out, "pooled", c, result.pooled, err);
}

ss_status clip_example(const void *config, model_arrays *in, ss_error *err) {
    const clip_config *g = config;
    int64_t dim[] = {1, g->vision.channels, g->vision.size, g->vision.size};
    SS_TRY(add_example_ids(&g->text, in, err));
    return model_arrays_add(in, "pixel_values", 0, 4, dim, err) ? SS_OK : err->code;
}

static ss_status texts_forward(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err) {
    const clip_config *g = m->config;
    const clip_weights *w = m->weights;
    const int32_t *ids;
    int64_t batch, tokens;
    SS_TRY(checks_input_ids(in, g->text.vocabulary, g->text.positions, &ids, &batch, &tokens, err));
    clip_text_output result;
    clip_text_forward(c, &g->text, &w->text, ids, batch, tokens, &result);
    return model_arrays_add_tensor(out, "text_embeds", c, result.pooled, err);
}

static ss_status images_forward(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err) {
    const clip_config *g = m->config;
    const clip_weights *w = m->weights;
    const float *pixels;
    int64_t dim[TENSOR_MAX_DIMS] = {-1, g->vision.channels, g->vision.size, g->vision.size};
    SS_TRY(model_input_floats(in, "pixel_values", 4, dim, &pixels, err));
    tensor x = model_upload_image(c, pixels, dim[0], dim[1], dim[2], dim[3]);
    return model_arrays_add_tensor(out, "image_embeds", c, clip_image_forward(c, &g->vision, &w->vision, x), err);
}

ss_status clip_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err) {
    static const char *const names[] = {"input_ids", "pixel_values"};
    SS_TRY(model_arrays_all_known(in, names, 2, err));
    if (checks_has_input(in, "input_ids")) SS_TRY(texts_forward(m, c, in, out, err));
    if (in->n == 0 || checks_has_input(in, "pixel_values")) return images_forward(m, c, in, out, err);
    return SS_OK;
}

const network network_clip_text = {.about = {"CLIPTextModel", "CLIP text encoder without projection", NULL},
                                   .config_size = sizeof(clip_text_config),
                                   .weights_size = sizeof(clip_text_weights),
                                   .parse = clip_text_parse,
                                   .bind = clip_text_bind,
                                   .ignore = CLIP_IGNORE,
                                   .example = clip_text_example,
                                   .forward = clip_text_forward_named};

const network network_clip_text_projected = {.about = {"CLIPTextModelWithProjection", "CLIP text encoder of SD3", NULL},
                                             .config_size = sizeof(clip_text_config),
                                             .weights_size = sizeof(clip_text_weights),
                                             .parse = clip_text_parse,
                                             .bind = clip_text_bind,
                                             .ignore = CLIP_IGNORE,
                                             .example = clip_text_example,
                                             .forward = clip_text_forward_named};

const network network_clip = {.about = {"CLIPModel", "CLIP, texts and images (CLIP-T)", NULL},
                              .config_size = sizeof(clip_config),
                              .weights_size = sizeof(clip_weights),
                              .parse = clip_parse,
                              .bind = clip_bind,
                              .ignore = CLIP_IGNORE,
                              .example = clip_example,
                              .forward = clip_forward_named};
