/* Stable Diffusion 3 and 3.5: two CLIP text encoders and a T5 encoder, the MMDiT denoiser, the autoencoder. Reference:
 * diffusers pipelines/stable_diffusion_3/pipeline_stable_diffusion_3.py (encode_prompt, __call__). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/mmdit.h"
#include "model/t5.h"
#include "sampler/pipeline_parts.h"

enum { MAX_T5_TOKENS = 512 }; /* diffusers refuses a longer max_sequence_length */

typedef struct sd3 {
    clip_texts clip;
    tokenizer *t5_tokenizer; /* may be missing, tokenizer and encoder alike */
    model *t5, *mmdit;
} sd3;

static const mmdit_config *mmdit_config_of(const sd3 *m) { return m->mmdit->config; }

/* ---- opening ---- */

/* Folders without the largest encoder are common. The user must say so, in one line; a guess would be silent. */
static ss_status check_t5_folder(const pipeline *p, const char *index_path, ss_error *err) {
    if (p->single || (p->parts && p->parts->text_encoder[2])) return SS_OK; /* its index says what there is */
    char *folder = file_join(p->folder, "text_encoder_3");
    if (!folder) return error_no_memory(err, "path", 0);
    int there = file_is_folder(folder);
    free(folder);
    if (there) return SS_OK;
    return error_set(err, SS_ERR_INPUT, index_path,
                     "text_encoder_3: expected its folder, found none; to go without it, write \"text_encoder_3\": "
                     "[null, null]");
}

static ss_status open_text(pipeline *p, sd3 *m, const json_t *index, const char *index_path, const char *variant,
                           ss_error *err) {
    static const char *const classes[] = {"CLIPTextModelWithProjection", "CLIPTextModelWithProjection"};
    SS_TRY(clip_texts_open(&m->clip, p, index, index_path, classes, variant, err));
    if (!pipeline_has_component(index, "text_encoder_3")) return SS_OK;
    SS_TRY(check_t5_folder(p, index_path, err));
    SS_TRY(pipeline_open_component(&m->t5, p, index, index_path, "text_encoder_3", "T5EncoderModel", variant, err));
    return pipeline_open_tokenizer(&m->t5_tokenizer, p, index, "tokenizer_3", TOKENIZER_T5, m->t5,
                                   ((const t5_config *)m->t5->config)->vocabulary, err);
}

/* Components of one model must fit each other. */
static ss_status pipeline_sd3_check_components(const pipeline *p, const sd3 *m, ss_error *err) {
    const mmdit_config *g = mmdit_config_of(m);
    const vae_config *v = pipeline_vae_config(p);
    const clip_text_config *a = clip_texts_config(&m->clip, 0), *b = clip_texts_config(&m->clip, 1);
    SS_TRY(pipeline_agree(p, g->pooled_projection_dim, "transformer's pooled_projection_dim",
                          a->projection + b->projection,
                          "the projection_dim of text_encoder and text_encoder_2 together", err));
    if (m->t5)
        SS_TRY(pipeline_agree(p, ((const t5_config *)m->t5->config)->width, "text_encoder_3's d_model",
                              g->joint_attention_dim, "transformer's joint_attention_dim", err));
    if (clip_texts_width(&m->clip) > g->joint_attention_dim)
        return error_set(err, SS_ERR_INPUT, p->folder,
                         "transformer's joint_attention_dim is %lld; expected at least %lld, the hidden_size of "
                         "text_encoder and text_encoder_2 together",
                         (long long)g->joint_attention_dim, (long long)clip_texts_width(&m->clip));
    SS_TRY(pipeline_agree(p, v->latent_channels, "vae's latent_channels", g->in_channels, "transformer's in_channels",
                          err));
    SS_TRY(pipeline_agree(p, g->out_channels, "transformer's out_channels", g->in_channels, "its in_channels", err));
    return pipeline_agree(p, v->out_channels, "vae's out_channels", 3, "red, green and blue", err);
}

static ss_status sd3_open(pipeline *p, const json_t *index, const char *index_path, const char *variant,
                          ss_error *err) {
    sd3 *m = p->impl = calloc(1, sizeof *m);
    if (!m) return error_no_memory(err, "pipeline", sizeof *m);
    m->clip.n = 2;
    SS_TRY(pipeline_open_scheduler(p, SCHEDULER_FLOW, NULL, err));
    SS_TRY(
        pipeline_open_component(&m->mmdit, p, index, index_path, "transformer", "SD3Transformer2DModel", variant, err));
    p->network = m->mmdit;
    SS_TRY(pipeline_open_component(&p->vae, p, index, index_path, "vae", "AutoencoderKL", variant, err));
    SS_TRY(open_text(p, m, index, index_path, variant, err));
    SS_TRY(pipeline_sd3_check_components(p, m, err));
    int size = (int)mmdit_config_of(m)->sample_size * pipeline_vae_factor(p);
    p->by_default = (resolved_settings){
        .width = size, .height = size, .steps = 28, .guidance = 7.0, .negative = "", .max_text_tokens = 256};
    return SS_OK;
}

static void sd3_close(pipeline *p) {
    sd3 *m = p->impl;
    if (!m) return;
    clip_texts_close(&m->clip);
    tokenizer_close(m->t5_tokenizer);
    model_close(m->t5);
    model_close(m->mmdit);
    free(m);
}

/* ---- settings ---- */

static ss_status sd3_check(const pipeline *p, const resolved_settings *s, ss_error *err) {
    const sd3 *m = p->impl;
    const mmdit_config *g = mmdit_config_of(m);
    int unit = pipeline_vae_factor(p) * (int)g->patch_size, most = (int)(unit * g->pos_embed_max_size);
    if (s->width < unit || s->height < unit || s->width % unit || s->height % unit || s->width > most ||
        s->height > most)
        return error_set(err, SS_ERR_INPUT, NULL,
                         "size %d x %d; expected width and height to be multiples of %d and at most %d", s->width,
                         s->height, unit, most);
    if (s->max_text_tokens < 2 || s->max_text_tokens > MAX_T5_TOKENS)
        return error_set(err, SS_ERR_INPUT, NULL, "max_sequence_length is %d; expected 2 to %d", s->max_text_tokens,
                         MAX_T5_TOKENS);
    return SS_OK;
}

/* Tokens of the third encoder. Without one diffusers passes zeros: as many as there would be tokens, and up to 0.35 as
 * many as CLIP has (_get_t5_prompt_embeds). */
static int t5_tokens(const pipeline *p, const resolved_settings *s) {
    const sd3 *m = p->impl;
    return m->t5 || p->rules.word[RULE_T5_ZEROS] == RULE_TODAY ? s->max_text_tokens : m->clip.tokens;
}

static void sd3_sites(const pipeline *p, const resolved_settings *s, pipeline_sites *out) {
    const sd3 *m = p->impl;
    const mmdit_config *g = mmdit_config_of(m);
    int unit = pipeline_vae_factor(p) * (int)g->patch_size, columns = s->width / unit,
        image = columns * (s->height / unit);
    out->blocks = (int)g->layers;
    out->heads = (int)g->heads;
    out->keys = image + m->clip.tokens + t5_tokens(p, s);
    out->n_segments = 3;
    out->segment[0] = (attn_segment){SEGMENT_IMAGE, "image", 0, image, columns};
    out->segment[1] = (attn_segment){SEGMENT_TEXT, "clip", image, m->clip.tokens, 0};
    out->segment[2] = (attn_segment){SEGMENT_TEXT, "t5", image + m->clip.tokens, t5_tokens(p, s), 0};
}

static void sd3_site(const pipeline *p, const resolved_settings *s, int block, attn_block *out) {
    pipeline_sites sites = {0};
    sd3_sites(p, s, &sites);
    *out = (attn_block){.kind = ATTN_JOINT, .heads = sites.heads, .keys = sites.keys};
    snprintf(out->name, sizeof out->name, "transformer_blocks.%d.attn", block);
    out->n_segments = sites.n_segments;
    memcpy(out->segment, sites.segment, sizeof out->segment);
}

/* ---- text ---- */

static void sd3_text_shape(const pipeline *p, const resolved_settings *s, text_shape *out) {
    const sd3 *m = p->impl;
    const mmdit_config *g = mmdit_config_of(m);
    int t5 = t5_tokens(p, s);
    *out = (text_shape){.n_runs = 2,
                        .count = {m->clip.tokens, t5},
                        .reader = {m->clip.tokenizer[0], m->t5_tokenizer},
                        .n_text = m->clip.tokens + t5,
                        .width = g->joint_attention_dim,
                        .pooled_width = g->pooled_projection_dim};
    clip_texts_list(&m->clip, out);
    if (m->t5) out->encoder[out->n_encoders++] = (text_encoder){"text_encoder_3", m->t5_tokenizer, t5};
}

/* CLIP's penultimate states side by side, zeros up to the width of T5's, then T5's states below; CLIP's pooled states
 * side by side. states [n, n_text, width], pooled [n, pooled_width]. */
static ss_status sd3_encode(const pipeline *p, compute *c, const char *const *texts, int n, int32_t *ids, tensor states,
                            tensor pooled, ss_error *err) {
    const sd3 *m = p->impl;
    int n_clip = m->clip.tokens, n_t5 = (int)states.dim[1] - n_clip;
    op_fill(c, states, 0);
    SS_TRY(clip_texts_encode(&m->clip, c, texts, n, ids, states, pooled, err));
    if (!m->t5) return SS_OK;
    SS_TRY(text_ids(m->t5_tokenizer, texts, n, n_t5, ids, err));
    op_copy(c, tensor_slice(states, 1, n_clip, n_t5), t5_forward_streamed(c, m->t5, ids, n, n_t5));
    return SS_OK;
}

/* ---- denoising ---- */

static int64_t sd3_channels(const pipeline *p) { return mmdit_config_of(p->impl)->in_channels; }

static int64_t sd3_patch(const pipeline *p) { return mmdit_config_of(p->impl)->patch_size; }

static tensor sd3_predict(pipeline *p, compute *c, const call_batch *b) {
    const sd3 *m = p->impl;
    pipeline_sites sites = {0};
    sd3_sites(p, b->settings, &sites);
    const mmdit_input in = {.latents = b->latents,
                            .text = b->text,
                            .pooled = b->pooled,
                            .timestep = b->timestep,
                            .segments = sites.segment,
                            .n_segments = sites.n_segments,
                            .batch = &b->studied};
    return mmdit_forward(c, mmdit_config_of(m), m->mmdit->weights, &in);
}

const pipeline_row PIPELINE_SD3 = {
    .about = {"StableDiffusion3Pipeline", "Stable Diffusion 3 and 3.5", NULL},
    .latents = LATENTS_SHIFTED,
    .open = sd3_open,
    .close = sd3_close,
    .check = sd3_check,
    .sites = sd3_sites,
    .site = sd3_site,
    .text_shape = sd3_text_shape,
    .encode = sd3_encode,
    .channels = sd3_channels,
    .patch = sd3_patch,
    .predict = sd3_predict,
};
