/* A tiny model of the tests as a folder, for tests that run the program.
 * Usage: make_tiny_model TESTS_DATA FOLDER [tiny-sd3 | tiny-sdxl | tiny-sd15 | tiny-sd21] */
#include <stdio.h>
#include "support/tiny_model.h"

int main(int argc, char **argv) {
    ss_error err = {0};
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: make_tiny_model TESTS_DATA FOLDER [KIND]\n");
        return SS_ERR_USAGE;
    }
    if (tiny_model_make(argv[1], argc == 4 ? argv[3] : "tiny-sd3", argv[2], &err) == SS_OK) return 0;
    fprintf(stderr, "%s: %s\n", err.where, err.message);
    return (int)err.code;
}
