/* See attn_call.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "attn_call.h"

const attn_segment SEGMENTS[3] = {{SEGMENT_IMAGE, "image", 0, IMAGE, 4},
                                  {SEGMENT_TEXT, "clip", IMAGE, CLIP, 0},
                                  {SEGMENT_TEXT, "t5", IMAGE + CLIP, T5, 0}};
const attn_shape SHAPE = {STEPS, BLOCKS, HEADS, KEYS};
const attn_stream_name NAME = {1, 2, 3, 0};
const uint8_t KEY_CLASS[KEYS] = {[IMAGE] = KEY_START,
                                 KEY_WORD,
                                 KEY_END,
                                 KEY_PADDING,
                                 KEY_PADDING,
                                 [IMAGE + CLIP] = KEY_WORD,
                                 KEY_WORD,
                                 KEY_WORD,
                                 KEY_END,
                                 KEY_PADDING,
                                 KEY_PADDING,
                                 KEY_PADDING};
compute *cpu;

attn_measure all_probes(void) {
    attn_measure m = named_all_probes(ROWS_IMAGE, 3);
    m.r = 5;
    return m;
}

attn_program program(const char *select, int k, const char *what, double number) {
    attn_program p = named_program(SHAPE, named_selector(select), k, what, number, ROWS_ALL);
    p.intervention[0].selector_options[0].text = "clip 1";
    return p;
}

attn_run *run_of(const attn_program *p, const attn_measure *m) {
    attn_run *run;
    ss_error err;
    assert_int_equal(attn_run_create(&run, p, m, &NAME, SHAPE, &err), SS_OK);
    return run;
}

attn_call call_of(fixture *f, const attn_batch *batch) {
    return (attn_call){.args = f->args,
                       .block = 1,
                       .kind = ATTN_JOINT,
                       .n_query_segments = 3,
                       .n_key_segments = 3,
                       .query_segments = SEGMENTS,
                       .key_segments = SEGMENTS,
                       .batch = batch};
}

fixture *call_fixture(int batch, int number) {
    philox r;
    uint64_t parts[1] = {(uint64_t)number};
    philox_init(&r, 77, parts, 1);
    return fixture_make(&r, (shape){batch, KEYS, KEYS, HEADS, WIDTH}, 0, 1.0);
}

float *forward_one(fixture *f, attn_run *run, int step, attn_branch branch) {
    attn_item item = {.run = run, .step = step, .branch = branch, .key_class = KEY_CLASS};
    attn_batch batch = {.n = 1, .item = &item};
    attn_call call = call_of(f, &batch);
    attn_forward(cpu, &call);
    ss_error err = {0};
    compute_status(cpu, &err);
    assert_string_equal(err.message, "");
    return fix_out(f);
}

void select_from(const char *name, select_input in, chosen *out) {
    double scratch_mass[KEYS];
    int32_t scratch_key[3 * KEYS];
    uint8_t scratch_mark[KEYS];
    key_sets to = {out->begin, out->key, out->left_out};
    ss_error err;
    in.heads = HEADS;
    in.keys = KEYS;
    in.key_class = KEY_CLASS;
    in.segments = SEGMENTS;
    in.n_segments = 3;
    in.scratch_mass = scratch_mass;
    in.scratch_key = scratch_key;
    in.scratch_mark = scratch_mark;
    out->begin[0] = 0;
    memset(out->left_out, 0, sizeof out->left_out);
    assert_int_equal(named_selector(name)->select(&in, &to, &err), SS_OK);
    for (int h = 0; h < HEADS; h++)
        for (int32_t x = out->begin[h] + 1; x < out->begin[h + 1]; x++) assert_true(out->key[x] > out->key[x - 1]);
}

void choose(const char *name, const double *mass, int k, attn_scope scope, attn_redraw redraw, int step, int word,
            attn_run *run, chosen *out) {
    const option_value options[8] = {{.word = word, .text = "clip 1"}};
    select_input in = {.mass = mass,
                       .k = k,
                       .scope = scope,
                       .redraw = redraw,
                       .options = options,
                       .run = run,
                       .step = step,
                       .block = 1};
    select_from(name, in, out);
}

int contains(const chosen *c, int head, int32_t key) {
    for (int32_t x = c->begin[head]; x < c->begin[head + 1]; x++)
        if (c->key[x] == key) return 1;
    return 0;
}

ss_status check_program(const attn_program *p, const attn_segment *segments, int n, ss_error *err) {
    attn_block block[BLOCKS] = {{.kind = ATTN_JOINT, .heads = HEADS, .queries = KEYS, .keys = KEYS}};
    block[0].n_segments = block[0].n_query_segments = n;
    for (int i = 0; i < n; i++) block[0].segment[i] = block[0].query_segment[i] = segments[i];
    for (int i = 1; i < BLOCKS; i++) block[i] = block[0];
    return attn_program_check(p, block, BLOCKS, err);
}
