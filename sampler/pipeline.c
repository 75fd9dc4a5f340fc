/* Pipelines: the table, the model's folder and defaults, and what every kind of pipeline does alike with text, pictures
 * and costs. Denoising is in denoise.c, what a kind does by itself in its own file, behind pipeline_row.h. */
#include "sampler/pipeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "sampler/pipeline_parts.h"

static const pipeline_row *const ROWS[] = {&PIPELINE_SD3, &PIPELINE_SDXL, &PIPELINE_SD};
enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0] };

/* ---- opening ---- */

/* What the scheduler and the networks can do; all members are set. */
static ss_status check_settings(const pipeline *p, const sample_settings *s, ss_error *err) {
    if (!p->row->tells_sizes) SS_TRY(picture_sizes_refuse(&s->sizes, p->row->about.name, err));
    SS_TRY(picture_sizes_check(&s->sizes, err));
    SS_TRY(scheduler_check(&p->sampling, s->steps, err));
    return p->row->check(p, s, err);
}

/* sinkscope.json: how the model is meant to be used, where that differs from the pipeline's own defaults. */
static ss_status read_defaults(pipeline *p, ss_error *err) {
    static const char *const keys[] = {"steps", "guidance", "width", "height", "max_sequence_length"};
    enum { KEYS = sizeof keys / sizeof keys[0] };
    sample_settings *d = &p->by_default;
    char *path = file_join(p->folder, "sinkscope.json");
    json_t *json = NULL;
    ss_status status = SS_OK;
    if (!path) return error_no_memory(err, "path", strlen(p->folder));
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
    if (check_settings(p, d, &reason) != SS_OK) status = error_set(err, reason.code, path, "%s", reason.message);
end:
    json_decref(json);
    free(path);
    return status;
}

/* Kinds of pipeline that will not be there soon, by a part of their names. */
static const struct {
    const char *part, *what;
} REFUSED[] = {
    {"ControlNet", "an image from a prompt and a control picture"},
    {"AdapterPipeline", "an image from a prompt and a control picture"},
    {"StableDiffusionXLImg2Img", "SDXL's refiner, or another start from a picture"},
    {"Img2Img", "a start from a picture"},
    {"Inpaint", "a picture that is filled in"},
};

static void refuse(const char *name, const char *what, const char *where, ss_error *err) {
    text rows = {0};
    for (int i = 0; i < ROW_COUNT; i++)
        text_addf(&rows, "%s%s", i == 0 ? "" : i + 1 < ROW_COUNT ? ", " : " or ", ROWS[i]->about.name);
    error_set(err, SS_ERR_INPUT, where, "_class_name is '%s' (%s), which is not supported; expected %s", name, what,
              rows.s ? rows.s : "another");
    text_free(&rows);
}

static const pipeline_row *find_row(const char *name, const char *where, ss_error *err) {
    entry about[ROW_COUNT];
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++)
        if (strstr(name, REFUSED[i].part)) return refuse(name, REFUSED[i].what, where, err), NULL;
    for (int i = 0; i < ROW_COUNT; i++) about[i] = ROWS[i]->about;
    const entry *e = entry_find(about, sizeof about[0], ROW_COUNT, "pipeline", name, where, err);
    return e ? ROWS[e - about] : NULL;
}

static ss_status open_index(pipeline *p, const char *path, const char *variant, ss_error *err) {
    json_t *index;
    const char *class_name;
    if (!file_exists(path))
        return error_set(err, SS_ERR_INPUT, p->folder,
                         file_is_folder(p->folder)
                             ? "expected a model in diffusers' format, found no model_index.json in the folder"
                             : "expected a model's folder, found %s",
                         file_exists(p->folder) ? "a file" : "nothing");
    SS_TRY(json_read_file(path, JSON_CONFIG_LIMIT, &index, err));
    ss_status status = json_get_text(index, "_class_name", path, &class_name, err);
    if (status == SS_OK && !(p->row = find_row(class_name, path, err))) status = err->code;
    if (status == SS_OK) status = p->row->open(p, index, path, variant, err);
    json_decref(index);
    return status == SS_OK ? read_defaults(p, err) : status;
}

ss_status pipeline_open(pipeline **out, compute *c, const char *folder, const char *variant, ss_error *err) {
    *out = NULL;
    pipeline *p = calloc(1, sizeof *p);
    char *path = file_join(folder, "model_index.json");
    ss_status status = SS_OK;
    if (!p || !path || !(p->folder = text_copy(folder))) {
        status = error_no_memory(err, "pipeline", sizeof *p);
    } else {
        p->c = c;
        status = open_index(p, path, variant, err);
    }
    free(path);
    if (status == SS_OK) *out = p;
    else pipeline_close(p);
    return status;
}

void pipeline_close(pipeline *p) {
    if (!p) return;
    if (p->row) p->row->close(p);
    model_close(p->vae);
    free(p->folder);
    free(p);
}

const char *pipeline_class(const pipeline *p) { return p->row->about.name; }
const char *pipeline_folder(const pipeline *p) { return p->folder; }

/* ---- settings ---- */

ss_status pipeline_defaults(const pipeline *p, sample_settings *s, ss_error *err) {
    const sample_settings *d = &p->by_default;
    if (!s->width) s->width = d->width;
    if (!s->height) s->height = d->height;
    if (!s->steps) s->steps = d->steps;
    if (!s->max_text_tokens) s->max_text_tokens = d->max_text_tokens;
    if (!s->negative) s->negative = "";
    if (isnan(s->guidance)) s->guidance = d->guidance;
    if (s->steps < 1 || s->steps > ATTN_MAX_STEPS)
        return error_set(err, SS_ERR_INPUT, NULL, "steps is %d; expected 1 to %d", s->steps, ATTN_MAX_STEPS);
    if (!(fabs(s->guidance) <= 1e6)) return error_set(err, SS_ERR_INPUT, NULL, "guidance is not a number below 1e6");
    return check_settings(p, s, err);
}

ss_status pipeline_sites_at(const pipeline *p, const sample_settings *s, pipeline_sites *out, ss_error *err) {
    sample_settings full = *s;
    SS_TRY(pipeline_defaults(p, &full, err));
    *out = (pipeline_sites){0};
    p->row->sites(p, &full, out);
    return SS_OK;
}

/* Queries are those of the keys where the row names none. */
static void describe_site(const pipeline *p, const sample_settings *s, int block, attn_block *out) {
    *out = (attn_block){0};
    p->row->site(p, s, block, out);
    if (out->n_query_segments == 0) {
        out->n_query_segments = out->n_segments;
        memcpy(out->query_segment, out->segment, sizeof out->query_segment);
    }
    for (int i = 0; i < out->n_query_segments; i++) out->queries += out->query_segment[i].length;
}

ss_status pipeline_site_at(const pipeline *p, const sample_settings *s, int block, attn_block *out, ss_error *err) {
    pipeline_sites sites;
    sample_settings full = *s;
    *out = (attn_block){0};
    SS_TRY(pipeline_defaults(p, &full, err));
    SS_TRY(pipeline_sites_at(p, &full, &sites, err));
    if (block < 0 || block >= sites.blocks)
        return error_set(err, SS_ERR_INPUT, NULL, "block %d; expected 0 to %d", block, sites.blocks - 1);
    describe_site(p, &full, block, out);
    return SS_OK;
}

ss_status pipeline_blocks(const pipeline *p, const sample_settings *s, attn_block **out, ss_error *err) {
    pipeline_sites sites;
    sample_settings full = *s;
    *out = NULL;
    SS_TRY(pipeline_defaults(p, &full, err));
    SS_TRY(pipeline_sites_at(p, &full, &sites, err));
    attn_block *block = calloc((size_t)sites.blocks + 1, sizeof *block);
    if (!block) return error_no_memory(err, "blocks", (unsigned long long)sites.blocks * sizeof *block);
    for (int i = 0; i < sites.blocks; i++) describe_site(p, &full, i, &block[i]);
    attn_number_layouts(block, sites.blocks);
    *out = block;
    return SS_OK;
}

/* ---- text ---- */

void embedding_free(embedding *e) {
    if (!e) return;
    for (int b = 0; b < MAX_BRANCHES; b++)
        for (int i = 0; i < MAX_TEXT_RUNS; i++) tokens_free(&e->run[b][i].tok);
    free(e->states);
    free(e->pooled);
    free(e->key_class);
    free(e);
}

/* Image keys first, then the runs of text; tokens that no encoder has seen count as padding. Keys beyond are those of
 * calls without text. */
static ss_status classify_keys(embedding *e, ss_error *err) {
    static const uint8_t classes[TOKEN_CLASS_COUNT] = {
        [TOKEN_START] = KEY_START, [TOKEN_WORD] = KEY_WORD, [TOKEN_END] = KEY_END, [TOKEN_PADDING] = KEY_PADDING};
    size_t keys = (size_t)e->n_keys;
    e->key_class = malloc(keys * (size_t)e->branches);
    if (!e->key_class) return error_no_memory(err, "token classes", keys);
    for (int b = 0; b < e->branches; b++) {
        uint8_t *out = e->key_class + (size_t)b * keys;
        memset(out, KEY_IMAGE, keys);
        out += e->n_image;
        for (int i = 0; i < e->n_runs; i++)
            for (int j = 0; j < e->run[b][i].count; j++)
                *out++ = j < e->run[b][i].tok.count ? classes[e->run[b][i].tok.at[j].cls] : KEY_PADDING;
    }
    return SS_OK;
}

static ss_status encode_with(pipeline *p, compute *c, const sample_settings *s, const char *prompt, embedding **out,
                             ss_error *err) {
    *out = NULL;
    embedding *e = calloc(1, sizeof *e);
    if (!e) return error_no_memory(err, "embedding", sizeof *e);
    pipeline_sites sites = {0};
    p->row->sites(p, s, &sites);
    for (int i = 0; i < sites.n_segments; i++)
        if (sites.segment[i].kind == SEGMENT_IMAGE) e->n_image += sites.segment[i].length;
    e->n_keys = sites.keys;
    e->branches = s->guidance > 1 ? 2 : 1;
    arena_mark mark = arena_get_mark(c->scratch);
    ss_status status = p->row->encode(p, c, s, prompt, e, err);
    arena_release(c->scratch, mark);
    ss_error first;
    if (compute_status(c, &first) != SS_OK) {
        *err = first;
        status = err->code;
    }
    if (status == SS_OK) status = classify_keys(e, err);
    if (status == SS_OK) *out = e;
    else embedding_free(e);
    return status;
}

ss_status pipeline_encode(pipeline *p, const sample_settings *s, const char *prompt, embedding **out, ss_error *err) {
    sample_settings full = *s;
    *out = NULL;
    SS_TRY(pipeline_defaults(p, &full, err));
    return encode_with(p, p->c, &full, prompt, out, err);
}

/* Without guidance there is one branch, and it is the conditional one. */
static int branch_row(const embedding *e, attn_branch branch) { return (int)branch < e->branches ? (int)branch : 0; }

const uint8_t *embedding_key_classes(const embedding *e, attn_branch branch) {
    return e->key_class + branch_row(e, branch) * e->n_keys;
}

int embedding_keys(const embedding *e) { return e->n_image + e->n_text; }

const char *embedding_key_word(const embedding *e, attn_branch branch, int key) {
    const text_run *r = e->run[branch_row(e, branch)];
    int i = key - e->n_image;
    if (i < 0) return "";
    for (int k = 0; k < e->n_runs; i -= r[k++].count)
        if (i < r[k].count) {
            int word = i < r[k].tok.count ? r[k].tok.at[i].word : -1;
            return word >= 0 ? r[k].tok.words[word] : "";
        }
    return "";
}

/* ---- picture ---- */

/* diffusers' VaeImageProcessor: x / 2 + 0.5, clamped, times 255, rounded half to even, all in float32. A value that is
 * not a number is black. */
static uint8_t quantise(float x) {
    float unit = x * 0.5f + 0.5f;
    if (!(unit > 0)) return 0;
    return (uint8_t)nearbyintf((unit < 1 ? unit : 1) * 255);
}

static ss_status decode_with(pipeline *p, compute *c, const denoise_state *d, rgb_image *out, ss_error *err) {
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

ss_status denoise_decode(pipeline *p, const denoise_state *d, rgb_image *out, ss_error *err) {
    return decode_with(p, p->c, d, out, err);
}

/* ---- cost ---- */

/* A whole image of one step on the dry backend. */
static ss_status dry_run(pipeline *p, compute *dry, const sample_settings *s, pipeline_cost *out, ss_error *err) {
    embedding *e = NULL;
    denoise_state *d = NULL;
    rgb_image image = {0};
    ss_status status = SS_OK;
    SS_TRY_GOTO(encode_with(p, dry, s, "", &e, err), end);
    out->flops_encode = dry->flops;
    SS_TRY_GOTO(denoise_new(&d, p, s, e, NULL, err), end);
    SS_TRY_GOTO(denoise_step_on(p, dry, (denoise_state *[]){d}, 1, err), end);
    double denoised = dry->flops;
    out->flops_step = (denoised - out->flops_encode) / d->call; /* the first step may have two calls */
    SS_TRY_GOTO(decode_with(p, dry, d, &image, err), end);
    out->flops_decode = dry->flops - denoised;
    out->scratch_peak_bytes = arena_peak(dry->scratch);
end:
    rgb_image_free(&image);
    denoise_free(d);
    embedding_free(e);
    return status;
}

ss_status pipeline_cost_of(pipeline *p, const sample_settings *s, pipeline_cost *out, ss_error *err) {
    *out = (pipeline_cost){0};
    sample_settings full = *s;
    SS_TRY(pipeline_defaults(p, &full, err));
    compute *dry;
    SS_TRY(compute_create(&dry, "dry", 1, (size_t)1 << 40, err));
    ss_status status = dry_run(p, dry, &full, out, err);
    const weight_set *sets[MAX_WEIGHT_SETS];
    int n = p->row->weights(p, sets);
    sets[n++] = &p->vae->set;
    for (int i = 0; i < n; i++) out->weight_bytes += weights_packed_bytes(sets[i], p->c);
    compute_destroy(dry);
    return status;
}
