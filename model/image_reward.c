/* ImageReward; see image_reward.h. The ViT is pre-norm, BERT post-norm; both attend through attend.h. */
#include "model/image_reward.h"

#include <string.h>
#include "model/attend.h"
#include "model/checks.h"

static const float VISION_EPS = 1e-6f;

const char *const IMAGE_REWARD_IGNORE[] = {".position_ids", NULL};

/* ---- config ---- */

static ss_status check_heads(int64_t width, int64_t heads, const char *what, const char *where, ss_error *err) {
    if (width % heads == 0) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s %lld is not a multiple of its heads, %lld", what, (long long)width,
                     (long long)heads);
}

static ss_status image_reward_parse_text(const json_t *json, const char *where, reward_config *g, ss_error *err) {
    SS_TRY(config_size(json, "hidden_size", where, 768, CONFIG_WIDTH_LIMIT, &g->width, err));
    SS_TRY(config_size(json, "intermediate_size", where, 3072, CONFIG_WIDTH_LIMIT, &g->inner, err));
    SS_TRY(config_size(json, "num_hidden_layers", where, 12, CONFIG_LAYER_LIMIT, &g->layers, err));
    SS_TRY(config_size(json, "num_attention_heads", where, 12, CONFIG_WIDTH_LIMIT, &g->heads, err));
    SS_TRY(config_size(json, "vocab_size", where, 30524, CONFIG_VOCABULARY_LIMIT, &g->vocabulary, err));
    SS_TRY(config_size(json, "max_position_embeddings", where, 512, CONFIG_WIDTH_LIMIT, &g->positions, err));
    SS_TRY(config_eps(json, "layer_norm_eps", where, 1e-12, &g->eps, err));
    SS_TRY(config_activation(json, "hidden_act", where, "gelu", &g->act, err));
    return check_heads(g->width, g->heads, "hidden_size", where, err);
}

static ss_status parse_mlp(const json_t *json, const char *where, reward_config *g, ss_error *err) {
    static const int64_t published[REWARD_MLP_LAYERS] = {1024, 128, 64, 16, 1};
    int n = REWARD_MLP_LAYERS - 1;
    memcpy(g->mlp, published, sizeof published);
    if (json_has(json, "mlp")) SS_TRY(json_get_ints(json, "mlp", where, g->mlp, REWARD_MLP_LAYERS - 1, &n, err));
    for (int i = 0; i < n; i++)
        if (g->mlp[i] < 1 || g->mlp[i] > CONFIG_WIDTH_LIMIT) n = 0;
    if (n == REWARD_MLP_LAYERS - 1) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "mlp: expected %d widths from 1 to %d", REWARD_MLP_LAYERS - 1,
                     (int)CONFIG_WIDTH_LIMIT);
}

ss_status image_reward_parse(const json_t *json, const char *class_name, const char *where, void *config,
                             ss_error *err) {
    (void)class_name;
    reward_config *g = config;
    SS_TRY(config_size(json, "image_size", where, 224, 65536, &g->size, err));
    SS_TRY(config_size(json, "patch_size", where, 16, 4096, &g->patch, err));
    SS_TRY(config_size(json, "vision_width", where, 1024, CONFIG_WIDTH_LIMIT, &g->vision_width, err));
    SS_TRY(config_size(json, "vision_layers", where, 24, CONFIG_LAYER_LIMIT, &g->vision_layers, err));
    SS_TRY(config_size(json, "vision_heads", where, 16, CONFIG_WIDTH_LIMIT, &g->vision_heads, err));
    SS_TRY(check_heads(g->vision_width, g->vision_heads, "vision_width", where, err));
    if (g->size % g->patch != 0)
        return error_set(err, SS_ERR_INPUT, where, "image_size %lld is not a multiple of patch_size %lld",
                         (long long)g->size, (long long)g->patch);
    json_t *text_json = NULL, *empty = json_object();
    if (!empty) return error_no_memory(err, "config", 0);
    ss_status status = SS_OK;
    if (json_has(json, "text")) status = json_get_object(json, "text", where, &text_json, err);
    if (status == SS_OK) status = image_reward_parse_text(text_json ? text_json : empty, where, g, err);
    json_decref(empty);
    return status == SS_OK ? parse_mlp(json, where, g, err) : status;
}

/* ---- weights ---- */

static const weight_row VISION_ROWS[] = {
    {offsetof(reward_weights, class_token), WEIGHT_TABLE, "cls_token", "1 1 W"},
    {offsetof(reward_weights, vision_position), WEIGHT_TABLE, "pos_embed", "1 N W"},
    NN_LINEAR_ROWS(reward_weights, patch, "patch_embed.proj", "W", "3 p p"),
    NN_AFFINE_ROWS(reward_weights, vision_norm, "norm", "W"),
};

static const weight_row VISION_LAYER_ROWS[] = {
    NN_AFFINE_ROWS(reward_vision_layer, norm1, "norm1", "W"),
    NN_LINEAR_ROWS(reward_vision_layer, qkv, "attn.qkv", "3W", "W"),
    NN_LINEAR_ROWS(reward_vision_layer, out, "attn.proj", "W", "W"),
    NN_AFFINE_ROWS(reward_vision_layer, norm2, "norm2", "W"),
    NN_LINEAR_ROWS(reward_vision_layer, fc1, "mlp.fc1", "4W", "W"),
    NN_LINEAR_ROWS(reward_vision_layer, fc2, "mlp.fc2", "W", "4W"),
};

static const weight_row TEXT_ROWS[] = {
    {offsetof(reward_weights, word), WEIGHT_TABLE, "word_embeddings.weight", "V D"},
    {offsetof(reward_weights, position), WEIGHT_TABLE, "position_embeddings.weight", "L D"},
    NN_AFFINE_ROWS(reward_weights, text_norm, "LayerNorm", "D"),
};

#define ATTENTION_ROWS(member, name, keys)                                                                             \
    NN_LINEAR_ROWS(reward_text_layer, member.q, name ".self.query", "D", "D"),                                         \
        NN_LINEAR_ROWS(reward_text_layer, member.k, name ".self.key", "D", keys),                                      \
        NN_LINEAR_ROWS(reward_text_layer, member.v, name ".self.value", "D", keys),                                    \
        NN_LINEAR_ROWS(reward_text_layer, member.out, name ".output.dense", "D", "D"),                                 \
        NN_AFFINE_ROWS(reward_text_layer, member.norm, name ".output.LayerNorm", "D")

static const weight_row TEXT_LAYER_ROWS[] = {
    ATTENTION_ROWS(self, "attention", "D"),
    ATTENTION_ROWS(cross, "crossattention", "W"),
    NN_LINEAR_ROWS(reward_text_layer, up, "intermediate.dense", "F", "D"),
    NN_LINEAR_ROWS(reward_text_layer, down, "output.dense", "D", "F"),
    NN_AFFINE_ROWS(reward_text_layer, norm, "output.LayerNorm", "D"),
};

static void bind_mlp(binder *b, const reward_config *g, reward_weights *w) {
    static const int place[REWARD_MLP_LAYERS] = {0, 2, 4, 6, 7}; /* the others are dropouts */
    static const weight_row rows[] = {{0, WEIGHT_LINEAR, "weight", "O I"},
                                      {offsetof(nn_linear, b), WEIGHT_VECTOR, "bias", "O"}};
    int64_t inputs = g->width;
    for (int i = 0; i < REWARD_MLP_LAYERS; i++) {
        binder_symbol(b, "I", inputs, "width %lld", (long long)inputs);
        binder_symbol(b, "O", g->mlp[i], "mlp width %lld", (long long)g->mlp[i]);
        binder_rows(b, &w->mlp[i], rows, NN_COUNT(rows), "mlp.layers.%d.", place[i]);
        inputs = g->mlp[i];
    }
}

void image_reward_bind(binder *b, const void *config, void *weights) {
    const reward_config *g = config;
    reward_weights *w = weights;
    int64_t side = g->size / g->patch;
    binder_symbol(b, "W", g->vision_width, "vision_width %lld", (long long)g->vision_width);
    binder_symbol(b, "p", g->patch, "patch_size %lld", (long long)g->patch);
    binder_symbol(b, "N", side * side + 1, "image_size %lld / patch_size %lld, squared, and the class token",
                  (long long)g->size, (long long)g->patch);
    binder_symbol(b, "D", g->width, "hidden_size %lld", (long long)g->width);
    binder_symbol(b, "F", g->inner, "intermediate_size %lld", (long long)g->inner);
    binder_symbol(b, "V", g->vocabulary, "vocab_size %lld", (long long)g->vocabulary);
    binder_symbol(b, "L", g->positions, "max_position_embeddings %lld", (long long)g->positions);
    binder_rows(b, w, VISION_ROWS, NN_COUNT(VISION_ROWS), "blip.visual_encoder.");
    w->vision = binder_array(b, g->vision_layers, sizeof *w->vision);
    for (int64_t i = 0; w->vision && i < g->vision_layers; i++)
        binder_rows(b, &w->vision[i], VISION_LAYER_ROWS, NN_COUNT(VISION_LAYER_ROWS),
                    "blip.visual_encoder.blocks.%lld.", (long long)i);
    binder_rows(b, w, TEXT_ROWS, NN_COUNT(TEXT_ROWS), "blip.text_encoder.embeddings.");
    w->text = binder_array(b, g->layers, sizeof *w->text);
    for (int64_t i = 0; w->text && i < g->layers; i++)
        binder_rows(b, &w->text[i], TEXT_LAYER_ROWS, NN_COUNT(TEXT_LAYER_ROWS), "blip.text_encoder.encoder.layer.%lld.",
                    (long long)i);
    bind_mlp(b, g, w);
}

/* ---- the image ---- */

static void vision_layer(compute *c, const reward_config *g, const reward_vision_layer *w, int64_t number, tensor x) {
    long long i = number;
    int64_t width = g->vision_width;
    arena_mark mark = arena_get_mark(c->scratch);
    tensor h = nn_layer_norm_new(c, x, &w->norm1, VISION_EPS), heads = nn_like(c, x);
    tensor all = nn_linear_new(c, h, &w->qkv, ACT_NONE);
    attend(c, heads, tensor_columns(all, 0, width), tensor_columns(all, width, width),
           tensor_columns(all, 2 * width, width), g->vision_heads, 0);
    nn_linear_into(c, h, heads, &w->out, ACT_NONE);
    compute_tap(c, h, "blip.visual_encoder.blocks.%lld.attn", i);
    op_add(c, x, x, h);
    op_layer_norm(c, h, x, &w->norm2.gamma, &w->norm2.beta, VISION_EPS);
    op_add(c, x, x, nn_mlp_new(c, h, &w->fc1, &w->fc2, ACT_GELU_ERF));
    compute_tap(c, x, "blip.visual_encoder.blocks.%lld", i);
    arena_release(c->scratch, mark);
}

/* All tokens of the image, [B, 1 + n, W] in new scratch. */
static tensor see(compute *c, const reward_config *g, const reward_weights *w, tensor pixels) {
    int64_t batch = pixels.dim[0], side = g->size / g->patch;
    tensor out = compute_3d(c, batch, side * side + 1, g->vision_width);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor x = nn_vit_embed_new(c, pixels, (int)g->patch, &w->patch, &w->class_token, &w->vision_position);
    for (int64_t i = 0; i < g->vision_layers; i++) vision_layer(c, g, &w->vision[i], i, x);
    op_layer_norm(c, out, x, &w->vision_norm.gamma, &w->vision_norm.beta, VISION_EPS);
    compute_tap(c, out, "blip.visual_encoder");
    arena_release(c->scratch, mark);
    return out;
}

/* ---- the words ---- */

/* x = norm(x + attention of x over `keys`), of which only the first used[b] count (all where `used` is NULL). */
static void image_reward_attend_block(compute *c, const reward_config *g, const reward_attention *w, tensor x,
                                      tensor keys, const int32_t *used) {
    arena_mark mark = arena_get_mark(c->scratch);
    nn_qkv of = nn_qkv_new(c, x, keys, &w->q, &w->k, &w->v);
    tensor heads = nn_like(c, x), y = nn_like(c, x);
    for (int64_t b = 0; b < x.dim[0]; b++) {
        int64_t n = used ? used[b] : keys.dim[1];
        attend(c, tensor_slice(heads, 0, b, 1), tensor_slice(of.q, 0, b, 1),
               tensor_slice(tensor_slice(of.k, 0, b, 1), 1, 0, n), tensor_slice(tensor_slice(of.v, 0, b, 1), 1, 0, n),
               g->heads, 0);
    }
    nn_linear_into(c, y, heads, &w->out, ACT_NONE);
    op_add(c, x, x, y);
    op_layer_norm(c, x, x, &w->norm.gamma, &w->norm.beta, g->eps);
    arena_release(c->scratch, mark);
}

static void text_layer(compute *c, const reward_config *g, const reward_text_layer *w, int64_t number, tensor x,
                       tensor image, const int32_t *used) {
    long long i = number;
    arena_mark mark = arena_get_mark(c->scratch);
    image_reward_attend_block(c, g, &w->self, x, x, used);
    compute_tap(c, x, "blip.text_encoder.encoder.layer.%lld.attention.output", i);
    image_reward_attend_block(c, g, &w->cross, x, image, NULL);
    compute_tap(c, x, "blip.text_encoder.encoder.layer.%lld.crossattention.output", i);
    op_add(c, x, x, nn_mlp_new(c, x, &w->up, &w->down, g->act));
    op_layer_norm(c, x, x, &w->norm.gamma, &w->norm.beta, g->eps);
    compute_tap(c, x, "blip.text_encoder.encoder.layer.%lld", i);
    arena_release(c->scratch, mark);
}

/* The state of the first token, [B, D] in new scratch. */
static tensor read_words(compute *c, const reward_config *g, const reward_weights *w, tensor image, const int32_t *ids,
                         const int32_t *used, int64_t tokens) {
    int64_t batch = image.dim[0];
    tensor out = compute_2d(c, batch, g->width);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor x = compute_3d(c, batch, tokens, g->width);
    op_embed(c, tensor_reshape(x, 2, (int64_t[]){batch * tokens, g->width}), &w->word, ids);
    nn_add_positions(c, x, &w->position);
    op_layer_norm(c, x, x, &w->text_norm.gamma, &w->text_norm.beta, g->eps);
    compute_tap(c, x, "blip.text_encoder.embeddings");
    for (int64_t i = 0; i < g->layers; i++) text_layer(c, g, &w->text[i], i, x, image, used);
    op_copy(c, tensor_reshape(out, 3, (int64_t[]){batch, 1, g->width}), tensor_slice(x, 1, 0, 1));
    arena_release(c->scratch, mark);
    return out;
}

tensor image_reward_forward(compute *c, const reward_config *g, const reward_weights *w, tensor pixels,
                            const int32_t *ids, const int32_t *used, int64_t tokens) {
    tensor out = compute_2d(c, pixels.dim[0], 1);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor x = read_words(c, g, w, see(c, g, w, pixels), ids, used, tokens);
    for (int i = 0; i + 1 < REWARD_MLP_LAYERS; i++) x = nn_linear_new(c, x, &w->mlp[i], ACT_NONE);
    nn_linear_into(c, out, x, &w->mlp[REWARD_MLP_LAYERS - 1], ACT_NONE);
    arena_release(c->scratch, mark);
    return out;
}

/* ---- named arrays ---- */

ss_status image_reward_example(const void *config, model_arrays *in, ss_error *err) {
    const reward_config *g = config;
    int64_t pixels[] = {1, 3, g->size, g->size}, ids[] = {1, 2}, one[] = {1};
    if (!model_arrays_add(in, "pixel_values", 0, 4, pixels, err)) return err->code;
    if (!model_arrays_add(in, "input_ids", 1, 2, ids, err)) return err->code;
    model_array *used = model_arrays_add(in, "used", 1, 1, one, err);
    if (!used) return err->code;
    used->i32[0] = 2;
    return SS_OK;
}

ss_status image_reward_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out,
                                     ss_error *err) {
    static const char *const names[] = {"pixel_values", "input_ids", "used"};
    const reward_config *g = m->config;
    const float *pixels;
    const int32_t *ids, *used;
    int64_t batch, tokens;
    SS_TRY(model_arrays_all_known(in, names, 3, err));
    SS_TRY(checks_input_ids(in, g->vocabulary, g->positions, &ids, &batch, &tokens, err));
    int64_t dim[TENSOR_MAX_DIMS] = {batch, 3, g->size, g->size}, counts[TENSOR_MAX_DIMS] = {batch};
    SS_TRY(model_input_floats(in, "pixel_values", 4, dim, &pixels, err));
    SS_TRY(model_input_ints(in, "used", 1, counts, &used, err));
    for (int64_t b = 0; b < batch; b++)
        if (used[b] < 1 || used[b] > tokens)
            return error_set(err, SS_ERR_INPUT, "used", "expected counts from 1 to %lld, found %d", (long long)tokens,
                             (int)used[b]);
    tensor x = model_upload_image(c, pixels, batch, 3, g->size, g->size);
    return model_arrays_add_tensor(out, "reward", c, image_reward_forward(c, g, m->weights, x, ids, used, tokens), err);
}

const network network_image_reward = {.about = {"ImageReward", "BLIP with a reward on top (ImageReward)", NULL},
                                      .config_size = sizeof(reward_config),
                                      .weights_size = sizeof(reward_weights),
                                      .parse = image_reward_parse,
                                      .bind = image_reward_bind,
                                      .ignore = IMAGE_REWARD_IGNORE,
                                      .example = image_reward_example,
                                      .forward = image_reward_forward_named};
