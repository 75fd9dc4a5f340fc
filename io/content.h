/* The kind of a file by its first bytes, independent of its name: for the message of a reader that got another kind of
 * file than it reads. A saved login page or a Git LFS pointer in the place of weights is the usual case. */
#ifndef IO_CONTENT_H
#define IO_CONTENT_H

#include <stddef.h>
#include "base/error.h"

typedef enum content_kind {
    CONTENT_EMPTY = 1 << 0,
    CONTENT_LFS = 1 << 1,
    CONTENT_HTML = 1 << 2,
    CONTENT_XML = 1 << 3,
    CONTENT_UTF16 = 1 << 4,
    CONTENT_ZIP = 1 << 5,
    CONTENT_GZIP = 1 << 6,
    CONTENT_PICTURE = 1 << 7, /* PNG, JPEG, WebP */
    CONTENT_OTHER_PICTURE = 1 << 8,
    CONTENT_BINARY = 1 << 9, /* PDF, HDF5, SQLite, a pickle, safetensors */
    CONTENT_JSON = 1 << 10   /* an object or a list */
} content_kind;

/* An error where the bytes are of a kind that is not in `allowed`, a sum of kinds:
 *   NAME is a Git LFS pointer, not the file itself; expected EXPECTED. Fetch the file: git lfs pull
 * What is not recognised is SS_OK: the reader says what is wrong with it. `expected`: "a CSV with commas". */
ss_status content_check(const void *bytes, size_t size, unsigned allowed, const char *expected, const char *name,
                        ss_error *err);

/* Bytes of the byte order mark at the beginning of a text in UTF-8: 3 or 0. Spreadsheets and Windows editors write one;
 * it is not part of the text. */
size_t content_mark(const void *bytes, size_t size);

/* Whether a file's name ends in `extension` (".png"), in small letters or capitals, behind at least one character. */
int content_has_extension(const char *path, const char *extension);

#endif
