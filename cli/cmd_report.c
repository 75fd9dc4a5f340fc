/* `report`: a study's answer as a page, from its store alone. */
#include "cli/tables.h"

#include <stdlib.h>
#include "base/file.h"
#include "cli/progress.h"
#include "report/report.h"

/* The command that makes the study again from the copy of its file in the store. */
static void cmd_report_add_command(const store *s, text *out) {
    text_addf(out, "sinkscope run %s/study.yaml -o NEW-FOLDER", store_folder(s));
    if (store_limit(s)) text_addf(out, " --limit %d", store_limit(s));
}

static ss_status write_report(store *s, const char *folder, ss_error *err) {
    analysis *a;
    text repeat = {0}, words = {0};
    SS_TRY(analysis_make(&a, s, err));
    cmd_report_add_command(s, &repeat);
    ss_status status = repeat.failed ? error_no_memory(err, "a command", 1) : analysis_add_parts(a, s, err);
    if (status == SS_OK) status = report_write(s, a, folder, repeat.s, err);
    if (status == SS_OK) {
        analysis_describe(a, &words);
        analysis_describe_trends(a, &words);
        text_addf(&words, "\nreport  %s/index.html\n", folder);
        status = cli_print(&words, err);
    }
    text_free(&repeat);
    text_free(&words);
    analysis_free(a);
    return status;
}

static ss_status cmd_report_run(const invocation *in, ss_error *err) {
    store *s;
    SS_TRY(cli_open_store(&s, invocation_arg(in, 0), err));
    const char *out = invocation_flag(in, "out").text;
    char *folder = out ? text_copy(out) : file_join(store_folder(s), "report");
    ss_status status = folder ? write_report(s, folder, err) : error_no_memory(err, "a file name", 1);
    free(folder);
    store_close(s);
    return status;
}

static const option FLAGS[] = {
    {"out", OPTION_FOLDER, NULL, 0, 0, NULL, "folder for the report (-o); DIR/report if not given"},
    {0},
};

const command CLI_REPORT = {
    .about = {"report", "a study's answer as a page with figures, CSV and LaTeX tables", FLAGS},
    .arguments = "DIR",
    .min_args = 1,
    .max_args = 1,
    .description =
        "Writes DIR/report: index.html (one self-contained file that opens from disk), the numbers behind its\n"
        "figures as CSV, tables.tex (booktabs). Prints the main table and where the page is.\n"
        "  sinkscope report out/first-light",
    .run = cmd_report_run,
};
