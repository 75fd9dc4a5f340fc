/* The ground floor: arenas, Philox against its known answers, text and numbers in any locale, option tables, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/notices.h"
#include "base/option.h"
#include "base/philox.h"
#include "base/text_set.h"
#include "base/thread.h"
#include "tests/support/longest_look_up.h"

static void test_arena(void **state) {
    (void)state;
    arena *a;
    ss_error err;
    assert_int_equal(arena_create(&a, 10000, &err), SS_OK);
    char *first = arena_alloc(a, 100);
    assert_int_equal((uintptr_t)first % 64, 0);
    arena_mark mark = arena_get_mark(a);
    memset(arena_alloc(a, 1000), 1, 1000);
    size_t peak = arena_peak(a);
    arena_release(a, mark);
    assert_int_equal(arena_get_mark(a), mark);
    assert_int_equal(arena_peak(a), peak);
    assert_int_equal(arena_touched(a), peak);
    arena_trim(a);
    assert_int_equal(arena_touched(a), mark);
    assert_int_equal(arena_peak(a), peak);
    assert_int_equal(arena_failed(a), 0);
    assert_null(arena_alloc(a, 20000));
    assert_int_equal(arena_failed(a), 1);
    assert_null(arena_alloc(a, SIZE_MAX));
    arena_destroy(a);
}

/* The arena grows while it is in use and moves nothing; empty, it is one piece that holds what was needed. A counting
 * arena gives the same positions and has no memory. */
static void test_arena_grows(void **state) {
    (void)state;
    enum { BLOCK = 3 << 20, BLOCKS = 12 };
    arena *a, *counting;
    ss_error err;
    unsigned char *block[BLOCKS];
    assert_int_equal(arena_create(&a, 0, &err), SS_OK);
    assert_int_equal(arena_create_counting(&counting, 0, &err), SS_OK);
    assert_int_equal(arena_reserved(a), 0);
    for (int round = 0; round < 3; round++) {
        arena_mark mark[BLOCKS];
        for (int i = 0; i < BLOCKS; i++) {
            mark[i] = arena_get_mark(a);
            assert_int_equal(mark[i], arena_get_mark(counting));
            block[i] = arena_alloc(a, BLOCK + (size_t)i);
            assert_non_null(arena_alloc(counting, BLOCK + (size_t)i));
            assert_int_equal((uintptr_t)block[i] % 64, 0);
            memset(block[i], i, BLOCK);
        }
        for (int i = 0; i < BLOCKS; i++) assert_true(block[i][0] == i && block[i][BLOCK - 1] == i);
        assert_int_equal(arena_peak(a), arena_peak(counting));
        arena_release(a, mark[5]); /* what is left stays where it was, and what is new lies above it */
        memset(arena_alloc(a, 2 * BLOCK), 99, 2 * BLOCK);
        for (int i = 0; i < 5; i++) assert_true(block[i][0] == i && block[i][BLOCK - 1] == i);
        arena_release(a, mark[0]);
        arena_release(counting, mark[0]);
        assert_int_equal(arena_used(a), 0);
        if (round > 0) assert_true(arena_reserved(a) < arena_peak(a) + (2 << 20));
    }
    arena_reserve(a, (size_t)100 << 20);
    assert_int_equal(arena_reserved(a), (size_t)100 << 20);
    assert_int_equal(arena_reserved(counting), 0);
    assert_non_null(arena_alloc(counting, (size_t)1 << 50));
    arena_destroy(a);
    arena_destroy(counting);
}

/* Philox4x32-10, from Random123's kat_vectors. */
static void test_philox_known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } CASES[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        philox4x32(CASES[i].counter, CASES[i].key, out);
        assert_memory_equal(out, CASES[i].out, sizeof out);
    }
}

static void test_philox_streams(void **state) {
    (void)state;
    const uint64_t a[] = {1, 2}, b[] = {2, 1}, c[] = {1, 2, 0};
    philox ra, rb, rc, again;
    philox_init(&ra, 7, a, 2);
    philox_init(&rb, 7, b, 2);
    philox_init(&rc, 7, c, 3);
    philox_init(&again, 7, a, 2);
    uint64_t x = philox_u64(&ra);
    assert_true(x != philox_u64(&rb) && x != philox_u64(&rc));
    assert_true(x == philox_u64(&again));
    int counts[5] = {0};
    double sum = 0, square = 0;
    for (int i = 0; i < 50000; i++) {
        counts[philox_below(&ra, 5)]++;
        double z = philox_normal(&ra), u = philox_uniform(&ra);
        assert_true(u >= 0 && u < 1);
        sum += z, square += z * z;
    }
    for (int i = 0; i < 5; i++) assert_true(abs(counts[i] - 10000) < 450); /* 5 sd */
    assert_true(fabs(sum / 50000) < 0.025 && fabs(square / 50000 - 1) < 0.035);
}

static void test_numbers(void **state) {
    (void)state;
    text t = {0};
    text_add_double(&t, 1234.5, 6);
    text_add(&t, " ");
    text_add_fixed(&t, -0.25, 2);
    text_add(&t, " ");
    text_add_grouped(&t, -1234567);
    text_add(&t, " ");
    text_add_double(&t, (double)NAN, 3);
    assert_string_equal(t.s, "1234.5 -0.25 -1,234,567 nan");
    text_free(&t);
    double x;
    int64_t n;
    assert_int_equal(text_to_double("2.5e-3", &x), 0);
    assert_true(fabs(x - 0.0025) < 1e-18);
    assert_int_equal(text_to_double("2,5", &x), -1);
    assert_int_equal(text_to_double("", &x), -1);
    assert_int_equal(text_to_double("1e999", &x), -1);
    assert_int_equal(text_to_double("0x10", &x), -1);
    assert_int_equal(text_to_double("nan", &x), -1);
    assert_int_equal(text_to_int("-42", &n), 0);
    assert_int_equal(n, -42);
    assert_int_equal(text_to_int("4.2", &n), -1);
    assert_int_equal(text_to_int("99999999999999999999", &n), -1);
    int64_t m;
    assert_int_equal(text_to_pair("512x-768", &n, &m), 0);
    assert_true(n == 512 && m == -768);
    assert_int_equal(text_to_pair("9223372036854775807", &n, &m), 0);
    assert_true(n == INT64_MAX && m == INT64_MAX);
    static const char *const no_pair[] = {"",    "x",     "5x",   "x5", "5 x 5",
                                          "5X5", "5x5x5", "5x5 ", "a",  "0000000000000000000000001"};
    for (size_t i = 0; i < sizeof no_pair / sizeof *no_pair; i++)
        assert_int_equal(text_to_pair(no_pair[i], &n, &m), -1);
}

/* A temporary text that failed makes the text fail that it was for. */
static void test_text_for(void **state) {
    (void)state;
    text out = {0}, part = {0};
    assert_string_equal(text_for(&part, &out), "");
    text_add(&part, "a part");
    assert_string_equal(text_for(&part, &out), "a part");
    assert_false(out.failed);
    text_add_n(&part, "", SIZE_MAX / 2); /* more than there is */
    assert_string_equal(text_for(&part, &out), "");
    assert_true(out.failed);
    text_free(&part);
    text_free(&out);
}

static void test_escapes(void **state) {
    (void)state;
    text t = {0};
    text_add_json(&t, "a\"\\\n\x01ü");
    text_add_html(&t, "<&'\">");
    assert_string_equal(t.s, "\"a\\\"\\\\\\n\\u0001ü\"&lt;&amp;&#39;&quot;&gt;");
    text_free(&t);
    assert_int_equal(text_equal_fold("TITLE", "title"), 1); /* also where I has no dot below */
    assert_int_equal(text_equal_fold("title", "titles"), 0);
}

static void test_nearest(void **state) {
    (void)state;
    static const char *const NAMES[] = {"top", "random", "index", "type-matched"};
    assert_string_equal(text_nearest("topp", NAMES, 4), "top");
    assert_string_equal(text_nearest("radnom", NAMES, 4), "random");
    assert_null(text_nearest("entropy", NAMES, 4));
    assert_int_equal(text_distance("abcd", "abdc"), 1);
    assert_int_equal(text_distance("", "abc"), 3);
}

static void test_options(void **state) {
    (void)state;
    static const option SCOPE = {"scope", OPTION_WORD, "head|layer", 0, 0, "head", ""};
    static const option ETA = {"eta", OPTION_DOUBLE, NULL, 0, 1, NULL, ""};
    static const entry TABLE[] = {{"top", "", NULL}, {"random", "", NULL}};
    option_value v;
    ss_error err;
    assert_int_equal(option_parse(&SCOPE, "layer", NULL, &v, &err), SS_OK);
    assert_int_equal(v.word, 1);
    assert_int_equal(option_parse(&SCOPE, "lay", NULL, &v, &err), SS_ERR_INPUT);
    assert_string_equal(err.message, "scope is 'lay'; expected one of head|layer");
    assert_int_equal(option_parse(&ETA, "1.5", "f:3", &v, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, "f:3");
    assert_string_equal(err.message, "eta is '1.5'; expected a number from 0 to 1");
    assert_ptr_equal(entry_find(TABLE, sizeof TABLE[0], 2, "selector", "random", NULL, &err), &TABLE[1]);
    assert_null(entry_find(TABLE, sizeof TABLE[0], 2, "selector", "topp", NULL, &err));
    assert_string_equal(err.message, "unknown selector 'topp'; did you mean 'top'? (selectors: top, random)");
}

static void test_files(void **state) {
    (void)state;
    char folder[64], path[96];
    ss_error err;
    sha256_hex hash;
    snprintf(folder, sizeof folder, "test-base-%ld/a/b", (long)getpid());
    assert_int_equal(file_make_folder(folder, &err), SS_OK);
    snprintf(path, sizeof path, "%s/x", folder);
    assert_int_equal(file_write(path, "abc", 3, &err), SS_OK);
    assert_int_equal(file_hash(path, hash, &err), SS_OK);
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    char *content;
    size_t size;
    assert_int_equal(file_read(path, 2, &content, &size, &err), SS_ERR_INPUT);
    assert_int_equal(file_read(path, 10, &content, &size, &err), SS_OK);
    assert_string_equal(content, "abc");
    free(content);
    file_reader reader;
    assert_int_equal(file_reader_open(&reader, path, &err), SS_OK);
    assert_int_equal(reader.size, 3);
    file_reader_close(&reader);
    assert_int_equal(file_reader_open(&reader, folder, &err), SS_ERR_INPUT);
    assert_int_equal(file_make_folder(path, &err), SS_ERR_RESOURCE); /* a file is in the way */
    assert_true(file_write("/nowhere/x", "", 0, &err) != SS_OK);
    assert_true(strstr(err.where, "/nowhere/x") == err.where);
    unlink(path);
    for (char *end = folder + strlen(folder); end; end = strrchr(folder, '/')) {
        *end = '\0';
        assert_int_equal(rmdir(folder), 0);
    }
}

/* All names but hidden ones, sorted; no folder and a file in its place are errors that leave nothing. */
static void test_folder(void **state) {
    (void)state;
    static const char *const NAMES[] = {"b", "a", ".hidden", "B", "10", "9"}, *const SORTED[] = {"10", "9", "B", "a",
                                                                                                 "b"};
    char folder[64], path[128];
    folder_names names;
    ss_error err;
    snprintf(folder, sizeof folder, "test-base-folder-%ld", (long)getpid());
    assert_int_equal(folder_list(folder, &names, &err), SS_ERR_INPUT);
    assert_int_equal(names.n, 0);
    assert_int_equal(file_make_folder(folder, &err), SS_OK);
    assert_int_equal(folder_list(folder, &names, &err), SS_OK);
    assert_int_equal(names.n, 0);
    folder_names_free(&names);
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, NAMES[i]);
        assert_int_equal(file_write(path, "", 0, &err), SS_OK);
    }
    assert_int_equal(folder_list(path, &names, &err), SS_ERR_INPUT);
    assert_int_equal(folder_list(folder, &names, &err), SS_OK);
    assert_int_equal(names.n, 5);
    assert_int_equal(folder_sync(folder, &err), SS_OK);
    assert_int_equal(folder_sync_of(path, &err), SS_OK);
    assert_int_equal(folder_sync_of("a", &err), SS_OK);
    assert_int_equal(folder_sync_of("/a", &err), SS_OK);
    assert_true(folder_sync(path, &err) != SS_OK); /* a file */
    assert_string_equal(err.where, path);
    assert_true(folder_sync_of("/nowhere/x", &err) != SS_OK);
    assert_string_equal(err.where, "/nowhere");
    for (int i = 0; i < 5; i++) assert_string_equal(names.at[i], SORTED[i]);
    folder_names_free(&names);
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, NAMES[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* A file is read by pieces, and hashed. Where it became shorter while it was open, that is an error. */
static void test_reader(void **state) {
    (void)state;
    enum { SIZE = (3 << 20) + 5 };
    char path[64], *content = malloc(SIZE), *found = malloc(SIZE);
    sha256_hex hash, expected;
    file_reader reader;
    ss_error err;
    assert_true(content && found);
    for (int i = 0; i < SIZE; i++) content[i] = (char)(i * 7 + i / 4096);
    snprintf(path, sizeof path, "test-base-%ld", (long)getpid());
    assert_int_equal(file_write(path, content, SIZE, &err), SS_OK);
    sha256_of(content, SIZE, expected);
    assert_int_equal(file_hash(path, hash, &err), SS_OK);
    assert_string_equal(hash, expected);
    assert_int_equal(file_reader_open(&reader, path, &err), SS_OK);
    assert_int_equal(file_reader_read(&reader, 4099, found, SIZE - 4099, NULL, &err), SS_OK);
    assert_memory_equal(found, content + 4099, SIZE - 4099);
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(file_reader_read(&reader, 4000, found, 1000, NULL, &err), SS_OK);
    assert_int_equal(file_reader_read(&reader, 4001, found, 1000, "a.weight", &err), SS_ERR_INPUT);
    assert_string_equal(err.where, path);
    assert_non_null(strstr(err.message, "a.weight has 999 bytes from byte 4001 on; expected 1000 (the file became"));
    file_reader_close(&reader);
    file_reader_close(&reader); /* nothing is open */
    unlink(path);
    free(content);
    free(found);
}

static void test_errors(void **state) {
    (void)state;
    ss_error err;
    char longer[4000];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    error_set(&err, SS_ERR_INPUT, longer, "%s", longer);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_string_equal(err.message + sizeof err.message - 4, "...");
    errno = ENOSPC;
    assert_int_equal(error_set_errno(&err, SS_ERR_STORE, "f", "cannot write"), SS_ERR_RESOURCE);
    assert_non_null(strstr(err.message, "cannot write: "));
    assert_true(thread_default_count() >= 1);
}

/* The redzone is no decoration: a write past a block stops the process when the block is released. */
static void test_redzone(void **state) {
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        arena *a;
        ss_error err;
        fclose(stderr);
        if (arena_create(&a, 10000, &err) != SS_OK) _exit(0);
        arena_mark mark = arena_get_mark(a);
        char *p = arena_alloc(a, 64);
        arena_alloc(a, 64);
        p[64 + 20] = 1; /* in the first block's redzone */
        arena_release(a, mark);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
}

static void test_notices(void **state) {
    (void)state;
    notices list = {0};
    text t = {0};
    ss_error err;
    assert_int_equal(notices_add(NULL, &err, "nobody listens"), SS_OK);
    for (int i = 0; i < 20; i++) assert_int_equal(notices_add(&list, &err, "line %d of %s", i % 10, "ten"), SS_OK);
    assert_int_equal(list.n, 10); /* each once */
    assert_string_equal(list.line[0], "line 0 of ten");
    assert_string_equal(list.line[9], "line 9 of ten");
    assert_int_equal(list.told, 0);
    text_add(&t, "a\nb \x1b[31m \xc2\x9b \xff\xc3\xa9 \xed\xa0\x80 \xf0\x9f\x8e\x88 \xe2\x82");
    assert_int_equal(notices_add_text(&list, &t, &err), SS_OK);
    assert_null(t.s);
    assert_string_equal(list.line[10], "a?b ?[31m ?? ?\xc3\xa9 ??? \xf0\x9f\x8e\x88 ??");
    t.failed = 1;
    assert_int_equal(notices_add_text(&list, &t, &err), SS_ERR_RESOURCE);
    assert_int_equal(list.n, 11);
    notices_free(&list);
    notices_free(&list);
}

static void test_a_set_of_texts_numbers_them_as_they_come(void **state) {
    (void)state;
    enum { N = 20000 };
    static char name[N][8];
    text_set set = {0};
    ss_error err;
    int32_t number;
    assert_int_equal(text_set_find(&set, "a"), -1);
    for (int i = 0; i < N; i++) {
        snprintf(name[i], sizeof *name, "n%d", i);
        assert_int_equal(text_set_add(&set, name[i], &number, &err), SS_OK);
        assert_int_equal(number, i);
    }
    for (int i = 0; i < N; i++) assert_int_equal(text_set_find(&set, name[i]), i);
    assert_int_equal(text_set_add(&set, "n77", &number, &err), SS_OK);
    assert_int_equal(number, 77);
    assert_int_equal(set.n, N);
    assert_string_equal(set.at[123], "n123");
    assert_int_equal(text_set_find_n(&set, "n12345", 4), 123);
    assert_int_equal(text_set_find(&set, "n"), -1);
    assert_int_equal(text_set_find(&set, ""), -1);
    assert_true(longest_look_up(&set) < 64); /* no look-up walks through the set */
    text_set_free(&set);
}

static void test_array_resize(void **state) {
    (void)state;
    int *a = array_resize(NULL, 2, sizeof *a);
    assert_non_null(a);
    a[0] = 1, a[1] = 2;
    a = array_resize(a, 1000, sizeof *a);
    assert_non_null(a);
    assert_int_equal(a[1], 2);
    assert_null(array_resize(a, SIZE_MAX / sizeof *a + 2, sizeof *a)); /* of as few bytes as 4 if it wrapped around */
    assert_int_equal(a[1], 2);
    free(a);
}

/* Room doubles, or becomes what is needed, keeps what is there, and stays where memory runs out. */
static void test_array_room(void **state) {
    (void)state;
    enum { N = 100000 };
    ss_error err;
    int *a = NULL, moves = 0;
    size_t capacity = 0;
    for (int i = 0; i < N; i++) {
        size_t had = capacity;
        assert_int_equal(ARRAY_ROOM(a, capacity, i + 1, "numbers", &err), SS_OK);
        assert_true(capacity > (size_t)i && capacity >= had);
        moves += capacity != had;
        a[i] = i;
    }
    assert_true(moves < 20);
    for (int i = 0; i < N; i++) assert_int_equal(a[i], i);
    size_t had = capacity;
    assert_int_equal(ARRAY_ROOM(a, capacity, SIZE_MAX / sizeof *a + 2, "numbers", &err), SS_ERR_RESOURCE);
    assert_non_null(strstr(err.message, "numbers"));
    assert_int_equal(capacity, had);
    assert_int_equal(a[N - 1], N - 1);
    assert_int_equal(ARRAY_ROOM(a, capacity, 10 * had, "numbers", &err), SS_OK);
    assert_int_equal(capacity, 10 * had);
    free(a);
    /* of elements whose size is no type's */
    char *rows = NULL;
    capacity = 0;
    assert_int_equal(array_room(&rows, &capacity, 3, 7, "rows", &err), SS_OK);
    assert_true(capacity >= 3);
    memset(rows, 1, 7 * capacity);
    free(rows);
}

/* A table of any length: the last row is found and suggested. */
static void test_a_long_table(void **state) {
    (void)state;
    enum { N = 200 };
    static char name[N][16];
    static entry rows[N];
    ss_error err;
    for (int i = 0; i < N; i++) {
        snprintf(name[i], sizeof *name, "entry-%03d", i);
        rows[i].name = name[i];
    }
    assert_ptr_equal(entry_find(rows, sizeof *rows, N, "row", "entry-199", NULL, &err), &rows[N - 1]);
    snprintf(name[N - 1], sizeof *name, "quite-another");
    assert_null(entry_find(rows, sizeof *rows, N, "row", "quite-anoter", NULL, &err));
    assert_non_null(strstr(err.message, "did you mean 'quite-another'?"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena),          cmocka_unit_test(test_arena_grows),
        cmocka_unit_test(test_notices),        cmocka_unit_test(test_philox_known_answers),
        cmocka_unit_test(test_philox_streams), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_text_for),       cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_nearest),        cmocka_unit_test(test_options),
        cmocka_unit_test(test_files),          cmocka_unit_test(test_folder),
        cmocka_unit_test(test_reader),         cmocka_unit_test(test_errors),
        cmocka_unit_test(test_redzone),        cmocka_unit_test(test_a_set_of_texts_numbers_them_as_they_come),
        cmocka_unit_test(test_a_long_table),   cmocka_unit_test(test_array_resize),
        cmocka_unit_test(test_array_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
