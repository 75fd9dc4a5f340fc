/* The program. Everything it does is a row of table.c. */
#include "cli/command.h"

#include <stdlib.h>
#include <unistd.h>
#include "base/thread.h"

/* GNU OpenMP's threads wait for one another by spinning, by default for some 10 ms: beside other work on the machine
 * that makes a run many times slower (docs/PITFALLS.md, measured). It reads its environment before main, so the program
 * starts itself again with a short spin; where that fails it goes on as it is. */
static void start_with_short_waits(char **argv) {
    char self[4096];
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0 || setenv("GOMP_SPINCOUNT", "10000", 1) != 0) return;
    self[n] = '\0';
    execv(self, argv);
}

int main(int argc, char **argv) {
    start_with_short_waits(argv);
    thread_set_small_stacks();
    signals_install();
    return command_main(argc, argv);
}
