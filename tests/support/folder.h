/* A folder of a test program's own: folder_make and folder_remove are a cmocka group's set-up and tear-down. It is in
 * memory where that can be had: some tests write thousands of files. */
#ifndef SUPPORT_FOLDER_H
#define SUPPORT_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[48]; /* its path */

static inline int folder_make(void **state) {
    (void)state;
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/sinkscope-test-XXXXXX" : "/tmp/sinkscope-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int folder_remove(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* The path of a file in it; good until the next call. */
static inline const char *folder_at(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

#endif
