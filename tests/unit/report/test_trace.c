/* Traces: from a record made by hand to rows, a table and a page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attn/internal.h"
#include "io/csv.h"
#include "io/json.h"
#include "report/trace.h"
#include "wellformed.h"

enum { STEPS = 2, BLOCKS = 2, HEADS = 2, KEYS = 8 };

/* image 2 x 2, clip 2 (start, end), t5 2 (word, padding). */
static const uint8_t CLASSES[KEYS] = {KEY_IMAGE, KEY_IMAGE, KEY_IMAGE, KEY_IMAGE,
                                      KEY_START, KEY_END,   KEY_WORD,  KEY_PADDING};
static const char *const WORDS[KEYS] = {"", "", "", "", "", "", "</td><b>&\"red\"", ""};

typedef struct fixture {
    pipeline_sites sites;
    attn_block block[BLOCKS];
    resolved_settings settings;
    attn_measure measure;
    attn_run *run;
    rgb_image image;
    unsigned char rgb[12];
    trace trace;
} fixture;

/* Head 1 of block 1 is strongest there: key 7 at step 0, key 7 at step 1. Head 0 of block 0: key 1, then key 6. */
static int largest_key(int step, int block, int head) { return block == 1 ? (head ? 7 : 2) : head ? 4 : step ? 6 : 1; }
static double largest_mass(int block, int head) { return block == head ? 0.5 : 0.3; }

static void measure(fixture *f, int step, int block, int head, attn_branch branch) {
    double mass[KEYS];
    int key = largest_key(step, block, head);
    for (int i = 0; i < KEYS; i++) mass[i] = (1 - largest_mass(block, head)) / (KEYS - 1);
    mass[key] = largest_mass(block, head);
    static const float LENGTHS[KEYS] = {1, 1, 1, 1, 1, 1, 1, 1};
    attn_run_keep_top(f->run, step, block, head, branch, mass);
    attn_run_keep(f->run, step, block, head, branch, mass);
    float *columns = attn_run_columns_at(f->run, step, block, head, branch);
    for (int i = 0; i < f->measure.n_probes; i++) {
        observation o = {.step = step,
                         .block = block,
                         .head = head,
                         .keys = KEYS,
                         .branch = branch,
                         .mass = mass,
                         .entropy = 1 + block + 0.25 * step,
                         .concentration = 0.75,
                         .r = 5,
                         .value_norm = LENGTHS,
                         .value_projected = LENGTHS,
                         .output_norm = 1,
                         .output_projected = 1,
                         .noop_below = 0.1,
                         .run = f->run,
                         .key_class = CLASSES,
                         .segments = f->sites.segment,
                         .n_segments = f->sites.n_segments};
        f->measure.probe[i]->observe(&o, columns);
        columns += f->measure.probe[i]->n_columns;
    }
}

/* `measured` = 0: a run that nothing was recorded in. */
static void make(fixture *f, int branches, int measured) {
    ss_error err;
    *f = (fixture){.sites = {.blocks = BLOCKS,
                             .heads = HEADS,
                             .keys = KEYS,
                             .n_segments = 3,
                             .segment = {{SEGMENT_IMAGE, "image", 0, 4, 2},
                                         {SEGMENT_TEXT, "clip", 4, 2, 0},
                                         {SEGMENT_TEXT, "t5", 6, 2, 0}}},
                   .settings = {.width = 2, .height = 2, .steps = STEPS, .guidance = branches == 2 ? 4 : 1},
                   .measure = {.r = 5, .top = 2, .n_probes = ATTN_PROBE_COUNT}};
    for (int i = 0; i < ATTN_PROBE_COUNT; i++) f->measure.probe[i] = ATTN_PROBES[i];
    for (int i = 0; i < BLOCKS; i++) {
        f->block[i] = (attn_block){"layer", ATTN_JOINT, HEADS, KEYS, KEYS, 0, f->sites.n_segments, f->sites.n_segments,
                                   {{0}},   {{0}}};
        memcpy(f->block[i].segment, f->sites.segment, sizeof f->sites.segment);
        memcpy(f->block[i].query_segment, f->sites.segment, sizeof f->sites.segment);
    }
    attn_shape shape = {STEPS, BLOCKS, HEADS, KEYS};
    assert_int_equal(attn_run_create(&f->run, NULL, &f->measure, &(attn_stream_name){0}, shape, &err), SS_OK);
    for (int i = 0; measured && i < STEPS * BLOCKS * HEADS * branches; i++)
        measure(f, i / branches / HEADS / BLOCKS, i / branches / HEADS % BLOCKS, i / branches % HEADS,
                (attn_branch)(i % branches));
    f->image = (rgb_image){.width = 2, .height = 2, .rgb = f->rgb};
    f->trace = (trace){.prompt = "</title><script>\"&",
                       .model = "a, \"model\"",
                       .seed = seed_of(7),
                       .settings = &f->settings,
                       .sites = &f->sites,
                       .block = f->block,
                       .measure = &f->measure,
                       .run = f->run,
                       .branches = branches,
                       .key_class = {CLASSES, branches == 2 ? CLASSES : NULL},
                       .word = {WORDS, branches == 2 ? WORDS : NULL},
                       .image = &f->image};
}

static void check_name(const trace *t, int key, const char *expected) {
    text name = {0};
    trace_key_name(t, BRANCH_COND, &t->block[0], key, &name);
    assert_string_equal(name.s, expected);
    text_free(&name);
}

static void test_names(void **state) {
    (void)state;
    fixture f;
    make(&f, 1, 1);
    check_name(&f.trace, 3, "image (1, 1)");
    check_name(&f.trace, 4, "clip start 0");
    check_name(&f.trace, 6, "t5 word 0 '</td><b>&\"red\"'");
    check_name(&f.trace, 7, "t5 padding 1");
    attn_run_destroy(f.run);
}

static void test_strongest(void **state) {
    (void)state;
    fixture f;
    make(&f, 2, 1);
    trace_strongest one = trace_find_strongest(&f.trace, 1, 0, STEPS),
                    zero = trace_find_strongest(&f.trace, 0, 0, STEPS);
    assert_int_equal(one.head, 1);
    assert_int_equal(one.key, 7);
    assert_int_equal(one.key_steps, 2);
    assert_true(fabs(one.mass - 0.5) < 1e-7);
    assert_int_equal(zero.head, 0);
    assert_int_equal(zero.key, 1); /* as often as key 6: the earlier step's */
    assert_int_equal(zero.key_steps, 1);
    assert_int_equal(trace_find_strongest(&f.trace, 0, 1, 2).key, 6);
    attn_run_destroy(f.run);
}

static double cell(const csv_table *t, int64_t row, const char *column) {
    int c;
    double x;
    ss_error err;
    assert_int_equal(csv_find_column(t, column, &c, &err), SS_OK);
    assert_int_equal(csv_get_double(t, row, c, &x, &err), SS_OK);
    return x;
}

static void test_csv(void **state) {
    (void)state;
    fixture f;
    csv_table *t;
    ss_error err;
    text out = {0};
    int c;
    make(&f, 2, 1);
    trace_csv(&f.trace, &out);
    assert_int_equal(csv_read_bytes(out.s, out.len, "trace.csv", &t, &err), SS_OK);
    assert_int_equal(csv_row_count(t), STEPS * BLOCKS * HEADS * 2 * 2); /* sites, branches, ranks */
    /* the second step, block 0, head 0, conditional, its largest key: t5's word */
    int64_t row = 1 * BLOCKS * HEADS * 2 * 2;
    assert_true(cell(t, row, "step") == 1 && cell(t, row, "block") == 0 && cell(t, row, "rank") == 0);
    assert_true(fabs(cell(t, row, "mass") - 0.5) < 1e-7);
    assert_true(fabs(cell(t, row, "times_uniform") - 4) < 1e-6);
    assert_true(cell(t, row, "entropy") == 1.25);
    assert_true(cell(t, row, "position") == 0);
    assert_int_equal(csv_find_column(t, "word", &c, &err), SS_OK);
    assert_string_equal(csv_cell(t, row, c), WORDS[6]);
    assert_int_equal(csv_find_column(t, "class", &c, &err), SS_OK);
    assert_string_equal(csv_cell(t, row, c), "word");
    assert_int_not_equal(csv_find_column(t, "top_key", &c, &err), SS_OK); /* a name has no mean and no number */
    assert_int_not_equal(csv_find_column(t, "dose", &c, &err), SS_OK);    /* nothing was edited */
    csv_close(t);
    text_free(&out);
    attn_run_destroy(f.run);
}

static void test_json(void **state) {
    (void)state;
    fixture f;
    json_t *root, *sites;
    ss_error err;
    text out = {0};
    make(&f, 2, 1);
    trace_json(&f.trace, &out);
    assert_int_equal(json_read_bytes(out.s, out.len, "trace", &root, &err), SS_OK);
    assert_int_equal(json_get_array(root, "sites", "trace", &sites, &err), SS_OK);
    assert_int_equal(json_array_size(sites), STEPS * BLOCKS * HEADS * 2);
    json_t *sink = json_array_get(json_object_get(json_array_get(sites, 0), "sinks"), 0);
    assert_string_equal(json_string_value(json_object_get(sink, "key")), "image (0, 1)");
    assert_string_equal(json_string_value(json_object_get(root, "prompt")), f.trace.prompt);
    json_decref(root);
    text_free(&out);
    attn_run_destroy(f.run);
}

static void test_describe(void **state) {
    (void)state;
    fixture f;
    text out = {0};
    make(&f, 1, 1);
    trace_describe(&f.trace, -1, &out);
    assert_non_null(strstr(out.s, "    1     1  t5 padding 1                2/2     0.5000  4.0x"));
    assert_non_null(strstr(out.s, "entropy"));
    assert_null(strstr(out.s, "dose"));
    text_free(&out);
    out = (text){0};
    trace_describe(&f.trace, 1, &out);
    assert_non_null(strstr(out.s, ", step 1"));
    assert_non_null(strstr(out.s, "t5 word 0"));
    text_free(&out);
    attn_run_destroy(f.run);
}

/* The record on the page: names of all keys, sinks in the order of (step, block, head, branch). */
static void check_data(const char *data, int branches, int measured) {
    json_error_t problem;
    const char *end = strstr(data, "</script>");
    json_t *root = json_loadb(data, (size_t)(end - data), 0, &problem);
    if (!root) fail_msg("%s", problem.text);
    json_t *sinks = json_object_get(root, "sinks"),
           *names = json_object_get(json_array_get(json_object_get(root, "layout"), 0), "name");
    assert_int_equal(json_array_size(names), branches);
    assert_string_equal(json_string_value(json_array_get(json_array_get(names, 0), 6)), "t5 word 0 '</td><b>&\"red\"'");
    assert_int_equal(json_array_size(sinks), STEPS * BLOCKS * HEADS * branches * 2 * 2);
    for (int i = 0; i < STEPS * BLOCKS * HEADS * branches; i++) {
        int site = i / branches, head = site % HEADS, block = site / HEADS % BLOCKS, step = site / HEADS / BLOCKS;
        int key = (int)json_integer_value(json_array_get(sinks, (size_t)(4 * i)));
        int mass = (int)json_integer_value(json_array_get(sinks, (size_t)(4 * i + 1)));
        assert_int_equal(key, measured ? largest_key(step, block, head) : -1);
        assert_int_equal(mass, measured ? (int)lround(10000 * (double)(float)largest_mass(block, head)) : 0);
    }
    json_decref(root);
}

static void check_page(int branches, int measured) {
    fixture f;
    ss_error err;
    text first = {0}, again = {0};
    make(&f, branches, measured);
    assert_int_equal(trace_page(&f.trace, &first, &err), SS_OK);
    assert_int_equal(trace_page(&f.trace, &again, &err), SS_OK);
    assert_string_equal(first.s, again.s);
    assert_null(find_malformed(first.s));
    assert_false(has_bad_number(first.s));
    const char *data = strstr(first.s, "<script type=\"application/json\" id=\"trace-data\">");
    assert_non_null(data);
    check_data(data + strlen("<script type=\"application/json\" id=\"trace-data\">"), branches, measured);
    int scripts = 0;
    for (const char *s = first.s; (s = strstr(s, "<script")) != NULL; s++) scripts++;
    assert_int_equal(scripts, 2); /* the record and what reads it: none from the prompt */
    assert_null(strstr(first.s, "<b>"));
    if (measured) {
        assert_non_null(strstr(first.s, "t5 padding 1"));
        assert_non_null(strstr(first.s, "What the sinks are"));
    } else assert_null(strstr(first.s, "What the sinks are"));
    text_free(&first);
    text_free(&again);
    attn_run_destroy(f.run);
}

static void test_page(void **state) {
    (void)state;
    check_page(1, 1);
    check_page(2, 1);
    check_page(1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names),    cmocka_unit_test(test_strongest),
                                       cmocka_unit_test(test_csv),      cmocka_unit_test(test_json),
                                       cmocka_unit_test(test_describe), cmocka_unit_test(test_page)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
