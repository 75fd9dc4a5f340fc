/* The header of a safetensors file. */
#define _GNU_SOURCE /* memfd_create */
#include "tests/fuzz/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_read_checkpoint(data, size);
    return 0;
}
