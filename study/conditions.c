/* Conditions of a study: from the mapping in the file to one study_condition per value of k, and those that every study
 * has (baseline, shams, calibration). */
#include "study/loader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* A sham gives the baseline's bytes, or something is broken. Rows without a selector make the baseline once more, from
 * the text on; the selectors and edits of the others have no options. */
static const struct sham {
    const char *name, *select, *edit;
    int k;
} SHAMS[] = {
    {"baseline-again", NULL, NULL, 0},
    {"empty-set", "top", "mask", 0},
    {"identity", "top", "identity", 5},
};
enum { SHAM_COUNT = sizeof SHAMS / sizeof *SHAMS };

static int is_built_in(const char *name) {
    for (int i = 0; i < SHAM_COUNT; i++)
        if (strcmp(name, SHAMS[i].name) == 0) return 1;
    return strcmp(name, "baseline") == 0 || strcmp(name, "calibration") == 0;
}

static ss_status add_condition(loader *l, study_condition **out) {
    study *y = l->y;
    if (y->n_conditions == STUDY_MAX_CONDITIONS)
        return error_set(l->err, SS_ERR_INPUT, y->path, "has more than %d conditions", STUDY_MAX_CONDITIONS);
    study_condition *grown = array_resize(y->condition, (size_t)y->n_conditions + 1, sizeof *grown);
    if (!grown) return loader_no_memory(l);
    y->condition = grown;
    *out = &grown[y->n_conditions++];
    **out = (study_condition){.guidance = NAN, .draw_of = y->n_conditions - 1};
    return SS_OK;
}

/* "like", "like k=5", "like k=5 draw 2" (the second draw); k < 0: not listed. */
static ss_status name_condition(loader *l, study_condition *c, const char *family, int k) {
    text name = {0}, folder = {0};
    text_add(&name, family);
    text_add(&folder, family);
    if (k >= 0) {
        text_addf(&name, " k=%d", k);
        text_addf(&folder, "_k%d", k);
    }
    if (c->draw > 0) {
        text_addf(&name, " draw %d", c->draw + 1);
        text_addf(&folder, "_draw%d", c->draw + 1);
    }
    c->family = loader_keep(l->y, family);
    c->name = name.failed ? NULL : loader_keep(l->y, name.s);
    c->folder = folder.failed ? NULL : loader_keep(l->y, folder.s);
    text_free(&name);
    text_free(&folder);
    return c->name && c->folder && c->family ? SS_OK : loader_no_memory(l);
}

static int is_plain_name(const char *s) {
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    size_t n = strlen(s);
    return n > 0 && n <= 64 && s[0] != '.' && strspn(s, ALLOWED) == n;
}

static ss_status check_name(loader *l, const yaml_node *key) {
    if (!is_plain_name(key->text))
        return yaml_error(l->f, key, NULL, l->err,
                          "'%s' is no name for a condition; expected letters, digits, '-', '.'", key->text);
    if (is_built_in(key->text))
        return yaml_error(l->f, key, "built in: baseline, baseline-again, empty-set, identity, calibration", l->err,
                          "the condition '%s' is built in; choose another name", key->text);
    return SS_OK;
}

static ss_status read_phase(loader *l, const yaml_node *m, study_intervention *v) {
    static const option PROGRESS = {"phase", OPTION_DOUBLE, NULL, 0, 1, NULL, "progress"};
    const yaml_node *n = yaml_find(m, "phase");
    if (!n) return SS_OK;
    if (yaml_find(m, "steps")) return yaml_error(l->f, n, NULL, l->err, "steps and phase exclude each other");
    if (n->kind != YAML_SEQUENCE || n->count != 2)
        return yaml_error(l->f, n, NULL, l->err, "phase is not [from, to]; expected two numbers from 0 to 1");
    option_value low, high;
    SS_TRY(loader_parse(l, &n->items[0], &PROGRESS, &low));
    SS_TRY(loader_parse(l, &n->items[1], &PROGRESS, &high));
    if (low.number > high.number) return yaml_error(l->f, n, NULL, l->err, "phase ends before it begins");
    v->has_phase = 1;
    v->phase_low = low.number;
    v->phase_high = high.number;
    v->steps.node = n;
    return SS_OK;
}

/* A list of kinds, one alone, or 'all'. */
static ss_status conditions_read_kinds(loader *l, const yaml_node *m, study_intervention *v) {
    const yaml_node *n = yaml_find(m, "kinds");
    const entry *row;
    if (!n || (n->kind == YAML_SCALAR && strcmp(n->text, "all") == 0)) return SS_OK;
    if (n->kind == YAML_MAPPING || (n->kind == YAML_SEQUENCE && n->count == 0))
        return yaml_error(l->f, n, NULL, l->err, "kinds is %s; expected a list of kinds of attention, or all",
                          n->count ? "a mapping" : "empty");
    int count = n->kind == YAML_SCALAR ? 1 : n->count;
    v->kinds_node = n;
    for (int i = 0; i < count; i++) {
        const yaml_node *item = n->kind == YAML_SCALAR ? n : &n->items[i];
        SS_TRY(loader_find(l, item, ATTN_KINDS, sizeof *ATTN_KINDS, ATTN_KIND_COUNT, "kind", &row));
        v->kinds |= 1u << (row - ATTN_KINDS);
    }
    return SS_OK;
}

static ss_status read_where(loader *l, const yaml_node *m, study_intervention *v) {
    option_value o;
    SS_TRY(loader_number_set(l, yaml_find(m, "blocks"), "blocks", ATTN_MAX_BLOCKS, 1, &v->blocks));
    SS_TRY(conditions_read_kinds(l, m, v));
    SS_TRY(loader_number_set(l, yaml_find(m, "heads"), "heads", ATTN_MAX_HEADS, 0, &v->heads));
    SS_TRY(loader_number_set(l, yaml_find(m, "steps"), "steps", ATTN_MAX_STEPS, 0, &v->steps));
    SS_TRY(read_phase(l, m, v));
    SS_TRY(loader_get(l, m, STUDY_CONDITION_KEYS, "branch", &o));
    static const unsigned BRANCHES[] = {1u << BRANCH_COND | 1u << BRANCH_UNCOND, 1u << BRANCH_COND,
                                        1u << BRANCH_UNCOND};
    v->branches = BRANCHES[o.word];
    SS_TRY(loader_get(l, m, STUDY_CONDITION_KEYS, "rows", &o));
    v->rows = (attn_rows)o.word;
    SS_TRY(loader_get(l, m, STUDY_CONDITION_KEYS, "scope", &o));
    v->scope = (attn_scope)o.word;
    SS_TRY(loader_get(l, m, STUDY_CONDITION_KEYS, "redraw", &o));
    v->redraw = (attn_redraw)o.word;
    SS_TRY(loader_get(l, m, STUDY_CONDITION_KEYS, "source", &o));
    v->source = (attn_source)o.word;
    return SS_OK;
}

/* An arm of a matched control leaves sinks out that nothing matches; a study that does not count them cannot say so. */
static ss_status check_counted(loader *l, const yaml_node *select) {
    for (int i = 0; i < l->y->n_probes; i++)
        if (strcmp(l->y->probe[i]->about.name, "reduction") == 0) return SS_OK;
    return yaml_error(l->f, select, "add it: probes: [..., reduction]", l->err,
                      "'%s' needs the probe 'reduction', which counts the sinks that find no match", select->text);
}

static const void *row_called(const void *table, size_t stride, int n, const char *name) {
    for (int i = 0; i < n; i++) {
        const entry *e = entry_at(table, stride, i);
        if (strcmp(e->name, name) == 0) return e;
    }
    return NULL;
}

/* Which keys and what is done to them belong together, but for edits that act on nothing that is chosen. */
static ss_status check_pair(loader *l, const yaml_node *select, const yaml_node *edit, const study_intervention *v) {
    if (edit && v->edit->on == EDIT_ON_NOTHING) {
        if (!select) return SS_OK;
        return yaml_error(l->f, select, NULL, l->err, "the edit '%s' chooses nothing; leave 'select' away", edit->text);
    }
    if (!select != !edit)
        return yaml_error(l->f, select ? select : edit, NULL, l->err,
                          "'%s' without '%s': which keys and what is done to them belong together",
                          select ? "select" : "edit", select ? "edit" : "select");
    if (select && v->selector->queries != (v->edit->on == EDIT_ON_QUERIES))
        return yaml_error(l->f, edit, NULL, l->err, "the selector '%s' chooses %s, the edit '%s' acts on %s",
                          select->text, v->selector->queries ? "query rows" : "keys", edit->text,
                          v->edit->on == EDIT_ON_QUERIES ? "query rows" : "keys");
    return select && v->selector->matches ? check_counted(l, select) : SS_OK;
}

/* `share` in place of `k`; neither where the selector determines the number. */
static ss_status read_share(loader *l, const yaml_node *m, study_intervention *v) {
    const yaml_node *share = yaml_find(m, "share"), *k = yaml_find(m, "k");
    option_value o;
    if (v->selector->sized && (share || k))
        return yaml_error(l->f, share ? share : k, NULL, l->err,
                          "the selector '%s' takes no '%s': its options say how many keys", v->selector->about.name,
                          share ? "share" : "k");
    if (!share) return SS_OK;
    if (k) return yaml_error(l->f, share, NULL, l->err, "k and share exclude each other");
    SS_TRY(loader_get(l, m, STUDY_CONDITION_KEYS, "share", &o));
    v->share = o.number;
    if (v->share > 0) return SS_OK;
    return yaml_error(l->f, share, NULL, l->err, "share is %s; expected a number above 0 and up to 0.5", share->text);
}

int study_has_no_k(const study_intervention *v) { return v->share > 0 || v->selector->sized; }

/* The rows named by select and edit, and the keys that go with them; *any = 0 where there is no intervention. */
static ss_status read_intervention(loader *l, const yaml_node *m, study_intervention *v, int *any) {
    const yaml_node *select = yaml_find(m, "select"), *edit = yaml_find(m, "edit");
    const option *tables[] = {STUDY_CONDITION_KEYS, NULL, NULL};
    const entry *row = NULL;
    if (select) {
        SS_TRY(loader_find(l, select, ATTN_SELECTORS, ENTRY_POINTERS, ATTN_SELECTOR_COUNT, "selector", &row));
        v->selector = (const attn_selector *)(const void *)row;
        tables[1] = row->options;
    }
    if (edit) {
        SS_TRY(loader_find(l, edit, ATTN_EDITS, ENTRY_POINTERS, ATTN_EDIT_COUNT, "edit", &row));
        v->edit = (const attn_edit *)(const void *)row;
        tables[2] = row->options;
    }
    SS_TRY(loader_check_keys(l, m, tables, 3, "key of a condition"));
    SS_TRY(check_pair(l, select, edit, v));
    SS_TRY(read_where(l, m, v));
    *any = edit != NULL;
    if (edit) SS_TRY(loader_options(l, m, &v->edit->about, "edit", v->edit_options));
    if (select) {
        SS_TRY(read_share(l, m, v));
        return loader_options(l, m, &v->selector->about, "selector", v->selector_options);
    }
    static const struct {
        const char *key;
        int edit_suffices; /* for an edit that chooses nothing */
    } NEED[] = {{"k", 0},     {"share", 0}, {"scope", 0}, {"source", 0}, {"draws", 0}, {"blocks", 1}, {"kinds", 1},
                {"heads", 1}, {"steps", 1}, {"phase", 1}, {"branch", 1}, {"rows", 1},  {"redraw", 1}, {"also", 1}};
    for (size_t i = 0; i < sizeof NEED / sizeof *NEED; i++)
        if (yaml_find(m, NEED[i].key) && !(edit && NEED[i].edit_suffices))
            return yaml_error(l->f, m, NULL, l->err, "'%s' without 'select' and 'edit' changes nothing", NEED[i].key);
    if (edit) v->selector = row_called(ATTN_SELECTORS, ENTRY_POINTERS, ATTN_SELECTOR_COUNT, "top");
    return SS_OK;
}

static const option K = {"k", OPTION_INT, NULL, 0, 1 << 20, "1", "keys per head"};

/* `also`: further interventions, each with a k of its own. */
static ss_status read_also(loader *l, const yaml_node *m, study_condition *c) {
    static const char *const REFUSED[] = {"also", "draws", "prompt", "seed", "sampler"};
    const yaml_node *list = yaml_find(m, "also");
    if (!list) return SS_OK;
    SS_TRY(loader_expect(l, list, YAML_SEQUENCE, "also"));
    if (list->count > STUDY_MAX_ALSO)
        return yaml_error(l->f, list, NULL, l->err, "also has %d interventions; expected at most %d", list->count,
                          STUDY_MAX_ALSO);
    for (int i = 0; i < list->count; i++) {
        const yaml_node *item = &list->items[i];
        int any = 0;
        option_value k = {.integer = 1};
        SS_TRY(loader_expect(l, item, YAML_MAPPING, "an intervention of also"));
        for (size_t j = 0; j < sizeof REFUSED / sizeof *REFUSED; j++)
            if (yaml_find(item, REFUSED[j]))
                return yaml_error(l->f, item, NULL, l->err, "'%s' belongs to the condition, not to its 'also'",
                                  REFUSED[j]);
        study_intervention *v = &c->also[c->n_also++];
        SS_TRY(read_intervention(l, item, v, &any));
        if (!any) return yaml_error(l->f, item, NULL, l->err, "an intervention of also needs 'select' and 'edit'");
        if (yaml_find(item, "k")) SS_TRY(loader_parse(l, yaml_find(item, "k"), &K, &k));
        v->k = v->edit->on == EDIT_ON_NOTHING || study_has_no_k(v) ? 0 : (int)k.integer;
    }
    return SS_OK;
}

/* What differs from the baseline beside attention: prompt, seed, sampler settings. */
static ss_status read_changes(loader *l, const yaml_node *m, study_condition *c) {
    static const option ADD[] = {{"add", OPTION_INT, NULL, -0x1p63, 0x1p63, NULL, "added to the image seed"}, {0}};
    static const option SAMPLER[] = {{"steps", OPTION_INT, NULL, 1, ATTN_MAX_STEPS, "0", "denoising steps"},
                                     {"guidance", OPTION_DOUBLE, NULL, 0, 1000, "", "guidance scale"},
                                     {"scheduler", OPTION_TEXT, NULL, 0, 0, "", SCHEDULER_HELP},
                                     PICTURE_SIZE_OPTIONS,
                                     {0}};
    const option *add[] = {ADD}, *settings[] = {SAMPLER};
    option_value o;
    SS_TRY(loader_get(l, m, STUDY_CONDITION_KEYS, "prompt", &o));
    if (o.is_set) {
        c->prompt = PROMPT_SWAP_ATTRIBUTE;
        c->role = CONDITION_POSITIVE;
    }
    const yaml_node *seed = yaml_find(m, "seed"), *sampler = yaml_find(m, "sampler");
    if (seed) {
        SS_TRY(loader_expect(l, seed, YAML_MAPPING, "seed of a condition"));
        SS_TRY(loader_check_keys(l, seed, add, 1, "key of seed"));
        SS_TRY(loader_get(l, seed, ADD, "add", &o));
        c->seed_add = o.integer;
        if (o.integer != 0 && (uint32_t)o.integer == 0 && l->y->store_version == 0)
            return yaml_error(
                l->f, yaml_find(seed, "add"), NULL, l->err,
                "%s is a multiple of 2^32: torch's generator takes seeds modulo 2^32, so this is the same "
                "noise; expected another number",
                yaml_find(seed, "add")->text);
    }
    if (sampler) {
        SS_TRY(loader_expect(l, sampler, YAML_MAPPING, "sampler"));
        SS_TRY(loader_check_keys(l, sampler, settings, 1, "key of a condition's sampler"));
        if (yaml_find(sampler, "steps")) {
            SS_TRY(loader_get(l, sampler, SAMPLER, "steps", &o));
            c->sampler_steps = (int)o.integer;
        }
        if (yaml_find(sampler, "guidance")) {
            SS_TRY(loader_get(l, sampler, SAMPLER, "guidance", &o));
            c->guidance = o.number;
        }
        if (yaml_find(sampler, "scheduler")) {
            SS_TRY(loader_get(l, sampler, SAMPLER, "scheduler", &o));
            c->scheduler = o.is_set ? o.text : NULL;
        }
        SS_TRY(loader_picture_sizes(l, sampler, &c->sizes));
    }
    if (!c->has_intervention && !c->prompt && !seed && !sampler)
        return yaml_error(l->f, m, "give select and edit, or prompt, seed or sampler", l->err,
                          "this condition does not differ from the baseline");
    return SS_OK;
}

/* One condition of a value of k: as many as there are draws. */
static ss_status expand_draws(loader *l, const yaml_node *key, const study_condition *c, int k, int listed, int draws) {
    int first = l->y->n_conditions;
    for (int draw = 0; draw < draws; draw++) {
        study_condition *one;
        SS_TRY(add_condition(l, &one));
        *one = *c;
        one->k_listed = listed;
        one->intervention.k = k;
        one->draw = draw;
        one->draw_of = first;
        SS_TRY(name_condition(l, one, key->text, listed ? k : -1));
    }
    return SS_OK;
}

/* k: one number, or a list that makes a condition of each. */
static ss_status expand(loader *l, const yaml_node *key, const yaml_node *m, const study_condition *c) {
    const yaml_node *list = yaml_find(m, "k");
    int listed = list && list->kind == YAML_SEQUENCE, n = listed ? list->count : 1, first = l->y->n_conditions;
    option_value draws;
    SS_TRY(loader_get(l, m, STUDY_CONDITION_KEYS, "draws", &draws));
    if (n == 0) return yaml_error(l->f, list, NULL, l->err, "k is an empty list; expected numbers");
    for (int i = 0; i < n; i++) {
        int nothing =
            c->has_intervention && (c->intervention.edit->on == EDIT_ON_NOTHING || study_has_no_k(&c->intervention));
        option_value k = {.integer = nothing ? 0 : 1};
        if (list) SS_TRY(loader_parse(l, listed ? &list->items[i] : list, &K, &k));
        for (int j = first; i > 0 && j < l->y->n_conditions; j++)
            if (l->y->condition[j].intervention.k == k.integer)
                return yaml_error(l->f, &list->items[i], NULL, l->err, "k = %d is listed twice", (int)k.integer);
        SS_TRY(expand_draws(l, key, c, (int)k.integer, listed, (int)draws.integer));
    }
    return SS_OK;
}

ss_status loader_conditions(loader *l, const yaml_node *conditions) {
    study_condition *baseline;
    SS_TRY(add_condition(l, &baseline));
    baseline->role = CONDITION_BASELINE;
    SS_TRY(name_condition(l, baseline, "baseline", -1));
    SS_TRY(loader_expect(l, conditions, YAML_MAPPING, "conditions"));
    for (int i = 0; i < conditions->count; i++) {
        const yaml_node *key = yaml_key(conditions, i), *m = yaml_value(conditions, i);
        SS_TRY(check_name(l, key));
        SS_TRY(loader_expect(l, m, YAML_MAPPING, key->text));
        study_condition c = {.role = CONDITION_STUDIED, .guidance = NAN, .node = m};
        SS_TRY(read_intervention(l, m, &c.intervention, &c.has_intervention));
        SS_TRY(read_also(l, m, &c));
        SS_TRY(read_changes(l, m, &c));
        SS_TRY(expand(l, key, m, &c));
    }
    return SS_OK;
}

static ss_status add_sham(loader *l, const struct sham *s) {
    study_condition *c;
    SS_TRY(add_condition(l, &c));
    c->role = CONDITION_SHAM;
    SS_TRY(name_condition(l, c, s->name, -1));
    if (!s->select) return SS_OK;
    study_intervention *v = &c->intervention;
    v->selector = row_called(ATTN_SELECTORS, ENTRY_POINTERS, ATTN_SELECTOR_COUNT, s->select);
    v->edit = row_called(ATTN_EDITS, ENTRY_POINTERS, ATTN_EDIT_COUNT, s->edit);
    if (!v->selector || !v->edit)
        return error_set(l->err, SS_ERR_INTERNAL, NULL, "sham '%s' needs selector '%s' and edit '%s'", s->name,
                         s->select, s->edit);
    v->blocks.all = v->heads.all = v->steps.all = 1;
    v->branches = 1u << BRANCH_COND | 1u << BRANCH_UNCOND;
    v->rows = ROWS_ALL;
    v->k = s->k;
    c->has_intervention = 1;
    return SS_OK;
}

ss_status loader_builtin_conditions(loader *l) {
    for (int i = 0; l->y->sham_groups != 0 && i < SHAM_COUNT; i++) SS_TRY(add_sham(l, &SHAMS[i]));
    if (l->y->n_calibration == 0) return SS_OK;
    study_condition *c;
    SS_TRY(add_condition(l, &c));
    c->role = CONDITION_CALIBRATION;
    return name_condition(l, c, "calibration", -1);
}
