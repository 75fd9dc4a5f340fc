/* Selectors that take keys until they hold a share of the weight, and sets whose size is a share of a call's keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attn_call.h"

enum { MOST = KEYS / 2, NUMBERS = 300 };

/* Masses of every head that sum to 1: few of them heavy, or all alike. */
static void make_masses(philox *r, double spread, double *mass) {
    for (int h = 0; h < HEADS; h++) {
        double sum = 0, *m = mass + h * KEYS;
        for (int j = 0; j < KEYS; j++) sum += m[j] = exp(spread * philox_normal(r));
        for (int j = 0; j < KEYS; j++) m[j] /= sum;
    }
}

/* The mean over the heads of the scope. */
static double mass_of(const double *mass, attn_scope scope, int head, int key) {
    double sum = 0;
    for (int h = 0; h < HEADS; h++) sum += scope == SCOPE_LAYER ? mass[h * KEYS + key] / HEADS : 0;
    return scope == SCOPE_LAYER ? sum : mass[head * KEYS + key];
}

static double sum_of(const double *mass, attn_scope scope, const chosen *c, int head) {
    double sum = 0;
    for (int32_t x = c->begin[head]; x < c->begin[head + 1]; x++) sum += mass_of(mass, scope, head, c->key[x]);
    return sum;
}

static void choose_mass(const char *name, const double *mass, double target, attn_scope scope, attn_run *run, int step,
                        chosen *out) {
    const option_value options[8] = {{.number = target}};
    const select_input in = {.mass = mass, .scope = scope, .options = options, .run = run, .step = step, .block = 1};
    select_from(name, in, out);
}

/* No other number of heaviest keys, from 1 to half of all, comes nearer. */
static void assert_nearest(const double *mass, attn_scope scope, const chosen *c, int head, double target) {
    double sorted[KEYS], sum = 0;
    int size = c->begin[head + 1] - c->begin[head];
    for (int j = 0; j < KEYS; j++) {
        double m = mass_of(mass, scope, head, j);
        int at = j;
        for (; at > 0 && sorted[at - 1] < m; at--) sorted[at] = sorted[at - 1];
        sorted[at] = m;
    }
    double found = fabs(sum_of(mass, scope, c, head) - target);
    for (int n = 1; n <= MOST; n++) {
        sum += sorted[n - 1];
        if (n == size) assert_true(fabs(sum_of(mass, scope, c, head) - sum) < 1e-12); /* they are the heaviest */
        assert_true(found <= fabs(sum - target) + 1e-12);
    }
    assert_in_range(size, 1, MOST);
}

static void heaviest_keys_of_a_mass(void **state) {
    (void)state;
    philox r;
    double mass[HEADS * KEYS];
    chosen c;
    philox_init(&r, 9, NULL, 0);
    for (int number = 0; number < NUMBERS; number++) {
        attn_scope scope = (attn_scope)(number & 1);
        double target = philox_uniform(&r);
        make_masses(&r, number % 3, mass);
        choose_mass("top-mass", mass, target, scope, NULL, 0, &c);
        for (int h = 0; h < HEADS; h++) assert_nearest(mass, scope, &c, h, target);
    }
    memset(mass, 0, sizeof mass);
    for (int h = 0; h < HEADS; h++) mass[h * KEYS + 5] = 1; /* one key holds all: it alone, whatever is asked */
    choose_mass("top-mass", mass, 0, SCOPE_HEAD, NULL, 0, &c);
    for (int h = 0; h < HEADS; h++) assert_true(c.begin[h + 1] - c.begin[h] == 1 && c.key[h] == 5);
}

/* Larger masses add keys to the same draw; what is drawn is not what is heavy. */
static void drawn_keys_of_a_mass(void **state) {
    (void)state;
    attn_measure m = {.r = 5};
    attn_run *run = run_of(NULL, &m);
    philox r;
    double mass[HEADS * KEYS];
    chosen c, more, top;
    int heaviest = 0, drawn = 0;
    philox_init(&r, 10, NULL, 0);
    for (int number = 0; number < NUMBERS; number++) {
        attn_scope scope = (attn_scope)(number & 1);
        make_masses(&r, 1, mass);
        choose_mass("random-mass", mass, 0.2, scope, run, number % STEPS, &c);
        choose_mass("random-mass", mass, 0.4, scope, run, number % STEPS, &more);
        choose_mass("top-mass", mass, 0.01, scope, run, number % STEPS, &top);
        for (int h = 0; h < HEADS; h++) {
            int size = c.begin[h + 1] - c.begin[h];
            double largest = 0;
            for (int32_t x = c.begin[h]; x < c.begin[h + 1]; x++) {
                assert_true(contains(&more, h, c.key[x]));
                largest = fmax(largest, mass_of(mass, scope, h, c.key[x]));
            }
            heaviest += contains(&c, h, top.key[top.begin[h]]);
            drawn++;
            if (size == 1 || size == MOST) continue;
            double off = sum_of(mass, scope, &c, h) - 0.2;
            assert_true(off <= largest / 2 + 1e-12);
        }
    }
    assert_true(heaviest > 0 && heaviest < drawn / 2);
    attn_run_destroy(run);
}

static void shares_of_keys(void **state) {
    (void)state;
    attn_intervention v = {.k = 7};
    assert_int_equal(attn_wanted(&v, 160), 7);
    v.share = 0.05;
    assert_int_equal(attn_wanted(&v, 160), 8);
    assert_int_equal(attn_wanted(&v, 77), 4);
    assert_int_equal(attn_wanted(&v, 4), 1);
    v.share = 0.5;
    assert_int_equal(attn_wanted(&v, 5), 2); /* never more than half */
    assert_int_equal(attn_wanted(&v, 6), 3);
    assert_int_equal(attn_wanted(&v, 1), 1); /* which attn_program_check refuses */

    ss_error err = {0};
    attn_program p = program("top", 0, "mask", 0);
    p.intervention[0].share = 0.25;
    assert_int_equal(check_program(&p, SEGMENTS, 3, &err), SS_OK);
    p.intervention[0].scope = SCOPE_LAYER; /* 6 keys of each of 3 heads: more than half of 24 */
    assert_int_equal(check_program(&p, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "k = 6 asks for sets of 18 keys (scope: layer takes k x heads); expected at most "
                                     "12, half of a call's 24 keys");
    p.intervention[0].scope = SCOPE_GLOBAL;
    assert_int_equal(check_program(&p, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "a share of a call's keys does not go with scope: global");
}

/* A whole call: the set is that of as many keys. */
static void a_call_takes_its_share(void **state) {
    (void)state;
    attn_measure m = all_probes();
    attn_program by_k = program("top", 6, "mask", 0), by_share = program("top", 0, "mask", 0);
    by_share.intervention[0].share = 0.25;
    attn_run *a = run_of(&by_k, &m), *b = run_of(&by_share, &m);
    fixture *f = call_fixture(1, 3);
    float *x = forward_one(f, a, 0, BRANCH_COND), *y = forward_one(f, b, 0, BRANCH_COND);
    assert_memory_equal(x, y, sizeof *x * KEYS * HEADS * WIDTH);
    assert_float_equal(attn_run_site(b, 0, 1, 0, BRANCH_COND)[named_column("set_size")], 6, 0);
    free(x);
    free(y);
    fixture_free(f);
    attn_run_destroy(a);
    attn_run_destroy(b);
}

int main(void) {
    cpu = fix_compute("cpu", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heaviest_keys_of_a_mass),
        cmocka_unit_test(drawn_keys_of_a_mass),
        cmocka_unit_test(shares_of_keys),
        cmocka_unit_test(a_call_takes_its_share),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compute_destroy(cpu);
    return failed;
}
