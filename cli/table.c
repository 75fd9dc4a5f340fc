/* The program's commands (commands.def). */
#include "cli/tables.h"

const command *const CLI_COMMANDS[] = {
#define COMMAND(id) &CLI_##id,
#include "cli/commands.def"
};
const int CLI_COMMAND_COUNT = sizeof CLI_COMMANDS / sizeof CLI_COMMANDS[0];
