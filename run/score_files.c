/* Scoring a collection; see score_files.h. The file of results is the cache: its rows are known by the checksums of
 * pixels and weights, never by names. While it runs, rows go to PATH.partial one by one, so that a kill loses one. */
#include "run/score_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/array.h"
#include "base/clock.h"
#include "base/output.h"
#include "base/text.h"
#include "base/text_set.h"
#include "io/csv.h"
#include "io/image.h"

static const char HEADER[] = "image,pixels,prompt,tag,baseline,metric,weights,value,unreadable,note,problem\n";
enum {
    PIXELS = 1,
    PROMPT = 2,
    BASELINE = 4,
    METRIC = 5,
    WEIGHTS = 6,
    VALUE = 7,
    UNREADABLE = 8,
    NOTE = 9,
    PROBLEM = 10,
    COLUMNS = 11
};

/* ---- what is known already ---- */

typedef struct known_score {
    char *key, *note;
    double value;
    int unreadable;
} known_score;

typedef struct known_scores {
    int64_t n;
    size_t capacity;
    known_score *at; /* sorted by key once all are read */
} known_scores;

static void known_free(known_scores *k) {
    for (int64_t i = 0; i < k->n; i++) {
        free(k->at[i].key);
        free(k->at[i].note);
    }
    free(k->at);
}

static char *make_key(const char *pixels, const char *baseline, const char *prompt, const char *metric_name,
                      const char *weights) {
    text key = {0};
    text_addf(&key, "%s %s %s %s %s", pixels, baseline, weights, metric_name, prompt);
    if (!key.failed) return key.s;
    text_free(&key);
    return NULL;
}

static int compare_known(const void *a, const void *b) {
    return strcmp(((const known_score *)a)->key, ((const known_score *)b)->key);
}

static const known_score *known_find(const known_scores *k, char *key) {
    known_score wanted = {.key = key};
    return k->n && key ? bsearch(&wanted, k->at, (size_t)k->n, sizeof *k->at, compare_known) : NULL;
}

static ss_status known_add(known_scores *k, const csv_table *t, int64_t row, ss_error *err) {
    int64_t unreadable;
    double value;
    if (*csv_cell(t, row, PROBLEM)) return SS_OK; /* tried again */
    SS_TRY(csv_get_double(t, row, VALUE, &value, err));
    SS_TRY(csv_get_int(t, row, UNREADABLE, &unreadable, err));
    SS_TRY(ARRAY_ROOM(k->at, k->capacity, k->n + 1, "known scores", err));
    known_score *s = &k->at[k->n++];
    *s = (known_score){make_key(csv_cell(t, row, PIXELS), csv_cell(t, row, BASELINE), csv_cell(t, row, PROMPT),
                                csv_cell(t, row, METRIC), csv_cell(t, row, WEIGHTS)),
                       text_copy(csv_cell(t, row, NOTE)), value, unreadable != 0};
    return s->key && s->note ? SS_OK : error_no_memory(err, "known scores", 1);
}

/* Rows of `path` where it is there. `partial`: its last row may have been cut, and is left out. */
static ss_status known_read(known_scores *k, const char *path, int partial, ss_error *err) {
    char *bytes;
    size_t size;
    csv_table *t = NULL;
    if (!file_exists(path)) return SS_OK;
    SS_TRY(file_read(path, CSV_LIMIT, &bytes, &size, err));
    if (partial) size = csv_whole_rows(bytes, size);
    ss_status status = size ? csv_read_bytes(bytes, size, path, &t, err) : SS_OK;
    free(bytes);
    if (status == SS_OK && t && csv_column_count(t) != COLUMNS)
        status = error_set(err, SS_ERR_INPUT, path, "is not a file of scores: expected the columns %.*s",
                           (int)sizeof HEADER - 2, HEADER);
    for (int64_t r = 0; status == SS_OK && t && r < csv_row_count(t); r++) status = known_add(k, t, r, err);
    csv_close(t);
    return status;
}

/* ---- the work ---- */

typedef struct scorer {
    const collection *c, *others;
    const study_metric *m;
    int n_metrics, n_images;
    int broken; /* a metric gave a number that is not finite: it would do so of the next image too */
    compute *compute;
    const run_options *o;
    file_scores *out;
    known_scores known;
    void *state[STUDY_MAX_METRICS]; /* opened when first asked */
    int is_open[STUDY_MAX_METRICS];
    FILE *journal; /* NULL = none */
    double started;
} scorer;

static void score_files_tell(const scorer *w, int64_t done, int64_t total, const char *unit) {
    double seconds = clock_seconds() - w->started, rate = seconds > 0 && done ? (double)done / seconds : (double)NAN;
    run_progress now = {.study = "score",
                        .units_done = done,
                        .units_total = total,
                        .forwards_done = done,
                        .forwards_total = total,
                        .seconds = seconds,
                        .units_per_second = rate,
                        .seconds_left = (double)(total - done) / rate,
                        .unit = unit};
    if (w->o->progress) w->o->progress(w->o->user, &now);
}

static ss_status score_files_check_stop(const scorer *w, ss_error *err) {
    if (!w->o->stop || !*w->o->stop) return SS_OK;
    return error_set(err, SS_ERR_INTERRUPTED, NULL, "interrupted; give the same command again to go on");
}

static void score_files_add_row(text *out, const file_scores *s, const collection *c, const study_metric *m,
                                const file_score *x) {
    static const collection_image NONE = {0};
    const collection_image *image = x->image >= 0 ? &c->image[x->image] : &NONE;
    const char *of_set = "*";
    csv_add_text(out, 0, x->image >= 0 ? image->name : of_set);
    csv_add_text(out, 1, x->image >= 0 ? s->pixels[x->image] : "");
    csv_add_text(out, 2, image->prompt ? image->prompt : "");
    csv_add_text(out, 3, image->tag ? image->tag : "");
    csv_add_text(out, 4, x->image >= 0 && m[x->metric].row->needs & METRIC_NEEDS_BASELINE ? s->baseline[x->image] : "");
    csv_add_text(out, 5, m[x->metric].row->about.name);
    csv_add_text(out, 6, s->weights[x->metric]);
    csv_add_double(out, 7, x->value, 17);
    csv_add_int(out, 8, x->unreadable);
    csv_add_text(out, 9, x->note ? x->note : "");
    csv_add_text(out, 10, x->problem ? x->problem : "");
    csv_add_end(out);
}

static ss_status score_files_keep(scorer *w, file_score x, ss_error *err) {
    w->out->at[w->out->n++] = x;
    w->out->known += x.was_known;
    w->out->failed += x.problem != NULL;
    if (!w->journal || x.was_known) return SS_OK;
    text row = {0};
    score_files_add_row(&row, w->out, w->c, w->m, &x);
    int good = !row.failed && fwrite(row.s, row.len, 1, w->journal) == 1 && fflush(w->journal) == 0;
    text_free(&row);
    return good ? SS_OK : error_set_errno(err, SS_ERR_RESOURCE, NULL, "cannot write the partial results");
}

static ss_status open_metric(scorer *w, int i, ss_error *err) {
    if (w->is_open[i]) return SS_OK;
    if (w->m[i].row->open) SS_TRY(w->m[i].row->open(w->compute, w->o->tokenizer, w->m[i].options, &w->state[i], err));
    w->is_open[i] = 1;
    return SS_OK;
}

/* An input error becomes the score's problem; any other ends the work. */
static ss_status as_problem(ss_status status, file_score *x, ss_error *err) {
    text words = {0};
    if (status != SS_ERR_INPUT) return status;
    text_addf(&words, "%s%s%s", err->where, *err->where ? ": " : "", err->message);
    x->problem = words.s;
    x->value = (double)NAN;
    return words.failed ? error_no_memory(err, "a message", 1) : SS_OK;
}

static ss_status score_files_score_one(scorer *w, int i, int metric_index, const rgb_image *image,
                                       const rgb_image *baseline, file_score *x, ss_error *err) {
    const collection_image *at = &w->c->image[i];
    const metric *row = w->m[metric_index].row;
    metric_input in = {.image = image, .baseline = baseline, .prompt = at->prompt, .geneval = at->geneval};
    metric_value value = {0};
    if ((row->needs & METRIC_NEEDS_PROMPT) && !at->prompt)
        return error_set(err, SS_ERR_INPUT, at->path, "has no prompt, which %s needs", row->about.name);
    if ((row->needs & METRIC_NEEDS_GENEVAL) && !at->geneval)
        return error_set(err, SS_ERR_INPUT, at->path, "has no GenEval metadata, which %s needs", row->about.name);
    if ((row->needs & METRIC_NEEDS_BASELINE) && !at->baseline)
        return error_set(err, SS_ERR_INPUT, at->path, "has no paired image, which %s needs (--against)",
                         row->about.name);
    ss_status status = metric_score(row, w->compute, w->state[metric_index], &in, &value, err);
    w->broken |= !isfinite(value.value);
    SS_TRY(status);
    x->value = value.value;
    x->unreadable = value.unreadable;
    x->note = *value.note ? text_copy(value.note) : NULL;
    return SS_OK;
}

/* From the results that are there: 1 where the score is known. */
static int score_files_recall(scorer *w, int i, int metric_index, file_score *x) {
    const collection_image *at = &w->c->image[i];
    const metric *row = w->m[metric_index].row;
    char *key = make_key(w->out->pixels[i], row->needs & METRIC_NEEDS_BASELINE ? w->out->baseline[i] : "",
                         at->prompt ? at->prompt : "", row->about.name, w->out->weights[metric_index]);
    const known_score *found = *w->out->pixels[i] ? known_find(&w->known, key) : NULL;
    free(key);
    if (!found) return 0;
    x->value = found->value;
    x->unreadable = found->unreadable;
    x->note = *found->note ? text_copy(found->note) : NULL;
    return x->was_known = 1;
}

/* An image and its checksum; an image that cannot be read leaves *unread. */
static ss_status read_picture(const char *path, rgb_image *image, sha256_hex hash, char **unread, ss_error *err) {
    file_score failed = {0};
    ss_status status = image_read(path, image, err);
    if (status == SS_OK) rgb_image_hash(image, hash);
    status = as_problem(status, &failed, err);
    *unread = failed.problem;
    return status;
}

static ss_status score_files_score_image(scorer *w, int i, ss_error *err) {
    const collection_image *at = &w->c->image[i];
    rgb_image image = {0}, baseline = {0};
    char *unread = NULL, *unpaired = NULL;
    ss_status status = read_picture(at->path, &image, w->out->pixels[i], &unread, err);
    if (status == SS_OK && at->baseline)
        status = read_picture(at->baseline, &baseline, w->out->baseline[i], &unpaired, err);
    for (int k = 0; status == SS_OK && k < w->n_images; k++) {
        file_score x = {.image = i, .metric = k};
        const char *lost = unread ? unread : w->m[k].row->needs & METRIC_NEEDS_BASELINE ? unpaired : NULL;
        if (lost) {
            x.problem = text_copy(lost);
            x.value = (double)NAN;
        } else if (!score_files_recall(w, i, k, &x)) {
            status = open_metric(w, k, err);
            if (status == SS_OK) {
                status = score_files_score_one(w, i, k, &image, at->baseline ? &baseline : NULL, &x, err);
                if (!w->broken) status = as_problem(status, &x, err);
            }
        }
        if (status == SS_OK) status = score_files_keep(w, x, err);
    }
    rgb_image_free(&image);
    rgb_image_free(&baseline);
    free(unread);
    free(unpaired);
    return status;
}

/* ---- sets ---- */

/* Features of all images; one that cannot be read is an error here, since a set without it is another set. */
static ss_status score_files_make_features(scorer *w, const collection *c, int metric_index, stats_features *out,
                                           float **owned, ss_error *err) {
    const metric *row = w->m[metric_index].row;
    int64_t width = row->width(w->state[metric_index]);
    float *x = malloc((size_t)(c->n * width) * sizeof *x);
    if (!x) return error_no_memory(err, "features", (unsigned long long)(c->n * width) * sizeof *x);
    *owned = x;
    *out = (stats_features){.n = c->n, .d = width, .f32 = x};
    for (int i = 0; i < c->n; i++) {
        rgb_image image;
        SS_TRY(score_files_check_stop(w, err));
        SS_TRY(image_read(c->image[i].path, &image, err));
        ss_status status = metric_feature(row, w->compute, w->state[metric_index], &image, x + i * width, err);
        rgb_image_free(&image);
        if (status != SS_OK) return status;
        score_files_tell(w, i + 1, c->n, row->about.name);
    }
    return SS_OK;
}

static ss_status compare_sets(scorer *w, int k, ss_error *err) {
    const metric *row = w->m[k].row;
    stats_features first, second;
    float *owned[2] = {NULL, NULL};
    metric_set_value value;
    SS_TRY(open_metric(w, k, err));
    ss_status status = score_files_make_features(w, w->c, k, &first, &owned[0], err);
    if (status == SS_OK) status = score_files_make_features(w, w->others, k, &second, &owned[1], err);
    if (status == SS_OK)
        status = row->distance(w->state[k], &first, NULL, &second, NULL, 0, w->compute->threads, &value, err);
    free(owned[0]);
    free(owned[1]);
    if (status != SS_OK) return status;
    text note = {0};
    text_addf(&note, "%lld images against %lld", (long long)value.n1, (long long)value.n2);
    return score_files_keep(w, (file_score){.image = -1, .metric = k, .value = value.value, .note = note.s}, err);
}

/* ---- the whole ---- */

/* What no image of the collection has is a mistake of the command, not of the images. */
static ss_status check_needs(const scorer *w, ss_error *err) {
    int prompts = 0, metadata = 0, pairs = 0;
    for (int i = 0; i < w->c->n; i++) {
        prompts += w->c->image[i].prompt != NULL;
        metadata += w->c->image[i].geneval != NULL;
        pairs += w->c->image[i].baseline != NULL;
    }
    for (int k = 0; k < w->n_images; k++) {
        const metric *row = w->m[k].row;
        const char *missing = (row->needs & METRIC_NEEDS_PROMPT) && !prompts     ? "prompts: GenEval's layout, or a CSV"
                              : (row->needs & METRIC_NEEDS_GENEVAL) && !metadata ? "GenEval metadata: its layout"
                              : (row->needs & METRIC_NEEDS_BASELINE) && !pairs   ? "paired images: --against"
                                                                                 : NULL;
        if (missing) return error_set(err, SS_ERR_USAGE, NULL, "%s needs %s", row->about.name, missing);
    }
    if (w->n_images < w->n_metrics && !w->others)
        return error_set(err, SS_ERR_USAGE, NULL, "%s compares two sets of images: --against",
                         w->m[w->n_images].row->about.name);
    return SS_OK;
}

/* Token ids are as much a part of a score as the weights are: those of transformers 4 are marked by nothing, as in the
 * files that older programs wrote. */
static ss_status hash_weights(const study_metric *m, tokenizer_rules rules, sha256_hex out, ss_error *err) {
    text both = {0};
    SS_TRY(study_metric_hash(m, out, err));
    if (rules == TOKENIZER_TRANSFORMERS_4 || !(m->row->needs & METRIC_NEEDS_PROMPT)) return SS_OK;
    text_addf(&both, "%s %s", out, tokenizer_rules_name(rules));
    if (both.failed) return error_no_memory(err, "a checksum", both.len);
    sha256_of(both.s, both.len, out);
    text_free(&both);
    return SS_OK;
}

static ss_status score_files_prepare(scorer *w, const char *out_path, const char *partial, ss_error *err) {
    size_t rows = (size_t)w->c->n * (size_t)w->n_images + (size_t)(w->n_metrics - w->n_images);
    file_scores *s = w->out;
    SS_TRY(check_needs(w, err));
    s->at = calloc(rows + 1, sizeof *s->at);
    s->pixels = calloc((size_t)w->c->n + 1, sizeof *s->pixels);
    s->baseline = calloc((size_t)w->c->n + 1, sizeof *s->baseline);
    s->weights = calloc((size_t)w->n_metrics + 1, sizeof *s->weights);
    if (!s->at || !s->pixels || !s->baseline || !s->weights) return error_no_memory(err, "scores", rows);
    for (int k = 0; k < w->n_metrics; k++) SS_TRY(hash_weights(&w->m[k], w->o->tokenizer, s->weights[k], err));
    if (!out_path) return SS_OK;
    SS_TRY(known_read(&w->known, out_path, 0, err));
    SS_TRY(known_read(&w->known, partial, 1, err));
    if (w->known.n > 1) qsort(w->known.at, (size_t)w->known.n, sizeof *w->known.at, compare_known);
    return SS_OK;
}

/* The journal begins with what is known, so that a second kill loses nothing of the first run. */
static ss_status begin_journal(scorer *w, const char *partial, ss_error *err) {
    struct stat st;
    int fresh = stat(partial, &st) != 0;
    if (!fresh) { /* cut off what is left of a row: what is appended behind it could not be read */
        char *bytes;
        size_t size;
        SS_TRY(file_read(partial, CSV_LIMIT, &bytes, &size, err));
        size_t whole = csv_whole_rows(bytes, size);
        ss_status status = whole == size ? SS_OK : file_write(partial, bytes, whole, err);
        free(bytes);
        if (status != SS_OK) return status;
        fresh = whole == 0;
    }
    w->journal = fopen(partial, "ab");
    if (!w->journal || (fresh && fputs(HEADER, w->journal) < 0))
        return error_set_errno(err, SS_ERR_RESOURCE, partial, "cannot write");
    return SS_OK;
}

static ss_status score_files_work(scorer *w, ss_error *err) {
    ss_status status = SS_OK;
    for (int i = 0; status == SS_OK && w->n_images && i < w->c->n; i++) {
        status = score_files_check_stop(w, err);
        if (status == SS_OK) status = score_files_score_image(w, i, err);
        if (status == SS_OK) score_files_tell(w, i + 1, w->c->n, w->c->image[i].name);
    }
    for (int k = w->n_images; status == SS_OK && k < w->n_metrics; k++) status = compare_sets(w, k, err);
    return status;
}

ss_status score_files(const collection *c, const collection *others, const study_metric *m, int n, int n_images,
                      const char *out_path, compute *compute_context, const run_options *o, file_scores *out,
                      ss_error *err) {
    static const run_options NONE = {0};
    scorer w = {.c = c, .others = others, .m = m, .n_metrics = n, .n_images = n_images, .compute = compute_context};
    text partial = {0}, csv = {0};
    *out = (file_scores){0};
    w.o = o ? o : &NONE;
    w.out = out;
    w.started = clock_seconds();
    const char *target = out_path;
    if (out_path && !output_is_file(out_path)) out_path = NULL; /* a stream: nothing to go on from, nothing beside it */
    if (out_path) text_addf(&partial, "%s.partial", out_path);
    ss_status status =
        partial.failed ? error_no_memory(err, "a file name", 1) : score_files_prepare(&w, out_path, partial.s, err);
    if (status == SS_OK && out_path) status = begin_journal(&w, partial.s, err);
    if (status == SS_OK) status = score_files_work(&w, err);
    if (w.journal && fclose(w.journal) != 0 && status == SS_OK)
        status = error_set_errno(err, SS_ERR_RESOURCE, partial.s, "cannot write");
    if (status == SS_OK && target) {
        file_scores_add_csv(out, c, m, &csv);
        status = csv.failed ? error_no_memory(err, target, csv.len) : file_write(target, csv.s, csv.len, err);
        if (status == SS_OK && out_path) remove(partial.s);
    }
    for (int k = 0; k < n; k++)
        if (w.is_open[k] && m[k].row->close) m[k].row->close(compute_context, w.state[k]);
    known_free(&w.known);
    text_free(&partial);
    text_free(&csv);
    return status;
}

void file_scores_free(file_scores *s) {
    for (int64_t i = 0; i < s->n; i++) {
        free(s->at[i].note);
        free(s->at[i].problem);
    }
    free(s->at);
    free(s->pixels);
    free(s->baseline);
    free(s->weights);
    *s = (file_scores){0};
}

/* ---- telling ---- */

void file_scores_add_csv(const file_scores *s, const collection *c, const study_metric *m, text *out) {
    text_add(out, HEADER);
    for (int64_t i = 0; i < s->n; i++) score_files_add_row(out, s, c, m, &s->at[i]);
}

static int score_files_has_tag(const collection *c, const file_score *x, const char *tag) {
    const char *own = x->image >= 0 ? c->image[x->image].tag : NULL;
    return !tag || (own && strcmp(own, tag) == 0);
}

/* One line: n, mean, sd, failures of one metric on one tag (NULL = all). */
static void describe(const file_scores *s, const collection *c, const study_metric *m, int k, const char *tag,
                     text *out) {
    int64_t n = 0, failed = 0;
    double sum = 0, squares = 0;
    const char *note = NULL; /* of sets: how many images */
    for (int64_t i = 0; i < s->n; i++) {
        const file_score *x = &s->at[i];
        if (x->metric != k || !score_files_has_tag(c, x, tag)) continue;
        if (x->problem) failed++;
        else n++, sum += x->value, note = x->note;
    }
    double mean = n ? sum / (double)n : (double)NAN;
    for (int64_t i = 0; i < s->n; i++)
        if (s->at[i].metric == k && !s->at[i].problem && score_files_has_tag(c, &s->at[i], tag))
            squares += (s->at[i].value - mean) * (s->at[i].value - mean);
    if (m[k].row->kind == METRIC_SET) text_addf(out, "%-14s %-16s %7s  ", m[k].row->about.name, "all", "sets");
    else text_addf(out, "%-14s %-16s %7lld  ", m[k].row->about.name, tag ? tag : "all", (long long)n);
    if (n) text_add_double(out, mean, 6);
    else text_add(out, "-");
    if (n > 1) {
        text_add(out, "  sd ");
        text_add_double(out, sqrt(squares / (double)(n - 1)), 4);
    }
    if (m[k].row->kind == METRIC_SET && note) text_addf(out, "  (%s)", note);
    if (m[k].is_random) text_add(out, "  (random weights: means nothing)");
    if (failed) text_addf(out, "  (%lld could not be scored)", (long long)failed);
    text_add(out, "\n");
}

/* The tags of the collection, each once, in its order. */
static ss_status list_tags(const collection *c, text_set *tags, ss_error *err) {
    int32_t number;
    for (int i = 0; i < c->n; i++)
        if (c->image[i].tag) SS_TRY(text_set_add(tags, c->image[i].tag, &number, err));
    return SS_OK;
}

void file_scores_describe(const file_scores *s, const collection *c, const study_metric *m, int n, text *out) {
    text_set tags = {0};
    ss_error ignored;
    if (list_tags(c, &tags, &ignored) != SS_OK) out->failed = 1;
    text_addf(out, "%-14s %-16s %7s  mean\n", "metric", "tag", "images");
    for (int k = 0; k < n; k++) {
        describe(s, c, m, k, NULL, out);
        for (int i = 0; m[k].row->kind != METRIC_SET && i < tags.n; i++) describe(s, c, m, k, tags.at[i], out);
    }
    text_set_free(&tags);
    if (s->known) text_addf(out, "%lld of %lld were known already\n", (long long)s->known, (long long)s->n);
}
