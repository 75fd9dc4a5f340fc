/* `compare`: two conditions of a study side by side. */
#include "cli/tables.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "report/compare.h"

/* DIR/report/compare-A-B.html, with A and B made fit for a file's name. */
static char *default_path(const store *s, const char *a, const char *b, ss_error *err) {
    text t = {0};
    char *folder = file_join(store_folder(s), "report"), *path = NULL;
    text_add(&t, "compare-");
    for (int i = 0; i < 2; i++) {
        if (i) text_add(&t, "-");
        for (const char *c = i ? b : a; *c; c++) text_add_n(&t, strchr(" =/", *c) ? "_" : c, 1);
    }
    text_add(&t, ".html");
    if (!folder || t.failed) error_no_memory(err, "a file name", 1);
    else if (file_make_folder(folder, err) == SS_OK && !(path = file_join(folder, t.s)))
        error_no_memory(err, "a file name", 1);
    free(folder);
    text_free(&t);
    return path;
}

static ss_status cmd_compare_run(const invocation *in, ss_error *err) {
    store *s;
    const char *a = invocation_arg(in, 1), *b = invocation_arg(in, 2), *out = invocation_flag(in, "out").text;
    SS_TRY(cli_open_store(&s, invocation_arg(in, 0), err));
    char *path = out ? text_copy(out) : default_path(s, a, b, err);
    ss_status status = path  ? compare_write(s, a, b, (int)invocation_flag(in, "images").integer, path, err)
                       : out ? error_no_memory(err, "a file name", 1)
                             : err->code;
    if (status == SS_OK) fprintf(cli_words(path), "page  %s\n", path);
    free(path);
    store_close(s);
    return status;
}

static const option FLAGS[] = {
    {"images", OPTION_INT, NULL, 0, 10000, "24", "how many images to show, those most different first"},
    {"out", OPTION_FILE, NULL, 0, 0, NULL, "the page (-o); DIR/report/compare-A-B.html if not given"},
    {0},
};

const command CLI_COMPARE = {
    .about = {"compare", "two conditions of a study side by side, as a page", FLAGS},
    .arguments = "DIR A B",
    .min_args = 3,
    .max_args = 3,
    .description =
        "A and B are conditions of the study in DIR (a family's name is enough where it has one member). The\n"
        "page has every metric of both, a dot an image against the baseline, the distance from the\n"
        "baseline's path where the study has the probe `trajectory`, and the images with their difference.\n"
        "  sinkscope compare out/first-light 'sink k=5' 'random k=5'",
    .run = cmd_compare_run,
};
