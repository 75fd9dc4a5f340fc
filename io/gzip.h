/* Files that may be compressed by gzip. */
#ifndef IO_GZIP_H
#define IO_GZIP_H

#include <stddef.h>
#include "base/error.h"

/* As file_read (base/file.h): the whole file as a terminated string that the caller frees, decompressed where it begins
 * as gzip's format does (RFC 1952, several members one after the other allowed). `limit` counts the bytes of the file
 * and those of the result. */
ss_status gzip_read(const char *path, size_t limit, char **out, size_t *size, ss_error *err);

#endif
