/* Stable Diffusion XL, the base model: two CLIP text encoders whose penultimate states are concatenated, the pooled
 * state of the second, and conditioning on sizes. Reference: diffusers
 * pipelines/stable_diffusion_xl/pipeline_stable_diffusion_xl.py. */
#include <stdlib.h>

#include "sampler/pipeline_unet.h"

/* Keys that make the folder another kind of model. */
static ss_status check_index(const json_t *index, const char *path, ss_error *err) {
    int aesthetics;
    SS_TRY(json_get_bool_or(index, "requires_aesthetics_score", path, 0, &aesthetics, err));
    if (aesthetics)
        return error_set(err, SS_ERR_INPUT, path,
                         "requires_aesthetics_score is true: SDXL's refiner, which is not supported; expected the base "
                         "model");
    return unet_pipeline_check_index(index, path, err);
}

/* What SDXL has beside what other such pipelines have. */
static ss_status pipeline_sdxl_check_components(const pipeline *p, const unet_pipeline *m, ss_error *err) {
    const unet_config *g = unet_config_of(m);
    if (!g->text_time)
        return error_set(err, SS_ERR_INPUT, p->folder,
                         "unet's addition_embed_type is null; expected text_time, as SDXL has it");
    SS_TRY(pipeline_agree(p, g->pooled_dim,
                          "unet's projection_class_embeddings_input_dim less 6 x addition_time_embed_dim",
                          clip_texts_config(&m->clip, 1)->projection, "text_encoder_2's projection_dim", err));
    return pipeline_agree(p, tokenizer_max_length(m->clip.tokenizer[1]), "tokenizer_2's model_max_length",
                          m->clip.tokens, "tokenizer's model_max_length", err);
}

static ss_status sdxl_open(pipeline *p, const json_t *index, const char *index_path, const char *variant,
                           ss_error *err) {
    static const char *const classes[] = {"CLIPTextModel", "CLIPTextModelWithProjection"};
    enum { SAMPLE_SIZE = 128 }; /* where the config says none, as in diffusers */
    unet_pipeline *m = p->impl = calloc(1, sizeof *m);
    if (!m) return error_no_memory(err, "pipeline", sizeof *m);
    m->clip.n = 2;
    p->by_default = (resolved_settings){.steps = 50, .guidance = 5.0};
    SS_TRY(check_index(index, index_path, err));
    SS_TRY(json_get_bool_or(index, "force_zeros_for_empty_prompt", index_path, 1, &m->force_zeros, err));
    SS_TRY(pipeline_open_scheduler(p, SCHEDULER_DIFFUSION, NULL, err));
    SS_TRY(unet_pipeline_open(p, index, index_path, classes, variant, SAMPLE_SIZE, err));
    return pipeline_sdxl_check_components(p, m, err);
}

const pipeline_row PIPELINE_SDXL = {
    .about = {"StableDiffusionXLPipeline", "Stable Diffusion XL, the base model", NULL},
    .takes_sizes = 1,
    .latents = LATENTS_NORMALISED,
    .open = sdxl_open,
    UNET_PIPELINE_MEMBERS,
};
