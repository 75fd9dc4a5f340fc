/* The store: one writer; versions, damage, foreign files; what its views answer, its layout, its exports. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "fake.h"
#include "io/hdf5.h"
#include "store/export.h"
#include "run/verify.h"
#include "world.h"

/* ---- who may write ---- */

static void test_one_writer(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    world_open(&w, WORLD_STUDY, 12, 2);
    free(world_reference(&w));
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
    free(world_reference(&w));
    sql(&w, "reference", "PRAGMA user_version = 4");
    expect_open(&w, STORE_READ, SS_ERR_STORE, "is of version 4; this program knows versions 1 to 3: use a newer one");
    sql(&w, "reference", "PRAGMA user_version = 0");
    expect_open(&w, STORE_READ, SS_ERR_STORE, "is of version 0");
    sql(&w, "reference", "PRAGMA user_version = 2");
    expect_open(&w, STORE_READ, SS_OK, NULL);
    expect_open(&w, STORE_WRITE, SS_ERR_STORE, "is of version 2; this program reads it, and writes version 3 only");
    sql(&w, "reference", "PRAGMA user_version = 3; PRAGMA application_id = 7");
    expect_open(&w, STORE_READ, SS_ERR_STORE, "is not a results store of sinkscope");
    world_close(&w);
}

/* A store of version 1 has no blocks, and its segments are those of every block. */
static void test_version_1(void **state) {
    (void)state;
    world w;
    if (strcmp(fake_network(), "alike") != 0) skip();
    world_open(&w, WORLD_STUDY, 12, 2);
    free(world_reference(&w));
    char *before = world_exports(&w, "reference"), *sites = strstr(before, "step,block,kind,head");
    assert_non_null(sites);
    sql(&w, "reference",
        "DROP VIEW sites; DROP VIEW sinks; DROP VIEW keys; DROP VIEW blocks; DROP VIEW failures; DROP VIEW "
        "failed_scores; DROP VIEW units;"
        "DROP VIEW scores; DROP VIEW calibrations; DROP TABLE block; DROP TABLE failure; DROP TABLE score_failure;"
        "ALTER TABLE segment DROP COLUMN layout; ALTER TABLE condition DROP COLUMN kinds; PRAGMA user_version = 1;"
        "CREATE VIEW sites AS SELECT 'as it was' AS a; CREATE VIEW sinks AS SELECT 'as it was' AS a;"
        "CREATE VIEW keys AS SELECT 'as it was' AS a");
    expect_open(&w, STORE_WRITE, SS_ERR_STORE, "is of version 1; this program reads it, and writes version 3 only");
    char *path = file_join(w.folder, "reference/results.sqlite");
    sha256_hex was, is;
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
    free(world_reference(&w));
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_WRITE, NULL, &err), SS_OK);
    assert_int_equal(store_complete(s, w.p, "another class", NULL, &err), SS_ERR_STORE);
    assert_non_null(strstr(err.message, "'test class', this machine has 'another class'"));
    assert_int_equal(store_complete(s, w.p, "test class", NULL, &err), SS_OK);
    fake_write(w.folder, "model/weights.safetensors", "0123456789"); /* rewritten, the same bytes */
    assert_int_equal(store_complete(s, w.p, "test class", NULL, &err), SS_OK);
    fake_write(w.folder, "model/weights.safetensors", "0123456780");
    assert_int_equal(store_complete(s, w.p, "test class", NULL, &err), SS_ERR_STORE);
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
    free(world_reference(&w));
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
    free(world_reference(&w));
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
    free(world_reference(&w));
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
    free(world_reference(&w));
    const char *folder = world_path(&w, "reference");
    assert_int_equal(world_count(folder, "SELECT count(*) FROM scores"), 12 * 7); /* no shams, no calibration */
    assert_int_equal(
        world_count(folder,
                    "SELECT count(*) FROM (SELECT select_name, k, tag, avg(right) FROM scores GROUP BY 1, 2, 3)"),
        2 * 7);
    assert_int_equal(world_count(folder, "SELECT count(pixel_rmse) FROM scores"), 12 * 6);
    assert_int_equal(world_count(folder, "SELECT count(*) FROM calibrations WHERE glow IS NOT NULL"), 12);
    assert_int_equal(world_count(folder, "SELECT count(*) FROM shams WHERE equal"), 6);
    /* 6 prompts x 2 seeds x (6 conditions x 6 steps x 2 branches + weaker: 4 steps, 1 branch) x heads of all blocks */
    int heads = fake_heads();
    assert_int_equal(world_count(folder, "SELECT count(*) FROM sites"), 12 * (6 * 6 * 2 + 4) * heads);
    assert_int_equal(world_count(folder, "SELECT count(max_mass + entropy) FROM sites WHERE branch = 'uncond'"),
                     12 * 6 * 6 * heads);
    assert_int_equal(world_count(folder, "SELECT count(*) FROM sinks WHERE rank = 0"), 12 * (6 * 6 * 2 + 4) * heads);
    assert_true(world_count(folder, "SELECT count(*) FROM sinks WHERE token_class = 'clip word' AND word = 'star'") >
                0);
    assert_int_equal(
        world_count(
            folder,
            "SELECT count(*) FROM sinks s JOIN block b ON b.block = s.block JOIN segment g ON g.layout = b.layout"
            " AND g.name = 'image' WHERE s.segment = 'image' AND s.row * g.grid_width + s.column <> s.position"),
        0);
    assert_int_equal(world_count(folder, "SELECT count(*) FROM keys WHERE branch = 'cond'"), 6 * fake_text_keys());
    assert_int_equal(world_count(folder, "SELECT count(*) FROM blocks"), fake_blocks());
    assert_int_equal(world_count(folder, "SELECT count(*) FROM sinks WHERE kind = 'self' AND token_class <> 'image'"),
                     0);
    assert_int_equal(world_count(folder, "SELECT count(*) FROM sinks WHERE kind = 'self' AND word IS NOT NULL"), 0);
    assert_int_equal(world_count(folder, "SELECT count(*) FROM sinks WHERE kind = 'cross' AND row IS NOT NULL"), 0);
    world_close(&w);
}

static void test_layout(void **state) {
    (void)state;
    world w;
    char path[256];
    world_open(&w, WORLD_STUDY, 12, 0);
    free(world_reference(&w));
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
    free(world_reference(&w));
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_WRITE, NULL, &err), SS_OK);
    assert_int_equal(study_parse_metrics(store_study(s), "dim, pixel-rmse", "--metric", m, 2, &n, &images, &err),
                     SS_OK);
    assert_int_equal(run_score(s, w.c, m, n, NULL, &err), SS_OK);
    assert_int_equal(run_score(s, w.c, m, n, NULL, &err), SS_OK); /* again: nothing to do */
    store_close(s);
    const char *folder = world_path(&w, "reference");
    assert_int_equal(world_count(folder, "SELECT count(dim) FROM scores WHERE dim = glow"), 12 * 7);
    assert_int_equal(world_count(folder, "SELECT count(*) FROM score WHERE metric = 3"), 12 * 7 + 12);
    assert_int_equal(world_count(folder, "SELECT added FROM metric WHERE name = 'dim'"), 1);
    world_close(&w);
}

/* Scores forgotten are made again, and the manifest says by what; the rest of the store stays. */
static void test_score_again(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    study_metric m;
    verify_report v;
    int n, images;
    world_open(&w, WORLD_STUDY, 12, 0);
    char *before = world_reference(&w);
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_WRITE, NULL, &err), SS_OK);
    assert_int_equal(study_parse_metrics(store_study(s), "glow", "--metric", &m, 1, &n, &images, &err), SS_OK);
    assert_int_equal(run_forget_scores(s, &m, &err), SS_OK);
    store_close(s);
    const char *folder = world_path(&w, "reference");
    const char *of_glow = "SELECT count(*) FROM score x JOIN metric m ON m.metric = x.metric WHERE m.name = 'glow'",
               *of_others = "SELECT count(*) FROM score x JOIN metric m ON m.metric = x.metric WHERE m.name <> 'glow'";
    assert_int_equal(world_count(folder, of_glow), 0);
    assert_true(world_count(folder, of_others) > 0);
    assert_int_equal(store_open(&s, folder, STORE_WRITE, NULL, &err), SS_OK);
    assert_int_equal(study_parse_metrics(store_study(s), "glow", "--metric", &m, 1, &n, &images, &err), SS_OK);
    assert_int_equal(run_score(s, w.c, &m, 1, NULL, &err), SS_OK);
    assert_int_equal(verify_store(s, w.p, NULL, NULL, 0, NULL, &v, &err), SS_OK);
    if (v.n_problems) print_message("%s", v.problems.s);
    assert_int_equal(v.n_problems, 0);
    verify_free(&v);
    store_close(s);
    char *after = world_exports(&w, "reference");
    assert_string_equal(before, after);
    free(before);
    free(after);
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
    free(world_reference(&w));
    assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_READ, NULL, &err), SS_OK);
    assert_int_equal(export_csv(s, &EXPORT_TABLES[2], close_after_one, &calls, &err), SS_OK);
    assert_int_equal(calls, 1);
    store_close(s);
    world_close(&w);
}

int main(void) {
    if (chdir("/") != 0) return 1;
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(test_score_again),
        cmocka_unit_test(test_closed_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
