/* Time and memory of whole programs, from start to end, by turns: bench_process ROUNDS NAME COMMAND [NAME COMMAND]...
 * Commands are lines of the shell and their output is thrown away. Processor time includes every thread; the peak is
 * that of resident memory, mapped pages included (VmHWM, as the kernel hands it to the parent). Starts programs from a
 * small process, since the peak of a child begins at its parent's size. */
#define _DEFAULT_SOURCE /* wait4 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench/samples.h"

enum { MAX_PROGRAMS = 8 };

typedef struct program {
    const char *name, *command;
    samples wall, processor, peak; /* seconds, seconds, MB */
} program;

static double seconds(struct timeval t) { return (double)t.tv_sec + 1e-6 * (double)t.tv_usec; }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void child(const char *command) {
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) dup2(nowhere, STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static int run(program *p) {
    struct rusage used;
    int status;
    double begin = now();
    pid_t pid = fork();
    if (pid == 0) child(p->command);
    if (pid < 0 || wait4(pid, &status, 0, &used) != pid) {
        perror(p->command);
        return 0;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "failed: %s\n", p->command);
        return 0;
    }
    samples_add(&p->wall, now() - begin);
    samples_add(&p->processor, seconds(used.ru_utime) + seconds(used.ru_stime));
    samples_add(&p->peak, 1024e-6 * (double)used.ru_maxrss);
    return 1;
}

int main(int argc, char **argv) {
    static program programs[MAX_PROGRAMS];
    int rounds = argc > 3 ? atoi(argv[1]) : 0, n = 0;
    for (int i = 2; i + 1 < argc && n < MAX_PROGRAMS; i += 2)
        programs[n++] = (program){.name = argv[i], .command = argv[i + 1]};
    if (rounds < 1 || rounds > MAX_ROUNDS || n == 0) {
        fprintf(stderr, "usage: bench_process ROUNDS NAME COMMAND [NAME COMMAND]...\n");
        return 2;
    }
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < n; i++)
            if (!run(&programs[i])) return 1;
    printf("%-34s %8s %8s %8s %10s %8s %9s\n", "seconds", "min", "median", "max", "processor", "of first", "peak MB");
    double first = samples_spread(&programs[0].wall).median;
    for (int i = 0; i < n; i++) {
        const program *p = &programs[i];
        spread wall = samples_spread(&p->wall);
        printf("%-34s %8.3f %8.3f %8.3f %10.3f %8.3f %9.1f\n", p->name, wall.min, wall.median, wall.max,
               samples_spread(&p->processor).median, wall.median / first, samples_spread(&p->peak).max);
    }
    return 0;
}
