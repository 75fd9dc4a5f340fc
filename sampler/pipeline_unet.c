/* See pipeline_unet.h. Reference: diffusers pipelines/stable_diffusion/pipeline_stable_diffusion.py and
 * pipelines/stable_diffusion_xl/pipeline_stable_diffusion_xl.py (encode_prompt, __call__). The autoencoder is computed
 * in float32 for every type of weights, so the overflow that diffusers' force_upcast avoids cannot happen. */
#include "sampler/pipeline_unet.h"

#include <stdlib.h>

/* ---- opening ---- */

ss_status unet_pipeline_check_index(const json_t *index, const char *index_path, ss_error *err) {
    if (!pipeline_has_component(index, "controlnet")) return SS_OK;
    return error_set(err, SS_ERR_INPUT, index_path,
                     "controlnet: ControlNet is not supported; expected no such component");
}

static ss_status pipeline_unet_check_components(const pipeline *p, const unet_pipeline *m, ss_error *err) {
    const unet_config *g = unet_config_of(m);
    const vae_config *v = pipeline_vae_config(p);
    SS_TRY(pipeline_agree(p, g->cross_attention_dim, "unet's cross_attention_dim", clip_texts_width(&m->clip),
                          m->clip.n > 1 ? "the hidden_size of text_encoder and text_encoder_2 together"
                                        : "the hidden_size of text_encoder",
                          err));
    SS_TRY(pipeline_agree(p, v->latent_channels, "vae's latent_channels", g->in_channels, "unet's in_channels", err));
    SS_TRY(pipeline_agree(p, g->out_channels, "unet's out_channels", g->in_channels, "its in_channels", err));
    return pipeline_agree(p, v->out_channels, "vae's out_channels", 3, "red, green and blue", err);
}

ss_status unet_pipeline_open(pipeline *p, const json_t *index, const char *index_path, const char *const *text_classes,
                             const char *variant, int sample_size, ss_error *err) {
    unet_pipeline *m = p->impl;
    SS_TRY(pipeline_open_component(&m->unet, p, index, index_path, "unet", "UNet2DConditionModel", variant, err));
    p->network = m->unet;
    SS_TRY(pipeline_open_component(&p->vae, p, index, index_path, "vae", "AutoencoderKL", variant, err));
    SS_TRY(clip_texts_open(&m->clip, p, index, index_path, text_classes, variant, err));
    SS_TRY(pipeline_unet_check_components(p, m, err));
    const int64_t *size = unet_config_of(m)->sample_size;
    p->by_default.width = (int)(size[1] ? size[1] : sample_size) * pipeline_vae_factor(p);
    p->by_default.height = (int)(size[0] ? size[0] : sample_size) * pipeline_vae_factor(p);
    p->by_default.negative = "";
    p->by_default.max_text_tokens = m->clip.tokens;
    return SS_OK;
}

void unet_pipeline_close(pipeline *p) {
    unet_pipeline *m = p->impl;
    if (!m) return;
    clip_texts_close(&m->clip);
    model_close(m->unet);
    free(m);
}

/* ---- settings ---- */

ss_status unet_pipeline_check(const pipeline *p, const resolved_settings *s, ss_error *err) {
    const unet_pipeline *m = p->impl;
    int unit = pipeline_vae_factor(p);
    if (s->width < unit || s->height < unit || s->width % unit || s->height % unit)
        return error_set(err, SS_ERR_INPUT, NULL, "size %d x %d; expected width and height to be multiples of %d",
                         s->width, s->height, unit);
    SS_TRY(unet_check_size(unet_config_of(m), s->height / unit, s->width / unit, err));
    if (s->max_text_tokens == m->clip.tokens) return SS_OK;
    return error_set(err, SS_ERR_INPUT, NULL, "max_sequence_length is %d; expected %d, all that CLIP reads",
                     s->max_text_tokens, m->clip.tokens);
}

/* ---- sites ---- */

void unet_pipeline_site(const pipeline *p, const resolved_settings *s, int block, attn_block *out) {
    const unet_pipeline *m = p->impl;
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

void unet_pipeline_sites(const pipeline *p, const resolved_settings *s, pipeline_sites *out) {
    const unet_pipeline *m = p->impl;
    out->blocks = unet_config_of(m)->sites;
    for (int i = 0; i < out->blocks; i++) {
        attn_block site;
        unet_pipeline_site(p, s, i, &site);
        if (site.heads > out->heads) out->heads = site.heads;
        if (site.keys > out->keys) out->keys = site.keys;
    }
}

/* ---- text ---- */

void unet_pipeline_text_shape(const pipeline *p, const resolved_settings *s, text_shape *out) {
    const unet_pipeline *m = p->impl;
    const unet_config *g = unet_config_of(m);
    /* diffusers' rule for negative_prompt=None, which is what an empty negative prompt means here */
    *out = (text_shape){.n_runs = 1,
                        .count = {m->clip.tokens},
                        .reader = {m->clip.tokenizer[0]},
                        .n_text = m->clip.tokens,
                        .width = g->cross_attention_dim,
                        .pooled_width = g->pooled_dim,
                        .no_negative = m->force_zeros && !*s->negative};
    clip_texts_list(&m->clip, out);
}

ss_status unet_pipeline_encode(const pipeline *p, compute *c, const char *const *texts, int n, int32_t *ids,
                               tensor states, tensor pooled, ss_error *err) {
    const unet_pipeline *m = p->impl;
    return clip_texts_encode(&m->clip, c, texts, n, ids, states, pooled, err);
}

/* ---- denoising ---- */

int64_t unet_pipeline_channels(const pipeline *p) { return unet_config_of(p->impl)->in_channels; }

int64_t unet_pipeline_patch(const pipeline *p) {
    (void)p;
    return 1;
}

tensor unet_pipeline_predict(pipeline *p, compute *c, const call_batch *b) {
    const unet_pipeline *m = p->impl;
    const attn_segment words = {SEGMENT_TEXT, "clip", 0, m->clip.tokens, 0};
    const unet_input in = {.latents = b->latents,
                           .text = b->text,
                           .pooled = b->pooled,
                           .time_ids = b->size_conditioning,
                           .timestep = b->timestep,
                           .text_segments = &words,
                           .n_text_segments = 1,
                           .batch = &b->studied};
    return unet_forward(c, unet_config_of(m), m->unet->weights, &in);
}

_Static_assert((int)SIZE_CONDITIONS == (int)UNET_TIME_IDS, "the sizes are those that the network takes");
_Static_assert((int)ATTN_NAME_SIZE >= (int)UNET_NAME_SIZE, "a block's name fits");
