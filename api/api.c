/* The public functions of include/sinkscope.h, implemented by the inner folders. The only state between calls is the
 * opened model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sinkscope.h>

#include "attn/run.h"
#include "base/version.h"
#include "io/hub.h"
#include "io/png.h"
#include "sampler/pipeline.h"

const char *ss_version(void) { return version_text(); }

struct ss_model {
    compute *c;
    pipeline *p;
};

ss_status ss_model_open(ss_model **out, const char *folder, int threads, ss_error *err) {
    char *path = NULL;
    *out = NULL;
    ss_model *m = calloc(1, sizeof *m);
    if (!m) return error_no_memory(err, "model", sizeof *m);
    ss_status status = hub_locate(folder, NULL, &path, err);
    if (status == SS_OK) status = compute_create(&m->c, "cpu", threads, 0, err);
    if (status == SS_OK) status = pipeline_open(&m->p, m->c, path, NULL, err);
    free(path);
    if (status == SS_OK) *out = m;
    else ss_model_close(m);
    return status;
}

void ss_model_close(ss_model *model) {
    if (!model) return;
    pipeline_close(model->p);
    compute_destroy(model->c);
    free(model);
}

/* Every option of a row at its default; a row with a required option cannot be named alone. */
static ss_status default_options(const entry *row, option_value *out, ss_error *err) {
    for (int i = 0; row->options && row->options[i].name; i++) {
        const option *o = &row->options[i];
        if (!o->by_default) return error_set(err, SS_ERR_INPUT, NULL, "'%s' needs its option '%s'", row->name, o->name);
        SS_TRY(option_parse(o, o->by_default, NULL, &out[i], err));
    }
    return SS_OK;
}

static ss_status build_program(const ss_intervention *asked, const pipeline_sites *sites, const resolved_settings *s,
                               attn_program *out, ss_error *err) {
    attn_intervention *v = &out->intervention[0];
    *out = (attn_program){.n = 1};
    v->selector = (const attn_selector *)(const void *)entry_find(
        ATTN_SELECTORS, ENTRY_POINTERS, ATTN_SELECTOR_COUNT, "selector", asked->select ? asked->select : "", NULL, err);
    if (!v->selector) return err->code;
    v->edit = (const attn_edit *)(const void *)entry_find(ATTN_EDITS, ENTRY_POINTERS, ATTN_EDIT_COUNT, "edit",
                                                          asked->edit ? asked->edit : "", NULL, err);
    if (!v->edit) return err->code;
    if (asked->block < -1 || asked->block >= sites->blocks)
        return error_set(err, SS_ERR_INPUT, NULL, "block is %d; expected -1 (all) to %d", asked->block,
                         sites->blocks - 1);
    if (asked->k < 1 || asked->k > sites->keys / 2)
        return error_set(err, SS_ERR_INPUT, NULL, "k is %d; expected 1 to half of the %d keys", asked->k, sites->keys);
    SS_TRY(default_options(&v->selector->about, v->selector_options, err));
    SS_TRY(default_options(&v->edit->about, v->edit_options, err));
    for (int i = 0; i < sites->blocks; i++)
        if (asked->block < 0 || i == asked->block) bits_set(&v->blocks, i);
    for (int i = 0; i < sites->heads; i++) bits_set(&v->heads, i);
    for (int i = 0; i < s->steps; i++) bits_set(&v->steps, i);
    v->branches = 1u << BRANCH_COND | 1u << BRANCH_UNCOND;
    v->k = asked->k;
    return SS_OK;
}

/* One image under `run`, which may be NULL. */
static ss_status api_make_image(pipeline *p, const ss_request *r, const resolved_settings *s, attn_run *run,
                                ss_image *out, ss_error *err) {
    embedding *e = NULL;
    denoise_state *d = NULL;
    rgb_image image = {0};
    ss_status status = pipeline_encode(p, s, r->prompt, &e, err);
    if (status == SS_OK) status = denoise_begin(&d, p, s, e, r->seed, run, err);
    while (status == SS_OK && denoise_step_number(d) < s->steps) {
        status = denoise_step(p, &d, 1, err);
        if (status == SS_OK) status = denoise_check(p, d, err);
    }
    if (status == SS_OK) status = denoise_decode(p, d, &image, err);
    if (status == SS_OK) *out = (ss_image){image.width, image.height, image.rgb};
    denoise_free(d);
    embedding_free(e);
    return status;
}

ss_status ss_generate(ss_model *model, const ss_request *request, ss_image *out, ss_error *err) {
    const sample_settings asked = {.width = request->width,
                         .height = request->height,
                         .steps = request->steps,
                         .guidance = request->guidance != 0 ? request->guidance : NAN,
                         .negative = request->negative_prompt};
    resolved_settings s;
    pipeline_sites sites;
    attn_program program;
    attn_run *run = NULL;
    *out = (ss_image){0};
    if (!request->prompt) return error_set(err, SS_ERR_INPUT, NULL, "the request has no prompt");
    SS_TRY(settings_resolve(model->p, &asked, &s, err));
    pipeline_sites_at(model->p, &s, &sites);
    if (request->intervention) {
        const attn_measure measure = {.r = 5};
        const attn_stream_name name = {.prompt = philox_hash_text(request->prompt), .image_seed = request->seed};
        const attn_shape shape = {s.steps, sites.blocks, sites.heads, sites.keys};
        attn_block *block;
        SS_TRY(build_program(request->intervention, &sites, &s, &program, err));
        SS_TRY(pipeline_blocks(model->p, &s, &block, err));
        ss_status fits = attn_program_check(&program, block, sites.blocks, err);
        free(block);
        SS_TRY(fits);
        SS_TRY(attn_run_create(&run, &program, &measure, &name, shape, err));
    }
    ss_status status = api_make_image(model->p, request, &s, run, out, err);
    attn_run_destroy(run);
    return status;
}

ss_status ss_image_write_png(const ss_image *image, const char *path, ss_error *err) {
    if (!image->rgb)
        return error_set(err, SS_ERR_INPUT, NULL, "the image has no pixels; expected one that ss_generate made");
    const rgb_image rgb = {image->width, image->height, image->rgb};
    return png_write(path, &rgb, NULL, 0, err);
}

void ss_image_free(ss_image *image) {
    free(image->rgb);
    *image = (ss_image){0};
}
