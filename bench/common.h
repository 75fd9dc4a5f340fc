/* What benchmarks do alike: stop on the first thing that goes wrong, read clocks, say how much memory there was. */
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

/* Resident memory in MB: "VmHWM:", the most there was, mapped pages included; 0 where the system does not say. */
static inline double memory(const char *which) {
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, which, strlen(which)) == 0) kib = strtol(line + strlen(which), NULL, 10);
    fclose(f);
    return 1024e-6 * (double)kib;
}

#endif
