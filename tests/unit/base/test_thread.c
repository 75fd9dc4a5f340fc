/* Threads: how many there may be on machines of any size, and how many can be had. This program's own sched_getaffinity
 * stands in for the kernel's. */
#define _GNU_SOURCE /* cpu_set_t */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/thread.h"

static int processors;

/* A machine whose mask has 4,096 bits, as a kernel built for so many has. */
int sched_getaffinity(pid_t process, size_t size, cpu_set_t *set) {
    enum { MASK_BYTES = 512 };
    (void)process;
    if (size < MASK_BYTES) {
        errno = EINVAL;
        return -1;
    }
    memset(set, 0, size);
    for (int i = 0; i < processors; i++) CPU_SET_S((size_t)i, size, set);
    return 0;
}

static void test_many_processors(void **state) {
    (void)state;
    processors = 1;
    assert_int_equal(thread_default_count(), 1);
    processors = 2000; /* a quota of this machine may allow fewer, but more than the one of a mask that failed */
    assert_true(thread_default_count() > 1);
}

static void test_available(void **state) {
    (void)state;
    assert_int_equal(thread_available_count(1), 1);
    assert_int_equal(thread_available_count(5), 5);
    assert_int_equal(thread_roomy_count(), INT_MAX);
}

/* In a process that may have 200 MB of address space: with stacks of 8 MB few threads, with small ones more. */
static void test_little_room(void **state) {
    (void)state;
    const struct rlimit little = {200 << 20, 200 << 20};
    pid_t child = fork();
    if (child == 0) {
        if (setrlimit(RLIMIT_AS, &little) != 0) _exit(1);
        int some = thread_available_count(200);
        if (some < 2 || some > 25) _exit(2);
        if (thread_roomy_count() > 6) _exit(3);
        thread_set_small_stacks();
        if (thread_available_count(200) <= some) _exit(4);
        if (thread_roomy_count() != 25) _exit(5);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_processors), cmocka_unit_test(test_available),
                                       cmocka_unit_test(test_little_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
