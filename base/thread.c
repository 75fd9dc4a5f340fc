/* Thread count from the affinity mask and the cgroup quota, and what of it there is room for. Relies on Linux and
 * glibc. */
#define _GNU_SOURCE /* sched_getaffinity, CPU_ALLOC */
#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>

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

/* The kernel refuses a mask that is smaller than its own. */
static int affinity_count(void) {
    const size_t FIRST = 1024, LAST = 1 << 22;
    for (size_t processors = FIRST; processors <= LAST; processors *= 2) {
        size_t size = CPU_ALLOC_SIZE(processors);
        cpu_set_t *set = CPU_ALLOC(processors);
        if (!set) return 1;
        int failed = sched_getaffinity(0, size, set) != 0 ? errno : 0;
        int n = failed ? 1 : CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (failed != EINVAL) return n;
    }
    return 1;
}

int thread_default_count(void) {
    int n = affinity_count(), limit = cgroup_limit();
    if (limit > 0 && limit < n) n = limit;
    return n > 0 ? n : 1;
}

int thread_roomy_count(void) {
    const size_t WORK = 1 << 20; /* a product's rows and panels, attention's scores */
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return INT_MAX;
    rlim_t n = limit.rlim_cur / 4 / (THREAD_STACK_BYTES + WORK);
    return n < 1 ? 1 : n > INT_MAX ? INT_MAX : (int)n;
}
