/* Schedulers: the table, and what they do alike. Rows are in scheduler_*.c; see scheduler.h. */
#include "sampler/scheduler.h"

#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "sampler/scheduler_row.h"

const scheduler_row *const SCHEDULERS[] = {
#define SCHEDULER(id) &SCHEDULER_##id,
#include "sampler/schedulers.def"
};
const int SCHEDULER_COUNT = sizeof SCHEDULERS / sizeof SCHEDULERS[0];

const entry *scheduler_about(int i) { return &SCHEDULERS[i]->about; }
const char *scheduler_name(const scheduler *g) { return g->row->about.name; }

/* ---- reading ---- */

static ss_status refuse_class(const char *found, const char *where, scheduler_family family, ss_error *err) {
    text names = {0};
    int n = 0, left = 0;
    for (int i = 0; i < SCHEDULER_COUNT; i++) left += SCHEDULERS[i]->family == family;
    for (int i = 0; i < SCHEDULER_COUNT; i++) {
        if (SCHEDULERS[i]->family != family) continue;
        text_add(&names, n == 0 ? "" : left == 1 ? " or " : ", ");
        text_add(&names, SCHEDULERS[i]->about.name);
        n++;
        left--;
    }
    ss_status status = names.failed ? error_no_memory(err, "message", names.len)
                                    : error_set(err, SS_ERR_INPUT, where,
                                                "'%s' is no scheduler for this model; expected %s", found, names.s);
    text_free(&names);
    return status;
}

static const scheduler_row *scheduler_find_row(const char *name) {
    for (int i = 0; i < SCHEDULER_COUNT; i++)
        if (strcmp(name, SCHEDULERS[i]->about.name) == 0) return SCHEDULERS[i];
    return NULL;
}

prediction scheduler_predicts(const scheduler *g) {
    return g->row->family == SCHEDULER_FLOW ? PREDICTS_FLOW : g->diffusion.predicts;
}

ss_status scheduler_parse_class(const json_t *json, const char *where, scheduler_family family, const char *name,
                                scheduler *out, ss_error *err) {
    *out = (scheduler){.row = scheduler_find_row(name), .unscaled = family == SCHEDULER_FLOW};
    /* diffusers' pipelines of diffusions ask the scheduler for scales, which those of flows do not have */
    if (!out->row || (out->row->family == SCHEDULER_FLOW && family == SCHEDULER_DIFFUSION))
        return refuse_class(name, where, family, err);
    return out->row->parse(json, where, out, err);
}

ss_status scheduler_parse(const json_t *json, const char *where, scheduler_family family, scheduler *out,
                          ss_error *err) {
    const char *name;
    *out = (scheduler){0};
    SS_TRY(json_get_text(json, "_class_name", where, &name, err));
    SS_TRY(scheduler_parse_class(json, where, family, name, out, err));
    if ((scheduler_predicts(out) == PREDICTS_FLOW) == (family == SCHEDULER_FLOW)) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s is set to prediction_type %s; the model predicts %s", name,
                     PREDICTION_NAMES[scheduler_predicts(out)],
                     family == SCHEDULER_FLOW ? "a flow: expected FlowMatchEulerDiscreteScheduler, or use_flow_sigmas "
                                                "true and prediction_type flow_prediction"
                                              : "noise: expected epsilon or v_prediction");
}

ss_status scheduler_open_config(scheduler *out, json_t *config, const char *where, json_t *changes,
                                scheduler_family family, ss_error *err) {
    if (changes && json_object_update(config, changes) != 0)
        return error_set(err, SS_ERR_INPUT, where, "expected a scheduler's config, found %s", json_type_name(config));
    return scheduler_parse(config, where, family, out, err);
}

ss_status scheduler_open(scheduler *out, const char *path, json_t *changes, scheduler_family family, ss_error *err) {
    json_t *json = NULL;
    ss_status status = json_read_python_file(path, JSON_CONFIG_LIMIT, &json, err);
    if (status == SS_OK) status = scheduler_open_config(out, json, path, changes, family, err);
    json_decref(json);
    return status;
}

/* ---- planning ---- */

ss_status scheduler_check(const scheduler *g, int steps, ss_error *err) {
    return g->row->check ? g->row->check(g, steps, err) : SS_OK;
}

int scheduler_calls(const scheduler *g, int steps) { return g->row->calls ? g->row->calls(steps) : steps; }

ss_status scheduler_plan(const scheduler *g, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    int calls = scheduler_calls(g, steps);
    *out = (schedule){.calls = calls, .slots = g->row->slots, .initial_scale = 1};
    out->call = calloc((size_t)calls, sizeof *out->call);
    if (!out->call) return error_no_memory(err, "schedule", (size_t)calls * sizeof *out->call);
    for (int i = 0; i < calls; i++)
        out->call[i] =
            (schedule_call){.step = i, .input_scale = 1, .saved = -1, .of_output = 1, .saved_latents = 1, .latents = 1};
    SS_TRY(g->row->fill(g, steps, image_tokens, out, err));
    if (!g->unscaled) return SS_OK;
    out->initial_scale = 1;
    for (int i = 0; i < calls; i++) out->call[i].input_scale = 1;
    return SS_OK;
}

int schedule_draws(const schedule *s) {
    int most = DRAWS_NOTHING;
    for (int i = 0; i < s->calls; i++)
        if (s->call[i].draws > most) most = s->call[i].draws;
    return most;
}

ss_status schedule_copy(schedule *out, const schedule *from, ss_error *err) {
    size_t size = (size_t)from->calls * sizeof *from->call;
    *out = *from;
    out->call = malloc(size);
    if (!out->call) return error_no_memory(err, "schedule", size);
    memcpy(out->call, from->call, size);
    return SS_OK;
}

void schedule_free(schedule *s) {
    free(s->call);
    *s = (schedule){0};
}

/* ---- a call ---- */

/* to += sum of weight[i] slot[i]. */
static void add_slots(const schedule *s, const float *weight, const float *slots, float *to, int64_t n) {
    for (int slot = 0; slot < s->slots; slot++) {
        const float *m = slots + slot * n, w = weight[slot];
        if (w == 0) continue;
        for (int64_t i = 0; i < n; i++) to[i] = to[i] + w * m[i];
    }
}

/* slot[saved], which may be part of its own sum. */
static void save(const schedule *s, const schedule_call *k, const float *x, float *slots, int64_t n) {
    float *saved = slots + k->saved * n, weight[SCHEDULE_MAX_SLOTS];
    memcpy(weight, k->saved_weight, sizeof weight);
    float of_itself = weight[k->saved];
    weight[k->saved] = 0;
    if (of_itself == 0)
        for (int64_t i = 0; i < n; i++) saved[i] = k->saved_latents * x[i];
    else
        for (int64_t i = 0; i < n; i++) saved[i] = k->saved_latents * x[i] + of_itself * saved[i];
    add_slots(s, weight, slots, saved, n);
}

void schedule_advance(const schedule *s, int call, float *x, float *slots, const float *noise, int64_t n) {
    const schedule_call *k = &s->call[call];
    float *output = slots + k->output * n;
    if (k->of_output != 1 || k->of_latents != 0)
        for (int64_t i = 0; i < n; i++) output[i] = k->of_output * output[i] + k->of_latents * x[i];
    if (k->saved >= 0) save(s, k, x, slots, n);
    for (int64_t i = 0; i < n; i++) x[i] = k->latents * x[i];
    add_slots(s, k->weight, slots, x, n);
    for (int64_t i = 0; k->noise != 0 && i < n; i++) x[i] = x[i] + k->noise * noise[i];
}
