/* Probes of values, activations and persistence, and the selector that chooses by what a sink carries, against plain
 * formulas in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tensor/cpu.h"
#include "attn_call.h"

enum { OUT = 7, ROUNDS = 40 }; /* OUT: rows of the output projection */

/* An output projection W [OUT, HEADS WIDTH] and its Gram matrices. */
static float projection[OUT * HEADS * WIDTH], gram[HEADS * WIDTH * WIDTH];

static void make_projection(int number) {
    philox r;
    philox_init(&r, 5, (uint64_t[]){(uint64_t)number}, 1);
    for (int i = 0; i < OUT * HEADS * WIDTH; i++) projection[i] = (float)philox_normal(&r);
    weight w = {.kind = WEIGHT_LINEAR, .source = tensor_2d(projection, TENSOR_F32, OUT, HEADS * WIDTH)};
    weight_head_gram(cpu, &w, HEADS, gram);
    assert_int_equal(cpu->error.code, SS_OK);
}

static double length(const float *x) {
    double sum = 0;
    for (int i = 0; i < WIDTH; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* |W_h x| from the definition. */
static double projected(const float *x, int head) {
    double sum = 0;
    for (int o = 0; o < OUT; o++) {
        double y = 0;
        for (int i = 0; i < WIDTH; i++) y += (double)projection[o * HEADS * WIDTH + head * WIDTH + i] * (double)x[i];
        sum += y * y;
    }
    return sqrt(sum);
}

static double size_of(const float *x, int head, int with_projection) {
    return with_projection ? projected(x, head) : length(x);
}

/* One item through attn_forward with everything that a call can say; inputs may be none. */
static void forward_call(fixture *f, attn_run *run, int step, attn_branch branch, tensor input, tensor context,
                         const float *output_gram) {
    attn_item item = {.run = run, .step = step, .branch = branch, .key_class = KEY_CLASS};
    attn_batch batch = {.n = 1, .item = &item};
    attn_call call = call_of(f, &batch);
    call.block_input = input;
    call.block_context = context;
    attn_gram gram_made = {.values = (float *)(uintptr_t)output_gram, .made = 1};
    if (output_gram) call.output_gram = &gram_made;
    attn_forward(cpu, &call);
    ss_error err = {0};
    compute_status(cpu, &err);
    assert_string_equal(err.message, "");
}

static float column(const attn_run *run, int step, int head, attn_branch branch, const char *name) {
    return attn_run_site(run, step, 1, head, branch)[named_column(name)];
}

static void near(float told, double want, double bound) {
    if (!(fabs((double)told - want) <= bound * (fabs(want) + 1e-3)))
        fail_msg("%.9g; expected %.9g", (double)told, want);
}

static int heaviest(const fixture *f, int head) {
    int top = 0;
    for (int j = 1; j < KEYS; j++)
        if (f->mass[head * KEYS + j] > f->mass[head * KEYS + top]) top = j;
    return top;
}

/* The call's masses over its image rows, and its unedited output. */
static void attend_plain(fixture *f) {
    f->stats.row_begin = 0;
    f->stats.row_end = IMAGE;
    op_attention(cpu, &f->args, &f->stats);
}

static void values_and_contributions(void **state) {
    (void)state;
    static const char *const NORM[] = {"value_norm", "value_norm_projected"}, *const CONTRIBUTION[] = {
                                                                                  "contribution",
                                                                                  "contribution_projected"};
    attn_measure m = all_probes();
    for (int number = 0; number < ROUNDS; number++) {
        attn_program mask = program("top", 2, "mask", 0); /* what is measured is of the unedited call */
        attn_run *run = run_of(number % 2 ? &mask : NULL, &m);
        fixture *f = call_fixture(1, number);
        make_projection(number);
        if (number % 3 == 0) /* a sink that carries next to nothing */
            for (int h = 0; h < HEADS; h++)
                for (int i = 0; i < WIDTH; i++) fix_at(f->args.v, 0, 0, h)[i] *= 0.01f;
        forward_call(f, run, 0, BRANCH_COND, TENSOR_NONE, TENSOR_NONE, number % 4 == 3 ? NULL : gram);
        attend_plain(f);
        for (int h = 0; h < HEADS; h++) {
            int top = heaviest(f, h);
            for (int with = 0; with < 2; with++) {
                double mean = 0, out = 0, own = size_of(fix_at(f->args.v, 0, top, h), h, with);
                for (int j = 0; j < KEYS; j++) mean += size_of(fix_at(f->args.v, 0, j, h), h, with) / KEYS;
                for (int i = 0; i < IMAGE; i++) out += size_of(fix_at(f->args.out, 0, i, h), h, with) / IMAGE;
                float norm = column(run, 0, h, BRANCH_COND, NORM[with]),
                      contribution = column(run, 0, h, BRANCH_COND, CONTRIBUTION[with]);
                if (with && number % 4 == 3) {
                    assert_true(isnan(norm) && isnan(contribution));
                    assert_true(isnan(column(run, 0, h, BRANCH_COND, "noop")));
                    continue;
                }
                near(norm, own / mean, 1e-5);
                near(contribution, f->mass[h * KEYS + top] * own / out, 1e-5);
                if (with) assert_true(column(run, 0, h, BRANCH_COND, "noop") == (float)(own / mean < 0.1));
            }
            if (number % 3 == 0 && top == 0 && number % 4 != 3)
                assert_true(column(run, 0, h, BRANCH_COND, "noop") == 1);
        }
        fixture_free(f);
        attn_run_destroy(run);
    }
}

/* Gram matrices of 16-bit weights are those of the same numbers in float32. */
static void gram_of_half_weights(void **state) {
    (void)state;
    static uint16_t half[OUT * HEADS * WIDTH];
    float single[HEADS * WIDTH * WIDTH];
    for (int i = 0; i < OUT * HEADS * WIDTH; i++) {
        int small = (i * 37) % 64 - 32; /* whole numbers below 64 are exact in bfloat16 */
        float x = (float)small;
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        half[i] = (uint16_t)(bits >> 16);
        projection[i] = x;
    }
    weight w = {.kind = WEIGHT_LINEAR, .source = tensor_2d(half, TENSOR_BF16, OUT, HEADS * WIDTH)};
    weight_head_gram(cpu, &w, HEADS, single);
    for (int h = 0; h < HEADS; h++)
        for (int a = 0; a < WIDTH; a++)
            for (int b = 0; b < WIDTH; b++) {
                double sum = 0;
                for (int o = 0; o < OUT; o++) {
                    const float *row = projection + o * HEADS * WIDTH + h * WIDTH;
                    sum += (double)row[a] * (double)row[b];
                }
                assert_true(single[(h * WIDTH + a) * WIDTH + b] == (float)sum);
            }
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The largest and numpy's 95th percentile of |x| for a sorted copy. */
static void sorted_sizes(float *sizes, int n, float *largest, double *p95) {
    qsort(sizes, (size_t)n, sizeof *sizes, ascending);
    double place = 0.95 * (n - 1);
    int low = (int)place, high = low + 1 < n ? low + 1 : low;
    *largest = sizes[n - 1];
    *p95 = (double)sizes[low] + (place - low) * ((double)sizes[high] - (double)sizes[low]);
}

/* Any shape, strided, with ties, zeros and one huge element; small and large enough for either way of finding the
 * percentile; on every instruction set. */
static void sizes_are_exact(void **state) {
    (void)state;
    enum { MOST = 900, WIDEST = 40 };
    static float memory[2 * MOST * 3 * WIDEST], sizes[MOST * WIDEST];
    const cpu_isa *isa[CPU_ISA_MAX];
    int isas = cpu_isa_list(isa);
    void *best = cpu->state;
    for (int number = 0; number < 1000; number++) {
        philox r;
        philox_init(&r, 6, (uint64_t[]){(uint64_t)number}, 1);
        int b = fix_int(&r, 1, 2), n = fix_int(&r, 1, number % 2 ? 60 : MOST), h = fix_int(&r, 1, 3),
            d = fix_int(&r, 1, WIDEST);
        cpu->state = (void *)(uintptr_t)isa[number % isas];
        tensor x = tensor_4d(memory, TENSOR_F32, b, n, h, d);
        double kind = philox_uniform(&r);
        for (int64_t i = 0; i < tensor_elements(x); i++)
            memory[i] = kind < 0.2   ? (float)((int)philox_below(&r, 3) - 1)
                        : kind < 0.3 ? 0.0f
                                     : (float)(philox_normal(&r) * exp(4 * philox_normal(&r)));
        if (kind > 0.9) memory[0] = -3e38f;
        if (kind > 0.8 && h == 1 && n * d >= 1024) /* large just where a sample looks: the guess from it is wrong */
            for (int64_t i = 0; i < tensor_elements(x); i += n * d / 256) memory[i] = 1e6f;
        float largest[6], p95[6];
        op_magnitudes(cpu, x, fix_floats(largest, b * h), fix_floats(p95, b * h));
        for (int at = 0; at < b * h; at++) {
            float want;
            double middle;
            for (int i = 0; i < n; i++)
                for (int j = 0; j < d; j++) sizes[i * d + j] = fabsf(fix_at(x, at / h, i, at % h)[j]);
            sorted_sizes(sizes, n * d, &want, &middle);
            assert_true(largest[at] == want && p95[at] == (float)middle);
        }
    }
    cpu->state = best;
}

static void activations_are_those_of_the_call(void **state) {
    (void)state;
    enum { MODEL = 10 };
    static float input[IMAGE * MODEL], context[(KEYS - IMAGE) * MODEL], sizes[KEYS * WIDTH];
    attn_measure m = all_probes();
    attn_run *run = run_of(NULL, &m), *bare = run_of(NULL, &m);
    philox r;
    philox_init(&r, 7, (uint64_t[]){1}, 1);
    for (int i = 0; i < IMAGE * MODEL; i++) input[i] = (float)philox_normal(&r);
    for (int i = 0; i < (KEYS - IMAGE) * MODEL; i++) context[i] = (float)(5 * philox_normal(&r));
    fixture *f = call_fixture(1, 3);
    forward_call(f, run, 1, BRANCH_UNCOND, tensor_3d(input, TENSOR_F32, 1, IMAGE, MODEL),
                 tensor_3d(context, TENSOR_F32, 1, KEYS - IMAGE, MODEL), NULL);
    forward_call(f, bare, 1, BRANCH_UNCOND, TENSOR_NONE, TENSOR_NONE, NULL);
    attend_plain(f);
    for (int i = 0; i < IMAGE * MODEL; i++) input[i] = fabsf(input[i]);
    for (int i = 0; i < (KEYS - IMAGE) * MODEL; i++) context[i] = fabsf(context[i]);
    for (int h = 0; h < HEADS; h++) {
        float largest;
        double p95;
        sorted_sizes(input, IMAGE * MODEL, &largest, &p95);
        assert_true(column(run, 1, h, BRANCH_UNCOND, "input_max") == largest);
        assert_true(column(run, 1, h, BRANCH_UNCOND, "input_p95") == (float)p95);
        sorted_sizes(context, (KEYS - IMAGE) * MODEL, &largest, &p95);
        assert_true(column(run, 1, h, BRANCH_UNCOND, "context_max") == largest);
        assert_true(column(run, 1, h, BRANCH_UNCOND, "context_p95") == (float)p95);
        for (int i = 0; i < IMAGE; i++)
            for (int j = 0; j < WIDTH; j++) sizes[i * WIDTH + j] = fabsf(fix_at(f->args.out, 0, i, h)[j]);
        sorted_sizes(sizes, IMAGE * WIDTH, &largest, &p95);
        assert_true(column(run, 1, h, BRANCH_UNCOND, "output_max") == largest);
        assert_true(column(run, 1, h, BRANCH_UNCOND, "output_p95") == (float)p95);
        assert_true(isnan(column(bare, 1, h, BRANCH_UNCOND, "input_max")));
        assert_true(isnan(column(bare, 1, h, BRANCH_UNCOND, "context_p95")));
        assert_true(column(bare, 1, h, BRANCH_UNCOND, "output_max") == largest);
    }
    fixture_free(f);
    attn_run_destroy(run);
    attn_run_destroy(bare);
}

/* ---- maps ---- */

/* Columns of keys and one row of P, against whole rows in double; the record has the mean over heads. */
static void maps_are_parts_of_p(void **state) {
    (void)state;
    static const int32_t keys[] = {0, 13, 20}, row[] = {7};
    for (int number = 0; number < 10; number++)
        for (int by_row = 0; by_row < 2; by_row++) {
            attn_map map = {.part = by_row ? PART_ROW : PART_KEYS, .n = by_row ? 1 : 3, .index = by_row ? row : keys};
            attn_measure m = {.r = 1, .map = &map};
            attn_program mask = program("top", 2, "mask", 0);
            attn_run *run = run_of(&mask, &m), *fork;
            fixture *f = call_fixture(1, number);
            ss_error err;
            double want[KEYS] = {0}, p[KEYS], scores[KEYS];
            forward_call(f, run, 2, BRANCH_UNCOND, TENSOR_NONE, TENSOR_NONE, NULL);
            assert_null(attn_run_map(run, 2, 1)); /* of the conditional branch alone */
            forward_call(f, run, 2, BRANCH_COND, TENSOR_NONE, TENSOR_NONE, NULL);
            for (int h = 0; h < HEADS; h++)
                for (int i = 0; i < KEYS; i++) {
                    fix_row(f, 0, h, i, p, scores);
                    for (int j = 0; by_row && i == row[0] && j < KEYS; j++) want[j] += p[j] / HEADS;
                    for (int j = 0; !by_row && j < 3; j++) want[i] += p[keys[j]] / HEADS;
                }
            const float *found = attn_run_map(run, 2, 1);
            assert_non_null(found);
            for (int i = 0; i < KEYS; i++) near(found[i], want[i], 1e-5);
            assert_null(attn_run_map(run, 1, 1));
            assert_int_equal(attn_run_fork(&fork, run, NULL, &NAME, &err), SS_OK);
            assert_memory_equal(attn_run_map(fork, 2, 1), found, KEYS * sizeof *found);
            attn_run_destroy(fork);
            attn_run_destroy(run);
            fixture_free(f);
        }
}

/* ---- persistence ---- */

/* Whether `key` is among the r heaviest of masses that have no ties. */
static int is_top(const float *mass, int key, int r) {
    int above = 0;
    for (int j = 0; j < KEYS; j++) above += mass[j] > mass[key];
    return above < r;
}

/* Calls that drift: each step mixes the last one's queries with new ones, so that sets overlap in part. */
static void persistence_against_the_masses(void **state) {
    (void)state;
    attn_measure m = all_probes();
    int partly = 0;
    for (int number = 0; number < ROUNDS; number++) {
        attn_run *first = run_of(NULL, &m), *run = NULL;
        ss_error err;
        for (int step = 0; step < STEPS; step++)
            for (int branch = 0; branch < 2; branch++) {
                fixture *f = call_fixture(1, 100 * number + branch), *g = call_fixture(1, 100 * number + 10 + step);
                for (int i = 0; i < KEYS; i++)
                    for (int h = 0; h < HEADS; h++)
                        for (int x = 0; x < WIDTH; x++)
                            fix_at(f->args.k, 0, i, h)[x] += 0.5f * (float)step * fix_at(g->args.k, 0, i, h)[x];
                if (step == 2 && !run) /* what a fork copies is its history too */
                    assert_int_equal(attn_run_fork(&run, first, NULL, &NAME, &err), SS_OK);
                forward_call(f, run ? run : first, step, (attn_branch)branch, TENSOR_NONE, TENSOR_NONE, NULL);
                fixture_free(f);
                fixture_free(g);
            }
        for (int step = 0; step < STEPS; step++)
            for (int branch = 0; branch < 2; branch++)
                for (int h = 0; h < HEADS; h++) {
                    const float *now = attn_run_masses(run, step, 1, h, (attn_branch)branch), *before = NULL,
                                *other = attn_run_masses(run, step, 1, h, (attn_branch)!branch);
                    if (step > 0) before = attn_run_masses(run, step - 1, 1, h, (attn_branch)branch);
                    int kept = 0, alike = 0, heavy = 0, age = 0;
                    for (int j = 0; j < KEYS; j++) {
                        kept += before && is_top(now, j, m.r) && is_top(before, j, m.r);
                        alike += is_top(now, j, m.r) && is_top(other, j, m.r);
                        heavy = now[j] > now[heavy] ? j : heavy;
                    }
                    for (int s = step; s >= 0; s--, age++)
                        if (!is_top(attn_run_masses(run, s, 1, h, (attn_branch)branch), heavy, m.r)) break;
                    if (step > 0) {
                        near(column(run, step, h, (attn_branch)branch, "persistence"), kept / (double)m.r, 1e-6);
                        near(column(run, step, h, (attn_branch)branch, "jaccard_step"), kept / (2.0 * m.r - kept),
                             1e-6);
                        partly += kept > 0 && kept < m.r;
                    } else assert_true(isnan(column(run, step, h, (attn_branch)branch, "persistence")));
                    assert_true(column(run, step, h, (attn_branch)branch, "top_age") == (float)age);
                    float agree = column(run, step, h, (attn_branch)branch, "jaccard_branch");
                    if (branch == 1) near(agree, alike / (2.0 * m.r - alike), 1e-6);
                    else assert_true(isnan(agree)); /* the other branch was not seen yet */
                }
        attn_run_destroy(first);
        attn_run_destroy(run);
    }
    assert_true(partly > ROUNDS); /* the cases in which an error would show */
}

/* ---- top-carrying ---- */

/* The two parts of the top set are disjoint, together the whole, and parted where the definition says. */
static void carrying_parts_the_top_set(void **state) {
    (void)state;
    attn_run *run = run_of(NULL, &(attn_measure){.r = 5});
    int both = 0;
    for (int number = 0; number < ROUNDS; number++)
        for (int scope = SCOPE_HEAD; scope <= SCOPE_LAYER; scope++) {
            double mass[HEADS * KEYS];
            float norm[HEADS * KEYS];
            philox r;
            philox_init(&r, 8, (uint64_t[]){(uint64_t)number}, 1);
            for (int i = 0; i < HEADS * KEYS; i++) {
                mass[i] = philox_uniform(&r);
                norm[i] = (float)philox_uniform(&r);
            }
            chosen top, part[2];
            choose("top", mass, 3, (attn_scope)scope, REDRAW_STEP, 0, 0, run, &top);
            for (int carries = 0; carries < 2; carries++) {
                const option_value options[8] = {{.word = carries}, {.number = 0.8}};
                select_input in = {.mass = mass,
                                   .value_norm = norm,
                                   .k = 3,
                                   .scope = (attn_scope)scope,
                                   .options = options,
                                   .run = run};
                select_from("top-carrying", in, &part[carries]);
            }
            for (int h = 0; h < HEADS; h++) {
                int own = scope == SCOPE_HEAD;
                both += part[0].begin[h + 1] > part[0].begin[h] && part[1].begin[h + 1] > part[1].begin[h];
                for (int j = 0; j < KEYS; j++) {
                    double mean = 0, mine = 0;
                    for (int g = own ? h : 0; g < (own ? h + 1 : HEADS); g++) {
                        mine += (double)norm[g * KEYS + j];
                        for (int i = 0; i < KEYS; i++) mean += (double)norm[g * KEYS + i] / KEYS;
                    }
                    int little = mine < 0.8 * mean, in_top = contains(&top, h, j);
                    assert_int_equal(contains(&part[0], h, j), in_top && little);
                    assert_int_equal(contains(&part[1], h, j), in_top && !little);
                }
            }
        }
    assert_true(both > 10);
    attn_run_destroy(run);
}

int main(void) {
    cpu = fix_compute("cpu", 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_contributions),
        cmocka_unit_test(gram_of_half_weights),
        cmocka_unit_test(maps_are_parts_of_p),
        cmocka_unit_test(sizes_are_exact),
        cmocka_unit_test(activations_are_those_of_the_call),
        cmocka_unit_test(persistence_against_the_masses),
        cmocka_unit_test(carrying_parts_the_top_set),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compute_destroy(cpu);
    return failed;
}
