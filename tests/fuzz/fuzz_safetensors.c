/* The header of a safetensors file. Whatever opens must lie inside the file. */
#define _GNU_SOURCE /* memfd_create */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/safetensors.h"
#include "tests/fuzz/fuzz.h"

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
        FUZZ_CHECK(e->count == 0 || (uintptr_t)p % checkpoint_dtype_size(e->dtype) == 0);
    }
    (void)seen;
    checkpoint_close(st);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) return 0;
    if (size == 0 || write(fd, data, size) == (ssize_t)size) read_file(fd);
    close(fd);
    return 0;
}
