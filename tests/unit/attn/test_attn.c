/* The attention call: selectors, programs, streams, edits and probes as a batch's items ask for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attn_call.h"

static void probes_report_what_the_kernel_measured(void **state) {
    (void)state;
    attn_measure m = all_probes();
    attn_program p = program("top", 2, "mask", 0);
    attn_run *run = run_of(&p, &m);
    fixture *f = call_fixture(1, 1);
    float *out = forward_one(f, run, 2, BRANCH_UNCOND);
    f->stats.row_end = IMAGE;
    op_attention(cpu, &f->args, &f->stats);
    assert_int_equal(attn_run_columns(run), RECORD_COLUMNS);
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
        double text_mass = 0;
        int text_keys = 0, order[KEYS];
        for (int j = IMAGE; j < KEYS; j++) text_mass += mass[j];
        for (int j = 0; j < KEYS; j++) {
            order[j] = 0;
            for (int i = 0; i < KEYS; i++) order[j] += mass[i] > mass[j];
            text_keys += j >= IMAGE && order[j] < 5;
        }
        assert_true(fabs((double)c[5] - text_mass) < 1e-6 && c[6] == (float)text_keys / 5);
        assert_true(c[7] == (float)mass[0] && c[8] == (float)mass[IMAGE]);
        assert_true(c[9] == 2 && c[11] == 0); /* k, and no mass is left on a masked set */
        assert_true(c[10] > 0 && c[10] < 1 && c[12] > 0);
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
                                attn_run_site(runs[i], i, 1, h, item[i].branch), RECORD_COLUMNS * sizeof(float));
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
    assert_int_equal(check_program(&p, SEGMENTS, 3, &err), SS_OK);
    p.intervention[0].k++;
    assert_int_equal(check_program(&p, SEGMENTS, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "k = 13 asks for sets of 13 keys; expected at most 12, half of a call's 24 keys");
    p.intervention[0].k = 5;
    p.intervention[0].scope = SCOPE_LAYER;
    assert_int_equal(check_program(&p, SEGMENTS, 3, &err), SS_ERR_INPUT);
    p = program("index", 1, "zero", 0);
    p.intervention[0].selector_options[0].text = "t6 0";
    assert_int_equal(check_program(&p, SEGMENTS, 3, &err), SS_ERR_INPUT);
    p = program("top", 1, "mask", 0);
    bits_set(&p.intervention[0].blocks, BLOCKS);
    assert_int_equal(check_program(&p, SEGMENTS, 3, &err), SS_ERR_INPUT);
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
                        RECORD_COLUMNS * sizeof(float));
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
    attn_batch batch = {2, items, NULL}, empty = {2, nobody, NULL};
    attn_call call = call_of(f, &batch), dry_call = call_of(f, &empty);
    attn_forward(wet, &call);
    memset(fix_at(f->args.out, 0, 0, 0), 0, fix_out_count(f) * sizeof(float));
    attn_forward(dry, &dry_call);
    assert_true(fix_at(f->args.out, 0, 0, 0)[0] == 0);
    assert_true(compute_peak(dry) >= compute_peak(wet));
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

/* At how many sites of one call each intervention of `p` acted. */
static void expect_acted(const attn_program *p, int64_t first, int64_t second) {
    attn_measure m = {.r = 5};
    attn_run *run = run_of(p, &m);
    fixture *f = call_fixture(1, 3);
    free(forward_one(f, run, 1, BRANCH_COND));
    assert_int_equal(attn_run_acted(run, 0), first);
    assert_int_equal(attn_run_acted(run, 1), second);
    fixture_free(f);
    attn_run_destroy(run);
}

static void runs_count_where_they_acted(void **state) {
    (void)state;
    attn_program top = program("top", 2, "mask", 0), empty = program("top", 0, "mask", 0),
                 token = program("token", 2, "zero", 0), null = program("top", 1, "null", 0);
    expect_acted(&top, HEADS, 0);
    expect_acted(&empty, 0, 0);
    expect_acted(&null, HEADS, 0);                      /* an edit that needs no keys acts everywhere */
    token.intervention[0].selector_options[0].word = 2; /* class: word */
    expect_acted(&token, HEADS, 0);
    token.intervention[0].selector_options[1].text = "absent";
    expect_acted(&token, 0, 0);
    top.intervention[0].heads = (attn_bits){{0}};
    bits_set(&top.intervention[0].heads, 1);
    top.intervention[top.n++] = token.intervention[0];
    expect_acted(&top, 1, 0);
    top.intervention[1] = top.intervention[0];
    bits_set(&top.intervention[1].heads, 2);
    expect_acted(&top, 1, 2);
    top.intervention[0].steps = (attn_bits){{0}};
    expect_acted(&top, 0, 2);
}

static const char *word_of(const void *words, attn_branch branch, int key) {
    (void)words;
    return branch == BRANCH_COND && key == IMAGE + 1 ? "star" : "";
}

static void keys_that_a_text_leaves(void **state) {
    (void)state;
    attn_program top = program("top", 2, "mask", 0), token = program("token", 2, "mask", 0);
    attn_intervention *v = &token.intervention[0];
    attn_block block[2] = {{.kind = ATTN_JOINT, .heads = HEADS, .keys = KEYS, .n_segments = 3},
                           {.kind = ATTN_SELF, .heads = HEADS, .keys = IMAGE, .n_segments = 1}};
    memcpy(block[0].segment, SEGMENTS, sizeof SEGMENTS);
    block[1].segment[0] = SEGMENTS[0];
    const attn_text both = {{KEY_CLASS, KEY_CLASS}, word_of, NULL}, one = {{KEY_CLASS, NULL}, word_of, NULL};
    assert_int_equal(attn_intervention_keys(&top.intervention[0], block, 2, &both), -1);
    v->selector_options[0].word = 2; /* class: word; a clip key and three of t5 */
    assert_int_equal(attn_intervention_keys(v, block, 2, &both), 2 * 4);
    assert_int_equal(attn_intervention_keys(v, block, 2, &one), 4);
    v->selector_options[1].text = "STAR";
    assert_int_equal(attn_intervention_keys(v, block, 2, &both), 1);
    v->branches = 1u << BRANCH_UNCOND;
    assert_int_equal(attn_intervention_keys(v, block, 2, &both), 0);
    v->branches = 3;
    v->blocks = (attn_bits){{0}};
    bits_set(&v->blocks, 1); /* no text there */
    assert_int_equal(attn_intervention_keys(v, block, 2, &both), 0);
}

int main(void) {
    cpu = fix_compute("cpu", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_report_what_the_kernel_measured),
        cmocka_unit_test(shams_change_no_bit),
        cmocka_unit_test(items_do_not_meet),
        cmocka_unit_test(interventions_stay_where_they_belong),
        cmocka_unit_test(rows_of_two_interventions),
        cmocka_unit_test(streams_are_named_by_every_part),
        cmocka_unit_test(names_of_keys),
        cmocka_unit_test(programs_are_checked_beforehand),
        cmocka_unit_test(forks_share_the_record),
        cmocka_unit_test(runs_count_where_they_acted),
        cmocka_unit_test(keys_that_a_text_leaves),
        cmocka_unit_test(dry_runs_account_for_scratch),
        cmocka_unit_test(calls_that_cannot_be_answered),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compute_destroy(cpu);
    return failed;
}
