/* The texts of a plan: what each unit's image is made from, and how many differ. */
#include <stdlib.h>
#include <string.h>

#include "study/plan_internal.h"

text_order plan_text_order(const plan *p, const plan_unit *u) {
    const plan_condition *c = &p->condition[u->condition];
    int again = p->study->condition[u->condition].role == CONDITION_SHAM && !c->program.n;
    return (text_order){.prompt = plan_unit_prompt(p, u), .settings = &c->settings, .repeat = again};
}

static int plan_orders_by_text(const void *a, const void *b) {
    const text_order *x = a, *y = b;
    return x->repeat != y->repeat ? x->repeat - y->repeat : strcmp(x->prompt, y->prompt);
}

/* The orders of all prompts, those that differ within one; returns how many. */
static int list_orders(const plan *p, text_order *out, int *guided, int *again) {
    enum { PLAIN = 1, SWAPPED = 2, AGAIN = 4 };
    int seen = 0, prompt = -1, n = 0;
    for (int i = 0; i < p->n_units; i++) {
        const plan_unit *u = &p->unit[i];
        text_order o = plan_text_order(p, u);
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

ss_status plan_count_texts(const plan *p, int64_t *count, ss_error *err) {
    text_order *o = malloc(((size_t)p->counts.prompts * 3 + 1) * sizeof *o);
    if (!o) return error_no_memory(err, "a list of texts", (unsigned long long)p->counts.prompts * sizeof *o);
    int guided = 0, again = 0, n = list_orders(p, o, &guided, &again);
    if (n > 0) qsort(o, (size_t)n, sizeof *o, plan_orders_by_text);
    *count = guided ? 1 + again : 0;
    for (int i = 0; i < n; i++) *count += i == 0 || plan_orders_by_text(&o[i - 1], &o[i]) != 0;
    free(o);
    return SS_OK;
}
