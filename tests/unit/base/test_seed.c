/* Seeds as exact numbers over the whole range that torch's CPU generator takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/option.h"
#include "base/seed.h"

/* In ascending order; the noise of each by Python: int(s) % 2**32. */
static const struct {
    const char *written;
    uint32_t noise;
} SEEDS[] = {
    {"-9223372036854775808", 0},
    {"-9223372036854775807", 1},
    {"-4294967296", 0},
    {"-1", 4294967295u},
    {"0", 0},
    {"1", 1},
    {"4294967295", 4294967295u},
    {"4294967297", 1},
    {"9007199254740993", 1}, /* 2^53 + 1: no double */
    {"9223372036854775807", 4294967295u},
    {"9223372036854775808", 0},
    {"9223372036854775809", 1},
    {"18446744073709551615", 4294967295u},
};
enum { COUNT = sizeof SEEDS / sizeof *SEEDS };

static image_seed of(const char *s) {
    image_seed x;
    assert_int_equal(seed_parse(s, &x), 0);
    return x;
}

static void test_range(void **state) {
    (void)state;
    seed_text out;
    image_seed x;
    for (int i = 0; i < COUNT; i++) {
        assert_string_equal(seed_write(of(SEEDS[i].written), out), SEEDS[i].written);
        assert_int_equal(seed_noise(of(SEEDS[i].written)), SEEDS[i].noise);
        for (int j = 0; j < COUNT; j++)
            assert_int_equal(seed_compare(of(SEEDS[i].written), of(SEEDS[j].written)), (i > j) - (i < j));
    }
    static const char *const NONE[] = {"",
                                       "-",
                                       "+",
                                       "x",
                                       "1x",
                                       " 1",
                                       "1 ",
                                       "1.0",
                                       "1e3",
                                       "0x10",
                                       "--1",
                                       "-9223372036854775809",
                                       "18446744073709551616",
                                       "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++) assert_int_equal(seed_parse(NONE[i], &x), -1);
    assert_string_equal(seed_write(of("-0"), out), "0");
    assert_string_equal(seed_write(of("+007"), out), "7");
    assert_int_equal(seed_key(of("-5")), -5);
    assert_int_equal(seed_key(of("9223372036854775807")), INT64_MAX);
    static const char *const CELLS[] = {"1.0", "1.", "-2.000", "18446744073709551615.0"};
    for (size_t i = 0; i < sizeof CELLS / sizeof *CELLS; i++) assert_int_equal(seed_parse_cell(CELLS[i], &x), 0);
    assert_string_equal(seed_write(x, out), "18446744073709551615");
    static const char *const NO_CELLS[] = {"1.5", ".0", "1.0.0", "1.0 ", "1e3", "", "."};
    for (size_t i = 0; i < sizeof NO_CELLS / sizeof *NO_CELLS; i++)
        assert_int_equal(seed_parse_cell(NO_CELLS[i], &x), -1);
}

static void test_add(void **state) {
    (void)state;
    static const struct {
        const char *a;
        int64_t n;
        const char *sum; /* NULL = out of the range */
    } CASES[] = {
        {"1", 1, "2"},
        {"-1", 1, "0"},
        {"0", -1, "-1"},
        {"5", -10, "-5"},
        {"-5", 10, "5"},
        {"9223372036854775807", 1, "9223372036854775808"},
        {"9223372036854775808", -1, "9223372036854775807"},
        {"18446744073709551615", 1, NULL},
        {"18446744073709551615", 0, "18446744073709551615"},
        {"18446744073709551615", INT64_MIN, "9223372036854775807"},
        {"-9223372036854775808", -1, NULL},
        {"-9223372036854775808", INT64_MAX, "-1"},
        {"-9223372036854775808", INT64_MIN, NULL},
        {"0", INT64_MIN, "-9223372036854775808"},
        {"1", INT64_MAX, "9223372036854775808"},
        {"9223372036854775809", INT64_MAX, NULL},
    };
    seed_text out;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        image_seed sum;
        assert_int_equal(seed_add(of(CASES[i].a), CASES[i].n, &sum), CASES[i].sum ? 0 : -1);
        if (CASES[i].sum) assert_string_equal(seed_write(sum, out), CASES[i].sum);
    }
}

static void test_same_noise(void **state) {
    (void)state;
    int first = -7;
    image_seed some[] = {of("3"), of("1"), of("9"), of("4294967297"), of("8589934593"), of("-1"), of("4294967295")};
    assert_int_equal(seed_find_same_noise(some, 3, &first), -1);
    assert_int_equal(seed_find_same_noise(some, 7, &first), 3);
    assert_int_equal(first, 1);
    assert_int_equal(seed_find_same_noise(some + 2, 5, &first), 2);
    assert_int_equal(seed_find_same_noise(some + 5, 2, &first), 1);
}

/* Limits of whole numbers are not rounded. */
static void test_options(void **state) {
    (void)state;
    const option limited = {"n", OPTION_INT, NULL, 0, 9007199254740992.0, NULL, ""};
    const option wide = {"n", OPTION_INT, NULL, -0x1p63, 0x1p63, NULL, ""};
    const option seed = {"seed", OPTION_SEED, NULL, 0, 0, NULL, ""};
    option_value v;
    ss_error err;
    assert_int_equal(option_parse(&limited, "9007199254740992", NULL, &v, &err), SS_OK);
    assert_int_equal(option_parse(&limited, "9007199254740993", NULL, &v, &err), SS_ERR_INPUT);
    assert_int_equal(option_parse(&wide, "9223372036854775807", NULL, &v, &err), SS_OK);
    assert_true(v.integer == INT64_MAX);
    assert_int_equal(option_parse(&seed, "18446744073709551615", NULL, &v, &err), SS_OK);
    assert_true(v.seed.bits == UINT64_MAX && !v.seed.negative);
    assert_int_equal(option_parse(&seed, "1.5", NULL, &v, &err), SS_ERR_INPUT);
    for (int type = 0; type < OPTION_TYPES; type++) /* every type has a name in help; a switch has none */
        assert_non_null(option_value_name(&(option){.type = (option_type)type}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_same_noise),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
