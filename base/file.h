/* Files: read by pieces or whole, written whole or not at all. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/sha256.h"
#include "base/text.h"

/* A regular file open for reading at any place. Nothing of it is mapped: a file that becomes shorter while it is open
 * gives an error where its end is met, and no signal. The size is taken once, at open. */
typedef struct file_reader {
    int fd;
    size_t size;
    char *path; /* owned; NULL: not open */
} file_reader;

ss_status file_reader_open(file_reader *r, const char *path, ss_error *err);
void file_reader_close(file_reader *r);

/* The `n` bytes from `at` on. Fewer is an error, of the input, that gives both numbers. `what` stands in messages
 * before what happened to the bytes ("blocks.3.weight"); NULL: the file itself. */
ss_status file_reader_read(const file_reader *r, size_t at, void *out, size_t n, const char *what, ss_error *err);

/* Whole file as a terminated string (malloc; the caller frees). More than `limit` bytes is an input error. */
ss_status file_read(const char *path, size_t limit, char **out, size_t *size, ss_error *err);

/* All that an open descriptor gives (a pipe, the standard input); `name` stands for it in errors. As file_read
 * otherwise. file_read takes a pipe or a device by its name through this. */
ss_status file_read_stream(int fd, const char *name, size_t limit, char **out, size_t *size, ss_error *err);

/* Write a whole file, as base/output.h says: to a temporary name in the same folder, fsync, rename, fsync of the
 * folder. On any failure the old file, if there was one, is untouched and the temporary is gone. */
ss_status file_write(const char *path, const void *data, size_t size, ss_error *err);

/* The same with the text `t` as `name` in a folder; the text is freed, also on failure. */
ss_status file_write_text(const char *folder, const char *name, text *t, ss_error *err);

/* What base/output.h is made of, for a writer that opens files itself (SQLite): the temporary's name for `path`
 * ("<path>.tmp-<pid>", malloc), and its commit (fsync, rename, fsync of the folder; on failure the temporary is
 * removed). */
char *file_temporary_name(const char *path);
ss_status file_commit(const char *temporary, const char *path, ss_error *err);

/* mkdir -p. An empty path is a usage error. */
ss_status file_make_folder(const char *path, ss_error *err);

int file_exists(const char *path); /* a regular file or a link to one */
int file_is_folder(const char *path);

/* "a/b" (malloc), NULL when out of memory. */
char *file_join(const char *folder, const char *name);

/* SHA-256 of a whole file. */
ss_status file_hash(const char *path, sha256_hex out, ss_error *err);

#endif
