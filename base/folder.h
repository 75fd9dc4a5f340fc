/* The names in a folder, all of them or an error: a folder that cannot be read to its end is never taken for a shorter
 * one. */
#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H

#include "base/error.h"

/* Names without their folder, sorted bytewise; names that begin with '.' are left out. Zero-initialise; free with
 * folder_names_free. */
typedef struct folder_names {
    int n, capacity;
    char **at;
} folder_names;

/* SS_ERR_INPUT where there is no such folder, SS_ERR_RESOURCE where it cannot be read or memory runs out; *out is empty
 * then. */
ss_status folder_list(const char *folder, folder_names *out, ss_error *err);
void folder_names_free(folder_names *names);

#endif
