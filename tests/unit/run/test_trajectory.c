/* How far an image is from its baseline at every step: against the same images denoised by hand, where paths are
 * shared, and where nothing can be compared. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"
#include "store/store.h"
#include "world.h"

enum { STEPS = 6, MOST = 64 };

static world w;

static int setup(void **state) {
    (void)state;
    ss_error err;
    world_open(&w, WORLD_STUDY, 8, 0);
    return world_run(&w, "out", NULL, &err) != SS_OK;
}

static int teardown(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

/* Latents at noise and after every step. */
static int denoise(const char *prompt, uint64_t seed, float latents[STEPS + 1][MOST]) {
    ss_error err;
    embedding *e;
    denoise_state *d;
    attn_run *run;
    attn_stream_name name = {0};
    pipeline *pl = fake_pipeline();
    attn_shape shape = {STEPS, w.p->sites.blocks, w.p->sites.heads, w.p->sites.keys};
    assert_int_equal(attn_run_create(&run, NULL, &w.p->measure, &name, shape, &err), SS_OK);
    assert_int_equal(pipeline_encode(pl, &w.p->settings, prompt, &e, &err), SS_OK);
    assert_int_equal(denoise_begin(&d, pl, &w.p->settings, e, seed, run, &err), SS_OK);
    int n = (int)denoise_latent_elements(d);
    assert_true(n <= MOST);
    for (int s = 0; s <= STEPS; s++) {
        assert_int_equal(denoise_latents(pl, d, latents[s], &err), SS_OK);
        if (s < STEPS) assert_int_equal(denoise_step(pl, &d, 1, &err), SS_OK);
    }
    denoise_free(d);
    embedding_free(e);
    attn_run_destroy(run);
    return n;
}

static store_rows *ask(const store *s, const char *sql) {
    ss_error err;
    store_rows *r;
    ss_status status = store_select(&r, s, &err, sql);
    if (status != SS_OK) fail_msg("%s", err.message);
    return r;
}

static store *open_store(void) {
    ss_error err;
    store *s;
    assert_int_equal(store_open(&s, world_path(&w, "out"), STORE_READ, NULL, &err), SS_OK);
    return s;
}

/* Another prompt from the same noise: nothing acts on attention, so the whole can be done again by hand. */
static void against_the_plain_formula(void **state) {
    (void)state;
    static float base[STEPS + 1][MOST], other[STEPS + 1][MOST];
    ss_error err;
    store *s = open_store();
    int rows = 0;
    store_rows *r = ask(s, "SELECT t.prompt, t.seed, t.step, t.latent_rmse, t.velocity_cosine, p.text, p.swapped"
                           " FROM trajectories t JOIN prompt p ON p.prompt = t.prompt WHERE t.family = 'other'");
    while (store_rows_next(r, &err) == 1) {
        int step = (int)store_rows_int(r, 2);
        int n = denoise(store_rows_text(r, 5), (uint64_t)store_rows_int(r, 1), base);
        denoise(store_rows_text(r, 6), (uint64_t)store_rows_int(r, 1), other);
        double apart = 0, along = 0, a = 0, b = 0;
        for (int i = 0; i < n; i++) {
            double x = (double)other[step + 1][i] - (double)other[step][i],
                   y = (double)base[step + 1][i] - (double)base[step][i];
            apart += pow((double)other[step + 1][i] - (double)base[step + 1][i], 2);
            along += x * y;
            a += x * x;
            b += y * y;
        }
        assert_true(apart > 0);
        assert_true(fabs(store_rows_double(r, 3) - sqrt(apart / n)) < 1e-12);
        assert_true(fabs(store_rows_double(r, 4) - along / sqrt(a * b)) < 1e-12);
        rows++;
    }
    assert_int_equal(rows, 6 * 2 * STEPS); /* prompts, seeds, steps */
    store_rows_close(r);
    store_close(s);
}

static int64_t count(const store *s, const char *sql) {
    ss_error err;
    store_rows *r = ask(s, sql);
    assert_int_equal(store_rows_next(r, &err), 1);
    int64_t n = store_rows_int(r, 0);
    store_rows_close(r);
    return n;
}

/* `sink` acts in the second half: before it, the same numbers; from there on, others. `random` acts from the start. */
static void shared_paths_are_at_no_distance(void **state) {
    (void)state;
    store *s = open_store();
    assert_int_equal(count(s, "SELECT count(*) FROM trajectories WHERE family = 'sink' AND step < 3"), 3 * 6 * 2 * 2);
    assert_int_equal(count(s, "SELECT count(*) FROM trajectories WHERE family = 'sink' AND step < 3 AND"
                              " (latent_rmse <> 0 OR velocity_cosine <> 1)"),
                     0);
    assert_int_equal(count(s, "SELECT count(*) FROM trajectories WHERE family = 'sink' AND step >= 3 AND"
                              " NOT (latent_rmse > 0 AND velocity_cosine < 1)"),
                     0);
    assert_int_equal(count(s, "SELECT count(*) FROM trajectories WHERE family = 'random' AND NOT latent_rmse > 0"), 0);
    store_close(s);
}

/* Other steps have no counterpart; the baseline is not compared with itself, shams and calibration are not studied. */
static void only_what_can_be_compared(void **state) {
    (void)state;
    store *s = open_store();
    assert_int_equal(count(s, "SELECT count(DISTINCT family) FROM trajectories"), 3); /* sink, random, other */
    assert_int_equal(count(s, "SELECT count(*) FROM trajectory"), (2 + 2 + 1) * 6 * 2 * STEPS);
    store_close(s);
}

int main(void) {
    if (chdir("/") != 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_the_plain_formula),
        cmocka_unit_test(shared_paths_are_at_no_distance),
        cmocka_unit_test(only_what_can_be_compared),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
