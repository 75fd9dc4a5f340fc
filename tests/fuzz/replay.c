/* Feeds every file of the folders named on the command line to a fuzz target: the corpus as a test. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"

static int by_name(const void *a, const void *b) {
    return strcmp((*(const struct dirent *const *)a)->d_name, (*(const struct dirent *const *)b)->d_name);
}

static int replay_file(const char *folder, const char *name) {
    ss_error err;
    char *data, *path = file_join(folder, name);
    size_t size;
    if (!path || file_read(path, 16 << 20, &data, &size, &err) != SS_OK) {
        fprintf(stderr, "cannot read %s/%s\n", folder, name);
        exit(1);
    }
    /* an exact copy, so that a sanitizer sees a read past its end */
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) exit(1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    free(data);
    free(path);
    return 1;
}

static int replay_folder(const char *folder) {
    DIR *dir = opendir(folder);
    struct dirent *entries[4096];
    int n = 0, replayed = 0;
    if (!dir) {
        fprintf(stderr, "cannot open %s\n", folder);
        exit(1);
    }
    for (struct dirent *e; n < 4096 && (e = readdir(dir));)
        if (e->d_name[0] != '.') {
            entries[n] = malloc(sizeof *e);
            if (!entries[n]) exit(1);
            memcpy(entries[n++], e, e->d_reclen < sizeof *e ? e->d_reclen : sizeof *e);
        }
    qsort(entries, (size_t)n, sizeof *entries, by_name);
    for (int i = 0; i < n; i++) {
        replayed += replay_file(folder, entries[i]->d_name);
        free(entries[i]);
    }
    closedir(dir);
    return replayed;
}

int main(int argc, char **argv) {
    int replayed = 0;
    for (int i = 1; i < argc; i++) replayed += replay_folder(argv[i]);
    printf("%d inputs replayed\n", replayed);
    return replayed > 0 ? 0 : 1;
}
