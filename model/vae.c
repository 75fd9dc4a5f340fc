/* AutoencoderKL; see vae.h. A forward pass takes its scratch once: three rooms, each as large as the largest activation
 * on the way, between which the layers go back and forth; only the attention in the middle, at the lowest resolution,
 * asks for more. No operation here has its output where its input is. */
#include "model/vae.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "attn/attn.h"
#include "model/checks.h"

static const float EPS = 1e-6f; /* of every norm; not in the config */

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

/* One half as a sequence of blocks in the order of the forward pass: names, widths, resnets a block. */
typedef struct half_plan {
    int up; /* the decoder */
    const char *part, *blocks, *resample;
    int at[VAE_MAX_BLOCKS]; /* index into block_out_channels */
    int64_t width[VAE_MAX_BLOCKS];
    int n;
    int64_t resnets;
} half_plan;

static half_plan plan_half(const vae_config *g, int up) {
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
static void bind_resnet(binder *b, vae_resnet *r, int changes_width, const char *prefix, int64_t number) {
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
    bind_resnet(b, &h->mid[0], 0, prefix, 0);
    bind_resnet(b, &h->mid[1], 0, prefix, 1);
    if (g->mid_attention)
        binder_rows(b, &h->attention, ATTENTION_ROWS, NN_COUNT(ATTENTION_ROWS), "%s.attentions.0.", prefix);
}

static void bind_block(binder *b, const half_plan *p, int number, vae_block *block) {
    char prefix[48];
    snprintf(prefix, sizeof prefix, "%s.%s.%d", p->part, p->blocks, number);
    int before = number ? number - 1 : 0;
    width_symbol(b, "O", p, number);
    block->resnets = binder_array(b, p->resnets, sizeof *block->resnets);
    for (int64_t i = 0; block->resnets && i < p->resnets; i++) {
        width_symbol(b, "I", p, i ? number : before);
        bind_resnet(b, &block->resnets[i], i == 0 && p->width[before] != p->width[number], prefix, i);
    }
    if (number < p->n - 1)
        binder_rows(b, block, RESAMPLE_ROWS, NN_COUNT(RESAMPLE_ROWS), "%s.%s.0.", prefix, p->resample);
}

static void bind_half(binder *b, const vae_config *g, int up, vae_half *h) {
    half_plan p = plan_half(g, up);
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
    for (int i = 0; h->blocks && i < p.n; i++) bind_block(b, &p, i, &h->blocks[i]);
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

/* ---- forward ---- */

/* Where a forward pass stands: x [B, H, W, C] lies at the beginning of room[0]. */
typedef struct walk {
    compute *c;
    const vae_config *g;
    half_plan plan;
    tensor room[3]; /* one-dimensional */
    tensor x;
} walk;

/* An image at the beginning of a room. */
static tensor in_room(const walk *k, int room, int64_t height, int64_t width, int64_t channels) {
    int64_t dim[] = {k->x.dim[0], height, width, channels};
    return tensor_reshape(tensor_columns(k->room[room], 0, dim[0] * height * width * channels), 4, dim);
}

/* The image in `room` becomes x. */
static void take(walk *k, int room, tensor t) {
    tensor old = k->room[0];
    k->room[0] = k->room[room];
    k->room[room] = old;
    k->x = t;
}

static void conv3_into(compute *c, tensor out, tensor x, const nn_linear *conv) {
    op_conv2d(c, out, x, &conv->w, &conv->b, 1, (int[]){1, 1, 1, 1}, ACT_NONE);
}

static void conv1_into(compute *c, tensor out, tensor x, const nn_linear *conv) {
    op_conv2d(c, out, x, &conv->w, &conv->b, 1, (int[]){0, 0, 0, 0}, ACT_NONE);
}

/* x = conv(x), 3 x 3 at full size. */
static void conv3(walk *k, const nn_linear *conv, const char *name) {
    tensor out = in_room(k, 1, k->x.dim[1], k->x.dim[2], conv->w.source.dim[0]);
    conv3_into(k->c, out, k->x, conv);
    take(k, 1, out);
    compute_tap(k->c, out, "%s.%s", k->plan.part, name);
}

static void norm_into(const walk *k, tensor out, tensor x, const nn_affine *norm, activation act) {
    op_group_norm(k->c, out, x, (int)k->g->groups, &norm->gamma, &norm->beta, EPS, act);
}

/* ResnetBlock2D without a time embedding: x = shortcut(x) + conv2(act(norm2(conv1(act(norm1(x)))))). */
static void resnet(walk *k, const vae_resnet *w, const char *prefix, int64_t number) {
    compute *c = k->c;
    int64_t height = k->x.dim[1], width = k->x.dim[2], channels = w->conv1.w.source.dim[0];
    tensor h = in_room(k, 1, height, width, k->x.dim[3]), y = in_room(k, 2, height, width, channels);
    norm_into(k, h, k->x, &w->norm1, k->g->act);
    conv3_into(c, y, h, &w->conv1);
    compute_tap(c, y, "%s.resnets.%lld.conv1", prefix, (long long)number);
    h = in_room(k, 1, height, width, channels);
    norm_into(k, h, y, &w->norm2, k->g->act);
    conv3_into(c, y, h, &w->conv2);
    compute_tap(c, y, "%s.resnets.%lld.conv2", prefix, (long long)number);
    if (nn_optional(&w->shortcut.w)) {
        conv1_into(c, h, k->x, &w->shortcut);
        compute_tap(c, h, "%s.resnets.%lld.conv_shortcut", prefix, (long long)number);
        take(k, 1, h);
    }
    op_add(c, k->x, k->x, y);
    compute_tap(c, k->x, "%s.resnets.%lld", prefix, (long long)number);
}

/* x += attention of one head over all pixels. */
static void attend(walk *k, const vae_attention *w, const char *prefix) {
    compute *c = k->c;
    tensor normed = in_room(k, 1, k->x.dim[1], k->x.dim[2], k->x.dim[3]);
    norm_into(k, normed, k->x, &w->norm, ACT_NONE);
    int64_t width = k->x.dim[3], token_dim[] = {k->x.dim[0], k->x.dim[1] * k->x.dim[2], width};
    tensor tokens = tensor_reshape(normed, 3, token_dim);
    arena_mark mark = arena_get_mark(c->scratch);
    nn_qkv of = nn_qkv_new(c, tokens, tokens, &w->q, &w->k, &w->v);
    attn_call call = {.block = -1, .kind = ATTN_SELF};
    call.args.q = tensor_split_last(of.q, 1);
    call.args.k = tensor_split_last(of.k, 1);
    call.args.v = tensor_split_last(of.v, 1);
    call.args.out = tensor_split_last(tokens, 1);
    call.args.scale = 1.0f / sqrtf((float)width);
    attn_forward(c, &call);
    tensor y = tensor_reshape(in_room(k, 2, k->x.dim[1], k->x.dim[2], width), 3, token_dim);
    nn_linear_into(c, y, tokens, &w->out, ACT_NONE);
    arena_release(c->scratch, mark);
    op_add(c, k->x, k->x, tensor_reshape(y, 4, k->x.dim));
    compute_tap(c, k->x, "%s.attentions.0", prefix);
}

static void middle(walk *k, const vae_half *w) {
    char prefix[48];
    snprintf(prefix, sizeof prefix, "%s.mid_block", k->plan.part);
    resnet(k, &w->mid[0], prefix, 0);
    if (k->g->mid_attention) attend(k, &w->attention, prefix);
    resnet(k, &w->mid[1], prefix, 1);
    compute_tap(k->c, k->x, "%s", prefix);
}

/* Sizes after a block's change of resolution. Down: 3 x 3, stride 2, a row and a column of zeros at the far edges. */
static int64_t resampled(int up, int64_t n) { return up ? 2 * n : (n + 1 - 3) / 2 + 1; }

static void resample(walk *k, const nn_linear *conv, const char *prefix) {
    compute *c = k->c;
    int up = k->plan.up;
    int64_t height = resampled(up, k->x.dim[1]), width = resampled(up, k->x.dim[2]), channels = k->x.dim[3];
    tensor out = in_room(k, 1, height, width, channels);
    if (up) {
        tensor large = in_room(k, 2, height, width, channels);
        op_upsample2(c, large, k->x);
        conv3_into(c, out, large, conv);
    } else op_conv2d(c, out, k->x, &conv->w, &conv->b, 2, (int[]){0, 0, 1, 1}, ACT_NONE);
    take(k, 1, out);
    compute_tap(c, out, "%s.%s.0", prefix, k->plan.resample);
}

static void blocks(walk *k, const vae_half *w) {
    for (int i = 0; i < k->plan.n; i++) {
        char prefix[48];
        snprintf(prefix, sizeof prefix, "%s.%s.%d", k->plan.part, k->plan.blocks, i);
        for (int64_t j = 0; j < k->plan.resnets; j++) resnet(k, &w->blocks[i].resnets[j], prefix, j);
        if (i < k->plan.n - 1) resample(k, &w->blocks[i].resample, prefix);
        compute_tap(k->c, k->x, "%s", prefix);
    }
}

/* Height or width at the end of a half. */
static int64_t end_size(const half_plan *p, int64_t n) {
    for (int i = 1; i < p->n; i++) n = resampled(p->up, n);
    return n;
}

/* Elements of the largest activation on the way of an image [B, H, W, C]. */
static int64_t largest_activation(const half_plan *p, tensor image) {
    int64_t most = 0, height = image.dim[1], width = image.dim[2], channels = image.dim[3];
    for (int i = 0; i < p->n; i++) {
        if (p->width[i] > channels) channels = p->width[i];
        if (height * width * channels > most) most = height * width * channels;
        channels = p->width[i];
        height = resampled(p->up, height);
        width = resampled(p->up, width);
    }
    return image.dim[0] * most;
}

static walk begin(compute *c, const vae_config *g, int up, tensor in) {
    walk k = {.c = c, .g = g, .plan = plan_half(g, up), .x = in};
    int64_t n = largest_activation(&k.plan, in);
    for (int i = 0; i < 3; i++) k.room[i] = compute_1d(c, n);
    return k;
}

/* From k->x to `out`. */
static void half_forward(walk *k, const vae_half *w, tensor out) {
    conv3(k, &w->conv_in, "conv_in");
    if (k->plan.up) middle(k, w);
    blocks(k, w);
    if (!k->plan.up) middle(k, w);
    tensor h = in_room(k, 1, k->x.dim[1], k->x.dim[2], k->x.dim[3]);
    norm_into(k, h, k->x, &w->norm_out, ACT_SILU); /* whatever act_fn is: vae.py */
    compute_tap(k->c, h, "%s.conv_act", k->plan.part);
    conv3_into(k->c, out, h, &w->conv_out);
    compute_tap(k->c, out, "%s.conv_out", k->plan.part);
}

tensor vae_decode(compute *c, const vae_config *g, const vae_weights *w, tensor latents) {
    half_plan p = plan_half(g, 1);
    tensor out =
        compute_4d(c, latents.dim[0], end_size(&p, latents.dim[1]), end_size(&p, latents.dim[2]), g->out_channels);
    arena_mark mark = arena_get_mark(c->scratch);
    walk k = begin(c, g, 1, latents);
    if (g->post_quant_conv) {
        k.x = in_room(&k, 0, latents.dim[1], latents.dim[2], g->latent_channels);
        conv1_into(c, k.x, latents, &w->post_quant);
        compute_tap(c, k.x, "post_quant_conv");
    }
    half_forward(&k, &w->decoder, out);
    arena_release(c->scratch, mark);
    return out;
}

tensor vae_encode(compute *c, const vae_config *g, const vae_weights *w, tensor pictures) {
    half_plan p = plan_half(g, 0);
    tensor out = compute_4d(c, pictures.dim[0], end_size(&p, pictures.dim[1]), end_size(&p, pictures.dim[2]),
                            2 * g->latent_channels);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor moments = g->quant_conv ? nn_like(c, out) : out;
    walk k = begin(c, g, 0, pictures);
    half_forward(&k, &w->encoder, moments);
    if (g->quant_conv) {
        conv1_into(c, out, moments, &w->quant);
        compute_tap(c, out, "quant_conv");
    }
    arena_release(c->scratch, mark);
    return out;
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
