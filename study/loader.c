/* The parts of loading that every key needs: kinds, tables of keys, options, paths. A key or a word that no table has
 * is an error. */
#include "study/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/hub.h"
#include "score/weights.h"

enum { MAX_NAMES = 128 };

typedef struct study_string {
    struct study_string *next;
    char s[];
} study_string;

char *loader_keep(study *y, const char *s) {
    size_t n = strlen(s) + 1;
    study_string *b = malloc(sizeof *b + n);
    if (!b) return NULL;
    memcpy(b->s, s, n);
    b->next = y->strings;
    y->strings = b;
    return b->s;
}

void loader_free_strings(study *y) {
    for (study_string *s = y->strings, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    y->strings = NULL;
}

ss_status loader_expect(loader *l, const yaml_node *n, yaml_kind kind, const char *what) {
    if (n->kind == kind) return SS_OK;
    return yaml_error(l->f, n, NULL, l->err, "%s is %s; expected %s", what, yaml_kind_name(n),
                      yaml_kind_name(&(yaml_node){.kind = kind}));
}

const option *loader_find_option(const option *table, const char *name) {
    for (const option *o = table; o && o->name; o++)
        if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

void loader_hint(const char *word, const char *const *names, int n, const char *kind, const char *see, text *out) {
    const char *near = text_nearest(word, names, n);
    if (near) text_addf(out, "did you mean '%s'? (", near);
    text_addf(out, "%ss: ", kind);
    for (int i = 0; i < n; i++) text_addf(out, "%s%s", i ? ", " : "", names[i]);
    if (see) text_addf(out, "; see 'sinkscope help %s'", see);
    if (near) text_add(out, ")");
}

/* Where else in a study the keys of a table are written. */
static const struct place {
    const option *keys;
    const char *before, *after; /* what stands around "key: .." */
} PLACES[] = {
    {STUDY_SAMPLER_KEYS, "sampler: {", "}"}, {STUDY_CONDITION_KEYS, "conditions: {NAME: {", "}}"},
    {STUDY_MEASURE_KEYS, "measure: {", "}"}, {STUDY_PROMPT_KEYS, "prompts: {", "}"},
    {STUDY_PART_KEYS, "parts: {", "}"},      {STUDY_CONTRAST_KEYS, "contrasts: [{", "}]"},
};

/* "'steps' is written sampler: {steps: ..} or conditions: {NAME: {steps: ..}}"; whether there is such a place. */
static int add_places(const char *key, text *out) {
    int found = 0;
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        if (!loader_find_option(PLACES[i].keys, key)) continue;
        if (found++) text_add(out, " or ");
        else text_addf(out, "'%s' is written ", key);
        text_addf(out, "%s%s: ..%s", PLACES[i].before, key, PLACES[i].after);
    }
    return found;
}

ss_status loader_check_keys(loader *l, const yaml_node *mapping, const option *const *tables, int n, const char *what) {
    for (int i = 0; i < mapping->count; i++) {
        const yaml_node *key = yaml_key(mapping, i);
        const char *names[MAX_NAMES];
        int known = 0, count = 0;
        for (int t = 0; t < n; t++) {
            known |= loader_find_option(tables[t], key->text) != NULL;
            for (const option *o = tables[t]; o && o->name && count < MAX_NAMES; o++) names[count++] = o->name;
        }
        if (known) continue;
        text hint = {0};
        if (!add_places(key->text, &hint)) loader_hint(key->text, names, count, "key", NULL, &hint);
        yaml_error(l->f, key, hint.failed ? NULL : hint.s, l->err, "unknown %s '%s'", what, key->text);
        text_free(&hint);
        return SS_ERR_INPUT;
    }
    return SS_OK;
}

ss_status loader_parse(loader *l, const yaml_node *n, const option *o, option_value *out) {
    SS_TRY(loader_expect(l, n, YAML_SCALAR, o->name));
    if (option_parse(o, n->text, NULL, out, l->err) == SS_OK) return SS_OK;
    return yaml_point(l->f, n, l->err);
}

/* The default of an option; where it is no value ("the model's"), nothing. */
static void set_default(const option *o, option_value *out) {
    ss_error ignored;
    if (o->by_default && option_parse(o, o->by_default, NULL, out, &ignored) == SS_OK) out->is_set = 0;
    else *out = (option_value){.word = -1};
}

ss_status loader_get(loader *l, const yaml_node *mapping, const option *table, const char *name, option_value *out) {
    const option *o = loader_find_option(table, name);
    const yaml_node *n = yaml_find(mapping, name);
    if (n) return loader_parse(l, n, o, out);
    if (!o->by_default && mapping) {
        const yaml_node *empty = yaml_find_nothing(mapping, name);
        return yaml_error(l->f, empty ? empty : mapping, o->help, l->err, "the key '%s' %s", name,
                          empty ? "is given no value" : "is missing");
    }
    set_default(o, out);
    return SS_OK;
}

ss_status loader_find_in(loader *l, const yaml_node *n, const loader_table *tables, int n_tables, const char *kind,
                         const entry **out) {
    const char *names[MAX_NAMES];
    int count = 0;
    SS_TRY(loader_expect(l, n, YAML_SCALAR, kind));
    for (int t = 0; t < n_tables; t++)
        for (int i = 0; i < tables[t].count; i++) {
            *out = entry_at(tables[t].rows, tables[t].stride, i);
            if (strcmp((*out)->name, n->text) == 0) return SS_OK;
            if (count < MAX_NAMES) names[count++] = (*out)->name;
        }
    text hint = {0};
    char see[64];
    snprintf(see, sizeof see, "%ss", kind);
    loader_hint(n->text, names, count, kind, see, &hint);
    yaml_error(l->f, n, hint.failed ? NULL : hint.s, l->err, "unknown %s '%s'", kind, n->text);
    text_free(&hint);
    return SS_ERR_INPUT;
}

ss_status loader_find(loader *l, const yaml_node *n, const void *table, size_t stride, int count, const char *kind,
                      const entry **out) {
    return loader_find_in(l, n, &(loader_table){table, stride, count}, 1, kind, out);
}

ss_status loader_options(loader *l, const yaml_node *mapping, const entry *row, const char *kind,
                         option_value out[STUDY_MAX_OPTIONS]) {
    int i = 0;
    for (const option *o = row->options; o && o->name; o++, i++) {
        if (i == STUDY_MAX_OPTIONS)
            return error_set(l->err, SS_ERR_INTERNAL, NULL, "%s '%s' has more than %d options", kind, row->name,
                             STUDY_MAX_OPTIONS);
        const yaml_node *n = yaml_find(mapping, o->name);
        if (n) SS_TRY(loader_parse(l, n, o, &out[i]));
        else if (o->by_default) set_default(o, &out[i]);
        else {
            const yaml_node *empty = yaml_find_nothing(mapping, o->name);
            return yaml_error(l->f, empty ? empty : mapping, o->help, l->err, "%s '%s' needs %sthe key '%s'", kind,
                              row->name, empty ? "a value of " : "", o->name);
        }
    }
    return SS_OK;
}

ss_status loader_picture_sizes(loader *l, const yaml_node *mapping, picture_sizes *out) {
    for (int i = 0; i < PICTURE_SIZES; i++) {
        const char *name = PICTURE_SIZE_KEYS[i].name;
        const yaml_node *n = yaml_find(mapping, name);
        option_value o;
        if (!n) continue;
        SS_TRY(loader_parse(l, n, &PICTURE_SIZE_KEYS[i], &o));
        if (picture_sizes_read(out, (picture_size)i, o.text, name, l->err) != SS_OK) return yaml_point(l->f, n, l->err);
    }
    return SS_OK;
}

/* `written` below `folder` ("" = as it is) if it is there (malloc), else NULL. */
static ss_status path_in(loader *l, const char *folder, const char *written, char **out) {
    *out = NULL;
    if (!folder) return SS_OK;
    char *path = *folder ? file_join(folder, written) : text_copy(written);
    if (!path) return loader_no_memory(l);
    if (access(path, F_OK) == 0) *out = path;
    else free(path);
    return SS_OK;
}

/* `hub`: a repository's name counts, too. */
static ss_status find_path(loader *l, const yaml_node *at, const char *written, const char *what, int hub,
                           const char **out) {
    const study *y = l->y;
    const char *places[] = {y->base_folder, y->current_folder, y->data_folder};
    char *path = NULL, *real = NULL;
    text hint = {0}, looked = {0};
    hub_name name;
    if (written[0] == '/') SS_TRY(path_in(l, "", written, &path));
    else
        for (int i = 0; i < 3 && !path; i++) SS_TRY(path_in(l, places[i], written, &path));
    hub = hub && !path && hub_read_name(written, &name);
    ss_status status = hub ? hub_find(&name, &path, &looked, l->err) : SS_OK;
    if (status == SS_OK && path) status = hub_locate(path, NULL, &real, l->err);
    if (status == SS_OK && path) status = (*out = loader_keep(l->y, real)) ? SS_OK : loader_no_memory(l);
    else if (status == SS_OK) {
        if (written[0] != '/') text_addf(&hint, "looked in %s", places[0]);
        for (int i = 1; i < 3 && written[0] != '/'; i++)
            if (places[i] && strcmp(places[i], places[0]) != 0) text_addf(&hint, ", %s", places[i]);
        if (hub) text_addf(&hint, ", and for %s; nothing is downloaded: ", text_for(&looked, &hint));
        if (hub) hub_add_command(&name, &hint);
        yaml_error(l->f, at, hint.s, l->err, "%s '%s' is not there", what, written);
        status = SS_ERR_INPUT;
    }
    free(path);
    free(real);
    text_free(&hint);
    text_free(&looked);
    return status;
}

ss_status loader_path(loader *l, const yaml_node *at, const char *written, const char *what, const char **out) {
    return find_path(l, at, written, what, 0, out);
}

ss_status loader_named(loader *l, const yaml_node *at, const char *written, const char *what, const char **out) {
    return find_path(l, at, written, what, 1, out);
}

ss_status loader_weights(loader *l, const yaml_node *at, const char *written, const char *what, const char **out) {
    char *path;
    ss_error missing;
    if (!weights_is_published(written)) return loader_named(l, at, written, what, out);
    if (weights_find(written, &path, &missing) != SS_OK && missing.code == SS_ERR_RESOURCE) {
        *l->err = missing;
        return missing.code;
    }
    if (!path) return yaml_error(l->f, at, NULL, l->err, "%s %s %s", what, missing.where, missing.message);
    *out = loader_keep(l->y, path);
    free(path);
    return *out ? SS_OK : loader_no_memory(l);
}

/* "7", "2-4": sets the bits. */
static int set_range(const char *s, int limit, attn_bits *bits) {
    char first[16];
    size_t n = strcspn(s, "-");
    int64_t low, high;
    if (n >= sizeof first) return -1;
    memcpy(first, s, n);
    first[n] = '\0';
    if (text_to_int(first, &low) != 0) return -1;
    if (s[n] == '\0') high = low;
    else if (text_to_int(s + n + 1, &high) != 0) return -1;
    if (low < 0 || high < low || high >= limit) return -1;
    for (int64_t i = low; i <= high; i++) bits_set(bits, (int)i);
    return 0;
}

/* "0.5": a fraction of depth, at least 0 and below 1. */
static int add_fraction(const char *s, number_set *out) {
    double x;
    if (!strchr(s, '.') || text_to_double(s, &x) != 0 || !(x >= 0 && x < 1) || out->n_fractions == STUDY_MAX_FRACTIONS)
        return -1;
    out->fraction[out->n_fractions++] = x;
    return 0;
}

ss_status loader_number_set(loader *l, const yaml_node *n, const char *what, int limit, int of_depth, number_set *out) {
    const char *also = of_depth ? ", or fractions of depth (0.5)" : "";
    *out = (number_set){.node = n};
    if (!n || (n->kind == YAML_SCALAR && strcmp(n->text, "all") == 0)) {
        out->all = 1;
        return SS_OK;
    }
    if (n->kind == YAML_MAPPING || (n->kind == YAML_SEQUENCE && n->count == 0))
        return yaml_error(l->f, n, NULL, l->err, "%s is %s; expected numbers, ranges (2-4)%s or all", what,
                          n->count ? "a mapping" : "empty", also);
    int count = n->kind == YAML_SCALAR ? 1 : n->count;
    for (int i = 0; i < count; i++) {
        const yaml_node *item = n->kind == YAML_SCALAR ? n : &n->items[i];
        if (item->kind == YAML_SCALAR &&
            (set_range(item->text, limit, &out->bits) == 0 || (of_depth && add_fraction(item->text, out) == 0)))
            continue;
        return yaml_error(l->f, item, NULL, l->err, "%s has %s%s%s; expected numbers from 0 to %d, or ranges (2-4)%s",
                          what, item->kind == YAML_SCALAR ? "'" : "",
                          item->kind == YAML_SCALAR ? item->text : yaml_kind_name(item),
                          item->kind == YAML_SCALAR ? "'" : "", limit - 1, also);
    }
    return SS_OK;
}
