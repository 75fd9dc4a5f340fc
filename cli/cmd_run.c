/* `run`, `resume`, `verify`, `export`: studies. The work is in run/, store/ and analysis/; this file has the arguments,
 * the progress line and the final output. */
#include "cli/progress.h"
#include "cli/tables.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "analysis/analyse.h"
#include "store/export.h"
#include "run/forecast.h"
#include "run/run.h"
#include "run/verify.h"

/* ---- what the commands share ---- */

typedef struct session {
    study *study; /* of `run`; NULL where the store owns it */
    compute *c;
    pipeline *pl;
    plan *plan;
    store *store;
    progress_line line;
    run_options options;
} session;

static void session_close(session *s) {
    store_close(s->store);
    plan_free(s->plan);
    pipeline_close(s->pl);
    cli_compute_close(s->c);
    study_free(s->study);
}

static void session_begin(session *s, const invocation *in) {
    *s = (session){0};
    progress_begin(&s->line, in, &s->options);
}

/* Print the notices, and record them beside the results. */
static ss_status record_notices(session *s, ss_error *err) {
    cli_tell(&s->c->notices);
    return store_record_notices(s->store, &s->c->notices, err);
}

/* Rules that the study does not name become the model's. */
static ss_status cmd_run_open_model(session *s, const invocation *in, study *y, int limit, ss_error *err) {
    SS_TRY(cli_compute(in, &s->c, err));
    model_parts parts = y->parts;
    parts.variant = y->variant;
    parts.rules = y->rules;
    parts.data = cli_data_folder();
    SS_TRY(pipeline_open_parts(&s->pl, s->c, y->model, &parts, err));
    y->rules = *pipeline_rules_of(s->pl);
    pipeline_set_form(s->pl, y->weights);
    return plan_make(&s->plan, y, s->pl, limit, err);
}

static ss_status execute(session *s, ss_error *err) {
    SS_TRY(record_notices(s, err));
    ss_status status = run_plan(s->store, s->plan, s->c, s->pl, &s->options, err);
    if (status != SS_OK && s->line.active && s->line.width) fputc('\n', stderr);
    const study *y = store_study(s->store);
    if (status == SS_OK) status = run_sets(s->store, s->c, y->set_metric, y->n_set_metrics, &s->options, err);
    if (status == SS_OK) status = record_notices(s, err); /* those of the work itself */
    if (status == SS_ERR_INTERRUPTED)
        error_set(err, status, NULL, "interrupted; nothing is lost. Go on with: sinkscope resume %s",
                  store_folder(s->store));
    return status;
}

/* ---- run ---- */

static ss_status run_study(const invocation *in, session *s, ss_error *err) {
    const char *folder = invocation_flag(in, "out").text;
    int only_plan = invocation_has(in, "plan");
    study_places places = {.data = cli_data_folder()};
    char class_line[256];
    text numeric = {0}, words = {0};
    if (!folder && !only_plan) return error_set(err, SS_ERR_USAGE, NULL, "say where the results go: -o DIR");
    SS_TRY(study_load(&s->study, invocation_arg(in, 0), &places, err));
    SS_TRY(cmd_run_open_model(s, in, s->study, (int)invocation_flag(in, "limit").integer, err));
    SS_TRY(plan_read_texts(s->plan, s->pl, err));
    SS_TRY(study_note_metrics(s->study->metric, s->study->n_metrics, &s->c->notices, err));
    SS_TRY(study_note_metrics(s->study->set_metric, s->study->n_set_metrics, &s->c->notices, err));
    cli_tell(&s->c->notices);
    SS_TRY(plan_forecast(s->plan, s->c, s->pl, s->options.batch, err));
    plan_describe(s->plan, &words);
    SS_TRY(cli_print(&words, err));
    fflush(stdout);
    if (only_plan) return SS_OK;
    ss_status status = numeric_class_describe(s->c, s->plan->study, &numeric, err);
    snprintf(class_line, sizeof class_line, "%s", status == SS_OK ? numeric.s : "");
    text_free(&numeric);
    SS_TRY(status);
    SS_TRY(store_create(&s->store, folder, s->plan, class_line, err));
    SS_TRY(execute(s, err));
    SS_TRY(cli_print_answer(s->store, err));
    return store_settle(s->store, err);
}

static ss_status cmd_run_run(const invocation *in, ss_error *err) {
    session s;
    session_begin(&s, in);
    ss_status status = run_study(in, &s, err);
    session_close(&s);
    return status;
}

static const option RUN_FLAGS[] = {
    {"out", OPTION_FOLDER, NULL, 0, 0, NULL, "folder for the results (-o); made if it is not there"},
    {"limit", OPTION_INT, NULL, 0, 1000000000, "0",
     "run N (prompt, seed) groups only, every condition of each; 0 = all"},
    {"plan", OPTION_FLAG, NULL, 0, 0, "false", "print what would run, its time, memory and disk, and stop"},
    {0},
};

const command CLI_RUN = {
    .about = {"run", "run a study: images, measurements, scores, answer", RUN_FLAGS},
    .arguments = "STUDY.yaml",
    .min_args = 1,
    .max_args = 1,
    .description =
        "Prints the plan, runs it with a progress line, and prints the answer. Ctrl-C stops within seconds\n"
        "and loses at most the images in the making; 'resume' goes on, also after a power cut.\n"
        "The plan's time and memory come from a few seconds of its own work on this machine. Texts are encoded\n"
        "first and kept in DIR/text until the study is complete: the text encoders are not in memory later.\n"
        "  sinkscope run studies/first-light.yaml -o out/first-light",
    .run = cmd_run_run,
};

/* ---- resume ---- */

static ss_status resume_study(const invocation *in, session *s, ss_error *err) {
    text numeric = {0};
    SS_TRY(store_open(&s->store, invocation_arg(in, 0), STORE_WRITE, cli_data_folder(), err));
    SS_TRY(cmd_run_open_model(s, in, store_study(s->store), store_limit(s->store), err));
    ss_status status = numeric_class_describe(s->c, s->plan->study, &numeric, err);
    if (status == SS_OK) status = store_complete(s->store, s->plan, numeric.s, &s->c->notices, err);
    text_free(&numeric);
    if (status != SS_OK) return status;
    SS_TRY(execute(s, err));
    SS_TRY(cli_print_answer(s->store, err));
    return store_settle(s->store, err);
}

static ss_status resume(const invocation *in, ss_error *err) {
    session s;
    session_begin(&s, in);
    ss_status status = resume_study(in, &s, err);
    session_close(&s);
    return status;
}

const command CLI_RESUME = {
    .about = {"resume", "go on with a study that was interrupted", NULL},
    .arguments = "DIR",
    .min_args = 1,
    .max_args = 1,
    .description =
        "Makes what is missing. The result is byte for byte that of a run that was never interrupted; the model\n"
        "files and the numeric class (processor, libraries) have to be the same.",
    .run = resume,
};

/* ---- verify ---- */

static void describe_verification(const verify_report *r, const study *y, text *out) {
    text_addf(out, "units    %lld of %lld planned\n", (long long)r->units, (long long)r->units_planned);
    text_addf(out, "files    %lld, damaged or missing: %lld\n", (long long)r->files, (long long)r->files_damaged);
    text_addf(out, "shams    %lld, differing from the baseline: %lld\n", (long long)r->shams,
              (long long)r->shams_differing);
    if (r->failed) text_addf(out, "failed   %lld, not finite\n", (long long)r->failed);
    text_addf(out, "remade   %lld, differing: %lld%s\n", (long long)r->remade, (long long)r->remade_differing,
              r->same_class ? "" : " (another numeric class: pixels within 1 level pass)");
    if (r->rounded) {
        text_addf(out, "weights  %s: %lld made again without rounding; pixels differ by ",
                  WEIGHT_FORM_NAMES[y->weights], (long long)r->rounded);
        text_add_double(out, r->rounding_rmse, 3);
        text_addf(out, " levels (rms), by %d at most\n", r->rounding_most);
    }
    text_addf(out, "model    %lld files, differing: %lld\n", (long long)r->model_files,
              (long long)r->model_files_differing);
    text_add(out, text_for(&r->problems, out));
    text_add(out, r->n_problems ? "NOT VERIFIED\n" : "verified\n");
}

static ss_status verify_study(const invocation *in, session *s, ss_error *err) {
    verify_report r = {0};
    text words = {0};
    SS_TRY(cli_open_store(&s->store, invocation_arg(in, 0), err));
    SS_TRY(cmd_run_open_model(s, in, store_study(s->store), store_limit(s->store), err));
    ss_status status =
        verify_store(s->store, s->plan, s->c, s->pl, (int)invocation_flag(in, "remake").integer, &s->options, &r, err);
    if (status == SS_OK) {
        describe_verification(&r, store_study(s->store), &words);
        status = cli_print(&words, err);
        if (status == SS_OK && r.n_problems)
            status = error_set(err, SS_ERR_STORE, store_folder(s->store), "%d problems found", r.n_problems);
    }
    verify_free(&r);
    return status;
}

static ss_status verify(const invocation *in, ss_error *err) {
    session s;
    session_begin(&s, in);
    ss_status status = verify_study(in, &s, err);
    session_close(&s);
    return status;
}

static const option VERIFY_FLAGS[] = {
    {"remake", OPTION_INT, NULL, 0, 1000000000, "4", "images to generate again and compare byte by byte"},
    {0},
};

const command CLI_VERIFY = {
    .about = {"verify", "check a study: checksums, completeness, sham identities, a sample made again", VERIFY_FLAGS},
    .arguments = "DIR",
    .min_args = 1,
    .max_args = 1,
    .description = "Exit code 5 where anything differs.",
    .run = verify,
};

/* ---- export ---- */

/* A closed pipe ends the export quietly; another failure of standard output is an error of the command. */
static int write_out(void *user, const char *bytes, size_t n) {
    int *closed = user;
    if (fwrite(bytes, 1, n, stdout) == n) return 0;
    if (errno == EPIPE) *closed = 1;
    return 1;
}

static ss_status export(const invocation *in, ss_error *err) {
    const char *name = invocation_flag(in, "table").text;
    store *s = NULL;
    int closed = 0;
    const entry *table = entry_find(EXPORT_TABLES, sizeof *EXPORT_TABLES, EXPORT_TABLE_COUNT, "table", name, NULL, err);
    if (!table) return err->code = SS_ERR_USAGE;
    SS_TRY(cli_open_store(&s, invocation_arg(in, 0), err));
    ss_status status = export_csv(s, (const export_table *)(const void *)table, write_out, &closed, err);
    store_close(s);
    if (status == SS_OK && fflush(stdout) != 0 && errno == EPIPE) closed = 1;
    if (closed) clearerr(stdout);
    return status;
}

static const option EXPORT_FLAGS[] = {
    {"csv", OPTION_FLAG, NULL, 0, 0, "true", "as CSV (the only form)"},
    {"table", OPTION_TEXT, NULL, 0, 0, "scores",
     "scores, units, sites, trajectories, sinks, blocks, failures, cuts or actions"},
    {0},
};

const command CLI_EXPORT = {
    .about = {"export", "a study's tables as CSV, to standard output", EXPORT_FLAGS},
    .arguments = "DIR",
    .min_args = 1,
    .max_args = 1,
    .description = "Rows are ordered by what they are; equal studies give equal bytes.\n"
                   "  sinkscope export out/first-light --table scores > scores.csv",
    .run = export,
};
