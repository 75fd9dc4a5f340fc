/* Handles and the context: views, the sticky error, the stop flag, scratch memory, hooks, backends by name. */
#include "support.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void views_share_memory(void **state) {
    (void)state;
    float data[2 * 3 * 8];
    tensor t = tensor_3d(data, TENSOR_F32, 2, 3, 8);
    assert_int_equal(tensor_elements(t), 48);
    assert_true(tensor_is_contiguous(t));
    tensor rows = tensor_slice(t, 1, 1, 2);
    assert_ptr_equal(rows.data, data + 8);
    assert_int_equal(rows.stride[0], 24);
    assert_false(tensor_is_contiguous(rows));
    assert_true(tensor_is_contiguous(tensor_slice(t, 0, 1, 1)));
    tensor columns = tensor_columns(t, 4, 4);
    assert_ptr_equal(columns.data, data + 4);
    tensor heads = tensor_split_last(columns, 2);
    assert_int_equal(heads.ndim, 4);
    assert_int_equal(heads.dim[2], 2);
    assert_int_equal(heads.dim[3], 2);
    assert_int_equal(heads.stride[2], 2);
    assert_true(tensor_same_shape(tensor_merge_last(heads), columns));
    assert_int_equal(tensor_merge_last(heads).stride[1], 8);
    tensor flat = tensor_reshape(t, 2, (int64_t[]){6, 8});
    assert_ptr_equal(flat.data, data);
    assert_int_equal(flat.dim[0], 6);
    assert_false(tensor_same_shape(flat, t));
    assert_true(tensor_is_none(TENSOR_NONE));
    t.data = NULL;
    assert_null(tensor_columns(t, 4, 4).data); /* of a failed allocation */
    assert_ptr_equal(tensor_slice(tensor_1d(data, TENSOR_BF16, 9), 0, 3, 2).data, (char *)data + 6);
}

static void unknown_backend_is_refused(void **state) {
    (void)state;
    compute *c;
    ss_error err = {0};
    assert_int_equal(compute_create(&c, "cpy", 1, 1 << 20, &err), SS_ERR_INPUT);
    assert_null(c);
    assert_non_null(strstr(err.message, "unknown backend 'cpy'; did you mean 'cpu'?"));
}

static void first_error_stays(void **state) {
    (void)state;
    static const char *const names[] = {"cpu", "reference", "dry"};
    for (int i = 0; i < 3; i++) {
        compute *c = context_make(names[i], 1);
        ss_error err = {0};
        tensor a = compute_2d(c, 3, 4), b = compute_2d(c, 4, 3);
        op_fill(c, a, 1.0f);
        op_add(c, a, a, b);
        op_copy(c, a, b);
        assert_null(compute_2d(c, 2, 2).data);
        op_fill(c, a, 2.0f); /* does nothing */
        assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
        assert_string_equal(err.message,
                            "add: expected a second operand of the same dimensions, or 1, found [3, 4] and "
                            "[4, 3]");
        if (i < 2) assert_true(((float *)a.data)[0] == 1.0f);
        assert_int_equal(compute_status(c, &err), SS_OK); /* cleared by the look */
        op_fill(c, a, 3.0f);
        if (i < 2) assert_true(((float *)a.data)[0] == 3.0f);
        compute_destroy(c);
    }
}

static void shapes_are_checked(void **state) {
    (void)state;
    compute *c = context_make("cpu", 1);
    ss_error err = {0};
    weight source = weight_random(WEIGHT_LINEAR, TENSOR_F32, 2, (int64_t[]){5, 4}, 1);
    weight w = weight_packed(c, source);
    tensor x = compute_2d(c, 3, 4), out = compute_2d(c, 3, 5), image = compute_4d(c, 1, 4, 4, 4);
    op_linear(c, x, x, &w, NULL, ACT_NONE);
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
    assert_string_equal(err.message, "linear: expected out [.., O] and w [O, I], found [3, 4] and [5, 4]");
    op_conv2d(c, image, image, &w, NULL, 1, (int[]){1, 1, 1, 1}, ACT_NONE);
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
    op_linear(c, out, x, &w, &w, ACT_NONE);
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
    op_layer_norm(c, out, x, NULL, NULL, 1e-6f);
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
    op_group_norm(c, image, image, 3, NULL, NULL, 1e-6f, ACT_NONE);
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
    op_patchify(c, x, image, 2);
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
    tensor half = tensor_2d(x.data, TENSOR_F16, 3, 4);
    op_copy(c, x, half);
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
    weight table = weight_packed(c, weight_random(WEIGHT_TABLE, TENSOR_F32, 2, (int64_t[]){7, 4}, 1));
    op_embed(c, x, &table, (int32_t[]){0, 7, 1});
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
    assert_string_equal(err.message, "embed: expected ids below 7, found 7");
    free(table.source.data);
    weight_free(c, &w);
    free(source.source.data);
    compute_destroy(c);
}

static void stop_flag_is_polled(void **state) {
    (void)state;
    volatile sig_atomic_t stop = 0;
    compute *c = context_make("cpu", 1);
    ss_error err = {0};
    c->stop = &stop;
    tensor x = compute_1d(c, 8);
    op_fill(c, x, 1.0f);
    stop = 1;
    op_fill(c, x, 2.0f);
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERRUPTED);
    assert_true(((float *)x.data)[7] == 1.0f);
    stop = 0;
    op_fill(c, x, 2.0f);
    assert_int_equal(compute_status(c, &err), SS_OK);
    assert_true(((float *)x.data)[7] == 2.0f);
    compute_destroy(c);
}

/* After the deadline operations do nothing; without one they go on. */
static void deadline_is_kept(void **state) {
    (void)state;
    compute *c = context_make("cpu", 1);
    ss_error err = {0};
    tensor x = compute_1d(c, 8);
    c->deadline = clock_seconds() + 3600;
    op_fill(c, x, 1.0f);
    assert_int_equal(compute_status(c, &err), SS_OK);
    c->deadline = clock_seconds() - 1;
    op_fill(c, x, 2.0f);
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERRUPTED);
    assert_string_equal(err.message, "out of the time that was set");
    assert_true(((float *)x.data)[7] == 1.0f);
    c->deadline = 0;
    op_fill(c, x, 2.0f);
    assert_int_equal(compute_status(c, &err), SS_OK);
    assert_true(((float *)x.data)[7] == 2.0f);
    compute_destroy(c);
}

/* Scratch that runs out, both for a tensor and inside an operation, is an error that names it and leaves the arena as
 * it was. */
static void scratch_runs_out(void **state) {
    (void)state;
    static const char *const names[] = {"cpu", "dry"};
    for (int i = 0; i < 2; i++) {
        compute *c = NULL;
        ss_error err = {0};
        assert_int_equal(compute_create(&c, names[i], 1, 64 << 10, &err), SS_OK);
        weight source = weight_random(WEIGHT_LINEAR, TENSOR_F32, 2, (int64_t[]){16, 16}, 1);
        weight w = weight_packed(c, source);
        assert_null(compute_3d(c, 1000, 1000, 1000).data);
        assert_int_equal(compute_status(c, &err), SS_ERR_RESOURCE);
        assert_non_null(strstr(err.message, "out of scratch memory: 0 bytes in use, 4000000000 more asked for"));
        tensor x = compute_2d(c, 500, 16), out = compute_2d(c, 500, 16); /* 64000 bytes of 65536 */
        size_t used = arena_used(c->scratch);
        op_linear(c, out, x, &w, NULL, ACT_NONE);
        assert_int_equal(compute_status(c, &err), SS_ERR_RESOURCE);
        assert_non_null(strstr(err.message, "out of scratch memory"));
        assert_int_equal(arena_used(c->scratch), used);
        weight_free(c, &w);
        free(source.source.data);
        compute_destroy(c);
    }
}

static char taken[64];

static void take(void *user, const char *name, tensor t) {
    (void)t;
    snprintf(taken, sizeof taken, "%s%s", (const char *)user, name);
}

static void taps_are_named(void **state) {
    (void)state;
    compute *c = context_make("dry", 1);
    ss_error err;
    char prefix[] = "tap: ";
    tap_sink sink = {.take = take, .user = prefix};
    tensor x = compute_1d(c, 8);
    compute_tap(c, x, "nobody listens");
    c->tap = &sink;
    compute_tap(c, x, "blocks.%d.%s", 3, "attn");
    assert_string_equal(taken, "tap: blocks.3.attn");
    op_copy(c, x, compute_1d(c, 9));
    compute_tap(c, x, "after an error");
    assert_string_equal(taken, "tap: blocks.3.attn");
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
    compute_destroy(c);
}

static void numeric_class_is_named(void **state) {
    (void)state;
    char class[128];
    compute *c = context_make("cpu", 1);
    compute_numeric_class(c, class, sizeof class);
    assert_non_null(strstr(class, cpu_isa_of(c)->about.name));
    assert_non_null(strstr(class, __VERSION__));
    compute_destroy(c);
}

/* SS_ISA names each instruction set that the machine has, in the numeric class too; nothing is the highest. */
static void instruction_set_is_chosen(void **state) {
    (void)state;
    const cpu_isa *here[CPU_ISA_MAX];
    int n = cpu_isa_list(here);
    char before[32], class[128];
    const char *was = getenv("SS_ISA");
    snprintf(before, sizeof before, "%s", was ? was : "");
    for (int i = 0; i < n; i++) {
        setenv("SS_ISA", here[i]->about.name, 1);
        compute *c = context_make("cpu", 1);
        assert_ptr_equal(cpu_isa_of(c), here[i]);
        compute_numeric_class(c, class, sizeof class);
        assert_non_null(strstr(class, here[i]->about.name));
        compute_destroy(c);
    }
    setenv("SS_ISA", "", 1);
    compute *c = context_make("cpu", 1);
    assert_ptr_equal(cpu_isa_of(c), here[n - 1]);
    assert_true(cpu_isa_of(c)->tiles != &kernel_tiles_avx512); /* what imitates an instruction is never the best */
    compute_destroy(c);
    setenv("SS_ISA", "avx215", 1);
    ss_error err = {0};
    assert_int_equal(compute_create(&c, "cpu", 1, 1 << 20, &err), SS_ERR_USAGE);
    assert_string_equal(err.where, "SS_ISA");
    assert_non_null(strstr(err.message, "avx215"));
    setenv("SS_ISA", before, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_share_memory),     cmocka_unit_test(unknown_backend_is_refused),
        cmocka_unit_test(first_error_stays),      cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(stop_flag_is_polled),    cmocka_unit_test(deadline_is_kept),
        cmocka_unit_test(scratch_runs_out),       cmocka_unit_test(taps_are_named),
        cmocka_unit_test(numeric_class_is_named), cmocka_unit_test(instruction_set_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
