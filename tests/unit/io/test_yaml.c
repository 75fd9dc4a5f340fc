/* YAML: the tree with its places, what is refused, and errors that point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/yaml.h"

static yaml_file *parse(const char *s) {
    ss_error err = {0};
    yaml_file *f = NULL;
    if (yaml_read_bytes(s, strlen(s), "s.yaml", &f, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
    return f;
}

static void test_tree(void **state) {
    (void)state;
    yaml_file *f = parse("study: one\n"
                         "seeds: [1, 2]   # comment\n"
                         "conditions:\n"
                         "  sünk: {select: top, k: \"3\"}\n"
                         "empty:\n");
    const yaml_node *root = yaml_root(f), *seeds = yaml_find(root, "seeds");
    assert_int_equal(root->kind, YAML_MAPPING);
    assert_int_equal(root->count, 4);
    assert_string_equal(yaml_key(root, 0)->text, "study");
    assert_string_equal(yaml_value(root, 0)->text, "one");
    assert_int_equal(seeds->kind, YAML_SEQUENCE);
    assert_int_equal(seeds->count, 2);
    assert_string_equal(seeds->items[1].text, "2");
    assert_int_equal(seeds->items[1].line, 2);
    assert_int_equal(seeds->items[1].column, 12);
    assert_int_equal(seeds->items[1].end_column, 13);
    const yaml_node *sink = yaml_find(yaml_find(root, "conditions"), "sünk"), *k = yaml_find(sink, "k");
    assert_string_equal(yaml_find(sink, "select")->text, "top");
    assert_int_equal(yaml_find(sink, "select")->column, 18); /* characters, not bytes */
    assert_true(yaml_find(sink, "select")->is_plain);
    assert_string_equal(k->text, "3");
    assert_false(k->is_plain);
    assert_null(yaml_find(root, "empty"));
    assert_string_equal(yaml_find_nothing(root, "empty")->text, "empty");
    assert_null(yaml_find(root, "none"));
    assert_null(yaml_find(seeds, "none"));
    yaml_close(f);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *where, *message;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "s.yaml:3:1", "the key 'a' is given twice (first on line 1)\n  a: 3\n  ^"},
        {"a: &x 1\n", "s.yaml:1:4", "an anchor ('&x') is not allowed here"},
        {"a: 1\nb: *x\n", "s.yaml:2:4", "an alias ('*x') is not allowed here"},
        {"a: [1, *x]\n", "s.yaml:1:8", "an alias ('*x') is not allowed here"},
        {"a: !!str 1\n", "s.yaml:1:4", "a tag ('tag:yaml.org,2002:str') is not allowed here"},
        {"a: !mine [1]\n", "s.yaml:1:4", "a tag ('!mine') is not allowed here"},
        {"? [a]\n: 1\n", "s.yaml:1:3", "a key must be a word"},
        {"a: 1\n---\nb: 2\n", "s.yaml:2:1", "a second document begins here"},
        {"", "s.yaml:1:1", "the file is empty"},
        {"# only\n", "s.yaml:2:1", "the file is empty"},
        {"a: [1, 2\nb: 3\n", "s.yaml:2:2", "is not YAML: did not find expected ',' or ']'"},
        {"a: \"x\\0y\"\n", "s.yaml:1:4", "a NUL character is not allowed here"},
        {"a: \xff\n", "s.yaml: byte 3", "is not UTF-8 text"},
        {"a: \tb: c\n", "s.yaml:1:6", "is not YAML: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        yaml_file *f;
        assert_int_equal(yaml_read_bytes(cases[i].yaml, strlen(cases[i].yaml), "s.yaml", &f, &err), SS_ERR_INPUT);
        assert_null(f);
        if (strcmp(err.where, cases[i].where) != 0 ||
            strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("case %zu: %s: %s", i, err.where, err.message);
    }
}

static void test_limits(void **state) {
    (void)state;
    ss_error err = {0};
    yaml_file *f;
    char deep[2 * 40 + 1] = {0};
    memset(deep, '[', 40);
    memset(deep + 40, ']', 40);
    assert_int_equal(yaml_read_bytes(deep, 80, "s.yaml", &f, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "is nested deeper than 32 levels"));
    char *big = calloc(YAML_LIMIT + 2, 1);
    assert_non_null(big);
    memset(big, 'a', YAML_LIMIT + 1);
    assert_int_equal(yaml_read_bytes(big, YAML_LIMIT + 1, "s.yaml", &f, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "at most 4194304"));
    free(big);
}

static void test_pointing(void **state) {
    (void)state;
    ss_error err = {0};
    yaml_file *f = parse("c:\n      sink: {select: topp, k: 1, edit: mask}\n      ünd: [größe, x]\n");
    const yaml_node *c = yaml_find(yaml_root(f), "c");
    const yaml_node *topp = yaml_find(yaml_find(c, "sink"), "select");
    assert_int_equal(yaml_error(f, topp, "did you mean 'top'?", &err, "unknown selector '%s'", topp->text),
                     SS_ERR_INPUT);
    assert_string_equal(err.where, "s.yaml:2:22");
    assert_string_equal(err.message, "unknown selector 'topp'\n"
                                     "  sink: {select: topp, k: 1, edit: mask}\n"
                                     "                 ^~~~\n"
                                     "did you mean 'top'?");
    yaml_error(f, &yaml_find(c, "ünd")->items[0], NULL, &err, "no");
    assert_string_equal(err.message, "no\n"
                                     "  ünd: [größe, x]\n"
                                     "        ^~~~~");
    error_set(&err, SS_ERR_USAGE, "elsewhere", "unknown selector 'topp'; did you mean 'top'? (selectors: top)");
    assert_int_equal(yaml_point(f, topp, &err), SS_ERR_USAGE);
    assert_string_equal(err.where, "s.yaml:2:22");
    assert_string_equal(err.message, "unknown selector 'topp'\n"
                                     "  sink: {select: topp, k: 1, edit: mask}\n"
                                     "                 ^~~~\n"
                                     "did you mean 'top'? (selectors: top)");
    yaml_close(f);
}

static void test_pointing_into_long_lines(void **state) {
    (void)state;
    ss_error err = {0};
    char line[1200];
    int n = snprintf(line, sizeof line, "a: [");
    for (int i = 0; i < 200; i++) n += snprintf(line + n, sizeof line - (size_t)n, "w%03d,", i);
    snprintf(line + n, sizeof line - (size_t)n, "end]");
    yaml_file *f = parse(line);
    const yaml_node *list = yaml_find(yaml_root(f), "a");
    yaml_error(f, &list->items[150], NULL, &err, "here");
    const char *shown = strchr(err.message, '\n') + 1, *under = strchr(shown, '\n') + 1, *caret = strchr(under, '^');
    assert_true(under - shown < 200);
    assert_memory_equal(shown + (caret - under), "w150", 4); /* the caret is under the word */
    assert_string_equal(caret, "^~~~");
    yaml_close(f);
}

/* null, ~ and nothing are not given; in quotes they are words. */
static void test_nothing(void **state) {
    (void)state;
    static const char TEXT[] = "\xEF\xBB\xBF"
                               "a: null\nb: ~\nc:\nd: NULL\ne: 'null'\nf: \"\"\ng: nullify\nh: [~, 1]\n";
    yaml_file *f;
    ss_error err;
    assert_int_equal(yaml_read_bytes(TEXT, sizeof TEXT - 1, "s.yaml", &f, &err), SS_OK);
    const yaml_node *root = yaml_root(f);
    static const char *const NOTHING[] = {"a", "b", "c", "d"}, *const WORDS[] = {"e", "f", "g"};
    for (size_t i = 0; i < 4; i++) {
        assert_null(yaml_find(root, NOTHING[i]));
        assert_string_equal(yaml_find_nothing(root, NOTHING[i])->text, NOTHING[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(yaml_find(root, WORDS[i]));
        assert_null(yaml_find_nothing(root, WORDS[i]));
    }
    assert_true(yaml_is_nothing(&yaml_find(root, "h")->items[0]));
    assert_string_equal(yaml_kind_name(&yaml_find(root, "h")->items[0]), "nothing");
    assert_null(yaml_find_nothing(root, "z"));
    yaml_close(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_pointing),
        cmocka_unit_test(test_pointing_into_long_lines),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
