/* The U-Net: the forward pass over its blocks, and its row of the table of networks. What the way down leaves at every
 * resnet and every halving (the skips) stays in scratch until the way up has taken it, last first. */
#include "model/unet.h"

#include <stdio.h>
#include <stdlib.h>
#include "model/checks.h"
#include "model/unet_blocks.h"

/* The path of a module of a stage: "down_blocks.1.resnets.0". */
typedef struct path {
    char text[UNET_NAME_SIZE];
} path;

static path unet_path_of(const unet_pass *p, int stage, const char *kind, int64_t number) {
    path out;
    char name[UNET_NAME_SIZE];
    snprintf(out.text, sizeof out.text, "%.20s.%s.%lld", unet_stage_name(p->g, stage, name), kind, (long long)number);
    return out;
}

/* ---- the time embedding ---- */

/* Sinusoids of n host numbers, `each` wide, into `out` [B, n / B x each], which may be a part of something wider. */
static void upload_sinusoids(const unet_pass *p, tensor out, const float *x, int64_t n, int64_t each) {
    float *waves = malloc(sizeof *waves * (size_t)(n * each));
    if (!waves) {
        ss_error err;
        error_no_memory(&err, "time embedding", sizeof *waves * (size_t)(n * each));
        compute_fail(p->c, &err);
        return;
    }
    nn_sinusoids(waves, x, n, each, p->g->cosines_first, p->g->freq_shift);
    op_upload(p->c, out, waves);
    free(waves);
}

/* act(time, with pooled text and time ids where they are asked for), [B, T]: what every resnet gets. */
static tensor unet_embed_condition(const unet_pass *p, const unet_weights *w) {
    compute *c = p->c;
    const unet_config *g = p->g;
    tensor out = compute_2d(c, p->batch, g->time_dim);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor waves = compute_2d(c, p->batch, g->stage[0].width);
    upload_sinusoids(p, waves, p->in->timestep, p->batch, g->stage[0].width);
    tensor time = nn_mlp_new(c, waves, &w->time_up, &w->time_down, g->act);
    compute_tap(c, time, "time_embedding");
    if (g->text_time) {
        int64_t ids = g->addition_dim - g->pooled_dim;
        tensor joined = compute_2d(c, p->batch, g->addition_dim);
        op_copy(c, tensor_columns(joined, 0, g->pooled_dim), p->in->pooled);
        upload_sinusoids(p, tensor_columns(joined, g->pooled_dim, ids), p->in->time_ids, p->batch * UNET_TIME_IDS,
                         g->addition_time_dim);
        tensor added = nn_mlp_new(c, joined, &w->add_up, &w->add_down, ACT_SILU); /* for every act_fn */
        compute_tap(c, added, "add_embedding");
        op_add(c, time, time, added);
    }
    op_activation(c, out, time, g->act);
    arena_release(c->scratch, mark);
    return out;
}

/* ---- the two ways ---- */

typedef struct skips {
    int n;
    tensor at[UNET_MAX_SKIPS];
} skips;

/* Resnet i of a stage and its transformer, from x into `out`. */
static void step(unet_pass *p, int stage, const unet_block *w, int64_t i, tensor out, tensor x, int spend) {
    const unet_stage *s = &p->g->stage[stage];
    unet_resnet_forward(p, &w->resnets[i], out, x, spend, unet_path_of(p, stage, "resnets", i).text);
    if (i < s->transformers)
        unet_transformer_forward(p, s, &w->transformers[i], s->depth[i], out,
                                 unet_path_of(p, stage, "attentions", i).text);
}

static void tap_stage(const unet_pass *p, int stage, tensor x) {
    char name[UNET_NAME_SIZE];
    compute_tap(p->c, x, "%s", unet_stage_name(p->g, stage, name));
}

/* 3 x 3, stride 2; without padding there are a row and a column of zeros at the far edges (downsampling.py). */
static tensor unet_halve(const unet_pass *p, int stage, const nn_linear *conv, tensor x) {
    int pad = (int)p->g->downsample_padding, far = pad ? pad : 1;
    tensor out =
        compute_4d(p->c, p->batch, unet_level_size(p->g, 1, x.dim[1]), unet_level_size(p->g, 1, x.dim[2]), x.dim[3]);
    op_conv2d(p->c, out, x, &conv->w, &conv->b, 2, (int[]){pad, pad, far, far}, ACT_NONE);
    compute_tap(p->c, out, "%s", unet_path_of(p, stage, "downsamplers", 0).text);
    return out;
}

/* A block of the way down: its last output. Every output is a skip. */
static tensor go_down(unet_pass *p, int stage, const unet_block *w, tensor x, skips *kept) {
    const unet_stage *s = &p->g->stage[stage];
    for (int64_t i = 0; i < s->resnets; i++) {
        tensor out = compute_4d(p->c, p->batch, x.dim[1], x.dim[2], s->width);
        step(p, stage, w, i, out, x, 0);
        kept->at[kept->n++] = x = out;
    }
    if (unet_resamples(p->g, stage)) kept->at[kept->n++] = x = unet_halve(p, stage, &w->resample, x);
    tap_stage(p, stage, x);
    return x;
}

static tensor pass_middle(unet_pass *p, const unet_block *w, tensor x) {
    int stage = p->g->blocks;
    for (int64_t i = 0; i < p->g->stage[stage].resnets; i++) {
        tensor out = nn_like(p->c, x);
        step(p, stage, w, i, out, x, 0);
        x = out;
    }
    if (p->g->stage[stage].resnets) tap_stage(p, stage, x);
    return x;
}

/* x and what the way down left, side by side: [B, H, W, C + C']. */
static tensor unet_join(compute *c, tensor x, tensor skip) {
    tensor out = compute_4d(c, x.dim[0], x.dim[1], x.dim[2], x.dim[3] + skip.dim[3]);
    op_copy(c, tensor_columns(out, 0, x.dim[3]), x);
    op_copy(c, tensor_columns(out, x.dim[3], skip.dim[3]), skip);
    return out;
}

/* A block of the way up: its output in new scratch. Upsampling is to the size of the skip that is next, which is twice
 * the size where the latents can be halved without remainder (forward_upsample_size in the reference). */
static tensor go_up(unet_pass *p, int stage, const unet_block *w, tensor x, skips *kept) {
    compute *c = p->c;
    const unet_stage *s = &p->g->stage[stage];
    int grows = unet_resamples(p->g, stage);
    tensor size = grows ? kept->at[kept->n - 1 - s->resnets] : x;
    tensor out = compute_4d(c, p->batch, size.dim[1], size.dim[2], s->width);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor room[2];
    for (int i = 0; i < 2; i++) room[i] = compute_4d(c, p->batch, x.dim[1], x.dim[2], s->width);
    for (int64_t i = 0; i < s->resnets; i++) {
        tensor to = i == s->resnets - 1 && !grows ? out : room[i % 2];
        arena_mark inner = arena_get_mark(c->scratch);
        step(p, stage, w, i, to, unet_join(c, x, kept->at[--kept->n]), 1);
        arena_release(c->scratch, inner);
        x = to;
    }
    if (grows) {
        tensor large = nn_like(c, out);
        op_upsample(c, large, x);
        unet_convolve(c, out, large, &w->resample);
        compute_tap(c, out, "%s", unet_path_of(p, stage, "upsamplers", 0).text);
    }
    tap_stage(p, stage, out);
    arena_release(c->scratch, mark);
    return out;
}

/* ---- the whole ---- */

tensor unet_forward(compute *c, const unet_config *g, const unet_weights *w, const unet_input *in) {
    int64_t batch = in->latents.dim[0], h = in->latents.dim[1], width = in->latents.dim[2];
    tensor out = compute_4d(c, batch, h, width, g->out_channels);
    arena_mark mark = arena_get_mark(c->scratch);
    unet_pass p = {.c = c, .g = g, .in = in, .batch = batch};
    skips kept = {.n = 1};
    p.condition = unet_embed_condition(&p, w);
    tensor x = kept.at[0] = compute_4d(c, batch, h, width, g->stage[0].width);
    unet_convolve(c, x, in->latents, &w->conv_in);
    compute_tap(c, x, "conv_in");
    for (int stage = 0; stage < g->blocks; stage++) x = go_down(&p, stage, &w->blocks[stage], x, &kept);
    x = pass_middle(&p, &w->blocks[g->blocks], x);
    for (int stage = g->blocks + 1; stage < unet_stages(g); stage++) x = go_up(&p, stage, &w->blocks[stage], x, &kept);
    op_group_norm(c, x, x, (int)g->groups, &w->norm_out.gamma, &w->norm_out.beta, g->eps, g->act);
    compute_tap(c, x, "conv_act");
    unet_convolve(c, out, x, &w->conv_out);
    compute_tap(c, out, "conv_out");
    arena_release(c->scratch, mark);
    return out;
}

/* ---- named arrays ---- */

ss_status unet_example(const void *config, model_arrays *in, ss_error *err) {
    const unet_config *g = config;
    int64_t side = INT64_C(1) << (g->blocks - 1);
    if (!model_arrays_add(in, "sample", 0, 4, (int64_t[]){1, g->in_channels, side, side}, err) ||
        !model_arrays_add(in, "timestep", 0, 1, (int64_t[]){1}, err) ||
        !model_arrays_add(in, "encoder_hidden_states", 0, 3, (int64_t[]){1, 2, g->cross_attention_dim}, err))
        return err->code;
    if (g->text_time && (!model_arrays_add(in, "text_embeds", 0, 2, (int64_t[]){1, g->pooled_dim}, err) ||
                         !model_arrays_add(in, "time_ids", 0, 2, (int64_t[]){1, UNET_TIME_IDS}, err)))
        return err->code;
    return SS_OK;
}

ss_status unet_forward_named(const model *m, compute *c, const model_arrays *in, model_arrays *out, ss_error *err) {
    static const char *const names[] = {"sample", "timestep", "encoder_hidden_states", "text_embeds", "time_ids"};
    const unet_config *g = m->config;
    int64_t image[4] = {-1, g->in_channels, -1, -1}, states_dim[3] = {-1, -1, g->cross_attention_dim};
    const float *latents, *states, *pooled = NULL, *ids = NULL;
    float *timestep;
    SS_TRY(model_arrays_all_known(in, names, g->text_time ? NN_COUNT(names) : NN_COUNT(names) - 2, err));
    SS_TRY(model_input_floats(in, names[0], 4, image, &latents, err));
    int64_t pooled_dim[] = {image[0], g->pooled_dim}, ids_dim[] = {image[0], UNET_TIME_IDS};
    states_dim[0] = image[0];
    SS_TRY(model_input_floats(in, names[2], 3, states_dim, &states, err));
    if (g->text_time) {
        SS_TRY(model_input_floats(in, names[3], 2, pooled_dim, &pooled, err));
        SS_TRY(model_input_floats(in, names[4], 2, ids_dim, &ids, err));
    }
    SS_TRY(unet_check_size(g, image[2], image[3], err));
    SS_TRY(checks_timesteps(in, image[0], &timestep, err));
    const attn_segment segment = {SEGMENT_TEXT, "clip", 0, (int)states_dim[1], 0};
    unet_input input = {.latents = model_upload_image(c, latents, image[0], image[1], image[2], image[3]),
                        .text = model_upload(c, states, 3, states_dim),
                        .time_ids = ids,
                        .timestep = timestep,
                        .text_segments = &segment,
                        .n_text_segments = 1};
    if (pooled) input.pooled = model_upload(c, pooled, 2, pooled_dim);
    tensor sample = unet_forward(c, g, m->weights, &input);
    free(timestep);
    return model_arrays_add_tensor(out, "sample", c, sample, err);
}

const network network_unet = {.about = {"UNet2DConditionModel", "U-Net, the denoiser of SDXL and of SD 1 and 2", NULL},
                              .config_size = sizeof(unet_config),
                              .weights_size = sizeof(unet_weights),
                              .parse = unet_parse,
                              .bind = unet_bind,
                              .example = unet_example,
                              .forward = unet_forward_named};
