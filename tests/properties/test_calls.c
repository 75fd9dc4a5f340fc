/* Identities of whole attention calls, joint, self and cross: selectors, programs and runs over random tokens. Another
 * order of tokens gives the same in that order; the sets that a run chose, given back to it, give the same run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fixture.h"
#include "named.h"

static const double BOUND = 2e-5;
enum { CASES = 15000, STEPS = 2, BLOCKS = 2, SITES = STEPS * BLOCKS * 2, MAX_KEYS = 20, MAX_HEADS = 3 };

static compute *cpu;

/* Tokens at random: joint [image | clip | t5]; self, one image; cross, image queries and keys [clip | t5]. One call for
 * each step, block and branch. */
typedef struct tokens {
    shape n;
    attn_kind kind;
    attn_segment segment[3], queries[3];
    int n_segments, n_queries;
    uint8_t key_class[MAX_KEYS];
} tokens;

static philox stream(uint64_t property, int number) {
    philox r;
    uint64_t parts[2] = {property, (uint64_t)number};
    philox_init(&r, 20261126, parts, 2);
    return r;
}

static tokens tokens_make(philox *r, int least_keys, attn_kind kind) {
    tokens t = {.kind = kind,
                .n = {1, 0, fix_int(r, least_keys, MAX_KEYS), fix_int(r, 1, MAX_HEADS), fix_int(r, 1, 12)}};
    int image = kind == ATTN_SELF ? t.n.keys : kind == ATTN_CROSS ? 0 : fix_int(r, 1, t.n.keys - 2);
    int clip = kind == ATTN_SELF ? 0 : fix_int(r, 1, t.n.keys - image - 1);
    const attn_segment all[] = {{SEGMENT_IMAGE, "image", 0, image, 2},
                                {SEGMENT_TEXT, "clip", image, clip, 0},
                                {SEGMENT_TEXT, "t5", image + clip, t.n.keys - image - clip, 0}};
    for (int i = 0; i < 3; i++)
        if (all[i].length) t.segment[t.n_segments++] = all[i];
    memcpy(t.queries, t.segment, sizeof t.queries);
    t.n_queries = t.n_segments;
    t.n.queries = kind == ATTN_CROSS ? fix_int(r, 1, MAX_KEYS) : t.n.keys;
    if (kind == ATTN_CROSS) {
        t.queries[0] = (attn_segment){SEGMENT_IMAGE, "image", 0, t.n.queries, 2};
        t.n_queries = 1;
    }
    for (int j = image; j < t.n.keys; j++) t.key_class[j] = (uint8_t)fix_int(r, KEY_START, KEY_PADDING);
    return t;
}

static attn_shape shape_of(const tokens *t) { return (attn_shape){STEPS, BLOCKS, t->n.heads, t->n.keys}; }

static attn_run *run_of(const tokens *t, const attn_program *p) {
    const attn_stream_name name = {1, 2, 3, 0};
    attn_measure m = named_all_probes(ROWS_IMAGE, 2);
    attn_run *run;
    ss_error err = {0};
    assert_int_equal(attn_run_create(&run, p, &m, &name, shape_of(t), &err), SS_OK);
    return run;
}

/* Site 0 .. SITES - 1 of a run through attn_forward; a copy of out. */
static float *forward(const tokens *t, const fixture *f, attn_run *run, int site) {
    attn_item item = {
        .run = run, .step = site / BLOCKS / 2, .branch = (attn_branch)(site % 2), .key_class = t->key_class};
    attn_batch batch = {1, &item, NULL};
    attn_call call = {.args = f->args,
                      .block = site / 2 % BLOCKS,
                      .kind = t->kind,
                      .n_query_segments = t->n_queries,
                      .n_key_segments = t->n_segments,
                      .query_segments = t->queries,
                      .key_segments = t->segment,
                      .batch = &batch};
    ss_error err = {0};
    attn_forward(cpu, &call);
    compute_status(cpu, &err);
    assert_string_equal(err.message, "");
    return fix_out(f);
}

/* ---- permutation ---- */

/* A random order of the tokens of each segment: token j moves to to[j]. */
static void shuffle(philox *r, const tokens *t, int *to) {
    for (int j = 0; j < t->n.keys; j++) to[j] = j;
    for (int s = 0; s < t->n_segments; s++)
        for (int i = t->segment[s].length - 1; i > 0; i--) {
            int a = t->segment[s].start + i, b = t->segment[s].start + (int)philox_below(r, (uint32_t)(i + 1));
            int keep = to[a];
            to[a] = to[b];
            to[b] = keep;
        }
}

static void move_rows(float *to, const float *from, const int *place, int n, size_t row) {
    for (int j = 0; j < n; j++) memcpy(to + (size_t)place[j] * row, from + (size_t)j * row, row * sizeof *to);
}

/* Whether two keys that a set of `size` may tell apart are within `gap` of each other, in the scope's masses. */
static int nearly_tied(const tokens *t, const double *mass, attn_scope scope, double gap) {
    for (int h = 0; h < t->n.heads; h++)
        for (int j = 0; j < t->n.keys; j++)
            for (int i = 0; i < j; i++) {
                double a = 0, b = 0;
                for (int g = 0; g < t->n.heads; g++)
                    if (scope == SCOPE_LAYER || g == h) {
                        a += mass[g * t->n.keys + i];
                        b += mass[g * t->n.keys + j];
                    }
                if (fabs(a - b) < gap) return 1;
            }
    return 0;
}

/* What the records say of a site, but for the names of keys, which move with the tokens. */
static void check_records(const tokens *t, const attn_run *a, const attn_run *b, const int *to) {
    static const char *const SAME[] = {"max_mass",      "entropy",         "concentration",  "text_mass",
                                       "text_of_top_r", "set_mass_before", "set_mass_after", "set_size"};
    for (int h = 0; h < t->n.heads; h++) {
        const float *x = attn_run_site(a, 0, 0, h, BRANCH_COND), *y = attn_run_site(b, 0, 0, h, BRANCH_COND);
        for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++) {
            double one = (double)x[named_column(SAME[i])], two = (double)y[named_column(SAME[i])];
            assert_true((isnan(one) && isnan(two)) || fabs(one - two) < 3e-6 * (1 + fabs(one)));
        }
        assert_int_equal(y[named_column("top_key")], to[(int)x[named_column("top_key")]]);
    }
}

static void permuting_tokens_permutes_calls(void **state) {
    (void)state;
    static const char *const SELECTORS[] = {"top", "bottom", "text-top", "image-top"}, *const EDITS[] = {
                                                                                           "mask", "scale", "shift",
                                                                                           "zero", "mean",  "lerp"};
    int left_out = 0;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(1, number);
        tokens t = tokens_make(&r, 2 * MAX_HEADS, (attn_kind)(number / 4 % 3));
        fixture *f = fixture_make(&r, t.n, 0, 4 * philox_uniform(&r)), *g = fixture_make(&r, t.n, 0, 0);
        int to[MAX_KEYS], of_queries[MAX_KEYS];
        shuffle(&r, &t, to);
        for (int i = 0; i < MAX_KEYS; i++) of_queries[i] = t.kind == ATTN_CROSS ? i : to[i < t.n.keys ? i : 0];
        size_t row = (size_t)(t.n.heads * t.n.width);
        move_rows(g->memory[0], f->memory[0], of_queries, t.n.queries, row);
        for (int x = 1; x < 3; x++) move_rows(g->memory[x], f->memory[x], to, t.n.keys, row);
        attn_program p = named_program(shape_of(&t), named_selector(SELECTORS[number % 4]), 1,
                                       EDITS[philox_below(&r, 6)], philox_uniform(&r), (attn_rows)philox_below(&r, 3));
        attn_intervention *v = &p.intervention[0];
        v->scope = (attn_scope)philox_below(&r, 2);
        ss_error err;
        v->k = fix_int(&r, 1, 3);
        attn_block block[BLOCKS] = {{.kind = t.kind, .heads = t.n.heads, .queries = t.n.queries, .keys = t.n.keys}};
        block[0].n_query_segments = 1; /* as if some were text: rows that no call has are edited nowhere */
        block[0].query_segment[0] = (attn_segment){SEGMENT_TEXT, "text", 0, t.n.queries, 0};
        block[0].n_segments = t.n_segments;
        memcpy(block[0].segment, t.segment, (size_t)t.n_segments * sizeof *t.segment);
        for (int i = 1; i < BLOCKS; i++) block[i] = block[0];
        while (attn_program_check(&p, block, BLOCKS, &err) != SS_OK)
            if (--v->k == 0) v->selector = named_selector("top"), v->k = 1; /* fewer tokens of the kind than heads */
        attn_run *a = run_of(&t, &p), *b = run_of(&t, &p);
        f->stats.row_end = t.queries[0].length;
        op_attention(cpu, &f->args, &f->stats);
        if (nearly_tied(&t, f->mass, v->scope, 1e-6)) left_out++;
        else {
            float *one = forward(&t, f, a, 0), *two = forward(&t, g, b, 0),
                  *moved = malloc(fix_out_count(f) * sizeof *moved);
            move_rows(moved, one, of_queries, t.n.queries, row);
            assert_true(fix_error(two, moved, fix_out_count(f)) < BOUND);
            check_records(&t, a, b, to);
            free(one);
            free(two);
            free(moved);
        }
        attn_run_destroy(a);
        attn_run_destroy(b);
        fixture_free(f);
        fixture_free(g);
    }
    print_message("%d of %d calls with masses within 1e-6 of each other left out\n", left_out, CASES);
    assert_true(left_out < CASES / 10);
}

/* ---- replay ---- */

/* What a run's selector chose, by site; and a selector that gives just that. The tests' own, so that the sets reach it
 * past the table of selectors. */
static struct {
    const attn_selector *own;
    int32_t begin[SITES][MAX_HEADS + 1], key[SITES][MAX_HEADS * MAX_KEYS];
} chosen;

static int site_of(const select_input *in) { return (in->step * BLOCKS + in->block) * 2 + (int)in->branch; }

static ss_status record_sets(const select_input *in, key_sets *out, ss_error *err) {
    int site = site_of(in);
    SS_TRY(chosen.own->select(in, out, err));
    memcpy(chosen.begin[site], out->begin, sizeof *out->begin * (size_t)(in->heads + 1));
    memcpy(chosen.key[site], out->key, sizeof *out->key * (size_t)out->begin[in->heads]);
    return SS_OK;
}

static ss_status replay_sets(const select_input *in, key_sets *out, ss_error *err) {
    (void)err;
    int site = site_of(in);
    memcpy(out->begin, chosen.begin[site], sizeof *out->begin * (size_t)(in->heads + 1));
    memcpy(out->key, chosen.key[site], sizeof *out->key * (size_t)out->begin[in->heads]);
    return SS_OK;
}

static const attn_selector RECORD = {.about = {"record", "", NULL},
                                     .select = record_sets,
                                     .needs = NEED_MASS | NEED_ROW_MAX | NEED_VALUES},
                           REPLAY = {.about = {"replay", "", NULL}, .select = replay_sets};

/* Edits act on what their selector chooses, keys or query rows (attn_program_check): one of those at random. */
static const attn_edit *edit_for(const attn_selector *s, philox *r) {
    const attn_edit *edit;
    do edit = ATTN_EDITS[philox_below(r, (uint32_t)ATTN_EDIT_COUNT)];
    while (s->queries != (edit->on == EDIT_ON_QUERIES));
    return edit;
}

/* The columns of a site, but for left_out, which a replay has no record of. */
static void check_same_record(const tokens *t, const attn_run *a, const attn_run *b) {
    int skip = named_column("left_out"), n = attn_run_columns(a);
    for (int site = 0; site < SITES; site++)
        for (int h = 0; h < t->n.heads; h++) {
            int step = site / BLOCKS / 2, block = site / 2 % BLOCKS;
            const float *x = attn_run_site(a, step, block, h, (attn_branch)(site % 2)),
                        *y = attn_run_site(b, step, block, h, (attn_branch)(site % 2));
            for (int i = 0; i < n; i++)
                if (i != skip) assert_memory_equal(&x[i], &y[i], sizeof *x);
        }
}

/* Every selector, every edit: sets given back give the same bits and the same record, call by call. */
static void replay_of_a_runs_sets_is_the_run(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(2, number);
        tokens t = tokens_make(&r, 6, (attn_kind)(number / ATTN_SELECTOR_COUNT % 3));
        const attn_selector *s = ATTN_SELECTORS[number % ATTN_SELECTOR_COUNT];
        attn_selector record = RECORD, replay = REPLAY;
        record.queries = replay.queries = s->queries;
        const char *edit = edit_for(s, &r)->about.name;
        double amount = philox_uniform(&r);
        attn_program p = named_program(shape_of(&t), &record, 1, edit, amount, (attn_rows)philox_below(&r, 3));
        attn_intervention *v = &p.intervention[0];
        v->scope = (attn_scope)philox_below(&r, 2);
        v->redraw = (attn_redraw)philox_below(&r, 2);
        if (s->about.options && s->about.options[0].type == OPTION_TEXT)
            v->selector_options[0].text = t.kind == ATTN_CROSS ? "clip 0" : "image 0";
        else v->selector_options[0].word = (int)philox_below(&r, 2);
        chosen.own = s;
        attn_program q = p;
        q.intervention[0].selector = &replay;
        attn_run *a = run_of(&t, &p), *b = run_of(&t, &q);
        fixture *f[SITES];
        float *first[SITES];
        for (int i = 0; i < SITES; i++) {
            f[i] = fixture_make(&r, t.n, 0, 3 * philox_uniform(&r));
            first[i] = forward(&t, f[i], a, i);
        }
        for (int i = 0; i < SITES; i++) {
            float *again = forward(&t, f[i], b, i);
            assert_memory_equal(again, first[i], fix_out_count(f[i]) * sizeof *again);
            free(again);
        }
        check_same_record(&t, a, b);
        for (int i = 0; i < SITES; i++) {
            free(first[i]);
            fixture_free(f[i]);
        }
        attn_run_destroy(a);
        attn_run_destroy(b);
    }
}

/* The same with nothing but the product's own: the key that `top` chose in each head, as `index` in that head. One
 * intervention a head; none touches what the others do. */
static void top_by_index_is_top(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        philox r = stream(3, number);
        tokens t = tokens_make(&r, 4, (attn_kind)(number / 2 % 3));
        fixture *f = fixture_make(&r, t.n, 0, 4 * philox_uniform(&r));
        attn_program p = named_program(shape_of(&t), named_selector("top"), 1, number % 2 ? "mask" : "zero", 0,
                                       ROWS_ALL),
                     q = {.n = t.n.heads};
        attn_run *a = run_of(&t, &p);
        float *out = forward(&t, f, a, 0);
        char at[MAX_HEADS][16];
        for (int h = 0; h < t.n.heads; h++) {
            const attn_sink *sinks;
            attn_run_sinks(a, 0, 0, h, BRANCH_COND, &sinks);
            const attn_segment *s = attn_segment_of(t.segment, t.n_segments, sinks[0].key);
            snprintf(at[h], sizeof at[h], "%s %d", s->name, sinks[0].key - s->start);
            q.intervention[h] = p.intervention[0];
            q.intervention[h].selector = named_selector("index");
            q.intervention[h].selector_options[0].text = at[h];
            q.intervention[h].heads = (attn_bits){{UINT64_C(1) << h}};
        }
        attn_run *b = run_of(&t, &q);
        float *again = forward(&t, f, b, 0);
        assert_memory_equal(again, out, fix_out_count(f) * sizeof *out);
        for (int h = 0; h < t.n.heads; h++)
            assert_memory_equal(attn_run_site(a, 0, 0, h, BRANCH_COND), attn_run_site(b, 0, 0, h, BRANCH_COND),
                                sizeof(float) * (size_t)attn_run_columns(a));
        free(out);
        free(again);
        attn_run_destroy(a);
        attn_run_destroy(b);
        fixture_free(f);
    }
}

int main(void) {
    cpu = fix_compute("cpu", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permuting_tokens_permutes_calls),
        cmocka_unit_test(replay_of_a_runs_sets_is_the_run),
        cmocka_unit_test(top_by_index_is_top),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compute_destroy(cpu);
    return failed;
}
