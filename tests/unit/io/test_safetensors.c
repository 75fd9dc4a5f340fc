/* Safetensors: what the writer writes the reader reads; every kind of damage has its own message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/safetensors.h"
#include "../../support/folder.h"
#include "tests/support/values.h"

static void write_raw(const char *name, const char *header, size_t data_bytes) {
    ss_error err;
    static unsigned char file[4096];
    uint64_t n = strlen(header);
    assert_true(8 + n + data_bytes <= sizeof file);
    memcpy(file, &n, 8);
    memcpy(file + 8, header, n);
    for (size_t i = 0; i < data_bytes; i++) file[8 + n + i] = (unsigned char)i;
    assert_int_equal(file_write(folder_at(name), file, 8 + n + data_bytes, &err), SS_OK);
}

/* Opening a file with this header and so much data fails with a message that contains `expected`. */
static void expect_damage(const char *header, size_t data_bytes, const char *expected) {
    ss_error err = {0};
    checkpoint *st;
    write_raw("bad.safetensors", header, data_bytes);
    ss_status status = checkpoint_open(&st, folder_at("bad.safetensors"), &err);
    if (status == SS_OK || !strstr(err.message, expected))
        fail_msg("header %s\n  expected: %s\n  found: %s: %s", header, expected, err.where, err.message);
    assert_int_equal(status, SS_ERR_INPUT);
    assert_null(st);
    assert_non_null(strstr(err.where, "bad.safetensors"));
}

static void test_round_trip(void **state) {
    (void)state;
    ss_error err;
    checkpoint *st;
    const float f[6] = {1, -2, 3.5f, 0, 1e-20f, 6};
    const int64_t ids[2] = {5, -7};
    const unsigned char u[3] = {1, 2, 255};
    const safetensors_output tensors[] = {{"u.bytes", CHECKPOINT_U8, 1, {3}, u},
                                          {"a.weight", CHECKPOINT_F32, 2, {2, 3}, f},
                                          {"empty", CHECKPOINT_F32, 2, {0, 4}, f},
                                          {"ids", CHECKPOINT_I64, 1, {2}, ids},
                                          {"scalar", CHECKPOINT_F32, 0, {0}, f}};
    assert_int_equal(safetensors_write(folder_at("a.safetensors"), tensors, 5, &err), SS_OK);
    assert_int_equal(checkpoint_open(&st, folder_at("a.safetensors"), &err), SS_OK);
    assert_int_equal(checkpoint_count(st), 5);
    assert_string_equal(checkpoint_at(st, 0)->name, "a.weight");
    const checkpoint_entry *a = checkpoint_find(st, "a.weight"), *i = checkpoint_find(st, "ids");
    assert_int_equal(a->ndim, 2);
    assert_int_equal(a->shape[0], 2);
    assert_int_equal(a->shape[1], 3);
    assert_int_equal(a->count, 6);
    assert_memory_equal(values_of(a), f, sizeof f);
    assert_int_equal(i->dtype, CHECKPOINT_I64);
    assert_memory_equal(values_of(i), ids, sizeof ids);
    assert_memory_equal(values_of(checkpoint_find(st, "u.bytes")), u, 3);
    assert_int_equal(checkpoint_find(st, "empty")->count, 0);
    assert_int_equal(checkpoint_find(st, "scalar")->count, 1);
    assert_null(checkpoint_find(st, "a.bias"));
    assert_int_equal(checkpoint_file_count(st), 1);
    checkpoint_close(st);
}

static void test_same_bytes_whatever_the_order(void **state) {
    (void)state;
    ss_error err;
    sha256_hex x, y;
    const float f[2] = {1, 2};
    const int64_t ids[1] = {3};
    const safetensors_output one[] = {{"b", CHECKPOINT_F32, 1, {2}, f}, {"a", CHECKPOINT_I64, 1, {1}, ids}};
    const safetensors_output two[] = {{"a", CHECKPOINT_I64, 1, {1}, ids}, {"b", CHECKPOINT_F32, 1, {2}, f}};
    assert_int_equal(safetensors_write(folder_at("x.safetensors"), one, 2, &err), SS_OK);
    assert_int_equal(file_hash(folder_at("x.safetensors"), x, &err), SS_OK);
    assert_int_equal(safetensors_write(folder_at("x.safetensors"), two, 2, &err), SS_OK);
    assert_int_equal(file_hash(folder_at("x.safetensors"), y, &err), SS_OK);
    assert_string_equal(x, y);
}

static void test_unaligned_header(void **state) {
    (void)state;
    ss_error err;
    checkpoint *st;
    const unsigned char expected[4] = {0, 1, 2, 3}, second[4] = {4, 5, 6, 7};
    const char *header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
    char padded[256];
    snprintf(padded, sizeof padded, "%s%*s", header, strlen(header) % 4 == 3 ? 2 : 1, "");
    assert_int_not_equal((8 + strlen(padded)) % 4, 0);
    write_raw("odd.safetensors", padded, 8);
    assert_int_equal(checkpoint_open(&st, folder_at("odd.safetensors"), &err), SS_OK);
    assert_memory_equal(values_of(checkpoint_find(st, "a")), expected, 4);
    assert_memory_equal(values_of(checkpoint_find(st, "b")), second, 4);
    checkpoint_close(st);
}

static float f16_value(uint16_t h) {
    const int exponent = h >> 10 & 0x1F, fraction = h & 0x3FF;
    const float size = exponent == 31
                           ? fraction ? NAN : INFINITY
                           : ldexpf((float)(fraction + (exponent ? 1024 : 0)), (exponent ? exponent : 1) - 25);
    return h & 0x8000 ? -size : size;
}

/* Every value of each type is what torch makes of it; whole tensors and pieces alike. */
static void test_stored_types(void **state) {
    (void)state;
    static const struct {
        const char *name;
        checkpoint_dtype read_as;
    } types[] = {{"F64", CHECKPOINT_F32}, {"F8_E4M3", CHECKPOINT_F16}, {"F8_E5M2", CHECKPOINT_F16},
                 {"I16", CHECKPOINT_I32}, {"I8", CHECKPOINT_I32},      {"BOOL", CHECKPOINT_U8}};
    ss_error err;
    checkpoint *st;
    assert_int_equal(checkpoint_open(&st, DATA "/stored-types.safetensors", &err), SS_OK);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "want.%s", types[i].name);
        const checkpoint_entry *e = checkpoint_find(st, types[i].name), *want = checkpoint_find(st, name);
        assert_non_null(e);
        assert_int_equal(e->dtype, types[i].read_as);
        assert_string_equal(checkpoint_stored_name(e), types[i].name);
        assert_int_equal(e->count, want->count);
        const size_t size = checkpoint_dtype_size(e->dtype);
        const char *got = values_of(e), *expected = values_of(want);
        char one[8];
        for (int64_t j = 0; j < e->count; j++) {
            assert_int_equal(checkpoint_read(e, j, 1, one, &err), SS_OK);
            assert_memory_equal(one, got + (size_t)j * size, size);
            if (e->dtype == CHECKPOINT_F16 || e->dtype == CHECKPOINT_F32) {
                const float x = e->dtype == CHECKPOINT_F32 ? ((const float *)(const void *)got)[j]
                                                           : f16_value(((const uint16_t *)(const void *)got)[j]);
                const float y = ((const float *)(const void *)expected)[j];
                if (isnan(y) ? !isnan(x) : memcmp(&x, &y, sizeof x) != 0)
                    fail_msg("%s: value %d is %a; torch has %a", types[i].name, (int)j, (double)x, (double)y);
            } else assert_memory_equal(one, expected + (size_t)j * size, size);
        }
    }
    checkpoint_close(st);
}

/* A tensor larger than the piece that is read at a time. */
static void test_stored_types_in_pieces(void **state) {
    (void)state;
    enum { N = 3 * 65536 + 17 };
    static unsigned char file[8 + 128 + N];
    static uint16_t got[N];
    ss_error err;
    checkpoint *st;
    int n =
        snprintf((char *)file + 8, 128, "{\"a\":{\"dtype\":\"F8_E5M2\",\"shape\":[%d],\"data_offsets\":[0,%d]}}", N, N);
    const uint64_t length = (uint64_t)n;
    memcpy(file, &length, sizeof length);
    for (int i = 0; i < N; i++) file[8 + n + i] = (unsigned char)(i * 7 + i / 251);
    assert_int_equal(file_write(folder_at("big.safetensors"), file, (size_t)(8 + n + N), &err), SS_OK);
    assert_int_equal(checkpoint_open(&st, folder_at("big.safetensors"), &err), SS_OK);
    assert_int_equal(checkpoint_read(checkpoint_at(st, 0), 5, N - 5, got, &err), SS_OK);
    for (int i = 5; i < N; i++) assert_int_equal(got[i - 5], (unsigned char)(i * 7 + i / 251) << 8);
    checkpoint_close(st);
}

/* Some writers leave null where there is no metadata. */
static void test_null_metadata(void **state) {
    (void)state;
    ss_error err;
    checkpoint *st;
    write_raw("null.safetensors",
              "{\"__metadata__\":null,\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    assert_int_equal(checkpoint_open(&st, folder_at("null.safetensors"), &err), SS_OK);
    assert_int_equal(checkpoint_count(st), 1);
    assert_null(checkpoint_note(st));
    checkpoint_close(st);
}

static void test_damage(void **state) {
    (void)state;
#define ENTRY(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
    static const struct {
        const char *header;
        size_t data;
        const char *expected;
    } cases[] = {
        {"[]", 0, "does not begin with '{'"},
        {"{\"a\":", 0, "is not JSON"},
        {"{\"a\":1} x", 0, "is not JSON"},
        {"{\"a\":1}", 0, "a is an integer in the header"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"a\":" ENTRY("F32", "[1]", "[4,8]") "}", 8, "duplicate"},
        {"{\"a\":" ENTRY("F8_E8M0", "[1]", "[0,1]") "}", 1, "a has dtype 'F8_E8M0'; sinkscope reads F64, F32"},
        {"{\"a\":" ENTRY("F64", "[2]", "[0,8]") "}", 8, "a has 8 bytes of data; expected 16, from its shape x F64"},
        {"{\"a\":" ENTRY("F8_E4M3", "[2]", "[0,4]") "}", 4, "expected 2, from its shape x F8_E4M3"},
        {"{\"a\":" ENTRY("F64", "[2305843009213693952]", "[0,8]") "}", 8, "does not fit 64 bits"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "a has nothing for its dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "a has nothing for its shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "no pair of integers for its data_offsets"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0]") "}", 4, "no pair of integers for its data_offsets"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0,4.0]") "}", 4, "no pair of integers for its data_offsets"},
        {"{\"a\":" ENTRY("F32", "[-1]", "[0,4]") "}", 4, "a has a negative number, an integer in its shape"},
        {"{\"a\":" ENTRY("F32", "[\"1\"]", "[0,4]") "}", 4, "a has a string in its shape"},
        {"{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "a has 9 dimensions"},
        {"{\"a\":" ENTRY("F32", "[4611686018427387904,4]", "[0,4]") "}", 4, "does not fit 63 bits"},
        {"{\"a\":" ENTRY("I64", "[4611686018427387904]", "[0,4]") "}", 4, "does not fit 64 bits"},
        {"{\"a\":" ENTRY("F32", "[1]", "[-4,0]") "}", 4, "expected 0 <= begin <= end"},
        {"{\"a\":" ENTRY("F32", "[1]", "[4,0]") "}", 4, "expected 0 <= begin <= end"},
        {"{\"a\":" ENTRY("F32", "[2]", "[0,8]") "}", 4, "a ends at byte 8 of the data; the file has 4"},
        {"{\"a\":" ENTRY("F32", "[2,3]", "[0,20]") "}", 24,
         "a has 20 bytes of data; expected 24, from its shape x F32"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[2,6]") "}", 6,
         "b overlaps a by 2 bytes"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") ",\"b\":" ENTRY("F32", "[1]", "[8,12]") "}", 12,
         "b begins 4 bytes after the end of a"},
        {"{\"a\":" ENTRY("F32", "[1]", "[0,4]") "}", 9, "has 5 bytes after the last tensor"},
        {"{\"__metadata__\":{\"format\":1}}", 0, "__metadata__ has an integer under 'format'"},
        {"{\"__metadata__\":7}", 0, "__metadata__ is an integer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_damage(cases[i].header, cases[i].data, cases[i].expected);
}

static void test_header_length(void **state) {
    (void)state;
    static const struct {
        unsigned char bytes[10];
        size_t n;
        const char *expected;
    } cases[] = {{{0}, 0, "is empty; expected weights"},
                 {{1, 0, 0}, 3, "has 3 bytes"},
                 {{0, 0, 0, 0, 0, 0, 0, 0}, 8, "does not begin with '{'"},
                 {{100, 0, 0, 0, 0, 0, 0, 0, '{', '}'}, 10, "100 bytes; 2 follow"},
                 {{255, 255, 255, 255, 255, 255, 255, 255, '{', '}'}, 10, "at most 100000000 are allowed"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ss_error err = {0};
        checkpoint *st;
        assert_int_equal(file_write(folder_at("short.safetensors"), cases[i].bytes, cases[i].n, &err), SS_OK);
        assert_int_equal(checkpoint_open(&st, folder_at("short.safetensors"), &err), SS_ERR_INPUT);
        if (!strstr(err.message, cases[i].expected)) fail_msg("case %zu: %s", i, err.message);
    }
}

static void write_shards(void) {
    ss_error err;
    const float f[2] = {1, 2};
    const safetensors_output a = {"a", CHECKPOINT_F32, 1, {2}, f}, b = {"b", CHECKPOINT_F32, 1, {1}, f};
    assert_int_equal(safetensors_write(folder_at("model-00001-of-00002.safetensors"), &a, 1, &err), SS_OK);
    assert_int_equal(safetensors_write(folder_at("model-00002-of-00002.safetensors"), &b, 1, &err), SS_OK);
}

static ss_status open_index(const char *weight_map, checkpoint **st, ss_error *err) {
    char index[512];
    snprintf(index, sizeof index, "{\"metadata\":{\"total_size\":12},\"weight_map\":{%s}}", weight_map);
    assert_int_equal(file_write(folder_at("model.safetensors.index.json"), index, strlen(index), err), SS_OK);
    return checkpoint_open(st, folder_at("model.safetensors.index.json"), err);
}

#define ONE "model-00001-of-00002.safetensors"
#define TWO "model-00002-of-00002.safetensors"

static void test_shards(void **state) {
    (void)state;
    ss_error err;
    checkpoint *st;
    write_shards();
    assert_int_equal(open_index("\"b\":\"" TWO "\",\"a\":\"" ONE "\"", &st, &err), SS_OK);
    assert_int_equal(checkpoint_count(st), 2);
    assert_int_equal(checkpoint_file_count(st), 2);
    assert_non_null(strstr(checkpoint_find(st, "b")->file, TWO));
    checkpoint_close(st);
    static const struct {
        const char *map, *expected;
    } cases[] = {
        {"\"a\":\"" ONE "\"", NULL}, /* the second shard is not opened at all */
        {"\"a\":\"" ONE "\",\"b\":\"" ONE "\"", "b is in the weight_map but not in '" ONE "'"},
        {"\"a\":\"" TWO "\",\"b\":\"" ONE "\"", NULL}, /* which shard it is matters to nobody */
        {"\"a\":\"" ONE "\",\"c\":\"" TWO "\"", "c is in the weight_map but not in '" TWO "'"},
        {"\"a\":\"" ONE "\",\"b\":\"missing.safetensors\"", "names missing.safetensors, which is not there"},
        {"\"a\":\"../x.safetensors\"", "expected the name of a file in the same folder"},
        {"\"a\":3", "a has an integer in the weight_map"},
        {"", "empty weight_map"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        err = (ss_error){0};
        ss_status status = open_index(cases[i].map, &st, &err);
        assert_int_equal(status, cases[i].expected ? SS_ERR_INPUT : SS_OK);
        if (cases[i].expected && !strstr(err.message, cases[i].expected)) fail_msg("%s: %s", cases[i].map, err.message);
        checkpoint_close(st);
    }
}

static void test_shards_with_stray_tensors(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *st;
    const float f[2] = {1, 2};
    const safetensors_output both[] = {{"a", CHECKPOINT_F32, 1, {2}, f}, {"b", CHECKPOINT_F32, 1, {1}, f}};
    write_shards();
    assert_int_equal(safetensors_write(folder_at(ONE), both, 2, &err), SS_OK);
    assert_int_equal(open_index("\"a\":\"" ONE "\"", &st, &err), SS_OK); /* b is read, too */
    assert_int_equal(checkpoint_count(st), 2);
    checkpoint_close(st);
    assert_int_equal(open_index("\"a\":\"" ONE "\",\"b\":\"" TWO "\"", &st, &err), SS_ERR_INPUT);
    assert_non_null(strstr(err.message, "b is also in"));
}

static void test_write_fails_cleanly(void **state) {
    (void)state;
    ss_error err = {0};
    const float f[1] = {1};
    const safetensors_output a = {"a", CHECKPOINT_F32, 1, {1}, f}, twice[] = {a, a};
    assert_int_equal(safetensors_write(folder_at("no/such/folder.safetensors"), &a, 1, &err), SS_ERR_RESOURCE);
    assert_int_equal(safetensors_write(folder_at("twice.safetensors"), twice, 2, &err), SS_ERR_INTERNAL);
    assert_false(file_exists(folder_at("twice.safetensors")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_same_bytes_whatever_the_order),
        cmocka_unit_test(test_unaligned_header),
        cmocka_unit_test(test_stored_types),
        cmocka_unit_test(test_stored_types_in_pieces),
        cmocka_unit_test(test_null_metadata),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_header_length),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_shards_with_stray_tensors),
        cmocka_unit_test(test_write_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
