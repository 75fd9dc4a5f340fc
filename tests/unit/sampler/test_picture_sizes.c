/* Image sizes that a network is conditioned on: how they are written, changed, refused, encoded and described. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "sampler/picture_sizes.h"

static void read_size(picture_sizes *s, picture_size which, const char *written) {
    ss_error err = {0};
    if (picture_sizes_read(s, which, written, "it", &err) != SS_OK) fail_msg("%s", err.message);
}

static void assert_told(const picture_sizes *s, const float expected[SIZE_CONDITIONS]) {
    float told[SIZE_CONDITIONS];
    picture_sizes_condition(s, 64, 48, told);
    for (int i = 0; i < SIZE_CONDITIONS; i++) assert_float_equal(told[i], expected[i], 0);
}

static void test_told(void **state) {
    (void)state;
    picture_sizes s = {0};
    assert_told(&s, (float[]){48, 64, 0, 0, 48, 64});
    read_size(&s, CROP, "17x5");
    assert_told(&s, (float[]){48, 64, 5, 17, 48, 64});
    read_size(&s, ORIGINAL_SIZE, "1024x768");
    read_size(&s, TARGET_SIZE, "512");
    assert_told(&s, (float[]){768, 1024, 5, 17, 512, 512});
    read_size(&s, CROP, "0x0");
    assert_told(&s, (float[]){768, 1024, 0, 0, 512, 512});
}

static void test_changed(void **state) {
    (void)state;
    picture_sizes s = {0}, changes = {0};
    text words = {0};
    picture_sizes_add_words(&s, ", ", &words);
    assert_int_equal(words.len, 0);
    read_size(&s, ORIGINAL_SIZE, "300x200");
    read_size(&s, CROP, "1x2");
    read_size(&changes, CROP, "3x4");
    read_size(&changes, TARGET_SIZE, "65536x1");
    picture_sizes_change(&s, &changes);
    assert_told(&s, (float[]){200, 300, 4, 3, 1, 65536});
    picture_sizes_add_words(&changes, "; ", &words);
    picture_sizes_add_words(&s, ", ", &words);
    assert_string_equal(words.s, "crop 3x4; target-size 65536x1, original-size 300x200, crop 3x4, target-size 65536x1");
    text_free(&words);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        picture_size which;
        const char *written, *message;
    } cases[] = {
        {ORIGINAL_SIZE, "large", "it is 'large'; expected WIDTHxHEIGHT or one side, each from 1 to 65536 pixels"},
        {ORIGINAL_SIZE, "0x5", "it is '0x5'; expected WIDTHxHEIGHT or one side, each from 1 to 65536 pixels"},
        {TARGET_SIZE, "65537", "it is '65537'; expected WIDTHxHEIGHT or one side, each from 1 to 65536 pixels"},
        {TARGET_SIZE, "", "it is ''; expected WIDTHxHEIGHT or one side, each from 1 to 65536 pixels"},
        {CROP, "1x-1", "it is '1x-1'; expected LEFTxTOP, each from 0 to 65536 pixels"},
        {CROP, "1x2x3", "it is '1x2x3'; expected LEFTxTOP, each from 0 to 65536 pixels"},
    };
    picture_sizes s = {0};
    ss_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(picture_sizes_read(&s, cases[i].which, cases[i].written, "it", &err), SS_ERR_INPUT);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.where, "");
    }
    assert_int_equal(s.given, 0);
    s = (picture_sizes){.across = {-1}, .down = {-1}}; /* not given */
    assert_int_equal(picture_sizes_check(&s, &err), SS_OK);
    assert_int_equal(picture_sizes_refuse(&s, "APipeline", &err), SS_OK);
    s.given = 1u << ORIGINAL_SIZE;
    assert_int_equal(picture_sizes_check(&s, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "original-size is -1x-1; expected 1 to 65536 pixels");
    assert_int_equal(picture_sizes_refuse(&s, "APipeline", &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "original-size is given, which APipeline does not tell its network; expected none "
                                     "of original-size, crop and target-size");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
