/* Planted sinks: one virtual key more in a call, with the share p of every row (support/plant.h). The call without the
 * key is known, so what masking, value zero and the record must give is known too, over random shapes, places and p up
 * to 1 - 1e-7, in joint, self- and cross-attention. The bound is the one METHOD.md, section 6, states: 2e-5 of the rms,
 * 3e-5 on processors without fused multiply-adds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "fixture.h"
#include "named.h"
#include "support/plant.h"
#include "tensor/cpu.h"

static double bound = 2e-5;
enum { CASES = 15000, STEPS = 3, BLOCKS = 2, MAX_KEYS = 24, MAX_HEADS = 3, MAX_WIDTH = 16 };

static compute *cpu;

/* A call of image and text tokens, its plant, and what the kernel says without the plant. */
typedef struct planting {
    fixture *f;
    attn_kind kind;
    attn_segment segment[3], queries[3]; /* of the keys, of the queries */
    int n_segments, n_queries;
    uint8_t key_class[MAX_KEYS];
    plant plant;
    float value[MAX_HEADS * MAX_WIDTH];
    float gram[MAX_HEADS * MAX_WIDTH * MAX_WIDTH]; /* of the identity as output projection */
    attn_gram output_gram;
    float *without; /* out of the call that lacks the key */
    size_t count;
    int step, block;
    attn_branch branch;
} planting;

static void attend(const attention_args *a, const attention_stats *stats) {
    op_attention(cpu, a, stats);
    assert_int_equal(cpu->error.code, SS_OK);
}

/* Joint: [image | clip | t5], or with the text first. Self: one image. Cross: keys [clip | t5] or the other way round,
 * and any number of image queries. */
static void segments_make(planting *x, philox *r, shape *n) {
    if (x->kind == ATTN_SELF) {
        x->segment[0] = x->queries[0] = (attn_segment){SEGMENT_IMAGE, "image", 0, n->keys, 2};
        x->n_segments = x->n_queries = 1;
        return;
    }
    int image = x->kind == ATTN_JOINT ? fix_int(r, 1, n->keys - 2) : 0, clip = fix_int(r, 1, n->keys - image - 1);
    int first = (int)philox_below(r, 2);
    const attn_segment tokens[3] = {{SEGMENT_IMAGE, "image", 0, image, 2},
                                    {SEGMENT_TEXT, "clip", 0, clip, 0},
                                    {SEGMENT_TEXT, "t5", 0, n->keys - image - clip, 0}};
    for (int i = 0, start = 0; i < 3; start += tokens[first ? (i + 1) % 3 : i].length, i++) {
        const attn_segment *s = &tokens[first ? (i + 1) % 3 : i];
        if (!s->length) continue;
        x->segment[x->n_segments] = *s;
        x->segment[x->n_segments++].start = start;
    }
    memcpy(x->queries, x->segment, sizeof x->queries);
    x->n_queries = x->n_segments;
    if (x->kind == ATTN_JOINT) return;
    n->queries = fix_int(r, 1, MAX_KEYS);
    x->queries[0] = (attn_segment){SEGMENT_IMAGE, "image", 0, n->queries, 2};
    x->n_queries = 1;
}

/* Random tokens; heads, place and value of the plant. p is set later. */
static planting planting_make(uint64_t property, int number) {
    planting x = {.kind = (attn_kind)(number / 6 % 3)};
    philox r;
    uint64_t parts[2] = {property, (uint64_t)number};
    philox_init(&r, 20261125, parts, 2);
    shape n = {1, 0, fix_int(&r, 4, MAX_KEYS), fix_int(&r, 1, MAX_HEADS), fix_int(&r, 1, MAX_WIDTH)};
    n.queries = n.keys;
    segments_make(&x, &r, &n);
    x.f = fixture_make(&r, n, philox_below(&r, 2) ? FIX_STRIDED : 0, philox_below(&r, 3) ? 0 : 6 * philox_uniform(&r));
    for (int i = 0; i < x.n_segments; i++)
        memset(x.key_class + x.segment[i].start, x.segment[i].kind == SEGMENT_IMAGE ? KEY_IMAGE : KEY_WORD,
               (size_t)x.segment[i].length);
    for (int i = 0; i < n.heads * n.width; i++) x.value[i] = (float)(3 * philox_normal(&r));
    for (int i = 0; i < n.heads * n.width; i++) x.gram[i * n.width + i % n.width] = 1;
    x.plant = (plant){.position = fix_int(&r, 0, n.keys),
                      .head = number % 3 ? fix_int(&r, 0, n.heads - 1) : -1,
                      .value = number % 2 ? x.value : NULL};
    x.step = fix_int(&r, 0, STEPS - 1);
    x.block = fix_int(&r, 0, BLOCKS - 1);
    x.branch = (attn_branch)philox_below(&r, 2);
    attend(&x.f->args, &x.f->stats);
    x.without = fix_out(x.f);
    x.count = fix_out_count(x.f);
    return x;
}

static void planting_free(planting *x) {
    fixture_free(x->f);
    free(x->without);
}

/* `x` must stay where it is while the call lives. */
static attn_call call_of(planting *x, const attn_batch *batch) {
    if (x->plant.value) x->plant.value = x->value;
    x->output_gram = (attn_gram){.values = x->gram, .made = 1};
    return (attn_call){.args = x->f->args,
                       .block = x->block,
                       .kind = x->kind,
                       .n_query_segments = x->n_queries,
                       .n_key_segments = x->n_segments,
                       .query_segments = x->queries,
                       .key_segments = x->segment,
                       .batch = batch,
                       .output_gram = &x->output_gram};
}

static int has_plant(const planting *x, int head) { return x->plant.head < 0 || x->plant.head == head; }

/* ---- the operations ---- */

/* Attend and edit the planted key; a copy of the result. */
static float *edited(const planting *x, const planted_call *call, const attention_stats *stats, edit_op op,
                     double *mass_after) {
    int32_t begin[MAX_HEADS + 1], keys[MAX_HEADS];
    uint8_t member[MAX_HEADS];
    begin[0] = 0;
    for (int h = 0; h < x->f->n.heads; h++) {
        keys[begin[h]] = x->plant.position;
        member[begin[h]] = 1;
        begin[h + 1] = begin[h] + has_plant(x, h);
    }
    attention_edit e = {.row_end = x->f->n.queries,
                        .n_steps = 1,
                        .step = {{.op = op}},
                        .set_begin = begin,
                        .keys = keys,
                        .member = member,
                        .lse = stats->lse,
                        .mass_after = mass_after ? fix_doubles(mass_after, x->f->n.heads) : TENSOR_NONE};
    attend(&call->call.args, stats);
    op_attention_edit(cpu, &call->call.args, &e);
    assert_int_equal(cpu->error.code, SS_OK);
    return fix_out(x->f);
}

/* base = (1 - p) o + p u; zeroed = (1 - p) o; masked = o. Each within the bound of the rms of what it is held against.
 */
static void check_outputs(const planting *x, const float *base, const float *masked, const float *zeroed) {
    size_t d = (size_t)x->f->n.width, heads = (size_t)x->f->n.heads;
    float *share = malloc(x->count * sizeof *share), *given = malloc(x->count * sizeof *given),
          *written = malloc(x->count * sizeof *written);
    assert_true(share && given && written);
    for (size_t i = 0; i < x->count; i++) {
        size_t h = i / d % heads;
        double p = has_plant(x, (int)h) ? x->plant.p : 0, u = x->plant.value ? (double)x->value[h * d + i % d] : 0;
        share[i] = (float)((1 - p) * (double)x->without[i]);
        given[i] = (float)(p * u);
        written[i] = base[i] - zeroed[i];
    }
    assert_true(fix_error(masked, x->without, x->count) < bound);
    double worst = 0, square = 0; /* in the scale of the call without the plant: 1 - p may be 1e-7 */
    for (size_t i = 0; i < x->count; i++) {
        worst = fmax(worst, fabs((double)zeroed[i] - (double)share[i]));
        square += (double)x->without[i] * (double)x->without[i];
    }
    assert_true(worst < bound * sqrt(square / (double)x->count));
    if (x->plant.value) {
        for (size_t i = 0; i < x->count; i++) square += (double)given[i] * (double)given[i];
        for (size_t i = 0; i < x->count; i++)
            assert_true(fabs((double)written[i] - (double)given[i]) < bound * sqrt(square / (double)x->count));
    } else assert_memory_equal(base, zeroed, x->count * sizeof *base); /* there was no value to remove: the same bits */
    free(share);
    free(given);
    free(written);
}

/* The kernel gives the planted key the mass p and the others (1 - p) times theirs; the edits undo it. */
static void operations_find_and_undo_plants(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        planting x = planting_make(1, number);
        philox r;
        philox_init(&r, 1, (uint64_t[]){(uint64_t)number}, 1);
        x.plant.p = 1 / (1 + exp(5 - 21.1 * philox_uniform(&r))); /* 0.0067 to 1 - 1e-7 */
        attn_call call = call_of(&x, NULL);
        planted_call planted;
        plant_make(&planted, cpu, &call, 0, &x.plant);
        double mass[MAX_HEADS * (MAX_KEYS + 1)], lse[MAX_HEADS * MAX_KEYS], after[MAX_HEADS] = {0};
        int heads = x.f->n.heads;
        attention_stats stats = {.row_end = x.f->n.queries,
                                 .mass = fix_doubles(mass, heads * (x.f->n.keys + 1)),
                                 .lse = fix_doubles(lse, heads * x.f->n.queries)};
        attend(&planted.call.args, &stats);
        float *base = fix_out(x.f);
        int n = x.f->n.keys;
        for (int h = 0; h < x.f->n.heads; h++)
            for (int j = 0; j <= n; j++) {
                double p = has_plant(&x, h) ? x.plant.p : 0, want = p;
                if (j != x.plant.position) want = (1 - p) * x.f->mass[h * n + j - (j > x.plant.position)];
                assert_true(fabs(mass[h * (n + 1) + j] - want) < 3e-6);
            }
        float *masked = edited(&x, &planted, &stats, EDIT_SCALE, after),
              *zeroed = edited(&x, &planted, &stats, EDIT_VALUE_LERP, NULL);
        for (int h = 0; h < x.f->n.heads; h++) assert_true(after[h] == 0);
        check_outputs(&x, base, masked, zeroed);
        free(base);
        free(masked);
        free(zeroed);
        plant_free(&planted);
        planting_free(&x);
    }
}

/* ---- the call: programs, runs, records ---- */

static attn_shape shape_of(const planting *x) { return (attn_shape){STEPS, BLOCKS, x->f->n.heads, x->f->n.keys + 1}; }

/* In force at the planting's step, block, branch and heads alone, on all rows. */
static attn_program program_at(const planting *x, const char *edit_name) {
    attn_program p = named_program(shape_of(x), named_selector("top"), 1, edit_name, 0, ROWS_ALL);
    attn_intervention *v = &p.intervention[0];
    v->blocks.word[0] = UINT64_C(1) << x->block;
    v->steps.word[0] = UINT64_C(1) << x->step;
    if (x->plant.head >= 0) v->heads.word[0] = UINT64_C(1) << x->plant.head;
    v->branches = 1u << x->branch;
    return p;
}

/* The planted call through attn_forward under a program (NULL = none); a copy of out, and the run with its record. */
static float *forward(planting *x, const attn_program *p, attn_run **run) {
    static const attn_stream_name NAME = {1, 2, 3, 0};
    attn_measure m = named_all_probes(ROWS_IMAGE, 2);
    ss_error err = {0};
    assert_int_equal(attn_run_create(run, p, &m, &NAME, shape_of(x), &err), SS_OK);
    attn_item item = {.run = *run, .step = x->step, .branch = x->branch, .key_class = x->key_class};
    attn_batch batch = {1, &item, NULL};
    attn_call call = call_of(x, &batch);
    plant_forward(cpu, &call, &x->plant, attn_forward);
    compute_status(cpu, &err);
    assert_string_equal(err.message, "");
    return fix_out(x->f);
}

static double length(const float *v, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

/* Whether the plant's value is shorter than a tenth of the mean over keys, itself among them. The output projection is
 * the identity. */
static int is_noop(const planting *x, int head) {
    int n = x->f->n.keys, d = x->f->n.width;
    double own = x->plant.value ? length(x->value + head * d, d) : 0, sum = own;
    for (int j = 0; j < n; j++) sum += length(fix_at(x->f->args.v, 0, j, head), d);
    return own < 0.1 * sum / (n + 1);
}

/* The record names the plant and its mass where it was planted, and nowhere else. */
static void check_record(const planting *x, const attn_run *run, int masked) {
    static const char *const EDITED[] = {"set_size", "set_mass_before", "set_mass_after"};
    for (int s = 0; s < STEPS * BLOCKS * 2; s++) {
        int step = s / BLOCKS / 2, block = s / 2 % BLOCKS, branch = s % 2;
        int here = step == x->step && block == x->block && branch == (int)x->branch;
        for (int h = 0; h < x->f->n.heads; h++) {
            const attn_sink *sinks;
            const float *columns = attn_run_site(run, step, block, h, (attn_branch)branch);
            int n = attn_run_sinks(run, step, block, h, (attn_branch)branch, &sinks);
            assert_int_equal(n, here ? 2 : 0);
            if (!here) assert_true(isnan(columns[named_column("max_mass")]));
            if (!here) continue;
            int found = sinks[0].key == x->plant.position;
            assert_int_equal(found, has_plant(x, h));
            assert_int_equal(columns[named_column("top_key")] == (float)x->plant.position, has_plant(x, h));
            if (has_plant(x, h)) assert_true(fabs((double)columns[named_column("max_mass")] - x->plant.p) < 3e-6);
            if (has_plant(x, h)) {
                assert_true(columns[named_column("noop")] == (float)is_noop(x, h));
                assert_int_equal(columns[named_column("contribution_projected")] == 0, !x->plant.value);
            }
            const double want[] = {1, x->plant.p, masked ? 0 : x->plant.p};
            for (int i = 0; i < 3; i++) {
                double told = (double)columns[named_column(EDITED[i])];
                if (has_plant(x, h)) assert_true(fabs(told - want[i]) < 3e-6);
                else assert_true(isnan(told));
            }
        }
    }
}

/* p above what the heaviest other key keeps beside it in any head, so that the plant is the sink. */
static double dominating(const planting *x, double u) {
    double most = 0;
    const attn_segment *s = x->queries;
    int image = 0;
    while (s[image].kind != SEGMENT_IMAGE) image++;
    attention_stats over_image = x->f->stats;
    over_image.row_begin = s[image].start;
    over_image.row_end = s[image].start + s[image].length;
    attend(&x->f->args, &over_image);
    for (int i = 0; i < x->f->n.heads * x->f->n.keys; i++) most = fmax(most, x->f->mass[i]);
    double least = most / (1 + most) + 1e-4;
    return least + (1 - 1e-7 - least) * u;
}

static void calls_find_and_undo_plants(void **state) {
    (void)state;
    for (int number = 0; number < CASES; number++) {
        planting x = planting_make(2, number);
        philox r;
        philox_init(&r, 2, (uint64_t[]){(uint64_t)number}, 1);
        x.plant.p = dominating(&x, philox_uniform(&r));
        attn_program mask = program_at(&x, "mask"), zero = program_at(&x, "zero");
        attn_run *plain_run, *masked_run, *zeroed_run;
        float *base = forward(&x, NULL, &plain_run), *masked = forward(&x, &mask, &masked_run),
              *zeroed = forward(&x, &zero, &zeroed_run);
        check_outputs(&x, base, masked, zeroed);
        check_record(&x, masked_run, 1);
        check_record(&x, zeroed_run, 0);
        for (int h = 0; h < x.f->n.heads; h++) { /* the record of masses is the unedited call's, edited or not */
            const float *a = attn_run_masses(plain_run, x.step, x.block, h, x.branch),
                        *b = attn_run_masses(masked_run, x.step, x.block, h, x.branch);
            assert_memory_equal(a, b, sizeof *a * (size_t)(x.f->n.keys + 1));
        }
        attn_run_destroy(plain_run);
        attn_run_destroy(masked_run);
        attn_run_destroy(zeroed_run);
        free(base);
        free(masked);
        free(zeroed);
        planting_free(&x);
    }
}

int main(void) {
    cpu = fix_compute("cpu", 1);
    if (strcmp(cpu_isa_of(cpu)->about.name, "baseline") == 0) bound = 3e-5;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_find_and_undo_plants),
        cmocka_unit_test(calls_find_and_undo_plants),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compute_destroy(cpu);
    return failed;
}
