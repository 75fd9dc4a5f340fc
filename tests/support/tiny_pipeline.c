/* See tiny_pipeline.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "support/drawing.h"
#include "support/tiny_model.h"
#include "support/tiny_pipeline.h"

static const char SCHEDULER[] = "scheduler/scheduler_config.json", VAE[] = "vae/config.json",
                  INDEX[] = "model_index.json";

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

/* ---- the folder ---- */

int tiny_pipeline_make(tiny_pipeline *t, const char *data, const char *kind) {
    ss_error err = {0};
    *t = (tiny_pipeline){.data = data, .kind = kind};
    strcpy(t->folder, "/tmp/sinkscope-tiny-XXXXXX");
    if (!mkdtemp(t->folder)) return -1;
    return tiny_model_make(data, kind, t->folder, &err) == SS_OK ? 0 : -1;
}

void tiny_pipeline_remove(const tiny_pipeline *t) { tiny_model_remove(t->folder); }

void tiny_pipeline_edit(const tiny_pipeline *t, const char *name, const char *from, const char *to) {
    ss_error err = {0};
    check(tiny_model_edit(t->data, t->kind, t->folder, name, from, to, &err), &err);
}

static void update(const tiny_pipeline *t, const char *name, json_t *changes) {
    ss_error err = {0};
    json_t *config;
    char path[256];
    if (!changes) return;
    snprintf(path, sizeof path, "%s/%s", t->folder, name);
    check(json_read_file(path, JSON_CONFIG_LIMIT, &config, &err), &err);
    assert_int_equal(json_object_update(config, changes), 0);
    char *words = json_dumps(config, 0);
    assert_non_null(words);
    check(file_write(path, words, strlen(words), &err), &err);
    free(words);
    json_decref(config);
}

void tiny_pipeline_change_scheduler(const tiny_pipeline *t, const char *changes) {
    ss_error err = {0};
    json_t *json;
    check(json_read_bytes(changes, strlen(changes), "changes", &json, &err), &err);
    update(t, SCHEDULER, json);
    json_decref(json);
}

void tiny_pipeline_restore(const tiny_pipeline *t) {
    tiny_pipeline_edit(t, INDEX, NULL, NULL);
    tiny_pipeline_edit(t, SCHEDULER, NULL, NULL);
    tiny_pipeline_edit(t, VAE, NULL, NULL);
}

/* ---- opening ---- */

pipeline *tiny_pipeline_open(const tiny_pipeline *t, compute **c, int threads) {
    ss_error err = {0};
    pipeline *p;
    check(compute_create(c, "cpu", threads, (size_t)1 << 30, &err), &err);
    check(pipeline_open(&p, *c, t->folder, NULL, &err), &err);
    return p;
}

void tiny_pipeline_refuses(const tiny_pipeline *t, const tiny_refusal *cases, size_t n) {
    ss_error err = {0};
    compute *c;
    check(compute_create(&c, "cpu", 1, (size_t)1 << 28, &err), &err);
    for (size_t i = 0; i < n; i++) {
        pipeline *p;
        tiny_pipeline_edit(t, cases[i].file, cases[i].from, cases[i].to);
        assert_int_equal(pipeline_open(&p, c, t->folder, NULL, &err), SS_ERR_INPUT);
        tiny_pipeline_edit(t, cases[i].file, NULL, NULL);
        assert_null(p);
        if (!strstr(err.where, cases[i].where)) fail_msg("expected %s, found %s", cases[i].where, err.where);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("expected '%s', found '%s'", cases[i].message, err.message);
    }
    compute_destroy(c);
}

void tiny_pipeline_refuses_settings(const pipeline *p, const tiny_setting *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        ss_error err = {0};
        resolved_settings s;
        assert_int_equal(settings_resolve(p, &cases[i].s, &s, &err), SS_ERR_INPUT);
        assert_string_equal(err.message, cases[i].message);
    }
}

/* ---- parity ---- */

static void read_sizes(const json_t *written, picture_sizes *out) {
    ss_error err = {0};
    for (int i = 0; i < PICTURE_SIZES; i++) {
        const char *name = PICTURE_SIZE_KEYS[i].name, *value = json_string_value(json_object_get(written, name));
        if (value) check(picture_sizes_read(out, (picture_size)i, value, name, &err), &err);
    }
}

static void draw_case(const tiny_pipeline *t, compute *c, const json_t *one, const checkpoint *file) {
    ss_error err = {0};
    pipeline *p;
    update(t, SCHEDULER, json_object_get(one, "scheduler"));
    update(t, VAE, json_object_get(one, "vae"));
    if (json_is_false(json_object_get(one, "zeros")))
        tiny_pipeline_edit(t, INDEX, "\"force_zeros_for_empty_prompt\": true",
                           "\"force_zeros_for_empty_prompt\": false");
    check(pipeline_open(&p, c, t->folder, NULL, &err), &err);
    tiny_pipeline_restore(t);
    sample_settings s = {.width = (int)json_integer_value(json_object_get(one, "width")),
                         .height = (int)json_integer_value(json_object_get(one, "height")),
                         .steps = (int)json_integer_value(json_object_get(one, "steps")),
                         .guidance = json_number_value(json_object_get(one, "guidance")),
                         .negative = json_string_value(json_object_get(one, "negative"))};
    read_sizes(json_object_get(one, "sizes"), &s.sizes);
    uint64_t seed = strtoull(json_string_value(json_object_get(one, "seed")), NULL, 10);
    drawing d = drawing_make(p, &s, json_string_value(json_object_get(one, "prompt")), seed, NULL);
    drawing_compare(&d, file, json_string_value(json_object_get(one, "name")));
    drawing_free(&d);
    pipeline_close(p);
}

void tiny_pipeline_draws(const tiny_pipeline *t, const char *name, size_t n) {
    ss_error err = {0};
    json_t *cases;
    checkpoint *file;
    compute *c;
    char path[512];
    snprintf(path, sizeof path, "%s/sampler/%s.json", t->data, name);
    check(json_read_file(path, JSON_CONFIG_LIMIT, &cases, &err), &err);
    snprintf(path, sizeof path, "%s/sampler/%s.safetensors", t->data, name);
    check(checkpoint_open(&file, path, &err), &err);
    check(compute_create(&c, "cpu", 2, (size_t)1 << 30, &err), &err);
    assert_int_equal(json_array_size(cases), n);
    for (size_t i = 0; i < n; i++) draw_case(t, c, json_array_get(cases, i), file);
    compute_destroy(c);
    checkpoint_close(file);
    json_decref(cases);
}
