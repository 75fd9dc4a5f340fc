/* A checkpoint whose bytes are the input, read whole: for the formats of weights. Whatever opens can be read,
 * under names that are unique. */
#ifndef TESTS_FUZZ_CHECKPOINT_H
#define TESTS_FUZZ_CHECKPOINT_H

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/checkpoint.h"
#include "tests/fuzz/fuzz.h"

static inline void fuzz_read_checkpoint_at(const char *path) {
    ss_error err;
    checkpoint *st;
    volatile unsigned char seen = 0; /* every byte is read */
    if (checkpoint_open(&st, path, &err) != SS_OK) {
        FUZZ_CHECK(st == NULL && err.message[0]);
        return;
    }
    for (size_t i = 0; i < checkpoint_count(st); i++) {
        const checkpoint_entry *e = checkpoint_at(st, i);
        const unsigned char *p = checkpoint_keep(e, &err);
        size_t bytes = (size_t)e->count * checkpoint_dtype_size(e->dtype);
        FUZZ_CHECK(p != NULL);
        for (size_t k = 0; p && k < bytes; k++) seen = p[k];
        FUZZ_CHECK(checkpoint_find(st, e->name) == e);
    }
    (void)seen;
    checkpoint_close(st);
}

/* The reader takes a file: one in memory, under its name in /proc. */
static inline void fuzz_read_checkpoint(const uint8_t *data, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    char path[64];
    if (fd < 0) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (size == 0 || write(fd, data, size) == (ssize_t)size) fuzz_read_checkpoint_at(path);
    close(fd);
}

#endif
