/* See output.h. Only a regular file is renamed over, and a file gets its final name only when it is complete. */
#define _XOPEN_SOURCE 700 /* readlink, fchmod */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { PERMISSIONS = 0777 };

static int same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

ss_status output_check(const char *path, ss_error *err) {
    struct stat st;
    size_t n = strlen(path);
    if (n == 0)
        return error_set(err, SS_ERR_USAGE, NULL, "the path of the output is empty; expected the name of a file");
    if (path[n - 1] == '/' || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return error_set(err, SS_ERR_USAGE, path, "is a folder; expected the name of a file");
    return SS_OK;
}

int output_is_standard(const char *path) {
    struct stat st, out;
    if (strcmp(path, "-") == 0) return 1;
    return stat(path, &st) == 0 && fstat(STDOUT_FILENO, &out) == 0 && same_file(&st, &out);
}

int output_is_file(const char *path) {
    struct stat st;
    if (output_is_standard(path)) return 0;
    return stat(path, &st) != 0 ? errno == ENOENT : S_ISREG(st.st_mode) != 0;
}

/* The file that the symbolic link `path` leads to, there or not (malloc). */
static ss_status follow_links(const char *path, char **out, ss_error *err) {
    enum { MOST_LINKS = 40 }; /* as Linux itself */
    char name[PATH_MAX];
    *out = NULL;
    char *at = text_copy(path);
    for (int i = 0; at && i < MOST_LINKS; i++) {
        ssize_t n = readlink(at, name, sizeof name - 1);
        if (n < 0) { /* no link: the end */
            *out = at;
            return SS_OK;
        }
        name[n] = '\0';
        char *slash = strrchr(at, '/'), *next;
        if (name[0] == '/' || !slash) next = text_copy(name);
        else {
            slash[slash == at] = '\0'; /* "/x" is in "/" */
            next = file_join(at, name);
        }
        free(at);
        at = next;
    }
    ss_status status = at ? error_set(err, SS_ERR_RESOURCE, path, "more than %d symbolic links", MOST_LINKS)
                          : error_no_memory(err, "a file name", strlen(path));
    free(at);
    return status;
}

static ss_status open_directly(output *o, ss_error *err) {
    o->fd = open(o->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return o->fd < 0 ? error_set_errno(err, SS_ERR_RESOURCE, o->path, "cannot open for writing") : SS_OK;
}

static ss_status open_standard_output(output *o, ss_error *err) {
    if (fflush(stdout) != 0) return error_set_errno(err, SS_ERR_RESOURCE, NULL, "cannot write to standard output");
    o->fd = dup(STDOUT_FILENO);
    return o->fd < 0 ? error_set_errno(err, SS_ERR_RESOURCE, o->path, "cannot write to standard output") : SS_OK;
}

/* `old`: the file that will be replaced; NULL = there is none. */
static ss_status open_temporary(output *o, const struct stat *old, ss_error *err) {
    SS_TRY(follow_links(o->path, &o->target, err));
    o->temporary = file_temporary_name(o->target);
    if (!o->temporary) return error_no_memory(err, "a file name", strlen(o->target));
    if (old && access(o->target, W_OK) != 0)
        return error_set_errno(err, SS_ERR_RESOURCE, o->path, "cannot replace the file");
    mode_t mode = old ? old->st_mode & PERMISSIONS : 0666;
    o->fd = open(o->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    if (o->fd < 0) return error_set_errno(err, SS_ERR_RESOURCE, o->path, "cannot create '%s'", o->temporary);
    o->made = 1;
    if (old) (void)!fchmod(o->fd, mode); /* what the umask took; some file systems have no permissions */
    return SS_OK;
}

ss_status output_open(output *o, const char *path, ss_error *err) {
    struct stat st;
    *o = (output){.path = path, .fd = -1};
    ss_status status = output_check(path, err);
    if (status != SS_OK) return status;
    int there = stat(path, &st) == 0;
    if (output_is_standard(path)) status = open_standard_output(o, err);
    else if (there && !S_ISREG(st.st_mode)) status = open_directly(o, err);
    else status = open_temporary(o, there ? &st : NULL, err);
    if (status != SS_OK) output_abandon(o);
    return status;
}

ss_status output_write(output *o, const void *data, size_t size, ss_error *err) {
    const unsigned char *p = data;
    while (size > 0) {
        ssize_t n = write(o->fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) return error_set_errno(err, SS_ERR_RESOURCE, o->path, "cannot write");
        p += n;
        size -= (size_t)n;
    }
    return SS_OK;
}

ss_status output_commit(output *o, ss_error *err) {
    ss_status status = SS_OK;
    int failed = close(o->fd) != 0;
    o->fd = -1;
    if (failed) status = error_set_errno(err, SS_ERR_RESOURCE, o->path, "cannot close");
    if (status == SS_OK && o->target) {
        status = file_commit(o->temporary, o->target, err);
        o->made = 0; /* renamed, or removed by file_commit */
    }
    output_abandon(o);
    return status;
}

void output_abandon(output *o) {
    if (o->fd >= 0) close(o->fd);
    if (o->made) unlink(o->temporary);
    free(o->temporary);
    free(o->target);
    *o = (output){.fd = -1};
}
