/* sinkscope: causal analysis of attention sinks in diffusion transformers.
 *
 * The one public header. Everything here is prefixed ss_ (functions, types) or SS_ (constants); nothing
 * else is exported from the shared library. Errors are values: a fallible function returns an ss_status
 * and, when that is not SS_OK, has filled the caller's ss_error. The library never prints and never exits. */
#ifndef SINKSCOPE_H
#define SINKSCOPE_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SS_API __attribute__((visibility("default")))
#else
#define SS_API
#endif

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

/* The library's version, "major.minor.patch". Static storage. */
SS_API const char *ss_version(void);

#ifdef __cplusplus
}
#endif
#endif
