/* Stable Diffusion 3 and 3.5: two CLIP text encoders and a T5 encoder, the MMDiT denoiser, the autoencoder. Reference:
 * diffusers pipelines/stable_diffusion_3/pipeline_stable_diffusion_3.py (encode_prompt, __call__). */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/clip.h"
#include "model/mmdit.h"
#include "model/t5.h"
#include "model/vae.h"
#include "sampler/pipeline_row.h"
#include "sampler/scheduler_flow_match.h"

enum { CLIP_COUNT = 2, MAX_T5_TOKENS = 512 }; /* diffusers refuses a longer max_sequence_length */

typedef struct sd3 {
    tokenizer *clip_tokenizer[CLIP_COUNT], *t5_tokenizer; /* t5 may be missing, tokenizer and encoder alike */
    model *clip[CLIP_COUNT], *t5, *mmdit, *vae;
    flow_match_config schedule;
    int clip_tokens; /* model_max_length of the first tokenizer, which diffusers takes for both */
} sd3;

static const clip_text_config *clip_config_of(const sd3 *m, int i) { return m->clip[i]->config; }
static const mmdit_config *mmdit_config_of(const sd3 *m) { return m->mmdit->config; }
static const vae_config *vae_config_of(const sd3 *m) { return m->vae->config; }
static int64_t vae_factor(const sd3 *m) { return INT64_C(1) << (vae_config_of(m)->blocks - 1); }

/* ---- opening ---- */

/* Whether model_index.json names the component: ["library", "Class"]; [null, null] and no entry mean without. */
static int has_component(const json_t *index, const char *name) {
    return json_is_string(json_array_get(json_object_get(index, name), 1));
}

static ss_status open_component(model **out, pipeline *p, const json_t *index, const char *index_path, const char *name,
                                const char *class_name, const char *variant, ss_error *err) {
    if (!has_component(index, name))
        return error_set(err, SS_ERR_INPUT, index_path, "%s: expected [library, \"%s\"], found no such component", name,
                         class_name);
    char *folder = file_join(p->folder, name);
    if (!folder) return error_no_memory(err, "path", strlen(name));
    ss_status status = model_open(out, p->c, folder, variant, err);
    if (status == SS_OK && strcmp((*out)->net->about.name, class_name) != 0)
        status = error_set(err, SS_ERR_INPUT, folder, "expected a %s, found a %s in config.json", class_name,
                           (*out)->net->about.name);
    free(folder);
    return status;
}

static ss_status open_tokenizer(tokenizer **out, const pipeline *p, const char *name, tokenizer_kind kind,
                                const model *encoder, int64_t vocabulary, ss_error *err) {
    char *folder = file_join(p->folder, name);
    if (!folder) return error_no_memory(err, "path", strlen(name));
    ss_status status = tokenizer_open(out, folder, err);
    if (status == SS_OK && tokenizer_get_kind(*out) != kind)
        status = error_set(err, SS_ERR_INPUT, folder, "expected a %s tokenizer, found %s", tokenizer_kind_name(kind),
                           tokenizer_kind_name(tokenizer_get_kind(*out)));
    else if (status == SS_OK && tokenizer_vocabulary_size(*out) > vocabulary)
        status = error_set(err, SS_ERR_INPUT, folder, "%d tokens; expected at most vocab_size %lld of %s/config.json",
                           tokenizer_vocabulary_size(*out), (long long)vocabulary, encoder->folder);
    free(folder);
    return status;
}

/* People leave the largest encoder out; saying so is one line, and guessing it would be silent. */
static ss_status check_t5_folder(const pipeline *p, const char *index_path, ss_error *err) {
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
    static const char *const encoders[] = {"text_encoder", "text_encoder_2"}, *const tokenizers[] = {"tokenizer",
                                                                                                     "tokenizer_2"};
    for (int i = 0; i < CLIP_COUNT; i++) {
        SS_TRY(open_component(&m->clip[i], p, index, index_path, encoders[i], "CLIPTextModelWithProjection", variant,
                              err));
        SS_TRY(open_tokenizer(&m->clip_tokenizer[i], p, tokenizers[i], TOKENIZER_CLIP, m->clip[i],
                              clip_config_of(m, i)->vocabulary, err));
    }
    if (has_component(index, "text_encoder_3")) {
        SS_TRY(check_t5_folder(p, index_path, err));
        SS_TRY(open_component(&m->t5, p, index, index_path, "text_encoder_3", "T5EncoderModel", variant, err));
        const t5_config *t5 = m->t5->config;
        SS_TRY(open_tokenizer(&m->t5_tokenizer, p, "tokenizer_3", TOKENIZER_T5, m->t5, t5->vocabulary, err));
    }
    m->clip_tokens = tokenizer_max_length(m->clip_tokenizer[0]);
    for (int i = 0; i < CLIP_COUNT; i++)
        if (m->clip_tokens < 2 || m->clip_tokens > clip_config_of(m, i)->positions)
            return error_set(err, SS_ERR_INPUT, p->folder,
                             "tokenizer/tokenizer_config.json has model_max_length %d; expected 2 to "
                             "max_position_embeddings %lld of %s/config.json",
                             m->clip_tokens, (long long)clip_config_of(m, i)->positions, encoders[i]);
    return SS_OK;
}

/* `found` = `expected`, or an error with what each is. */
static ss_status agree(const pipeline *p, int64_t found, const char *what, int64_t expected, const char *why,
                       ss_error *err) {
    if (found == expected) return SS_OK;
    return error_set(err, SS_ERR_INPUT, p->folder, "%s is %lld; expected %lld, %s", what, (long long)found,
                     (long long)expected, why);
}

/* Components of one model fit each other. */
static ss_status check_components(const pipeline *p, const sd3 *m, ss_error *err) {
    const mmdit_config *g = mmdit_config_of(m);
    const vae_config *v = vae_config_of(m);
    const clip_text_config *a = clip_config_of(m, 0), *b = clip_config_of(m, 1);
    SS_TRY(agree(p, g->pooled_projection_dim, "transformer's pooled_projection_dim", a->projection + b->projection,
                 "the projection_dim of text_encoder and text_encoder_2 together", err));
    if (m->t5)
        SS_TRY(agree(p, ((const t5_config *)m->t5->config)->width, "text_encoder_3's d_model", g->joint_attention_dim,
                     "transformer's joint_attention_dim", err));
    if (a->encoder.width + b->encoder.width > g->joint_attention_dim)
        return error_set(err, SS_ERR_INPUT, p->folder,
                         "transformer's joint_attention_dim is %lld; expected at least %lld, the hidden_size of "
                         "text_encoder and text_encoder_2 together",
                         (long long)g->joint_attention_dim, (long long)(a->encoder.width + b->encoder.width));
    SS_TRY(agree(p, v->latent_channels, "vae's latent_channels", g->in_channels, "transformer's in_channels", err));
    SS_TRY(agree(p, g->out_channels, "transformer's out_channels", g->in_channels, "its in_channels", err));
    return agree(p, v->out_channels, "vae's out_channels", 3, "red, green and blue", err);
}

static ss_status open_schedule(const pipeline *p, sd3 *m, ss_error *err) {
    char *folder = file_join(p->folder, "scheduler"),
         *path = folder ? file_join(folder, "scheduler_config.json") : NULL;
    json_t *json = NULL;
    ss_status status = path ? json_read_file(path, JSON_CONFIG_LIMIT, &json, err) : error_no_memory(err, "path", 0);
    if (status == SS_OK) status = flow_match_parse(json, path, &m->schedule, err);
    json_decref(json);
    free(path);
    free(folder);
    return status;
}

static ss_status sd3_open(pipeline *p, const json_t *index, const char *index_path, const char *variant,
                          ss_error *err) {
    sd3 *m = p->impl = calloc(1, sizeof *m);
    if (!m) return error_no_memory(err, "pipeline", sizeof *m);
    SS_TRY(open_schedule(p, m, err));
    SS_TRY(open_component(&m->mmdit, p, index, index_path, "transformer", "SD3Transformer2DModel", variant, err));
    SS_TRY(open_component(&m->vae, p, index, index_path, "vae", "AutoencoderKL", variant, err));
    SS_TRY(open_text(p, m, index, index_path, variant, err));
    SS_TRY(check_components(p, m, err));
    int size = (int)(mmdit_config_of(m)->sample_size * vae_factor(m));
    p->by_default = (sample_settings){
        .width = size, .height = size, .steps = 28, .guidance = 7.0, .negative = "", .max_text_tokens = 256};
    return SS_OK;
}

static void sd3_close(pipeline *p) {
    sd3 *m = p->impl;
    if (!m) return;
    for (int i = 0; i < CLIP_COUNT; i++) {
        tokenizer_close(m->clip_tokenizer[i]);
        model_close(m->clip[i]);
    }
    tokenizer_close(m->t5_tokenizer);
    model_close(m->t5);
    model_close(m->mmdit);
    model_close(m->vae);
    free(m);
}

static int sd3_weights(const pipeline *p, const weight_set *out[MAX_WEIGHT_SETS]) {
    const sd3 *m = p->impl;
    int n = 0;
    for (int i = 0; i < CLIP_COUNT; i++) out[n++] = &m->clip[i]->set;
    if (m->t5) out[n++] = &m->t5->set;
    out[n++] = &m->mmdit->set;
    out[n++] = &m->vae->set;
    return n;
}

/* ---- settings ---- */

static ss_status sd3_check(const pipeline *p, const sample_settings *s, ss_error *err) {
    const sd3 *m = p->impl;
    const mmdit_config *g = mmdit_config_of(m);
    int unit = (int)(vae_factor(m) * g->patch_size), most = (int)(unit * g->pos_embed_max_size);
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

/* Tokens of the third encoder; without one diffusers passes zeros of CLIP's length. */
static int t5_tokens(const sd3 *m, const sample_settings *s) { return m->t5 ? s->max_text_tokens : m->clip_tokens; }

static void sd3_sites(const pipeline *p, const sample_settings *s, pipeline_sites *out) {
    const sd3 *m = p->impl;
    const mmdit_config *g = mmdit_config_of(m);
    int unit = (int)(vae_factor(m) * g->patch_size), columns = s->width / unit, image = columns * (s->height / unit);
    out->blocks = (int)g->layers;
    out->heads = (int)g->heads;
    out->keys = image + m->clip_tokens + t5_tokens(m, s);
    out->n_segments = 3;
    out->segment[0] = (attn_segment){SEGMENT_IMAGE, "image", 0, image, columns};
    out->segment[1] = (attn_segment){SEGMENT_TEXT, "clip", image, m->clip_tokens, 0};
    out->segment[2] = (attn_segment){SEGMENT_TEXT, "t5", image + m->clip_tokens, t5_tokens(m, s), 0};
}

/* ---- text ---- */

/* Token ids of all branches, [branches, count]. The tokens themselves go to run `keep` of the embedding, unless it is
 * negative. */
static ss_status tokenize(const tokenizer *t, const char *const *prompts, int count, embedding *e, int keep,
                          int32_t *ids, ss_error *err) {
    for (int b = 0; b < e->branches; b++) {
        tokens tok = {0};
        SS_TRY(tokenizer_encode(t, prompts[b], count, &tok, err));
        for (int i = 0; i < count; i++) ids[b * count + i] = tok.at[i].id;
        if (keep >= 0) e->run[b][keep].tok = tok;
        else tokens_free(&tok);
    }
    return SS_OK;
}

/* CLIP's penultimate states side by side, zeros up to the width of T5's, then T5's states below; CLIP's pooled states
 * side by side. states [branches, n_text, width], pooled [branches, pooled_width]. */
static ss_status encode_into(const sd3 *m, compute *c, const char *const *prompts, embedding *e, int32_t *ids,
                             tensor states, tensor pooled, ss_error *err) {
    int n_clip = e->run[0][0].count, n_t5 = e->run[0][1].count;
    int64_t column = 0, pooled_column = 0;
    op_fill(c, states, 0);
    for (int i = 0; i < CLIP_COUNT; i++) {
        const clip_text_config *g = clip_config_of(m, i);
        clip_text_output out;
        SS_TRY(tokenize(m->clip_tokenizer[i], prompts, n_clip, e, i == 0 ? 0 : -1, ids, err));
        clip_text_forward(c, g, m->clip[i]->weights, ids, e->branches, n_clip, &out);
        op_copy(c, tensor_columns(tensor_slice(states, 1, 0, n_clip), column, g->encoder.width), out.penultimate);
        op_copy(c, tensor_columns(pooled, pooled_column, g->projection), out.pooled);
        column += g->encoder.width;
        pooled_column += g->projection;
    }
    if (!m->t5) return SS_OK;
    SS_TRY(tokenize(m->t5_tokenizer, prompts, n_t5, e, 1, ids, err));
    op_copy(c, tensor_slice(states, 1, n_clip, n_t5),
            t5_forward(c, m->t5->config, m->t5->weights, ids, e->branches, n_t5));
    return SS_OK;
}

static ss_status sd3_encode(pipeline *p, compute *c, const sample_settings *s, const char *prompt, embedding *e,
                            ss_error *err) {
    const sd3 *m = p->impl;
    const mmdit_config *g = mmdit_config_of(m);
    const char *const prompts[MAX_BRANCHES] = {[BRANCH_COND] = prompt, [BRANCH_UNCOND] = s->negative};
    e->n_runs = 2;
    for (int b = 0; b < e->branches; b++) {
        e->run[b][0].count = m->clip_tokens;
        e->run[b][1].count = t5_tokens(m, s);
    }
    e->n_text = m->clip_tokens + t5_tokens(m, s);
    e->width = g->joint_attention_dim;
    e->pooled_width = g->pooled_projection_dim;
    size_t n = (size_t)(e->branches * e->n_text);
    e->states = calloc(n * (size_t)e->width, sizeof *e->states);
    e->pooled = calloc((size_t)(e->branches * e->pooled_width), sizeof *e->pooled);
    int32_t *ids = calloc(n, sizeof *ids);
    if (!e->states || !e->pooled || !ids) {
        free(ids);
        return error_no_memory(err, "text states", n * (size_t)e->width * sizeof *e->states);
    }
    tensor states = compute_3d(c, e->branches, e->n_text, e->width),
           pooled = compute_2d(c, e->branches, e->pooled_width);
    ss_status status = encode_into(m, c, prompts, e, ids, states, pooled, err);
    op_download(c, e->states, states);
    op_download(c, e->pooled, pooled);
    free(ids);
    return status;
}

/* ---- denoising ---- */

static ss_status sd3_schedule(const pipeline *p, denoise_state *d, ss_error *err) {
    const sd3 *m = p->impl;
    const mmdit_config *g = mmdit_config_of(m);
    (void)err;
    d->height = d->settings.height / vae_factor(m);
    d->width = d->settings.width / vae_factor(m);
    d->channels = g->in_channels;
    int64_t image_tokens = (d->height / g->patch_size) * (d->width / g->patch_size);
    flow_match_schedule(&m->schedule, d->settings.steps, image_tokens, d->sigma, d->timestep);
    return SS_OK;
}

static const char *word_of(const void *words, attn_branch branch, int key) {
    return embedding_key_word(words, branch, key);
}

/* What one element of the batch is. */
static void fill_row(compute *c, const mmdit_input *in, int row, const denoise_state *d, attn_branch branch,
                     float *timestep, attn_item *item) {
    const embedding *e = d->text;
    op_upload(c, tensor_slice(in->latents, 0, row, 1), d->latents);
    op_upload(c, tensor_slice(in->text, 0, row, 1), e->states + (int)branch * e->n_text * e->width);
    op_upload(c, tensor_slice(in->pooled, 0, row, 1), e->pooled + (int)branch * e->pooled_width);
    timestep[row] = d->timestep[d->step];
    item[row] = (attn_item){.run = d->run,
                            .step = d->step,
                            .branch = branch,
                            .key_class = embedding_key_classes(e, branch),
                            .word = word_of,
                            .words = e};
}

/* Guidance, uncond + g (cond - uncond), and the Euler step, x + (next sigma - sigma) velocity. */
static void advance(compute *c, denoise_state *d, tensor x, tensor cond, tensor uncond) {
    if (!tensor_is_none(uncond)) {
        tensor difference = nn_like(c, cond);
        op_axpby(c, difference, 1, cond, -1, uncond);
        op_axpby(c, cond, 1, uncond, (float)d->settings.guidance, difference);
    }
    op_axpby(c, x, 1, x, d->sigma[d->step + 1] - d->sigma[d->step], cond);
    op_download(c, d->latents, x);
}

/* The batch: the conditional branch of every image, then the unconditional one of those that have guidance. */
static void step_batch(const sd3 *m, compute *c, denoise_state *const *states, int n, mmdit_input *in, float *timestep,
                       attn_item *item) {
    int row = n;
    for (int i = 0; i < n; i++) fill_row(c, in, i, states[i], BRANCH_COND, timestep, item);
    for (int i = 0; i < n; i++)
        if (states[i]->text->branches > 1) fill_row(c, in, row++, states[i], BRANCH_UNCOND, timestep, item);
    tensor v = mmdit_forward(c, mmdit_config_of(m), m->mmdit->weights, in);
    row = n;
    for (int i = 0; i < n; i++) {
        tensor uncond = states[i]->text->branches > 1 ? tensor_slice(v, 0, row++, 1) : TENSOR_NONE;
        advance(c, states[i], tensor_slice(in->latents, 0, i, 1), tensor_slice(v, 0, i, 1), uncond);
    }
}

static ss_status sd3_step(pipeline *p, compute *c, denoise_state *const *states, int n, ss_error *err) {
    const denoise_state *first = states[0];
    const embedding *e = first->text;
    int batch = 0;
    for (int i = 0; i < n; i++) batch += states[i]->text->branches;
    pipeline_sites sites = {0};
    sd3_sites(p, &first->settings, &sites);
    float *timestep = calloc((size_t)batch, sizeof *timestep);
    attn_item *item = calloc((size_t)batch, sizeof *item);
    int failed = !timestep || !item;
    if (!failed) {
        const attn_batch studied = {batch, item};
        mmdit_input in = {.latents = compute_4d(c, batch, first->height, first->width, first->channels),
                          .text = compute_3d(c, batch, e->n_text, e->width),
                          .pooled = compute_2d(c, batch, e->pooled_width),
                          .timestep = timestep,
                          .segments = sites.segment,
                          .n_segments = sites.n_segments,
                          .batch = &studied};
        step_batch(p->impl, c, states, n, &in, timestep, item);
    }
    free(timestep);
    free(item);
    return failed ? error_no_memory(err, "batch", (size_t)batch * sizeof *item) : SS_OK;
}

/* latents / scaling_factor + shift_factor, decoded. */
static tensor sd3_decode(pipeline *p, compute *c, const denoise_state *d) {
    const sd3 *m = p->impl;
    const vae_config *g = vae_config_of(m);
    tensor x = compute_4d(c, 1, d->height, d->width, d->channels), shift = nn_like(c, x);
    op_upload(c, x, d->latents);
    op_fill(c, shift, (float)g->shift_factor);
    op_axpby(c, x, (float)(1 / g->scaling_factor), x, 1, shift);
    return vae_decode(c, g, m->vae->weights, x);
}

const pipeline_row PIPELINE_SD3 = {
    .about = {"StableDiffusion3Pipeline", "Stable Diffusion 3 and 3.5", NULL},
    .open = sd3_open,
    .close = sd3_close,
    .check = sd3_check,
    .sites = sd3_sites,
    .encode = sd3_encode,
    .schedule = sd3_schedule,
    .step = sd3_step,
    .decode = sd3_decode,
    .weights = sd3_weights,
};
