/* The cpu backend's attention against the reference over a grid of shapes, its statistics against plain formulas in
 * float64, and what must not move a bit: measuring, threads, the rest of the batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../properties/fixture.h"

static philox stream(int part) {
    philox r;
    uint64_t parts[1] = {(uint64_t)part};
    philox_init(&r, 4, parts, 1);
    return r;
}

static const shape SHAPES[] = {
    {1, 1, 1, 1, 1},    {1, 2, 3, 1, 2},    {2, 5, 7, 3, 5},      {1, 17, 33, 2, 16}, {2, 64, 64, 2, 32},
    {1, 77, 77, 2, 64}, {1, 100, 161, 1, 33}, {1, 33, 257, 1, 128}, {1, 70, 31, 2, 40}, {1, 161, 200, 3, 80},
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof SHAPES[0] };

static void check_stats_equal(const fixture *f, const fixture *g) {
    size_t pairs = (size_t)(f->n.batch * f->n.heads), keys = (size_t)f->n.keys, rows = (size_t)f->n.queries;
    for (size_t i = 0; i < pairs * keys; i++) assert_true(fabs(f->mass[i] - g->mass[i]) < 2e-6);
    for (size_t i = 0; i < pairs; i++) {
        assert_true(fabs(f->entropy[i] - g->entropy[i]) < 5e-6);
        assert_true(fabs(f->concentration[i] - g->concentration[i]) < 2e-6);
    }
    for (size_t i = 0; i < pairs * rows; i++) {
        assert_true(fabs(f->lse[i] - g->lse[i]) < 5e-6 * (1 + fabs(g->lse[i])));
        assert_true(fabsf(f->row_max[i] - g->row_max[i]) < 3e-6f);
    }
}

static void cpu_matches_reference(void **state) {
    (void)state;
    compute *cpu = fix_compute("cpu", 2), *reference = fix_compute("reference", 1);
    for (int s = 0; s < SHAPE_COUNT; s++)
        for (unsigned flags = 0; flags < 8; flags++)
            for (int sink = 0; sink < 3; sink++) {
                philox r = stream(s), same = r;
                fixture *f = fixture_make(&r, SHAPES[s], flags, 3.0 * sink);
                fixture *g = fixture_make(&same, SHAPES[s], flags & ~(unsigned)FIX_STRIDED, 3.0 * sink);
                f->stats.row_begin = g->stats.row_begin = f->n.queries / 3;
                f->stats.r = g->stats.r = 1 + s % 16;
                op_attention(cpu, &f->args, &f->stats);
                op_attention(reference, &g->args, &g->stats);
                float *a = fix_out(f), *b = fix_out(g);
                if (!(fix_error(a, b, fix_out_count(f)) < 3e-6)) printf("shape %d flags %u sink %d: %g\n", s, flags, sink, fix_error(a, b, fix_out_count(f)));
                check_stats_equal(f, g);
                free(a);
                free(b);
                fixture_free(f);
                fixture_free(g);
            }
    assert_int_equal(cpu->error.code, SS_OK);
    compute_destroy(cpu);
    compute_destroy(reference);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(cpu_matches_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
