/* Another program that does the same work, for benchmarks that take turns with it: it says one line that names it, then
 * answers every line it reads with one line of numbers. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct peer {
    FILE *to, *from; /* NULL = no peer */
    char name[128];
} peer;

static inline void peer_failed(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static inline void peer_start(peer *p, char **argv) {
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) peer_failed("cannot make a pipe");
    pid_t pid = fork();
    if (pid < 0) peer_failed("cannot start the peer");
    if (pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        for (int i = 0; i < 2; i++) close(to[i]), close(from[i]);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    p->to = fdopen(to[1], "w");
    p->from = fdopen(from[0], "r");
    if (!p->to || !p->from || !fgets(p->name, sizeof p->name, p->from)) peer_failed("the peer said nothing");
    p->name[strcspn(p->name, "\n")] = '\0';
}

/* "WHAT NUMBER" to the peer, three numbers back. */
static inline void peer_ask(const peer *p, const char *what, int number, double *wall, double *processor,
                            double *result) {
    char line[256];
    fprintf(p->to, "%s %d\n", what, number);
    fflush(p->to);
    if (!fgets(line, sizeof line, p->from) || sscanf(line, "%lf %lf %lf", wall, processor, result) != 3)
        peer_failed("the peer failed");
}

static inline void peer_stop(peer *p) {
    if (!p->to) return;
    fclose(p->to);
    fclose(p->from);
    wait(NULL);
}

#endif
