/* Products in bfloat16: on every instruction set, by any number of threads, the bits of their definition, which is the
 * instruction VDPBF16PS, or TDPBF16PS where products go by tiles. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/half.h"
#include "tensor/rows.h"

/* n floats to the nearest bfloat16. */
static void round_all(float *out, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        uint16_t half;
        half_round(&half, x + i, TENSOR_BF16, 1);
        out[i] = half_from_bf16(half);
    }
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* sum + the products of pairs [first, end) of n numbers: the second of every pair first. */
static float add_by_pairs(float sum, const float *x, const float *w, int64_t n, int64_t first, int64_t end) {
    for (int64_t i = first; i < end; i++) {
        if (2 * i + 1 < n) sum += x[2 * i + 1] * w[2 * i + 1];
        sum += x[2 * i] * w[2 * i];
    }
    return sum;
}

/* The same by sixteen pairs: those of the first and of the second numbers of all pairs apart. */
static float add_by_tiles(float sum, const float *x, const float *w, int64_t n, int64_t first, int64_t end) {
    for (; first < end; first += 16) {
        float even = 0, odd = 0;
        for (int64_t i = first; i < least(first + 16, end); i++) {
            even += x[2 * i] * w[2 * i];
            if (2 * i + 1 < n) odd += x[2 * i + 1] * w[2 * i + 1];
        }
        sum += even + odd;
    }
    return sum;
}

/* out + sum x w over [taps][inputs]. By tiles one chain over all taps; by pairs in blocks of about 512 of them, of a tap
 * or of several taps. */
static float product_sum(const float *x, const float *w, int64_t taps, int64_t inputs, float out, int by_tiles) {
    float whole = 0;
    for (int64_t t = 0; t < taps && by_tiles; t++)
        whole = add_by_tiles(whole, x + t * inputs, w + t * inputs, inputs, 0, (inputs + 1) / 2);
    if (by_tiles) return out + whole;
    int64_t pairs = (inputs + 1) / 2, parts = (pairs + 511) / 512, blocks = (taps * pairs + 511) / 512;
    int64_t length = ((pairs + parts - 1) / parts + 15) / 16 * 16, step = parts > 1 ? 1 : (taps + blocks - 1) / blocks;
    for (int64_t tap = 0; tap < taps; tap += step)
        for (int64_t first = 0; first < pairs; first += length) {
            float sum = 0;
            for (int64_t t = tap; t < least(tap + step, taps); t++)
                sum = add_by_pairs(sum, x + t * inputs, w + t * inputs, inputs, first, least(first + length, pairs));
            out += sum;
        }
    return out;
}

/* A layer's weights as they are multiplied: [outputs][taps][inputs], rounded. Free them. */
static float *rounded_weights(const weight *w) {
    int64_t outputs = w->source.dim[0], inputs = w->source.dim[1],
            taps = w->kind == WEIGHT_CONV ? w->source.dim[2] * w->source.dim[3] : 1, n = outputs * inputs * taps;
    float *stored = malloc(sizeof *stored * (size_t)n), *out = malloc(sizeof *out * (size_t)n);
    assert_true(stored && out);
    half_convert(stored, w->source.data, w->source.type, n);
    for (int64_t o = 0; o < outputs; o++)
        for (int64_t i = 0; i < inputs; i++)
            for (int64_t t = 0; t < taps; t++)
                round_all(&out[(o * taps + t) * inputs + i], &stored[(o * inputs + i) * taps + t], 1);
    free(stored);
    return out;
}

/* Every instruction set and 1, 2 and 4 threads against want[by tiles]. */
static void must_be_defined(const weight *source, const weight *bias, tensor x, operand want[2], int stride,
                            const int pad[4]) {
    static const int threads[] = {1, 2, 4};
    const cpu_isa *isas[CPU_ISA_MAX];
    int n_isas = context_isas(isas);
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        compute *c = context_make("cpu", threads[t]);
        for (int k = 0; k < n_isas; k++) {
            c->state = (void *)(uintptr_t)isas[k];
            weight w = weight_packed(c, *source), b = weight_packed(c, *bias);
            operand out = operand_make(want->t.ndim, want->t.dim, 3);
            if (source->kind == WEIGHT_CONV) op_conv2d(c, out.t, x, &w, &b, stride, pad, ACT_NONE);
            else op_linear(c, out.t, x, &w, &b, ACT_NONE);
            context_must_be_ok(c);
            assert_int_equal(arena_used(c->scratch), 0);
            must_be_equal(&want[isas[k]->tiles != NULL], &out, isas[k]->about.name);
            weight_free(c, &w);
            weight_free(c, &b);
            operand_free(&out);
        }
        compute_destroy(c);
    }
}

static void linear_case(tensor_type type, int64_t rows, int64_t inputs, int64_t outputs) {
    weight source = weight_odd(WEIGHT_LINEAR, type, 2, (int64_t[]){outputs, inputs});
    weight bias = weight_random(WEIGHT_VECTOR, TENSOR_F32, 1, &outputs, 3);
    source.form = FORM_BF16;
    operand x = operand_random(2, (int64_t[]){rows, inputs}, 5, 1), want[2];
    float *w = rounded_weights(&source), *row = malloc(sizeof *row * (size_t)inputs);
    assert_non_null(row);
    for (int by_tiles = 0; by_tiles < 2; by_tiles++) {
        want[by_tiles] = operand_make(2, (int64_t[]){rows, outputs}, 3);
        for (int64_t r = 0; r < rows; r++) {
            round_all(row, rows_at(x.t, r), inputs);
            for (int64_t o = 0; o < outputs; o++)
                rows_at(want[by_tiles].t, r)[o] =
                    product_sum(row, w + o * inputs, 1, inputs, ((const float *)bias.source.data)[o], by_tiles);
        }
    }
    must_be_defined(&source, &bias, x.t, want, 1, NULL);
    free(w);
    free(row);
    weight_odd_free(&source);
    free(bias.source.data);
    operand_free(&x);
    operand_free(&want[0]);
    operand_free(&want[1]);
}

static void linear_is_its_definition(void **state) {
    (void)state;
    every_linear(linear_case);
}

/* The window of output pixel (b, y, x), rounded, zeros outside: [taps][inputs]. */
static void window_at(float *out, const conv_dims *s, tensor image, int64_t b, int64_t y, int64_t x) {
    for (int64_t ky = 0; ky < s->kernel_height; ky++)
        for (int64_t kx = 0; kx < s->kernel_width; kx++, out += s->inputs) {
            int64_t row = y * s->stride - s->pad[0] + ky, column = x * s->stride - s->pad[1] + kx;
            if (row < 0 || row >= s->height || column < 0 || column >= s->width)
                memset(out, 0, sizeof *out * (size_t)s->inputs);
            else round_all(out, rows_at(image, (b * s->height + row) * s->width + column), s->inputs);
        }
}

static void conv_case(const conv_dims *s) {
    int64_t taps = s->kernel_height * s->kernel_width;
    int64_t dim[4];
    conv_dims_out(s, dim);
    operand x = operand_random(4, (int64_t[]){s->batch, s->height, s->width, s->inputs}, s->gap, 1);
    operand want[2] = {operand_make(4, dim, 3), operand_make(4, dim, 3)};
    weight source = weight_random(WEIGHT_CONV, TENSOR_F32, 4,
                                  (int64_t[]){s->outputs, s->inputs, s->kernel_height, s->kernel_width}, 2);
    weight bias = weight_random(WEIGHT_VECTOR, TENSOR_F32, 1, &s->outputs, 3);
    source.form = FORM_BF16;
    float *w = rounded_weights(&source), *window = malloc(sizeof *window * (size_t)(taps * s->inputs));
    assert_non_null(window);
    for (int64_t r = 0; r < rows_count(want[0].t); r++) {
        window_at(window, s, x.t, r / (dim[1] * dim[2]), r / dim[2] % dim[1], r % dim[2]);
        for (int64_t o = 0; o < s->outputs; o++)
            for (int by_tiles = 0; by_tiles < 2; by_tiles++)
                rows_at(want[by_tiles].t, r)[o] = product_sum(window, w + o * taps * s->inputs, taps, s->inputs,
                                                              ((const float *)bias.source.data)[o], by_tiles);
    }
    must_be_defined(&source, &bias, x.t, want, s->stride, s->pad);
    free(w);
    free(window);
    free(source.source.data);
    free(bias.source.data);
    operand_free(&x);
    operand_free(&want[0]);
    operand_free(&want[1]);
}

/* Windows read by rows and by taps, whole and half pairs, taps that end within a tile's sixteen pairs and with them,
 * sums of several taps a block and of several blocks a tap, rows in one stride and across the edges of a picture. */
static void conv_is_its_definition(void **state) {
    (void)state;
    static const conv_dims shapes[] = {
        {1, 1, 1, 1, 1, 1, 1, 0, 1, {0, 0, 0, 0}},     {2, 9, 31, 3, 70, 3, 3, 0, 1, {1, 1, 1, 1}},
        {2, 5, 29, 1, 65, 3, 5, 0, 2, {0, 3, 1, 0}},   {1, 6, 5, 1230, 66, 3, 3, 0, 1, {1, 1, 1, 1}},
        {1, 8, 9, 70, 3, 3, 3, 2, 1, {1, 1, 1, 1}},    {1, 4, 64, 43, 128, 3, 3, 0, 1, {1, 1, 1, 1}},
        {1, 5, 70, 32, 40, 3, 3, 0, 1, {1, 1, 1, 1}},  {1, 3, 50, 64, 65, 1, 3, 0, 1, {0, 1, 0, 1}},
        {2, 7, 40, 128, 33, 3, 3, 0, 2, {0, 0, 1, 1}}, {1, 3, 100, 43, 20, 3, 3, 0, 1, {1, 1, 1, 1}},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) conv_case(&shapes[i]);
}

/* Products of one input share its pairs; those of others, and of other forms, do not. Numbers that only float32 and
 * bfloat16 tell apart: infinities, NaNs, ties, what rounds to infinity. */
static void several_at_once(void **state) {
    (void)state;
    enum { N = 5, ROWS = 40, INPUTS = 77, OUTPUTS = 70 };
    operand x[2] = {operand_random(2, (int64_t[]){ROWS, INPUTS}, 0, 1),
                    operand_random(2, (int64_t[]){ROWS, INPUTS}, 3, 2)};
    static const float odd[] = {INFINITY, -INFINITY, NAN, 0x1.01p0f, 0x1.03p0f, 0x1.fffffep127f, 0, -0.0f};
    memcpy(x[0].t.data, odd, sizeof odd);
    compute *c = context_make("cpu", 2);
    weight source[N], w[N];
    operand want[N], got[N];
    linear_call call[N];
    for (int i = 0; i < N; i++) {
        source[i] = weight_random(WEIGHT_LINEAR, TENSOR_F32, 2, (int64_t[]){OUTPUTS, INPUTS}, (uint64_t)i + 2);
        source[i].form = i == 2 ? FORM_STORED : FORM_BF16;
        want[i] = operand_make(2, (int64_t[]){ROWS, OUTPUTS}, 0);
        got[i] = operand_make(2, want[i].t.dim, 0);
        w[i] = weight_packed(c, source[i]);
        call[i] = (linear_call){.out = got[i].t, .x = x[i == 3].t, .w = &w[i], .act = ACT_SILU};
        op_linear(c, want[i].t, call[i].x, &w[i], NULL, ACT_SILU);
    }
    op_linears(c, call, N);
    context_must_be_ok(c);
    for (int i = 0; i < N; i++) {
        must_be_equal(&want[i], &got[i], "several in bfloat16");
        assert_true(isnan(((const float *)got[i].t.data)[0]) == (i != 3)); /* infinities less infinities, and a NaN */
        weight_free(c, &w[i]);
        free(source[i].source.data);
        operand_free(&want[i]);
        operand_free(&got[i]);
    }
    operand_free(&x[0]);
    operand_free(&x[1]);
    compute_destroy(c);
}

/* A tensor in bfloat16 over the operand's own numbers, rounded. Free its data. */
static tensor rounded_copy(const operand *x) {
    tensor out = tensor_nd(malloc((size_t)tensor_elements(x->t) * 2), TENSOR_BF16, x->t.ndim, x->t.dim);
    assert_non_null(out.data);
    for (int64_t r = 0; r < rows_count(x->t); r++)
        half_round((uint16_t *)out.data + r * rows_length(x->t), rows_at(x->t, r), TENSOR_BF16, rows_length(x->t));
    return out;
}

static void must_be_rounded(tensor got, const operand *want) {
    tensor rounded = rounded_copy(want);
    assert_memory_equal(got.data, rounded.data, (size_t)tensor_elements(got) * 2);
    free(rounded.data);
}

/* A norm, a layer and a second layer whose tensors are kept in bfloat16 between them: the bits of float32 ones. */
static void kept_in_bfloat16(void **state) {
    (void)state;
    enum { ROWS = 203, INPUTS = 70, INNER = 130, OUTPUTS = 66 };
    compute *c = context_make("cpu", 2);
    const cpu_isa *isas[CPU_ISA_MAX];
    int n_isas = context_isas(isas), with_tiles = 0;
    operand x = operand_random(3, (int64_t[]){1, ROWS, INPUTS}, 0, 1);
    operand scale = operand_random(2, (int64_t[]){1, INPUTS}, 0, 2), shift = operand_random(2, scale.t.dim, 0, 3);
    weight up = weight_random(WEIGHT_LINEAR, TENSOR_F32, 2, (int64_t[]){INNER, INPUTS}, 4);
    weight down = weight_random(WEIGHT_LINEAR, TENSOR_F32, 2, (int64_t[]){OUTPUTS, INNER}, 5);
    up.form = down.form = FORM_BF16;
    assert_int_equal(compute_input_type(c, &(weight){.kind = WEIGHT_LINEAR, .source = up.source}), TENSOR_F32);
    for (int k = 0; k < n_isas; k++) {
        c->state = (void *)(uintptr_t)isas[k];
        weight odd = {.kind = WEIGHT_LINEAR, .form = FORM_BF16, .source = tensor_2d(NULL, TENSOR_F32, 4, 33)};
        assert_int_equal(compute_input_type(c, &odd), TENSOR_F32);
        if (compute_input_type(c, &up) != TENSOR_BF16) continue;
        with_tiles++;
        weight w_up = weight_packed(c, up), w_down = weight_packed(c, down);
        operand normed = operand_make(3, x.t.dim, 0), inner = operand_make(3, (int64_t[]){1, ROWS, INNER}, 0);
        operand want = operand_make(3, (int64_t[]){1, ROWS, OUTPUTS}, 0), got = operand_make(3, want.t.dim, 0);
        tensor r_normed = compute_tensor_of(c, TENSOR_BF16, 3, x.t.dim);
        tensor r_inner = compute_tensor_of(c, TENSOR_BF16, 3, inner.t.dim);
        op_layer_norm(c, normed.t, x.t, NULL, NULL, 1e-5f);
        op_layer_norm(c, r_normed, x.t, NULL, NULL, 1e-5f);
        must_be_rounded(r_normed, &normed);
        op_rms_norm(c, normed.t, x.t, NULL, 1e-5f);
        op_rms_norm(c, r_normed, x.t, NULL, 1e-5f);
        must_be_rounded(r_normed, &normed);
        op_norm_modulate(c, normed.t, x.t, scale.t, shift.t, 1e-5f);
        op_norm_modulate(c, r_normed, x.t, scale.t, shift.t, 1e-5f);
        must_be_rounded(r_normed, &normed);
        op_linear(c, inner.t, normed.t, &w_up, NULL, ACT_GELU_TANH);
        op_linear(c, r_inner, r_normed, &w_up, NULL, ACT_GELU_TANH);
        must_be_rounded(r_inner, &inner);
        op_linear(c, want.t, inner.t, &w_down, NULL, ACT_NONE);
        op_linear(c, got.t, r_inner, &w_down, NULL, ACT_NONE);
        context_must_be_ok(c);
        must_be_equal(&want, &got, isas[k]->about.name);
        op_linear(c, got.t, r_inner, &(weight){.kind = WEIGHT_LINEAR, .source = down.source}, NULL, ACT_NONE);
        ss_error err;
        assert_int_equal(compute_status(c, &err), SS_ERR_INTERNAL); /* a product in float32 reads no bfloat16 */
        arena_release(c->scratch, 0);
        weight_free(c, &w_up);
        weight_free(c, &w_down);
        operand_free(&normed);
        operand_free(&inner);
        operand_free(&want);
        operand_free(&got);
    }
    const tap_sink nobody = {0};
    c->tap = &nobody;
    assert_int_equal(compute_input_type(c, &up), TENSOR_F32); /* who listens gets what was computed */
    if (!with_tiles) print_message("no instruction set here multiplies by tiles\n");
    operand_free(&x);
    operand_free(&scale);
    operand_free(&shift);
    free(up.source.data);
    free(down.source.data);
    compute_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_is_its_definition),
        cmocka_unit_test(conv_is_its_definition),
        cmocka_unit_test(several_at_once),
        cmocka_unit_test(kept_in_bfloat16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
