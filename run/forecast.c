/* What a plan will take on this machine, in time and memory: a few seconds of its real work, timed, times the plan's
 * counts; and the sizes of everything that will be in memory at once. A long piece of work is interrupted, and its time
 * is extrapolated from the share of its multiply-adds that were done. No result depends on any of this. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "io/png.h"
#include "run/forecast.h"

/* Seconds that each part of the forecast may take before it is cut short. */
static const double TEXT_BUDGET = 1, STEP_BUDGET = 2.5, DECODE_BUDGET = 1, CONDITIONS_BUDGET = 3;
enum { MOST_TOGETHER = 8, TEXTS = 16 };
enum { STORE_BYTES = 3 << 19 }; /* SQLite's pages and code, zlib's: seen, 1.5 to 1.8 MB; no forecast touches them */

typedef struct forecast {
    plan *p;
    compute *c;
    pipeline *pl;
    int together; /* images in a step */
    pipeline_cost cost;
    double text, step, decode,
        keep;       /* seconds: of a text, a step of one image, a decode, scores and files of an image */
    double *factor; /* [n_conditions] what a step of it takes, in steps of the baseline */
    size_t metric_bytes, metric_scratch_bytes;
    /* the baseline's images during denoising */
    embedding *e;
    attn_run *run[MOST_TOGETHER];
    denoise_state *state[MOST_TOGETHER];
    rgb_image image;
} forecast;

static size_t forecast_larger(size_t a, size_t b) { return a > b ? a : b; }

/* ---- timing ---- */

typedef struct stopwatch {
    double began, flops;
} stopwatch;

static stopwatch watch_begin(compute *c, double budget) {
    stopwatch w = {clock_seconds(), c->flops};
    c->deadline = w.began + budget;
    return w;
}

/* What the whole work of so many multiply-adds takes; *status is SS_OK too where the work was cut short by the budget.
 * NAN: nothing of it was done in that time. */
static double watch_end(compute *c, const stopwatch *w, double flops, ss_status *status, ss_error *err) {
    double took = clock_seconds() - w->began, done = c->flops - w->flops;
    int cut = *status == SS_ERR_INTERRUPTED && clock_seconds() > c->deadline && !(c->stop && *c->stop);
    c->deadline = 0;
    if (!cut) return took;
    *status = SS_OK;
    *err = (ss_error){0};
    if (!(done > 0)) return NAN;
    return took * (flops > done ? flops / done : 1);
}

/* ---- texts ---- */

static ss_status time_texts(forecast *f, ss_error *err) {
    const plan *p = f->p;
    const char *prompts[TEXTS];
    embedding *e[TEXTS] = {0};
    int n = 0;
    for (int i = 0; i < p->n_groups && n < TEXTS; i++)
        if (i == 0 || p->group[i].prompt != p->group[i - 1].prompt)
            prompts[n++] = p->prompts.prompt[p->group[i].prompt].prompt;
    stopwatch w = watch_begin(f->c, TEXT_BUDGET);
    ss_status status = pipeline_encode_many(f->pl, &p->settings, prompts, n, e, err);
    int texts = n + (p->settings.guidance > 1);
    f->text = watch_end(f->c, &w, texts * f->cost.flops_text, &status, err) / texts;
    for (int i = 0; i < n; i++) embedding_free(e[i]);
    return status;
}

/* ---- steps ---- */

static void end_images(attn_run **run, denoise_state **state, int n) {
    for (int i = 0; i < n; i++) {
        denoise_free(state[i]);
        attn_run_destroy(run[i]);
        state[i] = NULL;
        run[i] = NULL;
    }
}

/* Images of a condition, from their noise. */
static ss_status begin_images(const forecast *f, const attn_program *program, const resolved_settings *s,
                              const embedding *e, attn_run **run, denoise_state **state, ss_error *err) {
    const plan *p = f->p;
    attn_shape shape = {s->steps, p->sites.blocks, p->sites.heads, p->sites.keys};
    for (int i = 0; i < f->together; i++) {
        attn_stream_name name = {.image_seed = (uint64_t)i};
        SS_TRY(attn_run_create(&run[i], program, &p->measure, &name, shape, err));
        SS_TRY(denoise_begin(&state[i], f->pl, s, e, name.image_seed, run[i], err));
    }
    return SS_OK;
}

/* Seconds of one step of one image; *whole: the step was not cut short. */
static ss_status time_step(forecast *f, denoise_state **state, double budget, double *seconds, int *whole,
                           ss_error *err) {
    double flops = f->cost.flops_step * f->together;
    int before = denoise_step_number(state[0]);
    stopwatch w = watch_begin(f->c, budget);
    ss_status status = denoise_step(f->pl, state, f->together, err);
    *seconds = watch_end(f->c, &w, flops, &status, err) / f->together;
    *whole = status == SS_OK && denoise_step_number(state[0]) > before;
    return status;
}

/* The baseline. The first step also meets cold memory, so that it is not counted: short ones are followed by some more,
 * a long one is begun, cut short, and begun again. */
static ss_status time_steps(forecast *f, ss_error *err) {
    enum { MORE = 4 };
    const double SHORT = 0.25;
    int whole;
    SS_TRY(begin_images(f, NULL, &f->p->settings, f->e, f->run, f->state, err));
    SS_TRY(time_step(f, f->state, STEP_BUDGET / 2, &f->step, &whole, err));
    if (!whole) {
        end_images(f->run, f->state, f->together);
        SS_TRY(begin_images(f, NULL, &f->p->settings, f->e, f->run, f->state, err));
        return time_step(f, f->state, STEP_BUDGET, &f->step, &whole, err);
    }
    double sum = 0;
    int n = 0;
    for (; n < MORE && n + 1 < f->p->settings.steps && whole && (n == 0 || f->step * f->together < SHORT); n++) {
        double seconds;
        SS_TRY(time_step(f, f->state, STEP_BUDGET, &seconds, &whole, err));
        sum += seconds;
    }
    if (n) f->step = sum / n;
    return SS_OK;
}

/* ---- decoding, scoring ---- */

static ss_status time_decode(forecast *f, ss_error *err) {
    const double SHORT = 0.25;
    f->decode = INFINITY;
    for (int i = 0; i < 2 && f->decode > 0; i++) {
        rgb_image_free(&f->image);
        stopwatch w = watch_begin(f->c, DECODE_BUDGET);
        ss_status status = denoise_decode(f->pl, f->state[0], &f->image, err);
        f->decode = watch_end(f->c, &w, f->cost.flops_decode, &status, err);
        SS_TRY(status);
        if (!f->image.rgb || f->decode > SHORT) break;
    }
    return SS_OK;
}

/* An image of the study's size where decoding was cut short. */
static ss_status need_image(forecast *f, ss_error *err) {
    if (f->image.rgb) return SS_OK;
    size_t bytes = 3 * (size_t)f->p->settings.width * (size_t)f->p->settings.height;
    f->image = (rgb_image){f->p->settings.width, f->p->settings.height, malloc(bytes)};
    if (!f->image.rgb) return error_no_memory(err, "a picture", bytes);
    for (size_t i = 0; i < bytes; i++) f->image.rgb[i] = (uint8_t)(i * 2654435761u >> 11);
    return SS_OK;
}

static ss_status use_metric(const forecast *f, const study_metric *m, void *state, ss_error *err) {
    const geneval_prompt *g = &f->p->prompts.prompt[f->p->unit[0].prompt];
    metric_input in = {.image = &f->image, .prompt = g->prompt, .geneval = g->n_include > 0 ? g : NULL};
    metric_value value;
    if (m->row->kind == METRIC_SET) {
        size_t width = (size_t)m->row->width(state);
        float *out = malloc(width * sizeof *out);
        ss_status status =
            out ? m->row->feature(f->c, state, &f->image, out, err) : error_no_memory(err, "features", width);
        free(out);
        return status;
    }
    if (m->row->needs & METRIC_NEEDS_BASELINE) in.baseline = &f->image;
    return m->row->score(f->c, state, &in, &value, err);
}

/* Seconds that the metric takes for an image, the second time; its memory stays counted while it is open. */
static ss_status time_metric(forecast *f, const study_metric *m, ss_error *err) {
    void *state = NULL;
    compute_trim(f->c);
    compute_reset_peak(f->c);
    size_t before = memory_resident();
    ss_status status =
        m->row->open ? m->row->open(f->c, study_tokenizer_rules(f->p->study), m->options, &state, err) : SS_OK;
    if (status != SS_OK) return status;
    status = use_metric(f, m, state, err);
    double began = clock_seconds();
    if (status == SS_OK) status = use_metric(f, m, state, err);
    f->keep += clock_seconds() - began;
    f->metric_scratch_bytes = forecast_larger(f->metric_scratch_bytes, compute_peak(f->c));
    size_t after = memory_resident(), ours = before + compute_touched(f->c);
    if (after > ours) f->metric_bytes += after - ours;
    if (m->row->close) m->row->close(f->c, state);
    return status;
}

static ss_status time_keeping(forecast *f, ss_error *err) {
    const study *y = f->p->study;
    unsigned char *png = NULL;
    size_t size;
    SS_TRY(need_image(f, err));
    double began = clock_seconds();
    SS_TRY(png_encode(&f->image, NULL, 0, &png, &size, err));
    free(png);
    f->keep += clock_seconds() - began;
    for (int i = 0; i < y->n_metrics; i++) SS_TRY(time_metric(f, &y->metric[i], err));
    for (int i = 0; i < y->n_set_metrics; i++) SS_TRY(time_metric(f, &y->set_metric[i], err));
    return SS_OK;
}

/* ---- conditions ---- */

static int forecast_recalls(const attn_program *g) {
    for (int i = 0; i < g->n; i++)
        if (attn_recalls(&g->intervention[i])) return 1;
    return 0;
}

/* The first step of a condition, with interventions that act in all steps. */
static ss_status time_condition(forecast *f, int number, double budget, ss_error *err) {
    const plan_condition *b = &f->p->condition[number];
    attn_run *run[MOST_TOGETHER] = {0};
    denoise_state *state[MOST_TOGETHER] = {0};
    attn_program program = b->program;
    double seconds;
    int whole = 0;
    for (int i = 0; i < program.n; i++)
        for (int s = 0; s < b->settings.steps; s++) bits_set(&program.intervention[i].steps, s);
    ss_status status = begin_images(f, program.n ? &program : NULL, &b->settings, f->e, run, state, err);
    if (status == SS_OK) status = time_step(f, state, budget, &seconds, &whole, err);
    if (whole) f->factor[number] = seconds / f->step;
    end_images(run, state, f->together);
    return status;
}

/* Whether a step of the condition is timed: it is the baseline's but for its program, and can be begun by itself. */
static int is_timed(const forecast *f, int number) {
    const plan_condition *b = &f->p->condition[number];
    int as_baseline = (b->settings.guidance > 1) == (f->p->settings.guidance > 1);
    return b->program.n > 0 && as_baseline && !forecast_recalls(&b->program);
}

/* Calls of the network a step: some schedulers have two. */
static double calls_of(const forecast *f, const resolved_settings *s) {
    return (double)pipeline_calls(f->pl, s) / s->steps;
}

/* Conditions that are not timed (too little time, or they need a whole baseline first) are taken to be like the mean of
 * those that are; without the guidance branch a step is half of one. */
static ss_status time_conditions(forecast *f, ss_error *err) {
    const plan *p = f->p;
    double left = CONDITIONS_BUDGET, sum = 0;
    int n = p->study->n_conditions, timed = 0;
    for (int i = 0; i < n; i++) f->factor[i] = NAN;
    for (int i = 0; i < n; i++) {
        double began = clock_seconds();
        if (!is_timed(f, i) || f->step * f->together > left) continue;
        SS_TRY(time_condition(f, i, left, err));
        left -= clock_seconds() - began;
        if (isnan(f->factor[i])) continue;
        sum += f->factor[i];
        timed++;
    }
    for (int i = 0; i < n; i++) {
        double branches = p->condition[i].settings.guidance > 1 ? 2 : 1, usual = p->settings.guidance > 1 ? 2 : 1;
        if (isnan(f->factor[i]))
            f->factor[i] = (p->condition[i].program.n && timed ? sum / timed : 1) * branches / usual *
                           calls_of(f, &p->condition[i].settings) / calls_of(f, &p->settings);
    }
    return SS_OK;
}

/* ---- the whole ---- */

static double seconds_of(const forecast *f) {
    const plan *p = f->p;
    double steps = 0;
    for (int i = 0; i < p->n_units; i++) {
        const plan_condition *b = &p->condition[p->unit[i].condition];
        int first = b->shares_prefix && b->program.n ? b->first_step : 0;
        steps += f->factor[p->unit[i].condition] * (b->settings.steps - first);
    }
    double one = isnan(f->text) ? f->step * f->cost.flops_text / f->cost.flops_step : f->text;
    return (double)p->counts.encodes * one + steps * f->step + (double)p->counts.images * (f->decode + f->keep);
}

/* Embeddings, records, images: what the run itself holds beside weights and activations. */
static size_t held_bytes(const forecast *f) {
    const plan *p = f->p;
    attn_measure recalled = p->measure;
    attn_shape shape = {p->settings.steps, p->sites.blocks, p->sites.heads, p->sites.keys};
    size_t record = attn_run_bytes(&p->measure, shape), starts = 0;
    recalled.recall = p->recall;
    for (int i = 0; i < p->study->n_conditions; i++) {
        int seen = 0;
        for (int j = 0; j < i; j++) seen |= p->condition[j].first_step == p->condition[i].first_step;
        starts += !seen && p->condition[i].shares_prefix && p->condition[i].program.n;
    }
    size_t runs = ((size_t)f->together + starts) * record + attn_run_bytes(&recalled, shape);
    if (p->measure.keep_masses) /* a trace, and its file in memory */
        runs += 2 * sizeof(float) * 2 * (size_t)shape.steps * (size_t)shape.blocks * (size_t)shape.heads *
                (size_t)shape.keys;
    size_t picture = (size_t)p->settings.width * (size_t)p->settings.height;
    return runs + (4 + (size_t)f->together) * f->cost.text_bytes + picture * (3 * sizeof(float) + 4 * 3);
}

/* The largest sum of what is in memory at once. What the process had before it packed or computed anything is measured,
 * not known. */
static void set_memory(forecast *f) {
    const pipeline_cost *k = &f->cost;
    plan_cost *out = &f->p->cost;
    size_t now = memory_resident(), ours = f->c->packed_bytes + compute_touched(f->c);
    size_t base = (now > ours ? now - ours : 0) + f->metric_bytes + STORE_BYTES,
           images = k->network_bytes + k->decoder_bytes;
    size_t texts = k->encoder_bytes + k->encode_scratch_bytes + ((size_t)TEXTS + 1) * k->text_bytes;
    images +=
        forecast_larger(forecast_larger(k->step_scratch_bytes, k->decode_scratch_bytes), f->metric_scratch_bytes) +
        held_bytes(f);
    size_t before = forecast_larger(texts, k->packing_bytes);
    out->memory_bytes = forecast_larger(base + forecast_larger(before, images), memory_peak());
    out->weight_bytes = k->network_bytes + k->decoder_bytes;
    out->step_bytes = k->step_scratch_bytes;
    out->decode_bytes = k->decode_scratch_bytes;
    out->text_phase_bytes = texts;
    /* The run encodes its texts next: without the denoiser where both together would be the most. */
    if (out->weight_bytes + texts > images) pipeline_release(f->pl);
}

static ss_status measure(forecast *f, ss_error *err) {
    const plan *p = f->p;
    const char *prompt = plan_unit_prompt(p, &p->unit[0]);
    f->factor = calloc((size_t)p->study->n_conditions + 1, sizeof *f->factor);
    if (!f->factor) return error_no_memory(err, "a forecast", (unsigned long long)p->study->n_conditions);
    SS_TRY(pipeline_cost_of(f->pl, &p->settings, f->together, &f->cost, err));
    SS_TRY(time_texts(f, err));
    if (f->text * 2 < TEXT_BUDGET) SS_TRY(pipeline_encode(f->pl, &p->settings, prompt, &f->e, err));
    else SS_TRY(pipeline_blank(f->pl, &p->settings, prompt, &f->e, err));
    SS_TRY(pipeline_prepare(f->pl, err));
    SS_TRY(time_steps(f, err));
    SS_TRY(time_decode(f, err));
    SS_TRY(time_conditions(f, err));
    return time_keeping(f, err);
}

ss_status plan_forecast(plan *p, compute *c, pipeline *pl, int batch, ss_error *err) {
    forecast f = {.p = p, .c = c, .pl = pl, .together = batch > 0 ? batch : p->together};
    if (f.together > MOST_TOGETHER) f.together = MOST_TOGETHER;
    ss_status status = measure(&f, err);
    c->deadline = 0;
    end_images(f.run, f.state, f.together);
    embedding_free(f.e);
    rgb_image_free(&f.image);
    if (status == SS_OK) {
        p->cost.seconds = seconds_of(&f);
        set_memory(&f);
    }
    free(f.factor);
    return status;
}
