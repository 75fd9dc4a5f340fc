/* Files that are not what they are taken for: every reader says what it got and what to do. */
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
#include "io/checkpoint.h"
#include "io/content.h"
#include "io/csv.h"
#include "io/gzip.h"
#include "io/image.h"
#include "io/json.h"
#include "io/yaml.h"

enum {
    WEIGHTS = 1,
    JSON_READER = 2,
    YAML = 4,
    CSV = 8,
    PICTURE = 16,
    PACKED = 32,
    TEXTS = JSON_READER | YAML | CSV | PACKED
};
static const char PATH[] = "content-test.bin";

static ss_status read_weights(ss_error *err) {
    checkpoint *c;
    ss_status status = checkpoint_open(&c, PATH, err);
    if (status == SS_OK) checkpoint_close(c);
    return status;
}

static ss_status read_json(ss_error *err) {
    json_t *tree = NULL;
    ss_status status = json_read_file(PATH, 1 << 20, &tree, err);
    json_decref(tree);
    return status;
}

static ss_status read_yaml(ss_error *err) {
    yaml_file *f;
    ss_status status = yaml_read_file(PATH, &f, err);
    if (status == SS_OK && yaml_root(f)->kind == YAML_MAPPING)
        assert_string_equal(yaml_key(yaml_root(f), 0)->text, "a");
    yaml_close(f);
    return status;
}

static ss_status read_csv(ss_error *err) {
    csv_table *t;
    ss_status status = csv_read_file(PATH, &t, err);
    csv_close(t);
    return status;
}

static ss_status read_picture(ss_error *err) {
    rgb_image image;
    ss_status status = image_read(PATH, &image, err);
    rgb_image_free(&image);
    return status;
}

static ss_status read_packed(ss_error *err) {
    char *data = NULL;
    size_t size;
    ss_status status = gzip_read(PATH, 1 << 20, &data, &size, err);
    if (status == SS_OK) free(data);
    return status;
}

static ss_status (*const READERS[])(ss_error *) = {read_weights, read_json,    read_yaml,
                                                   read_csv,     read_picture, read_packed};

#define BYTES(s) s, sizeof s - 1

static void test_readers_say_what_a_file_is(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int readers;
        const char *is, *advice;
    } CASES[] = {
        {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"), WEIGHTS | TEXTS | PICTURE,
         "is a Git LFS pointer, not the file itself; expected ", "git lfs pull"},
        {BYTES("<!DOCTYPE html>\n<html><body>Log in</body></html>"), WEIGHTS | TEXTS | PICTURE, "is an HTML page",
         "again"},
        {BYTES("\xEF\xBB\xBF\n<HTML lang=en>"), WEIGHTS | TEXTS | PICTURE, "is an HTML page", "again"},
        {BYTES("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"), WEIGHTS | TEXTS | PICTURE,
         "is an XML document", "again"},
        {BYTES("\xFF\xFEp\0r\0o\0m\0p\0t\0\n\0"), TEXTS | PICTURE, "is text in UTF-16", "iconv -f UTF-16 -t UTF-8"},
        {BYTES("\xFE\xFF\0p\0r\0o\0m\0p\0t"), TEXTS | PICTURE, "is text in UTF-16", "iconv"},
        {BYTES("p\0r\0o\0m\0p\0t\0\n\0"), TEXTS | PICTURE, "is text in UTF-16", "iconv"},
        {BYTES("PK\3\4\24\0\0\0\0\0"), TEXTS | PICTURE, "is a zip archive", "Unpack it"},
        {BYTES("\x1F\x8B\x08\0\0\0\0\0\0\3abc"), WEIGHTS | JSON_READER | YAML | CSV | PICTURE, "is packed with gzip",
         "gunzip"},
        {BYTES("\x89PNG\r\n\x1a\n...."), WEIGHTS | TEXTS, "is a PNG image", ""},
        {BYTES("\xFF\xD8\xFF\xE0...."), WEIGHTS | TEXTS, "is a JPEG image", ""},
        {BYTES("%PDF-1.7 "), TEXTS | PICTURE, "is a PDF document", ""},
        {BYTES("\0\0\0\x1c"
               "ftypheic"),
         TEXTS | PICTURE, "is an AVIF or HEIF image",
         "Convert it to PNG: heif-convert FILE FILE.png (Debian's libheif-examples; AVIF, too)"},
        {BYTES("{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n"), WEIGHTS | CSV | PICTURE, "is JSON; expected ", ""},
        {BYTES("[\"a\", \"b\"]"), WEIGHTS | CSV | PICTURE, "is JSON; expected ", ""},
        {BYTES(""), WEIGHTS | JSON_READER | PICTURE, "is empty; expected ", ""},
        {BYTES("prompt;seed;value\n1;2;3\n"), CSV, "has semicolons between its fields; expected commas",
         "save it as CSV"},
        {BYTES("prompt;value\na;1,5\n"), CSV, "has semicolons between its fields; expected commas", "save it as CSV"},
        {BYTES("prompt\tseed\na\t1\n"), CSV, "has tabs between its fields; expected commas", "save it as CSV"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (size_t r = 0; r < sizeof READERS / sizeof *READERS; r++) {
            ss_error err = {0};
            if (!(CASES[i].readers >> r & 1)) continue;
            assert_int_equal(file_write(PATH, CASES[i].bytes, CASES[i].n, &err), SS_OK);
            assert_int_equal(READERS[r](&err), SS_ERR_INPUT);
            if (!strstr(err.message, CASES[i].is) || !strstr(err.message, CASES[i].advice))
                fail_msg("case %zu, reader %zu: %s", i, r, err.message);
            assert_memory_equal(err.where, PATH, sizeof PATH - 1);
        }
    unlink(PATH);
}

/* What a reader reads is never taken for something else. */
static void test_what_is_meant_is_let_through(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int reader;
    } CASES[] = {
        {BYTES("\xEF\xBB\xBF{\"a\": 1}"), 1}, /* a mark before JSON */
        {BYTES("\xEF\xBB\xBF"
               "a: 1\n"),
         2}, /* before YAML */
        {BYTES("\xEF\xBB\xBF"
               "a,b\n1,2\n"),
         3},                                    /* before CSV */
        {BYTES("{\"a\": 1}"), 2},               /* JSON is YAML */
        {BYTES("prompt\na; b\n\"c\td\"\n"), 3}, /* signs in the fields of one column */
        {BYTES("[photo] a cat,x\n1,2\n"), 3},   /* a bracket that begins no JSON */
        {BYTES(" {\"a\": 1}"), 5},
        {BYTES("\20\0\0\0\0\0\0\0{}              "), 0}, /* safetensors without a tensor */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        ss_error err = {0};
        assert_int_equal(file_write(PATH, CASES[i].bytes, CASES[i].n, &err), SS_OK);
        if (READERS[CASES[i].reader](&err) != SS_OK) fail_msg("case %zu: %s: %s", i, err.where, err.message);
    }
    unlink(PATH);
}

static void test_extensions_in_capitals(void **state) {
    (void)state;
    assert_true(content_has_extension("a.png", ".png") && content_has_extension("b/a.PNG", ".png"));
    assert_true(content_has_extension("a.b.Json", ".json"));
    assert_false(content_has_extension("a.jsonl", ".json"));
    assert_false(content_has_extension("apng", ".png"));
    assert_false(content_has_extension(".png", ".png"));
    assert_false(content_has_extension("folder/.png", ".png"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_say_what_a_file_is),
        cmocka_unit_test(test_what_is_meant_is_let_through),
        cmocka_unit_test(test_extensions_in_capitals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
