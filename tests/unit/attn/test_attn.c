/* The attention call: selectors, programs, streams, edits and probes as a batch's items ask for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "../../properties/fixture.h"
#include "attn/run.h"

enum { IMAGE = 12, CLIP = 5, T5 = 7, KEYS = IMAGE + CLIP + T5, HEADS = 3, WIDTH = 8, STEPS = 4, BLOCKS = 2 };

static const attn_segment SEGMENTS[] = {{SEGMENT_IMAGE, "image", 0, IMAGE, 4},
                                        {SEGMENT_TEXT, "clip", IMAGE, CLIP, 0},
                                        {SEGMENT_TEXT, "t5", IMAGE + CLIP, T5, 0}};
static const attn_shape SHAPE = {STEPS, BLOCKS, HEADS, KEYS};
static const attn_stream_name NAME = {1, 2, 3, 0};

static compute *cpu;

static const attn_selector *selector(const char *name) {
    ss_error err;
    const entry *e =
        entry_find(ATTN_SELECTORS, sizeof *ATTN_SELECTORS, ATTN_SELECTOR_COUNT, "selector", name, NULL, &err);
    assert_non_null(e);
    return (const attn_selector *)(const void *)e;
}

static const attn_edit *edit(const char *name) {
    ss_error err;
    const entry *e = entry_find(ATTN_EDITS, sizeof *ATTN_EDITS, ATTN_EDIT_COUNT, "edit", name, NULL, &err);
    assert_non_null(e);
    return (const attn_edit *)(const void *)e;
}

static attn_measure all_probes(void) {
    attn_measure m = {.n_probes = ATTN_PROBE_COUNT, .rows = ROWS_IMAGE, .r = 5, .keep_masses = 1, .top = 3};
    for (int i = 0; i < ATTN_PROBE_COUNT; i++) m.probe[i] = &ATTN_PROBES[i];
    return m;
}

/* In force everywhere. */
static attn_program program(const char *select, int k, const char *what, double eta) {
    attn_program p = {.n = 1};
    attn_intervention *v = &p.intervention[0];
    memset(v->blocks.word, 0, sizeof v->blocks.word);
    for (int i = 0; i < BLOCKS; i++) bits_set(&v->blocks, i);
    for (int i = 0; i < HEADS; i++) bits_set(&v->heads, i);
    for (int i = 0; i < STEPS; i++) bits_set(&v->steps, i);
    v->branches = 3;
    v->rows = ROWS_ALL;
    v->selector = selector(select);
    v->selector_options[0].text = "clip 1";
    v->k = k;
    v->edit = edit(what);
    v->edit_options[0].number = eta;
    return p;
}

static attn_run *run_of(const attn_program *p, const attn_measure *m) {
    attn_run *run;
    ss_error err;
    assert_int_equal(attn_run_create(&run, p, m, &NAME, SHAPE, &err), SS_OK);
    return run;
}

static attn_call call_of(fixture *f, const attn_batch *batch) {
    return (attn_call){.args = f->args,
                       .block = 1,
                       .kind = ATTN_JOINT,
                       .n_query_segments = 3,
                       .n_key_segments = 3,
                       .query_segments = SEGMENTS,
                       .key_segments = SEGMENTS,
                       .batch = batch};
}

static fixture *call_fixture(int batch, int number) {
    philox r;
    uint64_t parts[1] = {(uint64_t)number};
    philox_init(&r, 77, parts, 1);
    return fixture_make(&r, (shape){batch, KEYS, KEYS, HEADS, WIDTH}, 0, 1.0);
}

/* One item through attn_forward; returns a copy of `out`. */
static float *forward_one(fixture *f, attn_run *run, int step, attn_branch branch) {
    attn_item item = {.run = run, .step = step, .branch = branch};
    attn_batch batch = {.n = 1, .item = &item};
    attn_call call = call_of(f, &batch);
    attn_forward(cpu, &call);
    ss_error err = {0};
    compute_status(cpu, &err);
    assert_string_equal(err.message, "");
    return fix_out(f);
}

static void probes_report_what_the_kernel_measured(void **state) {
    (void)state;
    attn_measure m = all_probes();
    attn_program p = program("top", 2, "mask", 0);
    attn_run *run = run_of(&p, &m);
    fixture *f = call_fixture(1, 1);
    float *out = forward_one(f, run, 2, BRANCH_UNCOND);
    f->stats.row_end = IMAGE;
    op_attention(cpu, &f->args, &f->stats);
    assert_int_equal(attn_run_columns(run), 10);
    for (int h = 0; h < HEADS; h++) {
        const float *c = attn_run_site(run, 2, 1, h, BRANCH_UNCOND), *masses;
        const double *mass = f->mass + h * KEYS;
        const attn_sink *sinks;
        int top = 0;
        for (int j = 1; j < KEYS; j++) top = mass[j] > mass[top] ? j : top;
        assert_true(c[0] == (float)mass[top] && c[1] == (float)top);
        assert_true(c[2] == (float)f->entropy[h] && c[3] == (float)f->concentration[h]);
        assert_int_equal(attn_run_sinks(run, 2, 1, h, BRANCH_UNCOND, &sinks), 3);
        assert_true(sinks[0].key == top && sinks[0].mass == (float)mass[top]);
        assert_true(sinks[0].mass >= sinks[1].mass && sinks[1].mass >= sinks[2].mass);
        masses = attn_run_masses(run, 2, 1, h, BRANCH_UNCOND);
        for (int j = 0; j < KEYS; j++) assert_true(masses[j] == (float)mass[j]);
        assert_true(c[5] == 2 && c[7] == 0); /* k, and no mass is left on a masked set */
        assert_true(c[6] > 0 && c[6] < 1 && c[8] > 0);
        assert_true(isnan(attn_run_site(run, 2, 0, h, BRANCH_UNCOND)[0])); /* not visited */
        assert_null(attn_run_masses(run, 2, 1, h, BRANCH_COND));
    }
    free(out);
    fixture_free(f);
    attn_run_destroy(run);
}

/* Observation changes no bit; an empty set and eta = 1 change no bit. */
static void shams_change_no_bit(void **state) {
    (void)state;
    attn_measure none = {.r = 5}, m = all_probes();
    attn_program empty = program("top", 0, "mask", 0), identity = program("top", 5, "scale", 1);
    const attn_program *programs[] = {NULL, &empty, &identity};
    for (int number = 0; number < 50; number++) {
        fixture *f = call_fixture(1, number);
        attn_run *plain = run_of(NULL, &none);
        float *want = forward_one(f, plain, 0, BRANCH_COND);
        for (int i = 0; i < 3; i++) {
            attn_run *run = run_of(programs[i], &m);
            float *out = forward_one(f, run, 0, BRANCH_COND);
            assert_memory_equal(out, want, fix_out_count(f) * sizeof *out);
            free(out);
            attn_run_destroy(run);
        }
        free(want);
        fixture_free(f);
        attn_run_destroy(plain);
    }
}

/* Items of a batch with programs and measures of their own get what they would get alone. */
static void items_do_not_meet(void **state) {
    (void)state;
    attn_measure m = all_probes(), other = all_probes(), none = {.r = 5};
    other.rows = ROWS_TEXT;
    attn_program a = program("top", 3, "mask", 0), b = program("random", 4, "zero", 0);
    b.intervention[0].rows = ROWS_TEXT;
    attn_run *runs[4] = {run_of(&a, &m), run_of(&b, &other), NULL, run_of(NULL, &none)};
    attn_item item[4];
    for (int i = 0; i < 4; i++) item[i] = (attn_item){.run = runs[i], .step = i, .branch = (attn_branch)(i & 1)};
    attn_batch batch = {.n = 4, .item = item};
    fixture *f = call_fixture(4, 5);
    attn_call call = call_of(f, &batch);
    attn_forward(cpu, &call);
    float *together = fix_out(f);
    for (int i = 0; i < 4; i++) {
        fixture *g = call_fixture(4, 5);
        attn_run *alone = i == 0 ? run_of(&a, &m) : i == 1 ? run_of(&b, &other) : NULL;
        attn_item one_item = item[i];
        one_item.run = alone;
        attn_batch one = {.n = 1, .item = &one_item};
        attn_call c = call_of(g, &one);
        c.args.q = tensor_slice(g->args.q, 0, i, 1);
        c.args.k = tensor_slice(g->args.k, 0, i, 1);
        c.args.v = tensor_slice(g->args.v, 0, i, 1);
        c.args.out = tensor_slice(g->args.out, 0, i, 1);
        attn_forward(cpu, &c);
        size_t each = (size_t)(KEYS * HEADS * WIDTH);
        assert_memory_equal(c.args.out.data, together + (size_t)i * each, each * sizeof(float));
        for (int h = 0; alone && h < HEADS; h++)
            assert_memory_equal(attn_run_site(alone, i, 1, h, item[i].branch),
                                attn_run_site(runs[i], i, 1, h, item[i].branch), 10 * sizeof(float));
        attn_run_destroy(alone);
        fixture_free(g);
    }
    free(together);
    fixture_free(f);
    for (int i = 0; i < 4; i++) attn_run_destroy(runs[i]);
}

/* Where the program is not in force nothing moves: other steps, blocks, branches, heads, rows. */
static void interventions_stay_where_they_belong(void **state) {
    (void)state;
    attn_measure m = {.r = 5};
    fixture *f = call_fixture(1, 9);
    attn_run *plain = run_of(NULL, &m);
    float *base = forward_one(f, plain, 1, BRANCH_COND);
    for (int what = 0; what < 5; what++) {
        attn_program p = program("top", 4, "mask", 0);
        attn_intervention *v = &p.intervention[0];
        if (what == 0) v->steps.word[0] = 1u << 2;
        if (what == 1) v->blocks.word[0] = 1u << 0;
        if (what == 2) v->branches = 1u << BRANCH_UNCOND;
        if (what == 3) v->heads.word[0] = 1u << 1;
        if (what == 4) v->rows = ROWS_TEXT;
        attn_run *run = run_of(&p, &m);
        float *out = forward_one(f, run, 1, BRANCH_COND);
        for (int i = 0; i < KEYS; i++)
            for (int h = 0; h < HEADS; h++) {
                int same =
                    memcmp(out + (i * HEADS + h) * WIDTH, base + (i * HEADS + h) * WIDTH, WIDTH * sizeof *out) == 0;
                int acts = what == 3 ? h == 1 : what == 4 ? i >= IMAGE : 0;
                assert_int_equal(same, !acts);
            }
        free(out);
        attn_run_destroy(run);
    }
    free(base);
    attn_run_destroy(plain);
    fixture_free(f);
}

/* Two interventions on different rows act like each alone on its rows. */
static void rows_of_two_interventions(void **state) {
    (void)state;
    attn_measure m = all_probes();
    fixture *f = call_fixture(1, 11);
    attn_program a = program("top", 3, "mask", 0), b = program("index", 2, "zero", 0), both = a;
    a.intervention[0].rows = ROWS_IMAGE;
    b.intervention[0].rows = ROWS_TEXT;
    both.n = 2;
    both.intervention[0] = a.intervention[0];
    both.intervention[1] = b.intervention[0];
    attn_run *runs[3] = {run_of(&a, &m), run_of(&b, &m), run_of(&both, &m)};
    float *out[3];
    for (int i = 0; i < 3; i++) out[i] = forward_one(f, runs[i], 0, BRANCH_COND);
    size_t row = HEADS * WIDTH, image = IMAGE * row;
    assert_memory_equal(out[2], out[0], image * sizeof(float));
    assert_memory_equal(out[2] + image, out[1] + image, (KEYS * row - image) * sizeof(float));
    for (int i = 0; i < 3; i++) {
        free(out[i]);
        attn_run_destroy(runs[i]);
    }
    fixture_free(f);
}

/* ---- selectors ---- */

typedef struct chosen {
    int32_t begin[HEADS + 1], key[HEADS * KEYS];
} chosen;

static void choose(const char *name, const double *mass, int k, attn_scope scope, attn_redraw redraw, int step,
                   int exclude_top, attn_run *run, chosen *out) {
    double room_mass[KEYS];
    int32_t room_key[KEYS];
    uint8_t room_mark[KEYS];
    option_value options[8] = {{.word = exclude_top, .text = "clip 1"}};
    select_input in = {.heads = HEADS,
                       .keys = KEYS,
                       .mass = mass,
                       .segments = SEGMENTS,
                       .n_segments = 3,
                       .k = k,
                       .scope = scope,
                       .redraw = redraw,
                       .options = options,
                       .run = run,
                       .step = step,
                       .block = 1,
                       .room_mass = room_mass,
                       .room_key = room_key,
                       .room_mark = room_mark};
    key_sets to = {out->begin, out->key};
    ss_error err;
    out->begin[0] = 0;
    assert_int_equal(selector(name)->select(&in, &to, &err), SS_OK);
    for (int h = 0; h < HEADS; h++)
        for (int32_t x = out->begin[h] + 1; x < out->begin[h + 1]; x++) assert_true(out->key[x] > out->key[x - 1]);
}

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

static int contains(const chosen *c, int head, int32_t key) {
    for (int32_t x = c->begin[head]; x < c->begin[head + 1]; x++)
        if (c->key[x] == key) return 1;
    return 0;
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

/* Every part of a stream's name gives another order, and k gives none. */
static void streams_are_named_by_every_part(void **state) {
    (void)state;
    attn_measure m = {.r = 5};
    ss_error err;
    uint32_t first[9];
    for (int part = 0; part < 9; part++) {
        attn_stream_name name = NAME;
        attn_run *run;
        philox r;
        if (part == 1) name.study_seed++;
        if (part == 2) name.prompt++;
        if (part == 3) name.image_seed++;
        if (part == 4) name.draw++;
        assert_int_equal(attn_run_create(&run, NULL, &m, &name, SHAPE, &err), SS_OK);
        attn_run_stream(run, part == 5 ? "other" : "random", part == 6 ? 1 : 0, part == 7 ? 1 : 0, part == 8 ? 1 : 0,
                        BRANCH_COND, &r);
        first[part] = philox_u32(&r);
        for (int i = 0; i < part; i++) assert_true(first[part] != first[i]);
        attn_run_destroy(run);
    }
}

/* Inclusion of every key over many steps: chi-square against the uniform share. For draws without replacement the
 * statistic times (n - 1)/(n - k) is chi-square with n - 1 = 23 degrees of freedom; 49.73 is its 99.9 % point. */
static void random_is_uniform(void **state) {
    (void)state;
    enum { DRAWS = 4000, K = 5 };
    attn_measure m = {.r = 5};
    attn_run *run = run_of(NULL, &m);
    double mass[HEADS * KEYS] = {0};
    int count[KEYS] = {0};
    chosen c;
    for (int step = 0; step < DRAWS; step++) {
        choose("random", mass, K, SCOPE_HEAD, REDRAW_STEP, step, 0, run, &c);
        for (int32_t x = 0; x < c.begin[1]; x++) count[c.key[x]]++;
    }
    double expected = (double)DRAWS * K / KEYS, chi = 0;
    for (int j = 0; j < KEYS; j++) chi += (count[j] - expected) * (count[j] - expected) / expected;
    chi *= (double)(KEYS - 1) / (KEYS - K);
    assert_true(chi < 49.73);
    assert_true(chi > 5.0); /* as even as that (0.01 %) would be no chance either */
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
    const attn_selector *s = selector("index");
    assert_int_equal(s->check(&at, 1, SEGMENTS, 3, &err), SS_OK);
    assert_int_equal(s->check(&at, 2, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "at is 'clip 4'; expected a segment and an offset with room for k = 2 keys, as in "
                                     "'image 0'; segments (keys): 'image' (12), 'clip' (5), 't5' (7)");
    const char *const wrong[] = {"clip", "4", "clip -1", "clip x", "klip 0", "", " 0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        at.text = wrong[i];
        assert_int_equal(s->check(&at, 1, SEGMENTS, 3, &err), SS_ERR_INPUT);
    }
}

static void names_of_keys(void **state) {
    (void)state;
    text t = {0};
    for (int i = 0; i < 3; i++) attn_key_name(SEGMENTS, 3, (int[]){6, 16, 17}[i], &t), text_add(&t, ";");
    assert_string_equal(t.s, "image (1, 2);clip 4;t5 0;");
    text_free(&t);
}

static void programs_are_checked_beforehand(void **state) {
    (void)state;
    ss_error err;
    attn_program p = program("top", KEYS / 2, "mask", 0);
    assert_int_equal(attn_program_check(&p, BLOCKS, HEADS, KEYS, SEGMENTS, 3, &err), SS_OK);
    p.intervention[0].k++;
    assert_int_equal(attn_program_check(&p, BLOCKS, HEADS, KEYS, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "k = 13 asks for sets of 13 keys; expected at most 12, half of a call's 24 keys");
    p.intervention[0].k = 5;
    p.intervention[0].scope = SCOPE_LAYER;
    assert_int_equal(attn_program_check(&p, BLOCKS, HEADS, KEYS, SEGMENTS, 3, &err), SS_ERR_INPUT);
    p = program("index", 1, "zero", 0);
    p.intervention[0].selector_options[0].text = "t6 0";
    assert_int_equal(attn_program_check(&p, BLOCKS, HEADS, KEYS, SEGMENTS, 3, &err), SS_ERR_INPUT);
    p = program("top", 1, "mask", 0);
    bits_set(&p.intervention[0].blocks, BLOCKS);
    assert_int_equal(attn_program_check(&p, BLOCKS, HEADS, KEYS, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "block 2 is not there; the model has blocks 0 to 1");
}

/* A fork goes on from the record so far, under its own program. */
static void forks_share_the_record(void **state) {
    (void)state;
    attn_measure m = all_probes();
    attn_program p = program("top", 2, "mask", 0);
    attn_run *run = run_of(NULL, &m), *fork;
    ss_error err;
    fixture *f = call_fixture(1, 3);
    float *a = forward_one(f, run, 0, BRANCH_COND);
    assert_int_equal(attn_run_fork(&fork, run, &p, &NAME, &err), SS_OK);
    float *b = forward_one(f, fork, 1, BRANCH_COND);
    assert_true(memcmp(a, b, fix_out_count(f) * sizeof *a) != 0);
    assert_memory_equal(attn_run_site(fork, 0, 1, 2, BRANCH_COND), attn_run_site(run, 0, 1, 2, BRANCH_COND),
                        10 * sizeof(float));
    assert_memory_equal(attn_run_masses(fork, 0, 1, 2, BRANCH_COND), attn_run_masses(run, 0, 1, 2, BRANCH_COND),
                        KEYS * sizeof(float));
    assert_true(isnan(attn_run_site(run, 1, 1, 2, BRANCH_COND)[0]));
    free(a);
    free(b);
    fixture_free(f);
    attn_run_destroy(run);
    attn_run_destroy(fork);
}

/* A dry run of the call takes as much scratch as a real one that measures, and touches nothing. */
static void dry_runs_account_for_scratch(void **state) {
    (void)state;
    attn_measure m = all_probes();
    attn_program p = program("top", KEYS / 2, "mask", 0);
    attn_run *run = run_of(&p, &m);
    compute *dry = fix_compute("dry", 1), *wet = fix_compute("cpu", 1);
    fixture *f = call_fixture(2, 3);
    attn_item items[2] = {{.run = run}, {.run = NULL}}, nobody[2] = {{.run = NULL}, {.run = NULL}};
    attn_batch batch = {2, items}, empty = {2, nobody};
    attn_call call = call_of(f, &batch), dry_call = call_of(f, &empty);
    attn_forward(wet, &call);
    memset(fix_at(f->args.out, 0, 0, 0), 0, fix_out_count(f) * sizeof(float));
    attn_forward(dry, &dry_call);
    assert_true(fix_at(f->args.out, 0, 0, 0)[0] == 0);
    assert_true(arena_peak(dry->scratch) >= arena_peak(wet->scratch));
    assert_true(dry->flops > 0);
    fixture_free(f);
    compute_destroy(dry);
    compute_destroy(wet);
    attn_run_destroy(run);
}

/* What a call cannot answer is an error that says so, and leaves the context usable. */
static void calls_that_cannot_be_answered(void **state) {
    (void)state;
    attn_measure m = all_probes();
    attn_run *run = run_of(NULL, &m);
    fixture *f = call_fixture(1, 3);
    ss_error err;
    m.rows = ROWS_TEXT;
    attn_run *text_run = run_of(NULL, &m);
    attn_segment apart[] = {SEGMENTS[1], SEGMENTS[0], SEGMENTS[2]}; /* text, image, text */
    apart[0].start = 0;
    apart[1].start = CLIP;
    attn_item item = {.run = text_run};
    attn_batch batch = {.n = 1, .item = &item};
    attn_call call = call_of(f, &batch);
    call.query_segments = apart;
    attn_forward(cpu, &call);
    assert_int_equal(compute_status(cpu, &err), SS_ERR_INTERNAL);
    assert_string_equal(err.message, "attention in block 1: expected the text queries in one run, found 12 of them "
                                     "within [0, 24)");
    call.query_segments = SEGMENTS;
    call.n_query_segments = 1; /* image to everything, as in cross-attention */
    attn_forward(cpu, &call);
    assert_int_equal(compute_status(cpu, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "block 1 has no text queries to measure; choose other rows");
    item.run = run;
    item.step = STEPS;
    attn_forward(cpu, &call);
    assert_int_equal(compute_status(cpu, &err), SS_ERR_INTERNAL);
    item.step = 0;
    attn_forward(cpu, &call);
    assert_int_equal(compute_status(cpu, &err), SS_OK);
    fixture_free(f);
    attn_run_destroy(run);
    attn_run_destroy(text_run);
}

int main(void) {
    cpu = fix_compute("cpu", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_report_what_the_kernel_measured),
        cmocka_unit_test(shams_change_no_bit),
        cmocka_unit_test(items_do_not_meet),
        cmocka_unit_test(interventions_stay_where_they_belong),
        cmocka_unit_test(rows_of_two_interventions),
        cmocka_unit_test(top_breaks_ties_by_index),
        cmocka_unit_test(random_sets_nest_and_follow_their_streams),
        cmocka_unit_test(streams_are_named_by_every_part),
        cmocka_unit_test(random_is_uniform),
        cmocka_unit_test(index_names_its_segment),
        cmocka_unit_test(names_of_keys),
        cmocka_unit_test(programs_are_checked_beforehand),
        cmocka_unit_test(forks_share_the_record),
        cmocka_unit_test(dry_runs_account_for_scratch),
        cmocka_unit_test(calls_that_cannot_be_answered),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compute_destroy(cpu);
    return failed;
}
