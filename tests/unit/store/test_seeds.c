/* Seeds from the study file to the store and out of it, exactly; one noise is never counted twice; and a store takes
 * away nothing that is not its own. */
#define _XOPEN_SOURCE 700 /* nftw */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fake.h"
#include "world.h"

/* WORLD_STUDY with other seeds. */
static const char *with_seeds(const char *seeds) {
    static char out[2048];
    const char *at = strstr(WORLD_STUDY, "seeds: [1, 2]");
    snprintf(out, sizeof out, "%.*sseeds: %s%s", (int)(at - WORLD_STUDY), WORLD_STUDY, seeds,
             at + strlen("seeds: [1, 2]"));
    return out;
}

static void test_exact(void **state) {
    (void)state;
    static const char *const SEEDS[] = {"-9223372036854775808", "9007199254740993", "9223372036854775807",
                                        "18446744073709551614"};
    world w;
    world_open(&w, with_seeds("[-9223372036854775808, 9007199254740993, 9223372036854775807, 18446744073709551614]"),
               12, 0);
    char *all = world_reference(&w);
    for (int i = 0; i < 4; i++) {
        char cell[64], sql[160];
        snprintf(cell, sizeof cell, ",%s,", SEEDS[i]);
        assert_non_null(strstr(all, cell));
        snprintf(sql, sizeof sql, "SELECT count(*) FROM units WHERE seed = %s AND condition = 'baseline'",
                 i < 3 ? SEEDS[i] : "'18446744073709551614'");
        assert_int_equal(world_count(world_path(&w, "reference"), sql), 6);
    }
    ss_error err;
    assert_int_equal(world_run(&w, "reference", NULL, &err), SS_OK); /* resuming finds every unit */
    char *again = world_exports(&w, "reference");
    assert_string_equal(again, all);
    free(again);
    free(all);
    world_close(&w);
}

/* The seeds that the program adds are no noise of the study either. */
static void test_default_calibration(void **state) {
    (void)state;
    static const struct {
        const char *seeds, *first, *second;
    } CASES[] = {{"[1, 2]", "3", "4"},
                 {"[0, 4294967295]", "4294967297", "4294967298"},
                 {"[5, 18446744073709551615]", "6", "7"},
                 {"[-9223372036854775808, 18446744073709551615]", "-9223372036854775807", "-9223372036854775806"},
                 {"{base: 1000, add: prompt}", "1000001000", "1000001001"},
                 {"{base: 18446744073709500000, add: prompt}", "18446744072709500002", "18446744072709500003"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        world w;
        seed_text out;
        world_open(&w, with_seeds(CASES[i].seeds), 12, 0);
        assert_string_equal(seed_write(w.y->calibration_seed[0], out), CASES[i].first);
        assert_string_equal(seed_write(w.y->calibration_seed[1], out), CASES[i].second);
        world_close(&w);
    }
}

static void refuse(const char *seeds, const char *more, const char *words) {
    world w;
    char source[2600];
    study *y = NULL;
    plan *p = NULL;
    ss_error err;
    world_open(&w, WORLD_STUDY, 12, 0);
    snprintf(source, sizeof source, "%s%s", with_seeds(seeds), more);
    fake_write(w.folder, "other.yaml", source);
    assert_int_equal(study_load(&y, world_path(&w, "other.yaml"), NULL, &err), SS_OK);
    assert_int_equal(plan_make(&p, y, fake_pipeline(), 0, &err), SS_ERR_INPUT);
    if (!strstr(err.message, words)) print_message("expected %s\nfound    %s\n", words, err.message);
    assert_non_null(strstr(err.message, words));
    assert_null(p);
    study_free(y);
    world_close(&w);
}

static void test_by_prompt(void **state) {
    (void)state;
    refuse("{base: 1000, add: prompt}", "calibration: {seeds: [5, 1003]}\n", "calibration seed 1003 is a seed");
    refuse("{base: 1000, add: prompt}", "calibration: {seeds: [5, 4294968299]}\n",
           "calibration seed 4294968299 and the seed 1003 of prompt 4 are one noise");
    refuse("{base: 18446744073709551610, add: prompt}", "calibration: {seeds: [500, 600]}\n", "beyond -2^63");
    world w; /* another prompt's noise is no collision */
    world_open(&w, with_seeds("{base: -3, add: prompt}"), 12, 0);
    world_close(&w);
}

/* A store of an earlier version that has them is read, with a notice. */
static void test_older_store(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    sqlite3 *db;
    notices told = {0};
    world_open(&w, WORLD_STUDY, 12, 0);
    free(world_reference(&w));
    char *path = file_join(world_path(&w, "reference"), "results.sqlite");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(
            sqlite3_exec(db, i ? "UPDATE unit SET seed = 4294967297 WHERE seed = 2" : "PRAGMA user_version = 2", NULL,
                         NULL, NULL),
            SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(store_open(&s, world_path(&w, "reference"), STORE_READ, NULL, &err), SS_OK);
        assert_int_equal(store_tell_older(s, &told, &err), SS_OK);
        assert_int_equal(told.n, i);
        store_close(s);
    }
    assert_non_null(strstr(told.line[0], "the seeds 1 and 4294967297 of '"));
    notices_free(&told);
    free(path);
    world_close(&w);
}

/* ---- what is not the store's ---- */

static int files;
static int count_file(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)path, (void)st, (void)f;
    files += type == FTW_F;
    return 0;
}

static int files_below(const char *path) {
    files = 0;
    nftw(path, count_file, 8, FTW_PHYS);
    return files;
}

static void test_foreign_files_stay(void **state) {
    (void)state;
    static const char *const FOREIGN[] = {"notes.tmp-old.txt",
                                          "notes.txt.tmp-12",
                                          "study.yaml.tmp-12x",
                                          "results.sqlite.tmp-backup",
                                          "images/overview.png",
                                          "images/baseline/mine.png",
                                          "images/baseline/00000/samples/best.png",
                                          "images/baseline/00000/samples/0099.png",
                                          "images/0000.png.tmp-1",
                                          "traces/my_analysis.h5",
                                          "text/words.tmp-5"};
    static const char *const OWN[] = {"manifest.json.tmp-12", "traces/7.h5.tmp-1",
                                      "images/baseline/00000/metadata.jsonl.tmp-99"};
    world w;
    ss_error err;
    store *s;
    notices told = {0};
    world_open(&w, WORLD_STUDY, 12, 0);
    free(world_reference(&w));
    const char *below = world_path(&w, "reference");
    char folder[300], prompt[340];
    snprintf(folder, sizeof folder, "%s", below);
    snprintf(prompt, sizeof prompt, "%s/images/baseline/00000/samples", folder);
    assert_int_equal(file_make_folder(prompt, &err), SS_OK);
    snprintf(prompt, sizeof prompt, "%s/text", folder);
    assert_int_equal(file_make_folder(prompt, &err), SS_OK);
    int before = files_below(folder);
    for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++) fake_write(folder, FOREIGN[i], "mine");
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++) fake_write(folder, OWN[i], "half");
    assert_int_equal(store_open(&s, folder, STORE_WRITE, NULL, &err), SS_OK);
    assert_int_equal(store_complete(s, w.p, "test class", &told, &err), SS_OK);
    store_close(s);
    for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++) {
        char *path = file_join(folder, FOREIGN[i]);
        if (!file_exists(path)) print_message("%s is gone\n", FOREIGN[i]);
        assert_true(file_exists(path));
        free(path);
    }
    assert_int_equal(files_below(folder), before + (int)(sizeof FOREIGN / sizeof *FOREIGN));
    assert_int_equal(told.n, 2);
    assert_non_null(strstr(told.line[0], "removed 3 temporary files"));
    assert_non_null(strstr(told.line[1], "11 files or folders are not the store's own"));
    notices_free(&told);
    world_close(&w);
}

/* A results.sqlite of before: the images made since stay until they are made again, to the same bytes. */
static void test_restored_database(void **state) {
    (void)state;
    world w;
    ss_error err;
    store *s;
    char command[900], folder[300];
    world_open(&w, WORLD_STUDY, 12, 0);
    char *expected = world_reference(&w);
    fake.fail_after = 60;
    assert_true(world_run(&w, "back", NULL, &err) != SS_OK);
    snprintf(folder, sizeof folder, "%s", world_path(&w, "back"));
    snprintf(command, sizeof command, "cp %s/results.sqlite %s/old.sqlite", folder, w.folder);
    assert_int_equal(system(command), 0);
    fake.fail_after = 0;
    assert_int_equal(world_run(&w, "back", NULL, &err), SS_OK);
    int all = files_below(folder);
    snprintf(command, sizeof command, "cp %s/old.sqlite %s/results.sqlite", w.folder, folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(store_open(&s, folder, STORE_WRITE, NULL, &err), SS_OK);
    assert_int_equal(store_complete(s, w.p, "test class", NULL, &err), SS_OK);
    store_close(s);
    assert_int_equal(files_below(folder), all);
    assert_int_equal(world_run(&w, "back", NULL, &err), SS_OK);
    char *found = world_exports(&w, "back");
    assert_string_equal(found, expected);
    assert_int_equal(files_below(folder), all);
    free(found);
    free(expected);
    world_close(&w);
}

int main(void) {
    if (chdir("/") != 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_default_calibration),
        cmocka_unit_test(test_by_prompt),
        cmocka_unit_test(test_older_store),
        cmocka_unit_test(test_foreign_files_stay),
        cmocka_unit_test(test_restored_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
