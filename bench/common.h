/* What benchmarks do alike: stop on the first thing that goes wrong, read clocks. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/error.h"

static inline void stop(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static inline void must(ss_status status, const ss_error *err) {
    if (status == SS_OK) return;
    fprintf(stderr, "%s%s%s\n", err->where, *err->where ? ": " : "", err->message);
    exit(1);
}

static inline double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
