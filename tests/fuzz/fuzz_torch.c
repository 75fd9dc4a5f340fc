/* Checkpoints of torch.save: the input as a whole file, and as the data.pkl of an archive with two storages, or few
 * changes would reach the pickle. Whatever opens must lie inside the file or a copy, under names that are unique. */
#define _GNU_SOURCE /* memfd_create */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/checkpoint.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/io/torch_archive.h"

/* The reader wants a file: one in memory, under its name in /proc. */
static void read_file(int fd) {
    ss_error err;
    checkpoint *st;
    char path[64];
    volatile unsigned char seen = 0; /* every byte is read */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (checkpoint_open(&st, path, &err) != SS_OK) {
        FUZZ_CHECK(st == NULL && err.message[0]);
        return;
    }
    for (size_t i = 0; i < checkpoint_count(st); i++) {
        const checkpoint_entry *e = checkpoint_at(st, i);
        const unsigned char *p = e->data;
        size_t bytes = (size_t)e->count * checkpoint_dtype_size(e->dtype);
        for (size_t k = 0; k < bytes; k++) seen = p[k];
        FUZZ_CHECK(checkpoint_find(st, e->name) == e);
        FUZZ_CHECK((uintptr_t)p % checkpoint_dtype_size(e->dtype) == 0);
    }
    (void)seen;
    checkpoint_close(st);
}

static void read_bytes(const uint8_t *data, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) return;
    if (size == 0 || write(fd, data, size) == (ssize_t)size) read_file(fd);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const unsigned char STORAGE[96] = {1, 2, 3, 4, 5, 6, 7, 8};
    const archive_record records[] = {
        {"m/data.pkl", data, size, 0}, {"m/data/0", STORAGE, 96, 0}, {"m/data/1", STORAGE, 7, 0}};
    read_bytes(data, size);
    archive a = {.bytes = malloc(size + 1024)};
    if (!a.bytes) return 0;
    archive_make(&a, records, 3);
    read_bytes(a.bytes, a.size);
    free(a.bytes);
    return 0;
}
