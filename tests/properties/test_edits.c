/* The identities of docs/METHOD.md that edits of attention must keep, over random shapes, sets and peakedness. The
 * bound throughout is the one the method states: 2e-5 of the rms of the float64 result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fixture.h"

static const double BOUND = 2e-5;
enum { CASES = 1000 };

static compute *cpu;

static philox stream(uint64_t property, int number) {
    philox r;
    uint64_t parts[2] = {property, (uint64_t)number};
    philox_init(&r, 20260801, parts, 2);
    return r;
}

static fixture *any_fixture(philox *r) {
    shape n = shape_below(r, (shape){2, 40, 40, 3, 24});
    unsigned flags = philox_below(r, 2) ? FIX_STRIDED : 0;
    if (philox_below(r, 4) == 0) flags |= FIX_BIAS;
    return fixture_make(r, n, flags, philox_below(r, 3) == 0 ? 0 : 12 * philox_uniform(r));
}

/* `out` before any edit, and lse. */
static void attend(fixture *f) {
    op_attention(cpu, &f->args, &f->stats);
    assert_int_equal(cpu->error.code, SS_OK);
}

static void edit(fixture *f, const attention_edit *e) {
    op_attention_edit(cpu, &f->args, e);
    assert_int_equal(cpu->error.code, SS_OK);
}

/* Attend, edit, and give back a copy of the result. */
static float *attend_and_edit(fixture *f, const attention_edit *e) {
    attend(f);
    edit(f, e);
    return fix_out(f);
}

static void add_step(attention_edit *e, edit_op op, double param, int to_mean) {
    e->step[e->n_steps++] = (edit_step){.op = op, .param = (float)param, .to_mean = to_mean};
}

/* Largest error of f's out against the definition, over the rms of the latter. */
static double error_of(const fixture *f, const attention_edit *e) {
    double worst = 0, square = 0, *want = malloc(sizeof(double) * (size_t)f->n.width);
    for (int b = 0; b < f->n.batch; b++)
        for (int h = 0; h < f->n.heads; h++)
            for (int i = 0; i < f->n.queries; i++) {
                fix_edited_row(f, e, b, h, i, want);
                for (int x = 0; x < f->n.width; x++) {
                    double error = fabs((double)fix_at(f->args.out, b, i, h)[x] - want[x]);
                    if (!(error <= worst)) worst = error;
                    square += want[x] * want[x];
                }
            }
    free(want);
    return worst / sqrt(square / (double)fix_out_count(f));
}

static void any_edit_is_its_definition(void **state) {
    (void)state;
    double worst = 0;
    for (int number = 0; number < 2 * CASES; number++) {
        philox r = stream(1, number);
        fixture *f = any_fixture(&r);
        sets *s = sets_random(&r, f, fix_int(&r, 1, 20), 0);
        attention_edit e = fix_edit(f, s);
        for (int i = fix_int(&r, 0, 3); i > 0; i--)
            if (philox_below(&r, 2))
                add_step(&e, EDIT_SCALE, philox_below(&r, 2) ? 0 : philox_uniform(&r), 0);
            else
                add_step(&e, EDIT_SHIFT, 8 * philox_uniform(&r) - 2, 0);
        for (int i = fix_int(&r, e.n_steps ? 0 : 1, 3); i > 0; i--)
            if (philox_below(&r, 3))
                add_step(&e, EDIT_VALUE_LERP, philox_below(&r, 2) ? 0 : philox_uniform(&r), (int)philox_below(&r, 2));
            else
                add_step(&e, EDIT_VALUE_NOISE, 0, 0);
        attend(f);
        edit(f, &e);
        double error = error_of(f, &e);
        if (error > worst) worst = error;
        sets_free(s);
        fixture_free(f);
    }
    print_message("any edit: largest error %.2g of rms\n", worst);
    assert_true(worst < BOUND);
}

/* One key holds 1 - 10^-x of every row, x from 0 to 12. */
static void mask_holds_over_the_range_of_p(void **state) {
    (void)state;
    double worst = 0;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(2, number);
        shape n = {1, fix_int(&r, 8, 40), fix_int(&r, 8, 64), 2, fix_int(&r, 4, 32)};
        fixture *f = fixture_make(&r, n, FIX_BIAS, 0);
        double rest = 12 * philox_uniform(&r) * log(10.0);
        for (int i = 0; i < n.heads * n.queries; i++) f->memory[4][i * n.keys] = (float)(rest + log(n.keys));
        sets *s = sets_given(f, (int32_t[]){0}, 1, 1);
        attention_edit e = fix_edit(f, s);
        int64_t direct[2];
        e.direct_rows = direct;
        add_step(&e, EDIT_SCALE, philox_below(&r, 2) ? 0 : 0.5 * philox_uniform(&r), 0);
        attend(f);
        edit(f, &e);
        double error = error_of(f, &e);
        if (error > worst) worst = error;
        if (rest > log(1e4)) assert_int_equal(direct[0], n.queries);
        sets_free(s);
        fixture_free(f);
    }
    print_message("mask, 1 - p from 1 to 1e-12: largest error %.2g of rms\n", worst);
    assert_true(worst < BOUND);
}

int main(void) {
    cpu = fix_compute("cpu", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_edit_is_its_definition),
        cmocka_unit_test(mask_holds_over_the_range_of_p),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compute_destroy(cpu);
    return failed;
}
