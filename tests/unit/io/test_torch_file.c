/* Checkpoints of torch.save: vectors that PyTorch wrote against the same tensors as safetensors, value by value; every
 * prefix of a file and every damaged byte; damage to archives and to the older format, each with its message. */
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
#include "io/safetensors.h"
#include "tests/unit/io/torch_archive.h"
#include "../../support/folder.h"
#include "tests/support/values.h"

static const char *const SUFFIXES[] = {"", "-protocol4", "-legacy", "-legacy4"};

static const char *at(const char *name) {
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static const char *data(const char *name, const char *suffix, const char *extension) {
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/torch/%s%s.%s", DATA, name, suffix, extension);
    return path[turn];
}

static checkpoint *open_good(const char *path) {
    ss_error err = {0};
    checkpoint *st;
    if (checkpoint_open(&st, path, &err) != SS_OK) fail_msg("%s: %s: %s", path, err.where, err.message);
    return st;
}

static void write_file(const char *name, const void *bytes, size_t size) {
    FILE *f = fopen(at(name), "wb"); /* not file_write: no need to sync hundreds of files */
    assert_non_null(f);
    assert_true(size == 0 || fwrite(bytes, size, 1, f) == 1);
    assert_int_equal(fclose(f), 0);
}

static void expect_error(const char *path, const char *message) {
    ss_error err = {0};
    checkpoint *st;
    ss_status status = checkpoint_open(&st, path, &err);
    if (status == SS_OK || strcmp(err.message, message) != 0)
        fail_msg("expected: %s\n  found: %s", message, status == SS_OK ? "no error" : err.message);
    assert_int_equal(status, SS_ERR_INPUT);
    assert_string_equal(err.where, path);
    assert_null(st);
}

/* Opening these bytes fails with exactly this message. */
static void expect_damage(const void *bytes, size_t size, const char *message) {
    write_file("bad.pt", bytes, size);
    expect_error(at("bad.pt"), message);
}

static void check_same(const char *path, const checkpoint *twin) {
    checkpoint *st = open_good(path);
    assert_int_equal(checkpoint_count(st), checkpoint_count(twin));
    for (size_t i = 0; i < checkpoint_count(st); i++) {
        const checkpoint_entry *a = checkpoint_at(st, i), *b = checkpoint_at(twin, i);
        const size_t size = checkpoint_dtype_size(a->dtype);
        if (strcmp(a->name, b->name) != 0) fail_msg("%s: %s instead of %s", path, a->name, b->name);
        if (a->dtype != b->dtype || a->ndim != b->ndim || a->count != b->count ||
            memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) != 0)
            fail_msg("%s: %s has another type or shape", path, a->name);
        if (a->count && memcmp(values_of(a), values_of(b), (size_t)a->count * size) != 0)
            fail_msg("%s: %s has other values", path, a->name);
        assert_string_equal(a->file, path);
        assert_ptr_equal(checkpoint_find(st, a->name), a);
    }
    checkpoint_close(st);
}

static void test_vectors(void **state) {
    (void)state;
    static const struct {
        const char *name, *twin;
        int suffixes;
    } files[] = {{"types", "types", 4},       {"layouts", "layouts", 4}, {"module", "module", 4},
                 {"training", "training", 4}, {"names", "names", 4},     {"list", "list", 4},
                 {"nothing", "nothing", 4},   {"many", "many", 1},       {"module-cuda", "module", 1},
                 {"python2", "python2", 1}};
    size_t tensors = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        checkpoint *twin = open_good(data(files[i].twin, "", "safetensors"));
        tensors += checkpoint_count(twin);
        for (int k = 0; k < files[i].suffixes; k++) check_same(data(files[i].name, SUFFIXES[k], "pt"), twin);
        checkpoint_close(twin);
    }
    assert_int_equal(tensors, 10 + 19 + 7 + 28 + 4 + 2 + 0 + 1001 + 7 + 2);
}

/* The whole of the last opened file, to be damaged. */
static unsigned char *read_all(const char *path, size_t *size) {
    ss_error err = {0};
    char *bytes;
    assert_int_equal(file_read(path, 1 << 20, &bytes, size, &err), SS_OK);
    return (unsigned char *)bytes;
}

static void test_every_prefix_fails(void **state) {
    (void)state;
    static const char *const names[] = {"types", "training", "names"};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) {
            size_t size;
            unsigned char *bytes = read_all(data(names[i], SUFFIXES[k], "pt"), &size);
            write_file("cut.pt", bytes, size);
            free(bytes);
            while (size-- > 0) {
                ss_error err = {0};
                checkpoint *st;
                assert_int_equal(truncate(at("cut.pt"), (off_t)size), 0);
                ss_status status = checkpoint_open(&st, at("cut.pt"), &err);
                if (status != SS_ERR_INPUT || !err.message[0])
                    fail_msg("%s%s cut to %zu bytes: status %d", names[i], SUFFIXES[k], size, status);
                assert_null(st);
            }
        }
}

/* Damage that goes unnoticed (of values, of names) must still leave tensors that can be read. */
static void test_every_damaged_byte(void **state) {
    (void)state;
    static const char *const names[] = {"types", "layouts"};
    unsigned long sum = 0, opened = 0;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 4; k++) {
            size_t size;
            unsigned char *bytes = read_all(data(names[i], SUFFIXES[k], "pt"), &size);
            for (size_t b = 0; b < size; b++) {
                ss_error err = {0};
                checkpoint *st;
                bytes[b] ^= (unsigned char)(1 + b % 255);
                write_file("damaged.pt", bytes, size);
                bytes[b] ^= (unsigned char)(1 + b % 255);
                if (checkpoint_open(&st, at("damaged.pt"), &err) != SS_OK) {
                    assert_true(err.message[0] && !st);
                    continue;
                }
                opened++;
                for (size_t e = 0; e < checkpoint_count(st); e++) {
                    const checkpoint_entry *t = checkpoint_at(st, e);
                    const unsigned char *p = values_of(t);
                    for (size_t n = (size_t)t->count * checkpoint_dtype_size(t->dtype); n > 0; n--) sum += p[n - 1];
                }
                checkpoint_close(st);
            }
            free(bytes);
        }
    assert_true(sum > 0 && opened > 1000);
}

/* Archives -------------------------------------------------------------------------------------------------------- */

/* {"t": two floats of storage 0} */
static const char PICKLE[] =
    "\x80\2}X\1\0\0\0tctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"
    "X\1\0\0\0000X\3\0\0\0cpuK\2tQK\0K\2\x85K\1\x85\x89"
    "ccollections\nOrderedDict\n)RtRs.";
static const float VALUES[] = {1.5f, -2};
static unsigned char room[4096];

static archive sound_archive(int zip64) {
    archive a = {.bytes = room};
    const archive_record records[] = {{"m/data.pkl", PICKLE, sizeof PICKLE - 1, zip64},
                                      {"m/byteorder", "little", 6, zip64},
                                      {"m/data/0", VALUES, sizeof VALUES, zip64}};
    archive_make(&a, records, 3);
    return a;
}

static void check_sound(const archive *a) {
    write_file("sound.pt", a->bytes, a->size);
    checkpoint *st = open_good(at("sound.pt"));
    assert_int_equal(checkpoint_count(st), 1);
    assert_memory_equal(values_of(checkpoint_find(st, "t")), VALUES, sizeof VALUES);
    checkpoint_close(st);
}

static void test_archives_that_are_sound(void **state) {
    (void)state;
    archive a = sound_archive(0);
    check_sound(&a);
    memcpy(a.bytes + a.end + 20, "\5\0PK\5\6!", 7); /* a comment that begins as an end record does */
    a.size += 5;
    check_sound(&a);
    a = sound_archive(1);
    check_sound(&a);
    a = sound_archive(0);
    memset(a.bytes + a.local[2] + 18, 0, 8); /* sizes after the data alone */
    a.bytes[a.local[2] + 6] = 8;
    check_sound(&a);
}

/* Sets n bytes of an archive. */
static void expect_patched(int zip64, size_t place, const char *bytes, size_t n, const char *message) {
    archive a = sound_archive(zip64);
    memcpy(a.bytes + place, bytes, n);
    expect_damage(a.bytes, a.size, message);
}

static void test_damaged_archives(void **state) {
    (void)state;
    archive a = sound_archive(0);
    const size_t local = a.local[2], central = a.central[2], end = a.end;
    expect_patched(0, central + 10, "\10", 1,
                   "record 'm/data/0' of the zip archive has another method in its local header");
    expect_patched(0, central + 8, "\1", 1,
                   "record 'm/data/0' of the zip archive is encrypted; torch.save does not encrypt");
    expect_patched(0, local + 6, "\1", 1,
                   "record 'm/data/0' of the zip archive is encrypted; torch.save does not encrypt");
    expect_patched(0, local + 30, "n", 1, "record 'm/data/0' of the zip archive has another name in its local header");
    expect_patched(0, local + 18, "\7", 1, "record 'm/data/0' of the zip archive has another size in its local header");
    expect_patched(0, central + 24, "\7", 1,
                   "record 'm/data/0' of the zip archive has two sizes, though it is not compressed");
    expect_patched(0, central + 42, "\1", 1,
                   "record 'm/data/0' of the zip archive has no local header where the directory says");
    expect_patched(0, local + 28, "\1", 1, "record 'm/data/0' of the zip archive runs into the directory");
    expect_patched(0, central, "X", 1, "is a zip archive with no directory entry at byte 380");
    expect_patched(0, central + 32, "\1", 1, "is a zip archive with half a directory entry at byte 380");
    expect_patched(0, end, "X", 1, "is a zip archive without an end record (truncated?)");
    expect_patched(0, end + 4, "\1", 1, "is part of a zip archive in several files");
    expect_patched(0, end + 8, "\1\0\1", 3,
                   "is a zip archive whose directory has 111 bytes more than its 1 records need");
    expect_patched(0, end + 16, "\xff\xff\xff\xff", 4,
                   "is a zip archive whose directory (3 records in 167 bytes at byte 4294967295) does not fit the file "
                   "(truncated?)");
    expect_patched(0, end + 8, "\xff\xff\xff\xff", 4,
                   "is a zip archive whose directory (65535 records in 167 bytes at byte 267) does not fit the file "
                   "(truncated?)");
    a = sound_archive(1);
    expect_patched(1, a.central[2] + 46 + 8 + 6, "x", 1,
                   "record 'm/data/0' of the zip archive has no zip64 sizes, which it needs");
}

static void test_compressed_records(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"data.pkl", "byteorder", "data/0"};
        archive a = sound_archive(0);
        char message[256];
        a.bytes[a.local[i] + 8] = a.bytes[a.central[i] + 10] = 8;
        snprintf(
            message, sizeof message,
            "record 'm/%s' of the zip archive is compressed (deflate, method 8); torch.save stores: load the file in "
            "PyTorch and save it again",
            names[i]);
        expect_damage(a.bytes, a.size, message);
    }
}

static void expect_records(const archive_record *records, int n, const char *message) {
    archive a = {.bytes = room};
    archive_make(&a, records, n);
    expect_damage(a.bytes, a.size, message);
}

static void test_wrong_archives(void **state) {
    (void)state;
    const archive_record twice[] = {{"m/data.pkl", PICKLE, 2, 0}, {"m/data.pkl", PICKLE, 2, 0}};
    const archive_record script[] = {{"m/data.pkl", PICKLE, 2, 0}, {"m/constants.pkl", "", 0, 0}};
    const archive_record big[] = {{"m/data.pkl", PICKLE, 2, 0}, {"m/byteorder", "big", 3, 0}};
    const archive_record other[] = {{"mimetype", "", 0, 0}};
    const archive_record small[] = {{"m/data.pkl", PICKLE, sizeof PICKLE - 1, 0}, {"m/data/0", VALUES, 7, 0}};
    const archive_record none[] = {{"m/data.pkl", PICKLE, sizeof PICKLE - 1, 0}, {"m/data/1", VALUES, 8, 0}};
    expect_records(twice, 2, "record 'm/data.pkl' of the zip archive is there twice");
    expect_records(script, 2,
                   "is a TorchScript archive, a program with its weights; save its state dict (torch.save of "
                   "torch.jit.load(FILE).state_dict()) or safetensors, and use that");
    expect_records(
        big, 2,
        "has its numbers in 'big' byte order; sinkscope reads little-endian: load the file in PyTorch and save "
        "it again");
    expect_records(other, 1, "is a zip archive without a data.pkl; expected one that torch.save wrote");
    expect_records(other, 0, "is a zip archive without a data.pkl; expected one that torch.save wrote");
    expect_records(small, 2, "data.pkl, byte 93: needs 2 elements of storage '0'; the file has 7 bytes");
    expect_records(none, 2, "data.pkl, byte 93: has a tensor of storage '0', which is not in the file");
    archive a = {.bytes = room};
    const archive_record inner[] = {
        {"m/in", "PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\2\0\0\0\4\0\0\0m/inab", 36, 0}, {"m/in", "ab", 2, 0}};
    archive_make(&a, inner, 2);
    a.bytes[a.central[1] + 42] = 34; /* the record within the first */
    expect_damage(a.bytes, a.size, "record 'm/in' of the zip archive overlaps another");
}

/* The older format ------------------------------------------------------------------------------------------------ */

#define MAGIC                                                                                                          \
    "\x80\2\x8a\12l\xfc\x9c"                                                                                           \
    "F\xf9 j\xa8P\31."
#define VERSION "\x80\2M\xe9\3."
#define MACHINE "\x80\2}X\15\0\0\0little_endian\x88s."
#define EMPTY "\x80\2}."
#define STORAGE(type, key, elements)                                                                                   \
    "(X\7\0\0\0storagectorch\n" type "Storage\nX\1\0\0\0" key "X\3\0\0\0cpuK" elements "NtQ"
#define TENSOR(storage)                                                                                                \
    "ctorch._utils\n_rebuild_tensor\n(" storage "K\0)"                                                                 \
    ")tR"
#define TWO_FLOATS "\x80\2}X\1\0\0\0t" TENSOR(STORAGE("Float", "7", "\2")) "s."
#define KEY(key) "X\1\0\0\0" key

static void test_damaged_legacy_files(void **state) {
    (void)state;
#define CASE(bytes, message)                                                                                           \
    { bytes, sizeof bytes - 1, message }
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        CASE("\x80\2}.", "byte 2: is a pickle of a dict; expected the magic number that torch.save begins a file with"),
        CASE("\x80\2\x8a\12l\xfc\x9c"
             "F\xf9 j\xa8P\32.",
             "byte 2: is a pickle of an integer of more than 64 bits; expected the magic number that torch.save begins "
             "a "
             "file with"),
        CASE("\x80\2cposix\nsystem\n(X\4\0\0\0echotR.", "byte 2: asks for posix.system; only tensors and the "
                                                        "containers around them are read (nothing in the file was "
                                                        "executed)"),
        CASE(MAGIC "\x80\2M\xea\3.", "byte 17: has another version of the format than 1001"),
        CASE(MAGIC VERSION "\x80\2}.",
             "byte 23: does not say in which byte order its numbers are; expected 'little_endian'"),
        CASE(MAGIC VERSION "\x80\2]X\15\0\0\0little_endian\x88"
                           "e.",
             "byte 43: goes back to a mark; there is none"),
        CASE(
            MAGIC VERSION "\x80\2}X\15\0\0\0little_endian\x89s.",
            "byte 42: has its numbers in 'big' byte order; sinkscope reads little-endian: load the file in PyTorch and "
            "save it again"),
        CASE(MAGIC VERSION MACHINE, "byte 45: the pickle ends without a STOP (truncated?)"),
        CASE(MAGIC VERSION MACHINE "\x80\2cos\nsystem\n.", "byte 47: asks for os.system; only tensors and the "
                                                           "containers around them are read (nothing in the file was "
                                                           "executed)"),
        CASE(MAGIC VERSION MACHINE EMPTY EMPTY, "byte 51: is a dict; expected the list of storages"),
        CASE(MAGIC VERSION MACHINE EMPTY "\x80\2](" KEY("7") "e.",
             "byte 53: lists '7' as a storage; expected each storage that a tensor has, once"),
        CASE(MAGIC VERSION MACHINE EMPTY "\x80\2](K\7e.",
             "byte 53: lists 'an integer' as a storage; expected each storage that a tensor has, once"),
        CASE(MAGIC VERSION MACHINE TWO_FLOATS "\x80\2](" KEY("7") KEY("7") "e.\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
             "byte 155: lists '7' again; expected each storage that a tensor has, once"),
        CASE(MAGIC VERSION MACHINE TWO_FLOATS "\x80\2].",
             "byte 136: has a tensor of storage '7', which is not in the file"),
        CASE(MAGIC VERSION MACHINE TWO_FLOATS "\x80\2](" KEY("7") "e.\2\0\0\0\0\0\0",
             "ends before storage '7' (truncated?)"),
        CASE(MAGIC VERSION MACHINE TWO_FLOATS "\x80\2](" KEY("7") "e.\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
             "has 3 elements in storage '7'; its tensors say 2"),
        CASE(MAGIC VERSION MACHINE TWO_FLOATS "\x80\2](" KEY("7") "e.\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
             "ends inside of storage '7' of 2 elements (truncated?)"),
        CASE(MAGIC VERSION MACHINE "\x80\2](" TENSOR(STORAGE("Float", "7", "\2"))
                 TENSOR(STORAGE("Half", "7", "\2")) "e."
                                                    "\x80\2].",
             "has two types or sizes for storage '7'; expected one"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_damage(cases[i].bytes, cases[i].size, cases[i].message);
}

static void test_what_a_file_begins_with(void **state) {
    (void)state;
    ss_error err = {0};
    static unsigned char bytes[1024];
    memcpy(bytes, "sys_info", 8);
    memcpy(bytes + 257, "ustar", 5);
    expect_damage(bytes, sizeof bytes,
                  "is a tar archive, as the earliest torch.save wrote; load the file in PyTorch and save it again");
    /* a safetensors file whose header length looks like the beginning of a pickle */
    char name[700];
    const safetensors_output t = {name, CHECKPOINT_F32, 1, {2}, VALUES};
    unsigned char *read;
    size_t size;
    memset(name, 'n', sizeof name);
    name[640 - 56] = '\0';
    assert_int_equal(safetensors_write(at("640.safetensors"), &t, 1, &err), SS_OK);
    read = read_all(at("640.safetensors"), &size);
    assert_memory_equal(read, "\x80\2\0\0\0\0\0\0{", 9);
    free(read);
    checkpoint_close(open_good(at("640.safetensors")));
}

/* Several files --------------------------------------------------------------------------------------------------- */

static void test_several_files(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *st;
    char list[512], message[512];
    const char *paths[] = {data("module", "-legacy", "pt"), data("python2", "", "pt"), data("list", "", "safetensors")};
    assert_int_equal(checkpoint_open_files(&st, paths, 3, &err), SS_OK);
    assert_int_equal(checkpoint_count(st), 7 + 2 + 2);
    assert_int_equal(checkpoint_file_count(st), 3);
    assert_string_equal(checkpoint_file_path(st, 1), paths[1]);
    assert_string_equal(checkpoint_find(st, "0.weight")->file, paths[0]);
    assert_string_equal(checkpoint_find(st, "lin.weight")->file, paths[1]);
    assert_string_equal(checkpoint_find(st, "1.a")->file, paths[2]);
    snprintf(list, sizeof list, "%s, %s, %s", paths[0], paths[1], paths[2]);
    assert_string_equal(checkpoint_path(st), list);
    checkpoint_close(st);
    paths[2] = data("python2", "", "safetensors");
    assert_int_equal(checkpoint_open_files(&st, paths, 3, &err), SS_ERR_INPUT);
    assert_null(st);
    snprintf(message, sizeof message, "lin.view is also in '%s'; expected each tensor once", paths[1]);
    assert_string_equal(err.message, message);
    assert_string_equal(err.where, paths[2]);
    paths[2] = at("nowhere.pt");
    assert_int_equal(checkpoint_open_files(&st, paths, 3, &err), SS_ERR_INPUT);
    assert_string_equal(err.where, paths[2]);
}

static void copy_to(const char *from, const char *name) {
    size_t size;
    unsigned char *bytes = read_all(from, &size);
    write_file(name, bytes, size);
    free(bytes);
}

static void test_folders_and_indices(void **state) {
    (void)state;
    ss_error err = {0};
    checkpoint *st;
    static const char index[] = "{\"weight_map\":{\"lin.weight\":\"b.bin\",\"lin.view\":\"b.bin\",\"0\":\"a.bin\","
                                "\"1.a\":\"a.bin\"}}";
    copy_to(data("list", "", "pt"), "pytorch_model.bin");
    assert_int_equal(checkpoint_open_folder(&st, folder, CHECKPOINT_TRANSFORMERS, NULL, &err), SS_OK);
    assert_string_equal(checkpoint_path(st), at("pytorch_model.bin"));
    checkpoint_close(st);
    copy_to(data("list", "", "safetensors"), "model.safetensors");
    assert_int_equal(checkpoint_open_folder(&st, folder, CHECKPOINT_TRANSFORMERS, NULL, &err), SS_OK);
    assert_string_equal(checkpoint_path(st), at("model.safetensors"));
    checkpoint_close(st);
    copy_to(data("list", "-legacy", "pt"), "a.bin");
    copy_to(data("python2", "", "pt"), "b.bin");
    write_file("model.bin.index.json", index, sizeof index - 1);
    st = open_good(at("model.bin.index.json"));
    assert_int_equal(checkpoint_count(st), 4);
    checkpoint_close(st);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_prefix_fails),
        cmocka_unit_test(test_every_damaged_byte),
        cmocka_unit_test(test_archives_that_are_sound),
        cmocka_unit_test(test_damaged_archives),
        cmocka_unit_test(test_compressed_records),
        cmocka_unit_test(test_wrong_archives),
        cmocka_unit_test(test_damaged_legacy_files),
        cmocka_unit_test(test_what_a_file_begins_with),
        cmocka_unit_test(test_several_files),
        cmocka_unit_test(test_folders_and_indices),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
