/* The profile of a compute context: every slot handed on, every call counted, bits as without it. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "tensor/backend.h"
#include "tensor/profile.h"

/* A slot that the profile forgot would be a call to NULL. */
static void every_slot_is_there(void **state) {
    (void)state;
    compute *c = context_make("cpu", 1);
    ss_error err;
    assert_int_equal(profile_begin(c, &err), SS_OK);
    uintptr_t of[2];
    for (size_t at = offsetof(backend, numeric_class); at < sizeof(backend); at += sizeof of[0]) {
        memcpy(&of[0], (const char *)&backend_cpu + at, sizeof of[0]);
        memcpy(&of[1], (const char *)c->be + at, sizeof of[1]);
        assert_true(of[0] != 0);
        assert_true(of[1] != 0);
        assert_true(of[0] != of[1]);
    }
    compute_destroy(c);
}

enum { ROWS = 70, WIDTH = 48 };

static void some_operations(compute *c, operand *out, const operand *x) {
    weight source = weight_random(WEIGHT_LINEAR, TENSOR_F32, 2, (int64_t[]){WIDTH, WIDTH}, 2);
    weight w = weight_packed(c, source);
    arena_mark mark = arena_get_mark(c->scratch);
    tensor y = compute_3d(c, 1, ROWS, WIDTH);
    op_linear(c, out->t, x->t, &w, NULL, ACT_NONE);
    op_linears(c, &(linear_call){.out = y, .x = x->t, .w = &w, .sum = out->t}, 1);
    op_layer_norm(c, out->t, out->t, NULL, NULL, 1e-5f);
    tensor q = tensor_split_last(x->t, 3);
    op_attention(c, &(attention_args){.q = q, .k = q, .v = q, .out = tensor_split_last(y, 3), .scale = 0.25f}, NULL);
    op_add(c, out->t, out->t, y);
    arena_release(c->scratch, mark);
    weight_free(c, &w);
    free(source.source.data);
}

static const profile_row *find(const profile_row *row, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (strcmp(row[i].name, name) == 0) return &row[i];
    fail_msg("no row '%s'", name);
    return NULL;
}

static void calls_are_counted(void **state) {
    (void)state;
    compute *plain = context_make("cpu", 2), *c = context_make("cpu", 2);
    ss_error err;
    profile_row row[PROFILE_ROWS];
    int n;
    operand x = operand_random(3, (int64_t[]){1, ROWS, WIDTH}, 0, 1);
    operand want = operand_make(3, x.t.dim, 0), got = operand_make(3, x.t.dim, 0);
    some_operations(plain, &want, &x);
    profile_rows(plain, row, &n);
    assert_int_equal(n, 0);
    assert_int_equal(profile_begin(c, &err), SS_OK);
    for (int times = 1; times <= 2; times++) {
        double flops = c->flops, sum = 0;
        assert_int_equal(profile_begin(c, &err), SS_OK); /* anew */
        some_operations(c, &got, &x);
        context_must_be_ok(c);
        must_be_equal(&want, &got, "profiled");
        profile_rows(c, row, &n);
        assert_int_equal(n, 4);
        for (int i = 0; i < n; i++) {
            assert_true(row[i].seconds > 0);
            if (i > 0) assert_true(row[i].seconds <= row[i - 1].seconds);
            sum += row[i].flops;
        }
        assert_true(sum == c->flops - flops);
        const profile_row *linear = find(row, n, "linear");
        double values = ROWS * WIDTH * 4.0, weights = 64 * WIDTH * 4.0;
        assert_int_equal(linear->calls, 2);
        assert_true(linear->flops == 2 * 2.0 * ROWS * WIDTH * WIDTH);
        assert_true(linear->bytes == 2 * (2 * values + weights) + 2 * values);
        assert_true(find(row, n, "attention")->flops > 0);
        assert_true(find(row, n, "layer norm")->flops == 0);
        assert_true(find(row, n, "add")->bytes == 3 * values);
    }
    operand_free(&x);
    operand_free(&want);
    operand_free(&got);
    compute_destroy(plain);
    compute_destroy(c);
}

static void table_is_written(void **state) {
    (void)state;
    compute *c = context_make("cpu", 1);
    ss_error err;
    profile_roof roof;
    text out = {0};
    operand x = operand_random(3, (int64_t[]){1, ROWS, WIDTH}, 0, 1), y = operand_make(3, x.t.dim, 0);
    assert_int_equal(profile_measure_roof(1, &roof, &err), SS_OK);
    assert_true(roof.flops > 1e8 && roof.bytes > 1e7);
    assert_int_equal(profile_begin(c, &err), SS_OK);
    some_operations(c, &y, &x);
    profile_write(c, &(profile_roof){1e9, 1e9}, &out);
    assert_non_null(strstr(out.s, "operation                calls   seconds   share   GFLOP/s    GB/s  of roof\n"));
    assert_non_null(strstr(out.s, "\nlinear                       2     0.0"));
    assert_non_null(
        strstr(out.s, "roof of this machine: 1 GFLOP/s of products in the cache, 1.0 GB/s of memory copied\n"));
    text_free(&out);
    operand_free(&x);
    operand_free(&y);
    compute_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_slot_is_there), cmocka_unit_test(calls_are_counted),
                                       cmocka_unit_test(table_is_written)};
    return cmocka_run_group_tests_name("tensor: profile", tests, NULL, NULL);
}
