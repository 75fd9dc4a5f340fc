/* Running: work is shared and bytes are not changed by it; a kill at any moment, an error or a stop lose no finished
 * unit; one writer; versions, damage, foreign files; exports are the same whatever happened on the way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/philox.h"
#include "fake.h"
#include "io/hdf5.h"
#include "study/export.h"
#include "study/verify.h"
#include "world.h"

/* The exports of an undisturbed run with one image at a time. */
static char *reference(const world *w) {
    ss_error err;
    run_options o = {.batch = 1};
    ss_status status = world_run(w, "reference", &o, &err);
    if (status != SS_OK) print_message("%s: %s\n", err.where, err.message);
    assert_int_equal(status, SS_OK);
    return world_exports(w, "reference");
}

static int64_t count(const char *folder, const char *sql) {
    store *s;
    store_rows *r;
    ss_error err;
    assert_int_equal(store_open(&s, folder, STORE_READ, NULL, &err), SS_OK);
    ss_status status = store_select(&r, s, &err, sql);
    if (status != SS_OK) print_message("%s\n", err.message);
    assert_int_equal(status, SS_OK);
    assert_int_equal(store_rows_next(r, &err), 1);
    int64_t n = store_rows_int(r, 0);
    store_rows_close(r);
    store_close(s);
    return n;
}

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
    char *expected = reference(&w);
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
    char *expected = reference(&w);
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
    assert_int_equal(count(world_path(&w, "reference"),
                           "SELECT count(DISTINCT pixels) FROM unit WHERE prompt = (SELECT"
                           " min(prompt) FROM unit) AND seed = 1 AND condition IN (0, 4, 5, 6)"),
                     4);
    assert_int_equal(count(world_path(&w, "reference"), "SELECT count(*) FROM condition WHERE draw_of = 4"), 3);
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
    free(reference(&w));
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
    char *expected = reference(&w);
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
    char *expected = reference(&w);
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
    free(reference(&w));
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
    char *expected = reference(&w);
    run_options o = {.progress = set_stop, .user = (void *)(uintptr_t)&stop, .stop = &stop};
    assert_int_equal(world_run(&w, "stopped", &o, &err), SS_ERR_INTERRUPTED);
    assert_int_equal(count(world_path(&w, "stopped"), "SELECT count(*) FROM units"), 20);
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
    char *expected = reference(&w);
    fake.steps = 0;
    fake.fail_after = 100;
    assert_int_equal(world_run(&w, "failed", NULL, &err), SS_ERR_RESOURCE);
    assert_true(count(world_path(&w, "failed"), "SELECT count(*) FROM units") > 5);
    fake.fail_after = 0;
    assert_int_equal(world_run(&w, "failed", NULL, &err), SS_OK);
    char *found = world_exports(&w, "failed");
    assert_string_equal(found, expected);
    free(found);
    free(expected);
    world_close(&w);
}

/* Files may grow to `bytes` at most: the disk is full, as far as this process can tell. */
static void test_full_disk(void **state) {
    (void)state;
    world w;
    world_open(&w, WORLD_STUDY, 12, 4);
    char *expected = reference(&w);
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

/* ---- who may write ---- */

static void test_one_writer(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    world_open(&w, WORLD_STUDY, 12, 2);
    free(reference(&w));
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_WRITE, NULL, &err), SS_OK);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        store *second = NULL;
        char expected[64];
        snprintf(expected, sizeof expected, "process %ld is writing to this store", (long)getppid());
        ss_status status = store_open(&second, world_path(&w, "reference"), STORE_WRITE, NULL, &err);
        if (status != SS_ERR_STORE || !strstr(err.message, expected)) _exit(1);
        status = store_open(&second, world_path(&w, "reference"), STORE_READ, NULL, &err);
        _exit(status == SS_OK ? 0 : 2);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    store_close(s);
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_WRITE, NULL, &err), SS_OK);
    store_close(s);
    world_close(&w);
}

static void sql(const world *w, const char *name, const char *statement) {
    sqlite3 *db;
    char path[256];
    snprintf(path, sizeof path, "%s/%s/results.sqlite", w->folder, name);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void expect_open(const world *w, store_mode mode, ss_status expected, const char *message) {
    store *s;
    ss_error err = {0};
    ss_status status = store_open(&s, world_path(w, "reference"), mode, NULL, &err);
    if (status != expected || (message && !strstr(err.message, message)))
        print_message("%s: %s\n", err.where, err.message);
    assert_int_equal(status, expected);
    if (message) assert_non_null(strstr(err.message, message));
    store_close(s);
}

static void test_versions(void **state) {
    (void)state;
    world w;
    world_open(&w, WORLD_STUDY, 12, 2);
    free(reference(&w));
    sql(&w, "reference", "PRAGMA user_version = 3");
    expect_open(&w, STORE_READ, SS_ERR_STORE, "is of version 3; this program knows versions up to 2");
    sql(&w, "reference", "PRAGMA user_version = 0");
    expect_open(&w, STORE_READ, SS_OK, NULL);
    expect_open(&w, STORE_WRITE, SS_ERR_STORE, "is of version 0; this program reads it but writes version 2 only");
    sql(&w, "reference", "PRAGMA user_version = 2; PRAGMA application_id = 7");
    expect_open(&w, STORE_READ, SS_ERR_STORE, "is not a results store of sinkscope");
    world_close(&w);
}

/* A store of version 1 knows no blocks, and its segments are those of every block. */
static void test_version_1(void **state) {
    (void)state;
    world w;
    if (strcmp(fake_network(), "alike") != 0) skip();
    world_open(&w, WORLD_STUDY, 12, 2);
    free(reference(&w));
    char *before = world_exports(&w, "reference"), *sites = strstr(before, "step,block,kind,head");
    assert_non_null(sites);
    sql(&w, "reference",
        "DROP VIEW sites; DROP VIEW sinks; DROP VIEW keys; DROP VIEW blocks; DROP TABLE block;"
        "ALTER TABLE segment DROP COLUMN layout; ALTER TABLE condition DROP COLUMN kinds; PRAGMA user_version = 1;"
        "CREATE VIEW sites AS SELECT 'as it was' AS a; CREATE VIEW sinks AS SELECT 'as it was' AS a;"
        "CREATE VIEW keys AS SELECT 'as it was' AS a");
    expect_open(&w, STORE_WRITE, SS_ERR_STORE, "is of version 1; this program reads it but writes version 2 only");
    char *path = file_join(w.folder, "reference/results.sqlite");
    file_sha256 was, is;
    ss_error err;
    assert_int_equal(file_hash(path, was, &err), SS_OK);
    char *after = world_exports(&w, "reference");
    assert_int_equal(file_hash(path, is, &err), SS_OK);
    assert_string_equal(was, is);              /* what is new is not in the file */
    *strstr(before, "block,name,kind") = '\0'; /* modules and queries are not known */
    assert_memory_equal(after, before, strlen(before));
    assert_non_null(strstr(after + strlen(before), "\n0,,joint,2,12,12,\"image 8, clip 4\"\n1,,joint,"));
    free(path);
    free(before);
    free(after);
    world_close(&w);
}

static void test_other_class_and_files(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    world_open(&w, WORLD_STUDY, 12, 2);
    free(reference(&w));
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_WRITE, NULL, &err), SS_OK);
    assert_int_equal(store_complete(s, w.p, "another class", &err), SS_ERR_STORE);
    assert_non_null(strstr(err.message, "'test class', this machine has 'another class'"));
    assert_int_equal(store_complete(s, w.p, "test class", &err), SS_OK);
    fake_write(w.folder, "model/weights.safetensors", "0123456789"); /* rewritten, the same bytes */
    assert_int_equal(store_complete(s, w.p, "test class", &err), SS_OK);
    fake_write(w.folder, "model/weights.safetensors", "0123456780");
    assert_int_equal(store_complete(s, w.p, "test class", &err), SS_ERR_STORE);
    assert_non_null(strstr(err.message, "weights.safetensors has changed since the run began"));
    store_close(s);
    world_close(&w);
}

/* ---- damage ---- */

static void flip(const world *w, const char *name, long at) {
    FILE *f = fopen(world_path(w, name), "r+b");
    assert_non_null(f);
    if (at < 0) fseek(f, at, SEEK_END);
    else fseek(f, at, SEEK_SET);
    int c = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(c ^ 0x55, f);
    fclose(f);
}

static void first_file(const world *w, const char *pattern, char out[256]) {
    char command[512];
    snprintf(command, sizeof command, "cd '%s' && find reference -path '%s' | sort | head -1", w->folder, pattern);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    assert_non_null(fgets(out, 256, f));
    out[strcspn(out, "\n")] = '\0';
    pclose(f);
}

static void test_verify_finds_damage(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    verify_report v;
    char image[256], trace[256], gone[256];
    world_open(&w, WORLD_STUDY, 12, 2);
    free(reference(&w));
    first_file(&w, "*/baseline/*.png", image);
    first_file(&w, "*/random_k3/*.png", gone);
    first_file(&w, "*/traces/*.h5", trace);
    flip(&w, image, -30);
    flip(&w, trace, 100);
    assert_int_equal(remove(world_path(&w, gone)), 0);
    sql(&w, "reference",
        "UPDATE unit SET pixels = 'x' WHERE condition = (SELECT condition FROM condition WHERE name = "
        "'empty-set') AND prompt = (SELECT min(prompt) FROM unit WHERE condition = (SELECT condition "
        "FROM condition WHERE name = 'empty-set'))");
    sql(&w, "reference", "DELETE FROM score WHERE unit = (SELECT unit FROM score ORDER BY unit DESC LIMIT 1)");
    sql(&w, "reference", "DELETE FROM unit WHERE unit = (SELECT max(unit) FROM unit)");
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(verify_store(s, w.p, w.c, fake_pipeline(), 0, NULL, &v, &err), SS_OK);
    assert_int_equal(v.files_damaged, 4); /* image, trace, the one that is gone, the sham's */
    assert_int_equal(v.shams_differing, 1);
    assert_int_equal(v.units, v.units_planned - 1);
    assert_non_null(strstr(v.problems.s, "not there yet: "));
    assert_non_null(strstr(v.problems.s, "sham 'empty-set' differs from the baseline"));
    verify_free(&v);
    store_close(s);
    world_close(&w);
}

static void test_verify_finds_what_cannot_be_repeated(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    verify_report v;
    world_open(&w, WORLD_STUDY, 12, 2);
    fake.defect = FAKE_NOT_REPEATABLE;
    free(reference(&w));
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(verify_store(s, w.p, w.c, fake_pipeline(), 3, NULL, &v, &err), SS_OK);
    assert_int_equal(v.remade_differing, 3);
    assert_int_equal(v.shams_differing, 6);
    verify_free(&v);
    store_close(s);
    world_close(&w);
}

static void test_damaged_stores(void **state) {
    (void)state;
    world w;
    ss_error err;
    world_open(&w, WORLD_STUDY, 12, 2);
    store *s;
    assert_int_equal(store_open(&s, world_path(&w, "nowhere"), STORE_READ, NULL, &err), SS_ERR_STORE);
    assert_int_equal(store_open(&s, world_path(&w, "model"), STORE_READ, NULL, &err), SS_ERR_STORE);
    assert_non_null(strstr(err.message, "is not a results store"));
    assert_int_equal(store_create(&s, world_path(&w, "model"), w.p, "test class", &err), SS_ERR_USAGE);
    assert_non_null(strstr(err.message, "is not empty"));
    free(reference(&w));
    sql(&w, "reference", "DROP TABLE score");
    expect_open(&w, STORE_WRITE, SS_ERR_STORE, "score");
    fake_write(w.folder, "reference/study.yaml", WORLD_STUDY + 14);
    expect_open(&w, STORE_READ, SS_ERR_INPUT, "study");
    char longer[4096];
    snprintf(longer, sizeof longer, "%s# changed\n", WORLD_STUDY);
    fake_write(w.folder, "reference/study.yaml", longer);
    expect_open(&w, STORE_READ, SS_ERR_STORE, "is not the study that was run");
    fake_write(w.folder, "reference/study.yaml", WORLD_STUDY);
    fake_write(w.folder, "reference/results.sqlite",
               "this is no database, whatever its name may say of it, and long enough");
    expect_open(&w, STORE_READ, SS_ERR_STORE, "not a database");
    fake_write(w.folder, "reference/manifest.json", "{\"format\": 1");
    expect_open(&w, STORE_READ, SS_ERR_STORE, NULL);
    world_close(&w);
}

/* ---- questions and layout ---- */

static void test_views(void **state) {
    (void)state;
    world w;
    world_open(&w, WORLD_STUDY, 12, 0);
    free(reference(&w));
    const char *folder = world_path(&w, "reference");
    assert_int_equal(count(folder, "SELECT count(*) FROM scores"), 12 * 7); /* no shams, no calibration */
    assert_int_equal(
        count(folder, "SELECT count(*) FROM (SELECT select_name, k, tag, avg(right) FROM scores GROUP BY 1, 2, 3)"),
        2 * 7);
    assert_int_equal(count(folder, "SELECT count(pixel_rmse) FROM scores"), 12 * 6);
    assert_int_equal(count(folder, "SELECT count(*) FROM calibrations WHERE glow IS NOT NULL"), 12);
    assert_int_equal(count(folder, "SELECT count(*) FROM shams WHERE equal"), 6);
    /* 6 prompts x 2 seeds x (6 conditions x 6 steps x 2 branches + weaker: 4 steps, 1 branch) x heads of all blocks */
    int heads = fake_heads();
    assert_int_equal(count(folder, "SELECT count(*) FROM sites"), 12 * (6 * 6 * 2 + 4) * heads);
    assert_int_equal(count(folder, "SELECT count(max_mass + entropy) FROM sites WHERE branch = 'uncond'"),
                     12 * 6 * 6 * heads);
    assert_int_equal(count(folder, "SELECT count(*) FROM sinks WHERE rank = 0"), 12 * (6 * 6 * 2 + 4) * heads);
    assert_true(count(folder, "SELECT count(*) FROM sinks WHERE token_class = 'clip word' AND word = 'star'") > 0);
    assert_int_equal(
        count(folder,
              "SELECT count(*) FROM sinks s JOIN block b ON b.block = s.block JOIN segment g ON g.layout = b.layout"
              " AND g.name = 'image' WHERE s.segment = 'image' AND s.row * g.grid_width + s.column <> s.position"),
        0);
    assert_int_equal(count(folder, "SELECT count(*) FROM keys WHERE branch = 'cond'"), 6 * fake_text_keys());
    assert_int_equal(count(folder, "SELECT count(*) FROM blocks"), fake_blocks());
    assert_int_equal(count(folder, "SELECT count(*) FROM sinks WHERE kind = 'self' AND token_class <> 'image'"), 0);
    assert_int_equal(count(folder, "SELECT count(*) FROM sinks WHERE kind = 'self' AND word IS NOT NULL"), 0);
    assert_int_equal(count(folder, "SELECT count(*) FROM sinks WHERE kind = 'cross' AND row IS NOT NULL"), 0);
    world_close(&w);
}

static void test_layout(void **state) {
    (void)state;
    world w;
    char path[256];
    world_open(&w, WORLD_STUDY, 12, 0);
    free(reference(&w));
    int prompt = w.p->group[0].prompt;
    static const char *const CONDITIONS[] = {"baseline", "sink_k3", "other"};
    for (int i = 0; i < 3; i++) {
        char *line, *expected;
        size_t size;
        ss_error err;
        for (int seed = 0; seed < 2; seed++) {
            snprintf(path, sizeof path, "reference/images/%s/%05d/samples/%04d.png", CONDITIONS[i], prompt, seed);
            assert_true(file_exists(world_path(&w, path)));
        }
        snprintf(path, sizeof path, "reference/images/%s/%05d/metadata.jsonl", CONDITIONS[i], prompt);
        assert_int_equal(file_read(world_path(&w, path), 4096, &line, &size, &err), SS_OK);
        expected = w.p->prompts.prompt[prompt].line;
        assert_int_equal(strncmp(line, expected, strlen(expected)), 0);
        assert_string_equal(line + strlen(expected), "\n");
        free(line);
    }
    ss_error err;
    int ndim;
    int64_t shape[HDF5_MAX_DIMS];
    float *data;
    char *condition;
    snprintf(path, sizeof path, "reference/traces/%lld.h5", (long long)w.p->unit[1].id);
    assert_int_equal(hdf5_read_array(world_path(&w, path), "mass", &ndim, shape, &data, &err), SS_OK);
    assert_int_equal(ndim, 5);
    assert_int_equal(shape[0] * shape[1] * shape[2] * shape[3] * shape[4], 6 * 2 * fake_masses());
    free(data);
    assert_int_equal(hdf5_read_text(world_path(&w, path), "condition", &condition, &err), SS_OK);
    assert_string_equal(condition, "sink k=1");
    free(condition);
    world_close(&w);
}

static void test_score_later(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    study_metric m[2];
    int n, images;
    world_open(&w, WORLD_STUDY, 12, 0);
    free(reference(&w));
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_WRITE, NULL, &err), SS_OK);
    assert_int_equal(study_parse_metrics(store_study(s), "dim, pixel-rmse", "--metric", m, 2, &n, &images, &err),
                     SS_OK);
    assert_int_equal(run_score(s, w.c, m, n, NULL, &err), SS_OK);
    assert_int_equal(run_score(s, w.c, m, n, NULL, &err), SS_OK); /* again: nothing to do */
    store_close(s);
    const char *folder = world_path(&w, "reference");
    assert_int_equal(count(folder, "SELECT count(dim) FROM scores WHERE dim = glow"), 12 * 7);
    assert_int_equal(count(folder, "SELECT count(*) FROM score WHERE metric = 3"), 12 * 7 + 12);
    assert_int_equal(count(folder, "SELECT added FROM metric WHERE name = 'dim'"), 1);
    world_close(&w);
}

static int close_after_one(void *user, const char *bytes, size_t n) {
    (void)bytes, (void)n;
    return ++*(int *)user >= 1;
}

static void test_closed_pipe(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    int calls = 0;
    world_open(&w, WORLD_STUDY, 12, 0);
    free(reference(&w));
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(export_csv(s, &EXPORT_TABLES[2], close_after_one, &calls, &err), SS_OK);
    assert_int_equal(calls, 1);
    store_close(s);
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
        cmocka_unit_test(test_one_writer),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_other_class_and_files),
        cmocka_unit_test(test_verify_finds_damage),
        cmocka_unit_test(test_verify_finds_what_cannot_be_repeated),
        cmocka_unit_test(test_damaged_stores),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_score_later),
        cmocka_unit_test(test_closed_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
