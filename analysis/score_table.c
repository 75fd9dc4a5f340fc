/* Reading and joining a table of scores; see score_table.h. Texts become numbers once, rows are sorted once: a million
 * rows take seconds for any query. */
#include "analysis/score_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/seed.h"

/* ---- reading ---- */

/* How programs write that there is no number. */
static int is_missing(const char *s) {
    static const char *const WORDS[] = {"", "nan", "-nan", "na", "n/a", "<na>", "null", "none", "inf", "-inf", "+inf"};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (text_equal_fold(s, WORDS[i])) return 1;
    return 0;
}

static ss_status read_value(const score_table *t, score_entry *e, ss_error *err) {
    if (text_to_double(csv_cell(t->csv, e->row, t->value_column), &e->value) == 0) return SS_OK;
    e->value = (double)NAN;
    e->failed = strcmp(csv_cell(t->csv, e->row, t->value_column), "failed") == 0;
    if (e->failed || is_missing(csv_cell(t->csv, e->row, t->value_column))) return SS_OK;
    return csv_get_double(t->csv, e->row, t->value_column, &e->value, err);
}

/* A program that holds seeds as floating point writes 1.0. */
static ss_status read_seed(const score_table *t, score_entry *e, ss_error *err) {
    image_seed seed;
    if (seed_parse_cell(csv_cell(t->csv, e->row, t->seed_column), &seed) != 0)
        return csv_error(err, t->path, csv_line(t->csv, e->row),
                         "column 'seed' has '%s'; expected a whole number from -2^63 to 2^64 - 1",
                         csv_cell(t->csv, e->row, t->seed_column));
    e->seed = seed_key(seed);
    return SS_OK;
}

static ss_status score_table_read_rows(score_table *t, const char *by, ss_error *err) {
    int condition, metric, part = 0;
    SS_TRY(csv_find_column(t->csv, "prompt", &t->prompt_column, err));
    SS_TRY(csv_find_column(t->csv, "seed", &t->seed_column, err));
    SS_TRY(csv_find_column(t->csv, "condition", &condition, err));
    SS_TRY(csv_find_column(t->csv, "metric", &metric, err));
    SS_TRY(csv_find_column(t->csv, "value", &t->value_column, err));
    if (by) SS_TRY(csv_find_column(t->csv, by, &part, err));
    t->n = csv_row_count(t->csv);
    if (t->n == 0) return error_set(err, SS_ERR_INPUT, t->path, "has a header and no rows");
    t->at = calloc((size_t)t->n, sizeof *t->at);
    if (!t->at) return error_no_memory(err, "scores", (size_t)t->n * sizeof *t->at);
    for (int64_t i = 0; i < t->n; i++) {
        score_entry *e = &t->at[i];
        e->row = i;
        SS_TRY(text_set_add(&t->prompts, csv_cell(t->csv, i, t->prompt_column), &e->prompt, err));
        SS_TRY(text_set_add(&t->conditions, csv_cell(t->csv, i, condition), &e->condition, err));
        SS_TRY(text_set_add(&t->metrics, csv_cell(t->csv, i, metric), &e->metric, err));
        SS_TRY(text_set_add(&t->parts, by ? csv_cell(t->csv, i, part) : "", &e->part, err));
        SS_TRY(read_seed(t, e, err));
        SS_TRY(read_value(t, e, err));
    }
    return SS_OK;
}

/* ---- order ---- */

typedef struct numbered {
    const char *s;
    int64_t number;
} numbered;

static int score_table_by_text(const void *a, const void *b) {
    return strcmp(((const numbered *)a)->s, ((const numbered *)b)->s);
}

/* Prompts are numbered anew, in the order of their texts: figures do not depend on the order of the rows. */
static ss_status score_table_order_prompts(score_table *t, ss_error *err) {
    size_t n = (size_t)t->prompts.n;
    numbered *all = malloc(n * sizeof *all);
    int32_t *place = malloc(n * sizeof *place);
    ss_status status = all && place ? SS_OK : error_no_memory(err, "prompts", n * sizeof *all);
    if (status == SS_OK) {
        for (size_t i = 0; i < n; i++) all[i] = (numbered){t->prompts.at[i], (int64_t)i};
        qsort(all, n, sizeof *all, score_table_by_text);
        for (size_t i = 0; i < n; i++) place[all[i].number] = (int32_t)i;
        for (int64_t i = 0; i < t->n; i++) t->at[i].prompt = place[t->at[i].prompt];
    }
    free(all);
    free(place);
    return status;
}

static int compare_groups(const score_entry *p, const score_entry *q) {
    if (p->metric != q->metric) return p->metric < q->metric ? -1 : 1;
    if (p->part != q->part) return p->part < q->part ? -1 : 1;
    return (p->condition > q->condition) - (p->condition < q->condition);
}

static int score_table_compare_units(const score_entry *p, const score_entry *q) {
    if (p->prompt != q->prompt) return p->prompt < q->prompt ? -1 : 1;
    return (p->seed > q->seed) - (p->seed < q->seed);
}

static int compare(const void *a, const void *b) {
    int c = compare_groups(a, b);
    return c ? c : score_table_compare_units(a, b);
}

static ss_status check_twice(const score_table *t, const char *by, ss_error *err) {
    for (int64_t i = 1; i < t->n; i++) {
        const score_entry *p = &t->at[i - 1], *q = &t->at[i];
        if (compare(p, q) != 0) continue;
        if (p->row > q->row) p = &t->at[i], q = &t->at[i - 1];
        return csv_error(
            err, t->path, csv_line(t->csv, q->row),
            "prompt '%s', seed %s, condition '%s', metric '%s' is given twice, first on line %d: expected one "
            "value of each%s",
            csv_cell(t->csv, q->row, t->prompt_column), csv_cell(t->csv, q->row, t->seed_column),
            t->conditions.at[q->condition], t->metrics.at[q->metric], csv_line(t->csv, p->row),
            by ? "" : "; if another column tells them apart, name it with --by");
    }
    return SS_OK;
}

static ss_status score_table_read_csv(const char *path, score_table *t, ss_error *err) {
    char *bytes;
    size_t size;
    t->path = path;
    if (strcmp(path, "-") != 0) return csv_read_file(path, &t->csv, err);
    t->path = "standard input";
    SS_TRY(file_read_stream(STDIN_FILENO, t->path, CSV_LIMIT, &bytes, &size, err));
    ss_status status = csv_read_bytes(bytes, size, t->path, &t->csv, err);
    free(bytes);
    return status;
}

ss_status score_table_read(const char *path, const char *by, score_table *t, ss_error *err) {
    SS_TRY(score_table_read_csv(path, t, err));
    SS_TRY(score_table_read_rows(t, by, err));
    SS_TRY(score_table_order_prompts(t, err));
    qsort(t->at, (size_t)t->n, sizeof *t->at, compare);
    return check_twice(t, by, err);
}

void score_table_free(score_table *t) {
    text_set_free(&t->metrics);
    text_set_free(&t->parts);
    text_set_free(&t->conditions);
    text_set_free(&t->prompts);
    free(t->at);
    csv_close(t->csv);
    *t = (score_table){0};
}

/* ---- asking ---- */

/* The first row that is not before the group. */
static int64_t first_of(const score_table *t, const score_entry *group) {
    int64_t low = 0, high = t->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (compare_groups(&t->at[middle], group) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

void score_table_find(const score_table *t, int metric, int part, int condition, int64_t *begin, int64_t *end) {
    *begin = first_of(t, &(score_entry){.metric = metric, .part = part, .condition = condition});
    *end = first_of(t, &(score_entry){.metric = metric, .part = part, .condition = condition + 1});
}

typedef struct part_at {
    int64_t row;
    int part;
} part_at;

static int by_row(const void *a, const void *b) {
    const part_at *p = a, *q = b;
    return (p->row > q->row) - (p->row < q->row);
}

ss_status score_table_parts(const score_table *t, int metric, int **out, int *n, ss_error *err) {
    part_at *first = malloc((size_t)t->parts.n * sizeof *first);
    *out = malloc((size_t)t->parts.n * sizeof **out);
    *n = 0;
    if (!first || !*out) {
        free(first);
        return error_no_memory(err, "parts", (size_t)t->parts.n * sizeof *first);
    }
    int64_t begin = first_of(t, &(score_entry){.metric = metric}),
            end = first_of(t, &(score_entry){.metric = metric + 1});
    for (int64_t i = begin; i < end; i++) {
        const score_entry *e = &t->at[i];
        if (i == begin || e->part != e[-1].part) first[(*n)++] = (part_at){e->row, e->part};
        else if (e->row < first[*n - 1].row) first[*n - 1].row = e->row;
    }
    if (*n) qsort(first, (size_t)*n, sizeof *first, by_row);
    for (int i = 0; i < *n; i++) (*out)[i] = first[i].part;
    free(first);
    return SS_OK;
}

static ss_status check_value(const score_table *t, const score_entry *e, ss_error *err) {
    if (isfinite(e->value) || e->failed) return SS_OK;
    return csv_error(err, t->path, csv_line(t->csv, e->row),
                     "has the value '%s' in a contrast; expected a number. Leave the prompt and seed away in both "
                     "conditions, or score the image again",
                     csv_cell(t->csv, e->row, t->value_column));
}

ss_status score_table_join(const score_table *t, int metric, int part, int a, int b, score_join *out, ss_error *err) {
    int64_t i, end_a, j, end_b, n = 0;
    *out = (score_join){0};
    score_table_find(t, metric, part, a, &i, &end_a);
    score_table_find(t, metric, part, b, &j, &end_b);
    size_t rows = (size_t)(end_a - i) + 1;
    int64_t *prompt = out->labels = malloc(2 * rows * sizeof *prompt), *seed = prompt + rows;
    double *va = out->values = malloc(4 * rows * sizeof *va), *vb = va + rows, *fa = vb + rows, *fb = fa + rows;
    if (!prompt || !va) {
        score_join_free(out);
        return error_no_memory(err, "pairs", 6 * rows * sizeof *va);
    }
    out->alone = end_a - i + end_b - j;
    ss_status status = SS_OK;
    int failed = 0;
    while (status == SS_OK && i < end_a && j < end_b) {
        const score_entry *p = &t->at[i], *q = &t->at[j];
        int order = score_table_compare_units(p, q);
        if (order == 0) {
            status = check_value(t, p, err);
            if (status == SS_OK) status = check_value(t, q, err);
            failed |= p->failed || q->failed;
            fa[n] = p->failed, fb[n] = q->failed;
            prompt[n] = p->prompt, seed[n] = p->seed, va[n] = p->value, vb[n] = q->value;
            n++;
        }
        i += order <= 0;
        j += order >= 0;
    }
    if (status != SS_OK) {
        score_join_free(out);
        return status;
    }
    out->alone -= 2 * n;
    out->pairs = (stats_pairs){(int)n, prompt, seed, va, vb, failed ? fa : NULL, failed ? fb : NULL};
    return SS_OK;
}

void score_join_free(score_join *j) {
    free(j->labels);
    free(j->values);
    *j = (score_join){0};
}

/* "2 rows (the first: prompt 'a', seed 1)" of a condition on the metric, all parts together. */
static void add_count(const score_table *t, int metric, int condition, text *out) {
    int64_t n = 0, first = -1;
    for (int64_t i = first_of(t, &(score_entry){.metric = metric}); i < t->n && t->at[i].metric == metric; i++) {
        if (t->at[i].condition != condition) continue;
        if (n++ == 0 || t->at[i].row < first) first = t->at[i].row;
    }
    text_addf(out, "%lld row%s of '%s'", (long long)n, n == 1 ? "" : "s", t->conditions.at[condition]);
    if (n)
        text_addf(out, " (the first: prompt '%s', seed %s)", csv_cell(t->csv, first, t->prompt_column),
                  csv_cell(t->csv, first, t->seed_column));
}

ss_status score_table_no_pair(const score_table *t, int metric, int a, int b, ss_error *err) {
    text found = {0};
    add_count(t, metric, a, &found);
    text_add(&found, " and ");
    add_count(t, metric, b, &found);
    ss_status status =
        found.failed
            ? error_no_memory(err, "a message", found.len)
            : error_set(err, SS_ERR_INPUT, t->path,
                        "has no pair: looked for rows of '%s' and of '%s' with the same prompt and seed on the metric "
                        "'%s'; found %s",
                        t->conditions.at[a], t->conditions.at[b], t->metrics.at[metric], found.s);
    text_free(&found);
    return status;
}
