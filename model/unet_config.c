/* The U-Net's config.json. Every key that diffusers writes is read, refused by name where it needs what is not built,
 * or has no effect here (dropout; upcast_attention: everything is computed in float32). */
#include "model/unet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "model/checks.h"

enum { MAX_WIDTH = 8192, MAX_HEAD_DIM = 1024 }; /* a Gram matrix of every head is kept */

/* ---- what is not built ---- */

static const struct refusal {
    const char *key;
    const char *accepted; /* as JSON, beside null */
    const char *what;
} REFUSALS[] = {
    {"center_input_sample", "false", "centred samples"},
    {"dual_cross_attention", "false", "two cross-attentions side by side"},
    {"mid_block_only_cross_attention", "false", "blocks without self-attention"},
    {"resnet_time_scale_shift", "\"default\"", "scale and shift by the time embedding"},
    {"resnet_skip_time_act", "false", "time embeddings without activation"},
    {"resnet_out_scale_factor", "1", "scaled residuals"},
    {"mid_block_scale_factor", "1", "scaled residuals"},
    {"time_embedding_type", "\"positional\"", "other time embeddings"},
    {"time_embedding_act_fn", "null", "activations after the time embedding"},
    {"timestep_post_act", "null", "activations after the time embedding"},
    {"time_cond_proj_dim", "null", "embeddings of the guidance scale (distilled models)"},
    {"class_embed_type", "null", "class embeddings"},
    {"num_class_embeds", "null", "class embeddings"},
    {"class_embeddings_concat", "false", "class embeddings"},
    {"encoder_hid_dim", "null", "projections of the text (adapters, Kandinsky)"},
    {"encoder_hid_dim_type", "null", "projections of the text (adapters, Kandinsky)"},
    {"attention_type", "\"default\"", "layers of gated attention (GLIGEN)"},
    {"cross_attention_norm", "null", "norms of the text"},
};

static ss_status unet_config_refuse(const json_t *value, const struct refusal *r, const char *where, ss_error *err) {
    char *found = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    error_set(err, SS_ERR_INPUT, where, "%s is %.60s; expected %s: %s are not supported", r->key,
              found ? found : json_type_name(value), r->accepted, r->what);
    free(found);
    return err->code;
}

static int is_accepted(const json_t *value, const char *accepted) {
    if (json_is_string(value))
        return *accepted == '"' && strncmp(accepted + 1, json_string_value(value), strlen(accepted) - 2) == 0 &&
               strlen(json_string_value(value)) == strlen(accepted) - 2;
    if (json_is_number(value)) return *accepted == '1' && !(fabs(json_number_value(value) - 1) > 0);
    return json_is_false(value) && *accepted == 'f';
}

static ss_status check_refusals(const json_t *json, const char *where, ss_error *err) {
    static const struct refusal only = {"only_cross_attention", "false", "blocks without self-attention"};
    for (int i = 0; i < NN_COUNT(REFUSALS); i++) {
        const struct refusal *r = &REFUSALS[i];
        if (json_has(json, r->key) && !is_accepted(json_object_get(json, r->key), r->accepted))
            return unet_config_refuse(json_object_get(json, r->key), r, where, err);
    }
    const json_t *value = json_object_get(json, only.key); /* one for all blocks, or a list */
    if (!json_has(json, only.key) || json_is_false(value)) return SS_OK;
    if (!json_is_array(value)) return unet_config_refuse(value, &only, where, err);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_false(json_array_get(value, i))) return unet_config_refuse(value, &only, where, err);
    return SS_OK;
}

/* ---- numbers of blocks ---- */

static ss_status check_range(int64_t value, const char *key, int64_t low, int64_t high, const char *where,
                             ss_error *err) {
    if (value >= low && value <= high) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s is %lld; expected a whole number from %lld to %lld", key,
                     (long long)value, (long long)low, (long long)high);
}

static ss_status check_count(size_t found, const char *key, int expected, const char *where, ss_error *err) {
    if (found == (size_t)expected) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s: expected %d entries, as block_out_channels has, found %zu", key,
                     expected, found);
}

/* One number for all `n` blocks, or a list with one for each. */
static ss_status read_each(const json_t *json, const char *key, int64_t by_default, int64_t high, int n,
                           const char *where, int64_t *out, ss_error *err) {
    if (json_is_array(json_object_get(json, key))) {
        json_t *list;
        int count;
        SS_TRY(json_get_array(json, key, where, &list, err));
        SS_TRY(check_count(json_array_size(list), key, n, where, err));
        SS_TRY(json_get_ints(json, key, where, out, n, &count, err));
    } else {
        int64_t value;
        SS_TRY(json_get_int_or(json, key, where, by_default, &value, err));
        for (int i = 0; i < n; i++) out[i] = value;
    }
    for (int i = 0; i < n; i++) SS_TRY(check_range(out[i], key, 1, high, where, err));
    return SS_OK;
}

/* Whether each of `n` blocks has cross-attention: `plain` or `crossing`, by name. */
static ss_status read_types(const json_t *json, const char *key, const char *plain, const char *crossing, int n,
                            const char *where, int *crosses, ss_error *err) {
    json_t *list;
    SS_TRY(json_get_array(json, key, where, &list, err));
    SS_TRY(check_count(json_array_size(list), key, n, where, err));
    for (int i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        const char *name = json_is_string(item) ? json_string_value(item) : json_type_name(item);
        crosses[i] = strcmp(name, crossing) == 0;
        if (!crosses[i] && strcmp(name, plain) != 0)
            return error_set(err, SS_ERR_INPUT, where, "%s[%d] is %s; expected %s or %s", key, i, name, plain,
                             crossing);
    }
    return SS_OK;
}

/* What diffusers makes of a missing or null type of the middle differs. */
static ss_status read_middle(const json_t *json, const char *where, unet_stage *middle, ss_error *err) {
    static const char key[] = "mid_block_type";
    const char *name = "UNetMidBlock2DCrossAttn";
    if (json_is_null(json_object_get(json, key))) return SS_OK;
    SS_TRY(json_get_text_or(json, key, where, name, &name, err));
    if (strcmp(name, "UNetMidBlock2D") == 0) middle->resnets = 1;
    else if (strcmp(name, "UNetMidBlock2DCrossAttn") == 0) {
        middle->resnets = 2;
        middle->transformers = 1;
    } else
        return error_set(err, SS_ERR_INPUT, where, "%s is %s; expected UNetMidBlock2DCrossAttn, UNetMidBlock2D or null",
                         key, name);
    return SS_OK;
}

/* ---- transformer layers ---- */

/* One number for all transformers of a stage, or a list with one for each. */
static ss_status read_depth(const json_t *item, const char *key, const char *where, unet_stage *s, ss_error *err) {
    for (int64_t i = 0; i < s->transformers; i++) {
        const json_t *own = json_is_array(item) ? json_array_get(item, (size_t)i) : item;
        if (!json_is_integer(own))
            return error_set(err, SS_ERR_INPUT, where,
                             "%s: expected a whole number of layers for transformer %lld of a block, found %s", key,
                             (long long)i, json_type_name(own));
        s->depth[i] = json_integer_value(own);
        SS_TRY(check_range(s->depth[i], key, 0, ATTN_MAX_BLOCKS, where, err));
    }
    return SS_OK;
}

/* The key's entry for block i of n: of a list, or the one number there is. */
static ss_status find_entry(const json_t *json, const char *key, const json_t *otherwise, int i, int n,
                            const char *where, const json_t **out, ss_error *err) {
    const json_t *value = json_has(json, key) ? json_object_get(json, key) : otherwise;
    if (json_is_array(value)) {
        SS_TRY(check_count(json_array_size(value), key, n, where, err));
        value = json_array_get(value, (size_t)i);
    }
    *out = value;
    return SS_OK;
}

static ss_status read_depths(const json_t *json, const char *where, const json_t *one, unet_config *g, ss_error *err) {
    static const char down[] = "transformer_layers_per_block", up[] = "reverse_transformer_layers_per_block";
    int n = g->blocks;
    const json_t *item;
    for (int i = 0; i < n; i++) {
        SS_TRY(find_entry(json, down, one, i, n, where, &item, err));
        if (json_is_array(item) && !json_has(json, up))
            return error_set(err, SS_ERR_INPUT, where,
                             "%s has a list for block %d; expected %s beside it, for the blocks on the way up", down, i,
                             up);
        SS_TRY(read_depth(item, down, where, &g->stage[i], err));
        if (i == n - 1) SS_TRY(read_depth(item, down, where, &g->stage[n], err));
        if (!json_has(json, up)) SS_TRY(read_depth(item, down, where, &g->stage[2 * n - i], err));
    }
    if (json_has(json, up) && !json_is_array(json_object_get(json, up)))
        return error_set(err, SS_ERR_INPUT, where, "%s: expected a list, found %s", up,
                         json_type_name(json_object_get(json, up)));
    for (int i = 0; json_has(json, up) && i < n; i++) {
        SS_TRY(find_entry(json, up, NULL, i, n, where, &item, err));
        SS_TRY(read_depth(item, up, where, &g->stage[n + 1 + i], err));
    }
    return SS_OK;
}

static ss_status count_sites(const char *where, unet_config *g, ss_error *err) {
    int64_t sites = 0;
    for (int stage = 0; stage < unet_stages(g); stage++)
        for (int64_t i = 0; i < g->stage[stage].transformers; i++) sites += 2 * g->stage[stage].depth[i];
    if (sites > ATTN_MAX_BLOCKS)
        return error_set(err, SS_ERR_INPUT, where,
                         "transformer_layers_per_block makes %lld attention calls; expected at most %d",
                         (long long)sites, ATTN_MAX_BLOCKS);
    g->sites = (int)sites;
    return SS_OK;
}

/* ---- stages ---- */

/* The number of heads is called attention_head_dim: an old misnomer that diffusers keeps, since configs have it. */
static ss_status set_heads(const json_t *json, const char *where, unet_config *g, ss_error *err) {
    const char *key = json_has(json, "num_attention_heads") ? "num_attention_heads" : "attention_head_dim";
    int64_t heads[UNET_MAX_BLOCKS];
    SS_TRY(read_each(json, key, 8, ATTN_MAX_HEADS, g->blocks, where, heads, err));
    for (int stage = 0; stage < unet_stages(g); stage++) {
        unet_stage *s = &g->stage[stage];
        s->heads = heads[unet_stage_level(g, stage)];
        s->head_dim = s->width / s->heads;
        if (s->transformers && (s->head_dim < 1 || s->head_dim > MAX_HEAD_DIM))
            return error_set(err, SS_ERR_INPUT, where,
                             "%s is %lld heads for a block of %lld channels; expected heads of 1 to %d channels", key,
                             (long long)s->heads, (long long)s->width, MAX_HEAD_DIM);
    }
    return SS_OK;
}

static ss_status read_stages(const json_t *json, const char *where, unet_config *g, ss_error *err) {
    static const char channels[] = "block_out_channels";
    int64_t width[UNET_MAX_BLOCKS], layers[UNET_MAX_BLOCKS];
    int down[UNET_MAX_BLOCKS], up[UNET_MAX_BLOCKS], n;
    SS_TRY(json_get_ints(json, channels, where, width, UNET_MAX_BLOCKS, &n, err));
    if (n < 1) return error_set(err, SS_ERR_INPUT, where, "%s is empty; expected at least one number", channels);
    for (int i = 0; i < n; i++)
        if (width[i] < 2 || width[i] > MAX_WIDTH || width[i] % g->groups != 0)
            return error_set(err, SS_ERR_INPUT, where,
                             "%s: %lld is not a multiple, from 2 to %d, of norm_num_groups %lld", channels,
                             (long long)width[i], MAX_WIDTH, (long long)g->groups);
    g->blocks = n;
    SS_TRY(read_each(json, "layers_per_block", 2, UNET_MAX_RESNETS - 1, n, where, layers, err));
    SS_TRY(read_types(json, "down_block_types", "DownBlock2D", "CrossAttnDownBlock2D", n, where, down, err));
    SS_TRY(read_types(json, "up_block_types", "UpBlock2D", "CrossAttnUpBlock2D", n, where, up, err));
    g->stage[n].width = width[n - 1];
    SS_TRY(read_middle(json, where, &g->stage[n], err));
    for (int i = 0; i < n; i++) {
        g->stage[i] = (unet_stage){.width = width[i], .resnets = layers[i], .transformers = down[i] ? layers[i] : 0};
        g->stage[n + 1 + i] = (unet_stage){.width = width[n - 1 - i],
                                           .resnets = layers[n - 1 - i] + 1,
                                           .transformers = up[i] ? layers[n - 1 - i] + 1 : 0};
    }
    json_t *one = json_integer(1); /* transformer_layers_per_block, where it is not there */
    if (!one) return error_no_memory(err, "config", sizeof(json_int_t));
    ss_status status = read_depths(json, where, one, g, err);
    json_decref(one);
    SS_TRY(status);
    SS_TRY(count_sites(where, g, err));
    return set_heads(json, where, g, err);
}

/* ---- embeddings ---- */

/* Sinusoids of `width` numbers need a divisor above 0: half of them less the shift. */
static ss_status check_shift(double shift, int64_t width, const char *where, ss_error *err) {
    if (shift >= 0 && shift < (double)(width / 2)) return SS_OK;
    text number = {0};
    text_add_double(&number, shift, 6);
    error_set(err, SS_ERR_INPUT, where, "freq_shift is %s; expected a number from 0 to below %lld, half of the waves",
              number.s ? number.s : "", (long long)(width / 2));
    text_free(&number);
    return err->code;
}

static ss_status read_addition(const json_t *json, const char *where, unet_config *g, ss_error *err) {
    static const char type[] = "addition_embed_type", each[] = "addition_time_embed_dim",
                      all[] = "projection_class_embeddings_input_dim";
    const char *name;
    SS_TRY(json_get_text_or(json, type, where, "", &name, err));
    if (!*name) return SS_OK;
    if (strcmp(name, "text_time") != 0)
        return error_set(err, SS_ERR_INPUT, where, "%s is %s; expected null or text_time", type, name);
    g->text_time = 1;
    SS_TRY(json_get_int(json, each, where, &g->addition_time_dim, err));
    SS_TRY(check_range(g->addition_time_dim, each, 2, CONFIG_WIDTH_LIMIT, where, err));
    SS_TRY(json_get_int(json, all, where, &g->addition_dim, err));
    SS_TRY(check_range(g->addition_dim, all, UNET_TIME_IDS * g->addition_time_dim + 1, 8 * CONFIG_WIDTH_LIMIT, where,
                       err));
    g->pooled_dim = g->addition_dim - UNET_TIME_IDS * g->addition_time_dim;
    return check_shift(g->freq_shift, g->addition_time_dim, where, err);
}

static ss_status unet_config_read_text(const json_t *json, const char *where, unet_config *g, ss_error *err) {
    static const char key[] = "cross_attention_dim";
    int64_t dim[UNET_MAX_BLOCKS] = {0};
    SS_TRY(read_each(json, key, 1280, CONFIG_WIDTH_LIMIT, g->blocks, where, dim, err));
    for (int i = 1; i < g->blocks; i++)
        if (dim[i] != dim[0])
            return error_set(err, SS_ERR_INPUT, where,
                             "%s: expected one width of text for all blocks, found %lld, %lld", key, (long long)dim[0],
                             (long long)dim[i]);
    g->cross_attention_dim = dim[0];
    return SS_OK;
}

/* ---- the rest ---- */

/* One number, or height and width. */
static ss_status read_sample_size(const json_t *json, const char *where, unet_config *g, ss_error *err) {
    static const char key[] = "sample_size";
    int n = 2;
    if (json_is_array(json_object_get(json, key))) SS_TRY(json_get_ints(json, key, where, g->sample_size, 2, &n, err));
    else SS_TRY(json_get_int_or(json, key, where, 0, &g->sample_size[0], err));
    if (!json_is_array(json_object_get(json, key))) g->sample_size[1] = g->sample_size[0];
    if (n != 2) return error_set(err, SS_ERR_INPUT, where, "%s: expected height and width, found one number", key);
    SS_TRY(check_range(g->sample_size[0], key, 0, 1 << 16, where, err));
    return check_range(g->sample_size[1], key, 0, 1 << 16, where, err);
}

/* Kernels that leave the size as it is. */
static ss_status read_kernel(const json_t *json, const char *key, const char *where, int64_t *out, ss_error *err) {
    SS_TRY(config_size(json, key, where, 3, 31, out, err));
    if (*out % 2) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s is %lld; expected an odd number", key, (long long)*out);
}

ss_status unet_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err) {
    (void)class_name;
    unet_config *g = config;
    int upcast;
    SS_TRY(check_refusals(json, where, err));
    SS_TRY(read_sample_size(json, where, g, err));
    SS_TRY(config_size(json, "in_channels", where, 4, 4096, &g->in_channels, err));
    SS_TRY(config_size(json, "out_channels", where, 4, 4096, &g->out_channels, err));
    if (json_is_null(json_object_get(json, "norm_num_groups")))
        return error_set(err, SS_ERR_INPUT, where, "norm_num_groups is null; expected the groups of the norms");
    SS_TRY(config_size(json, "norm_num_groups", where, 32, 65536, &g->groups, err));
    SS_TRY(config_eps(json, "norm_eps", where, 1e-5, &g->eps, err));
    SS_TRY(config_activation(json, "act_fn", where, "silu", &g->act, err));
    SS_TRY(json_get_bool_or(json, "use_linear_projection", where, 0, &g->linear_projection, err));
    SS_TRY(json_get_bool_or(json, "upcast_attention", where, 0, &upcast, err));
    SS_TRY(json_get_int_or(json, "downsample_padding", where, 1, &g->downsample_padding, err));
    SS_TRY(check_range(g->downsample_padding, "downsample_padding", 0, 1, where, err));
    SS_TRY(read_kernel(json, "conv_in_kernel", where, &g->conv_in_kernel, err));
    SS_TRY(read_kernel(json, "conv_out_kernel", where, &g->conv_out_kernel, err));
    SS_TRY(json_get_bool_or(json, "flip_sin_to_cos", where, 1, &g->cosines_first, err));
    SS_TRY(json_get_double_or(json, "freq_shift", where, 0, &g->freq_shift, err));
    SS_TRY(read_stages(json, where, g, err));
    SS_TRY(check_shift(g->freq_shift, g->stage[0].width, where, err));
    SS_TRY(
        config_size(json, "time_embedding_dim", where, 4 * g->stage[0].width, CONFIG_WIDTH_LIMIT, &g->time_dim, err));
    SS_TRY(unet_config_read_text(json, where, g, err));
    return read_addition(json, where, g, err);
}
