/* See named.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "named.h"

/* The row of a table called `name`. */
static const void *row_of(const void *table, size_t stride, int n, const char *kind, const char *name) {
    ss_error err;
    const entry *e = entry_find(table, stride, n, kind, name, NULL, &err);
    if (!e) fail_msg("%s", err.message);
    return e;
}

const attn_selector *named_selector(const char *name) {
    return row_of(ATTN_SELECTORS, ENTRY_POINTERS, ATTN_SELECTOR_COUNT, "selector", name);
}

const attn_edit *named_edit(const char *name) {
    return row_of(ATTN_EDITS, ENTRY_POINTERS, ATTN_EDIT_COUNT, "edit", name);
}

int named_column(const char *name) {
    for (int i = 0, at = 0; i < ATTN_PROBE_COUNT; at += ATTN_PROBES[i++]->n_columns)
        for (int j = 0; j < ATTN_PROBES[i]->n_columns; j++)
            if (strcmp(ATTN_PROBES[i]->column[j], name) == 0) return at + j;
    fail_msg("no column %s", name);
    return -1;
}

attn_measure named_all_probes(attn_rows rows, int top) {
    attn_measure m = {
        .n_probes = ATTN_PROBE_COUNT, .rows = rows, .r = 2, .noop_below = 0.1, .keep_masses = 1, .top = top};
    for (int i = 0; i < ATTN_PROBE_COUNT; i++) m.probe[i] = ATTN_PROBES[i];
    return m;
}

attn_program named_program(attn_shape shape, const attn_selector *selector, int k, const char *edit, double number,
                           attn_rows rows) {
    attn_program p = {.n = 1};
    attn_intervention *v = &p.intervention[0];
    for (int i = 0; i < shape.steps; i++) bits_set(&v->steps, i);
    for (int i = 0; i < shape.blocks; i++) bits_set(&v->blocks, i);
    for (int i = 0; i < shape.heads; i++) bits_set(&v->heads, i);
    v->branches = 1u << BRANCH_COND | 1u << BRANCH_UNCOND;
    v->rows = rows;
    v->selector = selector;
    v->k = k;
    v->edit = named_edit(edit);
    v->edit_options[0].number = number;
    return p;
}
