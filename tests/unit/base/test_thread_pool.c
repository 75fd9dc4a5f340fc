/* The pool of threads: every part runs once, whatever becomes of the threads: fewer than wanted, none in a child
 * process, late ones, calls from within. This program's own pthread_create stands in for the C library's. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/thread_pool.h"

static int creatable = -1; /* threads that can still be started; -1: as many as the machine allows */

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context) {
    if (creatable == 0) return EAGAIN;
    if (creatable > 0) creatable--;
    void *symbol = dlsym(RTLD_NEXT, "pthread_create");
    create_function *real;
    memcpy(&real, &symbol, sizeof real);
    return real(thread, attributes, run, context);
}

static thread_pool *pool_of(int threads) {
    thread_pool *p;
    ss_error err;
    assert_int_equal(thread_pool_create(&p, threads, &err), SS_OK);
    return p;
}

/* ---- loops ---- */

enum { MOST = 300, PARTS = 9 };

typedef struct counts {
    _Atomic int index[MOST], running[PARTS];
    thread_pool *inner; /* called by every index, unless NULL */
    int wrong;
} counts;

static void count(void *context, int64_t first, int64_t end, int part) {
    counts *c = context;
    if (part < 0 || part >= PARTS || first >= end || atomic_fetch_add(&c->running[part], 1) != 0) c->wrong = 1;
    for (int64_t i = first; i < end; i++) {
        atomic_fetch_add(&c->index[i], 1);
        if (c->inner) {
            counts inside = {0};
            thread_pool_for(c->inner, 3, 20, 1, count, &inside);
            for (int k = 0; k < 20; k++)
                if (inside.index[k] != 1) c->wrong = 1;
        }
    }
    atomic_fetch_sub(&c->running[part], 1);
}

/* Whether all indices of a loop ran once, for many loops. */
static int all_once(thread_pool *p, thread_pool *inner) {
    static const int64_t N[] = {0, 1, 2, 3, 7, 8, 64, MOST}, PIECE[] = {0, 1, 2, 5, 1000};
    for (int n = 0; n < 8; n++)
        for (int piece = 0; piece < 5; piece++)
            for (int parts = 1; parts <= PARTS; parts++) {
                counts c = {.inner = inner};
                thread_pool_for(p, parts, N[n], PIECE[piece], count, &c);
                for (int64_t i = 0; i < MOST; i++)
                    if (c.index[i] != (i < N[n])) return 0;
                if (c.wrong) return 0;
            }
    return 1;
}

static void test_loops(void **state) {
    (void)state;
    assert_true(all_once(NULL, NULL));
    for (int threads = 1; threads <= 5; threads++) {
        thread_pool *p = pool_of(threads);
        assert_int_equal(thread_pool_threads(p), threads);
        assert_true(all_once(p, NULL));
        thread_pool_destroy(p);
    }
    assert_int_equal(thread_pool_threads(NULL), 1);
    thread_pool_destroy(NULL);
}

static void test_once(void **state) {
    (void)state;
    counts c = {0};
    ss_error err;
    assert_int_equal(thread_pool_for_once(3, MOST, 1, count, &c, &err), SS_OK);
    for (int i = 0; i < MOST; i++) assert_int_equal(c.index[i], 1);
}

/* A part calls its own pool, and another one. */
static void test_nested(void **state) {
    (void)state;
    thread_pool *p = pool_of(3), *other = pool_of(1);
    assert_true(all_once(p, p));
    assert_true(all_once(p, other));
    thread_pool_destroy(other);
    thread_pool_destroy(p);
}

/* Equal ranges, the longer ones first: what a part gets follows from the number of parts. */
static void keep_range(void *context, int64_t first, int64_t end, int part) {
    int64_t(*range)[2] = context;
    range[part][0] = first;
    range[part][1] = end;
}

static void test_shares(void **state) {
    (void)state;
    static const int64_t WANTED[4][2] = {{0, 3}, {3, 6}, {6, 8}, {8, 10}};
    int64_t range[4][2];
    thread_pool *p = pool_of(2);
    thread_pool_for(p, 4, 10, 0, keep_range, range);
    assert_memory_equal(range, WANTED, sizeof WANTED);
    thread_pool_destroy(p);
}

/* ---- late threads: short tasks one after the other, the caller always through before the others ---- */

typedef struct sums {
    int64_t part[4];
    unsigned round;
} sums;

static void add_round(void *context, int part) {
    sums *s = context;
    if (part > 0 && s->round % 64 == (unsigned)part) usleep(300); /* longer than anybody spins */
    s->part[part] += s->round;
}

static void test_late(void **state) {
    (void)state;
    enum { ROUNDS = 3000 };
    sums s = {{0}, 0};
    thread_pool *p = pool_of(4);
    for (s.round = 0; s.round < ROUNDS; s.round++) {
        thread_pool_run(p, 2 + (int)(s.round % 3), add_round, &s);
        if (s.round % 500 == 499) usleep(2000); /* all asleep */
    }
    thread_pool_destroy(p);
    int64_t sum[4] = {0};
    for (int64_t round = 0; round < ROUNDS; round++)
        for (int part = 0; part < 2 + round % 3; part++) sum[part] += round;
    assert_memory_equal(s.part, sum, sizeof sum);
}

/* ---- what cannot be had ---- */

static void test_fewer(void **state) {
    (void)state;
    for (int n = 0; n <= 4; n++) {
        creatable = n;
        thread_pool *p = pool_of(5);
        creatable = -1;
        assert_int_equal(thread_pool_threads(p), n + 1);
        assert_true(all_once(p, NULL));
        thread_pool_destroy(p);
    }
}

static int ended_well(pid_t child) {
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* In a process that may have 200 MB of address space, stacks and all. */
static void test_little_room(void **state) {
    (void)state;
    const struct rlimit little = {200 << 20, 200 << 20};
    pid_t child = fork();
    if (child == 0) {
        thread_pool *p;
        ss_error err;
        if (setrlimit(RLIMIT_AS, &little) != 0) _exit(1);
        if (thread_pool_create(&p, 1000, &err) != SS_OK) _exit(2);
        if (thread_pool_threads(p) < 25 || thread_pool_threads(p) > 200) _exit(3);
        if (!all_once(p, NULL)) _exit(4);
        thread_pool_destroy(p);
        _exit(0);
    }
    assert_true(ended_well(child));
}

/* ---- children ---- */

/* A child, and its child, use the pool and end it; `threads` = that they can start. */
static pid_t fork_and_use(thread_pool *p, int threads, int generations) {
    pid_t child = fork();
    if (child != 0) return child;
    alarm(60); /* a lost thread would be waited for for ever */
    creatable = threads;
    if (!all_once(p, NULL)) _exit(1);
    if (thread_pool_threads(p) != threads + 1) _exit(2);
    if (generations > 1 && !ended_well(fork_and_use(p, threads, generations - 1))) _exit(3);
    thread_pool_destroy(p);
    _exit(0);
}

static void test_fork(void **state) {
    (void)state;
    thread_pool *p = pool_of(4), *unused;
    assert_true(all_once(p, NULL));
    for (int threads = 0; threads <= 3; threads++) assert_true(ended_well(fork_and_use(p, threads, 2)));
    pid_t child = fork(); /* ends it without a call */
    if (child == 0) {
        alarm(60);
        thread_pool_destroy(p);
        _exit(0);
    }
    assert_true(ended_well(child));
    assert_true(all_once(p, NULL));
    unused = pool_of(4);
    assert_true(ended_well(fork_and_use(unused, 3, 1)));
    thread_pool_destroy(unused);
    thread_pool_destroy(p);
}

/* More threads than processors in many processes at once: all come to their end. */
static void test_many_processes(void **state) {
    (void)state;
    enum { PROCESSES = 6 };
    pid_t child[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        child[i] = fork();
        if (child[i] != 0) continue;
        alarm(120);
        thread_pool *p = pool_of(3);
        sums s = {{0}, 0};
        for (s.round = 1; s.round < 4000; s.round += 64) thread_pool_run(p, 3, add_round, &s);
        thread_pool_destroy(p);
        _exit(s.part[0] == s.part[2] ? 0 : 1);
    }
    for (int i = 0; i < PROCESSES; i++) assert_true(ended_well(child[i]));
}

/* ---- signals ---- */

static volatile sig_atomic_t by_caller, by_others;
static pthread_t caller;

static void note(int signal) {
    (void)signal;
    if (pthread_equal(pthread_self(), caller)) by_caller = 1;
    else by_others = 1;
}

static void stay(void *context, int part) {
    (void)context;
    if (part == 0) kill(getpid(), SIGUSR1);
    usleep(20000);
}

static void test_signals(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = note}, before;
    caller = pthread_self();
    thread_pool *p = pool_of(3);
    sigaction(SIGUSR1, &action, &before);
    for (int i = 0; i < 10; i++) thread_pool_run(p, 3, stay, NULL);
    sigaction(SIGUSR1, &before, NULL);
    thread_pool_destroy(p);
    assert_true(by_caller && !by_others);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loops),          cmocka_unit_test(test_once),
                                       cmocka_unit_test(test_nested),         cmocka_unit_test(test_shares),
                                       cmocka_unit_test(test_late),           cmocka_unit_test(test_fewer),
                                       cmocka_unit_test(test_little_room),    cmocka_unit_test(test_fork),
                                       cmocka_unit_test(test_many_processes), cmocka_unit_test(test_signals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
