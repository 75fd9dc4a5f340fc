/* Edits of the output, and what is chosen for them or from the baseline, through whole calls against plain formulas:
 * on both host backends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attn/internal.h"
#include "attn_call.h"

enum { COUNT = KEYS * HEADS * WIDTH, SET_SIZE = 9, MASS_BEFORE, MASS_AFTER, DOSE };

/* Output of one call under a program (NULL = none), with its record where asked for. */
static float *output(const attn_program *p, int number, int step, attn_run **kept) {
    attn_measure m = all_probes();
    attn_run *run = run_of(p, &m);
    fixture *f = call_fixture(1, number);
    float *out = forward_one(f, run, step, BRANCH_COND);
    fixture_free(f);
    if (kept) *kept = run;
    else attn_run_destroy(run);
    return out;
}

static float *edited(const char *select, int k, const char *what, double number, int fix) {
    attn_program p = program(select, k, what, number);
    return output(&p, fix, 0, NULL);
}

/* [query, head, width] of fix_out. */
static const float *at(const float *out, int row, int head) { return out + (row * HEADS + head) * WIDTH; }

static double length(const float *a, const float *b) {
    double sum = 0;
    for (int x = 0; x < WIDTH; x++) sum += pow((double)a[x] - (b ? (double)b[x] : 0), 2);
    return sqrt(sum);
}

/* 1 - p of a row from two other edits: value zero is (1 - p) times mask. */
static double rest_of(const float *zero, const float *mask, int row, int head) {
    double zm = 0, mm = 0;
    for (int x = 0; x < WIDTH; x++) {
        zm += (double)at(zero, row, head)[x] * (double)at(mask, row, head)[x];
        mm += (double)at(mask, row, head)[x] * (double)at(mask, row, head)[x];
    }
    return zm / mm;
}

static void rescale_divides_by_the_rest(void **state) {
    (void)state;
    for (int fix = 0; fix < 20; fix++) {
        attn_run *run;
        attn_program p = program("top", 4, "rescale", 0);
        float *base = output(NULL, fix, 0, NULL), *got = output(&p, fix, 0, &run);
        float *zero = edited("top", 4, "zero", 0, fix), *mask = edited("top", 4, "mask", 0, fix);
        for (int h = 0; h < HEADS; h++) {
            double mass = 0, dose = 0;
            for (int i = 0; i < KEYS; i++) {
                double rest = rest_of(zero, mask, i, h);
                mass += (1 - rest) / KEYS;
                dose += pow(1 / rest - 1, 2) / KEYS; /* |o / rest - o| / |o| */
                for (int x = 0; x < WIDTH; x++) {
                    double want = (double)at(base, i, h)[x] / rest;
                    assert_true(fabs((double)at(got, i, h)[x] - want) <= 3e-5 * (1 + fabs(want)));
                }
            }
            const float *columns = attn_run_site(run, 0, 1, h, BRANCH_COND);
            assert_true(columns[SET_SIZE] == 4);
            assert_true(fabs((double)columns[MASS_BEFORE] - mass) < 1e-5);
            assert_true(columns[MASS_AFTER] == columns[MASS_BEFORE]); /* weights are not edited */
            assert_true(fabs((double)columns[DOSE] / sqrt(dose) - 1) < 1e-3);
        }
        attn_run_destroy(run);
        float *all[] = {base, got, zero, mask};
        for (size_t i = 0; i < 4; i++) free(all[i]);
    }
}

/* o / (1 + exp(score - lse)), and the same as a call that has the key: its bias is the score, its value 0. */
static void null_is_one_more_key(void **state) {
    (void)state;
    for (int fix = 0; fix < 20; fix++) {
        const double score = 0.3 * fix - 3;
        double lse[HEADS * KEYS];
        attention_stats stats = {.row_end = KEYS, .r = 1, .lse = fix_doubles(lse, HEADS * KEYS)};
        fixture *f = call_fixture(1, fix);
        op_attention(cpu, &f->args, &stats);
        fixture_free(f);
        attn_program p = program("top", 0, "null", score);
        float *base = output(NULL, fix, 0, NULL), *got = output(&p, fix, 0, NULL);
        for (int h = 0; h < HEADS; h++)
            for (int i = 0; i < KEYS; i++)
                for (int x = 0; x < WIDTH; x++) {
                    double want = (double)at(base, i, h)[x] / (1 + exp(score - lse[h * KEYS + i]));
                    assert_true(fabs((double)at(got, i, h)[x] - want) <= 1e-6 * (1 + fabs(want)));
                }
        free(base);
        free(got);
    }
}

/* The push has the mask's length in every row, and no direction in common with it. */
static void norm_matched_has_the_masks_length(void **state) {
    (void)state;
    double along = 0;
    int n = 0;
    for (int fix = 0; fix < 20; fix++) {
        attn_run *run, *mask_run;
        attn_program p = program("top", 4, "norm-matched", 0), q = program("top", 4, "mask", 0);
        float *base = output(NULL, fix, 0, NULL), *got = output(&p, fix, 0, &run),
              *mask = output(&q, fix, 0, &mask_run);
        float *later = output(&p, fix, 1, NULL);
        p.intervention[0].redraw = REDRAW_RUN;
        float *once = output(&p, fix, 0, NULL), *once_later = output(&p, fix, 1, NULL);
        assert_memory_equal(once, once_later, COUNT * sizeof *once);
        assert_memory_not_equal(got, later, COUNT * sizeof *once);
        for (int h = 0; h < HEADS; h++) {
            for (int i = 0; i < KEYS; i++, n++) {
                double want = length(at(mask, i, h), at(base, i, h)), found = length(at(got, i, h), at(base, i, h)),
                       dot = 0;
                assert_true(fabs(found - want) <= 1e-5 * (1 + want));
                for (int x = 0; x < WIDTH; x++)
                    dot += ((double)at(got, i, h)[x] - (double)at(base, i, h)[x]) *
                           ((double)at(mask, i, h)[x] - (double)at(base, i, h)[x]);
                along += dot / (want * found);
            }
            const float *a = attn_run_site(run, 0, 1, h, BRANCH_COND),
                        *b = attn_run_site(mask_run, 0, 1, h, BRANCH_COND);
            assert_true(fabs((double)a[DOSE] / (double)b[DOSE] - 1) < 1e-4);
        }
        attn_run_destroy(run);
        attn_run_destroy(mask_run);
        float *all[] = {base, got, mask, later, once, once_later};
        for (size_t i = 0; i < 6; i++) free(all[i]);
    }
    assert_true(fabs(along / n) < 4 / sqrt((double)n * WIDTH)); /* cosines of random directions have variance 1/d */
}

/* The chosen rows are the mean of v; all others have the baseline's bits. */
static void query_rows_become_the_mean(void **state) {
    (void)state;
    static const char *const SELECT[] = {"query", "query-random"};
    for (int fix = 0; fix < 40; fix++) {
        float row_max[HEADS * KEYS], *base = output(NULL, fix, 0, NULL);
        attention_stats stats = {.row_end = KEYS, .r = 1, .row_max = fix_floats(row_max, HEADS * KEYS)};
        fixture *f = call_fixture(1, fix);
        op_attention(cpu, &f->args, &stats);
        attn_program p = program(SELECT[fix & 1], 3, "query-mean", 0);
        p.intervention[0].rows = ROWS_IMAGE;
        attn_run *run;
        float *got = output(&p, fix, 0, &run);
        for (int h = 0; h < HEADS; h++) {
            int changed = 0;
            double least = 2, most_other = 0;
            for (int i = 0; i < KEYS; i++) {
                double max = (double)row_max[h * KEYS + i];
                if (memcmp(at(got, i, h), at(base, i, h), WIDTH * sizeof *got) == 0) {
                    most_other = i < IMAGE ? fmax(most_other, max) : most_other;
                    continue;
                }
                assert_true(i < IMAGE);
                changed++;
                least = fmin(least, max);
                for (int x = 0; x < WIDTH; x++) {
                    double mean = 0;
                    for (int j = 0; j < KEYS; j++) mean += (double)fix_at(f->args.v, 0, j, h)[x] / KEYS;
                    assert_true(fabs((double)at(got, i, h)[x] - mean) < 1e-6);
                }
            }
            assert_int_equal(changed, 3);
            if (!(fix & 1)) assert_true(least >= most_other);
            assert_true(attn_run_site(run, 0, 1, h, BRANCH_COND)[SET_SIZE] == 3);
        }
        attn_run_destroy(run);
        fixture_free(f);
        free(base);
        free(got);
    }
}

/* A mask and a rescale at once: the selectors and the rescale see the unedited P; the rescale comes last. Heads that an
 * intervention leaves out keep their bits. */
static void output_edits_come_last(void **state) {
    (void)state;
    for (int fix = 0; fix < 10; fix++) {
        attn_program both = program("top", 2, "rescale", 0);
        both.n = 2;
        both.intervention[1] = program("top", 4, "mask", 0).intervention[0];
        both.intervention[0].heads = (attn_bits){{1}}; /* head 0 */
        float *got = output(&both, fix, 0, NULL), *mask = edited("top", 4, "mask", 0, fix);
        float *zero2 = edited("top", 2, "zero", 0, fix), *mask2 = edited("top", 2, "mask", 0, fix);
        for (int i = 0; i < KEYS; i++) {
            double rest = rest_of(zero2, mask2, i, 0);
            for (int x = 0; x < WIDTH; x++) {
                double want = (double)at(mask, i, 0)[x] / rest;
                assert_true(fabs((double)at(got, i, 0)[x] - want) <= 3e-5 * (1 + fabs(want)));
            }
            for (int h = 1; h < HEADS; h++) assert_memory_equal(at(got, i, h), at(mask, i, h), WIDTH * sizeof *got);
        }
        float *all[] = {got, mask, zero2, mask2};
        for (size_t i = 0; i < 4; i++) free(all[i]);
    }
    ss_error err;
    attn_program apart = program("top", 2, "rescale", 0);
    apart.n = 2;
    apart.intervention[1] = program("top", 2, "mask", 0).intervention[0];
    apart.intervention[1].rows = ROWS_IMAGE;
    assert_int_equal(check_program(&apart, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message,
                        "an edit of the output stands beside one on other query rows; expected the same `rows`");
    attn_program wrong = program("top", 2, "query-mean", 0);
    assert_int_equal(check_program(&wrong, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "the selector 'top' chooses keys, the edit 'query-mean' acts on query rows");
}

/* ---- from the baseline's masses ---- */

/* The call `number` in a block, under a run. */
static void forward_in(attn_run *run, int number, int block, int step) {
    fixture *f = call_fixture(1, number);
    attn_item item = {.run = run, .step = step, .key_class = KEY_CLASS};
    attn_batch batch = {.n = 1, .item = &item};
    attn_call call = call_of(f, &batch);
    call.block = block;
    attn_forward(cpu, &call);
    fixture_free(f);
}

static attn_run *recorded(int number, int step) {
    attn_measure m = {.r = 5, .recall = {{3}}};
    attn_run *run = run_of(NULL, &m);
    for (int block = 0; block < BLOCKS; block++) forward_in(run, number + block, block, step);
    return run;
}

/* Replaying the sets of the same image changes no bit; of another image, its keys are edited, not one's own. */
static void sets_of_the_baseline_are_replayed(void **state) {
    (void)state;
    attn_measure m = {.r = 5};
    for (int fix = 0; fix < 20; fix++) {
        attn_run *base = recorded(fix - 1, 2); /* block 1 has call `fix` */
        attn_program own = program("top", 3, "mask", 0), replay = own;
        replay.intervention[0].source = SOURCE_BASELINE;
        for (int other = 0; other < 2; other++) {
            attn_run *run = run_of(&replay, &m);
            attn_run_set_baseline(run, base);
            fixture *f = call_fixture(1, fix + 100 * other), *g = call_fixture(1, fix);
            float *got = forward_one(f, run, 2, BRANCH_COND), *want = output(&own, fix + 100 * other, 2, NULL);
            if (!other) assert_memory_equal(got, want, COUNT * sizeof *got);
            else {
                free(want); /* mask, head by head, the keys that are heaviest in call `fix` */
                double mass[HEADS * KEYS], first[HEADS * KEYS];
                attention_stats stats = {.row_end = IMAGE, .r = 1, .mass = fix_doubles(mass, HEADS * KEYS)};
                op_attention(cpu, &g->args, &stats);
                memcpy(first, mass, sizeof first);
                attn_program named = program("index", 1, "mask", 0);
                named.n = 0;
                for (int i = 0; i < HEADS; i++) { /* an intervention for each head and key */
                    int32_t top[3];
                    attn_largest_keys(first + i * KEYS, KEYS, 3, top);
                    for (int j = 0; j < 2; j++) {
                        static char names[HEADS * 2][24];
                        text name = {0};
                        attn_intervention *v = &named.intervention[named.n++];
                        *v = program("index", 1, "mask", 0).intervention[0];
                        const attn_segment *s = attn_segment_of(SEGMENTS, 3, top[j]);
                        text_addf(&name, "%s %d", s->name, top[j] - s->start);
                        strcpy(names[i * 2 + j], name.s);
                        text_free(&name);
                        v->selector_options[0].text = names[i * 2 + j];
                        v->heads = (attn_bits){{1u << i}};
                    }
                }
                replay.intervention[0].k = 2;
                attn_run *two = run_of(&replay, &m);
                attn_run_set_baseline(two, base);
                float *pair = forward_one(f, two, 2, BRANCH_COND);
                want = output(&named, fix + 100, 2, NULL);
                for (int i = 0; i < COUNT; i++) assert_true(fabs((double)pair[i] - (double)want[i]) < 1e-5);
                free(pair);
                attn_run_destroy(two);
                replay.intervention[0].k = 3;
            }
            free(got);
            free(want);
            fixture_free(f);
            fixture_free(g);
            attn_run_destroy(run);
        }
        attn_run_destroy(base);
    }
}

static int falling(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* scope: global: the k x heads x blocks largest masses of all the intervention's sites; a site's share is at most half
 * of its keys. */
static void global_sets_are_the_largest_of_a_step(void **state) {
    (void)state;
    attn_measure m = {.r = 5};
    for (int fix = 0; fix < 30; fix++) {
        int k = 1 + fix % 3, heads = fix % 2 ? 7 : 5; /* all heads, or 0 and 2 */
        attn_run *base = recorded(2 * fix, 1);
        attn_program p = program("top", k, "mask", 0);
        p.intervention[0].scope = SCOPE_GLOBAL;
        p.intervention[0].heads = (attn_bits){{(uint64_t)heads}};
        attn_run *run = run_of(&p, &m);
        attn_run_set_baseline(run, base);
        double all[BLOCKS * HEADS * KEYS], mass[BLOCKS][HEADS * KEYS];
        int n = 0, chosen_keys = 0;
        ss_error err;
        for (int b = 0; b < BLOCKS; b++) {
            memcpy(mass[b], attn_run_recalled(run, 1, b, BRANCH_COND, &err), sizeof mass[b]);
            for (int h = 0; h < HEADS; h++)
                for (int j = 0; heads >> h & 1 && j < KEYS; j++) all[n++] = mass[b][h * KEYS + j];
        }
        qsort(all, (size_t)n, sizeof *all, falling);
        double least = all[n / KEYS * k - 1];
        for (int b = 0; b < BLOCKS; b++) {
            chosen top;
            select_from("top",
                        (select_input){.mass = mass[b],
                                       .where = &p.intervention[0],
                                       .k = k,
                                       .scope = SCOPE_GLOBAL,
                                       .run = run,
                                       .step = 1,
                                       .block = b},
                        &top);
            for (int h = 0; h < HEADS; h++) {
                int reach = 0;
                for (int j = 0; j < KEYS; j++) reach += mass[b][h * KEYS + j] >= least;
                int size = top.begin[h + 1] - top.begin[h];
                assert_int_equal(size, reach < KEYS / 2 ? reach : KEYS / 2);
                if (heads >> h & 1) chosen_keys += size;
                for (int32_t x = top.begin[h]; x < top.begin[h + 1]; x++)
                    assert_true(mass[b][h * KEYS + top.key[x]] >= least);
            }
        }
        assert_int_equal(chosen_keys, n / KEYS * k);
        attn_run_destroy(run);
        attn_run_destroy(base);
    }
    ss_error err;
    attn_program wrong = program("bottom", 1, "mask", 0);
    wrong.intervention[0].scope = SCOPE_GLOBAL;
    assert_int_equal(check_program(&wrong, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "the selector 'bottom' does not know scope: global");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rescale_divides_by_the_rest),
        cmocka_unit_test(null_is_one_more_key),
        cmocka_unit_test(norm_matched_has_the_masks_length),
        cmocka_unit_test(query_rows_become_the_mean),
        cmocka_unit_test(output_edits_come_last),
        cmocka_unit_test(sets_of_the_baseline_are_replayed),
        cmocka_unit_test(global_sets_are_the_largest_of_a_step),
    };
    int failed = 0;
    static const char *const BACKENDS[] = {"cpu", "reference"};
    for (int i = 0; i < 2; i++) {
        cpu = fix_compute(BACKENDS[i], 1);
        failed += cmocka_run_group_tests_name(BACKENDS[i], tests, NULL, NULL);
        compute_destroy(cpu);
    }
    return failed;
}
