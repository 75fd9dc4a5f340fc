/* Listing through readdir, which reports an error only through errno. */
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void folder_names_free(folder_names *names) {
    for (int i = 0; i < names->n; i++) free(names->at[i]);
    free(names->at);
    *names = (folder_names){0};
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static ss_status add(folder_names *names, const char *name, ss_error *err) {
    if (names->n == names->capacity) {
        int capacity = names->capacity ? 2 * names->capacity : 64;
        char **grown = realloc(names->at, (size_t)capacity * sizeof *grown);
        if (!grown) return error_no_memory(err, "names of a folder", (size_t)capacity * sizeof *grown);
        names->at = grown;
        names->capacity = capacity;
    }
    names->at[names->n] = text_copy(name);
    if (!names->at[names->n]) return error_no_memory(err, "a file name", strlen(name) + 1);
    names->n++;
    return SS_OK;
}

ss_status folder_list(const char *folder, folder_names *out, ss_error *err) {
    *out = (folder_names){0};
    DIR *d = opendir(folder);
    if (!d) return error_set_errno(err, SS_ERR_INPUT, folder, "cannot open the folder");
    ss_status status = SS_OK;
    while (status == SS_OK) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e) {
            if (errno) status = error_set_errno(err, SS_ERR_RESOURCE, folder, "cannot list the folder");
            break;
        }
        if (e->d_name[0] != '.') status = add(out, e->d_name, err);
    }
    closedir(d);
    if (status != SS_OK) folder_names_free(out);
    else if (out->n > 1) qsort(out->at, (size_t)out->n, sizeof *out->at, compare_names);
    return status;
}
