/* Signals. The first SIGINT or SIGTERM sets a flag that the library polls at every operation; the second exits at
 * once. The flag is the program's only mutable global: a handler can reach nothing else. */
#include "cli/command.h"

#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop_requested;

static void on_stop(int signal_number) {
    (void)signal_number;
    if (stop_requested) _exit(SS_ERR_INTERRUPTED);
    stop_requested = 1;
}

void signals_install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_stop;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN; /* EPIPE is an error value: an export to a closed pipe ends quietly */
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* and so is EFBIG, of a file beyond the process's limit */
}

const volatile sig_atomic_t *signals_stop(void) { return &stop_requested; }
