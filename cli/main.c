/* The program. Everything it does is a row of table.c. */
#include "cli/command.h"

int main(int argc, char **argv) {
    signals_install();
    return command_main(argc, argv);
}
