/* How many threads this process may use. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

/* The stack of a pool's thread (base/thread_pool.h): what it computes with is elsewhere. */
enum { THREAD_STACK_BYTES = 1 << 20 };

/* min(processors in the affinity mask, cgroup v1 or v2 CPU quota rounded up), at least 1. */
int thread_default_count(void);

/* How many threads, with their stacks and working memory, fit a quarter of the address space that the process may have
 * (ulimit -v); INT_MAX where it is not limited. */
int thread_roomy_count(void);

#endif
