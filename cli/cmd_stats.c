/* `stats`: the statistics of docs/METHOD.md on a table of scores from anywhere. */
#include "cli/tables.h"

#include <stdlib.h>
#include <string.h>
#include "stats/contrast.h"
#include "analysis/score_table.h"

/* One --contrast (or --positive): two conditions, and how many pairs all parts together have. */
typedef struct asked_contrast {
    const char *written;
    int a, b;
    int64_t pairs;
} asked_contrast;

/* What the command works with: the family of contrasts, behind them the positive control where there is one. */
typedef struct analysis {
    const invocation *in;
    score_table t;
    stats_options options;
    int metric, n_contrasts, n_asked;
    asked_contrast *asked;    /* [n_asked] */
    stats_contrast *contrast; /* [n_asked], of one part */
    stats_contrast **family;  /* [n_contrasts] */
} analysis;

/* The metric asked for, or the only one there is. */
static ss_status choose_metric(analysis *w, ss_error *err) {
    const char *asked = invocation_flag(w->in, "metric").text;
    const text_set *names = &w->t.metrics;
    w->metric = asked ? text_set_find(names, asked) : names->n == 1 ? 0 : -1;
    if (w->metric >= 0) return SS_OK;
    text all = {0};
    for (int i = 0; i < names->n; i++) text_addf(&all, "%s%s", i ? ", " : "", names->at[i]);
    if (all.failed) error_no_memory(err, "names of metrics", all.len);
    else
        error_set(err, SS_ERR_USAGE, NULL,
                  asked ? "no metric '%s' in the file (metrics: %s)"
                        : "%sthe file has several metrics; choose with --metric (%s)",
                  asked ? asked : "", all.s);
    text_free(&all);
    return err->code;
}

/* "a-b" or "a - b": names may contain dashes, so every dash is tried. */
static ss_status split_contrast(const text_set *conditions, asked_contrast *c, ss_error *err) {
    const char *s = c->written;
    for (const char *dash = strchr(s, '-'); dash; dash = strchr(dash + 1, '-')) {
        size_t length = (size_t)(dash - s);
        while (length > 0 && s[length - 1] == ' ') length--;
        c->a = text_set_find_n(conditions, s, length);
        c->b = text_set_find(conditions, dash + 1 + strspn(dash + 1, " "));
        if (c->a >= 0 && c->b >= 0) return SS_OK;
    }
    return error_set(err, SS_ERR_USAGE, NULL, "--contrast is '%s'; expected two conditions of the file as a-b", s);
}

static ss_status read_contrasts(analysis *w, ss_error *err) {
    const char *control = invocation_flag(w->in, "positive").text;
    while (invocation_repeat(w->in, "contrast", w->n_contrasts)) w->n_contrasts++;
    if (w->n_contrasts == 0) return error_set(err, SS_ERR_USAGE, NULL, "give at least one --contrast a-b");
    w->n_asked = w->n_contrasts + (control != NULL);
    w->asked = calloc((size_t)w->n_asked, sizeof *w->asked);
    w->contrast = calloc((size_t)w->n_asked, sizeof *w->contrast);
    w->family = calloc((size_t)w->n_contrasts, sizeof *w->family);
    if (!w->asked || !w->contrast || !w->family)
        return error_no_memory(err, "contrasts", (size_t)w->n_asked * sizeof *w->contrast);
    for (int i = 0; i < w->n_contrasts; i++) w->family[i] = &w->contrast[i];
    for (int i = 0; i < w->n_asked; i++) {
        w->asked[i].written = i < w->n_contrasts ? invocation_repeat(w->in, "contrast", i) : control;
        SS_TRY(split_contrast(&w->t.conditions, &w->asked[i], err));
    }
    return SS_OK;
}

static ss_status compute_contrast(analysis *w, int part, int i, ss_error *err) {
    asked_contrast *c = &w->asked[i];
    score_join joined;
    SS_TRY(score_table_join(&w->t, w->metric, part, c->a, c->b, &joined, err));
    if (joined.alone)
        fprintf(stderr, "%s: %lld rows without a partner are left out\n", c->written, (long long)joined.alone);
    c->pairs += joined.pairs.count;
    ss_status status = stats_contrast_compute(&joined.pairs, &w->options, &w->contrast[i], err);
    score_join_free(&joined);
    return status;
}

static void print_contrast(const char *name, const stats_contrast *c, text *out) {
    text_addf(out, "%s\n", name);
    for (const stats_field *f = stats_fields; f->name; f++) {
        text value = {0};
        if (!stats_field_shown(f, stats_contrast_failed(c))) continue;
        stats_field_add(f, c, 7, &value);
        const char *s = text_for(&value, out);
        if (*s) text_addf(out, "  %-18s %-24s %s\n", f->name, s, f->help);
        text_free(&value);
    }
}

static ss_status read_options(const invocation *in, stats_options *o, ss_error *err) {
    *o = stats_options_default();
    for (const option *row = stats_option_table; row->name; row++) {
        option_value v = invocation_flag(in, row->name);
        if (v.is_set) SS_TRY(stats_options_set(o, row->name, v.text, NULL, err));
    }
    return SS_OK;
}

static void add_json(const analysis *w, const char *by, int part, int i, text *out) {
    text_add(out, "{\"contrast\": ");
    text_add_json(out, w->asked[i].written);
    text_add(out, ", \"metric\": ");
    text_add_json(out, w->t.metrics.at[w->metric]);
    if (by) {
        text_add(out, ", \"by\": {");
        text_add_json(out, by);
        text_add(out, ": ");
        text_add_json(out, w->t.parts.at[part]);
        text_add(out, "}");
    }
    text_add(out, ", \"figures\": ");
    stats_contrast_add_json(&w->contrast[i], out);
    text_add(out, "}");
}

/* The contrasts asked for, as one family, on the rows of one part. */
static ss_status analyse_part(analysis *w, int part, text *out, ss_error *err) {
    const char *by = invocation_flag(w->in, "by").text, *name = w->t.parts.at[part];
    int as_json = invocation_has(w->in, "json");
    const stats_contrast *positive = w->n_asked > w->n_contrasts ? &w->contrast[w->n_contrasts] : NULL;
    for (int i = 0; i < w->n_asked; i++) SS_TRY(compute_contrast(w, part, i, err));
    SS_TRY(stats_contrasts_judge(w->family, w->n_contrasts, positive, w->options.alpha, err));
    if (by && !as_json) text_addf(out, "%s: %s\n\n", by, *name ? name : "(none)");
    for (int i = 0; i < w->n_contrasts; i++) {
        if (as_json) {
            text_add(out, out->len ? ",\n " : "[");
            add_json(w, by, part, i, out);
        } else print_contrast(w->asked[i].written, &w->contrast[i], out);
    }
    if (by && !as_json) text_add(out, "\n");
    return SS_OK;
}

static ss_status analyse(analysis *w, text *out, ss_error *err) {
    int *parts, n;
    SS_TRY(read_options(w->in, &w->options, err));
    SS_TRY(choose_metric(w, err));
    SS_TRY(read_contrasts(w, err));
    SS_TRY(score_table_parts(&w->t, w->metric, &parts, &n, err));
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && i < n; i++) status = analyse_part(w, parts[i], out, err);
    free(parts);
    for (int i = 0; status == SS_OK && i < w->n_asked; i++)
        if (w->asked[i].pairs == 0) status = score_table_no_pair(&w->t, w->metric, w->asked[i].a, w->asked[i].b, err);
    if (invocation_has(w->in, "json")) text_add(out, "]\n");
    if (status == SS_OK && out->failed) status = error_no_memory(err, "output", out->len);
    return status;
}

static ss_status cmd_stats_run(const invocation *in, ss_error *err) {
    analysis w = {.in = in};
    text out = {0};
    ss_status status = score_table_read(invocation_arg(in, 0), invocation_flag(in, "by").text, &w.t, err);
    if (status == SS_OK) status = analyse(&w, &out, err);
    if (status == SS_OK) fputs(out.s, stdout);
    text_free(&out);
    free(w.asked);
    free(w.contrast);
    free(w.family);
    score_table_free(&w.t);
    return status;
}

static const option FLAGS[] = {
    {"contrast", OPTION_TEXT, NULL, 0, 0, NULL,
     "two conditions, a-b; may be repeated: together they are the family that is corrected"},
    {"metric", OPTION_TEXT, NULL, 0, 0, NULL, "which metric, where the file has several"},
    {"by", OPTION_TEXT, NULL, 0, 0, NULL,
     "a column, such as tag: the contrasts among the rows of each of its values, each time a family of their own"},
    {"positive", OPTION_TEXT, NULL, 0, 0, NULL,
     "the positive control's contrast, a-b: shows that the metric can see harm"},
    {"json", OPTION_FLAG, NULL, 0, 0, "false", "JSON instead of text"},
    {0},
};

const command CLI_STATS = {
    .about = {"stats", "paired statistics of a CSV of scores", FLAGS},
    .more_flags = stats_option_table,
    .arguments = "FILE.csv|-",
    .min_args = 1,
    .max_args = 1,
    .description =
        "FILE.csv has the columns prompt, seed, condition, metric, value (others are ignored, but that of --by); - is "
        "the\n"
        "standard input. A missing value is written as nan, NA or an empty field: no contrast may use it.\n"
        "The unit of inference is the prompt: a prompt's differences are averaged over its seeds first.\n"
        "A value may be 'failed': an image without a value, worse than every value (--worst says where that is).\n"
        "  sinkscope export out/first-light > scores.csv\n"
        "  sinkscope export out/first-light | sinkscope stats - --contrast 'sink k=1 - random k=1' --metric judge\n"
        "  sinkscope stats scores.csv --contrast 'sink k=1 - random k=1' --metric clip-t --margin 0.006\n"
        "  sinkscope stats scores.csv --contrast 'sink k=1 - random k=1' --metric clip-t --by tag",
    .run = cmd_stats_run,
};
