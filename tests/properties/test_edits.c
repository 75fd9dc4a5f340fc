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
enum { CASES = 10000 };

static compute *cpu;

static philox stream(uint64_t property, int number) {
    philox r;
    uint64_t parts[2] = {property, (uint64_t)number};
    philox_init(&r, 20260801, parts, 2);
    return r;
}

/* Small, so that there can be many; one of ten reaches over several blocks of rows and of keys. */
static fixture *any_fixture(philox *r) {
    shape n = shape_below(r, philox_below(r, 10) ? (shape){2, 12, 16, 2, 12} : (shape){2, 40, 40, 3, 24});
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
    for (int number = 0; number < CASES; number++) {
        philox r = stream(1, number);
        fixture *f = any_fixture(&r);
        sets *s = sets_random(&r, f, fix_int(&r, 1, 20), 0);
        attention_edit e = fix_edit(f, s);
        for (int i = fix_int(&r, 0, 3); i > 0; i--)
            if (philox_below(&r, 2)) add_step(&e, EDIT_SCALE, philox_below(&r, 2) ? 0 : philox_uniform(&r), 0);
            else add_step(&e, EDIT_SHIFT, 8 * philox_uniform(&r) - 2, 0);
        for (int i = fix_int(&r, e.n_steps ? 0 : 1, 3); i > 0; i--)
            if (philox_below(&r, 3))
                add_step(&e, EDIT_VALUE_LERP, philox_below(&r, 2) ? 0 : philox_uniform(&r), (int)philox_below(&r, 2));
            else add_step(&e, EDIT_VALUE_NOISE, 0, 0);
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
        int large = philox_below(&r, 10) == 0;
        shape n = {1, fix_int(&r, 4, large ? 40 : 10), fix_int(&r, 4, large ? 64 : 20), 2, fix_int(&r, 4, 32)};
        fixture *f = fixture_make(&r, n, FIX_BIAS, 0);
        double rest = 12 * philox_uniform(&r) * log(10.0);
        for (int i = 0; i < n.heads * n.queries; i++) f->memory[4][i * n.keys] = (float)(rest + log(n.keys));
        sets *s = sets_given(f, (int32_t[]){0}, 1, 1);
        attention_edit e = fix_edit(f, s);
        int64_t direct[2];
        e.direct_rows = fix_counts(direct, f->n.batch * f->n.heads);
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

static attention_edit with_step(const fixture *f, const sets *s, edit_op op, double param, int to_mean) {
    attention_edit e = fix_edit(f, s);
    add_step(&e, op, param, to_mean);
    return e;
}

/* Float64 p_i of the set of (b, h): the mass of keys that belong to the edit. */
static double set_mass(const attention_edit *e, int at, const double *p) {
    double sum = 0;
    for (int x = e->set_begin[at]; x < e->set_begin[at + 1]; x++) sum += p[e->keys[x]];
    return sum;
}

/* Over any range of rows the masses of a head sum to 1, and none is negative. */
static void masses_sum_to_one(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(11, number);
        fixture *f = any_fixture(&r);
        f->stats.row_begin = fix_int(&r, 0, f->n.queries - 1);
        f->stats.row_end = fix_int(&r, (int)f->stats.row_begin + 1, f->n.queries);
        attend(f);
        for (int at = 0; at < f->n.batch * f->n.heads; at++) {
            double sum = 0;
            for (int j = 0; j < f->n.keys; j++) {
                assert_true(f->mass[at * f->n.keys + j] >= 0);
                sum += f->mass[at * f->n.keys + j];
            }
            assert_true(fabs(sum - 1) < 2e-6);
        }
        fixture_free(f);
    }
}

/* Value zero gives (1 - p_i) times the output of mask, row by row. */
static void value_zero_is_mask_scaled(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(3, number);
        fixture *f = any_fixture(&r);
        sets *s = sets_random(&r, f, fix_int(&r, 1, 20), 1);
        attention_edit mask = with_step(f, s, EDIT_SCALE, 0, 0), zero = with_step(f, s, EDIT_VALUE_LERP, 0, 0);
        float *masked = attend_and_edit(f, &mask), *zeroed = attend_and_edit(f, &zero);
        double *p = malloc(2 * sizeof *p * (size_t)f->n.keys);
        for (int row = 0; row < f->n.batch * f->n.queries * f->n.heads; row++) {
            int h = row % f->n.heads, i = row / f->n.heads % f->n.queries, b = row / f->n.heads / f->n.queries;
            fix_row(f, b, h, i, p, p + f->n.keys);
            for (int x = s->begin[b * f->n.heads + h]; x < s->begin[b * f->n.heads + h + 1]; x++) p[s->keys[x]] = 0;
            double rest = 0; /* 1 - p_i, summed: p_i may be 1 - 1e-15 */
            for (int j = 0; j < f->n.keys; j++) rest += p[j];
            for (int x = 0; x < f->n.width; x++) {
                float *m = &masked[row * f->n.width + x];
                *m = (float)(rest * (double)*m);
            }
        }
        assert_true(fix_error(masked, zeroed, fix_out_count(f)) < BOUND);
        free(p);
        free(masked);
        free(zeroed);
        sets_free(s);
        fixture_free(f);
    }
}

/* eta = 1, alpha = 1, and both with other steps on no key, through their own arithmetic; and empty sets. */
static void identities_keep_every_bit(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(4, number);
        fixture *f = any_fixture(&r);
        sets *s = sets_random(&r, f, fix_int(&r, 1, 20), 3);
        attention_edit e = with_step(f, s, EDIT_SCALE, 1, 0);
        if (philox_below(&r, 2)) add_step(&e, EDIT_VALUE_LERP, 1, (int)philox_below(&r, 2));
        if (number % 3 == 0) add_step(&e, EDIT_VALUE_NOISE, 0, 0); /* members 3: no key belongs to the third step */
        if (number % 3 == 0 && e.n_steps < 3) e.step[1] = (edit_step){EDIT_VALUE_LERP, 1, 0};
        if (number % 5 == 0) {
            e.step[0].param = 0; /* a mask, of nothing */
            memset(s->begin, 0, sizeof *s->begin * (size_t)(f->n.batch * f->n.heads + 1));
        }
        attend(f);
        float *before = fix_out(f);
        edit(f, &e);
        float *after = fix_out(f);
        assert_memory_equal(after, before, fix_out_count(f) * sizeof *after);
        free(before);
        free(after);
        sets_free(s);
        fixture_free(f);
    }
}

/* eta = 1 by the direct path, which a run never takes there: what it computes anew is what was there. */
static void identity_by_the_direct_path(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(13, number);
        fixture *f = any_fixture(&r);
        sets *s = sets_random(&r, f, fix_int(&r, 1, 20), 1);
        attention_edit e = with_step(f, s, EDIT_SCALE, 1, 0);
        int64_t rows[6], no_rows[6];
        e.direct_rows = fix_counts(no_rows, f->n.batch * f->n.heads);
        attend(f);
        float *before = fix_out(f);
        edit(f, &e);
        e.direct_rows = fix_counts(rows, f->n.batch * f->n.heads);
        e.force_direct = 1;
        edit(f, &e);
        float *after = fix_out(f);
        assert_true(fix_error(after, before, fix_out_count(f)) < BOUND);
        for (int i = 0; i < f->n.batch * f->n.heads; i++) assert_true(rows[i] == f->n.queries && no_rows[i] == 0);
        free(before);
        free(after);
        sets_free(s);
        fixture_free(f);
    }
}

static void direct_rows_agree_with_rank_k(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(5, number);
        fixture *f = any_fixture(&r);
        sets *s = sets_random(&r, f, fix_int(&r, 1, 20), 0);
        attention_edit e = with_step(f, s, EDIT_SCALE, philox_uniform(&r) * (number % 3), 0);
        if (e.step[0].param > 1) e.step[0].param = 1;
        add_step(&e, EDIT_SHIFT, 3 * philox_uniform(&r), 0);
        add_step(&e, EDIT_VALUE_LERP, philox_uniform(&r), 1);
        double before[6], after[6], dose[6], direct_before[6], direct_after[6], direct_dose[6];
        int64_t rows[6];
        e.mass_before = fix_doubles(before, f->n.batch * f->n.heads);
        e.mass_after = fix_doubles(after, f->n.batch * f->n.heads);
        e.dose = fix_doubles(dose, f->n.batch * f->n.heads);
        float *rank_k = attend_and_edit(f, &e);
        e.force_direct = 1;
        e.mass_before = fix_doubles(direct_before, f->n.batch * f->n.heads);
        e.mass_after = fix_doubles(direct_after, f->n.batch * f->n.heads);
        e.dose = fix_doubles(direct_dose, f->n.batch * f->n.heads);
        e.direct_rows = fix_counts(rows, f->n.batch * f->n.heads);
        float *direct = attend_and_edit(f, &e);
        assert_true(fix_error(rank_k, direct, fix_out_count(f)) < BOUND);
        for (int i = 0; i < f->n.batch * f->n.heads; i++) {
            assert_int_equal(rows[i], f->n.queries);
            assert_true(fabs(before[i] - direct_before[i]) < 2e-6 && fabs(after[i] - direct_after[i]) < 2e-5);
            assert_true(fabs(dose[i] - direct_dose[i]) < 2e-5 * (1 + dose[i]));
        }
        free(rank_k);
        free(direct);
        sets_free(s);
        fixture_free(f);
    }
}

/* Masking a union = masking its parts one after the other, each on the P that the last one left. */
static void masks_in_sequence_are_a_mask_of_the_union(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(6, number);
        fixture *f = any_fixture(&r);
        sets *s = sets_random(&r, f, fix_int(&r, 1, 20), 1);
        attention_edit at_once = with_step(f, s, EDIT_SCALE, 0, 0);
        float *want = attend_and_edit(f, &at_once);
        attention_edit parts = at_once;
        for (int step = 1; step < 4; step++) add_step(&parts, EDIT_SCALE, 0, 0);
        for (int x = 0; x < s->begin[f->n.batch * f->n.heads]; x++) s->member[x] = (uint8_t)(1u << philox_below(&r, 4));
        float *out = attend_and_edit(f, &parts);
        assert_true(fix_error(out, want, fix_out_count(f)) < BOUND);
        free(want);
        free(out);
        sets_free(s);
        fixture_free(f);
    }
}

/* Tokens in another order, sets renamed accordingly: the same rows in another order. */
static void permuting_tokens_permutes_results(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(7, number);
        shape n = {1, 0, fix_int(&r, 2, philox_below(&r, 10) ? 16 : 40), fix_int(&r, 1, 3), fix_int(&r, 1, 24)};
        n.queries = n.keys;
        fixture *f = fixture_make(&r, n, 0, 6 * philox_uniform(&r)), *g = fixture_make(&r, n, 0, 0);
        int to[40];
        for (int j = 0; j < n.keys; j++) to[j] = j;
        for (int j = n.keys - 1; j > 0; j--) {
            int other = (int)philox_below(&r, (uint32_t)(j + 1)), keep = to[j];
            to[j] = to[other];
            to[other] = keep;
        }
        size_t row = sizeof(float) * (size_t)(n.heads * n.width);
        for (int j = 0; j < n.keys; j++)
            for (int x = 0; x < 3; x++)
                memcpy((char *)g->memory[x] + (size_t)to[j] * row, (char *)f->memory[x] + (size_t)j * row, row);
        int32_t key = fix_int(&r, 0, n.keys - 1), moved = to[key];
        sets *s = sets_given(f, &key, 1, 1), *t = sets_given(g, &moved, 1, 1);
        attention_edit e = with_step(f, s, EDIT_SCALE, 0.1, 0), d = with_step(g, t, EDIT_SCALE, 0.1, 0);
        float *a = attend_and_edit(f, &e), *b = attend_and_edit(g, &d);
        float *back = malloc(sizeof *back * fix_out_count(f));
        for (int j = 0; j < n.keys; j++) memcpy((char *)back + (size_t)j * row, (char *)b + (size_t)to[j] * row, row);
        assert_true(fix_error(back, a, fix_out_count(f)) < BOUND);
        for (int h = 0; h < n.heads; h++)
            for (int j = 0; j < n.keys; j++)
                assert_true(fabs(f->mass[h * n.keys + j] - g->mass[h * n.keys + to[j]]) < 1e-6);
        free(a);
        free(b);
        free(back);
        sets_free(s);
        sets_free(t);
        fixture_free(f);
        fixture_free(g);
    }
}

/* The rank-k formulas themselves, in float64:
 *   shift  a o - a (1 - g) sum w v,  a = 1 / (1 - (1 - g) p)
 *   value  o + sum w (v' - v)
 * `shift` = 0: the value of key j becomes its noise row. */
static void formula_row(const fixture *f, const attention_edit *e, int b, int h, int i, double beta, double *out) {
    int at = b * f->n.heads + h, n = f->n.keys;
    double *p = malloc(2 * sizeof *p * (size_t)n), g = exp(-beta);
    fix_row(f, b, h, i, p, p + n);
    double a = beta != 0 ? 1 / (1 - (1 - g) * set_mass(e, at, p)) : 1;
    for (int y = 0; y < f->n.width; y++) {
        out[y] = 0;
        for (int j = 0; j < n; j++) out[y] += a * p[j] * (double)fix_at(f->args.v, b, j, h)[y];
        for (int x = e->set_begin[at]; x < e->set_begin[at + 1]; x++) {
            double v = (double)fix_at(f->args.v, b, e->keys[x], h)[y], w = p[e->keys[x]];
            out[y] +=
                beta != 0 ? -a * (1 - g) * w * v : w * ((double)((const float *)e->noise.data)[x * f->n.width + y] - v);
        }
    }
    free(p);
}

static void formulas_of_shift_and_noise(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(8, number);
        fixture *f = any_fixture(&r);
        sets *s = sets_random(&r, f, fix_int(&r, 1, 20), 1);
        double beta = number % 2 ? 0.1 + 5 * philox_uniform(&r) : 0;
        attention_edit e = with_step(f, s, number % 2 ? EDIT_SHIFT : EDIT_VALUE_NOISE, beta, 0);
        beta = (double)e.step[0].param;
        float *out = attend_and_edit(f, &e), *want = malloc(sizeof *want * fix_out_count(f));
        double *row = malloc(sizeof *row * (size_t)f->n.width);
        for (int at = 0; at < f->n.batch * f->n.queries * f->n.heads; at++) {
            int h = at % f->n.heads, i = at / f->n.heads % f->n.queries, b = at / f->n.heads / f->n.queries;
            formula_row(f, &e, b, h, i, beta, row);
            for (int x = 0; x < f->n.width; x++) want[at * f->n.width + x] = (float)row[x];
        }
        assert_true(fix_error(out, want, fix_out_count(f)) < BOUND);
        free(row);
        free(want);
        free(out);
        sets_free(s);
        fixture_free(f);
    }
}

/* The paper's mask subtracts 1e4 from the scores: a bias of that through the kernel alone. */
static void mask_is_a_bias_of_minus_ten_thousand(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(9, number);
        fixture *f = fixture_make(&r, shape_below(&r, (shape){1, 40, 40, 3, 24}), FIX_BIAS, 6 * philox_uniform(&r));
        sets *s = sets_random(&r, f, fix_int(&r, 1, 20), 1);
        attention_edit mask = with_step(f, s, EDIT_SCALE, 0, 0);
        float *edited = attend_and_edit(f, &mask);
        for (int h = 0; h < f->n.heads; h++)
            for (int x = s->begin[h]; x < s->begin[h + 1]; x++)
                for (int i = 0; i < f->n.queries; i++)
                    f->memory[4][(h * f->n.queries + i) * f->n.keys + s->keys[x]] -= 1e4f;
        attend(f);
        float *biased = fix_out(f);
        assert_true(fix_error(edited, biased, fix_out_count(f)) < BOUND);
        free(edited);
        free(biased);
        sets_free(s);
        fixture_free(f);
    }
}

/* Scores so far apart that p = 1 in float64: mask gives the softmax of the outside keys by their own maximum. And a set
 * of all keys: there is no rest to give the weight to, and the output stays. */
static void nothing_outside_but_what_is_there(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(10, number);
        shape n = {1, fix_int(&r, 1, 20), fix_int(&r, 2, 20), 2, fix_int(&r, 1, 24)};
        fixture *f = fixture_make(&r, n, FIX_BIAS, 0), *g = fixture_make(&r, n, FIX_BIAS, 0);
        int32_t keys[20];
        for (int j = 0; j < n.keys; j++) keys[j] = j;
        for (int i = 0; i < 5; i++) /* the same call, its first key gone */
            if (i != 3)
                memcpy(g->memory[i], f->memory[i],
                       sizeof(float) * (size_t)(i == 4 ? n.heads * n.queries * n.keys
                                                       : (i ? n.keys : n.queries) * n.heads * n.width));
        for (int i = 0; i < n.heads * n.queries; i++) {
            f->memory[4][i * n.keys] += 2000;
            g->memory[4][i * n.keys] -= 2000;
        }
        sets *sink = sets_given(f, keys, 1, 1), *all = sets_given(f, keys, n.keys, 1);
        attention_edit mask = with_step(f, sink, EDIT_SCALE, 0, 0), everything = with_step(f, all, EDIT_SCALE, 0, 0);
        float *masked = attend_and_edit(f, &mask);
        attend(g);
        float *want = fix_out(g);
        assert_true(fix_error(masked, want, fix_out_count(f)) < BOUND);
        attend(f);
        float *plain = fix_out(f), *kept = attend_and_edit(f, &everything);
        assert_true(fix_error(kept, plain, fix_out_count(f)) < BOUND);
        free(masked);
        free(want);
        free(plain);
        free(kept);
        sets_free(sink);
        sets_free(all);
        fixture_free(f);
        fixture_free(g);
    }
}

/* mass_before, mass_after and dose against their definitions. */
static void what_an_edit_reports(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(12, number);
        fixture *f = any_fixture(&r);
        sets *s = sets_random(&r, f, fix_int(&r, 1, 20), 1);
        double eta = philox_uniform(&r), before[6], after[6], dose[6];
        attention_edit e = with_step(f, s, EDIT_SCALE, eta, 0);
        e.row_begin = fix_int(&r, 0, f->n.queries - 1);
        e.mass_before = fix_doubles(before, f->n.batch * f->n.heads);
        e.mass_after = fix_doubles(after, f->n.batch * f->n.heads);
        e.dose = fix_doubles(dose, f->n.batch * f->n.heads);
        attend(f);
        float *old = fix_out(f);
        edit(f, &e);
        float *now = fix_out(f);
        double *p = malloc(2 * sizeof *p * (size_t)f->n.keys);
        for (int at = 0; at < f->n.batch * f->n.heads; at++) {
            double mass = 0, moved = 0, rows = (double)(e.row_end - e.row_begin);
            for (int i = 0; i < f->n.queries; i++) {
                double change = 0, size = 0;
                fix_row(f, at / f->n.heads, at % f->n.heads, i, p, p + f->n.keys);
                size_t from = (size_t)((at / f->n.heads * f->n.queries + i) * f->n.heads + at % f->n.heads);
                for (size_t x = from * (size_t)f->n.width; x < (from + 1) * (size_t)f->n.width; x++) {
                    change += ((double)now[x] - (double)old[x]) * ((double)now[x] - (double)old[x]);
                    size += (double)old[x] * (double)old[x];
                }
                if (i < e.row_begin) assert_true(change == 0); /* rows outside the range stay */
                if (i < e.row_begin) continue;
                mass += set_mass(&e, at, p) / rows;
                moved += change / size / rows;
            }
            assert_true(fabs(before[at] - mass) < 2e-6);
            assert_true(fabs(after[at] - (double)e.step[0].param * mass) < 2e-6);
            assert_true(fabs(dose[at] - sqrt(moved)) < 1e-9 * (1 + dose[at]));
        }
        free(p);
        free(old);
        free(now);
        sets_free(s);
        fixture_free(f);
    }
}

int main(void) {
    cpu = fix_compute("cpu", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_edit_is_its_definition),
        cmocka_unit_test(mask_holds_over_the_range_of_p),
        cmocka_unit_test(value_zero_is_mask_scaled),
        cmocka_unit_test(identities_keep_every_bit),
        cmocka_unit_test(identity_by_the_direct_path),
        cmocka_unit_test(direct_rows_agree_with_rank_k),
        cmocka_unit_test(masks_in_sequence_are_a_mask_of_the_union),
        cmocka_unit_test(permuting_tokens_permutes_results),
        cmocka_unit_test(formulas_of_shift_and_noise),
        cmocka_unit_test(mask_is_a_bias_of_minus_ten_thousand),
        cmocka_unit_test(nothing_outside_but_what_is_there),
        cmocka_unit_test(masses_sum_to_one),
        cmocka_unit_test(what_an_edit_reports),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compute_destroy(cpu);
    return failed;
}
