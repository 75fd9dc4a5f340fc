/* The public functions where they fail: what is left in the caller's hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sinkscope.h>

#include "tests/support/folder.h"

static void test_no_model(void **state) {
    (void)state;
    ss_error err;
    ss_model *m = (ss_model *)(uintptr_t)0x10;
    assert_int_equal(ss_model_open(&m, "/nowhere", 1, &err), SS_ERR_INPUT);
    assert_null(m);
    ss_model_close(m);
}

static void test_pictures(void **state) {
    (void)state;
    ss_error err;
    unsigned char pixel[3] = {1, 2, 3};
    const ss_image empty = {.width = 4, .height = 4}, one = {.width = 1, .height = 1, .rgb = pixel};
    assert_int_equal(ss_image_write_png(&empty, folder_at("x.png"), &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "has no pixels"));
    assert_int_equal(ss_image_write_png(&one, "", &err), SS_ERR_USAGE);
    assert_int_equal(ss_image_write_png(&one, folder, &err), SS_ERR_USAGE);
    assert_int_equal(ss_image_write_png(&one, "/dev/null", &err), SS_OK);
    assert_int_equal(ss_image_write_png(&one, folder_at("x.png"), &err), SS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_model), cmocka_unit_test(test_pictures)};
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
