/* See world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fake.h"
#include "store/export.h"

const char WORLD_STUDY[] = "study: world\n"
                           "question: Does it matter?\n"
                           "model: model\n"
                           "prompts: {file: prompts.jsonl, sample: 6, stratify: tag}\n"
                           "seeds: [1, 2]\n"
                           "sampler: {steps: 6}\n"
                           "probes: [mass, entropy, census, trajectory]\n"
                           "measure: {sinks: 2, masses: true}\n"
                           "conditions:\n"
                           "  sink:   {select: top, k: [1, 3], edit: mask, phase: [0.5, 1]}\n"
                           "  random: {select: random, k: [1, 3], edit: mask}\n"
                           "  weaker: {sampler: {steps: 4, guidance: 1}}\n"
                           "  other:  {prompt: swap-attribute}\n"
                           "metrics: [glow, right, pixel-rmse]\n"
                           "primary: glow\n"
                           "contrasts:\n"
                           "  - {what: sink - baseline, margin: calibrated}\n"
                           "  - {what: sink - random}\n";

static void check(ss_status status, const ss_error *err) {
    if (status == SS_OK) return;
    fprintf(stderr, "%s: %s\n", err->where, err->message);
    abort();
}

const char *world_path(const world *w, const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    return path;
}

void world_open(world *w, const char *source, int prompts, int limit) {
    ss_error err;
    fake = (fake_state){0};
    *w = (world){.folder = fake_folder()};
    fake_prompts(w->folder, prompts);
    fake_write(w->folder, "study.yaml", source);
    check(study_load(&w->y, world_path(w, "study.yaml"), NULL, &err), &err);
    check(plan_make(&w->p, w->y, fake_pipeline(), limit, &err), &err);
    check(compute_create(&w->c, "reference", 1, 1 << 20, &err), &err);
}

void world_close(world *w) {
    plan_free(w->p);
    study_free(w->y);
    compute_destroy(w->c);
    fake_remove(w->folder);
}

ss_status world_run(const world *w, const char *name, const run_options *o, ss_error *err) {
    store *s = NULL;
    plan *p = NULL;
    char path[256];
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    char *manifest = file_join(path, "manifest.json");
    int begun = file_exists(manifest);
    free(manifest);
    ss_status status;
    if (!begun) {
        status = store_create(&s, path, w->p, "test class", err);
        if (status == SS_OK) status = run_plan(s, w->p, w->c, fake_pipeline(), o, err);
    } else {
        status = store_open(&s, path, STORE_WRITE, NULL, err);
        if (status == SS_OK) status = plan_make(&p, store_study(s), fake_pipeline(), store_limit(s), err);
        if (status == SS_OK) status = store_complete(s, p, "test class", NULL, err);
        if (status == SS_OK) status = run_plan(s, p, w->c, fake_pipeline(), o, err);
    }
    store_close(s);
    plan_free(p);
    return status;
}

static int append(void *user, const char *bytes, size_t n) {
    text_add_n(user, bytes, n);
    return 0;
}

char *world_exports(const world *w, const char *name) {
    store *s;
    ss_error err;
    text t = {0};
    check(store_open(&s, world_path(w, name), STORE_READ, NULL, &err), &err);
    for (int i = 0; i < EXPORT_TABLE_COUNT; i++) check(export_csv(s, &EXPORT_TABLES[i], append, &t, &err), &err);
    store_close(s);
    return t.s;
}

char *world_reference(const world *w) {
    ss_error err;
    run_options o = {.batch = 1};
    check(world_run(w, "reference", &o, &err), &err);
    return world_exports(w, "reference");
}

int64_t world_count(const char *folder, const char *sql) {
    store *s;
    store_rows *r;
    ss_error err;
    check(store_open(&s, folder, STORE_READ, NULL, &err), &err);
    check(store_select(&r, s, &err, sql), &err);
    if (store_rows_next(r, &err) != 1) abort();
    int64_t n = store_rows_int(r, 0);
    store_rows_close(r);
    store_close(s);
    return n;
}
