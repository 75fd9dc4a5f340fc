/* Folders: their names, all of them or an error (a folder that cannot be read to its end is never taken for a shorter
 * one), and their sync. */
#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H

#include <stddef.h>
#include "base/error.h"

/* Names without their folder, sorted bytewise; names that begin with '.' are left out. Zero-initialise; free with
 * folder_names_free. */
typedef struct folder_names {
    int n;
    size_t capacity;
    char **at;
} folder_names;

/* SS_ERR_INPUT where there is no such folder, SS_ERR_RESOURCE where it cannot be read or memory runs out; *out is empty
 * then. */
ss_status folder_list(const char *folder, folder_names *out, ss_error *err);
void folder_names_free(folder_names *names);

/* Names that were made, renamed or removed in the folder are on the disk when this returns (fsync). */
ss_status folder_sync(const char *folder, ss_error *err);
/* The same of the folder that `path` is in. */
ss_status folder_sync_of(const char *path, ss_error *err);

#endif
