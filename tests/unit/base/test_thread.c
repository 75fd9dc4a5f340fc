/* Threads: how many there may be on machines of any size, and how many can be started. This program's own
 * sched_getaffinity stands in for the kernel's. */
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

/* Room for stacks and work in a quarter of the address space. */
static void test_little_room(void **state) {
    (void)state;
    const struct rlimit little = {200 << 20, 200 << 20};
    assert_int_equal(thread_roomy_count(), INT_MAX);
    pid_t child = fork();
    if (child == 0) {
        if (setrlimit(RLIMIT_AS, &little) != 0) _exit(1);
        _exit(thread_roomy_count() == 25 ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_processors), cmocka_unit_test(test_little_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
