/* `score`: metrics over the images of a study, of a folder or of a list; scores made elsewhere taken in. */
#include "cli/tables.h"

#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/output.h"
#include "cli/progress.h"
#include "run/score_files.h"

static const char KINDS[] = "alignment|preference|distance|similarity"; /* metric_kind, without sets */

/* What the command works with. */
typedef struct scoring {
    progress_line line;
    run_options options;
    compute *c;
    store *store;    /* of a study, else NULL */
    study *no_study; /* owns the metrics' options where there is no study */
    study_metric metric[STUDY_MAX_METRICS];
    int n, n_images;
} scoring;

/* A damaged store is recognised as a store by any of its files. */
static ss_status is_store(const char *folder, int *is, ss_error *err) {
    static const char *const FILES[] = {"manifest.json", "results.sqlite", "study.yaml"};
    *is = 0;
    for (int i = 0; i < 3 && !*is; i++) {
        char *path = file_join(folder, FILES[i]);
        if (!path) return error_no_memory(err, "a file name", 1);
        *is = file_exists(path);
        free(path);
    }
    return SS_OK;
}

static ss_status cmd_score_read_metrics(scoring *s, const invocation *in, study *y, ss_error *err) {
    text list = {0};
    for (int i = 0; invocation_repeat(in, "metric", i); i++)
        text_addf(&list, "%s%s", i ? ", " : "", invocation_repeat(in, "metric", i));
    ss_status status =
        list.failed ? error_no_memory(err, "--metric", list.len)
        : list.s    ? study_parse_metrics(y, list.s, "--metric", s->metric, STUDY_MAX_METRICS, &s->n, &s->n_images, err)
                 : error_set(err, SS_ERR_USAGE, NULL, "give at least one --metric NAME; see 'sinkscope list metrics'");
    text_free(&list);
    return status;
}

/* ---- a study ---- */

static ss_status cmd_score_import(const invocation *in, scoring *s, ss_error *err) {
    int64_t n;
    SS_TRY(run_import(s->store, invocation_flag(in, "import").text, invocation_flag(in, "as").text,
                      (metric_kind)invocation_flag(in, "kind").word, &n, err));
    text t = {0};
    text_add_grouped(&t, n);
    text_add(&t, " scores taken in\n");
    return cli_print(&t, err);
}

static ss_status score_study(const invocation *in, scoring *s, ss_error *err) {
    const char *const foreign[] = {"against", "out", "tokenizer"};
    for (int i = 0; i < 3; i++)
        if (invocation_flag(in, foreign[i]).is_set)
            return error_set(err, SS_ERR_USAGE, NULL, "--%s is for images of no study; %s is a study", foreign[i],
                             invocation_arg(in, 0));
    SS_TRY(store_open(&s->store, invocation_arg(in, 0), STORE_WRITE, cli_data_folder(), err));
    if (invocation_flag(in, "import").text) SS_TRY(cmd_score_import(in, s, err));
    else {
        SS_TRY(cli_compute(in, &s->c, err));
        SS_TRY(cmd_score_read_metrics(s, in, store_study(s->store), err));
        SS_TRY(study_note_metrics(s->metric, s->n, &s->c->notices, err));
        cli_tell(&s->c->notices);
        for (int i = 0; i < s->n_images && invocation_has(in, "again"); i++)
            SS_TRY(run_forget_scores(s->store, &s->metric[i], err));
        SS_TRY(run_score(s->store, s->c, s->metric, s->n_images, &s->options, err));
        SS_TRY(run_sets(s->store, s->c, s->metric + s->n_images, s->n - s->n_images, &s->options, err));
        cli_tell(&s->c->notices);
        SS_TRY(store_record_notices(s->store, &s->c->notices, err));
    }
    SS_TRY(cli_print_answer(s->store, err));
    return store_settle(s->store, err);
}

/* ---- images of no study ---- */

/* Where nothing at all could be scored, the first reason. */
static ss_status check_scored(const file_scores *s, ss_error *err) {
    if (s->n == 0 || s->failed < s->n) return SS_OK;
    return error_set(err, SS_ERR_INPUT, NULL, "nothing could be scored (%lld rows); the first: %s", (long long)s->n,
                     s->at[0].problem);
}

static ss_status score_collection(const invocation *in, scoring *s, ss_error *err) {
    const char *against = invocation_flag(in, "against").text, *out = invocation_flag(in, "out").text;
    study_places places = {.data = cli_data_folder()};
    collection images = {0}, others = {0};
    file_scores scores = {0};
    text t = {0};
    int paired = 0;
    if (invocation_flag(in, "import").text)
        return error_set(err, SS_ERR_USAGE, NULL, "--import is for studies; %s is none", invocation_arg(in, 0));
    s->options.tokenizer = (tokenizer_rules)invocation_flag(in, "tokenizer").word;
    SS_TRY(study_empty(&s->no_study, &places, err));
    SS_TRY(cmd_score_read_metrics(s, in, s->no_study, err));
    SS_TRY(cli_compute(in, &s->c, err));
    SS_TRY(study_note_metrics(s->metric, s->n, &s->c->notices, err));
    cli_tell(&s->c->notices);
    for (int i = 0; i < s->n_images; i++) paired |= (s->metric[i].row->needs & METRIC_NEEDS_BASELINE) != 0;
    ss_status status = collection_read(invocation_arg(in, 0), &images, err);
    if (status == SS_OK && against) status = collection_read(against, &others, err);
    if (status == SS_OK && against && paired) status = collection_pair(&images, &others, against, err);
    if (status == SS_OK)
        status = score_files(&images, against ? &others : NULL, s->metric, s->n, s->n_images, out, s->c, &s->options,
                             &scores, err);
    if (status == SS_OK && out) file_scores_describe(&scores, &images, s->metric, s->n, &t);
    else if (status == SS_OK) file_scores_add_csv(&scores, &images, s->metric, &t);
    if (status == SS_OK && !(out && output_is_standard(out))) status = cli_print(&t, err);
    else if (status == SS_OK && t.failed) status = error_no_memory(err, "the output", t.len);
    else if (status == SS_OK && t.s) fputs(t.s, stderr);
    text_free(&t);
    if (status == SS_OK) status = check_scored(&scores, err);
    file_scores_free(&scores);
    collection_free(&images);
    collection_free(&others);
    return status;
}

static ss_status score(const invocation *in, ss_error *err) {
    scoring s = {0};
    int is_study;
    SS_TRY(is_store(invocation_arg(in, 0), &is_study, err));
    progress_begin(&s.line, in, &s.options);
    ss_status status = is_study ? score_study(in, &s, err) : score_collection(in, &s, err);
    store_close(s.store);
    cli_compute_close(s.c);
    study_free(s.no_study);
    return status;
}

static const option FLAGS[] = {
    {"metric", OPTION_TEXT, NULL, 0, 0, NULL,
     "a metric, as in a study file: ssim, or {clip-t: {model: DIR}}; may be repeated"},
    {"against", OPTION_TEXT, NULL, 0, 0, NULL,
     "the other images (folder or CSV): pairs of the same name for distances, the other set for fid, kid, cmmd"},
    {"out", OPTION_FILE, NULL, 0, 0, NULL, "CSV of the scores (-o); what it has already is not computed again"},
    {"import", OPTION_TEXT, NULL, 0, 0, NULL, "take in scores made elsewhere: a CSV, or GenEval's results.jsonl"},
    {"as", OPTION_TEXT, NULL, 0, 0, NULL, "name of the imported metric, where the file has no column 'metric'"},
    {"kind", OPTION_WORD, KINDS, 0, 0, "alignment", "what the imported metric is: which way is better follows from it"},
    TOKENIZER_RULE_OPTION,
    {"again", OPTION_FLAG, NULL, 0, 0, "false",
     "of a study: forget what it has of these metrics (not those of sets), and score by the weights that are there "
     "now"},
    {0},
};

const command CLI_SCORE = {
    .about = {"score", "score images by metrics: of a study, of a folder, of a list", FLAGS},
    .arguments = "DIR|CSV",
    .min_args = 1,
    .max_args = 1,
    .description =
        "A study's folder: adds metrics to it from its stored images, and prints the answer.\n"
        "  sinkscope score out/first-light --metric ssim --metric kid\n"
        "  sinkscope score out/first-light --import scores.csv --kind preference\n"
        "  sinkscope score out/first-light --metric clip-t --again   # its checkpoint was replaced\n"
        "Columns of an imported CSV: image, value, metric, and pixels (from 'export --table units') or sha256 (of the\n"
        "PNG), which are checked. GenEval's own scorer runs on DIR/images/CONDITION; import its results.jsonl,\n"
        "a condition at a time: images that the file does not name keep their values.\n"
        "Another folder, in GenEval's layout or of pictures alone, or a CSV with the columns image and prompt: scores "
        "to\n"
        "a CSV in long form, to standard output or -o FILE, which is also the cache and how an interrupted run goes "
        "on.\n"
        "  sinkscope score images/ --metric clip-t --metric hps-v2 -o scores.csv\n"
        "  sinkscope score changed/ --against plain/ --metric lpips-alex --metric fid -o scores.csv\n"
        "An image that cannot be scored is a row with a problem and no value. Weights are looked for in "
        "$SINKSCOPE_WEIGHTS\n"
        "and in the caches of Hugging Face and PyTorch; nothing is downloaded. 'sinkscope export DIR' writes a "
        "study's\n"
        "scores as CSV, as pandas and R read it; docs/METRICS.md has more.",
    .run = score,
};
