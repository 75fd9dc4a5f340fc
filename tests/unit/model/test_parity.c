/* Parity of a network with its reference implementation. Argument: a folder with config.json and vectors.safetensors
 * ("in/NAME", or "draw/NAME": the shape of an input that is random; "out/NAME", or "part/NAME": the rms of a large
 * tensor and some of its elements), made by tests/generators/model_*.py. Weights are random ones of seed 1
 * (nn/weights.c), the generator's too. Every output and every hook of the file must agree to 2e-4 x rms, on both
 * backends, and every hook of the network must be in the file. A second argument is another tolerance, for a network of
 * a real one's size: it is run on the cpu backend alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/philox.h"
#include "base/text.h"
#include "model/network.h"
#include "tests/support/values.h"

enum { SEED = 1 };

static const char *folder;
static double tolerance = 2e-4;

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

/* An input that the file has the shape of: draw() of model_vectors.py. */
static void draw_input(const checkpoint_entry *e, model_arrays *in) {
    ss_error err = {0};
    char name[160];
    int64_t shape[TENSOR_MAX_DIMS];
    const char *last = strrchr(folder, '/');
    snprintf(name, sizeof name, "%s/%s", last ? last + 1 : folder, e->name + 5);
    for (int64_t i = 0; i < e->count; i++) shape[i] = ((const int32_t *)values_of(e))[i];
    model_array *a = model_arrays_add(in, e->name + 5, 0, (int)e->count, shape, &err);
    assert_non_null(a);
    philox stream;
    uint64_t part = philox_hash_text(name);
    philox_init(&stream, SEED, &part, 1);
    for (int64_t i = 0; i < model_array_elements(a); i++) a->f32[i] = (float)philox_normal(&stream);
}

static int is_input(const checkpoint_entry *e) {
    return strncmp(e->name, "in/", 3) == 0 || strncmp(e->name, "draw/", 5) == 0;
}

static void read_inputs(const checkpoint *file, model_arrays *in) {
    ss_error err = {0};
    for (size_t i = 0; i < checkpoint_count(file); i++) {
        const checkpoint_entry *e = checkpoint_at(file, i);
        if (strncmp(e->name, "draw/", 5) == 0) draw_input(e, in);
        if (strncmp(e->name, "in/", 3) != 0) continue;
        model_array *a = model_arrays_add(in, e->name + 3, e->dtype == CHECKPOINT_I32, e->ndim, e->shape, &err);
        assert_non_null(a);
        memcpy(a->i32 ? (void *)a->i32 : (void *)a->f32, values_of(e), (size_t)e->count * 4);
    }
}

static const model_array *find(const model_arrays *a, const char *name) {
    for (int i = 0; i < a->n; i++)
        if (strcmp(a->at[i].name, name) == 0) return &a->at[i];
    return NULL;
}

/* Largest difference over the rms of the expected values. */
static double distance(const checkpoint_entry *e, const model_array *found) {
    const float *x = values_of(e);
    double sum = 0, worst = 0;
    for (int64_t i = 0; i < e->count; i++) {
        double d = fabs((double)x[i] - (double)found->f32[i]);
        sum += (double)x[i] * (double)x[i];
        if (!(d <= worst)) worst = d; /* NaN too */
    }
    return worst / sqrt(sum / (double)e->count);
}

/* The same where the file has part of a tensor: its rms, then elements (i x stride) mod n; see model_vectors.py. */
static double distance_of_part(const checkpoint_entry *e, const model_array *found) {
    const float *x = values_of(e);
    double worst = 0, sum = 0;
    int64_t n = model_array_elements(found);
    for (int64_t i = 0; i + 1 < e->count; i++) {
        double d = fabs((double)x[i + 1] - (double)found->f32[i * INT64_C(2654435761) % n]);
        if (!(d <= worst)) worst = d;
    }
    for (int64_t i = 0; i < n; i++) sum += (double)found->f32[i] * (double)found->f32[i];
    double d = fabs((double)x[0] - sqrt(sum / (double)n));
    return (d <= worst ? worst : d) / (double)x[0];
}

static void check_shape(const checkpoint_entry *e, const model_array *found) {
    assert_int_equal(found->ndim, e->ndim);
    for (int j = 0; j < e->ndim; j++) assert_int_equal(found->dim[j], e->shape[j]);
}

static void compare(const checkpoint *file, const model_arrays *out) {
    int compared = 0;
    double worst = 0;
    for (size_t i = 0; i < checkpoint_count(file); i++) {
        const checkpoint_entry *e = checkpoint_at(file, i);
        if (is_input(e)) continue;
        int part = strncmp(e->name, "part/", 5) == 0;
        const model_array *found = find(out, strchr(e->name, '/') + 1);
        if (!found) fail_msg("%s: no such output or tap", e->name);
        if (!part) check_shape(e, found);
        double d = part ? distance_of_part(e, found) : distance(e, found);
        if (!(d <= tolerance))
            fail_msg("%s: max |difference| is %.3g x rms; expected at most %.3g", e->name, d, tolerance);
        if (d > worst) worst = d;
        compared++;
    }
    for (int i = 0; i < out->n; i++) {
        char whole[MODEL_NAME_SIZE + 4], part[MODEL_NAME_SIZE + 5];
        snprintf(whole, sizeof whole, "out/%s", out->at[i].name);
        snprintf(part, sizeof part, "part/%s", out->at[i].name);
        if (!checkpoint_find(file, whole) && !checkpoint_find(file, part))
            fail_msg("%s is not in the file", out->at[i].name);
    }
    assert_true(compared > 0);
    print_message("%d tensors, largest difference %.2g x rms\n", compared, worst);
}

/* The folder's network and inputs on one backend. */
typedef struct setup {
    compute *c;
    checkpoint *file;
    model *m;
    model_arrays in;
} setup;

static void set_up(setup *s, const char *backend_name, int threads) {
    ss_error err = {0};
    char path[512];
    *s = (setup){0};
    check(compute_create(&s->c, backend_name, threads, (size_t)1 << 32, &err), &err);
    snprintf(path, sizeof path, "%s/vectors.safetensors", folder);
    check(checkpoint_open(&s->file, path, &err), &err);
    snprintf(path, sizeof path, "%s/config.json", folder);
    check(model_open_config(&s->m, s->c, path, WEIGHTS_RANDOM, SEED, &err), &err);
    read_inputs(s->file, &s->in);
}

static void run(setup *s, model_arrays *out) {
    ss_error err = {0};
    *out = (model_arrays){0};
    check(model_forward(s->m, s->c, &s->in, NULL, -1, out, &err), &err);
    assert_int_equal(arena_used(s->c->scratch), 0);
}

static void tear_down(setup *s) {
    model_arrays_free(&s->in);
    model_close(s->m);
    checkpoint_close(s->file);
    compute_destroy(s->c);
}

static void test_reference(void **state) {
    (void)state;
    setup s;
    model_arrays out;
    set_up(&s, "reference", 2);
    run(&s, &out);
    compare(s.file, &out);
    model_arrays_free(&out);
    tear_down(&s);
}

static setup cpu;
static model_arrays of_all; /* what it gave */

static int set_up_cpu(void **state) {
    (void)state;
    set_up(&cpu, "cpu", 3);
    run(&cpu, &of_all);
    return 0;
}

static int tear_down_cpu(void **state) {
    (void)state;
    model_arrays_free(&of_all);
    tear_down(&cpu);
    return 0;
}

static void test_cpu(void **state) {
    (void)state;
    compare(cpu.file, &of_all);
}

/* Bits of every hook depend neither on the number of threads nor on what else is in the batch: here the first element
 * of every input alone, on one thread, against all of them on three. */
static void test_same_bits(void **state) {
    (void)state;
    model_arrays of_one;
    cpu.c->threads = 1;
    for (int i = 0; i < cpu.in.n; i++) cpu.in.at[i].dim[0] = 1;
    run(&cpu, &of_one);
    assert_int_equal(of_all.n, of_one.n);
    for (int i = 0; i < of_one.n; i++) {
        size_t bytes = (size_t)model_array_elements(&of_one.at[i]) * sizeof(float);
        assert_true(model_array_elements(&of_one.at[i]) <= model_array_elements(&of_all.at[i]));
        if (memcmp(of_one.at[i].f32, of_all.at[i].f32, bytes) != 0) fail_msg("%s differs", of_one.at[i].name);
    }
    model_arrays_free(&of_one);
}

int main(int argc, char **argv) {
    if (argc != 2 && (argc != 3 || text_to_double(argv[2], &tolerance) != 0)) return 2;
    folder = argv[1];
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cpu), cmocka_unit_test(test_same_bits),
                                       cmocka_unit_test(test_reference)};
    if (argc == 3) {
        const struct CMUnitTest fast[] = {tests[0], tests[1]};
        return cmocka_run_group_tests(fast, set_up_cpu, tear_down_cpu);
    }
    return cmocka_run_group_tests(tests, set_up_cpu, tear_down_cpu);
}
