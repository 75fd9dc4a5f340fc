/* NaN in, NaN out: no operation of a backend, on any instruction set, makes a number of what is none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "support.h"

/* NaNs as programs and files have them: the processor's own, with a payload, all bits set, signalling. */
static const uint32_t NANS[] = {0x7FC00000u, 0x7FC00001u, 0x7FC001FFu, 0xFFFFFFFFu, 0xFFC00000u, 0x7FFFFFFFu};
enum { NAN_COUNT = sizeof NANS / sizeof NANS[0], MAX_CONTEXTS = CPU_ISA_MAX + 1 };

static compute *context[MAX_CONTEXTS];
static const char *name_of[MAX_CONTEXTS];
static int contexts;

static int make_contexts(void **state) {
    (void)state;
    const cpu_isa *isas[CPU_ISA_MAX];
    int n = context_isas(isas);
    for (; contexts < n; contexts++) {
        context[contexts] = context_make("cpu", 1);
        context[contexts]->state = (void *)(uintptr_t)isas[contexts];
        name_of[contexts] = isas[contexts]->about.name;
    }
    name_of[contexts] = "reference";
    context[contexts++] = context_make("reference", 1);
    return 0;
}

static int free_contexts(void **state) {
    (void)state;
    for (int i = 0; i < contexts; i++) compute_destroy(context[i]);
    return 0;
}

static float nan_of(int i) {
    float x;
    memcpy(&x, &NANS[i], sizeof x);
    return x;
}

static void fill(float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)(i % 7 - 3) * 0.25f;
}

/* x[i] is a NaN where `wanted`, else a number. */
static void must(int is_nan, int wanted, const char *what, int at, int number) {
    if (is_nan != wanted)
        fail_msg("%s, %s, NaN number %d: expected %s", name_of[at], what, number, wanted ? "NaN" : "a number");
}

static void first_bad_is_found(void **state) {
    (void)state;
    static float x[9000];
    assert_int_equal(finite_first_bad(x, 9000), -1);
    assert_int_equal(finite_first_bad(x, 0), -1);
    for (int64_t i = 0; i < 9000; i += 1499)
        for (int k = 0; k < NAN_COUNT; k++) {
            x[i] = k % 2 ? nan_of(k) : i ? INFINITY : -INFINITY;
            assert_int_equal(finite_first_bad(x, 9000), i);
            assert_int_equal(finite_first_bad(x, i), -1);
            x[i] = 3.4028235e38f;
            assert_int_equal(finite_first_bad(x, 9000), -1);
            x[i] = 0;
        }
}

static void activations_pass_nan_on(void **state) {
    (void)state;
    enum { N = 41 };
    static const activation all[] = {ACT_NONE, ACT_SILU, ACT_GELU_ERF, ACT_GELU_TANH, ACT_QUICK_GELU, ACT_RELU};
    float x[N], out[N];
    for (int at = 0; at < contexts; at++)
        for (int k = 0; k < NAN_COUNT; k++)
            for (int a = 0; a < 6; a++)
                for (int i = 0; i < N; i += 8) {
                    fill(x, N);
                    x[i] = nan_of(k);
                    op_activation(context[at], tensor_2d(out, TENSOR_F32, 1, N), tensor_2d(x, TENSOR_F32, 1, N),
                                  all[a]);
                    for (int j = 0; j < N; j++) must(isnan(out[j]), j == i, "activation", at, k);
                }
}

static void norms_pass_nan_on(void **state) {
    (void)state;
    enum { ROWS = 2, N = 40 };
    float x[ROWS * N], out[ROWS * N];
    tensor t = tensor_2d(x, TENSOR_F32, ROWS, N), o = tensor_2d(out, TENSOR_F32, ROWS, N),
           picture = tensor_4d(x, TENSOR_F32, ROWS, 2, 2, N / 4),
           normed = tensor_4d(out, TENSOR_F32, ROWS, 2, 2, N / 4);
    for (int at = 0; at < contexts; at++)
        for (int kind = 0; kind < 3; kind++) {
            fill(x, ROWS * N);
            x[N + 13] = nan_of(1);
            if (kind == 0) op_layer_norm(context[at], o, t, NULL, NULL, 1e-5f);
            else if (kind == 1) op_rms_norm(context[at], o, t, NULL, 1e-5f);
            else op_group_norm(context[at], normed, picture, 1, NULL, NULL, 1e-5f, ACT_RELU);
            for (int j = 0; j < ROWS * N; j++) must(isnan(out[j]), j >= N, "norm", at, 1);
        }
}

static void max_pooling_passes_nan_on(void **state) {
    (void)state;
    float x[2 * 3], out[3];
    for (int at = 0; at < contexts; at++)
        for (int k = 0; k < NAN_COUNT; k++)
            for (int first = 0; first < 2; first++) { /* windows {NaN, 1} and {1, NaN} */
                for (int i = 0; i < 6; i++) x[i] = 1;
                x[3 * first + 1] = nan_of(k);
                op_pool2d(context[at], tensor_4d(out, TENSOR_F32, 1, 1, 1, 3), tensor_4d(x, TENSOR_F32, 1, 1, 2, 3),
                          POOL_MAX, 2, 2, 0);
                /* a window of 2 x 2 over one row would reach outside; that part counts for nothing */
                must(isnan(out[1]), 1, "max pooling", at, k);
                assert_true(out[0] == 1 && out[2] == 1);
            }
}

enum { ROWS = 11, KEYS = 37, WIDTH = 20, R = 3 };

typedef struct attention_case {
    float q[ROWS * WIDTH], k[KEYS * WIDTH], v[KEYS * WIDTH], out[ROWS * WIDTH];
    double mass[KEYS], entropy, concentration, lse[ROWS];
    float row_max[ROWS];
} attention_case;

static void attend(compute *c, attention_case *a, int observed) {
    const attention_args args = {.q = tensor_4d(a->q, TENSOR_F32, 1, ROWS, 1, WIDTH),
                                 .k = tensor_4d(a->k, TENSOR_F32, 1, KEYS, 1, WIDTH),
                                 .v = tensor_4d(a->v, TENSOR_F32, 1, KEYS, 1, WIDTH),
                                 .out = tensor_4d(a->out, TENSOR_F32, 1, ROWS, 1, WIDTH),
                                 .scale = 0.3f};
    const attention_stats stats = {.row_end = ROWS,
                                   .r = R,
                                   .mass = tensor_1d(a->mass, TENSOR_F64, KEYS),
                                   .entropy = tensor_1d(&a->entropy, TENSOR_F64, 1),
                                   .concentration = tensor_1d(&a->concentration, TENSOR_F64, 1),
                                   .lse = tensor_1d(a->lse, TENSOR_F64, ROWS),
                                   .row_max = tensor_1d(a->row_max, TENSOR_F32, ROWS)};
    op_attention(c, &args, observed ? &stats : NULL);
    context_must_be_ok(c);
}

static void attention_case_fill(attention_case *a) {
    fill(a->q, ROWS * WIDTH);
    fill(a->k, KEYS * WIDTH);
    fill(a->v, KEYS * WIDTH);
}

/* A NaN in a query: its row. In a key: every row. In a value: its column. And in all that is measured of such rows. */
static void attention_passes_nan_on(void **state) {
    (void)state;
    static attention_case a;
    for (int at = 0; at < contexts; at++)
        for (int k = 0; k < NAN_COUNT; k++)
            for (int where = 0; where < 3; where++)
                for (int observed = 0; observed < 2; observed++)
                    for (int index = 0; index < (where ? KEYS : ROWS); index += 5) {
                        const char *what = where == 0   ? "attention, NaN in a query"
                                           : where == 1 ? "attention, NaN in a key"
                                                        : "attention, NaN in a value";
                        attention_case_fill(&a);
                        (where == 0 ? a.q : where == 1 ? a.k : a.v)[index * WIDTH + 2] = nan_of(k);
                        attend(context[at], &a, observed);
                        for (int i = 0; i < ROWS; i++)
                            for (int x = 0; x < WIDTH; x++)
                                must(isnan(a.out[i * WIDTH + x]),
                                     where == 0   ? i == index
                                     : where == 1 ? 1
                                                  : x == 2,
                                     what, at, k);
                        if (!observed) continue;
                        must(isnan(a.entropy) && isnan(a.concentration), where < 2, what, at, k);
                        for (int j = 0; j < KEYS; j++) must(isnan(a.mass[j]), where < 2, what, at, k);
                        for (int i = 0; i < ROWS; i++) {
                            int wanted = where == 1 || (where == 0 && i == index);
                            must(isnan(a.lse[i]), wanted, what, at, k);
                            must(isnan(a.row_max[i]), wanted, what, at, k);
                        }
                    }
}

static void products_pass_nan_on(void **state) {
    (void)state;
    enum { INPUTS = 33, OUTPUTS = 70 };
    static float w[OUTPUTS * INPUTS], x[2 * INPUTS], out[2 * OUTPUTS];
    for (int at = 0; at < contexts; at++)
        for (int form = FORM_STORED; form <= FORM_BF16; form++)
            for (int k = 0; k < NAN_COUNT; k++)
                for (int in_weight = 0; in_weight < 2; in_weight++) {
                    fill(w, OUTPUTS * INPUTS);
                    fill(x, 2 * INPUTS);
                    if (in_weight) w[5 * INPUTS + 4] = nan_of(k);
                    else x[INPUTS + 7] = nan_of(k);
                    weight linear = {.kind = WEIGHT_LINEAR,
                                     .source = tensor_2d(w, TENSOR_F32, OUTPUTS, INPUTS),
                                     .form = (weight_form)form};
                    weight_pack(context[at], &linear);
                    op_linear(context[at], tensor_2d(out, TENSOR_F32, 2, OUTPUTS), tensor_2d(x, TENSOR_F32, 2, INPUTS),
                              &linear, NULL, ACT_RELU);
                    context_must_be_ok(context[at]);
                    for (int i = 0; i < 2 * OUTPUTS; i++)
                        must(isnan(out[i]), in_weight ? i % OUTPUTS == 5 : i >= OUTPUTS, "linear layer", at, k);
                    weight_free(context[at], &linear);
                }
}

/* What probes and selectors see of a NaN. */
static void lengths_pass_nan_on(void **state) {
    (void)state;
    static float x[KEYS * WIDTH], norm[KEYS], projected[KEYS], gram[WIDTH * WIDTH];
    for (int at = 0; at < contexts; at++)
        for (int k = 0; k < NAN_COUNT; k++) {
            fill(x, KEYS * WIDTH);
            for (int i = 0; i < WIDTH * WIDTH; i++) gram[i] = i % (WIDTH + 1) == 0;
            x[9 * WIDTH + 3] = nan_of(k);
            op_head_norms(context[at], tensor_4d(x, TENSOR_F32, 1, KEYS, 1, WIDTH), gram,
                          tensor_1d(norm, TENSOR_F32, KEYS), tensor_1d(projected, TENSOR_F32, KEYS));
            context_must_be_ok(context[at]);
            for (int j = 0; j < KEYS; j++) {
                must(isnan(norm[j]), j == 9, "length of a value", at, k);
                must(isnan(projected[j]), j == 9, "length of a projected value", at, k);
            }
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bad_is_found),      cmocka_unit_test(activations_pass_nan_on),
        cmocka_unit_test(norms_pass_nan_on),       cmocka_unit_test(max_pooling_passes_nan_on),
        cmocka_unit_test(attention_passes_nan_on), cmocka_unit_test(products_pass_nan_on),
        cmocka_unit_test(lengths_pass_nan_on),
    };
    return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
