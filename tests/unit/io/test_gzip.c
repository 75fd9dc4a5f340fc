/* gzip: a plain file, one and several members, damage, and more than is allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "io/gzip.h"

static char path[] = "/tmp/sinkscope-gzip-XXXXXX";

static size_t pack(const void *data, size_t n, unsigned char *out, size_t capacity) {
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)n, .next_out = out};
    z.avail_out = (unsigned)capacity;
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(deflateEnd(&z), Z_OK);
    return capacity - z.avail_out;
}

static void put(const void *data, size_t n) {
    ss_error err;
    assert_int_equal(file_write(path, data, n, &err), SS_OK);
}

static void expect(size_t limit, const char *expected, size_t size) {
    ss_error err = {0};
    char *s;
    size_t n;
    if (gzip_read(path, limit, &s, &n, &err) != SS_OK) fail_msg("%s: %s", err.where, err.message);
    assert_int_equal(n, size);
    assert_memory_equal(s, expected, size);
    assert_int_equal(s[n], 0);
    free(s);
}

static void expect_error(size_t limit, const char *message) {
    ss_error err = {0};
    char *s;
    size_t n;
    assert_int_equal(gzip_read(path, limit, &s, &n, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, path);
    assert_string_equal(err.message, message);
}

static void test_read(void **state) {
    (void)state;
    unsigned char two[256];
    put("plain", 5);
    expect(100, "plain", 5);
    put("\x1f", 1); /* too short to be gzip */
    expect(100, "\x1f", 1);
    put("", 0);
    expect(100, "", 0);
    size_t n = pack("one\0", 4, two, sizeof two);
    put(two, n);
    expect(100, "one\0", 4);
    n += pack("two", 3, two + n, sizeof two - n);
    put(two, n);
    expect(100, "one\0two", 7);
    n = pack("", 0, two, sizeof two);
    put(two, n);
    expect(100, "", 0);
}

static void test_large(void **state) {
    (void)state;
    enum { SIZE = 200000 };
    char *zeros = calloc(SIZE, 1);
    unsigned char packed[1024];
    assert_non_null(zeros);
    size_t n = pack(zeros, SIZE, packed, sizeof packed);
    put(packed, n);
    expect(SIZE, zeros, SIZE);
    expect_error(SIZE - 1, "unpacks to more than the 199999 bytes expected of such a file");
    char message[128];
    snprintf(message, sizeof message, "has %zu bytes; at most 10 are expected of such a file", n);
    expect_error(10, message);
    free(zeros);
}

static void test_damage(void **state) {
    (void)state;
    unsigned char packed[256], broken[256];
    size_t n = pack("some text, some text", 20, packed, sizeof packed);
    for (size_t k = 2; k < n; k++) {
        put(packed, k);
        expect_error(100, "ends within its compressed data");
    }
    memcpy(broken, packed, n);
    broken[n - 5] ^= 1; /* the check sum */
    put(broken, n);
    expect_error(100, "is not a sound gzip file: incorrect data check");
    memcpy(broken, packed, n);
    memcpy(broken + n, "rest", 4);
    put(broken, n + 4);
    expect_error(100, "is not a sound gzip file: incorrect header check");
}

static int set_up(void **state) {
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state) {
    (void)state;
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_large),
                                       cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
