/* Views of a checkpoint: every form read whole and in pieces, names, ownership. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/checkpoint_view.h"
#include "io/safetensors.h"

enum { ROWS = 6, COLUMNS = 4, COUNT = ROWS * COLUMNS };
static char path[64];

static void check(ss_status status, const ss_error *err) {
    if (status != SS_OK) fail_msg("%s: %s", err->where, err->message);
}

/* "x" [6, 4] = 0, 1, 2, ...; "c" [6, 4, 1, 1], the same; "odd" [3]. */
static int set_up(void **state) {
    (void)state;
    float values[COUNT];
    ss_error err;
    for (int i = 0; i < COUNT; i++) values[i] = (float)i;
    const safetensors_output out[] = {
        {.name = "x", .ndim = 2, .shape = {ROWS, COLUMNS}, .data = values},
        {.name = "c", .ndim = 4, .shape = {ROWS, COLUMNS, 1, 1}, .data = values},
        {.name = "odd", .ndim = 1, .shape = {3}, .data = values},
    };
    snprintf(path, sizeof path, "/tmp/sinkscope-view-%d.safetensors", (int)getpid());
    return safetensors_write(path, out, 3, &err) == SS_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return remove(path);
}

static view_tensor *add(view_tensors *list, const char *name, const checkpoint_entry *from) {
    ss_error err;
    text t = {0};
    text_add(&t, name);
    view_tensor *made = view_tensors_add(list, &t, from, &err);
    assert_non_null(made);
    return made;
}

/* What is expected of element i of each form. */
static int64_t same(int64_t i) { return i; }
static int64_t middle_third(int64_t i) { return i + 2 * COLUMNS; }
static int64_t swapped(int64_t i) { return (i + COUNT / 2) % COUNT; }
static int64_t turned(int64_t i) { return i % ROWS * COLUMNS + i / ROWS; }
static int64_t identity(int64_t i) { return i / 5 == i % 5; }

static void test_forms(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *base, *view;
    view_tensors list = {0};
    check(checkpoint_open(&base, path, &err), &err);
    const checkpoint_entry *x = checkpoint_find(base, "x"), *c = checkpoint_find(base, "c");
    add(&list, "same", x);
    view_take_rows(add(&list, "rows", x), 1, 3);
    view_swap_halves(add(&list, "swapped", x));
    view_transpose(add(&list, "turned", x));
    view_flatten(add(&list, "flat", c));
    view_make_identity(add(&list, "identity", NULL), 5);
    view_swap_halves(add(&list, "odd", checkpoint_find(base, "odd"))); /* has no halves: stays as it is */
    check(checkpoint_view_open(&view, base, &list, &err), &err);
    checkpoint_close(base); /* the view holds it */
    static const struct {
        const char *name;
        int64_t shape[2], count;
        int64_t (*value)(int64_t i);
    } expected[] = {
        {"flat", {ROWS, COLUMNS}, COUNT, same},
        {"identity", {5, 5}, 25, identity},
        {"odd", {3, 0}, 3, same},
        {"rows", {2, COLUMNS}, 2 * COLUMNS, middle_third},
        {"same", {ROWS, COLUMNS}, COUNT, same},
        {"swapped", {ROWS, COLUMNS}, COUNT, swapped},
        {"turned", {COLUMNS, ROWS}, COUNT, turned},
    };
    assert_int_equal(checkpoint_count(view), 7);
    for (size_t i = 0; i < 7; i++) {
        const checkpoint_entry *e = checkpoint_at(view, i);
        assert_string_equal(e->name, expected[i].name);
        assert_int_equal(e->count, expected[i].count);
        assert_int_equal(e->ndim, expected[i].shape[1] ? 2 : 1);
        for (int d = 0; d < e->ndim; d++) assert_int_equal(e->shape[d], expected[i].shape[d]);
        const float *kept = checkpoint_keep(e, &err);
        assert_non_null(kept);
        for (int64_t first = 0; first < e->count; first++)
            for (int64_t n = 1; n <= e->count - first; n++) {
                float some[COUNT + 1];
                check(checkpoint_read(e, first, n, some, &err), &err);
                for (int64_t k = 0; k < n; k++) {
                    assert_true(some[k] == (float)expected[i].value(first + k));
                    assert_true(kept[first + k] == some[k]);
                }
            }
    }
    assert_string_equal(checkpoint_path(view), path);
    assert_int_equal(checkpoint_file_count(view), 1);
    view_tensors_free(&list);
    checkpoint_close(view);
}

/* One name of two tensors. */
static void test_names(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *base, *view;
    view_tensors list = {0};
    check(checkpoint_open(&base, path, &err), &err);
    add(&list, "twice", checkpoint_find(base, "x"));
    add(&list, "twice", checkpoint_find(base, "c"));
    assert_int_equal(checkpoint_view_open(&view, base, &list, &err), SS_ERR_INPUT);
    assert_null(view);
    assert_non_null(strstr(err.message, "twice comes from two tensors"));
    view_tensors_free(&list);
    checkpoint_close(base);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
