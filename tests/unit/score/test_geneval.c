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

static ss_status read_called(const char *name, const char *content, geneval_prompts *out, ss_error *err) {
    char path[64];
    ss_error write_error;
    snprintf(path, sizeof path, "%ld-%s", (long)getpid(), name);
    assert_int_equal(file_write(path, content, strlen(content), &write_error), SS_OK);
    ss_status status = geneval_read(path, out, err);
    unlink(path);
    return status;
}

static ss_status read_text(const char *content, geneval_prompts *out, ss_error *err) {
    return read_called(PATH, content, out, err);
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
        {"[1]", "is a JSON list; expected JSON lines", ".jsonl"},
        {"{\"prompt\": \"a\"}\n[1]", "expected a JSON object", ".jsonl:2"},
        {"prompt,tag\na,b\n", "begins with 'prompt,tag", ".jsonl"},
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

/* The same three prompts in every format, a mark before them, the extension in capitals. */
static void test_formats(void **state) {
    (void)state;
    static const struct {
        const char *name, *content;
        int tagged;
    } CASES[] = {
        {"t.txt", "a red star\n\ntwo, of \"them\"\r\n[photo] {x} ring\n", 0},
        {"t",
         "\xEF\xBB\xBF"
         "a red star\ntwo, of \"them\"\n[photo] {x} ring",
         0},
        {"t.json", "[\"a red star\", \"two, of \\\"them\\\"\", \"[photo] {x} ring\"]", 0},
        {"t.JSON",
         "\xEF\xBB\xBF[{\"prompt\": \"a red star\", \"tag\": \"t\"},\n \"two, of \\\"them\\\"\", \"[photo] {x} ring\"]",
         1},
        {"t.csv", "prompt\na red star\n\"two, of \"\"them\"\"\"\n[photo] {x} ring\n", 0},
        {"t.CSV",
         "\xEF\xBB\xBF"
         "n,tag,prompt\n1,t,a red star\n2,,\"two, of \"\"them\"\"\"\n3,,[photo] {x} ring\n",
         1},
        {"t.JSONL",
         "\xEF\xBB\xBF{\"prompt\": \"a red star\", \"tag\": \"t\"}\n{\"prompt\": \"two, of \\\"them\\\"\"}\n"
         "{\"prompt\": \"[photo] {x} ring\"}\n",
         1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        geneval_prompts p;
        ss_error err = {0};
        if (read_called(CASES[i].name, CASES[i].content, &p, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
        assert_int_equal(p.n, 3);
        assert_string_equal(p.prompt[0].prompt, "a red star");
        assert_string_equal(p.prompt[1].prompt, "two, of \"them\"");
        assert_string_equal(p.prompt[2].prompt, "[photo] {x} ring");
        if (CASES[i].tagged) assert_string_equal(p.prompt[0].tag, "t");
        else assert_null(p.prompt[0].tag);
        assert_null(p.prompt[1].tag);
        geneval_free(&p);
    }
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *content, *message;
    } CASES[] = {
        {"t.txt", "{\"prompt\": \"a\"}\n", "is JSON; expected text"},
        {"t.txt", " [\n \"a\",\n \"b\"\n]\n", "is JSON; expected text"},
        {"t", "['a', 'b']", "is JSON; expected text"},
        {"t.txt", "<!doctype html>\n", "is an HTML page"},
        {"t.txt", "version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"},
        {"t.json", "{\"prompts\": [\"a\"]}", "is an object; expected a list of prompts"},
        {"t.json", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n", "is not JSON"},
        {"t.json", "[\"a\", 3]", "is an integer; expected a list of prompts"},
        {"t.json", "[{\"tag\": \"a\"}]", "has no 'prompt'"},
        {"t.json", "[]", "holds no prompt"},
        {"t.json", "", "is empty; expected a list of prompts"},
        {"t.csv", "text,tag\na,b\n", "has no column 'prompt'"},
        {"t.csv", "prompt;tag\na;b\n", "has semicolons between its fields"},
        {"t.csv", "prompt,tag\na,x\n,y\n", "prompt is empty"},
        {"t.csv", "prompt,seed\na,1\n", "has a column 'seed'"},
        {"t.csv", "[\"a\", \"b\"]", "is JSON; expected CSV"},
        {"t.csv", "prompt\n", "holds no prompt"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        geneval_prompts p;
        ss_error err = {0};
        assert_int_equal(read_called(CASES[i].name, CASES[i].content, &p, &err), SS_ERR_INPUT);
        if (!strstr(err.message, CASES[i].message)) fail_msg("case %zu: %s: %s", i, err.where, err.message);
        assert_int_equal(p.n, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_malformed),
                                       cmocka_unit_test(test_formats), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
