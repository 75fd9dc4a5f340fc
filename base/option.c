/* Option tables: lookup with suggestions, parsing, description. Relies on base/text alone. */
#include "base/option.h"

#include <string.h>

enum { MAX_NAMES = 128 };

/* Index of `word` among the '|'-separated `words`, or -1. */
static int word_index(const char *words, const char *word) {
    size_t n = strlen(word);
    for (int i = 0; *words; i++) {
        size_t len = strcspn(words, "|");
        if (len == n && memcmp(words, word, n) == 0) return i;
        words += len + (words[len] == '|');
    }
    return -1;
}

static ss_status out_of_range(const option *o, const char *s, const char *where, ss_error *err) {
    text t = {0};
    if (o->type == OPTION_INT) text_addf(&t, "%lld to %lld", (long long)o->low, (long long)o->high);
    else {
        text_add_double(&t, o->low, 12);
        text_add(&t, " to ");
        text_add_double(&t, o->high, 12);
    }
    error_set(err, SS_ERR_INPUT, where, "%s is '%s'; expected %s from %s", o->name, s,
              o->type == OPTION_INT ? "a whole number" : "a number", t.failed ? "its range" : t.s);
    text_free(&t);
    return err->code;
}

ss_status option_parse(const option *o, const char *s, const char *where, option_value *out, ss_error *err) {
    *out = (option_value){.is_set = 1, .text = s};
    switch (o->type) {
    case OPTION_INT:
        if (text_to_int(s, &out->integer) != 0) return out_of_range(o, s, where, err);
        out->number = (double)out->integer;
        break;
    case OPTION_DOUBLE:
        if (text_to_double(s, &out->number) != 0) return out_of_range(o, s, where, err);
        break;
    case OPTION_WORD:
        out->word = word_index(o->words, s);
        if (out->word < 0)
            return error_set(err, SS_ERR_INPUT, where, "%s is '%s'; expected one of %s", o->name, s, o->words);
        return SS_OK;
    case OPTION_FLAG:
        out->integer = strcmp(s, "true") == 0;
        if (!out->integer && strcmp(s, "false") != 0)
            return error_set(err, SS_ERR_INPUT, where, "%s is '%s'; expected true or false", o->name, s);
        return SS_OK;
    case OPTION_PATH:
    case OPTION_TEXT: return SS_OK;
    }
    return out->number >= o->low && out->number <= o->high ? SS_OK : out_of_range(o, s, where, err);
}

static const entry *entry_at(const void *table, size_t stride, int i) {
    return (const entry *)(const void *)((const char *)table + (size_t)i * stride);
}

const entry *entry_find(const void *table, size_t stride, int n, const char *kind, const char *name, const char *where,
                        ss_error *err) {
    const char *names[MAX_NAMES] = {0};
    if (n > MAX_NAMES) n = MAX_NAMES;
    for (int i = 0; i < n; i++) {
        names[i] = entry_at(table, stride, i)->name;
        if (strcmp(names[i], name) == 0) return entry_at(table, stride, i);
    }
    const char *near = text_nearest(name, names, n);
    text all = {0};
    for (int i = 0; i < n; i++) text_addf(&all, "%s%s", i ? ", " : "", names[i]);
    error_set(err, SS_ERR_INPUT, where, "unknown %s '%s'%s%s%s (%ss: %s)", kind, name, near ? "; did you mean '" : "",
              near ? near : "", near ? "'?" : "", kind, all.failed || !all.s ? "" : all.s);
    text_free(&all);
    return NULL;
}

void entry_describe(const entry *e, text *out) {
    text_addf(out, "  %-14s %s\n", e->name, e->help);
    for (const option *o = e->options; o && o->name; o++) {
        text_addf(out, "      %-12s %s", o->name, o->help);
        if (o->words) text_addf(out, " (%s)", o->words);
        if (o->by_default && *o->by_default) text_addf(out, " [default: %s]", o->by_default);
        text_add(out, "\n");
    }
}
