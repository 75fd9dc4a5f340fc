/* Stable Diffusion 1 and 2: one CLIP text encoder, whose last states are the text. A safety checker, its feature
 * extractor and an image encoder in the folder are ignored: no image is replaced by a black one. Reference: diffusers
 * pipelines/stable_diffusion/pipeline_stable_diffusion.py. */
#include <stdlib.h>

#include "sampler/pipeline_unet.h"

/* The class's constructor sets these in any scheduler's config, since old folders have them wrong. */
static ss_status open_scheduler(pipeline *p, ss_error *err) {
    json_t *changes = json_pack("{s:i, s:b}", "steps_offset", 1, "clip_sample", 0);
    if (!changes) return error_no_memory(err, "config", 0);
    ss_status status = pipeline_open_scheduler(p, SCHEDULER_DIFFUSION, changes, err);
    json_decref(changes);
    return status;
}

static ss_status sd_open(pipeline *p, const json_t *index, const char *index_path, const char *variant, ss_error *err) {
    static const char *const classes[] = {"CLIPTextModel"};
    enum { SAMPLE_SIZE = 64 };
    unet_pipeline *m = p->impl = calloc(1, sizeof *m);
    if (!m) return error_no_memory(err, "pipeline", sizeof *m);
    m->clip.n = m->clip.last = 1;
    p->by_default = (resolved_settings){.steps = 50, .guidance = 7.5};
    SS_TRY(unet_pipeline_check_index(index, index_path, err));
    SS_TRY(open_scheduler(p, err));
    SS_TRY(unet_pipeline_open(p, index, index_path, classes, variant, SAMPLE_SIZE, err));
    if (!unet_config_of(m)->text_time) return SS_OK;
    return error_set(err, SS_ERR_INPUT, p->folder,
                     "unet's addition_embed_type is text_time, as SDXL has it; expected null");
}

const pipeline_row PIPELINE_SD = {
    .about = {"StableDiffusionPipeline", "Stable Diffusion 1 and 2", NULL},
    .open = sd_open,
    UNET_PIPELINE_MEMBERS,
};
