/* Checkpoints of torch.save: the input as a whole file, and as the data.pkl of an archive with two storages, or few
 * changes would reach the pickle. */
#define _GNU_SOURCE /* memfd_create */
#include "tests/fuzz/checkpoint.h"
#include "tests/unit/io/torch_archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const unsigned char STORAGE[96] = {1, 2, 3, 4, 5, 6, 7, 8};
    const archive_record records[] = {
        {"m/data.pkl", data, size, 0}, {"m/data/0", STORAGE, 96, 0}, {"m/data/1", STORAGE, 7, 0}};
    fuzz_read_checkpoint(data, size);
    archive a = {.bytes = malloc(size + 1024)};
    if (!a.bytes) return 0;
    archive_make(&a, records, 3);
    fuzz_read_checkpoint(a.bytes, a.size);
    free(a.bytes);
    return 0;
}
