/* Listing is by readdir, which reports an error only through errno. */
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/text.h"

void folder_names_free(folder_names *names) {
    for (int i = 0; i < names->n; i++) free(names->at[i]);
    free(names->at);
    *names = (folder_names){0};
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static ss_status folder_add(folder_names *names, const char *name, ss_error *err) {
    SS_TRY(ARRAY_ROOM(names->at, names->capacity, names->n + 1, "names of a folder", err));
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
        if (e->d_name[0] != '.') status = folder_add(out, e->d_name, err);
    }
    closedir(d);
    if (status != SS_OK) folder_names_free(out);
    else if (out->n > 1) qsort(out->at, (size_t)out->n, sizeof *out->at, compare_names);
    return status;
}

ss_status folder_sync(const char *folder, ss_error *err) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0;
    ss_status status = failed ? error_set_errno(err, SS_ERR_RESOURCE, folder, "cannot sync the folder") : SS_OK;
    if (fd >= 0) close(fd);
    return status;
}

ss_status folder_sync_of(const char *path, ss_error *err) {
    const char *slash = strrchr(path, '/');
    if (!slash) return folder_sync(".", err);
    char *folder = text_copy(path);
    if (!folder) return error_no_memory(err, "file name", strlen(path));
    folder[slash == path ? 1 : slash - path] = '\0';
    ss_status status = folder_sync(folder, err);
    free(folder);
    return status;
}
