/* See texts.h. The checksums of the encoders come from the manifest and are not computed again. */
#include "run/texts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "store/writer.h"
#include "base/folder.h"

ss_status texts_open(run_texts *t, const store *s, ss_error *err) {
    text identity = {0};
    *t = (run_texts){.path = file_join(store_folder(s), "text")};
    ss_status status = t->path ? store_text_identity(s, &identity, err) : error_no_memory(err, "a file name", 1);
    if (status == SS_OK && (identity.failed || !(t->identity = text_copy(identity.s))))
        status = error_no_memory(err, "checksums of the text encoders", identity.len);
    text_free(&identity);
    t->folder = (text_folder){t->path, t->identity};
    return status;
}

void texts_close(run_texts *t) {
    free(t->path);
    free(t->identity);
    *t = (run_texts){0};
}

ss_status texts_prepare(const run_texts *t, const plan *p, pipeline *pl, const uint8_t *done,
                        void (*progress)(void *user, int64_t done, int64_t total), void *user, ss_error *err) {
    text_order *o = malloc((size_t)(p->n_units + p->n_groups + 1) * sizeof *o);
    int n = 0;
    if (!o) return error_no_memory(err, "a list of texts", (unsigned long long)p->n_units * sizeof *o);
    for (int i = 0; i < p->n_groups; i++) {
        const plan_group *g = &p->group[i];
        int before = n;
        for (int j = g->first_unit; j < g->first_unit + g->n_units; j++)
            if (!done[j]) o[n++] = plan_text_order(p, &p->unit[j]);
        if (n > before) /* the baseline's, of which the others are forked */
            o[n++] = (text_order){.prompt = p->prompts.prompt[g->prompt].prompt, .settings = &p->settings};
    }
    ss_status status = pipeline_encode_into(pl, &t->folder, o, n, progress, user, err);
    free(o);
    return status;
}

void texts_remove(const run_texts *t) {
    folder_names names;
    ss_error unreadable; /* what stays there does no harm */
    if (folder_list(t->path, &names, &unreadable) != SS_OK) return;
    for (int i = 0; i < names.n; i++) {
        const char *dot = strrchr(names.at[i], '.');
        char *path = dot && strcmp(dot, ".text") == 0 ? file_join(t->path, names.at[i]) : NULL;
        if (path) remove(path);
        free(path);
    }
    folder_names_free(&names);
    rmdir(t->path); /* stays where it holds a foreign file */
}
