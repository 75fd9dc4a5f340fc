/* Formatting of error values. Nothing here prints or exits. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* After a cut at the end of buf, drop a torn UTF-8 sequence and mark the cut with "...". */
static void mark_cut(char *buf, size_t size) {
    size_t n = size - 4;
    while (n > 0 && ((unsigned char)buf[n] & 0xC0) == 0x80) n--;
    memcpy(buf + n, "...", 4);
}

static void format_into(char *buf, size_t size, const char *fmt, va_list args) {
    int n = vsnprintf(buf, size, fmt, args);
    if (n < 0) buf[0] = '\0';
    else if ((size_t)n >= size) mark_cut(buf, size);
}

static void set_where(ss_error *err, const char *where) {
    int n = snprintf(err->where, sizeof err->where, "%s", where ? where : "");
    if (n >= (int)sizeof err->where) mark_cut(err->where, sizeof err->where);
}

ss_status(error_set)(ss_error *err, ss_status code, const char *where, const char *fmt, ...) {
    va_list args;
    err->code = code;
    set_where(err, where);
    va_start(args, fmt);
    format_into(err->message, sizeof err->message, fmt, args);
    va_end(args);
    return code;
}

static int errno_is_resource(int e) {
    return e == ENOSPC || e == EDQUOT || e == ENOMEM || e == EACCES || e == EPERM || e == EROFS || e == EMFILE ||
           e == ENFILE || e == EIO || e == EFBIG || e == EAGAIN || e == ESTALE;
}

ss_status(error_set_errno)(ss_error *err, ss_status code, const char *where, const char *fmt, ...) {
    int saved = errno;
    char text[sizeof err->message / 2];
    va_list args;
    va_start(args, fmt);
    format_into(text, sizeof text, fmt, args);
    va_end(args);
    char reason[128];
    if (strerror_r(saved, reason, sizeof reason) != 0) snprintf(reason, sizeof reason, "error %d", saved);
    return error_set(err, errno_is_resource(saved) ? SS_ERR_RESOURCE : code, where, "%s: %s", text, reason);
}

ss_status(error_no_memory)(ss_error *err, const char *what, unsigned long long bytes) {
    return error_set(err, SS_ERR_RESOURCE, NULL, "out of memory: %s needs %llu bytes", what, bytes);
}
