/* Contrasts of a study: 'a - b' as pairs of conditions, over k where a side has a list; margins; the positive control's
 * own contrast. */
#include "study/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static ss_status add_contrast(loader *l, const study_contrast *c) {
    study *y = l->y;
    study_contrast *grown = array_resize(y->contrast, (size_t)y->n_contrasts + 1, sizeof *grown);
    if (!grown) return loader_no_memory(l);
    y->contrast = grown;
    grown[y->n_contrasts++] = *c;
    return SS_OK;
}

/* A side: a family or one of its members. Indices are into conditions of the file and the baseline. */
typedef struct side {
    char name[160];
    int n, listed, index[STUDY_MAX_CONDITIONS];
} side;

static ss_status find_side(loader *l, const yaml_node *at, const char *s, size_t n, side *out) {
    const study *y = l->y;
    while (n > 0 && s[n - 1] == ' ') n--;
    while (n > 0 && *s == ' ') s++, n--;
    if (n >= sizeof out->name) n = sizeof out->name - 1;
    memcpy(out->name, s, n);
    out->name[n] = '\0';
    out->n = out->listed = 0;
    const char *names[STUDY_MAX_CONDITIONS];
    int count = 0;
    for (int i = 0; i < y->n_conditions; i++) {
        const study_condition *c = &y->condition[i];
        if (c->draw > 0) continue; /* averaged with the first */
        if (strcmp(c->family, out->name) == 0) {
            out->index[out->n++] = i;
            out->listed = c->k_listed;
        } else if (strcmp(c->name, out->name) == 0) out->index[out->n++] = i;
        if (count == 0 || strcmp(names[count - 1], c->family) != 0) names[count++] = c->family;
    }
    if (out->n > 0) return SS_OK;
    text hint = {0};
    loader_hint(out->name, names, count, "condition", NULL, &hint);
    yaml_error(l->f, at, hint.failed ? NULL : hint.s, l->err, "unknown condition '%s' in a contrast", out->name);
    text_free(&hint);
    return SS_ERR_INPUT;
}

static ss_status pair_sides(loader *l, const yaml_node *at, const side *a, const side *b, study_contrast *c) {
    const study *y = l->y;
    for (int i = 0; i < a->n; i++) {
        int found = 0;
        for (int j = 0; j < b->n; j++) {
            const study_condition *ca = &y->condition[a->index[i]], *cb = &y->condition[b->index[j]];
            if (a->listed && b->listed && ca->intervention.k != cb->intervention.k) continue;
            found = 1;
            c->a = a->index[i];
            c->b = b->index[j];
            c->k = ca->k_listed ? ca->intervention.k : cb->k_listed ? cb->intervention.k : -1;
            SS_TRY(add_contrast(l, c));
        }
        if (!found)
            return yaml_error(l->f, at, NULL, l->err, "'%s' has no k = %d to compare with '%s'", b->name,
                              y->condition[a->index[i]].intervention.k, a->name);
    }
    return SS_OK;
}

static ss_status read_margin(loader *l, const yaml_node *m, study_contrast *c) {
    static const option MARGIN = {"margin", OPTION_DOUBLE, NULL, 1e-300, 1e300, NULL, "margin of equivalence"};
    const yaml_node *margin = yaml_find(m, "margin"), *why = yaml_find(m, "why");
    option_value o;
    if (why) SS_TRY(loader_expect(l, why, YAML_SCALAR, "why"));
    if (margin && margin->kind == YAML_SCALAR && strcmp(margin->text, "calibrated") == 0)
        c->margin_kind = MARGIN_CALIBRATED;
    else if (margin) {
        if (margin->kind != YAML_SCALAR || text_to_double(margin->text, &o.number) != 0 || o.number <= 0)
            return yaml_error(l->f, margin, NULL, l->err, "margin is %s%s%s; expected 'calibrated' or a number above 0",
                              margin->kind == YAML_SCALAR ? "'" : "",
                              margin->kind == YAML_SCALAR ? margin->text : yaml_kind_name(margin),
                              margin->kind == YAML_SCALAR ? "'" : "");
        SS_TRY(loader_parse(l, margin, &MARGIN, &o));
        if (!why || !*why->text)
            return yaml_error(l->f, margin, "add why: a sentence that a reader can judge", l->err,
                              "a margin that is a number needs its reason");
        c->margin_kind = MARGIN_NUMBER;
        c->margin = o.number;
    }
    c->why = why ? why->text : NULL;
    return SS_OK;
}

static ss_status read_contrast(loader *l, const yaml_node *m, side *a, side *b) {
    const option *tables[] = {STUDY_CONTRAST_KEYS};
    option_value what;
    SS_TRY(loader_expect(l, m, YAML_MAPPING, "a contrast"));
    SS_TRY(loader_check_keys(l, m, tables, 1, "key of a contrast"));
    SS_TRY(loader_get(l, m, STUDY_CONTRAST_KEYS, "what", &what));
    const yaml_node *at = yaml_find(m, "what");
    const char *minus = strstr(at->text, " - ");
    if (!minus || strstr(minus + 1, " - "))
        return yaml_error(l->f, at, NULL, l->err, "'%s' is no contrast; expected two conditions: sink - random",
                          at->text);
    SS_TRY(find_side(l, at, at->text, (size_t)(minus - at->text), a));
    SS_TRY(find_side(l, at, minus + 3, strlen(minus + 3), b));
    if (strcmp(a->name, b->name) == 0)
        return yaml_error(l->f, at, NULL, l->err, "'%s' compares a condition with itself", at->text);
    char name[330];
    snprintf(name, sizeof name, "%s - %s", a->name, b->name);
    study_contrast c = {.name = loader_keep(l->y, name)};
    if (!c.name) return loader_no_memory(l);
    SS_TRY(read_margin(l, m, &c));
    for (int i = 0; i < l->y->n_contrasts; i++)
        if (strcmp(l->y->contrast[i].name, c.name) == 0)
            return yaml_error(l->f, at, NULL, l->err, "the contrast '%s' is listed twice", c.name);
    return pair_sides(l, at, a, b, &c);
}

/* positive - baseline, unless the study lists it itself. */
static ss_status add_positive(loader *l) {
    study *y = l->y;
    for (int i = 0; i < y->n_conditions; i++) {
        if (y->condition[i].role != CONDITION_POSITIVE) continue;
        int listed = 0;
        for (int j = 0; j < y->n_contrasts; j++)
            if (y->contrast[j].a == i && y->contrast[j].b == 0) listed = y->contrast[j].is_positive = 1;
        if (listed) continue;
        char name[200];
        snprintf(name, sizeof name, "%s - baseline", y->condition[i].name);
        study_contrast c = {.name = loader_keep(y, name), .a = i, .b = 0, .k = -1, .is_positive = 1, .is_added = 1};
        if (!c.name) return loader_no_memory(l);
        if (y->condition[i].k_listed) c.k = y->condition[i].intervention.k;
        SS_TRY(add_contrast(l, &c));
    }
    return SS_OK;
}

ss_status loader_contrasts(loader *l, const yaml_node *contrasts) {
    side *sides = malloc(2 * sizeof *sides);
    if (!sides) return loader_no_memory(l);
    ss_status status = SS_OK;
    if (contrasts) status = loader_expect(l, contrasts, YAML_SEQUENCE, "contrasts");
    for (int i = 0; contrasts && status == SS_OK && i < contrasts->count; i++)
        status = read_contrast(l, &contrasts->items[i], &sides[0], &sides[1]);
    free(sides);
    return status == SS_OK ? add_positive(l) : status;
}
