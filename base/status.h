/* The outcome of a call that can fail: the types of base/error.h. include/sinkscope.h, which is installed alone,
 * repeats the lines from SS_STATUS_TYPES on; the guard lets a file include both, and
 * tests/layout/check_public_header.sh compares them. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#ifndef SS_STATUS_TYPES
#define SS_STATUS_TYPES
/* Status of a call; the values are also the exit codes of the program. */
typedef enum ss_status {
    SS_OK = 0,
    SS_ERR_INTERNAL = 1,      /* a defect in sinkscope itself */
    SS_ERR_USAGE = 2,         /* the command line */
    SS_ERR_INPUT = 3,         /* a model, study, prompt or image file */
    SS_ERR_RESOURCE = 4,      /* memory, disk space, permissions, missing packages */
    SS_ERR_STORE = 5,         /* a results store: damaged, newer, or of another numeric class */
    SS_ERR_INTERRUPTED = 130, /* the caller's stop flag was set */
} ss_status;

/* What went wrong, in full. `where` names the file (with line and column, or tensor) or is empty;
 * `message` says what was expected, what was found and what to do. Both are always terminated. */
typedef struct ss_error {
    ss_status code;
    char where[512];
    char message[1536];
} ss_error;
#endif

#endif
