/* Running: work is shared and bytes are not changed by it; a kill at any moment, an error or a stop lose no finished
 * unit; exports are the same whatever happened on the way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/philox.h"
#include "fake.h"
#include "run/verify.h"
#include "tensor/profile.h"
#include "world.h"

/* The store is sound, and every unit made all by itself has the same pixels. The caller frees *v. */
static void verify_all(const world *w, const char *name, verify_report *v) {
    store *s;
    ss_error err;
    assert_int_equal(store_open(&s, world_path(w, name), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(verify_store(s, w->p, w->c, fake_pipeline(), 1000, NULL, v, &err), SS_OK);
    if (v->n_problems) print_message("%s", v->problems.s);
    assert_int_equal(v->n_problems, 0);
    store_close(s);
}

static void test_sharing_changes_nothing(void **state) {
    (void)state;
    world w;
    ss_error err;
    world_open(&w, WORLD_STUDY, 12, 0);
    char *expected = world_reference(&w);
    assert_int_equal(fake.steps, w.p->counts.forwards);
    assert_int_equal(fake.encodes, w.p->counts.encodes);
    for (int batch = 2; batch <= 16; batch *= 2) {
        char name[16];
        snprintf(name, sizeof name, "batch%d", batch);
        fake.steps = 0;
        assert_int_equal(world_run(&w, name, &(run_options){.batch = batch}, &err), SS_OK);
        assert_int_equal(fake.steps, w.p->counts.forwards);
        char *found = world_exports(&w, name);
        assert_string_equal(found, expected);
        free(found);
    }
    verify_report v;
    verify_all(&w, "reference", &v);
    assert_int_equal(v.remade, w.p->n_units);
    assert_int_equal(v.shams, 6);
    assert_int_equal(v.files, 2 * w.p->n_units); /* images and traces */
    assert_int_equal(v.model_files, 4 + 1);      /* two of the model, two of the metric's, the prompts */
    verify_free(&v);
    free(expected);
    world_close(&w);
}

/* Conditions that choose from the baseline's masses wait for it, whatever is done already; draws are images of their
 * own; bytes depend on neither waves nor interruptions. (The fake network aborts where the baseline is not complete.)
 */
static void test_baseline_source_and_draws(void **state) {
    (void)state;
    static const char STUDY[] = "study: world\nmodel: model\nprompts: {file: prompts.jsonl, sample: 3}\nseeds: [1, 2]\n"
                                "sampler: {steps: 6}\nprobes: [mass]\nconditions:\n"
                                "  replay: {select: top, k: [1, 2], edit: mask, source: baseline}\n"
                                "  late:   {select: top, k: 1, edit: mask, scope: global, phase: [0.5, 1]}\n"
                                "  random: {select: random, k: 1, edit: mask, draws: 3}\n"
                                "metrics: [glow]\nprimary: glow\ncontrasts:\n  - {what: replay - random}\n";
    world w;
    ss_error err;
    world_open(&w, STUDY, 12, 0);
    char *expected = world_reference(&w);
    assert_int_equal(fake.steps, w.p->counts.forwards);
    for (int batch = 1; batch <= 8; batch *= 2)
        for (int fail = 7; fail < 200; fail = 2 * fail + 13) {
            char name[32];
            snprintf(name, sizeof name, "recall-%d-%d", batch, fail);
            fake.steps = 0;
            fake.fail_after = fail;
            assert_int_equal(world_run(&w, name, &(run_options){.batch = batch}, &err), SS_ERR_RESOURCE);
            fake.fail_after = 0;
            assert_int_equal(world_run(&w, name, &(run_options){.batch = batch}, &err), SS_OK);
            char *found = world_exports(&w, name);
            assert_string_equal(found, expected);
            free(found);
        }
    assert_int_equal(world_count(world_path(&w, "reference"),
                                 "SELECT count(DISTINCT pixels) FROM unit WHERE prompt = (SELECT"
                                 " min(prompt) FROM unit) AND seed = 1 AND condition IN (0, 4, 5, 6)"),
                     4);
    assert_int_equal(world_count(world_path(&w, "reference"), "SELECT count(*) FROM condition WHERE draw_of = 4"), 3);
    verify_report v;
    verify_all(&w, "reference", &v);
    verify_free(&v);
    free(expected);
    world_close(&w);
}

static void test_resuming_a_finished_study_does_nothing(void **state) {
    (void)state;
    world w;
    ss_error err;
    world_open(&w, WORLD_STUDY, 12, 3);
    free(world_reference(&w));
    fake.steps = fake.encodes = 0;
    assert_int_equal(world_run(&w, "reference", NULL, &err), SS_OK);
    assert_int_equal(fake.steps + fake.encodes, 0);
    store *s;
    assert_int_equal(store_create(&s, world_path(&w, "reference"), w.p, "test class", &err), SS_ERR_USAGE);
    assert_non_null(strstr(err.message, "holds a store already"));
    world_close(&w);
}

/* ---- texts ---- */

static int files_below(const world *w, const char *name) {
    char command[512], line[32] = "";
    snprintf(command, sizeof command, "find '%s/%s' -type f | wc -l", w->folder, name);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    pclose(f);
    return atoi(line);
}

/* How many encoded texts the store holds; the first one's path. */
static int texts_of(const world *w, const char *name, char first[512]) {
    char folder[256];
    snprintf(folder, sizeof folder, "%s/%s/text", w->folder, name);
    DIR *d = opendir(folder);
    int n = 0;
    first[0] = '\0';
    for (struct dirent *e; d && (e = readdir(d));)
        if (strstr(e->d_name, ".text") && n++ == 0) snprintf(first, 512, "%s/%.200s", folder, e->d_name);
    if (d) closedir(d);
    return n;
}

static void overwrite(const char *path, const char *content) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(content, f);
    fclose(f);
}

/* Each text is encoded once, whatever is interrupted: the folder has it until the study is complete. */
static void test_texts_are_encoded_once(void **state) {
    (void)state;
    world w;
    ss_error err;
    char first[512], left[560];
    world_open(&w, WORLD_STUDY, 12, 0);
    char *expected = world_reference(&w);
    assert_int_equal(texts_of(&w, "reference", first), 0); /* complete */
    int all = (int)w.p->counts.encodes;

    fake = (fake_state){.fail_texts = 5};
    assert_int_equal(world_run(&w, "texts", NULL, &err), SS_ERR_RESOURCE);
    assert_string_equal(err.message, "the fake encoders were told to fail");
    int made = texts_of(&w, "texts", first);
    assert_int_equal(made, fake.encodes);
    assert_true(made >= 5 && made < all);

    fake = (fake_state){.fail_after = 10}; /* the rest of the texts, and some steps */
    assert_int_equal(world_run(&w, "texts", NULL, &err), SS_ERR_RESOURCE);
    assert_int_equal(fake.encodes, all - made);
    assert_int_equal(texts_of(&w, "texts", first), all);

    fake = (fake_state){.fail_after = 30};
    assert_int_equal(world_run(&w, "texts", NULL, &err), SS_ERR_RESOURCE);
    assert_int_equal(fake.encodes, 0);

    overwrite(first, "half");
    snprintf(left, sizeof left, "%s.tmp-9", first);
    overwrite(left, "half"); /* of a process that was killed */
    fake = (fake_state){0};
    assert_int_equal(world_run(&w, "texts", NULL, &err), SS_OK);
    assert_true(fake.encodes <= 1); /* the broken one, where it was still needed */
    assert_int_equal(texts_of(&w, "texts", first), 0);
    assert_int_equal(files_below(&w, "texts"), files_below(&w, "reference"));
    char *found = world_exports(&w, "texts");
    assert_string_equal(found, expected);
    free(found);
    free(expected);
    world_close(&w);
}

/* ---- interruption ---- */

/* Run in a child that is killed after `microseconds`; 1 when it ended by itself before. */
static int run_and_kill(const world *w, const char *name, long microseconds) {
    pid_t child = fork();
    if (child == 0) {
        ss_error err;
        ss_status status = world_run(w, name, NULL, &err);
        if (status != SS_OK) fprintf(stderr, "child: %s: %s\n", err.where, err.message);
        _exit((int)status);
    }
    struct timespec t = {microseconds / 1000000, microseconds % 1000000 * 1000};
    nanosleep(&t, NULL);
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
    return WIFEXITED(status);
}

static void test_killed_at_any_moment(void **state) {
    (void)state;
    const char *asked = getenv("SINKSCOPE_KILLS"); /* acceptance: 200 */
    int runs = asked ? atoi(asked) : 10;
    world w;
    philox r;
    philox_init(&r, 20260101, NULL, 0);
    world_open(&w, WORLD_STUDY, 12, 0);
    char *expected = world_reference(&w);
    int kills = 0, files = files_below(&w, "reference");
    fake.step_microseconds = 600; /* a whole run outlasts several lives, however fast the disk is */
    for (int i = 0; i < runs; i++) {
        char name[32];
        snprintf(name, sizeof name, "killed%d", i);
        /* short lives first, then long enough to get on */
        for (long life = 1000 + (long)philox_below(&r, 40000); !run_and_kill(&w, name, life);
             life += (long)philox_below(&r, 200000))
            kills++;
        char *found = world_exports(&w, name);
        assert_string_equal(found, expected);
        assert_int_equal(files_below(&w, name), files); /* nothing is left lying about */
        free(found);
    }
    assert_true(kills >= 2 * runs);
    free(expected);
    world_close(&w);
}

/* What a run leaves that was killed while it made the store: temporaries named for a process that is no more. */
static void test_creation_cut_short(void **state) {
    (void)state;
    static const char *const LEFT[] = {"study.yaml.tmp-9", "manifest.json.tmp-9", "results.sqlite.tmp-9",
                                       "results.sqlite.tmp-9-journal"};
    world w;
    ss_error err;
    world_open(&w, WORLD_STUDY, 12, 2);
    free(world_reference(&w));
    assert_int_equal(file_make_folder(world_path(&w, "cut"), &err), SS_OK);
    for (size_t i = 0; i < sizeof LEFT / sizeof *LEFT; i++) {
        char name[64];
        snprintf(name, sizeof name, "cut/%s", LEFT[i]);
        fake_write(w.folder, name, "half");
    }
    assert_int_equal(world_run(&w, "cut", NULL, &err), SS_OK);
    assert_int_equal(files_below(&w, "cut"), files_below(&w, "reference"));
    world_close(&w);
}

static void set_stop(void *user, const run_progress *now) {
    if (now->units_done >= 20) *(volatile sig_atomic_t *)user = 1;
}

static void test_stop_flag(void **state) {
    (void)state;
    world w;
    ss_error err;
    volatile sig_atomic_t stop = 0;
    world_open(&w, WORLD_STUDY, 12, 0);
    char *expected = world_reference(&w);
    run_options o = {.progress = set_stop, .user = (void *)(uintptr_t)&stop, .stop = &stop};
    assert_int_equal(world_run(&w, "stopped", &o, &err), SS_ERR_INTERRUPTED);
    assert_int_equal(world_count(world_path(&w, "stopped"), "SELECT count(*) FROM units"), 20);
    assert_int_equal(world_run(&w, "stopped", NULL, &err), SS_OK);
    char *found = world_exports(&w, "stopped");
    assert_string_equal(found, expected);
    free(found);
    free(expected);
    world_close(&w);
}

static void test_failures_lose_nothing(void **state) {
    (void)state;
    world w;
    ss_error err;
    world_open(&w, WORLD_STUDY, 12, 0);
    char *expected = world_reference(&w);
    fake.steps = 0;
    fake.fail_after = 100;
    assert_int_equal(world_run(&w, "failed", NULL, &err), SS_ERR_RESOURCE);
    assert_true(world_count(world_path(&w, "failed"), "SELECT count(*) FROM units") > 5);
    fake.fail_after = 0;
    assert_int_equal(world_run(&w, "failed", NULL, &err), SS_OK);
    char *found = world_exports(&w, "failed");
    assert_string_equal(found, expected);
    free(found);
    free(expected);
    world_close(&w);
}

/* Files may grow to `bytes` at most: the disk is full, as far as this process can see. */
static void test_full_disk(void **state) {
    (void)state;
    world w;
    world_open(&w, WORLD_STUDY, 12, 4);
    char *expected = world_reference(&w);
    for (int kib = 40; kib <= 280; kib += 60) {
        char name[16];
        snprintf(name, sizeof name, "full%d", kib);
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            ss_error err = {0};
            struct rlimit limit = {(rlim_t)kib << 10, (rlim_t)kib << 10};
            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &limit);
            ss_status status = world_run(&w, name, NULL, &err);
            _exit(status == SS_ERR_RESOURCE && *err.message ? 42 : (int)status);
        }
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 42);
        ss_error err;
        assert_int_equal(world_run(&w, name, NULL, &err), SS_OK);
        char *found = world_exports(&w, name);
        assert_string_equal(found, expected);
        free(found);
    }
    free(expected);
    world_close(&w);
}

/* A profile changes no bit, so a store that was begun with one goes on without it, and the other way round. */
static void test_a_profile_is_no_class(void **state) {
    (void)state;
    world w;
    ss_error err;
    text plain = {0}, profiled = {0};
    world_open(&w, WORLD_STUDY, 12, 0);
    assert_int_equal(numeric_class_describe(w.c, w.y, &plain, &err), SS_OK);
    assert_int_equal(profile_begin(w.c, &err), SS_OK);
    assert_int_equal(numeric_class_describe(w.c, w.y, &profiled, &err), SS_OK);
    assert_string_equal(profiled.s, plain.s);
    text_free(&plain);
    text_free(&profiled);
    world_close(&w);
}

int main(void) {
    if (chdir("/") != 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sharing_changes_nothing),
        cmocka_unit_test(test_baseline_source_and_draws),
        cmocka_unit_test(test_resuming_a_finished_study_does_nothing),
        cmocka_unit_test(test_texts_are_encoded_once),
        cmocka_unit_test(test_killed_at_any_moment),
        cmocka_unit_test(test_creation_cut_short),
        cmocka_unit_test(test_stop_flag),
        cmocka_unit_test(test_failures_lose_nothing),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_a_profile_is_no_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
