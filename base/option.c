/* Option tables: lookup with suggestions, parsing, description. */
#include "base/option.h"

#include <stdlib.h>
#include <string.h>

#include "base/output.h"

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

/* A limit of an OPTION_INT as the whole number that it is: a double compared with an int64 would round it. */
static int64_t whole(double limit) {
    if (limit >= 0x1p63) return INT64_MAX;
    return limit < -0x1p63 ? INT64_MIN : (int64_t)limit;
}

static ss_status out_of_range(const option *o, const char *s, const char *where, ss_error *err) {
    text t = {0};
    if (o->type == OPTION_INT) text_addf(&t, "%lld to %lld", (long long)whole(o->low), (long long)whole(o->high));
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

static ss_status parse_int(const option *o, const char *s, const char *where, option_value *out, ss_error *err) {
    if (text_to_int(s, &out->integer) != 0 || out->integer < whole(o->low) || out->integer > whole(o->high))
        return out_of_range(o, s, where, err);
    out->number = (double)out->integer;
    return SS_OK;
}

static ss_status parse_double(const option *o, const char *s, const char *where, option_value *out, ss_error *err) {
    if (text_to_double(s, &out->number) != 0 || !(out->number >= o->low && out->number <= o->high))
        return out_of_range(o, s, where, err);
    return SS_OK;
}

static ss_status parse_word(const option *o, const char *s, const char *where, option_value *out, ss_error *err) {
    out->word = word_index(o->words, s);
    if (out->word >= 0) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s is '%s'; expected one of %s", o->name, s, o->words);
}

static ss_status parse_flag(const option *o, const char *s, const char *where, option_value *out, ss_error *err) {
    out->integer = strcmp(s, "true") == 0;
    if (out->integer || strcmp(s, "false") == 0) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where, "%s is '%s'; expected true or false", o->name, s);
}

static ss_status parse_seed(const option *o, const char *s, const char *where, option_value *out, ss_error *err) {
    if (seed_parse(s, &out->seed) == 0) return SS_OK;
    return error_set(err, SS_ERR_INPUT, where,
                     "%s is '%s'; expected a whole number from -9223372036854775808 to 18446744073709551615", o->name,
                     s);
}

static ss_status parse_file(const option *o, const char *s, const char *where, option_value *out, ss_error *err) {
    (void)o, (void)where, (void)out;
    return output_check(s, err);
}

static ss_status parse_folder(const option *o, const char *s, const char *where, option_value *out, ss_error *err) {
    (void)out;
    if (!*s) return error_set(err, SS_ERR_USAGE, where, "%s is empty; expected the name of a folder", o->name);
    if (strcmp(s, "-") != 0) return SS_OK;
    return error_set(err, SS_ERR_USAGE, where,
                     "%s is '-', standard output, which takes one file; expected a folder ('./-' is one of that name)",
                     o->name);
}

static ss_status parse_text(const option *o, const char *s, const char *where, option_value *out, ss_error *err) {
    (void)o, (void)s, (void)where, (void)out, (void)err;
    return SS_OK;
}

/* By type. */
static const struct {
    const char *value_name;
    ss_status (*parse)(const option *o, const char *s, const char *where, option_value *out, ss_error *err);
} TYPES[OPTION_TYPES] = {
    [OPTION_INT] = {"N", parse_int},         [OPTION_DOUBLE] = {"X", parse_double},
    [OPTION_WORD] = {"WORD", parse_word},    [OPTION_TEXT] = {"TEXT", parse_text},
    [OPTION_FLAG] = {"", parse_flag},        [OPTION_PATH] = {"PATH", parse_text},
    [OPTION_SEED] = {"N", parse_seed},       [OPTION_FILE] = {"FILE", parse_file},
    [OPTION_FOLDER] = {"DIR", parse_folder},
};

const char *option_value_name(const option *o) { return TYPES[o->type].value_name; }

ss_status option_parse(const option *o, const char *s, const char *where, option_value *out, ss_error *err) {
    *out = (option_value){.is_set = 1, .text = s};
    return TYPES[o->type].parse(o, s, where, out, err);
}

const entry *entry_at(const void *table, size_t stride, int i) {
    if (stride == ENTRY_POINTERS) return ((const entry *const *)table)[i];
    return (const entry *)(const void *)((const char *)table + (size_t)i * stride);
}

const entry *entry_find(const void *table, size_t stride, int n, const char *kind, const char *name, const char *where,
                        ss_error *err) {
    for (int i = 0; i < n; i++)
        if (strcmp(entry_at(table, stride, i)->name, name) == 0) return entry_at(table, stride, i);
    const char **names = calloc((size_t)n + 1, sizeof *names);
    if (!names) {
        error_no_memory(err, "names", (size_t)n * sizeof *names);
        return NULL;
    }
    for (int i = 0; i < n; i++) names[i] = entry_at(table, stride, i)->name;
    const char *near = text_nearest(name, names, n);
    text all = {0};
    for (int i = 0; i < n; i++) text_addf(&all, "%s%s", i ? ", " : "", names[i]);
    error_set(err, SS_ERR_INPUT, where, "unknown %s '%s'%s%s%s (%ss: %s)", kind, name, near ? "; did you mean '" : "",
              near ? near : "", near ? "'?" : "", kind, all.failed || !all.s ? "" : all.s);
    text_free(&all);
    free(names);
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
