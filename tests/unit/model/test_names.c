/* Component folders under names and in types that checkpoints come with, against what transformers and diffusers make
 * of the same folders (tests/generators/model_names.py), and what is noted on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/network.h"
#include "tests/support/values.h"

static const double TOLERANCE = 2e-4; /* of the rms */

static const struct {
    const char *folder, *class_name;
    const char *noted; /* in the one notice, or NULL: none */
} CASES[] = {
    {"clip-bare", "CLIPTextModel", NULL},
    {"clip-bare-head", "CLIPTextModelWithProjection", NULL},
    {"clip-bare-and-prefixed", "CLIPTextModel", "is used; text_model."},
    {"clip-whole", "CLIPTextModel",
     "25 tensors are no part of the network that clip-whole/config.json describes, and ignored: "
     "text_projection.weight, "},
    {"clip-whole-head", "CLIPTextModelWithProjection", "ignored: vision_model.* (23), visual_projection.weight"},
    {"clip-other-head", "CLIPTextModel", "ignored: text_projection.weight"},
    {"t5-whole", "T5EncoderModel", "ignored: decoder.* ("},
    {"t5-two-tables", "T5EncoderModel",
     "encoder.embed_tokens.weight is used; shared.weight, another name of the same tensor, differs"},
    {"t5-e4m3", "T5EncoderModel", NULL},
    {"t5-e5m2", "T5EncoderModel", NULL},
    {"vae-old", "AutoencoderKL", NULL},
    {"vae-mixed-f64", "AutoencoderKL", "1 tensor is no part of the network"},
    {"vae-both", "AutoencoderKL", ".query.weight is used; "},
};

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static void read_inputs(const checkpoint *file, model_arrays *in) {
    ss_error err = {0};
    for (size_t i = 0; i < checkpoint_count(file); i++) {
        const checkpoint_entry *e = checkpoint_at(file, i);
        if (strncmp(e->name, "in/", 3) != 0) continue;
        model_array *a = model_arrays_add(in, e->name + 3, e->dtype == CHECKPOINT_I32, e->ndim, e->shape, &err);
        assert_non_null(a);
        memcpy(a->i32 ? (void *)a->i32 : (void *)a->f32, values_of(e), (size_t)e->count * 4);
    }
}

static void compare(const char *folder, const checkpoint_entry *e, const model_arrays *out) {
    const model_array *found = NULL;
    const float *x = values_of(e);
    double sum = 0, worst = 0;
    for (int i = 0; i < out->n; i++)
        if (strcmp(out->at[i].name, e->name + 4) == 0) found = &out->at[i];
    if (!found) fail_msg("%s: no output %s", folder, e->name);
    assert_int_equal(model_array_elements(found), e->count);
    for (int64_t i = 0; i < e->count; i++) {
        const double d = fabs((double)x[i] - (double)found->f32[i]);
        sum += (double)x[i] * (double)x[i];
        if (!(d <= worst)) worst = d;
    }
    worst /= sqrt(sum / (double)e->count);
    if (!(worst <= TOLERANCE)) fail_msg("%s: %s differs by %.3g x rms", folder, e->name, worst);
}

static void test_cases(void **state) {
    (void)state;
    ss_error err = {0};
    compute *c;
    check(compute_create(&c, "cpu", 1, 0, &err), &err);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char folder[512], path[540];
        checkpoint *want;
        model *m;
        model_arrays in = {0}, out = {0};
        int compared = 0;
        snprintf(folder, sizeof folder, DATA "/names/%s", CASES[i].folder);
        snprintf(path, sizeof path, "%s/want.safetensors", folder);
        check(checkpoint_open(&want, path, &err), &err);
        check(model_open_as(&m, c, CASES[i].class_name, folder, NULL, &err), &err);
        assert_string_equal(m->net->about.name, CASES[i].class_name);
        if (!CASES[i].noted && m->notices.n) fail_msg("%s: noted: %s", CASES[i].folder, m->notices.line[0]);
        if (CASES[i].noted && (m->notices.n == 0 || !strstr(m->notices.line[0], CASES[i].noted)))
            fail_msg("%s: noted: %s", CASES[i].folder, m->notices.n ? m->notices.line[0] : "nothing");
        read_inputs(want, &in);
        check(model_forward(m, c, &in, NULL, 0, &out, &err), &err);
        for (size_t j = 0; j < checkpoint_count(want); j++)
            if (strncmp(checkpoint_at(want, j)->name, "out/", 4) == 0) {
                compare(CASES[i].folder, checkpoint_at(want, j), &out);
                compared++;
            }
        assert_true(compared > 0);
        model_arrays_free(&in);
        model_arrays_free(&out);
        model_close(m);
        checkpoint_close(want);
    }
    compute_destroy(c);
}

/* A folder of another network, and a class that is no network, are told apart from parts of one. */
static void test_other_classes(void **state) {
    (void)state;
    ss_error err = {0};
    model *m;
    assert_int_equal(model_open_as(&m, NULL, "T5EncoderModel", DATA "/names/clip-bare", NULL, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "expected a T5EncoderModel, found a CLIPTextModel");
    assert_int_equal(model_open_as(&m, NULL, "CLIPTextModelWithProjection", DATA "/names/clip-bare", NULL, &err),
                     SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "text_projection.weight is missing"));
    assert_int_equal(model_open(&m, NULL, DATA "/names/t5-whole", NULL, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "unknown network 'T5ForConditionalGeneration'"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_other_classes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
