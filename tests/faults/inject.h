/* What the injector (a shared object inside the program under test) and the driver share: one file, mapped by both.
 * The driver writes the order, the injector what it saw. */
#ifndef TESTS_FAULTS_INJECT_H
#define TESTS_FAULTS_INJECT_H

#include <stdint.h>

#define FAULTS_FILE "SS_FAULTS_FILE" /* environment: path of the shared file */

enum { FAULTS_MEMORY, FAULTS_FILES, FAULTS_CLASSES };

/* How a file call fails: an errno, or one of these. */
enum { FAULTS_SHORT = 1000 }; /* read or write moves only half of the bytes */

enum {
    FAULTS_EVENTS = 4 << 20, /* space for the events of one run */
    FAULTS_WHERE = 6000      /* space for the text of one call stack */
};

typedef struct fault_event {
    uint64_t stack;  /* hash of the call stack, the call included */
    uint16_t call;   /* row of FAULTS_CALLS */
    uint16_t reason; /* 0, or 1 + the row of FAULTS_LEFT_OUT that leaves it out */
    uint32_t flags;  /* of openat: does it write? 1 */
} fault_event;

typedef struct fault_record {
    int32_t recording;        /* order: keep every event of `of_class` */
    int32_t of_class;         /* order: memory or files */
    uint64_t nth;             /* order: the event that fails, from 1; 0 = none */
    int32_t how;              /* order: errno or FAULTS_SHORT */
    int32_t fired;            /* the nth event came */
    uint64_t n;               /* events of that class so far */
    char where[FAULTS_WHERE]; /* call stack of the event that failed: "module+0xoffset" a line */
    fault_event event[FAULTS_EVENTS];
} fault_record;

/* Objects whose calls are left out: a name that a frame's file begins with, and why. */
typedef struct faults_left_out {
    const char *object, *function, *why;
} faults_left_out;
extern const faults_left_out FAULTS_LEFT_OUT[];
extern const int FAULTS_LEFT_OUT_COUNT;

/* A call that can fail, and the ways it does. */
typedef struct faults_call {
    const char *name;
    int of_class;
    long number; /* of the system call; -1: a function of memory */
    int how[5];  /* errnos, FAULTS_SHORT; ends with 0 */
} faults_call;
extern const faults_call FAULTS_CALLS[];
extern const int FAULTS_CALL_COUNT;

#endif
