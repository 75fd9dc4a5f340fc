/* GenEval's metadata: what is read, and what each kind of malformed line says. */
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
#include "score/geneval.h"

static const char PATH[] = "test-geneval.jsonl";

static ss_status read_text(const char *content, geneval_prompts *out, ss_error *err) {
    char path[64];
    ss_error write_error;
    snprintf(path, sizeof path, "%ld-%s", (long)getpid(), PATH);
    assert_int_equal(file_write(path, content, strlen(content), &write_error), SS_OK);
    ss_status status = geneval_read(path, out, err);
    unlink(path);
    return status;
}

static void test_good(void **state) {
    (void)state;
    geneval_prompts p;
    ss_error err;
    assert_int_equal(
        read_text("{\"tag\": \"position\", \"include\": [{\"class\": \"star\", \"count\": 1}, {\"class\": \"ring\", "
                  "\"count\": 2, "
                  "\"color\": \"red\", \"position\": [\"left of\", 0]}], \"prompt\": \"p\", \"held_out\": true}\r\n\n"
                  "{\"tag\": \"counting\", \"include\": [], \"exclude\": [{\"class\": \"star\", \"count\": 3}], "
                  "\"prompt\": \"q\"}",
                  &p, &err),
        SS_OK);
    assert_int_equal(p.n, 2);
    assert_string_equal(p.prompt[0].tag, "position");
    assert_int_equal(p.prompt[0].held_out, 1);
    assert_int_equal(p.prompt[0].n_include, 2);
    assert_string_equal(p.prompt[0].include[1].color, "red");
    assert_string_equal(p.prompt[0].include[1].relation, "left of");
    assert_int_equal(p.prompt[0].include[1].relation_target, 0);
    assert_null(p.prompt[0].include[0].relation);
    assert_int_equal(p.prompt[1].exclude[0].count, 3);
    assert_non_null(strstr(p.prompt[1].line, "\"counting\""));
    geneval_free(&p);
}

static void test_malformed(void **state) {
    (void)state;
    static const struct {
        const char *content, *message, *where;
    } CASES[] = {
        {"\n\n", "holds no prompt", ".jsonl"},
        {"{\"prompt\": \"a\"}\n{\"tag\": \"x\"}", "prompt", ".jsonl:2"},
        {"{\"prompt\": 3}", "prompt", ".jsonl:1"},
        {"[1]", "expected a JSON object", ".jsonl:1"},
        {"{\"prompt\": \"a\"", "", ".jsonl:1"},
        {"{\"prompt\": \"a\", \"include\": [3]}", "expected objects", ".jsonl:1"},
        {"{\"prompt\": \"a\", \"include\": [{\"class\": \"x\", \"count\": 0}]}", "count is 0", ".jsonl:1"},
        {"{\"prompt\": \"a\", \"include\": [{\"class\": \"x\", \"position\": [\"near\", 0]}]}", "position: expected",
         ".jsonl:1"},
        {"{\"prompt\": \"a\", \"include\": [{\"class\": \"x\", \"position\": [\"above\", 0]}]}", "position: expected",
         ".jsonl:1"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        geneval_prompts p;
        ss_error err = {0};
        assert_int_equal(read_text(CASES[i].content, &p, &err), SS_ERR_INPUT);
        assert_non_null(strstr(err.message, CASES[i].message));
        assert_non_null(strstr(err.where, CASES[i].where));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_malformed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
