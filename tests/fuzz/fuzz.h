/* One entry point a target, in libFuzzer's shape: https://llvm.org/docs/LibFuzzer.html. With clang it is linked with
 * libFuzzer (tests/fuzz/run), with any compiler with replay.c, which feeds it the corpus. Always returns 0; a finding
 * is a sanitizer's report or an abort. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold whatever the input. */
#define FUZZ_CHECK(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) abort();                                                                                     \
    } while (0)

/* Input for what reads a file by its path. */
static inline void fuzz_write(const char *path, const void *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    FUZZ_CHECK(f && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
}

#endif
