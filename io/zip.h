/* The records of a zip archive in memory, as torch.save writes one: stored, not compressed, in one file. Internal to
 * io/. Format: APPNOTE.TXT 6.3 of PKWARE, with zip64. Relies on nothing but the bytes; hands out pointers into them. */
#ifndef IO_ZIP_H
#define IO_ZIP_H

#include <stddef.h>
#include "base/error.h"

typedef struct zip_record {
    const char *name; /* in the archive, not terminated */
    size_t name_length;
    const unsigned char *data; /* in the archive, at any alignment */
    size_t size;
    unsigned method;  /* of compression; 0: stored */
    size_t header_at; /* byte position of its local header */
} zip_record;

typedef struct zip_archive {
    zip_record *records; /* sorted by name, names are unique, no two overlap */
    size_t count;
    const char *first_name; /* of the first record in the central directory */
    size_t first_name_length;
} zip_archive;

/* Read the central directory and check every record against its local header. `path` is for messages. Refused:
 * compressed, encrypted, split, overlapping and repeated records. Checksums are not looked at: torch.save may be told
 * to leave them out. */
ss_status zip_open(zip_archive *z, const unsigned char *data, size_t size, const char *path, ss_error *err);
void zip_close(zip_archive *z);

/* NULL: no such record. */
const zip_record *zip_find(const zip_archive *z, const char *name, size_t name_length);

/* An error where the data of the record is compressed. */
ss_status zip_check_stored(const zip_record *record, const char *path, ss_error *err);

#endif
