/* Where results go: a PATH as a user gives it. A regular file, or one that is not there yet, is written under a
 * temporary name in the same folder, synced and renamed: on any failure the old file is untouched and the temporary is
 * gone. The new file has the old one's permissions; a write-protected file is refused. Of a symbolic link the file that
 * it leads to is replaced, and the link stays. What is not a regular file (a device, a FIFO) is written into, never
 * renamed over. "-" is standard output. A folder and an empty path are usage errors. */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include <stddef.h>
#include "base/error.h"

typedef struct output {
    const char *path; /* as given; not owned */
    char *target;     /* the file to be replaced; NULL = written into directly */
    char *temporary;
    int made; /* the temporary is there */
    int fd;   /* -1 = not open */
} output;

/* Whether `path` can name a file to write: neither empty nor a folder. Call it before hours of work. */
ss_status output_check(const char *path, ss_error *err);

/* Whether `path` is standard output, as "-" or by the name of what it leads to (/dev/stdout). */
int output_is_standard(const char *path);

/* Whether `path` names a regular file, or nothing yet: something that stays, and can have files beside it. */
int output_is_file(const char *path);

ss_status output_open(output *o, const char *path, ss_error *err);
ss_status output_write(output *o, const void *data, size_t size, ss_error *err);
/* Put the file in its place. `o` is closed, also on failure. */
ss_status output_commit(output *o, ss_error *err);
/* After a failure: the old file stays. */
void output_abandon(output *o);

#endif
