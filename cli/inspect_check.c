/* See inspect_check.h. A file is read a part at a time, so memory does not grow with it. */
#include "cli/inspect_check.h"

#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "io/checkpoint_values.h"
#include "io/json.h"

typedef struct checking {
    const invocation *in;
    const char *variant;
    int tensors, bad; /* so far; with values that are not finite */
    double told;      /* when the progress line was last written */
    int line;         /* it stands on the terminal */
} checking;

/* ---- progress: for big models ---- */

static void show(checking *k, const char *component, size_t done, size_t all) {
    double now = clock_seconds(), wait = isatty(STDERR_FILENO) ? 0.5 : 15;
    if (invocation_has(k->in, "quiet") || now - k->told < wait) return;
    k->told = now;
    k->line = isatty(STDERR_FILENO);
    fprintf(stderr, k->line ? "\r%s: %zu of %zu tensors " : "%s: %zu of %zu tensors\n", component, done, all);
    fflush(stderr);
}

static void inspect_check_clear(checking *k) {
    if (k->line) fprintf(stderr, "\r%*s\r", 78, "");
    k->line = 0;
}

/* ---- files ---- */

static void add_bad(text *out, const checkpoint_entry *e, const checkpoint_values *v) {
    text_addf(out, "    %s  %s: ", e->name, checkpoint_stored_name(e));
    checkpoint_add_values(out, e, v);
    text_addf(out, "  (%s)\n", e->file);
}

/* All tensors, also those that no network uses. */
static ss_status check_tensors(checking *k, const char *name, const checkpoint *file, text *out, ss_error *err) {
    text found = {0};
    int64_t values = 0;
    int bad = 0;
    size_t n = checkpoint_count(file);
    ss_status status = SS_OK;
    for (size_t i = 0; status == SS_OK && i < n; i++) {
        const checkpoint_entry *e = checkpoint_at(file, i);
        checkpoint_values v;
        if (*invocation_stop(k->in)) status = error_set(err, SS_ERR_INTERRUPTED, NULL, "interrupted");
        if (status == SS_OK) status = checkpoint_count_values(file, e, &v, err);
        if (status != SS_OK) break;
        values += e->count;
        if (v.first >= 0) {
            add_bad(&found, e, &v);
            bad++;
        }
        show(k, name, i + 1, n);
    }
    inspect_check_clear(k);
    if (status == SS_OK) {
        text_addf(out, "  %-16s %zu tensors, ", name, n);
        text_add_grouped(out, values);
        if (bad)
            text_addf(out, " values; %d %s values that are not finite:\n", bad,
                      bad == 1 ? "tensor has" : "tensors have");
        else text_add(out, " values, all finite\n");
        if (found.s) text_add(out, found.s);
        if (found.failed) out->failed = 1;
    }
    text_free(&found);
    k->tensors += (int)n;
    k->bad += bad;
    return status;
}

static ss_status inspect_check_check_folder(checking *k, const char *name, const char *folder, text *out,
                                            ss_error *err) {
    checkpoint *file;
    int has = 1;
    if (*name && k->variant) SS_TRY(checkpoint_folder_has_variant(folder, k->variant, &has, err));
    SS_TRY(checkpoint_open_folder(&file, folder, CHECKPOINT_ANY, has ? k->variant : NULL, err));
    ss_status status = check_tensors(k, name, file, out, err);
    checkpoint_close(file);
    return status;
}

static ss_status inspect_check_check_file(checking *k, const char *path, text *out, ss_error *err) {
    checkpoint *file;
    SS_TRY(checkpoint_open(&file, path, err));
    ss_status status = check_tensors(k, "", file, out, err);
    checkpoint_close(file);
    return status;
}

/* The components that model_index.json names: folders with a config.json, which tokenizers and schedulers have not. */
static ss_status inspect_check_check_components(checking *k, const char *folder, const char *index_path, text *out,
                                                ss_error *err) {
    json_t *index, *value;
    const char *name;
    SS_TRY(json_read_file(index_path, JSON_CONFIG_LIMIT, &index, err));
    ss_status status = SS_OK;
    json_object_foreach(index, name, value) {
        if (status != SS_OK || !json_is_string(json_array_get(value, 1))) continue;
        char *component = file_join(folder, name), *config = component ? file_join(component, "config.json") : NULL;
        if (!config) status = error_no_memory(err, "file name", 0);
        else if (file_exists(config)) status = inspect_check_check_folder(k, name, component, out, err);
        free(config);
        free(component);
    }
    json_decref(index);
    return status;
}

ss_status inspect_check(const invocation *in, const char *path, const char *variant, ss_error *err) {
    checking k = {.in = in, .variant = variant, .told = clock_seconds()};
    char *index = file_join(path, "model_index.json");
    text out = {0};
    if (!index) return error_no_memory(err, "file name", 0);
    text_addf(&out, "%s\n", path);
    ss_status status = file_exists(path)    ? inspect_check_check_file(&k, path, &out, err)
                       : file_exists(index) ? inspect_check_check_components(&k, path, index, &out, err)
                                            : inspect_check_check_folder(&k, "", path, &out, err);
    free(index);
    if (out.failed && status == SS_OK) status = error_no_memory(err, "output", out.len);
    if (out.s && !out.failed) fputs(out.s, stdout);
    text_free(&out);
    if (status == SS_OK && k.bad)
        status = error_set(err, SS_ERR_INPUT, path,
                           "%d of %d tensors hold values that are not finite; no picture that depends on one is right: "
                           "get the files anew",
                           k.bad, k.tensors);
    return status;
}
