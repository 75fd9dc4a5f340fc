/* Every operation of the cpu backend, on each instruction set that this machine runs, against the reference backend:
 * shapes with remainders in every direction, strided operands, broadcast, in place. Nothing outside of the output is
 * touched. All from avx2 on agree bit by bit. Tolerances are in units of the output's rms; what was seen is printed. A
 * sum of n float32 products wanders by about sqrt(min(n, 384)) 6e-8 of its rms: 4e-6 is some three times that. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static compute *reference, *cpu[CPU_ISA_MAX];
static const cpu_isa *isas[CPU_ISA_MAX];
static int n_cpu;

static int setup(void **state) {
    (void)state;
    reference = context_make("reference", 1);
    n_cpu = context_isas(isas);
    for (int i = 0; i < n_cpu; i++) {
        cpu[i] = context_make("cpu", 1);
        cpu[i]->state = (void *)(uintptr_t)isas[i];
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    compute_destroy(reference);
    for (int i = 0; i < n_cpu; i++) compute_destroy(cpu[i]);
    return 0;
}

typedef void body(compute *c, operand *out, const void *args);

/* Run `f` on all contexts with copies of `out` and compare. */
static void check(const operand *out, body *f, const void *args, double tolerance, const char *what) {
    operand want = operand_copy(out), first = {0};
    f(reference, &want, args);
    context_must_be_ok(reference);
    for (int i = 0; i < n_cpu; i++) {
        operand got = operand_copy(out);
        f(cpu[i], &got, args);
        context_must_be_ok(cpu[i]);
        must_be_near(&want, &got, tolerance, what);
        assert_int_equal(arena_used(cpu[i]->scratch), 0);
        if (i == 0) first = operand_copy(&got);
        else if (isas[i]->rows != &kernel_baseline) must_be_equal(&first, &got, what);
        operand_free(&got);
    }
    operand_free(&want);
    operand_free(&first);
}

static void report(const char *what) { print_message("%s: at most %.1e of rms\n", what, nearness_seen()); }

/* ---- products ---- */

typedef struct product_args {
    tensor x;
    weight w, bias;
    activation act;
    int stride, pad[4];
} product_args;

static void run_linear(compute *c, operand *out, const void *args) {
    const product_args *a = args;
    weight w = weight_packed(c, a->w), bias = {0};
    if (a->bias.source.ndim) bias = weight_packed(c, a->bias);
    op_linear(c, out->t, a->x, &w, bias.packed ? &bias : NULL, a->act);
    weight_free(c, &w);
    if (bias.packed) weight_free(c, &bias);
}

static void linear_case(int64_t batch, int64_t rows, int64_t inputs, int64_t outputs, int kind) {
    char what[128];
    snprintf(what, sizeof what, "linear [%d, %d, %d] to %d, kind %d", (int)batch, (int)rows, (int)inputs, (int)outputs,
             kind);
    int gap = kind % 2 ? 5 : 0;
    operand x = operand_random(3, (int64_t[]){batch, rows, inputs}, gap, 1);
    operand out = operand_make(3, (int64_t[]){batch, rows, outputs}, gap);
    product_args a = {.x = x.t, .act = (activation)(kind % 6)};
    a.w = weight_random(WEIGHT_LINEAR, (tensor_type)(kind % 3), 2, (int64_t[]){outputs, inputs}, 2);
    if (kind % 4) a.bias = weight_random(WEIGHT_VECTOR, (tensor_type)(kind % 3), 1, (int64_t[]){outputs}, 3);
    check(&out, run_linear, &a, 4e-6, what);
    free(a.w.source.data);
    free(a.bias.source.data);
    operand_free(&x);
    operand_free(&out);
}

static void linear_is_near(void **state) {
    (void)state;
    static const int64_t rows[] = {1, 2, 3, 4, 5, 6, 7, 13, 50, 193}, inputs[] = {1, 3, 16, 65, 520, 1100},
                         outputs[] = {1, 3, 16, 17, 40, 63, 64, 65, 130};
    int kind = 0;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
            for (size_t o = 0; o < sizeof outputs / sizeof outputs[0]; o++, kind++)
                linear_case(1 + (int64_t)(kind % 2), rows[r], inputs[i], outputs[o], kind);
    report("linear");
}

static void run_conv(compute *c, operand *out, const void *args) {
    const product_args *a = args;
    weight w = weight_packed(c, a->w), bias = weight_packed(c, a->bias);
    op_conv2d(c, out->t, a->x, &w, &bias, a->stride, a->pad, a->act);
    weight_free(c, &w);
    weight_free(c, &bias);
}

typedef struct conv_shape {
    int64_t batch, height, width, inputs, outputs, kernel_height, kernel_width;
    int stride, pad[4];
} conv_shape;

static void conv_is_near(void **state) {
    (void)state;
    static const conv_shape shapes[] = {
        {1, 1, 1, 1, 1, 1, 1, 1, {0, 0, 0, 0}},     {2, 9, 7, 3, 5, 3, 3, 1, {1, 1, 1, 1}},
        {1, 16, 16, 64, 64, 3, 3, 1, {1, 1, 1, 1}}, {1, 8, 8, 70, 3, 3, 3, 1, {1, 1, 1, 1}},
        {2, 8, 10, 20, 33, 3, 3, 2, {0, 0, 1, 1}},  {1, 12, 12, 3, 48, 4, 4, 4, {0, 0, 0, 0}},
        {1, 6, 5, 600, 66, 3, 3, 1, {1, 1, 1, 1}},  {3, 5, 5, 16, 16, 1, 1, 1, {0, 0, 0, 0}},
        {1, 7, 9, 8, 24, 5, 3, 2, {2, 1, 2, 1}},    {1, 3, 3, 130, 20, 3, 3, 1, {2, 0, 0, 2}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        conv_shape s = shapes[i];
        int gap = i % 2 ? 3 : 0;
        operand x = operand_random(4, (int64_t[]){s.batch, s.height, s.width, s.inputs}, gap, 1);
        int64_t out_height = (s.height + s.pad[0] + s.pad[2] - s.kernel_height) / s.stride + 1;
        int64_t out_width = (s.width + s.pad[1] + s.pad[3] - s.kernel_width) / s.stride + 1;
        operand out = operand_make(4, (int64_t[]){s.batch, out_height, out_width, s.outputs}, gap);
        product_args a = {
            .x = x.t, .act = (activation)(i % 6), .stride = s.stride, .pad = {s.pad[0], s.pad[1], s.pad[2], s.pad[3]}};
        a.w = weight_random(WEIGHT_CONV, (tensor_type)(i % 3), 4,
                            (int64_t[]){s.outputs, s.inputs, s.kernel_height, s.kernel_width}, 2);
        a.bias = weight_random(WEIGHT_VECTOR, TENSOR_F32, 1, (int64_t[]){s.outputs}, 3);
        check(&out, run_conv, &a, 4e-6, "conv2d");
        free(a.w.source.data);
        free(a.bias.source.data);
        operand_free(&x);
        operand_free(&out);
    }
    report("conv2d");
}

/* ---- element by element ---- */

typedef struct pair_args {
    tensor a, b;
    activation act;
    int in_place;
} pair_args;

static void run_add(compute *c, operand *out, const void *args) {
    const pair_args *p = args;
    op_add(c, out->t, p->in_place ? out->t : p->a, p->b);
}

static void run_mul(compute *c, operand *out, const void *args) {
    const pair_args *p = args;
    op_mul(c, out->t, p->in_place ? out->t : p->a, p->b);
}

static void run_axpby(compute *c, operand *out, const void *args) {
    const pair_args *p = args;
    op_axpby(c, out->t, 1.25f, p->a, -0.5f, p->b);
}

static void run_copy(compute *c, operand *out, const void *args) { op_copy(c, out->t, ((const pair_args *)args)->a); }

static void run_fill(compute *c, operand *out, const void *args) {
    (void)args;
    op_fill(c, out->t, 2.5f);
}

static void run_activation(compute *c, operand *out, const void *args) {
    const pair_args *p = args;
    op_activation(c, out->t, p->in_place ? out->t : p->a, p->act);
}

static void run_geglu(compute *c, operand *out, const void *args) {
    const pair_args *p = args;
    op_geglu(c, out->t, p->in_place == 1 ? out->t : p->a, p->in_place == 2 ? out->t : p->b);
}

/* Operands as networks have them: both halves of one row; and the output where an input was. */
static void geglu_is_near(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{1, 1, 1}, {2, 3, 7}, {1, 5, 64}, {3, 2, 511}, {2, 4, 513}, {1, 2, 1300}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int gap = 0; gap < 6; gap += 5) {
            const int64_t *dim = shapes[s];
            operand both = operand_random(3, (int64_t[]){dim[0], dim[1], 2 * dim[2]}, gap, 1);
            operand out = operand_make(3, dim, gap), first = operand_random(3, dim, gap, 2);
            pair_args p = {.a = tensor_columns(both.t, 0, dim[2]), .b = tensor_columns(both.t, dim[2], dim[2])};
            check(&out, run_geglu, &p, 1e-6, "geglu");
            for (p.in_place = 1; p.in_place < 3; p.in_place++) check(&first, run_geglu, &p, 1e-6, "geglu in place");
            operand_free(&both);
            operand_free(&out);
            operand_free(&first);
        }
    report("geglu");
}

/* x (0.5 g erfc(-g / sqrt 2)), by libm. */
static void geglu_is_right(void **state) {
    (void)state;
    float x[] = {2, -3, 0.5f, 7}, gate[] = {1, -0.5f, 3, 0}, out[4];
    int64_t four[] = {4};
    tensor t[] = {tensor_nd(out, TENSOR_F32, 1, four), tensor_nd(x, TENSOR_F32, 1, four),
                  tensor_nd(gate, TENSOR_F32, 1, four)};
    op_geglu(reference, t[0], t[1], t[2]);
    context_must_be_ok(reference);
    for (int i = 0; i < 4; i++) {
        double want = (double)x[i] * 0.5 * (double)gate[i] * erfc(-(double)gate[i] / sqrt(2.0));
        assert_true(fabs((double)out[i] - want) <= 1e-6 * fabs(want));
    }
    op_geglu(reference, t[0], t[1], tensor_nd(gate, TENSOR_F32, 1, (int64_t[]){3}));
    ss_error err;
    assert_int_equal(compute_status(reference, &err), SS_ERR_INTERNAL);
    assert_string_equal(err.message, "geglu: expected equal shapes, found [4] and [3]");
}

static void element_ops_are_near(void **state) {
    (void)state;
    static const int64_t shapes[][4] = {{1, 1, 1, 1}, {2, 3, 5, 7}, {1, 2, 40, 100}, {3, 1, 17, 64}, {2, 9, 31, 129}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int gap = 0; gap < 8; gap += 3) {
            operand a = operand_random(4, shapes[s], gap, 1), out = operand_make(4, shapes[s], gap);
            pair_args p = {.a = a.t};
            check(&out, run_copy, &p, 0, "copy");
            check(&out, run_fill, &p, 0, "fill");
            for (int mask = 0; mask < 16; mask++) { /* which of b's dimensions are repeated */
                int64_t dim[4];
                for (int i = 0; i < 4; i++) dim[i] = mask >> i & 1 ? 1 : shapes[s][i];
                operand b = operand_random(4, dim, gap, 2);
                p.b = b.t;
                for (p.in_place = 0; p.in_place < 2; p.in_place++) {
                    check(p.in_place ? &a : &out, run_add, &p, 0, "add");
                    check(p.in_place ? &a : &out, run_mul, &p, 0, "mul");
                }
                if (mask == 0) check(&out, run_axpby, &p, 0, "axpby");
                operand_free(&b);
            }
            for (p.act = ACT_NONE; p.act <= ACT_RELU; p.act++)
                for (p.in_place = 0; p.in_place < 2; p.in_place++)
                    check(p.in_place ? &a : &out, run_activation, &p, 1e-6, "activation");
            operand_free(&a);
            operand_free(&out);
        }
    report("element by element");
}

/* ---- activations against libm ---- */

static double exact(activation act, double x) {
    switch (act) {
    case ACT_SILU: return x / (1 + exp(-x));
    case ACT_GELU_ERF: return 0.5 * x * erfc(-x / sqrt(2.0));
    case ACT_GELU_TANH: return x / (1 + exp(-2 * sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case ACT_QUICK_GELU: return x / (1 + exp(-1.702 * x));
    default: return x > 0 ? x : 0;
    }
}

/* The argument of the exponential. */
static double argument(activation act, double x) {
    if (act == ACT_GELU_TANH) return 2 * sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x);
    return act == ACT_QUICK_GELU ? 1.702 * x : 0;
}

/* Relative error, where the value is not below 1e-35, in units of 2^-24. gelu_tanh and quick_gelu round the argument of
 * the exponential in up to six operations, each of which costs up to its size in units: 3.5 times it is allowed. */
static void activations_are_accurate(void **state) {
    (void)state;
    static const struct {
        activation act;
        const char *name;
        double units;
    } rows[] = {{ACT_SILU, "silu", 4},
                {ACT_GELU_ERF, "gelu (erf)", 8},
                {ACT_GELU_TANH, "gelu (tanh)", 4},
                {ACT_QUICK_GELU, "quick_gelu", 4},
                {ACT_RELU, "relu", 0}};
    enum { N = 1 << 16 };
    float *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    for (int i = 0; i < N; i++) x[i] = (float)((double)i / N * 40 - 28) * (i % 7 == 0 ? 0.01f : 1.0f);
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (int k = 0; k < n_cpu; k++) {
            double most = 0;
            isas[k]->rows->activate(y, x, N, rows[r].act);
            for (int i = 0; i < N; i++) {
                double want = exact(rows[r].act, (double)x[i]);
                if (fabs(want) < 1e-35) assert_true(fabs((double)y[i]) < 2e-35);
                else {
                    double units = fabs((double)y[i] - want) / fabs(want) * 0x1p24;
                    most = fmax(most, units - 3.5 * fabs(argument(rows[r].act, (double)x[i])));
                }
            }
            print_message("%s, %s: %.1f units of 2^-24\n", rows[r].name, isas[k]->about.name, most);
            assert_true(most <= rows[r].units);
        }
    free(x);
    free(y);
}

/* ---- norms ---- */

typedef struct norm_args {
    tensor x, scale, shift;
    weight gamma, beta;
    int groups;
    activation act;
} norm_args;

static void run_layer_norm(compute *c, operand *out, const void *args) {
    const norm_args *a = args;
    weight gamma = weight_packed(c, a->gamma), beta = weight_packed(c, a->beta);
    op_layer_norm(c, out->t, a->x, a->groups & 1 ? &gamma : NULL, a->groups & 2 ? &beta : NULL, 1e-5f);
    weight_free(c, &gamma);
    weight_free(c, &beta);
}

static void run_norm_modulate(compute *c, operand *out, const void *args) {
    const norm_args *a = args;
    op_norm_modulate(c, out->t, a->x, a->scale, a->shift, 1e-6f);
}

static void run_rms_norm(compute *c, operand *out, const void *args) {
    const norm_args *a = args;
    weight gamma = weight_packed(c, a->gamma);
    op_rms_norm(c, out->t, a->x, a->groups & 1 ? &gamma : NULL, 1e-6f);
    weight_free(c, &gamma);
}

static void run_gate_add(compute *c, operand *out, const void *args) {
    const norm_args *a = args;
    op_gate_add(c, out->t, a->scale, a->x);
}

static void run_group_norm(compute *c, operand *out, const void *args) {
    const norm_args *a = args;
    weight gamma = weight_packed(c, a->gamma), beta = weight_packed(c, a->beta);
    op_group_norm(c, out->t, a->x, a->groups, &gamma, &beta, 1e-6f, a->act);
    weight_free(c, &gamma);
    weight_free(c, &beta);
}

/* Adds `by` to every element, so that means are not near zero. */
static void lift(operand *o, float by) {
    for (size_t i = 0; i < o->floats; i++)
        if (memcmp(&o->memory[i], &GUARD, sizeof GUARD) != 0) o->memory[i] += by;
}

static void token_norms_are_near(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{1, 1, 3}, {2, 5, 16}, {1, 7, 33}, {2, 3, 192}, {3, 40, 100}, {1, 2, 1537}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int gap = 0; gap < 8; gap += 7) {
            const int64_t *dim = shapes[s];
            operand x = operand_random(3, dim, gap, 1), out = operand_make(3, dim, gap);
            operand y = operand_random(3, dim, gap, 4);
            operand scale = operand_random(2, (int64_t[]){dim[0], dim[2]}, gap, 2);
            operand shift = operand_random(2, (int64_t[]){dim[0], dim[2]}, gap, 3);
            lift(&x, 3.0f);
            norm_args a = {.x = x.t, .scale = scale.t, .shift = shift.t};
            a.gamma = weight_random(WEIGHT_VECTOR, TENSOR_F32, 1, &dim[2], 5);
            a.beta = weight_random(WEIGHT_VECTOR, TENSOR_F16, 1, &dim[2], 6);
            for (a.groups = 0; a.groups < 4; a.groups++) {
                check(&out, run_layer_norm, &a, 4e-6, "layer_norm");
                check(&out, run_rms_norm, &a, 1e-6, "rms_norm");
            }
            check(&out, run_norm_modulate, &a, 4e-6, "norm_modulate");
            a.x = y.t;
            check(&x, run_gate_add, &a, 1e-6, "gate_add");
            free(a.gamma.source.data);
            free(a.beta.source.data);
            operand_free(&x);
            operand_free(&y);
            operand_free(&out);
            operand_free(&scale);
            operand_free(&shift);
        }
    report("token norms");
}

static void group_norm_is_near(void **state) {
    (void)state;
    static const struct {
        int64_t dim[4];
        int groups;
    } shapes[] = {{{1, 1, 1, 4}, 2},   {{2, 5, 7, 6}, 3},    {{1, 16, 16, 64}, 32},
                  {{2, 8, 9, 96}, 32}, {{1, 33, 20, 40}, 8}, {{3, 4, 4, 30}, 1}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int gap = 0; gap < 4; gap += 3) {
            operand x = operand_random(4, shapes[s].dim, gap, 1), out = operand_make(4, shapes[s].dim, gap);
            lift(&x, 5.0f);
            norm_args a = {.x = x.t, .groups = shapes[s].groups, .act = gap ? ACT_SILU : ACT_NONE};
            a.gamma = weight_random(WEIGHT_VECTOR, TENSOR_F32, 1, &shapes[s].dim[3], 5);
            a.beta = weight_random(WEIGHT_VECTOR, TENSOR_BF16, 1, &shapes[s].dim[3], 6);
            check(&out, run_group_norm, &a, 4e-6, "group_norm");
            free(a.gamma.source.data);
            free(a.beta.source.data);
            operand_free(&x);
            operand_free(&out);
        }
    report("group norm");
}

/* ---- rearrangement, tables, host memory ---- */

typedef struct move_args {
    tensor x;
    int p;
    weight table;
    const int32_t *ids;
    float *host;
} move_args;

static void run_upsample2(compute *c, operand *out, const void *args) {
    op_upsample2(c, out->t, ((const move_args *)args)->x);
}

static void run_patchify(compute *c, operand *out, const void *args) {
    op_patchify(c, out->t, ((const move_args *)args)->x, ((const move_args *)args)->p);
}

static void run_unpatchify(compute *c, operand *out, const void *args) {
    op_unpatchify(c, out->t, ((const move_args *)args)->x, ((const move_args *)args)->p);
}

static void run_embed(compute *c, operand *out, const void *args) {
    const move_args *a = args;
    weight table = weight_packed(c, a->table);
    op_embed(c, out->t, &table, a->ids);
    weight_free(c, &table);
}

static void run_up_and_down(compute *c, operand *out, const void *args) {
    const move_args *a = args;
    op_download(c, a->host, a->x);
    op_upload(c, out->t, a->host);
}

static void moves_are_exact(void **state) {
    (void)state;
    static const int32_t ids[] = {4, 0, 4, 17, 3};
    float host[2 * 4 * 6 * 5];
    for (int gap = 0; gap < 4; gap += 3) {
        operand image = operand_random(4, (int64_t[]){2, 4, 6, 5}, gap, 1);
        operand large = operand_make(4, (int64_t[]){2, 8, 12, 5}, gap), same = operand_make(4, image.t.dim, gap);
        operand tokens = operand_make(3, (int64_t[]){2, 6, 20}, gap);
        operand full = operand_random(3, (int64_t[]){2, 6, 20}, gap, 2);
        operand rows = operand_make(2, (int64_t[]){5, 37}, gap);
        move_args a = {.x = image.t, .p = 2, .ids = ids, .host = host};
        check(&large, run_upsample2, &a, 0, "upsample2");
        check(&tokens, run_patchify, &a, 0, "patchify");
        check(&same, run_up_and_down, &a, 0, "download, upload");
        a.x = full.t;
        check(&same, run_unpatchify, &a, 0, "unpatchify");
        for (int type = TENSOR_F32; type <= TENSOR_BF16; type++) {
            a.table = weight_random(WEIGHT_TABLE, (tensor_type)type, 2, (int64_t[]){18, 37}, 3);
            check(&rows, run_embed, &a, 0, "embed");
            free(a.table.source.data);
        }
        operand_free(&image);
        operand_free(&large);
        operand_free(&same);
        operand_free(&tokens);
        operand_free(&full);
        operand_free(&rows);
    }
}

static void run_upsample(compute *c, operand *out, const void *args) {
    op_upsample(c, out->t, ((const move_args *)args)->x);
}

/* Every size from the image's own to three times it; and at twice the size what upsample2 gives. */
static void upsampling_is_exact(void **state) {
    (void)state;
    for (int64_t side = 1; side < 6; side += 2)
        for (int64_t height = side; height <= 3 * side; height++)
            for (int64_t width = side + 1; width <= 3 * side + 2; width += 2) {
                int gap = height % 2 ? 3 : 0;
                operand x = operand_random(4, (int64_t[]){2, side, side + 1, 5}, gap, 1);
                operand out = operand_make(4, (int64_t[]){2, height, width, 5}, gap);
                move_args a = {.x = x.t};
                check(&out, run_upsample, &a, 0, "upsample");
                if (height == 2 * side && width == 2 * side + 2) {
                    operand twice = operand_copy(&out);
                    op_upsample(cpu[0], out.t, x.t);
                    op_upsample2(cpu[0], twice.t, x.t);
                    must_be_equal(&twice, &out, "upsample to twice the size");
                    operand_free(&twice);
                }
                operand_free(&x);
                operand_free(&out);
            }
}

/* Rows of three pixels to five, as torch.nn.functional.interpolate(size=(1, 5), mode="nearest") takes them. */
static void upsampling_is_right(void **state) {
    (void)state;
    static const float want[] = {1, 1, 2, 2, 3};
    float x[] = {1, 2, 3}, out[5];
    tensor picture = tensor_4d(x, TENSOR_F32, 1, 1, 3, 1), larger = tensor_4d(out, TENSOR_F32, 1, 1, 5, 1);
    op_upsample(reference, larger, picture);
    context_must_be_ok(reference);
    assert_memory_equal(out, want, sizeof want);
    op_upsample(reference, picture, larger);
    ss_error err;
    assert_int_equal(compute_status(reference, &err), SS_ERR_INTERNAL);
    assert_string_equal(err.message, "upsample: expected [B, H', W', C] and [B, H, W, C], H' >= H and W' >= W, found "
                                     "[1, 1, 3, 1] and [1, 1, 5, 1]");
}

/* ---- batch norm, pooling ---- */

typedef struct pool_args {
    tensor x;
    batch_norm norm;
    activation act;
    pool_kind kind;
    int size, stride, pad;
} pool_args;

static void run_batch_norm(compute *c, operand *out, const void *args) {
    const pool_args *a = args;
    batch_norm w = {weight_packed(c, a->norm.gamma), weight_packed(c, a->norm.beta), weight_packed(c, a->norm.mean),
                    weight_packed(c, a->norm.var)};
    op_batch_norm(c, out->t, a->x, &w, 1e-3f, a->act);
    weight_free(c, &w.gamma);
    weight_free(c, &w.beta);
    weight_free(c, &w.mean);
    weight_free(c, &w.var);
}

static void batch_norm_is_near(void **state) {
    (void)state;
    static const int64_t widths[] = {1, 3, 16, 37, 128};
    for (int i = 0; i < 10; i++) {
        int64_t channels = widths[i % 5], vector[] = {channels};
        operand x = operand_random(4, (int64_t[]){2, 5, 3, channels}, i % 2 ? 3 : 0, 1);
        operand out = operand_make(4, x.t.dim, i % 2 ? 3 : 0);
        pool_args a = {.x = x.t, .act = i % 3 ? ACT_RELU : ACT_NONE};
        weight *w[] = {&a.norm.gamma, &a.norm.beta, &a.norm.mean, &a.norm.var};
        for (uint64_t k = 0; k < 4; k++) *w[k] = weight_random(WEIGHT_VECTOR, TENSOR_F32, 1, vector, 2 + k);
        float *var = a.norm.var.source.data;
        for (int64_t k = 0; k < channels; k++) var[k] = fabsf(var[k]) + 0.5f;
        check(&out, run_batch_norm, &a, 1e-6, "batch_norm");
        for (int k = 0; k < 4; k++) free(w[k]->source.data);
        operand_free(&x);
        operand_free(&out);
    }
    report("batch_norm");
}

static void run_pool(compute *c, operand *out, const void *args) {
    const pool_args *a = args;
    op_pool2d(c, out->t, a->x, a->kind, a->size, a->stride, a->pad);
}

static void pool_is_near(void **state) {
    (void)state;
    /* image, windows, size, stride, pad; the last ones reach over the edge (ceil_mode) */
    static const int cases[][6] = {{7, 5, 3, 2, 3, 2}, {8, 9, 8, 9, 3, 1}, {8, 8, 4, 4, 2, 2}, {1, 1, 1, 1, 3, 1},
                                   {6, 7, 3, 3, 3, 2}, {7, 8, 1, 1, 8, 1}, {5, 6, 3, 3, 3, 2}, {4, 4, 2, 2, 3, 2}};
    for (int i = 0; i < 16; i++) {
        const int *s = cases[i % 8];
        int gap = i % 3 ? 0 : 5;
        operand x = operand_random(4, (int64_t[]){2, s[0], s[1], 19}, gap, 1);
        operand out = operand_make(4, (int64_t[]){2, s[2], s[3], 19}, gap);
        pool_args a = {.x = x.t, .kind = i < 8 ? POOL_MAX : POOL_MEAN, .size = s[4], .stride = s[5]};
        a.pad = a.stride == 1 && a.size == 3;
        check(&out, run_pool, &a, i < 8 ? 0 : 1e-6, "pool2d");
        operand_free(&x);
        operand_free(&out);
    }
}

/* Windows by hand: what lies outside counts for nothing. */
static void pools_are_right(void **state) {
    (void)state;
    compute *c = reference;
    float x[] = {-1, -2, -3, -4, -5, -6, -7, -8, -9}, out[4];
    tensor picture = tensor_4d(x, TENSOR_F32, 1, 3, 3, 1), pooled = tensor_4d(out, TENSOR_F32, 1, 2, 2, 1);
    op_pool2d(c, pooled, picture, POOL_MAX, 2, 2, 0);
    assert_true(out[0] == -1 && out[1] == -3 && out[2] == -7 && out[3] == -9);
    op_pool2d(c, pooled, picture, POOL_MEAN, 2, 2, 1);
    assert_true(out[0] == -1 && out[1] == -2.5f && out[2] == -5.5f && out[3] == -7);
    context_must_be_ok(c);
    op_pool2d(c, pooled, picture, POOL_MEAN, 2, 3, 0); /* the second window would be empty */
    ss_error err;
    assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL);
    assert_string_equal(err.message,
                        "pool2d: expected windows that each hold a pixel, found [1, 2, 2, 1] and [1, 3, 3, 1]");
}

/* The two orders of patch features, on numbers that name their place. */
static void patches_are_in_order(void **state) {
    (void)state;
    compute *c = cpu[0];
    float image[1 * 2 * 4 * 3], tokens[2 * 12], back[24];
    for (int i = 0; i < 24; i++) image[i] = (float)i; /* y 12 + x 3 + channel */
    op_patchify(c, tensor_3d(tokens, TENSOR_F32, 1, 2, 12), tensor_4d(image, TENSOR_F32, 1, 2, 4, 3), 2);
    static const float second[] = {6, 9, 18, 21, 7, 10, 19, 22, 8, 11, 20, 23}; /* (channel, row, column) of x = 2, 3 */
    assert_memory_equal(tokens + 12, second, sizeof second);
    static const float first_row[] = {0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17}; /* (row, column, channel) */
    for (int i = 0; i < 24; i++) tokens[i] = (float)i;
    op_unpatchify(c, tensor_4d(back, TENSOR_F32, 1, 2, 4, 3), tensor_3d(tokens, TENSOR_F32, 1, 2, 12), 2);
    assert_memory_equal(back, first_row, sizeof first_row);
    context_must_be_ok(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_is_near),       cmocka_unit_test(conv_is_near),
        cmocka_unit_test(element_ops_are_near), cmocka_unit_test(activations_are_accurate),
        cmocka_unit_test(token_norms_are_near), cmocka_unit_test(group_norm_is_near),
        cmocka_unit_test(moves_are_exact),      cmocka_unit_test(batch_norm_is_near),
        cmocka_unit_test(pool_is_near),         cmocka_unit_test(pools_are_right),
        cmocka_unit_test(patches_are_in_order), cmocka_unit_test(geglu_is_near),
        cmocka_unit_test(geglu_is_right),       cmocka_unit_test(upsampling_is_exact),
        cmocka_unit_test(upsampling_is_right),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
