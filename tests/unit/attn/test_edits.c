/* The table's edits through a whole call, held against each other: what one says of the other in METHOD.md, section 3.
 * The backend's arithmetic is tested against the definition in tests/properties; here the rows name the right step and
 * parameter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attn_call.h"

/* Output of one call under a program (NULL = none). */
static float *output(const attn_program *p, int number, int step) {
    attn_measure m = {.r = 5};
    attn_run *run = run_of(p, &m);
    fixture *f = call_fixture(1, number);
    float *out = forward_one(f, run, step, BRANCH_COND);
    fixture_free(f);
    attn_run_destroy(run);
    return out;
}

static float *edited(const char *select, int k, const char *what, double number, int fix, int step) {
    attn_program p = program(select, k, what, number);
    return output(&p, fix, step);
}

enum { COUNT = KEYS * HEADS * WIDTH };

static double rms(const float *a, const float *b) {
    double sum = 0;
    for (int i = 0; i < COUNT; i++) sum += pow((double)a[i] - (b ? (double)b[i] : 0.0), 2);
    return sqrt(sum / COUNT);
}

/* Edits that are other edits at the end of their range: to the bit, or to rounding. */
static void ends_of_the_range(void **state) {
    (void)state;
    static const struct {
        const char *a;
        double x;
        const char *b; /* NULL = the baseline */
        double y;
        int to_the_bit;
    } CASES[] = {{"identity", 0, NULL, 0, 1}, {"scale", 1, NULL, 0, 1},     {"scale", 0, "mask", 0, 1},
                 {"shift", 0, NULL, 0, 1},    {"shift", 1e4, "mask", 0, 0}, {"lerp", 1, NULL, 0, 1},
                 {"lerp", 0, "mean", 0, 1},   {"noise", 0, "zero", 0, 0},   {"identity-direct", 0, NULL, 0, 0}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int fix = 0; fix < 20; fix++) {
            float *a = edited("top", 4, CASES[i].a, CASES[i].x, fix, 0);
            float *b = CASES[i].b ? edited("top", 4, CASES[i].b, CASES[i].y, fix, 0) : output(NULL, fix, 0);
            if (CASES[i].to_the_bit) assert_memory_equal(a, b, COUNT * sizeof *a);
            else assert_true(rms(a, b) <= 1e-6 * rms(b, NULL));
            free(a);
            free(b);
        }
}

/* Halfway between: lerp by alpha lies on the line from mean to the baseline. */
static void lerp_is_linear(void **state) {
    (void)state;
    for (int fix = 0; fix < 20; fix++) {
        float *base = output(NULL, fix, 0), *mean = edited("top", 4, "mean", 0, fix, 0);
        float *some = edited("top", 4, "lerp", 0.25, fix, 0);
        assert_true(rms(base, mean) > 0.01 * rms(base, NULL));
        for (int i = 0; i < COUNT; i++) {
            double line = 0.25 * (double)base[i] + 0.75 * (double)mean[i];
            assert_true(fabs((double)some[i] - line) <= 1e-6 * (1 + fabs(line)));
        }
        free(base);
        free(mean);
        free(some);
    }
}

/* shift by beta is scale by another eta row by row; at a set of one key both ends bracket it, and the definition
 * P' = g P / (1 - (1 - g) p) holds through the weights that the zero edit reveals: o - zero = p v. */
static void shift_by_its_definition(void **state) {
    (void)state;
    const double beta = 0.7, g = exp(-beta);
    for (int fix = 0; fix < 20; fix++) {
        float *base = output(NULL, fix, 0), *mask = edited("top", 1, "mask", 0, fix, 0);
        float *zero = edited("top", 1, "zero", 0, fix, 0), *shift = edited("top", 1, "shift", beta, fix, 0);
        for (int row = 0; row < KEYS * HEADS; row++) {
            const float *o = base + row * WIDTH, *m = mask + row * WIDTH, *z = zero + row * WIDTH;
            double mz = 0, mm = 0;
            for (int x = 0; x < WIDTH; x++) mz += (double)m[x] * (double)z[x], mm += (double)m[x] * (double)m[x];
            double p = 1 - mz / mm, a = 1 / (1 - (1 - g) * p); /* zero = (1 - p) mask */
            for (int x = 0; x < WIDTH; x++) {
                double want = a * (double)o[x] - a * (1 - g) * ((double)o[x] - (double)z[x]);
                assert_true(fabs((double)shift[row * WIDTH + x] - want) <= 2e-5 * (1 + fabs(want)));
            }
        }
        free(base);
        free(mask);
        free(zero);
        free(shift);
    }
}

/* Noise: proportional to sd; a key's numbers do not depend on the rest of the set, but on the step, unless redrawn once
 * a run; over many keys they are N(0, sd^2). */
static void noise_belongs_to_its_key(void **state) {
    (void)state;
    for (int fix = 0; fix < 10; fix++) {
        float *zero[2], *noise[2], *twice = edited("index", 1, "noise", 4, fix, 0);
        for (int k = 0; k < 2; k++) {
            zero[k] = edited("index", k + 1, "zero", 0, fix, 0);
            noise[k] = edited("index", k + 1, "noise", 2, fix, 0);
        }
        attn_program second = program("index", 1, "noise", 2);
        second.intervention[0].selector_options[0].text = "clip 2";
        float *alone = output(&second, fix, 0), *other = edited("index", 1, "noise", 2, fix, 1);
        second.intervention[0].edit = named_edit("zero");
        float *alone_zero = output(&second, fix, 0);
        for (int i = 0; i < COUNT; i++) {
            double one = (double)noise[0][i] - (double)zero[0][i], both = (double)noise[1][i] - (double)zero[1][i];
            double two = (double)alone[i] - (double)alone_zero[i];
            assert_true(fabs((double)twice[i] - (double)zero[0][i] - 2 * one) <= 1e-5);
            assert_true(fabs(both - one - two) <= 1e-5);
        }
        assert_true(rms(other, noise[0]) > 1e-3 * rms(zero[0], NULL));
        second.intervention[0].edit = named_edit("noise");
        second.intervention[0].redraw = REDRAW_RUN;
        float *run0 = output(&second, fix, 0), *run1 = output(&second, fix, 1);
        assert_memory_equal(run0, run1, COUNT * sizeof *run0);
        float *all[] = {zero[0], zero[1], noise[0], noise[1], twice, alone, other, alone_zero, run0, run1};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    }
}

/* The noise itself, seen where all weight lies on the set: every query gives key 13 all but nothing, so o' is its
 * noise. 20 calls x 4 steps x 3 heads x 8 numbers of sd 3. */
static void noise_has_its_sd(void **state) {
    (void)state;
    attn_measure m = {.r = 5};
    attn_program p = program("index", 1, "noise", 3);
    double sum = 0, squares = 0;
    int n = 0;
    for (int fix = 0; fix < 20; fix++)
        for (int step = 0; step < STEPS; step++) {
            attn_stream_name name = NAME;
            attn_run *run;
            ss_error err;
            name.prompt = (uint64_t)fix;
            assert_int_equal(attn_run_create(&run, &p, &m, &name, SHAPE, &err), SS_OK);
            fixture *f = call_fixture(1, fix);
            for (int h = 0; h < HEADS; h++)
                for (int j = 0; j < KEYS; j++)
                    for (int x = 0; x < WIDTH; x++) {
                        fix_at(f->args.q, 0, j, h)[x] = 10;
                        fix_at(f->args.k, 0, j, h)[x] = j == IMAGE + 1 ? 10.0f : 0.0f;
                    }
            float *out = forward_one(f, run, step, BRANCH_COND);
            for (int i = 0; i < HEADS * WIDTH; i++, n++) sum += (double)out[i], squares += pow((double)out[i], 2);
            free(out);
            fixture_free(f);
            attn_run_destroy(run);
        }
    assert_int_equal(n, 20 * STEPS * HEADS * WIDTH);
    assert_true(fabs(sum / n) < 4 * 3 / sqrt(n)); /* four standard errors */
    assert_true(fabs(sqrt(squares / n) / 3 - 1) < 4 / sqrt(2.0 * n));
}

int main(void) {
    cpu = fix_compute("cpu", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_of_the_range),       cmocka_unit_test(lerp_is_linear),
        cmocka_unit_test(shift_by_its_definition), cmocka_unit_test(noise_belongs_to_its_key),
        cmocka_unit_test(noise_has_its_sd),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compute_destroy(cpu);
    return failed;
}
