#define _GNU_SOURCE
#include "faults/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "faults/tree.h"

void process_open(process *p, const char *path) {
    snprintf(p->record_at, sizeof p->record_at, "%s", path);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || ftruncate(fd, sizeof(fault_record)) != 0) tree_die("cannot make", path);
    p->record = mmap(NULL, sizeof(fault_record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p->record == MAP_FAILED) tree_die("cannot map", path);
    close(fd);
}

static void redirect(const char *folder, const char *end, int to) {
    char path[TREE_PATH];
    snprintf(path, sizeof path, "%s.%s", folder, end);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || dup2(fd, to) < 0) _exit(127);
    close(fd);
}

static void become(const process *p, const char *folder, const char *const *args, int order) {
    enum { MOST = 40 };
    const char *argv[MOST] = {p->program};
    int n = 1;
    for (; args[n - 1] && n + 1 < MOST; n++) argv[n] = args[n - 1];
    redirect(folder, "out", STDOUT_FILENO);
    redirect(folder, "err", STDERR_FILENO);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || chdir(folder) != 0) _exit(127);
    if (nothing > STDERR_FILENO) close(nothing);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_CPU, &(struct rlimit){PROCESS_SECONDS, PROCESS_SECONDS});
    personality(ADDR_NO_RANDOMIZE);
    if (order) {
        setenv("LD_PRELOAD", p->injector, 1);
        setenv(FAULTS_FILE, p->record_at, 1);
    }
    alarm(2 * PROCESS_SECONDS); /* stays over exec: its signal ends the program */
    execv(p->program, (char *const *)argv);
    _exit(127);
}

int process_run(process *p, const char *folder, const char *const *args, int order) {
    if (order) p->record->n = 0, p->record->fired = 0, p->record->where[0] = '\0';
    pid_t child = fork();
    if (child < 0) tree_die("cannot start", p->program);
    if (child == 0) become(p, folder, args, order);
    int status;
    if (waitpid(child, &status, 0) != child) tree_die("cannot wait for", p->program);
    if (WIFEXITED(status)) {
        if (WEXITSTATUS(status) >= 126) {
            fprintf(stderr, "faults: %s cannot be run with %s\n", p->program, p->injector);
            exit(WEXITSTATUS(status) == 126 ? 77 : 1); /* Meson's word for a test that is skipped */
        }
        return WEXITSTATUS(status);
    }
    int by = WTERMSIG(status);
    return by == SIGALRM || by == SIGXCPU || by == SIGKILL ? PROCESS_HANGS : -1000 - by;
}
