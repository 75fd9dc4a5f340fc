/* What a killed run left in a store: temporaries, which are removed. Images and traces that the database does not name
 * stay, and are replaced when their unit is made: restoring an older results.sqlite must not delete images. A file
 * whose name is none of the store's is never touched. */
#include "store/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/folder.h"

typedef struct sweeper {
    const store *s;
    const plan *p; /* NULL while the store is made: there are no images yet */
    int removed, foreign;
    text first; /* some of the foreign ones */
} sweeper;

/* ---- names ---- */

/* `s` up to `end` is digits, at least `least` of them. */
static int sweep_is_number(const char *s, const char *end, int least) {
    return end - s >= least && strspn(s, "0123456789") >= (size_t)(end - s);
}

static int is_one_of(const char *const *names, int n, const char *s) {
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], s) == 0) return 1;
    return 0;
}

/* images/CONDITION/PROMPT/metadata.jsonl and .../samples/NNNN.png, of what the plan has. */
static int is_own_picture(const sweeper *w, const char *below) {
    const char *slash = strchr(below, '/');
    const study *y = w->p ? w->p->study : NULL;
    int known = 0;
    if (!y || !slash) return 0;
    for (int i = 0; !known && i < y->n_conditions; i++) {
        const char *folder = y->condition[i].folder;
        known = strlen(folder) == (size_t)(slash - below) && strncmp(folder, below, strlen(folder)) == 0;
    }
    const char *prompt = known ? slash + 1 : "", *rest = strchr(prompt, '/');
    if (!rest || !sweep_is_number(prompt, rest, 5) || strtol(prompt, NULL, 10) >= w->p->prompts.n) return 0;
    if (strcmp(rest, "/metadata.jsonl") == 0) return 1;
    if (strncmp(rest, "/samples/", 9) != 0) return 0;
    const char *seed = rest + 9, *dot = strchr(seed, '.');
    return dot && strcmp(dot, ".png") == 0 && sweep_is_number(seed, dot, 4) &&
           strtol(seed, NULL, 10) < y->n_seeds + y->n_calibration;
}

/* Whether the store writes a file of this name. */
static int is_own(const sweeper *w, const char *relative) {
    static const char *const ROOT[] = {"study.yaml",         "manifest.json",          "results.sqlite",    "lock",
                                       "results.sqlite-wal", "results.sqlite-journal", "results.sqlite-shm"};
    const char *slash = strchr(relative, '/'), *name = slash ? slash + 1 : relative, *dot = strrchr(name, '.');
    if (!slash) return is_one_of(ROOT, sizeof ROOT / sizeof *ROOT, relative);
    if (strncmp(relative, "images/", 7) == 0) return is_own_picture(w, name);
    if (strncmp(relative, "traces/", 7) == 0) return dot && strcmp(dot, ".h5") == 0 && sweep_is_number(name, dot, 1);
    if (strncmp(relative, "text/", 5) == 0) return dot && strcmp(dot, ".text") == 0 && !strchr(name, '/');
    return 0;
}

/* A temporary of such a file: "NAME.tmp-PROCESS", of the database also with SQLite's own endings. */
static int is_own_temporary(const sweeper *w, const char *relative) {
    static const char *const ENDS[] = {"", "-journal", "-wal", "-shm"};
    const char *mark = NULL;
    for (const char *at = relative; (at = strstr(at, ".tmp-")) != NULL; at++) mark = at;
    if (!mark) return 0;
    const char *process = mark + 5, *end = process + strspn(process, "0123456789");
    char *name = text_copy(relative);
    if (name) name[mark - relative] = '\0';
    int is_database = name && strcmp(name, "results.sqlite") == 0;
    int own = name && end > process && is_own(w, name) && is_one_of(ENDS, is_database ? 4 : 1, end);
    free(name);
    return own;
}

/* ---- the walk ---- */

static void sweep_keep(sweeper *w, const char *relative) {
    enum { SHOWN = 5 };
    if (w->foreign < SHOWN) text_addf(&w->first, "%s'%s'", w->foreign ? ", " : "", relative);
    w->foreign++;
}

/* Folders that are looked into: those that the store makes. */
static int is_walked(const char *relative) {
    static const char *const TOP[] = {"images", "traces", "text"};
    return is_one_of(TOP, 3, relative) || strncmp(relative, "images/", 7) == 0;
}

static ss_status sweep(sweeper *w, const char *below, int depth, ss_error *err) {
    char *folder = file_join(w->s->folder, below);
    if (!folder) return error_no_memory(err, "a file name", strlen(below));
    folder_names names = {0};
    ss_status status = file_is_folder(folder) ? folder_list(folder, &names, err) : SS_OK;
    for (int i = 0; status == SS_OK && i < names.n; i++) {
        char *relative = *below ? file_join(below, names.at[i]) : text_copy(names.at[i]);
        char *full = relative ? file_join(w->s->folder, relative) : NULL;
        if (!full) status = error_no_memory(err, "a file name", 1);
        else if (file_is_folder(full)) {
            if (depth > 0 && is_walked(relative)) status = sweep(w, relative, depth - 1, err);
            else if (strcmp(relative, "report") != 0) sweep_keep(w, relative);
        } else if (is_own_temporary(w, relative)) {
            if (remove(full) == 0) w->removed++;
        } else if (!is_own(w, relative)) sweep_keep(w, relative);
        free(relative);
        free(full);
    }
    folder_names_free(&names);
    free(folder);
    return status;
}

ss_status store_sweep(const store *s, const plan *p, notices *told, ss_error *err) {
    enum { DEPTH = 4 }; /* images/CONDITION/PROMPT/samples */
    sweeper w = {.s = s, .p = p};
    ss_status status = sweep(&w, "", DEPTH, err);
    if (status == SS_OK && w.first.failed) status = error_no_memory(err, "a list of files", w.first.len);
    if (status == SS_OK && w.removed)
        status = notices_add(told, err, "%s: removed %d temporary file%s of a run that was cut short", s->folder,
                             w.removed, w.removed == 1 ? "" : "s");
    if (status == SS_OK && w.foreign)
        status = notices_add(told, err, "%s: %d file%s or folder%s are not the store's own and stay as they are: %s%s",
                             s->folder, w.foreign, w.foreign == 1 ? "" : "s", w.foreign == 1 ? "" : "s",
                             w.first.s ? w.first.s : "", w.foreign > 5 ? ", ..." : "");
    text_free(&w.first);
    return status;
}
