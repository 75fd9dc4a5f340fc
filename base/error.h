/* Errors as values: how a fallible function reports, and the macros that pass a failure on. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>
#include "base/status.h"

#if defined(__GNUC__)
#define BASE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define BASE_PRINTF(fmt, args)
#endif

/* Fill *err and return `code`. `where` may be NULL (no place). Too long texts are cut at a UTF-8 boundary
 * with "..." at the end. `err` must not be NULL. */
ss_status error_set(ss_error *err, ss_status code, const char *where, const char *fmt, ...) BASE_PRINTF(4, 5);

/* As error_set, with errno's text appended after ": ". The code is SS_ERR_RESOURCE for what a disk or the
 * system refuses (ENOSPC, EDQUOT, ENOMEM, EACCES, EPERM, EROFS, EMFILE, ENFILE, EIO, EFBIG, ESTALE), else `code`. */
ss_status error_set_errno(ss_error *err, ss_status code, const char *where, const char *fmt, ...) BASE_PRINTF(4, 5);

/* Out of memory while allocating `bytes` for `what`. */
ss_status error_no_memory(ss_error *err, const char *what, unsigned long long bytes);

/* Functions that always fail are called through macros of their own names, which say what is returned: compilers and
 * analyzers then know in every file that what follows an SS_TRY does not run. `code` is evaluated twice. */
static inline ss_status error_code(ss_status code) { return code; }

#define error_set(err, code, ...) (error_set((err), (code), __VA_ARGS__), error_code(code))
#define error_set_errno(err, code, ...)                                                                                \
    error_code(error_set_errno((err), (code), __VA_ARGS__) == SS_ERR_RESOURCE ? SS_ERR_RESOURCE : (code))
#define error_no_memory(...) (error_no_memory(__VA_ARGS__), error_code(SS_ERR_RESOURCE))

/* Return from the caller with the status of `expr` unless it is SS_OK. */
#define SS_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        ss_status try_status_ = (expr);                                                                                \
        if (try_status_ != SS_OK) return try_status_;                                                                  \
    } while (0)

/* Set the local variable `status` to `expr` and jump to `label` unless it is SS_OK. */
#define SS_TRY_GOTO(expr, label)                                                                                       \
    do {                                                                                                               \
        status = (expr);                                                                                               \
        if (status != SS_OK) goto label;                                                                               \
    } while (0)

#endif
