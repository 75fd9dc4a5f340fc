/* Parity of a network with its reference implementation. Argument: a folder with config.json and vectors.safetensors
 * ("in/NAME", "out/NAME"), made by tests/generators/model_*.py. Weights are random ones of seed 1 (nn/weights.c), the
 * generator's too. Every output and every tap of the file must agree to 2e-4 x rms, on both backends, and every tap the
 * network has must be in the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/network.h"

enum { SEED = 1 };
static const double TOLERANCE = 2e-4;

static const char *folder;

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static void read_inputs(const safetensors *file, model_arrays *in) {
    ss_error err = {0};
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const safetensors_entry *e = safetensors_at(file, i);
        if (strncmp(e->name, "in/", 3) != 0) continue;
        model_array *a = model_arrays_add(in, e->name + 3, e->dtype == SAFETENSORS_I32, e->ndim, e->shape, &err);
        assert_non_null(a);
        memcpy(a->i32 ? (void *)a->i32 : (void *)a->f32, e->data, (size_t)e->count * 4);
    }
}

static const model_array *find(const model_arrays *a, const char *name) {
    for (int i = 0; i < a->n; i++)
        if (strcmp(a->at[i].name, name) == 0) return &a->at[i];
    return NULL;
}

/* Largest difference over the rms of the expected values. */
static double distance(const safetensors_entry *e, const model_array *found) {
    const float *x = e->data;
    double sum = 0, worst = 0;
    for (int64_t i = 0; i < e->count; i++) {
        double d = fabs((double)x[i] - (double)found->f32[i]);
        sum += (double)x[i] * (double)x[i];
        if (!(d <= worst)) worst = d; /* NaN too */
    }
    return worst / sqrt(sum / (double)e->count);
}

static void compare(const safetensors *file, const model_arrays *out) {
    int compared = 0;
    double worst = 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const safetensors_entry *e = safetensors_at(file, i);
        if (strncmp(e->name, "out/", 4) != 0) continue;
        const model_array *found = find(out, e->name + 4);
        if (!found) fail_msg("%s: no such output or tap", e->name);
        assert_int_equal(found->ndim, e->ndim);
        for (int j = 0; j < e->ndim; j++) assert_int_equal(found->dim[j], e->shape[j]);
        double d = distance(e, found);
        if (!(d <= TOLERANCE))
            fail_msg("%s: max |difference| is %.3g x rms; expected at most %.3g", e->name, d, TOLERANCE);
        if (d > worst) worst = d;
        compared++;
    }
    for (int i = 0; i < out->n; i++) {
        char name[MODEL_NAME_SIZE + 4];
        snprintf(name, sizeof name, "out/%s", out->at[i].name);
        if (!safetensors_find(file, name)) fail_msg("%s is not in the file", name);
    }
    assert_true(compared > 0);
    print_message("%d tensors, largest difference %.2g x rms\n", compared, worst);
}

static void run_on(const char *backend_name) {
    ss_error err = {0};
    char path[512];
    compute *c;
    safetensors *file;
    model *m;
    model_arrays in = {0}, out = {0};
    check(compute_create(&c, backend_name, 2, (size_t)1 << 30, &err), &err);
    snprintf(path, sizeof path, "%s/vectors.safetensors", folder);
    check(safetensors_open(&file, path, &err), &err);
    snprintf(path, sizeof path, "%s/config.json", folder);
    check(model_open_config(&m, c, path, WEIGHTS_RANDOM, SEED, &err), &err);
    read_inputs(file, &in);
    check(model_forward(m, c, &in, NULL, -1, &out, &err), &err);
    assert_int_equal(arena_used(c->scratch), 0);
    compare(file, &out);
    model_arrays_free(&in);
    model_arrays_free(&out);
    model_close(m);
    safetensors_close(file);
    compute_destroy(c);
}

static void test_reference(void **state) {
    (void)state;
    run_on("reference");
}

static void test_cpu(void **state) {
    (void)state;
    run_on("cpu");
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    folder = argv[1];
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_cpu)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
