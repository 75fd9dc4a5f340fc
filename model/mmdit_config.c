/* MMDiT: config.json, the weight table, example inputs. The forward pass is in mmdit.c. */
#include "model/mmdit.h"

#include <string.h>
#include "model/attend.h"
#include "model/checks.h"

static ss_status parse_dual_layers(const json_t *json, const char *where, mmdit_config *g, ss_error *err) {
    static const char key[] = "dual_attention_layers";
    int64_t layer[MMDIT_MAX_LAYERS];
    int n = 0;
    if (json_has(json, key)) SS_TRY(json_get_ints(json, key, where, layer, MMDIT_MAX_LAYERS, &n, err));
    for (int i = 0; i < n; i++) {
        if (layer[i] < 0 || layer[i] >= g->layers)
            return error_set(err, SS_ERR_INPUT, where, "%s names block %lld; expected 0 to %lld (num_layers %lld)", key,
                             (long long)layer[i], (long long)g->layers - 1, (long long)g->layers);
        g->dual[layer[i]] = 1;
    }
    return SS_OK;
}

ss_status mmdit_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err) {
    (void)class_name;
    mmdit_config *g = config;
    const char *qk_norm;
    const struct {
        const char *key;
        int64_t by_default, high;
        int64_t *out;
    } sizes[] = {{"sample_size", 128, 1 << 16, &g->sample_size},
                 {"patch_size", 2, 64, &g->patch_size},
                 {"in_channels", 16, 1 << 12, &g->in_channels},
                 {"num_layers", 18, MMDIT_MAX_LAYERS, &g->layers},
                 {"attention_head_dim", 64, 1 << 10, &g->head_dim},
                 {"num_attention_heads", 18, ATTN_MAX_HEADS, &g->heads},
                 {"joint_attention_dim", 4096, 1 << 20, &g->joint_attention_dim},
                 {"caption_projection_dim", 1152, 1 << 20, &g->caption_projection_dim},
                 {"pooled_projection_dim", 2048, 1 << 20, &g->pooled_projection_dim},
                 {"pos_embed_max_size", 96, 1 << 12, &g->pos_embed_max_size}};
    for (int i = 0; i < NN_COUNT(sizes); i++)
        SS_TRY(config_size(json, sizes[i].key, where, sizes[i].by_default, sizes[i].high, sizes[i].out, err));
    const char *out_channels = "out_channels"; /* null there means as many as come in */
    int64_t by_default = json_object_get(json, out_channels) ? g->in_channels : 16;
    SS_TRY(config_size(json, out_channels, where, by_default, 1 << 12, &g->out_channels, err));
    if (json_is_null(json_object_get(json, "pos_embed_max_size")))
        return error_set(err, SS_ERR_INPUT, where,
                         "pos_embed_max_size is null; expected the side of the position table");
    g->width = g->heads * g->head_dim;
    if (g->caption_projection_dim != g->width)
        return error_set(err, SS_ERR_INPUT, where,
                         "caption_projection_dim is %lld; expected %lld, num_attention_heads %lld x attention_head_dim "
                         "%lld, for text and image share an attention",
                         (long long)g->caption_projection_dim, (long long)g->width, (long long)g->heads,
                         (long long)g->head_dim);
    SS_TRY(json_get_text_or(json, "qk_norm", where, "", &qk_norm, err));
    g->qk_norm = strcmp(qk_norm, "rms_norm") == 0;
    if (*qk_norm && !g->qk_norm)
        return error_set(err, SS_ERR_INPUT, where, "qk_norm is '%s'; expected null or \"rms_norm\"", qk_norm);
    return parse_dual_layers(json, where, g, err);
}

/* ---- weights ---- */

static const weight_row ROWS[] = {
    {offsetof(mmdit_weights, pos_embed), WEIGHT_TABLE, "pos_embed.pos_embed", "1 M D"},
    {offsetof(mmdit_weights, patch.w), WEIGHT_LINEAR, "pos_embed.proj.weight", "D C p p"},
    {offsetof(mmdit_weights, patch.b), WEIGHT_VECTOR, "pos_embed.proj.bias", "D"},
    NN_LINEAR_ROWS(mmdit_weights, time_up, "time_text_embed.timestep_embedder.linear_1", "D", "256"),
    NN_LINEAR_ROWS(mmdit_weights, time_down, "time_text_embed.timestep_embedder.linear_2", "D", "D"),
    NN_LINEAR_ROWS(mmdit_weights, text_up, "time_text_embed.text_embedder.linear_1", "D", "P"),
    NN_LINEAR_ROWS(mmdit_weights, text_down, "time_text_embed.text_embedder.linear_2", "D", "D"),
    NN_LINEAR_ROWS(mmdit_weights, context, "context_embedder", "D", "J"),
};

static const weight_row OUTPUT_ROWS[] = {
    NN_LINEAR_ROWS(mmdit_weights, norm_out, "norm_out.linear", "2D", "D"),
    NN_LINEAR_ROWS(mmdit_weights, proj_out, "proj_out", "O", "D"),
};

static const weight_row BLOCK_ROWS[] = {
    NN_LINEAR_ROWS(mmdit_block, attn.q, "attn.to_q", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, attn.k, "attn.to_k", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, attn.v, "attn.to_v", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, attn.out, "attn.to_out.0", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, attn_context.q, "attn.add_q_proj", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, attn_context.k, "attn.add_k_proj", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, attn_context.v, "attn.add_v_proj", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, ff_up, "ff.net.0.proj", "4D", "D"),
    NN_LINEAR_ROWS(mmdit_block, ff_down, "ff.net.2", "D", "4D"),
};

/* The norm of a block's image stream makes three vectors more where there is a second attention. */
static const weight_row NORM_ROWS[] = {NN_LINEAR_ROWS(mmdit_block, norm1, "norm1.linear", "6D", "D")};
static const weight_row DUAL_NORM_ROWS[] = {NN_LINEAR_ROWS(mmdit_block, norm1, "norm1.linear", "9D", "D")};

/* The last block drops its text stream after the attention. */
static const weight_row CONTEXT_ROWS[] = {
    NN_LINEAR_ROWS(mmdit_block, norm1_context, "norm1_context.linear", "6D", "D"),
    NN_LINEAR_ROWS(mmdit_block, attn_context.out, "attn.to_add_out", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, ff_context_up, "ff_context.net.0.proj", "4D", "D"),
    NN_LINEAR_ROWS(mmdit_block, ff_context_down, "ff_context.net.2", "D", "4D"),
};
static const weight_row LAST_CONTEXT_ROWS[] = {
    NN_LINEAR_ROWS(mmdit_block, norm1_context, "norm1_context.linear", "2D", "D"),
};

static const weight_row QK_NORM_ROWS[] = {
    {offsetof(mmdit_block, attn.norm_q), WEIGHT_VECTOR, "attn.norm_q.weight", "d"},
    {offsetof(mmdit_block, attn.norm_k), WEIGHT_VECTOR, "attn.norm_k.weight", "d"},
    {offsetof(mmdit_block, attn_context.norm_q), WEIGHT_VECTOR, "attn.norm_added_q.weight", "d"},
    {offsetof(mmdit_block, attn_context.norm_k), WEIGHT_VECTOR, "attn.norm_added_k.weight", "d"},
};

static const weight_row DUAL_ROWS[] = {
    NN_LINEAR_ROWS(mmdit_block, attn2.q, "attn2.to_q", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, attn2.k, "attn2.to_k", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, attn2.v, "attn2.to_v", "D", "D"),
    NN_LINEAR_ROWS(mmdit_block, attn2.out, "attn2.to_out.0", "D", "D"),
};
static const weight_row DUAL_QK_NORM_ROWS[] = {
    {offsetof(mmdit_block, attn2.norm_q), WEIGHT_VECTOR, "attn2.norm_q.weight", "d"},
    {offsetof(mmdit_block, attn2.norm_k), WEIGHT_VECTOR, "attn2.norm_k.weight", "d"},
};

static void mmdit_config_bind_block(binder *b, const mmdit_config *g, mmdit_block *w, int i) {
#define BLOCK_BIND(rows) binder_rows(b, w, rows, NN_COUNT(rows), "transformer_blocks.%d.", i)
    BLOCK_BIND(BLOCK_ROWS);
    if (g->qk_norm) BLOCK_BIND(QK_NORM_ROWS);
    if (i + 1 < g->layers) BLOCK_BIND(CONTEXT_ROWS);
    else BLOCK_BIND(LAST_CONTEXT_ROWS);
    w->output_gram = attend_gram(b, &w->attn.out.w, g->width, g->head_dim);
    if (g->dual[i]) {
        BLOCK_BIND(DUAL_NORM_ROWS);
        BLOCK_BIND(DUAL_ROWS);
        if (g->qk_norm) BLOCK_BIND(DUAL_QK_NORM_ROWS);
    } else {
        BLOCK_BIND(NORM_ROWS);
    }
#undef BLOCK_BIND
}

void mmdit_bind(binder *b, const void *config, void *weights) {
    const mmdit_config *g = config;
    mmdit_weights *w = weights;
    long long max = g->pos_embed_max_size, p = g->patch_size, out = g->out_channels;
    binder_symbol(b, "D", g->width, "num_attention_heads %lld x attention_head_dim %lld", (long long)g->heads,
                  (long long)g->head_dim);
    binder_symbol(b, "d", g->head_dim, "attention_head_dim %lld", (long long)g->head_dim);
    binder_symbol(b, "M", max * max, "pos_embed_max_size %lld x %lld", max, max);
    binder_symbol(b, "C", g->in_channels, "in_channels %lld", (long long)g->in_channels);
    binder_symbol(b, "p", p, "patch_size %lld", p);
    binder_symbol(b, "P", g->pooled_projection_dim, "pooled_projection_dim %lld", (long long)g->pooled_projection_dim);
    binder_symbol(b, "J", g->joint_attention_dim, "joint_attention_dim %lld", (long long)g->joint_attention_dim);
    binder_symbol(b, "O", p * p * out, "patch_size %lld x %lld x out_channels %lld", p, p, out);
    binder_rows(b, w, ROWS, NN_COUNT(ROWS), "%s", "");
    w->block = binder_array(b, g->layers, sizeof *w->block);
    for (int i = 0; w->block && i < g->layers; i++) mmdit_config_bind_block(b, g, &w->block[i], i);
    binder_rows(b, w, OUTPUT_ROWS, NN_COUNT(OUTPUT_ROWS), "%s", "");
}

/* ---- inputs ---- */

ss_status mmdit_example(const void *config, model_arrays *in, ss_error *err) {
    const mmdit_config *g = config;
    int64_t side = g->patch_size * (g->pos_embed_max_size > 1 ? 2 : 1);
    if (!model_arrays_add(in, "hidden_states", 0, 4, (int64_t[]){1, g->in_channels, side, side}, err) ||
        !model_arrays_add(in, "encoder_hidden_states", 0, 3, (int64_t[]){1, 2, g->joint_attention_dim}, err) ||
        !model_arrays_add(in, "pooled_projections", 0, 2, (int64_t[]){1, g->pooled_projection_dim}, err) ||
        !model_arrays_add(in, "timestep", 0, 1, (int64_t[]){1}, err))
        return err->code;
    return SS_OK;
}

ss_status mmdit_check_size(const mmdit_config *g, int64_t h, int64_t w, ss_error *err) {
    int64_t p = g->patch_size, max = p * g->pos_embed_max_size;
    if (h >= p && w >= p && h % p == 0 && w % p == 0 && h <= max && w <= max) return SS_OK;
    return error_set(err, SS_ERR_INPUT, NULL,
                     "latents of %lld x %lld; expected height and width to be multiples of %lld (patch_size) and at "
                     "most %lld (patch_size x pos_embed_max_size)",
                     (long long)h, (long long)w, (long long)p, (long long)max);
}
