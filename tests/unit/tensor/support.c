/* Helpers of the tests of tensor/. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/philox.h"

const float GUARD = -12345.678f;

static double worst;

static int64_t offset_of(tensor t, int64_t i) {
    int64_t offset = 0;
    for (int k = t.ndim - 1; k >= 0; k--) {
        offset += i % t.dim[k] * t.stride[k];
        i /= t.dim[k];
    }
    return offset;
}

operand operand_make(int ndim, const int64_t *dim, int gap) {
    int64_t outer[TENSOR_MAX_DIMS];
    memcpy(outer, dim, (size_t)ndim * sizeof *dim);
    outer[ndim - 1] += gap;
    if (gap && ndim > 1) outer[ndim - 2] += 1;
    tensor whole = tensor_nd(NULL, TENSOR_F32, ndim, outer);
    operand o = {.floats = (size_t)tensor_elements(whole) + 32};
    o.memory = malloc(o.floats * sizeof(float));
    assert_non_null(o.memory);
    for (size_t i = 0; i < o.floats; i++) o.memory[i] = GUARD;
    whole.data = o.memory + 16;
    o.t = tensor_columns(whole, gap / 2, dim[ndim - 1]);
    if (ndim > 1) o.t = tensor_slice(o.t, ndim - 2, 0, dim[ndim - 2]);
    return o;
}

operand operand_random(int ndim, const int64_t *dim, int gap, uint64_t stream) {
    operand o = operand_make(ndim, dim, gap);
    philox r;
    philox_init(&r, 7, &stream, 1);
    for (int64_t i = 0; i < tensor_elements(o.t); i++)
        ((float *)o.t.data)[offset_of(o.t, i)] = (float)philox_normal(&r);
    return o;
}

operand operand_copy(const operand *o) {
    operand copy = *o;
    copy.memory = malloc(o->floats * sizeof(float));
    assert_non_null(copy.memory);
    memcpy(copy.memory, o->memory, o->floats * sizeof(float));
    copy.t.data = copy.memory + ((float *)o->t.data - o->memory);
    return copy;
}

void operand_free(operand *o) { free(o->memory); }

static uint16_t to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

/* Toward zero; for values whose half is a normal number. */
static uint16_t to_f16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t exponent = (int32_t)(bits >> 23 & 255) - 112;
    if (exponent <= 0) return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits >> 16 & 0x8000) | (uint32_t)exponent << 10 | (bits >> 13 & 0x3FF));
}

weight weight_random(weight_kind kind, tensor_type type, int ndim, const int64_t *dim, uint64_t stream) {
    weight w = {.kind = kind, .source = tensor_nd(NULL, type, ndim, dim)};
    int64_t n = tensor_elements(w.source), inputs = n / dim[0];
    unsigned char *data = malloc((size_t)n * tensor_type_size(type) + 1);
    assert_non_null(data);
    philox r;
    philox_init(&r, 8, &stream, 1);
    for (int64_t i = 0; i < n; i++) {
        float x = (float)(philox_normal(&r) / sqrt((double)inputs));
        uint16_t h = type == TENSOR_F16 ? to_f16(x) : to_bf16(x);
        if (type == TENSOR_F32) memcpy(data + 4 * i, &x, 4);
        else memcpy(data + 2 * i, &h, 2);
    }
    w.source.data = data;
    return w;
}

weight weight_packed(compute *c, weight w) {
    weight_pack(c, &w);
    context_must_be_ok(c);
    return w;
}

weight weight_odd(weight_kind kind, tensor_type type, int ndim, const int64_t *dim) {
    weight w = weight_random(kind, type, ndim, dim, 2);
    char *data = w.source.data;
    memmove(data + 1, data, (size_t)tensor_elements(w.source) * tensor_type_size(type));
    w.source.data = data + 1;
    return w;
}

void weight_odd_free(weight *w) { free((char *)w->source.data - 1); }

void every_linear(void (*one)(tensor_type type, int64_t rows, int64_t inputs, int64_t outputs)) {
    static const int64_t rows[] = {1, 5, 6, 13, 200}, inputs[] = {1, 2, 65, 520, 1100, 1131},
                         outputs[] = {1, 33, 64, 130};
    static const tensor_type types[] = {TENSOR_F32, TENSOR_F16, TENSOR_BF16};
    for (int t = 0; t < 3; t++)
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
            for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
                for (size_t o = 0; o < sizeof outputs / sizeof outputs[0]; o++)
                    one(types[t], rows[r], inputs[i], outputs[o]);
}

void conv_dims_out(const conv_dims *s, int64_t dim[4]) {
    dim[0] = s->batch;
    dim[1] = (s->height + s->pad[0] + s->pad[2] - s->kernel_height) / s->stride + 1;
    dim[2] = (s->width + s->pad[1] + s->pad[3] - s->kernel_width) / s->stride + 1;
    dim[3] = s->outputs;
}

compute *context_make(const char *name, int threads) {
    compute *c = NULL;
    ss_error err = {0};
    if (compute_create(&c, name, threads, (size_t)64 << 20, &err) != SS_OK) fail_msg("%s", err.message);
    return c;
}

int context_isas(const cpu_isa *isas[CPU_ISA_MAX]) {
    const cpu_isa *here[CPU_ISA_MAX];
    int n = cpu_isa_list(here);
    for (int i = 0; i < n; i++) isas[i] = here[n - 1 - i]; /* the best first */
    return n;
}

void context_must_be_ok(compute *c) {
    ss_error err = {0};
    if (compute_status(c, &err) != SS_OK) fail_msg("%s", err.message);
}

double nearness_seen(void) {
    double seen = worst;
    worst = 0;
    return seen;
}

static int is_inside(const operand *o, size_t at) {
    int64_t rest = (int64_t)at - ((float *)o->t.data - o->memory);
    if (rest < 0) return 0;
    for (int k = 0; k < o->t.ndim; k++) {
        int64_t i = rest / o->t.stride[k];
        if (i >= o->t.dim[k]) return 0;
        rest -= i * o->t.stride[k];
    }
    return rest == 0;
}

void must_be_near(const operand *reference, const operand *other, double tolerance, const char *what) {
    assert_int_equal(reference->floats, other->floats);
    double squares = 0, difference = 0;
    int64_t n = tensor_elements(reference->t);
    for (int64_t i = 0; i < n; i++) {
        double a = (double)((float *)reference->t.data)[offset_of(reference->t, i)];
        double b = (double)((float *)other->t.data)[offset_of(other->t, i)];
        squares += a * a;
        if (!(fabs(a - b) <= difference)) difference = fabs(a - b); /* a NaN stays */
    }
    double rms = sqrt(squares / (double)(n ? n : 1));
    if (!(difference <= tolerance * rms)) fail_msg("%s: |difference| %g, rms %g", what, difference, rms);
    if (rms > 0 && difference / rms > worst) worst = difference / rms;
    for (size_t i = 0; i < reference->floats; i++)
        if (memcmp(&reference->memory[i], &other->memory[i], sizeof(float)) != 0 && !is_inside(reference, i))
            fail_msg("%s: wrote at %zu, outside of the tensor", what, i);
}

void must_be_equal(const operand *a, const operand *b, const char *what) {
    assert_int_equal(a->floats, b->floats);
    if (memcmp(a->memory, b->memory, a->floats * sizeof(float)) != 0) fail_msg("%s: bits differ", what);
}
