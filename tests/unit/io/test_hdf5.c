/* HDF5: what is written is read back, twice the same gives the same bytes, failures leave nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/hdf5.h"
#include "../../support/folder.h"

enum { STEPS = 300, KEYS = 1111 }; /* some chunks, the last one partial */

static float *make_data(void) {
    float *x = malloc(sizeof *x * STEPS * KEYS);
    assert_non_null(x);
    for (int i = 0; i < STEPS * KEYS; i++) x[i] = (float)(i % 977) * 0.125f;
    return x;
}

static void write_one(const char *name, const float *x) {
    ss_error err = {0};
    hdf5_writer *w;
    const hdf5_array mass = {"mass", 2, {STEPS, KEYS}, {"step", "key"}, x}, one = {"one", 1, {1}, {"x"}, x + 5};
    assert_int_equal(hdf5_create(&w, folder_at(name), &err), SS_OK);
    assert_int_equal(hdf5_put_text(w, "prompt", "ein grüner Stern", &err), SS_OK);
    assert_int_equal(hdf5_put_text(w, "empty", "", &err), SS_OK);
    assert_int_equal(hdf5_put_int(w, "seed", 7, &err), SS_OK);
    assert_int_equal(hdf5_put_double(w, "guidance", 4.5, &err), SS_OK);
    assert_int_equal(hdf5_put_array(w, &mass, &err), SS_OK);
    assert_int_equal(hdf5_put_array(w, &one, &err), SS_OK);
    assert_int_equal(hdf5_put_array(w, &one, &err), SS_ERR_RESOURCE); /* the name is taken */
    assert_false(file_exists(folder_at(name)));
    assert_int_equal(hdf5_commit(w, &err), SS_OK);
    assert_true(file_exists(folder_at(name)));
}

static void test_round_trip(void **state) {
    (void)state;
    ss_error err = {0};
    float *x = make_data(), *y;
    char *s;
    int ndim;
    int64_t shape[HDF5_MAX_DIMS];
    write_one("a.h5", x);
    assert_int_equal(hdf5_read_array(folder_at("a.h5"), "mass", &ndim, shape, &y, &err), SS_OK);
    assert_int_equal(ndim, 2);
    assert_int_equal(shape[0], STEPS);
    assert_int_equal(shape[1], KEYS);
    assert_memory_equal(x, y, sizeof *x * STEPS * KEYS);
    free(y);
    assert_int_equal(hdf5_read_text(folder_at("a.h5"), "prompt", &s, &err), SS_OK);
    assert_string_equal(s, "ein grüner Stern");
    free(s);
    assert_int_equal(hdf5_read_text(folder_at("a.h5"), "empty", &s, &err), SS_OK);
    assert_string_equal(s, "");
    free(s);
    free(x);
}

static void test_same_bytes(void **state) {
    (void)state;
    ss_error err;
    sha256_hex one, two;
    float *x = make_data();
    write_one("one.h5", x);
    sleep(1); /* a time stamp would show */
    write_one("two.h5", x);
    assert_int_equal(file_hash(folder_at("one.h5"), one, &err), SS_OK);
    assert_int_equal(file_hash(folder_at("two.h5"), two, &err), SS_OK);
    assert_string_equal(one, two);
    free(x);
}

static void test_failures(void **state) {
    (void)state;
    ss_error err = {0};
    hdf5_writer *w;
    float *y, x = 1;
    char *s;
    int ndim;
    int64_t shape[HDF5_MAX_DIMS];
    assert_int_equal(hdf5_create(&w, folder_at("no/such/a.h5"), &err), SS_OK); /* in memory */
    assert_int_equal(hdf5_commit(w, &err), SS_ERR_RESOURCE);
    assert_non_null(strstr(err.where, "no/such/a.h5"));
    assert_int_equal(hdf5_read_array(folder_at("none.h5"), "mass", &ndim, shape, &y, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "no such file");
    assert_int_equal(file_write(folder_at("junk.h5"), "not HDF5", 8, &err), SS_OK);
    assert_int_equal(hdf5_read_array(folder_at("junk.h5"), "mass", &ndim, shape, &y, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "cannot open: HDF5: "));
    const hdf5_array a = {"a", 1, {1}, {"x"}, &x};
    assert_int_equal(hdf5_create(&w, folder_at("b.h5"), &err), SS_OK);
    assert_int_equal(hdf5_put_array(w, &a, &err), SS_OK);
    assert_int_equal(hdf5_put_int(w, "seed", 1, &err), SS_OK);
    assert_int_equal(hdf5_commit(w, &err), SS_OK);
    assert_int_equal(hdf5_read_array(folder_at("b.h5"), "mass", &ndim, shape, &y, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "has no array 'mass'");
    assert_int_equal(hdf5_read_text(folder_at("b.h5"), "prompt", &s, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "has no attribute 'prompt'");
    assert_int_equal(hdf5_read_text(folder_at("b.h5"), "seed", &s, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "attribute 'seed' is not a fixed-length text");
}

static void test_abandon(void **state) {
    (void)state;
    ss_error err = {0};
    hdf5_writer *w;
    assert_int_equal(hdf5_create(&w, folder_at("gone.h5"), &err), SS_OK);
    assert_int_equal(hdf5_put_int(w, "seed", 1, &err), SS_OK);
    hdf5_abandon(w);
    assert_false(file_exists(folder_at("gone.h5")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_abandon),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
