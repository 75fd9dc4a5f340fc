/* The bits of a result depend on its own row and on the layer alone: not on the number of threads, not on the rest of
 * the batch, not on where the operands lie. Conversion of half-precision weights is exact for every bit pattern. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/half.h"

/* A forward pass through every kind of operation, large enough for teams of threads; [n, 24, 24, 48] in and out. */
typedef struct network {
    weight conv, down, up, lift, back, bias48, bias96, bias192, table;
} network;

static network network_random(void) {
    network n;
    n.conv = weight_random(WEIGHT_CONV, TENSOR_F32, 4, (int64_t[]){96, 48, 3, 3}, 1);
    n.down = weight_random(WEIGHT_CONV, TENSOR_F16, 4, (int64_t[]){96, 96, 3, 3}, 2);
    n.up = weight_random(WEIGHT_CONV, TENSOR_BF16, 4, (int64_t[]){48, 96, 3, 3}, 3);
    n.lift = weight_random(WEIGHT_LINEAR, TENSOR_F32, 2, (int64_t[]){192, 48}, 4);
    n.back = weight_random(WEIGHT_LINEAR, TENSOR_F16, 2, (int64_t[]){48, 192}, 5);
    n.bias48 = weight_random(WEIGHT_VECTOR, TENSOR_F32, 1, (int64_t[]){48}, 6);
    n.bias96 = weight_random(WEIGHT_VECTOR, TENSOR_F32, 1, (int64_t[]){96}, 7);
    n.bias192 = weight_random(WEIGHT_VECTOR, TENSOR_F32, 1, (int64_t[]){192}, 8);
    n.table = weight_random(WEIGHT_TABLE, TENSOR_F16, 2, (int64_t[]){30, 48}, 9);
    return n;
}

static void for_all(network *n, void (*f)(compute *c, weight *w), compute *c) {
    weight *all[] = {&n->conv, &n->down, &n->up, &n->lift, &n->back, &n->bias48, &n->bias96, &n->bias192, &n->table};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) f(c, all[i]);
}

static void free_source(compute *c, weight *w) {
    (void)c;
    free(w->source.data);
}

static void forward(compute *c, const network *n, tensor out, tensor x) {
    int64_t items = x.dim[0];
    static const int32_t ids[] = {3, 29, 0};
    static const int around[4] = {1, 1, 1, 1}, below[4] = {0, 0, 1, 1};
    arena_mark mark = arena_get_mark(c->scratch);
    tensor a = compute_4d(c, items, 24, 24, 96), half = compute_4d(c, items, 12, 12, 96);
    tensor b = compute_4d(c, items, 24, 24, 48), table = compute_2d(c, 3, 48);
    op_conv2d(c, a, x, &n->conv, &n->bias96, 1, around, ACT_NONE);
    op_group_norm(c, a, a, 32, &n->bias96, &n->bias96, 1e-6f, ACT_SILU);
    op_conv2d(c, half, a, &n->down, NULL, 2, below, ACT_NONE);
    op_upsample2(c, a, half);
    op_upsample(c, tensor_slice(tensor_slice(a, 1, 0, 23), 2, 1, 22), half);
    op_conv2d(c, b, a, &n->up, &n->bias48, 1, around, ACT_NONE);
    tensor tokens = tensor_reshape(b, 3, (int64_t[]){items, 576, 48});
    tensor wide = compute_3d(c, items, 576, 192), narrow = compute_3d(c, items, 576, 48);
    op_embed(c, table, &n->table, ids);
    tensor row = tensor_slice(table, 0, 0, 1), shift = compute_2d(c, items, 48), gate = compute_2d(c, items, 48);
    for (int64_t i = 0; i < items; i++) {
        op_copy(c, tensor_slice(shift, 0, i, 1), row);
        op_copy(c, tensor_slice(gate, 0, i, 1), tensor_slice(table, 0, 1, 1));
    }
    op_norm_modulate(c, narrow, tokens, gate, shift, 1e-6f);
    op_linear(c, wide, narrow, &n->lift, &n->bias192, ACT_GELU_ERF);
    op_layer_norm(c, wide, wide, &n->bias192, NULL, 1e-5f);
    op_mul(c, wide, wide, wide);
    op_linear(c, narrow, wide, &n->back, NULL, ACT_NONE);
    op_rms_norm(c, narrow, narrow, &n->bias48, 1e-6f);
    op_gate_add(c, tokens, gate, narrow);
    op_geglu(c, narrow, narrow, tokens);
    op_axpby(c, tokens, 0.5f, tokens, 2.0f, narrow);
    op_add(c, tokens, tokens, tensor_reshape(row, 3, (int64_t[]){1, 1, 48}));
    tensor q = tensor_split_last(tokens, 3), mixed = compute_4d(c, items, 576, 3, 16);
    op_attention(c, &(attention_args){.q = q, .k = q, .v = q, .out = mixed, .scale = 0.25f}, NULL);
    op_activation(c, out, tensor_reshape(mixed, 4, out.dim), ACT_QUICK_GELU);
    arena_release(c->scratch, mark);
}

static void threads_change_nothing(void **state) {
    (void)state;
    static const int64_t dim[] = {2, 24, 24, 48};
    network n = network_random();
    operand x = operand_random(4, dim, 3, 20), first = operand_make(4, dim, 0);
    static const int threads[] = {1, 2, 4, 8};
    for (int i = 0; i < 4; i++) {
        compute *c = context_make("cpu", threads[i]);
        for_all(&n, weight_pack, c);
        operand out = operand_make(4, dim, 0);
        forward(c, &n, out.t, x.t);
        context_must_be_ok(c);
        if (i == 0) memcpy(first.memory, out.memory, out.floats * sizeof(float));
        must_be_equal(&first, &out, "threads");
        for_all(&n, weight_free, c);
        operand_free(&out);
        compute_destroy(c);
    }
    operand_free(&x);
    operand_free(&first);
    for_all(&n, free_source, NULL);
}

/* Three items at once against each of them alone, on every instruction set. */
static void batch_changes_nothing(void **state) {
    (void)state;
    network n = network_random();
    const cpu_isa *isas[CPU_ISA_MAX];
    int n_isas = context_isas(isas);
    compute *c = context_make("cpu", 2);
    operand x = operand_random(4, (int64_t[]){3, 24, 24, 48}, 0, 21);
    operand out = operand_make(4, x.t.dim, 0), alone = operand_make(4, x.t.dim, 0);
    for (int k = 0; k < n_isas; k++) {
        c->state = (void *)(uintptr_t)isas[k];
        for_all(&n, weight_pack, c);
        forward(c, &n, out.t, x.t);
        for (int64_t i = 0; i < 3; i++) forward(c, &n, tensor_slice(alone.t, 0, i, 1), tensor_slice(x.t, 0, i, 1));
        context_must_be_ok(c);
        must_be_equal(&out, &alone, isas[k]->about.name);
        for_all(&n, weight_free, c);
    }
    operand_free(&x);
    operand_free(&out);
    operand_free(&alone);
    for_all(&n, free_source, NULL);
    compute_destroy(c);
}

/* Rows of one linear layer: any number at once, from any place. */
static void rows_stand_alone(void **state) {
    (void)state;
    enum { ROWS = 29, INPUTS = 1300, OUTPUTS = 77 };
    compute *c = context_make("cpu", 2);
    weight source = weight_random(WEIGHT_LINEAR, TENSOR_F32, 2, (int64_t[]){OUTPUTS, INPUTS}, 1);
    weight w = weight_packed(c, source);
    operand x = operand_random(2, (int64_t[]){ROWS, INPUTS}, 7, 2);
    operand all = operand_make(2, (int64_t[]){ROWS, OUTPUTS}, 0), some = operand_make(2, all.t.dim, 0);
    op_linear(c, all.t, x.t, &w, NULL, ACT_GELU_TANH);
    for (int64_t count = 1; count <= 11; count++) {
        for (int64_t r = 0; r < ROWS; r += count) {
            int64_t n = ROWS - r < count ? ROWS - r : count;
            op_linear(c, tensor_slice(some.t, 0, r, n), tensor_slice(x.t, 0, r, n), &w, NULL, ACT_GELU_TANH);
        }
        context_must_be_ok(c);
        must_be_equal(&all, &some, "rows");
    }
    weight_free(c, &w);
    free(source.source.data);
    operand_free(&x);
    operand_free(&all);
    operand_free(&some);
    compute_destroy(c);
}

/* One of many products: odd sizes, some of no rows, two of three added to something, every second of them through a
 * gate. */
typedef struct one_of_many {
    operand x, out, sum, gate;
    weight source, w;
    linear_call call;
} one_of_many;

static one_of_many one_make(compute *c, int i) {
    const int64_t items = 1 + i % 2, rows = i % 7 * 23, inputs = 1 + i * 61, outputs = 1 + i * 37 % 200;
    one_of_many o = {
        .x = operand_random(3, (int64_t[]){items, rows, inputs}, i % 3, 1),
        .out = operand_make(3, (int64_t[]){items, rows, outputs}, i % 2),
        .sum = operand_random(3, (int64_t[]){items, rows, outputs}, i % 4, 2),
        .gate = operand_random(2, (int64_t[]){items, outputs}, 3, 3),
        .source = weight_random(WEIGHT_LINEAR, (tensor_type)(i % 3), 2, (int64_t[]){outputs, inputs}, 4),
    };
    o.w = weight_packed(c, o.source);
    o.call = (linear_call){.out = o.out.t, .x = o.x.t, .act = (activation)(i % 6)};
    if (i % 3) {
        o.call.sum = o.sum.t;
        if (i % 3 == 2) o.call.gate = o.gate.t;
    }
    return o;
}

static void one_free(compute *c, one_of_many *o) {
    weight_free(c, &o->w);
    free(o->source.source.data);
    operand *all[] = {&o->x, &o->out, &o->sum, &o->gate};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) operand_free(all[i]);
}

static void many_are_one_by_one(compute *c, const char *what) {
    enum { MANY = 21 };
    one_of_many o[MANY];
    linear_call call[MANY];
    for (int i = 0; i < MANY; i++) {
        o[i] = one_make(c, i);
        o[i].call.w = &o[i].w;
        call[i] = o[i].call;
    }
    op_linears(c, call, MANY);
    for (int i = 0; i < MANY; i++) {
        one_of_many alone = one_make(c, i);
        op_linear(c, alone.out.t, alone.x.t, &alone.w, NULL, o[i].call.act);
        if (i % 3 == 1) op_add(c, alone.sum.t, alone.sum.t, alone.out.t);
        if (i % 3 == 2) op_gate_add(c, alone.sum.t, alone.gate.t, alone.out.t);
        context_must_be_ok(c);
        must_be_equal(&alone.out, &o[i].out, what);
        must_be_equal(&alone.sum, &o[i].sum, what);
        one_free(c, &alone);
        one_free(c, &o[i]);
    }
    op_linears(c, call, 0);
    context_must_be_ok(c);
    assert_int_equal(arena_used(c->scratch), 0);
}

static void together_as_one_by_one(void **state) {
    (void)state;
    const cpu_isa *isas[CPU_ISA_MAX];
    int n_isas = context_isas(isas);
    for (int threads = 1; threads <= 3; threads += 2) {
        compute *c = context_make("cpu", threads);
        for (int k = 0; k < n_isas; k++) {
            c->state = (void *)(uintptr_t)isas[k];
            many_are_one_by_one(c, isas[k]->about.name);
        }
        compute_destroy(c);
    }
    compute *c = context_make("reference", 1);
    many_are_one_by_one(c, "reference");
    compute_destroy(c);
}

/* A convolution of few channels reads whole rows of the window where pixels follow each other in memory, and tap by tap
 * where they do not, or at the edges: the same sums. */
static void place_changes_nothing(void **state) {
    (void)state;
    static const struct {
        int64_t height, width, inputs, kernel_height, kernel_width;
        int stride, pad[4];
    } shapes[] = {{9, 31, 3, 3, 3, 1, {1, 1, 1, 1}}, {23, 40, 3, 11, 11, 4, {2, 2, 2, 2}},
                  {5, 29, 1, 3, 5, 2, {0, 3, 1, 0}}, {7, 3, 4, 3, 3, 1, {1, 1, 1, 1}},
                  {6, 33, 7, 1, 7, 1, {0, 3, 0, 3}}, {4, 64, 43, 3, 3, 1, {1, 1, 1, 1}}};
    const cpu_isa *isas[CPU_ISA_MAX];
    int n_isas = context_isas(isas);
    compute *c = context_make("cpu", 2);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int k = 0; k < n_isas; k++) {
            int64_t height = (shapes[i].height + shapes[i].pad[0] + shapes[i].pad[2] - shapes[i].kernel_height);
            int64_t width = (shapes[i].width + shapes[i].pad[1] + shapes[i].pad[3] - shapes[i].kernel_width);
            const int64_t in[] = {2, shapes[i].height, shapes[i].width, shapes[i].inputs};
            const int64_t out[] = {2, height / shapes[i].stride + 1, width / shapes[i].stride + 1, 70};
            operand close = operand_random(4, in, 0, 1), apart = operand_make(4, in, 5);
            operand first = operand_make(4, out, 0), second = operand_make(4, out, 0);
            weight source =
                weight_random(WEIGHT_CONV, TENSOR_F32, 4,
                              (int64_t[]){70, shapes[i].inputs, shapes[i].kernel_height, shapes[i].kernel_width}, 2);
            c->state = (void *)(uintptr_t)isas[k];
            weight w = weight_packed(c, source);
            op_copy(c, apart.t, close.t);
            op_conv2d(c, first.t, close.t, &w, NULL, shapes[i].stride, shapes[i].pad, ACT_RELU);
            op_conv2d(c, second.t, apart.t, &w, NULL, shapes[i].stride, shapes[i].pad, ACT_RELU);
            context_must_be_ok(c);
            must_be_equal(&first, &second, isas[k]->about.name);
            weight_free(c, &w);
            free(source.source.data);
            operand_free(&close);
            operand_free(&apart);
            operand_free(&first);
            operand_free(&second);
        }
    compute_destroy(c);
}

/* Scratch that one operation takes beyond its operands. */
static size_t taken_by(compute *c, const network *n, int op) {
    arena_mark mark = arena_get_mark(c->scratch);
    tensor x = compute_4d(c, 1, 24, 24, 48), y = compute_4d(c, 1, 24, 24, 96), z = compute_4d(c, 1, 24, 24, 48);
    tensor rows = tensor_reshape(x, 2, (int64_t[]){576, 48}), wide = compute_2d(c, 576, 192);
    tensor q = tensor_split_last(tensor_reshape(x, 3, (int64_t[]){1, 576, 48}), 3);
    tensor mixed = tensor_reshape(z, 4, (int64_t[]){1, 576, 3, 16});
    op_fill(c, x, 0.5f);
    op_fill(c, y, 0.5f);
    size_t used = arena_used(c->scratch);
    arena_reset_peak(c->scratch);
    switch (op) {
    case 0: op_linear(c, wide, rows, &n->lift, NULL, ACT_NONE); break;
    case 1: op_conv2d(c, y, x, &n->conv, NULL, 1, (int[]){1, 1, 1, 1}, ACT_NONE); break;
    case 2: op_group_norm(c, y, y, 8, NULL, NULL, 1e-6f, ACT_NONE); break;
    case 3: op_attention(c, &(attention_args){.q = q, .k = q, .v = q, .out = mixed, .scale = 1.0f}, NULL); break;
    case 4: op_layer_norm(c, y, y, NULL, NULL, 1e-6f); break;
    }
    context_must_be_ok(c);
    size_t taken = arena_peak(c->scratch) - used;
    arena_release(c->scratch, mark);
    return taken;
}

/* A group norm in two parts, some rows at a time and in place, has the bits of the whole, on every instruction set. */
static void group_norm_by_rows(void **state) {
    (void)state;
    static const int64_t dim[] = {2, 13, 9, 48};
    const cpu_isa *isas[CPU_ISA_MAX];
    int n_isas = context_isas(isas);
    network n = network_random();
    compute *c = context_make("cpu", 2);
    operand x = operand_random(4, dim, 3, 20), whole = operand_make(4, dim, 3);
    for (int k = 0; k < n_isas; k++) {
        c->state = (void *)(uintptr_t)isas[k];
        for_all(&n, weight_pack, c);
        operand rows = operand_random(4, dim, 3, 20);
        op_group_norm(c, whole.t, x.t, 12, &n.bias48, &n.bias48, 1e-6f, ACT_SILU);
        tensor moments = compute_3d(c, 2, 2, 48);
        op_group_moments(c, moments, rows.t, 12, 1e-6f);
        for (int64_t y = 0; y < dim[1]; y += 4) {
            tensor some = tensor_slice(rows.t, 1, y, dim[1] - y < 4 ? dim[1] - y : 4);
            op_group_apply(c, some, some, moments, &n.bias48, &n.bias48, ACT_SILU);
        }
        context_must_be_ok(c);
        must_be_equal(&whole, &rows, isas[k]->about.name);
        for_all(&n, weight_free, c);
        operand_free(&rows);
    }
    operand_free(&x);
    operand_free(&whole);
    for_all(&n, free_source, NULL);
    compute_destroy(c);
}

/* The dry backend takes the scratch memory of each operation that has any, counts the operations that the cpu backend
 * does, and touches nothing. */
static void dry_knows_the_peak(void **state) {
    (void)state;
    network n = network_random();
    size_t taken[2][5];
    double flops[2];
    for (int i = 0; i < 2; i++) {
        compute *c = context_make(i ? "dry" : "cpu", 3);
        for_all(&n, weight_pack, c);
        size_t bytes = weight_packed_bytes(c, &n.conv);
        assert_int_equal(bytes, 128 * 48 * 9 * sizeof(float)); /* whole panels of 64 outputs */
        for (int op = 0; op < 5; op++) taken[i][op] = taken_by(c, &n, op);
        operand x = operand_random(4, (int64_t[]){1, 24, 24, 48}, 0, 20), out = operand_make(4, x.t.dim, 0);
        forward(c, &n, out.t, x.t);
        context_must_be_ok(c);
        flops[i] = c->flops;
        for (size_t k = 0; i && k < out.floats; k++) assert_true(out.memory[k] == GUARD);
        operand_free(&x);
        operand_free(&out);
        for_all(&n, weight_free, c);
        compute_destroy(c);
    }
    for (int op = 0; op < 5; op++) {
        assert_int_equal(taken[0][op], taken[1][op]);
        assert_true((taken[0][op] > 0) == (op < 4));
    }
    assert_true(flops[0] > 0 && flops[0] == flops[1]);
    for_all(&n, free_source, NULL);
}

static void halves_are_exact(void **state) {
    (void)state;
    enum { ALL = 1 << 16 };
    unsigned char *bytes = malloc(2 * ALL + 1);
    float *f16 = malloc(ALL * sizeof *f16), *bf16 = malloc(ALL * sizeof *bf16);
    assert_non_null(bytes);
    assert_non_null(f16);
    assert_non_null(bf16);
    for (uint32_t i = 0; i < ALL; i++) {
        uint16_t h = (uint16_t)i;
        memcpy(bytes + 1 + 2 * i, &h, 2); /* odd addresses: a checkpoint promises no alignment */
    }
    half_convert(f16, bytes + 1, TENSOR_F16, ALL);
    half_convert(bf16, bytes + 1, TENSOR_BF16, ALL);
    for (uint32_t i = 0; i < ALL; i++) {
        uint32_t exponent = i >> 10 & 31, fraction = i & 1023, bits;
        double want = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, (int)exponent - 25);
        if (exponent == 31) want = fraction ? (double)NAN : (double)INFINITY;
        if (i >> 15) want = -want;
        if (isnan(want)) assert_true(isnan((double)f16[i]));
        else assert_true((double)f16[i] == want && !signbit(f16[i]) == !(i >> 15));
        memcpy(&bits, &bf16[i], sizeof bits);
        assert_int_equal(bits, i << 16);
    }
    free(bytes);
    free(f16);
    free(bf16);
}

/* op_gaussians gives philox_normal's numbers to the last bit of a float, the same bits by every kernel, wherever a run
 * begins and ends, also where the counter passes 2^32, and writes nothing beyond a run. */
static void normals_are_the_streams(void **state) {
    (void)state;
    enum { ALL = 20000, RUNS = 40 };
    const cpu_isa *isas[CPU_ISA_MAX];
    int n_isas = context_isas(isas), other = 0;
    compute *c = context_make("cpu", 2), *reference = context_make("reference", 1);
    float *want = malloc(ALL * sizeof *want), *whole = malloc(ALL * sizeof *whole),
          *parts = malloc(ALL * sizeof *parts);
    assert_true(want && whole && parts);
    for (int from = 0; from < 2; from++) {
        philox r;
        philox_init(&r, 77, &(uint64_t){(uint64_t)from}, 1);
        if (from) philox_skip(&r, (UINT64_C(1) << 32) - 1003);
        op_gaussians(reference, tensor_1d(want, TENSOR_F32, ALL), &(gaussian_run){r, -2.5, 0, ALL}, 1);
        for (int k = 0; k < n_isas; k++) {
            c->state = (void *)(uintptr_t)isas[k];
            float *out = k ? parts : whole;
            gaussian_run run[RUNS];
            op_gaussians(c, tensor_1d(out, TENSOR_F32, ALL), &(gaussian_run){r, -2.5, 0, ALL}, 1);
            for (int i = 0; i < ALL; i++) {
                other += out[i] != want[i];
                assert_true(fabsf(out[i] - want[i]) <= 1.2e-7f * fabsf(want[i]) + 1e-14f);
            }
            if (k) assert_memory_equal(parts, whole, ALL * sizeof *whole);
            int at = 0, n = 0;
            for (; n < RUNS && at < ALL; n++) { /* odd lengths; a float between them stays as it is */
                run[n] = (gaussian_run){r, -2.5, at, ALL - at < 17 * n ? ALL - at : 17 * n};
                philox_skip(&run[n].stream, (uint64_t)at);
                at += 17 * n + 1;
            }
            for (int i = 0; i < ALL; i++) parts[i] = GUARD;
            op_gaussians(c, tensor_1d(parts, TENSOR_F32, ALL), run, n);
            for (int i = 0; i < n; i++) {
                int64_t end = run[i].at + run[i].n;
                assert_memory_equal(parts + run[i].at, whole + run[i].at, (size_t)run[i].n * sizeof *whole);
                if (end < ALL) assert_true(parts[end] == GUARD);
            }
        }
    }
    assert_true(other < 10); /* of more than 40,000 that lie within 1e-8 of a float's neighbour each */
    context_must_be_ok(c);
    context_must_be_ok(reference);
    free(want);
    free(whole);
    free(parts);
    compute_destroy(c);
    compute_destroy(reference);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_nothing),  cmocka_unit_test(batch_changes_nothing),
        cmocka_unit_test(rows_stand_alone),        cmocka_unit_test(together_as_one_by_one),
        cmocka_unit_test(place_changes_nothing),   cmocka_unit_test(dry_knows_the_peak),
        cmocka_unit_test(group_norm_by_rows),      cmocka_unit_test(halves_are_exact),
        cmocka_unit_test(normals_are_the_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
