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
#include "tensor/cpu.h"

static philox stream(int part) {
    philox r;
    uint64_t parts[1] = {(uint64_t)part};
    philox_init(&r, 4, parts, 1);
    return r;
}

static const shape SHAPES[] = {
    {1, 1, 1, 1, 1},    {1, 2, 3, 1, 2},      {2, 5, 7, 3, 5},      {1, 17, 33, 2, 16}, {2, 64, 64, 2, 32},
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
                assert_true(fix_error(a, b, fix_out_count(f)) < 8e-6); /* 5.2e-6 at d = 128 */
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

/* m_j is a mean of float P, each row of which sums to 1 within a few roundings (6e-8 each) of its largest. */
static void masses_sum_to_one(void **state) {
    (void)state;
    compute *cpu = fix_compute("cpu", 1);
    for (int s = 0; s < SHAPE_COUNT; s++) {
        philox r = stream(100 + s);
        fixture *f = fixture_make(&r, SHAPES[s], (unsigned)s & 7, s % 3);
        op_attention(cpu, &f->args, &f->stats);
        for (int pair = 0; pair < f->n.batch * f->n.heads; pair++) {
            double sum = 0;
            for (int j = 0; j < f->n.keys; j++) sum += f->mass[pair * f->n.keys + j];
            assert_true(fabs(sum - 1) < 5e-7);
        }
        fixture_free(f);
    }
    compute_destroy(cpu);
}

static void assert_same_stats(const fixture *f, const fixture *g) {
    size_t pairs = (size_t)(f->n.batch * f->n.heads);
    assert_memory_equal(f->mass, g->mass, pairs * (size_t)f->n.keys * sizeof(double));
    assert_memory_equal(f->entropy, g->entropy, pairs * sizeof(double));
    assert_memory_equal(f->concentration, g->concentration, pairs * sizeof(double));
    assert_memory_equal(f->lse, g->lse, pairs * (size_t)f->n.queries * sizeof(double));
    assert_memory_equal(f->row_max, g->row_max, pairs * (size_t)f->n.queries * sizeof(float));
}

static const shape LARGE = {3, 333, 301, 3, 20};

/* Asking for nothing, for each statistic alone, and for all: one `out`. */
static void measuring_changes_no_bit(void **state) {
    (void)state;
    compute *cpu = fix_compute("cpu", 2);
    philox r = stream(200);
    fixture *f = fixture_make(&r, LARGE, FIX_STRIDED, 1);
    op_attention(cpu, &f->args, NULL);
    float *want = fix_out(f);
    for (unsigned ask = 0; ask < 32; ask++) {
        attention_stats stats = f->stats;
        stats.row_begin = 17;
        if (!(ask & 1)) stats.mass = TENSOR_NONE;
        if (!(ask & 2)) stats.entropy = TENSOR_NONE;
        if (!(ask & 4)) stats.concentration = TENSOR_NONE;
        if (!(ask & 8)) stats.lse = TENSOR_NONE;
        if (!(ask & 16)) stats.row_max = TENSOR_NONE;
        op_attention(cpu, &f->args, &stats);
        float *out = fix_out(f);
        assert_memory_equal(out, want, fix_out_count(f) * sizeof *out);
        free(out);
    }
    free(want);
    fixture_free(f);
    compute_destroy(cpu);
}

/* Attention with statistics, then an edit whose first head goes the direct way. */
static void run_all(int threads, fixture *f, const sets *s, double results[4][9], int64_t direct[9]) {
    compute *cpu = fix_compute("cpu", threads);
    attention_edit e = fix_edit(f, s);
    e.n_steps = 2;
    e.step[0] = (edit_step){EDIT_SCALE, 0.01f, 0};
    e.step[1] = (edit_step){EDIT_VALUE_LERP, 0.5f, 1};
    int64_t pairs = f->n.batch * f->n.heads;
    e.mass_before = fix_doubles(results[0], pairs);
    e.mass_after = fix_doubles(results[1], pairs);
    e.dose = fix_doubles(results[2], pairs);
    e.direct_rows = fix_counts(direct, pairs);
    op_attention(cpu, &f->args, &f->stats);
    op_attention_edit(cpu, &f->args, &e);
    assert_int_equal(cpu->error.code, SS_OK);
    compute_destroy(cpu);
}

static void threads_change_no_bit(void **state) {
    (void)state;
    double results[4][9], one_result[4][9];
    int64_t direct[9], one_direct[9];
    philox r = stream(300), again = r;
    fixture *one = fixture_make(&again, LARGE, 0, 3);
    sets *s = sets_random(&r, one, 1, 3);
    for (int i = 0; i < 9; i += 2) s->keys[i] = 0; /* the sink */
    run_all(1, one, s, one_result, one_direct);
    float *want = fix_out(one);
    assert_true(one_direct[0] > 0 && one_direct[1] == 0);
    for (int threads = 2; threads <= 8; threads *= 2) {
        philox same = stream(300);
        fixture *f = fixture_make(&same, LARGE, 0, 3);
        run_all(threads, f, s, results, direct);
        float *out = fix_out(f);
        assert_memory_equal(out, want, fix_out_count(f) * sizeof *out);
        assert_same_stats(f, one);
        for (int i = 0; i < 3; i++) assert_memory_equal(results[i], one_result[i], sizeof results[i]);
        assert_memory_equal(direct, one_direct, sizeof direct);
        free(out);
        fixture_free(f);
    }
    free(want);
    sets_free(s);
    fixture_free(one);
}

/* Every item alone gives the bits it has in the batch. */
static void the_batch_changes_no_bit(void **state) {
    (void)state;
    compute *cpu = fix_compute("cpu", 1);
    philox r = stream(400);
    fixture *f = fixture_make(&r, LARGE, FIX_STRIDED, 1);
    op_attention(cpu, &f->args, &f->stats);
    float *together = fix_out(f);
    size_t each = fix_out_count(f) / 3, masses = (size_t)(f->n.heads * f->n.keys);
    double *mass = malloc(masses * sizeof *mass);
    for (int b = 0; b < 3; b++) {
        attention_args one = f->args;
        attention_stats stats = {.row_end = f->n.queries, .mass = fix_doubles(mass, (int64_t)masses)};
        one.q = tensor_slice(one.q, 0, b, 1);
        one.k = tensor_slice(one.k, 0, b, 1);
        one.v = tensor_slice(one.v, 0, b, 1);
        one.out = tensor_slice(one.out, 0, b, 1);
        for (int i = 0; i < f->n.queries; i++) memset(fix_at(f->args.out, b, i, 0), 0, sizeof(float));
        op_attention(cpu, &one, &stats);
        assert_memory_equal(mass, f->mass + (size_t)b * masses, masses * sizeof *mass);
    }
    float *alone = fix_out(f);
    assert_memory_equal(alone, together, 3 * each * sizeof *alone);
    free(mass);
    free(alone);
    free(together);
    fixture_free(f);
    compute_destroy(cpu);
}

/* More heads than the packed panels hold at a time (attention_cpu.c: WAVE_BYTES). */
static void heads_come_in_waves(void **state) {
    (void)state;
    compute *cpu = fix_compute("cpu", 1), *reference = fix_compute("reference", 1);
    philox r = stream(450);
    fixture *f = fixture_make(&r, (shape){1, 2, 1024, 40, 128}, 0, 0);
    op_attention(cpu, &f->args, &f->stats);
    float *out = fix_out(f);
    double *mass = malloc(40 * 1024 * sizeof *mass);
    memcpy(mass, f->mass, 40 * 1024 * sizeof *mass);
    op_attention(reference, &f->args, &f->stats);
    float *want = fix_out(f);
    assert_true(fix_error(out, want, fix_out_count(f)) < 8e-6);
    for (int i = 0; i < 40 * 1024; i++) assert_true(fabs(mass[i] - f->mass[i]) < 2e-6);
    free(mass);
    free(out);
    free(want);
    fixture_free(f);
    compute_destroy(cpu);
    compute_destroy(reference);
}

/* Out of scratch memory is an error, not a crash. */
static void too_little_scratch_is_an_error(void **state) {
    (void)state;
    compute *cpu = NULL;
    ss_error err;
    assert_int_equal(compute_create(&cpu, "cpu", 1, 1 << 16, &err), SS_OK);
    philox r = stream(500);
    fixture *f = fixture_make(&r, LARGE, 0, 1);
    sets *s = sets_random(&r, f, 5, 1);
    attention_edit e = fix_edit(f, s);
    e.n_steps = 1;
    op_attention(cpu, &f->args, NULL);
    assert_int_equal(compute_status(cpu, &err), SS_ERR_RESOURCE);
    assert_int_equal(arena_used(cpu->scratch), 0);
    op_attention_edit(cpu, &f->args, &e);
    assert_int_equal(compute_status(cpu, &err), SS_ERR_RESOURCE);
    assert_int_equal(arena_used(cpu->scratch), 0);
    sets_free(s);
    fixture_free(f);
    compute_destroy(cpu);
}

/* ---- the kernels of every instruction set that this machine has ---- */

static int kernels(const attention_kernel *out[CPU_ISA_MAX]) {
    const cpu_isa *here[CPU_ISA_MAX];
    int n = cpu_isa_list(here);
    for (int i = 0; i < n; i++) out[i] = here[i]->attention;
    return n;
}

static void *room(size_t floats) {
    void *p = aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64);
    if (!p) abort();
    memset(p, 0x7f, floats * sizeof(float)); /* 3.4e38: what is read without having been written shows */
    return p;
}

/* One head's rows through `use`, into the block's memory, which the caller frees with release_block. */
static attention_block one_block(const attention_kernel *use, const fixture *f, int rows, int r) {
    int64_t keys = attention_round_up(f->n.keys, use->columns), d = f->n.width;
    int64_t width = attention_round_up(d, use->columns);
    float *k = room((size_t)(keys * d)), *v = room((size_t)(keys * width)), *q = room((size_t)(ATTENTION_ROWS * d));
    attention_block b = {.n_keys = f->n.keys, .k_panel = k, .v_panel = v, .r = r, .observe_end = rows};
    use->pack_keys(k, f->args.k.data, f->args.k.stride[1], NULL, f->n.keys, d);
    use->pack_values(v, f->args.v.data, f->args.v.stride[1], NULL, f->n.keys, d);
    attention_block_load(use, &b, q, &f->args, 0, 0, NULL, 0, rows);
    b.s = room((size_t)(ATTENTION_ROWS * keys));
    b.o = room((size_t)(ATTENTION_ROWS * width));
    b.mass = room(2 * (size_t)keys);
    memset(b.mass, 0, (size_t)keys * sizeof(double));
    b.entropy = calloc(2, sizeof(double));
    b.concentration = b.entropy + 1;
    return b;
}

static void release_block(attention_block *b) {
    void *owned[] = {(void *)(uintptr_t)b->k_panel,
                     (void *)(uintptr_t)b->v_panel,
                     (void *)(uintptr_t)b->q,
                     b->s,
                     b->o,
                     b->mass,
                     b->entropy};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}

static int falling(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Against softmax in float64, for every r: outputs and the block's statistics. */
static void check_block(const attention_kernel *use, const fixture *f, int r) {
    int n = f->n.keys, rows = f->n.queries, d = f->n.width;
    int64_t width = attention_round_up(d, use->columns);
    attention_block b = one_block(use, f, rows, r);
    double *p = malloc(2 * (size_t)n * sizeof *p), *s = p + n, *mass = calloc((size_t)n, sizeof *mass);
    double entropy = 0, concentration = 0, worst = 0;
    use->block(&b);
    for (int i = 0; i < rows; i++) {
        fix_row(f, 0, 0, i, p, s);
        for (int x = 0; x < d; x++) {
            double o = 0;
            for (int j = 0; j < n; j++) o += p[j] * (double)fix_at(f->args.v, 0, j, 0)[x];
            worst = fmax(worst, fabs(o - (double)b.o[i * width + x]));
        }
        for (int j = 0; j < n; j++) mass[j] += p[j];
        for (int j = 0; j < n; j++) entropy -= p[j] > 0 ? p[j] * log(p[j]) : 0;
        qsort(p, (size_t)n, sizeof *p, falling);
        for (int j = 0; j < r && j < n; j++) concentration += p[j];
    }
    assert_true(worst < 4e-6);
    for (int j = 0; j < n; j++) assert_true(fabs(mass[j] - b.mass[j]) < 3e-6 * rows);
    assert_true(fabs(entropy - b.entropy[0]) < 4e-6 * rows);
    assert_true(fabs(concentration - b.concentration[0]) < 3e-6 * rows);
    free(p);
    free(mass);
    release_block(&b);
}

static void every_kernel_is_softmax(void **state) {
    (void)state;
    const attention_kernel *all[CPU_ISA_MAX];
    int n = kernels(all);
    for (int i = 0; i < n; i++)
        for (int number = 0; number < 60; number++) {
            philox r = stream(600 + number);
            shape size = {1, fix_int(&r, 1, ATTENTION_ROWS), fix_int(&r, 1, 150), 1, fix_int(&r, 1, 70)};
            fixture *f = fixture_make(&r, size, (unsigned)(number & 7) & ~(unsigned)FIX_STRIDED, number % 4);
            check_block(all[i], f, 1 + number % ATTENTION_MAX_R);
            fixture_free(f);
        }
}

/* More equal scores than the kernel keeps candidates for: the r largest of n equal weights sum to r / n. */
static void equal_scores_concentrate_evenly(void **state) {
    (void)state;
    const attention_kernel *all[CPU_ISA_MAX];
    int n = kernels(all);
    for (int i = 0; i < n; i++) {
        philox r = stream(700);
        fixture *f = fixture_make(&r, (shape){1, 3, 200, 1, 4}, 0, 0);
        memset(f->memory[0], 0, sizeof(float) * 3 * 4); /* q = 0 */
        attention_block b = one_block(all[i], f, 3, 5);
        all[i]->block(&b);
        assert_true(fabs(b.concentration[0] - 3 * 5.0 / 200) < 1e-7);
        assert_true(fabs(b.entropy[0] - 3 * log(200.0)) < 1e-5);
        release_block(&b);
        fixture_free(f);
    }
}

/* n equal scores of 0: their log-sum-exp is log n, to the last bits, for any n; and the entropy is. */
static void logarithms_are_exact(void **state) {
    (void)state;
    const attention_kernel *all[CPU_ISA_MAX];
    enum { KEYS = 5000 };
    philox r = stream(750);
    fixture *f = fixture_make(&r, (shape){1, 3, KEYS, 1, 1}, 0, 0);
    memset(f->memory[0], 0, sizeof(float) * 3); /* q = 0 */
    for (int i = 0; i < kernels(all); i++) {
        attention_block b = one_block(all[i], f, 3, 1);
        b.with_lse = 1;
        for (int n = 1; n <= KEYS; n += 1 + n / 7) {
            b.n_keys = n;
            b.entropy[0] = 0;
            all[i]->block(&b);
            for (int row = 0; row < 3; row++) assert_true(fabs(b.lse[row] - log(n)) <= 4.5e-16 * log(n));
            assert_true(fabs(b.entropy[0] - 3 * log(n)) <= 1e-15 * log(n));
        }
        release_block(&b);
    }
    fixture_free(f);
}

/* exp over the whole range of a softmax: with q = 1 and keys x <= 0 the block leaves exp(x) in s. */
static void exp_is_within_two_units(void **state) {
    (void)state;
    const attention_kernel *all[CPU_ISA_MAX];
    const cpu_isa *here[CPU_ISA_MAX];
    cpu_isa_list(here); /* in the order of all */
    int n = kernels(all);
    enum { KEYS = 4096, ROUNDS = 32 };
    for (int i = 0; i < n; i++) {
        double worst = 0;
        philox r = stream(800);
        fixture *f = fixture_make(&r, (shape){1, 1, KEYS, 1, 1}, 0, 0);
        f->memory[0][0] = 1;
        f->args.scale = 1;
        for (int round = 0; round < ROUNDS; round++) {
            for (int j = 1; j < KEYS; j++)
                f->memory[1][j] = -(float)(round < 4 ? philox_uniform(&r) : 86.5 * philox_uniform(&r));
            f->memory[1][0] = 0;
            f->memory[1][KEYS - 1] = -1e4f;
            attention_block b = one_block(all[i], f, 1, 1);
            all[i]->block(&b);
            assert_true(b.s[0] == 1 && b.s[KEYS - 1] == 0);
            for (int j = 0; j < KEYS - 1; j++) {
                double want = exp((double)f->memory[1][j]), unit = ldexp(1, ilogb(want) - 23);
                worst = fmax(worst, fabs((double)b.s[j] - want) / unit);
            }
            release_block(&b);
        }
        print_message("%s: exp within %.2f units in the last place\n", here[i]->about.name, worst);
        assert_true(worst <= 2);
        fixture_free(f);
    }
}

/* weights = exp(S - lse) with the scores' own bits, and correct = factor o + coefficient v, in double. */
static void corrections_are_exact(void **state) {
    (void)state;
    const attention_kernel *all[CPU_ISA_MAX];
    int n = kernels(all);
    for (int i = 0; i < n; i++)
        for (int number = 0; number < 30; number++) {
            philox r = stream(900 + number);
            shape size = {1, fix_int(&r, 1, ATTENTION_ROWS), fix_int(&r, 1, 90), 1, fix_int(&r, 1, 40)};
            fixture *f = fixture_make(&r, size, 0, 1);
            attention_block b = one_block(all[i], f, size.queries, 1);
            int64_t keys = attention_round_up(size.keys, all[i]->columns);
            int64_t width = attention_round_up(size.width, all[i]->columns);
            double *w = room(2 * (size_t)(ATTENTION_ROWS * keys)), lse[ATTENTION_ROWS], factor[ATTENTION_ROWS];
            for (int x = 0; x < ATTENTION_ROWS; x++) {
                lse[x] = 4 * philox_uniform(&r);
                factor[x] = 20 * philox_uniform(&r) - 10;
            }
            all[i]->weights(&b, lse, w, NULL);
            for (int row = 0; row < size.queries; row++)
                for (int j = 0; j < size.keys; j++) {
                    double want = exp((double)b.s[row * keys + j] - lse[row]);
                    assert_true(fabs(w[row * keys + j] - want) <= 1e-14 * want);
                }
            for (int64_t x = 0; x < ATTENTION_ROWS * width; x++) b.o[x] = (float)philox_normal(&r);
            float *old = room((size_t)(ATTENTION_ROWS * width));
            memcpy(old, b.o, (size_t)(ATTENTION_ROWS * width) * sizeof *old);
            all[i]->correct(&b, w, factor);
            for (int row = 0; row < size.queries; row++)
                for (int x = 0; x < size.width; x++) {
                    double want = factor[row] * (double)old[row * width + x], size_of = fabs(want);
                    for (int j = 0; j < size.keys; j++) {
                        double term = w[row * keys + j] * (double)fix_at(f->args.v, 0, j, 0)[x];
                        want += term;
                        size_of += fabs(term);
                    }
                    assert_true(fabs((double)b.o[row * width + x] - want) <= 6e-8 * fabs(want) + 1e-14 * size_of);
                }
            free(old);
            free(w);
            release_block(&b);
            fixture_free(f);
        }
}

/* Lengths of rows and the mean of rows: plain sums in double, the same bits by every kernel, nothing written beyond. */
static void rows_are_summed_in_double(void **state) {
    (void)state;
    enum { MOST = 70, ROWS = 50 };
    const attention_kernel *all[CPU_ISA_MAX];
    int n = kernels(all);
    for (int number = 0; number < 60; number++) {
        philox r = stream(1200 + number);
        int d = fix_int(&r, 1, MOST), rows = fix_int(&r, 1, ROWS), stride = d + fix_int(&r, 0, 5);
        float *x = malloc((size_t)(rows * stride + MOST) * sizeof *x), first_mean[MOST + 1];
        attention_lengths first = {0}, want = {0};
        assert_non_null(x);
        for (int i = 0; i < rows * stride + MOST; i++) x[i] = (float)(philox_normal(&r) * exp(3 * philox_normal(&r)));
        const float *a = x, *b = x + (rows - 1) * stride;
        for (int i = 0; i < d; i++) {
            want.before += (double)a[i] * (double)a[i];
            want.after += (double)b[i] * (double)b[i];
            want.moved += ((double)b[i] - (double)a[i]) * ((double)b[i] - (double)a[i]);
        }
        for (int k = 0; k < n; k++) {
            attention_lengths got = all[k]->lengths(a, b, d);
            float mean[MOST + 1];
            assert_true(fabs(got.before - want.before) <= 1e-14 * want.before);
            assert_true(fabs(got.after - want.after) <= 1e-14 * want.after);
            assert_true(fabs(got.moved - want.moved) <= 1e-14 * want.moved);
            for (int i = 0; i <= MOST; i++) mean[i] = 99;
            all[k]->mean_row(mean, x, stride, rows, d);
            for (int i = 0; i < d; i++) {
                double sum = 0;
                for (int j = 0; j < rows; j++) sum += (double)x[j * stride + i];
                assert_true(mean[i] == (float)(sum / rows));
            }
            assert_true(mean[d] == 99);
            if (k == 0) first = got;
            if (k == 0) memcpy(first_mean, mean, sizeof mean);
            assert_memory_equal(&got, &first, sizeof got);
            assert_memory_equal(mean, first_mean, sizeof mean);
        }
        free(x);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_matches_reference),           cmocka_unit_test(masses_sum_to_one),
        cmocka_unit_test(measuring_changes_no_bit),        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(the_batch_changes_no_bit),        cmocka_unit_test(heads_come_in_waves),
        cmocka_unit_test(too_little_scratch_is_an_error),  cmocka_unit_test(every_kernel_is_softmax),
        cmocka_unit_test(equal_scores_concentrate_evenly), cmocka_unit_test(logarithms_are_exact),
        cmocka_unit_test(exp_is_within_two_units),         cmocka_unit_test(corrections_are_exact),
        cmocka_unit_test(rows_are_summed_in_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
