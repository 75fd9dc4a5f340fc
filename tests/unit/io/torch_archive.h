/* Archives as torch.save lays them out, made in memory for the tests of the reader and for its fuzz target: stored
 * records, local headers, central directory, end record. */
#ifndef TESTS_UNIT_IO_TORCH_ARCHIVE_H
#define TESTS_UNIT_IO_TORCH_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct archive_record {
    const char *name;
    const void *data;
    size_t size;
    int zip64; /* its sizes and place stand in an extra field */
} archive_record;

typedef struct archive {
    unsigned char *bytes; /* space for everything */
    size_t size;
    size_t local[8], central[8], end; /* where each record's headers and the end record went */
} archive;

static inline void archive_add(archive *a, const void *data, size_t n) {
    if (n) memcpy(a->bytes + a->size, data, n);
    a->size += n;
}

static inline void archive_number(archive *a, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) a->bytes[a->size++] = (unsigned char)(value >> 8 * i);
}

/* At most 8 records. Needs 128 bytes a record beside names and data. */
static inline void archive_make(archive *a, const archive_record *records, int n) {
    a->size = 0;
    for (int i = 0; i < n; i++) {
        a->local[i] = a->size;
        archive_add(a, "PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0", 18);
        archive_number(a, records[i].zip64 ? UINT32_MAX : records[i].size, 4);
        archive_number(a, records[i].zip64 ? UINT32_MAX : records[i].size, 4);
        archive_number(a, strlen(records[i].name), 4); /* no extra */
        archive_add(a, records[i].name, strlen(records[i].name));
        archive_add(a, records[i].data, records[i].size);
    }
    size_t directory = a->size;
    for (int i = 0; i < n; i++) {
        a->central[i] = a->size;
        archive_add(a, "PK\1\2\24\0\24\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
        archive_number(a, records[i].zip64 ? UINT32_MAX : records[i].size, 4);
        archive_number(a, records[i].zip64 ? UINT32_MAX : records[i].size, 4);
        archive_number(a, strlen(records[i].name), 2);
        archive_number(a, records[i].zip64 ? 34 : 0, 2);
        archive_add(a, "\0\0\0\0\0\0\0\0\0\0", 10);
        archive_number(a, records[i].zip64 ? UINT32_MAX : a->local[i], 4);
        archive_add(a, records[i].name, strlen(records[i].name));
        if (!records[i].zip64) continue;
        archive_add(a, "xx\2\0..\1\0\30\0", 10); /* another field first */
        archive_number(a, records[i].size, 8);
        archive_number(a, records[i].size, 8);
        archive_number(a, a->local[i], 8);
    }
    size_t end = a->size;
    a->end = end;
    archive_add(a, "PK\5\6\0\0\0\0", 8);
    archive_number(a, (uint64_t)n, 2);
    archive_number(a, (uint64_t)n, 2);
    archive_number(a, end - directory, 4);
    archive_number(a, directory, 4);
    archive_number(a, 0, 2);
}

#endif
