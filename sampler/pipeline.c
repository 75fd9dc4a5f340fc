/* Pipelines: the table, the model's folder and defaults, and what every kind of pipeline does alike with text, images
 * and costs. Denoising is in denoise.c; each kind has its own file, behind pipeline_row.h. */
#include "sampler/pipeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/finite.h"
#include "model/neighbours.h"
#include "sampler/pipeline_parts.h"

static const pipeline_row *const ROWS[] = {
#define PIPELINE(id) &PIPELINE_##id,
#include "sampler/pipelines.def"
};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

const char *const PIPELINE_DECODER[] = {"decoder.", "post_quant_conv."};

/* ---- schedulers ---- */

ss_status pipeline_scheduler(const pipeline *p, const resolved_settings *s, scheduler *out, ss_error *err) {
    if (s->scheduler && *s->scheduler)
        return scheduler_choose(out, p->sampling_config, &p->sampling, p->family, s->scheduler, err);
    *out = p->sampling;
    return SS_OK;
}

const char *pipeline_scheduler_name(const pipeline *p, const resolved_settings *s) {
    scheduler g;
    ss_error none;
    return scheduler_name(pipeline_scheduler(p, s, &g, &none) == SS_OK ? &g : &p->sampling);
}

int pipeline_calls(const pipeline *p, const resolved_settings *s) {
    scheduler g;
    ss_error none;
    return scheduler_calls(pipeline_scheduler(p, s, &g, &none) == SS_OK ? &g : &p->sampling, s->steps);
}

int pipeline_scheduler_forced(const pipeline *p, const resolved_settings *s) {
    scheduler g;
    ss_error none;
    return pipeline_scheduler(p, s, &g, &none) == SS_OK && g.forced;
}

/* ---- opening ---- */

/* What the scheduler and the networks can do. */
static ss_status pipeline_check_settings(const pipeline *p, const resolved_settings *s, ss_error *err) {
    if (!p->row->takes_sizes) SS_TRY(picture_sizes_refuse(&s->sizes, p->row->about.name, err));
    SS_TRY(picture_sizes_check(&s->sizes, err));
    scheduler sampling;
    SS_TRY(pipeline_scheduler(p, s, &sampling, err));
    SS_TRY(scheduler_check(&sampling, s->steps, err));
    return p->row->check(p, s, err);
}

/* sinkscope.json: how the model is meant to be used, where that differs from the pipeline's own defaults. */
static ss_status read_defaults(pipeline *p, ss_error *err) {
    static const char *const keys[] = {"steps", "guidance", "width", "height", "max_sequence_length"};
    enum { KEYS = sizeof keys / sizeof keys[0] };
    resolved_settings *d = &p->by_default;
    const char *folder = p->single ? original_config_folder(p->single) : p->folder;
    char *path = folder ? file_join(folder, "sinkscope.json") : text_copy("");
    json_t *json = NULL;
    ss_status status = SS_OK;
    if (!path) return error_no_memory(err, "path", folder ? strlen(folder) : 1);
    if (!file_exists(path)) goto end;
    SS_TRY_GOTO(json_read_file(path, JSON_CONFIG_LIMIT, &json, err), end);
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value) {
        int i = 0;
        while (i < KEYS && strcmp(key, keys[i]) != 0) i++;
        if (i < KEYS) continue;
        const char *near = text_nearest(key, keys, KEYS);
        status = error_set(err, SS_ERR_INPUT, path,
                           "unknown key '%s'%s%s%s (keys: steps, guidance, width, height, max_sequence_length)", key,
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        goto end;
    }
    int64_t steps, width, height, text_tokens;
    SS_TRY_GOTO(json_get_int_or(json, keys[0], path, d->steps, &steps, err), end);
    SS_TRY_GOTO(json_get_double_or(json, keys[1], path, d->guidance, &d->guidance, err), end);
    SS_TRY_GOTO(json_get_int_or(json, keys[2], path, d->width, &width, err), end);
    SS_TRY_GOTO(json_get_int_or(json, keys[3], path, d->height, &height, err), end);
    SS_TRY_GOTO(json_get_int_or(json, keys[4], path, d->max_text_tokens, &text_tokens, err), end);
    const int64_t numbers[] = {steps, width, height, text_tokens};
    for (int i = 0; i < 4; i++)
        if (numbers[i] < 1 || numbers[i] > 1 << 20)
            SS_TRY_GOTO(error_set(err, SS_ERR_INPUT, path,
                                  "steps, width, height and max_sequence_length: expected 1 to "
                                  "1048576, found %lld",
                                  (long long)numbers[i]),
                        end);
    d->steps = (int)steps;
    d->width = (int)width;
    d->height = (int)height;
    d->max_text_tokens = (int)text_tokens;
    ss_error reason;
    if (pipeline_check_settings(p, d, &reason) != SS_OK)
        status = error_set(err, reason.code, path, "%s", reason.message);
end:
    json_decref(json);
    free(path);
    return status;
}

/* Kinds of pipeline that are known and not supported, by a part of their names. */
static const struct {
    const char *part, *what;
} REFUSED[] = {
    {"ControlNet", "an image from a prompt and a control picture"},
    {"AdapterPipeline", "an image from a prompt and a control picture"},
    {"StableDiffusionXLImg2Img", "SDXL's refiner, or another start from a picture"},
    {"Img2Img", "a start from a picture"},
    {"Inpaint", "a picture that is filled in"},
};

static void pipeline_refuse(const char *name, const char *what, const char *where, ss_error *err) {
    text rows = {0};
    for (int i = 0; i < ROW_COUNT; i++)
        text_addf(&rows, "%s%s", i == 0 ? "" : i + 1 < ROW_COUNT ? ", " : " or ", ROWS[i]->about.name);
    error_set(err, SS_ERR_INPUT, where, "_class_name is '%s' (%s), which is not supported; expected %s", name, what,
              rows.s ? rows.s : "another");
    text_free(&rows);
}

static const pipeline_row *pipeline_find_row(const char *name, const char *where, ss_error *err) {
    entry about[ROW_COUNT];
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++)
        if (strstr(name, REFUSED[i].part)) return pipeline_refuse(name, REFUSED[i].what, where, err), NULL;
    for (int i = 0; i < ROW_COUNT; i++) about[i] = ROWS[i]->about;
    const entry *e = entry_find(about, sizeof about[0], ROW_COUNT, "pipeline", name, where, err);
    return e ? ROWS[e - about] : NULL;
}

static ss_status read_index(pipeline *p, const char *path, json_t **out, ss_error *err) {
    if (!file_exists(path))
        return error_set(err, SS_ERR_INPUT, p->folder,
                         file_is_folder(p->folder)
                             ? "expected a model in diffusers' format, found no model_index.json in the folder"
                             : "expected a model's folder or file, found nothing");
    return json_read_file(path, JSON_CONFIG_LIMIT, out, err);
}

static ss_status open_index(pipeline *p, const json_t *index, const char *path, ss_error *err) {
    const char *class_name;
    SS_TRY(json_get_text(index, "_class_name", path, &class_name, err));
    if (!(p->row = pipeline_find_row(class_name, path, err))) return err->code;
    if (p->parts->n_lora) SS_TRY(lora_open(&p->lora, p->parts->lora, p->parts->n_lora, err));
    if (!p->single) SS_TRY(pipeline_check_variant(p, index, path, p->parts->variant, err));
    const char *own = p->single ? original_config_folder(p->single) : p->folder;
    if (own) SS_TRY(pipeline_rules_take_folder(&p->rules, own, err));
    SS_TRY(p->row->open(p, index, path, p->parts->variant, err));
    SS_TRY(read_defaults(p, err));
    if (p->lora) SS_TRY(lora_finish(p->lora, &p->c->notices, err));
    return p->single ? original_note_rest(p->single, &p->c->notices, err)
                     : model_note_lora(&p->c->notices, p->folder, err);
}

ss_status pipeline_open_parts(pipeline **out, compute *c, const char *path, const model_parts *parts, ss_error *err) {
    *out = NULL;
    pipeline *p = calloc(1, sizeof *p);
    char *index_path = file_exists(path) ? text_copy(path) : file_join(path, "model_index.json");
    json_t *index = NULL;
    ss_status status =
        p && index_path && (p->folder = text_copy(path)) ? SS_OK : error_no_memory(err, "pipeline", sizeof *p);
    if (status == SS_OK) {
        p->c = c;
        p->parts = parts;
        p->rules = parts->rules;
        p->notices = &c->notices;
        status = file_exists(path) ? source_open_single(p, &index, err) : read_index(p, index_path, &index, err);
    }
    if (status == SS_OK) status = source_leave_out(p, index, err);
    if (status == SS_OK) status = open_index(p, index, index_path, err);
    if (p) {
        original_close(p->single); /* the components hold what they need of it */
        p->single = NULL;
        p->parts = NULL;
        p->notices = NULL;
    }
    json_decref(index);
    free(index_path);
    if (status == SS_OK) *out = p;
    else pipeline_close(p);
    return status;
}

ss_status pipeline_open(pipeline **out, compute *c, const char *folder, const char *variant, ss_error *err) {
    return pipeline_open_parts(out, c, folder, &(model_parts){.variant = variant}, err);
}

void pipeline_close(pipeline *p) {
    if (!p) return;
    if (p->row) p->row->close(p);
    model_close(p->vae);
    json_decref(p->sampling_config);
    lora_close(p->lora);
    free(p->folder);
    free(p);
}

const char *pipeline_class(const pipeline *p) { return p->row->about.name; }
const char *pipeline_folder(const pipeline *p) { return p->folder; }
const pipeline_rules *pipeline_rules_of(const pipeline *p) { return &p->rules; }
notices *pipeline_notices(const pipeline *p) { return &p->c->notices; }

/* ---- settings ---- */

/* A forced scheduler gives a notice that says what it changes. */
static ss_status note_forced(const pipeline *p, const resolved_settings *s, ss_error *err) {
    scheduler g;
    SS_TRY(pipeline_scheduler(p, s, &g, err));
    if (!g.forced) return SS_OK;
    return notices_add(&p->c->notices, err,
                       "%s is forced: it takes what the model predicts (%s) for %s, as diffusers does when told so",
                       scheduler_name(&g), PREDICTION_NAMES[scheduler_predicts(&p->sampling)],
                       PREDICTION_NAMES[scheduler_predicts(&g)]);
}

ss_status settings_resolve(const pipeline *p, const sample_settings *asked, resolved_settings *out, ss_error *err) {
    const sample_settings *a = asked;
    const resolved_settings *d = &p->by_default;
    *out = (resolved_settings){.width = a->width ? a->width : d->width,
                               .height = a->height ? a->height : d->height,
                               .steps = a->steps ? a->steps : d->steps,
                               .guidance = isnan(a->guidance) ? d->guidance : a->guidance,
                               .negative = a->negative ? a->negative : "",
                               .max_text_tokens = a->max_text_tokens ? a->max_text_tokens : d->max_text_tokens,
                               .sizes = a->sizes,
                               .scheduler = a->scheduler,
                               .noise = a->noise};
    if (out->steps < 1 || out->steps > ATTN_MAX_STEPS)
        return error_set(err, SS_ERR_INPUT, NULL, "steps is %d; expected 1 to %d", out->steps, ATTN_MAX_STEPS);
    if (!(fabs(out->guidance) <= 1e6)) return error_set(err, SS_ERR_INPUT, NULL, "guidance is not a number below 1e6");
    SS_TRY(pipeline_check_settings(p, out, err));
    return note_forced(p, out, err);
}

void pipeline_sites_at(const pipeline *p, const resolved_settings *s, pipeline_sites *out) {
    *out = (pipeline_sites){0};
    p->row->sites(p, s, out);
}

/* Queries are those of the keys where the row names none. */
static void describe_site(const pipeline *p, const resolved_settings *s, int block, attn_block *out) {
    *out = (attn_block){0};
    p->row->site(p, s, block, out);
    if (out->n_query_segments == 0) {
        out->n_query_segments = out->n_segments;
        memcpy(out->query_segment, out->segment, sizeof out->query_segment);
    }
    for (int i = 0; i < out->n_query_segments; i++) out->queries += out->query_segment[i].length;
}

ss_status pipeline_site_at(const pipeline *p, const resolved_settings *s, int block, attn_block *out, ss_error *err) {
    pipeline_sites sites;
    *out = (attn_block){0};
    pipeline_sites_at(p, s, &sites);
    if (block < 0 || block >= sites.blocks)
        return error_set(err, SS_ERR_INPUT, NULL, "block %d; expected 0 to %d", block, sites.blocks - 1);
    describe_site(p, s, block, out);
    return SS_OK;
}

ss_status pipeline_blocks(const pipeline *p, const resolved_settings *s, attn_block **out, ss_error *err) {
    pipeline_sites sites;
    *out = NULL;
    pipeline_sites_at(p, s, &sites);
    attn_block *block = calloc((size_t)sites.blocks + 1, sizeof *block);
    if (!block) return error_no_memory(err, "blocks", (unsigned long long)sites.blocks * sizeof *block);
    for (int i = 0; i < sites.blocks; i++) describe_site(p, s, i, &block[i]);
    attn_number_layouts(block, sites.blocks);
    *out = block;
    return SS_OK;
}

/* ---- memory ---- */

void pipeline_trim(compute *c) {
    if (compute_touched(c) > arena_used(c->scratch) + KEPT_SCRATCH) compute_trim(c);
}

ss_status pipeline_reserve(pipeline *p, scratch_phase phase, const scratch_key *key, scratch_walk walk,
                           const void *what, ss_error *err) {
    compute *dry;
    if (memcmp(&p->reserved[phase], key, sizeof *key) == 0) return SS_OK;
    SS_TRY(compute_create(&dry, "dry", p->c->threads, 0, err));
    dry->storage = p->c->storage;
    ss_status status = walk(p, dry, what, err);
    if (status == SS_OK) compute_reserve(p->c, dry);
    if (status == SS_OK) p->reserved[phase] = *key;
    compute_destroy(dry);
    return status;
}

/* Scratch that only packing needed is released. */
ss_status pipeline_pack_network(pipeline *p, ss_error *err) {
    size_t before = p->c->packed_bytes;
    ss_status status = model_pack(p->network, p->c, NULL, 0, err);
    if (p->c->packed_bytes > before) pipeline_trim(p->c);
    return status;
}

/* The encoder half of the autoencoder is not packed. */
ss_status pipeline_pack_decoder(pipeline *p, ss_error *err) {
    return model_pack(p->vae, p->c, PIPELINE_DECODER, DECODER_PARTS, err);
}

ss_status pipeline_prepare(pipeline *p, ss_error *err) {
    SS_TRY(pipeline_pack_network(p, err));
    return pipeline_pack_decoder(p, err);
}

void pipeline_release(pipeline *p) {
    weights_unpack_part(&p->network->set, p->c, "");
    weights_unpack_part(&p->vae->set, p->c, "");
}

void pipeline_set_form(pipeline *p, weight_form form) {
    weights_unpack_part(&p->network->set, p->c, "");
    weights_set_form(&p->network->set, form);
    p->form = form;
}

weight_form pipeline_form(const pipeline *p) { return p->form; }

/* ---- image ---- */

/* diffusers' VaeImageProcessor: x / 2 + 0.5, clamped, times 255, rounded half to even, all in float32. x is finite. */
static uint8_t quantise(float x) {
    float unit = x * 0.5f + 0.5f;
    if (!(unit > 0)) return 0;
    return (uint8_t)nearbyintf((unit < 1 ? unit : 1) * 255);
}

static ss_status decode_with(pipeline *p, compute *c, denoise_state *d, rgb_image *out, ss_error *err) {
    arena_mark mark = arena_get_mark(c->scratch);
    tensor picture = pipeline_decode(p, c, d); /* [1, H, W, 3] */
    size_t n = (size_t)tensor_elements(picture);
    float *host = malloc(n * sizeof *host);
    uint8_t *rgb = malloc(n);
    ss_status status = host && rgb ? SS_OK : error_no_memory(err, "picture", n * sizeof *host);
    if (status == SS_OK) {
        op_download(c, host, picture);
        status = compute_status(c, err);
    }
    if (status == SS_OK && finite_first_bad(host, (int64_t)n) >= 0) {
        d->broken = 1;
        status = decode_culprit(p, c, d, err);
    }
    if (status == SS_OK) {
        for (size_t i = 0; i < n; i++) rgb[i] = quantise(host[i]);
        *out = (rgb_image){.width = (int)picture.dim[2], .height = (int)picture.dim[1], .rgb = rgb};
        rgb = NULL;
    }
    free(rgb);
    free(host);
    arena_release(c->scratch, mark);
    return status;
}

static ss_status walk_decode(pipeline *p, compute *dry, const void *what, ss_error *err) {
    arena_mark mark = arena_get_mark(dry->scratch);
    pipeline_decode(p, dry, what);
    arena_release(dry->scratch, mark);
    return compute_status(dry, err);
}

ss_status denoise_decode(pipeline *p, denoise_state *d, rgb_image *out, ss_error *err) {
    const scratch_key key = {.rows = 1, .height = d->height, .width = d->width};
    SS_TRY(pipeline_pack_decoder(p, err));
    SS_TRY(pipeline_reserve(p, SCRATCH_DECODE, &key, walk_decode, d, err));
    ss_status status = decode_with(p, p->c, d, out, err);
    pipeline_trim(p->c);
    return status;
}

/* ---- cost ---- */

/* A step of `n` images on the dry backend. */
static ss_status dry_step(pipeline *p, compute *dry, const resolved_settings *s, const embedding *e, int n, int *calls,
                          ss_error *err) {
    denoise_state **d = calloc((size_t)n, sizeof *d);
    ss_status status = d ? SS_OK : error_no_memory(err, "images in the making", (size_t)n * sizeof *d);
    for (int i = 0; status == SS_OK && i < n; i++) status = denoise_new(&d[i], p, s, e, NULL, err);
    if (status == SS_OK) status = denoise_step_on(p, dry, d, n, err);
    if (status == SS_OK) *calls = d[0]->call; /* the first step may have two */
    for (int i = 0; d && i < n; i++) denoise_free(d[i]);
    free(d);
    return status;
}

static ss_status dry_decode(pipeline *p, compute *dry, const resolved_settings *s, const embedding *e, ss_error *err) {
    denoise_state *d;
    rgb_image image = {0};
    SS_TRY(denoise_new(&d, p, s, e, NULL, err));
    ss_status status = decode_with(p, dry, d, &image, err);
    rgb_image_free(&image);
    denoise_free(d);
    return status;
}

/* A batch of texts: what they ask of memory at most. */
static ss_status dry_encode(pipeline *p, compute *dry, const resolved_settings *s, const text_shape *shape,
                            ss_error *err) {
    const char *texts[TEXT_BATCH];
    float *states, *pooled;
    ss_status status = text_states_allocate(shape, TEXT_BATCH, &states, &pooled, err);
    for (int i = 0; i < TEXT_BATCH; i++) texts[i] = "";
    if (status == SS_OK) status = encode_texts(p, dry, s, texts, TEXT_BATCH, states, pooled, err);
    free(states);
    free(pooled);
    return status;
}

/* Peak of scratch since the last call, and the work. */
static size_t take_peak(compute *dry, double *flops) {
    size_t peak = compute_peak(dry);
    *flops = dry->flops;
    dry->flops = 0;
    compute_reset_peak(dry);
    return peak;
}

static ss_status dry_run(pipeline *p, compute *dry, const resolved_settings *s, int images, pipeline_cost *out,
                         ss_error *err) {
    const char *each[MAX_BRANCHES];
    embedding *e = NULL;
    text_shape shape;
    double flops;
    int calls;
    ss_status status = SS_OK;
    p->row->text_shape(p, s, &shape);
    out->text_bytes = text_file_bytes(&shape);
    SS_TRY_GOTO(dry_encode(p, dry, s, &shape, err), end);
    out->encode_scratch_bytes = take_peak(dry, &flops);
    out->encoder_bytes = dry->packed_peak;
    out->flops_text = flops / TEXT_BATCH;
    out->flops_encode = out->flops_text * embedding_texts(p, s, "", each);
    SS_TRY_GOTO(embedding_new(&e, p, s, "", err), end);
    SS_TRY_GOTO(dry_step(p, dry, s, e, images, &calls, err), end);
    out->step_scratch_bytes = take_peak(dry, &flops);
    SS_TRY_GOTO(dry_step(p, dry, s, e, 1, &calls, err), end);
    take_peak(dry, &flops);
    out->flops_step = flops / calls;
    SS_TRY_GOTO(dry_decode(p, dry, s, e, err), end);
    out->decode_scratch_bytes = take_peak(dry, &out->flops_decode);
end:
    embedding_free(e);
    return status;
}

ss_status pipeline_cost_of(pipeline *p, const resolved_settings *s, int images, pipeline_cost *out, ss_error *err) {
    *out = (pipeline_cost){0};
    compute *dry;
    SS_TRY(compute_create(&dry, "dry", p->c->threads, 0, err));
    dry->storage = p->c->storage;
    ss_status status = dry_run(p, dry, s, images, out, err);
    out->network_bytes = weights_packed_bytes(&p->network->set, p->c);
    out->packing_bytes = weights_packing_bytes(&p->network->set, p->c);
    for (int i = 0; i < DECODER_PARTS; i++)
        out->decoder_bytes += weights_packed_part_bytes(&p->vae->set, p->c, PIPELINE_DECODER[i]);
    compute_destroy(dry);
    return status;
}
