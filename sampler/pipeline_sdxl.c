/* Stable Diffusion XL, the base model: two CLIP text encoders, the U-Net, the autoencoder. Reference: diffusers
 * pipelines/stable_diffusion_xl/pipeline_stable_diffusion_xl.py (encode_prompt, __call__). The autoencoder is computed
 * in float32 whatever its weights are, so the overflow that diffusers' force_upcast avoids cannot happen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/unet.h"
#include "sampler/pipeline_parts.h"

typedef struct sdxl {
    clip_pair clip;
    model *unet;
    int force_zeros; /* force_zeros_for_empty_prompt: without a negative prompt the unconditional text is zeros */
} sdxl;

static const unet_config *unet_config_of(const sdxl *m) { return m->unet->config; }

/* ---- opening ---- */

/* Components of one model fit each other. */
static ss_status check_components(const pipeline *p, const sdxl *m, ss_error *err) {
    const unet_config *g = unet_config_of(m);
    const vae_config *v = pipeline_vae_config(p);
    const clip_text_config *a = clip_pair_config(&m->clip, 0), *b = clip_pair_config(&m->clip, 1);
    if (!g->text_time)
        return error_set(err, SS_ERR_INPUT, p->folder,
                         "unet's addition_embed_type is null; expected text_time, as SDXL has it");
    SS_TRY(pipeline_agree(p, g->cross_attention_dim, "unet's cross_attention_dim", a->encoder.width + b->encoder.width,
                          "the hidden_size of text_encoder and text_encoder_2 together", err));
    SS_TRY(pipeline_agree(p, g->pooled_dim,
                          "unet's projection_class_embeddings_input_dim less 6 x addition_time_embed_dim",
                          b->projection, "text_encoder_2's projection_dim", err));
    SS_TRY(pipeline_agree(p, tokenizer_max_length(m->clip.tokenizer[1]), "tokenizer_2's model_max_length",
                          m->clip.tokens, "tokenizer's model_max_length", err));
    SS_TRY(pipeline_agree(p, v->latent_channels, "vae's latent_channels", g->in_channels, "unet's in_channels", err));
    SS_TRY(pipeline_agree(p, g->out_channels, "unet's out_channels", g->in_channels, "its in_channels", err));
    return pipeline_agree(p, v->out_channels, "vae's out_channels", 3, "red, green and blue", err);
}

/* What makes another model of the folder. */
static ss_status check_index(const json_t *index, const char *path, ss_error *err) {
    int aesthetics;
    SS_TRY(json_get_bool_or(index, "requires_aesthetics_score", path, 0, &aesthetics, err));
    if (aesthetics)
        return error_set(err, SS_ERR_INPUT, path,
                         "requires_aesthetics_score is true: SDXL's refiner, which is not supported; expected the base "
                         "model");
    if (pipeline_has_component(index, "controlnet"))
        return error_set(err, SS_ERR_INPUT, path,
                         "controlnet: ControlNet is not supported; expected no such component");
    return SS_OK;
}

/* Latents of such an autoencoder are normalised by channel, which the parsed config does not tell. */
static ss_status check_vae_config(const pipeline *p, ss_error *err) {
    static const char *const keys[] = {"latents_mean", "latents_std"};
    char *path = file_join(p->vae->folder, "config.json");
    json_t *json = NULL;
    ss_status status = path ? json_read_file(path, JSON_CONFIG_LIMIT, &json, err) : error_no_memory(err, "path", 0);
    for (int i = 0; status == SS_OK && i < 2; i++)
        if (json_has(json, keys[i]))
            status = error_set(err, SS_ERR_INPUT, path, "%s is set, which is not supported; expected null", keys[i]);
    json_decref(json);
    free(path);
    return status;
}

static ss_status sdxl_open(pipeline *p, const json_t *index, const char *index_path, const char *variant,
                           ss_error *err) {
    static const char *const classes[CLIP_PAIR] = {"CLIPTextModel", "CLIPTextModelWithProjection"};
    sdxl *m = p->impl = calloc(1, sizeof *m);
    if (!m) return error_no_memory(err, "pipeline", sizeof *m);
    SS_TRY(check_index(index, index_path, err));
    SS_TRY(json_get_bool_or(index, "force_zeros_for_empty_prompt", index_path, 1, &m->force_zeros, err));
    SS_TRY(pipeline_open_scheduler(p, SCHEDULER_DIFFUSION, err));
    SS_TRY(pipeline_open_component(&m->unet, p, index, index_path, "unet", "UNet2DConditionModel", variant, err));
    SS_TRY(pipeline_open_component(&p->vae, p, index, index_path, "vae", "AutoencoderKL", variant, err));
    SS_TRY(check_vae_config(p, err));
    SS_TRY(clip_pair_open(&m->clip, p, index, index_path, classes, variant, err));
    SS_TRY(check_components(p, m, err));
    const int64_t *size = unet_config_of(m)->sample_size; /* 128 where the config says none, as in diffusers */
    p->by_default = (sample_settings){.width = (int)(size[1] ? size[1] : 128) * pipeline_vae_factor(p),
                                      .height = (int)(size[0] ? size[0] : 128) * pipeline_vae_factor(p),
                                      .steps = 50,
                                      .guidance = 5.0,
                                      .negative = "",
                                      .max_text_tokens = m->clip.tokens};
    return SS_OK;
}

static void sdxl_close(pipeline *p) {
    sdxl *m = p->impl;
    if (!m) return;
    clip_pair_close(&m->clip);
    model_close(m->unet);
    free(m);
}

static int sdxl_weights(const pipeline *p, const weight_set *out[MAX_WEIGHT_SETS]) {
    const sdxl *m = p->impl;
    int n = 0;
    for (int i = 0; i < CLIP_PAIR; i++) out[n++] = &m->clip.encoder[i]->set;
    out[n++] = &m->unet->set;
    return n;
}

/* ---- settings ---- */

static ss_status sdxl_check(const pipeline *p, const sample_settings *s, ss_error *err) {
    const sdxl *m = p->impl;
    int unit = pipeline_vae_factor(p);
    if (s->width < unit || s->height < unit || s->width % unit || s->height % unit)
        return error_set(err, SS_ERR_INPUT, NULL, "size %d x %d; expected width and height to be multiples of %d",
                         s->width, s->height, unit);
    SS_TRY(unet_check_size(unet_config_of(m), s->height / unit, s->width / unit, err));
    if (s->max_text_tokens != m->clip.tokens)
        return error_set(err, SS_ERR_INPUT, NULL, "max_sequence_length is %d; expected %d, all that CLIP reads",
                         s->max_text_tokens, m->clip.tokens);
    return SS_OK;
}

/* ---- sites ---- */

static void sdxl_site(const pipeline *p, const sample_settings *s, int block, attn_block *out) {
    const sdxl *m = p->impl;
    const unet_config *g = unet_config_of(m);
    unet_site site = {0};
    unet_site_at(g, block, &site);
    int unit = pipeline_vae_factor(p), columns = (int)unet_level_size(g, site.level, s->width / unit);
    int image = columns * (int)unet_level_size(g, site.level, s->height / unit);
    *out = (attn_block){.kind = site.kind, .heads = site.heads, .n_query_segments = 1, .n_segments = 1};
    out->query_segment[0] = (attn_segment){SEGMENT_IMAGE, "image", 0, image, columns};
    out->segment[0] =
        site.kind == ATTN_CROSS ? (attn_segment){SEGMENT_TEXT, "clip", 0, m->clip.tokens, 0} : out->query_segment[0];
    out->keys = out->segment[0].length;
    unet_site_name(g, block, out->name);
}

static void sdxl_sites(const pipeline *p, const sample_settings *s, pipeline_sites *out) {
    out->blocks = unet_config_of(p->impl)->sites;
    for (int i = 0; i < out->blocks; i++) {
        attn_block site;
        sdxl_site(p, s, i, &site);
        if (site.heads > out->heads) out->heads = site.heads;
        if (site.keys > out->keys) out->keys = site.keys;
    }
}

/* ---- text ---- */

static ss_status sdxl_encode(pipeline *p, compute *c, const sample_settings *s, const char *prompt, embedding *e,
                             ss_error *err) {
    const sdxl *m = p->impl;
    const unet_config *g = unet_config_of(m);
    const char *const prompts[MAX_BRANCHES] = {[BRANCH_COND] = prompt, [BRANCH_UNCOND] = s->negative};
    /* diffusers' rule for negative_prompt=None, which is what an empty negative prompt means here */
    int encoded = m->force_zeros && !*s->negative ? 1 : e->branches;
    e->n_runs = 1;
    for (int b = 0; b < e->branches; b++) e->run[b][0].count = m->clip.tokens;
    e->n_text = m->clip.tokens;
    e->width = g->cross_attention_dim;
    e->pooled_width = g->pooled_dim;
    SS_TRY(embedding_allocate(e, err));
    int32_t *ids = calloc((size_t)(encoded * e->n_text), sizeof *ids);
    if (!ids) return error_no_memory(err, "token ids", (size_t)(encoded * e->n_text) * sizeof *ids);
    tensor states = compute_3d(c, encoded, e->n_text, e->width), pooled = compute_2d(c, encoded, e->pooled_width);
    ss_status status = clip_pair_encode(&m->clip, c, prompts, encoded, e, ids, states, pooled, err);
    op_download(c, e->states, states);
    op_download(c, e->pooled, pooled);
    free(ids);
    return status;
}

/* ---- denoising ---- */

static int64_t sdxl_channels(const pipeline *p) { return unet_config_of(p->impl)->in_channels; }

static int64_t sdxl_patch(const pipeline *p) {
    (void)p;
    return 1;
}

static tensor sdxl_predict(pipeline *p, compute *c, const call_batch *b) {
    const sdxl *m = p->impl;
    const attn_segment words = {SEGMENT_TEXT, "clip", 0, m->clip.tokens, 0};
    const unet_input in = {.latents = b->latents,
                           .text = b->text,
                           .pooled = b->pooled,
                           .time_ids = b->told_sizes,
                           .timestep = b->timestep,
                           .text_segments = &words,
                           .n_text_segments = 1,
                           .batch = &b->studied};
    return unet_forward(c, unet_config_of(m), m->unet->weights, &in);
}

_Static_assert((int)TOLD_SIZES == (int)UNET_TIME_IDS, "what is told is what the network takes");
_Static_assert((int)ATTN_NAME_SIZE >= (int)UNET_NAME_SIZE, "a block's name fits");

const pipeline_row PIPELINE_SDXL = {
    .about = {"StableDiffusionXLPipeline", "Stable Diffusion XL, the base model", NULL},
    .tells_sizes = 1,
    .open = sdxl_open,
    .close = sdxl_close,
    .check = sdxl_check,
    .sites = sdxl_sites,
    .site = sdxl_site,
    .encode = sdxl_encode,
    .channels = sdxl_channels,
    .patch = sdxl_patch,
    .predict = sdxl_predict,
    .weights = sdxl_weights,
};
