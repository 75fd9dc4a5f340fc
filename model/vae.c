/* AutoencoderKL: its config, its weights and its named arrays; see vae.h. The forward pass is in vae_forward.c. */
#include "model/vae_plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/checks.h"

/* ---- config.json ---- */

/* `key` lists `n` blocks, all of the kind `name`. */
static ss_status check_block_types(const json_t *json, const char *key, const char *name, int n, const char *where,
                                   ss_error *err) {
    json_t *list;
    SS_TRY(json_get_array(json, key, where, &list, err));
    if ((int)json_array_size(list) != n)
        return error_set(err, SS_ERR_INPUT, where, "%s: expected %d entries, as block_out_channels has, found %zu", key,
                         n, json_array_size(list));
    for (int i = 0; i < n; i++) {
        const char *found = json_string_value(json_array_get(list, (size_t)i));
        if (!found || strcmp(found, name) != 0)
            return error_set(err, SS_ERR_INPUT, where, "%s: expected \"%s\" in every entry, found \"%s\"", key, name,
                             found ? found : json_type_name(json_array_get(list, (size_t)i)));
    }
    return SS_OK;
}

static ss_status parse_blocks(const json_t *json, const char *where, vae_config *g, ss_error *err) {
    static const char key[] = "block_out_channels";
    SS_TRY(json_get_ints(json, key, where, g->channels, VAE_MAX_BLOCKS, &g->blocks, err));
    if (g->blocks < 1) return error_set(err, SS_ERR_INPUT, where, "%s is empty; expected at least one number", key);
    for (int i = 0; i < g->blocks; i++)
        if (g->channels[i] < 1 || g->channels[i] > 65536 || g->channels[i] % g->groups != 0)
            return error_set(err, SS_ERR_INPUT, where,
                             "%s: %lld is not a multiple, up to 65536, of norm_num_groups %lld", key,
                             (long long)g->channels[i], (long long)g->groups);
    SS_TRY(check_block_types(json, "down_block_types", "DownEncoderBlock2D", g->blocks, where, err));
    return check_block_types(json, "up_block_types", "UpDecoderBlock2D", g->blocks, where, err);
}

/* A list of a number a channel; *set = 0 where there is none. */
static ss_status parse_channels(const json_t *json, const char *key, const char *where, int64_t n, float *out, int *set,
                                ss_error *err) {
    json_t *list;
    *set = json_has(json, key);
    if (!*set) return SS_OK;
    SS_TRY(json_get_array(json, key, where, &list, err));
    if (n > VAE_MAX_NORMALISED || (int64_t)json_array_size(list) != n)
        return error_set(err, SS_ERR_INPUT, where,
                         "%s: expected %lld numbers (at most %d), as latent_channels has, found %zu", key, (long long)n,
                         VAE_MAX_NORMALISED, json_array_size(list));
    for (int64_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(list, (size_t)i);
        if (!json_is_number(x))
            return error_set(err, SS_ERR_INPUT, where, "%s: expected numbers, found %s", key, json_type_name(x));
        out[i] = (float)json_number_value(x);
    }
    return SS_OK;
}

ss_status vae_parse(const json_t *json, const char *class_name, const char *where, void *config, ss_error *err) {
    (void)class_name;
    vae_config *g = config;
    SS_TRY(config_size(json, "in_channels", where, 3, 4096, &g->in_channels, err));
    SS_TRY(config_size(json, "out_channels", where, 3, 4096, &g->out_channels, err));
    SS_TRY(config_size(json, "latent_channels", where, 4, 4096, &g->latent_channels, err));
    SS_TRY(config_size(json, "layers_per_block", where, 1, CONFIG_LAYER_LIMIT, &g->layers_per_block, err));
    SS_TRY(config_size(json, "norm_num_groups", where, 32, 65536, &g->groups, err));
    SS_TRY(parse_blocks(json, where, g, err));
    SS_TRY(config_activation(json, "act_fn", where, "silu", &g->act, err));
    SS_TRY(json_get_bool_or(json, "use_quant_conv", where, 1, &g->quant_conv, err));
    SS_TRY(json_get_bool_or(json, "use_post_quant_conv", where, 1, &g->post_quant_conv, err));
    SS_TRY(json_get_bool_or(json, "mid_block_add_attention", where, 1, &g->mid_attention, err));
    SS_TRY(json_get_double_or(json, "scaling_factor", where, 0.18215, &g->scaling_factor, err));
    SS_TRY(json_get_double_or(json, "shift_factor", where, 0, &g->shift_factor, err));
    int mean, std;
    SS_TRY(parse_channels(json, "latents_mean", where, g->latent_channels, g->latents_mean, &mean, err));
    SS_TRY(parse_channels(json, "latents_std", where, g->latent_channels, g->latents_std, &std, err));
    g->normalised = mean && std;
    if (!(fabs(g->scaling_factor) > 0))
        return error_set(err, SS_ERR_INPUT, where, "scaling_factor is 0; expected the scale of the latents");
    return SS_OK;
}

/* ---- weights ---- */

/* S source, A and Z width of the first and last block on the way, E end. */
static const weight_row HALF_ROWS[] = {
    NN_CONV_ROWS(vae_half, conv_in, "conv_in", "A", "S", "3"),
    NN_AFFINE_ROWS(vae_half, norm_out, "conv_norm_out", "Z"),
    NN_CONV_ROWS(vae_half, conv_out, "conv_out", "E", "Z", "3"),
};

static const weight_row RESNET_ROWS[] = {
    NN_AFFINE_ROWS(vae_resnet, norm1, "norm1", "I"),
    NN_CONV_ROWS(vae_resnet, conv1, "conv1", "O", "I", "3"),
    NN_AFFINE_ROWS(vae_resnet, norm2, "norm2", "O"),
    NN_CONV_ROWS(vae_resnet, conv2, "conv2", "O", "O", "3"),
};

static const weight_row SHORTCUT_ROWS[] = {NN_CONV_ROWS(vae_resnet, shortcut, "conv_shortcut", "O", "I", "1")};
static const weight_row RESAMPLE_ROWS[] = {NN_CONV_ROWS(vae_block, resample, "conv", "O", "O", "3")};

/* The second name is that of checkpoints written before diffusers 0.15. */
#define PROJECTION_ROWS(member, name, old)                                                                             \
    {offsetof(vae_attention, member.w), WEIGHT_LINEAR, name ".weight|" old ".weight", "O O"}, {                        \
        offsetof(vae_attention, member.b), WEIGHT_VECTOR, name ".bias|" old ".bias", "O"                               \
    }

static const weight_row ATTENTION_ROWS[] = {
    NN_AFFINE_ROWS(vae_attention, norm, "group_norm", "O"),
    PROJECTION_ROWS(q, "to_q", "query"),
    PROJECTION_ROWS(k, "to_k", "key"),
    PROJECTION_ROWS(v, "to_v", "value"),
    PROJECTION_ROWS(out, "to_out.0", "proj_attn"),
};

static const weight_row QUANT_ROWS[] = {NN_CONV_ROWS(vae_weights, quant, "quant_conv", "2L", "2L", "1")};
static const weight_row POST_QUANT_ROWS[] = {NN_CONV_ROWS(vae_weights, post_quant, "post_quant_conv", "L", "L", "1")};

half_plan vae_plan_half(const vae_config *g, int up) {
    half_plan p = {0, "encoder", "down_blocks", "downsamplers", {0}, {0}, g->blocks, g->layers_per_block};
    if (up) p = (half_plan){1, "decoder", "up_blocks", "upsamplers", {0}, {0}, g->blocks, g->layers_per_block + 1};
    for (int i = 0; i < p.n; i++) {
        p.at[i] = up ? p.n - 1 - i : i;
        p.width[i] = g->channels[p.at[i]];
    }
    return p;
}

static void width_symbol(binder *b, const char *symbol, const half_plan *p, int block) {
    binder_symbol(b, symbol, p->width[block], "block_out_channels[%d] %lld", p->at[block], (long long)p->width[block]);
}

/* Symbols I and O are set. */
static void vae_bind_resnet(binder *b, vae_resnet *r, int changes_width, const char *prefix, int64_t number) {
    binder_rows(b, r, RESNET_ROWS, NN_COUNT(RESNET_ROWS), "%s.resnets.%lld.", prefix, (long long)number);
    if (changes_width)
        binder_rows(b, r, SHORTCUT_ROWS, NN_COUNT(SHORTCUT_ROWS), "%s.resnets.%lld.", prefix, (long long)number);
}

static void bind_middle(binder *b, const vae_config *g, const half_plan *p, vae_half *h) {
    char prefix[48];
    int lowest = p->up ? 0 : p->n - 1;
    snprintf(prefix, sizeof prefix, "%s.mid_block", p->part);
    width_symbol(b, "I", p, lowest);
    width_symbol(b, "O", p, lowest);
    vae_bind_resnet(b, &h->mid[0], 0, prefix, 0);
    vae_bind_resnet(b, &h->mid[1], 0, prefix, 1);
    if (g->mid_attention)
        binder_rows(b, &h->attention, ATTENTION_ROWS, NN_COUNT(ATTENTION_ROWS), "%s.attentions.0.", prefix);
}

static void vae_bind_block(binder *b, const half_plan *p, int number, vae_block *block) {
    char prefix[48];
    snprintf(prefix, sizeof prefix, "%s.%s.%d", p->part, p->blocks, number);
    int before = number ? number - 1 : 0;
    width_symbol(b, "O", p, number);
    block->resnets = binder_array(b, p->resnets, sizeof *block->resnets);
    for (int64_t i = 0; block->resnets && i < p->resnets; i++) {
        width_symbol(b, "I", p, i ? number : before);
        vae_bind_resnet(b, &block->resnets[i], i == 0 && p->width[before] != p->width[number], prefix, i);
    }
    if (number < p->n - 1)
        binder_rows(b, block, RESAMPLE_ROWS, NN_COUNT(RESAMPLE_ROWS), "%s.%s.0.", prefix, p->resample);
}

static void bind_half(binder *b, const vae_config *g, int up, vae_half *h) {
    half_plan p = vae_plan_half(g, up);
    width_symbol(b, "A", &p, 0);
    width_symbol(b, "Z", &p, p.n - 1);
    if (up) {
        binder_symbol(b, "S", g->latent_channels, "latent_channels %lld", (long long)g->latent_channels);
        binder_symbol(b, "E", g->out_channels, "out_channels %lld", (long long)g->out_channels);
    } else {
        binder_symbol(b, "S", g->in_channels, "in_channels %lld", (long long)g->in_channels);
        binder_symbol(b, "E", 2 * g->latent_channels, "2 x latent_channels %lld", (long long)g->latent_channels);
    }
    binder_rows(b, h, HALF_ROWS, NN_COUNT(HALF_ROWS), "%s.", p.part);
    bind_middle(b, g, &p, h);
    h->blocks = binder_array(b, p.n, sizeof *h->blocks);
    for (int i = 0; h->blocks && i < p.n; i++) vae_bind_block(b, &p, i, &h->blocks[i]);
}

void vae_bind(binder *b, const void *config, void *weights) {
    const vae_config *g = config;
    vae_weights *w = weights;
    bind_half(b, g, 0, &w->encoder);
    bind_half(b, g, 1, &w->decoder);
    binder_symbol(b, "L", g->latent_channels, "latent_channels %lld", (long long)g->latent_channels);
    if (g->quant_conv) binder_rows(b, w, QUANT_ROWS, NN_COUNT(QUANT_ROWS), "%s", "");
    if (g->post_quant_conv) binder_rows(b, w, POST_QUANT_ROWS, NN_COUNT(POST_QUANT_ROWS), "%s", "");
}

/* ---- named arrays ---- */

ss_status vae_example(const void *config, model_arrays *in, ss_error *err) {
    const vae_config *g = config;
    int64_t size = INT64_C(2) << (g->blocks - 1);
    if (!model_arrays_add(in, "latents", 0, 4, (int64_t[]){1, g->latent_channels, 2, 2}, err)) return err->code;
    return model_arrays_add(in, "sample", 0, 4, (int64_t[]){1, g->in_channels, size, size}, err) ? SS_OK : err->code;
}

static ss_status decode_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err) {
    const vae_config *g = m->config;
    const float *host;
    int64_t dim[TENSOR_MAX_DIMS] = {-1, g->latent_channels, -1, -1};
    SS_TRY(model_input_floats(in, "latents", 4, dim, &host, err));
    tensor x = model_upload_image(c, host, dim[0], dim[1], dim[2], dim[3]);
    return model_arrays_add_tensor(out, "decoded", c, vae_decode(c, g, m->weights, x), err);
}

static ss_status encode_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err) {
    const vae_config *g = m->config;
    const float *host;
    int64_t dim[TENSOR_MAX_DIMS] = {-1, g->in_channels, -1, -1}, least = INT64_C(1) << (g->blocks - 1);
    SS_TRY(model_input_floats(in, "sample", 4, dim, &host, err));
    if (dim[2] < least || dim[3] < least)
        return error_set(err, SS_ERR_INPUT, "sample", "expected at least %lld x %lld pixels, found %lld x %lld",
                         (long long)least, (long long)least, (long long)dim[2], (long long)dim[3]);
    tensor x = model_upload_image(c, host, dim[0], dim[1], dim[2], dim[3]);
    tensor moments = vae_encode(c, g, m->weights, x);
    SS_TRY(model_arrays_add_tensor(out, "mean", c, tensor_columns(moments, 0, g->latent_channels), err));
    SS_TRY(model_arrays_add_tensor(out, "logvar", c, tensor_columns(moments, g->latent_channels, g->latent_channels),
                                   err));
    model_array *logvar = &out->at[out->n - 1];
    for (int64_t i = 0; i < model_array_elements(logvar); i++) {
        if (logvar->f32[i] < -30) logvar->f32[i] = -30; /* DiagonalGaussianDistribution */
        if (logvar->f32[i] > 20) logvar->f32[i] = 20;
    }
    return SS_OK;
}

ss_status vae_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err) {
    static const char *const names[] = {"latents", "sample"};
    SS_TRY(model_arrays_all_known(in, names, 2, err));
    if (checks_has_input(in, "latents")) SS_TRY(decode_named(m, c, in, out, err));
    if (in->n == 0 || checks_has_input(in, "sample")) return encode_named(m, c, in, out, err);
    return SS_OK;
}

const network network_vae = {.about = {"AutoencoderKL", "autoencoder: latents to pictures and back", NULL},
                             .config_size = sizeof(vae_config),
                             .weights_size = sizeof(vae_weights),
                             .parse = vae_parse,
                             .bind = vae_bind,
                             .example = vae_example,
                             .forward = vae_forward_named};
