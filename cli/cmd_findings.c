/* `findings`: several studies' answers as one document. */
#include "cli/tables.h"

#include <stdlib.h>
#include <string.h>
#include "report/findings.h"

/* Whether a study of the first one's model is of the same series as study i. */
static int has_partner(store *const *s, const int *same, int n, int i) {
    const char *series = store_study(s[i])->series;
    for (int j = 0; *series && j < n; j++)
        if (same[j] && strcmp(series, store_study(s[j])->series) == 0) return 1;
    return 0;
}

/* Studies whose weights are not the first one's need a series. */
static ss_status check_models(const invocation *in, int n, store *const *s, ss_error *err) {
    int *same = calloc((size_t)n, sizeof *same);
    ss_status status = same ? SS_OK : error_no_memory(err, "findings", (unsigned long long)n);
    for (int i = 0; status == SS_OK && i < n; i++) status = store_same_weights(s[0], s[i], &same[i], err);
    for (int i = 0; status == SS_OK && i < n; i++)
        if (!same[i] && !has_partner(s, same, n, i))
            status = error_set(
                err, SS_ERR_INPUT, invocation_arg(in, i),
                "is of the model '%s'; expected the weights of '%s', the first study's, or a 'series' with a study of "
                "it",
                store_study(s[i])->model, store_study(s[0])->model);
    free(same);
    return status;
}

/* Everything is opened before anything is written; studies stand in the order of the command line. */
static ss_status cmd_findings_open_all(const invocation *in, int n, store **s, analysis **a, ss_error *err) {
    for (int i = 0; i < n; i++) {
        SS_TRY(cli_open_store(&s[i], invocation_arg(in, i), err));
        SS_TRY(analysis_make(&a[i], s[i], err));
    }
    return check_models(in, n, s, err);
}

static ss_status cmd_findings_run(const invocation *in, ss_error *err) {
    int n = invocation_args(in);
    const char *out = invocation_flag(in, "out").text;
    store **s = calloc((size_t)n, sizeof *s);
    analysis **a = calloc((size_t)n, sizeof *a);
    finding *f = calloc((size_t)n, sizeof *f);
    ss_status status =
        s && a && f ? cmd_findings_open_all(in, n, s, a, err) : error_no_memory(err, "findings", (unsigned long long)n);
    for (int i = 0; status == SS_OK && i < n; i++) f[i] = (finding){s[i], a[i]};
    if (status == SS_OK) status = findings_write(f, n, out, err);
    if (status == SS_OK) fprintf(cli_words(out), "findings  %s\n", out);
    for (int i = 0; i < n; i++) {
        if (a) analysis_free(a[i]);
        if (s) store_close(s[i]);
    }
    free(s);
    free(a);
    free(f);
    return status;
}

static const option FLAGS[] = {
    {"out", OPTION_FILE, NULL, 0, 0, "FINDINGS.md", "the document (-o); its figures are written beside it"},
    {0},
};

const command CLI_FINDINGS = {
    .about = {"findings", "several studies' answers as one Markdown document with figures", FLAGS},
    .arguments = "DIR...",
    .min_args = 1,
    .max_args = -1,
    .description =
        "The studies are of one model, but for those that share a 'series' with one of its studies: these stand side "
        "by\n"
        "side. Tables of every contrast with its n, interval, corrected p, smallest\n"
        "detectable effect and verdict; studies without contrasts tell what the sinks are.\n"
        "  sinkscope findings out/findings/* -o docs/FINDINGS.md     # 'make findings' runs the studies first",
    .run = cmd_findings_run,
};
