/* A trace as rows and as a table for a terminal. */
#include "report/trace.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/csv.h"
#include "io/png.h"

const char *const TRACE_CLASS[KEY_CLASSES] = {"image", "start", "word", "end", "padding"};
static const char *const BRANCH[2] = {"cond", "uncond"};
enum { CSV_DIGITS = 9 }; /* the record is float32 */

double trace_top_mass(const trace *t, int step, int block, int head, attn_branch branch) {
    const attn_sink *sink;
    return attn_run_sinks(t->run, step, block, head, branch, &sink) > 0 ? (double)sink->mass : (double)NAN;
}

/* ---- probe columns ---- */

static int has_values(const trace *t, int column) {
    attn_shape s = attn_run_shape(t->run);
    for (int step = 0; step < s.steps; step++)
        for (int block = 0; block < s.blocks; block++)
            for (int head = 0; head < s.heads; head++)
                for (int branch = 0; branch < t->branches; branch++)
                    if (!isnan(attn_run_site(t->run, step, block, head, (attn_branch)branch)[column])) return 1;
    return 0;
}

int trace_columns(const trace *t, trace_column *out, int capacity) {
    int n = 0;
    for (int i = 0; i < t->measure->n_probes; i++) {
        const attn_probe *p = t->measure->probe[i];
        for (int j = 0; j < p->n_columns && n < capacity; j++, n++)
            out[n] = (trace_column){.name = p->column[j],
                                    .help = p->column_help[j] ? p->column_help[j] : "",
                                    .shown = !(p->nominal >> j & 1) && strcmp(p->column[j], "max_mass") != 0 &&
                                             has_values(t, n)};
    }
    return n;
}

double trace_mean(const trace *t, int column, int block, int head, int from, int to) {
    double sum = 0;
    int n = 0;
    for (int step = from; step < to; step++) {
        double x = (double)attn_run_site(t->run, step, block, head, BRANCH_COND)[column];
        if (isnan(x)) continue;
        sum += x;
        n++;
    }
    return n ? sum / n : (double)NAN;
}

/* ---- the strongest head ---- */

static double mean_mass(const trace *t, int block, int head, int from, int to) {
    double sum = 0;
    int n = 0;
    for (int step = from; step < to; step++) {
        double x = trace_top_mass(t, step, block, head, BRANCH_COND);
        if (isnan(x)) continue;
        sum += x;
        n++;
    }
    return n ? sum / n : (double)NAN;
}

static int top_key(const trace *t, int step, int block, int head) {
    const attn_sink *sink;
    return attn_run_sinks(t->run, step, block, head, BRANCH_COND, &sink) > 0 ? sink->key : -1;
}

trace_strongest trace_find_strongest(const trace *t, int block, int from, int to) {
    trace_strongest best = {.head = -1, .key = -1};
    for (int head = 0; head < attn_run_shape(t->run).heads; head++) {
        double mass = mean_mass(t, block, head, from, to);
        if (isnan(mass) || (best.head >= 0 && !(mass > best.mass))) continue;
        best.head = head;
        best.mass = mass;
    }
    for (int step = from; best.head >= 0 && step < to; step++) {
        int key = top_key(t, step, block, best.head), n = 0;
        for (int other = from; key >= 0 && other < to; other++) n += top_key(t, other, block, best.head) == key;
        if (n > best.key_steps) best.key = key, best.key_steps = n;
    }
    return best;
}

/* ---- rows ---- */

/* One row a sink: the key and what it is. */
static void add_csv_sink(const trace *t, attn_branch branch, const attn_block *block, int rank, const attn_sink *sink,
                         text *out) {
    const attn_segment *s = attn_segment_of(block->segment, block->n_segments, sink->key);
    const uint8_t *class = trace_classes(t, branch, block);
    int is_image = s && s->kind == SEGMENT_IMAGE;
    int offset = s ? sink->key - s->start : sink->key, width = s ? s->grid_width : 0;
    text name = {0};
    trace_key_name(t, branch, block, sink->key, &name);
    csv_add_int(out, 4, rank);
    csv_add_text(out, 5, text_for(&name, out));
    csv_add_text(out, 6, s ? s->name : "");
    csv_add_int(out, 7, offset);
    if (width > 0) csv_add_int(out, 8, offset / width), csv_add_int(out, 9, offset % width);
    else text_add(out, ",,");
    csv_add_text(out, 10, class ? TRACE_CLASS[class[sink->key] % KEY_CLASSES] : is_image ? TRACE_CLASS[KEY_IMAGE] : "");
    csv_add_text(out, 11, trace_word(t, branch, block, sink->key));
    csv_add_double(out, 12, (double)sink->mass, CSV_DIGITS);
    csv_add_double(out, 13, (double)sink->mass * block->keys, CSV_DIGITS);
    csv_add_text(out, 14, ATTN_KINDS[block->kind].name);
    csv_add_text(out, 15, block->name);
    if (name.failed) out->failed = 1;
    text_free(&name);
}

static void add_csv_site(const trace *t, int step, int block, int head, attn_branch branch, const trace_column *columns,
                         int n_columns, text *out) {
    const attn_sink *sink;
    int n = attn_run_sinks(t->run, step, block, head, branch, &sink);
    const float *site = attn_run_site(t->run, step, block, head, branch);
    for (int rank = 0; rank < n; rank++) {
        csv_add_int(out, 0, step);
        csv_add_int(out, 1, block);
        csv_add_int(out, 2, head);
        csv_add_text(out, 3, BRANCH[branch]);
        add_csv_sink(t, branch, &t->block[block], rank, &sink[rank], out);
        for (int i = 0; i < n_columns; i++)
            if (columns[i].shown) csv_add_double(out, 16 + i, (double)site[i], CSV_DIGITS);
        csv_add_end(out);
    }
}

/* What to do at every site, in order. */
typedef void (*visit)(const trace *t, int step, int block, int head, attn_branch branch, const trace_column *columns,
                      int n_columns, text *out);

static void visit_sites(const trace *t, visit f, const trace_column *columns, int n_columns, text *out) {
    attn_shape s = attn_run_shape(t->run);
    assert(t->branches <= (int)(sizeof BRANCH / sizeof *BRANCH));
    for (int step = 0; step < s.steps; step++)
        for (int block = 0; block < s.blocks; block++)
            for (int head = 0; head < s.heads; head++)
                for (int branch = 0; branch < t->branches; branch++)
                    f(t, step, block, head, (attn_branch)branch, columns, n_columns, out);
}

void trace_csv(const trace *t, text *out) {
    trace_column columns[TRACE_MAX_COLUMNS];
    int n = trace_columns(t, columns, TRACE_MAX_COLUMNS);
    text_add(out,
             "step,block,head,branch,rank,key,segment,position,row,column,class,word,mass,times_uniform,kind,module");
    for (int i = 0; i < n; i++)
        if (columns[i].shown) csv_add_text(out, 1, columns[i].name);
    csv_add_end(out);
    visit_sites(t, add_csv_site, columns, n, out);
}

static void add_json_number(text *out, const char *name, double x) {
    text_addf(out, ", \"%s\": ", name);
    if (isfinite(x)) text_add_double(out, x, CSV_DIGITS);
    else text_add(out, "null");
}

static void add_json_sink(const trace *t, attn_branch branch, const attn_block *block, const attn_sink *sink,
                          text *out) {
    const uint8_t *class = trace_classes(t, branch, block);
    text name = {0};
    trace_key_name(t, branch, block, sink->key, &name);
    text_add(out, "{\"key\": ");
    text_add_json(out, text_for(&name, out));
    if (class) text_addf(out, ", \"class\": \"%s\"", TRACE_CLASS[class[sink->key] % KEY_CLASSES]);
    add_json_number(out, "mass", (double)sink->mass);
    add_json_number(out, "times_uniform", (double)sink->mass * block->keys);
    text_add(out, "}");
    text_free(&name);
}

static void add_json_site(const trace *t, int step, int block, int head, attn_branch branch,
                          const trace_column *columns, int n_columns, text *out) {
    const attn_sink *sink;
    int n = attn_run_sinks(t->run, step, block, head, branch, &sink);
    const float *site = attn_run_site(t->run, step, block, head, branch);
    if (n == 0) return;
    text_addf(out, "%s\n  {\"step\": %d, \"block\": %d, \"head\": %d, \"branch\": \"%s\"",
              out->s[out->len - 1] == '[' ? "" : ",", step, block, head, BRANCH[branch]);
    for (int i = 0; i < n_columns; i++)
        if (columns[i].shown) add_json_number(out, columns[i].name, (double)site[i]);
    text_add(out, ", \"sinks\": [");
    for (int rank = 0; rank < n; rank++) {
        text_add(out, rank ? ", " : "");
        add_json_sink(t, branch, &t->block[block], &sink[rank], out);
    }
    text_add(out, "]}");
}

void trace_json(const trace *t, text *out) {
    seed_text seed;
    trace_column columns[TRACE_MAX_COLUMNS];
    int n = trace_columns(t, columns, TRACE_MAX_COLUMNS);
    text_add(out, "{\"prompt\": ");
    text_add_json(out, t->prompt);
    text_add(out, ", \"model\": ");
    text_add_json(out, t->model);
    text_addf(out, ", \"seed\": %s, \"steps\": %d", seed_write(t->seed, seed), t->settings->steps);
    add_json_number(out, "guidance", t->settings->guidance);
    if (t->settings->scheduler) {
        text_add(out, ", \"scheduler\": ");
        text_add_json(out, t->settings->scheduler);
    }
    if (t->settings->noise.processors) {
        text_add(out, ", \"noise\": \"");
        torch_device_add_words(&t->settings->noise, out);
        text_add(out, "\"");
    }
    text_add(out, ", \"blocks\": [");
    for (int i = 0; i < t->sites->blocks; i++) {
        text_addf(out, "%s\n  {\"module\": ", i ? "," : "");
        text_add_json(out, t->block[i].name);
        text_addf(out, ", \"kind\": \"%s\", \"heads\": %d, \"keys\": %d}", ATTN_KINDS[t->block[i].kind].name,
                  t->block[i].heads, t->block[i].keys);
    }
    text_addf(out, "], \"keys\": %d, \"sites\": [", t->sites->keys);
    if (!out->failed) visit_sites(t, add_json_site, columns, n, out);
    text_add(out, "\n]}\n");
}

/* ---- for a terminal ---- */

static void pad_to(text *out, size_t line_start, int column) {
    while (!out->failed && out->len < line_start + (size_t)column) text_add(out, " ");
}

enum { COLUMN_HEAD = 7, COLUMN_KEY = 13, COLUMN_STEPS = 41, COLUMN_MASS = 49, COLUMN_FIRST = 67, COLUMN_WIDTH = 15 };

/* As many columns as fit a terminal; the page and the files have all. */
static int is_told(const trace_column *c) {
    static const char *const TOLD[] = {"entropy", "concentration", "text_mass", "value_norm_projected", "persistence"};
    for (size_t i = 0; c->shown && i < sizeof TOLD / sizeof *TOLD; i++)
        if (strcmp(c->name, TOLD[i]) == 0) return 1;
    return 0;
}

static void describe_block(const trace *t, int block, int from, int to, const trace_column *columns, int n_columns,
                           text *out) {
    trace_strongest best = trace_find_strongest(t, block, from, to);
    size_t start = out->len;
    int at = COLUMN_FIRST;
    if (best.head < 0) return;
    text_addf(out, "%5d", block);
    pad_to(out, start, COLUMN_HEAD);
    text_addf(out, "%4d", best.head);
    pad_to(out, start, COLUMN_KEY);
    trace_key_name(t, BRANCH_COND, &t->block[block], best.key, out);
    text_add(out, "  ");
    pad_to(out, start, COLUMN_STEPS);
    text_addf(out, "%d/%d ", best.key_steps, to - from);
    pad_to(out, start, COLUMN_MASS);
    text_add_fixed(out, best.mass, 4);
    text_add(out, "  ");
    text_add_fixed(out, best.mass * t->block[block].keys, 1);
    text_add(out, "x");
    for (int i = 0; i < n_columns; i++) {
        if (!is_told(&columns[i])) continue;
        text_add(out, "  ");
        pad_to(out, start, at);
        double mean = trace_mean(t, i, block, best.head, from, to);
        if (isfinite(mean)) text_add_fixed(out, mean, 4);
        else text_add(out, "-");
        at += COLUMN_WIDTH;
    }
    if (trace_kinds(t) > 1) text_addf(out, "  %s, %s", ATTN_KINDS[t->block[block].kind].name, t->block[block].name);
    text_add(out, "\n");
}

void trace_describe(const trace *t, int step, text *out) {
    trace_column columns[TRACE_MAX_COLUMNS];
    attn_shape s = attn_run_shape(t->run);
    int n = trace_columns(t, columns, TRACE_MAX_COLUMNS), from = step < 0 ? 0 : step,
        to = step < 0 ? s.steps : step + 1;
    size_t start;
    int at = COLUMN_FIRST;
    text_add(out, step < 0 ? "strongest head of each block, means over steps" : "strongest head of each block");
    if (step >= 0) text_addf(out, ", step %d", step);
    if (trace_layouts(t) == 1) text_addf(out, " (conditional branch; uniform mass = 1/%d)\n", t->sites->keys);
    else text_add(out, " (conditional branch; uniform mass = 1/keys of the block)\n");
    start = out->len;
    text_add(out, "block  head  top key");
    pad_to(out, start, COLUMN_STEPS);
    text_add(out, "steps");
    pad_to(out, start, COLUMN_MASS);
    text_add(out, "mass, x uniform");
    for (int i = 0; i < n; i++) {
        if (!is_told(&columns[i])) continue;
        text_add(out, "  ");
        pad_to(out, start, at);
        text_add(out, columns[i].name);
        at += COLUMN_WIDTH;
    }
    if (trace_kinds(t) > 1) text_add(out, "  kind, module");
    text_add(out, "\n");
    for (int block = 0; block < s.blocks; block++) describe_block(t, block, from, to, columns, n, out);
}

/* ---- files ---- */

static ss_status write_picture(const trace *t, const char *folder, ss_error *err) {
    seed_text seed;
    char *path = file_join(folder, "image.png");
    const png_note notes[] = {{"prompt", t->prompt}, {"seed", seed_write(t->seed, seed)}};
    ss_status status = path ? png_write(path, t->image, notes, 2, err) : error_no_memory(err, "a file name", 1);
    free(path);
    return status;
}

ss_status trace_write(const trace *t, const char *folder, ss_error *err) {
    text out = {0};
    SS_TRY(file_make_folder(folder, err));
    SS_TRY(write_picture(t, folder, err));
    trace_csv(t, &out);
    SS_TRY(file_write_text(folder, "trace.csv", &out, err));
    ss_status status = trace_page(t, &out, err);
    if (status == SS_OK) return file_write_text(folder, "trace.html", &out, err);
    text_free(&out);
    return status;
}
