/* A network whose blocks differ, as a U-Net's do: self-attention of images of two sizes and cross-attention, each with
 * heads and keys of its own, in one record. What is kept of a block is what a run for that block alone keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "../../properties/fixture.h"
#include "../../properties/named.h"
#include "attn/run.h"

enum { STEPS = 2, BLOCKS = 3, HEADS = 3, KEYS = 12, TEXT = 5, SMALL = 4, WIDTH = 8, TOP = 2 };

static const attn_segment IMAGE[] = {{SEGMENT_IMAGE, "image", 0, KEYS, 4}},
                          SMALL_IMAGE[] = {{SEGMENT_IMAGE, "image", 0, SMALL, 2}},
                          CLIP[] = {{SEGMENT_TEXT, "clip", 0, TEXT, 0}};

static const struct {
    attn_kind kind;
    shape n;
    const attn_segment *queries, *keys;
} BLOCK[BLOCKS] = {{ATTN_SELF, {1, KEYS, KEYS, 2, WIDTH}, IMAGE, IMAGE},
                   {ATTN_CROSS, {1, KEYS, TEXT, 2, WIDTH}, IMAGE, CLIP},
                   {ATTN_SELF, {1, SMALL, SMALL, HEADS, WIDTH}, SMALL_IMAGE, SMALL_IMAGE}};

static const uint8_t CLASSES[KEYS] = {KEY_START, KEY_WORD, KEY_WORD, KEY_END, KEY_PADDING}; /* of the text */
static const attn_shape SHAPE = {STEPS, BLOCKS, HEADS, KEYS};
static const attn_stream_name NAME = {1, 2, 3, 0};

static compute *cpu;

static attn_run *run_of(const attn_program *p, const attn_measure *m, attn_shape most) {
    attn_run *run;
    ss_error err;
    assert_int_equal(attn_run_create(&run, p, m, &NAME, most, &err), SS_OK);
    return run;
}

static fixture *fixture_of(int block, int number) {
    philox r;
    uint64_t parts[2] = {(uint64_t)block, (uint64_t)number};
    philox_init(&r, 78, parts, 2);
    return fixture_make(&r, BLOCK[block].n, 0, 1.0);
}

static void attend(fixture *f, attn_run *run, int step, int block, int number, const uint8_t *classes) {
    attn_item item = {.run = run, .step = step, .key_class = classes};
    attn_batch batch = {1, &item, NULL};
    attn_call call = {.args = f->args,
                      .block = number,
                      .kind = BLOCK[block].kind,
                      .n_query_segments = 1,
                      .n_key_segments = 1,
                      .query_segments = BLOCK[block].queries,
                      .key_segments = BLOCK[block].keys,
                      .batch = &batch};
    attn_forward(cpu, &call);
}

static void must_be_ok(void) {
    ss_error err = {0};
    compute_status(cpu, &err);
    assert_string_equal(err.message, "");
}

/* All blocks of a step, in order. */
static void forward(attn_run *run, int step, int number) {
    for (int block = 0; block < BLOCKS; block++) {
        fixture *f = fixture_of(block, number);
        attend(f, run, step, block, block, CLASSES);
        must_be_ok();
        fixture_free(f);
    }
}

static void a_block_is_kept_as_if_it_were_alone(void **state) {
    (void)state;
    attn_measure m = named_all_probes(ROWS_IMAGE, TOP);
    attn_run *run = run_of(NULL, &m, SHAPE), *copy;
    ss_error err;
    forward(run, 1, 5);
    assert_int_equal(attn_run_fork(&copy, run, NULL, &NAME, &err), SS_OK);
    for (int b = 0; b < BLOCKS; b++) {
        shape n = BLOCK[b].n;
        attn_shape one = {STEPS, 1, n.heads, n.keys}, own = attn_run_block_shape(copy, b);
        assert_true(own.heads == n.heads && own.keys == n.keys && own.steps == STEPS && own.blocks == BLOCKS);
        attn_run *alone = run_of(NULL, &m, one);
        fixture *f = fixture_of(b, 5);
        attend(f, alone, 1, b, 0, CLASSES);
        must_be_ok();
        size_t columns = sizeof(float) * (size_t)attn_run_columns(run), masses = sizeof(float) * (size_t)n.keys;
        for (int h = 0; h < n.heads; h++) {
            const attn_sink *x, *y;
            assert_memory_equal(attn_run_site(copy, 1, b, h, BRANCH_COND), attn_run_site(alone, 1, 0, h, BRANCH_COND),
                                columns);
            assert_memory_equal(attn_run_masses(copy, 1, b, h, BRANCH_COND),
                                attn_run_masses(alone, 1, 0, h, BRANCH_COND), masses);
            assert_int_equal(attn_run_sinks(copy, 1, b, h, BRANCH_COND, &x), TOP);
            attn_run_sinks(alone, 1, 0, h, BRANCH_COND, &y);
            for (int i = 0; i < TOP; i++) assert_true(x[i].key == y[i].key && x[i].key < n.keys);
        }
        for (int h = n.heads; h < HEADS; h++) { /* no such head: nothing */
            const attn_sink *x;
            assert_true(isnan(attn_run_site(copy, 1, b, h, BRANCH_COND)[named_column("max_mass")]));
            assert_null(attn_run_masses(copy, 1, b, h, BRANCH_COND));
            assert_int_equal(attn_run_sinks(copy, 1, b, h, BRANCH_COND, &x), 0);
        }
        fixture_free(f);
        attn_run_destroy(alone);
    }
    attn_run_destroy(run);
    attn_run_destroy(copy);
}

static void must_fail(attn_run *run, int step, int block, int number, const char *message) {
    fixture *f = fixture_of(block, 1);
    ss_error err = {0};
    attend(f, run, step, block, number, CLASSES);
    assert_int_equal(compute_status(cpu, &err), SS_ERR_INTERNAL);
    assert_string_equal(err.message, message);
    fixture_free(f);
}

static void a_block_keeps_its_size(void **state) {
    (void)state;
    attn_measure m = named_all_probes(ROWS_IMAGE, TOP);
    attn_run *run = run_of(NULL, &m, SHAPE), *narrow = run_of(NULL, &m, (attn_shape){STEPS, BLOCKS, HEADS, SMALL});
    forward(run, 0, 1);
    must_fail(run, 0, 2, 1,
              "attention at step 0, block 1 with 3 heads, 4 keys; expected a site of the record's 2 steps, 3 blocks, 2 "
              "heads, 5 keys");
    must_fail(
        run, 0, 0, BLOCKS,
        "attention at step 0, block 3 with 2 heads, 12 keys; expected a site of the record's 2 steps, 3 blocks, 3 "
        "heads, 12 keys");
    must_fail(
        run, STEPS, 0, 0,
        "attention at step 2, block 0 with 2 heads, 12 keys; expected a site of the record's 2 steps, 3 blocks, 2 "
        "heads, 12 keys");
    must_fail(narrow, 0, 1, 1,
              "attention at step 0, block 1 with 2 heads, 5 keys; expected a site of the record's 2 steps, 3 blocks, 3 "
              "heads, 4 keys");
    attn_run_destroy(run);
    attn_run_destroy(narrow);
}

static int falling(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Masses over the image's queries, of every head and key: the number of them. */
static int all_masses(int number, double *out) {
    int n = 0;
    for (int b = 0; b < BLOCKS; b++) {
        fixture *f = fixture_of(b, number);
        op_attention(cpu, &f->args, &f->stats);
        for (int i = 0; i < BLOCK[b].n.heads * BLOCK[b].n.keys; i++) out[n++] = f->mass[i];
        fixture_free(f);
    }
    return n;
}

/* scope: global over blocks of unequal size: as many keys as heads there are, times k, the largest of all; but at most
 * half of a block's. */
static void global_sets_know_the_sizes(void **state) {
    (void)state;
    attn_measure m = named_all_probes(ROWS_IMAGE, TOP), recalls = m;
    for (int b = 0; b < BLOCKS; b++) bits_set(&recalls.recall, b);
    for (int number = 0; number < 40; number++) {
        double all[BLOCKS * HEADS * KEYS];
        int n = all_masses(number, all), heads = 0;
        for (int b = 0; b < BLOCKS; b++) heads += BLOCK[b].n.heads;
        qsort(all, (size_t)n, sizeof *all, falling);
        double least = all[heads - 1]; /* k = 1 */
        attn_program p = named_program(SHAPE, named_selector("top"), 1, "mask", 0, ROWS_ALL);
        p.intervention[0].scope = SCOPE_GLOBAL;
        attn_run *base = run_of(NULL, &recalls, SHAPE), *run = run_of(&p, &m, SHAPE);
        forward(base, 0, number);
        attn_run_set_baseline(run, base);
        forward(run, 0, number);
        for (int b = 0; b < BLOCKS; b++) {
            fixture *f = fixture_of(b, number);
            op_attention(cpu, &f->args, &f->stats);
            for (int h = 0; h < BLOCK[b].n.heads; h++) {
                int keys = BLOCK[b].n.keys, reach = 0;
                for (int j = 0; j < keys; j++) reach += f->mass[h * keys + j] >= least;
                if (reach > keys / 2) reach = keys / 2;
                float told = attn_run_site(run, 0, b, h, BRANCH_COND)[named_column("set_size")];
                if (reach) assert_true(told == (float)reach);
                else assert_true(isnan(told));
            }
            fixture_free(f);
        }
        attn_run_destroy(run);
        attn_run_destroy(base);
    }
}

/* Classes are the text's: a choice by class within self-attention is the same whatever they say. */
static void keys_of_self_attention_are_image_keys(void **state) {
    (void)state;
    static const uint8_t other[KEYS] = {KEY_WORD, KEY_END, KEY_WORD, KEY_PADDING, KEY_START, KEY_START, KEY_WORD};
    const uint8_t *const classes[] = {NULL, CLASSES, other};
    attn_measure m = named_all_probes(ROWS_IMAGE, TOP);
    attn_program p = named_program(SHAPE, named_selector("type-matched"), 2, "mask", 0, ROWS_ALL);
    p.intervention[0].selector_options[0].word = 1; /* match: class */
    float *first = NULL;
    for (int i = 0; i < 3; i++) {
        attn_run *run = run_of(&p, &m, SHAPE);
        fixture *f = fixture_of(0, 9);
        attend(f, run, 0, 0, 0, classes[i]);
        must_be_ok();
        float *out = fix_out(f);
        const float *site = attn_run_site(run, 0, 0, 0, BRANCH_COND);
        assert_true(site[named_column("set_size")] == 2 && site[named_column("left_out")] == 0);
        if (!first) first = out;
        else {
            assert_memory_equal(out, first, fix_out_count(f) * sizeof *out);
            free(out);
        }
        fixture_free(f);
        attn_run_destroy(run);
    }
    free(first);
}

/* The row of query 10, where there is one. */
static void a_map_skips_blocks_without_its_row(void **state) {
    (void)state;
    const int32_t row = 10;
    const attn_map map = {.part = PART_ROW, .n = 1, .index = &row};
    attn_measure m = {.r = 1, .map = &map};
    attn_run *run = run_of(NULL, &m, SHAPE);
    forward(run, 0, 3);
    for (int b = 0; b < 2; b++) {
        const float *found = attn_run_map(run, 0, b);
        assert_non_null(found);
        double p[KEYS], scores[KEYS], mean[KEYS] = {0};
        fixture *f = fixture_of(b, 3);
        for (int h = 0; h < 2; h++) {
            fix_row(f, 0, h, row, p, scores);
            for (int j = 0; j < BLOCK[b].n.keys; j++) mean[j] += p[j] / 2;
        }
        for (int j = 0; j < BLOCK[b].n.keys; j++) assert_true(fabs((double)found[j] - mean[j]) < 1e-6);
        fixture_free(f);
    }
    assert_null(attn_run_map(run, 0, 2));
    attn_run_destroy(run);
}

/* Rows by block: what a block has under another number, and what it has not. */
static void a_map_may_differ_by_block(void **state) {
    (void)state;
    const int32_t rows[BLOCKS] = {10, -1, 2};
    const attn_map own = {.part = PART_ROW, .n = 1, .by_block = rows},
                   two = {.part = PART_ROW, .n = 1, .index = &rows[2]};
    attn_measure m = {.r = 1, .map = &own}, n = {.r = 1, .map = &two};
    attn_run *run = run_of(NULL, &m, SHAPE), *other = run_of(NULL, &n, SHAPE);
    forward(run, 0, 3);
    forward(other, 0, 3);
    assert_non_null(attn_run_map(run, 0, 0));
    assert_null(attn_run_map(run, 0, 1));
    assert_non_null(attn_run_map(run, 0, 2));
    assert_memory_equal(attn_run_map(run, 0, 2), attn_run_map(other, 0, 2), SMALL * sizeof(float));
    attn_run_destroy(run);
    attn_run_destroy(other);
}

/* ---- what the blocks are asked beforehand ---- */

static void describe(attn_block *out) {
    for (int i = 0; i < BLOCKS; i++) {
        out[i] = (attn_block){.name = "a.b",
                              .kind = BLOCK[i].kind,
                              .heads = BLOCK[i].n.heads,
                              .queries = BLOCK[i].n.queries,
                              .keys = BLOCK[i].n.keys,
                              .n_query_segments = 1,
                              .n_segments = 1};
        out[i].query_segment[0] = BLOCK[i].queries[0];
        out[i].segment[0] = BLOCK[i].keys[0];
    }
}

static void layouts_are_numbered(void **state) {
    (void)state;
    attn_block block[2 * BLOCKS];
    describe(block);
    describe(block + BLOCKS);
    assert_int_equal(attn_number_layouts(block, 2 * BLOCKS), BLOCKS);
    for (int i = 0; i < 2 * BLOCKS; i++) assert_int_equal(block[i].layout, i % BLOCKS);
    assert_false(attn_blocks_alike(block, 2 * BLOCKS));
    block[1] = block[0];
    assert_true(attn_blocks_alike(block, 2));
    assert_int_equal(attn_block_has(block, SEGMENT_IMAGE), KEYS);
    assert_int_equal(attn_block_has(block, SEGMENT_TEXT), 0);
}

/* An intervention in the blocks of `bits`, the heads there are. */
static attn_program asking(const char *select, int k, uint64_t bits) {
    attn_program p = named_program(SHAPE, named_selector(select), k, "mask", 0, ROWS_IMAGE);
    p.intervention[0].blocks = (attn_bits){{bits}};
    return p;
}

static void refused(attn_program p, const char *message) {
    attn_block block[BLOCKS];
    ss_error err = {0};
    describe(block);
    attn_number_layouts(block, BLOCKS);
    assert_int_equal(attn_program_check(&p, block, BLOCKS, &err), message ? SS_ERR_INPUT : SS_OK);
    if (message) assert_string_equal(err.message, message);
}

static void every_block_must_answer(void **state) {
    (void)state;
    refused(asking("top", 2, 7), NULL);
    refused(
        asking("top", 3, 7),
        "k = 3 asks for sets of 3 keys; expected at most 2, half of a call's 5 keys; so in 2 of the 3 blocks chosen, "
        "the first of them block 1 (a.b, cross)");
    refused(asking("top", 3, 1), NULL);
    refused(asking("text-top", 1, 2), NULL);
    refused(asking("text-top", 1, 3),
            "asks for sets of 1 keys; expected at most 0, the text keys of a call; so in 1 of "
            "the 2 blocks chosen, the first of them block 0 (a.b, self)");
    refused(asking("image-top", 2, 5), NULL);
    refused(asking("image-top", 1, 2),
            "asks for sets of 1 keys; expected at most 0, the image keys of a call; so in 1 of "
            "the 1 blocks chosen, the first of them block 1 (a.b, cross)");
    attn_program index = asking("index", 1, 5);
    index.intervention[0].selector_options[0].text = "image 3";
    refused(index, NULL);
    index.intervention[0].selector_options[0].text = "image 4";
    refused(index,
            "at is 'image 4'; expected a segment and an offset with room for k = 1 keys, as in 'image 0'; segments "
            "(keys): 'image' (4); so in 1 of the 2 blocks chosen, the first of them block 2 (a.b, self)");
    attn_program rows = asking("top", 1, 6);
    rows.intervention[0].rows = ROWS_TEXT;
    refused(rows,
            "'rows: text', but no query of the call is text; expected image or all; so in 2 of the 2 blocks chosen, "
            "the first of them block 1 (a.b, cross)");
    attn_program layer = asking("top", 1, 3);
    layer.intervention[0].scope = SCOPE_LAYER;
    refused(layer, NULL);
    layer.intervention[0].blocks = (attn_bits){{4}};
    refused(layer,
            "k = 1 asks for sets of 3 keys (scope: layer takes k x heads); expected at most 2, half of a call's 4 "
            "keys; so in 1 of the 1 blocks chosen, the first of them block 2 (a.b, self)");
}

static void measured_rows_must_be_there(void **state) {
    (void)state;
    attn_block block[BLOCKS];
    ss_error err = {0};
    describe(block);
    const attn_measure image = {.rows = ROWS_IMAGE}, all = {.rows = ROWS_ALL}, of_text = {.rows = ROWS_TEXT};
    assert_int_equal(attn_measure_check(&image, block, BLOCKS, &err), SS_OK);
    assert_int_equal(attn_measure_check(&all, block, BLOCKS, &err), SS_OK);
    assert_int_equal(attn_measure_check(&of_text, block, BLOCKS, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "block 0 (a.b, self) has no text queries to measure; choose other rows");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_kept_as_if_it_were_alone),
        cmocka_unit_test(a_block_keeps_its_size),
        cmocka_unit_test(global_sets_know_the_sizes),
        cmocka_unit_test(keys_of_self_attention_are_image_keys),
        cmocka_unit_test(a_map_skips_blocks_without_its_row),
        cmocka_unit_test(a_map_may_differ_by_block),
        cmocka_unit_test(layouts_are_numbered),
        cmocka_unit_test(every_block_must_answer),
        cmocka_unit_test(measured_rows_must_be_there),
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
