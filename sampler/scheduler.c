/* Schedulers: the table, and what they do alike. Rows are in scheduler_*.c; see scheduler.h. */
#include "sampler/scheduler.h"

#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "sampler/scheduler_row.h"

const scheduler_row *const SCHEDULERS[] = {&SCHEDULER_FLOW_MATCH_EULER, &SCHEDULER_EULER, &SCHEDULER_DDIM,
                                           &SCHEDULER_DPM_SOLVER, &SCHEDULER_PNDM};
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
    ss_status status = names.failed
                           ? error_no_memory(err, "message", names.len)
                           : error_set(err, SS_ERR_INPUT, where, "_class_name is '%s'; expected %s", found, names.s);
    text_free(&names);
    return status;
}

ss_status scheduler_parse(const json_t *json, const char *where, scheduler_family family, scheduler *out,
                          ss_error *err) {
    const char *name;
    *out = (scheduler){0};
    SS_TRY(json_get_text(json, "_class_name", where, &name, err));
    for (int i = 0; i < SCHEDULER_COUNT; i++)
        if (SCHEDULERS[i]->family == family && strcmp(name, SCHEDULERS[i]->about.name) == 0) {
            out->row = SCHEDULERS[i];
            return out->row->parse(json, where, out, err);
        }
    return refuse_class(name, where, family, err);
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

ss_status scheduler_plan(const scheduler *g, int steps, int64_t image_tokens, schedule *out, ss_error *err) {
    int calls = g->row->calls ? g->row->calls(steps) : steps;
    *out = (schedule){.calls = calls, .slots = g->row->slots, .initial_scale = 1};
    out->call = calloc((size_t)calls, sizeof *out->call);
    if (!out->call) return error_no_memory(err, "schedule", (size_t)calls * sizeof *out->call);
    for (int i = 0; i < calls; i++)
        out->call[i] = (schedule_call){.step = i, .input_scale = 1, .saved = -1, .of_output = 1, .latents = 1};
    return g->row->fill(g, steps, image_tokens, out, err);
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

void schedule_advance(const schedule *s, int call, float *x, float *slots, int64_t n) {
    const schedule_call *k = &s->call[call];
    float *output = slots + k->output * n;
    if (k->of_output != 1 || k->of_latents != 0)
        for (int64_t i = 0; i < n; i++) output[i] = k->of_output * output[i] + k->of_latents * x[i];
    if (k->saved >= 0) memcpy(slots + k->saved * n, x, (size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = k->latents * x[i];
    for (int slot = 0; slot < s->slots; slot++) {
        const float *m = slots + slot * n, weight = k->weight[slot];
        if (weight == 0) continue;
        for (int64_t i = 0; i < n; i++) x[i] = x[i] + weight * m[i];
    }
}
