/* The pool of threads. A worker has one word that says what it does; the caller posts a task by writing READY there,
 * and whoever changes READY first, the worker or the caller that has nothing left to do, runs the part. Both wait by
 * spinning for a short time and then in the kernel (futex). Relies on Linux and C11 atomics. */
#define _GNU_SOURCE /* syscall, MADV_WIPEONFORK */
#include "base/thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/thread.h"

enum { LINE = 64 };                        /* bytes: what one thread writes is in no other's cache line */
enum { IDLE, READY, TAKEN, ASLEEP, STOP }; /* what a worker does */
enum { WAITED_FOR = 1 << 30 };             /* added to `left` by a caller that sleeps */
enum { SPIN_NS = 200000, LOOKS = 32 };     /* docs/SPEED.md; looks at a word between two at the clock */

typedef struct worker {
    _Alignas(LINE) _Atomic uint32_t state;
    int part;
    pthread_t thread;
    thread_pool *pool;
} worker;

struct thread_pool {
    int wanted, started;    /* workers */
    int spins;              /* 0: there are more threads than processors */
    _Atomic uint32_t *here; /* in a page of its own that a child finds empty; NULL: `process` tells */
    pid_t process;
    int busy;              /* a part of a task may call the pool again */
    thread_pool_part *run; /* the task */
    void *context;
    _Alignas(LINE) _Atomic uint32_t left; /* parts posted and not done */
    worker worker[];
};

/* ---- waiting ---- */

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_while(_Atomic uint32_t *word, uint32_t value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); }

/* Until (*word == value) is `until`, or for SPIN_NS; the last look. */
static uint32_t spin(const thread_pool *p, _Atomic uint32_t *word, uint32_t value, int until) {
    uint32_t seen = atomic_load_explicit(word, memory_order_acquire);
    for (int64_t end = 0; p->spins && (seen == value) != until;) {
        for (int i = 0; i < LOOKS && (seen == value) != until; i++) {
            relax();
            seen = atomic_load_explicit(word, memory_order_acquire);
        }
        int64_t now = now_ns();
        if (end == 0) end = now + SPIN_NS;
        else if (now >= end) break;
    }
    return seen;
}

/* ---- workers ---- */

static void thread_pool_finish(thread_pool *p) {
    if (atomic_fetch_sub_explicit(&p->left, 1, memory_order_acq_rel) == WAITED_FOR + 1) wake(&p->left);
}

static void *thread_pool_work(void *context) {
    worker *w = context;
    thread_pool *p = w->pool;
    for (;;) {
        uint32_t seen = spin(p, &w->state, IDLE, 0);
        if (seen == STOP) return NULL;
        if (seen == READY) {
            if (!atomic_compare_exchange_strong_explicit(&w->state, &seen, TAKEN, memory_order_acq_rel,
                                                         memory_order_acquire))
                continue;
            p->run(p->context, w->part);
            atomic_store_explicit(&w->state, IDLE, memory_order_release);
            thread_pool_finish(p);
        } else if (seen == ASLEEP || atomic_compare_exchange_strong_explicit(
                                         &w->state, &seen, ASLEEP, memory_order_acq_rel, memory_order_acquire)) {
            sleep_while(&w->state, ASLEEP);
        }
    }
}

static void post(worker *w, uint32_t what) {
    if (atomic_exchange_explicit(&w->state, what, memory_order_acq_rel) == ASLEEP) wake(&w->state);
}

/* Signals are the caller's business, those apart that say what the thread itself did wrong. */
static void block_signals(sigset_t *before) {
    static const int OWN[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof OWN / sizeof OWN[0]; i++) sigdelset(&all, OWN[i]);
    pthread_sigmask(SIG_BLOCK, &all, before);
}

/* As many of the workers as can be had. */
static void start(thread_pool *p) {
    pthread_attr_t attributes;
    sigset_t before;
    p->started = p->busy = 0;
    p->process = getpid();
    if (p->here) atomic_store_explicit(p->here, 1, memory_order_relaxed);
    atomic_init(&p->left, 0);
    if (p->wanted == 0 || pthread_attr_init(&attributes) != 0) return;
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    block_signals(&before);
    for (; p->started < p->wanted; p->started++) {
        worker *w = &p->worker[p->started];
        *w = (worker){.part = p->started + 1, .pool = p};
        if (pthread_create(&w->thread, &attributes, thread_pool_work, w) != 0) break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

/* Whether this process is a child of the one that started the threads. */
static int forked(const thread_pool *p) {
    return p->here ? atomic_load_explicit(p->here, memory_order_relaxed) == 0 : p->process != getpid();
}

/* ---- the pool ---- */

static _Atomic uint32_t *map_here(void) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return NULL;
    if (madvise(at, page, MADV_WIPEONFORK) == 0) return at;
    munmap(at, page); /* a kernel before 4.14 */
    return NULL;
}

ss_status thread_pool_create(thread_pool **out, int threads, ss_error *err) {
    size_t workers = threads > 1 ? (size_t)threads - 1 : 0, bytes = sizeof(thread_pool) + workers * sizeof(worker);
    thread_pool *p = *out = aligned_alloc(LINE, bytes);
    if (!p) return error_no_memory(err, "a pool of threads", bytes);
    memset(p, 0, bytes);
    p->wanted = (int)workers;
    p->spins = threads <= thread_default_count();
    if (workers > 0) p->here = map_here();
    start(p);
    return SS_OK;
}

void thread_pool_destroy(thread_pool *p) {
    if (!p) return;
    int here = !forked(p);
    for (int i = 0; here && i < p->started; i++) post(&p->worker[i], STOP);
    for (int i = 0; here && i < p->started; i++) pthread_join(p->worker[i].thread, NULL);
    if (p->here) munmap(p->here, (size_t)sysconf(_SC_PAGESIZE));
    free(p);
}

int thread_pool_threads(const thread_pool *p) { return p ? p->started + 1 : 1; }

/* Parts whose worker has not begun. */
static void help(thread_pool *p, int posted) {
    for (int i = posted; i-- > 0;) {
        uint32_t ready = READY;
        worker *w = &p->worker[i];
        if (!atomic_compare_exchange_strong_explicit(&w->state, &ready, IDLE, memory_order_acq_rel,
                                                     memory_order_relaxed))
            continue;
        p->run(p->context, w->part);
        thread_pool_finish(p);
    }
}

static void await(thread_pool *p) {
    if (spin(p, &p->left, 0, 1) == 0) return;
    uint32_t left = atomic_fetch_add_explicit(&p->left, WAITED_FOR, memory_order_acq_rel) + WAITED_FOR;
    while (left != WAITED_FOR) {
        sleep_while(&p->left, left);
        left = atomic_load_explicit(&p->left, memory_order_acquire);
    }
}

void thread_pool_run(thread_pool *p, int parts, thread_pool_part *run, void *context) {
    int posted = 0;
    if (p && parts > 1 && forked(p)) start(p);
    if (p && parts > 1 && !p->busy) {
        posted = p->started < parts - 1 ? p->started : parts - 1;
        p->run = run;
        p->context = context;
        p->busy = 1;
        atomic_store_explicit(&p->left, (uint32_t)posted, memory_order_relaxed);
        for (int i = 0; i < posted; i++) post(&p->worker[i], READY);
    }
    if (parts > 0) run(context, 0);
    for (int part = posted + 1; part < parts; part++) run(context, part);
    if (posted == 0) return;
    help(p, posted);
    await(p);
    p->busy = 0;
}

/* ---- loops ---- */

typedef struct loop {
    thread_pool_range *run;
    void *context;
    int parts;
    int64_t n, piece;
    _Alignas(LINE) _Atomic int64_t next;
} loop;

/* One of equal ranges, the first ones longer by one index where they cannot be equal. */
static void run_share(void *context, int part) {
    const loop *l = context;
    int64_t length = l->n / l->parts, longer = l->n % l->parts;
    int64_t first = part * length + (part < longer ? part : longer), end = first + length + (part < longer);
    if (first < end) l->run(l->context, first, end, part);
}

static void run_pieces(void *context, int part) {
    loop *l = context;
    for (;;) {
        int64_t first = atomic_fetch_add_explicit(&l->next, l->piece, memory_order_relaxed);
        if (first >= l->n) return;
        l->run(l->context, first, l->n - first < l->piece ? l->n : first + l->piece, part);
    }
}

void thread_pool_for(thread_pool *p, int parts, int64_t n, int64_t piece, thread_pool_range *run, void *context) {
    int64_t pieces = piece > 0 ? (n + piece - 1) / piece : n;
    if (parts > pieces) parts = (int)pieces;
    if (n <= 0) return;
    if (parts <= 1) {
        run(context, 0, n, 0);
        return;
    }
    loop l = {run, context, parts, n, piece, 0};
    thread_pool_run(p, parts, piece > 0 ? run_pieces : run_share, &l);
}

ss_status thread_pool_for_once(int threads, int64_t n, int64_t piece, thread_pool_range *run, void *context,
                               ss_error *err) {
    thread_pool *p = NULL;
    if (threads > 1) SS_TRY(thread_pool_create(&p, threads, err));
    thread_pool_for(p, threads, n, piece, run, context);
    thread_pool_destroy(p);
    return SS_OK;
}
