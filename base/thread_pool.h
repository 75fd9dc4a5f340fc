/* A pool of threads that share out the parts of one task at a time. The caller is one of them, so a pool of one thread
 * has none of its own, and a part whose thread is late is run by the caller: whatever becomes of the threads, every
 * part runs exactly once before a call returns. What a part computes must therefore not depend on the thread that runs
 * it.
 *
 * A pool belongs to who made it: one thread at a time calls it. A part may call its own pool (the parts then run one
 * after the other). In a child process made by fork the pool starts its threads anew at the first call. */
#ifndef BASE_THREAD_POOL_H
#define BASE_THREAD_POOL_H

#include <stdint.h>
#include "base/error.h"

typedef struct thread_pool thread_pool;

/* Part `part` of a task. No two parts with the same number run at once: scratch memory goes by the number. */
typedef void thread_pool_part(void *context, int part);
/* Indices [first, end) of a loop. */
typedef void thread_pool_range(void *context, int64_t first, int64_t end, int part);

/* A pool of `threads` (>= 1), the caller included, or of as many as can be started (thread_pool_threads). The threads
 * take no signals but those that say what they did wrong. Errors: SS_ERR_RESOURCE without memory for the pool itself.
 */
ss_status thread_pool_create(thread_pool **out, int threads, ss_error *err);
void thread_pool_destroy(thread_pool *p); /* NULL is allowed */

/* The caller included; 1 where p is NULL. */
int thread_pool_threads(const thread_pool *p);

/* run(context, 0) .. run(context, parts - 1). Where p is NULL, or has fewer threads, the caller runs what is left. */
void thread_pool_run(thread_pool *p, int parts, thread_pool_part *run, void *context);

/* The indices [0, n) in at most `parts` parts. piece = 0: cut once, in ranges of equal length; else in ranges of
 * `piece` indices, which a part takes one after the other as it gets done. */
void thread_pool_for(thread_pool *p, int parts, int64_t n, int64_t piece, thread_pool_range *run, void *context);

/* The same with a pool of `threads` for this one loop, which is long enough to start threads for. */
ss_status thread_pool_for_once(int threads, int64_t n, int64_t piece, thread_pool_range *run, void *context,
                               ss_error *err);

#endif
