/* Files through POSIX calls. A file gets its final name only when it is complete. */
#define _DEFAULT_SOURCE /* pread */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/folder.h"
#include "base/output.h"

static ss_status open_for_reading(const char *path, int *fd, size_t *size, ss_error *err) {
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) return error_set_errno(err, SS_ERR_INPUT, path, "cannot open");
    ss_status status = SS_OK;
    if (fstat(*fd, &st) != 0) status = error_set_errno(err, SS_ERR_RESOURCE, path, "cannot look at the file");
    else if (!S_ISREG(st.st_mode)) status = error_set(err, SS_ERR_INPUT, path, "is not a regular file");
    if (status != SS_OK) {
        close(*fd);
        return status;
    }
    *size = (size_t)st.st_size;
    return SS_OK;
}

ss_status file_reader_open(file_reader *r, const char *path, ss_error *err) {
    *r = (file_reader){.fd = -1};
    char *copy = text_copy(path);
    if (!copy) return error_no_memory(err, "file name", strlen(path));
    ss_status status = open_for_reading(path, &r->fd, &r->size, err);
    if (status == SS_OK) r->path = copy;
    else free(copy);
    return status;
}

void file_reader_close(file_reader *r) {
    if (r->path) close(r->fd);
    free(r->path);
    *r = (file_reader){.fd = -1};
}

ss_status file_reader_read(const file_reader *r, size_t at, void *out, size_t n, const char *what, ss_error *err) {
    size_t got = 0;
    const char *space = what ? " " : "";
    while (got < n) {
        ssize_t some = pread(r->fd, (char *)out + got, n - got, (off_t)(at + got));
        if (some < 0 && errno == EINTR) continue;
        if (some < 0) return error_set_errno(err, SS_ERR_RESOURCE, r->path, "%s%scannot read", what ? what : "", space);
        if (some == 0) break;
        got += (size_t)some;
    }
    if (got == n) return SS_OK;
    return error_set(err, SS_ERR_INPUT, r->path,
                     "%s%shas %zu bytes from byte %zu on; expected %zu (the file became shorter while it was in use: "
                     "restore it and start again)",
                     what ? what : "", space, got, at, n);
}

ss_status file_read_stream(int fd, const char *name, size_t limit, char **out, size_t *size, ss_error *err) {
    size_t capacity = 0, got = 0;
    char *data = NULL;
    ss_status status = ARRAY_ROOM(data, capacity, 1 << 16, name, err);
    while (status == SS_OK) {
        ssize_t n = read(fd, data + got, capacity - got - 1);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = error_set_errno(err, SS_ERR_INPUT, name, "cannot read");
        if (n <= 0) break;
        got += (size_t)n;
        if (got > limit)
            status = error_set(err, SS_ERR_INPUT, name, "has more than the %zu bytes that are expected of such a file",
                               limit);
        if (status == SS_OK) status = ARRAY_ROOM(data, capacity, got + 2, name, err);
    }
    if (status != SS_OK) {
        free(data);
        return status;
    }
    data[got] = '\0';
    *out = data;
    *size = got;
    return SS_OK;
}

/* 1 where `path` is a pipe or a character device: it has no size and no second reading. */
static int is_stream(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode));
}

static ss_status read_stream_at(const char *path, size_t limit, char **out, size_t *size, ss_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return error_set_errno(err, SS_ERR_INPUT, path, "cannot open");
    ss_status status = file_read_stream(fd, path, limit, out, size, err);
    close(fd);
    return status;
}

ss_status file_read(const char *path, size_t limit, char **out, size_t *size, ss_error *err) {
    int fd;
    if (is_stream(path)) return read_stream_at(path, limit, out, size, err);
    size_t expected, got = 0;
    SS_TRY(open_for_reading(path, &fd, &expected, err));
    if (expected > limit) {
        close(fd);
        return error_set(err, SS_ERR_INPUT, path, "has %zu bytes; at most %zu are expected of such a file", expected,
                         limit);
    }
    char *data = malloc(expected + 1);
    if (!data) {
        close(fd);
        return error_no_memory(err, path, expected);
    }
    ss_status status = SS_OK;
    while (got < expected) {
        ssize_t n = read(fd, data + got, expected - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = error_set_errno(err, SS_ERR_RESOURCE, path, "cannot read");
        if (n == 0) status = error_set(err, SS_ERR_INPUT, path, "ended after %zu of %zu bytes", got, expected);
        if (n <= 0) break;
        got += (size_t)n;
    }
    close(fd);
    if (status != SS_OK) {
        free(data);
        return status;
    }
    data[got] = '\0';
    *out = data;
    *size = got;
    return SS_OK;
}

char *file_temporary_name(const char *path) {
    size_t n = strlen(path) + 32;
    char *name = malloc(n);
    if (name) snprintf(name, n, "%s.tmp-%ld", path, (long)getpid());
    return name;
}

ss_status file_commit(const char *temporary, const char *path, ss_error *err) {
    int fd = open(temporary, O_RDONLY | O_CLOEXEC);
    ss_status status = SS_OK;
    if (fd < 0 || fsync(fd) != 0) status = error_set_errno(err, SS_ERR_RESOURCE, temporary, "cannot sync");
    if (fd >= 0) close(fd);
    if (status == SS_OK && rename(temporary, path) != 0)
        status = error_set_errno(err, SS_ERR_RESOURCE, path, "cannot rename '%s' to this name", temporary);
    if (status == SS_OK) return folder_sync_of(path, err);
    unlink(temporary);
    return status;
}

ss_status file_write(const char *path, const void *data, size_t size, ss_error *err) {
    output o;
    SS_TRY(output_open(&o, path, err));
    ss_status status = output_write(&o, data, size, err);
    if (status == SS_OK) return output_commit(&o, err);
    output_abandon(&o);
    return status;
}

ss_status file_write_text(const char *folder, const char *name, text *t, ss_error *err) {
    char *path = file_join(folder, name);
    ss_status status =
        path && !t->failed ? file_write(path, t->s ? t->s : "", t->len, err) : error_no_memory(err, name, t->len);
    free(path);
    text_free(t);
    return status;
}

ss_status file_make_folder(const char *path, ss_error *err) {
    if (!*path) return error_set(err, SS_ERR_USAGE, NULL, "the path of the folder is empty; expected its name");
    char *copy = text_copy(path);
    if (!copy) return error_no_memory(err, "file name", strlen(path));
    ss_status status = SS_OK;
    for (char *p = copy + 1; status == SS_OK; p++) {
        if (*p != '/' && *p != '\0') continue;
        char keep = *p;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            status = error_set_errno(err, SS_ERR_RESOURCE, copy, "cannot make the folder");
        else if (!file_is_folder(copy)) status = error_set(err, SS_ERR_RESOURCE, copy, "exists and is not a folder");
        *p = keep;
        if (keep == '\0') break;
    }
    free(copy);
    return status;
}

int file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int file_is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *file_join(const char *folder, const char *name) {
    size_t n = strlen(folder), need = n + strlen(name) + 2;
    char *path = malloc(need);
    if (path) snprintf(path, need, "%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
    return path;
}

ss_status file_hash(const char *path, sha256_hex out, ss_error *err) {
    enum { PIECE = 1 << 20 }; /* so that a checkpoint is never in memory as a whole */
    unsigned char *piece = malloc(PIECE);
    file_reader r;
    sha256 sum;
    ss_status status = piece ? file_reader_open(&r, path, err) : error_no_memory(err, path, PIECE);
    if (status != SS_OK) {
        free(piece);
        return status;
    }
    sha256_begin(&sum);
    for (size_t at = 0; status == SS_OK && at < r.size; at += PIECE) {
        size_t n = r.size - at < PIECE ? r.size - at : PIECE;
        status = file_reader_read(&r, at, piece, n, NULL, err);
        if (status == SS_OK) sha256_add(&sum, piece, n);
    }
    file_reader_close(&r);
    free(piece);
    if (status == SS_OK) sha256_end(&sum, out);
    return status;
}
