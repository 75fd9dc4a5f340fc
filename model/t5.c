/* T5 encoder; see t5.h. RMS norms before each part, no biases, no scaling of scores, and relative positions as a bias
 * that block 0 defines and all blocks add. Attention goes through attn/ as a call that is not studied. */
#include "model/t5.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "attn/attn.h"
#include "model/checks.h"

/* A second name of shared.weight, which some files have beside it. */
/* ---- config.json ---- */

/* "relu", "gated-gelu", ...: configuration_t5.py, where gated-gelu alone means the tanh form. */
static ss_status parse_feed_forward(const json_t *json, const char *where, t5_config *g, ss_error *err) {
    static const char key[] = "feed_forward_proj", gated[] = "gated-";
    const char *value;
    SS_TRY(json_get_text_or(json, key, where, "relu", &value, err));
    g->gated = strncmp(value, gated, sizeof gated - 1) == 0;
    if (strcmp(value, "gated-gelu") == 0) value = "gated-gelu_new";
    return config_activation_named(g->gated ? value + sizeof gated - 1 : value, key, where, &g->act, err);
}

ss_status t5_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err) {
    (void)class_name;
    t5_config *g = config;
    SS_TRY(config_size(json, "vocab_size", where, 32128, CONFIG_VOCABULARY_LIMIT, &g->vocabulary, err));
    SS_TRY(config_size(json, "d_model", where, 512, CONFIG_WIDTH_LIMIT, &g->width, err));
    SS_TRY(config_size(json, "d_kv", where, 64, 65536, &g->head_width, err));
    SS_TRY(config_size(json, "d_ff", where, 2048, CONFIG_WIDTH_LIMIT, &g->inner, err));
    SS_TRY(config_size(json, "num_layers", where, 6, CONFIG_LAYER_LIMIT, &g->layers, err));
    SS_TRY(config_size(json, "num_heads", where, 8, 65536, &g->heads, err));
    SS_TRY(config_size(json, "relative_attention_num_buckets", where, 32, 65536, &g->buckets, err));
    SS_TRY(config_size(json, "relative_attention_max_distance", where, 128, CONFIG_WIDTH_LIMIT, &g->max_distance, err));
    SS_TRY(config_eps(json, "layer_norm_epsilon", where, 1e-6, &g->eps, err));
    if (g->buckets < 4 || g->max_distance <= g->buckets / 4)
        return error_set(err, SS_ERR_INPUT, where,
                         "relative_attention_num_buckets is %lld and relative_attention_max_distance %lld; expected at "
                         "least 4 buckets and a distance of more than a quarter of them",
                         (long long)g->buckets, (long long)g->max_distance);
    return parse_feed_forward(json, where, g, err);
}

/* ---- weights ---- */

static const weight_row ROWS[] = {
    /* Where a file has both and they differ, transformers 5 leaves them apart, and the encoder reads its own; up
     * to 4.57 the first was taken. */
    {offsetof(t5_weights, token), WEIGHT_TABLE, "shared.weight|encoder.embed_tokens.weight", "V D"},
    {offsetof(t5_weights, relative), WEIGHT_TABLE,
     "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", "R H"},
    {offsetof(t5_weights, norm), WEIGHT_VECTOR, "encoder.final_layer_norm.weight", "D"},
};

static const weight_row LAYER_ROWS[] = {
    {offsetof(t5_layer, norm_attention), WEIGHT_VECTOR, "layer.0.layer_norm.weight", "D"},
    NN_LINEAR_NO_BIAS_ROW(t5_layer, q, "layer.0.SelfAttention.q", "I", "D"),
    NN_LINEAR_NO_BIAS_ROW(t5_layer, k, "layer.0.SelfAttention.k", "I", "D"),
    NN_LINEAR_NO_BIAS_ROW(t5_layer, v, "layer.0.SelfAttention.v", "I", "D"),
    NN_LINEAR_NO_BIAS_ROW(t5_layer, out, "layer.0.SelfAttention.o", "D", "I"),
    {offsetof(t5_layer, norm_ff), WEIGHT_VECTOR, "layer.1.layer_norm.weight", "D"},
    NN_LINEAR_NO_BIAS_ROW(t5_layer, down, "layer.1.DenseReluDense.wo", "D", "F"),
};

static const weight_row PLAIN_ROWS[] = {NN_LINEAR_NO_BIAS_ROW(t5_layer, up, "layer.1.DenseReluDense.wi", "F", "D")};

static const weight_row GATED_ROWS[] = {
    NN_LINEAR_NO_BIAS_ROW(t5_layer, up, "layer.1.DenseReluDense.wi_0", "F", "D"),
    NN_LINEAR_NO_BIAS_ROW(t5_layer, gate, "layer.1.DenseReluDense.wi_1", "F", "D"),
};

void t5_bind(binder *b, const void *config, void *weights) {
    const t5_config *g = config;
    t5_weights *w = weights;
    binder_symbol(b, "V", g->vocabulary, "vocab_size %lld", (long long)g->vocabulary);
    binder_symbol(b, "D", g->width, "d_model %lld", (long long)g->width);
    binder_symbol(b, "F", g->inner, "d_ff %lld", (long long)g->inner);
    binder_symbol(b, "H", g->heads, "num_heads %lld", (long long)g->heads);
    binder_symbol(b, "I", g->heads * g->head_width, "num_heads %lld x d_kv %lld", (long long)g->heads,
                  (long long)g->head_width);
    binder_symbol(b, "R", g->buckets, "relative_attention_num_buckets %lld", (long long)g->buckets);
    binder_rows(b, w, ROWS, NN_COUNT(ROWS), "%s", "");
    w->layers = binder_array(b, g->layers, sizeof *w->layers);
    for (int64_t i = 0; w->layers && i < g->layers; i++) {
        binder_rows(b, &w->layers[i], LAYER_ROWS, NN_COUNT(LAYER_ROWS), "encoder.block.%lld.", (long long)i);
        if (g->gated)
            binder_rows(b, &w->layers[i], GATED_ROWS, NN_COUNT(GATED_ROWS), "encoder.block.%lld.", (long long)i);
        else binder_rows(b, &w->layers[i], PLAIN_ROWS, NN_COUNT(PLAIN_ROWS), "encoder.block.%lld.", (long long)i);
    }
}

/* ---- forward ---- */

/* T5Attention._relative_position_bucket, bidirectional, with its float32 steps: half of the buckets are for each
 * direction; in each, half are for the nearest positions and the rest grow with the logarithm up to max_distance. */
int32_t t5_bucket(int64_t distance, int64_t buckets, int64_t max_distance) {
    int64_t side = buckets / 2, exact = side / 2, first = 0;
    if (distance > 0) first = side;
    else distance = -distance;
    if (distance < exact) return (int32_t)(first + distance);
    float ratio = (float)distance / (float)exact;
    float span = (float)log((double)max_distance / (double)exact);
    float log_ratio = (float)log((double)ratio);
    int64_t at = exact + (int64_t)(log_ratio / span * (float)(side - exact));
    return (int32_t)(first + (at < side ? at : side - 1));
}

/* The bias of all blocks, [H, N, N]. It depends on key - query alone: 2 N - 1 values a head, of which query i sees the
 * window that begins N - 1 - i values in. Hence the stride of -1 between queries. */
static tensor position_bias(compute *c, const t5_config *g, const t5_weights *w, int64_t tokens) {
    int64_t n = 2 * tokens - 1;
    tensor values = compute_2d(c, g->heads, n);
    compute_mark mark = compute_get_mark(c);
    tensor rows = compute_2d(c, n, g->heads); /* row r: key - query = r - (N - 1) */
    int32_t *buckets = nn_scratch_ids(c, n);
    for (int64_t r = 0; buckets && r < n; r++) buckets[r] = t5_bucket(r - (tokens - 1), g->buckets, g->max_distance);
    op_embed(c, rows, &w->relative, buckets);
    tensor turned = {rows.data, TENSOR_F32, 3, {g->heads, n, 1}, {1, g->heads, 1}};
    op_copy(c, tensor_reshape(values, 3, turned.dim), turned);
    compute_release(c, mark);
    tensor window = tensor_columns(values, tokens - 1, tokens); /* query 0 */
    return (tensor){window.data, TENSOR_F32, 3, {g->heads, tokens, tokens}, {n, -1, 1}};
}

static void t5_attend(compute *c, const t5_config *g, const t5_layer *w, tensor bias, tensor out, tensor x) {
    arena_mark mark = arena_get_mark(c->scratch);
    nn_qkv of = nn_qkv_new(c, x, x, &w->q, &w->k, &w->v);
    tensor heads = nn_like(c, of.q);
    attn_call call = {.block = -1, .kind = ATTN_SELF};
    call.args.q = tensor_split_last(of.q, g->heads);
    call.args.k = tensor_split_last(of.k, g->heads);
    call.args.v = tensor_split_last(of.v, g->heads);
    call.args.out = tensor_split_last(heads, g->heads);
    call.args.scale = 1;
    call.args.bias = bias;
    attn_forward(c, &call);
    nn_linear_into(c, out, heads, &w->out, ACT_NONE);
    arena_release(c->scratch, mark);
}

static void feed_forward(compute *c, const t5_config *g, const t5_layer *w, tensor out, tensor x) {
    arena_mark mark = arena_get_mark(c->scratch);
    tensor inner = nn_linear_new(c, x, &w->up, g->act);
    if (g->gated) op_mul(c, inner, inner, nn_linear_new(c, x, &w->gate, ACT_NONE));
    nn_linear_into(c, out, inner, &w->down, ACT_NONE);
    arena_release(c->scratch, mark);
}

/* One block, in place on x [B, N, D]. */
static void t5_layer_forward(compute *c, const t5_config *g, const t5_layer *w, tensor bias, int64_t number, tensor x) {
    long long i = number;
    arena_mark mark = arena_get_mark(c->scratch);
    tensor h = nn_like(c, x), y = nn_like(c, x);
    op_rms_norm(c, h, x, &w->norm_attention, g->eps);
    compute_tap(c, h, "encoder.block.%lld.layer.0.layer_norm", i);
    t5_attend(c, g, w, bias, y, h);
    compute_tap(c, y, "encoder.block.%lld.layer.0.SelfAttention", i);
    op_add(c, x, x, y);
    compute_tap(c, x, "encoder.block.%lld.layer.0", i);
    op_rms_norm(c, h, x, &w->norm_ff, g->eps);
    compute_tap(c, h, "encoder.block.%lld.layer.1.layer_norm", i);
    feed_forward(c, g, w, y, h);
    compute_tap(c, y, "encoder.block.%lld.layer.1.DenseReluDense", i);
    op_add(c, x, x, y);
    compute_tap(c, x, "encoder.block.%lld", i);
    arena_release(c->scratch, mark);
}

/* Block i over all sequences of x, some at a time where the block was packed for it: their scratch would outgrow the
 * weights. A sequence's bits do not depend on its company. */
static void run_layer(compute *c, const t5_config *g, const t5_layer *w, const weight_set *stream, tensor bias,
                      int64_t i, tensor x) {
    enum { STREAMED_ROWS = 1024 };
    char prefix[48];
    int64_t batch = x.dim[0], some = batch;
    if (stream) {
        snprintf(prefix, sizeof prefix, "encoder.block.%lld.", (long long)i);
        weights_pack_part(stream, c, prefix);
        some = STREAMED_ROWS / x.dim[1] > 1 ? STREAMED_ROWS / x.dim[1] : 1;
    }
    for (int64_t b = 0; b < batch; b += some)
        t5_layer_forward(c, g, w, bias, i, tensor_slice(x, 0, b, batch - b < some ? batch - b : some));
    if (stream) weights_unpack_part(stream, c, prefix);
}

/* `stream`: what to pack block by block; NULL = all is packed. */
static tensor forward(compute *c, const t5_config *g, const t5_weights *w, const weight_set *stream, const int32_t *ids,
                      int64_t batch, int64_t tokens) {
    tensor out = compute_3d(c, batch, tokens, g->width);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor x = nn_like(c, out), bias = position_bias(c, g, w, tokens);
    op_embed(c, tensor_reshape(x, 2, (int64_t[]){batch * tokens, g->width}), &w->token, ids);
    compute_tap(c, x, "encoder.embed_tokens");
    for (int64_t i = 0; i < g->layers; i++) run_layer(c, g, &w->layers[i], stream, bias, i, x);
    static const char norm[] = "encoder.final_layer_norm.";
    if (stream) weights_pack_part(stream, c, norm);
    op_rms_norm(c, out, x, &w->norm, g->eps);
    if (stream) weights_unpack_part(stream, c, norm);
    compute_tap(c, out, "encoder.final_layer_norm");
    arena_release(c->scratch, mark);
    return out;
}

tensor t5_forward(compute *c, const t5_config *g, const t5_weights *w, const int32_t *ids, int64_t batch,
                  int64_t tokens) {
    return forward(c, g, w, NULL, ids, batch, tokens);
}

tensor t5_forward_streamed(compute *c, const model *m, const int32_t *ids, int64_t batch, int64_t tokens) {
    const void *before = c->tap_of;
    c->tap_of = m;
    tensor out = forward(c, m->config, m->weights, &m->set, ids, batch, tokens);
    c->tap_of = before;
    return out;
}

/* ---- named arrays ---- */

ss_status t5_example(const void *config, model_arrays *in, ss_error *err) {
    (void)config;
    return model_arrays_add(in, "input_ids", 1, 2, (int64_t[]){1, 4}, err) ? SS_OK : err->code;
}

ss_status t5_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err) {
    static const char *const names[] = {"input_ids"};
    const t5_config *g = m->config;
    const int32_t *ids;
    int64_t batch, tokens;
    SS_TRY(model_arrays_all_known(in, names, 1, err));
    SS_TRY(checks_input_ids(in, g->vocabulary, 0, &ids, &batch, &tokens, err));
    return model_arrays_add_tensor(out, "last_hidden_state", c, t5_forward(c, g, m->weights, ids, batch, tokens), err);
}

const network network_t5 = {.about = {"T5EncoderModel", "T5 text encoder of SD3", NULL},
                            .config_size = sizeof(t5_config),
                            .weights_size = sizeof(t5_weights),
                            .parse = t5_parse,
                            .bind = t5_bind,
                            .example = t5_example,
                            .forward = t5_forward_named};
