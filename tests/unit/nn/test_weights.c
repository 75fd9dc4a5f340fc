/* The walk over weight tables: its three modes agree, and each fault of a checkpoint has its message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/safetensors.h"
#include "nn/layers.h"
#include "tensor/half.h"

/* ---- a small network ---- */

typedef struct toy_block {
    nn_linear up;
    nn_affine norm;
} toy_block;

typedef struct toy {
    weight table;
    nn_linear patch, conv;
    toy_block *block;
} toy;

typedef struct toy_config {
    int64_t heads, head_width, layers;
} toy_config;

static const weight_row ROWS[] = {
    {offsetof(toy, table), WEIGHT_TABLE, "positions", "1 5 D"},
    {offsetof(toy, patch.w), WEIGHT_LINEAR, "patch.weight", "D 3 2 2"},
    NN_CONV_ROWS(toy, conv, "conv", "4", "3", "3"),
};
static const weight_row BLOCK_ROWS[] = {
    NN_LINEAR_ROWS(toy_block, up, "up", "4D", "D"),
    {offsetof(toy_block, norm.gamma), WEIGHT_VECTOR, "norm.weight|old_norm.gamma", "D"},
    {offsetof(toy_block, norm.beta), WEIGHT_VECTOR, "norm.bias|old_norm.beta", "D"},
};

static void toy_walk(binder *b, const void *config, void *weights) {
    const toy_config *g = config;
    toy *w = weights;
    binder_symbol(b, "D", g->heads * g->head_width, "heads %d x head_width %d", (int)g->heads, (int)g->head_width);
    binder_rows(b, w, ROWS, NN_COUNT(ROWS), "%s", "");
    w->block = binder_array(b, g->layers, sizeof *w->block);
    for (int i = 0; i < g->layers; i++)
        binder_rows(b, w->block ? &w->block[i] : NULL, BLOCK_ROWS, NN_COUNT(BLOCK_ROWS), "blocks.%d.|%d.", i, i);
}

/* Its table alone. */
static void table_walk(binder *b, const void *config, void *weights) {
    (void)config;
    binder_symbol(b, "D", 6, "6");
    binder_rows(b, weights, ROWS, 1, "%s", "");
}

static const toy_config CONFIG = {2, 3, 2};
enum { TENSORS = 12 };

/* ---- help ---- */

static char folder[64], path[96];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/sinkscope-nn-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/toy.safetensors", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    remove(path);
    return rmdir(folder);
}

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static ss_status bind(weight_set *s, toy *w, const toy_config *g, weight_source source, ss_error *err) {
    *s = (weight_set){0};
    *w = (toy){0};
    source.config_name = "toy/config.json";
    return weights_bind(s, toy_walk, g, w, &source, err);
}

/* The toy's tensors as a list to be spoilt and written. */
static int outputs_of(const weight_set *s, safetensors_output *out) {
    for (int i = 0; i < s->n; i++) {
        out[i] = (safetensors_output){.name = s->item[i].name,
                                      .dtype = CHECKPOINT_F32,
                                      .ndim = s->item[i].ndim,
                                      .data = s->item[i].w->source.data};
        memcpy(out[i].shape, s->item[i].dim, sizeof out[i].shape);
    }
    return s->n;
}

static safetensors_output *named(safetensors_output *out, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (strcmp(out[i].name, name) == 0) return &out[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

/* The values of a weight that is bound to a file. */
static void expect_values(const weight *w, const void *expected) {
    size_t n = (size_t)tensor_elements(w->source), bytes = n * tensor_type_size(w->source.type);
    ss_error err;
    char *found = malloc(bytes);
    assert_non_null(found);
    assert_null(w->source.data);
    check(w->values.read(w->values.from, 0, (int64_t)n, found, &err), &err);
    assert_memory_equal(found, expected, bytes);
    free(found);
}

/* Write, bind, and expect this failure. */
static void expect(const safetensors_output *out, int n, const char *const *ignore, const char *message) {
    ss_error err = {0};
    checkpoint *file;
    weight_set s;
    toy w;
    check(safetensors_write(path, out, n, &err), &err);
    check(checkpoint_open(&file, path, &err), &err);
    ss_status status =
        bind(&s, &w, &CONFIG,
             (weight_source){.mode = WEIGHTS_FROM_FILE, .file = file, .ignore = ignore, .others_fail = 1}, &err);
    if (message) {
        assert_int_equal(status, SS_ERR_INPUT);
        assert_string_equal(err.where, path);
        assert_string_equal(err.message, message);
    } else check(status, &err);
    weights_free(&s, NULL);
    checkpoint_close(file);
}

/* ---- tests ---- */

static void test_list(void **state) {
    (void)state;
    ss_error err = {0};
    weight_set s;
    toy w;
    check(bind(&s, &w, &CONFIG, (weight_source){.mode = WEIGHTS_LIST}, &err), &err);
    assert_int_equal(s.n, TENSORS);
    assert_string_equal(s.item[4].name, "blocks.0.up.weight");
    assert_string_equal(s.item[4].shape, "4D D");
    assert_int_equal(s.item[4].dim[0], 24);
    assert_int_equal(s.item[4].dim[1], 6);
    assert_null(s.item[4].entry);
    assert_int_equal(weights_parameter_count(&s), 30 + 72 + 108 + 4 + 2 * (144 + 24 + 6 + 6));
    /* dimensions merged as weight_row says */
    assert_int_equal(w.table.source.ndim, 2);
    assert_int_equal(w.table.source.dim[0], 5);
    assert_int_equal(w.patch.w.source.ndim, 2);
    assert_int_equal(w.patch.w.source.dim[1], 12);
    assert_int_equal(w.conv.w.source.ndim, 4);
    assert_null(w.table.source.data);
    assert_null(nn_optional(&w.patch.b)); /* no row visited it */
    assert_ptr_equal(nn_optional(&w.conv.b), &w.conv.b);
    weights_free(&s, NULL);
}

/* Random weights: moments as the recipe says, a tensor's values depend on seed and name alone, and what is written is
 * bound again. */
static void test_random_and_file(void **state) {
    (void)state;
    ss_error err = {0};
    weight_set a, b, c;
    toy wa, wb, wc;
    checkpoint *file;
    toy_config shallow = CONFIG;
    shallow.layers = 1;
    check(bind(&a, &wa, &CONFIG, (weight_source){.mode = WEIGHTS_RANDOM, .seed = 7}, &err), &err);
    check(bind(&b, &wb, &shallow, (weight_source){.mode = WEIGHTS_RANDOM, .seed = 7}, &err), &err);
    check(bind(&c, &wc, &CONFIG, (weight_source){.mode = WEIGHTS_RANDOM, .seed = 8}, &err), &err);
    const float *up = wa.block[0].up.w.source.data;
    assert_memory_equal(up, wb.block[0].up.w.source.data, 144 * sizeof *up);
    assert_memory_not_equal(up, wc.block[0].up.w.source.data, 144 * sizeof *up);
    assert_memory_not_equal(up, wa.block[1].up.w.source.data, 144 * sizeof *up);
    double sum = 0, square = 0;
    for (int i = 0; i < 144; i++) {
        sum += (double)up[i];
        square += (double)up[i] * (double)up[i];
    }
    assert_true(fabs(square / 144 - 1.0 / 6) < 0.05 && fabs(sum / 144) < 0.1);
    check(weights_write_random(&a, 7, TENSOR_F32, 2, path, &err), &err);
    weights_free(&b, NULL);
    check(checkpoint_open(&file, path, &err), &err);
    check(bind(&b, &wb, &CONFIG, (weight_source){.mode = WEIGHTS_FROM_FILE, .file = file}, &err), &err);
    assert_int_equal(b.n, a.n);
    for (int i = 0; i < a.n; i++) {
        assert_string_equal(a.item[i].name, b.item[i].name);
        assert_string_equal(b.item[i].entry->file, path);
        expect_values(b.item[i].w, a.item[i].w->source.data);
    }
    weights_free(&a, NULL);
    weights_free(&b, NULL);
    weights_free(&c, NULL);
    checkpoint_close(file);
}

/* Random weights of a 16-bit checkpoint are the float32 ones, rounded; the file has them as such. */
static void test_random_halves(void **state) {
    (void)state;
    static const tensor_type types[] = {TENSOR_F16, TENSOR_BF16};
    static const checkpoint_dtype names[] = {CHECKPOINT_F16, CHECKPOINT_BF16};
    ss_error err = {0};
    for (int t = 0; t < 2; t++) {
        weight_set a, b;
        toy wa, wb;
        checkpoint *file;
        check(bind(&a, &wa, &CONFIG, (weight_source){.mode = WEIGHTS_RANDOM, .seed = 7}, &err), &err);
        check(bind(&b, &wb, &CONFIG, (weight_source){.mode = WEIGHTS_LIST}, &err), &err);
        check(weights_write_random(&b, 7, types[t], 1, path, &err), &err);
        weights_free(&b, NULL);
        check(checkpoint_open(&file, path, &err), &err);
        check(bind(&b, &wb, &CONFIG, (weight_source){.mode = WEIGHTS_FROM_FILE, .file = file}, &err), &err);
        for (int i = 0; i < a.n; i++) {
            uint16_t want[1024];
            tensor source = a.item[i].w->source;
            int64_t n = tensor_elements(source);
            assert_true(n <= 1024);
            half_round(want, source.data, types[t], n);
            assert_int_equal(b.item[i].type, names[t]);
            expect_values(b.item[i].w, want);
        }
        weights_free(&a, NULL);
        weights_free(&b, NULL);
        checkpoint_close(file);
    }
}

/* A part is packed and given back by the beginning of its names; what is packed is counted, on a dry context too. */
static void test_parts(void **state) {
    (void)state;
    static const char *const backends[] = {"cpu", "dry"};
    for (int i = 0; i < 2; i++) {
        ss_error err = {0};
        compute *c;
        weight_set s;
        toy w;
        check(compute_create(&c, backends[i], 1, 1 << 20, &err), &err);
        check(bind(&s, &w, &CONFIG, (weight_source){.mode = WEIGHTS_RANDOM, .seed = 7}, &err), &err);
        size_t all = weights_packed_bytes(&s, c), block = weights_packed_part_bytes(&s, c, "blocks.1.");
        assert_true(block > 0 && all > 2 * block);
        weights_pack_part(&s, c, "blocks.1.");
        assert_int_equal(c->packed_bytes, block);
        assert_true(w.block[1].up.w.packed && w.block[1].norm.beta.packed);
        assert_null(w.block[0].up.w.packed);
        assert_null(w.conv.w.packed);
        const void *was = w.block[1].up.w.packed;
        weights_pack(&s, c); /* the rest */
        assert_ptr_equal(w.block[1].up.w.packed, was);
        assert_int_equal(c->packed_bytes, all);
        weights_unpack_part(&s, c, "blocks.");
        assert_null(w.block[1].up.w.packed);
        assert_non_null(w.conv.w.packed);
        assert_int_equal(c->packed_bytes, all - 2 * block);
        assert_int_equal(c->packed_peak, all);
        weights_free(&s, c);
        assert_int_equal(c->packed_bytes, 0);
        compute_destroy(c);
    }
}

/* Values are in memory while they are packed, one tensor's at a time; a table's never. */
static void test_packed_once(void **state) {
    (void)state;
    static const toy_config wide = {64, 8, 4};
    ss_error err = {0};
    weight_set a, b;
    toy wa, wb;
    checkpoint *file;
    compute *c;
    size_t largest = 0;
    check(bind(&a, &wa, &wide, (weight_source){.mode = WEIGHTS_RANDOM}, &err), &err);
    check(weights_write_random(&a, 0, TENSOR_F32, 2, path, &err), &err);
    check(checkpoint_open(&file, path, &err), &err);
    check(compute_create(&c, "cpu", 2, 0, &err), &err);
    check(bind(&b, &wb, &wide, (weight_source){.mode = WEIGHTS_FROM_FILE, .file = file}, &err), &err);
    weights_pack(&b, c);
    check(compute_status(c, &err), &err);
    for (int i = 0; i < a.n; i++) {
        size_t bytes = (size_t)tensor_elements(a.item[i].w->source) * sizeof(float);
        if (a.item[i].w->kind != WEIGHT_TABLE && bytes > largest) largest = bytes;
        expect_values(b.item[i].w, a.item[i].w->source.data);
    }
    assert_int_equal(arena_used(c->scratch), 0);
    assert_in_range(compute_peak(c), largest, largest + 128);
    weights_free(&a, NULL);
    weights_free(&b, c);
    checkpoint_close(file);
    compute_destroy(c);
}

/* A file that becomes shorter after it was opened: an error that names file, tensor and bytes, and no signal. */
static void test_truncated_in_use(void **state) {
    (void)state;
    ss_error err = {0};
    weight_set a, b;
    toy wa, wb;
    checkpoint *file;
    compute *c;
    char expected[64];
    check(bind(&a, &wa, &CONFIG, (weight_source){.mode = WEIGHTS_RANDOM}, &err), &err);
    check(weights_write_random(&a, 0, TENSOR_F32, 2, path, &err), &err);
    weights_free(&a, NULL);
    check(checkpoint_open(&file, path, &err), &err);
    check(compute_create(&c, "cpu", 1, 0, &err), &err);
    check(bind(&b, &wb, &CONFIG, (weight_source){.mode = WEIGHTS_FROM_FILE, .file = file}, &err), &err);
    assert_int_equal(truncate(path, 0), 0);
    weights_pack(&b, c);
    assert_int_equal(compute_status(c, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, path);
    snprintf(expected, sizeof expected, "%s has 0 bytes", b.item[0].name);
    for (int i = 0; i < b.n && !strstr(err.message, expected); i++)
        snprintf(expected, sizeof expected, "%s has 0 bytes", b.item[i].name);
    assert_non_null(strstr(err.message, expected));
    assert_non_null(strstr(err.message, "became shorter while it was in use"));
    assert_int_equal(arena_used(c->scratch), 0);
    weights_free(&b, c);
    checkpoint_close(file);
    compute_destroy(c);
}

static void test_faults(void **state) {
    (void)state;
    static const float extra[6] = {0};
    static const int32_t ids[6] = {0};
    static const char *const ignore[] = {"position_ids", NULL};
    ss_error err = {0};
    weight_set s;
    toy w;
    safetensors_output out[TENSORS + 2], *o;
    check(bind(&s, &w, &CONFIG, (weight_source){.mode = WEIGHTS_RANDOM}, &err), &err);
    int n = outputs_of(&s, out);

    o = named(out, n, "blocks.1.up.weight");
    o->shape[1] = 5;
    expect(out, n, NULL,
           "blocks.1.up.weight has shape [24, 5]\n  expected [24, 6], from heads 2 x head_width 3 in toy/config.json");
    o->shape[1] = 6;

    o->name = "blocks.1.up.wait";
    expect(out, n, NULL,
           "blocks.1.up.weight is missing\n  expected [24, 6], from heads 2 x head_width 3 in toy/config.json");
    o->name = "blocks.1.up.weight";

    o->dtype = CHECKPOINT_I32;
    expect(out, n, NULL, "blocks.1.up.weight has dtype I32; expected F64, F32, F16, BF16 or F8");
    o->dtype = CHECKPOINT_F32;

    out[n] = (safetensors_output){
        .name = "text.position_ids", .dtype = CHECKPOINT_I32, .ndim = 1, .shape = {6}, .data = ids};
    expect(out, n + 1, ignore, NULL);
    expect(out, n + 1, NULL,
           "text.position_ids [6] is not part of the network that toy/config.json describes; expected 12 tensors, "
           "found 13");
    out[n + 1] = (safetensors_output){
        .name = "blocks.2.norm.bias", .dtype = CHECKPOINT_F32, .ndim = 1, .shape = {6}, .data = extra};
    expect(out, n + 2, NULL,
           "blocks.2.norm.bias [6] (and 1 more) is not part of the network that toy/config.json describes; expected 12 "
           "tensors, found 14");

    named(out, n, "blocks.0.norm.weight")->name = "blocks.0.old_norm.gamma"; /* the other name in files */
    expect(out, n, NULL, NULL);
    weights_free(&s, NULL);
}

/* Bind a file of these tensors; what was noted is in *told. The checkpoint is left open. */
static checkpoint *bind_noted(weight_set *s, toy *w, const safetensors_output *out, int n, const char *const *ignore,
                              notices *told) {
    ss_error err = {0};
    checkpoint *file;
    *told = (notices){0};
    check(safetensors_write(path, out, n, &err), &err);
    check(checkpoint_open(&file, path, &err), &err);
    check(bind(s, w, &CONFIG,
               (weight_source){.mode = WEIGHTS_FROM_FILE, .file = file, .ignore = ignore, .notices = told}, &err),
          &err);
    return file;
}

static void free_noted(weight_set *s, checkpoint *file, notices *told) {
    weights_free(s, NULL);
    checkpoint_close(file);
    notices_free(told);
}

/* A tensor that a file has under two names: no notice where they are the same numbers, one where not; the last of the
 * row's names counts, and the last of the prefixes. */
static void test_two_names_that_differ(void **state) {
    (void)state;
    static const char *const others[] = {"blocks.1.old_norm.gamma", "1.norm.weight", "1.old_norm.gamma"};
    float other[6];
    ss_error err = {0};
    weight_set s, again;
    toy w, v;
    safetensors_output out[TENSORS + 1];
    check(bind(&s, &w, &CONFIG, (weight_source){.mode = WEIGHTS_RANDOM}, &err), &err);
    int n = outputs_of(&s, out);
    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
        out[n] = *named(out, n, "blocks.1.norm.weight");
        out[n].name = others[k];
        memcpy(other, out[n].data, sizeof other);
        out[n].data = other;
        for (int differ = 0; differ < 2; differ++) {
            notices told;
            other[5] += (float)differ;
            checkpoint *file = bind_noted(&again, &v, out, n + 1, NULL, &told);
            assert_int_equal(told.n, differ);
            expect_values(&v.block[1].norm.gamma, other);
            if (differ) {
                char expected[256];
                snprintf(expected, sizeof expected,
                         "%s: %s is used; blocks.1.norm.weight, another name of the same tensor, differs", path,
                         others[k]);
                assert_string_equal(told.line[0], expected);
            }
            free_noted(&again, file, &told);
        }
    }
    weights_free(&s, NULL);
}

/* Whole blocks without their prefix: bound, and still packed by the usual names. */
static void test_names_without_prefix(void **state) {
    (void)state;
    static char names[TENSORS][40];
    ss_error err = {0};
    weight_set s, again;
    toy w, v;
    safetensors_output out[TENSORS];
    notices told;
    compute *c;
    check(bind(&s, &w, &CONFIG, (weight_source){.mode = WEIGHTS_RANDOM}, &err), &err);
    int n = outputs_of(&s, out);
    for (int i = 0; i < n; i++) {
        const int in_block = strncmp(out[i].name, "blocks.", 7) == 0;
        snprintf(names[i], sizeof names[i], "%s", out[i].name + (in_block ? 7 : 0));
        out[i].name = names[i];
    }
    checkpoint *file = bind_noted(&again, &v, out, n, NULL, &told);
    assert_int_equal(told.n, 0);
    expect_values(&v.block[1].up.w, w.block[1].up.w.source.data);
    check(compute_create(&c, "cpu", 1, 0, &err), &err);
    weights_pack_part(&again, c, "blocks.1.");
    check(compute_status(c, &err), &err);
    assert_non_null(v.block[1].up.w.packed);
    assert_null(v.block[0].up.w.packed);
    for (int i = 0; i < again.n; i++) assert_string_equal(again.item[i].name, s.item[i].name);
    weights_unpack_part(&again, c, "");
    free_noted(&again, file, &told);
    compute_destroy(c);
    weights_free(&s, NULL);
}

/* Tensors that no row has are listed, singly or by their first word; those of `ignore` are not. */
static void test_tensors_to_ignore(void **state) {
    (void)state;
    enum { MANY = 12 };
    static const float x[6] = {0};
    static const char *const ignore[] = {"position_ids", NULL};
    static char names[MANY][32];
    ss_error err = {0};
    weight_set s, again;
    toy w, v;
    notices told;
    safetensors_output out[TENSORS + MANY + 2];
    check(bind(&s, &w, &CONFIG, (weight_source){.mode = WEIGHTS_RANDOM}, &err), &err);
    int n = outputs_of(&s, out);
    out[n++] = (safetensors_output){"text.position_ids", CHECKPOINT_F32, 1, {6}, x};
    checkpoint *file = bind_noted(&again, &v, out, n, ignore, &told);
    assert_int_equal(told.n, 0);
    free_noted(&again, file, &told);

    out[n++] = (safetensors_output){"logit_scale", CHECKPOINT_F32, 0, {0}, x};
    file = bind_noted(&again, &v, out, n, ignore, &told);
    assert_int_equal(told.n, 1);
    assert_non_null(strstr(told.line[0], "toy.safetensors: 1 tensor is no part of the network that toy/config.json "
                                         "describes, and ignored: logit_scale"));
    assert_int_equal(again.claimed[0], 1);
    free_noted(&again, file, &told);

    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "vision.layers.%d", i);
        out[n++] = (safetensors_output){names[i], CHECKPOINT_F32, 1, {6}, x};
    }
    file = bind_noted(&again, &v, out, n, NULL, &told);
    assert_int_equal(told.n, 1);
    assert_non_null(strstr(told.line[0], "14 tensors are no part of the network that toy/config.json describes, and "
                                         "ignored: logit_scale, text.position_ids, vision.* (12)"));
    free_noted(&again, file, &told);
    weights_free(&s, NULL);
}

/* 8-bit weights with scales beside them would be read as other numbers. */
static void test_scaled_weights(void **state) {
    (void)state;
    static const char header[] =
        "{\"positions\":{\"dtype\":\"F8_E4M3\",\"shape\":[1,5,6],\"data_offsets\":[0,30]},"
        "\"positions.scale_weight\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[30,34]}}";
    static unsigned char bytes[8 + sizeof header - 1 + 34];
    const uint64_t length = sizeof header - 1;
    ss_error err = {0};
    weight_set s = {0};
    toy w = {0};
    checkpoint *file;
    memcpy(bytes, &length, sizeof length);
    memcpy(bytes + 8, header, sizeof header - 1);
    check(file_write(path, bytes, sizeof bytes, &err), &err);
    check(checkpoint_open(&file, path, &err), &err);
    const weight_source source = {.mode = WEIGHTS_FROM_FILE, .file = file, .config_name = "toy/config.json"};
    assert_int_equal(weights_bind(&s, table_walk, NULL, &w, &source, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "positions.scale_weight: the weights in F8_E4M3 have scales beside them"));
    weights_free(&s, NULL);
    checkpoint_close(file);
}

/* Timesteps against the definition in double. */
static void test_timestep_embedding(void **state) {
    (void)state;
    enum { WIDTH = 64 };
    const float t[2] = {0, 731.5f};
    float out[2 * WIDTH];
    nn_timestep_embedding(out, t, 2, WIDTH);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < WIDTH / 2; j++) {
            double angle = (double)t[i] * pow(10000, -j / (WIDTH / 2.0));
            assert_true(fabs(cos(angle) - (double)out[i * WIDTH + j]) < 2e-4);
            assert_true(fabs(sin(angle) - (double)out[i * WIDTH + WIDTH / 2 + j]) < 2e-4);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_list),
                                       cmocka_unit_test(test_random_and_file),
                                       cmocka_unit_test(test_random_halves),
                                       cmocka_unit_test(test_parts),
                                       cmocka_unit_test(test_packed_once),
                                       cmocka_unit_test(test_truncated_in_use),
                                       cmocka_unit_test(test_faults),
                                       cmocka_unit_test(test_two_names_that_differ),
                                       cmocka_unit_test(test_names_without_prefix),
                                       cmocka_unit_test(test_tensors_to_ignore),
                                       cmocka_unit_test(test_scaled_weights),
                                       cmocka_unit_test(test_timestep_embedding)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
