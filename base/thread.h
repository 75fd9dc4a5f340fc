/* How many threads this process may use. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

/* min(processors in the affinity mask, cgroup v1 or v2 CPU quota rounded up), at least 1. */
int thread_default_count(void);

/* How many of `wanted` threads the process can have, the calling one included: they are started and ended. GNU OpenMP
 * ends the process where it cannot start a thread, so callers check here first. All limits count: of processes, of
 * address space, of the control group. At least 1. */
int thread_available_count(int wanted);

/* How many threads, with their stacks and working memory, fit a quarter of the address space that the process may have
 * (ulimit -v); INT_MAX where it is not limited. */
int thread_roomy_count(void);

/* From now on threads get small stacks, OpenMP's included: what they compute with is elsewhere. For a program; a
 * library leaves its process's setting alone. */
void thread_set_small_stacks(void);

#endif
