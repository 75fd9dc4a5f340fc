/* JSON: errors with a place, getters that name the member, what was expected and what was found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/json.h"

static json_t *parse(const char *s) {
    ss_error err = {0};
    json_t *j = NULL;
    if (json_read_bytes(s, strlen(s), "config.json", &j, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
    return j;
}

static void test_syntax(void **state) {
    (void)state;
    static const struct {
        const char *json, *where, *message;
    } cases[] = {{"{\n \"a\": 1,\n \"b\": }", "config.json:3:7", "is not JSON: unexpected token near '}'"},
                 {"{\"a\": 1,\n \"a\": 2}", "config.json:2:4", "is not JSON: duplicate object key near '\"a\"'"},
                 {"{} {}", "config.json:1:4", "is not JSON: end of file expected near '{'"},
                 {"{\"a\": \"\xff\"}", "config.json:1:7", "is not JSON: unable to decode byte 0xff near '\"'"},
                 {"", "config.json:1:0", "is not JSON: '[' or '{' expected near end of file"},
                 {"3", "config.json:1:1", "is not JSON: '[' or '{' expected near '3'"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        json_t *j;
        assert_int_equal(json_read_bytes(cases[i].json, strlen(cases[i].json), "config.json", &j, &err), SS_ERR_INPUT);
        assert_null(j);
        assert_string_equal(err.where, cases[i].where);
        assert_string_equal(err.message, cases[i].message);
    }
}

/* -Infinity outside strings is null; places in errors stay right. */
static void test_python(void **state) {
    (void)state;
    char path[] = "/tmp/sinkscope-json-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    ss_error err = {0};
    json_t *j;
    static const char good[] = "{\"a\": -Infinity, \"b\": \"-Infinity\", \"c\": \"\\\"-Infinity\"}";
    assert_int_equal(file_write(path, good, strlen(good), &err), SS_OK);
    assert_int_equal(json_read_python_file(path, JSON_CONFIG_LIMIT, &j, &err), SS_OK);
    assert_true(json_is_null(json_object_get(j, "a")));
    assert_string_equal(json_string_value(json_object_get(j, "b")), "-Infinity");
    assert_string_equal(json_string_value(json_object_get(j, "c")), "\"-Infinity");
    json_decref(j);
    static const char bad[] = "{\"a\": -Infinity, \"b\": Infinity}";
    assert_int_equal(file_write(path, bad, strlen(bad), &err), SS_OK);
    assert_int_equal(json_read_python_file(path, JSON_CONFIG_LIMIT, &j, &err), SS_ERR_INPUT);
    assert_null(j);
    assert_string_equal(err.where + strlen(path), ":1:30");
    assert_string_equal(err.message, "is not JSON: invalid token near 'Infinity'");
    unlink(path);
}

static void test_getters(void **state) {
    (void)state;
    ss_error err = {0};
    int64_t i, list[3];
    double d;
    int b, n;
    const char *s;
    json_t *tree;
    json_t *j = parse("{\"i\":12,\"d\":0.5,\"b\":true,\"s\":\"x\",\"n\":null,\"a\":[1,2,3],\"o\":{}}");
    assert_int_equal(json_get_int(j, "i", "c", &i, &err), SS_OK);
    assert_int_equal(i, 12);
    assert_int_equal(json_get_double(j, "d", "c", &d, &err), SS_OK);
    assert_true(d == 0.5);
    assert_int_equal(json_get_double(j, "i", "c", &d, &err), SS_OK);
    assert_true(d == 12);
    assert_int_equal(json_get_bool(j, "b", "c", &b, &err), SS_OK);
    assert_int_equal(b, 1);
    assert_int_equal(json_get_text(j, "s", "c", &s, &err), SS_OK);
    assert_string_equal(s, "x");
    assert_int_equal(json_get_ints(j, "a", "c", list, 3, &n, &err), SS_OK);
    assert_int_equal(n, 3);
    assert_int_equal(list[2], 3);
    assert_int_equal(json_get_object(j, "o", "c", &tree, &err), SS_OK);
    assert_int_equal(json_get_array(j, "a", "c", &tree, &err), SS_OK);
    assert_true(json_has(j, "i"));
    assert_false(json_has(j, "n"));
    assert_false(json_has(j, "none"));
    json_decref(j);
}

static void test_defaults(void **state) {
    (void)state;
    ss_error err = {0};
    int64_t i;
    double d;
    int b;
    const char *s;
    json_t *j = parse("{\"n\":null,\"x\":[]}");
    assert_int_equal(json_get_int_or(j, "n", "c", 7, &i, &err), SS_OK);
    assert_int_equal(i, 7);
    assert_int_equal(json_get_double_or(j, "none", "c", 0.25, &d, &err), SS_OK);
    assert_true(d == 0.25);
    assert_int_equal(json_get_bool_or(j, "none", "c", 1, &b, &err), SS_OK);
    assert_int_equal(b, 1);
    assert_int_equal(json_get_text_or(j, "none", "c", "y", &s, &err), SS_OK);
    assert_string_equal(s, "y");
    assert_int_equal(json_get_int_or(j, "x", "c", 7, &i, &err), SS_ERR_INPUT); /* a default covers absence only */
    json_decref(j);
}

static void test_messages(void **state) {
    (void)state;
    ss_error err = {0};
    int64_t i, list[2];
    int n, b;
    const char *s;
    json_t *j = parse("{\"i\":\"12\",\"f\":1.5,\"a\":[1,true],\"long\":[1,2,3],\"null\":null}");
    assert_int_equal(json_get_int(j, "i", "t/config.json", &i, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, "t/config.json");
    assert_string_equal(err.message, "'i' is a string; expected an integer");
    json_get_int(j, "f", "c", &i, &err);
    assert_string_equal(err.message, "'f' is a number with a fraction; expected an integer");
    json_get_int(j, "num_layers", "c", &i, &err);
    assert_string_equal(err.message, "has no 'num_layers'; expected an integer");
    json_get_bool(j, "null", "c", &b, &err);
    assert_string_equal(err.message, "'null' is null; expected true or false");
    json_get_text(j, "a", "c", &s, &err);
    assert_string_equal(err.message, "'a' is an array; expected a string");
    json_get_ints(j, "a", "c", list, 2, &n, &err);
    assert_string_equal(err.message, "'a[1]' is true or false; expected an integer");
    json_get_ints(j, "long", "c", list, 2, &n, &err);
    assert_string_equal(err.message, "'long' has 3 items; at most 2 are expected");
    json_decref(j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),   cmocka_unit_test(test_python),   cmocka_unit_test(test_getters),
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
