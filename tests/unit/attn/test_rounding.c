/* Attention in bfloat16 (METHOD.md, section 16): the kernels of AMX and of AVX-512 give the same bits; against the
 * reference, which is the definition in double; what must not move a bit; edits. Skipped where neither is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "../../properties/fixture.h"
#include "tensor/cpu.h"

static cpu_isa imitated; /* this machine's best, with attention in bfloat16 by AVX-512 */

static philox stream(int part) {
    philox r;
    uint64_t parts[1] = {(uint64_t)part};
    philox_init(&r, 16, parts, 1);
    return r;
}

static compute *context(const char *name, int threads) {
    compute *c = fix_compute(name, threads);
    if (!compute_attention_rounds(c, FORM_BF16)) {
        compute_destroy(c);
        skip();
    }
    return c;
}

static compute *imitation(int threads) {
    compute *c = context("cpu", threads);
    imitated = *cpu_isa_of(c);
    imitated.rounding = &attention_tiles_avx512;
    c->state = &imitated;
    return c;
}

static const shape SHAPES[] = {
    {1, 1, 1, 1, 1},    {1, 2, 3, 1, 2},      {2, 5, 7, 3, 5},      {1, 17, 33, 2, 16},
    {2, 64, 64, 2, 32}, {1, 77, 77, 2, 64},   {1, 100, 161, 1, 33}, {1, 33, 257, 1, 128},
    {1, 70, 31, 2, 40}, {1, 161, 200, 3, 80}, {1, 40, 600, 2, 64},  {1, 9, 450, 1, 160},
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof SHAPES[0] };

static fixture *make(int s, unsigned flags, double sink) {
    philox r = stream(s);
    fixture *f = fixture_make(&r, SHAPES[s], flags, sink);
    f->args.form = FORM_BF16;
    f->stats.row_begin = f->n.queries / 3;
    f->stats.r = 1 + s % 16;
    return f;
}

static void assert_same(const fixture *f, const fixture *g) {
    size_t pairs = (size_t)(f->n.batch * f->n.heads), rows = pairs * (size_t)f->n.queries;
    float *a = fix_out(f), *b = fix_out(g);
    assert_memory_equal(a, b, fix_out_count(f) * sizeof *a);
    assert_memory_equal(f->mass, g->mass, pairs * (size_t)f->n.keys * sizeof(double));
    assert_memory_equal(f->entropy, g->entropy, pairs * sizeof(double));
    assert_memory_equal(f->concentration, g->concentration, pairs * sizeof(double));
    assert_memory_equal(f->lse, g->lse, rows * sizeof(double));
    assert_memory_equal(f->row_max, g->row_max, rows * sizeof(float));
    free(a);
    free(b);
}

/* Outputs: where a weight lies between two numbers of bfloat16, the kernel's float and the reference's double may go to
 * different ones, which is 2^-8 of that weight; so nearly all elements are near, and the rest not far. */
static void assert_near(const fixture *f, const fixture *g) {
    size_t pairs = (size_t)(f->n.batch * f->n.heads), keys = (size_t)f->n.keys, rows = pairs * (size_t)f->n.queries;
    size_t n = fix_out_count(f), apart = 0;
    float *a = fix_out(f), *b = fix_out(g);
    double rms = 0;
    for (size_t i = 0; i < n; i++) rms += (double)b[i] * (double)b[i] / (double)n;
    for (size_t i = 0; i < n; i++) apart += fabs((double)a[i] - (double)b[i]) > 3e-5 * sqrt(rms);
    assert_true(fix_error(a, b, n) < 1.2e-2);
    assert_true(apart <= n / 20 + (size_t)f->n.width); /* a row has one such weight, or none */
    for (size_t i = 0; i < pairs * keys; i++) assert_true(fabs(f->mass[i] - g->mass[i]) <= 4e-6 * g->mass[i] + 1e-9);
    for (size_t i = 0; i < pairs; i++) {
        double sum = 0;
        for (size_t j = 0; j < keys; j++) sum += f->mass[i * keys + j];
        assert_true(fabs(sum - 1) < 1e-6);
        assert_true(fabs(f->entropy[i] - g->entropy[i]) < 5e-6);
        assert_true(fabs(f->concentration[i] - g->concentration[i]) < 2e-6);
    }
    for (size_t i = 0; i < rows; i++) {
        assert_true(fabs(f->lse[i] - g->lse[i]) < 5e-6 * (1 + fabs(g->lse[i])));
        assert_true(fabsf(f->row_max[i] - g->row_max[i]) < 3e-6f);
    }
    free(a);
    free(b);
}

static void kernels_are_the_definition(void **state) {
    (void)state;
    compute *cpu = context("cpu", 2), *reference = context("reference", 1), *other = imitation(1);
    for (int s = 0; s < SHAPE_COUNT; s++)
        for (unsigned flags = 0; flags < 8; flags++) {
            double sink = (s + (int)flags / 2) % 2 * 5;
            fixture *f = make(s, flags, sink), *g = make(s, flags, sink), *h = make(s, flags, sink);
            op_attention(cpu, &f->args, &f->stats);
            op_attention(reference, &g->args, &g->stats);
            op_attention(other, &h->args, &h->stats);
            assert_same(f, h);
            assert_near(f, g);
            fixture_free(f);
            fixture_free(g);
            fixture_free(h);
        }
    assert_int_equal(cpu->error.code, SS_OK);
    compute_destroy(cpu);
    compute_destroy(reference);
    compute_destroy(other);
}

/* Threads, what is asked for, and the rows and heads beside it. */
static void nothing_else_moves_a_bit(void **state) {
    (void)state;
    static const int threads[] = {1, 2, 4};
    enum { S = 9 };
    fixture *want = make(S, FIX_STRIDED, 2);
    compute *first = context("cpu", 1);
    op_attention(first, &want->args, &want->stats);
    for (int t = 0; t < 3; t++) {
        compute *c = context("cpu", threads[t]);
        fixture *f = make(S, FIX_STRIDED, 2);
        op_attention(c, &f->args, &f->stats);
        assert_same(want, f);
        float *all = fix_out(f);
        memset(f->memory[3], 0, sizeof(float));
        op_attention(c, &f->args, NULL);
        float *plain = fix_out(f);
        assert_memory_equal(all, plain, fix_out_count(f) * sizeof *all);
        attention_args part = f->args; /* rows 5 .. of head 1 alone */
        part.q = tensor_slice(tensor_slice(part.q, 1, 5, f->n.queries - 5), 2, 1, 1);
        part.k = tensor_slice(part.k, 2, 1, 1);
        part.v = tensor_slice(part.v, 2, 1, 1);
        part.out = tensor_slice(tensor_slice(part.out, 1, 5, f->n.queries - 5), 2, 1, 1);
        for (int i = 5; i < f->n.queries; i++)
            memset(fix_at(f->args.out, 0, i, 1), 0, sizeof(float) * (size_t)f->n.width);
        op_attention(c, &part, NULL);
        float *again = fix_out(f);
        assert_memory_equal(all, again, fix_out_count(f) * sizeof *all);
        free(all);
        free(plain);
        free(again);
        fixture_free(f);
        compute_destroy(c);
    }
    fixture_free(want);
    compute_destroy(first);
}

/* A row's reference follows scores that rise from key to key, and those that begin far below. */
static void references_rise(void **state) {
    (void)state;
    compute *cpu = context("cpu", 1), *reference = context("reference", 1);
    for (int fall = 0; fall < 2; fall++) {
        fixture *f = make(10, 0, 0), *g = make(10, 0, 0);
        for (int i = 0; i < f->n.keys; i++)
            for (int h = 0; h < 2; h++) {
                float step = 0.05f * (float)(fall ? f->n.keys - i : i) - 40;
                for (int x = 0; x < f->n.width; x++)
                    fix_at(f->args.k, 0, i, h)[x] = fix_at(g->args.k, 0, i, h)[x] =
                        x == 0 ? step : 0.01f * (float)(x % 7);
            }
        for (int i = 0; i < f->n.queries; i++)
            for (int h = 0; h < 2; h++)
                fix_at(f->args.q, 0, i, h)[0] = fix_at(g->args.q, 0, i, h)[0] = (float)(i % 5 * 4);
        op_attention(cpu, &f->args, &f->stats);
        op_attention(reference, &g->args, &g->stats);
        assert_near(f, g);
        fixture_free(f);
        fixture_free(g);
    }
    compute_destroy(cpu);
    compute_destroy(reference);
}

/* ---- edits ---- */

/* Sets with a given share of the weight: `n` keys drawn by all queries. */
static fixture *with_sinks(int n, double strength) {
    philox r = stream(77);
    fixture *f = fixture_make(&r, (shape){1, 96, 333, 2, 64}, 0, 0);
    f->args.form = FORM_BF16;
    for (int h = 0; h < 2; h++) {
        for (int i = 0; i < 96; i++) fix_at(f->args.q, 0, i, h)[0] += 6;
        for (int j = 0; j < n; j++) fix_at(f->args.k, 0, 7 * j, h)[0] += (float)(strength * 8);
    }
    return f;
}

static float *edited(compute *c, fixture *f, const sets *s, edit_step step, int direct, double *mass) {
    double before[2];
    op_attention(c, &f->args, &f->stats);
    attention_edit e = fix_edit(f, s);
    e.n_steps = 1;
    e.step[0] = step;
    e.lse = f->stats.lse;
    e.force_direct = direct;
    e.mass_before = fix_doubles(before, f->n.batch * f->n.heads);
    op_attention_edit(c, &f->args, &e);
    *mass = before[0];
    assert_int_equal(c->error.code, SS_OK);
    return fix_out(f);
}

/* Weights taken away are those that were put in, rounded: the table of one sink and of ten, up to 1 - p of 1e-6,
 * against the definition with the keys left out, and against the direct path. */
static void masks_are_exact_where_sets_are_heavy(void **state) {
    (void)state;
    static const struct {
        int n;
        double strength;
    } cases[] = {{1, 1.5}, {1, 1.9}, {10, 0.5}, {10, 0.8}, {10, 1.4}, {10, 4.5}};
    compute *cpu = context("cpu", 2), *reference = context("reference", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t keys[10];
        for (int j = 0; j < 10; j++) keys[j] = 7 * j;
        fixture *f = with_sinks(cases[i].n, cases[i].strength), *g = with_sinks(cases[i].n, cases[i].strength);
        sets *s = sets_given(f, keys, cases[i].n, 1);
        double mass, same;
        float *a = edited(cpu, f, s, (edit_step){.op = EDIT_SCALE}, 0, &mass);
        float *b = edited(reference, g, s, (edit_step){.op = EDIT_SCALE}, 0, &same);
        float *d = edited(cpu, f, s, (edit_step){.op = EDIT_SCALE}, 1, &same);
        size_t n = fix_out_count(f);
        print_message("%2d sinks, p = %.7f: reference %.1e, direct %.1e of rms\n", cases[i].n, mass, fix_error(a, b, n),
                      fix_error(a, d, n));
        assert_true(fix_error(a, b, n) < 5e-3); /* weights between two numbers (above) */
        assert_true(fix_error(a, d, n) < 2e-5);
        free(a);
        free(b);
        free(d);
        sets_free(s);
        fixture_free(f);
        fixture_free(g);
    }
    compute_destroy(cpu);
    compute_destroy(reference);
}

static void edits_that_change_nothing_keep_the_bits(void **state) {
    (void)state;
    static const edit_step none[] = {
        {.op = EDIT_SCALE, .param = 1}, {.op = EDIT_SHIFT, .param = 0}, {.op = EDIT_VALUE_LERP, .param = 1}};
    compute *cpu = context("cpu", 2);
    for (int i = 0; i < 3; i++) {
        philox r = stream(5);
        fixture *f = with_sinks(3, 2);
        sets *s = sets_random(&r, f, 9, 1);
        double mass;
        op_attention(cpu, &f->args, NULL);
        float *want = fix_out(f), *got = edited(cpu, f, s, none[i], 0, &mass);
        assert_memory_equal(want, got, fix_out_count(f) * sizeof *want);
        float *direct = edited(cpu, f, s, none[i], 1, &mass);
        assert_true(fix_error(direct, want, fix_out_count(f)) < 1e-5);
        free(want);
        free(got);
        free(direct);
        sets_free(s);
        fixture_free(f);
    }
    compute_destroy(cpu);
}

/* Steps of every kind, causal and with a bias. */
static void edits_follow_the_reference(void **state) {
    (void)state;
    static const edit_step steps[] = {{.op = EDIT_SCALE, .param = 0.3f},
                                      {.op = EDIT_SHIFT, .param = 2},
                                      {.op = EDIT_VALUE_LERP, .param = 0},
                                      {.op = EDIT_VALUE_LERP, .param = 0.5f, .to_mean = 1},
                                      {.op = EDIT_VALUE_NOISE, .param = 1}};
    compute *cpu = context("cpu", 2), *reference = context("reference", 1);
    for (int s = 2; s < SHAPE_COUNT; s += 2)
        for (unsigned flags = 0; flags < 8; flags += 3)
            for (int i = 0; i < 5; i++) {
                philox r = stream(20 + s), same = r;
                fixture *f = make(s, flags, 2), *g = make(s, flags, 2);
                sets *set = sets_random(&r, f, 5, 1), *twin = sets_random(&same, g, 5, 1);
                double mass, other;
                float *a = edited(cpu, f, set, steps[i], 0, &mass),
                      *b = edited(reference, g, twin, steps[i], 0, &other);
                assert_true(fix_error(a, b, fix_out_count(f)) < 1.2e-2);
                assert_true(fabs(mass - other) < 3e-6);
                free(a);
                free(b);
                sets_free(set);
                sets_free(twin);
                fixture_free(f);
                fixture_free(g);
            }
    compute_destroy(cpu);
    compute_destroy(reference);
}

static void parts_of_p_are_of_rounded_scores(void **state) {
    (void)state;
    compute *cpu = context("cpu", 2);
    fixture *f = make(5, 0, 2);
    op_attention(cpu, &f->args, &f->stats);
    double *row = calloc((size_t)(f->n.heads * f->n.keys), sizeof *row);
    op_attention_part(cpu, &f->args, f->stats.lse, PART_ROW, (int32_t[]){3}, 1,
                      fix_doubles(row, f->n.heads * f->n.keys));
    for (int h = 0; h < f->n.heads; h++) {
        double sum = 0;
        for (int j = 0; j < f->n.keys; j++) sum += row[h * f->n.keys + j];
        assert_true(fabs(sum - 1) < 3e-6);
    }
    free(row);
    fixture_free(f);
    compute_destroy(cpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_are_the_definition),
        cmocka_unit_test(nothing_else_moves_a_bit),
        cmocka_unit_test(references_rise),
        cmocka_unit_test(masks_are_exact_where_sets_are_heavy),
        cmocka_unit_test(edits_that_change_nothing_keep_the_bits),
        cmocka_unit_test(edits_follow_the_reference),
        cmocka_unit_test(parts_of_p_are_of_rounded_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
