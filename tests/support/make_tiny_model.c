/* The tiny model of the tests as a folder, for tests that run the program. Usage: make_tiny_model TESTS_DATA FOLDER */
#include <stdio.h>
#include "support/tiny_model.h"

int main(int argc, char **argv) {
    ss_error err = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: make_tiny_model TESTS_DATA FOLDER\n");
        return SS_ERR_USAGE;
    }
    if (tiny_model_make(argv[1], argv[2], &err) == SS_OK) return 0;
    fprintf(stderr, "%s: %s\n", err.where, err.message);
    return (int)err.code;
}
