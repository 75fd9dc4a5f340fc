/* Denoising: the memory of images, their noise, and the steps, in which images share a batch of the network. The
 * scheduler defines how the network's output moves the latents; the pipeline's row defines the network. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "nn/layers.h"
#include "sampler/brownian.h"
#include "sampler/pipeline_parts.h"
#include "sampler/torch_noise.h"

int64_t denoise_latent_elements(const denoise_state *d) { return d->height * d->width * d->channels; }

/* ---- memory ---- */

int64_t denoise_state_floats(const denoise_state *d) { return denoise_latent_elements(d) * (1 + d->plan.slots); }

/* Latents and slots, now and before the step, which are copied together. */
static size_t state_bytes(const denoise_state *d) { return 2 * sizeof *d->latents * (size_t)denoise_state_floats(d); }

static ss_status allocate_latents(denoise_state *d, ss_error *err) {
    int draws = schedule_draws(&d->plan);
    size_t rooms = draws == DRAWS_PATH ? 3 + BROWNIAN_LEVELS : draws ? 2 : 0; /* noise, and what drawing it takes */
    size_t bytes = state_bytes(d) + rooms * sizeof *d->noise * (size_t)denoise_latent_elements(d);
    d->latents = calloc(1, bytes);
    if (!d->latents) return error_no_memory(err, "latents", bytes);
    d->slots = d->latents + denoise_latent_elements(d);
    d->before = d->latents + denoise_state_floats(d);
    if (draws) d->noise = d->before + denoise_state_floats(d);
    return SS_OK;
}

ss_status denoise_new(denoise_state **out, const pipeline *p, const resolved_settings *s, const embedding *e,
                      attn_run *run, ss_error *err) {
    denoise_state *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d) return error_no_memory(err, "image in the making", sizeof *d);
    d->text = e;
    d->settings = *s;
    d->settings.negative = d->settings.scheduler = NULL; /* the caller's memory; the embedding and the plan have them */
    d->run = run;
    d->height = s->height / pipeline_vae_factor(p);
    d->width = s->width / pipeline_vae_factor(p);
    d->channels = p->row->channels(p);
    int64_t image_tokens = (d->height / p->row->patch(p)) * (d->width / p->row->patch(p));
    scheduler sampling;
    ss_status status = pipeline_scheduler(p, s, &sampling, err);
    if (status == SS_OK) status = scheduler_plan(&sampling, s->steps, image_tokens, &d->plan, err);
    if (status == SS_OK) status = allocate_latents(d, err);
    if (status == SS_OK) *out = d;
    else denoise_free(d);
    return status;
}

ss_status denoise_fork(denoise_state **out, const denoise_state *from, attn_run *run, ss_error *err) {
    *out = NULL;
    denoise_state *d = malloc(sizeof *d);
    if (!d) return error_no_memory(err, "image in the making", sizeof *d);
    *d = *from;
    d->run = run;
    d->latents = d->slots = d->before = d->noise = NULL;
    ss_status status = schedule_copy(&d->plan, &from->plan, err);
    if (status == SS_OK) status = allocate_latents(d, err);
    if (status == SS_OK) memcpy(d->latents, from->latents, state_bytes(d));
    if (status == SS_OK) *out = d;
    else denoise_free(d);
    return status;
}

void denoise_free(denoise_state *d) {
    if (!d) return;
    schedule_free(&d->plan);
    free(d->latents);
    free(d);
}

/* ---- noise ---- */

/* Numbers as torch has them, [C, h, w], into out [h, w, C] times `scale`. */
static void turn_noise(const denoise_state *d, float scale, const float *drawn, float *out) {
    int64_t hw = d->height * d->width;
    for (int64_t i = 0; i < hw; i++)
        for (int64_t j = 0; j < d->channels; j++) out[i * d->channels + j] = drawn[j * hw + i] * scale;
}

/* Noise of a call, into d->noise. */
static void denoise_draw_noise(denoise_state *d, const schedule_call *k) {
    int64_t n = denoise_latent_elements(d);
    float *drawn = d->noise + n;
    if (k->draws == DRAWS_PATH) {
        const brownian path = {.device = d->generator.device,
                               .seed = d->plan.path_seed >= 0 ? (uint64_t)d->plan.path_seed : d->generator.seed,
                               .low = d->plan.path_low,
                               .high = d->plan.path_high};
        brownian_noise(&path, k->path_from, k->path_to, drawn + n, drawn, n);
    } else torch_generator_randn(&d->generator, drawn, n);
    turn_noise(d, 1, drawn, d->noise);
}

ss_status denoise_begin(denoise_state **out, pipeline *p, const resolved_settings *s, const embedding *e, uint64_t seed,
                        attn_run *run, ss_error *err) {
    *out = NULL;
    SS_TRY(pipeline_pack_network(p, err));
    denoise_state *d;
    SS_TRY(denoise_new(&d, p, s, e, run, err));
    int64_t n = denoise_latent_elements(d);
    float *noise = malloc(sizeof *noise * (size_t)n);
    if (!noise) {
        denoise_free(d);
        return error_no_memory(err, "noise", sizeof *noise * (size_t)n);
    }
    torch_generator_begin(&d->generator, s->noise, seed);
    torch_generator_randn(&d->generator, noise, n);
    turn_noise(d, d->plan.initial_scale, noise, d->latents);
    free(noise);
    *out = d;
    return SS_OK;
}

ss_status denoise_latents(pipeline *p, const denoise_state *d, float *host, ss_error *err) {
    (void)p;
    (void)err;
    int64_t hw = d->height * d->width;
    for (int64_t i = 0; i < hw; i++)
        for (int64_t j = 0; j < d->channels; j++) host[j * hw + i] = d->latents[i * d->channels + j];
    return SS_OK;
}

/* ---- steps ---- */

int denoise_step_number(const denoise_state *d) { return d->step; }

static const char *denoise_word_of(const void *words, attn_branch branch, int key) {
    return embedding_key_word(words, branch, key);
}

static void fill_row(compute *c, call_batch *b, int row, const denoise_state *d, attn_branch branch) {
    const embedding *e = d->text;
    const schedule_call *k = &d->plan.call[d->call];
    tensor x = tensor_slice(b->latents, 0, row, 1);
    op_upload(c, x, d->latents);
    if (k->input_scale != 1) op_axpby(c, x, k->input_scale, x, 0, x);
    op_upload(c, tensor_slice(b->text, 0, row, 1), e->states + (int)branch * e->n_text * e->width);
    if (e->pooled_width) op_upload(c, tensor_slice(b->pooled, 0, row, 1), e->pooled + (int)branch * e->pooled_width);
    b->timestep[row] = k->timestep;
    picture_sizes_condition(&d->settings.sizes, d->settings.width, d->settings.height,
                            b->size_conditioning + row * SIZE_CONDITIONS);
    b->item[row] = (attn_item){.run = d->run,
                               .step = d->step,
                               .branch = branch,
                               .key_class = embedding_key_classes(e, branch),
                               .word = denoise_word_of,
                               .words = e};
}

/* Guidance, uncond + g (cond - uncond), into cond. */
static void denoise_guide(compute *c, const denoise_state *d, tensor cond, tensor uncond) {
    if (tensor_is_none(uncond)) return;
    tensor difference = nn_like(c, cond);
    op_axpby(c, difference, 1, cond, -1, uncond);
    op_axpby(c, cond, 1, uncond, (float)d->settings.guidance, difference);
}

/* The scheduler's update by the network's output, as it was read. */
static void denoise_advance(denoise_state *d, const float *output) {
    int64_t n = denoise_latent_elements(d);
    const schedule_call *k = &d->plan.call[d->call];
    memcpy(d->slots + k->output * n, output, (size_t)n * sizeof *output);
    if (k->draws) denoise_draw_noise(d, k);
    schedule_advance(&d->plan, d->call, d->latents, d->slots, d->noise, n);
}

static void call_with(pipeline *p, compute *c, denoise_state *const *states, int n, call_batch *b) {
    const denoise_state *first = states[0];
    const embedding *e = first->text;
    b->latents = compute_4d(c, b->rows, first->height, first->width, first->channels);
    b->text = compute_3d(c, b->rows, e->n_text, e->width);
    b->pooled = text_pooled_new(c, b->rows, e->pooled_width);
    attn_pending pending = {0};
    b->studied = (attn_batch){b->rows, b->item, &pending};
    b->settings = &first->settings;
    int row = n;
    for (int i = 0; i < n; i++) fill_row(c, b, i, states[i], BRANCH_COND);
    for (int i = 0; i < n; i++)
        if (states[i]->text->branches > 1) fill_row(c, b, row++, states[i], BRANCH_UNCOND);
    tensor out = p->row->predict(p, c, b);
    row = n;
    host_read *outputs = compute_host(c, (size_t)n, sizeof *outputs);
    host_read **list = compute_host(c, (size_t)n, sizeof *list);
    for (int i = 0; i < n; i++) {
        tensor cond = tensor_slice(out, 0, i, 1);
        denoise_guide(c, states[i], cond, states[i]->text->branches > 1 ? tensor_slice(out, 0, row++, 1) : TENSOR_NONE);
        if (!compute_ok(c) || arena_is_counted(list)) continue;
        outputs[i] = (host_read){.from = cond};
        list[i] = &outputs[i];
    }
    if (!attn_read(c, &pending, list, n) || !compute_has_values(c)) return;
    for (int i = 0; i < n; i++) denoise_advance(states[i], outputs[i].values);
}

/* One call of the network for all states. */
static ss_status call_network(pipeline *p, compute *c, denoise_state *const *states, int n, ss_error *err) {
    call_batch b = {0};
    assert(n > 0);
    for (int i = 0; i < n; i++) b.rows += states[i]->text->branches;
    b.timestep = calloc((size_t)b.rows, sizeof *b.timestep);
    b.size_conditioning = calloc((size_t)b.rows * SIZE_CONDITIONS, sizeof *b.size_conditioning);
    b.item = calloc((size_t)b.rows, sizeof *b.item);
    ss_status status = SS_OK;
    if (!b.timestep || !b.size_conditioning || !b.item) {
        status = error_no_memory(err, "batch", (size_t)b.rows * sizeof *b.item);
    } else {
        compute_mark mark = compute_get_mark(c);
        call_with(p, c, states, n, &b);
        compute_release(c, mark);
        status = compute_status(c, err);
    }
    for (int i = 0; status == SS_OK && i < n; i++) states[i]->call++;
    free(b.timestep);
    free(b.size_conditioning);
    free(b.item);
    return status;
}

/* Whether the current step has another call. */
static int goes_on(const denoise_state *d) { return d->call < d->plan.calls && d->plan.call[d->call].step == d->step; }

/* The other calls of the step, batched like the first, for the images that have any. */
static ss_status call_again(pipeline *p, compute *c, denoise_state *const *states, int n, ss_error *err) {
    denoise_state **left = calloc((size_t)n, sizeof *left);
    ss_status status = left ? SS_OK : error_no_memory(err, "images in the making", (size_t)n * sizeof *left);
    for (int some = 1; status == SS_OK && some;) {
        some = 0;
        for (int i = 0; i < n; i++)
            if (goes_on(states[i])) left[some++] = states[i];
        if (some) status = call_network(p, c, left, some, err);
    }
    free(left);
    return status;
}

ss_status denoise_step_on(pipeline *p, compute *c, denoise_state *const *states, int n, ss_error *err) {
    for (int i = 0; i < n; i++) {
        const denoise_state *d = states[i], *first = states[0];
        if (d->step >= d->settings.steps || d->height != first->height || d->width != first->width ||
            d->text->n_text != first->text->n_text)
            return error_set(err, SS_ERR_INTERNAL, NULL,
                             "denoise_step: expected unfinished images of one size and text length");
    }
    for (int i = 0; i < n; i++) {
        memcpy(states[i]->before, states[i]->latents, state_bytes(states[i]) / 2);
        states[i]->generator_before = states[i]->generator;
        states[i]->call_before = states[i]->call;
    }
    SS_TRY(call_network(p, c, states, n, err));
    SS_TRY(call_again(p, c, states, n, err));
    for (int i = 0; i < n; i++) states[i]->step++;
    return SS_OK;
}

/* ---- scratch ---- */

typedef struct step_batch {
    denoise_state *const *states;
    int n;
} step_batch;

/* The step of a batch like this one. */
static ss_status walk_step(pipeline *p, compute *dry, const void *what, ss_error *err) {
    const step_batch *b = what;
    denoise_state **d = calloc((size_t)b->n, sizeof *d);
    ss_status status = d ? SS_OK : error_no_memory(err, "images in the making", (size_t)b->n * sizeof *d);
    for (int i = 0; status == SS_OK && i < b->n; i++)
        status = denoise_new(&d[i], p, &b->states[i]->settings, b->states[i]->text, NULL, err);
    if (status == SS_OK) status = denoise_step_on(p, dry, d, b->n, err);
    for (int i = 0; d && i < b->n; i++) denoise_free(d[i]);
    free(d);
    return status;
}

ss_status denoise_step(pipeline *p, denoise_state *const *states, int n, ss_error *err) {
    const denoise_state *first = states[0];
    scratch_key key = {.height = first->height, .width = first->width, .text = first->text->n_text};
    for (int i = 0; i < n; i++) key.rows += states[i]->text->branches;
    SS_TRY(pipeline_reserve(p, SCRATCH_STEP, &key, walk_step, &(step_batch){states, n}, err));
    return denoise_step_on(p, p->c, states, n, err);
}
