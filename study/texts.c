/* See texts.h. Relies on the manifest for the checksums of the encoders, which are not computed again. */
#include "study/texts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/store_internal.h"
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

text_order texts_order(const plan *p, const plan_unit *u) {
    const plan_condition *c = &p->condition[u->condition];
    int again = p->study->condition[u->condition].role == CONDITION_SHAM && !c->program.n;
    return (text_order){.prompt = plan_unit_prompt(p, u), .settings = &c->settings, .repeat = again};
}

ss_status texts_prepare(const run_texts *t, const plan *p, pipeline *pl, const uint8_t *done,
                        void (*told)(void *user, int64_t done, int64_t total), void *user, ss_error *err) {
    text_order *o = malloc((size_t)(p->n_units + p->n_groups + 1) * sizeof *o);
    int n = 0;
    if (!o) return error_no_memory(err, "a list of texts", (unsigned long long)p->n_units * sizeof *o);
    for (int i = 0; i < p->n_groups; i++) {
        const plan_group *g = &p->group[i];
        int before = n;
        for (int j = g->first_unit; j < g->first_unit + g->n_units; j++)
            if (!done[j]) o[n++] = texts_order(p, &p->unit[j]);
        if (n > before) /* the baseline's, of which the others are forked */
            o[n++] = (text_order){.prompt = p->prompts.prompt[g->prompt].prompt, .settings = &p->settings};
    }
    ss_status status = pipeline_encode_into(pl, &t->folder, o, n, told, user, err);
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
    rmdir(t->path); /* stays where somebody else's file is in it */
}

static int by_text(const void *a, const void *b) {
    const text_order *x = a, *y = b;
    return x->repeat != y->repeat ? x->repeat - y->repeat : strcmp(x->prompt, y->prompt);
}

/* The orders of all prompts, those that differ within one; returns how many. */
static int list_orders(const plan *p, text_order *out, int *guided, int *again) {
    enum { PLAIN = 1, SWAPPED = 2, AGAIN = 4 };
    int seen = 0, prompt = -1, n = 0;
    for (int i = 0; i < p->n_units; i++) {
        const plan_unit *u = &p->unit[i];
        text_order o = texts_order(p, u);
        int swapped = p->study->condition[u->condition].prompt == PROMPT_SWAP_ATTRIBUTE;
        if (u->prompt != prompt) seen = 0; /* the groups of a prompt follow each other */
        prompt = u->prompt;
        int kind = o.repeat ? AGAIN : swapped ? SWAPPED : PLAIN;
        if (!(seen & kind)) out[n++] = o;
        seen |= kind;
        *again |= o.repeat;
        *guided |= o.settings->guidance > 1;
    }
    return n;
}

ss_status texts_count(const plan *p, int64_t *count, ss_error *err) {
    text_order *o = malloc(((size_t)p->counts.prompts * 3 + 1) * sizeof *o);
    if (!o) return error_no_memory(err, "a list of texts", (unsigned long long)p->counts.prompts * sizeof *o);
    int guided = 0, again = 0, n = list_orders(p, o, &guided, &again);
    if (n > 0) qsort(o, (size_t)n, sizeof *o, by_text);
    *count = guided ? 1 + again : 0;
    for (int i = 0; i < n; i++) *count += i == 0 || by_text(&o[i - 1], &o[i]) != 0;
    free(o);
    return SS_OK;
}
