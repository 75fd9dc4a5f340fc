/* How many threads this process may use. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

/* min(processors in the affinity mask, cgroup v1 or v2 CPU quota rounded up), at least 1. */
int thread_default_count(void);

#endif
