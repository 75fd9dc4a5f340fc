/* Thread count from the affinity mask and the cgroup quota. Relies on Linux. */
#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT */
#include "base/thread.h"

#include <sched.h>
#include <stdio.h>

/* Processors that a quota of `quota` microseconds in every `period` amounts to; 0 = no limit. */
static int quota_threads(long long quota, long long period) {
    if (quota <= 0 || period <= 0) return 0;
    return (int)((quota + period - 1) / period);
}

static int cgroup_limit(void) {
    long long quota = 0, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (f) {
        int n = fscanf(f, "%lld %lld", &quota, &period); /* "max 100000" reads nothing: no limit */
        fclose(f);
        return n == 2 ? quota_threads(quota, period) : 0;
    }
    f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re");
    if (!f) return 0;
    int n = fscanf(f, "%lld", &quota);
    fclose(f);
    f = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re");
    if (!f) return 0;
    n += fscanf(f, "%lld", &period);
    fclose(f);
    return n == 2 ? quota_threads(quota, period) : 0;
}

int thread_default_count(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int limit = cgroup_limit();
    if (limit > 0 && limit < n) n = limit;
    return n > 0 ? n : 1;
}
