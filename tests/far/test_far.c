/* The backend `far` itself: that its memory cannot be seen, that what is handed over is copied, and how often a pass of
 * a model waits for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "far/far.h"
#include "properties/named.h"
#include "sampler/pipeline.h"
#include "support/resolved.h"

enum { STEPS = 3 };

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

static compute *context(void) {
    compute *c;
    ss_error err;
    check(compute_create(&c, "far", 2, 0, &err), &err);
    return c;
}

/* Queries, keys and values of one shape, in the backend's memory. */
static attention_args call_of(compute *c, const int64_t dim[4], float scale) {
    return (attention_args){.q = compute_tensor(c, 4, dim),
                            .k = compute_tensor(c, 4, dim),
                            .v = compute_tensor(c, 4, dim),
                            .out = compute_tensor(c, 4, dim),
                            .scale = scale};
}

/* ---- memory ---- */

/* How a child ends that reads a number of x. */
static int signal_of_reading(const void *x) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* not cmocka's */
        volatile char c = *(const volatile char *)x;
        (void)c;
        _exit(0);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    return WIFSIGNALED(how) ? WTERMSIG(how) : 0;
}

/* A probe that looked at a mass at the call, in place of the read at the end, would end here. */
static void results_cannot_be_seen_early(void **state) {
    (void)state;
    compute *c = context();
    attention_args a = call_of(c, (int64_t[]){1, 5, 2, 8}, 0.3f);
    host_read mass = {.from = compute_kept(c, TENSOR_F64, 3, (int64_t[]){1, 2, 5})};
    op_fill(c, a.q, 1);
    op_fill(c, a.k, 1);
    op_fill(c, a.v, 1);
    op_attention(c, &a, &(attention_stats){.row_end = 5, .mass = mass.from});
    assert_int_equal(far_waiting(c), 4);
    assert_int_equal(signal_of_reading(mass.from.data), SIGSEGV);
    assert_int_equal(signal_of_reading(a.out.data), SIGSEGV);
    assert_null(mass.values);
    assert_true(op_read(c, c->host, (host_read *[]){&mass}, 1));
    assert_int_equal(far_waiting(c), 0);
    for (int i = 0; i < 10; i++) assert_float_equal(((const double *)mass.values)[i], 0.2, 1e-6);
    assert_int_equal(signal_of_reading(mass.from.data), SIGSEGV); /* after the read too */
    assert_int_equal(signal_of_reading(mass.values), 0);
    assert_int_equal(far_reads(c), 1);
    compute_destroy(c);
}

static void weights_cannot_be_seen(void **state) {
    (void)state;
    float values[] = {1, 2, 3, 4}, x[] = {1, 1}, y[2];
    compute *c = context();
    weight w = {.kind = WEIGHT_LINEAR, .source = tensor_2d(values, TENSOR_F32, 2, 2)};
    weight_pack(c, &w);
    assert_int_equal(signal_of_reading(w.packed), SIGSEGV);
    tensor in = compute_2d(c, 1, 2), out = compute_2d(c, 1, 2);
    op_upload(c, in, x);
    x[0] = 100; /* was copied */
    op_linear(c, out, in, &w, NULL, ACT_NONE);
    op_download(c, y, out);
    assert_true(y[0] == 3 && y[1] == 7);
    weight_free(c, &w);
    compute_destroy(c);
}

/* Sets and amounts are the host's again after the call. */
static void what_is_handed_over_is_copied(void **state) {
    (void)state;
    float got[2][16];
    for (int spoil = 0; spoil < 2; spoil++) {
        compute *c = context();
        attention_args a = call_of(c, (int64_t[]){1, 4, 1, 4}, 0.5f);
        tensor lse = compute_kept(c, TENSOR_F64, 3, (int64_t[]){1, 1, 4});
        gaussian_run run[3];
        int32_t begin[] = {0, 1}, keys[] = {2};
        uint8_t member[] = {1};
        double amount[] = {1, 2, 3, 4};
        for (int i = 0; i < 3; i++) {
            run[i] = (gaussian_run){.scale = 1, .n = 16};
            philox_init(&run[i].stream, 1, &(uint64_t){(uint64_t)i}, 1);
            op_gaussians(c, i == 0 ? a.q : i == 1 ? a.k : a.v, &run[i], 1);
            if (spoil) run[i].scale = 5;
        }
        op_attention(c, &a, &(attention_stats){.row_end = 4, .lse = lse});
        attention_edit e = {.row_end = 4,
                            .n_steps = 1,
                            .step = {{.op = EDIT_SCALE}},
                            .set_begin = begin,
                            .keys = keys,
                            .member = member,
                            .lse = lse};
        op_attention_edit(c, &a, &e);
        if (spoil) keys[0] = 1, member[0] = 0, e.step[0].param = 1;
        op_attention_output(c, &a, &(attention_output){.op = OUTPUT_GAIN, .row_end = 4, .amount = amount});
        if (spoil) memset(amount, 0, sizeof amount);
        op_download(c, got[spoil], a.out);
        assert_int_equal(c->error.code, SS_OK);
        compute_destroy(c);
    }
    assert_memory_equal(got[0], got[1], sizeof got[0]);
}

/* ---- how often a pass waits ---- */

static const struct {
    const char *select, *edit;
    int probes;
    int by_call; /* reads of a call, beside the one of the pass */
} PASS[] = {
    {NULL, NULL, 0, 0},             /* plain: the output */
    {NULL, NULL, 1, 0},             /* probes: in the same read */
    {"top", "mask", 1, 1},          /* masses */
    {"random", "mask", 1, 0},       /* looks at nothing */
    {"index", "mask", 0, 0},        /* likewise */
    {"top-carrying", "mask", 1, 1}, /* masses and lengths, together */
    {"query", "query-mean", 1, 1},  /* largest weights of rows */
    {"top", "norm-matched", 1, 2},  /* masses, then what a mask would do row by row */
    {"index", "rescale", 0, 1},     /* the latter alone */
    {"index", "null", 1, 1},        /* log-sums */
};

static void check_pass(pipeline *p, compute *c, const embedding *e, int number) {
    ss_error err;
    const sample_settings settings = {.width = 64, .height = 64, .steps = STEPS, .guidance = NAN};
    pipeline_sites sites;
    attn_run *run = NULL;
    denoise_state *d;
    pipeline_sites_at(p, RESOLVED(p, &settings), &sites);
    attn_shape shape = {STEPS, sites.blocks, sites.heads, sites.keys};
    attn_measure measure = {.rows = ROWS_IMAGE, .r = 1};
    attn_program program = {0};
    if (PASS[number].probes) measure = named_all_probes(ROWS_IMAGE, 2);
    if (PASS[number].edit)
        program = named_program(shape, named_selector(PASS[number].select), 2, PASS[number].edit, 1, ROWS_IMAGE);
    if (PASS[number].edit && strcmp(PASS[number].select, "index") == 0)
        program.intervention[0].selector_options[0].text = "image 0";
    check(attn_run_create(&run, &program, &measure, &(attn_stream_name){0}, shape, &err), &err);
    check(denoise_begin(&d, p, RESOLVED(p, &settings), e, 1, run, &err), &err);
    for (int step = 0; step < STEPS; step++) {
        long before = far_reads(c);
        check(denoise_step(p, &d, 1, &err), &err);
        long reads = far_reads(c) - before;
        if (reads != 1 + PASS[number].by_call * sites.blocks)
            fail_msg("pass %d, step %d: %ld reads, expected 1 and %d for each of %d calls", number, step, reads,
                     PASS[number].by_call, sites.blocks);
    }
    denoise_free(d);
    attn_run_destroy(run);
}

static void passes_wait_as_often_as_they_must(void **state) {
    (void)state;
    compute *c = context();
    pipeline *p;
    embedding *e;
    ss_error err;
    const sample_settings settings = {.width = 64, .height = 64, .steps = STEPS, .guidance = NAN};
    check(pipeline_open(&p, c, MODEL, NULL, &err), &err);
    check(pipeline_encode(p, RESOLVED(p, &settings), "a red circle", &e, &err), &err);
    for (size_t i = 0; i < sizeof PASS / sizeof *PASS; i++) check_pass(p, c, e, (int)i);
    embedding_free(e);
    pipeline_close(p);
    compute_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_cannot_be_seen_early),
        cmocka_unit_test(weights_cannot_be_seen),
        cmocka_unit_test(what_is_handed_over_is_copied),
        cmocka_unit_test(passes_wait_as_often_as_they_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
