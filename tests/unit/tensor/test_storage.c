/* Weights of a 16-bit checkpoint kept in 16 bits: every result has the bits that float32 storage gives, on every
 * instruction set and number of threads, for any number of rows; the memory is half, and what is said of it is true.
 * Weights kept in 8 bits: the bits of their rounded values. And rounding to 16 bits. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/half.h"
#include "tensor/rows.h"

static const int THREADS[] = {1, 2, 4};
static const tensor_type TYPES[] = {TENSOR_F16, TENSOR_BF16};

static const char *type_name(tensor_type type) { return type == TENSOR_F16 ? "F16" : "BF16"; }

static weight pack_as(compute *c, weight w, weight_storage storage) {
    c->storage = storage;
    return weight_packed(c, w);
}

/* ---- the same bits ---- */

typedef struct product_case {
    weight w, bias;
    tensor x;
    int stride, pad[4];
    const char *what;
} product_case;

static void product(compute *c, tensor out, const product_case *p, const weight *w, const weight *bias) {
    if (w->kind == WEIGHT_CONV) op_conv2d(c, out, p->x, w, bias, p->stride, p->pad, ACT_SILU);
    else op_linear(c, out, p->x, w, bias, ACT_GELU_TANH);
}

/* Both storages on every instruction set and number of threads. */
static void must_be_same(const product_case *p, int ndim, const int64_t *out_dim) {
    const cpu_isa *isas[CPU_ISA_MAX];
    int n_isas = context_isas(isas);
    for (int t = 0; t < 3; t++) {
        compute *c = context_make("cpu", THREADS[t]);
        for (int k = 0; k < n_isas; k++) {
            c->state = (void *)(uintptr_t)isas[k];
            operand out[2];
            for (int s = 0; s < 2; s++) {
                weight w = pack_as(c, p->w, s ? STORAGE_FILE : STORAGE_FLOAT32), bias = weight_packed(c, p->bias);
                out[s] = operand_make(ndim, out_dim, 3);
                product(c, out[s].t, p, &w, &bias);
                context_must_be_ok(c);
                assert_int_equal(arena_used(c->scratch), 0);
                weight_free(c, &w);
                weight_free(c, &bias);
            }
            char what[160];
            snprintf(what, sizeof what, "%s, %s, %s, %d threads", p->what, type_name(p->w.source.type),
                     isas[k]->about.name, THREADS[t]);
            must_be_equal(&out[0], &out[1], what);
            operand_free(&out[0]);
            operand_free(&out[1]);
        }
        compute_destroy(c);
    }
}

static void linear_case(tensor_type type, int64_t rows, int64_t inputs, int64_t outputs) {
    char what[64];
    snprintf(what, sizeof what, "linear %d x %d x %d", (int)rows, (int)inputs, (int)outputs);
    operand x = operand_random(2, (int64_t[]){rows, inputs}, 5, 1);
    product_case p = {.x = x.t, .what = what};
    p.w = weight_odd(WEIGHT_LINEAR, type, 2, (int64_t[]){outputs, inputs});
    p.bias = weight_odd(WEIGHT_VECTOR, type, 1, &outputs);
    must_be_same(&p, 2, (int64_t[]){rows, outputs});
    weight_odd_free(&p.w);
    weight_odd_free(&p.bias);
    operand_free(&x);
}

static void linear_is_the_same(void **state) {
    (void)state;
    static const int64_t rows[] = {1, 2, 5, 6, 7, 12, 50, 391}, inputs[] = {1, 3, 65, 384, 520, 1100},
                         outputs[] = {1, 16, 33, 64, 65, 130};
    for (int t = 0; t < 2; t++)
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
            for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
                for (size_t o = 0; o < sizeof outputs / sizeof outputs[0]; o++)
                    linear_case(TYPES[t], rows[r], inputs[i], outputs[o]);
}

static void conv_case(tensor_type type, const conv_dims *s) {
    char what[96];
    snprintf(what, sizeof what, "convolution %d x %d of [%d, %d, %d, %d] to %d", (int)s->kernel_height,
             (int)s->kernel_width, (int)s->batch, (int)s->height, (int)s->width, (int)s->inputs, (int)s->outputs);
    operand x = operand_random(4, (int64_t[]){s->batch, s->height, s->width, s->inputs}, s->gap, 1);
    product_case p = {.x = x.t, .what = what, .stride = s->stride};
    memcpy(p.pad, s->pad, sizeof p.pad);
    p.w = weight_odd(WEIGHT_CONV, type, 4, (int64_t[]){s->outputs, s->inputs, s->kernel_height, s->kernel_width});
    p.bias = weight_odd(WEIGHT_VECTOR, TENSOR_F32, 1, &s->outputs);
    int64_t out_dim[4];
    conv_dims_out(s, out_dim);
    must_be_same(&p, 4, out_dim);
    weight_odd_free(&p.w);
    weight_odd_free(&p.bias);
    operand_free(&x);
}

/* Windows read by rows and by taps, sums of several taps a block and of several blocks a tap. */
static void conv_is_the_same(void **state) {
    (void)state;
    static const conv_dims shapes[] = {
        {1, 1, 1, 1, 1, 1, 1, 0, 1, {0, 0, 0, 0}},      {2, 9, 31, 3, 70, 3, 3, 0, 1, {1, 1, 1, 1}},
        {1, 23, 40, 3, 70, 11, 11, 0, 4, {2, 2, 2, 2}}, {2, 5, 29, 1, 65, 3, 5, 0, 2, {0, 3, 1, 0}},
        {1, 8, 9, 70, 3, 3, 3, 2, 1, {1, 1, 1, 1}},     {1, 6, 5, 600, 66, 3, 3, 0, 1, {1, 1, 1, 1}},
        {1, 4, 64, 43, 128, 3, 3, 0, 1, {1, 1, 1, 1}},  {1, 3, 3, 200, 20, 3, 3, 3, 1, {2, 0, 0, 2}},
        {3, 5, 5, 16, 16, 1, 1, 0, 1, {0, 0, 0, 0}},    {1, 33, 31, 64, 96, 3, 3, 0, 1, {1, 1, 1, 1}},
    };
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) conv_case(TYPES[t], &shapes[i]);
}

/* Products of all three types at once, as one by one by float32. */
static void several_at_once_are_the_same(void **state) {
    (void)state;
    enum { N = 6, ROWS = 40, INPUTS = 500 };
    operand x = operand_random(2, (int64_t[]){ROWS, INPUTS}, 0, 1);
    compute *c = context_make("cpu", 2);
    weight source[N], w[N];
    operand want[N], got[N];
    linear_call call[N];
    for (int i = 0; i < N; i++) {
        int64_t outputs = 50 + 30 * i;
        source[i] = weight_random(WEIGHT_LINEAR, (tensor_type)(i % 3), 2, (int64_t[]){outputs, INPUTS}, 2);
        want[i] = operand_make(2, (int64_t[]){ROWS, outputs}, 0);
        got[i] = operand_make(2, want[i].t.dim, 0);
        w[i] = pack_as(c, source[i], STORAGE_FLOAT32);
        op_linear(c, want[i].t, x.t, &w[i], NULL, ACT_SILU);
        weight_free(c, &w[i]);
        w[i] = pack_as(c, source[i], STORAGE_FILE);
        call[i] = (linear_call){.out = got[i].t, .x = x.t, .w = &w[i], .act = ACT_SILU};
    }
    op_linears(c, call, N);
    context_must_be_ok(c);
    for (int i = 0; i < N; i++) {
        must_be_equal(&want[i], &got[i], "several at once");
        weight_free(c, &w[i]);
        free(source[i].source.data);
        operand_free(&want[i]);
        operand_free(&got[i]);
    }
    operand_free(&x);
    compute_destroy(c);
}

/* Every pattern of 16 bits is a weight, zeros with a sign, subnormal numbers, infinities and NaNs among them: one row
 * (a tile that widens for itself) and 7 (a tile that widens for the next). */
static void every_pattern_is_the_same(void **state) {
    (void)state;
    enum { ALL = 1 << 16 };
    uint16_t *pattern = malloc(ALL * sizeof *pattern);
    assert_non_null(pattern);
    for (int i = 0; i < ALL; i++) pattern[i] = (uint16_t)i;
    const cpu_isa *isas[CPU_ISA_MAX];
    int n_isas = context_isas(isas);
    compute *c = context_make("cpu", 2);
    for (int k = 0; k < n_isas; k++)
        for (int t = 0; t < 2; t++)
            for (int64_t rows = 1; rows <= 7; rows += 6) {
                weight source = {.kind = WEIGHT_LINEAR, .source = tensor_2d(pattern, TYPES[t], ALL, 1)};
                operand x = operand_random(2, (int64_t[]){rows, 1}, 0, 1), out[2];
                c->state = (void *)(uintptr_t)isas[k];
                for (int s = 0; s < 2; s++) {
                    weight w = pack_as(c, source, s ? STORAGE_FILE : STORAGE_FLOAT32);
                    out[s] = operand_make(2, (int64_t[]){rows, ALL}, 0);
                    op_linear(c, out[s].t, x.t, &w, NULL, ACT_NONE);
                    context_must_be_ok(c);
                    weight_free(c, &w);
                }
                must_be_equal(&out[0], &out[1], isas[k]->about.name);
                operand_free(&x);
                operand_free(&out[0]);
                operand_free(&out[1]);
            }
    compute_destroy(c);
    free(pattern);
}

/* ---- 8 bits ---- */

/* The weight that 8 bits leave of `w`, in float32, no element off by more than half a step; free source.data. */
static weight rounded_weight(const weight *w) {
    int64_t outputs = w->source.dim[0], inputs = w->source.dim[1];
    float *value = malloc(sizeof *value * (size_t)(outputs * inputs));
    assert_non_null(value);
    half_convert(value, w->source.data, w->source.type, outputs * inputs);
    for (int64_t o = 0; o < outputs; o++) {
        float *row = value + o * inputs, most = 0;
        for (int64_t i = 0; i < inputs; i++) most = fmaxf(most, fabsf(row[i]));
        float scale = most / 127;
        for (int64_t i = 0; i < inputs && most > 0; i++) {
            float was = row[i];
            row[i] = (float)lrintf(was / most * 127) * scale;
            assert_true(fabsf(row[i] - was) <= 0.5001f * scale);
        }
    }
    return (weight){.kind = WEIGHT_LINEAR, .source = tensor_2d(value, TENSOR_F32, outputs, inputs)};
}

/* A linear layer in 8 bits has the bits of one in float32 whose weights are those that 8 bits leave. */
static void int8_case(tensor_type type, int64_t rows, int64_t inputs, int64_t outputs) {
    const cpu_isa *isas[CPU_ISA_MAX];
    int n_isas = context_isas(isas);
    weight source = weight_random(WEIGHT_LINEAR, type, 2, (int64_t[]){outputs, inputs}, 2);
    source.form = FORM_INT8;
    weight rounded = rounded_weight(&source), bias = weight_random(WEIGHT_VECTOR, type, 1, &outputs, 3);
    operand x = operand_random(2, (int64_t[]){rows, inputs}, 5, 1);
    for (int t = 0; t < 2; t++) {
        compute *c = context_make("cpu", THREADS[t]);
        for (int k = 0; k < n_isas; k++) {
            operand out[2];
            c->state = (void *)(uintptr_t)isas[k];
            for (int s = 0; s < 2; s++) {
                weight w = weight_packed(c, s ? source : rounded);
                weight b = weight_packed(c, bias);
                out[s] = operand_make(2, (int64_t[]){rows, outputs}, 3);
                op_linear(c, out[s].t, x.t, &w, &b, ACT_GELU_TANH);
                context_must_be_ok(c);
                weight_free(c, &w);
                weight_free(c, &b);
            }
            must_be_equal(&out[0], &out[1], isas[k]->about.name);
            operand_free(&out[0]);
            operand_free(&out[1]);
        }
        compute_destroy(c);
    }
    free(source.source.data);
    free(rounded.source.data);
    free(bias.source.data);
    operand_free(&x);
}

static void int8_is_its_rounded_weights(void **state) {
    (void)state;
    every_linear(int8_case);
}

/* A row of zeros stays zero; one with an infinity or a NaN gives NaN, as it may in float32, and harms no other. */
static void int8_of_odd_rows(void **state) {
    (void)state;
    float value[4][3] = {{0, 0, 0}, {1, INFINITY, 2}, {1, NAN, 2}, {-2, 1, 0.5f}};
    weight source = {.kind = WEIGHT_LINEAR, .source = tensor_2d(value, TENSOR_F32, 4, 3), .form = FORM_INT8};
    compute *c = context_make("cpu", 1);
    weight w = weight_packed(c, source);
    tensor x = compute_2d(c, 1, 3), y = compute_2d(c, 1, 4);
    op_fill(c, x, 1);
    op_linear(c, y, x, &w, NULL, ACT_NONE);
    context_must_be_ok(c);
    const float *out = y.data;
    assert_true(out[0] == 0 && isnan(out[1]) && isnan(out[2]) && fabsf(out[3] + 0.5f) < 0.02f);
    weight_free(c, &w);
    compute_destroy(c);
}

/* ---- what is said of memory ---- */

static void memory_is_half(void **state) {
    (void)state;
    static const char *const names[] = {"cpu", "dry"};
    for (int b = 0; b < 2; b++)
        for (int t = 0; t < 2; t++) {
            compute *c = context_make(names[b], 1);
            weight linear = weight_random(WEIGHT_LINEAR, TYPES[t], 2, (int64_t[]){65, 30}, 1);
            weight conv = weight_random(WEIGHT_CONV, TYPES[t], 4, (int64_t[]){3, 30, 3, 3}, 1);
            weight vector = weight_random(WEIGHT_VECTOR, TYPES[t], 1, (int64_t[]){65}, 1);
            weight single = weight_random(WEIGHT_LINEAR, TENSOR_F32, 2, (int64_t[]){65, 30}, 1);
            assert_int_equal(weight_packed_bytes(c, &linear), 128 * 30 * 2); /* whole panels of 64 outputs */
            assert_int_equal(weight_packed_bytes(c, &conv), 64 * 30 * 9 * 2);
            assert_int_equal(weight_packed_bytes(c, &vector), 128 * 4);
            assert_int_equal(weight_packed_bytes(c, &single), 128 * 30 * 4);
            c->storage = STORAGE_FLOAT32;
            assert_int_equal(weight_packed_bytes(c, &linear), 128 * 30 * 4);
            assert_int_equal(weight_packed_bytes(c, &conv), 64 * 30 * 9 * 4);
            linear.form = conv.form = vector.form = FORM_BF16; /* whatever the file's type */
            single.form = FORM_BF16;
            size_t inputs = cpu_isa_of(c)->tiles ? 32 : 30; /* of tiles whole sixteens of pairs */
            assert_int_equal(weight_packed_bytes(c, &linear), 128 * inputs * 2);
            assert_int_equal(weight_packed_bytes(c, &single), 128 * inputs * 2);
            assert_int_equal(weight_packed_bytes(c, &conv), 64 * inputs * 9 * 2);
            assert_int_equal(weight_packed_bytes(c, &vector), 128 * 4);
            linear.form = conv.form = vector.form = FORM_INT8; /* linear layers alone; each panel has 64 scales */
            c->storage = STORAGE_FILE;
            assert_int_equal(weight_packed_bytes(c, &linear), 128 * 30 + 2 * 64 * 4);
            assert_int_equal(weight_packed_bytes(c, &conv), 64 * 30 * 9 * 2);
            assert_int_equal(weight_packed_bytes(c, &vector), 128 * 4);
            free(linear.source.data);
            free(conv.source.data);
            free(vector.source.data);
            free(single.source.data);
            compute_destroy(c);
        }
}

/* What is packed is the file's 16 bits, not something that only counts as such. */
static void panels_are_the_files_bits(void **state) {
    (void)state;
    enum { OUTPUTS = 70, INPUTS = 90, WHOLE = 128 };
    compute *c = context_make("cpu", 1);
    for (int t = 0; t < 2; t++) {
        weight source = weight_random(WEIGHT_LINEAR, TYPES[t], 2, (int64_t[]){OUTPUTS, INPUTS}, 1);
        weight w = pack_as(c, source, STORAGE_FILE);
        const uint16_t *file = source.source.data, *packed = w.packed;
        for (int o = 0; o < WHOLE; o++)
            for (int i = 0; i < INPUTS; i++)
                assert_int_equal(packed[(o / 64 * INPUTS + i) * 64 + o % 64], o < OUTPUTS ? file[o * INPUTS + i] : 0);
        weight_free(c, &w);
        free(source.source.data);
    }
    compute_destroy(c);
}

static size_t scratch_of(const char *backend_name, weight_storage storage, const weight *linear, const weight *conv) {
    compute *c = context_make(backend_name, 3);
    weight a = pack_as(c, *linear, storage), b = pack_as(c, *conv, storage);
    tensor x = compute_2d(c, 40, linear->source.dim[1]), y = compute_2d(c, 40, linear->source.dim[0]);
    tensor image = compute_4d(c, 1, 4, 4, conv->source.dim[1]), made = compute_4d(c, 1, 4, 4, conv->source.dim[0]);
    op_fill(c, x, 0.5f);
    op_fill(c, image, 0.5f);
    size_t used = arena_used(c->scratch);
    arena_reset_peak(c->scratch);
    op_linear(c, y, x, &a, NULL, ACT_NONE);
    op_conv2d(c, made, image, &b, NULL, 1, (int[]){1, 1, 1, 1}, ACT_NONE);
    context_must_be_ok(c);
    size_t taken = arena_peak(c->scratch) - used;
    weight_free(c, &a);
    weight_free(c, &b);
    compute_destroy(c);
    return taken;
}

/* Scratch for widened panels is reserved whatever the storage, and the dry backend counts it. */
static void scratch_is_known(void **state) {
    (void)state;
    weight linear = weight_random(WEIGHT_LINEAR, TENSOR_F16, 2, (int64_t[]){65, 500}, 1);
    weight conv = weight_random(WEIGHT_CONV, TENSOR_BF16, 4, (int64_t[]){3, 200, 3, 3}, 1);
    size_t seen = scratch_of("cpu", STORAGE_FILE, &linear, &conv);
    assert_true(seen >= 3 * 400 * 64 * sizeof(float)); /* three threads, blocks of two taps of 200 inputs */
    assert_int_equal(scratch_of("cpu", STORAGE_FLOAT32, &linear, &conv), seen);
    assert_int_equal(scratch_of("dry", STORAGE_FILE, &linear, &conv), seen);
    linear.form = conv.form = FORM_BF16; /* and inputs in bfloat16 */
    size_t rounded = scratch_of("cpu", STORAGE_FILE, &linear, &conv);
    assert_true(rounded > seen);
    assert_int_equal(scratch_of("dry", STORAGE_FILE, &linear, &conv), rounded);
    free(linear.source.data);
    free(conv.source.data);
}

/* ---- rounding to 16 bits ---- */

static uint16_t rounded(uint32_t bits, tensor_type type) {
    uint16_t half;
    unsigned char place[3];
    float f;
    memcpy(&f, &bits, sizeof f);
    half_round(place + 1, &f, type, 1);
    memcpy(&half, place + 1, sizeof half);
    return half;
}

/* The float half way between two neighbours; behind the largest number there is the next power of two. */
static uint32_t between(uint32_t half, tensor_type type) {
    if (type == TENSOR_BF16) return half << 16 | 0x8000;
    float low = half_from_f16((uint16_t)half), high = half == 0x7BFF ? 65536.0f : half_from_f16((uint16_t)(half + 1));
    float middle = (low + high) / 2;
    uint32_t bits;
    memcpy(&bits, &middle, sizeof bits);
    return bits;
}

/* Every finite 16-bit number is itself; just below, at and just above the middle between two. */
static void rounding_is_to_the_nearest(void **state) {
    (void)state;
    for (int t = 0; t < 2; t++) {
        uint32_t infinity = TYPES[t] == TENSOR_F16 ? 0x7C00 : 0x7F80;
        for (uint32_t half = 0; half < infinity; half++)
            for (uint32_t sign = 0; sign < 2; sign++) {
                uint32_t middle = between(half, TYPES[t]) | sign << 31, with_sign = half | sign << 15, self;
                float f =
                    TYPES[t] == TENSOR_F16 ? half_from_f16((uint16_t)with_sign) : half_from_bf16((uint16_t)with_sign);
                memcpy(&self, &f, sizeof self);
                assert_int_equal(rounded(self, TYPES[t]), with_sign);
                assert_int_equal(rounded(middle - 1, TYPES[t]), with_sign);
                assert_int_equal(rounded(middle, TYPES[t]), with_sign + (half & 1));
                assert_int_equal(rounded(middle + 1, TYPES[t]), with_sign + 1);
            }
        assert_int_equal(rounded(0x7F800000, TYPES[t]), infinity);
        assert_int_equal(rounded(0xFF800000, TYPES[t]), infinity | 0x8000);
        assert_int_equal(rounded(0x7F7FFFFF, TYPES[t]), infinity);
        assert_true((rounded(0x7F800001, TYPES[t]) & 0x7FFF) > infinity); /* NaN */
        assert_true(rounded(0xFFC00000, TYPES[t]) > (infinity | 0x8000));
    }
    const float single = 0.1f;
    float copy = 0;
    half_round(&copy, &single, TENSOR_F32, 1);
    assert_true(copy == single);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_is_the_same),
        cmocka_unit_test(conv_is_the_same),
        cmocka_unit_test(several_at_once_are_the_same),
        cmocka_unit_test(every_pattern_is_the_same),
        cmocka_unit_test(int8_is_its_rounded_weights),
        cmocka_unit_test(int8_of_odd_rows),
        cmocka_unit_test(memory_is_half),
        cmocka_unit_test(panels_are_the_files_bits),
        cmocka_unit_test(scratch_is_known),
        cmocka_unit_test(rounding_is_to_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
