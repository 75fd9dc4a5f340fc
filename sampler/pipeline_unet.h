/* Pipelines whose denoiser is a U-Net conditioned on CLIP's text: what Stable Diffusion 1, 2 and XL have in common,
 * which is nearly all. Private to sampler/; the functions here are for rows whose p->impl is a unet_pipeline. */
#ifndef SAMPLER_PIPELINE_UNET_H
#define SAMPLER_PIPELINE_UNET_H

#include "model/unet.h"
#include "sampler/pipeline_parts.h"

typedef struct unet_pipeline {
    clip_texts clip;
    model *unet;
    int force_zeros; /* without a negative prompt the unconditional text is zeros, not what CLIP makes of "" */
} unet_pipeline;

static inline const unet_config *unet_config_of(const unet_pipeline *m) { return m->unet->config; }

/* Refuse a folder with a ControlNet; for the row's `open`, before anything is opened. */
ss_status unet_pipeline_check_index(const json_t *index, const char *index_path, ss_error *err);

/* Fill p->impl, p->vae, p->network and p->by_default, its guidance and steps aside; p->impl->clip.n and .last are set
 * by the caller, who makes *m and gives it to p->impl first. Components of one model fit each other. `sample_size`: the
 * latents' where the config says none. */
ss_status unet_pipeline_open(pipeline *p, const json_t *index, const char *index_path, const char *const *text_classes,
                             const char *variant, int sample_size, ss_error *err);

/* Members of the row. */
void unet_pipeline_close(pipeline *p);
ss_status unet_pipeline_check(const pipeline *p, const resolved_settings *s, ss_error *err);
void unet_pipeline_sites(const pipeline *p, const resolved_settings *s, pipeline_sites *out);
void unet_pipeline_site(const pipeline *p, const resolved_settings *s, int block, attn_block *out);
void unet_pipeline_text_shape(const pipeline *p, const resolved_settings *s, text_shape *out);
ss_status unet_pipeline_encode(const pipeline *p, compute *c, const char *const *texts, int n, int32_t *ids,
                               tensor states, tensor pooled, ss_error *err);
int64_t unet_pipeline_channels(const pipeline *p);
int64_t unet_pipeline_patch(const pipeline *p);
tensor unet_pipeline_predict(pipeline *p, compute *c, const call_batch *b);

/* All of them. */
#define UNET_PIPELINE_MEMBERS                                                                                          \
    .close = unet_pipeline_close, .check = unet_pipeline_check, .sites = unet_pipeline_sites,                          \
    .site = unet_pipeline_site, .text_shape = unet_pipeline_text_shape, .encode = unet_pipeline_encode,                \
    .channels = unet_pipeline_channels, .patch = unet_pipeline_patch, .predict = unet_pipeline_predict

#endif
