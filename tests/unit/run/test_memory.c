/* What a plan says of memory, by real pipelines: one process foretells, another one runs the study without having
 * foretold anything, and its peak (VmHWM) is what was said. On the model that ships and on one whose weights are most
 * of what it takes. MODEL: models/shapes-sd3; DATA: tests/data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "model/network.h"
#include "run/forecast.h"
#include "run/run.h"
#include "store/store.h"
#include "support/tiny_model.h"

static char folder[64], model_folder[80];

static void check(ss_status status, const ss_error *err) {
    if (status == SS_OK) return;
    fprintf(stderr, "%s: %s\n", err->where, err->message);
    abort();
}

static void write_file(const char *name, const char *content) {
    ss_error err = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check(file_write(path, content, strlen(content), &err), &err);
}

/* The transformer of the tiny model, wide: some 200 MB. */
static void widen(void) {
    static const struct {
        const char *key;
        int value;
    } changes[] = {
        {"attention_head_dim", 64}, {"num_attention_heads", 10}, {"caption_projection_dim", 640}, {"num_layers", 3}};
    ss_error err = {0};
    char path[256];
    json_t *json;
    model *m;
    snprintf(path, sizeof path, "%s/transformer/config.json", model_folder);
    check(json_read_file(path, JSON_CONFIG_LIMIT, &json, &err), &err);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        json_object_set_new(json, changes[i].key, json_integer(changes[i].value));
    char *written = json_dumps(json, 0);
    check(file_write(path, written, strlen(written), &err), &err);
    free(written);
    json_decref(json);
    check(model_open_config(&m, NULL, path, WEIGHTS_LIST, 0, &err), &err);
    snprintf(path, sizeof path, "%s/transformer/diffusion_pytorch_model.safetensors", model_folder);
    check(weights_write_random(&m->set, 1, TENSOR_F32, 1, path, &err), &err);
    model_close(m);
}

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/sinkscope-memory-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(model_folder, sizeof model_folder, "%s/model", folder);
    write_file("prompts.txt", "a red circle\na blue star\n");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* In a process of its own, whose memory nobody else has touched: what was foretold, or the peak of a run. */
static size_t in_child(int foretell, const char *store_name) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        ss_error err = {0};
        study *y;
        compute *c;
        pipeline *pl;
        plan *p;
        store *s;
        char path[256];
        snprintf(path, sizeof path, "%s/study.yaml", folder);
        check(study_load(&y, path, NULL, &err), &err);
        check(compute_create(&c, "cpu", 2, (size_t)1 << 36, &err), &err);
        check(pipeline_open(&pl, c, y->model, NULL, &err), &err);
        check(plan_make(&p, y, pl, 0, &err), &err);
        size_t bytes = 0;
        if (foretell) {
            check(plan_forecast(p, c, pl, 0, &err), &err);
            bytes = p->cost.memory_bytes;
        } else {
            snprintf(path, sizeof path, "%s/%s", folder, store_name);
            check(store_create(&s, path, p, "test class", &err), &err);
            check(run_plan(s, p, c, pl, NULL, &err), &err);
            store_close(s);
            bytes = memory_peak();
        }
        if (write(ends[1], &bytes, sizeof bytes) != (ssize_t)sizeof bytes) abort();
        _exit(0);
    }
    close(ends[1]);
    size_t bytes = 0;
    assert_int_equal(read(ends[0], &bytes, sizeof bytes), sizeof bytes);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return bytes;
}

static void expect_foretold(const char *model_path, const char *name) {
    char written[1024];
    snprintf(written, sizeof written,
             "study: memory\nmodel: %s\nprompts: {file: prompts.txt}\nseeds: [1]\nsampler: {steps: 2}\n"
             "probes: [mass, entropy, census, value]\nmeasure: {sinks: 2}\nconditions:\n"
             "  sink: {select: top, k: [1, 5], edit: mask}\nmetrics: [rmse]\nprimary: rmse\nsham: 1\n"
             "contrasts:\n  - {what: sink - baseline}\n",
             model_path);
    write_file("study.yaml", written);
    size_t foretold = in_child(1, NULL), measured = in_child(0, name);
    double ratio = (double)measured / (double)foretold;
    print_message("%s: foretold %.1f MB, measured %.1f MB, ratio %.4f\n", name, (double)foretold / 1e6,
                  (double)measured / 1e6, ratio);
    assert_true(ratio >= 0.97 && ratio <= 1.03);
}

static void test_shipped_model(void **state) {
    (void)state;
    expect_foretold(MODEL, "shipped");
}

static void test_heavy_weights(void **state) {
    (void)state;
    ss_error err = {0};
    check(tiny_model_make(DATA, "tiny-sd3", model_folder, &err), &err);
    widen();
    expect_foretold(model_folder, "heavy");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shipped_model), cmocka_unit_test(test_heavy_weights)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
