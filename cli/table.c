/* The program's commands, in the order of the overview. */
#include "cli/tables.h"

const command *const CLI_COMMANDS[] = {
    &CLI_INSPECT, &CLI_FORWARD, &CLI_GENERATE, &CLI_TRACE,   &CLI_RUN,      &CLI_RESUME,
    &CLI_SCORE,   &CLI_REPORT,  &CLI_COMPARE,  &CLI_CONVERT, &CLI_FINDINGS, &CLI_EXPORT,
    &CLI_VERIFY,  &CLI_STATS,   &CLI_LIST,     &CLI_HELP,    &CLI_MANUAL,
};
const int CLI_COMMAND_COUNT = sizeof CLI_COMMANDS / sizeof CLI_COMMANDS[0];
