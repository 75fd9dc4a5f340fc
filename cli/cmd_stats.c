/* `stats`: the statistics of method.md, section 6, on a table of scores from anywhere. */
#include "cli/tables.h"

#include <stdlib.h>
#include <string.h>
#include "io/csv.h"
#include "stats/contrast.h"

enum { MAX_CONTRASTS = 128 };

typedef struct score_row {
    int64_t prompt, seed;
    const char *condition, *metric, *part; /* part: of the column --by; "" = all rows are one */
    double value;
} score_row;

typedef struct score_table {
    csv_table *csv;
    int64_t n;
    score_row *row;
} score_table;

typedef struct text_at {
    const char *s;
    int64_t row;
} text_at;

static int by_text(const void *a, const void *b) { return strcmp(((const text_at *)a)->s, ((const text_at *)b)->s); }

/* Prompts may be numbers or texts: each distinct text gets a number, in sorted order. */
static ss_status label_prompts(score_table *t, int column, ss_error *err) {
    text_at *all = malloc((size_t)t->n * sizeof *all);
    if (!all) return error_no_memory(err, "prompts", (size_t)t->n * sizeof *all);
    for (int64_t i = 0; i < t->n; i++) all[i] = (text_at){csv_cell(t->csv, i, column), i};
    qsort(all, (size_t)t->n, sizeof *all, by_text);
    int64_t label = 0;
    for (int64_t i = 0; i < t->n; i++) {
        if (i && strcmp(all[i].s, all[i - 1].s) != 0) label++;
        t->row[all[i].row].prompt = label;
    }
    free(all);
    return SS_OK;
}

static ss_status read_scores(const char *path, const char *by, score_table *t, ss_error *err) {
    int prompt, seed, condition, metric, value, part = 0;
    SS_TRY(csv_read_file(path, &t->csv, err));
    SS_TRY(csv_find_column(t->csv, "prompt", &prompt, err));
    SS_TRY(csv_find_column(t->csv, "seed", &seed, err));
    SS_TRY(csv_find_column(t->csv, "condition", &condition, err));
    SS_TRY(csv_find_column(t->csv, "metric", &metric, err));
    SS_TRY(csv_find_column(t->csv, "value", &value, err));
    if (by) SS_TRY(csv_find_column(t->csv, by, &part, err));
    t->n = csv_row_count(t->csv);
    if (t->n == 0) return error_set(err, SS_ERR_INPUT, path, "has a header and no rows");
    t->row = calloc((size_t)t->n, sizeof *t->row);
    if (!t->row) return error_no_memory(err, "scores", (size_t)t->n * sizeof *t->row);
    for (int64_t i = 0; i < t->n; i++) {
        t->row[i].condition = csv_cell(t->csv, i, condition);
        t->row[i].metric = csv_cell(t->csv, i, metric);
        t->row[i].part = by ? csv_cell(t->csv, i, part) : "";
        SS_TRY(csv_get_int(t->csv, i, seed, &t->row[i].seed, err));
        SS_TRY(csv_get_double(t->csv, i, value, &t->row[i].value, err));
    }
    return label_prompts(t, prompt, err);
}

/* The metric asked for, or the only one there is. */
static ss_status choose_metric(const score_table *t, const char *asked, const char **out, ss_error *err) {
    const char *names[64];
    int n = 0;
    for (int64_t i = 0; i < t->n; i++) {
        int known = 0;
        for (int j = 0; j < n; j++) known |= strcmp(names[j], t->row[i].metric) == 0;
        if (!known && n < 64) names[n++] = t->row[i].metric;
    }
    *out = asked ? asked : n == 1 ? names[0] : NULL;
    for (int i = 0; *out && i < n; i++)
        if (strcmp(names[i], *out) == 0) return SS_OK;
    text all = {0};
    for (int i = 0; i < n; i++) text_addf(&all, "%s%s", i ? ", " : "", names[i]);
    error_set(err, SS_ERR_USAGE, NULL,
              asked ? "no metric '%s' in the file (metrics: %s)"
                    : "%sthe file has several metrics; choose with --metric (%s)",
              asked ? asked : "", all.failed ? "" : all.s);
    text_free(&all);
    return err->code;
}

static int has_condition(const score_table *t, const char *name, size_t len) {
    for (int64_t i = 0; i < t->n; i++)
        if (strncmp(t->row[i].condition, name, len) == 0 && t->row[i].condition[len] == '\0') return 1;
    return 0;
}

/* "a-b" or "a - b": names may hold dashes themselves, so every dash is tried. On success a[0..*a_len) and *b. */
static ss_status split_contrast(const score_table *t, const char *s, size_t *a_len, const char **b, ss_error *err) {
    for (const char *dash = strchr(s, '-'); dash; dash = strchr(dash + 1, '-')) {
        size_t len = (size_t)(dash - s);
        while (len > 0 && s[len - 1] == ' ') len--;
        *a_len = len;
        *b = dash + 1 + strspn(dash + 1, " ");
        if (has_condition(t, s, len) && has_condition(t, *b, strlen(*b))) return SS_OK;
    }
    return error_set(err, SS_ERR_USAGE, NULL, "--contrast is '%s'; expected two conditions of the file as a-b", s);
}

static int by_key(const void *a, const void *b) {
    const score_row *p = a, *q = b;
    if (p->prompt != q->prompt) return p->prompt < q->prompt ? -1 : 1;
    if (p->seed != q->seed) return p->seed < q->seed ? -1 : 1;
    return (p->condition > q->condition) - (p->condition < q->condition);
}

/* What is compared: rows of one metric and one part. */
typedef struct chosen {
    const char *metric, *part;
} chosen;

/* Those of one condition, sorted by prompt and seed. */
static int64_t take_condition(const score_table *t, const chosen *of, const char *name, size_t len, score_row *out) {
    int64_t n = 0;
    for (int64_t i = 0; i < t->n; i++)
        if (strcmp(t->row[i].metric, of->metric) == 0 && strcmp(t->row[i].part, of->part) == 0 &&
            strncmp(t->row[i].condition, name, len) == 0 && t->row[i].condition[len] == '\0')
            out[n++] = t->row[i];
    qsort(out, (size_t)n, sizeof *out, by_key);
    return n;
}

/* Join two sorted conditions on (prompt, seed). Returns the number of pairs; rows without a partner stay out. */
static int join(const score_row *a, int64_t na, const score_row *b, int64_t nb, stats_pairs *out, int64_t *prompt,
                int64_t *seed, double *va, double *vb) {
    int n = 0;
    for (int64_t i = 0, j = 0; i < na && j < nb;) {
        int order = a[i].prompt != b[j].prompt ? (a[i].prompt < b[j].prompt ? -1 : 1)
                                               : (a[i].seed > b[j].seed) - (a[i].seed < b[j].seed);
        if (order == 0) {
            prompt[n] = a[i].prompt, seed[n] = a[i].seed, va[n] = a[i].value, vb[n] = b[j].value;
            n++;
        }
        if (order <= 0) i++;
        if (order >= 0) j++;
    }
    *out = (stats_pairs){n, prompt, seed, va, vb};
    return n;
}

static ss_status compute_contrast(const score_table *t, const chosen *of, const char *written, const stats_options *o,
                                  stats_contrast *out, ss_error *err) {
    size_t a_len = 0, n = (size_t)t->n;
    const char *b = "";
    SS_TRY(split_contrast(t, written, &a_len, &b, err));
    score_row *rows = malloc(2 * n * sizeof *rows);
    int64_t *labels = malloc(2 * n * sizeof *labels);
    double *values = malloc(2 * n * sizeof *values);
    ss_status status = SS_OK;
    if (!rows || !labels || !values) {
        status = error_no_memory(err, "pairs", n * 100);
    } else {
        int64_t na = take_condition(t, of, written, a_len, rows), nb = take_condition(t, of, b, strlen(b), rows + na);
        stats_pairs pairs;
        int paired = join(rows, na, rows + na, nb, &pairs, labels, labels + n, values, values + n);
        if (na != paired || nb != paired)
            fprintf(stderr, "%s: %lld rows without a partner are left out\n", written,
                    (long long)(na + nb - 2 * (int64_t)paired));
        status = stats_contrast_compute(&pairs, o, out, err);
    }
    free(rows);
    free(labels);
    free(values);
    return status;
}

static void print_contrast(const char *name, const stats_contrast *c, text *out) {
    text_addf(out, "%s\n", name);
    for (const stats_field *f = stats_fields; f->name; f++) {
        text value = {0};
        stats_field_add(f, c, 7, &value);
        if (value.s && *value.s) text_addf(out, "  %-18s %-24s %s\n", f->name, value.s, f->help);
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

static void add_json(const char *name, const chosen *of, const char *by, const stats_contrast *c, text *out) {
    text_add(out, "{\"contrast\": ");
    text_add_json(out, name);
    text_add(out, ", \"metric\": ");
    text_add_json(out, of->metric);
    if (by) {
        text_add(out, ", \"by\": {");
        text_add_json(out, by);
        text_add(out, ": ");
        text_add_json(out, of->part);
        text_add(out, "}");
    }
    text_add(out, ", \"figures\": ");
    stats_contrast_add_json(c, out);
    text_add(out, "}");
}

/* The contrasts asked for, as one family, on the rows of one part. */
static ss_status analyse_part(const invocation *in, const score_table *t, const chosen *of, const stats_options *o,
                              text *out, ss_error *err) {
    stats_contrast contrast[MAX_CONTRASTS], *family[MAX_CONTRASTS], positive;
    const char *control = invocation_flag(in, "positive").text, *by = invocation_flag(in, "by").text;
    int n = 0;
    for (const char *s; n < MAX_CONTRASTS && (s = invocation_repeat(in, "contrast", n)) != NULL; n++) {
        SS_TRY(compute_contrast(t, of, s, o, &contrast[n], err));
        family[n] = &contrast[n];
    }
    if (n == 0) return error_set(err, SS_ERR_USAGE, NULL, "give at least one --contrast a-b");
    if (control) SS_TRY(compute_contrast(t, of, control, o, &positive, err));
    SS_TRY(stats_contrasts_judge(family, n, control ? &positive : NULL, o->alpha, err));
    if (by && !invocation_has(in, "json")) text_addf(out, "%s: %s\n\n", by, *of->part ? of->part : "(none)");
    for (int i = 0; i < n; i++) {
        const char *name = invocation_repeat(in, "contrast", i);
        if (!invocation_has(in, "json")) print_contrast(name, &contrast[i], out);
        else {
            text_add(out, out->len ? ",\n " : "[");
            add_json(name, of, by, &contrast[i], out);
        }
    }
    if (by && !invocation_has(in, "json")) text_add(out, "\n");
    return SS_OK;
}

/* Whether row i is the first of its part on the metric. */
static int begins_part(const score_table *t, int64_t i, const char *metric) {
    if (strcmp(t->row[i].metric, metric) != 0) return 0;
    for (int64_t j = 0; j < i; j++)
        if (strcmp(t->row[j].metric, metric) == 0 && strcmp(t->row[j].part, t->row[i].part) == 0) return 0;
    return 1;
}

static ss_status analyse(const invocation *in, const score_table *t, text *out, ss_error *err) {
    stats_options o;
    const char *metric;
    SS_TRY(read_options(in, &o, err));
    SS_TRY(choose_metric(t, invocation_flag(in, "metric").text, &metric, err));
    for (int64_t i = 0; i < t->n; i++)
        if (begins_part(t, i, metric)) SS_TRY(analyse_part(in, t, &(chosen){metric, t->row[i].part}, &o, out, err));
    if (invocation_has(in, "json")) text_add(out, "]\n");
    return out->failed ? error_no_memory(err, "output", out->len) : SS_OK;
}

static ss_status run(const invocation *in, ss_error *err) {
    score_table t = {0};
    text out = {0};
    ss_status status = read_scores(invocation_arg(in, 0), invocation_flag(in, "by").text, &t, err);
    if (status == SS_OK) status = analyse(in, &t, &out, err);
    if (status == SS_OK) fputs(out.s, stdout);
    text_free(&out);
    free(t.row);
    csv_close(t.csv);
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
    .arguments = "FILE.csv",
    .min_args = 1,
    .max_args = 1,
    .description =
        "FILE.csv has the columns prompt, seed, condition, metric, value (others are ignored, but that of --by).\n"
        "The unit of inference is the prompt: a prompt's differences are averaged over its seeds first.\n"
        "  sinkscope export out/first-light > scores.csv\n"
        "  sinkscope stats scores.csv --contrast 'sink k=1 - random k=1' --metric clip-t --margin 0.006\n"
        "  sinkscope stats scores.csv --contrast 'sink k=1 - random k=1' --metric clip-t --by tag",
    .run = run,
};
