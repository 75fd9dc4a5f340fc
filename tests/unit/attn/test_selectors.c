/* Selectors: which keys they choose from given masses, and how random ones draw. */
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

static void top_breaks_ties_by_index(void **state) {
    (void)state;
    double mass[HEADS * KEYS];
    chosen c;
    for (int i = 0; i < HEADS * KEYS; i++) mass[i] = 0.01;
    mass[7] = mass[9] = 0.2;    /* head 0 */
    mass[KEYS + 20] = 0.5;      /* head 1 */
    mass[2 * KEYS + 23] = 0.02; /* head 2 */
    choose("top", mass, 3, SCOPE_HEAD, REDRAW_STEP, 0, 0, NULL, &c);
    const int32_t want[] = {0, 7, 9, 0, 1, 20, 0, 1, 23};
    assert_memory_equal(c.key, want, sizeof want);
    choose("top", mass, 1, SCOPE_LAYER, REDRAW_STEP, 0, 0, NULL, &c);
    for (int h = 0; h < HEADS; h++) {
        const int32_t layer[] = {7, 9, 20};
        assert_int_equal(c.begin[h + 1] - c.begin[h], HEADS); /* k x heads keys, the same for every head */
        assert_memory_equal(c.key + c.begin[h], layer, sizeof layer);
    }
}

static void random_sets_nest_and_follow_their_streams(void **state) {
    (void)state;
    attn_measure m = {.r = 5};
    attn_run *run = run_of(NULL, &m);
    double mass[HEADS * KEYS];
    for (int i = 0; i < HEADS * KEYS; i++) mass[i] = (double)(i % KEYS == 3);
    chosen small, large, other;
    for (int scope = 0; scope < 2; scope++)
        for (int step = 0; step < 20; step++) {
            choose("random", mass, 2, (attn_scope)scope, REDRAW_STEP, step, 0, run, &small);
            choose("random", mass, 4, (attn_scope)scope, REDRAW_STEP, step, 0, run, &large);
            for (int h = 0; h < HEADS; h++)
                for (int32_t x = small.begin[h]; x < small.begin[h + 1]; x++)
                    assert_true(contains(&large, h, small.key[x]));
            choose("random", mass, 2, (attn_scope)scope, REDRAW_STEP, step, 0, run, &other);
            assert_memory_equal(&small, &other, sizeof small.begin);
            choose("random", mass, 4, (attn_scope)scope, REDRAW_STEP, step, 1, run, &other);
            for (int h = 0; h < HEADS; h++) assert_false(contains(&other, h, 3)); /* the top key */
            choose("random", mass, 4, (attn_scope)scope, REDRAW_RUN, step, 0, run, &large);
            choose("random", mass, 4, (attn_scope)scope, REDRAW_RUN, 0, 0, run, &other);
            assert_memory_equal(large.key, other.key, sizeof(int32_t) * (size_t)large.begin[HEADS]);
            if (scope == SCOPE_LAYER)
                for (int h = 1; h < HEADS; h++)
                    assert_memory_equal(large.key, large.key + large.begin[h],
                                        sizeof(int32_t) * (size_t)large.begin[1]);
        }
    attn_run_destroy(run);
}

static void index_names_its_segment(void **state) {
    (void)state;
    chosen c;
    option_value at = {.text = "clip 4"};
    ss_error err;
    double mass[HEADS * KEYS] = {0};
    choose("index", mass, 2, SCOPE_HEAD, REDRAW_STEP, 0, 0, NULL, &c);
    assert_true(c.begin[1] == 2 && c.key[0] == IMAGE + 1 && c.key[1] == IMAGE + 2);
    const attn_selector *s = named_selector("index");
    assert_int_equal(s->check(&at, 1, 1, SEGMENTS, 3, &err), SS_OK);
    assert_int_equal(s->check(&at, 2, 2, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "at is 'clip 4'; expected a segment and an offset with room for k = 2 keys, as in "
                                     "'image 0'; segments (keys): 'image' (12), 'clip' (5), 't5' (7)");
    const char *const wrong[] = {"clip", "4", "clip -1", "clip x", "klip 0", "", " 0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        at.text = wrong[i];
        assert_int_equal(s->check(&at, 1, 1, SEGMENTS, 3, &err), SS_ERR_INPUT);
    }
}

/* Masses of every head that sum to 1: random, few of them heavy. */
static void random_masses(philox *r, double *mass) {
    for (int h = 0; h < HEADS; h++) {
        double sum = 0, *m = mass + h * KEYS;
        for (int j = 0; j < KEYS; j++) sum += m[j] = exp(1.5 * philox_normal(r));
        for (int j = 0; j < KEYS; j++) m[j] /= sum;
    }
}

/* The masses that rank keys in the scope: plainly. */
static double scope_mass(const double *mass, attn_scope scope, int head, int key) {
    double sum = 0;
    for (int h = 0; h < HEADS; h++) sum += scope == SCOPE_LAYER || h == head ? mass[h * KEYS + key] : 0;
    return sum;
}

static int set_size(const chosen *c, int head) { return c->begin[head + 1] - c->begin[head]; }

static void bottom_is_the_other_end(void **state) {
    (void)state;
    philox r;
    philox_init(&r, 5, NULL, 0);
    double mass[HEADS * KEYS];
    chosen c;
    for (int number = 0; number < 200; number++) {
        attn_scope scope = (attn_scope)(number & 1);
        random_masses(&r, mass);
        choose("bottom", mass, 3, scope, REDRAW_STEP, 0, 0, NULL, &c);
        for (int h = 0; h < HEADS; h++) {
            assert_int_equal(set_size(&c, h), scope == SCOPE_LAYER ? 9 : 3);
            for (int j = 0; j < KEYS; j++) { /* in the set if fewer keys than its size are lighter */
                int lighter = 0;
                for (int i = 0; i < KEYS; i++) lighter += scope_mass(mass, scope, h, i) < scope_mass(mass, scope, h, j);
                assert_int_equal(contains(&c, h, j), lighter < set_size(&c, h));
            }
        }
    }
    for (int i = 0; i < HEADS * KEYS; i++) mass[i] = 0.5;
    choose("bottom", mass, 2, SCOPE_HEAD, REDRAW_STEP, 0, 0, NULL, &c);
    assert_true(c.key[0] == 0 && c.key[1] == 1); /* ties: the lower index */
}

static void tops_of_a_modality(void **state) {
    (void)state;
    static const char *const NAMES[] = {"image-top", "text-top"};
    philox r;
    philox_init(&r, 6, NULL, 0);
    double mass[HEADS * KEYS];
    chosen c;
    ss_error err;
    for (int number = 0; number < 200; number++)
        for (int kind = 0; kind < 2; kind++) {
            attn_scope scope = (attn_scope)(number & 1);
            int low = kind ? IMAGE : 0, high = kind ? KEYS : IMAGE;
            random_masses(&r, mass);
            choose(NAMES[kind], mass, 3, scope, REDRAW_STEP, 0, 0, NULL, &c);
            for (int h = 0; h < HEADS; h++)
                for (int j = 0; j < KEYS; j++) {
                    int heavier = 0;
                    for (int i = low; i < high; i++)
                        heavier += scope_mass(mass, scope, h, i) > scope_mass(mass, scope, h, j);
                    assert_int_equal(contains(&c, h, j), j >= low && j < high && heavier < set_size(&c, h));
                }
        }
    attn_program p = program("image-top", 4, "mask", 0);
    p.intervention[0].scope = SCOPE_LAYER;
    assert_int_equal(check_program(&p, SEGMENTS, 3, &err), SS_OK); /* 12 of 12 */
    assert_int_equal(check_program(&p, SEGMENTS + 1, 2, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "asks for sets of 12 keys; expected at most 0, the image keys of a call");
}

/* What a matched control matches: the number of its kind, written out. */
static int kind_of(int by_class, int key) {
    if (!by_class) return key < IMAGE;
    return key < IMAGE ? 0 : (key < IMAGE + CLIP ? 10 : 20) + KEY_CLASS[key];
}

static void type_matched_has_as_many_of_each_kind(void **state) {
    (void)state;
    philox r;
    philox_init(&r, 7, NULL, 0);
    attn_measure m = {.r = 5};
    attn_run *run = run_of(NULL, &m);
    double mass[HEADS * KEYS];
    chosen top, arm, control;
    int left_out = 0;
    for (int number = 0; number < 10000; number++) {
        attn_scope scope = (attn_scope)(number & 1);
        int by_class = number >> 1 & 1, k = 1 + number % 4;
        random_masses(&r, mass);
        choose("top", mass, k, scope, REDRAW_STEP, number, 0, run, &top);
        choose("type-matched", mass, k, scope, REDRAW_STEP, number, by_class, run, &control);
        choose("top-matched", mass, k, scope, REDRAW_STEP, number, by_class, run, &arm);
        for (int h = 0; h < HEADS; h++) {
            int count[40] = {0}, lost[40] = {0}, free_keys[40] = {0};
            for (int j = 0; j < KEYS; j++) {
                int kind = kind_of(by_class, j);
                count[kind] += contains(&arm, h, j) - contains(&control, h, j);
                lost[kind] += contains(&top, h, j) && !contains(&arm, h, j);
                free_keys[kind] += !contains(&top, h, j) && !contains(&control, h, j);
                assert_false(contains(&top, h, j) && contains(&control, h, j));
                assert_false(contains(&arm, h, j) && !contains(&top, h, j));
            }
            for (int kind = 0; kind < 40; kind++) {
                assert_int_equal(count[kind], 0);
                assert_true(lost[kind] == 0 || free_keys[kind] == 0); /* left out only where nothing is left to draw */
            }
            assert_int_equal(set_size(&arm, h) + arm.left_out[h], set_size(&top, h));
            assert_int_equal(arm.left_out[h], control.left_out[h]);
            left_out += arm.left_out[h];
        }
    }
    assert_true(left_out > 1000); /* the one clip start among others: the case is there */
    attn_run_destroy(run);
}

static void mass_matched_is_nearest(void **state) {
    (void)state;
    philox r;
    philox_init(&r, 8, NULL, 0);
    attn_measure m = {.r = 5};
    attn_run *run = run_of(NULL, &m);
    double mass[HEADS * KEYS];
    chosen top, arm, control;
    int left_out = 0, emptied = 0;
    for (int number = 0; number < 10000; number++) {
        attn_scope scope = (attn_scope)(number & 1);
        int k = 1 + number % 3;
        random_masses(&r, mass);
        if (number % 7 == 0) mass[3] += 5; /* one sink that nothing can match */
        choose("top", mass, k, scope, REDRAW_STEP, number, 0, run, &top);
        choose("mass-matched", mass, k, scope, REDRAW_STEP, number, 0, run, &control);
        choose("top-matched", mass, k, scope, REDRAW_STEP, number, 2, run, &arm);
        for (int h = 0; h < HEADS; h++) {
            double target = 0, sum = 0, outside = 0, lightest_kept = 1e9;
            for (int j = 0; j < KEYS; j++) {
                double w = scope_mass(mass, scope, h, j);
                if (contains(&arm, h, j)) target += w, lightest_kept = fmin(lightest_kept, w);
                if (contains(&control, h, j)) sum += w;
                if (!contains(&top, h, j)) outside = fmax(outside, w);
                assert_false(contains(&top, h, j) && contains(&control, h, j));
                assert_false(contains(&arm, h, j) && !contains(&top, h, j));
            }
            assert_true(fabs(sum - target) <= 0.5 * outside + 1e-12); /* half of the crossing key's mass */
            assert_true(set_size(&control, h) <= KEYS / 2);
            assert_true((set_size(&control, h) == 0) == (set_size(&arm, h) == 0));
            assert_int_equal(set_size(&arm, h) + arm.left_out[h], set_size(&top, h));
            for (int j = 0; j < KEYS && set_size(&arm, h) > 0; j++) /* the heaviest are the ones left out */
                if (contains(&top, h, j) && !contains(&arm, h, j))
                    assert_true(scope_mass(mass, scope, h, j) >= lightest_kept);
            left_out += arm.left_out[h];
            emptied += set_size(&arm, h) == 0;
        }
    }
    assert_true(left_out > 1000 && emptied > 100); /* both cases are there */
    attn_run_destroy(run);
}

/* Counts of inclusion over draws of `size` of the `n` things from `first` on: for draws without replacement the
 * statistic times (n - 1)/(n - size) is chi-square with n - 1 degrees of freedom; between its 0.01 % point (more even
 * would be no chance either) and its 99.9 % point; nothing else was drawn. */
static void check_uniform(const char *name, const double *count, double draws, int size, int first, int n) {
    static const struct {
        int n;
        double least, most;
    } POINTS[] = {{9, 0.46, 26.12}, {12, 1.1, 31.26}, {21, 4.4, 45.31}, {24, 5.7, 49.73}};
    const double expected = draws * size / n;
    double chi = 0;
    size_t p = 0;
    while (POINTS[p].n != n) p++;
    for (int j = 0; j < KEYS; j++) {
        if (j < first || j >= first + n) assert_true(count[j] == 0);
        else chi += (count[j] - expected) * (count[j] - expected) / expected;
    }
    chi *= (double)(n - 1) / (n - size);
    if (!(chi < POINTS[p].most && chi > POINTS[p].least)) fail_msg("%s: chi-square %g of %d", name, chi, n);
}

/* Every selector that draws, in its scopes, over 10^6 draws. Sinks are the keys 0 to 2, all image; so the type-matched
 * control draws 3 of the 9 other image keys, `exclude: top` 3 of 21, and the mass-matched one, whose masses outside are
 * all equal, 3 of 21 likewise. A layer's set is one draw of K x HEADS for all heads. */
static void draws_are_uniform(void **state) {
    (void)state;
    enum { DRAWS = 1000000, K = 3 };
    static const struct {
        const char *name;
        int word, n;
        attn_scope scope;
    } CASES[] = {{"type-matched", 0, 9, SCOPE_HEAD},
                 {"mass-matched", 0, 21, SCOPE_HEAD},
                 {"random", 1, 21, SCOPE_HEAD},
                 {"random", 0, 24, SCOPE_HEAD},
                 {"random", 0, 24, SCOPE_LAYER}};
    attn_measure m = {.r = 5};
    attn_run *run = run_of(NULL, &m);
    double mass[HEADS * KEYS];
    for (int i = 0; i < HEADS * KEYS; i++) mass[i] = i % KEYS < K ? 0.01 * (1 + 1e-6 * (i % KEYS)) : 0.01 * (1 - 1e-6);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int own = CASES[i].scope == SCOPE_HEAD ? HEADS : 1; /* draws a call */
        double count[KEYS] = {0}, draws = 0;
        for (int step = 0; step < DRAWS / own + 1; step++) {
            chosen c;
            choose(CASES[i].name, mass, K, CASES[i].scope, REDRAW_STEP, step, CASES[i].word, run, &c);
            for (int32_t x = 0; x < c.begin[own]; x++) count[c.key[x]]++;
            draws += own;
        }
        check_uniform(CASES[i].name, count, draws, own == HEADS ? K : K * HEADS, KEYS - CASES[i].n < K ? 0 : K,
                      CASES[i].n);
    }
    double count[KEYS] = {0}, draws = 0;
    for (int step = 0; step < DRAWS / HEADS + 1; step++) { /* query rows: K of the 12 of the image */
        chosen c;
        select_input in = {
            .mass = mass, .k = K, .queries = KEYS, .row_end = IMAGE, .run = run, .step = step, .block = 1};
        select_from("query-random", in, &c);
        for (int32_t x = 0; x < c.begin[HEADS]; x++) count[c.key[x]]++;
        draws += HEADS;
    }
    check_uniform("query-random", count, draws, K, 0, IMAGE);
    attn_run_destroy(run);
}

/* Masked in a call: both arms edit what they chose, and the record counts what was left out. */
static void what_was_left_out_is_counted(void **state) {
    (void)state;
    attn_measure m = all_probes();
    int counted = 0;
    for (int number = 0; number < 40; number++) {
        attn_program p = program("top-matched", 6, "mask", 0), q = program("type-matched", 6, "mask", 0);
        p.intervention[0].selector_options[0] = q.intervention[0].selector_options[0] = (option_value){.word = 1};
        attn_run *arm = run_of(&p, &m), *control = run_of(&q, &m);
        fixture *f = call_fixture(1, number), *g = call_fixture(1, number);
        free(forward_one(f, arm, 0, BRANCH_COND));
        free(forward_one(g, control, 0, BRANCH_COND));
        for (int h = 0; h < HEADS; h++) {
            const float *a = attn_run_site(arm, 0, 1, h, BRANCH_COND) + 9,
                        *c = attn_run_site(control, 0, 1, h, BRANCH_COND) + 9;
            assert_true(a[0] + a[5] == 6 && a[0] == c[0] && a[5] == c[5]); /* set_size, left_out */
            counted += (int)a[5];
        }
        fixture_free(f);
        fixture_free(g);
        attn_run_destroy(arm);
        attn_run_destroy(control);
    }
    assert_true(counted > 0);
}

/* Words of the keys: "red" is clip 1 and t5 0, "Circle" t5 1 and 2. */
static const char *word_of(const void *words, attn_branch branch, int key) {
    (void)words;
    if (branch == BRANCH_UNCOND) return "";
    return key == IMAGE + 1 || key == IMAGE + CLIP         ? "red"
           : key > IMAGE + CLIP && key <= IMAGE + CLIP + 2 ? "Circle"
                                                           : "";
}

static void choose_token(const double *mass, int class, const char *word, int k, attn_branch branch, chosen *out) {
    const option_value options[2] = {{.word = class}, {.text = word}};
    select_from("token", (select_input){.mass = mass, .word = word_of, .k = k, .options = options, .branch = branch},
                out);
}

/* By class, by word, by both; the heaviest first, as many as there are; nothing in a branch without the word. */
static void tokens_by_class_and_word(void **state) {
    (void)state;
    philox r;
    philox_init(&r, 9, NULL, 0);
    double mass[HEADS * KEYS];
    random_masses(&r, mass);
    static const struct {
        int class;
        const char *word;
        int n, key[8];
    } CASES[] = {{KEY_END, "", 2, {IMAGE + 2, IMAGE + CLIP + 3}},
                 {KEY_PADDING, NULL, 5, {15, 16, 21, 22, 23}},
                 {KEY_START, "", 1, {IMAGE}},
                 {0, "circle", 2, {IMAGE + CLIP + 1, IMAGE + CLIP + 2}},
                 {0, "RED", 2, {IMAGE + 1, IMAGE + CLIP}},
                 {KEY_END, "red", 0, {0}},
                 {0, "blue", 0, {0}}};
    chosen c;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int k = 0; k <= 6; k++) {
            choose_token(mass, CASES[i].class, CASES[i].word, k, BRANCH_COND, &c);
            for (int h = 0; h < HEADS; h++) {
                int size = c.begin[h + 1] - c.begin[h];
                double least = 2, most_other = -1;
                assert_int_equal(size, k < CASES[i].n ? k : CASES[i].n);
                for (int j = 0; j < CASES[i].n; j++) {
                    double m = mass[h * KEYS + CASES[i].key[j]];
                    if (contains(&c, h, CASES[i].key[j])) least = fmin(least, m), size--;
                    else most_other = fmax(most_other, m);
                }
                assert_int_equal(size, 0); /* nothing else was chosen */
                assert_true(least >= most_other);
            }
        }
    choose_token(mass, 0, "red", 4, BRANCH_UNCOND, &c);
    assert_int_equal(c.begin[HEADS], 0);
    ss_error err;
    assert_int_equal(named_selector("token")->check((option_value[2]){{0}}, 1, 1, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "'token' needs a class (start, word, end, padding) or a word");
}

/* persist: matched: of every kind, the control replaces exactly as many keys as left the top-k set (keys that became
 * sinks among them), and stays matched. */
static void persistent_controls_change_as_sinks_do(void **state) {
    (void)state;
    enum { K = 5 };
    attn_measure m = {.r = 5};
    attn_run *run = run_of(NULL, &m);
    double mass[HEADS * KEYS];
    philox r;
    chosen sinks, before_sinks, control, before;
    int changes = 0, stays = 0;
    philox_init(&r, 21, NULL, 0);
    random_masses(&r, mass);
    for (int step = 0; step < 200; step++) {
        for (int i = 0; i < HEADS * KEYS; i++) mass[i] *= exp(0.3 * philox_normal(&r));
        const option_value options[2] = {{.word = 0 /* modality */}, {.word = 1}};
        select_input in = {.mass = mass, .k = K, .options = options, .run = run, .step = step % STEPS, .block = 1};
        select_from("type-matched", in, &control);
        choose("top", mass, K, SCOPE_HEAD, REDRAW_STEP, 0, 0, run, &sinks);
        for (int h = 0; h < HEADS; h++)
            for (int image = 0; image < 2; image++) {
                int left = 0, gone = 0, size = 0, control_size = 0, forced = 0;
                for (int j = 0; j < KEYS; j++) {
                    if ((j < IMAGE) != image) continue;
                    size += contains(&sinks, h, j);
                    control_size += contains(&control, h, j);
                    assert_false(contains(&sinks, h, j) && contains(&control, h, j));
                    if (step == 0) continue;
                    left += contains(&before_sinks, h, j) && !contains(&sinks, h, j);
                    gone += contains(&before, h, j) && !contains(&control, h, j);
                    forced += contains(&before, h, j) && contains(&sinks, h, j);
                }
                assert_int_equal(control_size, size);
                if (step == 0) continue;
                changes += left > 0;
                stays += left == 0;
                /* a key that became a sink must go; and a kind that shrinks by more than left has no more to lose */
                assert_int_equal(gone, forced > left ? forced : left);
            }
        before = control;
        before_sinks = sinks;
    }
    assert_true(changes > 100 && stays > 100);
    attn_run_destroy(run);
}

/* Masses that are NaN have no order, but a set of them has as many keys as any, each once, the same every time. */
static void nan_masses_give_whole_sets(void **state) {
    (void)state;
    enum { KEYS_OF_NAN = 12, K = 5 };
    for (unsigned pattern = 0; pattern < 1u << KEYS_OF_NAN; pattern++) {
        double mass[KEYS_OF_NAN];
        int32_t first[K], again[K];
        unsigned seen = 0;
        for (int j = 0; j < KEYS_OF_NAN; j++) mass[j] = pattern >> j & 1 ? NAN : (j * 7 % KEYS_OF_NAN) / 80.0;
        assert_int_equal(attn_largest_keys(mass, KEYS_OF_NAN, K, first), K);
        assert_int_equal(attn_largest_keys(mass, KEYS_OF_NAN, K, again), K);
        assert_memory_equal(first, again, sizeof first);
        for (int i = 0; i < K; i++) {
            assert_in_range(first[i], 0, KEYS_OF_NAN - 1);
            assert_false(seen >> first[i] & 1);
            seen |= 1u << first[i];
        }
    }
}

int main(void) {
    cpu = fix_compute("cpu", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_by_class_and_word),     cmocka_unit_test(persistent_controls_change_as_sinks_do),
        cmocka_unit_test(top_breaks_ties_by_index),     cmocka_unit_test(random_sets_nest_and_follow_their_streams),
        cmocka_unit_test(index_names_its_segment),      cmocka_unit_test(bottom_is_the_other_end),
        cmocka_unit_test(tops_of_a_modality),           cmocka_unit_test(type_matched_has_as_many_of_each_kind),
        cmocka_unit_test(mass_matched_is_nearest),      cmocka_unit_test(draws_are_uniform),
        cmocka_unit_test(what_was_left_out_is_counted), cmocka_unit_test(nan_masses_give_whole_sets),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compute_destroy(cpu);
    return failed;
}
