/* The records of a zip archive, as torch.save writes one: stored, not compressed, in one file. Internal to io/. Format:
 * APPNOTE.TXT 6.3 of PKWARE, with zip64. Reads the directory and the records' headers, not their data. */
#ifndef IO_ZIP_H
#define IO_ZIP_H

#include <stddef.h>
#include "base/file.h"

typedef struct zip_record {
    const char *name; /* in the directory, not terminated */
    size_t name_length;
    size_t at, size;  /* of its data in the file */
    unsigned method;  /* of compression; 0: stored */
    size_t header_at; /* byte position of its local header */
} zip_record;

typedef struct zip_archive {
    zip_record *records; /* sorted by name, names are unique, no two overlap */
    size_t count;
    unsigned char *directory; /* the central directory: owns the names */
    const char *first_name;   /* of the first record in the central directory */
    size_t first_name_length;
} zip_archive;

/* Read the central directory and check every record against its local header. Refused: compressed, encrypted, split,
 * overlapping and repeated records. Checksums are not verified: torch.save has an option to omit them. */
ss_status zip_open(zip_archive *z, const file_reader *file, ss_error *err);
void zip_close(zip_archive *z);

/* NULL: no such record. */
const zip_record *zip_find(const zip_archive *z, const char *name, size_t name_length);

/* An error where the data of the record is compressed. */
ss_status zip_check_stored(const zip_record *record, const char *path, ss_error *err);

#endif
